import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from lenet_course import shapes
from lenet_course.chapters import output_size as chapter


def cells(ax, **properties):
    """List the centers (x, y) of the cells that look like this."""
    return [
        tuple(round(corner + 0.45, 3) for corner in patch.get_xy())
        for patch in ax.patches
        if all(getattr(patch, f"get_{name}")() == value for name, value in properties.items())
    ]


def colored(ax, color):
    return cells(ax, facecolor=to_rgba(color))


@pytest.mark.parametrize(
    ("setting", "lines"),
    [
        ((7, 3), [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]]),
        ((8, 3, 2), [[0, 1, 2], [2, 3, 4], [4, 5, 6]]),
        ((7, 3, 1, 0, 2), [[0, 2, 4], [1, 3, 5], [2, 4, 6]]),
        ((3, 3, 2, 1), [[0, 1], [1, 2]]),  # cells of the padding are paler
        ((3, 2, 1, "same"), [[0, 1], [1, 2], [2]]),
    ],
)
def test_window_places_draws_each_window_and_its_output(ax, setting, lines):
    assert chapter.window_places(ax, *setting) is ax
    assert colored(ax, "C0") == [(cell, n + 1.3) for n, line in enumerate(lines) for cell in line]
    assert [y for _, y in colored(ax, "C1")] == [n + 1.3 for n in range(len(lines))]
    assert [label.get_text() for label in ax.get_yticklabels()][-1] == str(len(lines))


def test_window_places_marks_padding_and_unread_cells(ax):
    chapter.window_places(ax, 8, 3, stride=2, padding=1)
    assert [x for x, _ in cells(ax, linestyle="--")] == [-1, 8]
    assert [x for x, _ in cells(ax, hatch="////")] == [8]
    assert [text.get_text() for text in ax.texts] == ["0", "0", "out"]


def test_window_grid_frames_the_first_and_last_place(ax):
    assert chapter.window_grid(ax, (6, 9), (3, 2), stride=(1, 2)) is ax
    first, last = (patch for patch in ax.patches if patch.get_label())
    assert (first.get_xy(), first.get_width(), first.get_height()) == ((-0.5, -0.5), 2, 3)
    assert (last.get_xy(), last.get_label()) == ((5.5, 2.5), "last place")
    (dots,) = ax.lines
    assert sorted(set(dots.get_xdata())) == [0, 2, 4, 6]
    assert sorted(set(dots.get_ydata())) == [0, 1, 2, 3]
    assert cells(ax, hatch="////") == [(8, y) for y in range(6)]


def test_window_grid_draws_padding_or_the_image(ax):
    chapter.window_grid(ax, 2, 3, padding=1)
    assert len(cells(ax, linestyle="--")) == 12
    pixels = np.arange(12).reshape(3, 4)
    chapter.window_grid(ax, (3, 4), 2, pixels=pixels)
    np.testing.assert_array_equal(ax.images[0].get_array(), pixels)


def test_size_chain_is_to_scale(ax):
    assert chapter.size_chain(ax, [8, 4, 1], ["pool", "conv"]) is ax
    squares = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    sides = [(square.get_width(), square.get_height()) for square in squares]
    assert sides == [(8, 8), (4, 4), (1, 1)]
    words = [text.get_text() for text in ax.texts if text.get_text()]
    assert words == ["8", "pool", "4", "conv", "1"]


@pytest.mark.parametrize(
    ("size", "layers", "seen"),
    [
        (9, [(3, 1), (3, 1)], range(2, 7)),
        (9, [(5, 1)], range(2, 7)),
        (16, [(5, 1), (2, 2), (5, 1), (2, 2)], range(16)),
        (5, [(3, 1, 2)], [0, 2, 4]),
        (3, [], [1]),
    ],
)
def test_receptive_pyramid_colors_what_is_seen(ax, size, layers, seen):
    assert chapter.receptive_pyramid(ax, size, layers) is ax
    bottom = [x for x, y in colored(ax, "C0" if layers else "C1") if y == 0]
    assert bottom == list(seen)
    assert len(colored(ax, "C1")) == 1


@pytest.mark.parametrize(
    ("drawing", "given", "message"),
    [
        (chapter.window_places, [3, 4], "does not fit"),
        (chapter.window_grid, [(3, 4), 5], "does not fit"),
        (chapter.receptive_pyramid, [3, [(2, 1), (3, 1)]], "does not fit"),
        (chapter.window_grid, [(4, 3), 2, 1, 0, 1, np.ones((3, 4))], r"\(4, 3\).*got \(3, 4\)"),
        (chapter.size_chain, [[8, 4], []], "2 sizes have 1 layers between"),
    ],
)
def test_what_does_not_fit_is_refused(ax, drawing, given, message):
    with pytest.raises(ValueError, match=message):
        drawing(ax, *given)


def sized(one_axis):
    """Make a function of one axis take pairs."""

    def size(*setting):
        if all(isinstance(entry, int) for entry in setting):
            return one_axis(*setting)
        axes = zip(*((e, e) if isinstance(e, int) else e for e in setting), strict=True)
        return tuple(one_axis(*axis) for axis in axes)

    return size


def one_axis(n, k, s, p, d):
    return (n + 2 * p - d * (k - 1) - 1) // s + 1


def input_sizes(output, kernel_size, stride, padding, extra=-1, sign=-1, more=-1):
    smallest = (output + extra) * stride + kernel_size + sign * 2 * padding
    return smallest, smallest + stride + more


def field(layers, before=1, join=lambda width, stride: width * stride):
    """Give the receptive field, each layer's stride counted before or after its kernel."""
    seen, width = 1, 1
    for k, s in layers:
        widths = width, join(width, s)
        seen += (k - 1) * widths[1 - before]
        width = widths[1]
    return seen


@pytest.mark.parametrize(
    ("check", "answer", "says"),
    [
        ("conv_output_size", shapes.conv_output_size, "all 10 cases agree"),
        ("conv_output_size", one_axis, "case 8 .*a pair is"),
        *(
            ("conv_output_size", sized(wrong), says)
            for wrong, says in [
                (lambda n, k, s, p, d: k - n + 1, "case 1 .*the first place"),
                (lambda n, k, s, p, d: (n - k + p) // s + 1, "case 2 .*counts twice"),
                (lambda n, k, s, p, d: (n - k + 1 + 2 * p) // s, "case 3 .*after that"),
                (lambda n, k, s, p, d: (n - k + 2 * p) / s + 1, "case 4 .*round down"),
                (lambda n, k, s, p, d: (n - k) // s + 2 * p // s + 1, "case 5 .*before you divide"),
                (lambda n, k, s, p, d: (n - k + 2 * p) // s + 1, "case 6 .*spans"),
            ]
        ),
        ("input_size_range", input_sizes, "all 5 cases agree"),
        ("input_size_range", lambda *a: input_sizes(*a)[0], r"case 1 .*shape \(\), expected \(2,"),
        ("input_size_range", lambda *a: input_sizes(*a, extra=0), "case 1 .*only one size"),
        ("input_size_range", lambda *a: input_sizes(*a, more=0), "case 1 .*only one size"),
        ("input_size_range", lambda *a: input_sizes(*a)[:1] * 2, "case 2 .*more cells"),
        ("input_size_range", lambda *a: input_sizes(*a, sign=1), "case 4 .*per side"),
        ("receptive_field", shapes.receptive_field, "all 6 cases agree"),
        ("receptive_field", lambda layers: field(layers) - 1, "case 1 .*its own kernel"),
        ("receptive_field", lambda layers: sum(k for k, _ in layers), "case 2 .*not K"),
        ("receptive_field", lambda layers: 1 + sum(k - 1 for k, _ in layers), "case 3 .*2 input"),
        ("receptive_field", lambda layers: field(layers, before=0), "case 3 "),
        ("receptive_field", lambda layers: field(layers, join=lambda w, s: s), "case 5 .*multip"),
        ("receptive_field", lambda layers: field(layers, join=lambda w, s: w + s - 1), "case 6 "),
    ],
)
def test_checkers(check, answer, says, verdict):
    verdict(getattr(chapter, f"check_{check}"), answer, says)

"""What the drawings of one chapter show is read back from the axes."""

import math
import time
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from drawing_helpers import bounds, cells, words
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from lenet_course import compare, models
from lenet_course.chapters import (
    convolution,
    deeper_networks,
    fashion_mnist,
    first_look,
    layers_backward,
    lenet,
    many_machines,
    mlp_or_cnn,
    mnist,
    output_size,
    overfitting,
    watching_training,
    what_a_layer_sees,
)


def colored(ax, color):
    return cells(ax, facecolor=to_rgba(color))


# A first look


def stages():
    """A network of 28 pixels, 6 and 16 maps, 4 units and 3 scores."""
    rng = np.random.default_rng(1)
    sizes = {"in": (1, 28, 28), "a": (6, 28, 28), "b": (16, 5, 5), "c": (4,)}
    numbers = {label: rng.random(size) for label, size in sizes.items()}
    return numbers | {"c": np.array([1.0, 2, 0, 4]), "out": np.array([-0.26, 7, 1])}


def test_anatomy_draws_each_number_at_one_scale(ax):
    drawn = stages()
    assert first_look.anatomy(ax, drawn, (4, 12), np.ones(4)) is ax
    expected = [*drawn["in"], *drawn["a"], *drawn["b"], drawn["c"][None]]
    for image, numbers in zip(ax.images, expected, strict=True):
        np.testing.assert_array_equal(image.get_array(), numbers)
    extents = np.array([image.get_extent() for image in ax.images])  # left, right, bottom, top
    widths, heights = extents[:, 1] - extents[:, 0], extents[:, 2] - extents[:, 3]
    np.testing.assert_allclose(widths, [28] * 7 + [5] * 16 + [178])
    np.testing.assert_allclose(heights, [28] * 7 + [5] * 17)
    assert (extents[1:7, 0] == np.arange(6) * 30).all()
    assert extents[0, 0] == extents[4, 0]  # the image stands above a map of its own size
    limits = [image.get_clim()[1] for image in ax.images]
    assert len(set(limits[1:7])) == 1, "all maps of a stage have one scale"
    assert limits[1] == drawn["a"].max()
    assert words(ax)[:3] == ["in", "one neuron sees\n5×5 pixels", "a"]
    assert {"hidden layers", "out", "\N{MINUS SIGN}0.3", "7.0"} < set(words(ax))


def test_anatomy_leads_the_neuron_to_its_place_and_the_weights_to_the_highest_score(ax):
    first_look.anatomy(ax, stages(), (4, 12), np.array([3.0, -1, 5, 0.25]))
    left, below = ax.images[4].get_extent()[0], ax.images[4].get_extent()[3]
    frame, place, *boxes = ax.patches
    assert frame.get_bbox().bounds == (left + 12, 4, 5, 5)
    assert place.get_bbox().bounds == (left + 14, below + 6, 1, 1)
    best = [box for box in boxes if box.get_facecolor() == to_rgba("C1")]
    assert best == [boxes[1]]
    (lines,) = ax.collections
    ends = np.array(lines.get_segments())[:, 1]
    middle = best[0].get_x() + best[0].get_width() / 2
    np.testing.assert_allclose(ends, [(middle, best[0].get_y())] * 4)
    added = [3, -2, 0, 1]  # weight times number
    colors = [to_rgba("C3" if amount > 0 else "C0") for amount in added]
    np.testing.assert_allclose(lines.get_colors(), colors)
    np.testing.assert_allclose(lines.get_linewidths(), 0.4 + np.abs(added))


def test_anatomy_needs_a_weight_for_each_number(ax):
    with pytest.raises(ValueError, match=r"4 numbers need as many weights, got \(3,\)"):
        first_look.anatomy(ax, stages(), (4, 12), np.ones(3))


def test_neuron_multiplies_each_pixel_by_its_weight(draw):
    axes, pixels = draw(1, 3), np.array([[0, 1.0], [0.5, 0.25]])
    weight = np.array([[9, -2.0], [4, 0]])
    assert first_look.neuron(axes, pixels, weight) is axes
    drawn = [ax.images[0].get_array() for ax in axes]
    np.testing.assert_array_equal(drawn, [pixels, weight, [[0, -2], [2, 0]]])
    assert [ax.images[0].get_clim() for ax in axes] == [(0, 1), (-9, 9), (-9, 9)]
    assert [words(ax) for ax in axes] == [["×"], ["="], []]
    with pytest.raises(ValueError, match=r"\(2, 2\) and weights \(3, 2\) need one shape"):
        first_look.neuron(axes, pixels, np.ones((3, 2)))


def test_given_answers_has_a_row_for_each_digit(ax):
    assert first_look.given_answers(ax, [0, 0, 0, 0, 7], [0, 0, 0, 3, 9]) is ax
    shares = ax.images[0].get_array()
    assert (shares[0, 0], shares[0, 3], shares[7, 9], shares.sum()) == (0.75, 0.25, 1, 2)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("answer", "true digit")


# How big is the output?


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
    assert output_size.window_places(ax, *setting) is ax
    assert colored(ax, "C0") == [(cell, n + 1.3) for n, line in enumerate(lines) for cell in line]
    assert [y for _, y in colored(ax, "C1")] == [n + 1.3 for n in range(len(lines))]
    assert [label.get_text() for label in ax.get_yticklabels()][-1] == str(len(lines))


def test_window_places_marks_padding_and_unread_cells(ax):
    output_size.window_places(ax, 8, 3, stride=2, padding=1)
    assert [x for x, _ in cells(ax, linestyle="--")] == [-1, 8]
    assert [x for x, _ in cells(ax, hatch="////")] == [8]
    assert words(ax) == ["0", "0", "out"]


def test_size_chain_is_to_scale(ax):
    assert output_size.size_chain(ax, [8, 4, 1], ["pool", "conv"]) is ax
    squares = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert [square.get_bbox().size.tolist() for square in squares] == [[8, 8], [4, 4], [1, 1]]
    assert words(ax) == ["8", "pool", "4", "conv", "1"]


# Convolution by hand


def test_window_at_frames_the_window_and_its_output(draw):
    axes, output = draw(1, 3), np.full((2, 2), np.nan)
    output[1, 0] = -7
    pixels = np.arange(16).reshape(4, 4)
    assert convolution.window_at(axes, pixels, np.eye(2), output, (1, 0)) is axes
    assert bounds(axes[0]) == [(-0.5, 0.5, 2, 2)]
    assert bounds(axes[1]) == [(-0.5, -0.5, 2, 2)]
    assert bounds(axes[2]) == [(-0.5, 0.5, 1, 1)]
    assert words(axes[1])[-1] == "×"
    assert words(axes[2]) == ["?", "?", "−7", "?", "="]
    assert [ax.get_title() for ax in axes] == ["image", "kernel", "output"]


def test_products_at_shows_how_a_framed_number_comes_about(draw):
    pixels, kernel = np.arange(20).reshape(4, 5) / 20, np.array([[0, -2, 1], [1, 0, 0]])
    axes = draw(1, 6)
    assert convolution.products_at(axes, pixels, kernel, (1, 2)) is axes
    # window 7 8 9 over 12 13 14, twentieths
    assert bounds(axes[0]) == [(1.5, 0.5, 3, 2)]
    assert bounds(axes[1]) == [(1.5, 0.5, 1, 1)]
    assert axes[1].images[0].get_array()[1, 2] == pytest.approx(0.25)
    assert words(axes[2]) == ["0.35", "0.4", "0.45", "0.6", "0.65", "0.7"]
    assert words(axes[3]) == ["0", "−2", "1", "1", "0", "0", "×"]
    assert words(axes[4]) == ["0", "−0.8", "0.45", "0.6", "0", "0", "="]
    assert words(axes[5]) == ["0.25", "→"]
    assert axes[5].images[0].get_clim() == axes[1].images[0].get_clim()


def test_answers_at_frames_one_place_and_writes_each_answer(draw):
    pixels = np.random.default_rng(0).random((6, 5, 3))
    maps = np.zeros((4, 4, 3))
    maps[:, 2, 1] = [1.234, -0.001, -2.5, 3]
    axes = draw(2, 4)
    names = ["a", "red against green", "c", "d"]
    assert convolution.answers_at(axes, pixels, maps, names, (2, 1)) is axes
    titles = [ax.get_title() for ax in axes.flat]
    assert titles == [*("photograph", "red", "green", "blue"), "a", "red against\ngreen", "c", "d"]
    for c, ax in enumerate(axes[0, 1:]):
        np.testing.assert_array_equal(ax.images[0].get_array(), pixels[:, :, c])
    assert [bounds(ax) for ax in axes[0]] == [[(0.5, 1.5, 3, 3)]] * 4
    assert [bounds(ax) for ax in axes[1]] == [[(0.5, 1.5, 1, 1)]] * 4
    assert [ax.get_xlabel() for ax in axes[1]] == ["1.23", "0", "−2.5", "3"]


def test_windows_as_columns_frames_the_same_pixels_twice(draw):
    axes, pixels = draw(1, 2), np.arange(12).reshape(3, 4)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (2, 2))
    columns = windows.reshape(6, 4).T
    assert convolution.windows_as_columns(axes, pixels, columns, (2, 2), (1, 2)) is axes
    assert bounds(axes[0]) == [(1.5, 0.5, 2, 2)]
    assert bounds(axes[1]) == [(4.5, -0.5, 1, 4)]
    np.testing.assert_array_equal(columns[:, 5], pixels[1:3, 2:4].ravel())


def test_timings_are_milliseconds_from_the_top_down(ax):
    assert convolution.timings(ax, {"loops": 0.25, "PyTorch": 0.0004}) is ax
    assert ax.lines[0].get_xdata().tolist() == [250, 0.4]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["loops", "PyTorch"]
    assert words(ax) == ["250 ms", "0.4 ms"]
    assert ax.get_xscale() == "log"
    assert ax.yaxis_inverted()


# What a layer sees


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
    assert what_a_layer_sees.receptive_pyramid(ax, size, layers) is ax
    bottom = [x for x, y in colored(ax, "C0" if layers else "C1") if y == 0]
    assert bottom == list(seen)
    assert len(colored(ax, "C1")) == 1


# The backward pass of a layer


def test_two_passes_point_both_ways(ax):
    assert layers_backward.two_passes(ax, ["a", "b"], ["x", "", "out"], ["1", "2", "3"]) is ax
    assert words(ax) == ["a", "b", "x", "1", "2", "out", "3"]
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    to_the_right = [arrow.xy[0] > arrow.xyann[0] for arrow in arrows]
    assert to_the_right == [True, False] * 3
    assert [arrow.xy[1] > 0 for arrow in arrows] == to_the_right


# MLP or CNN?


def test_estimate_lines_go_through_the_values_in_their_intervals(ax):
    lines = {"LeNet": [(0.5, 0.4, 0.8), (0.6, 0.5, 0.7)], "MLP": [(0.1, 0.1, 0.1), (0.2, 0, 1)]}
    made = {name: [compare.Estimate(*numbers) for numbers in row] for name, row in lines.items()}
    assert mlp_or_cnn.estimate_lines(ax, [1, 10], made) is ax
    assert ax.get_legend_handles_labels()[1] == ["LeNet", "MLP"]
    for container, row in zip(ax.containers, lines.values(), strict=True):
        values, _, (bars,) = container
        assert values.get_xydata().tolist() == [[1, row[0][0]], [10, row[1][0]]]
        ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
        np.testing.assert_allclose(ends, [estimate[1:] for estimate in row])
    assert ax.yaxis.get_major_formatter()(0.5) == "50%"


# LeNet, on MNIST, and overfitting


def test_the_maps_of_a_journey_stand_side_by_side_with_gaps(draw):
    maps = np.arange(3.0, 15).reshape(3, 2, 2)
    ax, _ = lenet.journey(draw(2), [maps, np.ones(2)], columns=[2])
    sheet = ax.images[0].get_array()
    assert sheet.shape == (42, 42)  # two rows of two maps, enlarged tenfold, two pixels apart
    np.testing.assert_array_equal(sheet[:20:10, :20:10], maps[0])
    np.testing.assert_array_equal(sheet[9:20:10, 31::10], maps[1])
    np.testing.assert_array_equal(sheet[22::10, :20:10], maps[2])
    assert np.ma.getmaskarray(sheet)[20:22].all()
    assert np.ma.getmaskarray(sheet)[22:, 22:].all()  # the short last row
    assert [frame.get_xy() for frame in ax.patches] == [(-0.5, -0.5), (21.5, -0.5), (-0.5, 21.5)]
    assert ax.images[0].get_clim() == (0, 14)


def test_a_journey_draws_a_vector_as_squares(draw):
    ax, _ = lenet.journey(draw(2), [np.array([1.0, 2.0, 3.0]), np.ones(2)], columns=[3])
    sheet = ax.images[0].get_array()
    assert sheet.shape == (20, 64)
    np.testing.assert_array_equal(sheet[:, 22:42], 2)
    assert ax.images[0].get_clim() == (0, 3)


def test_a_journey_goes_down_a_column_from_maps_to_bars(draw):
    axes = draw(3)
    stops = np.full((2, 4, 4), 7.0), np.array([1.0, 2.0, 3.0]), np.array([-8.0, 10.0])
    assert lenet.journey(axes, stops, columns=[2, 3]) is axes
    assert [ax.images[0].get_clim() for ax in axes[:2]] == [(0, 7), (0, 3)]
    assert [ax.images[0].get_array().shape for ax in axes[:2]] == [(20, 42), (20, 64)]
    assert [bar.get_height() for bar in axes[2].patches] == [-8, 10]
    assert axes[2].get_ylim() == (-11, 11)


def test_a_drawing_is_a_line_of_ink_as_wide_as_the_pen():
    ink = lenet.draw([(20, 30), (60, 30), (60, 90)], size=100, width=10)
    assert ink.shape == (100, 100)
    assert (ink.min(), ink.max()) == (0, 1)
    assert ink[:, 40].sum() == pytest.approx(10)
    assert ink[70].sum() == pytest.approx(10)
    rows, columns = np.nonzero(ink)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (25, 94, 15, 64)
    two_bars, round_ends = 40 * 10 + 60 * 10 - 5 * 5, 1.25 * math.pi * 5**2
    assert ink.sum() == pytest.approx(two_bars + round_ends, rel=0.005)
    with pytest.raises(ValueError, match=r"at least two points \(column, row\), got \(1, 2\)"):
        lenet.draw([(20, 30)])


def test_step_losses_are_running_means_at_the_last_step_of_each_window(ax):
    assert mnist.step_losses(ax, {"a": [3.0, 1.0, 2.0, 0.0], "b": [1, 1]}, window=2) is ax
    a, b = ax.lines
    np.testing.assert_allclose(a.get_xydata(), [[2, 2], [3, 1.5], [4, 1]])
    np.testing.assert_allclose(b.get_xydata(), [[2, 1]])
    assert [line.get_label() for line in ax.lines] == ["a", "b"]
    assert ax.get_xlabel() == "step (mean of 2)"
    assert ax.get_ylim()[0] == 0


def test_places_of_a_sample_are_those_of_the_first_images_of_each_class():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), [3, 4, *[6] * 8]))
    at = mnist.places(labels, 30)
    assert (np.diff(at) > 0).all()
    for k in range(10):
        assert at[labels[at] == k].tolist() == np.flatnonzero(labels == k)[:3].tolist()
    assert mnist.places(labels, len(labels)).tolist() == list(range(len(labels)))


def test_reliability_leaves_empty_bins_out_and_draws_the_diagonal_once(ax):
    bins = [0.1, np.nan, 0.9], [0.2, np.nan, 0.8]
    for label in ("plain", "treated"):
        assert overfitting.reliability(ax, *bins, label=label) is ax
    diagonal, *networks = ax.lines
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert [line.get_label() for line in networks] == ["plain", "treated"]
    for line in networks:
        np.testing.assert_allclose(line.get_xydata(), [[0.1, 0.2], [0.9, 0.8]])


# Many machines


def test_ring_states_fill_what_is_the_sum_and_frame_what_is_sent(draw):
    start = np.array([[1, 2], [10, 20]])
    half, end = np.array([[1, 22], [11, 20]]), np.array([[11, 22], [11, 22]])
    axes = draw(1, 3)
    assert many_machines.ring_states(axes, [start, half, end], [0, 1, 2]) is axes
    assert [words(ax) for ax in axes] == [
        ["1", "2", "10", "20"],
        ["1", "22", "11", "20"],
        ["11", "22", "11", "22"],
    ]
    filled = [[(round(x + 0.46), round(y + 0.46)) for x, y in corners(ax)] for ax in axes]
    assert filled == [[], [(1, 0), (0, 1)], [(0, 0), (1, 0), (0, 1), (1, 1)]]
    framed = [[p.get_xy() for p in ax.patches if not p.get_fill()] for ax in axes]
    places = [[(round(x + 0.46), round(y + 0.46)) for x, y in frames] for frames in framed]
    assert places == [[(0, 0), (1, 1)], [(1, 0), (0, 1)], []]
    titles = [ax.get_title() for ax in axes]
    assert titles == ["before the first step", "after 1 step", "after 2 steps"]


def corners(ax):
    orange = to_rgba("C1", 0.5)
    return [p.get_xy() for p in ax.patches if p.get_fill() and p.get_facecolor() == orange]


NAN = [np.nan, np.nan]


# Watching training


def toy(w1=math.pi, w2=0.0):
    """Give an expression of two numbers, both twice in it, and the two."""
    w1, w2 = (torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in (w1, w2))
    return lambda: torch.cos(w1) * torch.sin(w2) + w1 * w2, (w1, w2)


@pytest.mark.parametrize("at", [(math.pi, 0.0), (0.7, -1.3), (2.0, 5.0)])
def test_a_record_holds_the_values_and_gradients_of_the_formulas(at):
    compute, leaves = toy(*at)
    w1, w2 = at
    operations = watching_training.record(compute)
    names = ["leaf", "leaf", "cos", "sin", "mul", "mul", "add"]
    assert [op.name for op in operations] == names
    w3, w4 = math.cos(w1), math.sin(w2)
    values = [w1, w2, w3, w4, w3 * w4, w1 * w2, w3 * w4 + w1 * w2]
    np.testing.assert_allclose([op.value for op in operations], values)
    by_hand = [-math.sin(w1) * w4 + w2, w3 * math.cos(w2) + w1, w4, w3, 1, 1, 1]
    np.testing.assert_allclose([op.gradient for op in operations], by_hand, atol=1e-12)
    h = 1e-6
    numerical = [
        sum(sign * toy(*np.add(at, step))[0]().item() for sign, step in ((1, s), (-1, -s)))
        / (2 * h)
        for s in (np.array([h, 0]), np.array([0, h]))
    ]
    np.testing.assert_allclose([op.gradient for op in operations[:2]], numerical, atol=1e-6)
    assert [op.gradient for op in operations[:2]] == [leaf.grad for leaf in leaves]
    places = {op: i for i, op in enumerate(operations, start=1)}
    inputs = [[places[i] for i in op.inputs] for op in operations]
    assert inputs == [[], [], [1], [2], [3, 4], [1, 2], [5, 6]]


def test_a_record_of_a_network_holds_each_layer_and_each_parameter():
    torch_nn = torch.nn
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = torch_nn.Sequential(
            torch_nn.Conv2d(1, 2, 3), torch_nn.ReLU(), torch_nn.Flatten(), torch_nn.Linear(8, 3)
        )
        x, y = torch.randn(5, 1, 4, 4), torch.tensor([0, 1, 2, 0, 1])
    operations = watching_training.record(lambda: torch.nn.functional.cross_entropy(net(x), y))
    chain = [op for op in operations if op.inputs]
    assert [op.name for op in chain] == ["conv2d", "relu", "flatten", "linear", "cross_entropy"]
    leaves = [op for op in operations if not op.inputs]
    gradients = {tuple(op.value.shape): op.gradient for op in leaves}
    assert len(leaves) == 4
    for parameter in net.parameters():
        assert torch.equal(gradients[tuple(parameter.shape)], parameter.grad)
    # by hand: of the scores, and of what a ReLU lets through
    scores = chain[3]
    probabilities = scores.value.softmax(dim=1)
    expected = (probabilities - torch.nn.functional.one_hot(y, 3)) / 5
    torch.testing.assert_close(scores.gradient, expected)
    conv, relu = chain[:2]
    torch.testing.assert_close(conv.gradient, relu.gradient * (conv.value > 0))


def test_an_expression_s_graph_shows_each_number_and_its_gradient(ax):
    operations = watching_training.record(toy()[0])
    assert watching_training.expression_graph(ax, operations) is ax
    boxes = [words(ax)[i : i + 3] for i in range(0, 21, 3)]
    assert boxes[0] == ["w1", "3.14", "gradient 0"]
    assert boxes[1] == ["w2", "0", "gradient 2.14"]
    assert ["w3 = cos(w1)", "−1", "gradient 0"] in boxes
    assert ["w4 = sin(w2)", "0", "gradient −1"] in boxes
    assert ["w7 = w5 + w6", "0", "gradient 1"] in boxes
    assert len(ax.patches) == 7
    assert sum(hasattr(text, "arrow_patch") for text in ax.texts) == 8
    corners = np.array([patch.get_xy() for patch in ax.patches])
    apart = abs(corners[:, None] - corners)
    np.fill_diagonal(apart[..., 0], 9)
    assert ((apart[..., 0] >= 1.4) | (apart[..., 1] >= 0.95)).all()  # no box on another


def test_an_expression_s_graph_can_leave_the_gradients_out(ax):
    watching_training.expression_graph(ax, watching_training.record(toy()[0]), gradients=False)
    assert len(words(ax)) == 14
    assert not any("gradient" in word for word in words(ax))


def test_a_network_s_graph_shows_names_shapes_and_sizes(ax):
    weight = torch.tensor([[3.0, 4.0]], requires_grad=True)
    bias = torch.tensor([-5.0], requires_grad=True)
    x = torch.tensor([[1.0, 1.0], [2.0, 2.0]])

    def compute():
        return torch.nn.functional.linear(x, weight, bias).relu().mean()

    operations = watching_training.record(compute)
    watching_training.network_graph(ax, operations, ["0.weight", "0.bias"])
    said = words(ax)
    # outputs 2 and 9, gradients a half each; 3 and 4 have the size 3.5, both gradients are 1.5
    assert said[:3] == ["0.weight 1×2", "3.5", "2"]
    assert said[3:6] == ["0.bias 1", "5", "1"]
    assert said[6:9] == ["linear 1", "6.5", "0.5"]
    assert [word.strip() for word in said[-3:]] == ["mean", "5.5", "1"]
    lefts = {round(patch.get_x(), 2) for patch in ax.patches}
    assert lefts == {-3.1, -0.95, 1.2}


@pytest.mark.parametrize(
    ("drawing", "given", "message"),
    [
        (output_size.window_places, [3, 4], "does not fit"),
        (what_a_layer_sees.receptive_pyramid, [3, [(2, 1), (3, 1)]], "does not fit"),
        (output_size.size_chain, [[8, 4], []], "2 sizes have 1 layers between"),
        (
            lambda ax, *given: convolution.windows_as_columns([ax, ax], *given),
            [np.ones((3, 4)), np.ones((6, 4)), (2, 2), (0, 0)],
            r"shape \(4, 6\), got \(6, 4\)",
        ),
        (layers_backward.two_passes, [["a"], ["x"], ["x", "y"]], "1 layers have 2 arrows"),
        (mnist.step_losses, [{"a": [1, 2, 3, 4]}], "'a' has 4 steps, too few for means of 5"),
        (overfitting.reliability, [[0.1], [0.1, 0.2]], "one accuracy for each confidence"),
        (overfitting.reliability, [NAN, NAN], "at least one that is not nan"),
    ],
)
def test_what_does_not_fit_is_refused(ax, drawing, given, message):
    with pytest.raises(ValueError, match=message):
        drawing(ax, *given)


# Fashion-MNIST and a classic recipe


def test_first_steps_shows_the_loss_above_and_each_layers_gradient_below(draw):
    losses, sizes = [2.4, 2.3, 1.0], np.array([[1e-3, 1.0], [1e-2, 2.0], [1e-1, 3.0]])
    upper, lower = fashion_mnist.first_steps(draw(2, 1), losses, sizes, ["conv 1", "linear 3"])
    curve, line = upper.lines
    assert curve.get_ydata().tolist() == losses
    assert curve.get_xdata().tolist() == [1, 2, 3]
    assert set(line.get_ydata()) == {np.log(10)}
    assert {c.get_label(): c.get_ydata().tolist() for c in lower.lines} == {
        "conv 1": [1e-3, 1e-2, 1e-1],
        "linear 3": [1.0, 2.0, 3.0],
    }
    assert lower.get_yscale() == "log"


def test_nearest_finds_what_a_loop_over_all_distances_finds():
    rng = np.random.default_rng(0)
    x, others = rng.normal(size=(700, 1, 3, 3)), rng.normal(size=(50, 1, 3, 3))
    found, distances = fashion_mnist.nearest(x, others)
    for image, number, distance in zip(x, found, distances, strict=True):
        by_hand = [np.sqrt(((image - other) ** 2).sum()) for other in others]
        assert number == np.argmin(by_hand)
        assert distance == pytest.approx(min(by_hand))


# Deeper networks


def test_inception_block_leads_every_branch_from_the_maps_in_to_the_maps_out(ax):
    deeper_networks.inception_block(ax, maps=32, narrow=4)
    shown = words(ax)
    assert shown[:2] == ["32 maps in", "32 maps out"]
    assert shown.count("1×1\n4 maps") == 2  # before the large kernels
    assert shown.count("1×1\n8 maps") == 2
    assert {"3×3\n8 maps", "5×5\n8 maps", "pooling\n3×3"} < set(shown)
    starts = [text.xyann for text in ax.texts if not text.get_text()]
    assert len(starts) == 7 + 4  # an arrow into each box, and one out of each branch


def test_residual_block_leads_past_two_convolutions(ax):
    deeper_networks.residual_block(ax)
    assert words(ax)[:6] == ["x", "conv", "ReLU", "conv", "+", "ReLU"]
    x, plus = (next(t.get_position()[0] for t in ax.texts if t.get_text() == w) for w in "x+")
    assert [(a.xyann[0], a.xy[0]) for a in ax.texts if not a.get_text()][-1] == (x, plus)


def test_images_per_second_are_those_of_the_fastest_step_in_either_precision():
    switched = []

    @contextmanager
    def block(on):
        switched.append(on)
        time.sleep(0.2 if on else 0.05)
        yield

    net, x, y = models.resnet((4,), seed=0), torch.zeros(8, 3, 32, 32), torch.arange(8)
    ways = {"slow": (net, x, True), "fast": (net, x, False)}
    speeds = deeper_networks.images_per_second(ways, y, block, turns=2)
    assert switched == [True, False] * 2
    assert speeds["slow"] < 8 / 0.2
    assert speeds["slow"] < speeds["fast"] < 8 / 0.05
    assert net[0].weight.grad is not None


def test_speeds_are_told_as_shares_of_a_matrix_product():
    work = 1_000
    speed = 1e9 / (6 * work)
    table = deeper_networks.speed_table({"float32": speed}, work, n_images=90 * speed)
    assert table.loc["float32", "minutes for all"] == "1.5"
    assert table.loc["float32", "GFLOP a second"] == "1"
    share = float(table.loc["float32", "speed / matrix product"].rstrip("%"))
    assert 0 <= share < 50  # a product runs at more than 2 GFLOP a second on any processor


def test_cost_panels_leave_room_between_the_numbers_of_an_axis(draw):
    axes = draw(1, 3)
    axes[0].figure.set_size_inches(6.4, 3.2)
    table = pd.DataFrame(
        {"test accuracy": [0.7, 0.9], "a": [0.4, 14.7], "b": [1.7, 313], "c": [2, 30]},
        index=["small", "large"],
    )
    deeper_networks.cost_panels(axes, table)
    axes[0].figure.canvas.draw()
    for ax in axes:
        low, high = ax.get_xlim()
        numbers = [
            label.get_window_extent()
            for place, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
            if low <= place <= high
        ]
        assert len(numbers) >= 2
        assert all(a.x1 < b.x0 for a, b in pairwise(numbers))


def test_cost_panels_show_each_network_in_each_panel(draw):
    axes = draw(1, 2)
    table = pd.DataFrame(
        {"test accuracy": [0.7, 0.9], "million parameters": [0.5, 2], "minutes": [3, 40]},
        index=["a", "b"],
    )
    deeper_networks.cost_panels(axes, table)
    for ax, column in zip(axes, ("million parameters", "minutes"), strict=True):
        points = [(*line.get_xdata(), *line.get_ydata()) for line in ax.lines]
        assert points == list(zip(table[column], table["test accuracy"], strict=True))
    assert [text.get_text() for text in axes[0].figure.legends[0].texts] == ["a", "b"]
    axes[0].figure.canvas.draw()
    labels = [float(label.get_text().rstrip("%")) for label in axes[0].get_yticklabels()]
    assert labels == pytest.approx(100 * axes[0].get_yticks(), abs=0.06)

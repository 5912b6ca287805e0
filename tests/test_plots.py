"""What the drawings show is read back from the axes."""

import numpy as np
import pytest
from drawing_helpers import bounds, cells, words
from matplotlib import rc_context
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from lenet_course import compare, plots, scratch
from lenet_course.train import History


def texts(ax):
    return [text.get_text() for text in ax.texts]


def row_labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def text_colors(ax):
    return [text.get_color() for text in ax.texts]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def looks(line):
    return {"label": line.get_label(), "color": line.get_color(), "linestyle": line.get_linestyle()}


def test_image_shows_the_pixels_and_their_values(ax):
    pixels = np.array([[0, 50], [200, 255]], dtype=np.uint8)
    assert plots.image(ax, pixels, values=True) is ax
    np.testing.assert_array_equal(ax.images[0].get_array(), pixels)
    assert texts(ax) == ["0", "50", "200", "255"]
    assert text_colors(ax) == ["white", "white", "black", "black"]


def test_image_grid_fills_and_blanks(draw):
    axes, images = draw(2, 2), [np.eye(2), np.eye(3), np.random.default_rng(0).random((4, 5, 3))]
    assert plots.image_grid(axes, images, titles=["a", "b", "c"]) is axes
    assert [ax.get_title() for ax in axes.ravel()] == ["a", "b", "c", ""]
    np.testing.assert_array_equal(axes[1, 0].images[0].get_array(), images[2])
    assert [ax.axison for ax in axes.ravel()] == [True, True, True, False]


def test_signed_is_white_at_zero_and_leaves_gaps_open(ax, draw):
    numbers = np.array([[0.0, -6.0], [3.0, np.nan]])
    assert plots.signed(ax, numbers, values=True) is ax
    assert ax.images[0].get_clim() == (-6, 6)
    np.testing.assert_allclose(ax.images[0].to_rgba(np.zeros((1, 1)))[0, 0, :3], 1, atol=0.04)
    assert texts(ax) == ["0", "−6", "3", "?"]
    assert text_colors(ax) == ["black", "white", "black", "black"]
    plain = draw()
    plots.signed(plain, np.zeros((2, 2)))
    plots.signed(plain, np.ones((2, 2)), limit=4)
    assert [image.get_clim() for image in plain.images] == [(-1, 1), (-4, 4)]
    assert not plain.texts


def test_tinted_gives_a_group_one_tint(ax, draw):
    values = np.array([[1, 2, 3], [4, 5, -6]])
    groups = np.array([[0, 0, 1], [0, 0, -1]])
    assert plots.tinted(ax, values, groups) is ax
    assert texts(ax) == ["1", "2", "3", "4", "5", "−6"]
    cells = ax.images[0].get_array()
    np.testing.assert_array_equal(cells[:, :2], np.broadcast_to(cells[0, 0], (2, 2, 3)))
    assert not np.allclose(cells[0, 0], cells[0, 2])
    np.testing.assert_array_equal(cells[1, 2], [0.95] * 3)  # no window's
    assert cells.min() > 0.5  # black reads well on every tint
    assert text_colors(ax) == ["black"] * 5 + ["0.35"]
    many = np.arange(25).reshape(5, 5)  # more than the cycle has colors
    assert plots.tinted(draw(), many, many).images[0].get_array().shape == (5, 5, 3)


def test_outline_frames_whole_pixels(ax):
    plots.outline(ax, top=1, left=2, height=3, width=4)
    (frame,) = ax.patches
    assert frame.get_bbox().extents.tolist() == [1.5, 0.5, 5.5, 3.5]


def test_window_grid_frames_the_first_and_last_place(ax):
    assert plots.window_grid(ax, (6, 9), (3, 2), stride=(1, 2)) is ax
    first, last = (patch for patch in ax.patches if patch.get_label())
    assert first.get_bbox().bounds == (-0.5, -0.5, 2, 3)
    assert (last.get_xy(), last.get_label()) == ((5.5, 2.5), "last place")
    (dots,) = ax.lines
    assert set(dots.get_xdata()) == {0, 2, 4, 6}
    assert set(dots.get_ydata()) == {0, 1, 2, 3}
    assert cells(ax, hatch="////") == [(8, y) for y in range(6)]


def test_window_grid_draws_padding_or_the_image(ax):
    plots.window_grid(ax, 2, 3, padding=1)
    assert len(cells(ax, linestyle="--")) == 12
    pixels = np.arange(12).reshape(3, 4)
    plots.window_grid(ax, (3, 4), 2, pixels=pixels)
    np.testing.assert_array_equal(ax.images[0].get_array(), pixels)


def test_network_blocks_are_to_scale(ax):
    plots.network_blocks(ax, [(1, 8, 9), (6, 4, 5), (3,)], ["input", "conv", "scores"])
    sizes = [(block.get_width(), block.get_height()) for block in ax.patches]
    assert sizes == [(9, 8)] + [(5, 4)] * 6 + [(1, 1)] * 3
    tops = [block.get_y() for block in ax.patches]
    assert tops == sorted(tops)
    assert ax.yaxis_inverted()
    assert texts(ax) == ["input: 1×8×9 = 72", "conv: 6×4×5 = 120", "scores: 3"]


# the networks of chapters 14 and 18: wide maps, and vectors of one unit of height
BLOCKS = {
    5.6: [(1, 28, 28), (6, 28, 28), (16, 10, 10), (16, 5, 5), (120,), (10,)],
    6.4: [(3, 32, 32), (16, 32, 32), (32, 14, 14), (32, 7, 7), (224,), (10,)],
}


@pytest.mark.parametrize("width", BLOCKS)
def test_network_blocks_keep_clear_of_their_labels(width):
    with rc_context({"font.size": 12}):  # as in chapters/matplotlibrc
        fig = Figure(figsize=(width, 6.4), layout="constrained")
        ax = plots.network_blocks(fig.add_subplot(), BLOCKS[width], ["(gray), conv"] * 6)
        fig.draw_without_rendering()
    labels = [text.get_window_extent().padded(3) for text in ax.texts]
    blocks = [block.get_window_extent() for block in ax.patches]
    assert not any(label.overlaps(block) for label in labels for block in blocks)


def test_network_blocks_show_thin_vectors(ax):
    plots.network_blocks(ax, [(16, 32, 32), (224,)], ["maps", "vector"])
    assert all(block.get_linewidth() >= 1 for block in ax.patches)


GRAPH = {"x": (0, 0), "u = x · x": (2, 0)}


def test_graph_has_a_box_a_number_and_an_arrow_for_each(ax):
    edges = {("x", "u = x · x"): "· 6"}
    assert plots.graph(ax, GRAPH, edges, {"x": -3, "u = x · x": 9}, {"x": -6}) is ax
    assert words(ax) == ["· 6", "x", "−3", "slope −6", "u = x · x", "9"]
    assert [box.get_x() + box.get_width() / 2 for box in ax.patches] == [0, 2]
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts}
    assert heights["x"] > heights["−3"] > heights["slope −6"]
    (arrow,) = (text for text in ax.texts if getattr(text, "arrow_patch", None))
    assert arrow.xyann[0] == ax.patches[0].get_bbox().x1  # from the side of one box
    assert arrow.xy[0] == ax.patches[1].get_bbox().x0  # to the side of the other
    np.testing.assert_allclose(ax.get_xlim(), [-0.7, 2.7])


def test_graph_without_numbers_writes_names_alone(ax):
    plots.graph(ax, GRAPH, {("x", "u = x · x"): ""})
    assert words(ax) == list(GRAPH)


def bowl(across, up):
    return across**2 + up**2


def test_descent_draws_a_path_over_contours_at_even_distances(ax):
    path = [[-2.0, 0.0], [1.0, 0.5], [0.0, 0.0]]
    assert plots.descent(ax, bowl, path, (-3, 3), (-3, 3)) is ax
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), path)
    assert (*ax.get_xlim(), *ax.get_ylim()) == (-3, 3, -3, 3)
    (contours,) = ax.collections
    np.testing.assert_allclose(np.sqrt(contours.levels), np.sqrt(18) * np.arange(1, 9) / 9)
    plots.descent(ax, bowl, path, (-3, 3), (-3, 3))
    assert list(ax.collections) == [contours]  # drawn once
    assert len(ax.lines) == 2


def test_descent_reads_columns_as_across_and_rows_as_up(ax):
    plots.descent(ax, lambda across, up: up + 0 * across, [[0, 0]], (-1, 1), (0, 9))
    for segments in ax.collections[0].allsegs:
        for line in segments:
            assert np.ptp(line[:, 1]) == pytest.approx(0)


def test_class_bars_stand_over_their_class_and_hang_below_zero(ax, draw):
    assert plots.class_bars(ax, [2.0, -1.0, 4.0], highlight=2) is ax
    assert [bar.get_height() for bar in ax.patches] == [2, -1, 4]
    assert [bar.get_x() + bar.get_width() / 2 for bar in ax.patches] == [0, 1, 2]
    colors = [bar.get_facecolor() for bar in ax.patches]
    assert colors[0] == colors[1] != colors[2]
    assert len(ax.lines) == 1
    assert list(ax.get_xticks()) == [0, 1, 2]
    assert not plots.class_bars(draw(), [0.5, 0.5], highlight=0).lines


def test_share_bars(ax):
    plots.share_bars(ax, ["conv", "linear"], {"parameters": [0.25, 0.75], "work": [0.9, 0.1]})
    widths = [[bar.get_width() for bar in bars] for bars in ax.containers]
    assert widths == [[0.25, 0.75], [0.9, 0.1]]
    assert texts(ax) == ["25.0%", "75.0%", "90.0%", "10.0%"]
    assert legend(ax) == ["parameters", "work"]
    assert row_labels(ax) == ["conv", "linear"]
    assert ax.xaxis.get_major_formatter()(0.25) == "25%"
    middles = [bars[0].get_y() + bars[0].get_height() / 2 for bars in ax.containers]
    np.testing.assert_allclose(middles, [-0.2, 0.2])  # around the label at 0
    assert ax.yaxis_inverted()


def test_confusion_matrix_writes_counts_and_colors_mistakes(ax):
    plots.confusion_matrix(ax, [[90, 3], [0, 80]], ["cat", "dog"])
    assert texts(ax) == ["90", "3", "80"]
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0, 3], [0, 0]])
    assert row_labels(ax) == ["cat", "dog"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")


def test_the_splits_are_told_apart_by_color_and_by_line():
    for aspect in ("label", "color", "linestyle"):
        assert len({style[aspect] for style in plots.SPLITS.values()}) == 3
    assert [style["label"] for style in plots.SPLITS.values()] == list(plots.SPLITS)
    assert set(plots.SPLITS) == {"training", "validation", "test"}


def test_learning_curves_look_like_their_splits(ax):
    history = History(train_loss=[2.0, 1.0], valid_loss=[2.1, 1.5])
    assert plots.learning_curves(ax, history) is ax
    train, valid = ax.lines
    assert list(train.get_xdata()) == list(valid.get_xdata()) == [1, 2]
    assert list(train.get_ydata()) == history.train_loss
    assert list(valid.get_ydata()) == history.valid_loss
    assert [looks(line) for line in ax.lines] == [
        plots.SPLITS["training"],
        plots.SPLITS["validation"],
    ]
    assert legend(ax) == ["training", "validation"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss")


def test_learning_curves_without_validation(ax):
    plots.learning_curves(ax, History(train_loss=[1.0]))
    assert [looks(line) for line in ax.lines] == [plots.SPLITS["training"]]


def test_seed_band_is_one_standard_deviation_around_the_mean(ax):
    assert plots.seed_band(ax, [1, 2], [[0.1, 0.4], [0.2, 0.4], [0.6, 0.4]], label="RGB") is ax
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_xydata(), [[1, 0.3], [2, 0.4]])
    corners = ax.collections[0].get_paths()[0].vertices
    std = np.sqrt((0.2**2 + 0.1**2 + 0.3**2) / 2)
    for x, low, high in ((1, 0.3 - std, 0.3 + std), (2, 0.4, 0.4)):
        heights = corners[corners[:, 0] == x, 1]
        np.testing.assert_allclose([heights.min(), heights.max()], [low, high])
    assert line.get_label() == "RGB"


@pytest.mark.parametrize("split", plots.SPLITS)
def test_seed_band_of_a_split_looks_like_it(ax, split):
    plots.seed_band(ax, [1, 2], [[0.1, 0.4], [0.3, 0.4]], split)
    assert looks(ax.lines[0]) == plots.SPLITS[split]
    color = to_rgb(plots.SPLITS[split]["color"])
    np.testing.assert_allclose(ax.collections[0].get_facecolor()[0, :3], color)


def test_run_points_have_a_row_each_with_dots_a_mean_and_a_bar(ax):
    results = {"a": [0.9, 0.8, 0.82], "b": np.array([0.5])}
    assert plots.run_points(ax, results, half_widths=[0.02, 0.1], split="test") is ax
    means, *dots = ax.lines
    np.testing.assert_allclose(means.get_xydata(), [[0.84, 0], [0.5, 1]])
    np.testing.assert_allclose(dots[0].get_xydata(), [[0.9, 0], [0.8, 0], [0.82, 0]])
    np.testing.assert_allclose(dots[1].get_xydata(), [[0.5, 1]])
    edges = [bar.get_bbox().intervalx for bar in ax.patches]
    np.testing.assert_allclose(edges, [[0.82, 0.86], [0.4, 0.6]])
    assert [bar.get_y() + bar.get_height() / 2 for bar in ax.patches] == [0, 1]
    assert {dot.get_color() for dot in dots} == {plots.SPLITS["test"]["color"]}
    assert row_labels(ax) == ["a", "b"]
    assert ax.yaxis_inverted()
    assert ax.xaxis.get_major_formatter()(0.5) == "50.0%"


def test_run_points_of_one_quantity_without_bars(ax):
    measured = {"seconds": [60.0], "accuracy": [0.9]}
    plots.run_points(ax, {"a": measured}, "accuracy")
    assert [line.get_xdata().tolist() for line in ax.lines] == [[0.9], [0.9]]
    assert not ax.patches


def bars(ax):
    """List for each bar its ends, and whether it is drawn as one that misses the line."""
    return [(*line.get_xdata(), line.get_color() == "C3") for line in ax.lines[1::2]]


def test_intervals_mark_those_that_miss_the_line(ax):
    estimates = {
        "across": compare.Estimate(0.3, 0.1, 0.5),
        "right of it": compare.Estimate(0.6, 0.41, 0.8),
        "left of it": compare.Estimate(0.2, 0.1, 0.39),
        "at the edge": compare.Estimate(0.2, 0.1, 0.4),
    }
    assert plots.intervals(ax, estimates, line=0.4) is ax
    assert set(ax.lines[0].get_xdata()) == {0.4}
    assert bars(ax) == [(0.1, 0.5, False), (0.41, 0.8, True), (0.1, 0.39, True), (0.1, 0.4, False)]
    assert [line.get_xdata()[0] for line in ax.lines[2::2]] == [0.3, 0.6, 0.2, 0.2]
    assert row_labels(ax) == list(estimates)
    assert [line.get_ydata()[0] for line in ax.lines[1::2]] == [0, 1, 2, 3]
    assert ax.yaxis_inverted()


@pytest.mark.parametrize(("line", "label"), [(0.4, "50%"), (0, "50")])
def test_intervals_of_differences_are_in_points(ax, line, label):
    plots.intervals(ax, [compare.Estimate(0.3, 0, 1)] * 2, line)
    assert ax.xaxis.get_major_formatter()(0.5).replace(".0", "") == label
    assert len(ax.get_yticks()) == 0


LIMITS = (-1, 1), (-1, 1)


@pytest.mark.parametrize(
    ("drawing", "given", "message"),
    [
        ("image", [np.zeros((3, 4, 5))], r"\(H, W, 3\), got \(3, 4, 5\); .*transpose"),
        ("image", [np.zeros((1, 4, 5))], r"got \(1, 4, 5\); .*pixels\[0\] if C is 1"),
        ("image", [np.zeros(4)], r"got \(4,\)"),
        ("image", [np.zeros((1, 3, 4, 5))], r"got \(1, 3, 4, 5\)"),
        ("image_grid", [np.zeros((2, 3, 3))], "2 images do not fit on 1 axes"),
        ("image_grid", [np.zeros((1, 3, 3)), "ab"], "1 images need as many titles, got 2"),
        ("tinted", [np.zeros((2, 2)), np.zeros((2, 3))], r"\(2, 2\) and groups \(2, 3\) need one"),
        ("network_blocks", [[(1, 2, 2)], ["a", "b"]], "1 shapes need as many labels, got 2"),
        ("descent", [bowl, [0, 0], *LIMITS], r"a path has the shape .* got \(2,\)"),
        ("descent", [bowl, [[0, 0, 0]], *LIMITS], r"a path has the shape .* \(1, 3\)"),
        ("descent", [bowl, np.zeros((2, 2, 2)), *LIMITS], "a path has the shape"),
        ("class_bars", [np.zeros((1, 3)), 0], r"one row .* \(1, 3\)"),
        ("class_bars", [np.zeros(3), 3], "3 is no class: they go from 0 to 2"),
        ("share_bars", [["conv", "linear"], {"work": [1.0]}], "2 labels .*, work has 1"),
        ("confusion_matrix", [np.zeros((2, 2)), ["a", "b", "c"]], "3 classes need a square"),
        ("learning_curves", [History()], "no finished epoch"),
        ("seed_band", [[1, 2], [0.1, 0.2]], r"2 places need .* \(seeds, 2\).* got \(2,\)"),
        ("seed_band", [[1, 2], [[0.1, 0.2]]], r"at least two seeds, got \(1, 2\)"),
        ("window_grid", [(3, 4), 5], "does not fit"),
        ("window_grid", [(4, 3), 2, 1, 0, np.ones((3, 4))], r"\(4, 3\).*got \(3, 4\)"),
        ("graph", [GRAPH, {("x", "y"): ""}], "no node has the name y"),
        ("graph", [GRAPH, {}, {"y": 1}], "no node has the name y"),
        ("graph", [GRAPH, {}, {}, {"y": 1}], "no node has the name y"),
        ("seed_band", [[1, 2], [[0.1], [0.2]]], r"got \(2, 1\)"),
        ("run_points", [{"a": [0.9], "b": []}], "at least one run"),
        ("intervals", [{}, 0], "no estimate to draw"),
        ("intervals", [[], 0], "no estimate to draw"),
        (
            "run_points",
            [{"a": [0.9], "b": [0.8]}, None, [0.1]],
            "2 settings need as many half widths",
        ),
    ],
)
def test_what_does_not_fit_is_refused(ax, drawing, given, message):
    with pytest.raises(ValueError, match=message):
        getattr(plots, drawing)(ax, *given)


def test_signs_stand_before_all_but_the_first(draw):
    axes = draw(1, 3)
    assert plots.signs(axes, "×=") is axes
    assert [words(ax) for ax in axes] == [[], ["×"], ["="]]


def test_filters_have_a_row_each_under_the_channels_that_they_read(draw):
    axes, rng = draw(4, 3), np.random.default_rng(3)
    channels = rng.integers(0, 3, (2, 3, 4))
    weight, bias = rng.integers(-2, 3, (3, 2, 2, 3)), np.array([0.0, -5, 1])
    out = scratch.conv2d(channels[None] * 1.0, weight * 1.0, bias)[0]
    out[1, 1, 0] = np.nan
    assert plots.filters(axes, channels, weight, out, bias, place=(1, 0)) is axes
    limits = set()
    for c in range(2):
        np.testing.assert_array_equal(axes[0, c].images[0].get_array(), channels[c])
        assert bounds(axes[0, c]) == [(-0.5, 0.5, 3, 2)]
    for o, ending in enumerate(["+0 =", "−5 =", "+1 ="]):
        for c in range(2):
            np.testing.assert_array_equal(axes[o + 1, c].images[0].get_array(), weight[o, c])
        assert words(axes[o + 1, 1])[-1] == "+"
        assert words(axes[o + 1, 2])[-1] == ending
        assert bounds(axes[o + 1, 2]) == [(-0.5, 0.5, 1, 1)]
        assert axes[o + 1, 2].get_title() == f"map {o}"
        limits.add(axes[o + 1, 2].images[0].get_clim())
    assert limits == {(-np.nanmax(np.abs(out)), np.nanmax(np.abs(out)))}
    assert words(axes[2, 2])[2] == "?"


def test_filters_need_no_bias_and_no_place(draw):
    axes = draw(2, 2)
    plots.filters(axes, np.ones((1, 3, 3)), np.ones((1, 1, 2, 2)), np.full((1, 2, 2), 4.0))
    assert words(axes[1, 1])[-1] == "="
    assert [bounds(ax) for ax in axes.flat] == [[]] * 4
    with pytest.raises(ValueError, match=r"needs \(2, 2\) axes, got \(1, 2\)"):
        plots.filters(axes[:1], np.ones((1, 3, 3)), np.ones((1, 1, 2, 2)), np.ones((1, 2, 2)))

"""What the drawings show is read back from the axes."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from lenet_course import plots
from lenet_course.train import History


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    fig.canvas.draw()  # what cannot be drawn fails here
    plt.close(fig)


def test_image_shows_the_pixels_and_their_values(ax):
    pixels = np.array([[0, 50], [200, 255]], dtype=np.uint8)
    assert plots.image(ax, pixels, values=True) is ax
    np.testing.assert_array_equal(ax.images[0].get_array(), pixels)
    assert [text.get_text() for text in ax.texts] == ["0", "50", "200", "255"]
    assert [text.get_color() for text in ax.texts] == ["white", "white", "black", "black"]


def test_image_takes_rgb(ax):
    pixels = np.random.default_rng(0).random((4, 5, 3))
    plots.image(ax, pixels)
    np.testing.assert_array_equal(ax.images[0].get_array(), pixels)


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 5), (4,), (1, 3, 4, 5)])
def test_image_refuses_other_shapes(ax, shape):
    with pytest.raises(ValueError, match="transpose"):
        plots.image(ax, np.zeros(shape))


def test_image_grid_fills_and_blanks():
    fig, axes = plt.subplots(2, 2)
    images = np.arange(12).reshape(3, 2, 2)
    plots.image_grid(axes, images, titles=["a", "b", "c"])
    assert [ax.get_title() for ax in axes.ravel()] == ["a", "b", "c", ""]
    np.testing.assert_array_equal(axes[1, 0].images[0].get_array(), images[2])
    assert not axes[1, 1].axison
    plt.close(fig)


def test_image_grid_refuses(ax):
    with pytest.raises(ValueError, match="2 images do not fit on 1 axes"):
        plots.image_grid(ax, np.zeros((2, 3, 3)))
    with pytest.raises(ValueError, match="1 images need as many titles, got 2"):
        plots.image_grid(ax, np.zeros((1, 3, 3)), titles=["a", "b"])


@pytest.mark.parametrize("quantity", ["loss", "accuracy"])
def test_learning_curves(ax, quantity):
    history = History(
        train_loss=[2.0, 1.0],
        train_accuracy=[0.1, 0.5],
        valid_loss=[2.1, 1.5],
        valid_accuracy=[0.2, 0.4],
    )
    plots.learning_curves(ax, history, quantity, label="ours")
    train, valid = ax.lines
    assert list(train.get_xdata()) == [1, 2]
    assert list(train.get_ydata()) == getattr(history, f"train_{quantity}")
    assert list(valid.get_ydata()) == getattr(history, f"valid_{quantity}")
    assert (train.get_linestyle(), valid.get_linestyle()) == ("--", "-")
    assert train.get_color() == valid.get_color()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "ours training",
        "ours validation",
    ]


def test_learning_curves_without_validation(ax):
    plots.learning_curves(ax, History(train_loss=[1.0], train_accuracy=[0.5]))
    assert len(ax.lines) == 1


def test_learning_curves_refuse(ax):
    with pytest.raises(ValueError, match="quantity must be loss or accuracy, got 'los'"):
        plots.learning_curves(ax, History(), "los")
    with pytest.raises(ValueError, match="no finished epoch"):
        plots.learning_curves(ax, History())


def test_confusion_matrix_writes_counts_and_colors_mistakes(ax):
    plots.confusion_matrix(ax, [[90, 3], [0, 80]], ["cat", "dog"])
    assert [text.get_text() for text in ax.texts] == ["90", "3", "80"]
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0, 3], [0, 0]])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cat", "dog"]
    assert ax.get_ylabel() == "true"


def test_confusion_matrix_refuses(ax):
    with pytest.raises(ValueError, match="3 classes need a square of counts"):
        plots.confusion_matrix(ax, np.zeros((2, 2)), ["a", "b", "c"])


def test_feature_maps_stand_side_by_side_with_gaps(ax):
    maps = np.arange(12.0).reshape(3, 2, 2)
    assert plots.feature_maps(ax, maps, columns=2) is ax
    sheet = ax.images[0].get_array()
    assert sheet.shape == (42, 42)  # two rows of two maps, enlarged tenfold, two pixels apart
    np.testing.assert_array_equal(sheet[:20:10, :20:10], maps[0])
    np.testing.assert_array_equal(sheet[9:20:10, 31::10], maps[1])
    np.testing.assert_array_equal(sheet[22::10, :20:10], maps[2])
    assert np.ma.getmaskarray(sheet)[20:22].all()
    assert np.ma.getmaskarray(sheet)[22:, 22:].all()  # the short last row
    assert [frame.get_xy() for frame in ax.patches] == [(-0.5, -0.5), (21.5, -0.5), (-0.5, 21.5)]
    assert ax.images[0].get_clim() == (0, 11)


def test_feature_maps_draw_a_vector_as_squares(ax):
    plots.feature_maps(ax, np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1), columns=3, vmin=0)
    sheet = ax.images[0].get_array()
    assert sheet.shape == (20, 64)
    np.testing.assert_array_equal(sheet[:, 22:42], 2)
    assert ax.images[0].get_clim() == (0, 3)


@pytest.mark.parametrize(("shape", "columns"), [((1, 6, 5, 5), 6), ((120,), 20), ((6, 5, 5), 0)])
def test_feature_maps_refuse(ax, shape, columns):
    with pytest.raises(ValueError, match=r"have shape \(C, H, W\) and at least 1 column"):
        plots.feature_maps(ax, np.zeros(shape), columns)


def test_network_blocks_are_to_scale(ax):
    plots.network_blocks(ax, [(1, 8, 9), (6, 4, 5), (3,)], ["input", "conv", "scores"])
    sizes = [(block.get_width(), block.get_height()) for block in ax.patches]
    assert sizes == [(9, 8)] + [(5, 4)] * 6 + [(1, 1)] * 3
    tops = [block.get_y() for block in ax.patches]
    assert tops == sorted(tops)
    assert ax.yaxis_inverted()
    labels = [text.get_text() for text in ax.texts]
    assert labels == ["input: 1×8×9 = 72", "conv: 6×4×5 = 120", "scores: 3"]


def test_network_blocks_refuse(ax):
    with pytest.raises(ValueError, match="1 shapes need as many labels, got 2"):
        plots.network_blocks(ax, [(1, 2, 2)], ["a", "b"])


def test_share_bars(ax):
    plots.share_bars(ax, ["conv", "linear"], {"parameters": [0.25, 0.75], "work": [0.9, 0.1]})
    parameters, work = ax.containers
    assert [bar.get_width() for bar in parameters] == [0.25, 0.75]
    assert [bar.get_width() for bar in work] == [0.9, 0.1]
    assert [text.get_text() for text in ax.texts] == ["25.0%", "75.0%", "90.0%", "10.0%"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["conv", "linear"]
    first, second = parameters[0].get_y(), parameters[1].get_y()
    assert first < second  # the axis points down
    assert ax.yaxis_inverted()


def test_share_bars_refuse(ax):
    with pytest.raises(ValueError, match="2 labels need as many shares, work has 1"):
        plots.share_bars(ax, ["conv", "linear"], {"work": [1.0]})


def test_tinted_gives_a_group_one_tint(ax):
    values = np.array([[1, 2, 3], [4, 5, 6]])
    groups = np.array([[0, 0, 1], [0, 0, -1]])
    assert plots.tinted(ax, values, groups) is ax
    assert [text.get_text() for text in ax.texts] == ["1", "2", "3", "4", "5", "6"]
    cells = ax.images[0].get_array()
    np.testing.assert_array_equal(cells[:, :2], np.broadcast_to(cells[0, 0], (2, 2, 3)))
    assert not np.allclose(cells[0, 0], cells[0, 2])
    np.testing.assert_array_equal(cells[1, 2], [0.95] * 3)  # no window's
    assert cells.min() > 0.5  # black reads well on every tint
    assert [text.get_color() for text in ax.texts] == ["black"] * 5 + ["0.5"]


def test_tinted_has_a_tint_for_any_number_of_groups(ax):
    groups = np.arange(25).reshape(5, 5)
    plots.tinted(ax, groups, groups)
    assert ax.images[0].get_array().shape == (5, 5, 3)


def test_tinted_refuses(ax):
    with pytest.raises(ValueError, match="one shape"):
        plots.tinted(ax, np.zeros((2, 2)), np.zeros((2, 3)))


def test_signed_is_white_at_zero_and_leaves_gaps_open(ax):
    numbers = np.array([[0.0, -6.0], [3.0, np.nan]])
    assert plots.signed(ax, numbers, values=True) is ax
    assert ax.images[0].get_clim() == (-6, 6)
    np.testing.assert_allclose(ax.images[0].to_rgba(np.zeros((1, 1)))[0, 0, :3], 1, atol=0.04)
    assert [text.get_text() for text in ax.texts] == ["0", "−6", "3", "?"]
    assert [text.get_color() for text in ax.texts] == ["black", "white", "black", "black"]


def test_signed_takes_a_limit_and_draws_all_zeros(ax):
    plots.signed(ax, np.zeros((2, 2)))
    plots.signed(ax, np.ones((2, 2)), limit=4)
    assert [image.get_clim() for image in ax.images] == [(-1, 1), (-4, 4)]
    assert not ax.texts


def test_outline_frames_whole_pixels(ax):
    plots.outline(ax, top=1, left=2, height=3, width=4)
    (frame,) = ax.patches
    assert frame.get_bbox().extents.tolist() == [1.5, 0.5, 5.5, 3.5]


def test_window_at_frames_the_window_and_its_output():
    fig, axes = plt.subplots(1, 3)
    output = np.full((2, 2), np.nan)
    output[1, 0] = -7
    plots.window_at(axes, np.arange(16).reshape(4, 4), np.eye(2), output, (1, 0), stride=2)
    fig.canvas.draw()
    frames = [ax.patches[0].get_bbox().bounds for ax in axes]
    assert frames == [(-0.5, 1.5, 2, 2), (-0.5, -0.5, 2, 2), (-0.5, 0.5, 1, 1)]
    assert [text.get_text() for text in axes[2].texts] == ["?", "?", "−7", "?"]
    assert [ax.get_title() for ax in axes] == ["image", "kernel", "output"]
    plt.close(fig)


def test_windows_as_columns_frames_the_same_pixels_twice():
    fig, axes = plt.subplots(1, 2)
    pixels = np.arange(12).reshape(3, 4)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (2, 2))
    columns = windows.reshape(6, 4).T
    plots.windows_as_columns(axes, pixels, columns, (2, 2), (1, 2))
    fig.canvas.draw()
    assert axes[0].patches[0].get_bbox().bounds == (1.5, 0.5, 2, 2)
    assert axes[1].patches[0].get_bbox().bounds == (4.5, -0.5, 1, 4)
    np.testing.assert_array_equal(columns[:, 5], pixels[1:3, 2:4].ravel())
    with pytest.raises(ValueError, match=r"shape \(4, 6\), got \(6, 4\)"):
        plots.windows_as_columns(axes, pixels, columns.T, (2, 2), (0, 0))
    plt.close(fig)


def test_timings_are_milliseconds_from_the_top_down(ax):
    plots.timings(ax, {"loops": 0.25, "PyTorch": 0.0004})
    assert ax.lines[0].get_xdata().tolist() == [250, 0.4]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["loops", "PyTorch"]
    assert [text.get_text() for text in ax.texts] == ["250 ms", "0.4 ms"]
    assert ax.get_xscale() == "log"
    assert ax.yaxis_inverted()


def squares(ax, **properties):
    """List the lower left corners of the patches that look like this."""
    return [
        patch.get_xy()
        for patch in ax.patches
        if all(getattr(patch, f"get_{name}")() == value for name, value in properties.items())
    ]


def colored(ax, color):
    """List the centers (x, y) of the cells of this color."""
    rgba = matplotlib.colors.to_rgba(color)
    return [(round(x + 0.45, 3), round(y + 0.45, 3)) for x, y in squares(ax, facecolor=rgba)]


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
    plots.window_places(ax, *setting)
    expected = [(cell, n + 1.3) for n, line in enumerate(lines) for cell in line]
    assert colored(ax, "C0") == expected
    assert [y for _, y in colored(ax, "C1")] == [n + 1.3 for n in range(len(lines))]
    assert [label.get_text() for label in ax.get_yticklabels()][-1] == str(len(lines))


def test_window_places_marks_padding_and_unread_cells(ax):
    plots.window_places(ax, 8, 3, stride=2, padding=1)
    assert [x + 0.45 for x, _ in squares(ax, linestyle="--")] == [-1, 8]
    assert [x + 0.45 for x, _ in squares(ax, hatch="////")] == [8]
    assert [text.get_text() for text in ax.texts] == ["0", "0", "out"]


def test_window_places_refuses_a_window_that_does_not_fit(ax):
    with pytest.raises(ValueError, match="does not fit"):
        plots.window_places(ax, 3, 4)


def test_window_grid_frames_the_first_and_last_place(ax):
    plots.window_grid(ax, (6, 9), (3, 2), stride=(1, 2))
    first, last = (patch for patch in ax.patches if patch.get_label())
    assert (first.get_xy(), first.get_width(), first.get_height()) == ((-0.5, -0.5), 2, 3)
    assert last.get_xy() == (5.5, 2.5)
    (dots,) = ax.lines
    assert sorted(set(dots.get_xdata())) == [0, 2, 4, 6]
    assert sorted(set(dots.get_ydata())) == [0, 1, 2, 3]
    assert [(x + 0.45, y + 0.45) for x, y in squares(ax, hatch="////")] == [
        (8, y) for y in range(6)
    ]


def test_window_grid_draws_padding_or_the_image(ax):
    plots.window_grid(ax, 2, 3, padding=1)
    assert len(squares(ax, linestyle="--")) == 12
    pixels = np.arange(12).reshape(3, 4)
    plots.window_grid(ax, (3, 4), 2, pixels=pixels)
    np.testing.assert_array_equal(ax.images[0].get_array(), pixels)
    with pytest.raises(ValueError, match=r"size \(4, 3\) was announced, got \(3, 4\)"):
        plots.window_grid(ax, (4, 3), 2, pixels=pixels)


def test_size_chain_is_to_scale(ax):
    plots.size_chain(ax, [8, 4, 1], ["pool", "conv"])
    assert [patch.get_width() for patch in ax.patches[:1]] == [8]
    assert [p.get_height() for p in ax.patches if isinstance(p, Rectangle)] == [8, 4, 1]
    words = [text.get_text() for text in ax.texts if text.get_text()]
    assert words == ["8", "pool", "4", "conv", "1"]


def test_size_chain_refuses(ax):
    with pytest.raises(ValueError, match="2 sizes have 1 layers between"):
        plots.size_chain(ax, [8, 4], [])


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
    plots.receptive_pyramid(ax, size, layers)
    bottom = [x for x, y in colored(ax, "C0" if layers else "C1") if y == 0]
    assert bottom == list(seen)
    assert len(colored(ax, "C1")) == 1


def test_class_bars_stand_over_their_class_and_hang_below_zero(ax):
    assert plots.class_bars(ax, [2.0, -1.0, 4.0], highlight=2) is ax
    assert [bar.get_height() for bar in ax.patches] == [2, -1, 4]
    assert [bar.get_x() + bar.get_width() / 2 for bar in ax.patches] == [0, 1, 2]
    colors = [bar.get_facecolor() for bar in ax.patches]
    assert colors[0] == colors[1] != colors[2]
    assert len(ax.lines) == 1
    assert list(ax.get_xticks()) == [0, 1, 2]


def test_class_bars_of_one_color_without_a_zero_line(ax):
    plots.class_bars(ax, [0.5, 0.5])
    assert len({bar.get_facecolor() for bar in ax.patches}) == 1
    assert not ax.lines


def test_class_bars_refuse(ax):
    with pytest.raises(ValueError, match=r"one row .* \(1, 3\)"):
        plots.class_bars(ax, np.zeros((1, 3)))
    with pytest.raises(ValueError, match="3 is no class: they go from 0 to 2"):
        plots.class_bars(ax, np.zeros(3), highlight=3)


def test_runs_have_a_row_each_with_dots_a_mean_and_a_bar(ax):
    results = {"a": [0.9, 0.8, 1.0], "b": np.array([0.5])}
    assert plots.runs(ax, results, [0.02, 0.1]) is ax
    means, *dots = ax.lines
    np.testing.assert_allclose(means.get_xydata(), [[0.9, 0], [0.5, 1]])
    np.testing.assert_allclose(dots[0].get_xydata(), [[0.9, 0], [0.8, 0], [1.0, 0]])
    np.testing.assert_allclose(dots[1].get_xydata(), [[0.5, 1]])
    np.testing.assert_allclose([bar.get_x() for bar in ax.patches], [0.88, 0.4])
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [0.04, 0.2])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    bottom, top = ax.get_ylim()
    assert top < bottom


def test_runs_without_bars(ax):
    plots.runs(ax, {"a": [0.9]})
    assert not ax.patches


def test_runs_refuse(ax):
    with pytest.raises(ValueError, match="at least one run"):
        plots.runs(ax, {"a": [0.9], "b": []})
    with pytest.raises(ValueError, match="2 settings need as many half widths"):
        plots.runs(ax, {"a": [0.9], "b": [0.8]}, [0.1])


def test_step_losses_are_running_means_at_the_last_step_of_each_window(ax):
    assert plots.step_losses(ax, {"a": [3.0, 1.0, 2.0, 0.0], "b": [1, 1]}, window=2) is ax
    a, b = ax.lines
    np.testing.assert_allclose(a.get_xydata(), [[2, 2], [3, 1.5], [4, 1]])
    np.testing.assert_allclose(b.get_xydata(), [[2, 1]])
    assert [line.get_label() for line in ax.lines] == ["a", "b"]
    assert ax.get_xlabel() == "step (mean of 2)"
    assert ax.get_ylim()[0] == 0


def test_step_losses_refuse_fewer_steps_than_the_window(ax):
    with pytest.raises(ValueError, match="'a' has 4 steps, too few for means of 5"):
        plots.step_losses(ax, {"a": [1, 2, 3, 4]})


def test_seed_band_is_one_spread_around_the_mean(ax):
    values = [[0.1, 0.4], [0.3, 0.4]]
    plots.seed_band(ax, [1, 2], values, label="RGB")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.2, 0.4])
    corners = ax.collections[0].get_paths()[0].vertices
    spread = np.std([0.1, 0.3], ddof=1)
    at_1 = corners[corners[:, 0] == 1, 1]
    np.testing.assert_allclose([at_1.min(), at_1.max()], [0.2 - spread, 0.2 + spread])
    assert ax.lines[0].get_label() == "RGB"


@pytest.mark.parametrize("values", [[0.1, 0.2], [[0.1, 0.2]], [[0.1], [0.2]]])
def test_seed_band_refuses(ax, values):
    with pytest.raises(ValueError, match="2 places need values of the shape"):
        plots.seed_band(ax, [1, 2], values)


def test_per_class_has_a_row_a_class_and_a_dot_a_network(ax):
    plots.per_class(ax, ["cat", "dog"], {"gray": [0.5, 0.6], "RGB": [0.7, 0.55]})
    dots = {line.get_label(): line.get_xdata().tolist() for line in ax.lines}
    assert dots == {"gray": [0.5, 0.6], "RGB": [0.7, 0.55]}
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cat", "dog"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


@pytest.mark.parametrize("results", [{}, {"gray": [0.5]}])
def test_per_class_refuses(ax, results):
    with pytest.raises(ValueError, match="each network needs 2 shares"):
        plots.per_class(ax, ["cat", "dog"], results)


def test_reliability_leaves_empty_bins_out_and_draws_the_diagonal_once(ax):
    for label in ("plain", "treated"):
        plots.reliability(ax, [0.1, np.nan, 0.9], [0.2, np.nan, 0.8], label=label)
    assert len(ax.lines) == 3
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), ax.lines[0].get_ydata())
    np.testing.assert_allclose(ax.lines[1].get_xdata(), [0.1, 0.9])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [0.2, 0.8])


@pytest.mark.parametrize(
    ("confidence", "accuracy"), [([0.1], [0.1, 0.2]), ([np.nan, np.nan], [np.nan, np.nan])]
)
def test_reliability_refuses(ax, confidence, accuracy):
    with pytest.raises(ValueError, match="at least one that is not nan"):
        plots.reliability(ax, confidence, accuracy)


def bowl(across, up):
    return across**2 + up**2


def test_descent_draws_a_path_over_contours_at_even_distances(ax):
    path = [[-2.0, 0.0], [1.0, 0.5], [0.0, 0.0]]
    assert plots.descent(ax, bowl, path, (-3, 3), (-3, 3), label="momentum") is ax
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), path)
    assert ax.lines[0].get_label() == "momentum"
    assert (*ax.get_xlim(), *ax.get_ylim()) == (-3, 3, -3, 3)
    (contours,) = ax.collections
    radii = np.sqrt(contours.levels)
    assert len(radii) == 8
    np.testing.assert_allclose(radii, np.sqrt(18) * np.arange(1, 9) / 9)


def test_descent_draws_the_contours_once(ax):
    for label in ("small", "large"):
        plots.descent(ax, bowl, np.zeros((3, 2)), (-1, 1), (-1, 2), label=label)
    assert len(ax.collections) == 1
    assert len(ax.lines) == 2


def test_descent_reads_columns_as_across_and_rows_as_up(ax):
    plots.descent(ax, lambda across, up: up + 0 * across, [[0, 0]], (-1, 1), (0, 9))
    for segments in ax.collections[0].allsegs:
        for line in segments:
            assert np.ptp(line[:, 1]) == pytest.approx(0)


@pytest.mark.parametrize("path", [[0, 0], [[0, 0, 0]], np.zeros((2, 2, 2))])
def test_descent_refuses(ax, path):
    with pytest.raises(ValueError, match="a path has the shape"):
        plots.descent(ax, bowl, path, (-1, 1), (-1, 1))


GRAPH = {"x": (0, 0), "u = x · x": (2, 0)}


def test_graph_has_a_box_a_number_and_an_arrow_for_each(ax):
    edges = {("x", "u = x · x"): "· 6"}
    assert plots.graph(ax, GRAPH, edges, {"x": -3, "u = x · x": 9}, {"x": -6}) is ax
    words = [text.get_text() for text in ax.texts if text.get_text()]
    assert words == ["· 6", "x", "−3", "slope −6", "u = x · x", "9"]
    assert [box.get_x() + box.get_width() / 2 for box in ax.patches] == [0, 2]
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts}
    assert heights["x"] > heights["−3"] > heights["slope −6"]
    (arrow,) = (text for text in ax.texts if getattr(text, "arrow_patch", None))
    assert arrow.xyann[0] == ax.patches[0].get_bbox().x1  # from the side of one box
    assert arrow.xy[0] == ax.patches[1].get_bbox().x0  # to the side of the other
    np.testing.assert_allclose(ax.get_xlim(), [-0.7, 2.7])


def test_graph_without_numbers_writes_names_alone(ax):
    plots.graph(ax, GRAPH, {("x", "u = x · x"): ""})
    assert [text.get_text() for text in ax.texts if text.get_text()] == list(GRAPH)


@pytest.mark.parametrize(
    "given",
    [
        {"edges": {("x", "y"): ""}},
        {"edges": {}, "values": {"y": 1}},
        {"edges": {}, "gradients": {"y": 1}},
    ],
)
def test_graph_refuses_names_that_are_no_node(ax, given):
    with pytest.raises(ValueError, match="no node has the name y"):
        plots.graph(ax, GRAPH, **given)

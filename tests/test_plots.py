"""What the drawings show is read back from the axes."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

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
    assert sheet.shape == (5, 5)  # two rows of two maps, one pixel apart
    np.testing.assert_array_equal(sheet[:2, :2], maps[0])
    np.testing.assert_array_equal(sheet[:2, 3:], maps[1])
    np.testing.assert_array_equal(sheet[3:, :2], maps[2])
    assert np.ma.getmaskarray(sheet)[2].all()
    assert np.ma.getmaskarray(sheet)[3:, 3:].all()  # the short last row
    assert ax.images[0].get_clim() == (0, 11)


def test_feature_maps_draw_a_vector_as_squares(ax):
    plots.feature_maps(ax, np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1), columns=3, vmin=0)
    sheet = ax.images[0].get_array()
    assert sheet.shape == (4, 14)
    np.testing.assert_array_equal(sheet[:, 5:9], 2)
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

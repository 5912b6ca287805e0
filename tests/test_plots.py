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

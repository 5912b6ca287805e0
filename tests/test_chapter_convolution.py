import numpy as np
import pytest

from lenet_course.chapters import convolution as chapter


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_window_at_frames_the_window_and_its_output(draw):
    axes, output = draw(1, 3), np.full((2, 2), np.nan)
    output[1, 0] = -7
    pixels = np.arange(16).reshape(4, 4)
    assert chapter.window_at(axes, pixels, np.eye(2), output, (1, 0), stride=2) is axes
    frames = [ax.patches[0].get_bbox().bounds for ax in axes]
    assert frames == [(-0.5, 1.5, 2, 2), (-0.5, -0.5, 2, 2), (-0.5, 0.5, 1, 1)]
    assert texts(axes[2]) == ["?", "?", "−7", "?"]
    assert [ax.get_title() for ax in axes] == ["image", "kernel", "output"]


def test_windows_as_columns_frames_the_same_pixels_twice(draw):
    axes, pixels = draw(1, 2), np.arange(12).reshape(3, 4)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (2, 2))
    columns = windows.reshape(6, 4).T
    assert chapter.windows_as_columns(axes, pixels, columns, (2, 2), (1, 2)) is axes
    assert axes[0].patches[0].get_bbox().bounds == (1.5, 0.5, 2, 2)
    assert axes[1].patches[0].get_bbox().bounds == (4.5, -0.5, 1, 4)
    np.testing.assert_array_equal(columns[:, 5], pixels[1:3, 2:4].ravel())
    with pytest.raises(ValueError, match=r"shape \(4, 6\), got \(6, 4\)"):
        chapter.windows_as_columns(axes, pixels, columns.T, (2, 2), (0, 0))


def test_timings_are_milliseconds_from_the_top_down(ax):
    assert chapter.timings(ax, {"loops": 0.25, "PyTorch": 0.0004}) is ax
    assert ax.lines[0].get_xdata().tolist() == [250, 0.4]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["loops", "PyTorch"]
    assert texts(ax) == ["250 ms", "0.4 ms"]
    assert ax.get_xscale() == "log"
    assert ax.yaxis_inverted()


def correlate(image, kernel, window=None, size=None, flip=1):
    """Cross-correlate one channel, right unless told otherwise."""
    H, W = image.shape
    KH, KW = kernel.shape
    OH, OW = size or (H - KH + 1, W - KW + 1)
    height, width = window or (KH, KW)
    output = np.zeros((OH, OW))
    for i in range(OH):
        for j in range(OW):
            output[i, j] = (image[i : i + height, j : j + width] * kernel[::flip, ::flip]).sum()
    return output


def of_size(size):
    """Make a slip in the output size, given H, W, KH and KW."""
    return lambda image, kernel: correlate(image, kernel, size=size(*image.shape, *kernel.shape))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (correlate, "✔ correlate: all 5 cases agree\n"),
        (lambda image, kernel: correlate(image, kernel, flip=-1), "case 1 .*flipped kernel"),
        (lambda image, kernel: correlate(image, kernel, window=image.shape), "case 1 .*raised"),
        (lambda image, kernel: correlate(image, kernel[::-1]), "case 2 .*row a, column b"),
        (of_size(lambda H, W, KH, KW: (KH - H + 1, KW - W + 1)), r"case 1 .*raised.*W - KW \+ 1"),
        (of_size(lambda H, W, KH, KW: (H - KH, W - KW)), r"case 1 .*returned shape \(0, 2\)"),
        (of_size(lambda H, W, KH, KW: (W - KW + 1, H - KH + 1)), r"case 1 .*shape \(3, 1\)"),
        (
            lambda a, k: correlate(a, k, window=(min(len(a), k.shape[1]), k.shape[1])),
            "case 4 .*KH is",
        ),
    ],
)
def test_cross_correlation(answer, says, verdict):
    verdict(chapter.check_cross_correlate, answer, says)

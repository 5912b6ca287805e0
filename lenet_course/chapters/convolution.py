"""For the chapter Convolution by hand."""

import textwrap

import numpy as np

from lenet_course import scratch
from lenet_course.checks import Case, run_cases
from lenet_course.plots import image, outline, signed, signs


def window_at(axes, pixels, kernel, output, place):
    """Draw on 3 axes pixels (H, W) with one window framed, the kernel, and the number they give.

    The output (OH, OW) is NaN where it is not to be shown; `place` is a row and column in it.
    """
    row, column = place
    image(axes[0], pixels, values=True)
    outline(axes[0], row, column, *np.shape(kernel))
    signed(axes[1], kernel, values=True)
    outline(axes[1], 0, 0, *np.shape(kernel))
    signed(axes[2], output, values=True)
    outline(axes[2], row, column, 1, 1)
    for ax, title in zip(axes, ("image", "kernel", "output"), strict=True):
        ax.set_title(title)
    return signs(axes, "×=")


def products_at(axes, pixels, kernel, place):
    """Draw on 6 axes how one number of a map comes about, each to two decimals.

    Pixels (H, W) and their map, each with a frame; then window, kernel, products and their sum.
    `place` is a row and column of the map.
    """
    pixels, kernel = np.asarray(pixels, dtype=float), np.asarray(kernel, dtype=float)
    out = scratch.conv2d(pixels[None, None], kernel[None, None])[0, 0]
    row, column = place
    window = pixels[row : row + kernel.shape[0], column : column + kernel.shape[1]]
    image(axes[0], pixels).set_title("picture")
    outline(axes[0], row, column, *kernel.shape)
    signed(axes[1], out).set_title("map")
    outline(axes[1], row, column, 1, 1)
    span = {"vmin": np.min(pixels), "vmax": np.max(pixels)}
    image(axes[2], _rounded(window), values=True, **span).set_title("window")
    signed(axes[3], _rounded(kernel), values=True).set_title("kernel")
    signed(axes[4], _rounded(window * kernel), values=True).set_title("products")
    total = _rounded([[(window * kernel).sum()]])
    signed(axes[5], total, values=True, limit=np.abs(out).max()).set_title("sum")
    signs(axes[2:], "×=→")
    return axes


def answers_at(axes, pixels, maps, names, place):
    """Draw on two rows of axes what several filters find at one place of a picture (H, W, 3).

    Above, the picture and its three channels, with the window of 3×3 at `place` framed. Below,
    the maps (C_out, OH, OW) under their names, each over its number there to two decimals.
    """
    channels = dict(zip(("red", "green", "blue"), np.moveaxis(pixels, -1, 0), strict=True))
    shown = {"photograph": pixels} | channels
    for ax, (name, numbers) in zip(axes[0], shown.items(), strict=True):
        image(ax, numbers).set_title(name)
        outline(ax, *place, 3, 3)
    for ax, name, numbers in zip(axes[1], names, maps, strict=True):
        signed(ax, numbers).set_title(textwrap.fill(name, 12))
        outline(ax, *place, 1, 1)
        ax.set_xlabel(f"{_rounded(numbers[place]):g}".replace("-", "\N{MINUS SIGN}"))
    return axes


def _rounded(numbers):
    """Round to two decimals, and leave no −0."""
    return np.round(np.asarray(numbers, dtype=float), 2) + 0.0


def windows_as_columns(axes, pixels, columns, kernel_size, place):
    """Draw on 2 axes pixels (H, W) with one window framed, and the same window as a column.

    `columns` (KH * KW, OH * OW) are all windows at stride 1, as im2col lays them out;
    `kernel_size` is (KH, KW), and `place` a row and column in the output.
    """
    (H, W), (KH, KW), (row, column) = np.shape(pixels), kernel_size, place
    OH, OW = H - KH + 1, W - KW + 1
    if np.shape(columns) != (KH * KW, OH * OW):
        raise ValueError(
            f"a {KH}×{KW} window on {H}×{W} pixels makes a matrix of shape "
            f"({KH * KW}, {OH * OW}), got {np.shape(columns)}"
        )
    span = {"vmin": np.min(pixels), "vmax": np.max(pixels)}
    image(axes[0], pixels, values=True, **span).set_title("image")
    outline(axes[0], row, column, KH, KW)
    image(axes[1], columns, values=True, **span).set_title("one column for each place")
    outline(axes[1], 0, row * OW + column, KH * KW, 1)
    return axes


def timings(ax, seconds):
    """Draw how long each of several ways took, a dict of names to seconds, on a logarithmic axis.

    The first stands at the top.
    """
    milliseconds = [1000 * time for time in seconds.values()]
    ax.plot(milliseconds, list(seconds), linestyle="", marker="o", markersize=9)
    for row, time in enumerate(milliseconds):
        text = f"{time:.0f} ms" if time >= 100 else f"{time:.2g} ms"
        ax.annotate(text, (time, row), (9, 0), textcoords="offset points", va="center")
    ax.set(xscale="log", xlabel="milliseconds", ylim=(len(seconds) - 0.5, -0.5))
    ax.set_xlim(min(milliseconds) / 3, max(milliseconds) * 10)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.grid(axis="x")
    return ax


def check_cross_correlate(function):
    """Check a function (image, kernel) that slides a kernel over one channel, without a flip."""
    rng = np.random.default_rng(13)

    def case(height, width, kernel_height, kernel_width, hint):
        pixels = rng.integers(0, 9, (height, width)).astype(float)
        kernel = rng.integers(-4, 5, (kernel_height, kernel_width)).astype(float)
        expected = scratch.conv2d_loops(pixels[None, None], kernel[None, None])[0, 0]
        return Case((pixels, kernel), expected, hint)

    cases = [
        Case(
            (np.array([[0.0, 0.0, 3.0, 3.0]]), np.array([[-1.0, 1.0]])),
            np.array([[0.0, 3.0, 0.0]]),
            "W - KW + 1 places, each window as wide as the kernel; "
            "a minus sign means a flipped kernel",
        ),
        case(5, 5, 3, 3, "row a, column b of the kernel meets row i + a, column j + b"),
        case(4, 7, 2, 2, "H counts the rows and W the columns; the image has 4 rows"),
        case(6, 5, 4, 2, "KH is the height of the kernel and KW its width; here they differ"),
        case(3, 4, 3, 4, "a kernel as large as the image has one place: H - KH + 1 is 1"),
    ]
    run_cases(function, cases)

"""For the chapter MLP or CNN?; an estimate is one of `lenet_course.compare`."""

import numpy as np
from matplotlib.ticker import PercentFormatter

from lenet_course import scratch
from lenet_course.checks import Case, run_cases


def estimate_lines(ax, x, estimates, percent=True):
    """Draw a line for each name through its estimates, one for each x, with their intervals.

    `estimates` holds for each name a sequence of (value, low, high, …).
    """
    for name, row in estimates.items():
        value, low, high = np.transpose([estimate[:3] for estimate in row])
        reach = (value - low, high - value)
        ax.errorbar(x, value, reach, label=name, marker="o", capsize=4)
    if percent:
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.grid(axis="y")
    return ax


def check_weight_counts(function):
    """Check a function (C, H, W, C_out, K) → weights of the three layers: dense, local, shared."""
    cases = [
        ((1, 1, 4, 1, 1), "one pixel a window: 4 outputs on 4 pixels"),
        ((1, 3, 3, 1, 2), "a window of 2×2 has 2 · 2 places on 3×3"),
        ((1, 28, 28, 6, 5), "each of the 6 maps has weights of its own"),
        ((3, 8, 8, 1, 3), "every window reaches through all channels"),
        ((6, 14, 10, 16, 5), "height and width have places of their own"),
    ]
    run_cases(function, [Case(args, _weight_counts(*args), hint) for args, hint in cases])


def _weight_counts(C, H, W, C_out, K):
    inputs, window, places = C * H * W, C * K * K, (H - K + 1) * (W - K + 1)
    return C_out * places * inputs, C_out * places * window, C_out * window


def check_restored(function):
    """Check a function (x_mixed, order) → x, for x_mixed = x.flatten(1)[:, order] in x's shape."""
    rng = np.random.default_rng(33)
    cases = []
    for shape, hint in (
        ((1, 1, 1, 3), "pixel i of the mixed image came from place order[i]: send it back"),
        ((2, 1, 2, 2), "the result has the shape of x_mixed"),
        ((5, 1, 4, 6), "all images were mixed in the same order"),
        ((3, 2, 3, 3), "the channels were mixed, too"),
    ):
        x = rng.normal(size=shape)
        order = np.roll(rng.permutation(x[0].size), 1) if x[0].size > 3 else np.array([1, 2, 0])
        mixed = x.reshape(len(x), -1)[:, order].reshape(shape)
        cases.append(Case((mixed, order), x, hint))
    run_cases(function, cases)


def check_convolution_matrix(function):
    """Check a function (weight, H, W, stride) → the matrix (OH · OW, H · W) of a convolution.

    `weight` (KH, KW) is that of one input and one output channel; there is no padding.
    """
    rng = np.random.default_rng(33)
    cases = []
    for kernel, size, stride, hint in (
        ((1, 1), (2, 2), 1, "a window of one pixel: its weight stands on the diagonal"),
        ((2, 2), (3, 3), 1, "row 1 is the window one pixel further right"),
        ((2, 2), (3, 5), 1, "one row of pixels below is W places further on in x.flatten()"),
        ((3, 2), (4, 4), 1, "KH and KW differ"),
        ((2, 2), (4, 6), 2, "the next window starts `stride` pixels further"),
        ((3, 3), (7, 6), 2, "the last window that fits decides how many rows there are"),
    ):
        weight = rng.integers(1, 10, kernel).astype(float)
        pixels = np.eye(np.prod(size)).reshape(-1, 1, *size)
        out = scratch.conv2d(pixels, weight[None, None], stride=stride)
        cases.append(Case((weight, *size, stride), out.reshape(len(out), -1).T, hint))
    run_cases(function, cases)

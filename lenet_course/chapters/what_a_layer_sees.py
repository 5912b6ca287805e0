"""For the chapter What a layer sees."""

import numpy as np
from matplotlib.patches import Rectangle

from lenet_course.checks import Case, run_cases
from lenet_course.shapes import conv_output_size, receptive_field


def receptive_pyramid(ax, size, layers):
    """Draw a row of cells under layers (K, S) or (K, S, D), and what one cell on top depends on.

    Every cell stands above the middle of the window that it reads; there is no padding, and a
    window that does not fit is a ValueError.
    """
    layers = [(*layer, 1)[:3] for layer in layers]
    rows = [np.arange(size, dtype=float)]  # where the cells of each row stand
    for K, S, D in layers:
        count = conv_output_size(len(rows[-1]), K, S, 0, D)
        first = rows[-1][: D * (K - 1) + 1]
        step = S * (rows[-1][1] - rows[-1][0]) if len(rows[-1]) > 1 else 1
        rows.append(first.mean() + step * np.arange(count))
    seen = {(len(rows[-1]) - 1) // 2}
    for height in range(len(layers), -1, -1):
        for index, x in enumerate(rows[height]):
            color = ("C1" if height == len(layers) else "C0") if index in seen else "#eeeeee"
            edge = "#888888" if color == "#eeeeee" else "white"
            corner = (x - 0.45, -1.6 * height - 0.45)
            ax.add_patch(Rectangle(corner, 0.9, 0.9, fc=color, ec=edge, lw=1, zorder=2))
        if height == 0:
            break
        K, S, D = layers[height - 1]
        below = {index * S + entry * D for index in seen for entry in range(K)}
        top, bottom = rows[height][sorted(seen)], rows[height - 1][sorted(below)]
        for end, side in ((0, -0.5), (-1, 0.5)):
            xs = [top[end] + side, bottom[end] + side]
            ax.plot(xs, [-1.6 * height + 0.5, -1.6 * (height - 1) - 0.5], color="C0", lw=1.5)
        seen = below
    ax.set(xlim=(-0.7, size - 0.3), ylim=(0.7, -1.6 * len(layers) - 0.7), aspect="equal")
    names = ["input", *(f"layer {number}" for number in range(1, len(rows)))]
    ax.set_yticks(-1.6 * np.arange(len(rows)), names)
    ax.set(xlabel="cell of the input", xticks=range(0, size, 1 if size < 13 else 5))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def check_receptive_field(function):
    """Check a function (list of (kernel size, stride)) → input pixels that one output can see."""
    cases = [
        ([(5, 1)], "one layer sees its own kernel"),
        ([(3, 1), (3, 1)], "each layer adds K - 1, not K"),
        ([(3, 2), (3, 1)], "the second layer's cells lie 2 input pixels apart"),
        ([(3, 1), (3, 2)], "a layer's own stride widens the layers after it, not itself"),
        ([(5, 1), (2, 2), (5, 1), (2, 2)], "the strides before a layer are multiplied"),
        ([(3, 2)] * 4, "1 + 2 · (1 + 2 + 4 + 8)"),
    ]
    run_cases(function, [Case((row,), receptive_field(row), hint) for row, hint in cases])


def check_fold(function):
    """Check a function (weight, pointwise) → the weight of one convolution in place of two.

    `weight` (M, C, KH, KW) is followed by the 1×1 convolution `pointwise` (C_out, M).
    """
    rng = np.random.default_rng(16)
    cases = []
    for M, C, KH, KW, C_out, hint in (
        (1, 1, 1, 2, 1, "one map: its kernel times one number"),
        (2, 1, 1, 2, 1, "the output is a sum over the M maps, so its filter is one, too"),
        (2, 1, 2, 2, 2, "pointwise[o, m] belongs to output o and map m"),
        (3, 2, 3, 2, 4, "the result has the shape (C_out, C, KH, KW)"),
    ):
        weight = rng.integers(1, 10, (M, C, KH, KW)).astype(float)
        pointwise = rng.integers(1, 10, (C_out, M)).astype(float)
        cases.append(Case((weight, pointwise), np.tensordot(pointwise, weight, 1), hint))
    run_cases(function, cases)

"""For the chapter The backward pass of a layer."""

import numpy as np
from matplotlib.patches import Rectangle

from lenet_course import scratch
from lenet_course.checks import Case, run_cases


def two_passes(ax, layers, forward, backward):
    """Draw layers in a row: above their arrows what goes forward, below what comes back.

    `forward` and `backward` have a text for each arrow, those at both ends included.
    """
    if not len(forward) == len(backward) == len(layers) + 1:
        raise ValueError(
            f"{len(layers)} layers have {len(layers) + 1} arrows in each direction, "
            f"got {len(forward)} and {len(backward)}"
        )
    width, gap, end = 1.2, 2.1, 1.0
    for i, layer in enumerate(layers):
        left = i * (width + gap)
        ax.add_patch(Rectangle((left, -0.7), width, 1.4, fc="#f2f2f2", ec="#444444"))
        ax.text(left + width / 2, 0, layer, ha="center", va="center")
    right = len(layers) * (width + gap) - gap
    for i, texts in enumerate(zip(forward, backward, strict=True)):
        ends = max(i * (width + gap) - gap, -end), min(i * (width + gap), right + end)
        for text, y, color in zip(texts, (0.25, -0.25), ("C0", "C3"), strict=True):
            tail, head = ends if y > 0 else ends[::-1]
            arrow = {"arrowstyle": "->", "color": color, "lw": 1.5, "shrinkA": 3, "shrinkB": 3}
            ax.annotate("", (head, y), (tail, y), arrowprops=arrow)
            up = "bottom" if y > 0 else "top"
            ax.text(sum(ends) / 2, 1.2 * y, text, color=color, ha="center", va=up)
    ax.set(xlim=(-end - 0.1, right + end + 0.1), ylim=(-0.8, 0.8))
    ax.set_axis_off()
    return ax


def check_avg_pool2d_backward(function):
    """Check a function (grad_output, x, kernel_size, stride) → the gradient of x, (N, C, H, W)."""
    rng = np.random.default_rng(21)

    def case(shape, kernel_size, stride, hint):
        x = rng.normal(size=shape)
        places = [(size - kernel_size) // stride + 1 for size in shape[2:]]
        grad_output = rng.integers(1, 9, (*shape[:2], *places)).astype(float)
        args = grad_output, x, kernel_size, stride
        return Case(args, scratch.avg_pool2d_backward(*args), hint)

    cases = [
        case((1, 1, 2, 2), 2, 2, "each of the four pixels had a quarter of the output"),
        case((1, 1, 4, 6), 2, 2, "place (i, j) looked at the rows from i · stride on"),
        case((2, 3, 4, 4), 2, 2, "each image and each channel on its own"),
        case((1, 1, 5, 5), 2, 2, "no window looked at the last row and column: slope 0"),
        case((1, 1, 5, 7), 3, 2, "where windows overlap, the slopes add up: use +="),
        case((2, 2, 7, 8), 2, 3, "the stride is not the window"),
    ]
    run_cases(function, cases)

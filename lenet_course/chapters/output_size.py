"""For the chapter How big is the output?; sizes and windows as `lenet_course.shapes` takes them.

A window that does not fit is a ValueError. Cells added by padding are dashed, cells that no
window reads are hatched.
"""

import numpy as np
from matplotlib.patches import Rectangle

from lenet_course.checks import Case, run_cases
from lenet_course.plots import square
from lenet_course.shapes import conv_output_size, padding_per_side


def window_places(ax, size, kernel_size, stride=1, padding=0, dilation=1):
    """Draw a row of cells and, below it, every place where a window can stand, one per line.

    At the right end of each line stands the output cell that it yields.
    """
    places = conv_output_size(size, kernel_size, stride, padding, dilation)
    before, after = padding_per_side(kernel_size, padding, dilation)
    reads = [
        [place * stride - before + entry * dilation for entry in range(kernel_size)]
        for place in range(places)
    ]
    unread = set(range(-before, size + after)) - {cell for read in reads for cell in read}
    for cell in range(-before, size + after):
        outside = not 0 <= cell < size
        square(ax, cell, 0, padded=outside, hatched=cell in unread)
        if outside:
            paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            ax.text(cell, 0, "0", ha="center", va="center", color="#777777", bbox=paper)
    output = size + after + 0.8
    for line, read in enumerate(reads, start=1):
        y = line + 0.3
        ax.plot([-before - 0.5, size + after - 0.5], [y, y], color="#dddddd", lw=1, zorder=0)
        if dilation > 1:
            ax.plot([read[0], read[-1]], [y, y], color="C0", zorder=1)
        for cell in read:
            square(ax, cell, y, color="C0" if 0 <= cell < size else "#99c7e0")
        square(ax, output, y, color="C1")
    ax.text(output, 0, "out", ha="center", va="center")
    ax.set(xlim=(-before - 0.7, output + 0.7), ylim=(places + 1, -0.7))
    ax.set(xlabel="cell", ylabel="place", xticks=range(size))
    ax.set_yticks(np.arange(1, places + 1) + 0.3, range(1, places + 1))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def size_chain(ax, sizes, layers):
    """Draw the square images of a stack of layers to scale, from the input to the last output.

    `layers` says what stands between two squares, so it has one entry fewer than `sizes`.
    """
    if len(layers) != len(sizes) - 1:
        raise ValueError(f"{len(sizes)} sizes have {len(sizes) - 1} layers between, not {layers}")
    tallest, left = max(sizes), 0
    gap = 0.9 * tallest
    for size, layer in zip(sizes, [*layers, None], strict=True):
        ax.add_patch(Rectangle((left, -size / 2), size, size, fc="C5", ec="#444444"))
        ax.text(left + size / 2, -size / 2 - 2, size, ha="center", va="top")
        left += size
        if layer is not None:
            arrow = {"arrowstyle": "->", "color": "#444444", "lw": 1.5}
            ax.annotate("", (left + 0.95 * gap, 0), (left + 0.05 * gap, 0), arrowprops=arrow)
            ax.text(left + gap / 2, 2, layer, ha="center", va="bottom")
            left += gap
    ax.set(xlim=(-1, left + 1), ylim=(-0.5 * tallest - 12, 0.5 * tallest + 1), aspect="equal")
    ax.set_axis_off()
    return ax


def check_conv_output_size(function):
    """Check a function (size, kernel_size, stride, padding, dilation) → size, for ints or pairs."""
    cases = [
        ((5, 3, 1, 0, 1), "5 - 3 = 2 steps, and the first place makes 3"),
        ((28, 5, 1, 2, 1), "the padding is per side: it counts twice"),
        ((9, 3, 2, 0, 1), "divide the steps by the stride, and add the first place after that"),
        ((8, 3, 2, 0, 1), "a half step is no place: round down with //"),
        ((5, 3, 3, 1, 1), "the padding is part of the row before you divide and round down"),
        ((12, 3, 1, 0, 3), "a kernel with dilation D spans D * (K - 1) + 1 pixels"),
        ((28, 3, 2, 1, 2), "dilation, padding and stride together"),
        (((28, 20), 5, 1, 2, 1), "a pair is (H, W); each axis has its own size"),
        (((9, 14), (3, 4), (1, 2), 1, (2, 1)), "an int counts for both axes"),
        ((7, 3, (1, 2), 0, 1), "one pair is enough to make the result a pair"),
    ]
    run_cases(function, [Case(args, conv_output_size(*args), hint) for args, hint in cases])


def check_input_size_range(function):
    """Check a function (output, kernel_size, stride, padding) → (smallest, largest) input size."""
    cases = [
        Case((5, 3, 1, 0), (7, 7), "with a stride of 1 only one size fits"),
        Case((3, 3, 2, 0), (7, 8), "floor lets stride - 1 more cells go unread"),
        Case((14, 2, 2, 0), (28, 29), "13 steps of 2 and one window of 2 are 28 cells"),
        Case((28, 5, 1, 2), (28, 28), "padding is per side, and it is not part of the input"),
        Case((10, 3, 3, 1), (28, 30), "three sizes, because the stride is 3"),
    ]
    run_cases(function, cases)

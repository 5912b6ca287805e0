"""For the chapter Backpropagation."""

import numpy as np
from matplotlib.patches import Rectangle

from lenet_course import scratch
from lenet_course.checks import Case, run_cases


def graph(ax, nodes, edges, values=None, gradients=None):
    """Draw a computational graph: a box for each number, an arrow to what is computed from it.

    `nodes` has for each name the middle (right, up) of its box, 1.3 wide and 1 high; give the
    figure about 0.9 inches for each unit. `edges` has for each (from, to) what is written on the
    arrow. `values` and `gradients` have for names a number to write into the box.
    """
    values, gradients = values or {}, gradients or {}
    strange = {*values, *gradients, *(end for edge in edges for end in edge)} - nodes.keys()
    if strange:
        raise ValueError(f"no node has the name {', '.join(sorted(strange))}")
    width, height = 1.3, 1.0
    for (start, end), label in edges.items():
        tail, head = np.add(nodes[start], (width / 2, 0)), np.add(nodes[end], (-width / 2, 0))
        arrow = {"arrowstyle": "->", "color": "#444444", "lw": 1.5, "shrinkA": 0, "shrinkB": 1}
        ax.annotate("", head, tail, arrowprops=arrow)
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        ax.text(*(tail + head) / 2, label, ha="center", va="center", bbox=paper if label else None)
    for name, (x, y) in nodes.items():
        corner = (x - width / 2, y - height / 2)
        ax.add_patch(Rectangle(corner, width, height, fc="#f2f2f2", ec="#444444"))
        lines = [(name, "black")]
        lines += [(f"{values[name]:g}", "C0")] if name in values else []
        lines += [(f"slope {gradients[name]:g}", "C3")] if name in gradients else []
        for line, (text, color) in enumerate(lines):
            up = 0.3 * ((len(lines) - 1) / 2 - line)
            text = text.replace("-", "\N{MINUS SIGN}")
            ax.text(x, y + up, text, ha="center", va="center", color=color)
    xs, ys = np.transpose(list(nodes.values()))
    ax.set(xlim=(xs.min() - 0.7, xs.max() + 0.7), ylim=(ys.min() - 0.55, ys.max() + 0.55))
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

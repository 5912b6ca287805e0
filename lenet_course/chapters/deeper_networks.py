"""For the chapter Deeper networks: drawings of blocks, tables of stored runs, speeds, checkers."""

from itertools import cycle
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from matplotlib.ticker import LogLocator, PercentFormatter, StrMethodFormatter
from torch import nn
from torch.nn import functional as F

from lenet_course.checks import Case, CheckFailed, run_cases

ARROW = {"arrowstyle": "-|>", "color": "0.3", "shrinkA": 0, "shrinkB": 0}
BOX = {"boxstyle": "round,pad=0.35", "facecolor": "#DCE9F5", "edgecolor": "0.3"}


def stages(table):
    """Shorten a `models.layer_table` to the layers with parameters and those that pool."""
    shown = table["parameters"].ne(0) | table["layer"].str.contains("Pool|^$")
    shown &= ~table["layer"].str.startswith("BatchNorm")
    return table[shown].assign(parameters=table["parameters"].map("{:,}".format))


def inception_block(ax, maps, narrow):
    """Draw the four branches of an inception block between its maps in and its maps out."""
    share = maps // 4
    branches = (
        (f"1×1\n{share} maps",),
        (f"1×1\n{narrow} maps", f"3×3\n{share} maps"),
        (f"1×1\n{narrow} maps", f"5×5\n{share} maps"),
        ("pooling\n3×3", f"1×1\n{share} maps"),
    )
    _box(ax, 1.5, 4, f"{maps} maps in")
    _box(ax, 1.5, 0, f"{maps} maps out")
    for column, steps in enumerate(branches):
        heights = (2,) if len(steps) == 1 else (2.7, 1.3)
        ends = [(1.5, 4 - 0.2)]
        for height, text in zip(heights, steps, strict=True):
            _arrow(ax, ends[-1], (column, height + 0.36))
            _box(ax, column, height, text)
            ends.append((column, height - 0.36))
        _arrow(ax, ends[-1], (1.5, 0.2))
    ax.set(xlim=(-0.5, 3.5), ylim=(-0.3, 4.3))
    ax.set_axis_off()
    return ax


def residual_block(ax):
    """Draw a pair of convolutions and the connection that leads past them."""
    names = ("x", "conv", "ReLU", "conv", "+", "ReLU")
    places, halves = (0, 1, 2.1, 3.2, 4.2, 5.2), (0.2, 0.4, 0.42, 0.4, 0.22, 0.42)
    for place, name in zip(places, names, strict=True):
        _box(ax, place, 0, name, fontsize=14)
    for i in range(5):
        _arrow(ax, (places[i] + halves[i], 0), (places[i + 1] - halves[i + 1], 0))
    bend = ARROW | {"connectionstyle": "arc3,rad=-0.35"}
    ax.annotate("", xy=(4.2, 0.3), xytext=(0, 0.3), arrowprops=bend)
    ax.plot([0.65, 0.65, 3.55, 3.55], [-0.25, -0.35, -0.35, -0.25], color="0.3", linewidth=1)
    written = {"ha": "center", "style": "italic", "fontsize": 14}
    ax.text(2.1, 1.02, "x", va="bottom", **written)
    ax.text(2.1, -0.42, "body(x)", va="top", **written)
    ax.set(xlim=(-0.3, 5.65), ylim=(-0.75, 1.3))
    ax.set_axis_off()
    return ax


def _box(ax, x, y, text, fontsize=None):
    ax.text(x, y, text, ha="center", va="center", bbox=BOX, color="black", fontsize=fontsize)


def _arrow(ax, start, end):
    ax.annotate("", xy=end, xytext=start, arrowprops=ARROW)


def images_per_second(ways, y, bfloat16, turns=5):
    """Time a training step, forward and backward, in several ways that take turns.

    Parameters
    ----------
    ways : dict of str to (torch.nn.Module, Tensor, bool)
        A network, its images (N, C, H, W), and whether it computes in bfloat16.
    y : Tensor, shape (N,)
    bfloat16 : callable
        Gives the block to compute in, for the bool; `lenet_course.precision.bfloat16`.
    turns : int
        Of each way the fastest counts.
    """
    seconds = {name: [] for name in ways}
    for _ in range(turns):
        for name, (net, x, on) in ways.items():
            start = perf_counter()
            with bfloat16(on):
                F.cross_entropy(net(x).float(), y).backward()
            seconds[name].append(perf_counter() - start)
    return {name: len(y) / min(times) for name, times in seconds.items()}


def speed_table(speeds, multiplications, n_images):
    """Tabulate speeds, the minutes that `n_images` take, and the share of a matrix product's rate.

    An image takes six operations for each multiplication of the forward pass: that and an
    addition, and twice as many in the backward pass. The product is one of large matrices in the
    same numbers.
    """
    rows = {}
    for name, speed in speeds.items():
        dtype = torch.bfloat16 if name.startswith("bfloat16") else torch.float32
        rate = 6 * multiplications * speed
        rows[name] = {
            "images a second": f"{speed:,.0f}",
            "minutes for all": f"{n_images / speed / 60:.1f}",
            "GFLOP a second": f"{rate / 1e9:,.0f}",
            "speed / matrix product": f"{rate / _product_rate(dtype):.0%}",
        }
    return pd.DataFrame(rows).T


def _product_rate(dtype, size=2048, turns=10):
    a, b = torch.rand(2, size, size).to(dtype)
    seconds = []
    for _ in range(turns):
        start = perf_counter()
        a @ b
        seconds.append(perf_counter() - start)
    return 2 * size**3 / min(seconds)


def cost_panels(axes, costs):
    """Draw test accuracy against each other column of `costs`, a panel each, logarithmically."""
    for ax, column in zip(axes, costs.columns[1:], strict=True):
        for (name, row), marker in zip(costs.iterrows(), cycle("osD^v"), strict=False):
            ax.plot(row[column], row["test accuracy"], marker, label=name)
        ax.set(xscale="log", xlim=(costs[column].min() / 2, costs[column].max() * 2))
        ax.set_xlabel(column.replace(" ", "\n"))
        wide = costs[column].max() > 100 * costs[column].min()
        ax.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 3)))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.minorticks_off()
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
        ax.grid(axis="y")
    axes[0].set_ylabel("test accuracy")
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return axes


def check_classifier_inputs(function):
    """Check a function (plan, size) → the numbers that a plan leaves of an image (3, size, size).

    A number of the plan is a padded 3×3 convolution with so many maps, "pool" a 2×2 pooling.
    """
    vgg16 = [64, 64, "pool", 128, 128, "pool", *3 * [256], "pool", *2 * (3 * [512] + ["pool"])]
    cases = [
        Case(([8], 4), 128, "a padded 3×3 convolution keeps the size: 8 maps of 4×4"),
        Case(([8, "pool"], 4), 32, "a pooling halves both height and width"),
        Case(([8, 16, "pool"], 4), 64, "the last convolution decides how many maps there are"),
        Case(([8, "pool"], 7), 72, "a pooling of 7 leaves 3: the last row has no partner"),
        Case((["pool"], 4), 12, "without a convolution the three channels remain"),
        Case((vgg16, 32), 512, "VGG16 on 32×32 images leaves 512 numbers"),
        Case((vgg16[:-1], 32), 2048, "without the last pooling 2×2 of each map are left"),
    ]
    run_cases(function, cases)


def check_bottleneck_weights(function):
    """Check a function C → weights of 1×1 to C/4 maps, 3×3, 1×1 back to C maps, without biases."""
    hints = {
        4: "one map in the middle: 4 + 9 + 4",
        8: "the 3×3 has 9 weights for each pair of maps",
    }
    hints[256] = "the 1×1 before and the 1×1 behind have C · C/4 weights each"
    run_cases(function, [Case((C,), C * C // 2 + 9 * C * C // 16, h) for C, h in hints.items()])


def check_identity_convolution(function):
    """Check a function maps → a 3×3 convolution that gives (N, maps, H, W) back unchanged."""
    conv = function(2)
    if not isinstance(conv, nn.Conv2d) or conv.kernel_size != (3, 3):
        raise CheckFailed(f"return an nn.Conv2d with a 3×3 kernel, not {conv!r}")

    def run(maps, x):
        with torch.no_grad():
            return function(maps)(torch.from_numpy(x)).numpy()

    run.__name__ = function.__name__
    rng = np.random.default_rng(44)
    cases = []
    for shape, hint in (
        ((1, 1, 3, 3), "one map: the weight in the middle of the kernel is 1, the others 0"),
        ((2, 3, 4, 5), "map k must come from map k alone, and a bias must be 0"),
    ):
        x = rng.normal(size=shape).astype(np.float32)
        cases.append(Case((shape[1], x), x, hint))
    run_cases(run, cases)

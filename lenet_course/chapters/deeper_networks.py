"""For the chapter Deeper networks."""

import numpy as np
import torch
from matplotlib.patches import Rectangle
from torch import nn
from torch.nn import functional as F

from lenet_course.checks import Case, run_cases
from lenet_course.shapes import conv_output_size


def gradient_norms(ax, norms):
    """Draw the size of each layer's gradient, from the first layer on, one line a network.

    `norms` holds for each network its numbers (layers,); what is 0 is left out.
    """
    for name, values in norms.items():
        values = np.asarray(values, dtype=float)
        if values.ndim != 1 or not (values >= 0).all():
            raise ValueError(f"{name!r} needs one norm a layer, none below 0, got {values}")
        ax.plot(np.arange(1, len(values) + 1), np.where(values, values, np.nan), "o-", label=name)
    ax.set(xlabel="layer", ylabel="norm of the gradient", yscale="log")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend()
    return ax


def inception_block(ax, in_channels, maps, narrow):
    """Draw an inception block from top to bottom: a column a branch, a bar a set of maps.

    A bar's width is its number of maps; below stand the branches' maps, side by side.
    """
    share, colors = maps // 4, ("C0", "C1", "C2", "C4")
    branches = (("1×1",), ("1×1", "3×3"), ("1×1", "5×5"), ("pool", "1×1"))
    widths = ((share,), (narrow, share), (narrow, share), (in_channels, share))
    column = 1.5 * max(in_channels, maps)
    middle, left = 1.5 * column, 1.5 * column - maps / 2
    _bar(ax, middle, 0, in_channels, "0.6", in_channels)
    for i, (kernels, counts, color) in enumerate(zip(branches, widths, colors, strict=True)):
        x, y = i * column, 0
        for kernel, count in zip(kernels, counts, strict=True):
            _arrow(ax, (middle if y == 0 else x, y), (x, y + 2), kernel)
            y += 2
            _bar(ax, x, y, count, "0.6" if kernel == "pool" else color, count)
        _arrow(ax, (x, y), (left + (i + 0.5) * share, 6.5))
        _bar(ax, left + (i + 0.5) * share, 6.5, share, color)
    ax.text(middle, 7.1, f"{maps} maps", ha="center", va="center")
    ax.set(xlim=(-0.7 * column, 3.7 * column), ylim=(7.5, -0.7))
    ax.set_axis_off()
    return ax


def blocks(axes):
    """Draw a plain block of two convolutions, and the residual one that adds what it was given."""
    for ax, title in zip(axes, ("plain", "residual"), strict=True):
        for y, name in enumerate(("x", "3×3, norm, ReLU", "3×3, norm", "out")):
            ax.text(0, 1.5 * y, name, ha="center", va="center", bbox={"fc": "white", "ec": "0.4"})
            if y:
                _arrow(ax, (0, 1.5 * y - 1.5), (0, 1.5 * y))
        if title == "residual":
            ax.plot([0.2, 1.8, 1.8, 0.2], [0, 0, 3.75, 3.75], color="C1", zorder=0)
            circle = {"boxstyle": "circle", "fc": "white", "ec": "C1"}
            ax.text(0, 3.75, "+", ha="center", va="center", bbox=circle)
        ax.set(xlim=(-2, 2), ylim=(5, -0.5), title=title)
        ax.set_axis_off()
    return axes


def every_network(axes, networks, costs):
    """Draw accuracy against each cost, on logarithmic axes, one panel a cost, a dot a network.

    `networks` is a table with a row a network, a column "accuracy" and one for each cost.
    """
    for ax, cost in zip(axes, costs, strict=True):
        for number, (name, row) in enumerate(networks.iterrows(), start=1):
            place, label = (row[cost], row["accuracy"]), f"{number} {name}" * (ax is axes[0])
            (dot,) = ax.plot(*place, "o", label=label)
            ax.annotate(number, place, (5, 5), textcoords="offset points", color=dot.get_color())
        ax.set(xlabel=cost, xscale="log")
    axes[0].set_ylabel("test accuracy")
    return axes


def check_classifier_inputs(function):
    """Check a function (plan, size) → numbers that are left of an image, by `conv_output_size`."""

    def left(plan, size):
        for step in plan:
            size = conv_output_size(size, *((2, 2) if step == "pool" else (3, 1, 1)))
        return [step for step in plan if step != "pool"][-1] * size**2

    cases = [
        ((64,), 32, "a padded 3×3 convolution keeps the size"),
        ((64, "pool", 128), 32, "the maps of the last convolution count, not those of the first"),
        ((8, "pool", 16, "pool"), 28, "28 → 14 → 7"),
        ((8, "pool", 16, "pool", 16, "pool"), 28, "a pooling rounds down: 7 → 3"),
        ((64, "pool", "pool"), 32, "two poolings in a row halve twice"),
    ]
    run_cases(function, [Case((p, n), left(p, n), hint) for p, n, hint in cases])


def check_inception_parameters(function):
    """Check a function (C, maps, narrow) → kernel numbers of a block without batch norm."""

    def count(C, maps, narrow):
        share = maps // 4
        return 2 * C * share + 2 * C * narrow + narrow * share * (9 + 25)

    cases = [
        ((64, 64, 16), "each large kernel sees `narrow` maps, and gives a quarter"),
        ((32, 64, 16), "the 1×1 convolutions see what comes in"),
        ((64, 32, 16), "every branch gives a quarter of the maps"),
        ((64, 64, 8), "the narrow maps count twice: as output of a 1×1, as input of the kernel"),
    ]
    run_cases(function, [Case(args, count(*args), hint) for args, hint in cases])


def check_batch_norm(function):
    """Check a function (x, weight, bias) → x (N, C, H, W) normalized over N, H and W."""
    generator = torch.Generator().manual_seed(0)
    cases = []
    for shape, hint in (
        ((4, 1, 2, 2), "the mean over all numbers of the map, and the variance divided by their "
         "number; 1e-5 is added to the variance"),
        ((3, 2, 5, 4), "each map has its own mean and variance"),
    ):  # fmt: skip
        x = 3 * torch.randn(shape, generator=generator, dtype=torch.float64) + 1
        weight, bias = torch.randn(2, shape[1], generator=generator, dtype=torch.float64)
        out = F.batch_norm(x, None, None, weight, bias, training=True)
        cases.append(Case((x.numpy(), weight.numpy(), bias.numpy()), out.numpy(), hint))
    run_cases(function, cases)


def check_residual(layer):
    """Check a class whose object, made of a body, maps x to x + body(x)."""
    bodies, x = {"x": nn.Identity(), "tanh(x)": nn.Tanh()}, np.arange(6.0)

    def residual(body, x):
        return layer(bodies[body])(torch.from_numpy(x)).detach().numpy()

    cases = [
        Case(("x", x), 2 * x, "what was given is added to what the body gives"),
        Case(("tanh(x)", x), x + np.tanh(x), "x itself comes through, not the body's answer"),
    ]
    run_cases(residual, cases)


def _bar(ax, x, y, width, color, text=None):
    ax.add_patch(Rectangle((x - width / 2, y - 0.2), width, 0.4, fc=color, ec="white", zorder=2))
    if text is not None:
        ax.annotate(text, (x + width / 2, y), (4, 0), textcoords="offset points", va="center")


def _arrow(ax, start, end, text=""):
    style = {"arrowstyle": "->", "color": "#444444", "shrinkA": 8, "shrinkB": 8}
    ax.annotate("", end, start, arrowprops=style)
    middle = (start[0] + 2 * end[0]) / 3, (start[1] + 2 * end[1]) / 3
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    if text:
        ax.text(*middle, text, ha="center", va="center", bbox=paper, zorder=3)

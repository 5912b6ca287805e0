"""Drawings that several chapters share; what serves one chapter is in `lenet_course.chapters`.

Each takes an `Axes`, or several where the argument is called `axes`, draws what the arrays hold
and returns what it took. Arrays of another shape are a ValueError that names the shape. Colors,
fonts and resolution come from ``chapters/matplotlibrc``.

Training, validation and test have one color and one line each in the whole book, in `SPLITS`:
``ax.plot(epochs, loss, **SPLITS["training"])``. Where several runs share one axes, each run gets
a color and the splits keep their lines; where all runs show the same split, lines are solid and
the axis says which split it is.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.colors import to_rgba_array
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lenet_course.shapes import conv_output_size, padding_per_side, pair

SPLITS = {
    "training": {"label": "training", "color": "C0", "linestyle": "--"},
    "validation": {"label": "validation", "color": "C1", "linestyle": "-"},
    "test": {"label": "test", "color": "C2", "linestyle": ":"},
}


def image(ax, pixels, values=False, **imshow):
    """Draw one image, (H, W) in gray or (H, W, 3) in color, if asked with the gray values on it.

    Gray goes from the lowest value to the highest, unless ``vmin`` and ``vmax`` say otherwise.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[2] == 3):
        raise ValueError(
            f"an image to draw has shape (H, W) or (H, W, 3), got {pixels.shape}; "
            "for (C, H, W) use pixels.transpose(1, 2, 0), or pixels[0] if C is 1"
        )
    drawn = ax.imshow(pixels, **imshow)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(True)  # where white pixels meet a white page
    if values:
        _write(ax, pixels, np.where(pixels > np.mean(drawn.get_clim()), "black", "white"))
    return ax


def image_grid(axes, images, titles=None, **imshow):
    """Draw one image, as `image` takes it, on each of several axes; axes left over stay blank."""
    flat = np.ravel(axes)
    if len(images) > len(flat):
        raise ValueError(f"{len(images)} images do not fit on {len(flat)} axes; ask for more")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"{len(images)} images need as many titles, got {len(titles)}")
    for i, pixels in enumerate(images):
        image(flat[i], pixels, **imshow)
        if titles is not None:
            flat[i].set_title(titles[i])
    for ax in flat[len(images) :]:
        ax.set_axis_off()
    return axes


def signed(ax, numbers, values=False, limit=None):
    """Draw numbers (H, W) of both signs: red above zero, blue below, white at zero.

    NaN stays gray: not computed yet. The largest magnitude gets the full color, or `limit`.
    """
    numbers = np.asarray(numbers, dtype=float)
    if limit is None:
        limit = np.nanmax(np.abs(numbers)) or 1.0
    ax.set_facecolor("0.9")
    ax.imshow(numbers, cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(True)
    if values:
        _write(ax, numbers, np.where(np.abs(numbers) > 0.6 * limit, "white", "black"))
    return ax


def tinted(ax, values, groups):
    """Draw numbers (H, W) in cells, with one tint for all cells of one group.

    `groups` (H, W) counts from 0; a cell of group -1 belongs nowhere and stays pale.
    """
    values, groups = np.asarray(values), np.asarray(groups)
    if values.ndim != 2 or values.shape != groups.shape:
        raise ValueError(f"values {values.shape} and groups {groups.shape} need one shape (H, W)")
    cycle = to_rgba_array(rcParams["axes.prop_cycle"].by_key()["color"])[:, :3]
    tints = 1 - 0.4 * (1 - cycle[groups % len(cycle)])  # toward white, so that black reads well
    tints[groups < 0] = 0.95
    image(ax, tints)
    H, W = values.shape
    ax.hlines(np.arange(H - 1) + 0.5, -0.5, W - 0.5, color="white")
    ax.vlines(np.arange(W - 1) + 0.5, -0.5, H - 0.5, color="white")
    ax.spines[:].set_visible(False)
    _write(ax, values, np.where(groups < 0, "0.35", "black"))
    return ax


def signs(axes, texts):
    """Write one text, such as × or =, to the left of each of these axes but the first."""
    for ax, text in zip(axes[1:], texts, strict=True):
        place = {"xycoords": "axes fraction", "textcoords": "offset points"}
        ax.annotate(text, (0, 0.5), (-7, 0), ha="right", va="center", size="large", **place)
    return axes


def filters(axes, channels, weight, out, bias=None, place=None):
    """Draw a convolution: a row of kernels for each filter under the channels that they read.

    The channels (C, H, W) stand above the kernels, weight (C_out, C, KH, KW), and the maps out
    (C_out, OH, OW) at their right; NaN is a question mark. There are (C_out + 1, C + 1) axes. The
    `bias` (C_out,) is written before its map. `place`, a row and a column of the maps, frames the
    window there and what comes of it.
    """
    C_out, C = weight.shape[:2]
    if np.shape(axes) != (C_out + 1, C + 1):
        raise ValueError(f"the layer needs ({C_out + 1}, {C + 1}) axes, got {np.shape(axes)}")
    span = {"vmin": np.min(channels), "vmax": np.max(channels)}
    strongest, largest = np.max(np.abs(weight)), np.nanmax(np.abs(out))
    for c, ax in enumerate(axes[0, :-1]):
        image(ax, channels[c], values=True, **span).set_title(f"channel {c}")
        if place is not None:
            outline(ax, *place, *weight.shape[2:])
    axes[0, -1].set_axis_off()
    for o, (*kernel_axes, out_ax) in enumerate(axes[1:]):
        for ax, kernel in zip(kernel_axes, weight[o], strict=True):
            signed(ax, kernel, values=True, limit=strongest)
        kernel_axes[0].set_title(f"filter {o}")
        signed(out_ax, out[o], values=True, limit=largest).set_title(f"map {o}")
        if place is not None:
            outline(out_ax, *place, 1, 1)
        added = "" if bias is None else f"{bias[o]:+g} ".replace("-", "\N{MINUS SIGN}")
        signs((*kernel_axes, out_ax), [*"+" * (C - 1), f"{added}="])
    return axes


def outline(ax, top, left, height, width, color="C1"):
    """Frame a block of pixels, given by the row and column of its first pixel and its size."""
    frame = Rectangle((left - 0.5, top - 0.5), width, height, fill=False, clip_on=False)
    frame.set(edgecolor=color, linewidth=3.5, zorder=3)
    ax.add_patch(frame)
    return ax


def window_grid(ax, size, kernel_size, stride=1, padding=0, pixels=None):
    """Draw an image with a window's first and last place, and a dot at each place's upper left.

    The numbers are given as `lenet_course.shapes` takes them; a window that does not fit is a
    ValueError. `pixels` (H, W) of this size are drawn instead of blank squares.
    """
    sizes, kernels = pair("size", size), pair("kernel_size", kernel_size)
    strides = pair("stride", stride)
    places = conv_output_size(sizes, kernels, strides, padding)
    sides = padding_per_side(kernels, padding)
    starts = [np.arange(n) * s - side[0] for n, s, side in zip(places, strides, sides, strict=True)]
    reads = [
        {int(start) + entry for start in axis for entry in range(k)}
        for axis, k in zip(starts, kernels, strict=True)
    ]
    (above, below), (left, right) = sides
    if pixels is None:
        for row in range(-above, sizes[0] + below):
            for column in range(-left, sizes[1] + right):
                inside = 0 <= row < sizes[0] and 0 <= column < sizes[1]
                read = row in reads[0] and column in reads[1]
                square(ax, column, row, padded=not inside, hatched=not read)
    elif np.shape(pixels) != sizes:
        raise ValueError(f"an image of size {sizes} was announced, got {np.shape(pixels)}")
    else:
        ax.imshow(pixels)
    rows, columns = np.meshgrid(*starts, indexing="ij")
    mark = 10 if pixels is None else 3
    ax.plot(columns.ravel(), rows.ravel(), linestyle="none", marker=".", ms=mark, color="C5")
    height, width = kernels
    for color, which, name in (("C5", 0, "first place"), ("C1", -1, "last place")):
        corner = (starts[1][which] - 0.5, starts[0][which] - 0.5)
        ax.add_patch(Rectangle(corner, width, height, fill=False, ec=color, lw=3, label=name))
    ax.set(xlabel="column", ylabel="row", aspect="equal")
    ax.set_xlim(-left - 0.7, sizes[1] + right - 0.3)
    ax.set_ylim(sizes[0] + below - 0.3, -above - 0.7)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def square(ax, x, y, color=None, padded=False, hatched=False):
    """Draw one pixel around (x, y): dashed if it is padding, hatched if no window reads it."""
    style = {"fc": color or ("white" if padded else "#eeeeee"), "ec": "#888888", "lw": 1}
    if color:
        style |= {"ec": "white"}
    if padded:
        style |= {"linestyle": "--"}
    if hatched:
        style |= {"hatch": "////", "ec": "C3"}
    ax.add_patch(Rectangle((x - 0.45, y - 0.45), 0.9, 0.9, zorder=2, **style))
    return ax


def network_blocks(ax, shapes, labels):
    """Draw a network from top to bottom to scale: one unit of area for each number.

    A shape is the (C, H, W) of the maps at one stage, or the (C,) of a vector; each has a label.
    A label takes 1/17 of the width: it fits on a figure 5 to 7 inches wide that is high enough.
    Blocks have an edge, or on a wide drawing a vector would be too thin to see.
    """
    if len(shapes) != len(labels):
        raise ValueError(f"{len(shapes)} shapes need as many labels, got {len(labels)}")
    blocks = [(*shape, 1, 1)[:3] for shape in shapes]
    steps = [W + (2 if H > 1 else 0) for _, H, W in blocks]  # the numbers of a vector touch
    widest = max(C * step for (C, _, _), step in zip(blocks, steps, strict=True))
    room, top = widest / 17, 0
    for shape, label, (C, H, W), step in zip(shapes, labels, blocks, steps, strict=True):
        count = f" = {C * H * W:,}" if len(shape) > 1 else ""
        text = f"{label}: {'×'.join(map(str, shape))}{count}"
        ax.text(0, top + 0.75 * room, text, va="baseline")
        top += room
        style = {"color": "C0", "lw": 1} if H > 1 else {"color": "C1", "lw": 1.5}
        for c in range(C):
            ax.add_patch(Rectangle((c * step, top), W, H, **style))
        top += H
    ax.set(xlim=(-1, widest), ylim=(top, 0), aspect="equal")
    ax.set_axis_off()
    return ax


def arrow(ax, tail, head):
    """Draw an arrow of a graph from one place (right, up) to another."""
    style = {"arrowstyle": "->", "color": "#444444", "lw": 1.5, "shrinkA": 0, "shrinkB": 1}
    ax.annotate("", head, tail, arrowprops=style)
    return ax


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
        arrow(ax, tail, head)
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


def descent(ax, loss, path, xlim, ylim):
    """Draw the steps of an optimizer, (steps + 1, 2), over the contour lines of a loss.

    ``loss(first, second)`` takes and returns arrays of one shape. Eight contours have heights
    above the lowest point shown that grow as squares: a quadratic valley gets them at even
    distances. Several paths on the same axes share the contours of the first.
    """
    path = np.asarray(path, dtype=float)
    if path.ndim != 2 or path.shape[1] != 2:
        raise ValueError(f"a path has the shape (steps + 1, 2), got {path.shape}")
    if not ax.collections:
        across, up = np.meshgrid(np.linspace(*xlim, 201), np.linspace(*ylim, 201))
        heights = loss(across, up)
        lowest, highest = heights.min(), heights.max()
        levels = lowest + (highest - lowest) * np.linspace(0, 1, 10)[1:-1] ** 2
        ax.contour(across, up, heights, levels, colors="0.75", linewidths=1)
    ax.plot(*path.T, "o-", markersize=3.5, linewidth=1.2)
    ax.set(xlim=xlim, ylim=ylim)
    return ax


def class_bars(ax, values, highlight):
    """Draw one bar per class, (classes,), numbered from 0, and one of them in another color."""
    values = np.asarray(values)
    if values.ndim != 1:
        raise ValueError(f"one row of numbers is drawn, got the shape {values.shape}")
    if not 0 <= highlight < len(values):
        raise ValueError(f"highlight={highlight} is no class: they go from 0 to {len(values) - 1}")
    classes = np.arange(len(values))
    ax.bar(classes, values, color=["C1" if k == highlight else "C0" for k in classes])
    if values.min() < 0:
        ax.axhline(0, color="0.4", linewidth=1)
    ax.set(xticks=classes)
    return ax


def share_bars(ax, labels, shares):
    """Draw shares of a whole, 0 to 1, as bars with their percentages, the first label at the top.

    `shares` holds for each kind of bar its name and one share per label.
    """
    places, thickness = np.arange(len(labels)), 0.8 / len(shares)
    for i, (name, values) in enumerate(shares.items()):
        if len(values) != len(labels):
            raise ValueError(f"{len(labels)} labels need as many shares, {name} has {len(values)}")
        middles = places - 0.4 + (i + 0.5) * thickness
        bars = ax.barh(middles, np.asarray(values), 0.9 * thickness, label=name)
        ax.bar_label(bars, [f"{value:.1%}" for value in values], padding=3)
    ax.set(yticks=places, yticklabels=labels, xlim=(0, 1), xticks=[0, 0.25, 0.5, 0.75, 1])
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.invert_yaxis()
    ax.legend()
    return ax


def confusion_matrix(ax, counts, classes):
    """Draw how often each class (row) was taken for each class (column), counts (K, K).

    The color shows the mistakes only: the right answers on the diagonal would drown them.
    """
    counts = np.asarray(counts)
    if counts.shape != (len(classes), len(classes)):
        raise ValueError(f"{len(classes)} classes need a square of counts, got {counts.shape}")
    mistakes = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    ax.imshow(mistakes, cmap="Blues", vmax=max(1, 2 * mistakes.max()))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            weight = "bold" if row == column else "normal"
            ax.text(column, row, count, ha="center", va="center", size="small", weight=weight)
    ticks = np.arange(len(classes))
    ax.set(xlabel="predicted", ylabel="true", xticks=ticks, yticks=ticks)
    ax.set_xticklabels(classes, rotation=0 if max(map(len, classes)) < 3 else 90)
    ax.set_yticklabels(classes)
    return ax


def learning_curves(ax, history):
    """Draw the loss of each epoch of a `History`, in training and, if measured, in validation."""
    if not history.train_loss:
        raise ValueError("this history holds no finished epoch, so there is no curve to draw")
    for split, losses in (("training", history.train_loss), ("validation", history.valid_loss)):
        if losses:
            ax.plot(np.arange(1, len(losses) + 1), losses, **SPLITS[split])
    ax.set(xlabel="epoch", ylabel="loss")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend()
    return ax


def seed_band(ax, x, values, label=""):
    """Draw the mean over seeds as a line, in a band of one standard deviation to either side.

    `values` (S, M) has a row for each of at least two seeds, such as ``runs["valid_loss"]``, and
    a column for each x. A label of `SPLITS` brings that split's color and line.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or len(values) < 2 or values.shape[1] != len(x):
        raise ValueError(
            f"{len(x)} places need values of the shape (seeds, {len(x)}) with at least two seeds, "
            f"got {values.shape}"
        )
    mean, std = values.mean(axis=0), values.std(axis=0, ddof=1)
    (line,) = ax.plot(x, mean, **SPLITS.get(label, {"label": label}))
    ax.fill_between(x, mean - std, mean + std, color=line.get_color(), alpha=0.25, linewidth=0)
    return ax


def run_points(ax, results, quantity=None, half_widths=None, split=None):
    """Draw one row per setting, the first at the top: a dot for each run, a tick at their mean.

    `results` holds for each setting its runs' shares, 0 to 1, (S,), or its `Runs`, of which
    `quantity` is drawn. `half_widths` has one number per setting: a bar reaches that far to
    either side of the mean. `split` gives dots and bars a color of `SPLITS`.
    """
    if quantity is not None:
        results = {name: runs[quantity] for name, runs in results.items()}
    if not all(len(values) for values in results.values()):
        raise ValueError(f"each setting needs at least one run, got {results}")
    if half_widths is not None and len(half_widths) != len(results):
        raise ValueError(f"{len(results)} settings need as many half widths, got {half_widths}")
    color = SPLITS[split]["color"] if split else "C5"
    places = np.arange(len(results))
    means = [np.mean(values) for values in results.values()]
    if half_widths is not None:
        lefts = np.subtract(means, half_widths)
        ax.barh(places, 2 * np.asarray(half_widths), 0.3, lefts, color=color, alpha=0.3)
    ax.plot(means, places, "|", color="0.3", markersize=22)
    for place, values in zip(places, results.values(), strict=True):
        ax.plot(values, np.full(len(values), place), "o", color=color)
    ax.set(yticks=places, yticklabels=list(results), ylim=(len(results) - 0.4, -0.6))
    ax.use_sticky_edges = False  # room at the left of a bar, too
    ax.autoscale_view(scaley=False)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=1))
    ax.grid(axis="x")
    return ax


def intervals(ax, estimates, line):
    """Draw a row for each estimate, the first at the top: its value in a bar of its interval.

    `estimates` maps names to objects with ``value``, ``low`` and ``high``, or is a list of those.
    Through all rows goes a dashed line; bars that miss it are drawn in another color. With the
    line at 0 they are differences, and the axis is in points.
    """
    named = isinstance(estimates, dict)
    rows = list(estimates.values()) if named else list(estimates)
    if not rows:
        raise ValueError("there is no estimate to draw")
    ax.axvline(line, color="0.4", linewidth=1, linestyle="--")
    for place, (value, low, high) in enumerate((e.value, e.low, e.high) for e in rows):
        color = "C0" if low <= line <= high else "C3"
        ax.plot([low, high], [place, place], color=color)
        ax.plot(value, place, "o" if color == "C0" else "s", color=color, markersize=5)
    ax.set(yticks=range(len(rows)) if named else [], ylim=(len(rows) - 0.4, -0.6))
    if named:
        ax.set_yticklabels(list(estimates))
    ax.xaxis.set_major_formatter(PercentFormatter(1, symbol="" if line == 0 else "%"))
    return ax


def _write(ax, numbers, colors):
    """Write each number in its cell, in a color of its own; NaN as a question mark."""
    for (row, column), number in np.ndenumerate(numbers):
        text = "?" if np.isnan(number) else f"{number:g}".replace("-", "\N{MINUS SIGN}")
        ax.text(column, row, text, ha="center", va="center", color=colors[row, column])

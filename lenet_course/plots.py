"""Drawings that chapters share. Each takes arrays and an `Axes` and returns the `Axes`.

Colors, fonts and resolution come from ``chapters/matplotlibrc``.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.colors import to_rgba_array
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from lenet_course.shapes import conv_output_size, padding_per_side, pair


def image(ax, pixels, values=False, **imshow):
    """Draw one image, if asked with each pixel's value written on it.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    pixels : array_like
        (H, W) for grayscale, dark at the lowest value and white at the highest, or (H, W, 3)
        for RGB, uint8 or float in [0, 1].
    values : bool
        Write the values; for grayscale images small enough to read them.
    **imshow
        Passed on to `Axes.imshow`, such as ``vmin`` and ``vmax``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `pixels` has another shape; PyTorch's (C, H, W) must be moved to (H, W, C) first.
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
        middle = np.mean(drawn.get_clim())
        for (row, column), value in np.ndenumerate(pixels):
            color = "black" if value > middle else "white"
            ax.text(column, row, f"{value:g}", ha="center", va="center", color=color)
    return ax


def image_grid(axes, images, titles=None, **imshow):
    """Draw one image on each of several axes; axes left over stay blank.

    Parameters
    ----------
    axes : array of matplotlib.axes.Axes
        At least as many as there are images, as ``plt.subplots(rows, columns)`` gives them.
    images : sequence of array_like
        Each (H, W) or (H, W, 3).
    titles : sequence of str, optional
        One per image.
    **imshow
        Passed on to `Axes.imshow`.

    Returns
    -------
    array of matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If there are more images than axes, or not one title per image.
    """
    flat = np.ravel(axes)
    if len(images) > len(flat):
        raise ValueError(f"{len(images)} images do not fit on {len(flat)} axes; ask for more")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"{len(images)} images need as many titles, got {len(titles)}")
    for i, ax in enumerate(flat):
        if i >= len(images):
            ax.set_axis_off()
            continue
        image(ax, images[i], **imshow)
        if titles is not None:
            ax.set_title(titles[i])
    return axes


def learning_curves(ax, history, quantity="loss", label=""):
    """Draw a quantity per epoch: training as a dashed line, validation as a solid one.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Drawing several histories on the same axes gives each a color.
    history : History
        From `lenet_course.train.fit`; anything with lists ``train_loss`` and so on will do.
    quantity : {"loss", "accuracy"}
    label : str
        Name of this run, put before "training" and "validation".

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `quantity` is neither, or the history holds no finished epoch.
    """
    if quantity not in ("loss", "accuracy"):
        raise ValueError(f"quantity must be loss or accuracy, got {quantity!r}")
    train = getattr(history, f"train_{quantity}")
    valid = getattr(history, f"valid_{quantity}")
    if not train:
        raise ValueError("this history holds no finished epoch, so there is no curve to draw")
    epochs = np.arange(1, len(train) + 1)
    (line,) = ax.plot(epochs, train, linestyle="--", label=f"{label} training".strip())
    if valid:
        ax.plot(epochs, valid, color=line.get_color(), label=f"{label} validation".strip())
    ax.set(xlabel="epoch", ylabel=quantity)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend()
    return ax


def confusion_matrix(ax, counts, classes):
    """Draw how often each class (row) was taken for each class (column).

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    counts : array_like of int, (K, K)
        Row: the true class. Column: the predicted one.
    classes : sequence of str
        The K names.

    Returns
    -------
    matplotlib.axes.Axes
        The counts are written out; the color shows the mistakes only, since the right answers
        on the diagonal would drown them.

    Raises
    ------
    ValueError
        If `counts` is not square or its size is not the number of classes.
    """
    counts = np.asarray(counts)
    if counts.shape != (len(classes), len(classes)):
        raise ValueError(f"{len(classes)} classes need a square of counts, got {counts.shape}")
    mistakes = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    ax.imshow(mistakes, cmap="Blues", vmax=max(1, 1.4 * mistakes.max()))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            weight = "bold" if row == column else "normal"
            ax.text(column, row, count, ha="center", va="center", size="small", weight=weight)
    ticks = np.arange(len(classes))
    ax.set(xlabel="predicted", ylabel="true", xticks=ticks, yticks=ticks)
    ax.set_xticklabels(classes, rotation=0 if max(map(len, classes)) < 3 else 90)
    ax.set_yticklabels(classes)
    return ax


def feature_maps(ax, maps, columns, **imshow):
    """Draw all maps of one layer side by side on one gray scale.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    maps : array_like, (C, H, W)
        For a vector of C numbers, its shape (C, 1, 1).
    columns : int
        Maps per row; the last row may stay short.
    **imshow
        Passed on to `Axes.imshow`. Without ``vmin`` and ``vmax``, black is the lowest value of
        all maps and white the highest.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `maps` has another number of axes, or `columns` is below 1.
    """
    maps = np.asarray(maps, dtype=float)
    if maps.ndim != 3 or columns < 1:
        raise ValueError(
            f"maps to draw have shape (C, H, W) and at least 1 column, got {maps.shape} and "
            f"columns={columns}; leave the batch axis out, and reshape a vector to (C, 1, 1)"
        )
    C, H, W = maps.shape
    zoom, gap = -(-20 // W), 2  # small maps are enlarged, so that the gap stays thin
    height, width = H * zoom, W * zoom
    rows = -(-C // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for i, one in enumerate(maps):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = one.repeat(zoom, 0).repeat(zoom, 1)
        frame = Rectangle((left - 0.5, top - 0.5), width, height)
        ax.add_patch(frame).set(fill=False, edgecolor="gray", linewidth=0.5)
    ax.imshow(sheet, **imshow)
    ax.set_axis_off()
    return ax


def network_blocks(ax, shapes, labels):
    """Draw a network from top to bottom to scale: one unit of area for each number.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Its y axis is turned to point down; give the figure about 0.75 inches per layer.
    shapes : sequence of tuple of int
        (C, H, W) of the maps at each stage, or (C,) of a vector.
    labels : sequence of str
        One per stage. The shape and the count of numbers are written after it.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If there is not one label per shape.
    """
    if len(shapes) != len(labels):
        raise ValueError(f"{len(shapes)} shapes need as many labels, got {len(labels)}")
    top, widest = 0, 0
    for shape, label in zip(shapes, labels, strict=True):
        C, H, W = (*shape, 1, 1)[:3]
        step = W + (2 if H > 1 else 0)  # the numbers of a vector touch
        vector = {} if H > 1 else {"linewidth": 0}
        color = f"C{0 if H > 1 else 1}"
        written = "×".join(map(str, shape))
        if len(shape) > 1:
            written += f" = {C * H * W:,}"
        ax.text(0, top + 8, f"{label}: {written}", va="baseline")
        for c in range(C):
            ax.add_patch(Rectangle((c * step, top + 11), W, H, color=color, **vector))
        top += H + 18
        widest = max(widest, C * step)
    ax.set(xlim=(-1, widest), ylim=(top, 0), aspect="equal")
    ax.set_axis_off()
    return ax


def share_bars(ax, labels, shares):
    """Draw several shares of a whole per label as bars side by side, each with its percentage.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    labels : sequence of str
        Written at the left, the first at the top.
    shares : dict of str to sequence of float
        For each kind of bar its name and one share, 0 to 1, per label.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If a kind has not one share per label.
    """
    places, thickness = np.arange(len(labels)), 0.8 / len(shares)
    for i, (name, values) in enumerate(shares.items()):
        if len(values) != len(labels):
            raise ValueError(f"{len(labels)} labels need as many shares, {name} has {len(values)}")
        lowest = places - 0.4 + thickness / 2
        bars = ax.barh(lowest + i * thickness, np.asarray(values), 0.9 * thickness, label=name)
        ax.bar_label(bars, [f"{value:.1%}" for value in values], padding=3)
    ax.set(yticks=places, yticklabels=labels, xlim=(0, 1), xticks=[0, 0.25, 0.5, 0.75, 1])
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.invert_yaxis()
    ax.legend()
    return ax


def tinted(ax, values, groups):
    """Draw numbers in cells, with one tint for the cells that belong together.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    values : array_like, (H, W)
        What is written into the cells.
    groups : array_like of int, (H, W)
        Which cells belong together, counted from 0; a cell of -1 belongs nowhere and stays pale.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If there is not one group for each value.
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
    for (row, column), value in np.ndenumerate(values):
        color = "0.5" if groups[row, column] < 0 else "black"
        ax.text(column, row, f"{value:g}", ha="center", va="center", color=color)
    return ax


def signed(ax, numbers, values=False, limit=None):
    """Draw numbers of both signs: red above zero, blue below, white at zero.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    numbers : array_like, (H, W)
        A feature map or a kernel. NaN stays gray: not computed yet.
    values : bool
        Write the numbers.
    limit : float, optional
        The number that gets the full color; the largest magnitude if not given.

    Returns
    -------
    matplotlib.axes.Axes
    """
    numbers = np.asarray(numbers, dtype=float)
    if limit is None:
        limit = np.nanmax(np.abs(numbers)) or 1.0
    ax.set_facecolor("0.9")
    ax.imshow(numbers, cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(True)
    if values:
        for (row, column), number in np.ndenumerate(numbers):
            text = "?" if np.isnan(number) else f"{number:g}".replace("-", "\N{MINUS SIGN}")
            color = "white" if abs(number) > 0.6 * limit else "black"
            ax.text(column, row, text, ha="center", va="center", color=color)
    return ax


def outline(ax, top, left, height, width, color="C1"):
    """Draw a frame around a block of pixels.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Holds an image.
    top, left : int
        Row and column of the block's first pixel.
    height, width : int
        Size of the block in pixels.
    color : str
        Color of the frame.

    Returns
    -------
    matplotlib.axes.Axes
    """
    frame = Rectangle((left - 0.5, top - 0.5), width, height, fill=False, clip_on=False)
    frame.set(edgecolor=color, linewidth=3.5, zorder=3)
    ax.add_patch(frame)
    return ax


def window_at(axes, pixels, kernel, output, place, stride=1):
    """Draw an image with one window framed, the kernel, and the output number they give.

    Parameters
    ----------
    axes : sequence of 3 matplotlib.axes.Axes
        For the image, the kernel and the output.
    pixels : array_like, (H, W)
    kernel : array_like, (KH, KW)
    output : array_like, (OH, OW)
        NaN where it is not to be shown.
    place : (int, int)
        Row and column in the output.
    stride : int
        Pixels from one window to the next.

    Returns
    -------
    sequence of matplotlib.axes.Axes
    """
    row, column = place
    image(axes[0], pixels, values=True)
    outline(axes[0], row * stride, column * stride, *np.shape(kernel))
    signed(axes[1], kernel, values=True)
    outline(axes[1], 0, 0, *np.shape(kernel))
    signed(axes[2], output, values=True)
    outline(axes[2], row, column, 1, 1)
    for ax, title in zip(axes, ("image", "kernel", "output"), strict=True):
        ax.set_title(title)
    return axes


def windows_as_columns(axes, pixels, columns, kernel_size, place):
    """Draw an image with one window framed, and the same window as a column of a matrix.

    Parameters
    ----------
    axes : sequence of 2 matplotlib.axes.Axes
        For the image and for the matrix.
    pixels : array_like, (H, W)
    columns : array_like, (KH * KW, OH * OW)
        The windows at stride 1, as im2col lays them out.
    kernel_size : (int, int)
        KH, KW.
    place : (int, int)
        Row and column in the output.

    Returns
    -------
    sequence of matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the matrix does not have one column for each place of the window.
    """
    (H, W), (KH, KW), (row, column) = np.shape(pixels), kernel_size, place
    OH, OW = H - KH + 1, W - KW + 1
    if np.shape(columns) != (KH * KW, OH * OW):
        raise ValueError(
            f"a {KH}×{KW} window on {H}×{W} pixels makes a matrix of shape "
            f"({KH * KW}, {OH * OW}), got {np.shape(columns)}"
        )
    span = {"vmin": np.min(pixels), "vmax": np.max(pixels)}
    image(axes[0], pixels, values=True, **span)
    outline(axes[0], row, column, KH, KW)
    image(axes[1], columns, values=True, **span)
    outline(axes[1], 0, row * OW + column, KH * KW, 1)
    axes[0].set_title("image")
    axes[1].set_title("one column for each place")
    return axes


def timings(ax, seconds):
    """Draw how long each of several ways took, as dots on a logarithmic axis.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    seconds : dict of str to float
        Names and times, drawn from the top down.

    Returns
    -------
    matplotlib.axes.Axes
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


def window_places(ax, size, kernel_size, stride=1, padding=0, dilation=1):
    """Draw a row of cells and, below it, every place where a window can stand, one per line.

    The input lies on top. Cells added by padding are dashed and hold a 0; cells that no window
    reads are hatched. At the right end of each line stands the output cell that it yields.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    size, kernel_size, stride, dilation : int
        As in `lenet_course.shapes.conv_output_size`, along one axis.
    padding : int, "same" or "valid"

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the window does not fit.
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
        _cell(ax, cell, 0, padded=outside, hatched=cell in unread)
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
            _cell(ax, cell, y, color="C0" if 0 <= cell < size else "#99c7e0")
        _cell(ax, output, y, color="C1")
    ax.text(output, 0, "out", ha="center", va="center")
    ax.set(xlim=(-before - 0.7, output + 0.7), ylim=(places + 1, -0.7))
    ax.set(xlabel="cell", ylabel="place", xticks=range(size))
    ax.set_yticks(np.arange(1, places + 1) + 0.3, range(1, places + 1))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def window_grid(ax, size, kernel_size, stride=1, padding=0, dilation=1, pixels=None):
    """Draw an image with the first and the last place of a window, and a dot for each place.

    A dot marks the window's upper left corner. Pixels added by padding are dashed, pixels that
    no window reads are hatched.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    size, kernel_size, stride, padding, dilation : int or (int, int)
        As in `lenet_course.shapes.conv_output_size`.
    pixels : array_like, (H, W), optional
        A grayscale image of this size to draw instead of blank cells.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the window does not fit, or `pixels` has another size.
    """
    sizes, kernels, strides, dilations = (
        pair(name, value)
        for name, value in zip(
            ("size", "kernel_size", "stride", "dilation"),
            (size, kernel_size, stride, dilation),
            strict=True,
        )
    )
    places = conv_output_size(sizes, kernels, stride, padding, dilation)
    sides = padding_per_side(kernels, padding, dilation)
    starts = [np.arange(n) * s - side[0] for n, s, side in zip(places, strides, sides, strict=True)]
    reads = [
        {int(start) + entry * d for start in axis for entry in range(k)}
        for axis, k, d in zip(starts, kernels, dilations, strict=True)
    ]
    if pixels is None:
        for row in range(-sides[0][0], sizes[0] + sides[0][1]):
            for column in range(-sides[1][0], sizes[1] + sides[1][1]):
                inside = 0 <= row < sizes[0] and 0 <= column < sizes[1]
                read = row in reads[0] and column in reads[1]
                _cell(ax, column, row, padded=not inside, hatched=not read)
    else:
        if np.shape(pixels) != sizes:
            raise ValueError(f"an image of size {sizes} was announced, got {np.shape(pixels)}")
        ax.imshow(pixels)
    rows, columns = np.meshgrid(*starts, indexing="ij")
    mark = 10 if pixels is None else 3
    ax.plot(columns.ravel(), rows.ravel(), linestyle="none", marker=".", ms=mark, color="C5")
    spans = [d * (k - 1) + 1 for k, d in zip(kernels, dilations, strict=True)]
    for color, which, name in (("C5", 0, "first place"), ("C1", -1, "last place")):
        corner = (starts[1][which] - 0.5, starts[0][which] - 0.5)
        ax.add_patch(Rectangle(corner, spans[1], spans[0], fill=False, ec=color, lw=3, label=name))
    ax.set(xlabel="column", ylabel="row", aspect="equal")
    ax.set(
        xlim=(-sides[1][0] - 0.7, sizes[1] + sides[1][1] - 0.3),
        ylim=(sizes[0] + sides[0][1] - 0.3, -sides[0][0] - 0.7),
    )
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def size_chain(ax, sizes, layers):
    """Draw the square images of a stack of layers to scale, from the input to the last output.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    sizes : sequence of int
        Height, which is also the width, of the input and of each layer's output.
    layers : sequence of str
        What stands between two squares; one fewer than `sizes`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If there is not one layer between each two sizes.
    """
    if len(layers) != len(sizes) - 1:
        raise ValueError(f"{len(sizes)} sizes have {len(sizes) - 1} layers between, not {layers}")
    gap, left = 0.9 * max(sizes), 0
    for size, layer in zip(sizes, [*layers, None], strict=True):
        ax.add_patch(Rectangle((left, -size / 2), size, size, fc="C5", ec="#444444"))
        ax.text(left + size / 2, -size / 2 - 2, size, ha="center", va="top")
        left += size
        if layer is not None:
            arrow = {"arrowstyle": "->", "color": "#444444", "lw": 1.5}
            ax.annotate("", (left + 0.95 * gap, 0), (left + 0.05 * gap, 0), arrowprops=arrow)
            ax.text(left + gap / 2, 2, layer, ha="center", va="bottom")
            left += gap
    tallest = max(sizes)
    ax.set(xlim=(-1, left + 1), ylim=(-0.5 * tallest - 12, 0.5 * tallest + 1), aspect="equal")
    ax.set_axis_off()
    return ax


def receptive_pyramid(ax, size, layers):
    """Draw a row of cells under a stack of layers, and what one cell on top depends on.

    The input lies at the bottom. On each row the cells that the middle cell of the top row
    depends on are colored; every cell stands above the middle of the window that it reads.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    size : int
        Cells of the input.
    layers : sequence of (kernel_size, stride) or (kernel_size, stride, dilation)
        As in `lenet_course.shapes.receptive_field`, along one axis, without padding.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If a window does not fit.
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
            color = ("C1" if height == len(layers) else "C0") if index in seen else None
            _cell(ax, x, -1.6 * height, color=color)
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


def _cell(ax, x, y, color=None, padded=False, hatched=False):
    """Draw one cell around (x, y)."""
    style = {"fc": color or ("white" if padded else "#eeeeee"), "ec": "#888888", "lw": 1}
    if color:
        style |= {"ec": "white"}
    if padded:
        style |= {"linestyle": "--"}
    if hatched:
        style |= {"hatch": "////", "ec": "C3"}
    ax.add_patch(Rectangle((x - 0.45, y - 0.45), 0.9, 0.9, zorder=2, **style))


def class_bars(ax, values, highlight=None):
    """Draw one bar per class, numbered from 0, and give one of them a color of its own.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    values : array_like, (classes,)
        Scores or probabilities; negative ones hang below the zero line.
    highlight : int, optional
        The class to point out.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If there is not one number per class, or `highlight` is no class.
    """
    values = np.asarray(values)
    if values.ndim != 1:
        raise ValueError(f"one row of numbers is drawn, got the shape {values.shape}")
    if highlight is not None and not 0 <= highlight < len(values):
        raise ValueError(f"highlight={highlight} is no class: they go from 0 to {len(values) - 1}")
    classes = np.arange(len(values))
    ax.bar(classes, values, color=["C1" if k == highlight else "C0" for k in classes])
    if values.min() < 0:
        ax.axhline(0, color="0.4", linewidth=1)
    ax.set(xticks=classes)
    return ax


def runs(ax, results, half_widths=None):
    """Draw one row per setting, with a dot for each run and a tick at their mean.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    results : dict of str to sequence of float
        For each setting its runs' shares, 0 to 1, such as accuracies from several seeds.
    half_widths : sequence of float, optional
        For each setting, how far a bar reaches to either side of the mean.

    Returns
    -------
    matplotlib.axes.Axes
        The first setting stands at the top.

    Raises
    ------
    ValueError
        If a setting has no run, or there is not one half width per setting.
    """
    if not all(len(values) for values in results.values()):
        raise ValueError(f"each setting needs at least one run, got {results}")
    if half_widths is not None and len(half_widths) != len(results):
        raise ValueError(f"{len(results)} settings need as many half widths, got {half_widths}")
    places = np.arange(len(results))
    means = [np.mean(values) for values in results.values()]
    if half_widths is not None:
        lefts = np.subtract(means, half_widths)
        ax.barh(places, 2 * np.asarray(half_widths), 0.3, lefts, alpha=0.3)
    ax.plot(means, places, "|", color="0.3", markersize=22)
    for place, values in zip(places, results.values(), strict=True):
        ax.plot(values, np.full(len(values), place), "o", color="C1")
    ax.set(yticks=places, yticklabels=list(results), ylim=(len(results) - 0.4, -0.6))
    ax.use_sticky_edges = False  # room at the left of a bar, too
    ax.autoscale_view(scaley=False)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=1))
    ax.grid(axis="x")
    return ax


def step_losses(ax, curves, window=5):
    """Draw the loss of each step for several trainings, smoothed by a running mean.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    curves : dict of str to sequence of float
        For each training its losses, one per step.
    window : int
        How many steps each drawn point is the mean of.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If a training has fewer steps than `window`.
    """
    for name, losses in curves.items():
        if len(losses) < window:
            raise ValueError(f"{name!r} has {len(losses)} steps, too few for means of {window}")
        means = np.convolve(losses, np.ones(window) / window, mode="valid")
        ax.plot(np.arange(window, len(losses) + 1), means, label=name)
    ax.set(xlabel=f"step (mean of {window})", ylabel="loss", ylim=(0, None))
    return ax


def seed_band(ax, x, values, label=""):
    """Draw the mean over seeds as a line, in a band of one standard deviation to either side.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x : array_like, (M,)
        Where each column of `values` stands, such as the epochs from 1 to M.
    values : array_like, (S, M)
        One row for each of S seeds, at least two.
    label : str
        Name of the line.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `values` is no table of at least two rows, with one column for each x.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or len(values) < 2 or values.shape[1] != len(x):
        raise ValueError(
            f"{len(x)} places need values of the shape (seeds, {len(x)}) with at least two seeds, "
            f"got {values.shape}"
        )
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1)
    (line,) = ax.plot(x, mean, label=label)
    ax.fill_between(
        x, mean - spread, mean + spread, color=line.get_color(), alpha=0.25, linewidth=0
    )
    return ax


def per_class(ax, classes, results):
    """Draw one row per class, with a dot for each network's share of right answers.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    classes : sequence of str
        The K names.
    results : dict of str to array_like, (K,)
        For each network its shares, 0 to 1.

    Returns
    -------
    matplotlib.axes.Axes
        The first class stands at the top; a line joins the dots of a class.

    Raises
    ------
    ValueError
        If there is no network, or one has not one share per class.
    """
    shares = np.array([np.asarray(values, dtype=float) for values in results.values()])
    if shares.ndim != 2 or shares.shape[1] != len(classes):
        raise ValueError(f"each network needs {len(classes)} shares, got the shape {shares.shape}")
    rows = np.arange(len(classes))
    ax.hlines(rows, shares.min(axis=0), shares.max(axis=0), color="0.7", linewidth=2, zorder=1)
    for name, values in zip(results, shares, strict=True):
        ax.plot(values, rows, "o", label=name, markersize=8)
    ax.set(yticks=rows, yticklabels=list(classes), ylim=(len(classes) - 0.5, -0.5))
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.grid(axis="x")
    return ax


def reliability(ax, confidence, accuracy, label=""):
    """Draw how often a network is right against how sure it is; the diagonal is honest.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    confidence, accuracy : array_like, (bins,)
        From `lenet_course.metrics.calibration`; empty bins are nan and left out.
    label : str
        Name of the network.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the two differ in length, or every bin is empty.
    """
    confidence, accuracy = np.asarray(confidence, float), np.asarray(accuracy, float)
    if confidence.shape != accuracy.shape or np.isnan(confidence).all():
        raise ValueError(
            "one accuracy for each confidence, and at least one that is not nan, got "
            f"{confidence} and {accuracy}"
        )
    if not ax.lines:
        ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
    held = ~np.isnan(confidence)
    ax.plot(confidence[held], accuracy[held], "o-", label=label)
    ax.set(xlabel="confidence", ylabel="share of right answers", xlim=(0, 1), ylim=(0, 1))
    ax.set_aspect("equal")
    return ax


def descent(ax, loss, path, xlim, ylim, label=""):
    """Draw the steps of an optimizer over the contour lines of a loss with two parameters.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Several paths on the same axes share the contours of the first.
    loss : callable
        ``loss(first, second)`` takes two arrays of one shape and returns one of that shape.
    path : array_like, (steps + 1, 2)
        Both parameters at the start and after each step; what leaves the limits is cut off.
    xlim, ylim : (float, float)
        Which part of the plane is shown.
    label : str
        Name of the path.

    Returns
    -------
    matplotlib.axes.Axes
        Eight contours: their heights above the lowest point shown grow as squares, so that a
        quadratic valley gets them at even distances.

    Raises
    ------
    ValueError
        If `path` is no table of two columns.
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
    ax.plot(*path.T, "o-", markersize=3.5, linewidth=1.2, label=label)
    ax.set(xlim=xlim, ylim=ylim)
    return ax


def graph(ax, nodes, edges, values=None, gradients=None):
    """Draw a computational graph: a box for each number, an arrow to what is computed from it.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    nodes : dict of str to (float, float)
        What is written at the top of each box, and where its middle lies (right, up). A box is
        1.3 wide and 1 high; give the figure about 0.9 inches for each unit.
    edges : dict of (str, str) to str
        What is written on the arrow from one box to another, such as the slope between them.
    values : dict of str to float, optional
        The number in each box; a name left out stays without one.
    gradients : dict of str to float, optional
        The slope of the last number with respect to each, written below in another color.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If an edge, a value or a gradient belongs to no node.
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

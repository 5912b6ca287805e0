"""Drawings that chapters share. Each takes arrays and an `Axes` and returns the `Axes`.

Colors, fonts and resolution come from ``chapters/matplotlibrc``.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.colors import to_rgba_array
from matplotlib.patches import Rectangle


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
    zoom = 1 if H > 1 else 4  # single numbers become squares, so that the gap stays thin
    height, width, gap = H * zoom, W * zoom, 1
    rows = -(-C // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for i, one in enumerate(maps):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = one.repeat(zoom, 0).repeat(zoom, 1)
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
        top += H + 24 if H > 1 else 23
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

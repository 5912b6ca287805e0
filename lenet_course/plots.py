"""Drawings that chapters share. Each takes arrays and an `Axes` and returns the `Axes`.

Colors, fonts and resolution come from ``chapters/matplotlibrc``.
"""

import numpy as np


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

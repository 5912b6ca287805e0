"""For the chapter Optimizers."""

import numpy as np


def descent(ax, loss, path, xlim, ylim, label=""):
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
    ax.plot(*path.T, "o-", markersize=3.5, linewidth=1.2, label=label)
    ax.set(xlim=xlim, ylim=ylim)
    return ax

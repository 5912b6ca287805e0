"""For the chapter LeNet."""

from itertools import pairwise

import numpy as np
from matplotlib.patches import Rectangle

from lenet_course.checks import Case, run_cases


def journey(axes, stops, columns):
    """Draw down a column of axes what a network's stages give for one image, the scores last.

    `stops` are the stages' arrays, (C, H, W) or (C,), drawn from black at 0 to white at the
    largest number; `columns` says for each but the scores how many maps stand in a row. The
    scores are bars.
    """
    *stages, scores = (np.asarray(stop, dtype=float) for stop in stops)
    for ax, maps, n in zip(axes[:-1], stages, columns, strict=True):
        maps = maps.reshape(len(maps), *(maps.shape[1:] or (1, 1)))
        _feature_maps(ax, maps, n)
        ax.set_anchor("W")
    axes[-1].bar(range(len(scores)), scores)
    axes[-1].axhline(0, color="gray", linewidth=1)
    top = max(1, 1.1 * np.abs(scores).max())
    axes[-1].set(xticks=range(len(scores)), xlabel="digit", ylim=(-top, top))
    return axes


def _feature_maps(ax, maps, columns):
    """Draw all maps of one layer, (C, H, W), so many to a row, on one gray scale from 0."""
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
    ax.imshow(sheet, vmin=0)
    ax.set_axis_off()


def draw(points, size=280, width=22):
    """Draw lines from point to point with a round pen: (size, size), 0 is paper and 1 is ink.

    Each point is (column, row); the pen is `width` pixels wide.
    """
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise ValueError(f"a drawing needs at least two points (column, row), got {points.shape}")
    rows, columns = np.mgrid[:size, :size] + 0.5  # the centers of the pixels
    places = np.stack([columns, rows], axis=-1)
    distance = np.full((size, size), np.inf)
    for start, end in pairwise(points):
        along = end - start
        share = (places - start) @ along / max(along @ along, 1e-12)
        nearest = start + share.clip(0, 1)[..., None] * along
        distance = np.minimum(distance, np.linalg.norm(places - nearest, axis=-1))
    return (width / 2 + 0.5 - distance).clip(0, 1)  # the edge is gray


def check_lenet_shapes(function):
    """Check a function (size, padding) → the four sizes of LeNet's maps, from conv 1 to pool 2.

    The first 5×5 convolution is padded, the second is not; each is followed by 2×2 pooling.
    """
    cases = [
        Case((28, 2), (28, 14, 10, 5)),
        Case((28, 0), (24, 12, 8, 4), "use the padding that came in, for conv 1 only"),
        Case((64, 2), (64, 32, 28, 14)),
        Case((31, 0), (27, 13, 9, 4), "pooling rounds down: a lone row at the end is dropped"),
    ]
    run_cases(function, cases)

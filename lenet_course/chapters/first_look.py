"""For the chapter A first look."""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from lenet_course import metrics, plots

SEEN = 5  # height and width of what a neuron of the first layer sees
ROW, FAN = 13, 34  # pixels between two rows, with a line of text or with the lines of a neuron
SIZE = 14  # points; a phone shows half of it
GLOW = LinearSegmentedColormap.from_list("glow", ["black", "#0072B2", "#8FD3F5", "#FFF3C0"])


def anatomy(ax, stages, seen, weights):
    """Draw a network from top to bottom with what it computed of one image, nearly to scale.

    Pixels have one size in all maps, the numbers of a vector are as wide as the drawing allows,
    and a stage's largest number is the brightest. Two neurons are shown with what goes into them:
    one of the first layer, and that of the highest score, whose lines are red where they raise it
    and blue where they lower it, the thicker the more.

    Parameters
    ----------
    stages : dict of str to ndarray
        Label and numbers of each stage: the image (1, H, W), maps (C, H, W), the first of them
        of the image's size, vectors (units,), the scores (classes,).
    seen : tuple of int
        Row and column of the first of the 5×5 pixels that the neuron of the first layer sees.
    weights : ndarray, shape (units,)
        Those of the highest score.
    """
    labels, arrays = list(stages), [np.asarray(numbers) for numbers in stages.values()]
    image, first, *_, last, scores = arrays
    if np.shape(weights) != last.shape:
        raise ValueError(f"{len(last)} numbers need as many weights, got {np.shape(weights)}")
    H, W = image.shape[1:]
    width, left = len(first) * (W + 2) - 2, len(first) // 2 * (W + 2)  # left: a map lies below
    _maps(ax, image, left, 0, width, cmap="gray")
    ax.text(0, H / 2, labels[0], va="center", size=SIZE)
    ax.text(left + W + 4, H / 2, f"one neuron sees\n{SEEN}×{SEEN} pixels", va="center", size=SIZE)
    bottom = H
    for label, numbers in zip(labels[1:-1], arrays[1:-1], strict=True):
        ax.text(0, bottom + ROW - 2.5, label, size=SIZE)
        bottom = _maps(ax, numbers, 0, bottom + ROW, width, cmap=GLOW)
    _neuron_of_the_first_layer(ax, left, H + ROW, seen)
    ends = [((k + 0.5) * width / len(scores), bottom + FAN) for k in range(len(scores))]
    _lines(ax, weights * last, bottom, width, ends[scores.argmax()])
    _scores(ax, scores, ends, width / len(scores) - 1)
    ax.text(0, bottom + FAN + 16, labels[-1], va="top", size=SIZE)
    edge = width + 4
    ax.plot([edge, edge + 2, edge + 2, edge], np.repeat([H + ROW, bottom], 2), "0.4", lw=1.5)
    ax.text(edge + 4, (H + ROW + bottom) / 2, "hidden layers", rotation=90, va="center", size=SIZE)
    ax.set(xlim=(-1, width + 13), ylim=(bottom + FAN + 23, -1), aspect="equal")
    ax.set_axis_off()
    return ax


def _maps(ax, numbers, left, top, width, cmap):
    """Draw one stage, a vector as one wide map, and return its lower edge."""
    maps = numbers if numbers.ndim == 3 else numbers[None, None]
    C, height, across = maps.shape
    if numbers.ndim == 1:
        height, across = SEEN, width
    gap = min(2, (width - C * across) / max(C - 1, 1))
    for c, one in enumerate(maps):
        start = left + c * (across + gap)
        extent = (start, start + across, top + height, top)
        ax.imshow(one, extent=extent, vmin=0, vmax=maps.max(), cmap=cmap)
    return top + height


def _neuron_of_the_first_layer(ax, left, top, seen):
    """Frame what it sees, and lead lines from there to its place on the map below."""
    row, column = seen
    ax.add_patch(Rectangle((left + column, row), SEEN, SEEN, fill=False, color="C1", lw=2))
    place = left + column + SEEN // 2, top + row + SEEN // 2
    ax.add_patch(Rectangle(place, 1, 1, color="C1"))
    for corner in (left + column, left + column + SEEN):
        ax.plot([corner, place[0] + 0.5], [row + SEEN, place[1]], color="C1", lw=1.5)


def _lines(ax, amounts, top, width, end):
    """Lead a line from each number of the last vector to the score, as thick as what it adds."""
    starts = (np.arange(len(amounts)) + 0.5) * width / len(amounts)
    lines = LineCollection(
        [[(start, top), end] for start in starts],
        colors=np.where(amounts > 0, "C3", "C0"),
        linewidths=0.4 + 3 * np.abs(amounts) / np.abs(amounts).max(),
    )
    ax.add_collection(lines)
    right = end[0] < width / 2  # write in the corner that the lines leave free
    ax.text(
        width if right else 0,
        end[1] - 3,
        "each line:\none weight",
        ha="right" if right else "left",
        size=SIZE,
    )


def _scores(ax, scores, tops, width):
    best = scores.argmax()
    for k, (middle, top) in enumerate(tops):
        color, weight = ("C1", "bold") if k == best else ("0.9", "normal")
        ax.add_patch(Rectangle((middle - width / 2, top), width, 14, color=color))
        number = f"{scores[k]:.1f}".replace("-", "\N{MINUS SIGN}")
        ax.text(middle, top + 4, k, ha="center", va="center", weight="bold")
        ax.text(middle, top + 10, number, ha="center", va="center", weight=weight)


def neuron(axes, pixels, weight):
    """Draw the pixels that a neuron sees, its weights, and both multiplied, on three axes.

    `pixels` and `weight` have the shape (KH, KW); red is above zero, blue below.
    """
    pixels, weight = np.asarray(pixels), np.asarray(weight)
    if pixels.shape != weight.shape or len(axes) != 3:
        raise ValueError(
            f"pixels {pixels.shape} and weights {weight.shape} need one shape, and three axes, "
            f"got {len(axes)}"
        )
    plots.image(axes[0], pixels, vmin=0, vmax=1)
    limit = np.abs(weight).max()
    plots.signed(axes[1], weight, limit=limit)
    plots.signed(axes[2], pixels * weight, limit=limit)
    for ax, title in zip(axes, ("pixels", "weights", "products"), strict=True):
        ax.set_title(title, loc="center")
    for ax, sign in zip(axes, "×=", strict=False):
        ax.text(1.12, 0.5, sign, transform=ax.transAxes, ha="center", va="center", fontsize=20)
    return axes


def given_answers(ax, y, answers):
    """Draw how often each digit (row) got each answer (column); the darker, the more often."""
    counts = metrics.confusion_matrix(y, answers, classes=10)
    ax.imshow(counts / counts.sum(axis=1, keepdims=True).clip(1), cmap="Blues", vmin=0, vmax=1)
    ax.set(xlabel="answer", ylabel="true digit", xticks=range(10), yticks=range(10))
    ax.spines[:].set_visible(True)
    return ax

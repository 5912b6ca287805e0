"""For the chapter Overfitting, seen and treated."""

import numpy as np


def reliability(ax, confidence, accuracy, label=""):
    """Draw how often a network is right against how sure it is; the diagonal is honest.

    Both (bins,) come from `lenet_course.metrics.calibration`; empty bins are NaN and left out.
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

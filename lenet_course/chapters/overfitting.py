"""For the chapter Overfitting, seen and treated."""

import numpy as np

from lenet_course.checks import Case, run_cases


def check_stop(function):
    """Check a function (losses, patience) → the last epoch and the epoch that is kept, from 1.

    Training ends once `patience` epochs in a row have brought no new lowest loss, or with `losses`.
    """
    rows = [
        ([3.0, 2.0, 1.0], 1, "epochs count from 1; without a stop the last one ends the training"),
        ([1.0, 2.0, 3.0, 4.0], 2, "epochs 2 and 3 were two without a new lowest loss"),
        ([2.0, 1.0, 1.5, 1.4, 1.3], 2, "compare with the lowest loss so far, not the one before"),
        ([2.0, 2.5, 1.5, 2.5, 1.0], 2, "a new lowest loss starts the count again"),
        ([3.0, 2.0, 2.5, 2.5, 1.0], 2, "what comes after the stop is never seen"),
        ([1.0, 1.0, 1.0], 2, "an equal loss is no new lowest one; the earlier epoch is kept"),
        ([2.0, 1.0, 3.0], 5, "the training may end before the patience does"),
    ]
    run_cases(function, [Case((np.array(x), n), ends(x, n), hint) for x, n, hint in rows])


def ends(losses, patience):
    """Give the last epoch and the epoch that is kept, both from 1, as `check_stop` wants them."""
    waited = [t - int(np.argmin(losses[: t + 1])) for t in range(len(losses))]
    last = next((t for t, n in enumerate(waited) if n >= patience), len(losses) - 1)
    return last + 1, last + 1 - waited[last]


def reliability(ax, confidence, accuracy, label=""):
    """Draw how often a network is right against how sure it is; on the diagonal both agree.

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

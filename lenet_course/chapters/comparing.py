"""For the page Comparing two networks."""

from math import comb

import numpy as np
from matplotlib.ticker import PercentFormatter

from lenet_course.checks import Case, run_cases


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


def check_mcnemar(function):
    """Check a function (only_a, only_b) → the exact p-value of that many disagreements."""
    rows = [
        (2, 4, "4 or more of 6 coins on one side: 22 of 64 outcomes, and as many on the other"),
        (4, 2, "the two networks may change places"),
        (0, 6, "6 of 6 on one side is 1 outcome of 64, on either side 2"),
        (3, 3, "a tie is no evidence at all; a p-value is at most 1"),
        (0, 0, "no disagreement is no evidence at all"),
        (17, 35, "52 coins, 35 or more on one side; an approximation is not enough"),
    ]
    run_cases(function, [Case((a, b), exact(a, b), hint) for a, b, hint in rows])


def exact(only_a, only_b):
    """Count the outcomes of as many fair coins that are at least as lopsided as this one."""
    n = only_a + only_b
    lopsided = np.abs(2 * np.arange(n + 1) - n) >= abs(only_a - only_b)
    return sum(comb(n, int(k)) for k in np.flatnonzero(lopsided)) / 2**n

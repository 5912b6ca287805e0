"""For the page Comparing two networks."""

from math import comb

import numpy as np

from lenet_course.checks import Case, run_cases


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
    """Give the exact p-value: the share of coin outcomes at least as uneven as this one."""
    n = only_a + only_b
    lopsided = np.abs(2 * np.arange(n + 1) - n) >= abs(only_a - only_b)
    return sum(comb(n, int(k)) for k in np.flatnonzero(lopsided)) / 2**n

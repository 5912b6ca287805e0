"""For the chapter Gradient descent."""

import numpy as np

from lenet_course.checks import Case, run_cases


def check_largest_rate(function):
    """Check that ``function(x)`` gives the largest rate for a line through points at these x."""
    cases = [
        Case(
            (np.array([0.0, 1, 2, 3]),),
            4 / (9 + np.sqrt(61)),
            "the eigenvalues of H are 0.595 and 8.405, and the larger one sets the limit",
        ),
        Case((np.array([3.0]),), 0.1, "with one point n is 1, and H is ((18, 6), (6, 2))"),
        Case((np.array([-2.0, 0, 2] * 20),), 0.375, "of sixty points H has the means, not sums"),
        Case((np.zeros(5),), 1.0, "all points at 0: only the intercept has a curvature, 2"),
    ]
    run_cases(function, cases)

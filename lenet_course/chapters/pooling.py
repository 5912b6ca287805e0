"""For the chapter Pooling by hand."""

import numpy as np

from lenet_course import scratch
from lenet_course.checks import Case, run_cases


def check_max_pool2d(function):
    """Check a function (x, kernel_size, stride) → the max-pooled maps, shape (N, C, OH, OW)."""
    toy = np.array([[1, 2, 5, 0], [3, 4, 1, 2], [0, 1, 6, 2], [7, 0, 2, 2.0]])[None, None]
    maps = np.random.default_rng(14).normal(size=(2, 3, 5, 8))
    cases = [
        ((toy, 2, 2), "keep the largest of each window"),
        ((-toy - 1, 2, 2), "the largest may be negative"),
        ((maps[:, :2, :4, :4], 2, 2), "pool each channel on its own"),
        ((maps, 2, 2), "H and W differ, and 5 = 2 · 2 + 1"),
        ((maps, 3, 2), "no window may hang over the end"),
        ((maps, 2, 3), "the stride is not the window"),
    ]
    run_cases(function, [Case(args, scratch.max_pool2d(*args), hint) for args, hint in cases])

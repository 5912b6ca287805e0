"""For the chapter Images are arrays."""

import numpy as np

from lenet_course.checks import Case, run_cases


def check_to_gray(function):
    """Check a function (images) → floats 0 to 255, from uint8 (H, W, 3) or (N, H, W, 3)."""
    rng = np.random.default_rng(11)
    cases = [
        ([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], "red .299, green .587, blue .114"),
        ([[[255, 255, 255]]], "white is 255; in uint8 a sum past 255 starts again at 0"),
        ([[[1, 1, 2]]], "keep the fraction; do not round"),
        (rng.integers(0, 256, (4, 5, 3)), "one number for each of 4 × 5 pixels"),
        (rng.integers(0, 256, (3, 4, 5, 3)), "the channels are the last axis"),
    ]
    weights = np.array([0.299, 0.587, 0.114])
    pairs = [(np.asarray(images, np.uint8), hint) for images, hint in cases]
    run_cases(function, [Case((images,), images @ weights, hint) for images, hint in pairs])

"""For the chapter From features to scores."""

import numpy as np

from lenet_course import scratch
from lenet_course.checks import Case, run_cases

BATCH = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 5.0]])


def check_softmax(function):
    """Check a function (logits, dim) → probabilities that add up to 1 along that axis."""
    far = np.array([[1000.0, 1001.0, 1002.0], [-1000.0, -1000.0, 0.0]])
    block = np.random.default_rng(15).normal(size=(2, 3, 4))
    cases = [
        ((BATCH[:1], 1), "e^z keeps the order, e^-z not"),
        ((BATCH, 1), "with dim=1 every row adds up to 1"),
        ((BATCH, 0), "with dim=0 every column adds up to 1"),
        ((far, 1), "subtract the largest score of each row"),
        ((block, 1), "keepdims=True serves any axis"),
    ]
    run_cases(function, [Case(args, scratch.softmax(*args), hint) for args, hint in cases])


def check_cross_entropy(function):
    """Check a function (logits, y) → the mean loss of a batch; the logits come before softmax."""
    far = np.array([[1000.0, 0.0], [0.0, 1000.0]])
    cases = [
        ((np.zeros((1, 10)), [4]), "equal scores cost log 10, with the natural logarithm"),
        ((BATCH[:1], [0]), "softmax with e^z and only once, then -log of the right class"),
        ((BATCH, [2, 0]), "each row has a label of its own, and the losses are averaged"),
        ((far, [0, 1]), "subtract the largest score of each row before e^z"),
        ((far, [1, 0]), "log(0) is -inf: take the logarithm before rounding"),
    ]
    pairs = [((logits, np.array(y)), hint) for (logits, y), hint in cases]
    run_cases(function, [Case(args, scratch.cross_entropy(*args), hint) for args, hint in pairs])

"""For the chapter Fashion-MNIST and a classic recipe."""

import math

import numpy as np

from lenet_course.checks import Case, run_cases


def first_steps(axes, losses, sizes, names):
    """Draw the loss of each step (steps,) and below it the gradients' sizes (steps, layers).

    The dotted line is the loss of ten equal scores, log 10.
    """
    steps = np.arange(1, len(losses) + 1)
    upper, lower = axes
    upper.plot(steps, losses, color="C5")
    upper.axhline(math.log(10), color="0.4", linestyle=":")
    upper.set(ylabel="loss", ylim=(0, None))
    for name, size in zip(names, np.transpose(sizes), strict=True):
        lower.semilogy(steps, size, label=name, linewidth=1.2)
    lower.set(xlabel="step", ylabel="size of gradient")
    above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1)}
    lower.legend(ncols=len(names), handlelength=1, columnspacing=1, **above)
    return axes


def nearest(x, others):
    """Find, for each image of x (N, …), the nearest of `others` (M, …); indices (N,), distances."""
    x, others = np.reshape(x, (len(x), -1)), np.reshape(others, (len(others), -1))
    squares = (others**2).sum(axis=1)
    found, distances = [], []
    for part in np.array_split(x, -(-len(x) // 500)):  # all distances at once would be gigabytes
        distance = (part**2).sum(axis=1)[:, None] - 2 * part @ others.T + squares
        found.append(distance.argmin(axis=1))
        distances.append(np.sqrt(np.maximum(distance.min(axis=1), 0)))
    return np.concatenate(found), np.concatenate(distances)


def check_plateau(function):
    """Check a function (losses, classes, margin) → steps before the loss is first below the line.

    The line is log(classes) − margin.
    """
    cases = [
        Case(([2.4, 2.3, 2.3, 1.9, 1.5], 10, 0.1), 3, "count the losses before the first low one"),
        Case(([1.9, 1.5], 10, 0.1), 0, "the first loss may be low already"),
        Case(([2.4, 2.31, 2.3], 10, 0.1), 3, "a loss that never falls sits from start to end"),
        Case(([2.3, 2.0, 2.3, 2.3, 1.8], 10, 0.1), 1, "once it has been below, it has left"),
        Case(([0.7, 0.69, 0.5], 2, 0.1), 2, "two equal scores cost log(2), not log(10)"),
        Case(([2.3, 2.1, 1.7], 10, 0.5), 2, "subtract the margin from log(classes)"),
    ]
    run_cases(function, cases)


def check_subsample(function):
    """Check a function (x, weight, bias) → each 2×2 window's sum, times weight, plus bias."""
    rng = np.random.default_rng(34)
    x = np.arange(1.0, 5).reshape(1, 1, 2, 2)
    many = rng.normal(size=(2, 3, 4, 6))
    weight, bias = np.array([0.5, -1.0, 2.0]), np.array([0.0, 1.0, -3.0])
    sums = many.reshape(2, 3, 2, 2, 3, 2).sum(axis=(3, 5))
    cases = [
        Case((x, np.ones(1), np.zeros(1)), [[[[10]]]], "add the four numbers, no mean"),
        Case((x, np.ones(1), np.ones(1)), [[[[11]]]], "the bias is added once, after the sum"),
        Case((many, np.ones(3), np.zeros(3)), sums, "windows stand side by side"),
        Case(
            (many, weight, bias),
            sums * weight[:, None, None] + bias[:, None, None],
            "each map has a weight and a bias of its own",
        ),
    ]
    run_cases(function, cases)


def check_map_loss(function):
    """Check a function (distances, label, j) → the loss of 1998 for one image."""

    def loss(distances, label, j):
        return distances[label] + np.logaddexp.reduce(-np.append(distances, j))

    near, rng = np.array([1.0, 4.0]), np.random.default_rng(34)
    many, far = rng.uniform(0, 3, size=10), np.array([900.0, 1000.0])
    cases = [
        Case((near, 0, 50.0), loss(near, 0, 50.0), "add the logarithm of the sum"),
        Case((near, 1, 50.0), loss(near, 1, 50.0), "the first term is the label's distance"),
        Case((near, 0, 1.0), loss(near, 0, 1.0), "exp(-j) is one more term of the sum"),
        Case((many, 7, 10.0), loss(many, 7, 10.0), "sum over all classes"),
        Case((far, 0, 950.0), loss(far, 0, 950.0), "exp(-900) is 0 in a computer: subtract first"),
    ]
    run_cases(function, cases)

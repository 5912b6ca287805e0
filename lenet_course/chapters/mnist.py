"""For the chapter LeNet meets MNIST."""

import numpy as np

from lenet_course.checks import Case, run_cases


def step_losses(ax, curves, window=5):
    """Draw the losses of several trainings, one per step and smoothed by a running mean.

    `curves` has for each training its name and its losses, (steps,).
    """
    for name, losses in curves.items():
        if len(losses) < window:
            raise ValueError(f"{name!r} has {len(losses)} steps, too few for means of {window}")
        means = np.convolve(losses, np.ones(window) / window, mode="valid")
        ax.plot(np.arange(window, len(losses) + 1), means, label=name)
    ax.set(xlabel=f"step (mean of {window})", ylabel="loss", ylim=(0, None))
    return ax


def places(labels, n_images):
    """Find where the test images at hand stand among all of them, from all of their labels.

    They are all, or a sample: the first of each of the ten classes, in their order.
    """
    labels = np.asarray(labels)
    first = [np.flatnonzero(labels == k)[: n_images // 10] for k in range(10)]
    return np.sort(np.concatenate(first)) if n_images < len(labels) else np.arange(n_images)


def check_accuracy(function):
    """Check a function (logits, y, batch_size) → share of right answers, each image counted once.

    The function goes through the rows in batches; the last batch may be smaller.
    """
    logits, y = np.eye(3)[[0, 1, 2, 2, 1]], np.array([0, 1, 2, 2, 0])
    many = np.random.default_rng(32).normal(size=(103, 10))
    answers = many.argmax(axis=1)
    labels = np.where(np.arange(103) < 40, answers, 0)
    share = np.mean(answers == labels)
    cases = [
        Case((logits, y, 5), 0.8, "the answer of an image is the class of its highest score"),
        Case((logits[:4], y[:4], 2), 1.0, "divide by the number of images"),
        Case((logits[:4], y[:4], 3), 1.0, "the last batch is smaller; don't count it as full"),
        Case((logits, y, 4), 0.8, "a mean of batch means gives a small batch too much weight"),
        Case((logits, y, 100), 0.8, "a batch size above the number of images is one batch"),
        Case((many, labels, 32), share, "ten classes, and a last batch of 7"),
        Case((many - 10, answers, 10), 1.0, "all scores may be negative"),
    ]
    run_cases(function, cases)


def check_confusion_matrix(function):
    """Check a function (y, predicted, classes) → counts: rows are true, columns answers."""
    y, predicted = np.array([0, 1, 1, 2, 2]), np.array([0, 1, 2, 2, 2])
    rng = np.random.default_rng(23)
    many, guesses = rng.integers(0, 7, 500), rng.integers(0, 5, 500)
    counts = np.zeros((8, 8), dtype=int)
    np.add.at(counts, (many, guesses), 1)
    cases = [
        Case((y[:3], predicted[:3], 3), [[1, 0, 0], [0, 1, 1], [0, 0, 0]], "row: the truth"),
        Case(
            (y, predicted, 3),
            [[1, 0, 0], [0, 1, 1], [0, 0, 2]],
            "a pair that comes twice counts twice; counts[y, predicted] += 1 counts it once",
        ),
        Case((many, guesses, 8), counts, "classes that nobody answers keep their column"),
    ]
    run_cases(function, cases)

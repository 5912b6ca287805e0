"""Metrics against counting by hand, and against the equations that define them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenet_course import metrics

LABELS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@given(LABELS)
def test_confusion_matrix_counts_each_pair_and_gives_the_share_of_each_class(pairs):
    y, predicted = zip(*pairs, strict=True)
    counts = metrics.confusion_matrix(y, predicted, classes=5)
    shares = metrics.per_class_accuracy(y, predicted, classes=5)
    for true in range(5):
        answers = [answer for label, answer in pairs if label == true]
        assert counts[true].tolist() == [answers.count(answer) for answer in range(5)]
        expected = answers.count(true) / len(answers) if answers else math.nan
        assert shares[true] == pytest.approx(expected, nan_ok=True)


HALVES = [[0.5, 0.5]]


@pytest.mark.parametrize(
    ("function", "arguments", "error", "words"),
    [
        ("confusion_matrix", ([0, 3], [0, 1], 3), ValueError, r"y\[1\] is 3, but .* from 0 to 2"),
        ("confusion_matrix", ([0, 1], [0, -1], 3), ValueError, r"predicted\[1\] is -1"),
        ("confusion_matrix", ([-100, 1], [0, 1], 3), ValueError, r"y\[0\] is -100, .*; leave out"),
        ("confusion_matrix", ([0, 1], [0], 3), ValueError, "2 labels and 1 answers"),
        ("confusion_matrix", ([], [], 3), ValueError, "one label for each image"),
        ("confusion_matrix", ([[0, 1]], [[0, 1]], 3), ValueError, r"got shape \(1, 2\)"),
        ("confusion_matrix", ([0], [0], 0), ValueError, "classes=0"),
        ("confusion_matrix", ([0], [0], 2.5), TypeError, "classes=2.5"),
        *(
            (
                "per_class_accuracy",
                (y, [0, 1], 2),
                TypeError,
                r"y must hold whole .*y.astype\(int\)",
            )
            for y in ([1.7, 0.0], [math.nan, 0.0], [True, False], ["0", "1"])
        ),
        ("calibration", ([*HALVES, [2.0, 1.0]], [0, 0]), ValueError, "row 1 .* up to 3: apply"),
        ("calibration", ([[-0.5, 1.5]], [0]), ValueError, "row 0 go down to -0.5 and .* up to 1:"),
        ("calibration", ([[math.nan, 1.0]], [0]), ValueError, "apply softmax first"),
        ("calibration", ([0.5, 0.5], [0]), ValueError, r"shape \(N, K\), got \(2,\)"),
        ("calibration", ([[], []], [0, 0]), ValueError, r"shape \(N, K\), got \(2, 0\)"),
        ("calibration", (HALVES, [0, 1]), ValueError, "2 labels for 1 rows"),
        ("calibration", (HALVES, [2]), ValueError, r"y\[0\] is 2"),
        ("calibration", (HALVES, [-100]), ValueError, r"y\[0\] is -100"),
        ("calibration", (HALVES, [0], 0), ValueError, "bins=0"),
        ("calibration", (HALVES, [0], 2.5), TypeError, "bins=2.5"),
    ],
)
def test_what_is_refused(function, arguments, error, words):
    with pytest.raises(error, match=words):
        getattr(metrics, function)(*arguments)


def test_calibration_sorts_by_confidence():
    probabilities = [[0.55, 0.45], [0.41, 0.59], [0.95, 0.05], [1.0, 0.0]]
    confidence, accuracy, n_images = metrics.calibration(probabilities, [0, 0, 0, 1], bins=10)
    np.testing.assert_array_equal(n_images, [0, 0, 0, 0, 0, 2, 0, 0, 0, 2])
    np.testing.assert_allclose(confidence[[5, 9]], [0.57, 0.975])
    np.testing.assert_allclose(accuracy[[5, 9]], [0.5, 0.5])
    assert np.isnan(confidence[:5]).all()
    assert np.isnan(accuracy[:5]).all()


def test_a_network_that_draws_its_answers_honestly_is_calibrated():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 200_000)
    y = (rng.random(200_000) > sure).astype(int)
    confidence, accuracy, _ = metrics.calibration(np.stack([sure, 1 - sure], axis=1), y)
    np.testing.assert_allclose(accuracy[5:], confidence[5:], atol=0.01)

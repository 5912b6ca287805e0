"""Metrics against counting by hand, and against the equations that define them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenet_course import metrics

LABELS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@given(LABELS)
def test_confusion_matrix_counts_each_pair(pairs):
    y, predicted = zip(*pairs, strict=True)
    counts = metrics.confusion_matrix(y, predicted, classes=5)
    for true in range(5):
        for answer in range(5):
            assert counts[true, answer] == pairs.count((true, answer))


@given(LABELS)
def test_per_class_accuracy_is_the_share_of_each_class(pairs):
    y, predicted = zip(*pairs, strict=True)
    shares = metrics.per_class_accuracy(y, predicted, classes=5)
    for true in range(5):
        answers = [answer == true for label, answer in pairs if label == true]
        if answers:
            assert shares[true] == pytest.approx(np.mean(answers))
        else:
            assert math.isnan(shares[true])


@pytest.mark.parametrize(
    ("y", "predicted", "message"),
    [
        ([0, 3], [0, 1], r"y\[1\] is 3, but labels go from 0 to 2"),
        ([0, 1], [0, -1], r"predicted\[1\] is -1"),
        ([-100, 1], [0, 1], r"y\[0\] is -100, .*; leave out images"),
        ([0, 1], [0], "2 labels and 1 answers"),
        ([], [], "one label for each image"),
        ([[0, 1]], [[0, 1]], r"got shape \(1, 2\)"),
    ],
)
def test_confusion_matrix_refuses(y, predicted, message):
    with pytest.raises(ValueError, match=message):
        metrics.confusion_matrix(y, predicted, classes=3)


@pytest.mark.parametrize("y", [[1.7, 0.0], [math.nan, 0.0], [True, False], ["0", "1"]])
def test_labels_are_whole_numbers(y):
    with pytest.raises(TypeError, match=r"y must hold whole numbers, got .*y.astype\(int\)"):
        metrics.per_class_accuracy(y, [0, 1], classes=2)


@pytest.mark.parametrize(("classes", "error"), [(0, ValueError), (2.5, TypeError)])
def test_classes_are_a_count(classes, error):
    with pytest.raises(error, match=f"classes={classes}"):
        metrics.confusion_matrix([0, 1], [0, 1], classes)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_ends_where_the_measured_share_is_z_standard_errors_away(case):
    correct, n_images = case
    low, high = metrics.wilson_interval(correct, n_images)
    assert 0 <= low <= correct / n_images <= high <= 1
    for end in (low, high):
        error = math.sqrt(end * (1 - end) / n_images)
        assert abs(correct / n_images - end) == pytest.approx(1.96 * error, abs=1e-7)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 0), ValueError, "n_images=0"),
        ((5, 4), ValueError, "correct=5 of n_images=4 is no share from 0 to 1"),
        ((-1, 4), ValueError, "correct=-1"),
        ((0.75, 4), TypeError, "correct=0.75 is not a whole number"),
        ((math.nan, 4), TypeError, "correct=nan"),
        ((3, 4.5), TypeError, "n_images=4.5"),
        ((3, 4, -1), ValueError, "z=-1"),
        ((3, 4, math.nan), ValueError, "z=nan"),
    ],
)
def test_wilson_interval_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        metrics.wilson_interval(*arguments)


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


@pytest.mark.parametrize(
    ("probabilities", "y", "message"),
    [
        ([[2.0, 1.0]], [0], "apply softmax first"),
        ([[-0.5, 1.5]], [0], "apply softmax first"),
        ([0.5, 0.5], [0], r"shape \(N, K\), got \(2,\)"),
        ([[0.5, 0.5]], [0, 1], "2 labels for 1 rows"),
        ([[math.nan, 1.0]], [0], "apply softmax first"),
        ([[], []], [0, 0], r"shape \(N, K\), got \(2, 0\)"),
        ([[0.5, 0.5]], [2], r"y\[0\] is 2"),
        ([[0.5, 0.5]], [-100], r"y\[0\] is -100"),
    ],
)
def test_calibration_refuses(probabilities, y, message):
    with pytest.raises(ValueError, match=message):
        metrics.calibration(probabilities, y)


@pytest.mark.parametrize(("bins", "error"), [(0, ValueError), (2.5, TypeError)])
def test_bins_are_a_count(bins, error):
    with pytest.raises(error, match=f"bins={bins}"):
        metrics.calibration([[0.5, 0.5]], [0], bins)

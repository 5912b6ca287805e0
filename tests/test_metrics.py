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
        ([0, 3], [0, 1], "y holds 3, but labels go from 0 to 2"),
        ([0, 1], [0, -1], "predicted holds -1"),
        ([0, 1], [0], "2 labels and 1 answers"),
        ([], [], "one label for each image"),
        ([[0, 1]], [[0, 1]], r"got shape \(1, 2\)"),
        ([0.0, 1.0], [0, 1], "whole numbers, got float64"),
    ],
)
def test_confusion_matrix_refuses(y, predicted, message):
    with pytest.raises(ValueError, match=message):
        metrics.confusion_matrix(y, predicted, classes=3)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_ends_where_the_measured_share_is_z_standard_errors_away(case):
    correct, images = case
    for end in metrics.wilson_interval(correct, images):
        error = math.sqrt(max(end * (1 - end), 0) / images)
        assert abs(correct / images - end) == pytest.approx(1.96 * error, abs=1e-7)


@pytest.mark.parametrize(("correct", "images"), [(0, 0), (5, 4), (-1, 4)])
def test_wilson_interval_refuses(correct, images):
    with pytest.raises(ValueError, match=f"{correct} right answers of {images} images"):
        metrics.wilson_interval(correct, images)


def test_calibration_sorts_by_confidence():
    probabilities = [[0.55, 0.45], [0.41, 0.59], [0.95, 0.05], [1.0, 0.0]]
    confidence, accuracy, images = metrics.calibration(probabilities, [0, 0, 0, 1], bins=10)
    np.testing.assert_array_equal(images, [0, 0, 0, 0, 0, 2, 0, 0, 0, 2])
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
        ([[0.5, 0.5]], [2], "y holds 2"),
    ],
)
def test_calibration_refuses(probabilities, y, message):
    with pytest.raises(ValueError, match=message):
        metrics.calibration(probabilities, y)

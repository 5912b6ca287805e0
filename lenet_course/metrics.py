"""What a list of answers is worth: by class, by confusion, by confidence; NumPy only."""

import math

import numpy as np


def confusion_matrix(y, predicted, classes):
    """Count how often each class was taken for each class.

    Parameters
    ----------
    y : array_like of int, (N,)
        The true labels, 0 to classes − 1.
    predicted : array_like of int, (N,)
        The answers.
    classes : int
        Number of classes, K.

    Returns
    -------
    numpy.ndarray of int, (K, K)
        Row: the true class. Column: the answer.

    Raises
    ------
    ValueError
        If the two differ in length, are empty, or hold a label outside 0 to K − 1.

    Examples
    --------
    >>> confusion_matrix([0, 1, 1, 1], [0, 1, 1, 0], classes=2)
    array([[1, 0],
           [1, 2]])
    """
    y, predicted = _labels("y", y, classes), _labels("predicted", predicted, classes)
    if len(y) != len(predicted):
        raise ValueError(f"{len(y)} labels and {len(predicted)} answers: give one for each image")
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (y, predicted), 1)
    return counts


def per_class_accuracy(y, predicted, classes):
    """Give, for each class, the share of its images that were answered right (its recall).

    Parameters
    ----------
    y : array_like of int, (N,)
        The true labels, 0 to classes − 1.
    predicted : array_like of int, (N,)
        The answers.
    classes : int
        Number of classes, K.

    Returns
    -------
    numpy.ndarray, (K,)
        Shares from 0 to 1; nan for a class without images.

    Raises
    ------
    ValueError
        As `confusion_matrix`.

    Examples
    --------
    >>> per_class_accuracy([0, 1, 1, 1], [0, 1, 1, 0], classes=2).round(2)
    array([1.  , 0.67])
    """
    counts = confusion_matrix(y, predicted, classes)
    images = counts.sum(axis=1)
    return np.divide(counts.diagonal(), images, out=np.full(classes, np.nan), where=images > 0)


def wilson_interval(correct, images, z=1.96):
    """Bound the share of right answers that a test of some images is compatible with.

    Parameters
    ----------
    correct : int
        Right answers.
    images : int
        Images in the test, at least 1, drawn independently of each other.
    z : float
        Half the width in standard errors: 1.96 for an interval that holds the true share in
        about 95 of 100 tests.

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        If there is no image, or `correct` is not between 0 and `images`.

    References
    ----------
    Wilson (1927), "Probable inference, the law of succession, and statistical inference".

    Examples
    --------
    >>> low, high = wilson_interval(192, 256)
    >>> print(f"{low:.3f} to {high:.3f}")
    0.694 to 0.799
    """
    if images < 1 or not 0 <= correct <= images:
        raise ValueError(f"{correct} right answers of {images} images is no share from 0 to 1")
    share = correct / images
    center = (share + z**2 / (2 * images)) / (1 + z**2 / images)
    half = z * math.sqrt(share * (1 - share) / images + (z / (2 * images)) ** 2)
    half /= 1 + z**2 / images
    return center - half, center + half


def calibration(probabilities, y, bins=10):
    """Compare how sure a network is with how often it is right.

    Parameters
    ----------
    probabilities : array_like, (N, K)
        For each image its K probabilities, which add up to 1.
    y : array_like of int, (N,)
        The true labels.
    bins : int
        Into how many equal parts the confidences from 0 to 1 are sorted.

    Returns
    -------
    confidence : numpy.ndarray, (bins,)
        Mean of the largest probability over the images in each bin; nan in an empty one.
    accuracy : numpy.ndarray, (bins,)
        Share of right answers in each bin; nan in an empty one.
    images : numpy.ndarray of int, (bins,)
        Number of images in each bin.

    Raises
    ------
    ValueError
        If the rows do not add up to 1 (logits are no probabilities), or a label does not fit.

    Notes
    -----
    The expected calibration error is the mean distance between accuracy and confidence over the
    bins, weighted by their images.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger (2017), "On calibration of modern neural networks".

    Examples
    --------
    >>> confidence, accuracy, images = calibration([[0.9, 0.1], [0.1, 0.9]], [0, 0], bins=2)
    >>> accuracy
    array([nan, 0.5])
    """
    probabilities = np.asarray(probabilities, dtype=float)
    if probabilities.ndim != 2:
        raise ValueError(f"probabilities have the shape (N, K), got {probabilities.shape}")
    y = _labels("y", y, probabilities.shape[1])
    if len(y) != len(probabilities):
        raise ValueError(f"{len(y)} labels for {len(probabilities)} rows of probabilities")
    sums = probabilities.sum(axis=1)
    if probabilities.min() < 0 or not np.allclose(sums, 1, atol=1e-3):
        raise ValueError("each row must be probabilities that add up to 1: apply softmax first")
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    places = np.minimum((sure * bins).astype(int), bins - 1)
    images = np.bincount(places, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(places, weights=sure, minlength=bins) / images
        accuracy = np.bincount(places, weights=right, minlength=bins) / images
    return confidence, accuracy, images


def _labels(name, labels, classes):
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(f"{name} must hold one label for each image, got shape {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{name} must hold whole numbers, got {labels.dtype}")
    outside = labels[(labels < 0) | (labels >= classes)]
    if len(outside):
        raise ValueError(f"{name} holds {outside[0]}, but labels go from 0 to {classes - 1}")
    return labels

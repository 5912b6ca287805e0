"""What a list of answers is worth: by class, by confusion, by confidence; NumPy only.

`y` holds the true labels of N images and `predicted` the answers, both (N,) whole numbers from 0
to K − 1 for K `classes`. A label that is none is refused.
"""

import numpy as np

from lenet_course.arguments import whole_number


def confusion_matrix(y, predicted, classes):
    """Count how often each class (row) was taken for each class (column), as (K, K).

    >>> confusion_matrix([0, 1, 1, 1], [0, 1, 1, 0], classes=2)
    array([[1, 0],
           [1, 2]])
    """
    classes = whole_number("classes", classes)
    y, predicted = _labels("y", y, classes), _labels("predicted", predicted, classes)
    if len(y) != len(predicted):
        raise ValueError(f"{len(y)} labels and {len(predicted)} answers: give one for each image")
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (y, predicted), 1)
    return counts


def per_class_accuracy(y, predicted, classes):
    """Give, for each class, the share of its images that were answered right (its recall).

    A class without images has the share nan.
    """
    counts = confusion_matrix(y, predicted, classes)
    n_images = counts.sum(axis=1)
    shares = np.full(len(counts), np.nan)
    return np.divide(counts.diagonal(), n_images, out=shares, where=n_images > 0)


def calibration(probabilities, y, bins=10):
    """Compare how sure a network is with how often it is right.

    The images are sorted by their largest probability into `bins` bins of equal width from 0 to 1.
    Guo, Pleiss, Sun, Weinberger (2017), "On calibration of modern neural networks".

    Parameters
    ----------
    probabilities : array_like, (N, K)
        Each row adds up to 1.
    y : array_like of int, (N,)
    bins : int

    Returns
    -------
    confidence, accuracy : numpy.ndarray, (bins,)
        Mean of the largest probability, and share of right answers; nan in an empty bin. Their
        mean distance, weighted by the images, is the expected calibration error.
    n_images : numpy.ndarray of int, (bins,)

    Examples
    --------
    >>> probabilities = [[0.9, 0.1], [0.1, 0.9]]
    >>> confidence, accuracy, n = calibration(probabilities, [0, 0], bins=2)
    >>> accuracy
    array([nan, 0.5])
    """
    bins = whole_number("bins", bins)
    probabilities = np.asarray(probabilities, dtype=float)
    if probabilities.ndim != 2 or probabilities.size == 0:
        raise ValueError(f"probabilities have the shape (N, K), got {probabilities.shape}")
    y = _labels("y", y, probabilities.shape[1])
    if len(y) != len(probabilities):
        raise ValueError(f"{len(y)} labels for {len(probabilities)} rows of probabilities")
    sums = probabilities.sum(axis=1)
    fits = (probabilities >= 0).all(axis=1) & np.isclose(sums, 1, atol=1e-3)  # nan does not
    if not fits.all():
        row = fits.argmin()
        raise ValueError(
            f"probabilities are 0 or more and add up to 1, but those of row {row} go down to "
            f"{probabilities[row].min():.3g} and add up to {sums[row]:.3g}: apply softmax first"
        )
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    places = np.minimum((sure * bins).astype(int), bins - 1)
    n_images = np.bincount(places, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(places, weights=sure, minlength=bins) / n_images
        accuracy = np.bincount(places, weights=right, minlength=bins) / n_images
    return confidence, accuracy, n_images


def _labels(name, labels, classes):
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(f"{name} must hold one label for each image, got shape {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(
            f"{name} must hold whole numbers, got {labels.dtype}; convert it: {name}.astype(int)"
        )
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(outside):
        raise ValueError(
            f"{name}[{outside[0]}] is {labels[outside[0]]}, but labels go from 0 to {classes - 1}; "
            "leave out images that have no class"
        )
    return labels

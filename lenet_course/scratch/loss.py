"""How wrong the scores are, and which way to move them."""

import numpy as np

from lenet_course.scratch.activation import log_softmax, softmax
from lenet_course.scratch.arrays import floats, require_axes


def cross_entropy(logits, target, reduction="mean"):
    """Measure the surprise at the right class: -log of the probability that softmax gives it.

    Parameters
    ----------
    logits : array_like of float, shape (N, classes)
        Scores, *before* softmax.
    target : array_like of int, shape (N,)
        The right class of each row, from 0 to classes - 1. Any integer dtype will do; PyTorch
        takes int64 and uint8 only, and skips the label -100, which here is an error.
    reduction : {"mean", "sum", "none"}
        Whether to average the losses of the batch, add them, or return them one by one.

    Returns
    -------
    numpy.floating or numpy.ndarray, shape (N,)
        The loss, or with "none" one loss for each row, in the dtype of `logits`.

    Raises
    ------
    ValueError
        If a shape does not match, or `reduction` is unknown.
    TypeError
        If `logits` holds integers or `target` does not.
    IndexError
        If a label is not a class (PyTorch's error too).

    References
    ----------
    Bishop (2006), "Pattern recognition and machine learning", Springer, equation 4.108.

    Examples
    --------
    Two classes with equal scores are one bit of surprise, log 2:

    >>> print(cross_entropy([[0.0, 0.0]], [1]).round(4))
    0.6931
    """
    (logits,) = floats(logits=logits)
    require_axes("logits", logits, "N, classes")
    N, classes = logits.shape
    target = _labels(target, N, classes)
    losses = -log_softmax(logits, dim=1)[np.arange(N), target]  # (N,)
    reductions = {"mean": np.mean, "sum": np.sum, "none": np.asarray}
    if reduction not in reductions:
        raise ValueError(f"reduction={reduction!r} is unknown; use one of {', '.join(reductions)}")
    return reductions[reduction](losses)


def cross_entropy_backward(logits, target):
    """Compute the gradient of the mean cross-entropy with respect to the scores.

    It is what softmax gave, minus what was right (1 for the right class, 0 for the others),
    divided by the number of rows.

    Parameters
    ----------
    logits : array_like of float, shape (N, classes)
        Scores, before softmax.
    target : array_like of int, shape (N,)
        The right class of each row.

    Returns
    -------
    numpy.ndarray, shape (N, classes)
        In the dtype of `logits`. Each row adds up to 0.

    Raises
    ------
    ValueError, TypeError, IndexError
        As `cross_entropy`.

    References
    ----------
    Bishop (2006), "Pattern recognition and machine learning", Springer, equation 4.109.

    Examples
    --------
    >>> cross_entropy_backward([[0.0, 0.0]], [1])
    array([[ 0.5, -0.5]])
    """
    (logits,) = floats(logits=logits)
    require_axes("logits", logits, "N, classes")
    N, classes = logits.shape
    target = _labels(target, N, classes)
    gradient = softmax(logits, dim=1)
    gradient[np.arange(N), target] -= 1
    return gradient / N


def _labels(target, N, classes):
    """Return the labels as an array, once each is known to be a class."""
    target = np.asarray(target)
    if target.size and not np.issubdtype(target.dtype, np.integer):
        raise TypeError(
            f"target holds {target.dtype}, but labels are class numbers; "
            "convert them: target.astype(np.int64)"
        )
    if target.shape != (N,):
        raise ValueError(
            f"target has the shape {target.shape}, but {N} rows of logits need one label each, "
            f"({N},); of one-hot rows take target.argmax(axis=1)"
        )
    wrong = np.flatnonzero((target < 0) | (target >= classes))
    if wrong.size:
        raise IndexError(
            f"target[{wrong[0]}] is {target[wrong[0]]}, but {classes} classes are numbered "
            f"0 to {classes - 1}; check the labels or the size of the last layer"
        )
    return target.astype(np.int64)

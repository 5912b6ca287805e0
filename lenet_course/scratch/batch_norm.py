"""Batch norm: every feature map with mean 0 and variance 1, then a scale and a shift of its own."""

import numpy as np

from lenet_course.scratch.arrays import floats, require_axes, require_shape

AXES = (0, 2, 3)  # all but the channels


def batch_norm(x, weight, bias, mean=None, var=None, eps=1e-5):
    """Normalize each channel: weight · (x - mean) / √(var + eps) + bias.

    Parameters
    ----------
    x : array_like of float, shape (N, C, H, W)
        A batch of feature maps.
    weight, bias : array_like of float, shape (C,)
        Scale and shift of each channel.
    mean, var : array_like of float, shape (C,), optional
        What to normalize with in evaluation; the batch's own if left out, as in training.
    eps : float
        Keeps a channel that does not vary from a division by zero.

    Returns
    -------
    numpy.ndarray, shape (N, C, H, W)

    Raises
    ------
    ValueError
        If a shape does not match, or there is only one number per channel and no `mean`.
    TypeError
        If an array holds integers, or the arrays differ in dtype.

    References
    ----------
    Ioffe, Szegedy (2015), "Batch normalization: accelerating deep network training by reducing
    internal covariate shift", ICML, algorithm 1.

    Examples
    --------
    >>> x = np.array([2.0, 4.0, 6.0, 8.0]).reshape(4, 1, 1, 1)
    >>> batch_norm(x, np.ones(1), np.zeros(1)).ravel().round(2)
    array([-1.34, -0.45,  0.45,  1.34])
    """
    x, weight, bias = _checked(x, weight, bias)
    if mean is None:
        mean, var = batch_stats(x)
    scale = weight / np.sqrt(var + x.dtype.type(eps))
    return (x - _by_channel(mean)) * _by_channel(scale) + _by_channel(bias)


def batch_stats(x):
    """Compute mean and variance of each channel over batch, rows and columns.

    Parameters
    ----------
    x : numpy.ndarray, shape (N, C, H, W)

    Returns
    -------
    mean, var : numpy.ndarray, shape (C,)
        The variance divides by the count n; the running variance of a layer by n - 1.

    Raises
    ------
    ValueError
        If there is only one number per channel, whose variance would be 0.

    Examples
    --------
    >>> batch_stats(np.array([1.0, 3.0]).reshape(2, 1, 1, 1))
    (array([2.]), array([1.]))
    """
    count = x.size // x.shape[1]
    if count < 2:
        raise ValueError(
            f"x {x.shape} has {count} number per channel, which has no variance; train on "
            "larger batches, or normalize with running statistics (evaluation mode)"
        )
    mean = x.mean(axis=AXES)
    return mean, np.square(x - _by_channel(mean)).mean(axis=AXES)


def batch_norm_backward(grad_y, x, weight, mean=None, var=None, eps=1e-5):
    """Compute the gradients of a loss with respect to what `batch_norm` was given.

    In training, moving one number moves the batch's mean and variance, and with them all others
    of its channel. So two parts of the gradient are lost: what would shift a channel as a whole,
    and what would stretch it. With a given `mean` and `var` nothing is lost.

    Parameters
    ----------
    grad_y : array_like of float, shape (N, C, H, W)
        Gradient of the loss with respect to the output.
    x : array_like of float, shape (N, C, H, W)
        The maps that went in.
    weight : array_like of float, shape (C,)
    mean, var, eps
        As they were given to `batch_norm`.

    Returns
    -------
    grad_x : numpy.ndarray, shape (N, C, H, W)
    grad_weight, grad_bias : numpy.ndarray, shape (C,)

    Raises
    ------
    ValueError
        If a shape does not match another.
    TypeError
        If an array holds integers, or the arrays differ in dtype.

    References
    ----------
    Ioffe, Szegedy (2015), section 3.

    Examples
    --------
    Adding the same to all numbers of a channel changes nothing:

    >>> x = np.array([2.0, 4.0, 6.0, 8.0]).reshape(4, 1, 1, 1)
    >>> grad_x, _, grad_bias = batch_norm_backward(np.ones_like(x), x, np.ones(1))
    >>> grad_x.ravel(), grad_bias
    (array([0., 0., 0., 0.]), array([4.]))
    """
    x, weight, grad_y = _checked(x, weight, None, grad_y)
    require_shape("grad_y", grad_y, x.shape)
    given = mean is not None
    if not given:
        mean, var = batch_stats(x)
    std = np.sqrt(var + x.dtype.type(eps))
    normalized = (x - _by_channel(mean)) / _by_channel(std)
    grad_weight, grad_bias = (grad_y * normalized).sum(axis=AXES), grad_y.sum(axis=AXES)
    if not given:
        count = x.dtype.type(x.size // x.shape[1])
        grad_y = grad_y - _by_channel(grad_bias / count)
        grad_y -= normalized * _by_channel(grad_weight / count)
    return grad_y * _by_channel(weight / std), grad_weight, grad_bias


def _checked(x, weight, bias, grad_y=None):
    x, weight, bias, grad_y = floats(x=x, weight=weight, bias=bias, grad_y=grad_y)
    require_axes("x", x, "N, C, H, W")
    for name, values in (("weight", weight), ("bias", bias)):
        if values is not None and values.shape != x.shape[1:2]:
            raise ValueError(
                f"{name} has the shape {values.shape}, but x {x.shape} has {x.shape[1]} "
                f"channels; give it the shape ({x.shape[1]},)"
            )
    return [values for values in (x, weight, bias, grad_y) if values is not None]


def _by_channel(values):
    return values[:, None, None]  # (C, 1, 1)

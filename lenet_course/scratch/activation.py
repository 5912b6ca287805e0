"""Functions that bend: applied to every number alone, or to a row of scores; and their slopes."""

import numpy as np

from lenet_course.scratch.arrays import floats, require_shape


def relu(x):
    """Replace negative numbers by 0.

    Parameters
    ----------
    x : array_like of float, any shape
        The numbers.

    Returns
    -------
    numpy.ndarray, same shape and dtype
        max(x, 0).

    Raises
    ------
    TypeError
        If `x` holds integers.

    References
    ----------
    Nair, Hinton (2010), "Rectified linear units improve restricted Boltzmann machines", ICML.

    Examples
    --------
    >>> relu([-2.0, 0.0, 3.0])
    array([0., 0., 3.])
    """
    (x,) = floats(x=x)
    return np.maximum(x, 0)


def sigmoid(x):
    """Squash every number into (0, 1): 1 / (1 + e^-x).

    For negative x the same fraction is written e^x / (1 + e^x), so that no power overflows.

    Parameters
    ----------
    x : array_like of float, any shape
        The numbers.

    Returns
    -------
    numpy.ndarray, same shape and dtype
        The sigmoid of each.

    Raises
    ------
    TypeError
        If `x` holds integers.

    References
    ----------
    Rumelhart, Hinton, Williams (1986), "Learning representations by back-propagating errors",
    Nature 323, equation 2.

    Examples
    --------
    >>> sigmoid([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    """
    (x,) = floats(x=x)
    small = np.exp(-np.abs(x))  # between 0 and 1
    return np.where(x >= 0, 1, small) / (1 + small)


def tanh(x):
    """Squash every number into (-1, 1): (e^x - e^-x) / (e^x + e^-x).

    Parameters
    ----------
    x : array_like of float, any shape
        The numbers.

    Returns
    -------
    numpy.ndarray, same shape and dtype
        The hyperbolic tangent of each.

    Raises
    ------
    TypeError
        If `x` holds integers.

    References
    ----------
    LeCun, Bottou, Orr, Müller (1998), "Efficient BackProp", section 4.4, which prefers
    1.7159 · tanh(2x/3).

    Examples
    --------
    >>> tanh([-1000.0, 0.0, 1000.0])
    array([-1.,  0.,  1.])
    """
    (x,) = floats(x=x)
    return np.tanh(x)


def relu_backward(grad_y, x):
    """Pass the gradient on where `relu` passed the number on, and stop it elsewhere.

    Parameters
    ----------
    grad_y : array_like of float, any shape
        Gradient of the loss with respect to the output.
    x : array_like of float, same shape
        The numbers that went in. At exactly 0, where the function has a corner, the gradient is
        0, as in PyTorch.

    Returns
    -------
    numpy.ndarray, same shape and dtype
        Gradient with respect to `x`, in a new array.

    Raises
    ------
    ValueError
        If the shapes differ.
    TypeError
        If an array holds integers, or the two differ in dtype.

    Examples
    --------
    >>> relu_backward([10.0, 20.0, 30.0], [-2.0, 0.0, 3.0])
    array([ 0.,  0., 30.])
    """
    grad_y, x = _alike(grad_y, x=x)
    return grad_y * (x > 0)


def sigmoid_backward(grad_y, y):
    """Multiply the gradient by the slope of the sigmoid, y · (1 - y), at most a quarter.

    Parameters
    ----------
    grad_y : array_like of float, any shape
        Gradient of the loss with respect to the output.
    y : array_like of float, same shape
        What `sigmoid` gave; the slope needs no more.

    Returns
    -------
    numpy.ndarray, same shape and dtype
        Gradient with respect to what went in.

    Raises
    ------
    ValueError
        If the shapes differ.
    TypeError
        If an array holds integers, or the two differ in dtype.

    Examples
    --------
    >>> sigmoid_backward([1.0, 1.0], sigmoid([0.0, 1000.0]))
    array([0.25, 0.  ])
    """
    grad_y, y = _alike(grad_y, y=y)
    return grad_y * (y * (1 - y))


def tanh_backward(grad_y, y):
    """Multiply the gradient by the slope of tanh, 1 - y².

    Parameters
    ----------
    grad_y : array_like of float, any shape
        Gradient of the loss with respect to the output.
    y : array_like of float, same shape
        What `tanh` gave; the slope needs no more.

    Returns
    -------
    numpy.ndarray, same shape and dtype
        Gradient with respect to what went in.

    Raises
    ------
    ValueError
        If the shapes differ.
    TypeError
        If an array holds integers, or the two differ in dtype.

    Examples
    --------
    >>> tanh_backward([1.0, 1.0], tanh([0.0, 1000.0]))
    array([1., 0.])
    """
    grad_y, y = _alike(grad_y, y=y)
    return grad_y * (1 - y * y)


def _alike(grad_y, **other):
    """Return both arrays, once their shapes and dtypes are known to be the same."""
    grad_y, values = floats(grad_y=grad_y, **other)
    require_shape("grad_y", grad_y, values.shape)
    return grad_y, values


def softmax(x, dim=-1):
    """Turn scores into probabilities: e^x, divided by the sum of all e^x along one axis.

    The largest score is subtracted first. That changes no probability, because numerator and
    denominator shrink by the same factor, and it keeps e^x from overflowing.

    Parameters
    ----------
    x : array_like of float, any shape
        Scores (logits), such as (N, classes).
    dim : int
        The axis whose probabilities sum to 1.

    Returns
    -------
    numpy.ndarray, same shape and dtype
        The probabilities.

    Raises
    ------
    TypeError
        If `x` holds integers.
    IndexError
        If `x` has no such axis.

    References
    ----------
    Bridle (1990), "Probabilistic interpretation of feedforward classification network outputs",
    in: Neurocomputing, NATO ASI Series 68.

    Examples
    --------
    >>> softmax([[0.0, 0.0], [1000.0, 0.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    (x,) = floats(x=x)
    powers = np.exp(x - x.max(axis=dim, keepdims=True))
    return powers / powers.sum(axis=dim, keepdims=True)


def log_softmax(x, dim=-1):
    """Take the logarithm of softmax without computing softmax, which may round to 0.

    Parameters
    ----------
    x : array_like of float, any shape
        Scores (logits), such as (N, classes).
    dim : int
        The axis whose probabilities sum to 1.

    Returns
    -------
    numpy.ndarray, same shape and dtype
        The logarithms, x - log Σ e^x.

    Raises
    ------
    TypeError
        If `x` holds integers.
    IndexError
        If `x` has no such axis.

    References
    ----------
    Blanchard, Higham, Higham (2021), "Accurately computing the log-sum-exp and softmax
    functions", IMA Journal of Numerical Analysis 41(4).

    Examples
    --------
    >>> log_softmax([1000.0, 0.0])
    array([    0., -1000.])
    """
    (x,) = floats(x=x)
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))

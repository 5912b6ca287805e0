"""The fully connected layer, its gradients, and the flattening that leads to it."""

import numpy as np

from lenet_course.scratch.arrays import floats, require_axes, require_shape


def linear(x, weight, bias=None):
    """Multiply by a matrix and add a vector: x · weightᵀ + bias.

    Parameters
    ----------
    x : array_like of float, shape (..., in_features)
        The inputs, such as (N, in_features).
    weight : array_like of float, shape (out_features, in_features)
        One row for each output.
    bias : array_like of float, shape (out_features,), optional
        One number to add for each output.

    Returns
    -------
    numpy.ndarray, shape (..., out_features)
        The outputs, in the dtype of `x`.

    Raises
    ------
    ValueError
        If a shape does not match another.
    TypeError
        If an array holds integers, or the arrays differ in dtype.

    References
    ----------
    Rumelhart, Hinton, Williams (1986), "Learning representations by back-propagating errors",
    Nature 323, equation 1.

    Examples
    --------
    >>> linear([[1.0, 2.0]], [[1.0, 1.0], [0.0, 3.0]], bias=[0.5, 0.0])
    array([[3.5, 6. ]])
    """
    x, weight, bias = floats(x=x, weight=weight, bias=bias)
    require_axes("weight", weight, "out_features, in_features")
    out_features, in_features = weight.shape
    if x.shape[-1:] != (in_features,):
        raise ValueError(
            f"the last axis of x {x.shape} must hold the {in_features} in_features of "
            f"weight {weight.shape}, which is (out_features, in_features)"
        )
    if bias is not None and bias.shape != (out_features,):
        raise ValueError(
            f"bias has the shape {bias.shape}, but weight {weight.shape} has {out_features} "
            f"outputs; give it the shape ({out_features},)"
        )
    y = x @ weight.T
    return y if bias is None else y + bias


def linear_backward(grad_y, x, weight):
    """Compute the gradients of a loss with respect to what `linear` was given.

    Parameters
    ----------
    grad_y : array_like of float, shape (..., out_features)
        Gradient of the loss with respect to the output.
    x : array_like of float, shape (..., in_features)
        The inputs.
    weight : array_like of float, shape (out_features, in_features)
        The matrix.

    Returns
    -------
    grad_x : numpy.ndarray, shape (..., in_features)
        grad_y · weight.
    grad_weight : numpy.ndarray, shape (out_features, in_features)
        grad_yᵀ · x, summed over the batch.
    grad_bias : numpy.ndarray, shape (out_features,)
        The sum of grad_y over the batch.

    Raises
    ------
    ValueError
        If a shape does not match another.
    TypeError
        If an array holds integers, or the arrays differ in dtype.

    Examples
    --------
    >>> grads = linear_backward([[1.0, 10.0]], [[1.0, 2.0]], [[1.0, 1.0], [0.0, 3.0]])
    >>> grads[0], grads[2]
    (array([[ 1., 31.]]), array([ 1., 10.]))
    >>> grads[1]
    array([[ 1.,  2.],
           [10., 20.]])
    """
    grad_y, x, weight = floats(grad_y=grad_y, x=x, weight=weight)
    require_axes("weight", weight, "out_features, in_features")
    out_features, in_features = weight.shape
    require_shape("grad_y", grad_y, (*x.shape[:-1], out_features))
    rows, inputs = grad_y.reshape(-1, out_features), x.reshape(-1, in_features)
    return grad_y @ weight, rows.T @ inputs, rows.sum(axis=0)


def flatten(x, start_dim=0, end_dim=-1):
    """Join neighboring axes into one, in the order of memory, as ``torch.flatten`` does.

    Parameters
    ----------
    x : array_like, any shape and dtype
        The array.
    start_dim, end_dim : int
        First and last axis to join. Between the last pooling and the first fully connected
        layer it is ``start_dim=1``, which keeps the batch axis.

    Returns
    -------
    numpy.ndarray
        The same numbers with fewer axes; it may share the memory of `x`, as in PyTorch.

    Raises
    ------
    IndexError
        If `x` has no such axis.
    ValueError
        If `start_dim` comes after `end_dim`.

    Examples
    --------
    >>> flatten(np.zeros((64, 16, 5, 5)), start_dim=1).shape
    (64, 400)
    """
    x = np.asarray(x)
    axes = range(max(x.ndim, 1))  # a single number counts as an axis of one, as in PyTorch
    try:
        start, end = axes[start_dim], axes[end_dim]
    except IndexError:
        raise IndexError(
            f"start_dim={start_dim} or end_dim={end_dim} is no axis of the shape {x.shape}; "
            f"use {-len(axes)} to {len(axes) - 1}"
        ) from None
    if start > end:
        raise ValueError(f"start_dim={start_dim} comes after end_dim={end_dim}; swap them")
    joined = int(np.prod(x.shape[start : end + 1]))
    return x.reshape(*x.shape[:start], joined, *x.shape[end + 1 :])

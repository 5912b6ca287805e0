"""The fully connected layer, and the flattening that leads to it."""

import numpy as np

from lenet_course.scratch.arrays import floats, require_axes


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

"""What every layer checks about its arrays before it computes."""

import numpy as np


def floats(**arrays):
    """Return the arrays in order, once all are known to hold floats of one dtype.

    Parameters
    ----------
    **arrays : array_like or None
        Arrays by the name that an error message calls them; None stays None.

    Returns
    -------
    list of numpy.ndarray or None
        The same arrays, not copied.

    Raises
    ------
    TypeError
        If an array holds integers or booleans, or two arrays differ in dtype.

    Examples
    --------
    >>> floats(x=[1.0, 2.0], bias=None)
    [array([1., 2.]), None]
    """
    first = None
    checked = []
    for name, values in arrays.items():
        if values is not None:
            values = np.asarray(values)
            if not np.issubdtype(values.dtype, np.floating):
                raise TypeError(
                    f"{name} holds {values.dtype}, but a layer computes with floats; "
                    f"convert it: {name}.astype(np.float32)"
                )
            if first is None:
                first, dtype = name, values.dtype
            elif values.dtype != dtype:
                raise TypeError(
                    f"{first} holds {dtype} but {name} holds {values.dtype}; "
                    f"convert one: {name}.astype(np.{dtype})"
                )
        checked.append(values)
    return checked


def require_axes(name, array, axes):
    """Raise an error unless the array has as many axes as are named.

    Parameters
    ----------
    name : str
        What the error message calls the array.
    array : numpy.ndarray
        The array.
    axes : str
        Its axes, such as "N, C, H, W".

    Raises
    ------
    ValueError
        If the number of axes is another.

    Examples
    --------
    >>> require_axes("x", np.zeros((28, 28)), "N, C, H, W")
    Traceback (most recent call last):
    ValueError: x needs the axes (N, C, H, W), but has the shape (28, 28); add what is missing, \
such as x[None] for a batch of one
    """
    missing = len(axes.split(",")) - array.ndim
    if missing:
        remedy = f"; add what is missing, such as {name}[None] for a batch of one"
        raise ValueError(
            f"{name} needs the axes ({axes}), but has the shape {array.shape}"
            + remedy * (missing > 0)
        )


def require_shape(name, array, shape):
    """Raise an error unless the array has exactly this shape.

    Parameters
    ----------
    name : str
        What the error message calls the array.
    array : numpy.ndarray
        The array.
    shape : tuple of int
        What it must be.

    Raises
    ------
    ValueError
        If the shape is another.

    Examples
    --------
    >>> require_shape("grad_y", np.zeros((2, 3)), (2, 4))
    Traceback (most recent call last):
    ValueError: grad_y must have the shape of the output, (2, 4), but has (2, 3)
    """
    if array.shape != shape:
        raise ValueError(
            f"{name} must have the shape of the output, {shape}, but has {array.shape}"
        )

"""What the functions share: checks of arrays, padding, and the windows that a kernel sees."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lenet_course.shapes import pair


def floats(**arrays):
    """Return the named arrays in order, once all are known to hold floats of one dtype.

    None stays None; an array is not copied. Otherwise a TypeError names the array.
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
                    f"convert one: {first}.astype(np.{values.dtype}) or {name}.astype(np.{dtype})"
                )
        checked.append(values)
    return checked


def require_axes(name, array, axes):
    """Raise a ValueError unless the array has the axes, such as "N, C, H, W"."""
    missing = len(axes.split(",")) - array.ndim
    if missing:
        remedy = f"; add what is missing, such as {name}[None] for a batch of one"
        raise ValueError(
            f"{name} needs the axes ({axes}), but has the shape {array.shape}"
            + remedy * (missing > 0)
        )


def require_shape(name, array, shape, what="the shape of the output"):
    """Raise a ValueError unless the array is None or has exactly this shape."""
    if array is not None and array.shape != shape:
        raise ValueError(f"{name} must have {what}, {shape}, but has {array.shape}")


def pad(x, sides, value=0.0):
    """Surround images (N, C, H, W) with ((top, bottom), (left, right)) pixels of one value.

    >>> pad(np.ones((1, 1, 1, 2)), ((0, 1), (1, 0)))[0, 0]
    array([[0., 1., 1.],
           [0., 0., 0.]])
    """
    if sides == ((0, 0), (0, 0)):
        return x
    (top, bottom), (left, right) = sides
    N, C, H, W = x.shape
    padded = np.full((N, C, top + H + bottom, left + W + right), value, x.dtype)
    padded[:, :, top : top + H, left : left + W] = x
    return padded


def windows(x, kernel_size, stride=1, dilation=1, writeable=False):
    """Show every window of padded images without copying a pixel.

    Returns
    -------
    numpy.ndarray, shape (N, C, KH, KW, OH, OW)
        A view: entry [n, c, :, :, oh, ow] is the window whose output stands at
        (oh, ow). The axes of the kernel come first, so that neighbors in memory (OW) stay
        neighbors, which makes copies and reductions several times as fast.

    Examples
    --------
    >>> windows(np.arange(4.0).reshape(1, 1, 1, 4), (1, 2))[0, 0, 0]
    array([[[0., 1., 2.]],
    <BLANKLINE>
           [[1., 2., 3.]]])
    """
    KH, KW = pair("kernel_size", kernel_size)
    stride_h, stride_w = pair("stride", stride)
    dilation_h, dilation_w = pair("dilation", dilation)
    span = (dilation_h * (KH - 1) + 1, dilation_w * (KW - 1) + 1)
    view = sliding_window_view(x, span, axis=(2, 3), writeable=writeable)
    view = view[:, :, ::stride_h, ::stride_w, ::dilation_h, ::dilation_w]  # (N, C, OH, OW, KH, KW)
    return view.transpose(0, 1, 4, 5, 2, 3)

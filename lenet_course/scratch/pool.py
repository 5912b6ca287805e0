"""Pooling: one number for each window of each channel, and the way back."""

import numpy as np

from lenet_course.scratch.arrays import floats, require_axes, require_shape
from lenet_course.scratch.windows import pad, windows
from lenet_course.shapes import conv_output_size, padding_per_side, pair


def max_pool2d(x, kernel_size, stride=None, padding=0):
    """Keep the largest number of each window.

    Parameters
    ----------
    x : array_like of float, shape (N, C, H, W)
        A batch of feature maps.
    kernel_size : int or (int, int)
        Size of a window.
    stride : int or (int, int), optional
        Pixels from one window to the next; `kernel_size` if left out, so that the windows tile.
    padding : int or (int, int)
        Pixels of -inf added on each side, at most half a window; -inf never is the largest.

    Returns
    -------
    numpy.ndarray, shape (N, C, OH, OW)
        The pooled maps, in the dtype of `x`; for their size see
        `lenet_course.shapes.conv_output_size`.

    Raises
    ------
    ValueError
        If `x` has not four axes, a window does not fit, or the padding exceeds half a window.
    TypeError
        If `x` holds integers.

    References
    ----------
    Ranzato, Huang, Boureau, LeCun (2007), "Unsupervised learning of invariant feature
    hierarchies with applications to object recognition", CVPR.

    Examples
    --------
    >>> x = np.array([[[[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 8.0]]]])
    >>> max_pool2d(x, 2)
    array([[[[4., 8.]]]])
    """
    return _fold(np.maximum, _pooling_windows(x, kernel_size, stride, padding, fill=-np.inf))


def avg_pool2d(x, kernel_size, stride=None, padding=0):
    """Average each window.

    Parameters
    ----------
    x : array_like of float, shape (N, C, H, W)
        A batch of feature maps.
    kernel_size : int or (int, int)
        Size of a window.
    stride : int or (int, int), optional
        Pixels from one window to the next; `kernel_size` if left out, so that the windows tile.
    padding : int or (int, int)
        Zeros added on each side, at most half a window; they count in the average.

    Returns
    -------
    numpy.ndarray, shape (N, C, OH, OW)
        The pooled maps, in the dtype of `x`; for their size see
        `lenet_course.shapes.conv_output_size`.

    Raises
    ------
    ValueError
        If `x` has not four axes, a window does not fit, or the padding exceeds half a window.
    TypeError
        If `x` holds integers.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner (1998), "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11), section II.B, where a learned factor and bias
    follow the average.

    Examples
    --------
    >>> x = np.array([[[[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 8.0]]]])
    >>> avg_pool2d(x, 2)
    array([[[[2.5, 6.5]]]])
    """
    views = _pooling_windows(x, kernel_size, stride, padding, fill=0.0)
    y = _fold(np.add, views)
    y /= views.shape[2] * views.shape[3]
    return y


def max_pool2d_backward(grad_y, x, kernel_size, stride=None, padding=0):
    """Send each output's gradient to the number that was the largest of its window.

    The other numbers could move a little without changing the output. Among equals the first
    one gets it all, row by row, as in PyTorch.

    Parameters
    ----------
    grad_y : array_like of float, shape (N, C, OH, OW)
        Gradient of the loss with respect to the output.
    x : array_like of float, shape (N, C, H, W)
        The maps that went in.
    kernel_size, stride, padding
        As they were given to `max_pool2d`.

    Returns
    -------
    numpy.ndarray, shape (N, C, H, W)
        Gradient with respect to `x`.

    Raises
    ------
    ValueError
        If a shape does not match another.
    TypeError
        If an array holds integers, or the two differ in dtype.

    Examples
    --------
    >>> x = np.array([[[[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 8.0]]]])
    >>> max_pool2d_backward(np.array([[[[10.0, 20.0]]]]), x, 2)
    array([[[[ 0.,  0.,  0.,  0.],
             [ 0., 10.,  0., 20.]]]])
    """
    x, grad_y = floats(x=x, grad_y=grad_y)
    views = _pooling_windows(x, kernel_size, stride, padding, fill=-np.inf)
    y = _fold(np.maximum, views)  # (N, C, OH, OW)
    require_shape("grad_y", grad_y, y.shape)
    free = np.ones(y.shape, bool)

    def share(row, column):
        largest = free & (views[:, :, row, column] == y)
        np.logical_and(free, ~largest, out=free)
        return grad_y * largest

    return _spread(share, x.shape, grad_y, kernel_size, stride, padding)


def avg_pool2d_backward(grad_y, x, kernel_size, stride=None, padding=0):
    """Spread each output's gradient evenly over its window.

    Parameters
    ----------
    grad_y : array_like of float, shape (N, C, OH, OW)
        Gradient of the loss with respect to the output.
    x : array_like of float, shape (N, C, H, W)
        The maps that went in; only their shape matters.
    kernel_size, stride, padding
        As they were given to `avg_pool2d`.

    Returns
    -------
    numpy.ndarray, shape (N, C, H, W)
        Gradient with respect to `x`.

    Raises
    ------
    ValueError
        If a shape does not match another.
    TypeError
        If an array holds integers, or the two differ in dtype.

    Examples
    --------
    >>> avg_pool2d_backward(np.array([[[[8.0]]]]), np.zeros((1, 1, 2, 2)), 2)
    array([[[[2., 2.],
             [2., 2.]]]])
    """
    x, grad_y = floats(x=x, grad_y=grad_y)
    views = _pooling_windows(x, kernel_size, stride, padding, fill=0.0)
    N, C, KH, KW, OH, OW = views.shape
    require_shape("grad_y", grad_y, (N, C, OH, OW))
    even = grad_y / (KH * KW)
    return _spread(lambda row, column: even, x.shape, even, kernel_size, stride, padding)


def _fold(combine, views):
    """Combine the numbers of each window, one place of the window after the other.

    A few passes over whole maps are several times as fast as a reduction over two short axes.
    """
    y = views[:, :, 0, 0].copy()  # (N, C, OH, OW)
    for row, column in list(np.ndindex(views.shape[2:4]))[1:]:
        combine(y, views[:, :, row, column], out=y)
    return y


def _spread(share, shape, grad_y, kernel_size, stride, padding):
    """Add up, place by place of the window, what each pixel gets of the output's gradient."""
    N, C, H, W = shape
    kernel = pair("kernel_size", kernel_size)
    stride_h, stride_w = pair("stride", kernel if stride is None else stride)
    pad_h, pad_w = pair("padding", padding, least=0)
    OH, OW = grad_y.shape[2:]
    grad_x = np.zeros((N, C, H + 2 * pad_h, W + 2 * pad_w), grad_y.dtype)
    for row, column in np.ndindex(kernel):
        rows = slice(row, row + stride_h * (OH - 1) + 1, stride_h)
        columns = slice(column, column + stride_w * (OW - 1) + 1, stride_w)
        grad_x[:, :, rows, columns] += share(row, column)
    return grad_x[:, :, pad_h : pad_h + H, pad_w : pad_w + W].copy()


def _pooling_windows(x, kernel_size, stride, padding, fill):
    """Return the windows to reduce, shape (N, C, KH, KW, OH, OW), once all arguments fit."""
    (x,) = floats(x=x)
    require_axes("x", x, "N, C, H, W")
    kernel = pair("kernel_size", kernel_size)
    stride = kernel if stride is None else stride
    amounts = pair("padding", padding, least=0)
    if any(2 * p > k for p, k in zip(amounts, kernel, strict=True)):  # a window of padding alone
        raise ValueError(
            f"padding={padding!r} is more than half of kernel_size={kernel_size!r}; "
            f"use at most {tuple(k // 2 for k in kernel)}"
        )
    conv_output_size(x.shape[2:], kernel, stride, amounts)  # explains itself if nothing fits
    return windows(pad(x, padding_per_side(kernel, amounts), fill), kernel, stride)

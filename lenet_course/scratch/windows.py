"""Cutting an image into the windows that a kernel sees."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lenet_course.shapes import pair


def pad(x, sides, value=0.0):
    """Surround the images with a constant.

    Parameters
    ----------
    x : numpy.ndarray, shape (N, C, H, W)
        A batch of images.
    sides : ((int, int), (int, int))
        Pixels to add at ((top, bottom), (left, right)).
    value : float
        What to fill them with.

    Returns
    -------
    numpy.ndarray, shape (N, C, top + H + bottom, left + W + right)
        The padded images; `x` itself if there is nothing to add.

    Examples
    --------
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


def windows(x, kernel_size, stride=1, dilation=1):
    """Show every window of the images without copying a pixel.

    Parameters
    ----------
    x : numpy.ndarray, shape (N, C, H, W)
        A batch of images, padded already.
    kernel_size, stride, dilation : int or (int, int)
        As in `conv2d`.

    Returns
    -------
    numpy.ndarray, shape (N, C, KH, KW, OH, OW)
        A read-only view: entry [n, c, :, :, oh, ow] is the window whose output stands at
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
    view = sliding_window_view(x, span, axis=(2, 3))  # (N, C, places, places, span, span)
    view = view[:, :, ::stride_h, ::stride_w, ::dilation_h, ::dilation_w]  # (N, C, OH, OW, KH, KW)
    return view.transpose(0, 1, 4, 5, 2, 3)

"""Convolution of images, once as its definition reads and once fast."""

import numpy as np

from lenet_course.scratch.arrays import floats, require_axes
from lenet_course.scratch.windows import pad, windows
from lenet_course.shapes import conv_output_size, padding_per_side, pair


def conv2d_loops(x, weight, bias=None, stride=1, padding=0, dilation=1):
    """Convolve images with kernels by the definition, one output number at a time.

    Each output number is the sum over one window of the image, times one kernel::

        y[n, c_out, oh, ow] = bias[c_out] + Σ_c Σ_kh Σ_kw weight[c_out, c, kh, kw]
                              · x[n, c, oh · stride + kh · dilation, ow · stride + kw · dilation]

    The kernel is not flipped, so mathematicians call this a cross-correlation. It is slow and
    there to be read; `conv2d` takes and returns the same.

    Parameters
    ----------
    x : array_like of float, shape (N, C, H, W)
        A batch of images.
    weight : array_like of float, shape (C_out, C, KH, KW)
        One kernel for each output channel.
    bias : array_like of float, shape (C_out,), optional
        One number to add for each output channel.
    stride, dilation : int or (int, int)
        Pixels from one window to the next, and from one kernel entry to the next.
    padding : int, (int, int), "same" or "valid"
        Zeros added on each side; see `lenet_course.shapes.conv_output_size`.

    Returns
    -------
    numpy.ndarray, shape (N, C_out, OH, OW)
        The feature maps, in the dtype of `x`.

    Raises
    ------
    ValueError
        If a shape does not match another, or the kernel does not fit on the padded image.
    TypeError
        If an array holds integers, or the arrays differ in dtype (PyTorch refuses the latter).

    References
    ----------
    LeCun, Bottou, Bengio, Haffner (1998), "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11), section II.A. Stride, padding and dilation:
    Dumoulin, Visin (2016), "A guide to convolution arithmetic for deep learning",
    arXiv:1603.07285.

    Examples
    --------
    The difference of neighbors finds the edge between 0 and 5:

    >>> image = np.array([[[[0.0, 0.0, 5.0, 5.0]]]])
    >>> conv2d_loops(image, np.array([[[[-1.0, 1.0]]]]))
    array([[[[0., 5., 0.]]]])
    """
    x, weight, bias = _checked(x, weight, bias)
    N, _, H, W = x.shape
    C_out, _, KH, KW = weight.shape
    OH, OW = conv_output_size((H, W), (KH, KW), stride, padding, dilation)
    x = pad(x, padding_per_side((KH, KW), padding, dilation))
    stride_h, stride_w = pair("stride", stride)
    dilation_h, dilation_w = pair("dilation", dilation)
    span_h = dilation_h * (KH - 1) + 1  # pixels from a kernel's first row to its last
    span_w = dilation_w * (KW - 1) + 1

    y = np.zeros((N, C_out, OH, OW), x.dtype)
    for n in range(N):
        for c_out in range(C_out):
            for oh in range(OH):
                for ow in range(OW):
                    top, left = oh * stride_h, ow * stride_w
                    rows = slice(top, top + span_h, dilation_h)
                    columns = slice(left, left + span_w, dilation_w)
                    window = x[n, :, rows, columns]  # (C, KH, KW)
                    y[n, c_out, oh, ow] = (window * weight[c_out]).sum()
            if bias is not None:
                y[n, c_out] += bias[c_out]
    return y


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1):
    """Convolve images with kernels by matrix products: `conv2d_loops`, only fast.

    The windows of an image are copied into the columns of a matrix, and the kernels are the
    rows of another (im2col). Row times column is window times kernel, summed, so their product
    holds every output number of the image. One image at a time keeps that matrix small: it has
    KH · KW entries for each number of the image.

    Parameters
    ----------
    x : array_like of float, shape (N, C, H, W)
        A batch of images.
    weight : array_like of float, shape (C_out, C, KH, KW)
        One kernel for each output channel.
    bias : array_like of float, shape (C_out,), optional
        One number to add for each output channel.
    stride, dilation : int or (int, int)
        Pixels from one window to the next, and from one kernel entry to the next.
    padding : int, (int, int), "same" or "valid"
        Zeros added on each side; see `lenet_course.shapes.conv_output_size`.

    Returns
    -------
    numpy.ndarray, shape (N, C_out, OH, OW)
        The feature maps, in the dtype of `x`.

    Raises
    ------
    ValueError
        If a shape does not match another, or the kernel does not fit on the padded image.
    TypeError
        If an array holds integers, or the arrays differ in dtype (PyTorch refuses the latter).

    References
    ----------
    Chellapilla, Puri, Simard (2006), "High performance convolutional neural networks for
    document processing", Tenth International Workshop on Frontiers in Handwriting Recognition.

    Examples
    --------
    >>> x, weight = np.ones((2, 3, 28, 28)), np.ones((6, 3, 5, 5))
    >>> conv2d(x, weight, stride=2).shape
    (2, 6, 12, 12)
    """
    x, weight, bias = _checked(x, weight, bias)
    N, C, H, W = x.shape
    C_out, C, KH, KW = weight.shape
    OH, OW = conv_output_size((H, W), (KH, KW), stride, padding, dilation)
    x = pad(x, padding_per_side((KH, KW), padding, dilation))

    kernels = weight.reshape(C_out, C * KH * KW)
    y = np.empty((N, C_out, OH * OW), x.dtype)
    for n, image in enumerate(windows(x, (KH, KW), stride, dilation)):
        columns = image.reshape(C * KH * KW, OH * OW)  # the only copy; one window a column
        np.matmul(kernels, columns, out=y[n])
    if bias is not None:
        y += bias[:, None]
    return y.reshape(N, C_out, OH, OW)


def _checked(x, weight, bias):
    """Return the arrays of a convolution, once dtypes and shapes are known to match."""
    x, weight, bias = floats(x=x, weight=weight, bias=bias)
    require_axes("x", x, "N, C, H, W")
    require_axes("weight", weight, "C_out, C, KH, KW")
    if x.shape[1] != weight.shape[1]:
        raise ValueError(
            f"x has {x.shape[1]} channels but weight expects {weight.shape[1]}: x {x.shape} is "
            f"(N, C, H, W) and weight {weight.shape} is (C_out, C, KH, KW), with the same C"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(
            f"bias has the shape {bias.shape}, but weight {weight.shape} has {weight.shape[0]} "
            f"output channels; give it the shape ({weight.shape[0]},)"
        )
    return x, weight, bias

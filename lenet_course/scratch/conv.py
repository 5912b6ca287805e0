"""Convolution of images, once as its definition reads and once fast, and its gradients."""

import numpy as np

from lenet_course.scratch.arrays import floats, require_axes, require_shape
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
    kernel = weight.shape[2:]
    conv_output_size(x.shape[2:], kernel, stride, padding, dilation)  # explains what can't fit
    x = pad(x, padding_per_side(kernel, padding, dilation))
    y = _slide(x, weight, stride, dilation)  # (N, C_out, OH, OW)
    if bias is not None:
        y += bias[:, None, None]
    return y


def conv2d_backward(grad_y, x, weight, stride=1, padding=0, dilation=1):
    """Compute the gradients of a loss with respect to what `conv2d` was given.

    Each weight was multiplied by one number of every window, so its gradient is the sum of those
    numbers, each times the gradient of the window's output::

        grad_weight[c_out, c, kh, kw] = Σ_n Σ_oh Σ_ow grad_y[n, c_out, oh, ow]
                              · x[n, c, oh · stride + kh · dilation, ow · stride + kw · dilation]

    A pixel was multiplied by every weight once, as the kernel slid over it. Seen from the pixel
    the kernel passes backward, so its gradient is a convolution of `grad_y` with the kernel
    turned by 180 degrees; a stride above 1 means that zeros stand between the numbers of
    `grad_y`.

    Parameters
    ----------
    grad_y : array_like of float, shape (N, C_out, OH, OW)
        Gradient of the loss with respect to the output.
    x : array_like of float, shape (N, C, H, W)
        The images that went in.
    weight : array_like of float, shape (C_out, C, KH, KW)
        The kernels.
    stride, padding, dilation
        As they were given to `conv2d`.

    Returns
    -------
    grad_x : numpy.ndarray, shape (N, C, H, W)
    grad_weight : numpy.ndarray, shape (C_out, C, KH, KW)
    grad_bias : numpy.ndarray, shape (C_out,)

    Raises
    ------
    ValueError
        If a shape does not match another.
    TypeError
        If an array holds integers, or the arrays differ in dtype.

    References
    ----------
    Dumoulin, Visin (2016), "A guide to convolution arithmetic for deep learning",
    arXiv:1603.07285, chapter 4.

    Examples
    --------
    One kernel over three pixels has two places, and the middle pixel was in both windows:

    >>> x, weight = np.array([[[[1.0, 2.0, 3.0]]]]), np.array([[[[10.0, 20.0]]]])
    >>> grad_x, grad_weight, grad_bias = conv2d_backward(np.ones((1, 1, 1, 2)), x, weight)
    >>> grad_x
    array([[[[10., 30., 20.]]]])
    >>> grad_weight, grad_bias
    (array([[[[3., 5.]]]]), array([2.]))
    """
    x, weight, _ = _checked(x, weight, None)
    x, grad_y = floats(x=x, grad_y=grad_y)
    N, _, H, W = x.shape
    C_out, _, KH, KW = weight.shape
    OH, OW = conv_output_size((H, W), (KH, KW), stride, padding, dilation)
    require_shape("grad_y", grad_y, (N, C_out, OH, OW))
    sides = padding_per_side((KH, KW), padding, dilation)
    grad_weight = _weight_gradient(grad_y, pad(x, sides), weight.shape, stride, dilation)
    grad_x = _image_gradient(grad_y, weight, (H, W), sides, stride, dilation)
    return grad_x, grad_weight, grad_y.sum(axis=(0, 2, 3))


def _slide(x, weight, stride, dilation):
    """Convolve padded images with kernels, one image at a time."""
    N, C = x.shape[:2]
    C_out, C, KH, KW = weight.shape
    kernels = weight.reshape(C_out, C * KH * KW)
    views = windows(x, (KH, KW), stride, dilation)  # (N, C, KH, KW, OH, OW)
    OH, OW = views.shape[4:]
    y = np.empty((N, C_out, OH * OW), x.dtype)
    for n, columns in enumerate(_columns(views)):
        np.matmul(kernels, columns, out=y[n])
    return y.reshape(N, C_out, OH, OW)


def _weight_gradient(grad_y, x, shape, stride, dilation):
    """Sum up windows of the padded images, each times the gradient of its output."""
    C_out, C, KH, KW = shape
    gradients = grad_y.reshape(len(x), C_out, -1)  # (N, C_out, OH·OW)
    total = np.zeros((C_out, C * KH * KW), x.dtype)
    for n, columns in enumerate(_columns(windows(x, (KH, KW), stride, dilation))):
        total += gradients[n] @ columns.T
    return total.reshape(shape)


def _columns(views):
    """Copy the windows of one image after the other into a matrix, one window a column.

    It is always the same matrix: small enough to stay in the processor's cache, and memory that
    is taken once need not be asked for again.
    """
    copy = np.empty(views.shape[1:], views.dtype)  # (C, KH, KW, OH, OW)
    columns = copy.reshape(-1, copy.shape[3] * copy.shape[4])
    for image in views:
        copy[...] = image
        yield columns


def _image_gradient(grad_y, weight, size, sides, stride, dilation):
    """Slide the turned kernels over the output's gradient, spread out by the stride."""
    N, C_out, OH, OW = grad_y.shape
    kernel, (H, W) = weight.shape[2:], size
    (top, bottom), (left, right) = sides
    padded = (N, C_out, top + H + bottom, left + W + right)
    reach_h, reach_w = (
        d * (k - 1) for d, k in zip(pair("dilation", dilation), kernel, strict=True)
    )
    stride_h, stride_w = pair("stride", stride)
    spread = np.zeros((*padded[:2], padded[2] + reach_h, padded[3] + reach_w), grad_y.dtype)
    rows = slice(reach_h, reach_h + stride_h * (OH - 1) + 1, stride_h)
    columns = slice(reach_w, reach_w + stride_w * (OW - 1) + 1, stride_w)
    spread[:, :, rows, columns] = grad_y
    turned = weight[:, :, ::-1, ::-1].swapaxes(0, 1)  # (C, C_out, KH, KW)
    seen = spread[:, :, top : top + H + reach_h, left : left + W + reach_w]  # not the padding
    return _slide(seen, turned, stride=1, dilation=dilation)


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

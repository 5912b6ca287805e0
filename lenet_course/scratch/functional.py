"""The functions of a convolutional network and their gradients, in NumPy alone.

Names, arguments and shapes are those of ``torch.nn.functional``. What holds for all:

- Arrays (lists will do) hold floats of one dtype, and the result is a new array of that dtype;
  only `flatten` takes any dtype and may share memory. Other dtypes raise a TypeError, as two
  that differ do. A shape that does not match raises a ValueError that says which.
- A function ``…_backward`` takes first ``grad_output``, the gradient of a loss with respect to
  the output, in the output's shape; only `cross_entropy_backward`, with which a backward pass
  begins, takes none. It returns the gradient with respect to each array that went in, in their
  order, in their shapes.
- Sizes along both axes of an image are a pair (H, W), or an int for both.

Sources:

- convolution: LeCun, Bottou, Bengio, Haffner (1998), "Gradient-based learning applied to document
  recognition", Proceedings of the IEEE 86(11), section II.A; average pooling II.B, where a
  learned factor and bias follow; as a matrix product: Chellapilla, Puri, Simard (2006), "High
  performance convolutional neural networks for document processing", Tenth International
  Workshop on Frontiers in Handwriting Recognition; stride, padding, dilation and the gradients:
  Dumoulin, Visin (2016), "A guide to convolution arithmetic for deep learning", arXiv:1603.07285
- max pooling: Ranzato, Huang, Boureau, LeCun (2007), "Unsupervised learning of invariant feature
  hierarchies with applications to object recognition", CVPR
- `relu`: Nair, Hinton (2010), "Rectified linear units improve restricted Boltzmann machines",
  ICML; `linear` and `sigmoid`: Rumelhart, Hinton, Williams (1986), "Learning representations by
  back-propagating errors", Nature 323, equations 1 and 2; `tanh`: LeCun, Bottou, Orr, Müller
  (1998), "Efficient BackProp", section 4.4, which prefers 1.7159 · tanh(2x/3)
- `softmax`: Bridle (1990), "Probabilistic interpretation of feedforward classification network
  outputs", in: Neurocomputing, NATO ASI Series 68; `log_softmax`: Blanchard, Higham, Higham
  (2021), "Accurately computing the log-sum-exp and softmax functions", IMA Journal of Numerical
  Analysis 41(4); `cross_entropy` and its gradient: Bishop (2006), "Pattern recognition and
  machine learning", Springer, equations 4.108 and 4.109
- batch norm: Ioffe, Szegedy (2015), "Batch normalization: accelerating deep network training by
  reducing internal covariate shift", ICML, algorithm 1 and section 3; dropout: Srivastava,
  Hinton, Krizhevsky, Sutskever, Salakhutdinov (2014), "Dropout: a simple way to prevent neural
  networks from overfitting", JMLR 15, section 10 for the factor in training
"""

import math

import numpy as np

from lenet_course.arguments import real_number
from lenet_course.scratch.arrays import floats, pad, require_axes, require_shape, windows
from lenet_course.shapes import conv_output_size, padding_per_side, pair

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "batch_stats",
    "conv2d",
    "conv2d_backward",
    "conv2d_loops",
    "cross_entropy",
    "cross_entropy_backward",
    "dropout",
    "dropout_mask",
    "flatten",
    "linear",
    "linear_backward",
    "log_softmax",
    "max_pool2d",
    "max_pool2d_backward",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
    "tanh",
    "tanh_backward",
]

CACHE = 2**22  # bytes of columns that one matrix product of a convolution reads


# --- convolution


def conv2d_loops(x, weight, bias=None, stride=1, padding=0, dilation=1):
    """Convolve images with kernels by the definition, one output number at a time.

    Each output number is the sum over one window of the image, times one kernel::

        out[n, c_out, oh, ow] = bias[c_out] + Σ_c Σ_kh Σ_kw
            weight[c_out, c, kh, kw]
            · x[n, c, oh · stride + kh · dilation, ow · stride + kw · dilation]

    The kernel is not flipped, so mathematicians call this a cross-correlation. It is slow and
    there to be read; `conv2d` takes and returns the same.

    Parameters
    ----------
    x : array, shape (N, C, H, W)
    weight : array, shape (C_out, C, KH, KW)
        One kernel for each output channel.
    bias : array, shape (C_out,), optional
    stride, dilation : int or (int, int)
        Pixels from one window to the next, and from one kernel entry to the next.
    padding : int, (int, int), "same" or "valid"
        Zeros added on each side; see `lenet_course.shapes.conv_output_size`.

    Returns
    -------
    numpy.ndarray, shape (N, C_out, OH, OW)

    Examples
    --------
    The difference of neighbors finds the edge between 0 and 5:

    >>> image = np.array([[[[0.0, 0.0, 5.0, 5.0]]]])
    >>> conv2d_loops(image, np.array([[[[-1.0, 1.0]]]]))
    array([[[[0., 5., 0.]]]])
    """
    x, weight, bias, (OH, OW) = _conv_arguments(x, weight, bias, stride, padding, dilation)
    N, C_out, (KH, KW) = len(x), len(weight), weight.shape[2:]
    x = pad(x, padding_per_side((KH, KW), padding, dilation))
    stride_h, stride_w = pair("stride", stride)
    dilation_h, dilation_w = pair("dilation", dilation)
    span_h = dilation_h * (KH - 1) + 1  # pixels from a kernel's first row to its last
    span_w = dilation_w * (KW - 1) + 1

    out = np.zeros((N, C_out, OH, OW), x.dtype)
    for n in range(N):
        for c_out in range(C_out):
            for oh in range(OH):
                for ow in range(OW):
                    top, left = oh * stride_h, ow * stride_w
                    rows = slice(top, top + span_h, dilation_h)
                    columns = slice(left, left + span_w, dilation_w)
                    window = x[n, :, rows, columns]  # (C, KH, KW)
                    out[n, c_out, oh, ow] = (window * weight[c_out]).sum()
            if bias is not None:
                out[n, c_out] += bias[c_out]
    return out


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1):
    """Convolve images with kernels by matrix products: `conv2d_loops`, only fast.

    The windows of some images are copied into the columns of a matrix, and the kernels are the
    rows of another (im2col). Row times column is window times kernel, summed, so their product
    holds every output number of these images.

    >>> x, weight = np.ones((2, 3, 28, 28)), np.ones((6, 3, 5, 5))
    >>> conv2d(x, weight, stride=2).shape
    (2, 6, 12, 12)
    """
    x, weight, bias, places = _conv_arguments(x, weight, bias, stride, padding, dilation)
    out = np.empty((len(x), len(weight), *places), x.dtype)
    kernels = weight.reshape(len(weight), -1)  # (C_out, C·KH·KW)
    work = _Columns(x, weight.shape[2:], places, stride, padding, dilation)
    for images in work.groups:
        products = kernels @ work.gather(x[images])  # (C_out, OH·OW·G)
        if bias is not None:
            products += bias[:, None]
        products = products.reshape(len(weight), *places, -1).transpose(3, 0, 1, 2)
        out[images] = products[: len(out[images])]
    return out


def conv2d_backward(grad_output, x, weight, stride=1, padding=0, dilation=1):
    """Compute the gradients of `conv2d`: grad_x, grad_weight and grad_bias.

    Each weight was multiplied by one number of every window, so its gradient is the sum of those
    numbers, each times the gradient of the window's output::

        grad_weight[c_out, c, kh, kw] = Σ_n Σ_oh Σ_ow
            grad_output[n, c_out, oh, ow]
            · x[n, c, oh · stride + kh · dilation, ow · stride + kw · dilation]

    The other way round, each number of a window was multiplied by one weight of every kernel. The
    window's gradient is the sum of these weights, each times the gradient of its output; a pixel
    adds up what it gets as part of all its windows.

    Examples
    --------
    One kernel over three pixels has two places, and the middle pixel was in both windows:

    >>> x = np.array([[[[1.0, 2.0, 3.0]]]])
    >>> weight, grad_output = np.array([[[[10.0, 20.0]]]]), np.ones((1, 1, 1, 2))
    >>> grad_x, grad_weight, grad_bias = conv2d_backward(grad_output, x, weight)
    >>> grad_x
    array([[[[10., 30., 20.]]]])
    >>> grad_weight, grad_bias
    (array([[[[3., 5.]]]]), array([2.]))
    """
    x, weight, _, places = _conv_arguments(x, weight, None, stride, padding, dilation)
    x, grad_output = floats(x=x, grad_output=grad_output)
    require_shape("grad_output", grad_output, (len(x), len(weight), *places))
    kernels = weight.reshape(len(weight), -1)  # (C_out, C·KH·KW)
    grad_weight, grad_x = np.zeros_like(kernels), np.empty(x.shape, x.dtype)
    work = _Columns(x, weight.shape[2:], places, stride, padding, dilation)
    gradients = np.zeros((len(kernels), work.matrix.shape[1]), x.dtype)  # (C_out, OH·OW·G)
    by_image = gradients.reshape(len(kernels), *places, -1).transpose(3, 0, 1, 2)
    for images in work.groups:
        n = len(x[images])
        by_image[:n] = grad_output[images]  # in a last group that is not full, the rest meets zeros
        columns = work.gather(x[images])
        grad_weight += gradients @ columns.T
        np.matmul(kernels.T, gradients, out=columns)
        grad_x[images] = work.scatter()[:n]
    return grad_x, grad_weight.reshape(weight.shape), grad_output.sum(axis=(0, 2, 3))


def _conv_arguments(x, weight, bias, stride, padding, dilation):
    """Return the arrays and the size of the output, once everything is known to match."""
    x, weight, bias = floats(x=x, weight=weight, bias=bias)
    require_axes("x", x, "N, C, H, W")
    require_axes("weight", weight, "C_out, C, KH, KW")
    if x.shape[1] != weight.shape[1]:
        raise ValueError(
            f"x has {x.shape[1]} channels but weight expects {weight.shape[1]}: x {x.shape} is "
            f"(N, C, H, W) and weight {weight.shape} is (C_out, C, KH, KW), with the same C"
        )
    require_shape("bias", bias, weight.shape[:1], "one number for each output channel")
    size = conv_output_size(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    return x, weight, bias, size


class _Columns:
    """The windows of some images as the columns of a matrix (C·KH·KW, OH·OW·G), and back.

    `groups` are slices of the batch, G images each, whose matrix has room in the cache. In memory
    the images stand last, each pixel beside that of the next image. So a row of windows is copied
    in one long run, however small the images are.
    """

    def __init__(self, x, kernel, places, stride, padding, dilation):
        (top, bottom), (left, right) = padding_per_side(kernel, padding, dilation)
        N, C, H, W = x.shape
        rows, columns = C * math.prod(kernel), math.prod(places)  # of one image
        rounds = math.ceil(N * rows * columns * x.itemsize / CACHE)
        G = math.ceil(N / max(1, rounds))
        self.groups = [slice(n, n + G) for n in range(0, N, max(1, G))]
        padded = np.zeros((C, top + H + bottom, left + W + right, G), x.dtype)
        self.padded = padded.transpose(3, 0, 1, 2)
        self.inside = self.padded[:, :, top : top + H, left : left + W]
        self.windows = windows(self.padded, kernel, stride, dilation, writeable=True)
        self.matrix = np.empty((rows, columns * G), x.dtype)
        self.entries = self.matrix.reshape(C, *kernel, *places, G).transpose(5, 0, 1, 2, 3, 4)

    def gather(self, x):
        """Copy all windows of at most G images into the matrix; places without one are zeros."""
        self.padded[...] = 0
        self.inside[: len(x)] = x
        self.entries[...] = self.windows
        return self.matrix

    def scatter(self):
        """Add up each entry of the matrix where it was copied from, in images of zeros."""
        self.padded[...] = 0
        for kh, kw in np.ndindex(self.windows.shape[2:4]):
            self.windows[:, :, kh, kw] += self.entries[:, :, kh, kw]
        return self.inside


# --- pooling


def max_pool2d(x, kernel_size, stride=None, padding=0):
    """Keep the largest number of each window.

    Parameters
    ----------
    x : array, shape (N, C, H, W)
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        Pixels from one window to the next; `kernel_size` if left out, so that the windows tile.
    padding : int or (int, int)
        Pixels of -inf added on each side, at most half a window; -inf never is the largest.

    Returns
    -------
    numpy.ndarray, shape (N, C, OH, OW)

    Examples
    --------
    >>> x = np.array([[[[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 8.0]]]])
    >>> max_pool2d(x, 2)
    array([[[[4., 8.]]]])
    """
    views, _ = _pooling_windows(x, kernel_size, stride, padding, fill=-np.inf)
    return _fold(np.maximum, views)


def avg_pool2d(x, kernel_size, stride=None, padding=0):
    """Average each window; the arguments are those of `max_pool2d`, and zeros of padding count.

    >>> x = np.array([[[[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 8.0]]]])
    >>> avg_pool2d(x, 2)
    array([[[[2.5, 6.5]]]])
    """
    views, _ = _pooling_windows(x, kernel_size, stride, padding)
    out = _fold(np.add, views)
    out /= views.shape[2] * views.shape[3]
    return out


def max_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0):
    """Send each output's gradient to the number that was the largest of its window.

    The other numbers could move a little without changing the output. As in PyTorch the first of
    equals gets it all, row by row; NaN counts as larger than any number, and the last NaN gets it.

    >>> x = np.array([[[[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 8.0]]]])
    >>> max_pool2d_backward(np.array([[[[10.0, 20.0]]]]), x, 2)
    array([[[[ 0.,  0.,  0.,  0.],
             [ 0., 10.,  0., 20.]]]])
    """
    x, grad_output = floats(x=x, grad_output=grad_output)
    views, _ = _pooling_windows(x, kernel_size, stride, padding, fill=-np.inf)
    out = _fold(np.maximum, views)  # (N, C, OH, OW)
    require_shape("grad_output", grad_output, out.shape)
    grad_x = np.zeros(x.shape, x.dtype)
    sums, grad_x = _pooling_windows(grad_x, kernel_size, stride, padding, writeable=True)
    waiting = np.ones(out.shape, bool)  # windows whose largest number is still to be found

    def give(row, column, largest):
        largest &= waiting
        np.logical_xor(waiting, largest, out=waiting)
        sums[:, :, row, column] += grad_output * largest

    places = list(np.ndindex(views.shape[2:4]))
    for row, column in places:
        give(row, column, views[:, :, row, column] == out)
    if waiting.any():  # windows with NaN, which equals nothing
        for row, column in reversed(places):
            give(row, column, np.isnan(views[:, :, row, column]))
    return np.ascontiguousarray(grad_x)


def avg_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0):
    """Spread each output's gradient evenly over its window; of `x` only the shape matters.

    >>> avg_pool2d_backward(np.array([[[[8.0]]]]), np.zeros((1, 1, 2, 2)), 2)
    array([[[[2., 2.],
             [2., 2.]]]])
    """
    x, grad_output = floats(x=x, grad_output=grad_output)
    grad_x = np.zeros(x.shape, x.dtype)
    sums, grad_x = _pooling_windows(grad_x, kernel_size, stride, padding, writeable=True)
    KH, KW, OH, OW = sums.shape[2:]
    require_shape("grad_output", grad_output, (*x.shape[:2], OH, OW))
    share = grad_output / (KH * KW)
    for row, column in np.ndindex(KH, KW):
        sums[:, :, row, column] += share
    return np.ascontiguousarray(grad_x)


def _pooling_windows(x, kernel_size, stride, padding, fill=0.0, writeable=False):
    """Return the windows (N, C, KH, KW, OH, OW) of padded maps, and the maps among the padding."""
    (x,) = floats(x=x)
    require_axes("x", x, "N, C, H, W")
    kernel = pair("kernel_size", kernel_size)
    stride = kernel if stride is None else stride
    pad_h, pad_w = pair("padding", padding, least=0)
    if 2 * pad_h > kernel[0] or 2 * pad_w > kernel[1]:  # a window of padding alone
        raise ValueError(
            f"padding={padding!r} is more than half of kernel_size={kernel_size!r}; "
            f"use at most {tuple(k // 2 for k in kernel)}"
        )
    H, W = x.shape[2:]
    conv_output_size((H, W), kernel, stride, (pad_h, pad_w))  # explains itself if nothing fits
    padded = pad(x, ((pad_h, pad_h), (pad_w, pad_w)), fill)
    inside = padded[:, :, pad_h : pad_h + H, pad_w : pad_w + W]
    return windows(padded, kernel, stride, writeable=writeable), inside


def _fold(combine, views):
    """Combine the numbers of each window, one place of the window after the other.

    A few passes over whole maps are several times as fast as a reduction over two short axes.
    """
    out = views[:, :, 0, 0].copy()  # (N, C, OH, OW)
    for row, column in list(np.ndindex(views.shape[2:4]))[1:]:
        combine(out, views[:, :, row, column], out=out)
    return out


# --- activations, number by number


def relu(x):
    """Replace negative numbers by 0: max(x, 0).

    >>> relu([-2.0, 0.0, 3.0])
    array([0., 0., 3.])
    """
    (x,) = floats(x=x)
    return np.maximum(x, 0)


def sigmoid(x):
    """Squash every number into (0, 1): 1 / (1 + e^-x).

    For negative x the same fraction is written e^x / (1 + e^x), so that no power overflows.

    >>> sigmoid([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    """
    (x,) = floats(x=x)
    small = np.exp(-np.abs(x))  # between 0 and 1
    return np.where(x >= 0, 1, small) / (1 + small)


def tanh(x):
    """Squash every number into (-1, 1): (e^x - e^-x) / (e^x + e^-x)."""
    (x,) = floats(x=x)
    return np.tanh(x)


def relu_backward(grad_output, x):
    """Pass the gradient on where `relu` passed the number on; at exactly 0 it is 0, as PyTorch's.

    >>> relu_backward([10.0, 20.0, 30.0], [-2.0, 0.0, 3.0])
    array([ 0.,  0., 30.])
    """
    grad_output, x = floats(grad_output=grad_output, x=x)
    require_shape("grad_output", grad_output, x.shape)
    return grad_output * ~(x <= 0)  # NaN passes


def sigmoid_backward(grad_output, out):
    """Multiply by the slope of `sigmoid` where it gave `out`: out · (1 - out), at most a quarter.

    >>> sigmoid_backward([1.0, 1.0], sigmoid([0.0, 1000.0]))
    array([0.25, 0.  ])
    """
    grad_output, out = floats(grad_output=grad_output, out=out)
    require_shape("grad_output", grad_output, out.shape)
    return grad_output * (out * (1 - out))


def tanh_backward(grad_output, out):
    """Multiply by the slope of `tanh` where it gave `out`: 1 - out²."""
    grad_output, out = floats(grad_output=grad_output, out=out)
    require_shape("grad_output", grad_output, out.shape)
    return grad_output * (1 - out * out)


# --- scores and loss


def softmax(x, dim=-1):
    """Turn scores into probabilities: e^x, divided by the sum of all e^x along one axis.

    The largest score is subtracted first. That changes no probability, because numerator and
    denominator shrink by the same factor, and it keeps e^x from overflowing.

    >>> softmax([[0.0, 0.0], [1000.0, 0.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    (x,) = floats(x=x)
    powers = np.exp(x - x.max(axis=dim, keepdims=True))
    return powers / powers.sum(axis=dim, keepdims=True)


def log_softmax(x, dim=-1):
    """Take the logarithm of softmax, x - log Σ e^x, without softmax, which may round to 0.

    >>> log_softmax([1000.0, 0.0])
    array([    0., -1000.])
    """
    (x,) = floats(x=x)
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


def cross_entropy(logits, target, reduction="mean"):
    """Measure the surprise at the right class: -log of the probability that softmax gives it.

    Parameters
    ----------
    logits : array, shape (N, classes)
        Scores, *before* softmax.
    target : array of int, shape (N,)
        The right class of each row, from 0 to classes - 1; another raises an IndexError. Any
        integer dtype will do; PyTorch takes int64 and uint8 only, and skips the label -100.
    reduction : {"mean", "sum", "none"}
        Whether to average the losses of the batch, add them, or return them one by one.

    Examples
    --------
    Two classes with equal scores are one bit of surprise, log 2:

    >>> print(cross_entropy([[0.0, 0.0]], [1]).round(4))
    0.6931
    """
    reductions = {"mean": np.mean, "sum": np.sum, "none": np.asarray}
    if reduction not in reductions:
        raise ValueError(f"reduction={reduction!r} is unknown; use one of {', '.join(reductions)}")
    logits, right = _right_classes(logits, target)
    return reductions[reduction](-log_softmax(logits, dim=1)[right])


def cross_entropy_backward(logits, target):
    """Compute the gradient of the mean cross-entropy with respect to the scores.

    It is what softmax gave, minus what was right (1 for the right class, 0 for the others),
    divided by the number of rows. Each row adds up to 0.

    >>> cross_entropy_backward([[0.0, 0.0]], [1])
    array([[ 0.5, -0.5]])
    """
    logits, right = _right_classes(logits, target)
    gradient = softmax(logits, dim=1)
    gradient[right] -= 1
    return gradient / len(logits)


def _right_classes(logits, target):
    """Return the scores and the place of each right one, once each label is known to be a class."""
    (logits,) = floats(logits=logits)
    require_axes("logits", logits, "N, classes")
    N, classes = logits.shape
    target = np.asarray(target)
    if target.size and not np.issubdtype(target.dtype, np.integer):
        raise TypeError(
            f"target holds {target.dtype}, but labels are class numbers; "
            "convert them: target.astype(np.int64)"
        )
    if target.shape != (N,):
        raise ValueError(
            f"target has the shape {target.shape}, but {N} rows of logits need one label each, "
            f"({N},); of one-hot rows take target.argmax(axis=1)"
        )
    wrong = np.flatnonzero((target < 0) | (target >= classes))
    if wrong.size:
        raise IndexError(
            f"target[{wrong[0]}] is {target[wrong[0]]}, but {classes} classes are numbered "
            f"0 to {classes - 1}; check the labels or the size of the last layer"
        )
    return logits, (np.arange(N), target.astype(np.int64))


# --- fully connected


def linear(x, weight, bias=None):
    """Multiply by a matrix and add a vector: x · weightᵀ + bias.

    Parameters
    ----------
    x : array, shape (..., in_features)
    weight : array, shape (out_features, in_features)
        One row for each output.
    bias : array, shape (out_features,), optional

    Returns
    -------
    numpy.ndarray, shape (..., out_features)

    Examples
    --------
    >>> linear([[1.0, 2.0]], [[1.0, 1.0], [0.0, 3.0]], bias=[0.5, 0.0])
    array([[3.5, 6. ]])
    """
    x, weight, bias = floats(x=x, weight=weight, bias=bias)
    _require_features(x, weight)
    require_shape("bias", bias, weight.shape[:1], "one number for each output")
    out = x @ weight.T
    return out if bias is None else out + bias


def linear_backward(grad_output, x, weight):
    """Compute the gradients of `linear`: grad_x, grad_weight and grad_bias.

    They are grad_output · weight, grad_outputᵀ · x, and the sum of grad_output over the batch.
    """
    grad_output, x, weight = floats(grad_output=grad_output, x=x, weight=weight)
    _require_features(x, weight)
    out_features, in_features = weight.shape
    require_shape("grad_output", grad_output, (*x.shape[:-1], out_features))
    rows, inputs = grad_output.reshape(-1, out_features), x.reshape(-1, in_features)
    return grad_output @ weight, rows.T @ inputs, rows.sum(axis=0)


def _require_features(x, weight):
    require_axes("weight", weight, "out_features, in_features")
    if x.shape[-1:] != weight.shape[1:]:
        raise ValueError(
            f"the last axis of x {x.shape} must hold the {weight.shape[1]} in_features of "
            f"weight {weight.shape}, which is (out_features, in_features)"
        )


def flatten(x, start_dim=0, end_dim=-1):
    """Join neighboring axes into one, in the order of memory.

    Between the last pooling and the first fully connected layer it is ``start_dim=1``, which
    keeps the batch axis.

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


# --- batch norm and dropout

BATCH_AND_PIXELS = (0, 2, 3)  # all axes but the channels


def batch_norm(x, weight, bias, mean=None, var=None, eps=1e-5):
    """Normalize each channel: weight · (x - mean) / √(var + eps) + bias.

    Parameters
    ----------
    x : array, shape (N, C, H, W)
    weight, bias : array, shape (C,)
        Scale and shift of each channel.
    mean, var : array, shape (C,), optional
        What to normalize with in evaluation; the batch's own if left out, as in training.
    eps : float
        Keeps a channel that does not vary from a division by zero.

    Examples
    --------
    >>> x = np.array([2.0, 4.0, 6.0, 8.0]).reshape(4, 1, 1, 1)
    >>> batch_norm(x, np.ones(1), np.zeros(1)).ravel().round(2)
    array([-1.34, -0.45,  0.45,  1.34])
    """
    arrays = {"x": x, "weight": weight, "bias": bias, "mean": mean, "var": var}
    x, weight, bias, mean, std = _channel_arguments(arrays, eps)
    return (x - _by_channel(mean)) * _by_channel(weight / std) + _by_channel(bias)


def batch_norm_backward(grad_output, x, weight, mean=None, var=None, eps=1e-5):
    """Compute the gradients of `batch_norm`: grad_x, grad_weight and grad_bias.

    In training, moving one number moves the batch's mean and variance, and with them all others
    of its channel. So two parts of the gradient are lost: what would shift a channel as a whole,
    and what would stretch it. With a given `mean` and `var` nothing is lost.

    Examples
    --------
    Adding the same to all numbers of a channel changes nothing:

    >>> x = np.array([2.0, 4.0, 6.0, 8.0]).reshape(4, 1, 1, 1)
    >>> grad_output, weight = np.ones_like(x), np.ones(1)
    >>> grad_x, _, grad_bias = batch_norm_backward(grad_output, x, weight)
    >>> grad_x.ravel(), grad_bias
    (array([0., 0., 0., 0.]), array([4.]))
    """
    of_the_batch = mean is None
    arrays = {"x": x, "weight": weight, "mean": mean, "var": var}
    x, weight, mean, std = _channel_arguments(arrays, eps)
    x, grad_output = floats(x=x, grad_output=grad_output)
    require_shape("grad_output", grad_output, x.shape)
    normalized = (x - _by_channel(mean)) / _by_channel(std)
    grad_weight = (grad_output * normalized).sum(axis=BATCH_AND_PIXELS)
    grad_bias = grad_output.sum(axis=BATCH_AND_PIXELS)
    if of_the_batch:
        count = x.dtype.type(x.size // x.shape[1])
        grad_output = grad_output - _by_channel(grad_bias / count)
        grad_output -= normalized * _by_channel(grad_weight / count)
    return grad_output * _by_channel(weight / std), grad_weight, grad_bias


def batch_stats(x):
    """Compute mean and variance, each of shape (C,), over batch, rows and columns.

    The variance divides by the count n; the running variance of a layer by n - 1.

    >>> batch_stats(np.array([1.0, 3.0]).reshape(2, 1, 1, 1))
    (array([2.]), array([1.]))
    """
    (x,) = floats(x=x)
    require_axes("x", x, "N, C, H, W")
    N, _, H, W = x.shape
    if N * H * W < 2:
        raise ValueError(
            f"x {x.shape} has {N * H * W} number per channel, which has no variance; train on "
            "larger batches, or normalize with running statistics (evaluation mode)"
        )
    mean = x.mean(axis=BATCH_AND_PIXELS)
    return mean, np.square(x - _by_channel(mean)).mean(axis=BATCH_AND_PIXELS)


def _channel_arguments(arrays, eps):
    """Return the arrays with a standard deviation in place of `var`, once they match."""
    x, *values = floats(**arrays)
    require_axes("x", x, "N, C, H, W")
    for name, value in zip(list(arrays)[1:], values, strict=True):
        require_shape(name, value, x.shape[1:2], "one number for each channel")
    mean, var = values[-2:]
    if (mean is None) != (var is None):
        raise ValueError("mean and var belong together; give both, or none for the batch's own")
    if mean is None:
        mean, var = batch_stats(x)
    eps = x.dtype.type(real_number("eps", eps))
    return x, *values[:-2], mean, np.sqrt(var + eps)


def _by_channel(values):
    return values[:, None, None]  # (C, 1, 1)


def dropout_mask(shape, p, generator, dtype=np.float64):
    """Draw what dropout multiplies with: 0 with probability p, else 1 / (1 - p).

    The factor keeps the expected value of every number as it was. The same mask serves forward
    and backward: out = x · mask, and grad_x = grad_output · mask.

    >>> dropout_mask((6,), 0.5, np.random.default_rng(0))
    array([2., 2., 2., 0., 0., 0.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p={p} is no probability; give a share from 0 to 1")
    factor = np.asarray(0 if p == 1 else 1 / (1 - p), dtype)
    return (generator.random(shape, dtype=np.float32) >= p) * factor


def dropout(x, p, generator):
    """Set each number to 0 with probability p, and enlarge the others by 1 / (1 - p).

    >>> dropout([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.5, np.random.default_rng(0))
    array([2., 4., 6., 0., 0., 0.])
    """
    (x,) = floats(x=x)
    return x * dropout_mask(x.shape, p, generator, x.dtype)

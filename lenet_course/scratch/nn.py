"""Layers that learn: the names, arguments and state_dict keys of ``torch.nn``, in NumPy.

Each layer keeps what its backward needs. A training step reads::

    loss = criterion(net(x), y)
    net.backward(criterion.backward())  # fills .grad of every parameter
    optimizer.step()
    optimizer.zero_grad()
"""

import numpy as np

from lenet_course import scratch
from lenet_course.scratch import init
from lenet_course.shapes import pair


class Parameter:
    """An array that is learnt, and the gradient of the loss with respect to it.

    Attributes
    ----------
    data : numpy.ndarray
    grad : numpy.ndarray or None
        In the shape of `data`; None until a backward pass has filled it. Further passes add to
        it, as in PyTorch, until ``optimizer.zero_grad()``.
    """

    def __init__(self, data):
        self.data, self.grad = data, None

    def __repr__(self):
        return f"Parameter(shape={self.data.shape}, dtype={self.data.dtype})"

    def add(self, grad):
        """Add to the gradient."""
        self.grad = grad if self.grad is None else self.grad + grad


class Module:
    """What all layers share; a layer defines `_forward` and `_backward`.

    Attributes
    ----------
    training : bool
        Whether dropout and batch norm do what they do in training; see `train` and `eval`.
    """

    shown = ()  # the attributes that repr shows
    buffers = ()  # the attributes that are kept with the weights, but not learnt

    def __init__(self):
        self.training = True
        self._kept = None

    def __repr__(self):
        settings = (f"{name}={getattr(self, name)}" for name in self.shown)
        return f"{type(self).__name__}({', '.join(settings)})"

    def __call__(self, x):
        """Run the layer on a batch; errors name the layer."""
        return self._named(self._forward, x)

    def backward(self, grad_y):
        """Go back through the last forward pass.

        Parameters
        ----------
        grad_y : numpy.ndarray
            Gradient of the loss with respect to the output, in its shape.

        Returns
        -------
        numpy.ndarray
            Gradient with respect to the input. Those of the parameters were added to their
            ``.grad``.

        Raises
        ------
        RuntimeError
            If there was no forward pass.
        ValueError
            If the shape is not that of the output.
        """
        if self._kept is None:
            raise RuntimeError(f"{self!r} has no forward pass to go back through; call it first")
        return self._named(self._backward, grad_y)

    def slots(self):
        """List (key, owner, attribute) of each array that belongs to the state dict."""
        parameters = [(n, value, "data") for n, value in vars(self).items() if is_parameter(value)]
        return parameters + [(name, self, name) for name in self.buffers]

    def modules(self):
        """List the layers without sublayers."""
        return [self]

    def parameters(self):
        """List the parameters, for an optimizer."""
        return [owner for _, owner, _ in self.slots() if is_parameter(owner)]

    def state_dict(self):
        """Copy all parameters and buffers into a dict, under the keys of PyTorch."""
        return {key: getattr(owner, name).copy() for key, owner, name in self.slots()}

    def load_state_dict(self, state):
        """Copy arrays, or tensors of PyTorch, into the parameters and buffers.

        Raises
        ------
        ValueError
            If a key is missing or unknown, or a shape differs; nothing is changed then.
        """
        arrays = {key: np.asarray(value) for key, value in state.items()}
        ours = {key: getattr(owner, name) for key, owner, name in self.slots()}
        differences = [
            f"{key}: layer {np.shape(ours[key]) if key in ours else 'has none'}, "
            f"given {np.shape(arrays[key]) if key in arrays else 'has none'}"
            for key in sorted(ours.keys() | arrays.keys())
            if key not in ours or key not in arrays or ours[key].shape != arrays[key].shape
        ]
        if differences:
            raise ValueError(f"the state is another network's; {'; '.join(differences)}")
        for key, owner, name in self.slots():
            setattr(owner, name, arrays[key].astype(ours[key].dtype))

    def train(self, mode=True):
        """Switch to training mode, or with False to evaluation mode; return the layer."""
        for module in {self, *self.modules()}:
            module.training = mode
        return self

    def eval(self):
        """Switch to evaluation mode; return the layer."""
        return self.train(False)

    def double(self):
        """Turn parameters and buffers to float64; return the layer."""
        for _, owner, name in self.slots():
            array = getattr(owner, name)
            if array.dtype == np.float32:
                setattr(owner, name, array.astype(np.float64))
        return self

    def initialize(self, how, generator):
        """Draw new first weights for every layer that has some; return the layer.

        Dropout draws from the same generator afterwards, so that it decides the whole training.

        Parameters
        ----------
        how : {"torch", "he", "xavier"}
            See `lenet_course.scratch.init`. Except with "torch", biases become 0.
        generator : numpy.random.Generator
        """
        if how not in INITIALIZATIONS:
            raise ValueError(f"how={how!r} is unknown; use one of {', '.join(INITIALIZATIONS)}")
        for module in self.modules():
            if isinstance(module, Weighted):
                module.reset_parameters(how, generator)
            if isinstance(module, Dropout):
                module.generator = generator
        return self

    def _forward(self, x):
        raise NotImplementedError(f"{type(self).__name__} defines no _forward")

    def _backward(self, grad_y):
        raise NotImplementedError(f"{type(self).__name__} defines no _backward")

    def _named(self, function, array):
        try:
            return function(array)
        except (TypeError, ValueError, IndexError) as error:
            raise type(error)(f"{self!r}: {error}") from error


def is_parameter(value):
    """Tell whether a value is a `Parameter`."""
    return isinstance(value, Parameter)


class Weighted(Module):
    """A layer with a weight and perhaps a bias."""

    def __init__(self, shape, bias, generator, dtype):
        super().__init__()
        self.weight = Parameter(np.empty(shape, dtype))
        self.bias = Parameter(np.empty(shape[0], dtype)) if bias else None
        self.reset_parameters("torch", generator or np.random.default_rng())

    def reset_parameters(self, how, generator):
        """Draw the first weights; see `Module.initialize`."""
        shape, dtype = self.weight.data.shape, self.weight.data.dtype
        self.weight.data = INITIALIZATIONS[how](shape, generator, dtype)
        if self.bias is not None and how == "torch":
            fan_in = init.fans(shape)[0]
            self.bias.data = init.torch_uniform(shape[:1], generator, dtype, fan_in)
        elif self.bias is not None:
            self.bias.data = np.zeros(shape[0], dtype)

    def _bias(self):
        return None if self.bias is None else self.bias.data

    def _add(self, grad_weight, grad_bias):
        self.weight.add(grad_weight)
        if self.bias is not None:
            self.bias.add(grad_bias)


INITIALIZATIONS = {
    "torch": init.torch_uniform,
    "he": init.kaiming_normal,
    "xavier": init.xavier_normal,
}


class Conv2d(Weighted):
    """Convolution, as `lenet_course.scratch.conv2d`.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or (int, int)
    padding : int, (int, int), "same" or "valid"
    bias : bool
    generator : numpy.random.Generator, optional
        Draws the first weights.
    dtype : numpy dtype

    Examples
    --------
    >>> layer = Conv2d(1, 6, kernel_size=5, padding=2)
    >>> layer(np.zeros((64, 1, 28, 28), np.float32)).shape
    (64, 6, 28, 28)
    """

    shown = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation")

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        bias=True,
        *,
        generator=None,
        dtype=np.float32,
    ):
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride = pair("kernel_size", kernel_size), pair("stride", stride)
        self.dilation = pair("dilation", dilation)
        self.padding = padding if isinstance(padding, str) else pair("padding", padding, least=0)
        super().__init__((out_channels, in_channels, *self.kernel_size), bias, generator, dtype)

    def _forward(self, x):
        self._kept = x
        geometry = self.stride, self.padding, self.dilation
        return scratch.conv2d(x, self.weight.data, self._bias(), *geometry)

    def _backward(self, grad_y):
        geometry = self.stride, self.padding, self.dilation
        grad_x, *grads = scratch.conv2d_backward(grad_y, self._kept, self.weight.data, *geometry)
        self._add(*grads)
        return grad_x


class Linear(Weighted):
    """Fully connected layer, as `lenet_course.scratch.linear`.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    generator : numpy.random.Generator, optional
        Draws the first weights.
    dtype : numpy dtype

    Examples
    --------
    >>> Linear(400, 120)(np.zeros((64, 400), np.float32)).shape
    (64, 120)
    """

    shown = ("in_features", "out_features")

    def __init__(self, in_features, out_features, bias=True, *, generator=None, dtype=np.float32):
        self.in_features, self.out_features = in_features, out_features
        super().__init__((out_features, in_features), bias, generator, dtype)

    def _forward(self, x):
        self._kept = x
        return scratch.linear(x, self.weight.data, self._bias())

    def _backward(self, grad_y):
        grad_x, *grads = scratch.linear_backward(grad_y, self._kept, self.weight.data)
        self._add(*grads)
        return grad_x


class _Pool2d(Module):
    """What both poolings share."""

    shown = ("kernel_size", "stride", "padding")

    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride

    def _geometry(self):
        return self.kernel_size, self.stride, self.padding


class MaxPool2d(_Pool2d):
    """Max pooling, as `lenet_course.scratch.max_pool2d`.

    Parameters
    ----------
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        `kernel_size` if left out.
    padding : int or (int, int)

    Examples
    --------
    >>> MaxPool2d(kernel_size=2)(np.zeros((64, 6, 28, 28), np.float32)).shape
    (64, 6, 14, 14)
    """

    def _forward(self, x):
        self._kept = x
        return scratch.max_pool2d(x, *self._geometry())

    def _backward(self, grad_y):
        return scratch.max_pool2d_backward(grad_y, self._kept, *self._geometry())


class AvgPool2d(_Pool2d):
    """Average pooling, as `lenet_course.scratch.avg_pool2d`.

    Parameters
    ----------
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        `kernel_size` if left out.
    padding : int or (int, int)

    Examples
    --------
    >>> AvgPool2d(kernel_size=2)(np.zeros((64, 6, 28, 28), np.float32)).shape
    (64, 6, 14, 14)
    """

    def _forward(self, x):
        self._kept = x
        return scratch.avg_pool2d(x, *self._geometry())

    def _backward(self, grad_y):
        return scratch.avg_pool2d_backward(grad_y, self._kept, *self._geometry())


class ReLU(Module):
    """max(x, 0), number by number.

    Examples
    --------
    >>> ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    def _forward(self, x):
        self._kept = x
        return scratch.relu(x)

    def _backward(self, grad_y):
        return scratch.relu_backward(grad_y, self._kept)


class Sigmoid(Module):
    """1 / (1 + e^-x), number by number.

    Examples
    --------
    >>> Sigmoid()(np.array([0.0]))
    array([0.5])
    """

    def _forward(self, x):
        self._kept = scratch.sigmoid(x)
        return self._kept

    def _backward(self, grad_y):
        return scratch.sigmoid_backward(grad_y, self._kept)


class Tanh(Module):
    """The hyperbolic tangent, number by number.

    Examples
    --------
    >>> Tanh()(np.array([0.0]))
    array([0.])
    """

    def _forward(self, x):
        self._kept = scratch.tanh(x)
        return self._kept

    def _backward(self, grad_y):
        return scratch.tanh_backward(grad_y, self._kept)


class Flatten(Module):
    """(N, C, H, W) to (N, C · H · W).

    Parameters
    ----------
    start_dim, end_dim : int
        First and last axis to join.

    Examples
    --------
    >>> Flatten()(np.zeros((64, 16, 5, 5))).shape
    (64, 400)
    """

    shown = ("start_dim", "end_dim")

    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def _forward(self, x):
        self._kept = np.shape(x)
        return scratch.flatten(x, self.start_dim, self.end_dim)

    def _backward(self, grad_y):
        return np.reshape(grad_y, self._kept)


class Dropout(Module):
    """In training, set numbers to 0 with probability p and enlarge the others; else do nothing.

    Parameters
    ----------
    p : float
        Probability of a zero, 0 to 1.
    generator : numpy.random.Generator, optional
        Decides which.

    Examples
    --------
    >>> Dropout(0.5, generator=np.random.default_rng(0))(np.ones(6))
    array([2., 2., 2., 0., 0., 0.])
    """

    shown = ("p",)

    def __init__(self, p=0.5, *, generator=None):
        super().__init__()
        self.p, self.generator = p, generator or np.random.default_rng()

    def _forward(self, x):
        if not self.training:
            self._kept = 1
            return x
        self._kept = scratch.dropout_mask(np.shape(x), self.p, self.generator, np.result_type(x))
        return x * self._kept

    def _backward(self, grad_y):
        return grad_y * self._kept


class BatchNorm2d(Module):
    """Batch norm, as `lenet_course.scratch.batch_norm`, with running statistics for evaluation.

    Parameters
    ----------
    num_features : int
        Channels.
    eps : float
    momentum : float
        Weight of a new batch in the running statistics.
    dtype : numpy dtype

    Examples
    --------
    >>> layer = BatchNorm2d(3)
    >>> sorted(layer.state_dict())
    ['bias', 'num_batches_tracked', 'running_mean', 'running_var', 'weight']
    """

    shown = ("num_features", "eps", "momentum")
    buffers = ("running_mean", "running_var", "num_batches_tracked")

    def __init__(self, num_features, eps=1e-5, momentum=0.1, *, dtype=np.float32):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(np.ones(num_features, dtype))
        self.bias = Parameter(np.zeros(num_features, dtype))
        self.running_mean = np.zeros(num_features, dtype)
        self.running_var = np.ones(num_features, dtype)
        self.num_batches_tracked = np.array(0)

    def _forward(self, x):
        stats = self.running_mean, self.running_var
        if self.training:
            stats = scratch.batch_stats(x)
            self._track(*stats, count=x.size // x.shape[1])
        self._kept = x, stats, self.training
        return scratch.batch_norm(x, self.weight.data, self.bias.data, *stats, eps=self.eps)

    def _track(self, mean, var, count):
        """Move the running statistics a little toward those of a batch, as PyTorch does."""
        unbiased = var * (count / (count - 1))
        self.running_mean += self.momentum * (mean - self.running_mean)
        self.running_var += self.momentum * (unbiased - self.running_var)
        self.num_batches_tracked += 1

    def _backward(self, grad_y):
        x, stats, trained = self._kept
        given = () if trained else stats
        grads = scratch.batch_norm_backward(grad_y, x, self.weight.data, *given, eps=self.eps)
        self.weight.add(grads[1])
        self.bias.add(grads[2])
        return grads[0]


class Sequential(Module):
    """Layers one after another.

    Parameters
    ----------
    *layers : Module

    Examples
    --------
    >>> net = Sequential(Flatten(), Linear(784, 10))
    >>> net(np.zeros((64, 1, 28, 28), np.float32)).shape
    (64, 10)
    >>> list(net.state_dict())
    ['1.weight', '1.bias']
    """

    def __init__(self, *layers):
        super().__init__()
        self.layers = layers

    def __repr__(self):
        lines = (f"  ({i}): {layer!r}" for i, layer in enumerate(self.layers))
        return "\n".join(["Sequential(", *lines, ")"])

    def __len__(self):
        return len(self.layers)

    def __getitem__(self, i):
        """Give layer i, or with a slice a network of some layers."""
        return Sequential(*self.layers[i]) if isinstance(i, slice) else self.layers[i]

    def __call__(self, x):
        """Run all layers in order; an error names the layer that failed."""
        for i, layer in enumerate(self.layers):
            try:
                x = layer(x)
            except (TypeError, ValueError, IndexError) as error:
                raise type(error)(f"layer {i}, {error}") from error
        return x

    def backward(self, grad_y):
        """Go back through all layers, the last one first; see `Module.backward`."""
        for i, layer in reversed(list(enumerate(self.layers))):
            try:
                grad_y = layer.backward(grad_y)
            except (TypeError, ValueError, RuntimeError) as error:
                raise type(error)(f"layer {i}, {error}") from error
        return grad_y

    def slots(self):
        """List (key, owner, attribute); the keys begin with the layer's number."""
        return [
            (f"{i}.{key}", owner, name)
            for i, layer in enumerate(self.layers)
            for key, owner, name in layer.slots()
        ]

    def modules(self):
        """List the layers without sublayers."""
        return [module for layer in self.layers for module in layer.modules()]


class CrossEntropyLoss:
    """Mean cross-entropy of scores and labels, as `lenet_course.scratch.cross_entropy`.

    Examples
    --------
    >>> criterion = CrossEntropyLoss()
    >>> print(criterion(np.zeros((1, 2)), [1]).round(4))
    0.6931
    >>> criterion.backward()
    array([[ 0.5, -0.5]])
    """

    def __init__(self):
        self._kept = None

    def __repr__(self):
        return "CrossEntropyLoss()"

    def __call__(self, logits, target):
        """Compute the loss.

        Parameters
        ----------
        logits : array_like of float, shape (N, classes)
        target : array_like of int, shape (N,)

        Raises
        ------
        FloatingPointError
            If the loss is not finite; nothing can be learnt from it.
        ValueError, TypeError, IndexError
            As `lenet_course.scratch.cross_entropy`.
        """
        loss = scratch.cross_entropy(logits, target)
        if not np.isfinite(loss):
            bad = np.flatnonzero(~np.isfinite(logits).all(axis=1))
            raise FloatingPointError(
                f"CrossEntropyLoss: the loss of logits {np.shape(logits)} is {loss}; rows with "
                f"scores that are not finite: {len(bad)}, first {bad[:1]}; try a smaller learning "
                "rate, and check the images for nan"
            )
        self._kept = logits, target
        return loss

    def backward(self):
        """Give the gradient of the last loss with respect to its logits, shape (N, classes)."""
        if self._kept is None:
            raise RuntimeError("CrossEntropyLoss has no loss to go back from; call it first")
        return scratch.cross_entropy_backward(*self._kept)

"""Layers that learn: the names, arguments and state_dict keys of ``torch.nn``, in NumPy.

A training step reads::

    loss = criterion(net(x), y)
    net.backward(criterion.backward())  # fills .grad of every parameter
    optimizer.step()
    optimizer.zero_grad()

What a layer computes, and what it refuses, stands at the function of `lenet_course.scratch` that
has its name; an error also names the layer. Beside PyTorch's arguments a layer takes a
`generator`, which draws its first weights or its dropout (a numpy.random.Generator or a seed),
and the `dtype` of its parameters.
"""

from contextlib import contextmanager
from inspect import getfullargspec

import numpy as np

from lenet_course import scratch
from lenet_course.arguments import real_number, whole_number
from lenet_course.scratch import init
from lenet_course.scratch.arrays import floats, require_shape
from lenet_course.shapes import pair


class Parameter:
    """An array that is learned, `data`, and the gradient of the loss with respect to it, `grad`.

    The gradient is None until a backward pass has filled it. Further passes add to it, as in
    PyTorch, until ``optimizer.zero_grad()``.
    """

    def __init__(self, data):
        self.data, self.grad = data, None

    def __repr__(self):
        return f"Parameter(shape={self.data.shape}, dtype={self.data.dtype})"

    def add(self, grad):
        """Add to the gradient."""
        self.grad = grad if self.grad is None else self.grad + grad


class Module:
    """What all layers share.

    A layer defines ``_forward(x)``, which puts what the backward pass needs into ``self._kept``,
    and ``_backward(grad_output)``, which gives the gradient with respect to x and adds to those
    of the parameters.
    """

    training = True  # whether dropout and batch norm do what they do in training
    buffers = ()  # the attributes that are kept with the weights, but not learned
    layers = ()  # those of a network
    _output_shape = None  # of the last forward pass

    def __repr__(self):
        return f"{type(self).__name__}({self.extra_repr()})"

    def extra_repr(self):
        """Write the arguments that the layer was made with, such as "p=0.5"."""
        values = {name: getattr(self, name, None) for name in getfullargspec(type(self)).args}
        shown = (f"{name}={v}" for name, v in values.items() if not isinstance(v, Parameter | None))
        return ", ".join(shown)

    def __call__(self, x):
        """Run the layer on a batch."""
        self._output_shape = None  # a pass that fails leaves nothing to go back through
        with _naming(self, ": "):
            out = self._forward(np.asarray(x))
        self._output_shape = out.shape
        return out

    def backward(self, grad_output):
        """Go back through the last forward pass, and add to ``.grad`` of every parameter.

        Takes the gradient of the loss with respect to the output, in its shape, and gives that
        with respect to the input.
        """
        if self._output_shape is None:
            raise RuntimeError(f"{self!r} has no forward pass to go back through; call it first")
        with _naming(self, ": "):
            grad_output = np.asarray(grad_output)
            require_shape("grad_output", grad_output, self._output_shape)
            return self._backward(grad_output)

    def modules(self):
        """List this layer, and all layers in it."""
        return [self, *(module for layer in self.layers for module in layer.modules())]

    def _places(self):
        """List (key, owner, attribute) of each array that belongs to the state dict."""
        places = []
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                places.append((name, value, "data"))
            elif name in self.buffers:
                places.append((name, self, name))
        for i, layer in enumerate(self.layers):
            places += [(f"{i}.{key}", *place) for key, *place in layer._places()]
        return places

    def named_parameters(self):
        """List (key, parameter), the keys as in the state dict."""
        return [(key, owner) for key, owner, _ in self._places() if isinstance(owner, Parameter)]

    def parameters(self):
        """List the parameters, for an optimizer."""
        return [parameter for _, parameter in self.named_parameters()]

    def state_dict(self):
        """Copy all parameters and buffers into a dict, under the keys of PyTorch."""
        return {key: getattr(owner, name).copy() for key, owner, name in self._places()}

    def load_state_dict(self, state):
        """Copy arrays, or tensors of PyTorch, into the parameters and buffers.

        Raises
        ------
        ValueError
            If a key is missing or unknown, or an array does not fit; nothing is changed then.
        """
        given = {key: np.asarray(value) for key, value in state.items()}
        ours = {key: getattr(owner, name) for key, owner, name in self._places()}
        differences = [
            f"{key}: layer {_described(ours.get(key))}, given {_described(given.get(key))}"
            for key in sorted(ours.keys() | given.keys())
            if not _fits(given.get(key), ours.get(key))
        ]
        if differences:
            raise ValueError(f"the state is another network's; {'; '.join(differences)}")
        for key, owner, name in self._places():
            setattr(owner, name, given[key].astype(ours[key].dtype))

    def train(self, mode=True):
        """Switch to training mode, or with False to evaluation mode; return the layer."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self):
        """Switch to evaluation mode; return the layer."""
        return self.train(False)

    def double(self):
        """Turn parameters and buffers to float64; return the layer."""
        for _, owner, name in self._places():
            array = getattr(owner, name)
            if np.issubdtype(array.dtype, np.floating):
                setattr(owner, name, array.astype(np.float64))
        return self

    def initialize(self, how, generator):
        """Draw new first weights for every layer that has some; return the layer.

        Dropout draws from the same generator afterwards, so that it decides the whole training.

        Parameters
        ----------
        how : {"torch", "he", "xavier"}
            See `lenet_course.scratch.init`. Except with "torch", biases become 0.
        generator : numpy.random.Generator or seed
        """
        if how not in init.BY_NAME:
            raise ValueError(f"how={how!r} is unknown; use one of {', '.join(init.BY_NAME)}")
        generator = np.random.default_rng(generator)
        for module in self.modules():
            if isinstance(module, _Weighted):
                module.reset_parameters(how, generator)
            if isinstance(module, Dropout):
                module.generator = generator
        return self


@contextmanager
def _naming(*place):
    """Begin the message of an error with where it happened."""
    try:
        yield
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        error.args = ("".join(map(str, (*place, error))),)
        raise


def _fits(array, place):
    if array is None or place is None or array.shape != place.shape:
        return False
    return np.can_cast(array.dtype, place.dtype, "same_kind")


def _described(array):
    return "has none" if array is None else f"{array.dtype} {array.shape}"


class _Weighted(Module):
    """A layer with a weight and perhaps a bias."""

    def __init__(self, shape, bias, generator, dtype):
        self.weight = Parameter(np.empty(shape, dtype))
        self.bias = Parameter(np.empty(shape[0], dtype)) if bias else None
        self.reset_parameters("torch", np.random.default_rng(generator))

    def reset_parameters(self, how, generator):
        """Draw the first weights; see `Module.initialize`."""
        shape, dtype = self.weight.data.shape, self.weight.data.dtype
        self.weight.data = init.BY_NAME[how](shape, generator, dtype)
        if self.bias is not None and how == "torch":
            fan_in, _ = init.fans(shape)
            self.bias.data = init.torch_uniform(shape[:1], generator, dtype, fan_in)
        elif self.bias is not None:
            self.bias.data = np.zeros(shape[0], dtype)

    def _bias(self):
        return None if self.bias is None else self.bias.data

    def _add(self, grad_weight, grad_bias):
        self.weight.add(grad_weight)
        if self.bias is not None:
            self.bias.add(grad_bias)


class Conv2d(_Weighted):
    """Convolution.

    Examples
    --------
    >>> layer = Conv2d(1, 6, kernel_size=5, padding=2)
    >>> layer(np.zeros((64, 1, 28, 28), np.float32)).shape
    (64, 6, 28, 28)
    """

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
        self.in_channels = whole_number("in_channels", in_channels)
        self.out_channels = whole_number("out_channels", out_channels)
        self.kernel_size, self.stride = pair("kernel_size", kernel_size), pair("stride", stride)
        self.padding = padding if isinstance(padding, str) else pair("padding", padding, least=0)
        self.dilation = pair("dilation", dilation)
        super().__init__((out_channels, in_channels, *self.kernel_size), bias, generator, dtype)

    def _forward(self, x):
        self._kept = x
        return scratch.conv2d(x, self.weight.data, self._bias(), *self._geometry())

    def _backward(self, grad_output):
        grad_x, *grads = scratch.conv2d_backward(
            grad_output, self._kept, self.weight.data, *self._geometry()
        )
        self._add(*grads)
        return grad_x

    def _geometry(self):
        return self.stride, self.padding, self.dilation


class Linear(_Weighted):
    """Fully connected layer."""

    def __init__(self, in_features, out_features, bias=True, *, generator=None, dtype=np.float32):
        self.in_features = whole_number("in_features", in_features)
        self.out_features = whole_number("out_features", out_features)
        super().__init__((out_features, in_features), bias, generator, dtype)

    def _forward(self, x):
        self._kept = x
        return scratch.linear(x, self.weight.data, self._bias())

    def _backward(self, grad_output):
        grad_x, *grads = scratch.linear_backward(grad_output, self._kept, self.weight.data)
        self._add(*grads)
        return grad_x


class _Pool2d(Module):
    """What both poolings share; the stride is `kernel_size` if left out."""

    def __init__(self, kernel_size, stride=None, padding=0):
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        for name, least in (("kernel_size", 1), ("stride", 1), ("padding", 0)):
            pair(name, getattr(self, name), least)  # refuses what is no size

    def _forward(self, x):
        self._kept = x, self.kernel_size, self.stride, self.padding
        return self._functions[0](*self._kept)

    def _backward(self, grad_output):
        return self._functions[1](grad_output, *self._kept)


class MaxPool2d(_Pool2d):
    """Max pooling."""

    _functions = scratch.max_pool2d, scratch.max_pool2d_backward


class AvgPool2d(_Pool2d):
    """Average pooling."""

    _functions = scratch.avg_pool2d, scratch.avg_pool2d_backward


class _Activation(Module):
    """A function of every number alone, whose slope follows from its output."""

    def _forward(self, x):
        self._kept = self._functions[0](x)
        return self._kept

    def _backward(self, grad_output):
        return self._functions[1](grad_output, self._kept)


class ReLU(_Activation):
    """max(x, 0)."""

    _functions = scratch.relu, scratch.relu_backward  # out > 0 where x > 0


class Sigmoid(_Activation):
    """1 / (1 + e^-x)."""

    _functions = scratch.sigmoid, scratch.sigmoid_backward


class Tanh(_Activation):
    """The hyperbolic tangent."""

    _functions = scratch.tanh, scratch.tanh_backward


class Flatten(Module):
    """(N, C, H, W) to (N, C · H · W): the axes from `start_dim` to `end_dim` become one."""

    def __init__(self, start_dim=1, end_dim=-1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def _forward(self, x):
        self._kept = x.shape
        return scratch.flatten(x, self.start_dim, self.end_dim)

    def _backward(self, grad_output):
        return grad_output.reshape(self._kept)


class Dropout(Module):
    """In training, set numbers to 0 with probability p and enlarge the others; else do nothing.

    Examples
    --------
    >>> Dropout(0.5, generator=np.random.default_rng(0))(np.ones(6))
    array([2., 2., 2., 0., 0., 0.])
    """

    def __init__(self, p=0.5, *, generator=None):
        self.p = _share("p", p)
        self.generator = np.random.default_rng(generator)

    def _forward(self, x):
        (x,) = floats(x=x)
        self._kept = 1
        if self.training:
            self._kept = scratch.dropout_mask(x.shape, self.p, self.generator, x.dtype)
        return x * self._kept

    def _backward(self, grad_output):
        return grad_output * self._kept


class BatchNorm2d(Module):
    """Batch norm, with running statistics for evaluation.

    In training, each batch moves the running statistics toward its own by the share `momentum`.
    """

    buffers = ("running_mean", "running_var", "num_batches_tracked")

    def __init__(self, num_features, eps=1e-5, momentum=0.1, *, dtype=np.float32):
        self.num_features = whole_number("num_features", num_features)
        self.eps, self.momentum = real_number("eps", eps), _share("momentum", momentum)
        self.weight = Parameter(np.ones(num_features, dtype))
        self.bias = Parameter(np.zeros(num_features, dtype))
        self.running_mean = np.zeros(num_features, dtype)
        self.running_var = np.ones(num_features, dtype)
        self.num_batches_tracked = np.array(0)

    def _forward(self, x):
        stats = self.running_mean, self.running_var
        if self.training:
            stats = scratch.batch_stats(x)
        out = scratch.batch_norm(x, self.weight.data, self.bias.data, *stats, eps=self.eps)
        self._kept = x, () if self.training else stats
        if self.training:  # now that nothing can fail
            self._track(*stats, count=x.size // x.shape[1])
        return out

    def _track(self, mean, var, count):
        """Move the running statistics a little toward those of a batch, as PyTorch does."""
        unbiased = var * (count / (count - 1))
        self.running_mean = self.running_mean + self.momentum * (mean - self.running_mean)
        self.running_var = self.running_var + self.momentum * (unbiased - self.running_var)
        self.num_batches_tracked += 1

    def _backward(self, grad_output):
        x, stats = self._kept
        grad_x, grad_weight, grad_bias = scratch.batch_norm_backward(
            grad_output, x, self.weight.data, *stats, eps=self.eps
        )
        self.weight.add(grad_weight)
        self.bias.add(grad_bias)
        return grad_x


def _share(name, value):
    if real_number(name, value) > 1:
        raise ValueError(f"{name}={value} is too large; use a share from 0 to 1")
    return float(value)


class Sequential(Module):
    """Layers one after another; ``net[i]`` is a layer and ``net[i:j]`` a network of some.

    Examples
    --------
    >>> net = Sequential(Flatten(), Linear(784, 10))
    >>> net(np.zeros((64, 1, 28, 28), np.float32)).shape
    (64, 10)
    >>> list(net.state_dict())
    ['1.weight', '1.bias']
    """

    def __init__(self, *layers):
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise TypeError(
                    f"layer {i} is a {type(layer).__name__}, not a layer of scratch.nn; "
                    "a list of layers goes in with a star: Sequential(*layers)"
                )
        self.layers = layers
        if len(set(self.modules())) < len(self.modules()):
            raise ValueError(
                "a layer stands in two places, but keeps what the backward pass needs for one; "
                "make a layer for each place"
            )

    def __repr__(self):
        lines = (f"  ({i}): {layer!r}" for i, layer in enumerate(self.layers))
        return "\n".join(["Sequential(", *lines, ")"])

    def __len__(self):
        return len(self.layers)

    def __getitem__(self, i):
        return Sequential(*self.layers[i]) if isinstance(i, slice) else self.layers[i]

    def __call__(self, x):
        """Run all layers in order."""
        for i, layer in enumerate(self.layers):
            with _naming(f"layer {i}, "):
                x = layer(x)
        return x

    def backward(self, grad_output):
        """Go back through all layers, the last one first; see `Module.backward`."""
        for i, layer in reversed(list(enumerate(self.layers))):
            with _naming(f"layer {i}, "):
                grad_output = layer.backward(grad_output)
        return grad_output


class CrossEntropyLoss:
    """Mean cross-entropy of scores and labels.

    Examples
    --------
    >>> criterion = CrossEntropyLoss()
    >>> print(criterion(np.zeros((1, 2)), [1]).round(4))
    0.6931
    >>> criterion.backward()
    array([[ 0.5, -0.5]])
    """

    _kept = None

    def __repr__(self):
        return "CrossEntropyLoss()"

    def __call__(self, logits, target):
        """Compute the loss of logits (N, classes) and labels (N,).

        Raises
        ------
        FloatingPointError
            If the loss is not finite; nothing can be learned from it.
        """
        self._kept = None
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

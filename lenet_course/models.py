"""The networks of the course in PyTorch, and the table of their layers."""

import re
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
DEFAULTS = (
    ", stride=1",
    ", padding=0",
    ", dilation=1",
    ", ceil_mode=False",
    ", bias=True",
    ", eps=1e-05",
    ", momentum=0.1",
    ", affine=True",
    ", track_running_stats=True",
    ", inplace=False",
    "start_dim=1, end_dim=-1",
    "in_features=",
    "out_features=",
)
POOLINGS = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


def lenet(in_channels=1, classes=10, activation="relu", pooling="max", seed=None):
    """LeNet for 28×28 images: 6 and 16 feature maps, then 120, 84 and `classes` units.

    Parameters
    ----------
    in_channels : int
        Channels of the images: 1 for grayscale, 3 for RGB.
    classes : int
        Number of scores per image.
    activation : {"relu", "sigmoid", "tanh"}
        The nonlinearity after each layer but the last.
    pooling : {"max", "average"}
        How each 2×2 window is reduced to one number.
    seed : int, optional
        Makes the initial weights reproducible. Without it they come from PyTorch's global
        generator. PyTorch's default initialization is used either way.

    Returns
    -------
    torch.nn.Sequential
        Maps images (N, in_channels, 28, 28) to logits (N, classes). With the defaults it has
        61,706 parameters.

    Raises
    ------
    ValueError
        If `activation` or `pooling` is not one of the names above.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner (1998), "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11). The departures from it are listed in the
    chapter on LeNet.

    Examples
    --------
    >>> net = lenet(seed=0)
    >>> net(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    act = _choose("activation", activation, ACTIVATIONS)
    pool = _choose("pooling", pooling, POOLINGS)
    with _seeded(seed):
        return nn.Sequential(
            nn.Conv2d(in_channels, 6, kernel_size=5, padding=2),
            act(),
            pool(kernel_size=2),
            nn.Conv2d(6, 16, kernel_size=5),
            act(),
            pool(kernel_size=2),
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            act(),
            nn.Linear(120, 84),
            act(),
            nn.Linear(84, classes),
        )


def cifar_lenet(in_channels=3, classes=10, width=1, batch_norm=False, dropout=0.0, seed=None):
    """LeNet's plan for 32×32 images: two 3×3 convolutions with pooling, then three linear layers.

    Parameters
    ----------
    in_channels : int
        Channels of the images: 1 for grayscale, 3 for RGB.
    classes : int
        Number of scores per image.
    width : float
        Multiplies the number of feature maps and of hidden units: 16, 32, 224 and 96 by default.
    batch_norm : bool
        Normalize after each convolution, which then has no bias of its own.
    dropout : float
        Share of the values that are set to zero before each hidden linear layer in training,
        from 0 up to but without 1. The scores are never dropped.
    seed : int, optional
        Makes the initial weights reproducible. Without it they come from PyTorch's global
        generator. PyTorch's default initialization is used either way.

    Returns
    -------
    torch.nn.Sequential
        Maps images (N, in_channels, 32, 32) to logits (N, classes). With the defaults it has
        379,114 parameters.

    Raises
    ------
    ValueError
        If a number of channels, of classes or of units would be below 1, or `dropout` is outside
        its range.

    Notes
    -----
    The first convolution is padded, so that 32×32 stays 32×32; the second is not, so that 16×16
    becomes 14×14. The sizes 16-32-224-96 are those that many tutorials on CIFAR-10 use.

    Examples
    --------
    >>> net = cifar_lenet(seed=0)
    >>> net(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """
    first, second, hidden, last = (round(width * n) for n in (16, 32, 224, 96))
    if min(in_channels, classes, first) < 1:
        raise ValueError(
            "in_channels, classes and the feature maps must be at least 1, "
            f"got in_channels={in_channels}, classes={classes}, width={width}"
        )
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be a share from 0 up to but without 1, got {dropout}")

    def block(channels, maps, padding):
        norm = [nn.BatchNorm2d(maps)] if batch_norm else []
        conv = nn.Conv2d(channels, maps, kernel_size=3, padding=padding, bias=not batch_norm)
        return [conv, *norm, nn.ReLU(), nn.MaxPool2d(kernel_size=2)]

    def drop():
        return [nn.Dropout(dropout)] if dropout else []

    with _seeded(seed):
        return nn.Sequential(
            *block(in_channels, first, padding=1),
            *block(first, second, padding=0),
            nn.Flatten(),
            *drop(),
            nn.Linear(second * 7 * 7, hidden),
            nn.ReLU(),
            *drop(),
            nn.Linear(hidden, last),
            nn.ReLU(),
            nn.Linear(last, classes),
        )


@dataclass(frozen=True)
class LayerRow:
    """One line of a layer table.

    Attributes
    ----------
    name : str
        The layer's key in the model's state dict, such as "0" for ``0.weight``.
    layer : str
        The layer with its arguments.
    shape : tuple of int
        Shape of the layer's output, batch axis left out.
    parameters : int
        Number of weights and biases in the layer itself.
    """

    name: str
    layer: str
    shape: tuple
    parameters: int


@dataclass(frozen=True)
class LayerTable:
    """What a network does to one image's shape, layer by layer; prints as a table.

    Attributes
    ----------
    input_shape : tuple of int
        Shape of one image, (C, H, W).
    rows : tuple of LayerRow
        One row per layer without sublayers, in the order in which they run.
    """

    input_shape: tuple
    rows: tuple

    @property
    def parameters(self):
        """Number of parameters in all rows together."""
        return sum(row.parameters for row in self.rows)

    def __str__(self):
        cells = [("layer", "output shape", "parameters"), ("input", _times(self.input_shape), "")]
        cells += [(row.layer, _times(row.shape), f"{row.parameters:,}") for row in self.rows]
        cells += [("total", "", f"{self.parameters:,}")]
        widths = [max(len(line[i]) for line in cells) for i in range(3)]
        lines = [
            f"{a:{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in cells
        ]
        rule = "─" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    __repr__ = __str__


def layer_table(model, input_shape):
    """Run one blank image through a model and note each layer's output shape and parameters.

    Parameters
    ----------
    model : torch.nn.Module
        Any model that takes a batch of images. Its weights and its mode are left as they are.
    input_shape : tuple of int
        Shape (C, H, W) of one image, without the batch axis.

    Returns
    -------
    LayerTable

    Raises
    ------
    ValueError
        If `input_shape` is not three positive integers, or if the model cannot take such an
        image; the message then names the layer that failed and the shape that reached it.

    Examples
    --------
    >>> layer_table(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), (1, 2, 2))
    layer         output shape  parameters
    ──────────────────────────────────────
    input                1×2×2
    Flatten()                4           0
    Linear(4, 2)             2          10
    ──────────────────────────────────────
    total                               10
    """
    if len(input_shape) != 3 or any(not isinstance(n, int) or n < 1 for n in input_shape):
        raise ValueError(
            f"input_shape must be (C, H, W), three positive integers, got {input_shape}; "
            "leave the batch axis out"
        )
    rows, entered, hooks = [], [], []

    def enter(layer, inputs):
        entered.append((_title(layer), tuple(inputs[0].shape[1:])))

    def leave(name):
        def note(layer, inputs, output):
            count = sum(p.numel() for p in layer.parameters())
            rows.append(LayerRow(name, _title(layer), tuple(output.shape[1:]), count))

        return note

    for name, layer in model.named_modules():
        if not list(layer.children()):
            hooks += [
                layer.register_forward_pre_hook(enter),
                layer.register_forward_hook(leave(name)),
            ]
    training = model.training
    try:
        model.eval()  # a blank image must not move the running statistics of a batch norm
        parameter = next(model.parameters(), torch.zeros(()))
        with torch.no_grad():
            model(parameter.new_zeros(1, *input_shape))
    except RuntimeError as error:
        layer, shape = entered[-1]
        raise ValueError(
            f"{layer} cannot take an input of shape {_times(shape)}: {error}"
        ) from error
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return LayerTable(tuple(input_shape), tuple(rows))


def _choose(what, name, choices):
    if name not in choices:
        raise ValueError(f"{what} must be one of {', '.join(choices)}, got {name!r}")
    return choices[name]


@contextmanager
def _seeded(seed):
    """Draw initial weights from `seed` without disturbing the global generator."""
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        yield


def _title(layer):
    """Write a layer as one would: equal pairs as one number, defaults left out."""
    text = re.sub(r"\((\d+), \1\)", r"\1", " ".join(repr(layer).split()))
    for default in DEFAULTS:
        text = text.replace(default, "")
    return text


def _times(shape):
    return "×".join(str(n) for n in shape)

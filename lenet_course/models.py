"""The networks of the course, each written once, and the table of a network's layers.

`lenet`, `deep` and `shallow` can be built with ``torch.nn`` and, from the same lines, with
``lenet_course.scratch.nn`` in NumPy; weights move between the two by their state dicts. Each
network maps a batch of images (N, C, H, W) to logits (N, classes).

Weights are drawn by PyTorch's default rule. A `seed`, a whole number from 0, makes them
reproducible and changes no other random number: PyTorch draws as after
``torch.manual_seed(seed)``, the NumPy network from ``np.random.default_rng(seed)``, dropout
included. Without a seed PyTorch takes its global generator, NumPy a fresh one. So one seed gives
the same network again, but the two libraries give two different ones.
"""

import math
import re
from functools import partial

import numpy as np
import pandas as pd
import torch

from lenet_course.arguments import real_number, whole_number

ACTIVATIONS = {"relu": "ReLU", "sigmoid": "Sigmoid", "tanh": "Tanh"}
POOLINGS = {"max": "MaxPool2d", "average": "AvgPool2d"}
LARGEST_IMAGE = 10_000_000  # numbers in the image that layer_table makes
LEFT_OUT = re.compile(  # of a layer's repr: PyTorch's defaults, and names that go without saying
    r", (stride=1|padding=0|dilation=1|ceil_mode=False|bias=True|eps=1e-05|momentum=0\.1"
    r"|affine=True|track_running_stats=True|inplace=False)(?=[,)])"
    r"|start_dim=1, end_dim=-1|in_features=|out_features=|kernel_size="
)


def lenet(in_channels=1, classes=10, activation="relu", pooling="max", seed=None, *, nn=torch.nn):
    """LeNet for 28×28 images: 6 and 16 feature maps, then 120, 84 and `classes` units.

    With the defaults it has 61,706 parameters. The plan is that of LeCun, Bottou, Bengio, Haffner
    (1998), "Gradient-based learning applied to document recognition", Proceedings of the IEEE
    86(11); the chapter on LeNet lists the departures.

    Parameters
    ----------
    in_channels : int
        1 for grayscale, 3 for RGB.
    classes : int
    activation : {"relu", "sigmoid", "tanh"}
        The nonlinearity after each layer but the last.
    pooling : {"max", "average"}
        How each 2×2 window is reduced to one number.
    seed : int, optional
    nn : module
        ``torch.nn`` or ``lenet_course.scratch.nn``.

    Examples
    --------
    >>> lenet(seed=0)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    in_channels = whole_number("in_channels", in_channels)
    classes = whole_number("classes", classes)
    act = getattr(nn, _choose("activation", activation, ACTIVATIONS))
    pool = getattr(nn, _choose("pooling", pooling, POOLINGS))
    return _seeded(
        seed,
        lambda: nn.Sequential(
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
        ),
    )


def deep(seed=None, *, nn=torch.nn):
    """Six 3×3 convolutions for 28×28 gray images, in pairs with pooling after each.

    It has 101,152 parameters and 10 classes. The plan is that of Simonyan, Zisserman (2015), "Very
    deep convolutional networks for large-scale image recognition", ICLR, made small. For `seed`
    and `nn` see `lenet`.
    """

    def pair(channels, maps):
        return [
            nn.Conv2d(channels, maps, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(maps, maps, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2),
        ]

    return _seeded(
        seed,
        lambda: nn.Sequential(*pair(1, 16), *pair(16, 32), *pair(32, 64), *_head(nn)),
    )


def shallow(seed=None, *, nn=torch.nn):
    """`deep` with one 5×5 convolution for each pair of 3×3: the same view from half the depth.

    It has 93,872 parameters.
    """

    def single(channels, maps):
        conv = nn.Conv2d(channels, maps, kernel_size=5, padding=2)
        return [conv, nn.ReLU(), nn.MaxPool2d(kernel_size=2)]

    return _seeded(
        seed,
        lambda: nn.Sequential(*single(1, 16), *single(16, 32), *single(32, 64), *_head(nn)),
    )


def _head(nn):
    return [
        nn.Flatten(),
        nn.Linear(64 * 3 * 3, 50),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(50, 10),
    ]


def cifar_lenet(in_channels=3, classes=10, width=1, batch_norm=False, dropout=0.0, seed=None):
    """LeNet's plan for 32×32 images: two 3×3 convolutions with pooling, then three linear layers.

    With the defaults it has 379,114 parameters. The first convolution is padded and keeps 32×32;
    the second is not and turns 16×16 into 14×14. Many tutorials on CIFAR-10 use these sizes.

    Parameters
    ----------
    in_channels, classes : int
    width : float
        Multiplies the number of feature maps and of hidden units: 16, 32, 224 and 96 by default.
    batch_norm : bool
        Normalize after each convolution, which then has no bias of its own.
    dropout : float
        Share of the values that are set to zero before each hidden linear layer in training,
        from 0 up to but without 1. The logits are never dropped.
    seed : int, optional
    """
    nn = torch.nn
    in_channels = whole_number("in_channels", in_channels)
    classes = whole_number("classes", classes)
    width = real_number("width", width, least=1 / 16)  # below, no feature map would be left
    dropout = real_number("dropout", dropout, below=1)
    first, second, hidden, last = (round(width * n) for n in (16, 32, 224, 96))

    def block(channels, maps, padding):
        norm = [nn.BatchNorm2d(maps)] if batch_norm else []
        conv = nn.Conv2d(channels, maps, kernel_size=3, padding=padding, bias=not batch_norm)
        return [conv, *norm, nn.ReLU(), nn.MaxPool2d(kernel_size=2)]

    def drop():
        return [nn.Dropout(dropout)] if dropout else []

    return _seeded(
        seed,
        lambda: nn.Sequential(
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
        ),
    )


def layer_table(model, input_shape):
    """Run one blank image through a PyTorch model; tell each layer's output shape and parameters.

    Parameters
    ----------
    model : torch.nn.Module
        Its weights and its mode are left as they are.
    input_shape : tuple of int
        Shape (C, H, W) of one image, without the batch axis.

    Returns
    -------
    pandas.DataFrame
        Columns "layer", "output shape" (a tuple without the batch axis) and "parameters". One row
        for each layer without sublayers in the order in which they run, named as in the state
        dict ("0" for ``0.weight``), between a row "input" and a row "total", which counts each
        parameter of the model once.

    Raises
    ------
    ValueError
        If the model cannot take such an image; the message names the layer that failed and the
        shape that reached it.

    Examples
    --------
    >>> layer_table(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2)), (1, 2, 2))
                  layer output shape  parameters
    input                  (1, 2, 2)           0
    0         Flatten()         (4,)           0
    1      Linear(4, 2)         (2,)          10
    total                                     10
    """
    image = _blank_image(model, input_shape)
    running, hooks = [], []
    rows = [("input", "", tuple(image.shape[1:]), 0)]

    def enter(layer, inputs):
        running.append((_title(layer), tuple(inputs[0].shape[1:])))

    def leave(name, layer, inputs, output):
        rows.append((name, running.pop()[0], tuple(output.shape[1:]), _count(layer)))

    for name, layer in model.named_modules():
        if not list(layer.children()):
            hooks.append(layer.register_forward_pre_hook(enter))
            hooks.append(layer.register_forward_hook(partial(leave, name)))
    training = model.training
    try:
        model.eval()  # a blank image must not move the running statistics of a batch norm
        with torch.no_grad():
            model(image)
    except (RuntimeError, ValueError) as error:
        if not running:  # no layer failed, but the model's own code
            raise
        title, shape = running[-1]
        raise ValueError(f"{title} cannot take an input of shape {shape}: {error}") from error
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    rows.append(("total", "", "", _count(model)))
    names, *columns = zip(*rows, strict=True)
    titles = ("layer", "output shape", "parameters")
    return pd.DataFrame(dict(zip(titles, columns, strict=True)), index=names)


def _blank_image(model, input_shape):
    if np.size(input_shape) != 3:
        raise ValueError(f"input_shape={input_shape} is not (C, H, W); leave the batch axis out")
    shape = [
        whole_number(f"{axis} in input_shape", n)
        for axis, n in zip("CHW", input_shape, strict=True)
    ]
    if math.prod(shape) > LARGEST_IMAGE:
        raise ValueError(
            f"an image of shape {tuple(shape)} has {math.prod(shape):,} numbers, and it would "
            f"really be run through the model; give a shape of at most {LARGEST_IMAGE:,}"
        )
    return next(model.parameters(), torch.zeros(())).new_zeros(1, *shape)


def _choose(what, name, choices):
    if name not in choices:
        raise ValueError(f"{what} must be one of {', '.join(choices)}, got {name!r}")
    return choices[name]


def _seeded(seed, build):
    """Build a network whose weights a seed decides, as the module's docstring says."""
    if seed is None:
        return build()
    seed = whole_number("seed", seed, least=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = build()
    if not isinstance(net, torch.nn.Module):
        net.initialize("torch", np.random.default_rng(seed))
    return net


def _title(layer):
    """Write a layer as one would: equal pairs as one number, defaults left out."""
    return LEFT_OUT.sub("", re.sub(r"\((\d+), \1\)", r"\1", " ".join(repr(layer).split())))


def _count(model):
    return sum(p.numel() for p in model.parameters())

"""The table of a network's layers, and how many multiplications it takes."""

import math
import re
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from lenet_course.arguments import whole_number

LARGEST_IMAGE = 10_000_000  # numbers in the image that layer_table makes
LEFT_OUT = re.compile(  # of a layer's repr: PyTorch's defaults, and names that go without saying
    r", (stride=1|padding=0|dilation=1|ceil_mode=False|bias=True|eps=1e-05|momentum=0\.1"
    r"|affine=True|track_running_stats=True|inplace=False)(?=[,)])"
    r"|start_dim=1, end_dim=-1|in_features=|out_features=|kernel_size="
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
    >>> from torch import nn
    >>> layer_table(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), (1, 2, 2))
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


def multiplications(model, input_shape):
    """Count the multiplications of convolutions and linear layers for one image, forward.

    Each goes with an addition. Training takes about three times as many: backward, one product as
    large gives the gradient of the weights, another that of the input. `input_shape` is as in
    `layer_table`.

    Examples
    --------
    >>> from torch import nn
    >>> multiplications(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), (1, 2, 2))
    8
    """
    image, training = _blank_image(model, input_shape), model.training
    try:
        model.eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(image)
    finally:
        model.train(training)
    return counter.get_total_flops() // 2


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


def _title(layer):
    """Write a layer as one would: equal pairs as one number, defaults left out."""
    return LEFT_OUT.sub("", re.sub(r"\((\d+), \1\)", r"\1", " ".join(repr(layer).split())))


def _count(model):
    return sum(p.numel() for p in model.parameters())

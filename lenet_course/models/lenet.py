"""LeNet for gray 28×28 images, and its plan for the 32×32 color images of CIFAR-10."""

import torch

from lenet_course.arguments import real_number, whole_number
from lenet_course.models.build import choose, seeded

ACTIVATIONS = {"relu": "ReLU", "sigmoid": "Sigmoid", "tanh": "Tanh"}
POOLINGS = {"max": "MaxPool2d", "average": "AvgPool2d"}


def lenet(
    in_channels=1,
    classes=10,
    activation="relu",
    pooling="max",
    seed=None,
    *,
    batch_norm=False,
    nn=torch.nn,
):
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
    batch_norm : bool
        Normalize after each convolution, which then has no bias of its own: 22 parameters more.
    nn : module
        ``torch.nn`` or ``lenet_course.scratch.nn``.

    Examples
    --------
    >>> lenet(seed=0)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    in_channels = whole_number("in_channels", in_channels)
    classes = whole_number("classes", classes)
    act = getattr(nn, choose("activation", activation, ACTIVATIONS))
    pool = getattr(nn, choose("pooling", pooling, POOLINGS))

    def block(channels, maps, padding):
        norm = [nn.BatchNorm2d(maps)] if batch_norm else []
        conv = nn.Conv2d(channels, maps, kernel_size=5, padding=padding, bias=not batch_norm)
        return [conv, *norm, act(), pool(kernel_size=2)]

    return seeded(
        seed,
        lambda: nn.Sequential(
            *block(in_channels, 6, padding=2),
            *block(6, 16, padding=0),
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            act(),
            nn.Linear(120, 84),
            act(),
            nn.Linear(84, classes),
        ),
    )


def cifar_lenet(in_channels=3, width=1, batch_norm=False, dropout=0.0, seed=None):
    """LeNet's plan for 32×32 images of 10 classes: two convolutions, then three linear layers.

    With the defaults it has 379,114 parameters. The convolutions are 3×3, each with pooling; the
    first is padded and keeps 32×32, the second is not and turns 16×16 into 14×14. Many tutorials
    on CIFAR-10 use these sizes.

    Parameters
    ----------
    in_channels : int
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
    width = real_number("width", width, least=1 / 16)  # below, no feature map would be left
    dropout = real_number("dropout", dropout, below=1)
    first, second, hidden, last = (round(width * n) for n in (16, 32, 224, 96))

    def block(channels, maps, padding):
        norm = [nn.BatchNorm2d(maps)] if batch_norm else []
        conv = nn.Conv2d(channels, maps, kernel_size=3, padding=padding, bias=not batch_norm)
        return [conv, *norm, nn.ReLU(), nn.MaxPool2d(kernel_size=2)]

    def drop():
        return [nn.Dropout(dropout)] if dropout else []

    return seeded(
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
            nn.Linear(last, 10),
        ),
    )

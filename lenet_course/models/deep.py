"""A deeper network for gray 28×28 images, and the shallow one that it is compared with."""

import torch

from lenet_course.models.build import seeded


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

    return seeded(
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

    return seeded(
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

"""A small network of inception blocks: branches side by side, with 1×1 convolutions before them."""

import torch
from torch import nn

from lenet_course.arguments import whole_number
from lenet_course.models.build import seeded

WIDTH = 64  # maps of each block of the small network


class Inception(nn.Module):
    """Four branches on the same maps, whose results are put one behind the other.

    A 1×1 convolution; a 3×3 and a 5×5 one, each behind a 1×1 that leaves `narrow` maps for it; a
    3×3 max pooling with a 1×1 behind it. Each convolution has batch norm and ReLU, and every
    branch gives a quarter of the maps. The plan is that of Szegedy et al. (2015), "Going deeper
    with convolutions", CVPR, whose branches had sizes of their own.

    Parameters
    ----------
    in_channels : int
    maps : int
        Maps that come out, (N, maps, H, W); a multiple of 4.
    narrow : int
        Maps that the two large kernels see.
    """

    def __init__(self, in_channels, maps, narrow):
        super().__init__()
        maps = whole_number("maps", maps)
        if maps % 4:
            raise ValueError(f"maps={maps} is not a multiple of 4; each branch gives a quarter")
        share = maps // 4
        self.branches = nn.ModuleList(
            [
                nn.Sequential(*convolution(in_channels, share, 1)),
                nn.Sequential(*convolution(in_channels, narrow, 1), *convolution(narrow, share, 3)),
                nn.Sequential(*convolution(in_channels, narrow, 1), *convolution(narrow, share, 5)),
                nn.Sequential(
                    nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
                    *convolution(in_channels, share, 1),
                ),
            ]
        )

    def forward(self, x):
        """Run each branch on x (N, C, H, W) and stack their maps."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def convolution(in_channels, maps, kernel_size):
    """List a convolution that keeps the size, its batch norm and its ReLU."""
    pad = kernel_size // 2
    conv = nn.Conv2d(in_channels, maps, kernel_size, padding=pad, bias=False)
    return [conv, nn.BatchNorm2d(maps), nn.ReLU()]


def small_inception(branches=True, seed=None):
    """Three inception blocks of 64 maps for 32×32 color images of 10 classes.

    The first convolution has half as many maps, and a quarter is left for the large kernels.

    Parameters
    ----------
    branches : bool
        Without them each block is one 5×5 convolution with as many maps.
    seed : int, optional
    """

    def block(in_channels):
        if branches:
            return [Inception(in_channels, WIDTH, narrow=WIDTH // 4)]
        return convolution(in_channels, WIDTH, 5)

    return seeded(
        seed,
        lambda: nn.Sequential(
            *convolution(3, WIDTH // 2, 3),
            nn.MaxPool2d(kernel_size=2),
            *block(WIDTH // 2),
            nn.MaxPool2d(kernel_size=2),
            *block(WIDTH),
            *block(WIDTH),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(WIDTH, 10),
        ),
    )

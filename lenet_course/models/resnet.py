"""Residual networks for 32×32 color images, and a first layer computed from the images."""

import torch
from torch import nn
from torch.nn import functional as F

from lenet_course.arguments import whole_number
from lenet_course.models.build import seeded


class Residual(nn.Module):
    """Add what a body computes to what it was given: ``shortcut(x) + body(x)``.

    The shortcut, by default x as it is, must give the shape that the body gives.
    """

    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body = body
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def forward(self, x):
        """Map (N, C, H, W) to the shape that the body gives."""
        return self.shortcut(x) + self.body(x)


class Halved(nn.Module):
    """Take every second row and column, and add channels of zeros: a shortcut without weights."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        """Map (N, C, H, W) to (N, channels, H/2, W/2), rounded up."""
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.channels - x.shape[1]))

    def extra_repr(self):
        """Show the number of channels."""
        return str(self.channels)


class Scaled(nn.Module):
    """Multiply by a number that does not learn."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        """Keep the shape."""
        return self.factor * x

    def extra_repr(self):
        """Show the number."""
        return str(self.factor)


def resnet(widths=(64, 128, 256), seed=None):
    """Build a small residual network for 32×32 color images of 10 classes, fast to train on a CPU.

    A 2×2 convolution with 24 feature maps, which `whiten` can set and freeze. Then for each width
    a 3×3 convolution, pooling, and a residual 3×3 convolution on the pooled, four times smaller
    maps. The largest value of each map gives the logits, which are divided by 8 to start small.
    With the defaults it has 1,161,282 parameters. The plan follows those of D. Page (2018), "How
    to train your ResNet", and K. Jordan (2024), "94% on CIFAR-10 in 3.29 seconds on a single GPU".

    Parameters
    ----------
    widths : sequence of int
        Feature maps after each of the halvings, at most four for an image of 32×32.
    seed : int, optional
    """
    widths = [whole_number("each of the widths", width) for width in widths]

    def block(channels, maps):
        return [
            *(_conv(channels, maps), nn.MaxPool2d(2), nn.BatchNorm2d(maps), nn.ReLU()),
            Residual(nn.Sequential(_conv(maps, maps), nn.BatchNorm2d(maps), nn.ReLU())),
        ]

    def build():
        layers, channels = [nn.Conv2d(3, 24, kernel_size=2), nn.ReLU()], 24
        for maps in widths:
            layers += block(channels, maps)
            channels = maps
        head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, 10), Scaled(1 / 8)]
        return nn.Sequential(*layers, *head)

    return seeded(seed, build)


def resnet20(width=16, residual=True, batch_norm=True, seed=None):
    """Build the network of 20 layers for CIFAR-10 of He, Zhang, Ren, Sun (2016), or its plain twin.

    One 3×3 convolution, then three stages of six with `width`, 2 · `width` and 4 · `width` feature
    maps, the mean of each map and a linear layer. Each pair of convolutions has a shortcut, which
    has no weights: both twins have the same parameters, 269,722 with the defaults. The source is
    "Deep residual learning for image recognition", CVPR.

    Parameters
    ----------
    width : int
    residual : bool
        False leaves the shortcuts out.
    batch_norm : bool
        False leaves the normalizations out, and gives each convolution a bias.
    seed : int, optional
    """
    width = whole_number("width", width)

    def conv(channels, maps, stride=1):
        if batch_norm:
            return [_conv(channels, maps, stride), nn.BatchNorm2d(maps)]
        return [_conv(channels, maps, stride, bias=True)]

    def pair(channels, maps):
        stride = 1 if channels == maps else 2
        body = [*conv(channels, maps, stride), nn.ReLU(), *conv(maps, maps)]
        if residual:
            shortcut = None if stride == 1 else Halved(maps)
            body = [Residual(nn.Sequential(*body), shortcut)]
        return [*body, nn.ReLU()]

    def build():
        layers, channels = [*conv(3, width), nn.ReLU()], width
        for maps in 3 * [width] + 3 * [2 * width] + 3 * [4 * width]:
            layers += pair(channels, maps)
            channels = maps
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]
        return nn.Sequential(*layers, *head)

    return seeded(seed, build)


def _conv(channels, maps, stride=1, bias=False):
    """Make a 3×3 convolution; the batch norm behind it has the bias."""
    return nn.Conv2d(channels, maps, kernel_size=3, stride=stride, padding=1, bias=bias)


@torch.no_grad()
def whiten(conv, x, eps=5e-4):
    """Compute a convolution's weights from images, and freeze them.

    The patches of the images x (N, C, H, W), of the kernel's size and with channel means 0, are
    turned to their principal axes and each axis is divided by its standard deviation. The first
    half of the feature maps are these axes, the widest first; the second half are their negatives,
    which a ReLU would lose. Coates, Ng (2012), "Learning feature representations with k-means".

    Parameters
    ----------
    conv : torch.nn.Conv2d
        With an even number of feature maps, at most twice the numbers in a patch.
    x : Tensor
        Training images as the network gets them; a few thousand are enough.
    eps : float
        Added to each variance, so that noise on a narrow axis does not grow too large.

    Returns
    -------
    torch.nn.Conv2d
        The layer, its bias set to 0; the bias can still learn.
    """
    n_axes, odd = divmod(conv.out_channels, 2)
    size = conv.weight[0].numel()
    if odd or n_axes > size:
        raise ValueError(
            f"a patch of this layer has {size} numbers, so it can have an even number of feature "
            f"maps up to {2 * size}; it has {conv.out_channels}"
        )
    moments, n_patches = torch.zeros(size, size, dtype=torch.float64), 0
    for part in x.split(500):
        patches = F.unfold(part, conv.kernel_size).transpose(1, 2).reshape(-1, size).double()
        moments += patches.T @ patches
        n_patches += len(patches)
    variance, axes = torch.linalg.eigh(moments / n_patches)  # narrowest first
    axes = axes / (variance + eps).sqrt()
    axes = axes * torch.where(axes.sum(0) < 0, -1.0, 1.0)  # a library may give either sign
    axes = axes.T.flip(0)[:n_axes].reshape(n_axes, *conv.weight.shape[1:])
    conv.weight.copy_(torch.cat([axes, -axes]))
    conv.weight.requires_grad_(False)
    if conv.bias is not None:
        conv.bias.zero_()
    return conv

"""LeNet-5 as its paper has it, from a 32×32 image to the distances to ten drawn digits.

LeCun, Bottou, Bengio, Haffner (1998), "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86(11): section II.B for the layers, II.C for the loss, appendix A for the
squashing function and the first weights. The paper prints its bitmaps as pictures; these here are
drawn in their manner.
"""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

from lenet_course.arguments import real_number
from lenet_course.models.build import seeded

BACKGROUND, FOREGROUND = -0.1, 1.175
AMPLITUDE, SLOPE = 1.7159, 2 / 3  # so that squashing maps 1 to 1 and −1 to −1

# Table I: the maps of S2 that each map of C3 sees.
C3_TABLE = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)

DIGITS = """
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
..###..  ...#...  .#####.  #######  ....##.  #######  ...###.  #######  .#####.  ..###..
.#...#.  .###...  #.....#  .....#.  ...#.#.  #......  ..#....  .....#.  #.....#  .#...#.
#.....#  ...#...  ......#  ....#..  ..#..#.  #......  .#.....  .....#.  #.....#  #.....#
#.....#  ...#...  ......#  ...#...  ..#..#.  #.###..  #......  ....#..  #.....#  #.....#
#.....#  ...#...  .....#.  ..####.  .#...#.  ##...#.  #.###..  ....#..  .#####.  #....##
#.....#  ...#...  ....#..  ......#  #....#.  ......#  ##...#.  ...#...  #.....#  .####.#
#.....#  ...#...  ..##...  ......#  #######  ......#  #.....#  ...#...  #.....#  ......#
#.....#  ...#...  .#.....  ......#  .....#.  ......#  #.....#  ..#....  #.....#  ......#
.#...#.  ...#...  #......  #.....#  .....#.  #....#.  .#...#.  ..#....  #.....#  .....#.
..###..  .#####.  #######  .#####.  .....#.  .####..  ..###..  ..#....  .#####.  .###...
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
"""


def bitmaps():
    """Give the ten drawings, +1 for ink and −1 for paper, as (10, 12, 7)."""
    rows = [row.split() for row in DIGITS.split("\n") if row]
    ink = [[[mark == "#" for mark in row[digit]] for row in rows] for digit in range(10)]
    return 2 * torch.tensor(ink, dtype=torch.float32) - 1


class ScaledTanh(nn.Module):
    """Squash each number between −1.7159 and 1.7159: A tanh(S x)."""

    def forward(self, x):
        """Keep the shape."""
        return AMPLITUDE * torch.tanh(SLOPE * x)


class Subsampling(nn.Module):
    """Add up each 2×2 window, times a coefficient, plus a bias; both are learned for each map."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x):
        """Turn maps (N, C, H, W) into (N, C, H // 2, W // 2)."""
        sums = 4 * F.avg_pool2d(x, kernel_size=2)
        return sums * self.weight[:, None, None] + self.bias[:, None, None]

    def extra_repr(self):
        """Say in the layer's repr how large it is."""
        return f"{len(self.weight)}, kernel_size=2"


class TableConv2d(nn.Module):
    """A convolution in which each output map sees only the input maps that a table lists.

    `weight` holds a kernel for each pair of maps that are connected, (pairs, K, K), and no others.
    """

    def __init__(self, in_channels, table, kernel_size):
        super().__init__()
        pairs = [(out, into) for out, seen in enumerate(table) for into in seen]
        self.shape = (len(table), in_channels, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.empty(len(pairs), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(len(table)))
        self.register_buffer("pairs", torch.tensor(pairs), persistent=False)

    def forward(self, x):
        """Turn maps (N, C, H, W) into (N, C_out, OH, OW)."""
        dense = self.weight.new_zeros(self.shape)
        return F.conv2d(x, dense.index_put(tuple(self.pairs.T), self.weight), self.bias)

    def extra_repr(self):
        """Say in the layer's repr how large it is."""
        out, into, kernel_size, _ = self.shape
        return f"{into}, {out}, {kernel_size}, pairs={len(self.weight)}"


class RBF(nn.Module):
    """Score each class by minus the squared distance to its code (classes, features).

    The codes are fixed. The paper's output is the distance itself; with the minus the largest
    score is the answer, as in the other networks.
    """

    def __init__(self, codes):
        super().__init__()
        self.register_buffer("codes", codes)

    def forward(self, x):
        """Turn features (N, F) into scores (N, classes)."""
        return -((x[:, None] - self.codes) ** 2).sum(dim=2)

    def extra_repr(self):
        """Say in the layer's repr how large it is."""
        return f"{self.codes.shape[1]}, {len(self.codes)}"


def lenet5_1998(seed=None):
    """LeNet-5 for gray 32×32 images, with 60,000 trained parameters.

    It takes images as `framed` makes them of 28×28 pixels, and gives as scores minus the squared
    distance of F6's 84 numbers to each of the ten bitmaps. First weights and biases are uniform
    within ±2.4 over the number of a unit's inputs. For `seed` see the module `models`.

    Examples
    --------
    >>> lenet5_1998(seed=0)(framed(torch.zeros(2, 1, 28, 28))).shape
    torch.Size([2, 10])
    """
    return seeded(seed, _build)


def _build():
    net = nn.Sequential(
        OrderedDict(
            C1=nn.Conv2d(1, 6, kernel_size=5),
            C1_squashed=ScaledTanh(),
            S2=Subsampling(6),
            S2_squashed=ScaledTanh(),
            C3=TableConv2d(6, C3_TABLE, kernel_size=5),
            C3_squashed=ScaledTanh(),
            S4=Subsampling(16),
            S4_squashed=ScaledTanh(),
            C5=nn.Conv2d(16, 120, kernel_size=5),
            C5_squashed=ScaledTanh(),
            flat=nn.Flatten(),
            F6=nn.Linear(120, 84),
            F6_squashed=ScaledTanh(),
            output=RBF(bitmaps().flatten(1)),
        )
    )
    inputs = {"C1": 25, "S2": 4, "S4": 4, "C5": 16 * 25, "F6": 120}
    inputs["C3"] = torch.tensor([25.0 * len(seen) for seen in C3_TABLE])
    with torch.no_grad():
        for name, fan_in in inputs.items():
            layer = net.get_submodule(name)
            layer.bias.uniform_(-2.4, 2.4).div_(fan_in)
            if name == "C3":  # one for each kernel
                fan_in = fan_in[layer.pairs[:, 0], None, None]
            layer.weight.uniform_(-2.4, 2.4).div_(fan_in)
    return net


def framed(pixels):
    """Turn pixels of 28×28 from 0 to 1 into the paper's input: 32×32, from −0.1 to 1.175."""
    return F.pad(pixels, (2, 2, 2, 2)) * (FOREGROUND - BACKGROUND) + BACKGROUND


def map_criterion(scores, y, j):
    """Compute the paper's loss, equation 9, averaged over the batch.

    The distances d are minus the `scores`. Of these it takes that of the right class and adds
    log(exp(−j) + Σ exp(−d)), which pushes the others away until they are beyond j. That is
    cross-entropy with one more class, which always has the score −j and is never right.

    Examples
    --------
    >>> scores = torch.tensor([[-1.0, -4.0]])
    >>> map_criterion(scores, torch.tensor([0]), j=4)
    tensor(0.0949)
    >>> torch.tensor([-4.0, -1.0, -4.0]).exp().sum().log() + 1
    tensor(0.0949)
    """
    rubbish = scores.new_full((len(scores), 1), -real_number("j", j))
    return F.cross_entropy(torch.cat([scores, rubbish], dim=1), y)

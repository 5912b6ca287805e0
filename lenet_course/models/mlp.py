"""A fully connected network for 28×28 gray images, as large as LeNet."""

from itertools import pairwise

import numpy as np
import torch

from lenet_course.arguments import whole_number
from lenet_course.models.build import seeded


def mlp(hidden=(72, 62), seed=None, *, nn=torch.nn):
    """Linear layers with ReLU between them: 784 pixels, the `hidden` units, 10 classes.

    With the default sizes it has 61,676 parameters, 30 fewer than LeNet. For `seed` and `nn` see
    `lenet`.

    Examples
    --------
    >>> mlp(seed=0)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    if np.ndim(hidden) != 1 or len(hidden) == 0:
        raise ValueError(f"hidden={hidden!r}: give the size of each hidden layer, such as (72, 62)")
    sizes = [28 * 28, *(whole_number("a size in hidden", n) for n in hidden)]

    def build():
        layers = [nn.Flatten()]
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], 10))

    return seeded(seed, build)

"""The networks of the course, each written once, and the table of a network's layers.

`lenet`, `mlp`, `deep` and `shallow` can be built with ``torch.nn`` and, from the same lines, with
``lenet_course.scratch.nn`` in NumPy; weights move between the two by their state dicts. Each
network maps a batch of images (N, C, H, W) to logits (N, classes).

Weights are drawn by PyTorch's default rule, except the kernels of `stack` and `vgg16` (He's rule or
Xavier's) and all weights of `lenet5_1998` (its paper's). A `seed`, a whole number from 0, makes
them reproducible and changes no other random number: PyTorch draws as after
``torch.manual_seed(seed)``, the NumPy network from ``np.random.default_rng(seed)``, dropout
included. Without a seed PyTorch takes its global generator, NumPy a fresh one. So one seed gives
the same network again, but the two libraries give two different ones.
"""

from lenet_course.models.deep import deep, shallow
from lenet_course.models.inception import Inception, small_inception
from lenet_course.models.lenet import cifar_lenet, lenet
from lenet_course.models.lenet5_1998 import framed, lenet5_1998, map_criterion
from lenet_course.models.mlp import mlp
from lenet_course.models.resnet import resnet, resnet20, whiten
from lenet_course.models.table import layer_table, multiplications
from lenet_course.models.vgg import POOL, stack, vgg16

__all__ = [
    "POOL",
    "Inception",
    "cifar_lenet",
    "deep",
    "framed",
    "layer_table",
    "lenet",
    "lenet5_1998",
    "map_criterion",
    "mlp",
    "multiplications",
    "resnet",
    "resnet20",
    "shallow",
    "small_inception",
    "stack",
    "vgg16",
    "whiten",
]

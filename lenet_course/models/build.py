"""What the networks share: a choice by name, and weights that a seed decides."""

import numpy as np
import torch

from lenet_course.arguments import whole_number


def choose(what, name, choices):
    """Look a name up among the choices, and name them all if it is none."""
    if name not in choices:
        raise ValueError(f"{what} must be one of {', '.join(choices)}, got {name!r}")
    return choices[name]


def seeded(seed, build):
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

"""How large the first weights are: the initializations of ``torch.nn.init``, by generator.

Each takes the shape of a weight, (out, in) or (C_out, C, KH, KW), a numpy.random.Generator or a
seed, and a dtype.

He, Zhang, Ren, Sun (2015), "Delving deep into rectifiers", ICCV, equation 10; Glorot, Bengio
(2010), "Understanding the difficulty of training deep feedforward neural networks", AISTATS,
equation 12; ``reset_parameters`` of ``torch.nn.Linear``, whose bound comes from LeCun, Bottou,
Orr, Müller (1998), "Efficient BackProp", section 4.6, but for a factor √3.
"""

import math

import numpy as np

from lenet_course.arguments import whole_number


def fans(shape):
    """Count the inputs that one output number adds up, and the outputs that one input reaches.

    >>> fans((6, 1, 5, 5))
    (25, 150)
    """
    if len(shape) < 2:
        raise ValueError(f"a weight of shape {tuple(shape)} has no fan; it needs (out, in, …)")
    fan_out, fan_in, *window = (whole_number("a size of the weight", size) for size in shape)
    return fan_in * math.prod(window), fan_out * math.prod(window)


def kaiming_normal(shape, generator, dtype=np.float32):
    """Draw weights with the standard deviation √(2 / fan_in) (He): made for ReLU."""
    return _normal(math.sqrt(2 / fans(shape)[0]), shape, generator, dtype)


def xavier_normal(shape, generator, dtype=np.float32):
    """Draw weights with the standard deviation √(2 / (fan_in + fan_out)): made for tanh."""
    return _normal(math.sqrt(2 / sum(fans(shape))), shape, generator, dtype)


def torch_uniform(shape, generator, dtype=np.float32, fan_in=None):
    """Draw evenly from -1/√fan_in to 1/√fan_in, PyTorch's default.

    A bias has no fan of its own; give it that of its layer's weight.
    """
    bound = 1 / math.sqrt(fan_in or fans(shape)[0])
    return np.random.default_rng(generator).uniform(-bound, bound, shape).astype(dtype)


BY_NAME = {"torch": torch_uniform, "he": kaiming_normal, "xavier": xavier_normal}


def _normal(std, shape, generator, dtype):
    return (std * np.random.default_rng(generator).standard_normal(shape)).astype(dtype)

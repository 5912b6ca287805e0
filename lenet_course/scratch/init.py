"""How large the first weights are: the initializations of ``torch.nn.init``, by generator."""

import math

import numpy as np


def fans(shape):
    """Count the inputs that one output number adds up, and the outputs that one input reaches.

    Parameters
    ----------
    shape : tuple of int
        Of a weight: (out, in), or (C_out, C, KH, KW) of a convolution.

    Returns
    -------
    fan_in, fan_out : int

    Raises
    ------
    ValueError
        If the shape has fewer than two axes, as that of a bias.

    Examples
    --------
    >>> fans((6, 1, 5, 5))
    (25, 150)
    """
    if len(shape) < 2:
        raise ValueError(f"a weight of shape {tuple(shape)} has no fan; it needs (out, in, …)")
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def kaiming_normal(shape, generator, dtype=np.float32):
    """Draw weights with the standard deviation √(2 / fan_in) (He): made for ReLU.

    Parameters
    ----------
    shape : tuple of int
        Of the weight.
    generator : numpy.random.Generator
    dtype : numpy dtype

    Returns
    -------
    numpy.ndarray

    References
    ----------
    He, Zhang, Ren, Sun (2015), "Delving deep into rectifiers", ICCV, equation 10.

    Examples
    --------
    >>> weight = kaiming_normal((1000, 50), np.random.default_rng(0))
    >>> print(f"{weight.std():.2f}")
    0.20
    """
    return _normal(math.sqrt(2 / fans(shape)[0]), shape, generator, dtype)


def xavier_normal(shape, generator, dtype=np.float32):
    """Draw weights with the standard deviation √(2 / (fan_in + fan_out)): made for tanh.

    Parameters
    ----------
    shape : tuple of int
        Of the weight.
    generator : numpy.random.Generator
    dtype : numpy dtype

    Returns
    -------
    numpy.ndarray

    References
    ----------
    Glorot, Bengio (2010), "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS, equation 12.

    Examples
    --------
    >>> weight = xavier_normal((50, 150), np.random.default_rng(0))
    >>> print(f"{weight.std():.2f}")
    0.10
    """
    return _normal(math.sqrt(2 / sum(fans(shape))), shape, generator, dtype)


def torch_uniform(shape, generator, dtype=np.float32, fan_in=None):
    """Draw weights or biases evenly from -1/√fan_in to 1/√fan_in, PyTorch's default.

    Parameters
    ----------
    shape : tuple of int
    generator : numpy.random.Generator
    dtype : numpy dtype
    fan_in : int, optional
        For a bias, that of its layer's weight.

    Returns
    -------
    numpy.ndarray

    References
    ----------
    ``reset_parameters`` of ``torch.nn.Linear`` and ``torch.nn.Conv2d``; the bound comes from
    LeCun, Bottou, Orr, Müller (1998), "Efficient BackProp", section 4.6, but for a factor √3.

    Examples
    --------
    >>> weight = torch_uniform((2, 100), np.random.default_rng(0))
    >>> bool(abs(weight).max() <= 0.1)
    True
    """
    bound = 1 / math.sqrt(fan_in or fans(shape)[0])
    return generator.uniform(-bound, bound, shape).astype(dtype)


def _normal(std, shape, generator, dtype):
    return (std * generator.standard_normal(shape)).astype(dtype)

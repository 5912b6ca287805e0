"""Dropout: noise that keeps units from relying on each other."""

import numpy as np

from lenet_course.scratch.arrays import floats


def dropout_mask(shape, p, generator, dtype=np.float64):
    """Draw what dropout multiplies with: 0 with probability p, else 1 / (1 - p).

    The factor keeps the expected value of every number as it was. The same mask serves forward
    and backward: y = x · mask, and grad_x = grad_y · mask.

    Parameters
    ----------
    shape : tuple of int
        Shape of what is dropped.
    p : float
        Probability of a zero, 0 to 1.
    generator : numpy.random.Generator
        Decides which.
    dtype : numpy dtype

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1.

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov (2014), "Dropout: a simple way to
    prevent neural networks from overfitting", JMLR 15, section 10, for the factor in training.

    Examples
    --------
    >>> dropout_mask((6,), 0.5, np.random.default_rng(0))
    array([2., 2., 2., 0., 0., 0.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p={p} is no probability; give a share from 0 to 1")
    factor = np.asarray(0 if p == 1 else 1 / (1 - p), dtype)
    return (generator.random(shape, dtype=np.float32) >= p) * factor


def dropout(x, p, generator):
    """Set each number to 0 with probability p, and enlarge the others by 1 / (1 - p).

    Parameters
    ----------
    x : array_like of float, any shape
        The numbers.
    p : float
        Probability of a zero, 0 to 1.
    generator : numpy.random.Generator
        Decides which.

    Returns
    -------
    numpy.ndarray, same shape and dtype

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1.
    TypeError
        If `x` holds integers.

    Examples
    --------
    >>> dropout([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.5, np.random.default_rng(0))
    array([2., 4., 6., 0., 0., 0.])
    """
    (x,) = floats(x=x)
    return x * dropout_mask(x.shape, p, generator, x.dtype)

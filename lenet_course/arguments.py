"""Checks of arguments: a bad value is refused at once, with its name and what to give instead."""

import math
from numbers import Real
from operator import index


def whole_number(name, value, least=1):
    """Give an integer of any kind (NumPy's too) as an int, if it is large enough.

    Raises
    ------
    TypeError
        If it is no whole number; True, 2.0 and "2" are none.
    ValueError
        If it is below `least`.

    Examples
    --------
    >>> whole_number("epochs", 3)
    3
    """
    try:
        if isinstance(value, bool):  # True would pass for 1
            raise TypeError
        number = index(value)
    except TypeError:
        remedy = "; write it without a decimal point, and divide with //"
        raise TypeError(
            f"{name}={value!r} is not a whole number ({type(value).__name__})"
            + remedy * isinstance(value, float)
        ) from None
    if number < least:
        raise ValueError(f"{name}={number} is too small; use {least} or more")
    return number


def real_number(name, value, least=0.0, below=math.inf):
    """Give a finite number as a float, from `least` up to but without `below`.

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it is NaN, infinite or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r} is not a number ({type(value).__name__})")
    if not least <= value < below:  # NaN is out of every range
        limits = f"from {least:g} to {below:g}, without {below:g} itself"
        if below == math.inf:
            limits = f"of {least:g} or more"
        raise ValueError(f"{name}={value} is out of range; use a finite number {limits}")
    return float(value)

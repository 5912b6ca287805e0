"""A number is taken as it is meant, or refused with its name, its value and the remedy."""

import math
from fractions import Fraction

import numpy as np
import pytest

from lenet_course.arguments import real_number, whole_number


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_every_kind_of_integer_is_a_whole_number(value):
    assert whole_number("epochs", value) == 3
    assert type(whole_number("epochs", value)) is int


@pytest.mark.parametrize("value", [True, np.bool_(True), 3.0, np.float64(3), "3", None, [3]])
def test_what_is_no_whole_number(value):
    with pytest.raises(TypeError, match=r"epochs=.* is not a whole number"):
        whole_number("epochs", value)


def test_a_whole_number_may_be_too_small():
    assert whole_number("padding", 0, least=0) == 0
    with pytest.raises(ValueError, match="padding=-1 is too small; use 0 or more"):
        whole_number("padding", -1, least=0)


@pytest.mark.parametrize("value", [0, 0.5, np.float32(0.5), Fraction(1, 2)])
def test_every_kind_of_number_is_a_real_number(value):
    assert real_number("p", value, below=1) == float(value)


@pytest.mark.parametrize("value", [-0.1, 1, math.nan, math.inf, -math.inf])
def test_a_real_number_out_of_range(value):
    with pytest.raises(ValueError, match=r"p=.* is out of range; .* from 0 to 1"):
        real_number("p", value, below=1)


@pytest.mark.parametrize("value", [True, "0.5", None, 1j])
def test_what_is_no_real_number(value):
    with pytest.raises(TypeError, match=r"p=.* is not a number"):
        real_number("p", value)


def test_infinity_is_no_finite_number():
    with pytest.raises(ValueError, match="finite number of 0 or more"):
        real_number("lr", math.inf)

"""Random arrays, random geometries and the comparison with PyTorch, for the tests of the layers."""

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import strategies as st

from lenet_course.shapes import pair

TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
same_warning = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def numbers(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_close(got, expected, scale=None):
    """Check dtype, shape and values; the error is relative to `scale`, else to the value."""
    expected = np.asarray(expected)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    tolerance = TOLERANCE[str(got.dtype)]
    if scale is None:
        np.testing.assert_allclose(got, expected, rtol=tolerance)
    else:
        assert np.all(np.abs(got - expected) <= tolerance * np.asarray(scale))


@contextmanager
def unchanged(*arrays):
    """Check that a function leaves the arrays of its caller as they were."""
    before = [array.copy() for array in arrays]
    yield
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def between(low, high):
    """Draw an int, or one for each axis."""
    number = st.integers(low, high)
    return number | st.tuples(number, number)


@st.composite
def geometries(draw, most_dilation=3):
    """Draw shapes and arguments of a convolution that fits."""
    kernel = pair("kernel", draw(between(1, 4)))
    arguments = {
        "stride": draw(between(1, 3)),
        "padding": draw(between(0, 3)),
        "dilation": draw(between(1, most_dilation)),
    }
    if arguments["stride"] in (1, (1, 1)) and draw(st.booleans()):
        arguments["padding"] = draw(st.sampled_from(["same", "valid"]))
    named = arguments["padding"]
    paddings = (0, 0) if isinstance(named, str) else pair("padding", named, least=0)
    dilations = pair("dilation", arguments["dilation"])
    axes = zip(kernel, paddings, dilations, strict=True)
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in axes]
    size = [n + draw(st.integers(0, 5)) for n in least]
    return kernel, size, arguments


@st.composite
def poolings(draw):
    """Draw the size of a map and the kernel, stride and padding of a pooling that fits."""
    kernel = pair("kernel", draw(between(1, 4)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = [
        max(1, k - 2 * p) + draw(st.integers(0, 5)) for k, p in zip(kernel, padding, strict=True)
    ]
    return size, (kernel, draw(st.none() | between(1, 4)), padding)

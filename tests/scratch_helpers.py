"""Random arrays, random geometries and the comparison with PyTorch, for the tests of the layers."""

import os
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st

from lenet_course.shapes import pair

TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
same_warning = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
quick = settings(max_examples=80, deadline=None)
# At least 2,000 random cases in the full run, which has the time.
many = settings(quick, max_examples=700 if os.environ.get("LENET_COURSE_DATA") == "full" else 80)


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
        wrong = ~(np.abs(got - expected) <= tolerance * np.asarray(scale))
        assert not np.any(wrong & ~(np.isnan(got) & np.isnan(expected)))


@contextmanager
def unchanged(*arrays):
    """Check that a function leaves the arrays of its caller as they were."""
    before = [array.copy() for array in arrays]
    yield
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def assert_output(ours, theirs, arrays, scale=None, **arguments):
    """Compare an output with PyTorch's; it is a new array, and the arrays stay as they were.

    With `scale="sum"` rounding is relative to the sum of the magnitudes that were added up.
    """
    tensors = [torch.from_numpy(array.copy()) for array in arrays]
    if isinstance(scale, str):
        scale = theirs(*(tensor.abs() for tensor in tensors), **arguments)
    with unchanged(*arrays):
        got = ours(*arrays, **arguments)
    assert_close(got, theirs(*tensors, **arguments), scale)
    assert not any(np.shares_memory(got, array) for array in arrays)


def autograd(theirs, arrays, magnitudes=False, **arguments):
    """Go back through PyTorch's function: a random gradient of its output, and all gradients."""
    size = np.abs if magnitudes else np.copy
    leaves = [torch.from_numpy(size(array)).requires_grad_() for array in arrays]
    out = theirs(*leaves, **arguments)
    grad_output = size(numbers(*out.shape, seed=3, dtype=arrays[0].dtype))
    out.backward(torch.from_numpy(grad_output.copy()))
    return grad_output, [leaf.grad.numpy() for leaf in leaves]


def assert_gradients(backward, theirs, arrays, known=None, scales=None, **arguments):
    """Compare every gradient with autograd's; what our function is given stays as it was.

    Parameters
    ----------
    backward : callable (grad_output, *known, **arguments) -> gradients
    theirs : callable (*tensors, **arguments) -> output
    known : what our function is told beside; the arrays themselves if left out
    scales : what rounding is relative to, or "sum" for the sum of the magnitudes that were added
        up; the largest gradient of each array if left out
    """
    grad_output, expected = autograd(theirs, arrays, **arguments)
    if scales is None:
        scales = [np.abs(gradient).max(initial=0) for gradient in expected]
    elif isinstance(scales, str):
        _, scales = autograd(theirs, arrays, magnitudes=True, **arguments)
    known = arrays if known is None else known
    with unchanged(grad_output, *known):
        ours = backward(grad_output, *known, **arguments)
    ours = ours if isinstance(ours, tuple) else (ours,)
    for mine, gradient, scale in zip(ours, expected, scales, strict=True):
        assert_close(mine, gradient, np.maximum(scale, 1e-3))


def between(low, high):
    """Draw an int, or one for each axis."""
    number = st.integers(low, high)
    return number | st.tuples(number, number)


@st.composite
def geometries(draw):
    """Draw shapes and arguments of a convolution that fits."""
    kernel = pair("kernel", draw(between(1, 4)))
    arguments = {
        "stride": draw(between(1, 3)),
        "padding": draw(between(0, 3)),
        "dilation": draw(between(1, 3)),
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

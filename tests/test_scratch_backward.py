"""Every gradient in NumPy against PyTorch's autograd, over known and random geometries."""

import os
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scratch_helpers import (
    assert_close,
    dtypes,
    geometries,
    numbers,
    poolings,
    same_warning,
    unchanged,
)
from torch.nn import functional as F

from lenet_course import scratch
from lenet_course.scratch import functional

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

# At least 2,000 random cases in the full run, which has the time.
many = settings(
    max_examples=700 if os.environ.get("LENET_COURSE_DATA") == "full" else 60, deadline=None
)


def assert_gradients(backward, theirs, arrays, given=None, scales=None, **arguments):
    """Compare with autograd, for a random gradient of the output; inputs must stay as they were.

    Parameters
    ----------
    backward : callable (grad_output, *given, **arguments) -> gradients
    theirs : callable (*tensors, **arguments) -> output
    given : what our function is told; the arrays themselves if left out
    scales : what rounding is relative to; the largest gradient of each array if left out
    """
    leaves = [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]
    out = theirs(*leaves, **arguments)
    grad_output = numbers(*out.shape, seed=3, dtype=arrays[0].dtype)
    out.backward(torch.from_numpy(grad_output.copy()))
    given = arrays if given is None else given
    with unchanged(grad_output, *given):
        ours = backward(grad_output, *given, **arguments)
    ours = ours if isinstance(ours, tuple) else (ours,)
    expected = [leaf.grad.numpy() for leaf in leaves]
    scales = (
        [np.abs(gradient).max(initial=0) for gradient in expected] if scales is None else scales
    )
    for mine, gradient, scale in zip(ours, expected, scales, strict=True):
        assert_close(mine, gradient, np.maximum(scale, 1e-3))


def check_conv(x, weight, **arguments):
    """Compare the gradients; rounding is relative to the sum of the magnitudes added up."""
    arrays = x, weight, np.zeros(len(weight), x.dtype)
    magnitudes = [torch.from_numpy(np.abs(array)).requires_grad_() for array in arrays]
    out = F.conv2d(*magnitudes, **arguments)
    out.backward(torch.from_numpy(np.abs(numbers(*out.shape, seed=3, dtype=x.dtype))))
    scales = [leaf.grad.numpy() for leaf in magnitudes]
    assert_gradients(
        scratch.conv2d_backward, F.conv2d, arrays, (x, weight), scales=scales, **arguments
    )


@dtypes
@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "arguments"),
    [
        ((2, 1, 28, 28), (6, 1, 5, 5), {"padding": 2}),
        ((2, 6, 14, 14), (16, 6, 5, 5), {}),
        ((1, 1, 1, 1), (1, 1, 1, 1), {"padding": 2}),  # more padding than the kernel reaches
        ((1, 3, 7, 5), (2, 3, 2, 3), {"stride": 2}),  # pixels that no window reads
        ((2, 3, 8, 7), (4, 3, 3, 2), {"stride": (2, 3), "padding": (1, 2)}),
        ((2, 2, 9, 8), (3, 2, 2, 4), {"dilation": (3, 2), "padding": (0, 1), "stride": 2}),
        ((2, 2, 6, 5), (3, 2, 4, 2), {"padding": "same", "dilation": (1, 3)}),
        ((0, 2, 6, 5), (3, 2, 4, 2), {}),  # an empty batch
    ],
)
@same_warning
def test_conv2d_backward_of_known_cases(x_shape, weight_shape, arguments, dtype):
    x, weight = numbers(*x_shape, dtype=dtype), numbers(*weight_shape, seed=1, dtype=dtype)
    check_conv(x, weight, **arguments)


@pytest.mark.parametrize("fits", [1, 2, 3])  # images; the last group lacks some of two and three
def test_conv2d_backward_of_a_batch_larger_than_the_cache(monkeypatch, fits):
    x, weight = numbers(5, 2, 6, 7), numbers(3, 2, 2, 3, seed=1)
    monkeypatch.setattr(functional, "CACHE", fits * x.itemsize * 2 * 2 * 3 * 7 * 7)  # 7×7 places
    check_conv(x, weight, padding=1)


@many
@given(geometry=geometries(), N=st.integers(1, 3), C=st.integers(1, 3), C_out=st.integers(1, 4))
@same_warning
def test_conv2d_backward_of_random_cases(geometry, N, C, C_out):
    kernel, size, arguments = geometry
    check_conv(numbers(N, C, *size), numbers(C_out, C, *kernel, seed=1), **arguments)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@many
@given(pooling=poolings(), ties=st.booleans(), nans=st.sampled_from([0, 0.3, 1]))
def test_pooling_backward_of_random_cases(name, pooling, ties, nans):
    size, geometry = pooling
    x = numbers(2, 2, *size)
    if ties:
        x = x.round()  # -0.0 and 0.0 are equal, too
    x[np.random.default_rng(4).random(x.shape) < nans] = np.nan

    def backward(grad_output, x):
        return getattr(scratch, f"{name}_backward")(grad_output, x, *geometry)

    assert_gradients(backward, lambda x: getattr(F, name)(x, *geometry), [x])


@dtypes
@pytest.mark.parametrize("shape", [(5, 3), (1, 3), (2, 4, 3), (0, 3)])
def test_linear_backward(shape, dtype):
    x, weight = numbers(*shape, dtype=dtype), numbers(2, 3, seed=1, dtype=dtype)
    arrays = x, weight, np.zeros(2, dtype)
    assert_gradients(scratch.linear_backward, F.linear, arrays, given=(x, weight))


@dtypes
@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
def test_activation_backward(name, dtype):
    x = np.concatenate([numbers(50, dtype=dtype), np.array([0, -0.0, 80, -80], dtype)])
    known = x if name == "relu" else getattr(scratch, name)(x)
    assert_gradients(getattr(scratch, f"{name}_backward"), getattr(torch, name), [x], given=[known])


@dtypes
def test_cross_entropy_backward(dtype):
    logits = 10 * numbers(6, 4, dtype=dtype)
    target = np.array([0, 3, 1, 1, 2, 0])
    leaf = torch.from_numpy(logits.copy()).requires_grad_()
    F.cross_entropy(leaf, torch.from_numpy(target)).backward()
    ours = scratch.cross_entropy_backward(logits, target)
    assert_close(ours, leaf.grad, scale=1)
    np.testing.assert_allclose(ours.sum(axis=1), 0, atol=1e-6)


@dtypes
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 3, 5, 6), (2, 1, 1, 1), (1, 2, 3, 3)])
def test_batch_norm(shape, training, dtype):
    x = 3 + 2 * numbers(*shape, dtype=dtype)
    weight, bias, mean = (numbers(shape[1], seed=seed, dtype=dtype) for seed in (1, 2, 3))
    var = np.abs(numbers(shape[1], seed=4, dtype=dtype)) + np.asarray(0.1, dtype)
    stats = () if training else (mean, var)

    def theirs(x, weight, bias):
        running = torch.from_numpy(mean.copy()), torch.from_numpy(var.copy())
        return F.batch_norm(x, *running, weight, bias, training=training)

    expected = theirs(*map(torch.from_numpy, (x, weight, bias))).numpy()
    got = scratch.batch_norm(x, weight, bias, *stats)
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    scale = x.size * np.abs(weight).max() / np.sqrt(x.var(axis=(0, 2, 3)).min())
    assert_gradients(
        scratch.batch_norm_backward, theirs, (x, weight, bias), (x, weight, *stats), 3 * [scale]
    )


def test_dropout_keeps_the_mean_and_the_share():
    generator = np.random.default_rng(0)
    out = scratch.dropout(np.ones(100_000), 0.3, generator)
    assert set(np.unique(out)) == {0, 1 / 0.7}
    assert abs((out == 0).mean() - 0.3) < 0.005
    assert abs(out.mean() - 1) < 0.01
    assert scratch.dropout(np.ones(9, np.float32), 0.3, generator).dtype == np.float32


@pytest.mark.parametrize(("p", "value"), [(0, 1), (1, 0)])
def test_dropout_of_nothing_and_of_all(p, value):
    assert (scratch.dropout(np.ones(100), p, np.random.default_rng(0)) == value).all()


@pytest.mark.parametrize("p", [1.5, -0.1, float("nan")])
def test_dropout_takes_a_probability(p):
    with pytest.raises(ValueError, match=f"p={p}"):
        scratch.dropout(numbers(3), p, np.random.default_rng(0))


MAPS = numbers(2, 3, 6, 6)


@pytest.mark.parametrize(
    ("name", "given", "shape"),
    [
        ("conv2d", (MAPS, numbers(4, 3, 3, 3)), (2, 4, 4, 4)),
        ("max_pool2d", (MAPS, 2), (2, 3, 3, 3)),
        ("avg_pool2d", (MAPS, 2), (2, 3, 3, 3)),
        ("linear", (numbers(2, 3), numbers(4, 3)), (2, 4)),
        ("relu", (numbers(4),), (4,)),
        ("sigmoid", (numbers(4),), (4,)),
        ("tanh", (numbers(4),), (4,)),
        ("batch_norm", (MAPS, np.ones(3)), MAPS.shape),
    ],
)
def test_the_gradient_has_the_shape_and_dtype_of_the_output(name, given, shape):
    backward = getattr(scratch, f"{name}_backward")
    backward(np.zeros(shape), *given)
    words = f"grad_output must have the shape of the output, {re.escape(str(shape))}, but has"
    with pytest.raises(ValueError, match=words):
        backward(np.zeros((*shape[:-1], shape[-1] + 1)), *given)
    with pytest.raises(TypeError, match="grad_output holds int64"):
        backward(np.zeros(shape, int), *given)
    with pytest.raises(TypeError, match="holds float32"):
        backward(np.zeros(shape, np.float32), *given)

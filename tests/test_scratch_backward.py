"""Every gradient in NumPy against PyTorch's autograd, over known and random geometries."""

import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scratch_helpers import between, geometries, numbers
from torch.nn import functional as F

from lenet_course import scratch
from lenet_course.shapes import pair

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")
same_warning = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])

# At least 2,000 random cases in the full run, which has the time.
many = settings(
    max_examples=700 if os.environ.get("LENET_COURSE_DATA") == "full" else 60, deadline=None
)


def tensors(*arrays):
    return [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]


def assert_gradients(ours, leaves, y, grad_y, scales=None):
    """Compare with what autograd leaves in the leaves; rounding is relative to the magnitudes."""
    y.backward(torch.from_numpy(grad_y.copy()))
    for i, (mine, leaf) in enumerate(zip(ours, leaves, strict=True)):
        theirs = leaf.grad.numpy()
        assert mine.dtype == theirs.dtype
        assert mine.shape == theirs.shape
        scale = np.abs(theirs).max(initial=0) if scales is None else scales[i]
        assert np.all(np.abs(mine - theirs) <= TOLERANCE[str(mine.dtype)] * np.maximum(scale, 1e-3))


def check_conv(x, weight, **arguments):
    before = x.copy(), weight.copy()
    leaves = tensors(x, weight, np.zeros(len(weight), x.dtype))
    y = F.conv2d(*leaves, **arguments)
    grad_y = numbers(*y.shape, seed=3, dtype=x.dtype)
    ours = scratch.conv2d_backward(grad_y, x, weight, **arguments)
    magnitudes = tensors(np.abs(x), np.abs(weight), np.zeros(len(weight), x.dtype))
    F.conv2d(*magnitudes, **arguments).backward(torch.from_numpy(np.abs(grad_y)))
    assert_gradients(ours, leaves, y, grad_y, [leaf.grad.numpy() for leaf in magnitudes])
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(weight, before[1])


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
    ],
)
@same_warning
def test_conv2d_backward_of_known_cases(x_shape, weight_shape, arguments, dtype):
    x, weight = numbers(*x_shape, dtype=dtype), numbers(*weight_shape, seed=1, dtype=dtype)
    check_conv(x, weight, **arguments)


@many
@given(geometry=geometries(), N=st.integers(1, 3), C=st.integers(1, 3), C_out=st.integers(1, 4))
@same_warning
def test_conv2d_backward_of_random_cases(geometry, N, C, C_out):
    kernel, size, arguments = geometry
    check_conv(numbers(N, C, *size), numbers(C_out, C, *kernel, seed=1), **arguments)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@many
@given(
    kernel=between(1, 4),
    stride=between(1, 4),
    padded=st.booleans(),
    extra=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    ties=st.booleans(),
)
def test_pooling_backward_of_random_cases(name, kernel, stride, padded, extra, ties):
    KH, KW = pair("kernel", kernel)
    padding = (KH // 2, KW // 2) if padded else 0
    x = numbers(2, 2, KH + extra[0], KW + extra[1])
    if ties:
        x = x.round()  # -0.0 and 0.0 are equal, too
    (leaf,) = tensors(x)
    y = getattr(F, name)(leaf, (KH, KW), stride, padding)
    grad_y = numbers(*y.shape, seed=3)
    ours = getattr(scratch, f"{name}_backward")(grad_y, x, (KH, KW), stride, padding)
    assert_gradients([ours], [leaf], y, grad_y)


@dtypes
@pytest.mark.parametrize("shape", [(5, 3), (1, 3), (2, 4, 3)])
def test_linear_backward(shape, dtype):
    x, weight = numbers(*shape, dtype=dtype), numbers(2, 3, seed=1, dtype=dtype)
    leaves = tensors(x, weight, np.zeros(2, dtype))
    y = F.linear(*leaves)
    grad_y = numbers(*y.shape, seed=3, dtype=dtype)
    assert_gradients(scratch.linear_backward(grad_y, x, weight), leaves, y, grad_y)


@dtypes
@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
def test_activation_backward(name, dtype):
    x = np.concatenate([numbers(50, dtype=dtype), np.array([0, -0.0, 80, -80], dtype)])
    (leaf,) = tensors(x)
    y = getattr(torch, name)(leaf)
    grad_y = numbers(*x.shape, seed=3, dtype=dtype)
    kept = grad_y.copy()
    known = x if name == "relu" else getattr(scratch, name)(x)
    ours = getattr(scratch, f"{name}_backward")(grad_y, known)
    assert_gradients([ours], [leaf], y, grad_y)
    np.testing.assert_array_equal(grad_y, kept)  # the caller's gradient is left as it was


@dtypes
def test_cross_entropy_backward(dtype):
    logits = 10 * numbers(6, 4, dtype=dtype)
    target = np.array([0, 3, 1, 1, 2, 0])
    (leaf,) = tensors(logits)
    loss = F.cross_entropy(leaf, torch.from_numpy(target))
    ours = scratch.cross_entropy_backward(logits, target)
    assert_gradients([ours], [leaf], loss, np.array(1, dtype))
    np.testing.assert_allclose(ours.sum(axis=1), 0, atol=1e-6)


@dtypes
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 3, 5, 6), (2, 1, 1, 1), (1, 2, 3, 3)])
def test_batch_norm(shape, training, dtype):
    x = 3 + 2 * numbers(*shape, dtype=dtype)
    weight, bias, mean = (numbers(shape[1], seed=seed, dtype=dtype) for seed in (1, 2, 3))
    var = np.abs(numbers(shape[1], seed=4, dtype=dtype)) + 0.1
    leaves = tensors(x, weight, bias)
    running = torch.from_numpy(mean.copy()), torch.from_numpy(var.copy())
    y = F.batch_norm(leaves[0], *running, *leaves[1:], training=training)
    given_stats = () if training else (mean, var)
    ours = scratch.batch_norm(x, weight, bias, *given_stats)
    np.testing.assert_allclose(ours, y.detach().numpy(), rtol=1e-5, atol=1e-5)
    grad_y = numbers(*shape, seed=5, dtype=dtype)
    grads = scratch.batch_norm_backward(grad_y, x, weight, *given_stats)
    scale = np.abs(grad_y).sum() * np.abs(weight).max() / np.sqrt(x.var(axis=(0, 2, 3)).min())
    assert_gradients(grads, leaves, y, grad_y, [scale] * 3)


def test_dropout_keeps_the_mean_and_the_share():
    generator = np.random.default_rng(0)
    y = scratch.dropout(np.ones(100_000), 0.3, generator)
    assert set(np.unique(y)) == {0, 1 / 0.7}
    assert abs((y == 0).mean() - 0.3) < 0.005
    assert abs(y.mean() - 1) < 0.01
    assert scratch.dropout(np.ones(9, np.float32), 0.3, generator).dtype == np.float32


@pytest.mark.parametrize(("p", "value"), [(0, 1), (1, 0)])
def test_dropout_of_nothing_and_of_all(p, value):
    assert (scratch.dropout(np.ones(100), p, np.random.default_rng(0)) == value).all()


X = np.zeros((2, 3, 6, 6))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: scratch.conv2d_backward(np.zeros((2, 4, 6, 6)), X, np.zeros((4, 3, 3, 3))),
            ValueError,
            r"grad_y must have the shape of the output, \(2, 4, 4, 4\), but has \(2, 4, 6, 6\)",
        ),
        (
            lambda: scratch.conv2d_backward(np.zeros((2, 4, 4, 4), int), X, np.zeros((4, 3, 3, 3))),
            TypeError,
            "grad_y holds int64",
        ),
        (lambda: scratch.max_pool2d_backward(X, X, 2), ValueError, r"\(2, 3, 3, 3\)"),
        (lambda: scratch.avg_pool2d_backward(X, X, 2), ValueError, r"\(2, 3, 3, 3\)"),
        (
            lambda: scratch.linear_backward(np.zeros((2, 5)), np.zeros((2, 3)), np.zeros((4, 3))),
            ValueError,
            r"\(2, 4\)",
        ),
        (lambda: scratch.relu_backward(np.zeros(3), np.zeros(4)), ValueError, r"\(4,\)"),
        (lambda: scratch.dropout(X, 1.5, np.random.default_rng(0)), ValueError, "p=1.5"),
        (
            lambda: scratch.batch_norm(X[:1, :, :1, :1], np.ones(3), np.zeros(3)),
            ValueError,
            "no variance",
        ),
        (lambda: scratch.batch_norm(X, np.ones(2), np.zeros(3)), ValueError, "weight has"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()

"""Every function in NumPy, and every gradient, against PyTorch's function and its autograd."""

import math
import pkgutil

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scratch_helpers import (
    TOLERANCE,
    assert_close,
    assert_gradients,
    assert_output,
    dtypes,
    geometries,
    many,
    numbers,
    poolings,
    quick,
    same_warning,
)
from torch.nn import functional as F

from lenet_course import scratch
from lenet_course.scratch import functional
from lenet_course.scratch.arrays import windows

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")  # such as overflow in exp
any_dtype = st.sampled_from(list(TOLERANCE))
activations = pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
softmaxes = pytest.mark.parametrize("name", ["softmax", "log_softmax"])


# --- convolution


def check_conv(which, x, weight, bias=None, **arguments):
    if which == "conv2d_backward":
        arrays = x, weight, np.zeros(len(weight), x.dtype)
        backward = scratch.conv2d_backward
        assert_gradients(backward, F.conv2d, arrays, (x, weight), "sum", **arguments)
    else:
        arrays = (x, weight) if bias is None else (x, weight, bias)
        assert_output(getattr(scratch, which), F.conv2d, arrays, "sum", **arguments)


convolutions = pytest.mark.parametrize("which", ["conv2d", "conv2d_loops", "conv2d_backward"])


@dtypes
@convolutions
@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "arguments"),
    [
        ((2, 1, 28, 28), (6, 1, 5, 5), {"padding": 2}),  # LeNet's first layer
        ((2, 6, 14, 14), (16, 6, 5, 5), {}),  # and its second
        ((1, 1, 1, 1), (1, 1, 1, 1), {"padding": 2}),  # more padding than the kernel reaches
        ((3, 2, 1, 1), (4, 2, 3, 3), {"padding": 1}),
        ((1, 3, 7, 5), (2, 3, 2, 3), {"stride": 2}),  # pixels that no window reads
        ((2, 3, 8, 7), (4, 3, 3, 2), {"stride": (2, 3), "padding": (1, 2)}),
        ((2, 2, 9, 8), (3, 2, 2, 4), {"dilation": (3, 2), "padding": (0, 1), "stride": 2}),
        ((2, 2, 6, 5), (3, 2, 4, 2), {"padding": "same", "dilation": (1, 3)}),
        ((0, 2, 6, 5), (3, 2, 4, 2), {}),  # an empty batch
    ],
)
@same_warning
def test_conv2d_of_known_cases(which, x_shape, weight_shape, arguments, dtype):
    x, weight = numbers(*x_shape, dtype=dtype), numbers(*weight_shape, seed=1, dtype=dtype)
    check_conv(which, x, weight, numbers(len(weight), seed=2, dtype=dtype), **arguments)


@convolutions
@many
@given(
    geometry=geometries(),
    channels=st.tuples(*[st.integers(1, n) for n in (3, 3, 4)]),  # N, C, C_out
    with_bias=st.booleans(),
    dtype=any_dtype,
    seed=st.integers(0, 2**32 - 1),
)
@same_warning
def test_conv2d_of_any_geometry(which, geometry, channels, with_bias, dtype, seed):
    (kernel, size, arguments), (N, C, C_out) = geometry, channels
    shapes = [(N, C, *size), (C_out, C, *kernel), (C_out,)][: 2 + with_bias]
    arrays = [numbers(*shape, seed=seed + i, dtype=dtype) for i, shape in enumerate(shapes)]
    check_conv(which, *arrays, **arguments)


@pytest.mark.parametrize("which", ["conv2d", "conv2d_backward"])
@pytest.mark.parametrize("fits", [1, 2, 3])  # images; the last group lacks some of two and three
def test_conv2d_of_a_batch_larger_than_the_cache(monkeypatch, which, fits):
    x, weight, bias = numbers(5, 2, 6, 7), numbers(3, 2, 2, 3, seed=1), numbers(3, seed=2)
    monkeypatch.setattr(functional, "CACHE", fits * x.itemsize * 2 * 2 * 3 * 7 * 7)  # 7×7 places
    check_conv(which, x, weight, bias, padding=1)


@pytest.mark.parametrize("which", ["conv2d", "conv2d_loops"])
def test_conv2d_takes_any_memory_order_and_lists(which):
    x = numbers(5, 6, 2, 3).transpose(3, 2, 0, 1)[:, :, ::-1]  # (N, C, H, W), nothing in order
    check_conv(which, x, numbers(3, 3, 2, 4, seed=1).T)
    conv = getattr(scratch, which)
    assert conv([[[[1.0, 2.0]]]], [[[[3.0]]]], [1.0]).tolist() == [[[[4.0, 7.0]]]]


# --- pooling


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@many
@given(
    pooling=poolings(),
    N=st.integers(0, 2),
    C=st.integers(1, 3),
    ties=st.booleans(),
    nans=st.sampled_from([0, 0.3, 1]),
    dtype=any_dtype,
)
@example(pooling=([28, 28], (2, None, 0)), N=2, C=6, ties=False, nans=0, dtype="float32")
@example(pooling=([7, 5], (2, None, 0)), N=2, C=3, ties=False, nans=0, dtype="float64")
def test_pooling_of_any_geometry(name, pooling, N, C, ties, nans, dtype):
    size, geometry = pooling
    x = numbers(N, C, *size, dtype=dtype)
    if ties:
        x = x.round()  # -0.0 and 0.0 are equal, too
    x[np.random.default_rng(4).random(x.shape) < nans] = np.nan
    ours, backward = getattr(scratch, name), getattr(scratch, f"{name}_backward")

    def theirs(x):
        return getattr(F, name)(x, *geometry)

    assert_output(lambda x: ours(x, *geometry), theirs, [x], scale=3)
    assert_gradients(lambda grad_output, x: backward(grad_output, x, *geometry), theirs, [x])


def test_max_pooling_pads_with_less_than_any_number():
    assert scratch.max_pool2d(np.full((1, 1, 2, 2), -1e300), 3, padding=1).item() == -1e300


# --- activations


@dtypes
@activations
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 4, 5)])
def test_activations(name, shape, dtype):
    x = np.asarray(30 * numbers(*shape), dtype)
    if x.size > 4:
        x.flat[:4] = 0, -0.0, 80, -80
        if name == "relu":
            x.flat[4] = np.nan
    ours, backward = getattr(scratch, name), getattr(scratch, f"{name}_backward")
    assert_output(ours, getattr(torch, name), [x])
    known = x if name == "relu" else ours(x)
    assert_gradients(backward, getattr(torch, name), [x], [known])


@dtypes
@activations
def test_activations_of_the_largest_numbers(name, dtype):
    most = np.finfo(dtype).max
    x = np.array([-np.inf, -most, -1e4, -80, -1e-30, 0, 1e-30, 80, 1e4, most, np.inf, np.nan])
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    expected = getattr(torch, name)(torch.from_numpy(x)).numpy()
    tiny = np.finfo(dtype).tiny  # PyTorch may round what is smaller to 0
    got = getattr(scratch, name)(x)
    np.testing.assert_allclose(got, expected, rtol=TOLERANCE[dtype], atol=tiny)


@dtypes
@softmaxes
@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2, None])
@pytest.mark.parametrize("factor", [1, 1000])
def test_softmax_along_any_axis(name, dim, factor, dtype):
    x = factor * numbers(3, 4, 5, dtype=dtype)
    got = getattr(scratch, name)(x, *([] if dim is None else [dim]))
    expected = getattr(F, name)(torch.from_numpy(x), -1 if dim is None else dim)
    assert got.dtype == x.dtype
    np.testing.assert_allclose(got, expected.numpy(), rtol=TOLERANCE[dtype], atol=1e-37)
    assert not np.shares_memory(got, x)


@softmaxes
@quick
@given(
    x=st.lists(
        st.floats(-1e30, 1e30) | st.floats(-30, 30) | st.just(-math.inf), min_size=1, max_size=6
    )
)
@example(x=[0.0, 2000.0])  # log_softmax is finite where softmax rounds to zero
def test_softmax_of_any_numbers(name, x):
    assume(max(x) > -math.inf)
    x = np.array(x)
    expected = getattr(F, name)(torch.from_numpy(x), 0).numpy()
    np.testing.assert_allclose(getattr(scratch, name)(x), expected, rtol=1e-10, atol=1e-13)


# --- loss


@dtypes
@pytest.mark.parametrize("arguments", [{}, *({"reduction": r} for r in ("mean", "sum", "none"))])
@pytest.mark.parametrize("labels", ["uint8", "int32", "int64"])
@pytest.mark.parametrize("factor", [1, 1000])
def test_cross_entropy(arguments, labels, factor, dtype):
    logits = factor * numbers(20, 10, dtype=dtype)
    target = np.random.default_rng(1).integers(0, 10, 20).astype(labels)
    known = torch.from_numpy(target).long()
    expected = F.cross_entropy(torch.from_numpy(logits), known, **arguments)
    got = scratch.cross_entropy(logits, target, **arguments)
    assert_close(got, expected, expected.abs() + 1)
    ours = scratch.cross_entropy_backward(logits, target)
    leaf = torch.from_numpy(logits.copy()).requires_grad_()
    F.cross_entropy(leaf, known).backward()
    assert_close(ours, leaf.grad, scale=1)
    np.testing.assert_allclose(ours.sum(axis=1), 0, atol=1e-6)
    np.testing.assert_array_equal(logits, factor * numbers(20, 10, dtype=dtype))
    np.testing.assert_array_equal(target, known)


def test_cross_entropy_of_no_rows():
    assert scratch.cross_entropy(numbers(0, 3), [], "sum") == 0
    assert scratch.cross_entropy(numbers(0, 3), [], "none").shape == (0,)
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="Mean of empty slice"):
        assert math.isnan(scratch.cross_entropy(numbers(0, 3), []))  # as PyTorch


# --- fully connected


@dtypes
@pytest.mark.parametrize("leading", [(), (1,), (5,), (2, 3), (0,)])
def test_linear(leading, dtype):
    shapes = (*leading, 7), (4, 7), (4,)
    arrays = [numbers(*shape, seed=i, dtype=dtype) for i, shape in enumerate(shapes)]
    assert_output(scratch.linear, F.linear, arrays, "sum")
    assert_output(scratch.linear, F.linear, arrays[:2], "sum")
    assert_gradients(scratch.linear_backward, F.linear, arrays, arrays[:2])


@quick
@given(
    shape=st.lists(st.integers(0, 4), max_size=4),
    dims=st.lists(st.integers(-4, 3), max_size=2),
    dtype=st.sampled_from(["uint8", "float32"]),
)
@example(shape=[], dims=[-1, 0], dtype="float32")
def test_flatten(shape, dims, dtype):
    x = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    try:
        expected = torch.flatten(torch.from_numpy(x), *dims).numpy()
    except (IndexError, RuntimeError) as error:
        with pytest.raises(IndexError if isinstance(error, IndexError) else ValueError):
            scratch.flatten(x, *dims)
    else:
        np.testing.assert_array_equal(scratch.flatten(x, *dims), expected, strict=True)


# --- batch norm and dropout


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
    backward, known = scratch.batch_norm_backward, (x, weight, *stats)
    assert_gradients(backward, theirs, (x, weight, bias), known, 3 * [scale])


@dtypes
@pytest.mark.parametrize(("p", "values"), [(0, [1]), (0.3, [0, 1 / 0.7]), (1, [0])])
def test_dropout_keeps_the_mean_and_the_share(p, values, dtype):
    out = scratch.dropout(np.ones(100_000, dtype), p, np.random.default_rng(0))
    assert out.dtype == dtype
    np.testing.assert_array_equal(np.unique(out), np.array(values, dtype))
    assert abs((out == 0).mean() - p) < 0.005
    assert abs(out.mean() - (p < 1)) < 0.01


# --- what the layers are made of


def test_windows_are_those_of_unfold():
    x = numbers(2, 3, 7, 8)
    got = windows(x, (3, 2), stride=(2, 1), dilation=(1, 3))
    expected = F.unfold(torch.from_numpy(x), (3, 2), stride=(2, 1), dilation=(1, 3))
    np.testing.assert_array_equal(got.reshape(expected.shape), expected.numpy())
    assert np.shares_memory(got, x)
    assert not got.flags.writeable


def test_no_module_has_the_name_of_a_function():
    modules = {found.name for found in pkgutil.iter_modules(scratch.__path__)}
    assert not modules & set(scratch.__all__)

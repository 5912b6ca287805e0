"""Every layer in NumPy against the function of the same name in PyTorch."""

import doctest
import importlib
import math
import pkgutil

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scratch_helpers import geometries, numbers
from torch.nn import functional as F

from lenet_course import scratch
from lenet_course.scratch.arrays import require_axes
from lenet_course.scratch.windows import pad, windows
from lenet_course.shapes import pair

CONVOLUTIONS = [scratch.conv2d, scratch.conv2d_loops]
POOLINGS = [(scratch.max_pool2d, F.max_pool2d), (scratch.avg_pool2d, F.avg_pool2d)]
TOLERANCE = {np.dtype("float64"): 1e-10, np.dtype("float32"): 1e-5}

quick = settings(max_examples=80, deadline=None)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
same_warning = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")  # such as overflow in exp


def assert_close(got, expected, scale=None):
    """Check dtype, shape and values; the error is relative to `scale`, else to the value."""
    expected = expected.numpy()
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    if scale is None:
        np.testing.assert_allclose(got, expected, rtol=TOLERANCE[got.dtype])
    else:
        assert np.all(np.abs(got - expected) <= TOLERANCE[got.dtype] * scale.numpy())


def assert_conv_close(conv, x, weight, bias=None, **arguments):
    """Compare with PyTorch; rounding is relative to the sum of all magnitudes in a window."""
    tensors = [None if a is None else torch.from_numpy(a.copy()) for a in (x, weight, bias)]
    before = [a if a is None else a.copy() for a in (x, weight, bias)]
    expected = F.conv2d(*tensors, **arguments)
    scale = F.conv2d(*(t if t is None else t.abs() for t in tensors), **arguments)
    assert_close(conv(x, weight, bias, **arguments), expected, scale)
    for array, copy in zip((x, weight, bias), before, strict=True):
        np.testing.assert_array_equal(array, copy)  # inputs are left as they were


# --- convolution


@dtypes
@pytest.mark.parametrize("conv", CONVOLUTIONS)
@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "arguments"),
    [
        ((2, 1, 28, 28), (6, 1, 5, 5), {"padding": 2}),  # LeNet's first layer
        ((2, 6, 14, 14), (16, 6, 5, 5), {}),  # and its second
        ((1, 1, 1, 1), (1, 1, 1, 1), {}),
        ((3, 2, 1, 1), (4, 2, 3, 3), {"padding": 1}),
        ((1, 3, 7, 5), (2, 3, 2, 3), {"stride": 2}),
        ((2, 3, 8, 7), (4, 3, 3, 2), {"stride": (2, 3), "padding": (1, 2)}),
        ((2, 2, 9, 9), (3, 2, 3, 3), {"dilation": 2}),
        ((2, 2, 9, 8), (3, 2, 2, 4), {"dilation": (3, 2), "padding": (0, 1), "stride": 2}),
        ((2, 2, 6, 5), (3, 2, 4, 2), {"padding": "same", "dilation": (1, 3)}),
        ((2, 2, 6, 5), (3, 2, 4, 2), {"padding": "valid"}),
        ((0, 2, 6, 5), (3, 2, 4, 2), {}),  # an empty batch
    ],
)
@same_warning
def test_conv2d_of_known_cases(conv, x_shape, weight_shape, arguments, dtype):
    x, weight = numbers(*x_shape, dtype=dtype), numbers(*weight_shape, seed=1, dtype=dtype)
    bias = numbers(weight_shape[0], seed=2, dtype=dtype)
    assert_conv_close(conv, x, weight, bias, **arguments)
    assert_conv_close(conv, x, weight, **arguments)


@pytest.mark.parametrize("conv", CONVOLUTIONS)
@quick
@given(
    geometry=geometries(),
    N=st.integers(1, 3),
    C=st.integers(1, 3),
    C_out=st.integers(1, 4),
    bias=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 2**32 - 1),
)
@same_warning
def test_conv2d_of_any_geometry(conv, geometry, N, C, C_out, bias, dtype, seed):
    kernel, size, arguments = geometry
    x = numbers(N, C, *size, seed=seed, dtype=dtype)
    weight = numbers(C_out, C, *kernel, seed=seed + 1, dtype=dtype)
    bias = numbers(C_out, seed=seed + 2, dtype=dtype) if bias else None
    assert_conv_close(conv, x, weight, bias, **arguments)


@pytest.mark.parametrize("conv", CONVOLUTIONS)
def test_conv2d_takes_any_memory_order(conv):
    x = numbers(5, 6, 2, 3).transpose(3, 2, 0, 1)[:, :, ::-1]  # (N, C, H, W), nothing in order
    weight = numbers(3, 3, 2, 4, seed=1).T
    assert_conv_close(conv, x, weight)


@pytest.mark.parametrize("conv", CONVOLUTIONS)
def test_conv2d_takes_lists(conv):
    assert conv([[[[1.0, 2.0]]]], [[[[3.0]]]], [1.0]).tolist() == [[[[4.0, 7.0]]]]


@pytest.mark.parametrize("conv", CONVOLUTIONS)
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x": numbers(3, 8, 8)}, ValueError, r"x needs .*\(3, 8, 8\); .*x\[None\]"),
        ({"x": numbers(1, 2, 3, 8, 8)}, ValueError, r"x needs the axes \(N, C, H, W\)"),
        ({"weight": numbers(3, 5, 5)}, ValueError, r"weight needs the axes \(C_out, C, KH, KW\)"),
        ({"x": numbers(2, 8, 8, 3)}, ValueError, "x has 8 channels but weight expects 3"),
        ({"bias": numbers(3)}, ValueError, r"bias has the shape \(3,\).* shape \(4,\)"),
        ({"bias": numbers(4, 1)}, ValueError, r"bias has the shape \(4, 1\)"),
        ({"x": numbers(2, 3, 4, 4)}, ValueError, "does not fit .* padding of at least 1"),
        ({"stride": 0}, ValueError, "stride=0"),
        ({"padding": -1}, ValueError, "padding=-1"),
        ({"padding": "same", "stride": 2}, ValueError, "needs stride=1"),
        ({"padding": 0.5}, TypeError, "padding=0.5"),
        ({"x": np.ones((2, 3, 8, 8), "uint8")}, TypeError, r"uint8, .*x.astype\(np.float32\)"),
        ({"weight": np.ones((4, 3, 5, 5), bool)}, TypeError, "weight holds bool"),
        ({"weight": numbers(4, 3, 5, 5, dtype="float32")}, TypeError, "x holds float64 but weight"),
        ({"bias": numbers(4, dtype="float32")}, TypeError, r"bias.astype\(np.float64\)"),
    ],
)
def test_conv2d_says_what_is_wrong_and_what_to_do(conv, change, error, words):
    arguments = {"x": numbers(2, 3, 8, 8), "weight": numbers(4, 3, 5, 5), "bias": numbers(4)}
    conv(**arguments)
    with pytest.raises(error, match=words):
        conv(**arguments | change)


# --- pooling


@dtypes
@pytest.mark.parametrize(("ours", "theirs"), POOLINGS)
@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        ((2, 6, 28, 28), {"kernel_size": 2}),
        ((1, 1, 1, 1), {"kernel_size": 1}),
        ((1, 1, 1, 1), {"kernel_size": 3, "padding": 1}),
        ((2, 3, 7, 5), {"kernel_size": 2}),  # the last row and column are left over
        ((2, 3, 7, 5), {"kernel_size": 3, "stride": 1, "padding": 1}),
        ((2, 3, 7, 8), {"kernel_size": (3, 2), "stride": (1, 3), "padding": (1, 0)}),
        ((0, 3, 4, 4), {"kernel_size": 2}),
    ],
)
def test_pooling_of_known_cases(ours, theirs, shape, arguments, dtype):
    x = numbers(*shape, dtype=dtype)
    before = x.copy()
    got, expected = ours(x, **arguments), theirs(torch.from_numpy(x), **arguments)
    assert_close(got, expected, scale=torch.tensor(3.0))
    assert not np.shares_memory(got, x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(("ours", "theirs"), POOLINGS)
@quick
@given(
    geometry=geometries(most_dilation=1),
    N=st.integers(1, 2),
    C=st.integers(1, 3),
    tile=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_pooling_of_any_geometry(ours, theirs, geometry, N, C, tile, dtype, seed):
    kernel, size, arguments = geometry
    padding = 0 if isinstance(arguments["padding"], str) else arguments["padding"]
    assume(all(2 * p <= k for p, k in zip(pair("", padding, 0), kernel, strict=True)))
    x = numbers(N, C, *size, seed=seed, dtype=dtype)
    assume(all(n + 2 * p >= k for n, p, k in zip(size, pair("", padding, 0), kernel, strict=True)))
    stride = None if tile else arguments["stride"]
    expected = theirs(torch.from_numpy(x), kernel, stride, padding)
    assert_close(ours(x, kernel, stride, padding), expected, scale=torch.tensor(5.0))


def test_max_pooling_pads_with_less_than_any_number():
    assert scratch.max_pool2d(np.full((1, 1, 2, 2), -1e300), 3, padding=1).item() == -1e300


def test_average_pooling_counts_the_zeros_around():
    assert scratch.avg_pool2d(np.ones((1, 1, 2, 2)), 2, padding=1).tolist() == [[[[0.25] * 2] * 2]]


@pytest.mark.parametrize(("ours", "theirs"), POOLINGS)
def test_pooling_lets_nan_through(ours, theirs):
    x = np.array([[[[1.0, np.nan], [3.0, 4.0]]]])
    assert_close(ours(x, 2), theirs(torch.from_numpy(x), 2))


@pytest.mark.parametrize("pool", [scratch.max_pool2d, scratch.avg_pool2d])
@pytest.mark.parametrize(
    ("x", "arguments", "error", "words"),
    [
        (numbers(4, 4), {"kernel_size": 2}, ValueError, r"x needs the axes \(N, C, H, W\)"),
        (np.ones((1, 1, 4, 4), int), {"kernel_size": 2}, TypeError, "x holds int64"),
        (numbers(1, 1, 4, 4), {"kernel_size": 5}, ValueError, "size 5 .* does not fit"),
        (numbers(1, 1, 4, 4), {"kernel_size": 0}, ValueError, "kernel_size=0"),
        (numbers(1, 1, 4, 4), {"kernel_size": 2, "stride": 0}, ValueError, "stride=0"),
        (
            numbers(1, 1, 4, 4),
            {"kernel_size": (3, 2), "padding": 2},
            ValueError,
            r"more than half .* use at most \(1, 1\)",
        ),
        (numbers(1, 1, 4, 4), {"kernel_size": 2, "padding": -1}, ValueError, "padding=-1"),
        (numbers(1, 1, 4, 4), {"kernel_size": 2, "padding": "same"}, TypeError, "'same'"),
    ],
)
def test_pooling_says_what_is_wrong(pool, x, arguments, error, words):
    with pytest.raises(error, match=words):
        pool(x, **arguments)


# --- activations

ACTIVATIONS = [
    (scratch.relu, F.relu),
    (scratch.sigmoid, torch.sigmoid),
    (scratch.tanh, torch.tanh),
]
ROWS = [(scratch.softmax, F.softmax), (scratch.log_softmax, F.log_softmax)]


@dtypes
@pytest.mark.parametrize(("ours", "theirs"), ACTIVATIONS)
@pytest.mark.parametrize("shape", [(), (7,), (2, 3, 4, 5), (0, 3)])
def test_activations(ours, theirs, shape, dtype):
    x = np.asarray(30 * numbers(*shape), dtype)
    before = x.copy()
    got = ours(x)
    assert_close(got, theirs(torch.from_numpy(x)))
    assert not np.shares_memory(got, x)
    np.testing.assert_array_equal(x, before)


@dtypes
@pytest.mark.parametrize(("ours", "theirs"), ACTIVATIONS)
def test_activations_of_the_largest_numbers(ours, theirs, dtype):
    most = np.finfo(dtype).max
    x = np.array([-np.inf, -most, -1e4, -80, -1e-30, 0, 1e-30, 80, 1e4, most, np.inf, np.nan])
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    expected = theirs(torch.from_numpy(x)).numpy()
    tiny = np.finfo(dtype).tiny  # PyTorch may round what is smaller to 0
    np.testing.assert_allclose(ours(x), expected, rtol=TOLERANCE[np.dtype(dtype)], atol=tiny)


@dtypes
@pytest.mark.parametrize(("ours", "theirs"), ROWS)
@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2])
@pytest.mark.parametrize("spread", [1, 1000])
def test_softmax_along_any_axis(ours, theirs, dim, spread, dtype):
    x = spread * numbers(3, 4, 5, dtype=dtype)
    expected = theirs(torch.from_numpy(x), dim)
    got = ours(x, dim)
    assert got.dtype == x.dtype
    np.testing.assert_allclose(got, expected.numpy(), rtol=TOLERANCE[x.dtype], atol=1e-37)
    assert not np.shares_memory(got, x)


@pytest.mark.parametrize(("ours", "theirs"), ROWS)
@quick
@given(
    x=st.lists(
        st.floats(-1e30, 1e30) | st.floats(-30, 30) | st.just(-math.inf), min_size=1, max_size=6
    )
)
def test_softmax_of_any_numbers(ours, theirs, x):
    assume(max(x) > -math.inf)
    x = np.array(x)
    expected = theirs(torch.from_numpy(x), 0).numpy()
    np.testing.assert_allclose(ours(x), expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("ours", "theirs"), ROWS)
def test_softmax_takes_the_last_axis_if_none_is_named(ours, theirs):
    x = numbers(3, 4)
    assert_close(ours(x), theirs(torch.from_numpy(x), dim=1))


def test_log_softmax_is_finite_where_softmax_rounds_to_zero():
    x = [0.0, 2000.0]
    assert scratch.softmax(x)[0] == 0
    assert scratch.log_softmax(x)[0] == -2000


@pytest.mark.parametrize(("ours", "theirs"), ROWS)
def test_softmax_of_an_axis_that_is_not_there(ours, theirs):
    with pytest.raises(IndexError):
        theirs(torch.zeros(3, 4), 2)
    with pytest.raises(IndexError, match="axis 2 is out of bounds"):
        ours(np.zeros((3, 4)), 2)


@pytest.mark.parametrize("ours", [ours for ours, _ in ACTIVATIONS + ROWS])
def test_activations_refuse_integers(ours):
    with pytest.raises(TypeError, match=r"x holds int64.*x.astype\(np.float32\)"):
        ours(np.array([1, 2]))


# --- loss


@dtypes
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("labels", ["uint8", "int32", "int64"])
@pytest.mark.parametrize("spread", [1, 1000])
def test_cross_entropy(reduction, labels, spread, dtype):
    logits = spread * numbers(20, 10, dtype=dtype)
    target = np.random.default_rng(1).integers(0, 10, 20).astype(labels)
    before = logits.copy(), target.copy()
    expected = F.cross_entropy(
        torch.from_numpy(logits), torch.from_numpy(target).long(), reduction=reduction
    )
    assert_close(scratch.cross_entropy(logits, target, reduction), expected, expected.abs() + 1)
    np.testing.assert_array_equal(logits, before[0])
    np.testing.assert_array_equal(target, before[1])


def test_cross_entropy_is_the_mean_unless_named():
    logits, target = numbers(4, 3), np.array([0, 1, 2, 0])
    expected = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(target))
    assert_close(scratch.cross_entropy(logits, target), expected)


def test_cross_entropy_of_no_rows():
    assert scratch.cross_entropy(numbers(0, 3), [], "sum") == 0
    assert scratch.cross_entropy(numbers(0, 3), [], "none").shape == (0,)
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="Mean of empty slice"):
        assert math.isnan(scratch.cross_entropy(numbers(0, 3), []))  # as PyTorch


@pytest.mark.parametrize(
    ("logits", "target", "error", "words"),
    [
        (numbers(3, 4), [0, 1, 4], IndexError, r"target\[2\] is 4, but 4 classes .* 0 to 3"),
        (numbers(3, 4), [0, -1, 9], IndexError, r"target\[1\] is -1"),
        (numbers(3, 4), [0, -100, 1], IndexError, r"target\[1\] is -100"),
        (numbers(3, 4), [0, 1], ValueError, r"\(2,\), but 3 rows of logits"),
        (numbers(3, 4), np.eye(3, 4, dtype=int), ValueError, r"one-hot .*argmax\(axis=1\)"),
        (numbers(3, 4), [0.0, 1.0, 2.0], TypeError, "target holds float64"),
        (numbers(2, 4), [True, False], TypeError, "target holds bool"),
        (numbers(4), 2, ValueError, r"logits needs the axes \(N, classes\)"),
        (np.ones((3, 4), int), [0, 1, 2], TypeError, "logits holds int64"),
    ],
)
def test_cross_entropy_says_what_is_wrong(logits, target, error, words):
    with pytest.raises(error, match=words):
        scratch.cross_entropy(logits, target)


def test_cross_entropy_names_the_reductions():
    with pytest.raises(ValueError, match="'avg' is unknown; use one of mean, sum, none"):
        scratch.cross_entropy(numbers(3, 4), [0, 1, 2], "avg")


# --- fully connected


@dtypes
@pytest.mark.parametrize("leading", [(), (1,), (5,), (2, 3), (0,)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_linear(leading, with_bias, dtype):
    x = numbers(*leading, 7, dtype=dtype)
    weight, bias = numbers(4, 7, seed=1, dtype=dtype), numbers(4, seed=2, dtype=dtype)
    arrays = [x, weight, bias][: 2 + with_bias]
    before = [a.copy() for a in arrays]
    tensors = [torch.from_numpy(a) for a in arrays]
    scale = F.linear(*(t.abs() for t in tensors))
    assert_close(scratch.linear(*arrays), F.linear(*tensors), scale)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x": numbers(2, 3)}, ValueError, r"x \(2, 3\) must hold the 7 in_features"),
        ({"x": np.array(1.0)}, ValueError, r"x \(\) must hold"),
        (
            {"weight": numbers(7)},
            ValueError,
            r"weight needs the axes \(out_features, in_features\)",
        ),
        ({"bias": numbers(1)}, ValueError, r"bias has the shape \(1,\).* shape \(4,\)"),
        ({"bias": numbers(4, dtype="float32")}, TypeError, "x holds float64 but bias"),
        ({"x": np.ones((2, 7), int)}, TypeError, "x holds int64"),
    ],
)
def test_linear_says_what_is_wrong(change, error, words):
    arguments = {"x": numbers(2, 7), "weight": numbers(4, 7), "bias": numbers(4)}
    scratch.linear(**arguments)
    with pytest.raises(error, match=words):
        scratch.linear(**arguments | change)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(
    ("shape", "dims"),
    [
        ((2, 3, 4, 5), ()),
        ((2, 3, 4, 5), (1,)),
        ((2, 3, 4, 5), (1, 2)),
        ((2, 3, 4, 5), (-3, -2)),
        ((2, 3, 4, 5), (2, 2)),
        ((0, 3, 4), (1,)),
        ((3,), (0,)),
        ((), ()),
        ((), (-1, 0)),
    ],
)
def test_flatten(shape, dims, dtype):
    x = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    got = scratch.flatten(x, *dims)
    np.testing.assert_array_equal(got, torch.flatten(torch.from_numpy(x), *dims).numpy())
    assert got.dtype == x.dtype


@pytest.mark.parametrize("dims", [(2,), (0, 2), (-3,), (0, -3)])
def test_flatten_along_an_axis_that_is_not_there(dims):
    with pytest.raises(IndexError):
        torch.flatten(torch.zeros(3, 4), *dims)
    with pytest.raises(IndexError, match=r"no axis of the shape \(3, 4\); use -2 to 1"):
        scratch.flatten(np.zeros((3, 4)), *dims)


def test_flatten_the_wrong_way_round():
    with pytest.raises(ValueError, match="start_dim=1 comes after end_dim=0; swap them"):
        scratch.flatten(np.zeros((3, 4)), 1, 0)


# --- what the layers are made of


def test_windows_are_those_of_unfold():
    x = numbers(2, 3, 7, 8)
    got = windows(x, (3, 2), stride=(2, 1), dilation=(1, 3))
    expected = F.unfold(torch.from_numpy(x), (3, 2), stride=(2, 1), dilation=(1, 3))
    np.testing.assert_array_equal(got.reshape(expected.shape), expected.numpy())
    assert np.shares_memory(got, x)
    assert not got.flags.writeable


def test_pad_puts_each_side_where_it_belongs():
    x = numbers(2, 3, 4, 5)
    got = pad(x, ((1, 2), (3, 4)), value=7.0)
    np.testing.assert_array_equal(got, F.pad(torch.from_numpy(x), (3, 4, 1, 2), value=7.0).numpy())
    assert pad(x, ((0, 0), (0, 0))) is x


def test_too_many_axes_get_no_advice_to_add_one():
    with pytest.raises(ValueError, match=r"shape \(1, 1, 1\)$"):
        require_axes("x", np.zeros((1, 1, 1)), "N, C")


modules = sorted(found.name for found in pkgutil.iter_modules(scratch.__path__))


@pytest.mark.parametrize("name", modules)
def test_the_examples_of_the_docstrings_run(name):
    results = doctest.testmod(importlib.import_module(f"lenet_course.scratch.{name}"))
    assert results.attempted > 0
    assert results.failed == 0

"""Every layer in NumPy against the function of the same name in PyTorch."""

import math
import pkgutil

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scratch_helpers import (
    TOLERANCE,
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
from lenet_course.scratch.arrays import pad, require_axes, windows

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")  # such as overflow in exp
quick = settings(max_examples=80, deadline=None)
seeds = st.integers(0, 2**32 - 1)

POOLINGS = [(scratch.max_pool2d, F.max_pool2d), (scratch.avg_pool2d, F.avg_pool2d)]
ACTIVATIONS = [
    (scratch.relu, F.relu),
    (scratch.sigmoid, torch.sigmoid),
    (scratch.tanh, torch.tanh),
]
ROWS = [(scratch.softmax, F.softmax), (scratch.log_softmax, F.log_softmax)]

convolutions = pytest.mark.parametrize("conv", [scratch.conv2d, scratch.conv2d_loops])
pooling_functions = pytest.mark.parametrize(("ours", "theirs"), POOLINGS)
activations = pytest.mark.parametrize(("ours", "theirs"), ACTIVATIONS)
softmaxes = pytest.mark.parametrize(("ours", "theirs"), ROWS)


# --- convolution


def assert_conv_close(conv, *arrays, **arguments):
    """Compare with PyTorch; rounding is relative to the sum of all magnitudes in a window."""
    tensors = [torch.from_numpy(array.copy()) for array in arrays]
    scale = F.conv2d(*(tensor.abs() for tensor in tensors), **arguments)
    with unchanged(*arrays):
        assert_close(conv(*arrays, **arguments), F.conv2d(*tensors, **arguments), scale)


@dtypes
@convolutions
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


@convolutions
@quick
@given(
    geometry=geometries(),
    channels=st.tuples(*[st.integers(1, n) for n in (3, 3, 4)]),  # N, C, C_out
    bias=st.booleans(),
    dtype=st.sampled_from(list(TOLERANCE)),
    seed=seeds,
)
@same_warning
def test_conv2d_of_any_geometry(conv, geometry, channels, bias, dtype, seed):
    (kernel, size, arguments), (N, C, C_out) = geometry, channels
    shapes = [(N, C, *size), (C_out, C, *kernel), (C_out,)][: 2 + bias]
    arrays = [numbers(*shape, seed=seed + i, dtype=dtype) for i, shape in enumerate(shapes)]
    assert_conv_close(conv, *arrays, **arguments)


@pytest.mark.parametrize("fits", [1, 2, 3])  # images; the last group lacks some of two and three
def test_conv2d_of_a_batch_larger_than_the_cache(monkeypatch, fits):
    x, weight, bias = numbers(5, 2, 6, 7), numbers(3, 2, 2, 3, seed=1), numbers(3, seed=2)
    monkeypatch.setattr(functional, "CACHE", fits * x.itemsize * 2 * 2 * 3 * 7 * 7)  # 7×7 places
    assert_conv_close(scratch.conv2d, x, weight, bias, padding=1)


@convolutions
def test_conv2d_takes_any_memory_order(conv):
    x = numbers(5, 6, 2, 3).transpose(3, 2, 0, 1)[:, :, ::-1]  # (N, C, H, W), nothing in order
    assert_conv_close(conv, x, numbers(3, 3, 2, 4, seed=1).T)


@convolutions
def test_conv2d_takes_lists(conv):
    assert conv([[[[1.0, 2.0]]]], [[[[3.0]]]], [1.0]).tolist() == [[[[4.0, 7.0]]]]


# --- pooling


@dtypes
@pooling_functions
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
    with unchanged(x):
        got = ours(x, **arguments)
    assert_close(got, theirs(torch.from_numpy(x), **arguments), scale=3)
    assert not np.shares_memory(got, x)


@pooling_functions
@quick
@given(
    pooling=poolings(),
    N=st.integers(1, 2),
    C=st.integers(1, 3),
    dtype=st.sampled_from(list(TOLERANCE)),
    seed=seeds,
)
def test_pooling_of_any_geometry(ours, theirs, pooling, N, C, dtype, seed):
    size, geometry = pooling
    x = numbers(N, C, *size, seed=seed, dtype=dtype)
    assert_close(ours(x, *geometry), theirs(torch.from_numpy(x), *geometry), scale=5)


def test_max_pooling_pads_with_less_than_any_number():
    assert scratch.max_pool2d(np.full((1, 1, 2, 2), -1e300), 3, padding=1).item() == -1e300


def test_average_pooling_counts_the_zeros_around():
    assert scratch.avg_pool2d(np.ones((1, 1, 2, 2)), 2, padding=1).tolist() == [[[[0.25] * 2] * 2]]


@pooling_functions
def test_pooling_lets_nan_through(ours, theirs):
    x = np.array([[[[1.0, np.nan], [3.0, 4.0]]]])
    assert_close(ours(x, 2), theirs(torch.from_numpy(x), 2))


# --- activations


@dtypes
@activations
@pytest.mark.parametrize("shape", [(), (7,), (2, 3, 4, 5), (0, 3)])
def test_activations(ours, theirs, shape, dtype):
    x = np.asarray(30 * numbers(*shape), dtype)
    with unchanged(x):
        got = ours(x)
    assert_close(got, theirs(torch.from_numpy(x)))
    assert not np.shares_memory(got, x)


@dtypes
@activations
def test_activations_of_the_largest_numbers(ours, theirs, dtype):
    most = np.finfo(dtype).max
    x = np.array([-np.inf, -most, -1e4, -80, -1e-30, 0, 1e-30, 80, 1e4, most, np.inf, np.nan])
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    expected = theirs(torch.from_numpy(x)).numpy()
    tiny = np.finfo(dtype).tiny  # PyTorch may round what is smaller to 0
    np.testing.assert_allclose(ours(x), expected, rtol=TOLERANCE[dtype], atol=tiny)


@dtypes
@softmaxes
@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2])
@pytest.mark.parametrize("factor", [1, 1000])
def test_softmax_along_any_axis(ours, theirs, dim, factor, dtype):
    x = factor * numbers(3, 4, 5, dtype=dtype)
    got, expected = ours(x, dim), theirs(torch.from_numpy(x), dim)
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
def test_softmax_of_any_numbers(ours, theirs, x):
    assume(max(x) > -math.inf)
    x = np.array(x)
    expected = theirs(torch.from_numpy(x), 0).numpy()
    np.testing.assert_allclose(ours(x), expected, rtol=1e-10, atol=1e-13)


@softmaxes
def test_softmax_takes_the_last_axis_if_none_is_named(ours, theirs):
    x = numbers(3, 4)
    assert_close(ours(x), theirs(torch.from_numpy(x), dim=1))


def test_log_softmax_is_finite_where_softmax_rounds_to_zero():
    x = [0.0, 2000.0]
    assert scratch.softmax(x)[0] == 0
    assert scratch.log_softmax(x)[0] == -2000


# --- loss


@dtypes
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("labels", ["uint8", "int32", "int64"])
@pytest.mark.parametrize("factor", [1, 1000])
def test_cross_entropy(reduction, labels, factor, dtype):
    logits = factor * numbers(20, 10, dtype=dtype)
    target = np.random.default_rng(1).integers(0, 10, 20).astype(labels)
    expected = F.cross_entropy(
        torch.from_numpy(logits), torch.from_numpy(target).long(), reduction=reduction
    )
    with unchanged(logits, target):
        got = scratch.cross_entropy(logits, target, reduction)
    assert_close(got, expected, expected.abs() + 1)


def test_cross_entropy_is_the_mean_unless_named():
    logits, target = numbers(4, 3), np.array([0, 1, 2, 0])
    expected = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(target))
    assert_close(scratch.cross_entropy(logits, target), expected)


def test_cross_entropy_of_no_rows():
    assert scratch.cross_entropy(numbers(0, 3), [], "sum") == 0
    assert scratch.cross_entropy(numbers(0, 3), [], "none").shape == (0,)
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="Mean of empty slice"):
        assert math.isnan(scratch.cross_entropy(numbers(0, 3), []))  # as PyTorch


# --- fully connected


@dtypes
@pytest.mark.parametrize("leading", [(), (1,), (5,), (2, 3), (0,)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_linear(leading, with_bias, dtype):
    shapes = [(*leading, 7), (4, 7), (4,)][: 2 + with_bias]
    arrays = [numbers(*shape, seed=i, dtype=dtype) for i, shape in enumerate(shapes)]
    tensors = [torch.from_numpy(array) for array in arrays]
    with unchanged(*arrays):
        got = scratch.linear(*arrays)
    assert_close(got, F.linear(*tensors), F.linear(*(t.abs() for t in tensors)))


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


# --- what is wrong, and what to do

CONV = {"x": numbers(2, 3, 8, 8), "weight": numbers(4, 3, 5, 5), "bias": numbers(4)}
POOL = {"x": numbers(1, 1, 4, 4), "kernel_size": 2}
LOSS = {"logits": numbers(3, 4), "target": [0, 1, 2]}
LINEAR = {"x": numbers(2, 7), "weight": numbers(4, 7), "bias": numbers(4)}
NORM = {"x": numbers(2, 3, 6, 6), "weight": np.ones(3), "bias": np.zeros(3)}
STATS = {"mean": np.zeros(3), "var": np.ones(3)}
SINGLE = np.float32

MISTAKES = {
    ("conv2d", "conv2d_loops"): (
        CONV,
        [
            ({"x": numbers(3, 8, 8)}, ValueError, r"x needs .*\(3, 8, 8\); .*x\[None\]"),
            ({"x": numbers(1, 2, 3, 8, 8)}, ValueError, r"x needs the axes \(N, C, H, W\)"),
            ({"weight": numbers(3, 5, 5)}, ValueError, r"weight needs .* \(C_out, C, KH, KW\)"),
            ({"x": numbers(2, 8, 8, 3)}, ValueError, "x has 8 channels but weight expects 3"),
            (
                {"bias": numbers(3)},
                ValueError,
                r"bias .* each output channel, \(4,\), but has \(3,\)",
            ),
            ({"bias": numbers(4, 1)}, ValueError, r"bias .* but has \(4, 1\)"),
            ({"x": numbers(2, 3, 4, 4)}, ValueError, "does not fit .* padding of at least 1"),
            ({"stride": 0}, ValueError, "stride=0"),
            ({"padding": -1}, ValueError, "padding=-1"),
            ({"padding": "same", "stride": 2}, ValueError, "needs stride=1"),
            ({"padding": 0.5}, TypeError, "padding=0.5"),
            ({"x": np.ones((2, 3, 8, 8), "uint8")}, TypeError, r"uint8, .*x.astype\(np.float32\)"),
            ({"weight": np.ones((4, 3, 5, 5), bool)}, TypeError, "weight holds bool"),
            (
                {"weight": numbers(4, 3, 5, 5, dtype=SINGLE)},
                TypeError,
                "x holds float64 but weight",
            ),
            ({"bias": numbers(4, dtype=SINGLE)}, TypeError, r"bias.astype\(np.float64\)"),
        ],
    ),
    ("max_pool2d", "avg_pool2d"): (
        POOL,
        [
            ({"x": numbers(4, 4)}, ValueError, r"x needs the axes \(N, C, H, W\)"),
            ({"x": np.ones((1, 1, 4, 4), int)}, TypeError, "x holds int64"),
            ({"kernel_size": 5}, ValueError, "size 5 .* does not fit"),
            ({"kernel_size": 0}, ValueError, "kernel_size=0"),
            ({"stride": 0}, ValueError, "stride=0"),
            ({"kernel_size": (3, 2), "padding": 2}, ValueError, r"than half .* at most \(1, 1\)"),
            ({"padding": -1}, ValueError, "padding=-1"),
            ({"padding": "same"}, TypeError, "'same'"),
        ],
    ),
    ("cross_entropy",): (
        LOSS,
        [
            ({"target": [0, 1, 4]}, IndexError, r"target\[2\] is 4, but 4 .* 0 to 3"),
            ({"target": [0, -1, 9]}, IndexError, r"target\[1\] is -1"),
            ({"target": [0, -100, 1]}, IndexError, r"target\[1\] is -100"),
            ({"target": [0, 1]}, ValueError, r"\(2,\), but 3 rows of logits"),
            ({"target": np.eye(3, 4, dtype=int)}, ValueError, r"one-hot .*argmax\(axis=1\)"),
            ({"target": [0.0, 1.0, 2.0]}, TypeError, "target holds float64"),
            ({"target": [True] * 3}, TypeError, "target holds bool"),
            ({"logits": numbers(4)}, ValueError, r"logits needs the axes \(N, classes\)"),
            ({"logits": np.ones((3, 4), int)}, TypeError, "logits holds int64"),
            ({"reduction": "avg"}, ValueError, "'avg' is unknown; use one of mean, sum, none"),
        ],
    ),
    ("linear",): (
        LINEAR,
        [
            ({"x": numbers(2, 3)}, ValueError, r"x \(2, 3\) must hold the 7 in_features"),
            ({"x": np.array(1.0)}, ValueError, r"x \(\) must hold"),
            ({"weight": numbers(7)}, ValueError, r"weight needs .* \(out_features, in_features\)"),
            ({"bias": numbers(1)}, ValueError, r"bias .* each output, \(4,\), but has \(1,\)"),
            ({"bias": numbers(4, dtype=SINGLE)}, TypeError, "x holds float64 but bias"),
            ({"x": np.ones((2, 7), int)}, TypeError, "x holds int64"),
        ],
    ),
    ("batch_norm",): (
        NORM,
        [
            ({"x": numbers(1, 3, 1, 1)}, ValueError, r"x \(1, 3, 1, 1\) has 1 .* no variance"),
            ({"weight": np.ones(2)}, ValueError, r"weight .* each channel, \(3,\), but has \(2,\)"),
            (STATS | {"var": np.ones(1)}, ValueError, r"var .* each channel, \(3,\)"),
            (STATS | {"mean": np.zeros(3, SINGLE)}, TypeError, "but mean holds float32"),
            ({"mean": np.zeros(3)}, ValueError, "mean and var belong together"),
            ({"eps": -1.0}, ValueError, "eps=-1.0"),
        ],
    ),
    ("batch_stats",): (
        {"x": NORM["x"]},
        [
            ({"x": numbers(3, 3)}, ValueError, r"x needs the axes \(N, C, H, W\)"),
        ],
    ),
    ("flatten",): (
        {"x": POOL["x"]},
        [
            ({"start_dim": 4}, IndexError, r"no axis of .* \(1, 1, 4, 4\); use -4 to 3"),
            ({"start_dim": 1, "end_dim": -5}, IndexError, "no axis"),
            ({"start_dim": 1, "end_dim": 0}, ValueError, "comes after end_dim=0; swap"),
        ],
    ),
}


@pytest.mark.parametrize(
    ("name", "good", "change", "error", "words"),
    [
        (name, good, *mistake)
        for names, (good, mistakes) in MISTAKES.items()
        for name in names
        for mistake in mistakes
    ],
)
def test_a_mistake_is_named_with_its_remedy(name, good, change, error, words):
    function = getattr(scratch, name)
    function(**good)
    with pytest.raises(error, match=words):
        function(**good | change)


@pytest.mark.parametrize("ours", [ours for ours, _ in ACTIVATIONS + ROWS])
def test_activations_refuse_integers(ours):
    with pytest.raises(TypeError, match=r"x holds int64.*x.astype\(np.float32\)"):
        ours(np.array([1, 2]))


@softmaxes
def test_softmax_of_an_axis_that_is_not_there(ours, theirs):
    for function, x in ((ours, np.zeros((3, 4))), (theirs, torch.zeros(3, 4))):
        with pytest.raises(IndexError, match="out of"):
            function(x, 2)


def test_too_many_axes_get_no_advice_to_add_one():
    with pytest.raises(ValueError, match=r"shape \(1, 1, 1\)$"):
        require_axes("x", np.zeros((1, 1, 1)), "N, C")


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


def test_no_module_has_the_name_of_a_function():
    modules = {found.name for found in pkgutil.iter_modules(scratch.__path__)}
    assert not modules & set(scratch.__all__)

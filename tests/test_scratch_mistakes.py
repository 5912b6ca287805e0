"""What the functions in NumPy refuse: the array is named with its value and the remedy."""

import re

import numpy as np
import pytest
from scratch_helpers import numbers

from lenet_course import scratch

MAPS, CHANNEL = numbers(2, 3, 6, 6), np.ones(3)
CONV = {"x": MAPS, "weight": numbers(4, 3, 5, 5)}
POOL = {"x": MAPS, "kernel_size": 2}
LINEAR = {"x": numbers(2, 7), "weight": numbers(4, 7)}
ONE = {"x": numbers(4)}
# The arguments of each function; of those that go back, the shape of the output stands first.
GOOD = {
    "conv2d": CONV | {"bias": numbers(4)},
    "conv2d_loops": CONV | {"bias": numbers(4)},
    "max_pool2d": POOL,
    "avg_pool2d": POOL,
    "linear": LINEAR | {"bias": numbers(4)},
    "cross_entropy": {"logits": numbers(3, 4), "target": [0, 1, 2]},
    "batch_norm": {
        **{"x": MAPS, "weight": CHANNEL, "bias": CHANNEL},
        **{"mean": CHANNEL, "var": CHANNEL},
    },
    "batch_stats": {"x": MAPS},
    "dropout": ONE | {"p": 0.5, "generator": np.random.default_rng(0)},
    **dict.fromkeys(("relu", "sigmoid", "tanh", "softmax", "log_softmax"), ONE),
    "conv2d_backward": {"grad_output": np.ones((2, 4, 2, 2)), **CONV},
    "max_pool2d_backward": {"grad_output": np.ones((2, 3, 3, 3)), **POOL},
    "avg_pool2d_backward": {"grad_output": np.ones((2, 3, 3, 3)), **POOL},
    "linear_backward": {"grad_output": np.ones((2, 4)), **LINEAR},
    "relu_backward": {"grad_output": np.ones(4), **ONE},
    "sigmoid_backward": {"grad_output": np.ones(4), "out": numbers(4)},
    "tanh_backward": {"grad_output": np.ones(4), "out": numbers(4)},
    "batch_norm_backward": {"grad_output": np.ones((2, 3, 6, 6)), "x": MAPS, "weight": CHANNEL},
    "cross_entropy_backward": {"logits": numbers(3, 4), "target": [0, 1, 2]},
}
every_function = pytest.mark.parametrize("name", GOOD)


def arrays_of(name):
    return {key: value for key, value in GOOD[name].items() if isinstance(value, np.ndarray)}


@every_function
def test_every_array_holds_floats_of_one_dtype(name):
    function, arrays = getattr(scratch, name), arrays_of(name)
    function(**GOOD[name])
    for key, array in arrays.items():
        for dtype in ("int64", "uint8", "bool"):
            with pytest.raises(TypeError, match=rf"^{key} holds {dtype},.* {key}.astype\(np.fl"):
                function(**GOOD[name] | {key: array.astype(dtype)})
        if len(arrays) > 1:
            with pytest.raises(TypeError, match=r"holds float.* but \w+ .*; .*\.astype\(np.fl"):
                function(**GOOD[name] | {key: array.astype(np.float32)})


@pytest.mark.parametrize("name", [name for name in GOOD if "grad_output" in GOOD[name]])
def test_the_gradient_has_the_shape_of_the_output(name):
    shape = GOOD[name]["grad_output"].shape
    words = f"grad_output must have the shape of the output, {re.escape(str(shape))}, but has"
    wider = np.zeros((*shape[:-1], shape[-1] + 1))
    with pytest.raises(ValueError, match=words):
        getattr(scratch, name)(**GOOD[name] | {"grad_output": wider})


@pytest.mark.parametrize("name", [name for name in GOOD if GOOD[name].get("x") is MAPS])
def test_images_have_four_axes(name):
    with pytest.raises(ValueError, match=r"x needs .*\(N, C, H, W\).*\(3, 6, 6\); .*x\[None\]"):
        getattr(scratch, name)(**GOOD[name] | {"x": MAPS[0]})
    with pytest.raises(ValueError, match=r"x needs .*\(1, 2, 3, 6, 6\)$"):  # no advice to add one
        getattr(scratch, name)(**GOOD[name] | {"x": MAPS[None]})


CONVS, POOLS = ("conv2d", "conv2d_loops", "conv2d_backward"), ("max_pool2d", "avg_pool2d")
LOSSES = ("cross_entropy", "cross_entropy_backward")
MISTAKES = [
    (CONVS, {"weight": numbers(3, 5, 5)}, ValueError, r"weight needs .* \(C_out, C, KH, KW\)"),
    (CONVS, {"x": numbers(2, 6, 6, 3)}, ValueError, "x has 6 channels but weight expects 3"),
    (CONVS, {"x": numbers(2, 3, 4, 4)}, ValueError, "does not fit .* padding of at least 1"),
    (CONVS, {"stride": 0}, ValueError, "stride=0"),
    (CONVS, {"padding": "same", "stride": 2}, ValueError, "needs stride=1"),
    (CONVS[:2], {"bias": numbers(3)}, ValueError, r"bias .* output channel, \(4,\), but has \(3,"),
    (CONVS[:2], {"bias": numbers(4, 1)}, ValueError, r"bias .* but has \(4, 1\)"),
    (POOLS, {"kernel_size": 7}, ValueError, "size 7 .* does not fit"),
    (POOLS, {"kernel_size": 0}, ValueError, "kernel_size=0"),
    (POOLS, {"stride": 0}, ValueError, "stride=0"),
    (POOLS, {"kernel_size": (3, 2), "padding": 2}, ValueError, r"than half .* at most \(1, 1\)"),
    (POOLS, {"padding": -1}, ValueError, "padding=-1"),
    (POOLS, {"padding": "same"}, TypeError, "'same'"),
    (LOSSES, {"target": [0, 1, 4]}, IndexError, r"target\[2\] is 4, but 4 .* 0 to 3"),
    (LOSSES, {"target": [0, -100, 9]}, IndexError, r"target\[1\] is -100"),
    (LOSSES, {"target": [0, 1]}, ValueError, r"\(2,\), but 3 rows of logits"),
    (LOSSES, {"target": np.eye(3, 4, dtype=int)}, ValueError, r"one-hot .*argmax\(axis=1\)"),
    (LOSSES, {"target": [0.0, 1.0, 2.0]}, TypeError, "target holds float64"),
    (LOSSES, {"target": [True] * 3}, TypeError, "target holds bool"),
    (LOSSES, {"logits": numbers(4)}, ValueError, r"logits needs the axes \(N, classes\)"),
    (LOSSES[:1], {"reduction": "avg"}, ValueError, "'avg' is unknown; use one of mean, sum, none"),
    (["linear"], {"x": numbers(2, 3)}, ValueError, r"x \(2, 3\) must hold the 7 in_features"),
    (["linear"], {"x": np.array(1.0)}, ValueError, r"x \(\) must hold"),
    (["linear"], {"weight": numbers(7)}, ValueError, r"weight needs .* \(out_features, in_feat"),
    (["linear"], {"bias": numbers(1)}, ValueError, r"bias .* each output, \(4,\), but has \(1,\)"),
    (["batch_stats"], {"x": numbers(1, 3, 1, 1)}, ValueError, r"\(1, 3, 1, 1\) has 1 .* no varia"),
    (["batch_norm"], {"weight": np.ones(2)}, ValueError, r"weight .* each channel, \(3,\), but"),
    (["batch_norm"], {"var": np.ones(1)}, ValueError, r"var .* each channel, \(3,\)"),
    (["batch_norm"], {"var": None}, ValueError, "mean and var belong together"),
    (["batch_norm"], {"eps": -1.0}, ValueError, "eps=-1.0"),
    *((["dropout"], {"p": p}, ValueError, f"p={p}") for p in (1.5, -0.1, np.nan)),
    (["softmax", "log_softmax"], {"dim": 1}, IndexError, "out of"),
]


@pytest.mark.parametrize(
    ("name", "change", "error", "words"),
    [(name, *mistake) for names, *mistake in MISTAKES for name in names],
)
def test_a_mistake_is_named_with_its_remedy(name, change, error, words):
    with pytest.raises(error, match=words):
        getattr(scratch, name)(**GOOD[name] | change)


@pytest.mark.parametrize(
    ("dims", "error", "words"),
    [
        ((4,), IndexError, r"no axis of .* \(2, 3, 6, 6\); use -4 to 3"),
        ((1, -5), IndexError, "no axis"),
        ((1, 0), ValueError, "comes after end_dim=0; swap"),
    ],
)
def test_flatten_joins_axes_that_are_there(dims, error, words):
    with pytest.raises(error, match=words):
        scratch.flatten(MAPS, *dims)

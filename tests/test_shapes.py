"""Our arithmetic of shapes against the shapes that PyTorch returns."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scratch_helpers import between, quick, same_warning
from torch import nn
from torch.nn import functional as F

from lenet_course.shapes import (
    conv_output_size,
    conv_parameter_count,
    linear_parameter_count,
    padding_per_side,
    pair,
    receptive_field,
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"size": 28, "kernel_size": 5, "padding": 2}, 28),
        ({"size": 7, "kernel_size": 2, "stride": 2}, 3),  # the last pixel is left over
        ({"size": 1, "kernel_size": 4, "padding": 2}, 2),
        ({"size": (28, 20), "kernel_size": 5}, (24, 16)),
        ({"size": 28, "kernel_size": [5, 3]}, (24, 26)),
        ({"size": 28, "kernel_size": 5, "stride": (1, 2)}, (24, 12)),
        ({"size": 28, "kernel_size": 5, "padding": (0, 2)}, (24, 28)),
        ({"size": 28, "kernel_size": 5, "dilation": (1, 2)}, (24, 20)),
        ({"size": np.int64(28), "kernel_size": np.uint8(5)}, 24),
        ({"size": torch.Size([28, 20]), "kernel_size": 5}, (24, 16)),
    ],
)
def test_output_size_of_known_cases(arguments, expected):
    got = conv_output_size(**arguments)
    assert got == expected
    assert all(type(number) is int for number in np.atleast_1d(got).tolist())
    assert type(got) is type(expected)


@quick
@given(
    size=between(1, 12),
    kernel_size=between(1, 6),
    stride=between(1, 4),
    padding=between(0, 3) | st.sampled_from(["valid", "same"]),
    dilation=between(1, 3),
)
@same_warning
def test_output_size_is_the_one_pytorch_returns(size, kernel_size, stride, padding, dilation):
    arguments = {"stride": stride, "padding": padding, "dilation": dilation}
    x = torch.zeros(1, 1, *pair("size", size))
    weight = torch.zeros(1, 1, *pair("kernel_size", kernel_size))
    try:
        expected = tuple(F.conv2d(x, weight, **arguments).shape[2:])
    except RuntimeError:
        with pytest.raises(ValueError, match=r"does not fit|needs stride=1"):
            conv_output_size(size, kernel_size, **arguments)
    else:
        assert pair("output", conv_output_size(size, kernel_size, **arguments)) == expected


@pytest.mark.parametrize("name", ["size", "kernel_size", "stride", "padding", "dilation"])
def test_every_size_is_a_whole_number_or_a_pair(name):
    good, least = {"size": 5, "kernel_size": 3}, 0 if name == "padding" else 1
    few = least - 1
    for value, error, words in [
        (few, ValueError, f"{name}={few} .* use {least} or more"),
        ((1, few), ValueError, f"{name}={few}"),
        ((1, 1, 1), ValueError, f"{name}=.* 3 entries; .* pair"),
        (1.5, TypeError, f"{name}=1.5 .*float"),
        (True, TypeError, f"{name}=True .*bool"),
        (None, TypeError, f"{name}=None"),
    ]:
        with pytest.raises(error, match=words):
            conv_output_size(**good | {name: value})


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (
            {"kernel_size": 7},
            ValueError,
            "7 .* 1 spans 7 .* 5 \\+ 0 \\+ 0 = 5; .* at least 1$",
        ),
        ({"dilation": 4}, ValueError, "spans 9 .* at least 2$"),
        ({"size": (9, 2)}, ValueError, "2 \\+ 0 \\+ 0 = 2"),
        ({"padding": "full"}, ValueError, "'full' .* 'same'"),
        ({"padding": "same", "stride": 2}, ValueError, "stride is 2; .*kernel_size // 2"),
        ({"size": 28 / 2}, TypeError, "size=14.0 .* divide with //"),
        ({"kernel_size": "3"}, TypeError, "kernel_size='3' .*str"),
    ],
)
def test_output_size_says_what_is_wrong_and_what_to_do(arguments, error, words):
    with pytest.raises(error, match=words):
        conv_output_size(**{"size": 5, "kernel_size": 3} | arguments)


@quick
@given(size=st.integers(1, 9), kernel_size=st.integers(1, 9), dilation=st.integers(1, 3))
def test_the_padding_that_the_error_asks_for_is_the_least_that_fits(size, kernel_size, dilation):
    try:
        conv_output_size(size, kernel_size, dilation=dilation)
    except ValueError as error:
        least = int(str(error).rsplit(" ", 1)[1])
        assert conv_output_size(size, kernel_size, padding=least, dilation=dilation) >= 1
        with pytest.raises(ValueError, match="does not fit"):
            conv_output_size(size, kernel_size, padding=least - 1, dilation=dilation)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dilation", [1, 2])
@same_warning
def test_same_adds_the_odd_pixel_where_pytorch_does(kernel_size, dilation):
    x = torch.arange(1.0, 8.0)[None, None]
    weight = torch.arange(1.0, kernel_size + 1)[None, None]
    sides = padding_per_side(kernel_size, "same", dilation)
    padded = F.conv1d(F.pad(x, sides), weight, dilation=dilation)
    assert torch.equal(padded, F.conv1d(x, weight, padding="same", dilation=dilation))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((5,), (0, 0)),
        ((5, "valid"), (0, 0)),
        ((5, (1, 2)), ((1, 1), (2, 2))),
        ((2, "same", (1, 3)), ((0, 1), (1, 2))),
    ],
)
def test_padding_per_side_of_known_cases(arguments, expected):
    assert padding_per_side(*arguments) == expected


layer = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2))


@quick
@given(layers=st.lists(layer | layer.map(lambda entries: entries[:2]), max_size=4))
def test_receptive_field_is_what_the_gradient_reaches(layers):
    field = receptive_field(layers)
    x = torch.zeros(1, 1, field + 4, dtype=torch.float64, requires_grad=True)
    out = x
    for kernel_size, stride, *dilation in layers:
        weight = torch.ones(1, 1, kernel_size, dtype=x.dtype)
        out = F.conv1d(out, weight, stride=stride, dilation=dilation[0] if dilation else 1)
    out[0, 0, 0].backward()
    reached = x.grad[0, 0].nonzero()
    assert (reached[0].item(), reached[-1].item()) == (0, field - 1)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([], 1),
        ([((3, 5), 1)], (3, 5)),
        ([[2, (2, 1)], (3, 1)], (6, 4)),
    ],
)
def test_receptive_field_of_known_stacks(layers, expected):
    assert receptive_field(layers) == expected


@pytest.mark.parametrize(
    ("layers", "error", "words"),
    [
        ((5, 1), ValueError, "layer 1 is 5; write a list"),
        ([(5, 1), (2,)], ValueError, "layer 2 is \\(2,\\)"),
        ([(5, 1, 1, 1)], ValueError, "layer 1"),
        ([(0, 1)], ValueError, "kernel_size=0"),
        ([(5, 0)], ValueError, "stride=0"),
        ([(5, 1, 0)], ValueError, "dilation=0"),
    ],
)
def test_receptive_field_says_which_layer_is_wrong(layers, error, words):
    with pytest.raises(error, match=words):
        receptive_field(layers)


@pytest.mark.parametrize("kernel_size", [1, 5, (3, 2)])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (6, 16), (3, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_parameter_counts_are_those_of_pytorch(inputs, outputs, kernel_size, bias):
    def learned(module):
        return sum(parameter.numel() for parameter in module.parameters())

    conv = nn.Conv2d(inputs, outputs, kernel_size, bias=bias)
    assert conv_parameter_count(inputs, outputs, kernel_size, bias) == learned(conv)
    linear = nn.Linear(inputs, outputs, bias=bias)
    assert linear_parameter_count(inputs, outputs, bias) == learned(linear)


@pytest.mark.parametrize(
    ("count", "error", "words"),
    [
        (lambda: conv_parameter_count(0, 6, 5), ValueError, "in_channels=0"),
        (lambda: conv_parameter_count(1, 6.0, 5), TypeError, "out_channels=6.0"),
        (lambda: conv_parameter_count(1, 6, (5, 0)), ValueError, "kernel_size=0"),
        (lambda: linear_parameter_count(-1, 6), ValueError, "in_features=-1"),
        (lambda: linear_parameter_count(1, "6"), TypeError, "out_features='6'"),
    ],
)
def test_parameter_counts_say_what_is_wrong(count, error, words):
    with pytest.raises(error, match=words):
        count()

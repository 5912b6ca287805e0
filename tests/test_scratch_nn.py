"""Layers and networks in NumPy against torch.nn: outputs, gradients, weights both ways."""

import re
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from scratch_helpers import TOLERANCE, dtypes, unchanged
from torch import nn as torch_nn

from lenet_course.scratch import nn
from lenet_course.scratch.gradcheck import gradcheck
from lenet_course.scratch.init import fans


def lenet_of_1998(nn):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5, stride=(1, 2), padding=(0, 1)),
        nn.Sigmoid(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(240, 10, bias=False),
    )


def with_batch_norm(nn):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding="same", bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        nn.Flatten(),
        nn.Linear(784, 10),
    )


NETWORKS = [lenet_of_1998, with_batch_norm]
networks = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)


def batch(dtype, N=8):
    rng = np.random.default_rng(0)
    return rng.standard_normal((N, 1, 28, 28)).astype(dtype), rng.integers(0, 10, N)


def pair_of(network, dtype):
    """Build both networks with PyTorch's weights."""
    torch.manual_seed(0)
    theirs, ours = network(torch_nn), network(nn)
    if dtype == "float64":
        theirs.double()
        ours.double()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@contextmanager
def refused(layer, error, words):
    """Check that something is refused, and that the layer keeps its state."""
    before = layer.state_dict()
    with pytest.raises(error, match=words):
        yield
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


def close(ours, theirs, tolerance):
    theirs = theirs.detach().numpy()
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= tolerance * max(np.abs(theirs).max(), 1e-3)


@networks
@dtypes
@pytest.mark.parametrize("training", [True, False])
def test_logits_loss_and_every_gradient_agree(network, dtype, training):
    ours, theirs = pair_of(network, dtype)
    ours.train(training)
    theirs.train(training)
    x, y = batch(dtype)
    x_torch = torch.from_numpy(x.copy()).requires_grad_()
    criterion, expected = nn.CrossEntropyLoss(), theirs(x_torch)
    loss_torch = torch_nn.CrossEntropyLoss()(expected, torch.from_numpy(y))
    loss_torch.backward()
    with unchanged(x, y):
        logits = ours(x)
        loss = criterion(logits, y)
        grad_output = criterion.backward()
        with unchanged(grad_output):
            grad_x = ours.backward(grad_output)
    tolerance = TOLERANCE[dtype]
    close(logits, expected, tolerance)
    close(np.asarray(loss), loss_torch, tolerance)
    close(grad_x, x_torch.grad, tolerance)
    for mine, their in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(mine.grad, their.grad, tolerance)
    for key, value in theirs.state_dict().items():  # running statistics, too
        close(ours.state_dict()[key], value, tolerance)


@networks
def test_weights_go_both_ways_and_arguments_are_those_of_torch(network):
    _, theirs = pair_of(network, "float32")
    ours = network(nn)
    state = {key: torch.from_numpy(np.asarray(v)) for key, v in ours.state_dict().items()}
    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict(state)
    for key, value in theirs.state_dict().items():
        assert torch.equal(value, state[key])
    for mine, their in zip(ours, theirs, strict=True):
        for name in re.findall(r"(\w+)=", mine.extra_repr()):
            assert np.all(np.equal(getattr(mine, name), getattr(their, name)))


def test_gradients_add_up_until_they_are_forgotten():
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    x, _ = batch("float32")
    grad = np.ones((8, 10), np.float32)
    net(x)
    net.backward(grad)
    once = net[1].weight.grad.copy()
    net.backward(grad)
    np.testing.assert_allclose(net[1].weight.grad, 2 * once)


def test_state_dict_is_a_copy():
    layer = nn.Linear(2, 2)
    state = layer.state_dict()
    state["weight"][:] = 7
    assert not (layer.weight.data == 7).any()
    layer.load_state_dict(state)
    state["weight"][:] = 8
    assert (layer.weight.data == 7).all()


def test_dropout_in_both_modes():
    layer = nn.Dropout(0.5, generator=np.random.default_rng(0))
    x = np.ones((100, 100), np.float32)
    out = layer(x)
    np.testing.assert_array_equal(layer.backward(x), out)  # ones came in, so out is the mask
    assert 0.4 < (out == 0).mean() < 0.6
    layer.eval()
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_array_equal(layer.backward(out), out)


@pytest.mark.parametrize("how", ["the default", "torch", "he", "xavier"])
def test_initializations_are_those_of_torch(how):
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Conv2d(20, 50, 5), nn.Linear(400, 300))
    theirs = torch_nn.Conv2d(20, 50, 5), torch_nn.Linear(400, 300)
    if how != "the default":
        ours.initialize(how, np.random.default_rng(0))
    redraw = {"he": torch_nn.init.kaiming_normal_, "xavier": torch_nn.init.xavier_normal_}
    for layer, their in zip(ours, theirs, strict=True):
        weight, expected = layer.weight.data, redraw.get(how, torch.clone)(their.weight.detach())
        assert fans(weight.shape) == torch_nn.init._calculate_fan_in_and_fan_out(expected)
        assert weight.dtype == np.float32
        assert weight.std() == pytest.approx(expected.std().item(), rel=0.02)
        if how not in redraw:
            assert np.abs(weight).max() == pytest.approx(expected.abs().max().item(), rel=0.01)
        else:
            assert np.abs(weight).max() > 3 * weight.std()  # of even ones it is 1.73
        assert (layer.bias.data == 0).all() == (how in redraw)
    bias = nn.Linear(4, 5000).bias.data
    assert np.abs(bias).max() == pytest.approx(0.5, rel=0.01)


def test_a_generator_or_a_seed_makes_weights_and_dropout_reproducible():
    first, again = (
        nn.Conv2d(1, 6, 5, generator=generator).weight.data
        for generator in (np.random.default_rng(7), 7)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, nn.Conv2d(1, 6, 5).weight.data)
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).initialize("he", 7)
    assert not np.array_equal(net[0].weight.data, net[1].weight.data)  # one stream for all
    x = np.ones((10, 10))
    first, again = (nn.Sequential(nn.Dropout()).initialize("he", 7) for _ in range(2))
    np.testing.assert_array_equal(first(x), again(x))


LAYERS = {
    "conv": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1, dilation=2), (2, 2, 6, 7)),
    "linear": (lambda: nn.Linear(4, 3), (5, 4)),
    "max": (lambda: nn.MaxPool2d(3, 2, 1), (2, 2, 5, 6)),
    "average": (lambda: nn.AvgPool2d(2, 1), (2, 2, 5, 6)),
    "relu": (nn.ReLU, (4, 5)),
    "sigmoid": (nn.Sigmoid, (4, 5)),
    "tanh": (nn.Tanh, (4, 5)),
    "flatten": (nn.Flatten, (2, 2, 3, 3)),
    "batch norm": (lambda: nn.BatchNorm2d(2), (3, 2, 2, 3)),
    "evaluated": (lambda: nn.BatchNorm2d(2).eval(), (3, 2, 2, 3)),
    "network": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(18, 3)),
        (2, 1, 5, 5),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_gradcheck_of_every_layer(name):
    make, shape = LAYERS[name]
    generator = np.random.default_rng(0)
    report = gradcheck(make().double(), generator.standard_normal(shape), generator)
    assert report.passed, report


@pytest.mark.parametrize("name", [*LAYERS, "dropout"])
def test_a_gradient_of_another_shape_is_refused(name):
    make, shape = {**LAYERS, "dropout": (nn.Dropout, (4, 5))}[name]
    layer = make().double()
    out = layer(np.ones(shape))
    with pytest.raises(ValueError, match=r"\): grad_output must have the shape of the output"):
        layer.backward(np.ones((1, *out.shape[1:])))  # would broadcast


SIZES = {
    nn.Linear: ["in_features", "out_features"],
    nn.Conv2d: ["in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation"],
    nn.MaxPool2d: ["kernel_size", "stride", "padding"],
    nn.AvgPool2d: ["kernel_size", "stride", "padding"],
    nn.BatchNorm2d: ["num_features"],
}


@pytest.mark.parametrize("layer", SIZES)
def test_every_size_is_a_whole_number(layer):
    good = dict.fromkeys(SIZES[layer], np.int64(1))
    layer(**good)
    for name in good:
        small = -1 if name == "padding" else 0
        with pytest.raises(ValueError, match=f"{name}={small} is too small"):
            layer(**good | {name: small})
        with pytest.raises(TypeError, match=f"{name}=2.0 is not a whole number"):
            layer(**good | {name: 2.0})


def network_on(*shape, dtype=np.float32):
    return with_batch_norm(nn)(np.zeros(shape, dtype))


def loss_of(logits, *target):
    return nn.CrossEntropyLoss()(logits, target)


ONE_ROW, NANS = np.zeros((1, 10)), np.full((2, 10), np.nan)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Conv2d(1, 6, 5).backward(ONE_ROW), RuntimeError, r"Conv2d\(in.* no forward pa"),
        (lambda: with_batch_norm(nn).backward([[0.0]]), RuntimeError, "^layer 5, Linear"),
        (lambda: nn.CrossEntropyLoss().backward(), RuntimeError, "call it first"),
        (lambda: network_on(2, 3, 28, 28), ValueError, r"^layer 0, Conv2d\(.* 3 channels .* 1: x "),
        (lambda: network_on(2, 1, 32, 32), ValueError, r"^layer 5, Linear\(in_f.*x \(2, 1024\)"),
        (lambda: network_on(2, 1, 28, 28, dtype=int), TypeError, "^layer 0, .*int64"),
        (lambda: network_on(2, 1, 28, 28, dtype=float), TypeError, "x holds float64 but weight"),
        (lambda: nn.Dropout(0.3)([1, 2]), TypeError, r"Dropout\(p=0.3\): x holds int64"),
        (lambda: loss_of(ONE_ROW, 10), IndexError, r"target\[0\] is 10"),
        (lambda: loss_of(ONE_ROW, -100), IndexError, r"target\[0\] is -100"),
        (lambda: loss_of(NANS, 0, 1), FloatingPointError, r"the loss of logits \(2, 10\) is nan"),
        (lambda: nn.ReLU().initialize("He", None), ValueError, "how='He' is unknown"),
        (lambda: fans((3,)), ValueError, "no fan"),
        (lambda: fans((3, 0)), ValueError, "size of the weight=0"),
        (lambda: nn.Dropout(1.5), ValueError, "p=1.5 is too large; use a share from 0 to 1"),
        (lambda: nn.Dropout(np.nan), ValueError, "p=nan"),
        (lambda: nn.BatchNorm2d(3, eps=-1), ValueError, "eps=-1"),
        (lambda: nn.BatchNorm2d(3, momentum=2), ValueError, "momentum=2"),
        (lambda: nn.Sequential([nn.ReLU()]), TypeError, r"layer 0 is a list.*Sequential\(\*layers"),
        (lambda: nn.Sequential(nn.ReLU(), torch_nn.ReLU()), TypeError, "layer 1 is a ReLU, not"),
    ],
)
def test_errors_name_layer_and_value(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"weight": np.zeros((2, 3))}, r"weight: layer float32 \(2, 2\), given float64 \(2, 3\)$"),
        ({"weight": np.zeros((2, 2), complex)}, r"weight: .*, given complex128 \(2, 2\)$"),
        ({"more": np.ones(2)}, r"more: layer has none, given float64 \(2,\); weight: .* has none$"),
    ],
)
def test_another_networks_state_is_refused_whole(state, words):
    layer = nn.Linear(2, 2)
    with refused(layer, ValueError, words):
        layer.load_state_dict({"bias": np.ones(2)} | state)


def test_a_pass_that_fails_leaves_nothing_to_go_back_through():
    layer = nn.Linear(4, 2)
    out = layer(np.ones((3, 4), np.float32))
    with pytest.raises(ValueError, match="Linear"):
        layer(np.ones((3, 5), np.float32))
    with pytest.raises(RuntimeError, match="no forward pass"):
        layer.backward(out)


def test_a_loss_that_fails_leaves_nothing_to_go_back_from():
    criterion = nn.CrossEntropyLoss()
    criterion(np.zeros((1, 2)), [1])
    with pytest.raises(FloatingPointError):
        criterion(np.full((1, 2), np.nan), [1])
    with pytest.raises(RuntimeError, match="no loss to go back from"):
        criterion.backward()


@pytest.mark.parametrize("x", [np.ones((2, 2, 4, 4)), np.ones((2, 3, 4, 4)), np.ones((1, 2, 1, 1))])
def test_batch_norm_that_fails_has_not_moved_its_statistics(x):
    layer = nn.BatchNorm2d(2)
    with refused(layer, (ValueError, TypeError), "BatchNorm2d"):
        layer(x)  # of another dtype, of other channels, of one number for each channel


def test_a_layer_in_two_places_is_refused():
    relu = nn.ReLU()
    with pytest.raises(ValueError, match="make a layer for each place"):
        nn.Sequential(relu, nn.Linear(2, 2), nn.Sequential(relu))


def test_a_layer_of_ones_own():
    class Half(nn.Module):
        def _forward(self, x):
            return x / 2

    with pytest.raises(RuntimeError, match=r"Half\(\) has no forward pass"):
        Half().backward(np.ones(2))
    layer = Half()
    np.testing.assert_array_equal(layer([2.0, 4.0]), [1.0, 2.0])
    with pytest.raises(AttributeError, match=r"Half.* has no attribute '_backward'"):
        layer.backward(np.ones(2))


def test_modes_reach_every_layer():
    net = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout(), nn.BatchNorm2d(2)))
    assert len(net.modules()) == 5
    assert not any(module.training for module in net.eval().modules())
    assert all(module.training for module in net.train().modules())


def test_part_of_a_network_shares_its_layers():
    net = with_batch_norm(nn)
    assert len(net) == 6
    x, _ = batch("float32")
    np.testing.assert_array_equal(net[3:](net[:3](x)), net(x))
    assert net[:3][0] is net[0]
    assert repr(net[3:]).splitlines()[1] == "  (0): MaxPool2d(kernel_size=3, stride=2, padding=1)"

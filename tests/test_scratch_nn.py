"""Layers and networks in NumPy against torch.nn: outputs, gradients, weights both ways."""

import re

import numpy as np
import pytest
import torch
from torch import nn as torch_nn

from lenet_course.scratch import nn
from lenet_course.scratch.gradcheck import gradcheck
from lenet_course.scratch.init import fans

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


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


def to_torch(state):
    return {key: torch.from_numpy(np.asarray(value)) for key, value in state.items()}


def pair_of(network, dtype):
    """Build both networks with PyTorch's weights."""
    torch.manual_seed(0)
    theirs, ours = network(torch_nn), network(nn)
    ours.load_state_dict(theirs.state_dict())
    if dtype == "float64":
        theirs.double()
        ours.double()
        ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def close(ours, theirs, tolerance):
    theirs = theirs.detach().numpy()
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= tolerance * max(np.abs(theirs).max(), 1e-3)


@networks
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("training", [True, False])
def test_logits_loss_and_every_gradient_agree(network, dtype, training):
    ours, theirs = pair_of(network, dtype)
    ours.train(training)
    theirs.train(training)
    x, y = batch(dtype)
    x_torch = torch.from_numpy(x.copy()).requires_grad_()
    logits, expected = ours(x), theirs(x_torch)
    criterion = nn.CrossEntropyLoss()
    loss = criterion(logits, y)
    loss_torch = torch_nn.CrossEntropyLoss()(expected, torch.from_numpy(y))
    grad_x = ours.backward(criterion.backward())
    loss_torch.backward()
    tolerance = TOLERANCE[dtype]
    close(logits, expected, tolerance)
    close(np.asarray(loss), loss_torch, tolerance)
    close(grad_x, x_torch.grad, tolerance)
    for mine, their in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(mine.grad, their.grad, tolerance)
    for key, value in theirs.state_dict().items():  # running statistics, too
        close(ours.state_dict()[key], value, tolerance)


@networks
def test_weights_go_both_ways(network):
    torch.manual_seed(1)
    ours, theirs = network(nn), network(torch_nn)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(to_torch(ours.state_dict()))
    for key, value in theirs.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), ours.state_dict()[key])


@networks
def test_the_attributes_are_those_of_torch(network):
    ours, theirs = pair_of(network, "float32")
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


def test_a_training_step_leaves_the_callers_arrays_alone():
    net = with_batch_norm(nn)
    x, y = batch("float32")
    grad_output = np.ones((8, 10), np.float32)
    kept = x.copy(), y.copy(), grad_output.copy()
    nn.CrossEntropyLoss()(net(x), y)
    net.backward(grad_output)
    for array, copy in zip((x, y, grad_output), kept, strict=True):
        np.testing.assert_array_equal(array, copy)


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


@pytest.mark.parametrize(
    ("how", "std"),
    [
        ("he", lambda shape: np.sqrt(2 / fans(shape)[0])),
        ("xavier", lambda shape: np.sqrt(2 / sum(fans(shape)))),
        ("torch", lambda shape: np.sqrt(1 / (3 * fans(shape)[0]))),
    ],
)
def test_initializations(how, std):
    net = nn.Sequential(nn.Conv2d(20, 50, 5), nn.Linear(400, 300))
    for layer in net.initialize(how, np.random.default_rng(0)):
        weight = layer.weight.data
        assert weight.dtype == np.float32
        assert weight.std() == pytest.approx(std(weight.shape), rel=0.02)
        assert (layer.bias.data == 0).all() == (how != "torch")


@pytest.mark.parametrize("shape", [(3, 7), (6, 2, 5, 4)])
def test_fans_are_torchs(shape):
    assert fans(shape) == torch_nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))


def test_the_default_initialization_is_torchs():
    ours, theirs = nn.Linear(400, 300).weight.data, torch_nn.Linear(400, 300).weight.detach()
    assert ours.std() == pytest.approx(float(theirs.std()), rel=0.02)
    assert np.abs(ours).max() == pytest.approx(float(theirs.abs().max()), rel=0.01)
    bias = nn.Linear(4, 5000).bias.data
    assert np.abs(bias).max() == pytest.approx(0.5, rel=0.01)


def test_a_generator_or_a_seed_makes_weights_reproducible():
    first, again = (
        nn.Conv2d(1, 6, 5, generator=generator).weight.data
        for generator in (np.random.default_rng(7), 7)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, nn.Conv2d(1, 6, 5).weight.data)
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).initialize("he", 7)
    assert not np.array_equal(net[0].weight.data, net[1].weight.data)  # one stream for all


def test_dropout_draws_from_the_generator_of_the_initialization():
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


def network_on(*shape, dtype=np.float32):
    return with_batch_norm(nn)(np.zeros(shape, dtype))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: nn.Conv2d(1, 6, 5).backward(np.zeros((1, 6, 24, 24))),
            RuntimeError,
            r"Conv2d\(in_channels=1.* has no forward pass",
        ),
        (lambda: with_batch_norm(nn).backward([[0.0]]), RuntimeError, "^layer 5, Linear"),
        (lambda: nn.CrossEntropyLoss().backward(), RuntimeError, "call it first"),
        (
            lambda: network_on(2, 3, 28, 28),
            ValueError,
            r"^layer 0, Conv2d\(.*x has 3 channels but weight expects 1: x \(2, 3, 28, 28\)",
        ),
        (
            lambda: network_on(2, 1, 32, 32),
            ValueError,
            r"^layer 5, Linear\(in_features=784, .*x \(2, 1024\)",
        ),
        (lambda: network_on(2, 1, 28, 28, dtype=int), TypeError, "^layer 0, .*int64"),
        (lambda: network_on(2, 1, 28, 28, dtype=float), TypeError, "x holds float64 but weight"),
        (lambda: nn.Dropout(0.3)([1, 2]), TypeError, r"Dropout\(p=0.3\): x holds int64"),
        (lambda: nn.CrossEntropyLoss()(np.zeros((1, 10)), [10]), IndexError, r"target\[0\] is 10"),
        (
            lambda: nn.CrossEntropyLoss()(np.zeros((1, 10)), [-100]),
            IndexError,
            r"target\[0\] is -100",
        ),
        (
            lambda: nn.CrossEntropyLoss()(np.full((2, 10), np.nan), [0, 1]),
            FloatingPointError,
            r"CrossEntropyLoss: the loss of logits \(2, 10\) is nan",
        ),
        (lambda: nn.ReLU().initialize("He", None), ValueError, "how='He' is unknown"),
        (lambda: fans((3,)), ValueError, "no fan"),
        (lambda: fans((3, 0)), ValueError, "size of the weight=0"),
        (lambda: nn.Linear(0, 1), ValueError, "in_features=0 is too small; use 1 or more"),
        (lambda: nn.Linear(4, 2.0), TypeError, "out_features=2.0 is not a whole number"),
        (lambda: nn.Conv2d(0, 6, 5), ValueError, "in_channels=0"),
        (lambda: nn.Conv2d(1, -6, 5), ValueError, "out_channels=-6"),
        (lambda: nn.Conv2d(1, 6, 0), ValueError, "kernel_size=0"),
        (lambda: nn.MaxPool2d(0), ValueError, "kernel_size=0"),
        (lambda: nn.MaxPool2d(2, stride=0), ValueError, "stride=0"),
        (lambda: nn.AvgPool2d(2, padding=-1), ValueError, "padding=-1"),
        (lambda: nn.Dropout(1.5), ValueError, "p=1.5 is too large; use a share from 0 to 1"),
        (lambda: nn.Dropout(np.nan), ValueError, "p=nan"),
        (lambda: nn.BatchNorm2d(0), ValueError, "num_features=0"),
        (lambda: nn.BatchNorm2d(3, eps=-1), ValueError, "eps=-1"),
        (lambda: nn.BatchNorm2d(3, momentum=2), ValueError, "momentum=2"),
        (lambda: nn.Sequential([nn.ReLU()]), TypeError, r"layer 0 is a list.*Sequential\(\*layers"),
        (lambda: nn.Sequential(nn.ReLU(), torch_nn.ReLU()), TypeError, "layer 1 is a ReLU, not"),
    ],
)
def test_errors_name_layer_and_value(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_every_kind_of_integer_makes_a_layer():
    assert nn.Linear(np.int64(3), np.uint8(2)).weight.data.shape == (2, 3)
    assert nn.Conv2d(np.int64(1), 2, np.int64(3)).weight.data.shape == (2, 1, 3, 3)


@pytest.mark.parametrize(
    ("weight", "given"),
    [
        (np.zeros((2, 3)), r"float64 \(2, 3\)"),
        (np.zeros((2, 2), complex), r"complex128 \(2, 2\)"),
    ],
)
def test_another_networks_state_is_refused_whole(weight, given):
    layer = nn.Linear(2, 2)
    before = layer.state_dict()
    with pytest.raises(ValueError, match=rf"weight: layer float32 \(2, 2\), given {given}$"):
        layer.load_state_dict({"bias": np.ones(2), "weight": weight})
    with pytest.raises(ValueError, match=r"bias: layer float32 \(2,\), given has none"):
        layer.load_state_dict({"weight": np.zeros((2, 2))})
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


@pytest.mark.parametrize("name", [*LAYERS, "dropout"])
def test_a_gradient_of_another_shape_is_refused(name):
    make, shape = {**LAYERS, "dropout": (nn.Dropout, (4, 5))}[name]
    layer = make().double()
    out = layer(np.ones(shape))
    with pytest.raises(ValueError, match=r"\): grad_output must have the shape of the output"):
        layer.backward(np.ones((1, *out.shape[1:])))  # would broadcast


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
    before = layer.state_dict()
    with pytest.raises((ValueError, TypeError), match="BatchNorm2d"):
        layer(x)  # of another dtype, of other channels, of one number for each channel
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


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


def test_repr_lists_the_layers():
    text = repr(nn.Sequential(nn.Linear(4, 2), nn.MaxPool2d(2), nn.ReLU()))
    assert text.splitlines()[1:4] == [
        "  (0): Linear(in_features=4, out_features=2)",
        "  (1): MaxPool2d(kernel_size=2, stride=2, padding=0)",
        "  (2): ReLU()",
    ]
    assert repr(nn.Linear(4, 2).weight) == "Parameter(shape=(2, 4), dtype=float32)"
    assert repr(nn.CrossEntropyLoss()) == "CrossEntropyLoss()"

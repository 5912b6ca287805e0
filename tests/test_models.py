"""The networks layer by layer and in both libraries, their seeds, and the table of layers."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from lenet_course import models
from lenet_course.models.lenet import ACTIVATIONS, POOLINGS
from lenet_course.scratch import nn as numpy_nn

GRAY, RGB = (1, 28, 28), (3, 32, 32)
HEAD = "Flatten() Linear(576, 50) ReLU() Dropout(p=0.5) Linear(50, 10)"
POOL = "MaxPool2d(2, stride=2)"
BOTH = [models.lenet, models.mlp, models.deep, models.shallow]
# Each network with its layers, its number of parameters, published or added up.
NETWORKS = {
    "lenet": (
        models.lenet(),
        f"Conv2d(1, 6, 5, padding=2) ReLU() {POOL} Conv2d(6, 16, 5) ReLU() {POOL} Flatten() "
        "Linear(400, 120) ReLU() Linear(120, 84) ReLU() Linear(84, 10)",
        61_706,
    ),
    "lenet with all arguments": (
        models.lenet(np.int64(3), 26, "tanh", "average"),
        "Conv2d(3, 6, 5, padding=2) Tanh() AvgPool2d(2, stride=2) Conv2d(6, 16, 5) Tanh() "
        "AvgPool2d(2, stride=2) Flatten() Linear(400, 120) Tanh() Linear(120, 84) Tanh() "
        "Linear(84, 26)",
        61_706 + 2 * 6 * 25 + 16 * 85,
    ),
    "lenet with batch norm": (
        models.lenet(batch_norm=True),
        f"Conv2d(1, 6, 5, padding=2, bias=False) BatchNorm2d(6) ReLU() {POOL} "
        f"Conv2d(6, 16, 5, bias=False) BatchNorm2d(16) ReLU() {POOL} Flatten() "
        "Linear(400, 120) ReLU() Linear(120, 84) ReLU() Linear(84, 10)",
        61_706 + 22,
    ),
    "deep": (
        models.deep(),
        f"Conv2d(1, 16, 3, padding=1) ReLU() Conv2d(16, 16, 3, padding=1) ReLU() {POOL} "
        f"Conv2d(16, 32, 3, padding=1) ReLU() Conv2d(32, 32, 3, padding=1) ReLU() {POOL} "
        f"Conv2d(32, 64, 3, padding=1) ReLU() Conv2d(64, 64, 3, padding=1) ReLU() {POOL} {HEAD}",
        101_152,
    ),
    "shallow": (
        models.shallow(),
        f"Conv2d(1, 16, 5, padding=2) ReLU() {POOL} Conv2d(16, 32, 5, padding=2) ReLU() {POOL} "
        f"Conv2d(32, 64, 5, padding=2) ReLU() {POOL} {HEAD}",
        93_872,
    ),
    "mlp": (
        models.mlp(),
        "Flatten() Linear(784, 72) ReLU() Linear(72, 62) ReLU() Linear(62, 10)",
        61_676,
    ),
    "mlp with one layer": (models.mlp([5]), "Flatten() Linear(784, 5) ReLU() Linear(5, 10)", 3985),
    "cifar_lenet": (
        models.cifar_lenet(),
        f"Conv2d(3, 16, 3, padding=1) ReLU() {POOL} Conv2d(16, 32, 3) ReLU() {POOL} Flatten() "
        "Linear(1568, 224) ReLU() Linear(224, 96) ReLU() Linear(96, 10)",
        379_114,
    ),
    "cifar_lenet with all arguments": (
        models.cifar_lenet(1, width=0.5, batch_norm=True, dropout=0.1),
        f"Conv2d(1, 8, 3, padding=1, bias=False) BatchNorm2d(8) ReLU() {POOL} "
        f"Conv2d(8, 16, 3, bias=False) BatchNorm2d(16) ReLU() {POOL} Flatten() "
        "Dropout(p=0.1) Linear(784, 112) ReLU() Dropout(p=0.1) Linear(112, 48) ReLU() "
        "Linear(48, 10)",
        9 * 8 + 2 * 8 + 9 * 8 * 16 + 2 * 16 + 785 * 112 + 113 * 48 + 49 * 10,
    ),
    "the narrowest cifar_lenet": (
        models.cifar_lenet(width=1 / 16),
        f"Conv2d(3, 1, 3, padding=1) ReLU() {POOL} Conv2d(1, 2, 3) ReLU() {POOL} Flatten() "
        "Linear(98, 14) ReLU() Linear(14, 6) ReLU() Linear(6, 10)",
        28 + 20 + 99 * 14 + 15 * 6 + 7 * 10,
    ),
}


def titles(table):
    return " ".join(table["layer"][1:-1])


def channels(net):
    return getattr(net[0], "in_channels", 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_has_these_layers(name):
    net, layers, parameters = NETWORKS[name]
    shape = (channels(net), *((32, 32) if "cifar" in name else (28, 28)))
    table = models.layer_table(net, shape)
    assert titles(table) == layers
    assert table.loc["total", "parameters"] == parameters
    assert net(torch.zeros(2, *shape)).shape == (2, net[-1].out_features)


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (models.deep, {}),
        (models.shallow, {}),
        (models.mlp, {}),
        (models.lenet, {"in_channels": 3, "classes": 7}),
    ]
    + [(models.lenet, {"activation": name}) for name in ACTIVATIONS]
    + [(models.lenet, {"pooling": name}) for name in POOLINGS]
    + [(models.lenet, {"batch_norm": True})],
)
def test_both_libraries_give_the_same_logits_from_the_same_weights(make, arguments):
    theirs, ours = make(seed=0, **arguments).eval(), make(nn=numpy_nn, **arguments).eval()
    weights = theirs.state_dict()
    ours.load_state_dict(weights)
    assert list(ours.state_dict()) == list(weights)
    for key, value in ours.state_dict().items():
        np.testing.assert_array_equal(value, weights[key], strict=True)
    x = torch.randn(4, channels(theirs), 28, 28, generator=torch.Generator().manual_seed(1))
    np.testing.assert_allclose(ours(x.numpy()), theirs(x).detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [*BOTH, models.cifar_lenet])
def test_a_seed_is_that_of_torch_and_leaves_the_global_generator_alone(make):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    seeded = make(seed=np.int64(3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(3)
    after_manual_seed, drawn_next = make(), make()
    assert all(map(torch.equal, seeded.parameters(), after_manual_seed.parameters()))
    assert not torch.equal(*(next(net.parameters()) for net in (seeded, drawn_next)))


@pytest.mark.parametrize("make", BOTH)
def test_a_seed_decides_weights_and_dropout_of_the_numpy_network(make):
    first, again, other, unseeded = (make(seed=s, nn=numpy_nn) for s in (3, 3, 4, None))
    drawn = make(nn=numpy_nn).initialize("torch", np.random.default_rng(3)).state_dict()
    for key, value in first.state_dict().items():
        np.testing.assert_array_equal(value, drawn[key])
    x = np.ones((8, *GRAY), np.float32)
    np.testing.assert_array_equal(first(x), again(x))  # in training mode, so with dropout
    for net in (other, unseeded):
        assert not np.array_equal(net.parameters()[0].data, first.parameters()[0].data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "in_channels=0 is too small"),
        ({"classes": 0}, "classes=0 is too small"),
        ({"classes": 10.0}, "classes=10.0 is not a whole number"),
        ({"seed": -1}, "seed=-1 is too small"),
        ({"seed": 1.5}, "seed=1.5 is not a whole number"),
        ({"activation": "relux"}, "activation must be one of relu, sigmoid, tanh, got 'relux'"),
        ({"pooling": "mean"}, "pooling must be one of max, average, got 'mean'"),
        ({"width": 0.01}, "width=0.01 is out of range"),
        ({"dropout": 1.0}, "dropout=1.0 is out of range"),
        ({"dropout": -0.1}, "dropout=-0.1 is out of range"),
    ],
)
def test_networks_refuse(arguments, message):
    for make in (models.lenet, models.cifar_lenet):
        if arguments.keys() <= inspect.signature(make).parameters.keys():
            with pytest.raises((ValueError, TypeError), match=message):
                make(**arguments)


@pytest.mark.parametrize("hidden", [[], 72, "72", [0], [7.5]])
def test_an_mlp_needs_sizes(hidden):
    with pytest.raises((ValueError, TypeError), match="hidden"):
        models.mlp(hidden)


def test_layer_table_of_lenet():
    table = models.layer_table(models.lenet(), GRAY)
    assert list(table.index) == ["input", *map(str, range(12)), "total"]
    assert list(table["output shape"]) == [
        (1, 28, 28), (6, 28, 28), (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 10, 10),
        (16, 5, 5), (400,), (120,), (120,), (84,), (84,), (10,), "",
    ]  # fmt: skip
    counts = table["parameters"]
    assert list(counts[counts > 0]) == [156, 2416, 48_120, 10_164, 850, 61_706]
    assert max(map(len, str(table).splitlines())) <= 80


def test_titles_leave_defaults_out_and_keep_the_rest():
    layers = {
        "BatchNorm2d(3)": nn.BatchNorm2d(3),
        "BatchNorm2d(3, momentum=0.15)": nn.BatchNorm2d(3, momentum=0.15),
        "Dropout(p=0.2)": nn.Dropout(0.2),
        "Conv2d(3, 3, (1, 2), stride=16, bias=False)": nn.Conv2d(3, 3, (1, 2), 16, bias=False),
    }
    table = models.layer_table(nn.Sequential(*layers.values()), (3, 2, 2))
    assert titles(table) == " ".join(layers)


def test_nested_layers_have_the_names_of_the_state_dict_and_shared_ones_count_once():
    shared = nn.Linear(4, 4)
    model = nn.ModuleDict({"body": nn.Sequential(nn.Flatten(), shared, shared)})
    model.forward = lambda x: model["body"](x)
    table = models.layer_table(model, (1, 2, 2))
    assert list(table.index) == ["input", "body.0", "body.1", "body.1", "total"]
    assert table.loc["total", "parameters"] == 20


def test_layer_table_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(), nn.Flatten())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    models.layer_table(model, (1, 2, 2))
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not model[0]._forward_hooks


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (28, r"input_shape=28 is not \(C, H, W\)"),
        ((2, *GRAY), "leave the batch axis out"),
        ((1, 28, 0), "W in input_shape=0 is too small"),
        ((1, 10**9, 10**9), "has 1,000,000,000,000,000,000 numbers"),
        (RGB, r"^Conv2d\(1, 6, 5, padding=2\) cannot take an input of shape \(3, 32, 32\)"),
        ((1, 32, 32), r"^Linear\(400, 120\) cannot take an input of shape \(576,\): mat1"),
    ],
)
def test_layer_table_says_what_does_not_fit(shape, message):
    with pytest.raises(ValueError, match=message):
        models.layer_table(models.lenet(), shape)


def test_layer_table_blames_no_layer_for_an_error_of_the_model_itself():
    model = nn.ModuleList([nn.Flatten()])
    model.forward = lambda x: model[0](x).view(3)
    with pytest.raises(RuntimeError, match=r"^shape '\[3\]' is invalid"):
        models.layer_table(model, (1, 2, 2))

import itertools

import pytest
import torch
from torch import nn

from lenet_course import models


def test_lenet_has_the_published_number_of_parameters():
    assert sum(p.numel() for p in models.lenet().parameters()) == 61_706


@pytest.mark.parametrize(
    ("arguments", "shape", "parameters"),
    [
        ({}, (1, 28, 28), 61_706),
        ({"in_channels": 3}, (3, 28, 28), 61_706 + 2 * 6 * 25),
        ({"classes": 26}, (1, 28, 28), 61_706 + 16 * 85),
    ],
)
def test_lenet_shapes(arguments, shape, parameters):
    net = models.lenet(**arguments)
    assert net(torch.zeros(2, *shape)).shape == (2, arguments.get("classes", 10))
    assert models.layer_table(net, shape).parameters == parameters


@pytest.mark.parametrize(
    ("activation", "layer"), [("relu", nn.ReLU), ("sigmoid", nn.Sigmoid), ("tanh", nn.Tanh)]
)
@pytest.mark.parametrize(("pooling", "pool"), [("max", nn.MaxPool2d), ("average", nn.AvgPool2d)])
def test_lenet_variants(activation, layer, pooling, pool):
    kinds = [type(m) for m in models.lenet(activation=activation, pooling=pooling)]
    assert kinds.count(layer) == 4
    assert kinds.count(pool) == 2


def test_lenet_ends_in_logits():
    assert isinstance(models.lenet()[-1], nn.Linear)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "relux"}, "activation must be one of relu, sigmoid, tanh, got 'relux'"),
        ({"pooling": "mean"}, "pooling must be one of max, average, got 'mean'"),
    ],
)
def test_lenet_refuses_unknown_names(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.lenet(**arguments)


def test_a_seed_makes_the_weights_reproducible_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second, other = models.lenet(seed=0), models.lenet(seed=0), models.lenet(seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    for a, b, c in zip(first.parameters(), second.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_without_a_seed_the_global_generator_decides():
    torch.manual_seed(5)
    first = models.lenet()
    second = models.lenet()
    assert not torch.equal(first[0].weight, second[0].weight)


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ({}, 379_114),
        ({"in_channels": 1}, 379_114 - 2 * 16 * 9),
        ({"classes": 100}, 379_114 + 90 * 97),
        ({"batch_norm": True}, 379_114 + 16 + 32),  # two numbers a map, but no bias
        ({"width": 0.5}, 448 // 2 + (8 * 9 + 1) * 16 + (784 + 1) * 112 + 113 * 48 + 49 * 10),
        ({"dropout": 0.5}, 379_114),
    ],
)
def test_cifar_lenet_shapes(arguments, parameters):
    net = models.cifar_lenet(**arguments)
    shape = (arguments.get("in_channels", 3), 32, 32)
    assert net(torch.zeros(2, *shape)).shape == (2, arguments.get("classes", 10))
    assert models.layer_table(net, shape).parameters == parameters


def test_cifar_lenet_goes_from_32_over_16_and_14_to_7():
    rows = models.layer_table(models.cifar_lenet(), (3, 32, 32)).rows
    assert [row.shape for row in rows if len(row.shape) == 3] == [
        (16, 32, 32), (16, 32, 32), (16, 16, 16), (32, 14, 14), (32, 14, 14), (32, 7, 7),
    ]  # fmt: skip


def test_cifar_lenet_never_drops_its_logits():
    kinds = [type(layer) for layer in models.cifar_lenet(dropout=0.5)]
    assert kinds[-2:] == [nn.ReLU, nn.Linear]
    assert [b for a, b in itertools.pairwise(kinds) if a is nn.Dropout] == [nn.Linear, nn.Linear]


def test_cifar_lenet_normalizes_before_the_relu():
    kinds = [type(layer) for layer in models.cifar_lenet(batch_norm=True)]
    assert kinds[:4] == kinds[4:8] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d]


def test_gray_and_rgb_differ_in_the_first_layer_only():
    gray, rgb = models.cifar_lenet(1, seed=0).state_dict(), models.cifar_lenet(3).state_dict()
    assert [key for key in rgb if rgb[key].shape != gray[key].shape] == ["0.weight"]


def test_a_seed_makes_cifar_lenet_reproducible():
    first, second = models.cifar_lenet(seed=3), models.cifar_lenet(seed=3)
    assert all(map(torch.equal, first.parameters(), second.parameters()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "got in_channels=0"),
        ({"classes": 0}, "classes=0"),
        ({"width": 0.01}, "width=0.01"),
        ({"dropout": 1.0}, "dropout must be a share from 0 up to but without 1, got 1.0"),
        ({"dropout": -0.1}, "got -0.1"),
    ],
)
def test_cifar_lenet_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.cifar_lenet(**arguments)


def test_layer_table_of_lenet():
    table = models.layer_table(models.lenet(), (1, 28, 28))
    assert [row.shape for row in table.rows] == [
        (6, 28, 28), (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 10, 10), (16, 5, 5),
        (400,), (120,), (120,), (84,), (84,), (10,),
    ]  # fmt: skip
    assert [row.parameters for row in table.rows if row.parameters] == [
        156,
        2416,
        48120,
        10164,
        850,
    ]
    text = str(table)
    assert "Conv2d(1, 6, kernel_size=5, padding=2)" in text
    assert "61,706" in text.splitlines()[-1]
    assert max(map(len, text.splitlines())) <= 80


def test_layer_table_leaves_defaults_out_and_keeps_the_rest():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3, momentum=0.3), nn.Dropout(0.2))
    titles = [row.layer for row in models.layer_table(model, (3, 2, 2)).rows]
    assert titles == ["BatchNorm2d(3)", "BatchNorm2d(3, momentum=0.3)", "Dropout(p=0.2)"]


def test_layer_table_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(), nn.Flatten())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    models.layer_table(model, (1, 2, 2))
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not model[0]._forward_hooks


@pytest.mark.parametrize("shape", [(28, 28), (1, 1, 28, 28), (1, 28, 0), (1, 28, 28.0)])
def test_layer_table_refuses_what_is_no_image_shape(shape):
    with pytest.raises(ValueError, match=r"input_shape must be \(C, H, W\)"):
        models.layer_table(models.lenet(), shape)


def test_layer_table_names_the_layer_that_does_not_fit():
    with pytest.raises(ValueError, match=r"Linear\(400, 120\) cannot take an input of shape 576"):
        models.layer_table(models.lenet(), (1, 32, 32))

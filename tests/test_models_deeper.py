"""The networks of the chapter on depth: layer by layer, against torchvision, and their weights."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from lenet_course import models
from lenet_course.models import POOL
from lenet_course.models.vgg import VGG16
from lenet_course.shapes import conv_parameter_count, linear_parameter_count

RGB = (3, 32, 32)


def images(n=2, seed=0):
    return torch.randn(n, *RGB, generator=torch.Generator().manual_seed(seed))


def titles(net):
    return " ".join(models.layer_table(net, RGB)["layer"][1:-1])


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def test_vgg16_computes_what_torchvisions_features_compute():
    ours, theirs = models.vgg16(seed=0).eval(), torchvision.models.vgg16_bn().features.eval()
    # theirs has biases in front of the batch norms, which take them out again
    weights = dict(theirs.state_dict())
    for key, value in ours[:-2].state_dict().items():
        assert weights[key].shape == value.shape
        weights[key] = value
    for name, layer in theirs.named_modules():
        if isinstance(layer, nn.Conv2d):
            weights[f"{name}.bias"] = torch.zeros_like(layer.bias)
    theirs.load_state_dict(weights)
    with torch.no_grad():
        torch.testing.assert_close(ours[:-2](images()), theirs(images()), rtol=1e-4, atol=1e-5)
        assert ours(images()).shape == (2, 10)


def test_vgg16_has_its_parameters_with_and_without_the_last_pooling():
    maps = [n for n in VGG16 if n != POOL]
    convolutions = sum(
        conv_parameter_count(i, o, 3, bias=False) + 2 * o
        for i, o in zip([3, *maps[:-1]], maps, strict=True)
    )
    assert (len(maps), VGG16.count(POOL)) == (13, 5)
    assert parameters(models.vgg16()) == convolutions + 5130 == 14_724_042
    without = models.vgg16(last_pool=False, classifier_inputs=2048)
    assert parameters(without) == convolutions + linear_parameter_count(2048, 10)
    assert without(images()).shape == (2, 10)


@pytest.mark.parametrize(
    ("last_pool", "expected", "given"), [(True, 2048, 512), (False, 512, 2048)]
)
def test_a_classifier_that_expects_another_number_fails_with_both(last_pool, expected, given):
    net = models.vgg16(last_pool=last_pool, classifier_inputs=expected).eval()
    with pytest.raises(RuntimeError, match=rf"mat1 .* \(2x{given} and {expected}x10\)"):
        net(images())


def test_a_stack_follows_its_plan():
    net = models.stack((8, POOL, 4, 6, POOL), 6 * 8 * 8, kernel_size=5, batch_norm=False)
    assert titles(net) == (
        "Conv2d(3, 8, 5, padding=2) ReLU() MaxPool2d(2, stride=2) Conv2d(8, 4, 5, padding=2) "
        "ReLU() Conv2d(4, 6, 5, padding=2) ReLU() MaxPool2d(2, stride=2) Flatten() Linear(384, 10)"
    )
    net = models.stack((8, POOL), 2048, activation="sigmoid")
    assert titles(net) == (
        "Conv2d(3, 8, 3, padding=1, bias=False) BatchNorm2d(8) Sigmoid() MaxPool2d(2, stride=2) "
        "Flatten() Linear(2048, 10)"
    )


@pytest.mark.parametrize(("activation", "gain"), [("relu", 2), ("tanh", 1), ("sigmoid", 1)])
def test_weights_of_a_stack_are_those_of_he_or_xavier(activation, gain):
    net = models.stack((64, 96, POOL, POOL), 6144, activation=activation, seed=0, batch_norm=False)
    fans = 576 if activation == "relu" else (576 + 864) / 2
    assert net[2].weight.std().item() == pytest.approx((gain / fans) ** 0.5, rel=0.02)
    assert not net[2].bias.any()
    assert net[-1].weight.abs().max().item() == pytest.approx(6144**-0.5, rel=0.01)


def test_the_signal_neither_fades_nor_explodes_in_a_deep_stack_of_relu():
    net = models.stack((64,) * 20, 64 * 32 * 32, batch_norm=False, seed=1)
    with torch.no_grad():
        last = net[:-2](images())
    assert 0.1 < last.square().mean() < 10  # PyTorch's own rule leaves a hundred-millionth


@pytest.mark.parametrize("make", [models.vgg16, models.small_inception])
def test_a_seed_decides_the_weights_and_leaves_the_global_generator_alone(make):
    before = torch.get_rng_state()
    first, again, other = (make(seed=seed).state_dict() for seed in (3, np.int64(3), 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])


def by_hand(block, x):
    """Compute an inception block with batch norm at its start, where it only divides by √(1+ε)."""

    def conv(layer, x):
        weight = layer.weight
        return (F.conv2d(x, weight, padding=weight.shape[-1] // 2) / (1 + 1e-5) ** 0.5).relu()

    one, three, five, pool = block.branches
    parts = [
        conv(one[0], x),
        conv(three[3], conv(three[0], x)),
        conv(five[3], conv(five[0], x)),
        conv(pool[1], F.max_pool2d(x, 3, stride=1, padding=1)),
    ]
    return torch.cat(parts, dim=1)


def test_an_inception_block_stacks_four_branches():
    block = models.Inception(6, 8, narrow=3).eval()
    x = torch.randn(2, 6, 9, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(x), by_hand(block, x), rtol=1e-5, atol=1e-6)
    assert [layer.kernel_size[0] for layer in block.modules() if isinstance(layer, nn.Conv2d)] == [
        *(1, 1, 3, 1, 5, 1)
    ]
    kernels = 6 * 2 + 2 * 6 * 3 + 3 * 2 * 9 + 3 * 2 * 25 + 6 * 2
    assert parameters(block) == kernels + 2 * (4 * 2 + 2 * 3)


@pytest.mark.parametrize(("branches", "first"), [(True, 1), (False, 5)])
def test_small_inception_with_and_without_its_branches(branches, first):
    net = models.small_inception(branches=branches)
    assert net(images()).shape == (2, 10)
    kernels = [layer.kernel_size[0] for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels[:2] == [3, first]
    assert len(kernels) == 1 + 3 * (6 if branches else 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.vgg16(classifier_inputs=0), "inputs=0 is too small"),
        (lambda: models.vgg16(seed=-1), "seed=-1 is too small"),
        (lambda: models.stack((8, "max"), 8), "maps='max' is not a whole number"),
        (lambda: models.stack((8, 0), 8), "maps=0 is too small"),
        (lambda: models.stack((8,), 8, kernel_size=0), "kernel_size=0 is too small"),
        (lambda: models.stack((8,), 8, kernel_size=2), "kernel_size=2 is even"),
        (lambda: models.stack((8,), 8, activation="gelu"), "activation must be one of relu"),
        (lambda: models.Inception(3, 6, 2), "maps=6 is not a multiple of 4"),
    ],
)
def test_deeper_networks_refuse(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()

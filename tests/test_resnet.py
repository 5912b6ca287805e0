"""Residual networks equal loops written out here; whitened patches; multiplications by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lenet_course import models
from lenet_course.models.resnet import Halved, Residual

RGB = (3, 32, 32)


def images(n=4, seed=0):
    return torch.randn(n, *RGB, generator=torch.Generator().manual_seed(seed))


def with_statistics(net):
    """Give every batch norm other statistics and weights than those it starts with."""
    generator = torch.Generator().manual_seed(1)
    for norm in (layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)):
        for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
            tensor.data.uniform_(0.5, 1.5, generator=generator)
    return net.eval()


def norm(x, layer):
    shape = (1, -1, 1, 1)
    scaled = (x - layer.running_mean.view(shape)) / (layer.running_var.view(shape) + 1e-5).sqrt()
    return scaled * layer.weight.view(shape) + layer.bias.view(shape)


def layers(net, kind):
    return iter([layer for layer in net.modules() if isinstance(layer, kind)])


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [({}, 1_161_282), ({"widths": (8, 16)}, 312 + 2336 + 3520 + 10 * 17)],
)
def test_the_small_residual_network_is_this_one(arguments, parameters):
    net = with_statistics(models.resnet(seed=0, **arguments))
    conv, bn = layers(net, nn.Conv2d), layers(net, nn.BatchNorm2d)
    stem = next(conv)
    x = images()
    out = F.conv2d(x, stem.weight, stem.bias).relu()
    for _ in arguments.get("widths", (64, 128, 256)):
        out = F.conv2d(out, next(conv).weight, padding=1)
        out = norm(F.max_pool2d(out, 2), next(bn)).relu()
        out = out + norm(F.conv2d(out, next(conv).weight, padding=1), next(bn)).relu()
    (head,) = layers(net, nn.Linear)
    logits = F.linear(out.amax(dim=(2, 3)), head.weight, head.bias) / 8
    torch.testing.assert_close(net(x), logits)
    assert not list(conv)
    assert sum(p.numel() for p in net.parameters()) == parameters


def test_an_image_can_be_halved_four_times():
    assert models.resnet((2,) * 4)(images()).shape == (4, 10)
    with pytest.raises(RuntimeError, match="too small"):
        models.resnet((2,) * 5)(images())


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_resnet20_and_its_plain_twin_are_those_of_the_paper(residual, batch_norm):
    """269,722 parameters: the paper says 0.27 million."""
    net = models.resnet20(residual=residual, batch_norm=batch_norm, seed=0)
    net = with_statistics(net)
    conv, bn = layers(net, nn.Conv2d), layers(net, nn.BatchNorm2d)

    def convolved(x, stride=1):
        layer = next(conv)
        out = F.conv2d(x, layer.weight, layer.bias, stride=stride, padding=1)
        return norm(out, next(bn)) if batch_norm else out

    x = images()
    out = convolved(x).relu()
    for stage in range(3):
        for place in range(3):
            stride = 2 if stage > 0 and place == 0 else 1
            body = convolved(convolved(out, stride).relu())
            if residual:
                shortcut = out[:, :, ::stride, ::stride]
                body[:, : shortcut.shape[1]] += shortcut
            out = body.relu()
    (head,) = layers(net, nn.Linear)
    torch.testing.assert_close(net(x), F.linear(out.mean(dim=(2, 3)), head.weight, head.bias))
    assert not list(conv)
    biases = 16 * 7 + 32 * 6 + 64 * 6  # of the convolutions, where a batch norm has two numbers
    expected = 269_722 if batch_norm else 269_722 - biases
    assert sum(p.numel() for p in net.parameters()) == expected


def test_a_residual_block_with_a_body_of_zeros_gives_its_input():
    x = images()
    body = nn.Conv2d(3, 3, 3, padding=1)
    nn.init.zeros_(body.weight)
    nn.init.zeros_(body.bias)
    assert torch.equal(Residual(body)(x), x)
    doubled = Residual(nn.Identity())
    assert torch.equal(doubled(x), 2 * x)


def test_a_shortcut_that_halves_takes_every_second_pixel_and_adds_channels_of_zeros():
    x = images()[:, :, :5, :5]
    out = Halved(7)(x)
    assert out.shape == (4, 7, 3, 3)
    assert torch.equal(out[:, :3], x[:, :, ::2, ::2])
    assert not out[:, 3:].any()
    assert repr(Halved(7)) == "Halved(7)"


@pytest.mark.parametrize("make", [models.resnet, models.resnet20])
def test_a_seed_is_that_of_torch(make):
    torch.manual_seed(3)
    assert all(map(torch.equal, make(seed=3).parameters(), make().parameters()))


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (models.resnet, {"widths": (64, 0)}, "each of the widths=0 is too small"),
        (models.resnet, {"widths": (64, 1.5)}, "each of the widths=1.5 is not a whole number"),
        (models.resnet20, {"width": 0}, "width=0 is too small"),
    ],
)
def test_residual_networks_refuse(make, arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(**arguments)


# Whitening


def patches(x, size):
    return x.unfold(2, size, 1).unfold(3, size, 1).permute(0, 2, 3, 1, 4, 5).flatten(3)


def blurred(n):
    """Images whose neighboring pixels are alike, as those of photographs are."""
    x = F.avg_pool2d(F.pad(images(n), (2, 2, 2, 2), mode="circular"), 5, stride=1)
    return x - x.mean(dim=(0, 2, 3), keepdim=True)


@pytest.mark.parametrize("size", [2, 3])
def test_whitened_patches_are_uncorrelated_with_variance_one(size):
    x = blurred(1100)  # more than are taken at a time
    n = 3 * size**2
    conv = models.whiten(nn.Conv2d(3, 2 * n, size), x, eps=0.0)
    out = conv(x).detach()
    moments = out[:, :n].transpose(0, 1).flatten(1)
    moments = moments @ moments.T / moments.shape[1]
    torch.testing.assert_close(moments, torch.eye(n), atol=1e-3, rtol=0)
    torch.testing.assert_close(out[:, n:], -out[:, :n])
    assert not conv.weight.requires_grad
    assert not conv.bias.any()
    assert conv.bias.requires_grad


def test_the_widest_axes_come_first_and_eps_bounds_the_narrow_ones():
    x, eps = blurred(50), 0.1
    conv = models.whiten(nn.Conv2d(3, 8, 2, bias=False), x, eps)
    rows = patches(x, 2).reshape(-1, 12)
    variance = torch.linalg.svdvals(rows.double()) ** 2 / len(rows)
    lengths = conv.weight.flatten(1).double().norm(dim=1)
    torch.testing.assert_close(lengths[:4], (variance[:4] + eps) ** -0.5, rtol=1e-4, atol=0)
    assert (conv.weight[:4].sum(dim=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize("maps", [3, 26])
def test_whitening_refuses_another_number_of_maps(maps):
    with pytest.raises(ValueError, match=f"even number of feature maps up to 24; it has {maps}"):
        models.whiten(nn.Conv2d(3, maps, 2), images())


# Multiplications


@pytest.mark.parametrize(
    ("model", "shape", "count"),
    [
        (
            models.lenet(),
            (1, 28, 28),
            6 * 28 * 28 * 25 + 16 * 10 * 10 * 6 * 25 + 400 * 120 + 120 * 84 + 84 * 10,
        ),
        (
            models.resnet20(),
            RGB,
            9 * (3 * 16 + 6 * 16**2) * 32**2
            + 9 * (16 * 32 + 5 * 32**2) * 16**2
            + 9 * (32 * 64 + 5 * 64**2) * 8**2
            + 64 * 10,
        ),
        (nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.ReLU()), (4, 5, 5), 6 * 2 * 9 * 3 * 3),
    ],
)
def test_multiplications_are_those_counted_by_hand(model, shape, count):
    assert models.multiplications(model, shape) == count


def test_counting_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(4, 1))
    assert models.multiplications(model, (1, 2, 2)) == 4
    assert model.training
    assert not model[0].num_batches_tracked
    with pytest.raises(ValueError, match="leave the batch axis out"):
        models.multiplications(model, (1, 1, 2, 2))

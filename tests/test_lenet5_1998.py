"""The network of 1998: sizes and counts of the paper, each layer by hand, and its gradients."""

import importlib
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lenet_course import models, shapes, train

# Section II.B of the paper: what each layer learns, and the size of its maps.
PAPER = {
    "C1": (156, (6, 28, 28)),
    "S2": (12, (6, 14, 14)),
    "C3": (1_516, (16, 10, 10)),
    "S4": (32, (16, 5, 5)),
    "C5": (48_120, (120, 1, 1)),
    "F6": (10_164, (84,)),
    "output": (0, (10,)),
}
module = importlib.import_module("lenet_course.models.lenet5_1998")  # the function has its name
NET = models.lenet5_1998(seed=0)


def uniform(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_each_layer_has_the_papers_size_and_count():
    table = models.layer_table(NET, (1, 32, 32))
    found = {name: (table["parameters"][name], table["output shape"][name]) for name in PAPER}
    assert found == PAPER
    assert table.loc["total", "parameters"] == 60_000
    assert sum(p.numel() for p in NET.parameters() if p.requires_grad) == 60_000


def test_the_sizes_are_those_of_the_formula():
    size = 32
    for name, kernel, stride in [("C1", 5, 1), ("S2", 2, 2), ("C3", 5, 1), ("S4", 2, 2)]:
        size = shapes.conv_output_size(size, kernel, stride)
        assert PAPER[name][1][1:] == (size, size)
    assert PAPER["C1"][0] == shapes.conv_parameter_count(1, 6, 5)
    assert PAPER["C5"][0] == shapes.conv_parameter_count(16, 120, 5)
    assert PAPER["F6"][0] == shapes.linear_parameter_count(120, 84)


def test_the_table_of_c3():
    seen = [set(maps) for maps in module.C3_TABLE]
    assert [len(maps) for maps in seen] == [3] * 6 + [4] * 9 + [6]
    around = [{(start + step) % 6 for step in range(n)} for n in (3, 4) for start in range(6)]
    assert sorted(map(sorted, seen[:12])) == sorted(map(sorted, around))
    assert not any(maps in around for maps in seen[12:])
    assert len(set(map(frozenset, seen))) == 16
    assert [sum(m in maps for maps in seen) for m in range(6)] == [10] * 6


def test_c3_is_a_convolution_whose_other_kernels_are_zero():
    layer = models.lenet5_1998(seed=0).double().C3
    dense = torch.zeros(16, 6, 5, 5, dtype=torch.float64)
    kernels = iter(layer.weight)
    for out, maps in enumerate(module.C3_TABLE):
        for into in maps:
            dense[out, into] = next(kernels)
    x = uniform(2, 6, 14, 14)
    torch.testing.assert_close(layer(x), F.conv2d(x, dense, layer.bias))
    changed = x.clone()
    changed[:, 5] += 1  # the first map of C3 sees maps 0, 1, 2
    differs = (layer(changed) != layer(x)).flatten(2).any(dim=2)[0]
    assert differs.tolist() == [5 in maps for maps in module.C3_TABLE]


def test_subsampling_adds_four_numbers_and_scales_the_sum():
    layer = module.Subsampling(2)
    layer.weight.data, layer.bias.data = torch.tensor([0.5, -1.0]), torch.tensor([0.0, 3.0])
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).expand(1, 2, 2, 2)
    assert layer(x).flatten().tolist() == [5.0, -7.0]
    assert layer(torch.zeros(1, 2, 5, 5)).shape == (1, 2, 2, 2)


def test_squashing_keeps_plus_and_minus_one():
    x = torch.tensor([-1.0, 0.0, 1.0, 100.0])
    out = module.ScaledTanh()(x)
    torch.testing.assert_close(out, torch.tensor([-1, 0, 1, 1.7159]), atol=2e-5, rtol=0)


def test_the_output_is_minus_the_squared_distance_to_each_bitmap():
    x = 2 * uniform(3, 84) - 1
    scores = module.RBF(module.bitmaps().flatten(1).double())(x)
    for n, k in np.ndindex(3, 10):
        distance = sum(
            (a - b) ** 2 for a, b in zip(x[n], module.bitmaps()[k].flatten(), strict=True)
        )
        assert math.isclose(-scores[n, k], distance, rel_tol=1e-9)


def test_each_bitmap_is_nearest_to_itself_and_is_not_trained():
    codes = module.bitmaps()
    assert codes.shape == (10, 12, 7)
    assert codes.unique().tolist() == [-1, 1]
    scores = module.RBF(codes.flatten(1))(codes.flatten(1))
    assert (scores.diagonal() == 0).all()
    # A pixel that differs is worth 4, and no two drawings share more than all but ten of them.
    assert (scores - torch.eye(10) * 100).max() <= -40
    assert not any("output" in name for name, _ in NET.named_parameters())


def test_a_bitmap_is_read_as_it_is_drawn():
    one = module.bitmaps()[1]
    assert one[2].tolist() == [-1, 1, 1, 1, -1, -1, -1]
    assert (one[0] == -1).all()


@pytest.mark.parametrize("name", ["C1", "S2", "C3", "S4", "C5", "F6"])
def test_first_weights_fill_the_papers_interval(name):
    layer = NET.get_submodule(name)
    inputs = {"C1": 25, "S2": 4, "S4": 4, "C5": 400, "F6": 120}.get(name)
    if inputs is None:
        counts = torch.tensor([25.0 * len(maps) for maps in module.C3_TABLE])
        weight = layer.weight * counts[layer.pairs[:, 0], None, None]
        bias = layer.bias * counts
    else:
        weight, bias = layer.weight * inputs, layer.bias * inputs
    for part in (weight, bias):
        assert part.abs().max() <= 2.4 + 1e-5
    assert weight.abs().max() > (1.2 if weight.numel() < 100 else 2.3)
    assert abs(weight.mean()) < 2.4 / (3 * weight.numel()) ** 0.5 * 4


def test_gradients_agree_with_finite_differences():
    net = models.lenet5_1998(seed=1).double()
    x, y = models.framed(uniform(2, 1, 28, 28)), torch.tensor([3, 8])

    def loss(*parameters):
        names = [name for name, _ in net.named_parameters()]
        scores = torch.func.functional_call(net, dict(zip(names, parameters, strict=True)), (x,))
        return models.map_criterion(scores, y, j=10)

    parameters = [p.detach().requires_grad_() for p in net.parameters()]
    gradients = torch.autograd.grad(loss(*parameters), parameters)
    rng = np.random.default_rng(0)
    for k, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
        for _ in range(3):
            place = tuple(rng.integers(parameter.shape))
            sides = []
            for step in (1e-6, -1e-6):
                moved = [p.detach().clone() for p in parameters]
                moved[k][place] += step
                sides.append(loss(*moved).item())
            slope = (sides[0] - sides[1]) / 2e-6
            assert math.isclose(gradient[place], slope, rel_tol=1e-4, abs_tol=1e-6)


def test_the_criterion_is_equation_9():
    scores, y, j = -10 * uniform(4, 10), torch.tensor([0, 3, 3, 9]), 7.0
    by_hand = [
        -row[label] + math.log(math.exp(-j) + sum(math.exp(score) for score in row))
        for row, label in zip(scores, y, strict=True)
    ]
    assert math.isclose(models.map_criterion(scores, y, j), sum(by_hand) / 4, rel_tol=1e-9)


def test_the_criterion_leaves_distant_classes_alone():
    scores = torch.tensor([[-1.0, -5.0, -60.0]], requires_grad=True)
    models.map_criterion(scores, torch.tensor([0]), j=20).backward()
    right, near, far = scores.grad[0].tolist()
    assert right < 0 < near
    assert far < 1e-20
    with pytest.raises(ValueError, match=r"j=-1\.0 is out of range"):
        models.map_criterion(scores, torch.tensor([0]), j=-1.0)


def test_the_frame_is_background_and_the_stroke_is_the_papers():
    pixels = torch.zeros(1, 1, 28, 28)
    pixels[..., 0, 0] = 1
    out = models.framed(pixels)
    assert out.shape == (1, 1, 32, 32)
    assert out[0, 0, 2, 2] == pytest.approx(1.175)
    assert out[..., :2, :].unique().tolist() == pytest.approx([-0.1])


def test_an_image_without_its_frame_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 1, 28, 28\).*layer_table"):
        train.predict(NET, torch.zeros(2, 1, 28, 28))


def test_it_learns_ten_drawings_and_answers_with_the_largest_score():
    ink = (module.bitmaps()[:, None] + 1) / 2
    x = models.framed(F.pad(ink.repeat_interleave(2, 2).repeat_interleave(2, 3), (7, 7, 2, 2)))
    y, net = torch.arange(10), models.lenet5_1998(seed=0)
    train.fit(
        net,
        [(x, y)],
        epochs=100,
        optimizer=torch.optim.AdamW(net.parameters(), lr=5e-3),
        loss_function=lambda scores, labels: models.map_criterion(scores, labels, j=10),
        progress=False,
    )
    assert train.evaluate(net, [(x, y)]).accuracy == 1

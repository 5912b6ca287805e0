"""One training in PyTorch on MNIST or Fashion-MNIST: its setting, and what is measured of it."""

from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from experiments import store, training
from lenet_course import data, models, train

VALID_SHARE = 1 / 12  # 5,000 of the 60,000 training images
ALL = 60_000  # as many training images leave none for validation
SHIFTS = range(5)
WEIGHTS = Path(__file__).parent / "results" / "lenet_mnist.safetensors"
# The paper's loss leaves a wrong class alone beyond j; two of the digits are at least 44 apart.
LOSSES = {"lenet5_1998": partial(models.map_criterion, j=10)}


@dataclass(frozen=True)
class Setting:
    """What a training may differ in.

    Attributes
    ----------
    epochs : int
    data : {"mnist", "fashion_mnist"}
    network : str
        Name of a network in `lenet_course.models`.
    model : dict
        Its arguments.
    n_images : int
        Training images. Fewer than the 55,000 that the validation split leaves are drawn from
        them by the seed; 60,000 are all, with none left for validation.
    batch_size : int
    optimizer : {"adamw", "sgd"}
        SGD is plain: it has a constant rate and no decay.
    one_cycle : bool
        Whether the learning rate of AdamW rises and falls, or stays at `learning_rate`.
    learning_rate, weight_decay : float
    initialization : {None, "xavier"}
        Xavier's uniform rule for all weights; None leaves them and the biases to PyTorch.
    permuted : bool
        Move the pixels of every image by one permutation.
    normalized : bool
        Give the pixels mean 0 and standard deviation 1, or leave them from 0 to 1. For the network
        of 1998 they must be left, since it has a scale and a frame of its own.
    augment : {None, "shift", "flip and shift", "small changes", "larger changes"}
        Mirror about half of the training images, or not, and shift each by up to 1 pixel. Or
        change each by up to 1 pixel, 10 degrees and 10 % of its size, or by up to 2 pixels, 15
        degrees and 15 %.
    channels_last : bool
        Keep the channels of a pixel side by side in memory.
    keep_weights : bool
        Whether to store the weights of seed 0.
    """

    epochs: int
    data: str = "mnist"
    network: str = "lenet"
    model: dict = field(default_factory=dict)
    n_images: int = 55_000
    batch_size: int = 128
    optimizer: str = "adamw"
    one_cycle: bool = True
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    initialization: str | None = None
    permuted: bool = False
    normalized: bool = True
    augment: str | None = None
    channels_last: bool = False
    keep_weights: bool = False
    # without a type these are no fields, but the same in every training
    label_smoothing = 0.0
    patience = None


def run(setting, seed, source="full", progress=True, checkpoint=None):
    """Train one network and measure it on training, validation and test images.

    The validation images are the same for every seed; the seed decides which images a smaller
    training set has, the initial weights, and the order of the images.
    """
    images = prepare(setting, source, seed)
    net, history, losses = _train(setting, seed, images, progress=progress, checkpoint=checkpoint)
    measured = training.measure(net, history, images, setting, LOSSES.get(setting.network))
    if setting.keep_weights and seed == 0:
        train.save(net, WEIGHTS)
    result = {"first_losses": losses} | measured
    for name in images.keys() - {"train"}:
        answers = train.predict(net, images[name][0]).argmax(dim=1)
        result[f"{name}_answers"] = training.digits(answers)
    if setting.data == "mnist" and not setting.permuted:
        result["shifted_test_accuracy"] = [_shifted_accuracy(net, images, n) for n in SHIFTS]
    return result


def first_losses(setting, seed, source="full"):
    """Take the first steps of `run` once more, and give their losses."""
    return _train(setting, seed, prepare(setting, source, seed), steps=store.FIRST)[2]


def prepare(setting, source, seed=0):
    """Give the images and labels of a setting, by the names "train", "valid" and "test"."""
    images = _load(setting.data, setting.n_images == ALL, setting.normalized, source)
    if setting.permuted:
        images = {name: (permuted(x), y) for name, (x, y) in images.items()}
    if setting.network == "lenet5_1998":
        images = {name: (models.framed(x), y) for name, (x, y) in images.items()}
    x, y = images["train"]
    if setting.n_images < len(y):
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(y), generator=generator)[: setting.n_images]
        x, y = x[chosen], y[chosen]
    return images | {"train": (x, y)}


def permuted(x):
    """Give every image its pixels at other places, by the same permutation for all."""
    places = torch.randperm(x[0].numel(), generator=torch.Generator().manual_seed(0))
    return x.flatten(1)[:, places].view_as(x)


def shifted(x, down, right):
    """Move each image; what moves in is as dark as the darkest pixel."""
    return F.pad(x, (right, -right, down, -down), value=x.min().item())


@cache
def _load(name, everything, normalized, source):
    generator, share = torch.Generator().manual_seed(0), None if everything else VALID_SHARE
    prepared = data.prepare(name, share, generator, normalize=normalized, source=source)
    parts = {"train": prepared.train, "valid": prepared.valid, "test": prepared.test}
    return {name: part for name, part in parts.items() if part}


def _train(setting, seed, images, **how):
    """Train a new network, all the way or its first steps; give it, its history, its losses."""
    net = getattr(models, setting.network)(seed=seed, **setting.model)
    if setting.initialization == "xavier":
        generator = torch.Generator().manual_seed(seed)
        for weight in (p for p in net.parameters() if p.ndim > 1):
            nn.init.xavier_uniform_(weight, generator=generator)
    if setting.channels_last:
        net.to(memory_format=torch.channels_last)
    how |= {"augment": AUGMENT[setting.augment], "loss_function": LOSSES.get(setting.network)}
    return net, *training.train_network(net, images, setting, seed, **how)


def shift(x, generator):
    """Move each image by up to 1 pixel; what moves in is as dark as the darkest pixel."""
    dark = x.min()
    return data.random_crop(x - dark, padding=1, generator=generator) + dark


def flip_and_shift(x, generator):
    """Mirror about half of the images, and move them."""
    return shift(data.random_flip(x, generator), generator)


def changed(x, generator, **most):
    """Turn, resize and move each image; what comes in is as dark as the darkest pixel."""
    dark = x.min()
    return data.random_affine(x - dark, **most, generator=generator) + dark


AUGMENT = {
    None: None,
    "shift": shift,
    "flip and shift": flip_and_shift,
    "small changes": partial(changed, shift=1, degrees=10, scale=0.1),
    "larger changes": partial(changed, shift=2, degrees=15, scale=0.15),
}


def _shifted_accuracy(net, images, n):
    """Measure test images moved by n pixels: the mean of four directions."""
    x, y = images["test"]
    directions = ((0, n), (0, -n), (n, 0), (-n, 0)) if n else ((0, 0),)
    moved = (data.batches(shifted(x, *by), y, 1000) for by in directions)
    return sum(train.evaluate(net, batches).accuracy for batches in moved) / len(directions)

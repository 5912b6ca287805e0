"""One training on CIFAR-10: its setting, and what is measured of it."""

from dataclasses import dataclass, field
from functools import cache

import torch

from experiments import store, training
from lenet_course import data, metrics, models, train

VALID_SHARE = 0.1  # 5,000 of the 50,000 training images


@dataclass(frozen=True)
class Setting:
    """What a training may differ in; the defaults are the plain network of the chapters.

    Attributes
    ----------
    epochs : int
    n_images : int
        Training images. Fewer than the 45,000 that the validation split leaves are drawn from
        them by the seed.
    gray : bool
        Turn the images to grayscale first.
    augment : bool
        Flip and shift the training images by up to 4 pixels.
    one_cycle : bool
        Whether the learning rate rises and falls, or stays at `learning_rate`.
    learning_rate, weight_decay, label_smoothing : float
    patience : int or None
        Epochs without a better validation loss after which training stops.
    model : dict
        Arguments of `models.cifar_lenet`.
    """

    epochs: int
    n_images: int = 45_000
    gray: bool = False
    augment: bool = False
    one_cycle: bool = True
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    patience: int | None = None
    model: dict = field(default_factory=dict)
    # without a type these are no fields, but the same in every training
    batch_size = 128
    optimizer = "adamw"


def run(setting, seed, source="full", progress=True, checkpoint=None):
    """Train one network and measure it on training, validation and test images.

    The split into 45,000 and 5,000 images is the same for every seed; the seed decides which
    images a smaller training set has, the initial weights, the order of the images, their
    augmentation and what dropout drops.
    """
    images = prepare(setting, source, seed)
    net, history, losses = _train(setting, seed, images, progress=progress, checkpoint=checkpoint)
    return {"first_losses": losses} | _measure(net, history, images, setting)


def first_losses(setting, seed, source="full"):
    """Take the first steps of `run` once more, and give their losses."""
    return _train(setting, seed, prepare(setting, source, seed), steps=store.FIRST)[2]


def prepare(setting, source, seed=0):
    """Give the images and labels of a setting, by the names "train", "valid" and "test"."""
    images = load(source, setting.gray)
    x, y = images["train"]
    if setting.n_images < len(y):
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
        drawn = order[: setting.n_images]
        x, y = x[drawn].contiguous(memory_format=torch.channels_last), y[drawn]
    return images | {"train": (x, y)}


@cache
def load(source, gray=False, everything=False):
    """Give training, validation and test images; if everything is to train on, no others."""
    cifar = data.prepare(
        "cifar10",
        valid=None if everything else VALID_SHARE,
        generator=torch.Generator().manual_seed(0),
        gray=gray,
        source=source,
    )
    parts = {"train": cifar.train, "valid": cifar.valid, "test": cifar.test}
    layout = torch.channels_last
    return {name: (p[0].to(memory_format=layout), p[1]) for name, p in parts.items() if p}


def _train(setting, seed, images, **how):
    """Train a new network, all the way or its first steps; give it, its history, its losses."""
    net = models.cifar_lenet(1 if setting.gray else 3, seed=seed, **setting.model)
    net.to(memory_format=torch.channels_last)
    augment = data.flip_and_crop if setting.augment else None
    return net, *training.train_network(net, images, setting, seed, augment, **how)


def _measure(net, history, images, setting):
    result = training.measure(net, history, images, setting)
    for name in ("valid", "test"):
        answers = train.predict(net, images[name][0]).argmax(dim=1)
        result[f"{name}_answers"] = training.digits(answers)
    y = images["test"][1]
    result["test_per_class"] = metrics.per_class_accuracy(y, answers, classes=10).tolist()
    return result

"""One training on CIFAR-10: its setting, and what is measured of it."""

from dataclasses import dataclass, field
from functools import cache

import torch
from torch import nn

from lenet_course import data, metrics, models, train

BATCH_SIZE = 128
VALID_SHARE = 0.1  # 5,000 of the 50,000 training images


@dataclass(frozen=True)
class Setting:
    """What a training may differ in; the defaults are the plain network of the chapters.

    Attributes
    ----------
    epochs : int
    images : int
        Training images, taken from the 45,000 that the validation split leaves.
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
    images: int = 45_000
    gray: bool = False
    augment: bool = False
    one_cycle: bool = True
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    patience: int | None = None
    model: dict = field(default_factory=dict)


def run(setting, seed, source="full", progress=True):
    """Train one network and measure it on training, validation and test images.

    The split into 45,000 and 5,000 images is the same for every seed; the seed decides the
    initial weights, the order of the images and their augmentation.
    """
    (x, y), (x_valid, y_valid), (x_test, y_test) = _images(setting.gray, source)
    x, y = x[: setting.images], y[: setting.images]
    net = models.cifar_lenet(1 if setting.gray else 3, seed=seed, **setting.model)
    net.to(memory_format=torch.channels_last)
    batches = data.batches(
        x,
        y,
        BATCH_SIZE,
        shuffle=True,
        generator=torch.Generator().manual_seed(seed),
        augment=data.flip_and_crop if setting.augment else None,
    )
    optimizer, schedule = _optimizer(net, setting, steps=setting.epochs * len(batches))
    history = train.fit(
        net,
        batches,
        data.batches(x_valid, y_valid, 1000),
        epochs=setting.epochs,
        optimizer=optimizer,
        schedule=schedule,
        loss_function=nn.CrossEntropyLoss(label_smoothing=setting.label_smoothing),
        patience=setting.patience,
        progress=progress,
    )
    if history.stopped == "interrupted":
        raise KeyboardInterrupt
    return _measure(net, history, (x, y), (x_valid, y_valid), (x_test, y_test), setting)


@cache
def _images(gray, source):
    """Load CIFAR-10, keep images for validation, normalize by the training images."""
    cifar = data.load("cifar10", source=source)
    (x, y), (x_test, y_test) = data.to_tensors(cifar.train), data.to_tensors(cifar.test)
    if gray:
        x, x_test = data.to_gray(x), data.to_gray(x_test)
    generator = torch.Generator().manual_seed(0)
    (x, y), (x_valid, y_valid) = data.split(x, y, valid=VALID_SHARE, generator=generator)
    mean, std = data.channel_stats(x)
    x, x_valid, x_test = (
        data.normalize(part, mean, std).to(memory_format=torch.channels_last)
        for part in (x, x_valid, x_test)
    )
    return (x, y), (x_valid, y_valid), (x_test, y_test)


def _optimizer(net, setting, steps):
    if setting.one_cycle:
        return train.one_cycle(net, steps, setting.learning_rate, setting.weight_decay)
    constant = torch.optim.AdamW(
        net.parameters(), lr=setting.learning_rate, weight_decay=setting.weight_decay, fused=True
    )
    return constant, None


def _measure(net, history, training, valid, test, setting):
    """Evaluate the final weights; curves only where every run has the same number of epochs."""
    result = {"epochs": history.epochs, "seconds": sum(history.seconds)}
    if setting.patience is None:
        for name in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy"):
            result[name] = getattr(history, name)
    for name, (x, y) in {"train": training, "valid": valid, "test": test}.items():
        loss, accuracy = train.evaluate(net, data.batches(x, y, 1000))
        result |= {f"final_{name}_loss": loss, f"final_{name}_accuracy": accuracy}
    answers = train.predict(net, test[0]).argmax(dim=1)
    result["test_per_class"] = metrics.per_class_accuracy(test[1], answers, classes=10).tolist()
    return result

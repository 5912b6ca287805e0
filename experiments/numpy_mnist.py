"""One training of a network on MNIST in NumPy: its setting, and what is measured of it."""

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from tqdm import tqdm

from lenet_course import data, listings
from lenet_course.scratch import nn, optim

BATCH_SIZE = 100
VALID = 5_000  # of the 60,000 training images
WEIGHTS = Path(__file__).parent / "results" / "deep_mnist.npz"


@dataclass(frozen=True)
class Setting:
    """What a training may differ in.

    Attributes
    ----------
    epochs : int
    shift : int
        Move each training image by up to so many pixels.
    rotation : float
        Turn each training image by up to so many degrees.
    images : int
        Training images, taken from the 55,000 that the validation split leaves.
    learning_rate : float
        The highest one of the cycle.
    keep_weights : bool
        Store the final weights in ``results/deep_mnist.npz``.
    network : str
        Name of a network in `lenet_course.listings`.
    """

    epochs: int
    shift: int = 0
    rotation: float = 0.0
    images: int = 55_000
    learning_rate: float = 3e-3
    keep_weights: bool = False
    network: str = "deep"


def turned(x, degrees, generator):
    """Turn each image by a random angle of up to `degrees` around its middle."""
    angle = torch.deg2rad(degrees * (2 * torch.rand(len(x), generator=generator) - 1))
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(len(x))
    matrix = torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def run(setting, seed, source="full", progress=True):
    """Train one network and measure it on training, validation and test images."""
    (x, y), valid, test, stats = _images(source)
    x, y = x[: setting.images], y[: setting.images]
    generator = torch.Generator().manual_seed(seed)

    def augment(images, generator):  # before normalizing, so that what moves in is black
        images = turned(images, setting.rotation, generator) if setting.rotation else images
        return data.normalize(data.random_crop(images, setting.shift, generator), *stats)

    batches = data.batches(x, y, BATCH_SIZE, True, generator, augment)
    net = getattr(listings, setting.network)(nn).initialize("he", np.random.default_rng(seed))
    optimizer = optim.Adam(net.parameters())
    steps = setting.epochs * len(batches)
    schedule = optim.OneCycleLR(optimizer, setting.learning_rate, steps)
    result = {"train_loss": [], "train_accuracy": [], "valid_loss": [], "valid_accuracy": []}
    start = time.perf_counter()
    with tqdm(total=steps, unit="batch", disable=not progress) as bar:
        for _ in range(setting.epochs):
            loss, accuracy = _train_epoch(net, batches, optimizer, schedule, bar)
            valid_loss, valid_accuracy = evaluate(net, *valid)
            measured = loss, accuracy, valid_loss, valid_accuracy
            for curve, value in zip(result.values(), measured, strict=True):
                curve.append(value)
            bar.set_postfix_str(f"loss {loss:.4f}, validation accuracy {valid_accuracy:.2%}")
    result |= {"epochs": setting.epochs, "seconds": time.perf_counter() - start}
    train = data.normalize(x, *stats), y
    for name, images in {"train": train, "valid": valid, "test": test}.items():
        loss, accuracy = evaluate(net, *images)
        result |= {f"final_{name}_loss": loss, f"final_{name}_accuracy": accuracy}
    if setting.keep_weights:
        np.savez(WEIGHTS, **net.state_dict())
    return result


def evaluate(net, x, y):
    """Compute mean loss and accuracy, 500 images at a time."""
    net.eval()
    criterion, loss, correct = nn.CrossEntropyLoss(), 0.0, 0
    for images, labels in zip(x.split(500), y.split(500), strict=True):
        logits = net(images.numpy())
        loss += float(criterion(logits, labels.numpy())) * len(labels)
        correct += int((logits.argmax(axis=1) == labels.numpy()).sum())
    return loss / len(y), correct / len(y)


def _train_epoch(net, batches, optimizer, schedule, bar):
    net.train()
    criterion, loss_sum, correct, images = nn.CrossEntropyLoss(), 0.0, 0, 0
    for x, y in batches:
        x, y = x.numpy(), y.numpy()
        logits = net(x)
        loss_sum += float(criterion(logits, y)) * len(y)
        net.backward(criterion.backward())
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        correct += int((logits.argmax(axis=1) == y).sum())
        images += len(y)
        bar.update()
    return loss_sum / images, correct / images


@cache
def _images(source):
    """Load MNIST, keep images for validation, normalize those that are not augmented first."""
    mnist = data.load("mnist", source=source)
    (x, y), (x_test, y_test) = data.to_tensors(mnist.train), data.to_tensors(mnist.test)
    valid = VALID if mnist.source == "full" else 0.1
    generator = torch.Generator().manual_seed(0)
    (x, y), (x_valid, y_valid) = data.split(x, y, valid, generator)
    stats = data.channel_stats(x)
    x_valid, x_test = (data.normalize(part, *stats) for part in (x_valid, x_test))
    return (x, y), (x_valid, y_valid), (x_test, y_test), stats

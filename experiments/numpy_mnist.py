"""One training of a network on MNIST in NumPy: its setting, and what is measured of it."""

import time
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from tqdm import tqdm

from experiments.store import FIRST
from lenet_course import data, models
from lenet_course.scratch import nn, optim

BATCH_SIZE = 100
VALID_SHARE = 1 / 12  # 5,000 of the 60,000 training images
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
    n_images : int
        Training images, taken from the 55,000 that the validation split leaves.
    learning_rate : float
        The highest one of the cycle.
    keep_weights : bool
        Store the final weights in ``results/deep_mnist.npz``.
    network : str
        Name of a network in `lenet_course.models`.
    """

    epochs: int
    shift: int = 0
    rotation: float = 0.0
    n_images: int = 55_000
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
    images = prepare(setting, source)
    net, batches = _start(setting, seed, images)
    result = {"first_losses": []}
    result |= {"train_loss": [], "train_accuracy": [], "valid_loss": [], "valid_accuracy": []}
    start, total = time.perf_counter(), setting.epochs * len(batches)
    with tqdm(_steps(setting, net, batches), total=total, disable=not progress) as bar:
        steps = iter(bar)
        for _ in range(setting.epochs):
            losses, correct, sizes = np.array(list(islice(steps, len(batches)))).T
            result["first_losses"] += losses[: FIRST - len(result["first_losses"])].tolist()
            result["train_loss"].append(float(losses @ sizes / sizes.sum()))
            result["train_accuracy"].append(float(correct.sum() / sizes.sum()))
            loss, accuracy = evaluate(net, *images["valid"])
            result["valid_loss"].append(loss)
            result["valid_accuracy"].append(accuracy)
            bar.set_postfix_str(f"loss {result['train_loss'][-1]:.4f}, validation {accuracy:.2%}")
    result |= {"epochs": setting.epochs, "seconds": time.perf_counter() - start}
    for name in ("train", "valid", "test"):
        loss, accuracy = evaluate(net, *images[name])
        result |= {f"final_{name}_loss": loss, f"final_{name}_accuracy": accuracy}
    if setting.keep_weights:
        np.savez(WEIGHTS, **net.state_dict())
    return result


def first_losses(setting, seed, source="full"):
    """Take the first steps of `run` once more, and give their losses."""
    steps = _steps(setting, *_start(setting, seed, prepare(setting, source)))
    return [loss for loss, _, _ in islice(steps, FIRST)]


def evaluate(net, x, y):
    """Compute mean loss and accuracy, 500 images at a time."""
    net.eval()
    criterion, loss, correct = nn.CrossEntropyLoss(), 0.0, 0
    for images, labels in zip(x.split(500), y.split(500), strict=True):
        logits = net(images.numpy())
        loss += float(criterion(logits, labels.numpy())) * len(labels)
        correct += int((logits.argmax(axis=1) == labels.numpy()).sum())
    return loss / len(y), correct / len(y)


def prepare(setting, source):
    """Give each part's images and labels, the pixels to augment, and their mean and std."""
    parts, mean, std = _load(source)
    pixels, y = (tensor[: setting.n_images] for tensor in parts["train"])
    images = {
        name: (data.normalize(x, mean, std), y)
        for name, (x, y) in (parts | {"train": (pixels, y)}).items()
    }
    return images | {"pixels": pixels, "stats": (mean, std)}


@cache
def _load(source):
    generator = torch.Generator().manual_seed(0)
    mnist = data.prepare(
        "mnist", valid=VALID_SHARE, generator=generator, normalize=False, source=source
    )
    parts = {"train": mnist.train, "valid": mnist.valid, "test": mnist.test}
    return parts, mnist.mean, mnist.std


def _start(setting, seed, images):
    """Make the network with its first weights, and the batches to train it on."""

    def augment(x, generator):  # before normalizing, so that what moves in is black
        x = turned(x, setting.rotation, generator) if setting.rotation else x
        return data.normalize(data.random_crop(x, setting.shift, generator), *images["stats"])

    generator = torch.Generator().manual_seed(seed)
    labels = images["train"][1]
    batches = data.batches(images["pixels"], labels, BATCH_SIZE, True, generator, augment)
    make = getattr(models, setting.network)
    return make(nn=nn).initialize("he", np.random.default_rng(seed)), batches


def _steps(setting, net, batches):
    """Train; yield the loss, the number of right answers and of images of each step."""
    criterion, optimizer = nn.CrossEntropyLoss(), optim.Adam(net.parameters())
    schedule = optim.OneCycleLR(optimizer, setting.learning_rate, setting.epochs * len(batches))
    for _ in range(setting.epochs):
        net.train()  # evaluation between the epochs has left it in the other mode
        for x, y in batches:
            logits = net(x.numpy())
            loss = float(criterion(logits, y.numpy()))
            net.backward(criterion.backward())
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            yield loss, int((logits.argmax(axis=1) == y.numpy()).sum()), len(y)

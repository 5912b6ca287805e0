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


def run(setting, seed, source="full", progress=True, checkpoint=None):
    """Train one network and measure it on training, validation and test images.

    With a `checkpoint` it goes on after the last epoch that was finished before it was stopped.
    """
    images = prepare(setting, source)
    training = _Training(setting, seed, images)
    if checkpoint:
        checkpoint.start({"training": training, "batches": training.batches.generator})
    net, result = training.net, training.result
    done, n_batches = len(result["train_loss"]), len(training.batches)
    with tqdm(training.steps(), initial=done * n_batches, disable=not progress) as bar:
        bar.total, steps = setting.epochs * n_batches, iter(bar)
        for _ in range(done, setting.epochs):
            start = time.perf_counter()
            losses, correct, sizes = np.array(list(islice(steps, n_batches))).T
            result["first_losses"] += losses[: FIRST - len(result["first_losses"])].tolist()
            result["train_loss"].append(float(losses @ sizes / sizes.sum()))
            result["train_accuracy"].append(float(correct.sum() / sizes.sum()))
            loss, accuracy = evaluate(net, *images["valid"])
            result["valid_loss"].append(loss)
            result["valid_accuracy"].append(accuracy)
            result["seconds"] += time.perf_counter() - start
            bar.set_postfix_str(f"loss {result['train_loss'][-1]:.4f}, validation {accuracy:.2%}")
            if checkpoint:
                checkpoint.save()
    result = result | {"epochs": setting.epochs}
    for name in ("train", "valid", "test"):
        loss, accuracy = evaluate(net, *images[name])
        result |= {f"final_{name}_loss": loss, f"final_{name}_accuracy": accuracy}
    if setting.keep_weights:
        np.savez(WEIGHTS, **net.state_dict())
    return result


def first_losses(setting, seed, source="full"):
    """Take the first steps of `run` once more, and give their losses."""
    steps = _Training(setting, seed, prepare(setting, source)).steps()
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


class _Training:
    """A training under way: the network, what trains it, and what was measured so far."""

    def __init__(self, setting, seed, images):
        def augment(x, generator):  # before normalizing, so that what moves in is black
            x = turned(x, setting.rotation, generator) if setting.rotation else x
            return data.normalize(data.random_crop(x, setting.shift, generator), *images["stats"])

        generator = torch.Generator().manual_seed(seed)
        labels = images["train"][1]
        self.batches = data.batches(images["pixels"], labels, BATCH_SIZE, True, generator, augment)
        self.random = np.random.default_rng(seed)  # dropout goes on drawing from it
        self.net = getattr(models, setting.network)(nn=nn).initialize("he", self.random)
        self.optimizer = optim.Adam(self.net.parameters())
        total = setting.epochs * len(self.batches)
        self.schedule = optim.OneCycleLR(self.optimizer, setting.learning_rate, total)
        curves = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy")
        self.result = {name: [] for name in ("first_losses", *curves)} | {"seconds": 0.0}

    def steps(self):
        """Train; yield the loss, the number of right answers and of images of each step."""
        criterion = nn.CrossEntropyLoss()
        while self.schedule.steps < self.schedule.total_steps:
            self.net.train()  # evaluation between the epochs has left it in the other mode
            for x, y in self.batches:
                logits = self.net(x.numpy())
                loss = float(criterion(logits, y.numpy()))
                self.net.backward(criterion.backward())
                self.optimizer.step()
                self.optimizer.zero_grad()
                self.schedule.step()
                yield loss, int((logits.argmax(axis=1) == y.numpy()).sum()), len(y)

    def state_dict(self):
        """Give what a checkpoint must hold, with tensors for arrays."""
        moments = [
            {name: torch.as_tensor(value) for name, value in state.items()}
            for state in self.optimizer.state
        ]
        return {
            "weights": {k: torch.as_tensor(value) for k, value in self.net.state_dict().items()},
            "moments": moments,
            "steps": self.schedule.steps,
            "random": self.random.bit_generator.state,
            "result": self.result,
        }

    def load_state_dict(self, state):
        """Go on from what `state_dict` gave."""
        self.net.load_state_dict(state["weights"])
        self.optimizer.state = [
            {name: value.numpy() if value.ndim else int(value) for name, value in moments.items()}
            for moments in state["moments"]
        ]
        self.schedule.steps = state["steps"] - 1
        self.schedule.step()
        self.random.bit_generator.state = state["random"]
        self.result = state["result"]

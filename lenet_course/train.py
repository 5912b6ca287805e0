"""Training: one loop, its history, evaluation, and weights on disk.

`fit`, `evaluate` and `predict` take any ``torch.nn.Module`` that maps images (N, C, H, W) to
logits (N, classes). Batches are pairs (x, y) of images and labels, int64 (N,), with labels from 0
to classes − 1: a ``DataLoader``, ``lenet_course.data.batches``, or a list. A mean over batches
counts each image once, whatever the batch sizes.

What does not fit is refused: a ValueError tells the shape or dtype of images that the model cannot
take, or labels that have no score; a TypeError tells of arrays in place of tensors.
"""

import math
import os
import time
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import nn
from tqdm import tqdm

from lenet_course.arguments import real_number, whole_number


@dataclass
class History:
    """What `fit` measured: lists with one number per finished epoch.

    Means over the training images are taken while the weights change, those over the validation
    images at the end of the epoch; without such images their lists are empty. `seconds` does not
    count validation. `stopped` says why training ended before the last epoch: "early",
    "interrupted" or "not finite".
    """

    train_loss: list = field(default_factory=list)
    train_accuracy: list = field(default_factory=list)
    valid_loss: list = field(default_factory=list)
    valid_accuracy: list = field(default_factory=list)
    seconds: list = field(default_factory=list)
    images_per_second: list = field(default_factory=list)
    stopped: str | None = None

    @property
    def epochs(self):
        """Number of finished epochs."""
        return len(self.train_loss)

    @property
    def best_epoch(self):
        """Index, from 0, of the lowest validation loss, NaN left out; None if there is none."""
        losses = {i: loss for i, loss in enumerate(self.valid_loss) if not math.isnan(loss)}
        return min(losses, key=losses.get, default=None)

    def add(self, trained, n_images, seconds, valid=None):
        """Note one finished epoch; `trained` and `valid` are `Evaluation`."""
        self.train_loss.append(trained.loss)
        self.train_accuracy.append(trained.accuracy)
        self.seconds.append(seconds)
        self.images_per_second.append(n_images / seconds)
        if valid:
            self.valid_loss.append(valid.loss)
            self.valid_accuracy.append(valid.accuracy)

    def last(self):
        """Sum up the last epoch in a few words, for a progress bar."""
        text = f"epoch {self.epochs}: loss {self.train_loss[-1]:.4f}"
        if self.valid_accuracy:
            text += f", validation accuracy {self.valid_accuracy[-1]:.2%}"
        return text


class Evaluation(NamedTuple):
    """Mean loss and share of right answers on some images."""

    loss: float
    accuracy: float


def best_device():
    """Return the accelerator that PyTorch can use here, such as "cuda" or "mps", else "cpu"."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def one_cycle(model, steps, max_lr, weight_decay=0.01):
    """Make AdamW with a one-cycle schedule: the learning rate rises, then falls to nearly 0.

    `max_lr` is reached after 30 % of the `steps`, which are epochs × batches per epoch. Returns
    the optimizer and its schedule. Smith, Topin (2019), "Super-convergence"; Loshchilov, Hutter
    (2019), "Decoupled weight decay regularization".
    """
    steps, max_lr = whole_number("steps", steps), real_number("max_lr", max_lr)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=max_lr, weight_decay=weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=max_lr, total_steps=steps)
    return optimizer, schedule


def fit(
    model,
    train_batches,
    valid_batches=None,
    *,
    epochs,
    optimizer,
    schedule=None,
    loss_function=None,
    patience=None,
    device=None,
    progress=True,
):
    """Train a model and return the `History`.

    Interrupting it (ctrl-C, or the stop button of a notebook) keeps the weights and the
    history of the finished epochs. So does a loss that is no longer finite, with a warning.

    Parameters
    ----------
    model : torch.nn.Module
        Trained in place and left on `device`, in evaluation mode.
    train_batches, valid_batches : iterable of (x, y), with a length
        Each gone through once per epoch. Never validate on the test set: whatever steers
        training must not judge it.
    epochs : int
    optimizer : torch.optim.Optimizer
        Holds the model's parameters.
    schedule : torch.optim.lr_scheduler.LRScheduler, optional
        Stepped after every batch.
    loss_function : callable, optional
        Mean loss of a batch from logits and labels. Cross-entropy by default.
    patience : int, optional
        Stop once the validation loss has not improved for this many epochs, and put the best
        epoch's weights back. NaN is no improvement; if every epoch has NaN, the last weights
        stay, with a warning.
    device : torch.device or str, optional
        By default `best_device()`.
    progress : bool
        Show a progress bar.

    Examples
    --------
    >>> model = nn.Linear(2, 2)
    >>> batches = [(torch.randn(8, 2), torch.zeros(8, dtype=torch.int64))]
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> fit(model, batches, epochs=3, optimizer=optimizer, progress=False).epochs
    3
    """
    epochs = whole_number("epochs", epochs)
    patience = patience if patience is None else whole_number("patience", patience)
    _check_fit(model, train_batches, valid_batches, optimizer, patience)
    device = torch.device(device or best_device())
    loss_function = loss_function or nn.CrossEntropyLoss()
    model.to(device)
    history, best_weights = History(), None
    bar = tqdm(total=epochs * len(train_batches), unit="batch", disable=not progress)

    def step(loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if schedule:
            schedule.step()
        bar.update()

    try:
        for epoch in range(epochs):
            model.train()
            start = time.perf_counter()
            trained, n_images = _one_pass(model, train_batches, loss_function, device, step)
            seconds = time.perf_counter() - start
            valid = valid_batches and evaluate(model, valid_batches, loss_function, device)
            history.add(trained, n_images, seconds, valid)
            bar.set_postfix_str(history.last())
            if not math.isfinite(trained.loss):
                history.stopped = "not finite"
                warnings.warn(
                    f"the mean loss of epoch {epoch + 1} is {trained.loss}, so training stopped: "
                    "try a smaller learning rate, and check the images for nan",
                    stacklevel=2,
                )
                break
            best = history.best_epoch
            if patience and best == epoch:
                best_weights = {key: value.clone() for key, value in model.state_dict().items()}
            if patience and epoch - (-1 if best is None else best) >= patience:
                history.stopped = "early"
                break
    except KeyboardInterrupt:
        history.stopped = "interrupted"
    finally:
        bar.close()
        model.eval()
        if best_weights:
            model.load_state_dict(best_weights)
    if history.valid_loss and history.best_epoch is None and history.stopped != "not finite":
        warnings.warn(
            "the validation loss of every epoch is nan, so none is the best and the last weights "
            "stay: check the validation images for nan",
            stacklevel=2,
        )
    return history


@torch.no_grad()
def evaluate(model, batches, loss_function=None, device=None):
    """Measure a model's mean loss and accuracy in evaluation mode; its mode is put back.

    `loss_function` is as in `fit`; `device` is by default the one that holds the model.

    Examples
    --------
    >>> always_first = nn.Linear(2, 2)
    >>> _ = nn.init.zeros_(always_first.weight)
    >>> always_first.bias.data = torch.tensor([1.0, 0.0])
    >>> evaluate(always_first, [(torch.zeros(4, 2), torch.tensor([0, 0, 1, 0]))]).accuracy
    0.75
    """
    device = device or _device_of(model)
    with _evaluation_mode(model):
        return _one_pass(model, batches, loss_function or nn.CrossEntropyLoss(), device)[0]


@torch.no_grad()
def predict(model, x, batch_size=1000):
    """Return a model's logits for images x, on the CPU, taken in evaluation mode.

    `batch_size` images go through at a time; it bounds the memory and changes nothing else.
    """
    batch_size = whole_number("batch_size", batch_size)
    _check_tensor("images", x)
    device = _device_of(model)
    with _evaluation_mode(model):
        return torch.cat([_logits(model, part.to(device)).cpu() for part in x.split(batch_size)])


def _one_pass(model, batches, loss_function, device, step=None):
    """Go through the batches once, with `step(loss)` after each; count the images, too."""
    loss_sum, correct, n_images = 0.0, 0, 0
    for x, y in batches:
        _check_tensor("images", x)
        _check_tensor("labels", y)
        if y.shape != x.shape[:1] or y.is_floating_point():
            raise ValueError(
                f"{len(x)} images need labels of shape ({len(x)},), whole numbers, but have "
                f"{y.dtype} of shape {tuple(y.shape)}; y.argmax(dim=1) makes them of one-hot rows"
            )
        if len(y) == 0:
            continue
        x, y = x.to(device), y.to(device)
        logits = _logits(model, x)
        loss = _loss(loss_function, logits, y)
        if step:
            step(loss)
        loss_sum += loss.detach() * len(y)  # a mean of batch means would overweigh the last batch
        correct += (logits.detach().argmax(dim=1) == y).sum()
        n_images += len(y)
    if n_images == 0:
        raise ValueError("there is no image: the batches are empty")
    return Evaluation(float(loss_sum) / n_images, int(correct) / n_images), n_images


def _logits(model, x):
    """Run the model, and name the batch's shape or dtype if it does not fit."""
    try:
        return model(x)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        dtype = next((p.dtype for p in model.parameters()), x.dtype)
        advice = f"models.layer_table(model, {tuple(x.shape[1:])}) names the layer that fails"
        if x.dtype != dtype:
            advice = f"the weights are {dtype}, the images {x.dtype}: convert them, x.to({dtype})"
        raise ValueError(
            f"the model cannot take a batch of shape {tuple(x.shape)}: {error}. {advice}"
        ) from error


def _loss(loss_function, logits, y):
    """Compute the loss, and name the labels if one has no score."""
    try:
        if (y < 0).any():  # cross-entropy would leave −100 out of the mean without a word
            raise IndexError("a label is negative")
        return loss_function(logits, y)
    except IndexError as error:
        raise ValueError(
            f"the model gives {logits.shape[1]} scores an image, so labels must go from 0 to "
            f"{logits.shape[1] - 1}; this batch has labels from {int(y.min())} to {int(y.max())}"
        ) from error


def save(model, path):
    """Write a model's state dict to a safetensors file, all of it or nothing."""
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    # a model may hold its weights in another order in memory (channels_last); a file may not
    weights = {key: value.contiguous() for key, value in model.state_dict().items()}
    try:
        part.write_bytes(to_bytes(weights))
        os.replace(part, path)
    except OSError as error:  # that of a full disk has no path
        raise OSError(error.errno, f"cannot save weights: {error.strerror}", str(path)) from error
    finally:
        with suppress(OSError):  # the error that is under way says more
            part.unlink()


def load(model, path):
    """Read a safetensors file into a model of the same architecture, and return the model.

    A file that is torn, holds NaN or infinity, or has other names, shapes or kinds of numbers
    than the model raises a ValueError that tells them, and leaves the model as it was.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}: train.save(model, path) writes them")
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from error
    ours, theirs = _described(model.state_dict()), _described(weights)
    differences = [
        f"{key}: model {ours.get(key, 'has none')}, file {theirs.get(key, 'has none')}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]
    if differences:
        raise ValueError(
            f"the weights in {path} are another network's; build the model with the arguments "
            "it was saved with. " + "; ".join(differences)
        )
    weights = {key: value.to(model.state_dict()[key].dtype) for key, value in weights.items()}
    broken = [key for key, value in weights.items() if not value.isfinite().all()]
    if broken:
        raise ValueError(f"weights in {path} are nan or infinite: {', '.join(broken)}")
    model.load_state_dict(weights)
    return model


def _described(state):
    """Tell each tensor's shape, and its dtype if it is not a float of some precision."""
    return {
        key: str(tuple(value.shape)) + ("" if value.is_floating_point() else f" of {value.dtype}")
        for key, value in state.items()
    }


@contextmanager
def _evaluation_mode(model):
    """Switch dropout and batch statistics off for a while."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _device_of(model):
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def _check_tensor(name, value):
    if not isinstance(value, torch.Tensor):
        raise TypeError(
            f"the {name} are a {type(value).__name__}, not a tensor; data.to_tensors makes "
            "tensors of a data set, torch.as_tensor of an array"
        )


def _check_fit(model, train_batches, valid_batches, optimizer, patience):
    given = {"train_batches": train_batches}
    if valid_batches is not None:
        given["valid_batches"] = valid_batches
    elif patience is not None:
        raise ValueError("early stopping (patience) needs valid_batches to watch")
    for name, batches in given.items():
        if not hasattr(batches, "__len__"):
            raise TypeError(
                f"{name} is a {type(batches).__name__}, which has no length and may last one "
                "epoch only; use data.batches, a DataLoader or a list"
            )
        if len(batches) == 0:
            raise ValueError(f"{name} is empty: there is no batch")
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not any(id(p) in held for p in model.parameters()):
        raise ValueError(
            "the optimizer holds none of this model's parameters, so nothing would be learnt: "
            "make it from model.parameters() of this very model"
        )

"""Training: one loop, its history, evaluation, and weights on disk."""

import math
import os
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm import tqdm


@dataclass
class History:
    """What `fit` measured, one number per finished epoch.

    Attributes
    ----------
    train_loss, train_accuracy : list of float
        Means over the epoch's training images, taken while the weights were changing.
    valid_loss, valid_accuracy : list of float
        The same on the validation images at the end of each epoch; empty without them.
    seconds : list of float
        Seconds spent on training in each epoch, validation left out.
    images_per_second : list of float
        Training images divided by those seconds.
    best_epoch : int or None
        Index, from 0, of the epoch with the lowest validation loss.
    stopped : str or None
        Why training ended before the last epoch: "early", "interrupted", "not finite".
    """

    train_loss: list = field(default_factory=list)
    train_accuracy: list = field(default_factory=list)
    valid_loss: list = field(default_factory=list)
    valid_accuracy: list = field(default_factory=list)
    seconds: list = field(default_factory=list)
    images_per_second: list = field(default_factory=list)
    best_epoch: int | None = None
    stopped: str | None = None

    @property
    def epochs(self):
        """Number of finished epochs."""
        return len(self.train_loss)

    def add(self, loss, accuracy, valid, seconds, images):
        """Note one finished epoch; `valid` is an `Evaluation` or None."""
        self.train_loss.append(loss)
        self.train_accuracy.append(accuracy)
        self.seconds.append(seconds)
        self.images_per_second.append(images / seconds)
        if valid:
            self.valid_loss.append(valid.loss)
            self.valid_accuracy.append(valid.accuracy)
            self.best_epoch = min(range(self.epochs), key=self.valid_loss.__getitem__)

    def last(self):
        """Sum up the last epoch in a few words, for a progress bar."""
        text = f"epoch {self.epochs}: loss {self.train_loss[-1]:.4f}"
        if self.valid_accuracy:
            text += f", validation accuracy {self.valid_accuracy[-1]:.2%}"
        return text


def best_device():
    """Return the accelerator that PyTorch can use here, "cuda" or "mps", else "cpu"."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def one_cycle(model, steps, max_lr, weight_decay=0.01):
    """Make AdamW with a one-cycle schedule: the learning rate rises, then falls to nearly 0.

    Parameters
    ----------
    model : torch.nn.Module
    steps : int
        Number of training steps in all: epochs × batches per epoch.
    max_lr : float
        The highest learning rate, reached after 30 % of the steps.
    weight_decay : float

    Returns
    -------
    optimizer : torch.optim.AdamW
    schedule : torch.optim.lr_scheduler.OneCycleLR

    References
    ----------
    Smith, Topin (2019), "Super-convergence". Loshchilov, Hutter (2019), "Decoupled weight
    decay regularization".
    """
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
    """Train a model and return what happened.

    Interrupting it (ctrl-C, or the stop button of a notebook) keeps the weights and the
    history of the finished epochs. So does a loss that is no longer finite, with a warning.

    Parameters
    ----------
    model : torch.nn.Module
        Maps a batch of images to logits (N, classes). It is trained in place and left on
        `device`, in evaluation mode.
    train_batches : iterable of (x, y)
        Gone through once per epoch: a ``DataLoader`` or ``lenet_course.data.batches``.
        x is a batch of images, y its labels, int64 (N,).
    valid_batches : iterable of (x, y), optional
        Images kept from training. Never the test set: whatever steers training must not
        judge it.
    epochs : int
        Passes over the training images, at least 1.
    optimizer : torch.optim.Optimizer
        Holds the model's parameters.
    schedule : torch.optim.lr_scheduler.LRScheduler, optional
        Stepped after every batch.
    loss_function : callable, optional
        Mean loss of a batch from logits and labels. Cross-entropy by default.
    patience : int, optional
        Stop once the validation loss has not improved for this many epochs, and put the best
        epoch's weights back.
    device : torch.device or str, optional
        Where to train; by default `best_device()`.
    progress : bool
        Show a progress bar.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        If `epochs` or `patience` is below 1, if `patience` comes without validation batches,
        if there is no training batch, if the optimizer holds none of the model's parameters, or
        if the model cannot take the images or has no score for a label.

    Examples
    --------
    >>> model = nn.Linear(2, 2)
    >>> batches = [(torch.randn(8, 2), torch.zeros(8, dtype=torch.int64))]
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> fit(model, batches, epochs=3, optimizer=optimizer, progress=False).epochs
    3
    """
    _check_arguments(model, train_batches, valid_batches, epochs, optimizer, patience)
    device = torch.device(device or best_device())
    loss_function = loss_function or nn.CrossEntropyLoss()
    model.to(device)
    history, best_weights = History(), None
    bar = tqdm(total=epochs * len(train_batches), unit="batch", disable=not progress)
    try:
        for epoch in range(epochs):
            start = time.perf_counter()
            loss, accuracy, images = _train_epoch(
                model, train_batches, loss_function, optimizer, schedule, device, bar
            )
            seconds = time.perf_counter() - start
            valid = valid_batches and evaluate(model, valid_batches, loss_function, device)
            history.add(loss, accuracy, valid, seconds, images)
            bar.set_postfix_str(history.last())
            if not math.isfinite(loss):
                history.stopped = "not finite"
                warnings.warn(
                    f"the mean loss of epoch {epoch + 1} is {loss}, so training stopped: "
                    "try a smaller learning rate, and check the images for nan",
                    stacklevel=2,
                )
                break
            if patience and history.best_epoch == epoch:
                best_weights = {key: value.clone() for key, value in model.state_dict().items()}
            if patience and epoch - history.best_epoch >= patience:
                history.stopped = "early"
                break
    except KeyboardInterrupt:
        history.stopped = "interrupted"
    finally:
        bar.close()
        model.eval()
        if best_weights:
            model.load_state_dict(best_weights)
    return history


def _train_epoch(model, batches, loss_function, optimizer, schedule, device, bar):
    """Take one step per batch; return the mean loss, the accuracy and the number of images."""
    model.train()
    loss_sum, correct, images = 0.0, 0, 0
    for x, y in batches:
        x, y = x.to(device), y.to(device)
        logits = _logits(model, x)
        loss = _loss(loss_function, logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if schedule:
            schedule.step()
        loss_sum += loss.detach() * len(y)  # a mean of batch means would overweigh the last batch
        correct += (logits.detach().argmax(dim=1) == y).sum()
        images += len(y)
        bar.update()
    return float(loss_sum) / images, int(correct) / images, images


def _logits(model, x):
    """Run the model, and name the batch's shape if it does not fit."""
    try:
        return model(x)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise ValueError(
            f"the model cannot take a batch of shape {tuple(x.shape)}: {error}. "
            f"models.layer_table(model, {tuple(x.shape[1:])}) names the layer that fails"
        ) from error


def _loss(loss_function, logits, y):
    """Compute the loss, and name the labels if one has no score."""
    try:
        return loss_function(logits, y)
    except IndexError as error:
        raise ValueError(
            f"the model gives {logits.shape[1]} scores an image, so labels must go from 0 to "
            f"{logits.shape[1] - 1}; this batch has labels from {int(y.min())} to {int(y.max())}"
        ) from error


class Evaluation(NamedTuple):
    """Mean loss and share of right answers on some images."""

    loss: float
    accuracy: float


@torch.no_grad()
def evaluate(model, batches, loss_function=None, device=None):
    """Measure a model's mean loss and accuracy without changing it.

    Parameters
    ----------
    model : torch.nn.Module
        Maps images to logits (N, classes). Evaluated in evaluation mode; its mode is put back.
    batches : iterable of (x, y)
        Images and labels, int64 (N,). Each image counts once, whatever the batch sizes.
    loss_function : callable, optional
        Mean loss of a batch. Cross-entropy by default.
    device : torch.device or str, optional
        By default the one that holds the model.

    Returns
    -------
    Evaluation
        ``loss`` and ``accuracy``, the latter between 0 and 1.

    Raises
    ------
    ValueError
        If there is no image, the model cannot take the images, or has no score for a label.

    Examples
    --------
    >>> always_first = nn.Linear(2, 2)
    >>> _ = nn.init.zeros_(always_first.weight)
    >>> always_first.bias.data = torch.tensor([1.0, 0.0])
    >>> labels = torch.tensor([0, 0, 1, 0])
    >>> batches = [(torch.zeros(3, 2), labels[:3]), (torch.zeros(1, 2), labels[3:])]
    >>> evaluate(always_first, batches).accuracy
    0.75
    """
    loss_function = loss_function or nn.CrossEntropyLoss()
    device = device or _device_of(model)
    loss_sum, correct, images = 0.0, 0, 0
    with _evaluation_mode(model):
        for x, y in batches:
            x, y = x.to(device), y.to(device)
            logits = _logits(model, x)
            loss_sum += _loss(loss_function, logits, y) * len(y)
            correct += (logits.argmax(dim=1) == y).sum()
            images += len(y)
    if images == 0:
        raise ValueError("there is no image to evaluate on: the batches are empty")
    return Evaluation(float(loss_sum) / images, int(correct) / images)


@torch.no_grad()
def predict(model, x, batch_size=1000):
    """Return a model's logits for many images.

    Parameters
    ----------
    model : torch.nn.Module
        Evaluated in evaluation mode; its mode is put back.
    x : torch.Tensor
        Images (N, C, H, W).
    batch_size : int
        How many images go through at a time; it bounds the memory and changes nothing else.

    Returns
    -------
    torch.Tensor
        Logits (N, classes), on the CPU.

    Raises
    ------
    ValueError
        If the model cannot take the images.

    Examples
    --------
    >>> predict(nn.Flatten(), torch.zeros(3, 1, 2, 2)).shape
    torch.Size([3, 4])
    """
    device = _device_of(model)
    with _evaluation_mode(model):
        return torch.cat([_logits(model, part.to(device)).cpu() for part in x.split(batch_size)])


def save(model, path):
    """Write a model's state dict to a safetensors file, all of it or nothing.

    Parameters
    ----------
    model : torch.nn.Module
    path : str or os.PathLike
        The file; an existing one is replaced.

    Examples
    --------
    >>> import tempfile
    >>> model = nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(model, f"{folder}/line.safetensors")
    ...     _ = load(nn.Linear(2, 1), f"{folder}/line.safetensors")
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    try:
        # a model may hold its weights in another order in memory (channels_last); a file may not
        save_file({key: value.contiguous() for key, value in model.state_dict().items()}, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load(model, path):
    """Read a safetensors file into a model of the same architecture.

    Parameters
    ----------
    model : torch.nn.Module
        Its weights are replaced; left as it was if the file does not fit.
    path : str or os.PathLike

    Returns
    -------
    torch.nn.Module
        The same model.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a safetensors file, or its names and shapes are not the model's; the
        message lists what differs.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}: train.save(model, path) writes them")
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from error
    ours = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    theirs = {key: tuple(value.shape) for key, value in weights.items()}
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
    model.load_state_dict(weights)
    return model


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


def _check_arguments(model, train_batches, valid_batches, epochs, optimizer, patience):
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    if len(train_batches) == 0:
        raise ValueError("there is no batch to train on: the training set is empty")
    if patience is not None and patience < 1:
        raise ValueError(f"patience must be at least 1 epoch, got {patience}")
    if patience is not None and valid_batches is None:
        raise ValueError("early stopping (patience) needs valid_batches to watch")
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not any(id(p) in held for p in model.parameters()):
        raise ValueError(
            "the optimizer holds none of this model's parameters, so nothing would be learnt: "
            "make it from model.parameters() of this very model"
        )

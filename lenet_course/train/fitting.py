"""The training loop, what it measured, and the optimizer that the chapters use most."""

import math
import time
import traceback
import warnings
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import torch
from torch import nn
from tqdm import tqdm

from lenet_course.arguments import real_number, whole_number
from lenet_course.train.evaluation import check_model, evaluate, one_pass


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


class Moment(NamedTuple):
    """What `fit` tells its callback after each step and after each epoch.

    `name` is "step" or "epoch". After a step the gradients of that step are still in the
    parameters' ``.grad``. `epoch` counts from 0, `step` from 1 and over all epochs; `loss` is a
    tensor of no axis: that of the batch, or after an epoch the mean over its training images.
    """

    name: str
    model: Any
    optimizer: Any
    history: History
    epoch: int
    step: int
    loss: Any


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
    callback=None,
    checkpoint=None,
):
    """Train a model and return the `History`.

    Interrupting it (ctrl-C, or the stop button of a notebook) keeps the history of the finished
    epochs and the weights of that moment, or with `patience` those of the best epoch. A loss that
    is no longer finite ends the training in the same way, with a warning.

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
    callback : callable, optional
        Called with a `Moment` after each step and each epoch. One that raises is not called
        again, a warning tells its error, and training goes on.
    checkpoint : lenet_course.checkpoint.Checkpoint, optional
        Stores the training after each epoch. If its file is there already, training goes on
        from it, to the same bits as without the interruption.

    Examples
    --------
    >>> model = nn.Linear(2, 2)
    >>> batches = [(torch.randn(8, 2), torch.zeros(8, dtype=torch.int64))]
    >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> fit(model, batches, epochs=3, optimizer=sgd, progress=False).epochs
    3
    """
    epochs = whole_number("epochs", epochs)
    patience = patience if patience is None else whole_number("patience", patience)
    _check_fit(model, train_batches, valid_batches, optimizer, patience, callback, checkpoint)
    device = torch.device(device or best_device())
    loss_function = loss_function or nn.CrossEntropyLoss()
    model.to(device)
    training = _Training(model, optimizer, schedule, callback)
    if checkpoint:
        parts = {
            "model": model,
            "optimizer": optimizer,
            "schedule": schedule,
            "loss function": loss_function,
            "train_batches": getattr(train_batches, "generator", None),
            "training": training,
        }
        checkpoint.start(parts, epochs=epochs, batches=len(train_batches), patience=patience)
    history = training.history
    training.bar = tqdm(
        total=epochs * len(train_batches),
        initial=training.steps,
        unit="batch",
        disable=not progress,
    )
    try:
        while history.epochs < epochs and history.stopped is None:
            model.train()
            start = time.perf_counter()
            trained, n_images = one_pass(model, train_batches, loss_function, device, training.step)
            seconds = time.perf_counter() - start
            valid = valid_batches and evaluate(model, valid_batches, loss_function)
            history.add(trained, n_images, seconds, valid)
            training.end_epoch(patience)
            if checkpoint:
                checkpoint.save()
    except KeyboardInterrupt:
        history.stopped = "interrupted"
    finally:
        training.bar.close()
        model.eval()
        if training.best_weights:
            model.load_state_dict(training.best_weights)
    _warn_of_nan(history)
    return history


class _Training:
    """A training under way: its history, and what happens after each step and each epoch."""

    def __init__(self, model, optimizer, schedule, callback):
        self.model, self.optimizer, self.schedule = model, optimizer, schedule
        self.callback, self.bar = callback, None
        self.history, self.steps, self.best_weights = History(), 0, None

    def step(self, loss):
        """Change the weights by the gradients of a batch's loss."""
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.schedule:
            self.schedule.step()
        self.steps += 1
        self.bar.update()
        if self.callback:
            self._report("step", self.history.epochs, loss.detach())

    def end_epoch(self, patience):
        """See whether the epoch that the history has just noted is the best, or the last."""
        history = self.history
        epoch, best = history.epochs - 1, history.best_epoch
        self.bar.set_postfix_str(history.last())
        if not math.isfinite(history.train_loss[-1]):
            history.stopped = "not finite"
        elif patience:
            if best == epoch:
                state = self.model.state_dict()
                self.best_weights = {key: value.clone() for key, value in state.items()}
            if epoch - (-1 if best is None else best) >= patience:
                history.stopped = "early"
        if self.callback:
            self._report("epoch", epoch, torch.tensor(history.train_loss[-1]))

    def _report(self, name, epoch, loss):
        moment = Moment(name, self.model, self.optimizer, self.history, epoch, self.steps, loss)
        try:
            self.callback(moment)
        except Exception as error:
            self.callback = None
            place = traceback.extract_tb(error.__traceback__)[-1]
            when = f"step {self.steps}" if name == "step" else f"the end of epoch {epoch}"
            warnings.warn(
                f"the callback raised {error!r} at {when} ({place.filename}, line {place.lineno}); "
                "training goes on without it",
                stacklevel=2,
            )

    def state_dict(self):
        """Give what a checkpoint must hold of it."""
        history = asdict(self.history)
        return {"history": history, "steps": self.steps, "best_weights": self.best_weights}

    def load_state_dict(self, state):
        """Go on from what `state_dict` gave."""
        self.history = History(**state["history"])
        self.steps, self.best_weights = state["steps"], state["best_weights"]


def _warn_of_nan(history):
    if history.stopped == "not finite":
        warnings.warn(
            f"the mean loss of epoch {history.epochs} is {history.train_loss[-1]}, so training "
            "stopped: try a smaller learning rate, and check the images for nan",
            stacklevel=3,
        )
    elif history.valid_loss and history.best_epoch is None:
        warnings.warn(
            "the validation loss of every epoch is nan, so none is the best and the last weights "
            "stay: check the validation images for nan",
            stacklevel=3,
        )


def _check_fit(model, train_batches, valid_batches, optimizer, patience, callback, checkpoint):
    check_model(model)
    given = {"train_batches": train_batches}
    if valid_batches is not None:
        given["valid_batches"] = valid_batches
    elif patience is not None:
        raise ValueError("early stopping (patience) needs valid_batches to watch")
    for name, batches in given.items():
        try:
            length = len(batches)
        except TypeError:  # a DataLoader has a __len__ even where its data have none
            raise TypeError(
                f"{name} is a {type(batches).__name__}, which has no length and may last one "
                "epoch only; use data.batches, a DataLoader or a list"
            ) from None
        if length == 0:
            raise ValueError(f"{name} is empty: there is no batch")
    if not hasattr(optimizer, "param_groups"):
        raise TypeError(
            f"optimizer={optimizer!r} is no optimizer of PyTorch; make one, such as "
            "torch.optim.SGD(model.parameters(), lr=0.1), or train.one_cycle"
        )
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not any(id(p) in held for p in model.parameters()):
        raise ValueError(
            "the optimizer holds none of this model's parameters, so nothing would be learned: "
            "make it from model.parameters() of this very model"
        )
    if not (callback is None or callable(callback)):
        raise TypeError(f"callback={callback!r} cannot be called; give a function of one Moment")
    if not (checkpoint is None or hasattr(checkpoint, "save")):
        raise TypeError(
            f"checkpoint={checkpoint!r} is not a lenet_course.checkpoint.Checkpoint(path)"
        )

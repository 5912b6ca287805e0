"""What the trainings in PyTorch share: batches, an optimizer, one call of `fit`, and its measures.

A module of experiments makes images, by the names "train", "valid" (perhaps) and "test", and a
network; its setting tells the rest: ``epochs``, ``batch_size``, ``optimizer``, ``one_cycle``,
``learning_rate``, ``weight_decay``, ``label_smoothing`` and ``patience``. A network that is
trained by another loss than cross-entropy is measured by it, too.
"""

import math

import torch
from torch import nn

from experiments.store import FirstLosses, first
from lenet_course import data, train


def train_network(
    net,
    images,
    setting,
    seed,
    augment=None,
    steps=None,
    progress=False,
    checkpoint=None,
    loss_function=None,
):
    """Train a network, or take its first `steps` only; give its history and its first losses.

    The seed decides the order of the images, their augmentation and what dropout drops. With a
    `checkpoint` the training goes on after the last epoch that was finished before it was stopped.
    """
    batches = data.batches(
        *images["train"],
        setting.batch_size,
        shuffle=True,
        generator=torch.Generator().manual_seed(seed),
        augment=augment,
    )
    optimizer, schedule = _optimizer(net, setting, steps=setting.epochs * len(batches))
    usual = nn.CrossEntropyLoss(label_smoothing=setting.label_smoothing)
    loss_function = FirstLosses(loss_function or usual)
    if steps:
        arguments = {"train_batches": first(batches, setting.epochs, steps), "epochs": 1}
    else:
        watched = images.get("valid")
        arguments = {
            "train_batches": batches,
            "valid_batches": watched and data.batches(*watched, 1000),
            "epochs": setting.epochs,
            "patience": setting.patience,
            "checkpoint": checkpoint,
        }
    with torch.random.fork_rng(devices=[]):  # dropout takes its numbers from the global generator
        torch.manual_seed(seed)
        history = train.fit(
            net,
            optimizer=optimizer,
            schedule=schedule,
            loss_function=loss_function,
            device="cpu",
            progress=progress,
            **arguments,
        )
    if history.stopped == "interrupted":
        raise KeyboardInterrupt
    return history, loss_function.losses


def _optimizer(net, setting, steps):
    rate, decay = setting.learning_rate, setting.weight_decay
    if setting.optimizer == "sgd":
        return torch.optim.SGD(net.parameters(), lr=rate), None
    if setting.optimizer == "nesterov":
        optimizer = torch.optim.SGD(
            net.parameters(), rate, momentum=0.9, weight_decay=decay, nesterov=True
        )
        if not setting.one_cycle:
            return optimizer, None
        return optimizer, torch.optim.lr_scheduler.OneCycleLR(
            optimizer, rate, total_steps=steps, cycle_momentum=False
        )
    if setting.one_cycle:
        return train.one_cycle(net, steps, rate, decay)
    return torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=decay, fused=True), None


def measure(net, history, images, setting, loss_function=None):
    """Evaluate the final weights; curves only where every run has the same number of epochs."""
    result = {"epochs": history.epochs, "seconds": sum(history.seconds)}
    if setting.patience is None:
        for name in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy"):
            if name.partition("_")[0] in images:
                curve = getattr(history, name)  # it is shorter if the loss was no longer finite
                result[name] = curve + [math.nan] * (setting.epochs - len(curve))
    for name, (x, y) in images.items():
        loss, accuracy = train.evaluate(net, data.batches(x, y, 1000), loss_function)
        result |= {f"final_{name}_loss": loss, f"final_{name}_accuracy": accuracy}
    return result


def digits(answers):
    """Write a network's answers, shape (N,), as a string of N digits."""
    return "".join(map(str, answers.tolist()))

"""A small training with everything that a checkpoint must hold, and its death at a moment."""

import os
import signal
import sys

import torch
from torch import nn

from lenet_course import checkpoint, data, files, train

EPOCHS, BATCHES, PATIENCE = 4, 5, 10


def network():
    """Batch statistics, dropout and another order in memory."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5)
        )
        net.append(nn.Linear(4 * 6 * 6, 3))
    return net.to(memory_format=torch.channels_last)


def images():
    generator = torch.Generator().manual_seed(1)
    x, y = torch.rand(48, 3, 8, 8, generator=generator), torch.arange(48) % 3
    return x.to(memory_format=torch.channels_last), y


def one_cycle(net):
    return train.one_cycle(net, EPOCHS * BATCHES, 0.01)


def milestones(net):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    return optimizer, torch.optim.lr_scheduler.MultiStepLR(optimizer, [4, 9, 9])


def fit(path, make=one_cycle, seed=2, net=None, callback=None, **changes):
    """Train, from the start or from the file; give the network, its optimizer and its history."""
    net = net or network()
    x, y = images()
    generator = torch.Generator().manual_seed(seed)
    batches = data.batches(x, y, 10, True, generator, data.flip_and_crop)
    optimizer, schedule = make(net)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        arguments = {
            "epochs": EPOCHS,
            "optimizer": optimizer,
            "schedule": schedule,
            "patience": PATIENCE,
            "device": "cpu",
            "progress": False,
            "callback": callback,
            "checkpoint": path and checkpoint.Checkpoint(path),
        }
        history = train.fit(net, batches, data.batches(x, y, 48), **arguments | changes)
    return net, optimizer, history


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def at(name, count):
    """Make a callback that kills the process at a step or after an epoch."""
    return lambda moment: moment.name == name and getattr(moment, name) == count and die()


def during_write(number, place):
    """Kill the process in its so-manieth write, at a place of it; 0 is the first file."""
    writes = []

    def write_whole(path, content, what):
        writes.append(path)
        if len(writes) <= number:
            return original(path, content, what)
        if place == "half of the bytes":
            path.with_name(f"{path.name}.part").write_bytes(content[: len(content) // 2])
            die()
        files.os = Patched(os, **{place: die})
        return original(path, content, what)

    original, checkpoint.write_whole = checkpoint.write_whole, write_whole


class Patched:
    """A module with one function replaced."""

    def __init__(self, module, **functions):
        self.__dict__ |= vars(module) | functions


MOMENTS = {
    "before the first step": lambda: during_write(0, "half of the bytes"),
    "at the first step": lambda: at("step", 1),
    "in the second epoch": lambda: at("step", BATCHES + 3),
    "before an epoch is stored": lambda: at("epoch", 1),
    "in the middle of a write": lambda: during_write(2, "half of the bytes"),
    "before the bytes are safe": lambda: during_write(2, "fsync"),
    "before the file is replaced": lambda: during_write(3, "replace"),
    "at the last step": lambda: at("step", EPOCHS * BATCHES),
    "after the last epoch": lambda: at("epoch", EPOCHS - 1),
}


def die_at_each_moment(folder):
    """Train in a new process for each moment, and have it killed there.

    The processes are copies of this one, so that PyTorch is imported once; the first optimizer
    imports the rest of it. Nothing is trained before they part: threads would not survive that.
    """
    one_cycle(network())
    for name, moment in MOMENTS.items():
        for make in (one_cycle, milestones):
            child = os.fork()
            if child == 0:
                fit(folder / f"{name}, {make.__name__}", make, callback=moment())
                os._exit(1)
            _, status = os.waitpid(child, 0)
            if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
                sys.exit(f"{name}: the process was not killed but ended with {status}")

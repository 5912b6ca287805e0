"""A training step in NumPy, beside PyTorch and beside NumPy as tutorials write it.

Forward, backward and Adam, on the same batch from the same weights. NumPy's matrix products run
on one thread; PyTorch takes all cores.
"""

from functools import partial

import numpy as np
import torch

from benchmarks import whole_batch
from benchmarks.ratios import Ratio, interleaved, table
from lenet_course import models
from lenet_course.scratch import nn, optim


def measure(make, batch_size, repeats=25):
    """Time one training step of a network of `lenet_course.models`.

    Returns
    -------
    dict of str to float
        Median seconds of "NumPy", "whole batch" and "PyTorch".
    """
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch_size, 1, 28, 28), dtype=np.float32)
    y = rng.integers(0, 10, batch_size)
    ours, tutorials, theirs = make(nn=nn), make(nn=whole_batch).double(), make()
    state = ours.state_dict()
    tutorials.load_state_dict(state)
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    steps = {
        "NumPy": numpy_step(ours, x, y),
        "whole batch": numpy_step(tutorials, x.astype(np.float64), y),
        "PyTorch": torch_step(theirs, torch.from_numpy(x), torch.from_numpy(y)),
    }
    return interleaved(steps, repeats)


def numpy_step(net, x, y):
    """Make a training step of `lenet_course.scratch`; it returns the loss."""
    criterion, optimizer = nn.CrossEntropyLoss(), optim.Adam(net.parameters())
    return partial(_numpy_step, net, criterion, optimizer, x, y)


def _numpy_step(net, criterion, optimizer, x, y):
    loss = criterion(net(x), y)
    net.backward(criterion.backward())
    optimizer.step()
    optimizer.zero_grad()
    return loss


def torch_step(net, x, y):
    """Make the same training step of PyTorch; it returns the loss."""
    criterion, optimizer = torch.nn.CrossEntropyLoss(), torch.optim.Adam(net.parameters())

    def step():
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    return step


def ratios(deep, lenet):
    """Compare the seconds of both networks."""
    return [
        Ratio("deep network, batch 100", "whole batch", "NumPy", deep, least=5),
        Ratio("deep network, batch 100", "NumPy", "PyTorch", deep, most=3),
        Ratio("LeNet, batch 64", "NumPy", "PyTorch", lenet, most=2),
    ]


def main():
    rows = ratios(deep=measure(models.deep, 100), lenet=measure(models.lenet, 64))
    threads = torch.get_num_threads()
    print(table(f"A training step, Adam, one thread in NumPy, {threads} in PyTorch, medians", rows))

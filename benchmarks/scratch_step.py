"""A training step in NumPy, beside PyTorch and beside NumPy as tutorials write it.

Forward, backward and Adam, on the same batch from the same weights. NumPy's matrix products run
on one thread; PyTorch takes all cores.
"""

from functools import partial

import numpy as np
import torch

from benchmarks import whole_batch
from benchmarks.timing import interleaved
from lenet_course import listings
from lenet_course.scratch import nn, optim

# Times that the tutorials' step, or PyTorch's, goes into ours.
CASES = {"deep": (listings.deep, 100), "LeNet": (listings.lenet, 64)}
FASTER, SLOWER = 4, 5


def measure(make, batch_size, repeats=15):
    """Time one training step of a network.

    Parameters
    ----------
    make : callable
        A network of `lenet_course.listings`.
    batch_size : int
    repeats : int
        How often the three take turns.

    Returns
    -------
    dict of str to float
        Median seconds of "scratch", "whole batch" and "torch".
    """
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch_size, 1, 28, 28), dtype=np.float32)
    y = rng.integers(0, 10, batch_size)
    ours, tutorials, theirs = make(nn), make(whole_batch).double(), make(torch.nn)
    state = ours.state_dict()
    tutorials.load_state_dict(state)
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    steps = {
        "scratch": numpy_step(ours, x, y),
        "whole batch": numpy_step(tutorials, x.astype(np.float64), y),
        "torch": torch_step(theirs, torch.from_numpy(x), torch.from_numpy(y)),
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


def main():
    print(
        "A training step, Adam, medians; NumPy in float32 and with the columns of a whole batch\n"
        f"in float64, both with one thread for products; PyTorch with {torch.get_num_threads()}"
    )
    for name, (make, batch_size) in CASES.items():
        seconds = measure(make, batch_size)
        ours = seconds["scratch"]
        written = ", ".join(f"{key} {1e3 * value:.1f} ms" for key, value in seconds.items())
        print(f"{name}, batch {batch_size}: {written}")
        slower = ours / seconds["torch"]
        verdict = "holds" if slower <= SLOWER else "DOES NOT HOLD"
        print(f"  at most {SLOWER} times PyTorch's time: {verdict} ({slower:.2f})")
        if name == "deep":
            faster = seconds["whole batch"] / ours
            verdict = "holds" if faster >= FASTER else "DOES NOT HOLD"
            print(f"  at least {FASTER} times as fast as a whole batch: {verdict} ({faster:.2f})")
            print(f"  20 epochs of 600 steps: {20 * 600 * ours / 60:.0f} minutes")

"""Time training steps and all-reduces: ``torchrun … -m lenet_course.distributed.timing``.

What is to be compared takes turns in one run, so that a busy machine slows all of it alike.
Process 0 prints one line of JSON with the seconds of every turn, and of every try of a turn.
"""

import json
import time

import torch
import torch.distributed as dist
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from lenet_course import models
from lenet_course.distributed.__main__ import group, say
from lenet_course.distributed.training import Setting

BATCH_SIZES = (128, 1024)
NUMBERS = (1_000, 10_000, 61_706, 250_000, 1_000_000)  # 61,706 are LeNet's
TURNS = 10
TRIES = 10  # of an all-reduce at each turn: it is short, so a process that sleeps spoils it


def main():
    """Take turns, and print what each took."""
    with group(timeout=300) as device:
        processes = dist.get_world_size()
        steps = {size: steps_of(size, processes, device) for size in BATCH_SIZES}
        reduces = {n: torch.zeros(n, device=device) for n in NUMBERS}
        measured = {
            "processes": processes,
            "steps": {size: {name: [] for name in three} for size, three in steps.items()},
            "all_reduce": {4 * n: [] for n in reduces},  # by the bytes of float32
        }
        for _ in range(TURNS):
            for size, three in steps.items():
                for name, step in three.items():
                    measured["steps"][size][name].append(
                        seconds_of(step, count=max(1, 512 // size))
                    )
            for n, numbers in TRIES * list(reduces.items()):
                taken = seconds_of(lambda numbers=numbers: dist.all_reduce(numbers), count=5)
                measured["all_reduce"][4 * n].append(taken)
        if dist.get_rank() == 0:
            say(json.dumps(measured))


def steps_of(batch_size, processes, device):
    """Make three functions that take a step: in one process, in all of them apart, together."""
    share, net = Setting(batch_size=batch_size).share(processes), models.lenet(seed=0).to(device)
    parallel = DistributedDataParallel(net)
    images = torch.randn(batch_size, 1, 28, 28, device=device)
    labels = torch.randint(10, (batch_size,), device=device)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6, momentum=0.9)

    def step(model, n):
        optimizer.zero_grad()
        F.cross_entropy(model(images[:n]), labels[:n]).backward()
        optimizer.step()

    def alone():
        if dist.get_rank() == 0:
            step(net, batch_size)

    return {
        "alone": alone,
        "shares": lambda: step(net, share),
        "together": lambda: step(parallel, share),
    }


def seconds_of(call, count):
    """Call a function some times in every process, and give the seconds of one call.

    Waits for all processes before and after, and for a GPU. One call before does not count.
    """
    call()
    dist.barrier()
    start = time.perf_counter()
    for _ in range(count):
        call()
    dist.barrier()
    return (time.perf_counter() - start) / count


if __name__ == "__main__":
    main()

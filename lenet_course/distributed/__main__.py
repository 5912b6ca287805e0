"""Train LeNet in several processes; `torchrun` starts them, and starts them anew if one dies."""

import argparse
import os
import re
import sys
import time
import uuid
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from lenet_course.arguments import real_number, whole_number
from lenet_course.distributed.training import Setting, images, train

PLACE = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}  # without torchrun


def main(arguments=None):
    """Read the command line, join the other processes, and train."""
    options = vars(_parser().parse_args(arguments))
    epochs, path, timeout = (options.pop(name) for name in ("epochs", "checkpoint", "timeout"))
    whole_number("epochs", epochs)
    setting, (rank, processes, *_) = Setting(**options), place()
    path.parent.mkdir(parents=True, exist_ok=True)  # fail now, not after an epoch
    setting.share(processes)
    prepared = images(setting)
    with group(timeout) as device:
        say(f"process {rank} of {processes} is {os.getpid()}, on {device}")
        train(setting, prepared, epochs, path, device, say)


def say(line):
    """Print a line at once, whole: the lines of several processes go to one screen."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def place():
    """Read rank, number of processes, and both on this machine, as torchrun hands them over."""
    return [int(os.environ.get(name, alone)) for name, alone in PLACE.items()]


@contextmanager
def group(timeout):
    """Join the group of processes for a while, and give the device of this one.

    Each takes a GPU of its own (nccl) if the machine has that many, and a CPU (gloo) if not. A
    process started without torchrun is a group by itself. `timeout` is how many seconds one waits
    for the others.
    """
    rank, processes, local_rank, beside = place()
    use_gpu = torch.cuda.device_count() >= beside
    device = torch.device(f"cuda:{local_rank}" if use_gpu else "cpu")
    if use_gpu:
        torch.cuda.set_device(device)
    limit = timedelta(seconds=real_number("timeout", timeout, least=1))
    try:
        store = meet(rank, processes, limit) if "RANK" in os.environ else dist.HashStore()
        backend = "nccl" if use_gpu else "gloo"
        dist.init_process_group(
            backend, store=store, rank=rank, world_size=processes, timeout=limit
        )
    except RuntimeError as error:
        address = ":".join(os.environ.get(f"MASTER_{part}", "?") for part in ("ADDR", "PORT"))
        raise ConnectionError(
            f"process {rank} of {processes} cannot reach the others at {address} "
            f"({_brief(error)}): check that the first machine runs, that its firewall lets the "
            "others in, and that GLOO_SOCKET_IFNAME, if set, names the network card of that address"
        ) from error
    try:
        yield device
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise ConnectionError(
            f"process {rank} of {processes} has lost another one ({_brief(error)}); the last "
            "checkpoint is whole, and torchrun --max-restarts=3 starts all of them anew from it"
        ) from error
    finally:
        dist.destroy_process_group()


def meet(rank, processes, limit):
    """Give the processes of this start a store of their own, in which they find each other.

    torchrun's store lives on when the processes are started anew, and may still hold the addresses
    of those that died (pytorch/pytorch issue 135712). So process 0 makes up a new name for each
    start, and tells it to those that ask with a name that they have just made up.
    """
    store, *_ = next(dist.rendezvous("env://", timeout=limit))
    name, end = uuid.uuid4().hex, time.monotonic() + limit.total_seconds()
    if rank > 0:
        store.set(f"asks {rank}", name)
        start = store.get(f"told {name}").decode()  # waits for it
        store.set(f"{start} has {rank}", "")
        return dist.PrefixStore(start, store)
    for other in range(1, processes):
        while not store.check([f"{name} has {other}"]):
            if time.monotonic() > end:
                seconds = limit.total_seconds()
                raise dist.DistStoreError(f"process {other} has not come in {seconds:g} s")
            if store.check([f"asks {other}"]):
                store.set(f"told {store.get(f'asks {other}').decode()}", name)
            time.sleep(0.01)
    return dist.PrefixStore(name, store)


def _brief(error):
    """Give the first sentence of an error of PyTorch, without the place in its own sources."""
    return re.split(r"\.\s|\n", re.sub(r"\[/\S*\] ", "", str(error)))[0]


def _parser():
    parser = argparse.ArgumentParser(prog="torchrun … -m lenet_course.distributed")
    default = Setting()
    add = parser.add_argument
    add("--data", choices=["mnist", "fashion_mnist"], default=default.data)
    add("--source", choices=["full", "sample"], default=default.source)
    add("--epochs", type=int, default=3)
    add("--batch-size", type=int, default=default.batch_size, help="of all processes together")
    add("--learning-rate", type=float, default=default.learning_rate)
    add("--momentum", type=float, default=default.momentum)
    add("--seed", type=int, default=default.seed)
    add("--checkpoint", type=Path, default=Path("distributed.checkpoint"))
    add("--timeout", type=float, default=300, help="seconds to wait for the other processes")
    return parser


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")  # whole, beside those of the other processes
        sys.exit(1)

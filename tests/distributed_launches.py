"""Trainings of made-up images in several processes; `test_distributed.py` runs it and reads on.

The agent is torchrun's own. The processes are forked from this one, which has imported PyTorch, so
that a launch takes a second and many fit into a test. What is learned goes to a folder.
"""

import json
import os
import signal
import sys
import uuid
from pathlib import Path

import torch
import torch._dynamo  # what an optimizer imports at its first step; forked processes have it
import torch.distributed as dist
from torch.distributed.launcher.api import LaunchConfig, elastic_launch
from torch.nn.parallel import DistributedDataParallel

from lenet_course import data, distributed, models
from lenet_course.distributed import training
from lenet_course.distributed.__main__ import group

SETTING = distributed.Setting(batch_size=24, momentum=0.9)
EPOCHS = 3
N_TRAIN, N_VALID = 101, 10  # steps of 24, 24, 24, 24 and 5, which two or three cannot share alike


def made_up():
    """Images of noise with labels that the brightest quarter tells, so that there is a trend."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(N_TRAIN + N_VALID, 1, 28, 28, generator=generator)
    y = x.unfold(2, 14, 14).unfold(3, 14, 14).mean((1, 4, 5)).flatten(1).argmax(1)
    train, valid = ((part(x), part(y)) for part in (lambda t: t[:N_TRAIN], lambda t: t[N_TRAIN:]))
    return data.Prepared(train, valid, valid, (0.0,), (1.0,), tuple("0123"), "made up", "mnist")


def launch(work, processes, *arguments, restarts=0):
    """Run a function in several processes, and give what each returned."""
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",  # any free port
        max_restarts=restarts,
        monitor_interval=0.05,
        start_method="fork",
    )
    return elastic_launch(config, work)(*arguments)


def train(paths, epochs=EPOCHS, moment=None):
    """Train in one process of a group; kill the whole process at a moment of the first try."""
    rank = int(os.environ["RANK"])
    if moment and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        MOMENTS[moment](rank)
    with group(timeout=60) as device:
        distributed.train(SETTING, made_up(), epochs, paths[rank % len(paths)], device, say)


def say(line):
    print(line, flush=True)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def at_step(epoch, step, victim):
    """Make one process die when it has its images of this step."""

    def prepare(rank):
        whole = training.SharedBatches.epoch

        def epoch_until(self, number):
            for n, batch in enumerate(whole(self, number)):
                if (rank, number, n) == (victim, epoch, step):
                    die()
                yield batch

        training.SharedBatches.epoch = epoch_until

    return prepare


def in_a_write(rank):
    """Make process 0 die when the second checkpoint lies beside the first, not yet in its place."""
    replace, calls = os.replace, []

    def replace_or_die(*paths):
        calls.append(paths)
        if len(calls) == 2:
            die()
        replace(*paths)

    os.replace = replace_or_die


MOMENTS = {
    "before the first checkpoint": at_step(0, 2, victim=1),
    "in the middle of an epoch": at_step(1, 2, victim=0),
    "during a checkpoint write": in_a_write,
    "in the last epoch": at_step(2, 4, victim=1),
}


def gradients(sizes):
    """Give the averaged gradient of one step on the first n images, for each n."""
    found = {}
    with group(timeout=60):
        net, prepared = models.lenet(seed=0), made_up()
        parallel = DistributedDataParallel(net)
        x, y = prepared.train
        still = torch.optim.SGD(net.parameters(), lr=0.0)  # the gradients stay, the weights too
        for n in sizes:
            place = dist.get_rank(), dist.get_world_size()
            shared = distributed.SharedBatches(x[:n], y[:n], n, *place, seed=0)
            loss = distributed.one_epoch(parallel, still, shared.epoch(0))
            flat = torch.cat([p.grad.flatten() for p in net.parameters()])
            found[n] = {"loss": loss, "gradient": flat.tolist()}
    return found


def counts(sizes):
    """Give what is counted over all processes on the first n images, for each n."""
    with group(timeout=60):
        x, y = made_up().train
        net = models.lenet(seed=0)
        return {n: distributed.evaluate(net, x[:n], y[:n]) for n in sizes}


def main(folder):
    """Run all launches; what a test compares goes to checkpoints and JSON files."""
    torch.set_num_threads(1)
    for processes in (1, 2, 3):
        launch(train, processes, [folder / f"whole {processes}"])
    for moment in MOMENTS:
        launch(train, 2, [folder / moment], EPOCHS, moment, restarts=1)
    launch(train, 3, [folder / "three"], EPOCHS, "in the middle of an epoch", restarts=1)
    there, elsewhere = folder / "there", folder / "elsewhere"
    launch(train, 2, [there], 2)
    launch(train, 2, [elsewhere, there])  # the disk of process 0 has no checkpoint now
    answers = {
        "gradients": [launch(gradients, k, [6, 7, 1])[0] for k in (2, 3)],
        "counts": [launch(counts, k, [1, 10, 11])[0] for k in (2, 3)],
    }
    (folder / "answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Keeping runs: one JSON object a line, with the first losses and how the run was made."""

import json
import os
import platform
import subprocess
import time
import warnings
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
import torch

from lenet_course.runs import records

FIRST = 20  # losses that are stored of each run, so that a test can repeat these steps


class FirstLosses:
    """A loss function that remembers its first values in training."""

    def __init__(self, loss_function):
        self.loss_function, self.losses = loss_function, []

    def __call__(self, logits, y):
        """Compute the loss; evaluation, which needs no gradient, leaves nothing behind."""
        loss = self.loss_function(logits.float(), y)  # logits may be rounded to bfloat16
        if loss.requires_grad and len(self.losses) < FIRST:
            self.losses.append(loss.item())
        return loss

    def state_dict(self):
        """Give what a checkpoint keeps, so that a training that goes on still has them."""
        return {"losses": self.losses}

    def load_state_dict(self, state):
        """Take the losses of a checkpoint."""
        self.losses = state["losses"]


def first(batches, epochs, steps):
    """List the first batches of a training, over several epochs if one has fewer."""
    return list(islice(chain.from_iterable(repeat(batches, epochs)), steps))


def circumstances():
    """Say with what a run is made: date, commit, processor and versions."""
    threads = torch.get_num_threads()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": _commit(),
        "processor": f"{_processor()}, {threads} thread{'s' * (threads > 1)}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def _commit():
    """Name the commit, and whether anything but the stored runs was changed since."""

    def git(*arguments):
        command, root = ["git", *arguments], Path(__file__).parent.parent
        return subprocess.check_output(command, cwd=root, text=True, stderr=subprocess.DEVNULL)

    try:
        changed = git("status", "--porcelain", "-uno", "--", ":!experiments/results")
        return git("rev-parse", "HEAD").strip() + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _processor():
    """Name the processor as the operating system does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((n.partition(": ")[2] for n in lines if n.startswith("model name")), "unknown")


def finished(path):
    """Name the runs in a file by setting and seed; none if there is no file yet."""
    end_line(path)
    return {(r["setting"], r["seed"]) for r in records(path)} if path.exists() else set()


def add_run(path, setting, seed, result, about):
    """Append one run to a file, so that an interrupted experiment loses only the run it was at."""
    end_line(path)
    record = {"setting": setting, "seed": seed, "result": result, "about": about}
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    except OSError as error:
        raise OSError(error.errno, f"cannot store the run: {error.strerror}", str(path)) from error


def end_line(path):
    """End the file's last line; half a line, left by a crash, goes with a warning instead."""
    content = path.read_bytes() if path.exists() else b""
    last = content.rpartition(b"\n")[2]
    if not last:
        return
    try:
        json.loads(last)
        with path.open("ab") as file:
            file.write(b"\n")
    except ValueError:
        warnings.warn(
            f"{path} ended in half a run: {last[:60]!r} …; it is deleted, and the run is missing",
            stacklevel=3,
        )
        os.truncate(path, len(content) - len(last))  # the whole runs before it are not touched

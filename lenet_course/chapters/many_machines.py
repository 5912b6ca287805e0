"""For the chapter Many machines."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from matplotlib.patches import Rectangle

import lenet_course
from lenet_course.checks import Case, CheckFailed, run_cases

# As in the Makefile: Linux would take the memory of large arrays back at every step, and half a
# batch would be faster for that reason alone.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "1073741824"}


def torchrun(options, module, arguments, on_line=print):
    """Run a module of the course under torchrun, and call `on_line` with each line it prints.

    A process has one thread. What torchrun itself says is shown only where it fails.
    """
    package = str(Path(lenet_course.__file__).parents[1])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    more = MEMORY | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    words = ["-m", "torch.distributed.run", *options, "-m", f"lenet_course.{module}", *arguments]
    command = [sys.executable, *map(str, words)]
    streams = {"stdout": subprocess.PIPE, "text": True, "env": os.environ | more}
    with TemporaryFile("w+") as said:  # a pipe that nobody reads would fill up
        with subprocess.Popen(command, stderr=said, **streams) as process:
            try:
                for line in process.stdout:
                    on_line(line.rstrip())
            finally:
                process.terminate()  # where the cell is stopped; one that has ended stays so
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"torchrun ended with code {process.returncode}:\n{said.read()}")


def ring_states(axes, states, steps):
    """Draw what each of K workers holds, a panel for each number of steps already taken.

    Parameters
    ----------
    axes : sequence of Axes, one for each state
    states : array, shape (S, K, K)
        The numbers: state, worker, chunk.
    steps : sequence of int
        After how many steps a worker sends chunk (worker − step) mod K next, which is framed; what
        is the sum over all workers is filled.
    """
    states = np.asarray(states)
    K, total = states.shape[1], states[0].sum(axis=0)
    if not len(axes) == len(states) == len(steps):
        raise ValueError(f"{len(axes)} axes, {len(states)} states and {len(steps)} steps: one each")
    for ax, state, step in zip(axes, states, steps, strict=True):
        for worker, chunk in np.ndindex(K, K):
            number = state[worker, chunk]
            fill = ("C1", 0.5) if number == total[chunk] else "#eeeeee"
            ax.add_patch(Rectangle((chunk - 0.46, worker - 0.46), 0.92, 0.92, fc=fill, ec="white"))
            ax.text(chunk, worker, f"{number:g}", ha="center", va="center")
            if step < 2 * (K - 1) and chunk == (worker - step) % K:
                corner = (chunk - 0.46, worker - 0.46)
                ax.add_patch(Rectangle(corner, 0.92, 0.92, fill=False, ec="C0", lw=3))
        ax.set(xlim=(-0.6, K - 0.4), ylim=(K - 0.4, -0.6), xticks=[], title=_after(step))
        ax.set_yticks(range(K), [f"worker {worker}" for worker in range(K)])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    return axes


def _after(step):
    return ("before the first step", "after 1 step")[step] if step < 2 else f"after {step} steps"


def check_whole_mean(function):
    """Check a function (means, sizes) → the mean over all images, from the workers' means."""
    cases = [
        Case(([2.5, -0.5], [2, 2]), 1.0, "equal shares: the plain mean"),
        Case(([8 / 3, -4.0], [3, 1]), 1.0, "weigh each mean with its number of images"),
        Case(([7.0, 0.0], [3, 0]), 7.0, "a worker without images counts for nothing"),
        Case(([1.0, 2.0, 3.0], [1, 1, 2]), 2.25, "divide by all images, not by the workers"),
    ]
    run_cases(function, cases)


def check_shares(function):
    """Check a function (order, batch_size, K) → for each step the K workers' lists of images."""
    for n, batch_size, K in ((8, 4, 2), (10, 4, 2), (12, 6, 3), (7, 6, 3), (5, 8, 4)):
        order = np.random.default_rng(n).permutation(n).tolist()
        call = f"{getattr(function, '__name__', 'function')}({order}, {batch_size}, {K})"
        try:
            steps = [
                [list(share) for share in step] for step in function(list(order), batch_size, K)
            ]
        except Exception as error:
            raise CheckFailed(f"✘ {call} raised {type(error).__name__}: {error}") from None
        taken = [image for step in steps for share in step for image in share]
        if any(len(step) != K for step in steps):
            raise CheckFailed(
                f"✘ {call}: each step needs {K} shares, one a worker; a share can be []"
            )
        if sorted(taken) != sorted(order):
            twice = sorted({image for image in taken if taken.count(image) > 1})
            never = sorted(set(order) - set(taken))
            raise CheckFailed(f"✘ {call}: twice {twice}, never {never}; each image once")
        together = [sorted(image for share in step for image in share) for step in steps]
        batches = [sorted(order[i : i + batch_size]) for i in range(0, n, batch_size)]
        if together != batches:
            raise CheckFailed(f"✘ {call}: the shares of a step must make up one batch of the order")
        sizes = [[len(share) for share in step] for step in steps]
        if any(max(step) - min(step) > 1 for step in sizes):
            raise CheckFailed(f"✘ {call}: shares of {sizes} images; no share may be longer by two")
    name = getattr(function, "__name__", "function")
    print(f"✔ {name}: every image once, shares differ by at most one")

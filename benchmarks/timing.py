"""Timing that stays fair when other programs share the machine."""

import os
import platform
import sys
from statistics import median
from time import perf_counter

import numpy as np
import torch


def interleaved(functions, repeats):
    """Time functions in turn, round after round, so that a slow moment meets all of them.

    Parameters
    ----------
    functions : dict of str to callable
        What to time, by name; each is called once before, unmeasured.
    repeats : int
        Number of rounds.

    Returns
    -------
    dict of str to float
        Median seconds of each.
    """
    seconds = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(repeats):
        for name, function in functions.items():
            start = perf_counter()
            function()
            seconds[name].append(perf_counter() - start)
    return {name: median(times) for name, times in seconds.items()}


def machine():
    """Say in one line what the numbers were measured on."""
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores · "
        f"Python {sys.version.split()[0]}, NumPy {np.__version__}, PyTorch {torch.__version__}"
    )

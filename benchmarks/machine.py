"""The yardstick: what machine this is, and how fast it multiplies matrices."""

import os
import platform
import subprocess
import sys
from statistics import median
from time import perf_counter

import numpy as np

SIZE = 1024
NUMPY_RATE = "from benchmarks.machine import rate, numpy_product; print(rate(numpy_product()))"


def rate(product, repeats=15):
    """Measure the median GFLOP/s of a product of two square matrices of SIZE."""
    product()
    seconds = []
    for _ in range(repeats):
        start = perf_counter()
        product()
        seconds.append(perf_counter() - start)
    return 2 * SIZE**3 / median(seconds) / 1e9


def numpy_product():
    x = np.random.default_rng(0).standard_normal((SIZE, SIZE), dtype=np.float32)
    return lambda: x @ x


def numpy_rate(threads):
    """Measure NumPy's rate in a process of its own, which alone can choose its threads."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    command = [sys.executable, "-c", NUMPY_RATE]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(printed.stdout)


def torch_rate(threads):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x = torch.from_numpy(np.random.default_rng(0).random((SIZE, SIZE), dtype=np.float32))
        return rate(lambda: x @ x)
    finally:
        torch.set_num_threads(before)


def main():
    import torch

    cores = os.cpu_count()
    print(
        f"{platform.system()} {platform.machine()}, {cores} cores · "
        f"Python {sys.version.split()[0]}, NumPy {np.__version__}, PyTorch {torch.__version__}\n"
        f"Matrix products of {SIZE}×{SIZE} in float32, GFLOP/s"
    )
    for name, measured in (("NumPy", numpy_rate), ("PyTorch", torch_rate)):
        print(f"{name:<8}  {measured(1):.0f} on one thread  {measured(cores):.0f} on {cores}")

"""Convolution: the loops, the matrix product and PyTorch, on LeNet's layers.

All three use one thread. With more, NumPy's threads and PyTorch's wait for each other between
calls, and an interleaved run measures that instead of the convolution.
"""

import os
from functools import partial

import numpy as np
import torch

from benchmarks.timing import interleaved
from lenet_course.scratch import conv2d, conv2d_loops

LIMIT = 3  # conv2d is to take at most this many times as long as PyTorch
LAYERS = {
    "1→6, 5×5, padding 2 on 28×28": ((1, 28, 28), (6, 1, 5, 5), 2),
    "6→16, 5×5 on 14×14": ((6, 14, 14), (16, 6, 5, 5), 0),
}


def measure(batch=64, repeats=100, loop_repeats=3):
    """Time both layers.

    Parameters
    ----------
    batch : int
        Images in a batch.
    repeats : int
        How often the matrix product and PyTorch take turns.
    loop_repeats : int
        How often the loops run, which take hundreds of times as long.

    Returns
    -------
    dict of str to dict of str to float
        For each layer the median seconds of "loops", "conv2d" and "torch".
    """
    rng = np.random.default_rng(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {
            name: _time(rng, batch, *layer, repeats, loop_repeats) for name, layer in LAYERS.items()
        }
    finally:
        torch.set_num_threads(threads)


def _time(rng, batch, image, kernel, padding, repeats, loop_repeats):
    x = rng.standard_normal((batch, *image), dtype=np.float32)
    weight = rng.standard_normal(kernel, dtype=np.float32)
    bias = rng.standard_normal(kernel[0], dtype=np.float32)
    tensors = [torch.from_numpy(array) for array in (x, weight, bias)]
    fast = {
        "conv2d": partial(conv2d, x, weight, bias, padding=padding),
        "torch": partial(torch.nn.functional.conv2d, *tensors, padding=padding),
    }
    loops = partial(conv2d_loops, x, weight, bias, padding=padding)
    np.testing.assert_allclose(loops(), fast["torch"]().numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(fast["conv2d"](), fast["torch"]().numpy(), rtol=1e-3, atol=1e-4)
    return interleaved({"loops": loops}, loop_repeats) | interleaved(fast, repeats)


def main():
    print(
        "Convolution, forward, float32, batch 64, one thread, medians "
        f"(OPENBLAS_NUM_THREADS={os.environ.get('OPENBLAS_NUM_THREADS', 'unset')})"
    )
    header = ("loops", "conv2d", "PyTorch", "conv2d : PyTorch", "loops : conv2d")
    print(f"{'layer':<30}" + "".join(f"{title:>18}" for title in header))
    with torch.inference_mode():
        results = measure()
    for layer, seconds in results.items():
        loops, ours, theirs = seconds["loops"], seconds["conv2d"], seconds["torch"]
        columns = [f"{value * 1e3:.2f} ms" for value in (loops, ours, theirs)]
        columns += [f"{ours / theirs:.2f}", f"{loops / ours:.0f}"]
        print(f"{layer:<30}" + "".join(f"{text:>18}" for text in columns))
    worst = max(seconds["conv2d"] / seconds["torch"] for seconds in results.values())
    verdict = "holds" if worst <= LIMIT else "DOES NOT HOLD"
    print(f"conv2d takes at most {LIMIT} times as long as PyTorch: {verdict} ({worst:.2f})")

"""Convolution: the loops, the matrix product and PyTorch, on LeNet's layers.

All three use one thread. With more, NumPy's threads and PyTorch's wait for each other between
calls, and an interleaved run measures that instead of the convolution.
"""

from functools import partial

import numpy as np
import torch

from benchmarks.ratios import Ratio, interleaved, table
from lenet_course.scratch import conv2d, conv2d_loops

LAYERS = {
    "1→6, 5×5, padding 2 on 28×28": ((1, 28, 28), (6, 1, 5, 5), 2),
    "6→16, 5×5 on 14×14": ((6, 14, 14), (16, 6, 5, 5), 0),
}


def measure(image, kernel, padding, batch=64, repeats=200, loop_repeats=3):
    """Time one layer: the median seconds of "loops", "conv2d" and "PyTorch"."""
    rng = np.random.default_rng(0)
    arrays = [
        rng.standard_normal(shape, dtype=np.float32)
        for shape in ((batch, *image), kernel, kernel[:1])
    ]
    loops = partial(conv2d_loops, *arrays, padding=padding)
    fast = {
        "conv2d": partial(conv2d, *arrays, padding=padding),
        "PyTorch": partial(
            torch.nn.functional.conv2d, *map(torch.from_numpy, arrays), padding=padding
        ),
    }
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            expected = fast["PyTorch"]().numpy()
            for ours in (loops, fast["conv2d"]):
                np.testing.assert_allclose(ours(), expected, rtol=1e-3, atol=1e-4)
            return interleaved({"loops": loops}, loop_repeats) | interleaved(fast, repeats)
    finally:
        torch.set_num_threads(threads)


def ratios(layer, seconds):
    return [
        Ratio(layer, "conv2d", "PyTorch", seconds, most=2),
        Ratio(layer, "loops", "conv2d", seconds),
    ]


def main():
    rows = [row for name, layer in LAYERS.items() for row in ratios(name, measure(*layer))]
    print(table("Convolution, forward, float32, batch 64, one thread, medians", rows))

"""Run every benchmark, or those named: ``python -m benchmarks conv``."""

import os
import sys
from importlib import import_module

BENCHMARKS = (
    "conv",
    "training",
    "scratch_step",
)  # modules of this package with a function main(), which prints


def main(names):
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}")
    # NumPy reads these when it is first imported; PyTorch's threads are set where they matter.
    for name in ("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(name, "1")
    from benchmarks.timing import machine

    print(machine())
    for name in names or BENCHMARKS:
        print()
        import_module(f"benchmarks.{name}").main()


main(sys.argv[1:])

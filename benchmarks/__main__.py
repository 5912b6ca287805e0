"""Run every benchmark, or those named: ``python -m benchmarks convolution``."""

import os
import sys
from importlib import import_module

# modules with a main(), which prints a table
TOPICS = ("convolution", "training", "numpy_step", "residual")


def main(names=()):
    unknown = set(names) - set(TOPICS)
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(TOPICS)}")
    # NumPy reads these when it is first imported; PyTorch's threads are set where they matter.
    for name in ("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(name, "1")
    for name in ("machine", *(names or TOPICS)):
        import_module(f"benchmarks.{name}").main()
        print(flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

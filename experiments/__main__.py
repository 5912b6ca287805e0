"""Run an experiment: `python -m experiments NAME`. Runs that are stored already are left out."""

import argparse
import platform
import time
from dataclasses import asdict
from pathlib import Path

import torch

from experiments.settings import EXPERIMENTS
from lenet_course.repeats import add_run, read_records

FOLDER = Path(__file__).parent / "results"


def processor():
    """Name the processor as the operating system does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((n.partition(": ")[2] for n in lines if n.startswith("model name")), "unknown")


def main():
    """Train what is missing, seed by seed, and append each run to its file."""
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    parser.add_argument("name", choices=EXPERIMENTS)
    name = parser.parse_args().name
    run, settings, seeds = EXPERIMENTS[name]
    path = FOLDER / f"{name}.jsonl"
    done = {(r["setting"], r["seed"]) for r in read_records(path)} if path.exists() else set()
    threads = torch.get_num_threads()
    about = {
        "command": f"python -m experiments {name}",
        "processor": f"{processor()}, {threads} thread{'s' * (threads > 1)}",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    for seed in seeds:
        for setting, arguments in settings.items():
            if (setting, seed) in done:
                continue
            print(f"{setting}, seed {seed}", flush=True)
            result = run(arguments, seed)
            made = {"date": time.strftime("%Y-%m-%d"), "arguments": asdict(arguments)}
            # The test accuracy is stored and not shown: what is chosen is chosen on the others.
            print(f"validation accuracy {result['final_valid_accuracy']:.2%}", flush=True)
            add_run(path, setting, seed, result, about | made)


if __name__ == "__main__":
    main()

"""Run an experiment: `python -m experiments NAME`. Runs that are stored already are left out.

One that was stopped goes on after its last epoch, from a file in `results/.running`.
"""

import argparse
import re
import sys
from dataclasses import asdict
from pathlib import Path

from experiments import store
from experiments.settings import EXPERIMENTS
from lenet_course.checkpoint import Checkpoint

FOLDER = Path(__file__).parent / "results"


def main(arguments=None):
    """Train what is missing, seed by seed, and append each run to its file."""
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    parser.add_argument("name", choices=EXPERIMENTS)
    name = parser.parse_args(arguments).name
    module, settings, seeds = EXPERIMENTS[name]
    path = FOLDER / f"{name}.jsonl"
    done = store.finished(path)
    made = {"command": f"python -m experiments {name}"} | store.circumstances()
    for seed in seeds:
        for setting, values in settings.items():
            if (setting, seed) in done:
                continue
            print(f"{setting}, seed {seed}", flush=True)
            checkpoint = _checkpoint(name, setting, values, seed)
            about = made | {"arguments": asdict(values)}
            if checkpoint.path.is_file():
                print(f"going on from {checkpoint.path}", flush=True)
                about["resumed"] = True
            result = module.run(values, seed, checkpoint=checkpoint)
            # The test accuracy is stored and not shown: what is chosen is chosen on the others.
            if "final_valid_accuracy" in result:
                print(f"validation accuracy {result['final_valid_accuracy']:.2%}", flush=True)
            store.add_run(path, setting, seed, result, about)
            checkpoint.path.unlink(missing_ok=True)


def _checkpoint(name, setting, values, seed):
    """Name the file of a training under way; it belongs to these very arguments."""
    folder = FOLDER / ".running"
    folder.mkdir(exist_ok=True)
    file = re.sub(r"\W+", "-", f"{name} {setting} {seed}")
    return Checkpoint(folder / f"{file}.checkpoint", arguments=asdict(values), seed=seed)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on from here")

"""One experiment with several seeds: run it, keep it in a file, sum it up."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Repeats:
    """What each run of an experiment measured.

    Attributes
    ----------
    seeds : tuple of int
        The S seeds, one for each run.
    values : dict
        For each measured quantity the runs' values, stacked along a first axis of length S.
    """

    seeds: tuple
    values: dict

    def __getitem__(self, name):
        """Give one quantity's values, shape (S, ...)."""
        if name not in self.values:
            raise KeyError(f"{name!r} was not measured; there are {', '.join(self.values)}")
        return self.values[name]

    def mean(self, name):
        """Give the mean over the seeds, shape (...)."""
        return self[name].mean(axis=0)

    def spread(self, name):
        """Give the sample standard deviation over the seeds, shape (...); needs two seeds."""
        if len(self.seeds) < 2:
            raise ValueError(f"a spread needs at least two seeds, there is only {self.seeds[0]}")
        return self[name].std(axis=0, ddof=1)


def repeat(run, seeds):
    """Run an experiment once for each seed.

    Parameters
    ----------
    run : callable
        ``run(seed)`` gives a dict of str to number or array; the same keys and shapes for each
        seed.
    seeds : sequence of int

    Returns
    -------
    Repeats
        Interrupting it (ctrl-C) keeps the runs that are finished, if there are any.

    Raises
    ------
    ValueError
        If there is no seed, one comes twice, or the runs measured different things.
    TypeError
        If a seed is no whole number.

    Examples
    --------
    >>> def throws(seed):
    ...     return {"dice": np.random.default_rng(seed).integers(1, 7, size=1000).mean()}
    >>> result = repeat(throws, seeds=range(5))
    >>> print(f"{result.mean('dice'):.2f} ± {result.spread('dice'):.2f}")
    3.53 ± 0.06
    """
    seeds, results = _checked_seeds(seeds), []
    try:
        for seed in seeds:
            results.append(run(seed))
    except KeyboardInterrupt:
        if not results:
            raise
    return _stack(seeds[: len(results)], results)


def add_run(path, setting, seed, result, about):
    """Append one run to a file, so that an interrupted experiment loses only the run it was at.

    Parameters
    ----------
    path : str or os.PathLike
        A file with one JSON object a line; made if there is none.
    setting : str
        Name of the experiment's setting, such as "grayscale".
    seed : int
    result : dict of str to number or list
        What the run measured.
    about : dict
        How it was made: arguments, command, hardware, versions.
    """
    line = json.dumps({"setting": setting, "seed": seed, "result": result, "about": about})
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def load_runs(path):
    """Read the runs that `add_run` kept.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    dict of str to Repeats
        For each setting its runs, in the order of their seeds.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a line is no run, a seed comes twice within a setting, or the runs of a setting
        measured different things.
    """
    by_setting = {}
    for record in read_records(path):
        by_setting.setdefault(record["setting"], []).append(record)
    return {setting: _from_records(records) for setting, records in by_setting.items()}


def read_records(path):
    """Read a file of `add_run` line by line, without stacking anything.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    list of dict
        Each with the keys setting, seed, result and about.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no stored runs at {path}; the folder experiments/ makes them")
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = json.loads(line)
            record["setting"], record["seed"], record["result"], record["about"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {number} of {path} is no stored run: {error!r}") from error
        records.append(record)
    return records


def _from_records(records):
    records = sorted(records, key=lambda record: record["seed"])
    seeds = _checked_seeds([record["seed"] for record in records])
    return _stack(seeds, [record["result"] for record in records])


def _checked_seeds(seeds):
    if not isinstance(seeds, Sequence) or len(seeds) == 0:
        raise ValueError(f"give at least one seed, such as seeds=[0, 1, 2]; got {seeds!r}")
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, Integral):
            raise TypeError(f"a seed is a whole number, got {seed!r} in {seeds!r}")
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"the same seed twice gives the same run twice, got {list(seeds)}")
    return tuple(int(seed) for seed in seeds)


def _stack(seeds, results):
    """Turn one dict for each seed into one array for each quantity."""
    values = {}
    for seed, result in zip(seeds, results, strict=True):
        if result.keys() != results[0].keys():
            raise ValueError(
                f"seed {seed} measured {sorted(result)}, seed {seeds[0]} {sorted(results[0])}"
            )
    for name in results[0]:
        arrays = [np.asarray(result[name]) for result in results]
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1:
            raise ValueError(f"{name!r} has another shape from seed to seed: {sorted(shapes)}")
        values[name] = np.stack(arrays)
    return Repeats(tuple(seeds), values)

"""One training with several seeds: run it, read what `experiments/` has stored, sum it up."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lenet_course.arguments import whole_number


@dataclass(frozen=True)
class Runs:
    """What the runs of one setting measured.

    Attributes
    ----------
    seeds : tuple of int
        The S seeds, one for each run.
    values : dict
        For each measured quantity the runs' values, shape (S, ...); ``runs["name"]`` gives one.
    """

    seeds: tuple
    values: dict

    def __getitem__(self, name):
        """Give one quantity's values, shape (S, ...)."""
        if name not in self.values:
            raise KeyError(f"{name!r} was not measured; there are {', '.join(self.values)}")
        return self.values[name]

    def mean(self, name):
        """Average a quantity over the seeds, shape (...)."""
        return self[name].mean(axis=0)

    def std(self, name):
        """Give the sample standard deviation over the seeds, shape (...); needs two seeds."""
        if len(self.seeds) < 2:
            raise ValueError(
                f"a standard deviation needs at least two seeds, there is only {self.seeds[0]}"
            )
        return self[name].std(axis=0, ddof=1)


def repeat(run, seeds):
    """Call ``run(seed)`` for each seed and stack what it measured.

    Parameters
    ----------
    run : callable
        Gives a dict of str to number or array; the same names and shapes for each seed.
    seeds : iterable of int

    Returns
    -------
    Runs
        Interrupting it (ctrl-C) keeps the runs that are finished, if there are any.

    Examples
    --------
    >>> def throws(seed):
    ...     rng = np.random.default_rng(seed)
    ...     return {"dice": rng.integers(1, 7, size=1000).mean()}
    >>> runs = repeat(throws, seeds=range(5))
    >>> print(f"mean {runs.mean('dice'):.2f}, std {runs.std('dice'):.2f}")
    mean 3.53, std 0.06
    """
    seeds, results = _checked(seeds), []
    try:
        for seed in seeds:
            results.append(run(seed))
    except KeyboardInterrupt:
        if not results:
            raise
    return _stack(seeds[: len(results)], results)


def load(path):
    """Read stored runs: a dict of setting to `Runs`, each in the order of its seeds.

    A string of digits, the answers of a network with up to ten classes, becomes an array of them.
    """
    by_setting = {}
    for record in records(path):
        by_setting.setdefault(record["setting"], []).append((record["seed"], record["result"]))
    loaded = {}
    for setting, runs in by_setting.items():
        seeds, results = zip(*sorted(runs, key=lambda run: run[0]), strict=True)
        try:
            loaded[setting] = _stack(_checked(seeds), results)
        except ValueError as error:
            raise ValueError(f"setting {setting!r} in {path}: {error}") from None
    return loaded


def records(path):
    """Read stored runs as they stand in the file, one JSON object a line.

    Each is a dict with ``setting``, ``seed``, ``result`` (what was measured) and ``about`` (how:
    arguments, command, commit, processor, versions).
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no stored runs at {path}; the folder experiments/ makes them")
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = json.loads(line)
            record["setting"], record["seed"], record["result"], record["about"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"line {number} of {path} is no stored run: {error!r}; delete the line, and "
                "`make experiment` makes the run again"
            ) from error
        found.append(record)
    return found


def _checked(seeds):
    try:
        seeds = tuple(seeds)
    except TypeError:
        raise TypeError(f"seeds={seeds!r}: give several, such as seeds=[0, 1, 2]") from None
    if not seeds:
        raise ValueError("give at least one seed, such as seeds=[0, 1, 2]")
    seeds = tuple(whole_number("seed", seed, least=0) for seed in seeds)
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"the same seed twice gives the same run twice, got {list(seeds)}")
    return seeds


def _stack(seeds, results):
    """Turn one dict for each seed into one array for each quantity."""
    for seed, result in zip(seeds, results, strict=True):
        if result.keys() != results[0].keys():
            raise ValueError(
                f"seed {seed} measured {sorted(result)}, seed {seeds[0]} {sorted(results[0])}"
            )
    values = {}
    for name in results[0]:
        arrays = [_array(result[name]) for result in results]
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1:
            raise ValueError(f"{name!r} has another shape from seed to seed: {sorted(shapes)}")
        values[name] = np.stack(arrays)
    return Runs(seeds, values)


def _array(value):
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return np.frombuffer(value.encode(), np.uint8).astype(np.int64) - ord("0")
    return np.asarray(value)

"""Timings that stay fair when other programs share the machine, and tables of their ratios."""

import math
from dataclasses import dataclass
from statistics import median
from time import perf_counter


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


@dataclass(frozen=True)
class Ratio:
    """How many times as long the first takes as the second, and how many are to be reached."""

    case: str
    first: str
    second: str
    seconds: dict  # of both and of others, by name
    least: float = -math.inf
    most: float = math.inf

    @property
    def value(self):
        """The first's seconds, divided by the second's."""
        return self.seconds[self.first] / self.seconds[self.second]

    @property
    def verdict(self):
        """The goal, and whether it holds; nothing where there is none."""
        if math.isinf(self.least) and math.isinf(self.most):
            return ""
        goal = f"at most {self.most:g}" if math.isinf(self.least) else f"at least {self.least:g}"
        return f"{goal}: {'holds' if self.least <= self.value <= self.most else 'does not hold'}"


def table(title, ratios):
    """Write ratios below each other, with both times in milliseconds."""
    rows = [("", "first", "second", "first : second", "goal")]
    for ratio in ratios:
        times = (
            f"{name} {1e3 * ratio.seconds[name]:.2f} ms" for name in (ratio.first, ratio.second)
        )
        rows.append((ratio.case, *times, f"{ratio.value:.2f}", ratio.verdict))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([title, "─" * max(map(len, lines)), *lines])

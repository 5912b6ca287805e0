"""Accuracies and their differences with 95 % intervals and tests; a thin layer over SciPy.

Seeds: a recipe is trained S times, and another S runs would give other numbers. Images: the test
set is a sample of N, and another N would give another share. `mean` and `difference` know the
seeds alone, `share` and `same_images` the images alone, `recipes` and `interaction` both. Each
gives an `Estimate`.
A `right` is an array of bool, True where a network's answer was right; differences are a - b.
The page "Comparing two networks" explains them all.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from lenet_course.arguments import whole_number

LEVEL = 0.95
Z = stats.norm.ppf((1 + LEVEL) / 2)


class Estimate(NamedTuple):
    """A measured value, the ends of its 95 % interval, and the p-value of "no difference".

    Where nothing is tested, `p` is None. `half` is half the interval's width, the number after ±.
    """

    value: float
    low: float
    high: float
    p: float | None = None

    @property
    def half(self):
        """Half the width of the interval."""
        return (self.high - self.low) / 2

    def in_points(self, digits=1):
        """Write a difference of shares and its interval in percentage points.

        >>> Estimate(0.042, 0.022, 0.063).in_points()
        '+4.2 (+2.2 to +6.3)'
        """
        points = (round(100 * number, digits) + 0.0 for number in self[:3])  # no -0.0
        value, low, high = (f"{number:+.{digits}f}" for number in points)
        return f"{value} ({low} to {high})"


def share(correct, n):
    """Estimate the share of right answers on all images from `correct` of `n` (Wilson, 1927).

    >>> estimate = share(192, 256)
    >>> print(f"from {estimate.low:.3f} to {estimate.high:.3f}")
    from 0.694 to 0.799
    """
    correct, n = whole_number("correct", correct, least=0), whole_number("n", n)
    if correct > n:
        raise ValueError(f"correct={correct} of n={n} is no share from 0 to 1")
    low, high = stats.binomtest(correct, n).proportion_ci(LEVEL, method="wilson")
    return Estimate(correct / n, float(low), float(high))


def mean(values):
    """Estimate a recipe's mean over all seeds from its runs (S,), S at least 2: a t interval."""
    values = _numbers("values", values, least=2)
    return _estimate(values.mean(), _variance_of_mean(values))._replace(p=None)


def difference(a, b, paired=False):
    """Estimate the difference of two recipes' means over all seeds from their runs (S,).

    Welch's t interval and test. Paired, run s of `a` belongs to run s of `b`, such as with the
    same seed, and their differences are one sample. Like every t interval it takes the runs for
    normally distributed; runs that do not vary at all have an interval of width 0.
    """
    a, b = _numbers("a", a, least=2), _numbers("b", b, least=2)
    return _estimate(a.mean() - b.mean(), *_variances_of_seeds(a, b, paired))


def same_images(right_a, right_b):
    """Estimate the difference of two networks' shares from their answers to the same images (N,).

    The p-value is McNemar's exact one: a binomial test on the images that only one of the two
    got right. The interval is that of Bonett and Price (2012), "Adjusted Wald confidence interval
    for a difference of binomial proportions based on paired data". Where p is below
    0.05, the interval leaves out 0. The reverse may fail by a little; then p decides. Both are
    about these two networks, not about the recipes that trained them.
    """
    right_a, right_b = _right("right_a", right_a, 1), _right("right_b", right_b, 1)
    _same_length(right_a, right_b, "images", "both networks answer the same images")
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    n = len(right_a)
    p = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    share_a, share_b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    center = share_a - share_b
    half = Z * math.sqrt((share_a + share_b - center**2) / (n + 2))
    low, high = max(center - half, -1.0), min(center + half, 1.0)
    return Estimate((only_a - only_b) / n, float(low), float(high), float(p))


def recipes(right_a, right_b, paired=False):
    """Estimate how much better recipe a is than b over all seeds and all images.

    The variance of the difference is the sum of two parts: that of the seeds, as in `difference`
    of the runs' shares, and that of the images, from how the difference of the two mean answers
    varies from image to image. The t quantile has the degrees of freedom of Welch and
    Satterthwaite. Seeds and images must be independent draws. The luck of one run with one image
    is in both parts, so the interval is rather too wide than too narrow. With two or three pairs
    of runs that differ much it is too narrow: two such pairs held the true difference in 88 % of
    the simulations in tests/test_compare.py.

    Parameters
    ----------
    right_a, right_b : array_like of bool, (S, N)
        A row for each of at least two runs, S of each recipe, all on the same N images.
    paired : bool
        Run s of a and run s of b belong together, such as by their seed.
    """
    right_a, right_b = _right("right_a", right_a, 2), _right("right_b", right_b, 2)
    _same_length(right_a.T, right_b.T, "images", "all runs answer the same images")
    by_image = right_a.mean(axis=0) - right_b.mean(axis=0)
    images = _variance_of_mean(by_image)
    runs_a, runs_b = right_a.mean(axis=1), right_b.mean(axis=1)
    return _estimate(by_image.mean(), images, *_variances_of_seeds(runs_a, runs_b, paired))


def interaction(one, other):
    """Estimate by how much one difference of two recipes exceeds another, both sources together.

    Parameters
    ----------
    one, other : tuple of two array_like of bool, (S, N)
        The recipes of each difference, (right_a, right_b), as in a paired `recipes`: run s of all
        four belong together, and all answer the same N images.
    """
    names = ("one[0]", "one[1]", "other[0]", "other[1]")
    (a, b), (c, d) = one, other
    four = [_right(name, right, 2) for name, right in zip(names, (a, b, c, d), strict=True)]
    for right in four[1:]:
        _same_length(four[0].T, right.T, "images", "all runs answer the same images")
        _same_length(four[0], right, "runs", "run s of all four belong together")
    by_image, by_run = (
        np.dot([1, -1, -1, 1], [right.mean(axis=axis) for right in four]) for axis in (0, 1)
    )
    return _estimate(by_image.mean(), _variance_of_mean(by_image), _variance_of_mean(by_run))


def holm(p_values):
    """Adjust the p-values of M comparisons (M,) so that any of them may be read as the only one.

    Holm (1979), "A simple sequentially rejective multiple test procedure": if nothing differs at
    all, a p-value below 0.05 turns up in at most 5 of 100 such families of comparisons.

    >>> holm([0.01, 0.04, 0.03]).round(2)
    array([0.03, 0.06, 0.06])
    """
    p_values = _numbers("p_values", p_values, least=1)
    if not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError(f"p-values go from 0 to 1, got {p_values.tolist()}")
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def _estimate(value, *parts):
    """Give the t interval and test of a value from the parts (variance, df) of its variance."""
    variances, dfs = np.transpose(parts)
    error = math.sqrt(variances.sum())
    if error == 0:  # the limit of what stands below
        return Estimate(float(value), float(value), float(value), float(value == 0))
    shares = variances / variances.sum()  # of the whole; squares of tiny variances would vanish
    df = 1 / (shares**2 / dfs).sum()
    half = error * stats.t.ppf((1 + LEVEL) / 2, df)
    p = 2 * stats.t.sf(abs(value) / error, df)
    return Estimate(float(value), float(value - half), float(value + half), float(p))


def _variance_of_mean(values):
    """Give the estimated variance of the mean of independent values and its degrees of freedom."""
    variance = values.var(ddof=1) if np.ptp(values) else 0.0  # not what rounding makes of 0
    return variance / len(values), len(values) - 1


def _variances_of_seeds(runs_a, runs_b, paired):
    if paired:
        _same_length(runs_a, runs_b, "runs", "run s of a and run s of b make a pair")
        return [_variance_of_mean(runs_a - runs_b)]
    return [_variance_of_mean(runs_a), _variance_of_mean(runs_b)]


def _numbers(name, values, least):
    values = np.asarray(values)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"{name} must hold numbers, one for each, got {values.dtype}")
    if values.ndim != 1 or len(values) < least:
        remedy = ", since one run does not say how much seeds differ" * (least > 1)
        raise ValueError(
            f"{name} has the shape {values.shape}: give a row of {least} or more{remedy}"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, got {values.tolist()}; leave out failed runs")
    return values.astype(float)


def _right(name, right, ndim):
    right = np.asarray(right)
    if right.dtype != bool:
        raise TypeError(
            f"{name} must hold True where the answer was right, got {right.dtype}; "
            "compare the answers with the labels: predicted == y"
        )
    if right.ndim != ndim or right.size == 0:
        shape = ("(N,), one network's answers", "(S, N), a row for each run")[ndim - 1]
        raise ValueError(f"{name} has the shape {shape}; got {right.shape}")
    if ndim == 2 and min(right.shape) < 2:
        raise ValueError(
            f"{name} has the shape {right.shape}: give at least 2 runs and 2 images; "
            "two single networks are compared by same_images"
        )
    return right


def _same_length(a, b, what, why):
    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} {what}: {why}")

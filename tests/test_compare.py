"""Intervals and tests against SciPy, closed formulas, counting by hand, and simulated truths."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from lenet_course import compare

RUNS = st.lists(st.integers(9000, 9999), min_size=2, max_size=8).map(lambda n: np.array(n) / 1e4)
ANSWERS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80).map(
    lambda pairs: np.array(pairs).T
)


def grid(seed, S=3, N=40, share=0.7):
    """Draw answers (S, N) of runs that differ from seed to seed and from image to image."""
    rng = np.random.default_rng(seed)
    return rng.random((S, N)) < share + rng.normal(0, 0.05, (S, 1)) + rng.normal(0, 0.1, N)


def close(estimate, value, low, high, p=None):
    np.testing.assert_allclose(estimate[:3], [value, low, high], rtol=1e-9, atol=1e-12)
    assert estimate.p == (p if p is None else pytest.approx(p, rel=1e-9))
    assert estimate.half == pytest.approx((high - low) / 2)


# One share, one mean


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_share_ends_where_the_measured_share_is_two_standard_errors_away(case):
    correct, n = case
    value, low, high, p = compare.share(correct, n)
    assert 0 <= low <= value == correct / n <= high <= 1
    assert p is None
    for end in (low, high):
        error = math.sqrt(end * (1 - end) / n)
        assert abs(value - end) == pytest.approx(1.959963984540054 * error, abs=1e-7)


def test_share_of_none_and_of_all_is_no_certainty():
    assert compare.share(0, 20).low == 0 < compare.share(0, 20).high < 0.2
    assert compare.share(20, 20).high == 1 > compare.share(20, 20).low > 0.8


def test_mean_by_hand():
    # 1, 2, 6 have the mean 3 and the standard deviation √7; t of 2 degrees of freedom is 4.303
    half = 4.302652729911275 * math.sqrt(7 / 3)
    close(compare.mean([1, 2, 6]), 3, 3 - half, 3 + half)


# Recipes over their seeds


@given(RUNS, RUNS)
def test_difference_is_welchs(a, b):
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        return
    ours = compare.difference(a, b)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # SciPy on runs that are all the same
        theirs = stats.ttest_ind(a, b, equal_var=False)
        close(ours, a.mean() - b.mean(), *theirs.confidence_interval(0.95), theirs.pvalue)


@given(st.lists(st.tuples(*2 * [st.integers(9000, 9999)]), min_size=2, max_size=8))
def test_paired_difference_is_the_paired_t_test(pairs):
    a, b = np.array(pairs).T / 1e4
    if len({first - second for first, second in pairs}) == 1:
        return
    ours, theirs = compare.difference(a, b, paired=True), stats.ttest_rel(a, b)
    close(ours, (a - b).mean(), *theirs.confidence_interval(0.95), theirs.pvalue)


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize(("a", "b", "p"), [(0.1, 0.1, 1), (0.3, 0.1, 0)])
def test_runs_that_do_not_vary_have_an_interval_of_width_0(paired, a, b, p):
    # three times 0.1 has a variance of 1e-34 by rounding
    close(compare.difference([a] * 3, [b] * 3, paired), a - b, a - b, a - b, p)
    close(compare.mean([a] * 3), a, a, a)


# Two networks on the same images


def table(both, only_a, only_b, neither):
    right_a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    right_b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    return right_a, right_b


def test_same_images_by_hand():
    # one image only a, seven only b, of 21: twice the tail of eight fair coins, (1 + 8) / 2⁸
    estimate = compare.same_images(*table(1, 1, 7, 12))
    half = 1.959963984540054 * math.sqrt((10 / 23 - (6 / 23) ** 2) / 23)
    close(estimate, -6 / 21, -6 / 23 - half, -6 / 23 + half, 2 * 9 / 256)


def test_only_disagreements_decide():
    p = compare.same_images(*table(5000, 30, 12, 4958)).p
    assert p == compare.same_images(*table(9900, 30, 12, 58)).p == stats.binomtest(30, 42).pvalue
    assert compare.same_images(*table(70, 0, 0, 30)).p == 1


@given(ANSWERS)
def test_the_interval_of_same_images_lies_around_the_value(answers):
    value, low, high, p = compare.same_images(*answers)
    assert -1 <= low <= value <= high <= 1
    assert value == pytest.approx(answers[0].mean() - answers[1].mean())
    assert 0 < p <= 1
    assert p >= 0.05 or low * high > 0  # what p calls decided, the interval does too


@pytest.mark.parametrize(("N", "apart", "shared"), [(50, 0.0, 0.6), (200, 0.1, 0.8), (2000, 0, 0)])
def test_same_images_covers_the_true_difference(N, apart, shared):
    rng = np.random.default_rng(0)
    hits, reject, trials = 0, 0, 1000
    for _ in range(trials):
        hard, draws = rng.random(N) < shared, rng.random((2, N))
        draws[1, hard] = draws[0, hard]  # the same luck for both: they agree
        estimate = compare.same_images(draws[0] < 0.8, draws[1] < 0.8 - apart)
        hits += estimate.low <= apart <= estimate.high
        reject += estimate.p < 0.05
    assert 0.935 <= hits / trials <= 0.985
    assert reject / trials <= 0.06 if apart == 0 else reject / trials > 0.5


# Recipes, seeds and images together


@pytest.mark.parametrize("paired", [False, True])
def test_recipes_adds_the_variances_of_seeds_and_images(paired):
    a, b = grid(0, S=4), grid(1, S=4, share=0.6)
    seeds = stats.ttest_rel if paired else stats.ttest_ind
    runs = seeds(a.mean(1), b.mean(1), **({} if paired else {"equal_var": False}))
    images = stats.ttest_rel(a.mean(0), b.mean(0))
    value = a.mean() - b.mean()
    parts = [(value / test.statistic) ** 2 for test in (runs, images)]
    df = sum(parts) ** 2 / (parts[0] ** 2 / runs.df + parts[1] ** 2 / images.df)
    error = math.sqrt(sum(parts))
    half = stats.t.ppf(0.975, df) * error
    p = 2 * stats.t.sf(abs(value) / error, df)
    close(compare.recipes(a, b, paired), value, value - half, value + half, p)


def truth(rng, S, N, seeds, own, paired):
    """Draw answers of two equally good recipes, (2, S, N)."""
    easy = 0.2 * rng.choice([-1, 1], N)  # images are hard or easy for both recipes,
    alike = own * rng.choice([-1, 1], (2, 1, N))  # or for one
    luck = rng.normal(0, seeds, (2, S, 1))
    if paired:
        luck += rng.normal(0, seeds, (S, 1))
    return rng.random((2, S, N)) < 0.6 + easy + alike + luck


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize(
    ("S", "N", "seeds", "own"),
    [
        (3, 1000, 0.01, 0.0),  # mostly seeds
        (3, 200, 0.0, 0.15),  # mostly images
        (3, 500, 0.01, 0.1),
        (5, 500, 0.02, 0.1),
        (10, 100, 0.02, 0.1),
    ],
)
def test_recipes_covers_the_true_difference(S, N, seeds, own, paired):
    rng = np.random.default_rng(0)
    trials, hits, reject = 600, 0, 0
    for _ in range(trials):
        estimate = compare.recipes(*truth(rng, S, N, seeds, own, paired), paired)
        hits += estimate.low <= 0 <= estimate.high
        reject += estimate.p < 0.05
    assert 0.93 <= hits / trials <= 0.995
    assert reject == trials - hits


def test_two_pairs_of_runs_that_differ_much_cover_too_little():
    rng = np.random.default_rng(0)
    trials = [compare.recipes(*truth(rng, 2, 500, 0.05, 0.1, True), True) for _ in range(600)]
    assert 0.85 < np.mean([e.low <= 0 <= e.high for e in trials]) < 0.92


def test_seeds_alone_or_images_alone_cover_too_little():
    """What `recipes` is for: with both sources at work, one of them alone is overconfident."""
    rng = np.random.default_rng(0)
    trials, hits = 400, np.zeros(3)
    for _ in range(trials):
        a, b = truth(rng, 10, 200, 0.03, 0.2, paired=False)
        for way, estimate in enumerate(
            [
                compare.recipes(a, b),
                compare.difference(a.mean(1), b.mean(1)),
                compare.same_images(a[0], b[0]),
            ]
        ):
            hits[way] += estimate.low <= 0 <= estimate.high
    both, seeds, images = hits / trials
    assert both > 0.93
    assert seeds < 0.9
    assert images < 0.9


def test_interaction_adds_the_variances_of_seeds_and_images():
    a, b, c, d = (grid(seed, share=share) for seed, share in enumerate((0.8, 0.7, 0.75, 0.6)))
    numbers = a * 1.0 - b - (c * 1.0 - d)  # (S, N)
    parts = [(numbers.mean(axis=axis).var(ddof=1) / n, n - 1) for axis, n in ((0, 40), (1, 3))]
    error = math.sqrt(sum(variance for variance, _ in parts))
    df = error**4 / sum(variance**2 / df for variance, df in parts)
    value, half = numbers.mean(), stats.t.ppf(0.975, df) * error
    p = 2 * stats.t.sf(abs(value) / error, df)
    close(compare.interaction((a, b), (c, d)), value, value - half, value + half, p)


@given(st.integers(0, 10_000))
def test_interaction_with_no_other_difference_is_that_of_the_recipes(seed):
    a, b, c = (grid(seed + k, share=0.6 + 0.1 * k) for k in range(3))
    expected = compare.recipes(a, b, paired=True)
    np.testing.assert_allclose(compare.interaction((a, b), (c, c)), expected, atol=1e-12)
    np.testing.assert_allclose(compare.interaction((c, c), (b, a)), expected, atol=1e-12)


# Properties that all share

WAYS = {
    "difference": lambda a, b: compare.difference(a.mean(1), b.mean(1)),
    "paired difference": lambda a, b: compare.difference(a.mean(1), b.mean(1), paired=True),
    "same_images": lambda a, b: compare.same_images(a[0], b[0]),
    "recipes": compare.recipes,
    "paired recipes": lambda a, b: compare.recipes(a, b, paired=True),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@given(st.integers(0, 10_000))
def test_exchanging_the_two_exchanges_the_signs(way, seed):
    a, b = grid(seed), grid(seed + 1, share=0.8)
    there, back = way(a, b), way(b, a)
    np.testing.assert_allclose([-back.value, -back.high, -back.low], there[:3], atol=1e-12)
    assert back.p == pytest.approx(there.p)
    assert there.low <= there.value <= there.high
    assert there.half >= 0
    assert 0 <= there.p <= 1
    assert all(type(number) is float for number in there)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_something_is_found_where_something_is(way):
    a, b = grid(0, N=2000, share=0.8), grid(1, N=2000, share=0.5)
    assert way(a, b).low > 0
    assert way(a, b).p < 0.05


def test_pairs_of_seeds_that_share_their_luck_shorten_the_interval():
    luck = np.random.default_rng(0).normal(0, 0.01, 5)
    a, b = 0.9 + luck, 0.89 + luck + np.random.default_rng(1).normal(0, 0.001, 5)
    assert compare.difference(a, b, paired=True).half < compare.difference(a, b).half / 3


# Several comparisons


def rejected_step_by_step(p_values, level):
    """Holm's rule as he states it: go on from the smallest while p ≤ level / (those left)."""
    rejected = np.zeros(len(p_values), dtype=bool)
    for done, which in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[which] > level / (len(p_values) - done):
            break
        rejected[which] = True
    return rejected


@example([10, 40, 30], 100)  # 40 would be rejected at 0.05, were it not for 30 before it
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=8), st.integers(1, 400))
def test_holm_is_his_rule_at_every_level(thousandths, level):
    p_values, level = np.array(thousandths) / 1000, level / 2003  # never on the edge
    adjusted = compare.holm(p_values)
    np.testing.assert_array_equal(adjusted <= level, rejected_step_by_step(p_values, level))
    assert (adjusted >= p_values).all()
    assert (adjusted <= np.minimum(1, p_values * len(p_values) + 1e-12)).all()  # Bonferroni's


def test_holm_of_one_changes_nothing_and_equal_ones_stay_equal():
    assert compare.holm([0.03]).tolist() == [0.03]
    assert compare.holm([0.02, 0.02]).tolist() == [0.04, 0.04]


# What is refused

ONE, TWO, THREE = (np.ones(shape, dtype=bool) for shape in (4, (2, 4), (3, 4)))


@pytest.mark.parametrize(
    ("function", "arguments", "error", "words"),
    [
        ("share", (0, 0), ValueError, "n=0"),
        ("share", (5, 4), ValueError, "correct=5 of n=4 is no share from 0 to 1"),
        ("share", (-1, 4), ValueError, "correct=-1"),
        ("share", (0.75, 4), TypeError, "correct=0.75 is not a whole number"),
        ("share", (3, 4.5), TypeError, "n=4.5"),
        ("mean", ([0.9],), ValueError, r"shape \(1,\): give a row of 2 .*one run does not say"),
        ("mean", (0.9,), ValueError, r"values has the shape \(\)"),
        ("mean", ([[0.9, 0.8]],), ValueError, r"values has the shape \(1, 2\)"),
        ("mean", ([0.9, math.nan],), ValueError, "finite, got .*nan.*leave out failed runs"),
        ("mean", ([True, False],), TypeError, "values must hold numbers, .* got bool"),
        ("mean", (["0.9", "0.8"],), TypeError, "values must hold numbers"),
        ("difference", ([0.9, 0.8], [0.9]), ValueError, r"b has the shape \(1,\)"),
        ("difference", ([0.9] * 3, [0.9] * 2, True), ValueError, "3 and 2 runs: .*pair"),
        ("same_images", (ONE, TWO[0, :3]), ValueError, "4 and 3 images: both networks"),
        ("same_images", (ONE, TWO), ValueError, r"right_b has the shape \(N,\).* got \(2, 4\)"),
        ("same_images", (ONE[:0], ONE[:0]), ValueError, r"got \(0,\)"),
        ("same_images", (ONE * 1, ONE), TypeError, "right_a must hold True .*int64.*predicted =="),
        ("recipes", (ONE, ONE), ValueError, r"\(S, N\), a row for each run; got \(4,\)"),
        ("recipes", (TWO, TWO[:1]), ValueError, "at least 2 runs and 2 images.*same_images"),
        ("recipes", (TWO, TWO[:, :3]), ValueError, "4 and 3 images: all runs"),
        ("recipes", (TWO, ONE.repeat(3).reshape(3, 4), True), ValueError, "2 and 3 runs: .*pair"),
        ("recipes", (TWO, TWO * 1.0), TypeError, "right_b must hold True .*float64"),
        ("interaction", ((TWO, TWO), (TWO, TWO[:, :3])), ValueError, "4 and 3 images: all runs"),
        ("interaction", ((TWO, THREE), (TWO, TWO)), ValueError, "2 and 3 runs: .*four"),
        ("interaction", ((TWO, TWO), (TWO, ONE)), ValueError, r"other\[1\] has .*got \(4,\)"),
        ("interaction", ((TWO, TWO), (TWO,)), ValueError, "not enough values"),
        ("interaction", ((TWO, TWO, TWO), (TWO,)), ValueError, "too many values"),
        ("holm", ([],), ValueError, "give a row of 1 or more"),
        ("holm", ([0.1, 1.2],), ValueError, r"from 0 to 1, got \[0.1, 1.2\]"),
        ("holm", ([-0.1],), ValueError, "from 0 to 1"),
        ("holm", ([0.1, math.nan],), ValueError, "finite"),
        ("holm", ([0.1, None],), TypeError, "p_values must hold numbers"),
    ],
)
def test_what_is_refused(function, arguments, error, words):
    with pytest.raises(error, match=words):
        getattr(compare, function)(*arguments)


def test_points_have_a_sign_and_no_negative_zero():
    estimate = compare.Estimate(-0.0001, -0.0204, 0.02)
    assert estimate.in_points() == "+0.0 (-2.0 to +2.0)"
    assert estimate.in_points(digits=2) == "-0.01 (-2.04 to +2.00)"

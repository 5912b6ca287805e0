"""Runs with several seeds: stacked, interrupted, stored and read back."""

import json

import numpy as np
import pytest

from lenet_course import runs


def draw(seed):
    rng = np.random.default_rng(seed)
    return {"one": rng.normal(), "curve": rng.normal(size=4).tolist()}


def test_each_seed_gives_a_row():
    result = runs.repeat(draw, seeds=np.array([3, 1, 2]))
    assert result.seeds == (3, 1, 2)
    assert result["one"].shape == (3,)
    np.testing.assert_array_equal(result["curve"], [draw(seed)["curve"] for seed in (3, 1, 2)])
    with pytest.raises(KeyError, match="'two' was not measured; there are one, curve"):
        result.mean("two")


def test_mean_and_standard_deviation_are_over_the_seeds():
    result = runs.repeat(lambda seed: {"a": [seed, 10.0]}, seeds=[1, 2, 6])
    np.testing.assert_allclose(result.mean("a"), [3, 10])
    np.testing.assert_allclose(result.std("a"), [np.sqrt((4 + 1 + 9) / 2), 0])
    with pytest.raises(ValueError, match="at least two seeds, there is only 7"):
        runs.repeat(draw, seeds=[7]).std("one")


@pytest.mark.parametrize(
    ("seeds", "error", "message"),
    [
        ([], ValueError, r"at least one seed, such as seeds=\[0, 1, 2\]"),
        (5, TypeError, r"seeds=5: give several, such as seeds=\[0, 1, 2\]"),
        ([1, 1], ValueError, r"the same run twice, got \[1, 1\]"),
        ([0, 1.5], TypeError, "seed=1.5 is not a whole number"),
        ([True], TypeError, "seed=True is not a whole number"),
    ],
)
def test_seeds_are_checked_before_anything_runs(seeds, error, message):
    def run(seed):
        pytest.fail("it ran")

    with pytest.raises(error, match=message):
        runs.repeat(run, seeds)


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([{"a": 1}, {"b": 1}], r"seed 1 measured \['b'\], seed 0 \['a'\]"),
        ([{"a": [1]}, {"a": [1, 2]}], "'a' has another shape from seed to seed"),
    ],
)
def test_runs_must_measure_the_same(results, message):
    with pytest.raises(ValueError, match=message):
        runs.repeat(results.__getitem__, seeds=[0, 1])


@pytest.mark.parametrize("last", [2, 0])
def test_ctrl_c_keeps_the_finished_runs_if_there_are_any(last):
    def run(seed):
        if seed == last:
            raise KeyboardInterrupt
        return {"a": seed}

    if last:
        assert runs.repeat(run, seeds=range(4)).seeds == (0, 1)
    else:
        with pytest.raises(KeyboardInterrupt):
            runs.repeat(run, seeds=range(4))


def write(path, *made, end="\n"):
    """Store runs as the folder experiments/ does."""
    lines = [
        json.dumps({"setting": setting, "seed": seed, "result": draw(seed), "about": {"a": 1}})
        for setting, seed in made
    ]
    path.write_text("\n".join(lines) + end)
    return path


def test_stored_runs_come_back_as_the_live_ones(tmp_path):
    path = write(tmp_path / "runs.jsonl", ("gray", 1), ("RGB", 0), ("gray", 0))
    stored, live = runs.load(path), runs.repeat(draw, seeds=[0, 1])
    assert list(stored) == ["gray", "RGB"]
    assert stored["gray"].seeds == live.seeds
    np.testing.assert_array_equal(stored["gray"]["curve"], live["curve"])
    assert runs.records(path)[0]["about"] == {"a": 1}


def test_strings_of_digits_come_back_as_numbers(tmp_path):
    path = tmp_path / "runs.jsonl"
    made = [{"answers": answers, "name": "²"} for answers in ("0729", "1111")]
    lines = [{"setting": "a", "seed": s, "result": r, "about": {}} for s, r in enumerate(made)]
    path.write_text("\n".join(map(json.dumps, lines)))
    stored = runs.load(path)["a"]
    assert stored["answers"].tolist() == [[0, 7, 2, 9], [1, 1, 1, 1]]
    assert stored["name"].tolist() == ["²", "²"]


@pytest.mark.parametrize("line", ["[]", "3", '{"setting": "gray"}', '{"setting": "gr'])
def test_what_is_no_file_of_runs_is_named(tmp_path, line):
    with pytest.raises(FileNotFoundError, match=r"no stored runs at .*none\.jsonl"):
        runs.load(tmp_path / "none.jsonl")
    path = write(tmp_path / "runs.jsonl", ("gray", 0), ("gray", 0))
    with pytest.raises(ValueError, match=r"setting 'gray' in .*runs\.jsonl: the same seed twice"):
        runs.load(path)
    path = write(tmp_path / "runs.jsonl", ("gray", 0), end=f"\n{line}")
    with pytest.raises(ValueError, match=r"line 2 of .*runs\.jsonl is no stored run.*delete"):
        runs.load(path)

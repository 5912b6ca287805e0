"""The stored runs belong to the settings as they are now, and the script still makes such runs."""

from dataclasses import asdict, replace

import pytest

from experiments.__main__ import FOLDER
from experiments.cifar10 import Setting, run
from experiments.settings import EXPERIMENTS, REMEDIES
from lenet_course.repeats import load_runs, read_records

ABOUT = {"command", "processor", "python", "torch", "date", "arguments"}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_setting_is_stored_with_every_seed(name):
    _, settings, seeds = EXPERIMENTS[name]
    runs = load_runs(FOLDER / f"{name}.jsonl")
    assert {setting: result.seeds for setting, result in runs.items()} == {
        setting: tuple(seeds) for setting in settings
    }


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_stored_runs_were_made_by_the_settings_of_today(name):
    _, settings, _ = EXPERIMENTS[name]
    for record in read_records(FOLDER / f"{name}.jsonl"):
        assert record["about"]["arguments"] == asdict(settings[record["setting"]])
        assert record["about"].keys() >= ABOUT


def tiny(**changes):
    return replace(Setting(epochs=2, images=300, model={"width": 0.25}), **changes)


@pytest.mark.parametrize("setting", [tiny(), tiny(gray=True, augment=True, one_cycle=False)])
def test_a_seed_gives_the_same_run_twice(setting):
    first, again, other = (
        run(setting, seed, source="sample", progress=False) for seed in (0, 0, 1)
    )
    for result in (first, again, other):
        del result["seconds"]
    assert first == again
    assert first["train_loss"] != other["train_loss"]


def test_a_run_measures_what_a_chapter_draws():
    result = run(tiny(), seed=0, source="sample", progress=False)
    assert len(result["valid_accuracy"]) == result["epochs"] == 2
    assert result["final_valid_accuracy"] == pytest.approx(result["valid_accuracy"][-1])
    share_of_all = sum(result["test_per_class"]) / 10  # 100 test images of each class
    assert result["final_test_accuracy"] == pytest.approx(share_of_all)


def short(remedy):
    setting = replace(REMEDIES[remedy], epochs=3, images=100)
    return run(setting, seed=0, source="sample", progress=False)


@pytest.fixture(scope="module")
def untreated():
    return short("no remedy")


@pytest.mark.parametrize("remedy", [name for name in REMEDIES if name != "no remedy"])
def test_a_remedy_changes_the_run(untreated, remedy):
    assert short(remedy)["final_test_loss"] != untreated["final_test_loss"]

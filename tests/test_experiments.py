"""The stored runs belong to the settings as they are now, and the script still makes such runs."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from experiments import numpy_mnist
from experiments.__main__ import FOLDER
from experiments.cifar10 import Setting, run
from experiments.settings import EXPERIMENTS, REMEDIES
from lenet_course import listings
from lenet_course.repeats import load_runs, read_records
from lenet_course.scratch import nn

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


def in_numpy(seed=0, **changes):
    setting = replace(numpy_mnist.Setting(epochs=1, images=200, network="shallow"), **changes)
    result = numpy_mnist.run(setting, seed, source="sample", progress=False)
    del result["seconds"]
    return result


def test_a_seed_decides_a_training_in_numpy():
    assert in_numpy() == in_numpy() != in_numpy(seed=1)


@pytest.mark.parametrize("changes", [{"shift": 2}, {"rotation": 10.0}, {"images": 100}])
def test_a_setting_changes_a_training_in_numpy(changes):
    assert in_numpy(**changes)["final_valid_loss"] != in_numpy()["final_valid_loss"]


def test_kept_weights_are_those_of_the_network_that_was_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(numpy_mnist, "WEIGHTS", tmp_path / "weights.npz")
    result = in_numpy(keep_weights=True)
    net = listings.shallow(nn)
    with np.load(tmp_path / "weights.npz") as file:
        net.load_state_dict(dict(file))
    _, valid, *_ = numpy_mnist._images("sample")
    loss, accuracy = numpy_mnist.evaluate(net, *valid)
    assert (loss, accuracy) == (result["final_valid_loss"], result["final_valid_accuracy"])


def test_the_stored_weights_fit_the_deep_network():
    with np.load(numpy_mnist.WEIGHTS) as file:
        listings.deep(nn).load_state_dict(dict(file))
    assert numpy_mnist.WEIGHTS.stat().st_size < 1e6


def test_a_turn_keeps_the_middle_and_moves_the_edge():
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = x[0, 0, 2, 4] = 1
    still = numpy_mnist.turned(x, 0.0, torch.Generator())
    torch.testing.assert_close(still, x)
    turned = numpy_mnist.turned(x, 60.0, torch.Generator().manual_seed(1))
    assert turned[0, 0, 2, 2] == pytest.approx(1)
    assert turned[0, 0, 2, 4] < 0.9

"""The benchmarks run and judge rightly; how fast they are is for the reader of their output."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torchvision import transforms

from benchmarks import (
    __main__,
    convolution,
    machine,
    numpy_step,
    ratios,
    residual,
    training,
    whole_batch,
)
from benchmarks.convolution import LAYERS
from lenet_course import data, models
from lenet_course.runs import Runs
from lenet_course.scratch import nn

ROOT = Path(__file__).parent.parent
SLOW = {"conv2d": 3.0, "loops": 300.0, "NumPy": 6.0, "whole batch": 24.0, "PyTorch": 1.0}
SLOW |= {"fit": 1.0, "tutorials' loop": 1.5, "bare steps": 0.5}
SLOW |= {"float32": 2.0, "tutorials' way": 3.0, "product": 0.01, "float32 product": 0.04}
SLOW |= {"tutorials' network": 0.5}
FAST = {"conv2d": 2.0, "loops": 500.0, "NumPy": 2.0, "whole batch": 11.0, "PyTorch": 1.0}
FAST |= {"float32": 2.5, "tutorials' way": 4.0, "product": 1.0, "float32 product": 5.0}
FAST |= {"fit": 1.0, "tutorials' loop": 2.0, "bare steps": 0.98}


def test_functions_take_turns():
    calls = []
    functions = {name: partial(calls.append, name) for name in "ab"}
    seconds = ratios.interleaved(functions, repeats=2)
    assert "".join(calls) == "ab" + "abab"
    assert all(time >= 0 for time in seconds.values())


@pytest.mark.parametrize(
    ("rows", "slow", "fast", "goals"),
    [
        (partial(convolution.ratios, "a layer"), [3, 100], [2, 250], ["at most 2", ""]),
        (training.ratios, [1.5, 0.5], [2, 0.98], ["at least 1.8", "at least 0.97"]),
        (residual.ratios, [2, 3, 4], [2.5, 4, 5], ["", "", ""]),
        (
            lambda seconds: numpy_step.ratios(deep=seconds, lenet=seconds),
            [4, 6, 6],
            [5.5, 2, 2],
            ["at least 5", "at most 3", "at most 2"],
        ),
    ],
)
def test_every_ratio_stands_the_right_way_up(rows, slow, fast, goals):
    for seconds, values, word in ((SLOW, slow, "does not hold"), (FAST, fast, "holds")):
        assert [row.value for row in rows(seconds)] == pytest.approx(values)
        assert [row.verdict for row in rows(seconds)] == [
            goal and f"{goal}: {word}" for goal in goals
        ]


def test_the_table_shows_both_times_the_ratio_and_the_verdict():
    row = ratios.Ratio("a layer", "conv2d", "PyTorch", {"conv2d": 0.004, "PyTorch": 0.001}, most=2)
    last = ratios.table("Speed", [row]).splitlines()[-1]
    cells = ["a layer", "conv2d 4.00 ms", "PyTorch 1.00 ms", "4.00", "at most 2: does not hold"]
    assert [cell.strip() for cell in last.split("  ") if cell] == cells


def test_all_benchmarks_print_results_and_nothing_else(capsys, monkeypatch):
    for module in (convolution, training, numpy_step, residual):
        monkeypatch.setattr(module, "measure", lambda *args: SLOW)
    monkeypatch.setattr(machine, "numpy_rate", lambda threads: 100.0 * threads)
    monkeypatch.setattr(machine, "torch_rate", lambda threads: 200.0 * threads)
    for name in ("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        monkeypatch.setenv(name, "1")
    assert __main__.main() is None  # the exit status is 0 whatever holds
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "NumPy     100 on one thread" in printed.out
    assert printed.out.count("does not hold") == 8
    assert all(layer in printed.out for layer in LAYERS)


def test_an_unknown_benchmark_names_the_known_ones():
    command = [sys.executable, "-m", "benchmarks", "training", "speed"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert (
        "no benchmark speed; there are: convolution, training, numpy_step, residual"
        in result.stderr
    )


def test_the_rate_of_products_is_measured(monkeypatch):
    monkeypatch.setattr(machine, "perf_counter", iter(range(100)).__next__)  # a second each
    assert machine.rate(machine.numpy_product(), repeats=3) == 2 * machine.SIZE**3 / 1e9
    monkeypatch.undo()
    threads = torch.get_num_threads()
    assert machine.torch_rate(1) > 0
    assert torch.get_num_threads() == threads
    assert machine.numpy_rate(1) > 0


ONE_LAYER = partial(convolution.measure, batch=1, repeats=1, loop_repeats=1)


@pytest.mark.parametrize(
    ("measure", "names"),
    [
        *((partial(ONE_LAYER, *layer), "conv2d loops PyTorch") for layer in LAYERS.values()),
        (partial(training.measure, n_images=64, repeats=1), "fit tutorials' loop bare steps"),
        (partial(numpy_step.measure, models.deep, 1, repeats=1), "NumPy whole batch PyTorch"),
        (
            partial(residual.measure, n_images=20, repeats=1, widths=[4], size=8),
            "fit float32 tutorials' way tutorials' network product float32 product",
        ),
    ],
)
def test_all_are_timed_without_a_word(measure, names, capfd):
    seconds = measure()
    assert sorted(" ".join(seconds).split()) == sorted(names.split())
    assert all(time > 0 for time in seconds.values())
    assert capfd.readouterr() == ("", "")


def test_the_three_steps_are_the_same_step():
    """What is timed beside each other must do the same work: three steps, the same losses."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 1, 28, 28)), rng.integers(0, 10, 4)
    ours, tutorials, theirs = (models.lenet(nn=library) for library in (nn, whole_batch, torch.nn))
    state = ours.state_dict()
    ours.double()
    tutorials.double().load_state_dict(state)
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    steps = [
        numpy_step.numpy_step(ours, x, y),
        numpy_step.numpy_step(tutorials, x, y),
        numpy_step.torch_step(theirs.double(), torch.from_numpy(x), torch.from_numpy(y)),
    ]
    losses = np.array([[step() for _ in range(3)] for step in steps])
    np.testing.assert_allclose(losses, losses[:1].repeat(3, axis=0), rtol=1e-8)
    assert losses[0, 2] < losses[0, 0]


def test_the_share_of_the_products_rate():
    """10 images in 2 s, 6 · 50 operations each: 1,500 a second; 2 · 10³ in 1 s: 2,000."""
    speed, rate, part = residual.share({"fit": 2.0, "product": 1.0}, 10, 50, size=10)
    assert (speed, rate, part) == (5, 1.5e-6, 0.75)


def test_the_fewest_epochs_that_reached_an_accuracy_on_all_images_are_found():
    def made(epochs, accuracies, **others):
        values = {"epochs": [epochs] * 2, "final_flip_test_accuracy": accuracies} | others
        return Runs((0, 1), {name: np.array(value) for name, value in values.items()})

    stored = {
        "short": made(3, [0.88, 0.94]),
        "long": made(9, [0.93, 0.95]),
        "judged on validation images": made(2, [0.95, 0.95], final_valid_accuracy=[0.9, 0.9]),
    }
    found = {goal: residual.epochs_to(goal, stored) for goal in (0.9, 0.92, 0.96)}
    assert found == {0.9: 3, 0.92: 9, 0.96: None}


def test_runs_of_fewer_epochs_count(tmp_path):
    for name, setting, epochs, accuracy in [
        ("fast.jsonl", "recipe", 8, 0.92),
        ("fast_shorter.jsonl", "in 5 epochs", 5, 0.91),
    ]:
        result = {"epochs": epochs, "final_flip_test_accuracy": accuracy}
        run = {"setting": setting, "seed": 0, "result": result, "about": {}}
        (tmp_path / name).write_text(json.dumps(run) + "\n", encoding="utf-8")
    stored = residual.stored_runs(tmp_path)
    assert [residual.epochs_to(goal, stored) for goal in (0.9, 0.915, 0.95)] == [5, 8, None]


def test_the_tutorials_way_sees_the_same_images():
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    steps = [transforms.ToTensor(), transforms.Normalize(residual.MEAN, residual.STD)]
    pictures = residual.Pictures(images, np.arange(3), transforms.Compose(steps))
    x, y = data.to_tensors(data.Split(images, np.arange(3)))
    (batch,) = DataLoader(pictures, batch_size=3)
    torch.testing.assert_close(batch[0], data.normalize(x, residual.MEAN, residual.STD))
    assert torch.equal(batch[1], y)

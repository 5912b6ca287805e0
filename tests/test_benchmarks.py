"""The benchmarks run; how fast they are is for the reader of their output."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks import conv, scratch_step, whole_batch
from benchmarks.timing import interleaved, machine
from lenet_course import listings
from lenet_course.scratch import nn

ROOT = Path(__file__).parent.parent


def test_functions_take_turns():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = interleaved(functions, repeats=2)
    assert "".join(calls) == "ab" + "abab"
    assert all(time >= 0 for time in seconds.values())


def test_every_convolution_is_timed():
    for seconds in conv.measure(batch=1, repeats=1, loop_repeats=1).values():
        assert set(seconds) == {"loops", "conv2d", "torch"}
        assert min(seconds.values()) > 0


def test_the_table_has_a_row_for_each_layer(capsys, monkeypatch):
    timed = {"loops": 1.0, "conv2d": 0.002, "torch": 0.0005}
    monkeypatch.setattr(conv, "measure", lambda: dict.fromkeys(conv.LAYERS, timed))
    conv.main()
    printed = capsys.readouterr().out
    assert all(layer in printed for layer in conv.LAYERS)
    assert printed.count("4.00") == 3
    assert "DOES NOT HOLD" in printed


def test_the_machine_is_named():
    assert "NumPy" in machine()


def test_an_unknown_benchmark_names_the_known_ones():
    command = [sys.executable, "-m", "benchmarks", "conv", "speed"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "no benchmark speed; there are: conv, training, scratch_step" in result.stderr


def test_the_three_steps_are_the_same_step():
    """What is timed beside each other must do the same work: three steps, the same losses."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 1, 28, 28)), rng.integers(0, 10, 4)
    ours, tutorials, theirs = (listings.lenet(library) for library in (nn, whole_batch, torch.nn))
    state = ours.state_dict()
    ours.double()
    tutorials.double().load_state_dict(state)
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    steps = [
        scratch_step.numpy_step(ours, x, y),
        scratch_step.numpy_step(tutorials, x, y),
        scratch_step.torch_step(theirs.double(), torch.from_numpy(x), torch.from_numpy(y)),
    ]
    losses = np.array([[step() for _ in range(3)] for step in steps])
    np.testing.assert_allclose(losses, losses[:1].repeat(3, axis=0), rtol=1e-8)
    assert losses[0, 2] < losses[0, 0]


def test_every_step_is_timed():
    seconds = scratch_step.measure(listings.deep, batch_size=1, repeats=1)
    assert set(seconds) == {"scratch", "whole batch", "torch"}


def test_the_verdicts_follow_the_ratios(capsys, monkeypatch):
    timed = {"scratch": 0.01, "whole batch": 0.03, "torch": 0.001}
    monkeypatch.setattr(scratch_step, "measure", lambda make, batch_size: timed)
    scratch_step.main()
    printed = capsys.readouterr().out
    assert printed.count("DOES NOT HOLD (10.00)") == 2
    assert "whole batch: DOES NOT HOLD (3.00)" in printed

"""The benchmarks run; how fast they are is for the reader of their output."""

import subprocess
import sys
from pathlib import Path

from benchmarks import conv
from benchmarks.timing import interleaved, machine

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
    assert "no benchmark speed; there are: conv, training" in result.stderr

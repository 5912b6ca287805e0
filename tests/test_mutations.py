"""The tests of the layers must fail when a layer is wrong.

Each mutation is one of the mistakes that tutorials make. It is applied to a copy of the package,
and the tests run against the copy.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lenet_course

TESTS = Path(__file__).parent
PACKAGE = Path(lenet_course.__file__).parent

# One process tests all copies, because importing PyTorch takes longer than the tests. Each copy
# is imported anew, and must not be the installed package by accident.
DRIVER = """
import json, os, sys
from pathlib import Path
import hypothesis, pytest, torch

outcomes = []
for folder, test_file, tests in json.loads(sys.argv[1]):
    os.chdir(folder)
    sys.path[0] = folder
    for name in list(sys.modules):
        if name.partition(".")[0] in ("lenet_course", Path(test_file).stem):
            del sys.modules[name]
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--tb=line", test_file, "-k", tests])
    imported = Path(sys.modules["lenet_course"].__file__)
    assert imported == Path(folder, "lenet_course", "__init__.py"), imported
    outcomes.append(int(code))
print(json.dumps(outcomes))
"""

MUTATIONS = {
    "output size K - H + 1": (
        "shapes.py",
        "return (padded - span) // stride + 1",
        "return (padded - span) // stride",
        "test_shapes.py",
        "test_output_size_of_known_cases",
    ),
    "window as large as the input": (
        "scratch/conv.py",
        "rows = slice(top, top + span_h, dilation_h)",
        "rows = slice(top, top + H, dilation_h)",
        "test_scratch.py",
        "test_conv2d_of_known_cases",
    ),
    "transposed kernel": (
        "scratch/conv.py",
        "kernels = weight.reshape(",
        "kernels = np.moveaxis(weight, 2, 3).reshape(",
        "test_scratch.py",
        "test_conv2d_of_known_cases",
    ),
    "bias left out": (
        "scratch/conv.py",
        "        y += bias[:, None]\n",
        "        pass\n",
        "test_scratch.py",
        "test_conv2d_of_known_cases",
    ),
    "dilation ignored": (
        "scratch/windows.py",
        "::stride_w, ::dilation_h, ::dilation_w]",
        "::stride_w, :KH, :KW]",
        "test_scratch.py",
        "test_conv2d_of_known_cases",
    ),
    "average for maximum": (
        "scratch/pool.py",
        "fill=-np.inf).max(",
        "fill=-np.inf).mean(",
        "test_scratch.py",
        "test_pooling_of_known_cases",
    ),
    "softmax with e^-x": (
        "scratch/activation.py",
        "powers = np.exp(x - x.max(axis=dim, keepdims=True))",
        "powers = np.exp(x.min(axis=dim, keepdims=True) - x)",
        "test_scratch.py",
        "test_softmax_along_any_axis",
    ),
    "cross-entropy over the batch axis": (
        "scratch/loss.py",
        "log_softmax(logits, dim=1)",
        "log_softmax(logits, dim=0)",
        "test_scratch.py",
        "test_cross_entropy",
    ),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Return pytest's exit code for each mutation, and for a copy without one."""
    jobs = {}
    for name, (file, right, wrong, test_file, tests) in MUTATIONS.items():
        folder = copy_package(tmp_path_factory.mktemp("mutation"), test_file)
        source = (folder / "lenet_course" / file).read_text(encoding="utf-8")
        assert source.count(right) == 1, f"{name}: {file} no longer reads {right!r}"
        mutated = source.replace(right, wrong)
        (folder / "lenet_course" / file).write_text(mutated, encoding="utf-8")
        jobs[name] = (str(folder), test_file, tests)
    for test_file in ("test_shapes.py", "test_scratch.py"):
        used = {tests for *_, file, tests in MUTATIONS.values() if file == test_file}
        folder = copy_package(tmp_path_factory.mktemp("original"), test_file)
        jobs[test_file] = (str(folder), test_file, " or ".join(sorted(used)))

    # nbval and its like take seconds to import and have nothing to do here
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    result = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(list(jobs.values()))],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return dict(zip(jobs, json.loads(result.stdout.splitlines()[-1]), strict=True))


def copy_package(folder, test_file):
    ignored = shutil.ignore_patterns("samples", "__pycache__")
    shutil.copytree(PACKAGE, folder / "lenet_course", ignore=ignored)
    shutil.copy(TESTS / test_file, folder)
    return folder.resolve()


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_wrong_layer_fails_its_tests(outcomes, name):
    assert outcomes[name] == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("test_file", ["test_shapes.py", "test_scratch.py"])
def test_the_right_layers_pass_the_same_tests(outcomes, test_file):
    assert outcomes[test_file] == pytest.ExitCode.OK

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
        "        y += bias[:, None, None]\n",
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
        "return _fold(np.maximum, _pooling_windows",
        "return _fold(np.minimum, _pooling_windows",
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
    "kernel not turned on the way back": (
        "scratch/conv.py",
        "turned = weight[:, :, ::-1, ::-1]",
        "turned = weight[:, :, :, :]",
        "test_scratch_backward.py",
        "test_conv2d_backward_of_known_cases",
    ),
    "stride forgotten on the way back": (
        "scratch/conv.py",
        "rows = slice(reach_h, reach_h + stride_h * (OH - 1) + 1, stride_h)",
        "rows = slice(reach_h, reach_h + OH)",
        "test_scratch_backward.py",
        "test_conv2d_backward_of_known_cases",
    ),
    "every one of equal maxima gets the gradient": (
        "scratch/pool.py",
        "        np.logical_and(free, ~largest, out=free)\n",
        "",
        "test_scratch_backward.py",
        "test_pooling_backward_of_random_cases",
    ),
    "relu overwrites its caller's gradient": (
        "scratch/activation.py",
        "return grad_y * (x > 0)",
        "grad_y[x <= 0] = 0; return grad_y",
        "test_scratch_backward.py",
        "test_activation_backward",
    ),
    "gradient of the sum, not of the mean": (
        "scratch/loss.py",
        "return gradient / N",
        "return gradient",
        "test_scratch_backward.py",
        "test_cross_entropy_backward",
    ),
    "gradient of the batch's statistics left out": (
        "scratch/batch_norm.py",
        "    if not given:\n        count",
        "    if False:\n        count",
        "test_scratch_backward.py",
        "test_batch_norm",
    ),
    "dropout without its factor": (
        "scratch/dropout.py",
        "0 if p == 1 else 1 / (1 - p)",
        "1",
        "test_scratch_backward.py",
        "test_dropout_keeps_the_mean_and_the_share",
    ),
    "gradients replaced instead of added": (
        "scratch/nn.py",
        "grad if self.grad is None else self.grad + grad",
        "grad",
        "test_scratch_nn.py",
        "test_gradients_add_up_until_they_are_forgotten",
    ),
    "Adam without its correction": (
        "scratch/optim.py",
        "correction = 1 - beta_1",
        "correction = 1 - 0 * beta_1",
        "test_scratch_optim.py",
        "test_a_hundred_steps_stay_with_torch",
    ),
    "decay in the gradient of AdamW": (
        "scratch/optim.py",
        "parameter.data *= 1 - self.lr * self.weight_decay",
        "parameter.grad = parameter.grad + self.weight_decay * parameter.data",
        "test_scratch_optim.py",
        "test_a_hundred_steps_stay_with_torch",
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
    for test_file in {test_file for *_, test_file, _ in MUTATIONS.values()}:
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
    for name in (test_file, "scratch_helpers.py"):
        shutil.copy(TESTS / name, folder)
    return folder.resolve()


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_wrong_layer_fails_its_tests(outcomes, name):
    assert outcomes[name] == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("test_file", sorted({file for *_, file, _ in MUTATIONS.values()}))
def test_the_right_layers_pass_the_same_tests(outcomes, test_file):
    assert outcomes[test_file] == pytest.ExitCode.OK

"""The tests must fail when the code is wrong.

Each mutation is one of the mistakes that tutorials make, or one that would change the book's
numbers. It is applied to a copy of the packages, and the tests run against the copy.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COPIED = ("lenet_course", "experiments", "benchmarks", "tools", "tests")

# One process tests all copies, because importing PyTorch takes longer than the tests. Each copy
# is imported anew, and must not be the installed package by accident.
DRIVER = f"""
import json, os, sys
from pathlib import Path
import hypothesis, pytest, torch

outcomes, path = [], sys.path[1:]
for folder, *tests in json.loads(sys.argv[1]):
    os.chdir(folder)
    sys.path[:] = [folder, *path]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if name.partition(".")[0] in {COPIED} or file.startswith(str(Path(folder).parent)):
            del sys.modules[name]
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--tb=line", *tests])
    imported = Path(sys.modules["lenet_course"].__file__)
    assert imported == Path(folder, "lenet_course", "__init__.py"), imported
    outcomes.append(int(code))
print(json.dumps(outcomes))
"""

FUNCTIONAL = "lenet_course/scratch/functional.py"
LAYERS = {
    "output size K - H + 1": (
        "lenet_course/shapes.py",
        "return (padded - span) // stride + 1",
        "return (padded - span) // stride",
        "test_shapes.py::test_output_size_of_known_cases",
    ),
    "window as large as the input": (
        FUNCTIONAL,
        "rows = slice(top, top + span_h, dilation_h)",
        "rows = slice(top, top + x.shape[2], dilation_h)",
        "test_scratch.py::test_conv2d_of_known_cases",
    ),
    "transposed kernel": (
        FUNCTIONAL,
        "*places), x.dtype)\n    kernels = weight.reshape(",
        "*places), x.dtype)\n    kernels = np.moveaxis(weight, 2, 3).reshape(",
        "test_scratch.py::test_conv2d_of_known_cases",
    ),
    "bias left out": (
        FUNCTIONAL,
        "                out[n, c_out] += bias[c_out]\n",
        "                pass\n",
        "test_scratch.py::test_conv2d_of_known_cases",
    ),
    "dilation ignored": (
        "lenet_course/scratch/arrays.py",
        "::stride_w, ::dilation_h, ::dilation_w]",
        "::stride_w, :KH, :KW]",
        "test_scratch.py::test_conv2d_of_known_cases",
    ),
    "minimum for maximum": (
        FUNCTIONAL,
        "return _fold(np.maximum, views)",
        "return _fold(np.minimum, views)",
        "test_scratch.py::test_pooling_of_known_cases",
    ),
    "softmax with e^-x": (
        FUNCTIONAL,
        "powers = np.exp(x - x.max(axis=dim, keepdims=True))",
        "powers = np.exp(x.min(axis=dim, keepdims=True) - x)",
        "test_scratch.py::test_softmax_along_any_axis",
    ),
    "cross-entropy over the batch axis": (
        FUNCTIONAL,
        "log_softmax(logits, dim=1)",
        "log_softmax(logits, dim=0)",
        "test_scratch.py::test_cross_entropy",
    ),
    "kernel turned in the backward pass": (
        FUNCTIONAL,
        "np.matmul(kernels.T, gradients",
        "np.matmul(kernels[:, ::-1].T, gradients",
        "test_scratch_backward.py::test_conv2d_backward_of_known_cases",
    ),
    "overlapping windows overwrite their gradients": (
        FUNCTIONAL,
        "self.windows[:, :, kh, kw] += self",
        "self.windows[:, :, kh, kw] = self",
        "test_scratch_backward.py::test_conv2d_backward_of_known_cases",
    ),
    "every one of equal maxima gets the gradient": (
        FUNCTIONAL,
        "        largest &= waiting\n",
        "",
        "test_scratch_backward.py::test_pooling_backward_of_random_cases",
    ),
    "relu overwrites its caller's gradient": (
        FUNCTIONAL,
        "return grad_output * (x > 0)",
        "grad_output[x <= 0] = 0; return grad_output",
        "test_scratch_backward.py::test_activation_backward",
    ),
    "gradient of the sum, not of the mean": (
        FUNCTIONAL,
        "return gradient / len(logits)",
        "return gradient",
        "test_scratch_backward.py::test_cross_entropy_backward",
    ),
    "gradient of the batch's statistics left out": (
        FUNCTIONAL,
        "    if of_the_batch:\n",
        "    if False:\n",
        "test_scratch_backward.py::test_batch_norm",
    ),
    "dropout without its factor": (
        FUNCTIONAL,
        "0 if p == 1 else 1 / (1 - p)",
        "1",
        "test_scratch_backward.py::test_dropout_keeps_the_mean_and_the_share",
    ),
    "gradients replaced instead of added": (
        "lenet_course/scratch/nn.py",
        "grad if self.grad is None else self.grad + grad",
        "grad",
        "test_scratch_nn.py::test_gradients_add_up_until_they_are_forgotten",
    ),
    "Adam without its correction": (
        "lenet_course/scratch/optim.py",
        "correction = 1 - beta_1",
        "correction = 1 - 0 * beta_1",
        "test_scratch_optim.py::test_a_hundred_steps_stay_with_torch",
    ),
    "decay in the gradient of AdamW": (
        "lenet_course/scratch/optim.py",
        "parameter.data *= 1 - self.lr * self.weight_decay",
        "parameter.grad = parameter.grad + self.weight_decay * parameter.data",
        "test_scratch_optim.py::test_a_hundred_steps_stay_with_torch",
    ),
}

CIFAR, NUMPY = "experiments/cifar10.py", "experiments/numpy_mnist.py"
SPLITS = "test_experiments.py::test_the_three_parts_are_disjoint_whole_and_normalized"
LOOP = "test_experiments.py::test_a_training_equals_the_loop_written_out"
NUMPY_LOOP = "test_experiments.py::test_a_training_in_numpy_equals_the_loop_written_out"
TRAININGS = {
    "validation images from the test set": (CIFAR, "cifar.valid", "cifar.test", SPLITS),
    "images not normalized": (CIFAR, "gray=gray,", "gray=gray, normalize=False,", SPLITS),
    "images normalized twice": (
        CIFAR,
        "{name: (x.to(",
        "{name: (data.normalize(x, cifar.mean, cifar.std).to(",
        SPLITS,
    ),
    "images not shuffled": (CIFAR, "shuffle=True", "shuffle=False", LOOP),
    "an order that ignores the seed": (
        CIFAR,
        "Generator().manual_seed(seed)",
        "Generator().manual_seed(0)",
        LOOP,
    ),
    "first weights that ignore the seed": (CIFAR, "seed=seed, **", "seed=0, **", LOOP),
    "dropout that ignores the seed": (CIFAR, "  torch.manual_seed(seed)", "  pass", LOOP),
    "training scores on validation images": (
        CIFAR,
        "    for name, (x, y) in images.items():\n",
        "    for name, (x, y) in (images | {'train': images['valid']}).items():\n",
        LOOP,
    ),
    "curves of the test set": (CIFAR, '*images["valid"], 1000', '*images["test"], 1000', LOOP),
    "augmentation left out": (
        CIFAR,
        "data.flip_and_crop if setting.augment else None",
        "None",
        LOOP,
    ),
    "a schedule that never steps": (CIFAR, "schedule=schedule", "schedule=None", LOOP),
    "no label smoothing": (CIFAR, "label_smoothing=setting.label_smoothing", "", LOOP),
    "one cycle without weight decay": (
        "lenet_course/train.py",
        "weight_decay=weight_decay, fused",
        "weight_decay=0.0, fused",
        LOOP,
    ),
    "another peak of the one cycle": (
        "lenet_course/train.py",
        "total_steps=steps)",
        "total_steps=steps, pct_start=0.2)",
        LOOP,
    ),
    "no zero_grad in NumPy": (NUMPY, "            optimizer.zero_grad()\n", "", NUMPY_LOOP),
    "no schedule in NumPy": (NUMPY, "            schedule.step()\n", "", NUMPY_LOOP),
    "order that ignores the seed in NumPy": (
        NUMPY,
        "    generator = torch.Generator().manual_seed(seed)",
        "    generator = torch.Generator().manual_seed(0)",
        NUMPY_LOOP,
    ),
    "NumPy's evaluation in training mode": (NUMPY, "net.eval()", "net.train()", NUMPY_LOOP),
    "degrees for radians": (
        NUMPY,
        "torch.deg2rad(",
        "(",
        "test_experiments.py::test_a_turn_is_by_an_angle_in_degrees",
    ),
    "a runner that never skips a stored run": (
        "experiments/__main__.py",
        "if (setting, seed) in done:",
        "if False:",
        "test_experiments.py::test_the_runner_trains_and_stores_what_is_missing",
    ),
    "a run glued to half a line": (
        "experiments/store.py",
        '    end_line(path)\n    record = {"',
        '    record = {"',
        "test_experiments.py::test_a_run_is_not_glued_to_an_unfinished_line",
    ),
    "an interrupted training stored as a run": (
        CIFAR,
        "        raise KeyboardInterrupt\n",
        "        pass\n",
        "test_experiments.py::test_an_interrupted_training_is_no_run",
    ),
    "standard deviation over all and not n - 1": (
        "lenet_course/runs.py",
        "ddof=1",
        "ddof=0",
        "test_runs.py::test_mean_and_standard_deviation_are_over_the_seeds",
    ),
}

OTHERS = {
    "cifar_lenet ignores dropout": (
        "lenet_course/models.py",
        "[nn.Dropout(dropout)] if dropout else []",
        "[]",
        "test_models.py::test_each_network_has_these_layers",
    ),
    "a network with another dropout": (
        "lenet_course/models.py",
        "nn.Dropout(0.5)",
        "nn.Dropout(0.1)",
        "test_models.py::test_each_network_has_these_layers",
    ),
    "statistics of the validation images": (
        "lenet_course/data/tensors.py",
        "stats = channel_stats(x)",
        "stats = channel_stats(x_valid)",
        SPLITS,
    ),
    "medians drawn for means": (
        "lenet_course/plots.py",
        "means = [np.mean(values) for",
        "means = [np.median(values) for",
        "test_plots.py::test_run_points_have_a_row_each_with_dots_a_mean_and_a_bar",
    ),
    "a benchmark's ratio upside down": (
        "benchmarks/ratios.py",
        "self.seconds[self.first] / self.seconds[self.second]",
        "self.seconds[self.second] / self.seconds[self.first]",
        "test_benchmarks.py::test_every_ratio_stands_the_right_way_up",
    ),
    "stderr kept in a stored notebook": (
        "tools/execute_notebooks.py",
        'if out.get("name") != "stderr"',
        "if True",
        "test_execute_notebooks.py::test_a_stored_notebook",
    ),
}

MUTATIONS = LAYERS | TRAININGS | OTHERS


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Return pytest's exit code for each mutation, and under None for a copy without any."""
    folder, jobs = tmp_path_factory.mktemp("mutations").resolve(), {}
    for number, (name, (file, right, wrong, test)) in enumerate(MUTATIONS.items()):
        copy = copy_packages(folder / str(number))
        source = (copy / file).read_text(encoding="utf-8")
        assert source.count(right) == 1, f"{name}: {file} no longer reads {right!r}"
        (copy / file).write_text(source.replace(right, wrong), encoding="utf-8")
        jobs[name] = (str(copy), f"tests/{test}")
    original = copy_packages(folder / "original")
    tests = {test for *_, test in MUTATIONS.values()}
    jobs[None] = (str(original), *(f"tests/{test}" for test in sorted(tests)))

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


def copy_packages(folder):
    ignored = shutil.ignore_patterns("samples", "results", "browser", "__pycache__")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mistake_fails_its_test(outcomes, name):
    assert outcomes[name] == pytest.ExitCode.TESTS_FAILED


def test_the_same_tests_pass_without_a_mistake(outcomes):
    assert outcomes[None] == pytest.ExitCode.OK

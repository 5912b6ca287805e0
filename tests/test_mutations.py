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

pytestmark = pytest.mark.skipif(
    os.environ.get("LENET_COURSE_DATA") != "full", reason="takes minutes: needs full data"
)

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
    imported = [sys.modules[name].__spec__ for name in {COPIED} if name in sys.modules]
    places = [place for spec in imported for place in spec.submodule_search_locations]
    assert places and all(Path(place).parent == Path(folder) for place in places), places
    outcomes.append(int(code))
print(json.dumps(outcomes))
"""

SCRATCH, FUNCTIONAL = "lenet_course/scratch", "lenet_course/scratch/functional.py"
SEVERAL = "lenet_course/distributed/training.py"
TRAIN, TENSORS = "lenet_course/train/fitting.py", "lenet_course/data/tensors.py"
COMPARE = "lenet_course/compare.py"
VGG, INCEPTION = "lenet_course/models/vgg.py", "lenet_course/models/inception.py"
CHECKPOINT = "lenet_course/checkpoint.py"
CIFAR, NUMPY = "experiments/cifar10.py", "experiments/numpy_mnist.py"
TRAINING, GRAY = "experiments/training.py", "experiments/gray.py"
COLOR, RESNET = "experiments/color.py", "lenet_course/models/resnet.py"
LENET_1998 = "lenet_course/models/lenet5_1998.py"
SPLITS = "experiments.py::test_the_three_parts_are_disjoint_whole_and_normalized"
LOOP = "experiments.py::test_a_training_equals_the_loop_written_out"
GRAY_LOOP = "experiments.py::test_a_training_on_gray_images_equals_the_loop_written_out"
COLOR_LOOP = "experiments.py::test_a_training_on_color_images_equals_the_loop_written_out"
NUMPY_LOOP = "experiments.py::test_a_training_in_numpy_equals_the_loop_written_out"
# By the test that must fail: the mistake, its file, and what is replaced by what.
MISTAKES = {
    "chapter_drawings.py::test_anatomy_leads_the_neuron_to_its_place_and_the_weights_to_the_"
    "highest_score": [
        (
            "lines to the lowest score",
            "lenet_course/chapters/first_look.py",
            "ends[scores.argmax()]",
            "ends[scores.argmin()]",
        ),
    ],
    "shapes.py::test_output_size_of_known_cases": [
        ("output size K - H + 1", "lenet_course/shapes.py", "// stride + 1", "// stride"),
    ],
    "scratch.py::test_conv2d_of_known_cases": [
        ("dilation ignored", f"{SCRATCH}/arrays.py", "::dilation_h, ::dilation_w]", ":KH, :KW]"),
        ("window as large as the input", FUNCTIONAL, "top + span_h", "top + x.shape[2]"),
        (
            "transposed kernel",
            FUNCTIONAL,
            "x.dtype)\n    kernels = weight.reshape(",
            "x.dtype)\n    kernels = np.moveaxis(weight, 2, 3).reshape(",
        ),
        ("bias left out", FUNCTIONAL, "out[n, c_out] += bias[c_out]", "pass"),
        ("kernel turned on the way back", FUNCTIONAL, "kernels.T, g", "kernels[:, ::-1].T, g"),
        ("overlapping windows overwrite", FUNCTIONAL, "kh, kw] += self", "kh, kw] = self"),
    ],
    "scratch.py::test_pooling_of_any_geometry": [
        ("minimum for maximum", FUNCTIONAL, "return _fold(np.maximum", "return _fold(np.minimum"),
        ("every one of equal maxima gets the gradient", FUNCTIONAL, "largest &= waiting", "pass"),
    ],
    "scratch.py::test_activations": [
        (
            "relu overwrites its caller's gradient",
            FUNCTIONAL,
            "return grad_output * ~(x <= 0)",
            "grad_output[x <= 0] = 0; return grad_output",
        ),
    ],
    "scratch.py::test_softmax_along_any_axis": [
        ("softmax with e^-x", FUNCTIONAL, "np.exp(x - x.max(", "np.exp(-x - (-x).max("),
    ],
    "scratch.py::test_cross_entropy": [
        ("cross-entropy over the batch axis", FUNCTIONAL, "(logits, dim=1)[", "(logits, dim=0)["),
        ("gradient of the sum, not of the mean", FUNCTIONAL, "gradient / len(logits)", "gradient"),
    ],
    "scratch.py::test_batch_norm": [
        ("gradient without the batch's statistics", FUNCTIONAL, "if of_the_batch:", "if False:"),
    ],
    "scratch.py::test_dropout_keeps_the_mean_and_the_share": [
        ("dropout without its factor", FUNCTIONAL, "0 if p == 1 else 1 / (1 - p)", "1"),
    ],
    "scratch_nn.py::test_gradients_add_up_until_they_are_forgotten": [
        ("gradients replaced, not added", f"{SCRATCH}/nn.py", "else self.grad + grad", "else grad"),
    ],
    "scratch_optim.py::test_a_hundred_steps_stay_with_torch": [
        ("Adam without its correction", f"{SCRATCH}/optim.py", "= 1 - beta_1", "= 1 - 0 * beta_1"),
        (
            "decay in the gradient of AdamW",
            f"{SCRATCH}/optim.py",
            "parameter.data *= 1 - self.lr * self.weight_decay",
            "parameter.grad = parameter.grad + self.weight_decay * parameter.data",
        ),
    ],
    SPLITS: [
        ("validation images from the test set", CIFAR, "cifar.valid", "cifar.test"),
        ("images not normalized", CIFAR, "gray=gray,", "gray=gray, normalize=False,"),
        (
            "images normalized twice",
            CIFAR,
            "{name: (p[0].to(",
            "{name: (data.normalize(p[0], cifar.mean, cifar.std).to(",
        ),
        ("statistics of other images", TENSORS, "= channel_stats(x)", "= channel_stats(x_valid)"),
    ],
    LOOP: [
        ("images not shuffled", TRAINING, "shuffle=True", "shuffle=False"),
        ("an order that ignores the seed", TRAINING, "().manual_seed(seed)", "().manual_seed(0)"),
        ("first weights that ignore the seed", CIFAR, "seed=seed, **", "seed=0, **"),
        ("dropout that ignores the seed", TRAINING, "  torch.manual_seed(seed)", "  pass"),
        (
            "training scores on validation images",
            TRAINING,
            "in images.items():",
            "in (images | {'train': images['valid']}).items():",
        ),
        ("curves of the test set", TRAINING, 'images.get("valid")', 'images.get("test")'),
        ("augmentation left out", CIFAR, "data.flip_and_crop if setting.augment else None", "None"),
        ("a schedule that never steps", TRAINING, "schedule=schedule", "schedule=None"),
        ("no label smoothing", TRAINING, "label_smoothing=setting.label_smoothing", ""),
        ("one cycle without weight decay", TRAIN, "decay=weight_decay, fused", "decay=0.0, fused"),
        ("another peak of the one cycle", TRAIN, "steps=steps)", "steps=steps, pct_start=0.2)"),
    ],
    GRAY_LOOP: [
        ("Xavier's rule without the seed", GRAY, "_(weight, generator=generator)", "_(weight)"),
        (
            "plain SGD with another rate",
            TRAINING,
            "SGD(net.parameters(), lr=rate",
            "SGD(net.parameters()",
        ),
        ("answers in another order", GRAY, "images[name][0]", "images[name][0].flip(0)"),
        ("gray moves in, not black", GRAY, ", value=x.min().item()", ""),
    ],
    COLOR_LOOP: [
        ("Nesterov's momentum left out", TRAINING, "nesterov=True", "nesterov=False"),
        ("a momentum that cycles", TRAINING, ", cycle_momentum=False", ""),
        ("a first layer that is not whitened", COLOR, "if setting.whitened", "if False"),
    ],
    "precision.py::test_a_training_in_bfloat16_learns_as_one_in_float32_does": [
        (
            "weights rounded once a training",
            "lenet_course/precision.py",
            "enabled=False",
            "enabled=True",
        ),
    ],
    "resnet.py::test_a_residual_block_with_a_body_of_zeros_gives_its_input": [
        ("no shortcut", RESNET, "self.shortcut(x) + self.body(x)", "self.body(x)"),
    ],
    "resnet.py::test_the_widest_axes_come_first_and_eps_bounds_the_narrow_ones": [
        ("the narrowest axes of patches", RESNET, "axes.T.flip(0)", "axes.T"),
    ],
    NUMPY_LOOP: [
        ("no zero_grad in NumPy", NUMPY, "self.optimizer.zero_grad()", "pass"),
        (
            "no schedule in NumPy",
            NUMPY,
            "schedule.step()\n                yield",
            "schedule.steps += 1\n                yield",
        ),
        ("an order without the seed in NumPy", NUMPY, "().manual_seed(seed)", "().manual_seed(0)"),
        ("NumPy's evaluation in training mode", NUMPY, "net.eval()", "net.train()"),
    ],
    "experiments.py::test_a_turn_is_by_an_angle_in_degrees": [
        ("degrees for radians", NUMPY, "torch.deg2rad(", "("),
    ],
    "experiments.py::test_the_runner_trains_and_stores_what_is_missing": [
        ("every run again", "experiments/__main__.py", "(setting, seed) in done", "False"),
    ],
    "experiments.py::test_a_run_is_not_glued_to_an_unfinished_line": [
        ("a run glued to half a line", "experiments/store.py", "end_line(path)\n    rec", "rec"),
    ],
    "experiments.py::test_an_interrupted_training_is_no_run": [
        ("an interrupted training stored as a run", TRAINING, "raise KeyboardInterrupt", "pass"),
    ],
    "experiments.py::test_a_small_training_set_is_drawn_by_the_seed": [
        (
            "every seed with the same images",
            GRAY,
            "torch.Generator().manual_seed(seed)\n        chosen",
            "torch.Generator().manual_seed(0)\n        chosen",
        ),
    ],
    "checkpoint.py::test_ctrl_c_and_the_same_call_again": [
        (
            "the order of the batches begins anew",
            TRAIN,
            'getattr(train_batches, "generator", None),',
            "None,",
        ),
        ("dropout begins anew", CHECKPOINT, 'parts | {f"random', 'parts or {f"random'),
        (
            "the order in memory is lost",
            CHECKPOINT,
            'torch.empty_strided(value.shape, tree["stride"], dtype=value.dtype).copy_(value)',
            "value",
        ),
    ],
    "train.py::test_a_callback_sees_each_step_and_each_epoch": [
        (
            "no gradients for the callback",
            TRAIN,
            "        self.steps += 1",
            "        self.optimizer.zero_grad()\n        self.steps += 1",
        ),
    ],
    "distributed.py::test_together_the_processes_see_the_batches_of_one": [
        ("every process takes the first share", SEVERAL, ")[self.rank].to", ")[0].to"),
        ("every epoch in the same order", SEVERAL, "range(number + 1)", "range(1)"),
    ],
    "distributed.py::test_a_training_that_is_longer_goes_on_and_a_finished_one_stays": [
        (
            "a restart without the optimizer's memory",
            SEVERAL,
            'optimizer.load_state_dict(state["optimizer"])',
            "pass",
        ),
    ],
    "runs.py::test_mean_and_standard_deviation_are_over_the_seeds": [
        ("standard deviation over n, not n - 1", "lenet_course/runs.py", "ddof=1", "ddof=0"),
    ],
    "compare.py::test_recipes_adds_the_variances_of_seeds_and_images": [
        ("test images without a variance", COMPARE, "mean(), images, *", "mean(), *"),
    ],
    "compare.py::test_difference_is_welchs": [
        ("a normal quantile for that of t", COMPARE, "stats.t.ppf((1 + LEVEL) / 2, df)", "Z"),
    ],
    "compare.py::test_same_images_by_hand": [
        (
            "an interval as if the two had seen other images",
            COMPARE,
            "share_a, share_b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)",
            "share_a, share_b = (right_a.sum() + 1) / (n + 2), (right_b.sum() + 1) / (n + 2)",
        ),
    ],
    "compare.py::test_holm_is_his_rule_at_every_level": [
        ("Holm that may fall again", COMPARE, "np.maximum.accumulate(steps)", "steps"),
    ],
    "models.py::test_each_network_has_these_layers": [
        (
            "no dropout",
            "lenet_course/models/lenet.py",
            "[nn.Dropout(dropout)] if dropout else []",
            "[]",
        ),
        ("another dropout", "lenet_course/models/deep.py", "nn.Dropout(0.5)", "nn.Dropout(0.1)"),
    ],
    "lenet5_1998.py::test_subsampling_adds_four_numbers_and_scales_the_sum": [
        ("a mean where 1998 had a sum", LENET_1998, "4 * F.avg_pool2d", "F.avg_pool2d"),
    ],
    "lenet5_1998.py::test_the_criterion_is_equation_9": [
        ("a rubbish class that attracts", LENET_1998, '-real_number("j"', 'real_number("j"'),
    ],
    "models_deeper.py::test_weights_of_a_stack_are_those_of_he_or_xavier": [
        ("Xavier's weights for ReLU", VGG, 'if activation == "relu"', "if False"),
    ],
    "models_deeper.py::test_an_inception_block_stacks_four_branches": [
        ("3×3 for 5×5", INCEPTION, "(narrow, share, 5)", "(narrow, share, 3)"),
    ],
    "plots.py::test_run_points_have_a_row_each_with_dots_a_mean_and_a_bar": [
        ("medians for means", "lenet_course/plots.py", "means = [np.mean(", "means = [np.median("),
    ],
    "benchmarks.py::test_every_ratio_stands_the_right_way_up": [
        (
            "a benchmark's ratio upside down",
            "benchmarks/ratios.py",
            "self.seconds[self.first] / self.seconds[self.second]",
            "self.seconds[self.second] / self.seconds[self.first]",
        ),
    ],
    "watch.py::test_the_numbers_of_each_step_are_the_training_s": [
        (
            "update divided by the new weight",
            "lenet_course/train/watch.py",
            "norm() / before.norm()",
            "norm() / weights[name].norm()",
        ),
        ("the rate of another step", "lenet_course/train/watch.py", "rate, step + 1", "rate, step"),
    ],
    "execute_notebooks.py::test_a_stored_notebook": [
        ("stderr is kept", "tools/execute_notebooks.py", 'out.get("name") != "stderr"', "True"),
    ],
}
MUTATIONS = {
    name: (*change, f"tests/test_{test}")
    for test, mistakes in MISTAKES.items()
    for name, *change in mistakes
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Return pytest's exit code for each mutation, and under None for a copy without any."""
    folder, jobs = tmp_path_factory.mktemp("mutations").resolve(), {}
    for number, (name, (file, right, wrong, test)) in enumerate(MUTATIONS.items()):
        copy = copy_packages(folder / str(number))
        source = (copy / file).read_text(encoding="utf-8")
        assert source.count(right) == 1, f"{name}: {file} no longer reads {right!r}"
        (copy / file).write_text(source.replace(right, wrong), encoding="utf-8")
        jobs[name] = (str(copy), test)
    original = copy_packages(folder / "original")
    tests = {test for *_, test in MUTATIONS.values()}
    jobs[None] = (str(original), *sorted(tests))

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

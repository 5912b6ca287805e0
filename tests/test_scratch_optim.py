"""Optimizers and the schedule in NumPy: a hundred steps along torch.optim's trajectories."""

import inspect

import numpy as np
import pytest
import torch

from lenet_course.scratch import optim
from lenet_course.scratch.nn import Parameter

CASES = {
    "SGD": ("SGD", {"lr": 0.01}),
    "weight decay": ("SGD", {"lr": 0.01, "weight_decay": 0.1}),
    "momentum": ("SGD", {"lr": 0.01, "momentum": 0.9}),
    "Nesterov": ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "Adagrad": ("Adagrad", {"lr": 0.1, "weight_decay": 0.1}),
    "Adagrad, large eps": ("Adagrad", {"lr": 0.1, "eps": 0.1}),
    "RMSprop": ("RMSprop", {"lr": 0.01}),
    "RMSprop, large eps": ("RMSprop", {"lr": 0.01, "eps": 0.1}),
    "RMSprop with momentum": ("RMSprop", {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1}),
    "Adam": ("Adam", {"lr": 0.05}),
    "Adam, large eps": ("Adam", {"lr": 0.05, "eps": 0.1}),
    "Adam with decay": ("Adam", {"lr": 0.05, "weight_decay": 0.1, "betas": (0.8, 0.99)}),
    "AdamW": ("AdamW", {"lr": 0.05, "weight_decay": 0.1}),
}
DEFAULTS = ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW"]
P = Parameter(np.ones(1))
THEIRS = [torch.nn.Parameter(torch.ones(1))]


def start():
    rng = np.random.default_rng(0)
    return rng.standard_normal((4, 3)), rng.standard_normal(5)


def slope(data, step):
    """A valley that is steep in some directions and flat in others, and a little rough."""
    stiffness = np.logspace(-1, 1, data.size).reshape(data.shape)
    return stiffness * data + 0.1 * np.sin(step + np.arange(data.size)).reshape(data.shape)


def trajectories(name, arguments, steps=100, schedule=None):
    """Take the same steps in both libraries, compare each one, and give the distance gone."""
    ours = [Parameter(data.copy()) for data in start()]
    theirs = [torch.nn.Parameter(torch.from_numpy(data.copy())) for data in start()]
    mine = getattr(optim, name)(ours, **arguments)
    their = getattr(torch.optim, name)(theirs, **arguments)
    schedules = schedule and (
        optim.OneCycleLR(mine, **schedule),
        torch.optim.lr_scheduler.OneCycleLR(their, **schedule),
    )
    for step in range(steps):
        (group,) = their.param_groups
        assert mine.lr == pytest.approx(group["lr"])
        names = {"momentum", "betas", "alpha", "eps", "weight_decay"}
        for key in names & vars(mine).keys() & group.keys():
            assert getattr(mine, key) == pytest.approx(group[key], abs=0)
        for one, other in zip(ours, theirs, strict=True):
            one.grad = slope(one.data, step)
            other.grad = torch.from_numpy(slope(other.detach().numpy(), step))
        mine.step()
        their.step()
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one.data, other.detach().numpy(), rtol=1e-6, atol=1e-6)
        for each in schedules or ():
            each.step()
    if schedules:
        assert schedules[0].get_last_lr() == pytest.approx(schedules[1].get_last_lr())
        with pytest.raises(ValueError, match=f"made for {steps} steps, not for more"):
            schedules[0].step()
    return np.abs(ours[0].data - start()[0]).max()


@pytest.mark.parametrize("case", CASES)
def test_a_hundred_steps_stay_with_torch(case):
    assert trajectories(*CASES[case]) > 0.05  # it went somewhere


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_defaults_are_torchs(name):
    assert trajectories(name, {"lr": 0.1} if name == "SGD" else {}) > 0.05


@pytest.mark.parametrize("case", ["SGD", "momentum", "AdamW"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 10, 97])
def test_one_cycle(case, steps):
    trajectories(*CASES[case], steps, {"max_lr": 0.05, "total_steps": steps})


def test_a_parameter_without_gradient_stays():
    still, moved = Parameter(np.ones(2)), Parameter(np.ones(2))
    optimizer = optim.Adam([still, moved], lr=0.1)
    moved.grad = np.ones(2)
    optimizer.step()
    assert (still.data == 1).all()
    assert (moved.data < 1).all()
    optimizer.zero_grad()
    assert moved.grad is None


@pytest.mark.parametrize("case", CASES)
def test_float32_stays_float32_and_the_gradient_as_it_was(case):
    name, arguments = CASES[case]
    parameter = Parameter(np.ones(2, np.float32))
    parameter.grad = np.ones(2, np.float32)
    optimizer = getattr(optim, name)([parameter], **arguments)
    for _ in range(3):
        optimizer.step()
    assert (parameter.grad == 1).all()
    kept = [value for value in optimizer.state[0].values() if isinstance(value, np.ndarray)]
    assert all(array.dtype == np.float32 for array in [parameter.data, *kept])


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_number_has_a_range(name):
    make = getattr(optim, name)
    for argument, given in inspect.signature(make).parameters.items():
        if isinstance(given.default, float):
            wrong = [-1, np.nan, np.inf] + [1] * (argument in ("momentum", "alpha"))
            for value in wrong:
                with pytest.raises(ValueError, match=f"{argument}={value} is out of range"):
                    make([P], **{argument: value})
            with pytest.raises(TypeError, match=f"{argument}='0.1' is not a number"):
                make([P], **{argument: "0.1"})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: optim.SGD([]), ValueError, r"net.parameters\(\)"),
        (lambda: optim.SGD([np.ones(2)]), ValueError, "at least one Parameter"),
        (lambda: optim.SGD([P], nesterov=True), ValueError, "momentum=0.0; give one"),
        (lambda: optim.Adam([P], betas=(0.9, 1)), ValueError, r"betas\[1\]=1 .* from 0 to 1"),
        (lambda: optim.AdamW([P], betas=(-0.1, 0.9)), ValueError, r"betas\[0\]=-0.1"),
        (lambda: optim.Adam([P], betas=0.9), ValueError, "betas=0.9 must be two numbers"),
        (lambda: optim.Adam([P], betas=(0.9,)), ValueError, r"betas=\(0.9,\) must be two numbers"),
        (lambda: optim.Adam([P]).step(), RuntimeError, "call net.backward"),
        (lambda: optim.OneCycleLR(optim.Adam([P]), 0.1, 0), ValueError, "total_steps=0"),
        (lambda: optim.OneCycleLR(optim.Adam([P]), 0.1, 2.5), TypeError, "total_steps=2.5"),
        (lambda: optim.OneCycleLR(optim.Adam([P]), np.nan, 2), ValueError, "max_lr=nan"),
        (lambda: optim.OneCycleLR(torch.optim.SGD(THEIRS), 0.1, 2), TypeError, "of scratch.optim"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_gradient_that_would_broadcast_is_refused():
    parameter = Parameter(np.ones((2, 3)))
    parameter.grad = np.ones(3)
    with pytest.raises(ValueError, match=r"Parameter\(shape=\(2, 3\).* has the shape \(3,\)"):
        optim.SGD([parameter]).step()
    assert (parameter.data == 1).all()


def test_every_kind_of_number_is_a_rate():
    optimizer = optim.SGD([P], lr=np.float64(0.5))
    assert type(optimizer.lr) is float  # a float64 would turn the steps of float32 to float64
    schedule = optim.OneCycleLR(optimizer, np.float32(0.5), np.int64(10))
    assert schedule.get_last_lr() == pytest.approx([0.5 / 25])
    assert type(schedule.get_last_lr()[0]) is float

"""The checker of gradients finds what is wrong, and says where."""

import numpy as np
import pytest
from scratch_helpers import unchanged

from lenet_course.scratch import nn
from lenet_course.scratch.gradcheck import compare, gradcheck, numerical_gradient

RNG = np.random.default_rng


class Forgetful(nn.Linear):
    """A linear layer with one wrong element in its weight's gradient."""

    def _backward(self, grad_output):
        grad_x = super()._backward(grad_output)
        self.weight.grad[1, 2] *= 1.01
        return grad_x


def test_it_finds_the_one_wrong_element():
    report = gradcheck(Forgetful(4, 3).double(), RNG(0).standard_normal((5, 4)), RNG(1))
    assert not report.passed
    assert (report.name, report.index) == ("weight", (1, 2))
    assert str(report).startswith("✘ 35 elements; the worst is weight[1, 2]: computed ")


@pytest.mark.parametrize("names", ["xw", "wx"])
def test_a_gradient_that_is_nan_does_not_pass(names):
    computed = {"x": np.array([np.nan, 1.0]), "w": np.array([2.0])}
    report = compare(computed, {name: np.ones_like(computed[name]) for name in names})
    assert not report.passed
    assert (report.name, report.index) == ("x", (0,))


def test_it_leaves_input_weights_and_running_statistics_as_they_were():
    net = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2)).double()
    x = RNG(0).standard_normal((3, 1, 3, 3))
    x.flags.writeable = False
    before = net.state_dict()
    with unchanged(x):
        assert gradcheck(net, x, RNG(1)).passed
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[key])
    assert all(parameter.grad is None for parameter in net.parameters())


def test_the_worst_of_several_arrays_is_reported():
    right = {"x": np.zeros((2, 2)), "w": np.array(20.0), "none": np.zeros(0)}
    report = compare({"x": np.eye(2) / 10, "w": np.array(23.0), "none": np.zeros(0)}, right)
    assert (report.name, report.index, report.elements) == ("w", (), 5)
    assert report.error == pytest.approx(3 / 20)  # relative to the largest gradient


def test_central_differences_of_a_known_slope():
    x = np.linspace(-1, 1, 7).reshape(7, 1)
    np.testing.assert_allclose(numerical_gradient(lambda: np.sin(x).sum(), x), np.cos(x), rtol=1e-8)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: numerical_gradient(float, np.ones(2, np.float32)), TypeError, "float32"),
        (lambda: numerical_gradient(float, [1.0]), TypeError, "list"),
        (lambda: gradcheck(nn.Linear(2, 2), np.ones((1, 2)), RNG(0)), TypeError, "float64"),
        (
            lambda: gradcheck(nn.Dropout(), np.ones(99), RNG(0)),
            ValueError,
            r"Dropout.* layer.eval\(\)",
        ),
        (lambda: numerical_gradient(float, np.ones(2), step=0), ValueError, "step=0"),
        (lambda: compare({"x": np.ones(2)}, {"x": np.ones(3)}), ValueError, r"\(2,\)"),
        (lambda: compare({}, {"x": np.ones(3)}), ValueError, "gradient of x is"),
        (lambda: compare({}, {}), ValueError, "nothing|no gradient"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()

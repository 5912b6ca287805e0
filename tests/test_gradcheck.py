"""The checker of gradients finds what is wrong, and says where."""

import numpy as np
import pytest

from lenet_course.scratch import nn
from lenet_course.scratch.gradcheck import compare, gradcheck, numerical_gradient


class Forgetful(nn.Linear):
    """A linear layer with one wrong element in its weight's gradient."""

    def _backward(self, grad_y):
        grad_x = super()._backward(grad_y)
        self.weight.grad[1, 2] *= 1.01
        return grad_x


def test_it_finds_the_one_wrong_element():
    rng = np.random.default_rng(0)
    report = gradcheck(Forgetful(4, 3).double(), rng.standard_normal((5, 4)), rng)
    assert not report.passed
    assert (report.name, report.index) == ("weight", (1, 2))
    assert str(report).startswith("✘ 35 elements; the worst is weight[1, 2]: computed ")


def test_a_gradient_that_is_nan_does_not_pass():
    report = compare({"x": np.array([np.nan, 1.0])}, {"x": np.array([1.0, 1.0])})
    assert not report.passed
    assert report.index == (0,)


def test_it_leaves_input_and_weights_as_they_were():
    layer, rng = nn.Linear(4, 3).double(), np.random.default_rng(0)
    x = rng.standard_normal((5, 4))
    before = x.copy(), layer.state_dict()
    gradcheck(layer, x, rng)
    np.testing.assert_array_equal(x, before[0])
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[1][key])
    assert layer.weight.grad is None


def test_central_differences_of_a_known_slope():
    x = np.linspace(-1, 1, 7).reshape(7, 1)
    np.testing.assert_allclose(numerical_gradient(lambda: np.sin(x).sum(), x), np.cos(x), rtol=1e-8)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: numerical_gradient(float, np.ones(2, np.float32)), TypeError, "float32"),
        (lambda: numerical_gradient(float, [1.0]), TypeError, "list"),
        (
            lambda: gradcheck(nn.Linear(2, 2), np.ones((1, 2)), np.random.default_rng(0)),
            TypeError,
            "float64",
        ),
        (lambda: compare({"x": np.ones(2)}, {"x": np.ones(3)}), ValueError, r"\(2,\)"),
        (lambda: compare({}, {}), ValueError, "nothing|no gradient"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()

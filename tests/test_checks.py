"""The machinery of the exercise checkers; the checkers are tested with their chapters."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from lenet_course.checks import Case, CheckFailed, run_cases

DOUBLE = [
    Case((2,), 4),
    Case((np.arange(3.0),), np.array([0.0, 2.0, 4.0]), "multiply by two"),
    Case((np.zeros((2, 4)),), np.zeros((2, 4))),
]


def times(factor, x):
    return factor * x


class Twice:
    def __call__(self, x):
        return 2 * x


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: 2 * x, "<lambda>"),
        (partial(partial(times), 2), "times"),
        (partial(Twice()), "Twice"),
    ],
)
def test_whatever_can_be_called_is_checked_and_named(function, name, capsys):
    run_cases(function, DOUBLE)
    assert capsys.readouterr().out == f"✔ {name}: all 3 cases agree\n"
    with pytest.raises(CheckFailed, match=f"✘ case 1 of 1: {name}\\(2\\) returned 4, expected 5"):
        run_cases(function, [Case((2,), 5)])


def in_place(x):
    x *= 2
    return x


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: None, r"case 1 of 3: <lambda>\(2\) returned None; perhaps a return is missing"),
        (lambda x: str(2 * x), "returned '4', which is not numbers; expected 4"),
        (lambda x: [[1], [1, 2]], r"returned \[\[1\], \[1, 2\]\], which is not numbers"),
        (lambda x: 4 + 0j, r"returned \(4\+0j\), which is not numbers"),
        (lambda x: torch.ones(1, requires_grad=True), "returned tensor.*, which is not numbers"),
        (lambda x: 2 * x + 1e-4, r"returned 4.0001, expected 4\.$"),
        (lambda x: x == 2, "returned True, expected 4"),
        (lambda x: 2 + x, r"case 2 of 3: .* at \(0,\) it is 2, expected 0\. Hint: multiply by two"),
        (lambda x: 2 * x if np.ndim(x) < 2 else x[0], r"case 3 of 3: .*shape \(4,\), expected"),
        (
            lambda x: 2 * x if np.ndim(x) == 0 else x / "2",
            r"case 2 of 3: <lambda>\(np.array\(\[0.0, 1.0, 2.0\]\)\) raised",
        ),
        (in_place, r"case 2 of 3: .*changed its argument; work on a copy"),
    ],
)
def test_a_wrong_function_is_told_what_is_wrong(function, message):
    with pytest.raises(CheckFailed, match=message):
        run_cases(function, DOUBLE)


def test_the_cases_survive_a_function_that_writes_into_them(capsys):
    for function in (in_place, np.square):
        with pytest.raises(CheckFailed):
            run_cases(function, DOUBLE)
    run_cases(Twice(), DOUBLE)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [(np.array([math.nan, 1.0]), 2), ([(3, 1), (3, 1, 2)], 2)],
)
def test_arguments_that_are_hard_to_compare(argument, expected, capsys):
    run_cases(len, [Case((argument,), expected)])
    assert capsys.readouterr().out == "✔ len: all 1 cases agree\n"

    def forgets(rows):
        n, rows[-1] = len(rows), rows[0]
        return n

    with pytest.raises(CheckFailed, match="changed its argument"):
        run_cases(forgets, [Case((argument,), expected)])


def test_long_arguments_are_described():
    with pytest.raises(CheckFailed, match=r"sum\(array of shape \(9,\), 0\) returned"):
        run_cases(np.sum, [Case((np.ones(9), 0), 0)])


def test_a_result_is_no_function():
    with pytest.raises(TypeError, match="your function itself, not its result 4"):
        run_cases(4, DOUBLE)

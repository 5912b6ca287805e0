"""How exercises are checked; the checkers themselves stand in `lenet_course.chapters`.

A checker takes the reader's function, tries it on several cases against a reference, prints one
line with a check mark if all agree, and raises `CheckFailed` at the first case that does not.
"""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np


class CheckFailed(AssertionError):
    """The reader's function is not right yet; the message says on which case and how."""


@dataclass(frozen=True)
class Case:
    """One call of the reader's function, what it should return, and what to say if it doesn't."""

    args: tuple
    expected: object
    hint: str = ""


def run_cases(function, cases):
    """Call a function on each case and compare shapes and values with what is expected.

    Parameters
    ----------
    function : callable
        The reader's, or a partial or an object that can be called.
    cases : sequence of Case

    Raises
    ------
    TypeError
        If `function` is not callable.
    CheckFailed
        At the first case that raises, that returns another shape, whose values differ by more
        than 1e-8 plus a millionth of the expected value, or whose arguments were changed.
    """
    if not callable(function):
        raise TypeError(f"give the checker your function itself, not its result {function!r}")
    inner = getattr(function, "func", function)  # of a partial
    name = getattr(inner, "__name__", type(inner).__name__)
    for number, case in enumerate(cases, start=1):
        problem = _problem(function, case)
        if problem:
            call = f"{name}({', '.join(map(_short, case.args))})"
            hint = f" Hint: {case.hint}" if case.hint else ""
            raise CheckFailed(f"✘ case {number} of {len(cases)}: {call} {problem}.{hint}")
    print(f"✔ {name}: all {len(cases)} cases agree")


def _problem(function, case):
    """Say what is wrong with this case, if anything."""
    args = deepcopy(case.args)
    try:
        result = function(*args)
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"
    if result is None:
        return "returned None; perhaps a return is missing"
    try:
        numbers = np.asarray(result)
    except (ValueError, RuntimeError):  # rows of several lengths, tensors with a gradient
        numbers = np.asarray(None)
    if numbers.dtype.kind not in "biuf":
        return f"returned {result!r}, which is not numbers; expected {_short(case.expected)}"
    numbers, expected = numbers.astype(float), np.asarray(case.expected, dtype=float)
    if numbers.shape != expected.shape:
        return f"returned shape {numbers.shape}, expected {expected.shape}"
    wrong = ~np.isclose(numbers, expected, rtol=1e-6, atol=1e-8, equal_nan=True)
    if wrong.any() and wrong.ndim == 0:
        return f"returned {_short(result)}, expected {_short(case.expected)}"
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        return (
            f"differs in {wrong.sum()} of {wrong.size} values; at {first} it is "
            f"{numbers[first]:g}, expected {expected[first]:g}"
        )
    try:
        np.testing.assert_equal(args, case.args)  # takes nan and rows of unequal length
    except AssertionError:
        return "changed its argument; work on a copy"
    return ""


def _short(value):
    if isinstance(value, np.ndarray):
        few = value.size <= 6
        return f"np.array({value.tolist()})" if few else f"array of shape {value.shape}"
    return repr(value)

"""What the tests of drawings and of exercise checkers share."""

import re

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import pytest

from lenet_course.checks import CheckFailed


@pytest.fixture
def draw():
    """Make axes as `plt.subplots` does; what cannot be drawn fails when the test is over."""
    figures = []

    def subplots(*layout):
        fig, axes = plt.subplots(*layout)
        figures.append(fig)
        return axes

    yield subplots
    for fig in figures:
        fig.canvas.draw()
        plt.close(fig)


@pytest.fixture
def ax(draw):
    return draw()


@pytest.fixture
def verdict(capsys):
    """Compare what a checker says of an answer, be it right (✔) or wrong (✘), with a pattern."""

    def compare(check, answer, pattern):
        try:
            check(answer)
            said = capsys.readouterr().out
        except CheckFailed as failed:
            said = str(failed)
        assert re.search(pattern, said)

    return compare

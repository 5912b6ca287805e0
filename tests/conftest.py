"""What the tests of drawings share."""

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import pytest


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

import numpy as np
import pytest

from lenet_course.chapters import overfitting as chapter


def test_reliability_leaves_empty_bins_out_and_draws_the_diagonal_once(ax):
    for label in ("plain", "treated"):
        assert chapter.reliability(ax, [0.1, np.nan, 0.9], [0.2, np.nan, 0.8], label=label) is ax
    diagonal, *networks = ax.lines
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert [line.get_label() for line in networks] == ["plain", "treated"]
    for line in networks:
        np.testing.assert_allclose(line.get_xydata(), [[0.1, 0.2], [0.9, 0.8]])


@pytest.mark.parametrize(
    ("confidence", "accuracy"), [([0.1], [0.1, 0.2]), ([np.nan, np.nan], [np.nan, np.nan])]
)
def test_reliability_refuses(ax, confidence, accuracy):
    with pytest.raises(ValueError, match="at least one that is not nan"):
        chapter.reliability(ax, confidence, accuracy)

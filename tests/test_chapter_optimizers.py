import numpy as np
import pytest

from lenet_course.chapters import optimizers as chapter


def bowl(across, up):
    return across**2 + up**2


def test_descent_draws_a_path_over_contours_at_even_distances(ax):
    path = [[-2.0, 0.0], [1.0, 0.5], [0.0, 0.0]]
    assert chapter.descent(ax, bowl, path, (-3, 3), (-3, 3), label="momentum") is ax
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), path)
    assert ax.lines[0].get_label() == "momentum"
    assert (*ax.get_xlim(), *ax.get_ylim()) == (-3, 3, -3, 3)
    (contours,) = ax.collections
    np.testing.assert_allclose(np.sqrt(contours.levels), np.sqrt(18) * np.arange(1, 9) / 9)


def test_descent_draws_the_contours_once(ax):
    for label in ("small", "large"):
        chapter.descent(ax, bowl, np.zeros((3, 2)), (-1, 1), (-1, 2), label=label)
    assert len(ax.collections) == 1
    assert len(ax.lines) == 2


def test_descent_reads_columns_as_across_and_rows_as_up(ax):
    chapter.descent(ax, lambda across, up: up + 0 * across, [[0, 0]], (-1, 1), (0, 9))
    for segments in ax.collections[0].allsegs:
        for line in segments:
            assert np.ptp(line[:, 1]) == pytest.approx(0)


@pytest.mark.parametrize("path", [[0, 0], [[0, 0, 0]], np.zeros((2, 2, 2))])
def test_descent_refuses(ax, path):
    with pytest.raises(ValueError, match="a path has the shape"):
        chapter.descent(ax, bowl, path, (-1, 1), (-1, 1))

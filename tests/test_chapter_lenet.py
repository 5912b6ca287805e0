import numpy as np
import pytest

from lenet_course.chapters import lenet as chapter


def test_feature_maps_stand_side_by_side_with_gaps(ax):
    maps = np.arange(12.0).reshape(3, 2, 2)
    assert chapter.feature_maps(ax, maps, columns=2) is ax
    sheet = ax.images[0].get_array()
    assert sheet.shape == (42, 42)  # two rows of two maps, enlarged tenfold, two pixels apart
    np.testing.assert_array_equal(sheet[:20:10, :20:10], maps[0])
    np.testing.assert_array_equal(sheet[9:20:10, 31::10], maps[1])
    np.testing.assert_array_equal(sheet[22::10, :20:10], maps[2])
    assert np.ma.getmaskarray(sheet)[20:22].all()
    assert np.ma.getmaskarray(sheet)[22:, 22:].all()  # the short last row
    assert [frame.get_xy() for frame in ax.patches] == [(-0.5, -0.5), (21.5, -0.5), (-0.5, 21.5)]
    assert ax.images[0].get_clim() == (0, 11)


def test_feature_maps_draw_a_vector_as_squares(ax):
    chapter.feature_maps(ax, np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1), columns=3, vmin=0)
    sheet = ax.images[0].get_array()
    assert sheet.shape == (20, 64)
    np.testing.assert_array_equal(sheet[:, 22:42], 2)
    assert ax.images[0].get_clim() == (0, 3)


@pytest.mark.parametrize(("shape", "columns"), [((1, 6, 5, 5), 6), ((120,), 20), ((6, 5, 5), 0)])
def test_feature_maps_refuse(ax, shape, columns):
    with pytest.raises(ValueError, match=r"have shape \(C, H, W\) and at least 1 column"):
        chapter.feature_maps(ax, np.zeros(shape), columns)


def sizes(size, padding, half=lambda n: n // 2):
    conv1 = size + 2 * padding - 4
    pool1 = half(conv1)
    return conv1, pool1, pool1 - 4, half(pool1 - 4)


def count(seen, k):
    return sum(n * k**2 + 1 for n in seen)


@pytest.mark.parametrize(
    ("check", "answer", "says"),
    [
        ("lenet_shapes", sizes, "all 4 cases agree"),
        (
            "lenet_shapes",
            lambda n, padding: sizes(n, padding)[:3],
            r"case 1 .*\(3,\), expected \(4",
        ),
        ("lenet_shapes", lambda n, padding: sizes(n, 2), "case 2 .*padding that came in"),
        ("lenet_shapes", lambda n, p: sizes(n, p, lambda n: -(-n // 2)), "case 4 .*rounds down"),
        ("partial_conv_parameters", count, "all 4 cases agree"),
        ("partial_conv_parameters", lambda seen, k: sum(seen) * k * k, "case 1 .*one bias"),
        ("partial_conv_parameters", lambda seen, k: sum(seen) * k * k + 1, "case 2 .*of its own"),
        ("partial_conv_parameters", lambda seen, k: sum(seen) * (k * k + 1), "case 2 .*2496"),
        ("partial_conv_parameters", lambda seen, k: len(seen) * count(seen[-1:], k), "case 3 .*84"),
    ],
)
def test_checkers(check, answer, says, verdict):
    verdict(getattr(chapter, f"check_{check}"), answer, says)

import numpy as np
import pytest

from lenet_course.chapters import backpropagation as chapter

GRAPH = {"x": (0, 0), "u = x · x": (2, 0)}


def words(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def test_graph_has_a_box_a_number_and_an_arrow_for_each(ax):
    edges = {("x", "u = x · x"): "· 6"}
    assert chapter.graph(ax, GRAPH, edges, {"x": -3, "u = x · x": 9}, {"x": -6}) is ax
    assert words(ax) == ["· 6", "x", "−3", "slope −6", "u = x · x", "9"]
    assert [box.get_x() + box.get_width() / 2 for box in ax.patches] == [0, 2]
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts}
    assert heights["x"] > heights["−3"] > heights["slope −6"]
    (arrow,) = (text for text in ax.texts if getattr(text, "arrow_patch", None))
    assert arrow.xyann[0] == ax.patches[0].get_bbox().x1  # from the side of one box
    assert arrow.xy[0] == ax.patches[1].get_bbox().x0  # to the side of the other
    np.testing.assert_allclose(ax.get_xlim(), [-0.7, 2.7])


def test_graph_without_numbers_writes_names_alone(ax):
    chapter.graph(ax, GRAPH, {("x", "u = x · x"): ""})
    assert words(ax) == list(GRAPH)


@pytest.mark.parametrize("given", [[{("x", "y"): ""}], [{}, {"y": 1}], [{}, {}, {"y": 1}]])
def test_graph_refuses_names_that_are_no_node(ax, given):
    with pytest.raises(ValueError, match="no node has the name y"):
        chapter.graph(ax, GRAPH, *given)


def average_backward(put=np.add, share=lambda K: 1 / K**2, step=None, batch=True):
    """Return the way back through average pooling, by loops that can be wrong in several ways."""

    def backward(grad_output, x, kernel_size, stride):
        grad_x = np.zeros(x.shape)
        S = step or stride
        for n, c, i, j in np.ndindex(grad_output.shape):
            part = (n if batch else 0, c)
            place = (*part, slice(i * S, i * S + kernel_size), slice(j * S, j * S + kernel_size))
            grad_x[place] = put(grad_x[place], share(kernel_size) * grad_output[n, c, i, j])
        return grad_x

    return backward


def repeated(grad_output, x, kernel_size, stride):
    """Go back through windows side by side, whatever the stride."""
    grad_x = np.zeros(x.shape)
    tiles = grad_output.repeat(kernel_size, axis=2).repeat(kernel_size, axis=3) / kernel_size**2
    H, W = (min(sizes) for sizes in zip(tiles.shape[2:], x.shape[2:], strict=True))
    grad_x[:, :, :H, :W] = tiles[:, :, :H, :W]
    return grad_x


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (average_backward(), "all 6 cases agree"),
        (average_backward(share=lambda K: 1), "case 1 .*a quarter of the output"),
        (average_backward(share=lambda K: 1 / K), "case 1 .*a quarter of the output"),
        (average_backward(step=1), "case 2 .*from i · stride on"),
        (average_backward(batch=False), "case 3 .*each image"),
        (
            lambda g, x, K, S: average_backward()(g, x, K, S)[:, :, : len(x[0, 0]) // K * K],
            "case 4 ",
        ),
        (average_backward(put=lambda old, new: new), r"case 5 .*use \+="),
        (repeated, r"case 5 .*use \+="),
        (average_backward(step=2), "case 6 .*the stride is not the window"),
    ],
)
def test_average_pooling_backward(answer, says, verdict):
    verdict(chapter.check_avg_pool2d_backward, answer, says)

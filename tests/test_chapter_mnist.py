import numpy as np
import pytest

from lenet_course.chapters import mnist as chapter


def test_step_losses_are_running_means_at_the_last_step_of_each_window(ax):
    assert chapter.step_losses(ax, {"a": [3.0, 1.0, 2.0, 0.0], "b": [1, 1]}, window=2) is ax
    a, b = ax.lines
    np.testing.assert_allclose(a.get_xydata(), [[2, 2], [3, 1.5], [4, 1]])
    np.testing.assert_allclose(b.get_xydata(), [[2, 1]])
    assert [line.get_label() for line in ax.lines] == ["a", "b"]
    assert ax.get_xlabel() == "step (mean of 2)"
    assert ax.get_ylim()[0] == 0


def test_step_losses_refuse_fewer_steps_than_the_window(ax):
    with pytest.raises(ValueError, match="'a' has 4 steps, too few for means of 5"):
        chapter.step_losses(ax, {"a": [1, 2, 3, 4]})


def by_batch(reduce):
    """Make a score of each batch's number of right answers, its size, and the batch size."""

    def accuracy(logits, y, batch_size):
        cuts = range(batch_size, len(y), batch_size)
        right = np.split(logits.argmax(axis=1) == y, cuts)
        counts = np.array([part.sum() for part in right]), np.array([len(part) for part in right])
        return reduce(*counts, batch_size)

    return accuracy


accuracy = by_batch(lambda right, sizes, _: right.sum() / sizes.sum())


def last_batch_dropped(logits, y, batch_size):
    kept = len(y) // batch_size * batch_size or len(y)
    return np.mean(logits[:kept].argmax(axis=1) == y[:kept])


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (accuracy, "all 7 cases agree"),
        (lambda logits, y, size: 100 * accuracy(logits, y, size), "case 1 of 7.*returned .*80"),
        (lambda logits, y, size: accuracy(-logits, y, size), "case 1 of 7.*highest score"),
        (by_batch(lambda right, sizes, size: right.sum() / sizes.max()), "case 2 of 7.*divide by"),
        (by_batch(lambda right, sizes, size: right.sum() / len(sizes) / size), "case 3 .*smaller"),
        (by_batch(lambda right, sizes, size: (right / sizes).mean()), "case 4 .*too much weight"),
        (last_batch_dropped, "case 4 of 7"),
        (lambda logits, y, size: accuracy(logits[:size], y[:size], size), "case 4 of 7"),
        (lambda logits, y, size: accuracy(np.maximum(logits, 0), y, size), "case 7 .*negative"),
    ],
)
def test_accuracy(answer, says, verdict):
    verdict(chapter.check_accuracy, answer, says)


def confusion_matrix(y, predicted, classes):
    counts = np.zeros((classes, classes), dtype=int)
    for t, a in zip(y, predicted, strict=True):
        counts[t, a] += 1
    return counts


def pairs_once(y, predicted, classes):
    counts = np.zeros((classes, classes), dtype=int)
    counts[y, predicted] += 1
    return counts


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (confusion_matrix, "all 3 cases agree"),
        (lambda y, p, classes: confusion_matrix(p, y, classes), "case 1 of 3.*row: the truth"),
        (lambda y, p, classes: confusion_matrix(y, p, classes) / len(y), "case 1 .*it is 0.333"),
        (pairs_once, "case 2 of 3.*counts twice"),
        (lambda y, p, _: confusion_matrix(y, p, max(*y, *p) + 1), "case 3 of 3.*their column"),
    ],
)
def test_confusion_matrix(answer, says, verdict):
    verdict(chapter.check_confusion_matrix, answer, says)

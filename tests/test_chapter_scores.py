import numpy as np
import pytest

from lenet_course.chapters import scores as chapter


def softmax(logits, dim, sign=1, shift=True, sum_dim=None):
    """Softmax, right unless told otherwise."""
    largest = logits.max(axis=dim, keepdims=True) if shift else 0
    with np.errstate(all="ignore"):
        powers = np.exp(sign * (logits - largest))
        return powers / powers.sum(axis=dim if sum_dim is None else sum_dim, keepdims=True)


def by_row(logits, dim):
    powers = np.exp(logits - logits.max(axis=1)[:, None])
    return powers / powers.sum(axis=1)[:, None]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (softmax, "✔ softmax: all 5 cases agree\n"),
        (lambda z, dim: softmax(z, dim, sign=-1), r"case 1 .*e\^-z not"),
        (lambda z, dim: z / z.sum(axis=dim, keepdims=True), "case 1 "),
        (lambda z, dim: softmax(z, 0), "case 1 "),
        (lambda z, dim: softmax(z, dim, sum_dim=(0, 1)), "case 2 .*every row"),
        (lambda z, dim: softmax(z, 1), "case 3 .*every column"),
        (by_row, "case 3 .*every column"),
        (lambda z, dim: softmax(z, dim, shift=False), "case 4 .*subtract the largest"),
        (lambda z, dim: softmax(z, -1 if z.ndim > 2 else dim), "case 5 .*serves any axis"),
    ],
)
def test_softmax(answer, says, verdict):
    verdict(chapter.check_softmax, answer, says)


def cross_entropy(logits, y, prepare=lambda z: z, log=np.log, reduce=np.mean):
    """Cross-entropy, right unless told otherwise."""
    logits = prepare(logits)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sums = log(np.exp(shifted).sum(axis=1))
    return reduce(log_sums - shifted[np.arange(len(y)), y])


def by_probability(logits, y, shift=True):
    with np.errstate(all="ignore"):
        return np.mean(-np.log(softmax(logits, 1, shift=shift)[np.arange(len(y)), y]))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (cross_entropy, "✔ cross_entropy: all 5 cases agree\n"),
        (lambda z, y: cross_entropy(z, y, log=np.log10), "case 1 .*natural logarithm"),
        (lambda z, y: -cross_entropy(z, y), "case 1 "),
        (lambda z, y: cross_entropy(z, y, reduce=np.asarray), r"case 1 .*shape \(1,\)"),
        (lambda z, y: cross_entropy(z, y, lambda z: softmax(z, 1)), "case 2 .*only once"),
        (lambda z, y: cross_entropy(z, y, np.negative), r"case 2 .*e\^z"),
        (lambda z, y: cross_entropy(z, y, reduce=np.sum), "case 3 .*averaged"),
        (lambda z, y: cross_entropy(z, y[:1].repeat(len(y))), "case 3 .*label of its own"),
        (lambda z, y: by_probability(z, y, shift=False), "case 4 .*subtract"),
        (by_probability, "case 5 .*before rounding"),
    ],
)
def test_cross_entropy(answer, says, verdict):
    verdict(chapter.check_cross_entropy, answer, says)

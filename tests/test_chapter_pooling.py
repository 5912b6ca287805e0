import numpy as np
import pytest

from lenet_course import scratch
from lenet_course.chapters.pooling import check_max_pool2d


def pooling(reduce=np.max, size=lambda s, k, stride: (s - k) // stride + 1):
    """Return a pooling by loops that can be wrong in several ways."""

    def pool(x, kernel_size, stride):
        OH, OW = (size(s, kernel_size, stride) for s in x.shape[2:])
        out = np.zeros((*x.shape[:2], OH, OW))
        for n, c, i, j in np.ndindex(out.shape):
            rows = slice(i * stride, i * stride + kernel_size)
            columns = slice(j * stride, j * stride + kernel_size)
            out[n, c, i, j] = reduce(x[n, c, rows, columns])
        return out

    return pool


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (pooling(), "all 6 cases agree"),
        (lambda x, k, s: scratch.max_pool2d(x, k, s), "all 6 cases agree"),
        (pooling(np.mean), "case 1 of 6: .*keep the largest"),
        (lambda x, k, s: pooling()(x.swapaxes(2, 3), k, s), "case 1 of 6: .*differs"),
        (pooling(lambda window: max(0, window.max())), "case 2 of 6: .*may be negative"),
        (lambda x, k, s: pooling()(x * 0 + x.max(1, keepdims=True), k, s), "case 3 of 6: .*own"),
        (lambda x, k, s: pooling()(x[..., : x.shape[2]], k, s), "case 4 of 6: .*H and W differ"),
        (pooling(size=lambda s, k, stride: -(-s // stride)), "case 4 of 6: .*shape"),
        (pooling(size=lambda s, k, stride: s // stride), "case 5 of 6: .*hang over the end"),
        (lambda x, k, s: pooling()(x, k, k), "case 5 of 6: .*shape"),
        (lambda x, k, s: pooling()(x, k, 2), "case 6 of 6: .*the stride is not the window"),
    ],
)
def test_max_pooling(answer, says, verdict):
    verdict(check_max_pool2d, answer, says)

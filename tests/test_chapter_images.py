import numpy as np
import pytest

from lenet_course.chapters.images import check_to_gray

WEIGHTS = np.array([0.299, 0.587, 0.114])


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda images: images @ WEIGHTS, "all 5 cases agree"),
        (lambda images: images.mean(axis=-1), "case 1 .*red .299"),
        (lambda images: images @ WEIGHTS[::-1], "case 1 .*red .299"),
        (lambda images: (images * WEIGHTS).astype(np.uint8).sum(axis=-1), "case 1 .*red .299"),
        (lambda images: np.tensordot(images, WEIGHTS, (0, 0)), "case 1 .*raised ValueError"),
        (lambda images: np.minimum(images @ WEIGHTS, 254.9), "case 2 .*white is 255"),
        (lambda images: images[:1] @ WEIGHTS, "case 4 .*one number for each of 4 × 5"),
        (
            lambda images: (images if images.ndim == 3 else images[0]) @ WEIGHTS,
            "case 5 .*last axis",
        ),
    ],
)
def test_gray(answer, says, verdict):
    verdict(check_to_gray, answer, says)

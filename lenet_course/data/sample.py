"""The part of each data set that is shipped with the course: small, lossless, the same bytes.

A sample file is bzip2 over the labels followed by what a predictor leaves of the pixels. The
predictor guesses each pixel from its left, upper and upper-left neighbors, as JPEG-LS does: small
differences compress better than pixels. It is bzip2 rather than a stronger method because its
encoder has written the same bytes for the same input since 2010.
"""

import bz2
import hashlib
from pathlib import Path

import numpy as np

from lenet_course.data.catalog import Spec
from lenet_course.data.dataset import Dataset, Split

FOLDER = Path(__file__).with_name("samples")
TRAIN_PER_CLASS = 500
TEST_PER_CLASS = 100


def first_of_each_class(split: Split, per_class: int) -> Split:
    """Select the first images of each class, in the original order.

    Parameters
    ----------
    split : Split
        Images and labels.
    per_class : int
        How many of each class.

    Returns
    -------
    Split
        The selected images and labels.

    Examples
    --------
    >>> first_of_each_class(Split(np.zeros((4, 2, 2), np.uint8), np.array([1, 1, 0, 1])), 1).labels
    array([1, 0])
    """
    chosen = [np.flatnonzero(split.labels == c)[:per_class] for c in np.unique(split.labels)]
    index = np.sort(np.concatenate(chosen))
    return Split(split.images[index], split.labels[index])


def _guess(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Guess a pixel: the median of left, up and left + up - corner."""
    low, high = np.minimum(left, up), np.maximum(left, up)
    return low + high - np.clip(corner, low, high)


def _residuals(planes: np.ndarray) -> np.ndarray:
    """Subtract from each pixel its guess, modulo 256; planes have shape (..., H, W)."""
    padded = np.pad(planes, [(0, 0)] * (planes.ndim - 2) + [(1, 0), (1, 0)])
    return planes - _guess(padded[..., 1:, :-1], padded[..., :-1, 1:], padded[..., :-1, :-1])


def _restore(residuals: np.ndarray) -> np.ndarray:
    """Invert `_residuals`, pixel by pixel for all planes at once."""
    *leading, H, W = residuals.shape
    padded = np.zeros((H + 1, W + 1, int(np.prod(leading))), np.uint8)
    moved = np.ascontiguousarray(np.moveaxis(residuals.reshape(-1, H, W), 0, -1))
    for h in range(H):
        for w in range(W):
            guess = _guess(padded[h + 1, w], padded[h, w + 1], padded[h, w])
            padded[h + 1, w + 1] = moved[h, w] + guess
    return np.moveaxis(padded[1:, 1:], -1, 0).reshape(residuals.shape)


def encode(train: Split, test: Split) -> bytes:
    """Write two splits as a sample file; the same splits give the same bytes."""
    images = np.concatenate([train.images, test.images])
    labels = np.concatenate([train.labels, test.labels]).astype(np.uint8)
    planes = images.reshape(*images.shape[:3], -1).transpose(3, 0, 1, 2)
    if len(planes) == 3:  # red and blue as their difference to green
        planes = planes - np.stack([planes[1], np.zeros_like(planes[1]), planes[1]])
    return bz2.compress(labels.tobytes() + _residuals(planes).tobytes(), 9)


def decode(content: bytes, spec: Spec) -> tuple[Split, Split]:
    """Read a sample file: the training and the test split."""
    n_train, n_test = (n * len(spec.classes) for n in (TRAIN_PER_CLASS, TEST_PER_CLASS))
    N = n_train + n_test
    values = np.frombuffer(bz2.decompress(content), np.uint8)
    H, W, C = (*spec.image_shape, 1)[:3]
    planes = _restore(values[N:].reshape(C, N, H, W))
    if C == 3:
        planes = planes + np.stack([planes[1], np.zeros_like(planes[1]), planes[1]])
    images = np.ascontiguousarray(planes.transpose(1, 2, 3, 0)).reshape(N, *spec.image_shape)
    labels = values[:N]
    return Split(images[:n_train], labels[:n_train]), Split(images[n_train:], labels[n_train:])


def load_sample(spec: Spec, folder: Path = FOLDER) -> Dataset:
    """Load the sample of a data set.

    Parameters
    ----------
    spec : Spec
        The data set.
    folder : Path
        Where the sample files and their ``SHA256SUMS`` are.

    Returns
    -------
    Dataset
        With `source` ``"sample"``.

    Raises
    ------
    OSError
        If the file is missing or is not the one that ``SHA256SUMS`` lists.

    Examples
    --------
    >>> from lenet_course.data.catalog import CATALOG
    >>> load_sample(CATALOG["mnist"]).test.images.shape
    (1000, 28, 28)
    """
    name = f"{spec.name}.bz2"
    sums = dict(line.split()[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    content = (folder / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != sums[name]:
        raise OSError(
            f"{folder / name} is damaged: its sha256 is not the one in SHA256SUMS. "
            "Get the file again, with `git checkout` or by installing the package anew."
        )
    train, test = decode(content, spec)
    return Dataset(spec.name, "sample", spec.classes, train, test)

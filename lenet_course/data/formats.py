"""Bytes to arrays: the published formats, the sample's own, and the splits they become.

IDX is the format of MNIST [1]_ and Fashion-MNIST [2]_: a magic number that tells type and rank,
the sizes as big-endian 32-bit integers, then the values. The binary form of CIFAR-10 [3]_ is one
label byte and 3072 pixel bytes an image: 1024 red, 1024 green, 1024 blue.

The sample is the first images of each class, lossless: bzip2 over the labels, followed by the
difference of each pixel from a guess by its left, upper and upper-left neighbors, as in JPEG-LS.
Of color images, red and blue are first replaced by their differences from green. Small
differences compress better than pixels. It is bzip2 because its encoder has written the same
bytes for the same input since 2010.

References
----------
.. [1] LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition.
   Proceedings of the IEEE 86 (1998).
.. [2] Xiao, Rasul, Vollgraf: Fashion-MNIST. arXiv:1708.07747 (2017).
.. [3] Krizhevsky: Learning multiple layers of features from tiny images. Technical report,
   University of Toronto (2009).
"""

import bz2
import hashlib
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SAMPLES = Path(__file__).with_name("samples")
TRAIN_PER_CLASS = 500
TEST_PER_CLASS = 100


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Images and their labels, in the order of the published files; both are read-only.

    To change pixels, change a copy: ``split.images.copy()``.

    Attributes
    ----------
    images : ndarray of uint8, shape (N, H, W) or (N, H, W, 3)
        Pixel values from 0 to 255; three channels are red, green, blue.
    labels : ndarray of int64, shape (N,)
        The class of each image, an index into the data set's `classes`.

    Raises
    ------
    ValueError
        If a dtype is another, a label negative, or there is not one label an image.
    """

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self):
        """Keep read-only views, so that neither side can change the other's numbers."""
        images, labels = np.asarray(self.images).view(), np.asarray(self.labels)
        if images.ndim != 3 and images.shape[3:] != (3,):
            raise ValueError(f"images {images.shape} are not of shape (N, H, W) or (N, H, W, 3).")
        if images.dtype != np.uint8:
            raise ValueError(f"images={images.dtype}: pixels are uint8, from 0 to 255.")
        if labels.dtype.kind not in "iu":
            raise ValueError(
                f"labels={labels.dtype}: a label is the index of a class, so give integers."
            )
        if labels.shape != images.shape[:1]:
            raise ValueError(
                f"{len(images)} images but labels of shape {labels.shape}; give one label an image."
            )
        labels = labels.astype(np.int64)
        if len(labels) and labels.min() < 0:
            raise ValueError(f"The label {labels.min()} is no class; classes count from 0.")
        for name, array in (("images", images), ("labels", labels)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __len__(self):
        return len(self.labels)

    def __repr__(self):
        parts = (f"{n}={a.dtype} {a.shape}" for n, a in vars(self).items())
        return f"Split({', '.join(parts)})"


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A data set as `load` returns it.

    Attributes
    ----------
    name : str
        ``"mnist"``, ``"fashion_mnist"`` or ``"cifar10"``.
    source : str
        ``"full"`` for the published data, ``"sample"`` for the part shipped with the course.
    classes : tuple of str
        The name of each class; the label is the index.
    train, test : Split
        The images to learn from and those kept for judging.
    """

    name: str
    source: str
    classes: tuple
    train: Split
    test: Split

    def __repr__(self):
        return (
            f'Dataset("{self.name}", source="{self.source}", train {self.train.images.shape}, '
            f"test {self.test.images.shape}, {len(self.classes)} classes)"
        )


def parse_idx(content):
    """Read an IDX file of unsigned bytes.

    The array has the shape that the header tells, and is a read-only view of `content`. Another
    magic number or length is a `ValueError`.

    Examples
    --------
    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    array([5, 0, 4], dtype=uint8)
    """
    start = 4 + 4 * content[3] if content[:3] == b"\0\0\x08" and content[3:] else 0
    if not 4 < start <= len(content):
        raise ValueError(
            f"An IDX file of unsigned bytes starts with 00 00 08, its rank and its sizes, "
            f"this one with {content[:4].hex(' ') or 'nothing'}."
        )
    shape = tuple(int(n) for n in np.frombuffer(content[4:start], ">u4"))
    values = np.frombuffer(content, np.uint8, offset=start)
    if len(values) != math.prod(shape):
        raise ValueError(
            f"The IDX header promises the shape {shape}, but {len(values)} bytes follow."
        )
    return values.reshape(shape)


def idx_split(images, labels):
    """Make a `Split` of the two IDX files of MNIST or Fashion-MNIST."""
    return Split(parse_idx(images), parse_idx(labels))


def cifar_split(*batches):
    """Make a `Split` of batches of CIFAR-10 in the official binary form, joined in order."""
    records = np.frombuffer(b"".join(batches), np.uint8).reshape(-1, 3073)
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return Split(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0])


def sheet_to_cifar(png, labels, start):
    """Bring a PNG sheet, one image of 1024 pixels a row, into the official form of CIFAR-10.

    The sheet's labels begin at `start` in a JSON list.
    """
    from PIL import Image

    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        pixels = np.asarray(picture)  # (N, 1024, 3)
    N = len(pixels)
    records = np.empty((N, 3073), np.uint8)
    records[:, 0] = json.loads(labels)[start : start + N]
    records[:, 1:] = pixels.transpose(0, 2, 1).reshape(N, 3072)
    return records.tobytes()


def guess(left, up, corner):
    """Guess a pixel: the median of left, up and left + up - corner."""
    low, high = np.minimum(left, up), np.maximum(left, up)
    return low + high - np.clip(corner, low, high)


def _restore(residuals):
    """Add to each pixel its guess, modulo 256, pixel by pixel for all planes at once."""
    *leading, H, W = residuals.shape
    padded = np.zeros((H + 1, W + 1, int(np.prod(leading))), np.uint8)
    moved = np.ascontiguousarray(np.moveaxis(residuals.reshape(-1, H, W), 0, -1))
    for h in range(H):
        for w in range(W):
            guessed = guess(padded[h + 1, w], padded[h, w + 1], padded[h, w])
            padded[h + 1, w + 1] = moved[h, w] + guessed
    return np.moveaxis(padded[1:, 1:], -1, 0).reshape(residuals.shape)


def decode_sample(content, image_shape, n_train, n_test):
    """Read a sample file of so many images: the training and the test split."""
    N = n_train + n_test
    values = np.frombuffer(bz2.decompress(content), np.uint8)
    H, W, C = (*image_shape, 1)[:3]
    planes = _restore(values[N:].reshape(C, N, H, W))
    if C == 3:
        planes[[0, 2]] += planes[1]  # red and blue are stored as differences from green
    images = np.ascontiguousarray(planes.transpose(1, 2, 3, 0)).reshape(N, *image_shape)
    labels = values[:N]
    return Split(images[:n_train], labels[:n_train]), Split(images[n_train:], labels[n_train:])


def load_sample(spec, folder=SAMPLES):
    """Load the sample of a data set of the catalog, if it is the one in ``SHA256SUMS``."""
    path = folder / f"{spec.name}.bz2"
    sums = dict(line.split()[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sums[path.name]:
        raise OSError(
            f"{path} is damaged: its sha256 is not the one in SHA256SUMS. "
            "Get the file again, with `git checkout` or by installing the package anew."
        )
    counts = (n * len(spec.classes) for n in (TRAIN_PER_CLASS, TEST_PER_CLASS))
    return Dataset(
        spec.name, "sample", spec.classes, *decode_sample(content, spec.image_shape, *counts)
    )

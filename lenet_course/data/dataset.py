"""What `load` returns: two splits of images and labels that nobody can change by accident."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Images and their labels, in the order of the published files.

    Attributes
    ----------
    images : ndarray of uint8, shape (N, H, W) or (N, H, W, 3)
        Pixel values from 0 to 255; three channels are red, green, blue.
    labels : ndarray of int64, shape (N,)
        The class of each image, an index into the data set's `classes`.

    Raises
    ------
    ValueError
        If there are not as many labels as images.

    Notes
    -----
    Both arrays are read-only. To change pixels, change a copy: ``split.images.copy()``.

    Examples
    --------
    >>> import numpy as np
    >>> Split(np.zeros((2, 28, 28), np.uint8), np.array([7, 1]))
    Split(images=uint8 (2, 28, 28), labels=int64 (2,))
    """

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        """Keep read-only views, so that neither side can change the other's numbers."""
        images, labels = self.images.view(), self.labels.astype(np.int64)
        if len(images) != len(labels):
            raise ValueError(f"{len(images)} images but {len(labels)} labels; one label an image.")
        for name, array in (("images", images), ("labels", labels)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        """Give the number of images."""
        return len(self.labels)

    def __repr__(self) -> str:
        """Tell dtypes and shapes instead of printing pixels."""
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

    Examples
    --------
    >>> from lenet_course import data
    >>> data.load("mnist", source="sample")
    Dataset("mnist", source="sample", train (5000, 28, 28), test (1000, 28, 28), 10 classes)
    """

    name: str
    source: str
    classes: tuple[str, ...]
    train: Split
    test: Split

    def __repr__(self) -> str:
        """Tell name, source and shapes in one line."""
        return (
            f'Dataset("{self.name}", source="{self.source}", train {self.train.images.shape}, '
            f"test {self.test.images.shape}, {len(self.classes)} classes)"
        )

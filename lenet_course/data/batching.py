"""Batches of tensors that are held in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lenet_course.data.tensors import check_generator, check_pairs, permutation

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Batches:
    """What `batches` gives: each ``for`` over it is one epoch."""

    x: Tensor
    y: Tensor
    batch_size: int
    shuffle: bool
    generator: Generator | None
    augment: Callable[[Tensor, Generator], Tensor] | None

    def __len__(self) -> int:
        """Give the number of batches in an epoch, the last, smaller one included."""
        return -(-len(self.y) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one epoch of batches, in a new order each time if they are shuffled."""
        order = None
        if self.shuffle:
            order = permutation(len(self.y), self.generator).to(self.x.device)
        for start in range(0, len(self.y), self.batch_size):
            stop = start + self.batch_size
            if order is None:
                xb, yb = self.x[start:stop], self.y[start:stop]
            else:
                chosen = order[start:stop]
                xb, yb = self.x[chosen], self.y[chosen]
            yield (xb if self.augment is None else self.augment(xb, self.generator)), yb

    def __repr__(self) -> str:
        """Tell the numbers instead of printing tensors."""
        return (
            f"Batches({len(self.y)} images {tuple(self.x.shape[1:])}, {len(self)} batches of "
            f"{self.batch_size}, shuffle={self.shuffle})"
        )


def batches(
    x: Tensor,
    y: Tensor,
    batch_size: int = 64,
    shuffle: bool = False,
    generator: Generator | None = None,
    augment: Callable[[Tensor, Generator], Tensor] | None = None,
) -> Batches:
    """Cut images and labels into batches, as a ``DataLoader`` does, by indexing the tensors.

    Parameters
    ----------
    x : Tensor, shape (N, C, H, W)
        Images.
    y : Tensor, shape (N,)
        Labels.
    batch_size : int
        Images a batch; the last batch has what remains.
    shuffle : bool
        Whether each epoch goes through the images in a new order: yes for training.
    generator : torch.Generator, optional
        Where the order and the augmentation take their random numbers; needed for both.
    augment : callable, optional
        ``augment(xb, generator)`` gives a changed batch. For training only: measure on images as
        they are.

    Returns
    -------
    Batches
        Yields ``(xb, yb)``; can be iterated again and again, and has a ``len()``. Batches that are
        neither shuffled nor augmented are views of `x` and `y`.

    Raises
    ------
    ValueError
        If the lengths differ or the batch size is no positive number.
    TypeError
        If `x` or `y` is no tensor, or something is random and there is no generator.

    Examples
    --------
    >>> import torch
    >>> x, y = torch.zeros(10, 1, 28, 28), torch.arange(10)
    >>> [len(yb) for xb, yb in batches(x, y, batch_size=4)]
    [4, 4, 2]
    >>> shuffled = batches(x, y, 4, shuffle=True, generator=torch.Generator().manual_seed(0))
    >>> shuffled
    Batches(10 images (1, 28, 28), 3 batches of 4, shuffle=True)
    """
    check_pairs(x, y)
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r}: give a whole number of images, at least 1.")
    if shuffle or augment is not None:
        check_generator(generator)
    return Batches(x, y, batch_size, shuffle, generator, augment)

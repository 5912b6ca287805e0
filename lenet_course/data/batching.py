"""Batches of tensors that are held in memory, and random changes of their images.

A change keeps the image's class and is decided for each image by itself, for a whole batch at
once and with no loop over images; it gives new images. Compose two in a function, as
`flip_and_crop` does. All that is random takes its numbers from a `torch.Generator`, and there is
a `TypeError` without one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lenet_course.arguments import real_number, whole_number
from lenet_course.data.tensors import check_generator, check_images, check_pairs, permutation


@dataclass(frozen=True, eq=False, repr=False)
class Batches:
    """What `batches` gives: each ``for`` over it is one epoch."""

    x: Any
    y: Any
    batch_size: int
    shuffle: bool
    generator: Any
    augment: Callable | None

    def __len__(self):
        return -(-len(self.y) // self.batch_size)

    def __iter__(self):
        order = None
        if self.shuffle:
            order = permutation(len(self.y), self.generator).to(self.x.device)
        for start in range(0, len(self.y), self.batch_size):
            chosen = slice(start, start + self.batch_size)
            if order is not None:
                chosen = order[chosen]
            xb, yb = self.x[chosen], self.y[chosen]
            yield (xb if self.augment is None else self.augment(xb, self.generator)), yb

    def __repr__(self):
        return (
            f"Batches({len(self.y)} images {tuple(self.x.shape[1:])}, {len(self)} batches of "
            f"{self.batch_size}, shuffle={self.shuffle})"
        )


def batches(x, y, batch_size=64, shuffle=False, generator=None, augment=None):
    """Cut images and labels into batches, as a ``DataLoader`` does, by indexing the tensors.

    Parameters
    ----------
    x, y : Tensor, shapes (N, C, H, W) and (N,)
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
        Yields ``(xb, yb)``, again and again, and has a ``len()``. Batches that are neither shuffled
        nor augmented are views of `x` and `y`.

    Examples
    --------
    >>> import torch
    >>> x, y = torch.zeros(10, 1, 28, 28), torch.arange(10)
    >>> [len(yb) for xb, yb in batches(x, y, batch_size=4)]
    [4, 4, 2]
    """
    check_pairs(x, y)
    batch_size = whole_number("batch_size", batch_size)
    if shuffle or augment is not None:
        check_generator(generator)
    return Batches(x, y, batch_size, shuffle, generator, augment)


def random_flip(x, generator):
    """Mirror about half of the images, left to right."""
    import torch

    check_images(x, floats=False)
    check_generator(generator)
    heads = torch.rand(len(x), generator=generator, device=generator.device) < 0.5
    return torch.where(heads.to(x.device)[:, None, None, None], x.flip(-1), x)


def random_crop(x, padding, generator):
    """Shift each image at random: pad it with zeros and cut its size out of that somewhere.

    An image moves by at most `padding` pixels each way. Zero is black in pixels from 0 to 1, and
    the mean color after `normalize`.

    Examples
    --------
    >>> import torch
    >>> x = torch.ones(1, 1, 2, 2)
    >>> generator = torch.Generator().manual_seed(1)
    >>> random_crop(x, padding=1, generator=generator).squeeze()
    tensor([[1., 0.],
            [1., 0.]])
    """
    import torch

    check_images(x, floats=False)
    check_generator(generator)
    padding = whole_number("padding", padding, least=0)
    N, _, H, W = x.shape
    padded = torch.nn.functional.pad(x, (padding,) * 4)
    windows = padded.unfold(2, H, 1).unfold(3, W, 1)  # (N, C, 2·padding + 1, 2·padding + 1, H, W)
    row, column = torch.randint(
        2 * padding + 1, (2, N), generator=generator, device=generator.device
    ).to(x.device)
    return windows[torch.arange(N, device=x.device), :, row, column]  # (N, C, H, W)


def random_affine(x, shift, degrees, scale, generator):
    """Turn and resize each image at random about its middle, then move it.

    The angle is at most `degrees`, the factor lies between 1 - `scale` and 1 + `scale`, and the
    move is at most `shift` pixels each way. A new pixel is interpolated between its four nearest
    old ones. What comes in from outside is 0, as in `random_crop`.

    Examples
    --------
    >>> import torch
    >>> x = torch.ones(2, 1, 28, 28)
    >>> random_affine(x, 1, 10, 0.1, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 1, 28, 28])
    """
    import torch
    from torch.nn import functional as F

    check_images(x)
    check_generator(generator)
    shift, degrees = real_number("shift", shift), real_number("degrees", degrees)
    scale = real_number("scale", scale, below=1)
    N, _, H, W = x.shape
    random = 2 * torch.rand(4, N, generator=generator, device=generator.device).to(x.device) - 1
    angle, factor = torch.deg2rad(degrees * random[0]), 1 + scale * random[1]
    cos, sin = angle.cos() / factor, angle.sin() / factor
    turn = torch.stack([cos, -sin * H / W, sin * W / H, cos], dim=1).view(N, 2, 2)
    move = 2 * shift * random[2:].T / x.new_tensor([W, H])  # (N, 2), an image is 2 wide
    matrices = torch.cat([turn, -turn @ move[:, :, None]], dim=2).float()  # (N, 2, 3)
    grid = F.affine_grid(matrices, list(x.shape), align_corners=False)
    return F.grid_sample(x.float(), grid, align_corners=False).to(x.dtype)


def flip_and_crop(x, generator):
    """Mirror about half of the images and shift each by up to 4 pixels: the usual for CIFAR-10."""
    return random_crop(random_flip(x, generator), padding=4, generator=generator)

"""Random changes of images that keep their class, decided for each image by itself.

A batch is changed at once, with no loop over images. Compose two in a function::

    def augment(x, generator):
        return random_crop(random_flip(x, generator), padding=4, generator=generator)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lenet_course.data.tensors import check_generator

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _check_images(x: Tensor) -> None:
    if getattr(x, "ndim", None) != 4:
        raise ValueError(
            f"A batch of images has the shape (N, C, H, W), not "
            f"{tuple(x.shape) if hasattr(x, 'shape') else type(x).__name__}; "
            "give one image as x[None]."
        )


def random_flip(x: Tensor, generator: Generator) -> Tensor:
    """Mirror about half of the images, left to right.

    Parameters
    ----------
    x : Tensor, shape (N, C, H, W)
        Images.
    generator : torch.Generator
        Tosses a coin for each image.

    Returns
    -------
    Tensor, shape (N, C, H, W)
        New images; `x` stays as it is.

    Raises
    ------
    ValueError
        If `x` has another rank.
    TypeError
        If there is no generator.

    Examples
    --------
    >>> import torch
    >>> x = torch.arange(2.0).expand(4, 1, 1, 2)
    >>> random_flip(x, torch.Generator().manual_seed(0)).squeeze()
    tensor([[1., 0.],
            [0., 1.],
            [1., 0.],
            [1., 0.]])
    """
    import torch

    _check_images(x)
    check_generator(generator)
    heads = torch.rand(len(x), generator=generator, device=generator.device) < 0.5
    return torch.where(heads.to(x.device)[:, None, None, None], x.flip(-1), x)


def random_crop(x: Tensor, padding: int, generator: Generator) -> Tensor:
    """Shift each image at random: pad it with zeros and cut its size out of that somewhere.

    Parameters
    ----------
    x : Tensor, shape (N, C, H, W)
        Images. Zero is black in pixels from 0 to 1, and the mean color after `normalize`.
    padding : int
        Zeros on each side, so that an image moves by at most so many pixels each way.
    generator : torch.Generator
        Draws the row and the column of each image's window.

    Returns
    -------
    Tensor, shape (N, C, H, W)
        New images; `x` stays as it is.

    Raises
    ------
    ValueError
        If `x` has another rank or the padding is negative or not whole.
    TypeError
        If there is no generator.

    Examples
    --------
    >>> import torch
    >>> x = torch.ones(1, 1, 2, 2)
    >>> random_crop(x, padding=1, generator=torch.Generator().manual_seed(1)).squeeze()
    tensor([[1., 0.],
            [1., 0.]])
    """
    import torch

    _check_images(x)
    check_generator(generator)
    if isinstance(padding, bool) or not isinstance(padding, int) or padding < 0:
        raise ValueError(f"padding={padding!r}: give a whole number of pixels, 0 or more.")
    N, _, H, W = x.shape
    padded = torch.nn.functional.pad(x, (padding,) * 4)
    windows = padded.unfold(2, H, 1).unfold(3, W, 1)  # (N, C, 2·padding + 1, 2·padding + 1, H, W)
    row, column = torch.randint(
        2 * padding + 1, (2, N), generator=generator, device=generator.device
    ).to(x.device)
    return windows[torch.arange(N, device=x.device), :, row, column]  # (N, C, H, W)


def flip_and_crop(x: Tensor, generator: Generator) -> Tensor:
    """Mirror about half of the images and shift each by up to 4 pixels: the usual for CIFAR-10.

    Parameters
    ----------
    x : Tensor, shape (N, C, H, W)
        Images.
    generator : torch.Generator
        Decides which, and how far.

    Returns
    -------
    Tensor, shape (N, C, H, W)
        New images; `x` stays as it is.

    Raises
    ------
    ValueError
        If `x` has another rank.
    TypeError
        If there is no generator.

    Examples
    --------
    >>> import torch
    >>> flip_and_crop(torch.ones(5, 3, 32, 32), torch.Generator()).shape
    torch.Size([5, 3, 32, 32])
    """
    return random_crop(random_flip(x, generator), padding=4, generator=generator)

"""From pixels to tensors that a network can learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lenet_course.data.dataset import Split

if TYPE_CHECKING:
    from torch import Generator, Tensor


def to_tensors(split: Split) -> tuple[Tensor, Tensor]:
    """Copy a split into tensors: the same numbers as ``torchvision.transforms.ToTensor`` gives.

    Parameters
    ----------
    split : Split
        Images (uint8, 0 to 255) and labels.

    Returns
    -------
    x : Tensor of float32, shape (N, C, H, W)
        Pixels from 0 to 1; C is 1 for gray images, 3 for red, green, blue.
    y : Tensor of int64, shape (N,)
        Labels.

    Raises
    ------
    TypeError
        If `split` is no split of a data set.

    Examples
    --------
    >>> from lenet_course import data
    >>> x, y = data.to_tensors(data.load("mnist", source="sample").test)
    >>> x.shape, x.dtype, float(x.max())
    (torch.Size([1000, 1, 28, 28]), torch.float32, 1.0)
    """
    import torch

    if not isinstance(split, Split):
        raise TypeError(
            f"to_tensors takes a split, such as data.load('mnist').train, "
            f"not {type(split).__name__}."
        )
    images = split.images[..., None] if split.images.ndim == 3 else split.images
    x = torch.tensor(images.transpose(0, 3, 1, 2), dtype=torch.float32)  # (N, C, H, W)
    return x.contiguous().div_(255), torch.tensor(split.labels)


def channel_stats(images: np.ndarray | Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, over all pixels of all images.

    Take them of the training images only. The std is that of the pixels; the mean of the images'
    own stds, which many tutorials copy for CIFAR-10 (.2023 .1994 .2010), is smaller.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, H, W) or (N, H, W, 3), or float Tensor, shape (N, C, H, W)
        Pixels, from 0 to 255 in the array; the tensor's are taken as they are.

    Returns
    -------
    mean, std : tuple of float
        One number a channel. Those of an array are scaled to pixels from 0 to 1, as `to_tensors`
        gives them.

    Raises
    ------
    ValueError
        If the rank or the dtype is none of these, or there are no pixels.

    Examples
    --------
    >>> channel_stats(np.array([[[0, 255]]], np.uint8))
    ((0.5,), (0.5,))
    """
    if isinstance(images, np.ndarray):
        return _array_stats(images)
    if not hasattr(images, "is_floating_point"):
        raise ValueError(f"channel_stats takes an array or a tensor, not {type(images).__name__}.")
    if images.ndim != 4 or not images.is_floating_point() or images.numel() == 0:
        raise ValueError(
            f"A tensor of images is of floats and has the shape (N, C, H, W), not {images.dtype} "
            f"and {tuple(images.shape)}; see to_tensors."
        )
    channels = images.transpose(0, 1).flatten(1).double()  # (C, N·H·W)
    return tuple(channels.mean(1).tolist()), tuple(channels.std(1, correction=0).tolist())


def _array_stats(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Count the 256 possible values: exact, and needs no floats the size of the images."""
    is_gray, is_color = images.ndim == 3, images.ndim == 4 and images.shape[-1] == 3
    if images.dtype != np.uint8 or not (is_gray or is_color) or images.size == 0:
        raise ValueError(
            "An array of images is uint8 of shape (N, H, W) or (N, H, W, 3), not "
            f"{images.dtype} of shape {images.shape}."
        )
    values, mean, std = np.arange(256) / 255, [], []
    for channel in images.reshape(-1, 3 if is_color else 1).T:
        count = np.bincount(channel, minlength=256)
        mean.append(float(np.average(values, weights=count)))
        std.append(float(np.average((values - mean[-1]) ** 2, weights=count) ** 0.5))
    return tuple(mean), tuple(std)


def normalize(x: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Subtract the mean and divide by the std, channel by channel.

    Gives the same numbers as ``torchvision.transforms.Normalize``.

    Parameters
    ----------
    x : float Tensor, shape (N, C, H, W)
        Pixels.
    mean, std : sequence of C floats
        As `channel_stats` of the training images gives them, for test images too.

    Returns
    -------
    Tensor, shape (N, C, H, W)
        A new tensor; `x` stays as it is.

    Raises
    ------
    ValueError
        If shapes do not fit or a std is not positive.

    Examples
    --------
    >>> import torch
    >>> normalize(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1), [0.5], [0.5]).flatten()
    tensor([-1.,  1.])
    """
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(
            f"normalize takes floats of shape (N, C, H, W), not {x.dtype} of shape "
            f"{tuple(x.shape)}; see to_tensors."
        )
    mean, std = (x.new_tensor(numbers).reshape(-1) for numbers in (mean, std))
    for name, numbers in (("mean", mean), ("std", std)):
        if len(numbers) != x.shape[1]:
            raise ValueError(
                f"{name} has {len(numbers)} numbers for {x.shape[1]} channels; give one a channel."
            )
    if not (std > 0).all():
        raise ValueError(f"Each std must be positive, not {std.tolist()}.")
    return (x - mean[:, None, None]).div_(std[:, None, None])


def to_gray(x: Tensor) -> Tensor:
    """Turn RGB images to grayscale: 0.299 red + 0.587 green + 0.114 blue.

    Parameters
    ----------
    x : Tensor, shape (N, 3, H, W)
        Images whose channels are red, green, blue, before `normalize`.

    Returns
    -------
    Tensor, shape (N, 1, H, W)
        How bright each pixel is, on the scale of `x`.

    Raises
    ------
    ValueError
        If `x` has another rank or not three channels.

    References
    ----------
    ITU-R Recommendation BT.601, whose weights follow the eye: green looks brightest.

    Examples
    --------
    >>> import torch
    >>> to_gray(torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)).item()  # pure red
    0.29899999499320984
    """
    if x.ndim != 4 or x.shape[1] != 3:
        raise ValueError(f"RGB images have the shape (N, 3, H, W), got {tuple(x.shape)}.")
    weights = x.new_tensor([0.299, 0.587, 0.114])
    return (x * weights[:, None, None]).sum(dim=1, keepdim=True)


def split(
    x: Tensor, y: Tensor, valid: int | float, generator: Generator
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Part the training set at random, to choose on one part what is learned on the other.

    Parameters
    ----------
    x : Tensor, shape (N, ...)
        Images.
    y : Tensor, shape (N,)
        Labels.
    valid : int or float
        How many examples to keep for validation, or which fraction between 0 and 1 of them.
    generator : torch.Generator
        Decides which.

    Returns
    -------
    (x_train, y_train), (x_valid, y_valid) : tuples of Tensor
        Every example is in exactly one of the two.

    Raises
    ------
    ValueError
        If the lengths differ, or one of the parts would be empty.
    TypeError
        If there is no generator.

    Examples
    --------
    >>> import torch
    >>> x, y = torch.zeros(10, 1, 2, 2), torch.arange(10)
    >>> train, held_out = split(x, y, valid=0.2, generator=torch.Generator().manual_seed(0))
    >>> len(train[1]), len(held_out[1])
    (8, 2)
    """
    check_pairs(x, y)
    N = len(y)
    n_valid = round(valid * N) if isinstance(valid, float) and 0 < valid < 1 else valid
    if isinstance(n_valid, bool) or not isinstance(n_valid, int) or not 0 < n_valid < N:
        raise ValueError(
            f"valid={valid!r} leaves one part empty: give a number from 1 to {N - 1}, or a "
            f"fraction between 0 and 1 of the {N} examples."
        )
    order = permutation(N, generator).to(x.device)
    held_out, rest = order[:n_valid], order[n_valid:]
    return (x[rest], y[rest]), (x[held_out], y[held_out])


def check_pairs(x: Tensor, y: Tensor) -> None:
    """Raise an error unless there is one label an image, both as tensors."""
    for name, value in (("x", x), ("y", y)):
        if not hasattr(value, "index_select"):
            raise TypeError(
                f"{name} is a {type(value).__name__}, not a tensor; "
                "x, y = data.to_tensors(mnist.train) makes tensors."
            )
    if len(x) != len(y):
        raise ValueError(f"{len(x)} images but {len(y)} labels; give one label an image.")
    if len(x) == 0:
        raise ValueError("There are no images.")


def check_generator(generator: Generator) -> Generator:
    """Raise an error unless it is a generator of PyTorch."""
    import torch

    if not isinstance(generator, torch.Generator):
        raise TypeError(
            f"generator={generator!r}: what is random here takes its numbers from "
            "torch.Generator().manual_seed(0), so that a run can be repeated."
        )
    return generator


def permutation(n: int, generator: Generator) -> Tensor:
    """Shuffle 0 … n - 1 on the generator's device."""
    import torch

    check_generator(generator)
    return torch.randperm(n, generator=generator, device=generator.device)

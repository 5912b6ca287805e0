"""From pixels to tensors that a network can learn from.

Images are tensors of shape (N, C, H, W), N images of C channels, of float32 unless you choose
another float; labels are int64 of shape (N,). What is computed of images is new, and has their
dtype. An argument that does not fit is refused with a `TypeError` if it is of another kind, with
a `ValueError` if it is of another shape, dtype or size.
"""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from lenet_course.arguments import real_number, whole_number
from lenet_course.data.formats import Dataset, Split
from lenet_course.data.loading import load


def to_tensors(split):
    """Copy a split into tensors: the same numbers as ``torchvision.transforms.ToTensor`` gives.

    Returns
    -------
    x : Tensor of float32, shape (N, C, H, W)
        Pixels from 0 to 1; C is 1 for gray images, 3 for red, green, blue.
    y : Tensor of int64, shape (N,)

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


def channel_stats(images):
    """Mean and standard deviation of each channel, over all pixels of all images.

    Take them of the training images only. The std is that of the pixels; the mean of the images'
    own stds, which many tutorials copy for CIFAR-10 (.2023 .1994 .2010), is smaller.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, H, W) or (N, H, W, 3), or float Tensor, shape (N, C, H, W)
        An array's pixels are scaled to 0 to 1, a tensor's are taken as they are.

    Examples
    --------
    >>> channel_stats(np.array([[[0, 255]]], np.uint8))
    ((0.5,), (0.5,))
    """
    if isinstance(images, np.ndarray):
        return _array_stats(images)
    check_images(images)
    if images.numel() == 0:
        raise ValueError(f"Images of shape {tuple(images.shape)} have no pixels to average.")
    channels = images.transpose(0, 1).flatten(1).double()  # (C, N·H·W)
    return tuple(channels.mean(1).tolist()), tuple(channels.std(1, correction=0).tolist())


def _array_stats(images):
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


def normalize(x, mean, std):
    """Subtract the mean and divide by the std, as ``torchvision.transforms.Normalize`` does.

    There is one number a channel: those of the training images, for test images too.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)
    >>> normalize(x, [0.5], [0.5]).flatten()
    tensor([-1.,  1.])
    """
    check_images(x)
    mean, std = (x.new_tensor(numbers).reshape(-1) for numbers in (mean, std))
    for name, numbers in (("mean", mean), ("std", std)):
        if len(numbers) != x.shape[1]:
            raise ValueError(
                f"{name} has {len(numbers)} numbers for {x.shape[1]} channels; give one a channel."
            )
    if not (mean.isfinite().all() and std.isfinite().all() and (std > 0).all()):
        raise ValueError(
            f"Each std must be positive and finite and each mean finite, not {std.tolist()} and "
            f"{mean.tolist()}."
        )
    return (x - mean[:, None, None]).div_(std[:, None, None])


def to_gray(x):
    """Turn RGB images to grayscale: 0.299 red + 0.587 green + 0.114 blue.

    These weights follow the eye, to which green looks brightest (ITU-R Recommendation BT.601). Use
    it before `normalize`, which changes the scale of each channel. The result has one channel.

    Examples
    --------
    >>> import torch
    >>> red = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    >>> to_gray(red).item()
    0.29899999499320984
    """
    check_images(x)
    if x.shape[1] != 3:
        raise ValueError(f"RGB images have the shape (N, 3, H, W), got {tuple(x.shape)}.")
    weights = x.new_tensor([0.299, 0.587, 0.114])
    return (x * weights[:, None, None]).sum(dim=1, keepdim=True)


def split(x, y, valid, generator):
    """Split a training set at random into images to learn from and images for validation.

    Parameters
    ----------
    x, y : Tensor, shapes (N, ...) and (N,)
    valid : int or float
        How many examples to keep for validation, or which fraction between 0 and 1 of them.
    generator : torch.Generator
        Decides which.

    Returns
    -------
    (x_train, y_train), (x_valid, y_valid) : tuples of Tensor
        Every example is in exactly one of the two.
    """
    check_pairs(x, y)
    N = len(y)
    if isinstance(valid, Integral):
        n_valid = whole_number("valid", valid)
    else:
        n_valid = round(real_number("valid", valid, below=1) * N)
    if not 0 < n_valid < N:
        raise ValueError(
            f"valid={valid!r} leaves one part empty: give a number from 1 to {N - 1}, or a "
            f"fraction between 0 and 1 of the {N} examples."
        )
    order = permutation(N, generator).to(x.device)
    held_out, rest = order[:n_valid], order[n_valid:]
    return (x[rest], y[rest]), (x[held_out], y[held_out])


@dataclass(frozen=True, eq=False, repr=False)
class Prepared:
    """What `prepare` gives: three pairs ``(x, y)`` of tensors, and what they were made with.

    `mean` and `std` are those of the training images before they were normalized.
    """

    train: tuple
    valid: tuple
    test: tuple
    mean: tuple
    std: tuple
    classes: tuple
    source: str
    name: str

    def __repr__(self):
        parts = ("train", "valid", "test")
        pairs = ((part, getattr(self, part)) for part in parts)
        shapes = (f"{part} {pair and tuple(pair[0].shape)}" for part, pair in pairs)
        return f'Prepared("{self.name}", source="{self.source}", {", ".join(shapes)})'


def prepare(dataset, valid, generator, gray=False, normalize=True, source=None, root=None):
    """Load a data set, keep images for validation, normalize all by the training images.

    Does `load`, `to_tensors`, `to_gray` if asked for, `split`, `channel_stats` of the training
    part and `normalize`, in this order.

    Parameters
    ----------
    dataset : str or Dataset
        What to `load` (from `source` and `root`), or what was loaded.
    valid, generator
        How many images to keep for validation and who decides which, as in `split`. None keeps
        none, and ``.valid`` is None.
    gray : bool
        Whether to turn RGB images to grayscale.
    normalize : bool
        False leaves the pixels from 0 to 1, for what is to be normalized after augmentation.

    Examples
    --------
    >>> import torch
    >>> g = torch.Generator().manual_seed(0)
    >>> prepare("mnist", valid=0.1, generator=g, source="sample").valid[0].shape
    torch.Size([500, 1, 28, 28])
    """
    if not isinstance(dataset, Dataset):
        dataset = load(dataset, source=source, root=root)
    elif source is not None or root is not None:
        raise ValueError("source and root say how to load; this data set is loaded.")
    (x, y), (x_test, y_test) = to_tensors(dataset.train), to_tensors(dataset.test)
    if gray:
        x, x_test = to_gray(x), to_gray(x_test)
    kept = None
    if valid is not None:
        (x, y), kept = split(x, y, valid, generator)
    stats = channel_stats(x)
    parts = (x, y), kept, (x_test, y_test)
    if normalize:
        parts = (part and (_normalize(part[0], *stats), part[1]) for part in parts)
    return Prepared(*parts, *stats, dataset.classes, dataset.source, dataset.name)


_normalize = normalize  # inside `prepare`, an argument has its name


def check_tensor(name, value):
    """Raise an error unless it is a tensor; NumPy's arrays have no `index_select`."""
    if not hasattr(value, "index_select"):
        raise TypeError(
            f"{name} is a {type(value).__name__}, not a tensor; "
            "x, y = data.to_tensors(mnist.train) makes tensors."
        )


def check_images(x, floats=True):
    """Raise an error unless `x` is a batch of images, of floats if there is to be computed."""
    check_tensor("x", x)
    if x.ndim != 4 or (floats and not x.is_floating_point()):
        raise ValueError(
            f"A batch of images {'is of floats and ' if floats else ''}has the shape "
            f"(N, C, H, W), not {x.dtype} of shape {tuple(x.shape)}; give one image as x[None], "
            "and pixels from 0 to 255 as x / 255."
        )


def check_pairs(x, y):
    """Raise an error unless there is one label an image, both as tensors."""
    check_tensor("x", x)
    check_tensor("y", y)
    if y.ndim != 1 or x.shape[:1] != y.shape:
        raise ValueError(
            f"x of shape {tuple(x.shape)} but y of shape {tuple(y.shape)}; give one label an image."
        )
    if len(x) == 0:
        raise ValueError(f"There are no images: x has the shape {tuple(x.shape)}.")


def check_generator(generator):
    """Raise an error unless it is a generator of PyTorch."""
    import torch

    if not isinstance(generator, torch.Generator):
        raise TypeError(
            f"generator={generator!r}: what is random here takes its numbers from "
            "torch.Generator().manual_seed(0), so that a run can be repeated."
        )


def permutation(n, generator):
    """Shuffle 0 … n - 1 on the generator's device."""
    import torch

    check_generator(generator)
    return torch.randperm(n, generator=generator, device=generator.device)

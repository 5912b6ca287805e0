"""One pass over batches of images, in training or in evaluation, and what may not go through."""

from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn

from lenet_course.arguments import whole_number


class Evaluation(NamedTuple):
    """Mean loss and share of right answers on some images."""

    loss: float
    accuracy: float


@torch.no_grad()
def evaluate(model, batches, loss_function=None):
    """Measure a model's mean loss and accuracy in evaluation mode; its mode is put back.

    `loss_function` is as in `fit`.

    Examples
    --------
    >>> always_first = nn.Linear(2, 2)
    >>> _ = nn.init.zeros_(always_first.weight)
    >>> always_first.bias.data = torch.tensor([1.0, 0.0])
    >>> batches = [(torch.zeros(4, 2), torch.tensor([0, 0, 1, 0]))]
    >>> evaluate(always_first, batches).accuracy
    0.75
    """
    check_model(model)
    with evaluation_mode(model):
        loss_function = loss_function or nn.CrossEntropyLoss()
        return one_pass(model, batches, loss_function, device_of(model))[0]


@torch.no_grad()
def predict(model, x, batch_size=1000):
    """Return a model's logits for images x, on the CPU, taken in evaluation mode.

    `batch_size` images go through at a time; it bounds the memory and changes nothing else.
    """
    batch_size = whole_number("batch_size", batch_size)
    check_model(model)
    _check_tensor("images", x)
    device = device_of(model)
    with evaluation_mode(model):
        return torch.cat([_logits(model, part.to(device)).cpu() for part in x.split(batch_size)])


def one_pass(model, batches, loss_function, device, step=None):
    """Go through the batches once, with `step(loss)` after each; count the images, too."""
    loss_sum, correct, n_images = 0.0, 0, 0
    for x, y in batches:
        _check_tensor("images", x)
        _check_tensor("labels", y)
        if y.shape != x.shape[:1] or y.is_floating_point():
            raise ValueError(
                f"{len(x)} images need labels of shape ({len(x)},), whole numbers, but have "
                f"{y.dtype} of shape {tuple(y.shape)}; y.argmax(dim=1) makes them of one-hot rows"
            )
        if len(y) == 0:
            continue
        x, y = x.to(device), y.to(device)
        logits = _logits(model, x)
        loss = _loss(loss_function, logits, y)
        if step:
            step(loss)
        loss_sum += loss.detach() * len(y)  # a mean of batch means would overweigh the last batch
        correct += (logits.detach().argmax(dim=1) == y).sum()
        n_images += len(y)
    if n_images == 0:
        raise ValueError("there is no image: the batches are empty")
    return Evaluation(float(loss_sum) / n_images, int(correct) / n_images), n_images


def _logits(model, x):
    """Run the model, and name the batch's shape or dtype if it does not fit."""
    try:
        return model(x)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        dtype = next((p.dtype for p in model.parameters()), x.dtype)
        advice = f"models.layer_table(model, {tuple(x.shape[1:])}) names the layer that fails"
        if x.dtype != dtype:
            advice = f"the weights are {dtype}, the images {x.dtype}: convert them, x.to({dtype})"
        raise ValueError(
            f"the model cannot take a batch of shape {tuple(x.shape)}: {error}. {advice}"
        ) from error


def _loss(loss_function, logits, y):
    """Compute the loss, and name the labels if one has no score."""
    try:
        if (y < 0).any():  # cross-entropy would leave −100 out of the mean without a word
            raise IndexError("a label is negative")
        return loss_function(logits, y)
    except IndexError as error:
        raise ValueError(
            f"the model gives {logits.shape[1]} scores an image, so labels must go from 0 to "
            f"{logits.shape[1] - 1}; this batch has labels from {int(y.min())} to {int(y.max())}"
        ) from error


@contextmanager
def evaluation_mode(model):
    """Switch dropout and batch statistics off for a while."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def device_of(model):
    """Tell where the model's parameters are."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def check_model(model):
    """Refuse what is no network in PyTorch."""
    if not isinstance(model, nn.Module):
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        raise TypeError(
            f"the model is a {kind}, not a torch.nn.Module; build it with torch.nn (the nn= of "
            "lenet_course.models). A network in NumPy is trained by a loop of its own"
        )


def _check_tensor(name, value):
    if not isinstance(value, torch.Tensor):
        raise TypeError(
            f"the {name} are a {type(value).__name__}, not a tensor; data.to_tensors makes "
            "tensors of a data set, torch.as_tensor of an array"
        )

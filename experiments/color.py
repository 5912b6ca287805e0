"""One training of any network on CIFAR-10: its setting, and what is measured of it."""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from experiments import cifar10, store, training
from lenet_course import data, models, precision, train

WEIGHTS = Path(__file__).parent / "results" / "color_weights.safetensors"
ALL = 50_000  # as many training images leave none for validation
PATCHES = 5_000  # images whose patches a whitened first layer is computed from


@dataclass(frozen=True)
class Setting:
    """What a training may differ in.

    Attributes
    ----------
    epochs : int
    network : str
        Name of a network in `lenet_course.models`.
    model : dict
        Its arguments.
    n_images : int
        Training images, taken from the 45,000 that the validation split leaves; 50,000 are all,
        with none left for validation.
    batch_size : int
    optimizer : {"adamw", "nesterov"}
        "nesterov" is SGD with Nesterov's momentum of 0.9.
    one_cycle : bool
        Whether the learning rate rises and falls, or stays at `learning_rate`.
    learning_rate, weight_decay, label_smoothing : float
    augment : bool
        Flip and shift the training images by up to 4 pixels.
    whitened : bool
        Compute the first layer from patches of the training images, and freeze it.
    channels_last : bool
        Keep the channels of a pixel side by side in memory.
    bfloat16 : bool
        Train in bfloat16 if a short measurement finds it faster here; the result tells.
    flip_test : bool
        Measure, too, what the mean of the logits of an image and of its mirror image answers.
    keep_weights : bool
        Store the final weights of seed 0 in float16, and measure them so.
    """

    epochs: int
    network: str = "resnet"
    model: dict = field(default_factory=dict)
    n_images: int = 45_000
    batch_size: int = 512
    optimizer: str = "adamw"
    one_cycle: bool = True
    learning_rate: float = 1e-2
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    augment: bool = True
    whitened: bool = False
    channels_last: bool = True
    bfloat16: bool = False
    flip_test: bool = False
    keep_weights: bool = False
    patience = None  # without a type it is no field, but the same in every training


def run(setting, seed, source="full", progress=True, checkpoint=None):
    """Train one network and measure it on training, validation and test images.

    The split of the images is the same for every seed. What is measured of the final weights is
    computed in float32, and so are the first losses, which a test compares on any processor; a
    training in bfloat16 gives those that it really had as ``bfloat16_losses``.
    """
    images = prepare(setting, source)
    fast = setting.bfloat16 and precision.faster_in_bfloat16()
    if checkpoint:
        checkpoint.settings["bfloat16"] = fast
    with precision.bfloat16(fast):
        net, history, losses = _train(
            setting, seed, images, checkpoint=checkpoint, progress=progress
        )
    result = {"bfloat16": fast, "first_losses": losses}
    if fast:
        result |= {"bfloat16_losses": losses, "first_losses": first_losses(setting, seed, source)}
    if setting.keep_weights and seed == 0:
        train.save(net.half(), WEIGHTS)
        net.float()
    result |= training.measure(net, history, images, setting)
    for name, (x, y) in images.items():
        if name != "train":
            result |= _answers(net, name, x, y, setting.flip_test)
    return result


def first_losses(setting, seed, source="full", steps=store.FIRST):
    """Take the first steps of `run` once more, in float32, and give their losses."""
    return _train(setting, seed, prepare(setting, source), steps=steps)[2]


def prepare(setting, source):
    """Give the images and labels of a setting, by the names "train", "valid" and "test"."""
    images = cifar10.load(source, everything=setting.n_images == ALL)
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    images = {name: (x.contiguous(memory_format=layout), y) for name, (x, y) in images.items()}
    x, y = images["train"]
    return images | {"train": (x[: setting.n_images], y[: setting.n_images])}


def _train(setting, seed, images, **how):
    """Train a new network, all the way or its first steps; give it, its history, its losses."""
    net = getattr(models, setting.network)(seed=seed, **setting.model)
    if setting.whitened:
        models.whiten(net[0], images["train"][0][:PATCHES])
    if setting.channels_last:
        net.to(memory_format=torch.channels_last)
    augment = data.flip_and_crop if setting.augment else None
    return net, *training.train_network(net, images, setting, seed, augment, **how)


def _answers(net, name, x, y, flip_test):
    """Give the answers as digits, and those with a mirror image beside each image, if asked."""
    logits = train.predict(net, x)
    result = {f"{name}_answers": training.digits(logits.argmax(dim=1))}
    if flip_test:
        answers = (logits + train.predict(net, x.flip(-1))).argmax(dim=1)
        accuracy = (answers == y).double().mean().item()
        result[f"flip_{name}_answers"] = training.digits(answers)
        result[f"final_flip_{name}_accuracy"] = accuracy
    return result

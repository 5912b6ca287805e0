"""Weights on disk, as safetensors files."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from lenet_course.files import write_whole
from lenet_course.train.evaluation import check_model


def save(model, path):
    """Write a model's state dict to a safetensors file, all of it or nothing."""
    check_model(model)
    # a model may hold its weights in another order in memory (channels_last); a file may not
    weights = {key: value.contiguous() for key, value in model.state_dict().items()}
    write_whole(path, to_bytes(weights), "the weights")


def load(model, path):
    """Read a safetensors file into a model of the same architecture, and return the model.

    A file that is torn, holds NaN or infinity, or has other names, shapes or kinds of numbers
    than the model raises a ValueError that tells them, and leaves the model as it was.
    """
    check_model(model)
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}: train.save(model, path) writes them")
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from error
    ours, theirs = _described(model.state_dict()), _described(weights)
    differences = [
        f"{key}: model {ours.get(key, 'has none')}, file {theirs.get(key, 'has none')}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]
    if differences:
        raise ValueError(
            f"the weights in {path} are another network's; build the model with the arguments "
            "it was saved with. " + "; ".join(differences)
        )
    weights = {key: value.to(model.state_dict()[key].dtype) for key, value in weights.items()}
    broken = [key for key, value in weights.items() if not value.isfinite().all()]
    if broken:
        raise ValueError(f"weights in {path} are nan or infinite: {', '.join(broken)}")
    model.load_state_dict(weights)
    return model


def _described(state):
    """Tell each tensor's shape, and its dtype if it is not a float of some precision."""
    return {
        key: str(tuple(value.shape)) + ("" if value.is_floating_point() else f" of {value.dtype}")
        for key, value in state.items()
    }

"""Trainings that can be killed: all they depend on, in one file, written whole or not at all.

``train.fit(..., checkpoint=Checkpoint("run.checkpoint"))`` writes the file before the first epoch
and after each. The same call with a new model, optimizer, schedule and batches goes on after the
last finished epoch, and ends with the same bits as a training that was never stopped. For other
loops there are `write` and `read`. The file is a safetensors file, with JSON in its header for
what is no tensor; nothing is pickled.
"""

import json
import warnings
from collections import Counter
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes

from lenet_course.files import write_whole

PLAIN = bool | int | float | str | None
CONTAINERS = {"Counter": Counter, "dict": dict, "tuple": tuple, "list": list}
SCHEDULED = {"lr", "momentum", "betas"}  # what a schedule changes in an optimizer's groups


class Checkpoint:
    """The file that a training is stored in and goes on from.

    It holds weights and buffers, the states of optimizer, schedule, the batches' generator and
    PyTorch's own generators, the history, the best weights so far, and the state of a loss function
    that has a ``state_dict``. A training with other settings, or a damaged file, raises a
    ValueError before anything is changed. Delete the file to begin anew. A training may go on on
    another machine, device or number of threads, but these round in other ways.

    Parameters
    ----------
    path : str or Path
    settings : dict, number, string or None
        What else must be the same for a training to go on, such as ``images=5000``: `fit` compares
        only what it is given, and not the images.
    """

    def __init__(self, path, **settings):
        self.path, self.settings = Path(path), settings

    def start(self, parts, **settings):
        """Go on from the file, or make it if there is none; an OSError if it cannot be made.

        Parameters
        ----------
        parts : dict of str to model, optimizer, schedule, generator or what has a ``state_dict``
        settings : number or None
            What must be the same when the training goes on.
        """
        about = self.settings | settings
        about |= {name: _described(part, parts) for name, part in parts.items()}
        models = [part for part in parts.values() if isinstance(part, torch.nn.Module)]
        devices = {p.device for model in models for p in model.parameters()} | {torch.device("cpu")}
        parts = parts | {f"random numbers of {device}": _generator_of(device) for device in devices}
        self._about = about
        self._parts = {name: part for name, part in parts.items() if _state_of(part) is not None}
        if not self.path.is_file():
            self._write()
            return
        stored = read(self.path)
        try:
            about, states = stored["about"], stored["states"]
        except (TypeError, KeyError):
            raise ValueError(f"{self.path} is no checkpoint of train.fit") from None
        if differences := list(_differences(self._about, about)):
            raise ValueError(
                f"{self.path} is the checkpoint of another training: {'; '.join(differences)}. "
                "Call fit as it was called then, give another path, or delete the file to begin "
                "anew"
            )
        for name in self._parts.keys() & states.keys():  # without a device's that was not there
            part = self._parts[name]
            load = part.set_state if isinstance(part, torch.Generator) else part.load_state_dict
            load(states[name])

    def save(self):
        """Store the training as it is now; if that fails, warn, and leave the last file."""
        try:
            self._write()
        except OSError as error:
            warnings.warn(f"{error}; training goes on, the file is that of before", stacklevel=3)

    def _write(self):
        states = {name: _state_of(part) for name, part in self._parts.items()}
        write(self.path, {"about": self._about, "states": states})


def write(path, state):
    """Write a nested state to a file, all of it or nothing.

    Parameters
    ----------
    path : str or Path
    state : dict, list, tuple, Tensor, number, str or None
        Dicts, lists and tuples may hold each other. Tensors keep their order in memory
        (channels_last) and come back on the CPU. Anything else is a TypeError that tells where.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> state = {"epoch": 3, "weights": [torch.ones(2)]}
    >>> with TemporaryDirectory() as folder:
    ...     write(f"{folder}/a.checkpoint", state)
    ...     read(f"{folder}/a.checkpoint")
    {'epoch': 3, 'weights': [tensor([1., 1.])]}
    """
    tensors = {}
    tree = json.dumps(_pack(state, "", tensors))
    write_whole(path, to_bytes(tensors, metadata={"tree": tree}), "the checkpoint")


def read(path):
    """Read what `write` has written; a file that is torn or none of its files is a ValueError."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint at {path}")
    content = path.read_bytes()
    try:
        tensors = from_bytes(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return _unpack(json.loads(header["__metadata__"]["tree"]), tensors)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(
            f"{path} is not a whole checkpoint ({error}): it was cut off, altered or written by "
            "something else; delete it to begin anew"
        ) from error


def _pack(value, name, tensors):
    """Turn a state into what JSON can hold, and put its tensors into a dict by their place."""
    if isinstance(value, torch.Tensor):
        while name in tensors:
            name += "'"
        # a copy for each, because safetensors refuses two that share their memory
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name, "stride": torch.empty_like(value).stride()}
    if isinstance(value, PLAIN):
        return value
    kind = next((kind for kind, of in CONTAINERS.items() if isinstance(value, of)), None)
    if kind is None:
        raise TypeError(
            f"{name or 'the state'} is a {type(value).__name__}, which a checkpoint cannot hold: "
            "it takes tensors, numbers, strings, and dicts, lists and tuples of them"
        )
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    if strange := [key for key, _ in items if not isinstance(key, int | str)]:
        raise TypeError(f"{name or 'the state'} has the key {strange[0]!r}: use strings or numbers")
    packed = [[key, _pack(item, f"{name}.{key}".lstrip("."), tensors)] for key, item in items]
    return {kind: packed if isinstance(value, dict) else [item for _, item in packed]}


def _unpack(tree, tensors):
    if not isinstance(tree, dict):
        return tree
    if "tensor" in tree:
        value = tensors[tree["tensor"]]
        return torch.empty_strided(value.shape, tree["stride"], dtype=value.dtype).copy_(value)
    ((kind, items),) = tree.items()
    if kind in ("list", "tuple"):
        return CONTAINERS[kind](_unpack(item, tensors) for item in items)
    return CONTAINERS[kind]({key: _unpack(item, tensors) for key, item in items})


def _state_of(part):
    if isinstance(part, torch.Generator):
        return part.get_state()
    return part.state_dict() if hasattr(part, "state_dict") else None


def _generator_of(device):
    """Give PyTorch's own generator of a device, which dropout draws from."""
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.default_generator


def _described(part, parts):
    """Tell of a part what training does not change, and another training may have otherwise."""
    about = {"class": type(part).__name__}
    if isinstance(part, torch.Generator):
        about["seed"] = part.initial_seed()
    elif isinstance(part, torch.nn.Module):
        state = part.state_dict().items()
        about |= {key: f"{tuple(value.shape)} {value.dtype}" for key, value in state}
    elif isinstance(part, torch.optim.Optimizer):
        changing = SCHEDULED if parts.get("schedule") else set()
        for number, group in enumerate(part.param_groups):
            about[f"group {number}"] = {
                "parameters": len(group["params"]),
                **{key: v for key, v in group.items() if key not in {"params", *changing}},
            }
    elif isinstance(part, torch.optim.lr_scheduler.LRScheduler):
        state = part.state_dict().items()
        about |= {key: v for key, v in state if key != "last_epoch" and key[0] != "_"}
    return about


def _differences(here, there, name=""):
    """Tell each place where two descriptions are not the same."""
    if isinstance(here, dict) and isinstance(there, dict):
        for key in here | there:
            missing = "nothing"
            yield from _differences(
                here.get(key, missing), there.get(key, missing), f"{name}.{key}".lstrip(".")
            )
    elif here != there:
        yield f"{name}: here {here}, in the file {there}"

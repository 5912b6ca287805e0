"""Write what the live demonstrations need of the weights and the data: `_static/demos/data/`.

    python -m tools.export_demos

A page that is opened from disk may not fetch a file. So each file is a script, and its numbers are
text (base64): weights as float32 in the order of memory, pixels as uint8. The same data give the
same bytes on every machine.
"""

import base64
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from lenet_course import data, models, train

ROOT = Path(__file__).parent.parent
WEIGHTS = ROOT / "experiments" / "results" / "lenet_mnist.safetensors"
FOLDER = ROOT / "_static" / "demos" / "data"
N_TRAIN, N_HELD_OUT = 1000, 200  # digits of the live training
RED_CAR = 99  # the photograph: in gray its body is as dark as the bushes around it


def files(mnist, cifar):
    """Make the content of all files, by their names."""
    prepared = data.prepare(mnist, 5000, torch.Generator().manual_seed(0))  # as in the training
    weights = lenet(prepared.mean[0], prepared.std[0])
    return {
        "lenet": weights,
        "digits_wrong": digits_wrong(mnist.test, *prepared.test),
        "kernels": kernels(mnist, cifar, weights),
        "training_digits": training_digits(mnist.train),
    }


def lenet(mean, std):
    """Take LeNet's weights by their keys, and how its input is normalized."""
    state = {
        key: {"shape": array.shape, "data": text(array.astype("<f4"))}
        for key, array in load_file(WEIGHTS).items()
    }
    return {"mean": round(mean, 6), "std": round(std, 6), "state": state}


def digits_wrong(split, x, y):
    """Find the digits that LeNet gets wrong and their places, and count those it gets right."""
    answers = train.predict(train.load(models.lenet(), WEIGHTS), x).argmax(dim=1)
    wrong = np.flatnonzero(answers != y)
    return {
        "right": len(y) - len(wrong),
        "of": len(y),
        "index": wrong.tolist(),
        "labels": split.labels[wrong].tolist(),
        "pixels": text(split.images[wrong]),  # (N, 28, 28)
    }


def kernels(mnist, cifar, weights):
    """Take the 4 of the chapter on convolution, a photograph, and LeNet's first layer."""
    return {
        "four": text(mnist.train.images[2]),  # (28, 28)
        "photograph": text(cifar.train.images[RED_CAR].transpose(2, 0, 1)),  # (3, 32, 32)
        "mean": weights["mean"],
        "std": weights["std"],
        "weight": weights["state"]["0.weight"]["data"],  # (6, 1, 5, 5)
        "bias": weights["state"]["0.bias"]["data"],  # (6,)
    }


def training_digits(split):
    """Take the first training images: `n_train` to learn from, the rest to judge by.

    Each 2×2 pixels are replaced by their mean. Of 28×28 pixels the digits would be 1.25 MB of text
    instead of 0.31, and a step of training would take four times as long; the digits stay legible.
    """
    images = split.images[: N_TRAIN + N_HELD_OUT]
    means = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).round()
    labels = split.labels[: len(images)].tolist()
    return {"n_train": N_TRAIN, "labels": labels, "pixels": text(means.astype(np.uint8))}


def text(array):
    """Write an array's bytes as text."""
    return base64.b64encode(array.tobytes()).decode()


def script(name, content):
    """Write a file's content as a script that keeps it as `demo_data.NAME`."""
    lines = json.dumps(content, separators=(",", ":")).replace('},"', '},\n"')
    return f"(globalThis.demo_data ??= {{}}).{name} = {lines};\n"


def main():
    """Write all files and list their sizes."""
    made = files(data.load("mnist", source="full"), data.load("cifar10", source="full"))
    for name, content in made.items():
        path = FOLDER / f"{name}.js"
        path.write_text(script(name, content), encoding="utf-8", newline="\n")
        print(f"{path.stat().st_size:>8,} bytes  {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

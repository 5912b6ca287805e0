"""Store the labels that stored answers are compared with: `python -m experiments.labels`.

A reader who has only the samples of the data can so draw the stored runs, too.
"""

from experiments import color, gray
from experiments.__main__ import FOLDER
from experiments.store import add_run, circumstances

PATH = FOLDER / "labels.jsonl"


def labels(name):
    """Give the labels of the validation and test images of a data set, as strings of digits."""
    if name == "cifar10":
        images = color.prepare(color.Setting(epochs=1), "full")
    else:
        images = gray.prepare(gray.Setting(epochs=1, data=name), "full")
    parts = {part: images[part][1].tolist() for part in ("valid", "test")}
    return {f"{part}_labels": "".join(map(str, digits)) for part, digits in parts.items()}


if __name__ == "__main__":
    PATH.unlink(missing_ok=True)
    about = {"command": "python -m experiments.labels"} | circumstances()
    for name in ("mnist", "fashion_mnist", "cifar10"):
        add_run(PATH, name, 0, labels(name), about)

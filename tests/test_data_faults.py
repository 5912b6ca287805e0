"""What goes wrong with hosts, disks and processes, each case made to happen."""

import contextlib
import errno
import io
import os
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import warnings
from pathlib import Path

import pytest
import requests
from data_helpers import GZ, NAMES, RAW, assert_tiny, md5, serve, tiny_spec

from lenet_course import data
from lenet_course.data import cache, loading, official
from lenet_course.data.catalog import CATALOG

FIRST = NAMES[0]


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    """No cache, no setting and no memory of earlier tests."""
    monkeypatch.setenv("LENET_COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LENET_COURSE_DATA", raising=False)
    monkeypatch.setattr(loading, "_unavailable", set())


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "mnist"


@pytest.fixture
def use(monkeypatch):
    """Let the tiny data set, offered by the given sources, take the place of MNIST."""

    def put(*sources):
        monkeypatch.setitem(CATALOG, "mnist", tiny_spec(*sources))

    return put


def load_quietly(**kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return data.load("mnist", source="full", **kwargs)


def assert_cached(folder):
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == RAW


def test_a_download_is_stored_and_not_repeated(use, folder):
    with serve() as host:
        use(host.gzip_source)
        assert_tiny(load_quietly())
        assert_tiny(load_quietly())
        assert set(host.hits.values()) == {1}
    assert_cached(folder)
    assert_tiny(load_quietly())  # the host is gone


def test_root_is_the_cache_folder(use, folder, tmp_path):
    with serve() as host:
        use(host.gzip_source)
        assert_tiny(load_quietly(root=tmp_path / "mine"))
    assert_cached(tmp_path / "mine" / "mnist")
    assert not folder.exists()


def test_the_progress_bar_counts_bytes(use, capfd):
    with serve() as host:
        use(host.gzip_source)
        data.load("mnist", source="full")
    shown = capfd.readouterr().err
    assert f"{FIRST}.gz" in shown
    assert "B/s" in shown


def cut(handler):
    handler.begin(len(GZ[FIRST]))
    handler.wfile.write(GZ[FIRST][:100])


def cut_unannounced(handler):
    handler.begin()
    handler.wfile.write(GZ[FIRST][:100])


def silent(handler):
    handler.server.go_on.wait(5)


def silent_after_a_while(handler):
    handler.begin(len(GZ[FIRST]))
    handler.wfile.write(GZ[FIRST][:100])
    handler.wfile.flush()
    handler.server.go_on.wait(5)


def drip(handler):
    handler.begin(len(GZ[FIRST]))
    for byte in GZ[FIRST]:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        if handler.server.go_on.wait(0.05):
            return


def without_end(handler):
    handler.begin()
    while not handler.server.go_on.is_set():
        handler.wfile.write(bytes(1 << 16))


def altered(content):
    return content[:-1] + bytes([content[-1] ^ 1])


FAULTS = {
    "404": (None, "HTTP 404"),
    "cut": (cut, "100 bytes of"),
    "cut, length unknown": (cut_unannounced, "has md5"),
    "silent": (silent, "no answer"),
    "silent after a while": (silent_after_a_while, "100 bytes of"),
    "drip": (drip, "stalled"),
    "without end": (without_end, "is longer than"),
    "one bit wrong": (altered(GZ[FIRST]), "has md5"),
    "a page of a portal": (b"<html>Log in to the hotel", "has md5"),
    "empty": (b"", "has md5"),
}


@pytest.fixture
def _impatient(monkeypatch):
    monkeypatch.setattr(official, "READ_SECONDS", 0.4)
    monkeypatch.setattr(official, "WINDOW_SECONDS", 0.4)
    monkeypatch.setattr(official, "LARGEST", 1 << 20)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_host_is_reported_and_the_next_one_asked(use, folder, fault):
    answer, told = FAULTS[fault]
    start = time.monotonic()
    with serve({f"{FIRST}.gz": answer}) as bad:
        use(bad.gzip_source)
        with pytest.raises(data.DataUnavailableError, match=told) as caught:
            data.load("mnist", source="full")
        assert bad.gzip_source.label in str(caught.value)
        assert not (folder / FIRST).exists()
        assert not list(folder.glob(".*"))
        with serve() as good:
            use(bad.gzip_source, good.gzip_source)
            assert_tiny(load_quietly())
    assert_cached(folder)
    assert time.monotonic() - start < 5


def test_the_bytes_are_compared_even_if_the_archive_had_its_checksum(use, folder):
    """The host's own checksum is not enough: the file in it must be the published one."""

    class Liar:
        label = "liar"

        def fetch(self, names):
            yield FIRST, altered(RAW[FIRST])

    use(Liar())
    with pytest.raises(data.DataUnavailableError, match=f"liar: {FIRST} has md5"):
        data.load("mnist", source="full")
    assert not (folder / FIRST).exists()


def test_an_archive_over_http_is_opened_only_with_its_checksum(use, folder):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in RAW.items():
            info = tarfile.TarInfo(f"inside/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    archive = file.getvalue()
    members = {name: f"inside/{name}" for name in NAMES}
    with serve({"all.tar.gz": archive}) as host:
        use(official.HttpArchive(f"{host.base}all.tar.gz", md5(archive), members))
        assert_tiny(load_quietly())
        assert_cached(folder)
        (folder / FIRST).unlink()
        use(official.HttpArchive(f"{host.base}all.tar.gz", md5(b"other"), members))
        with pytest.raises(data.DataUnavailableError, match=r"all\.tar\.gz has md5"):
            data.load("mnist", source="full")


def test_one_error_lists_every_answer_and_offers_the_sample(use, folder):
    class Broken:
        label = "broken"

        def fetch(self, names):
            raise RuntimeError("out of order")

    with serve({f"{FIRST}.gz": None}) as host:
        pass
    gone = host.gzip_source
    use(gone, Broken())
    with pytest.raises(data.DataUnavailableError) as caught:
        data.load("mnist", source="full")
    text = str(caught.value)
    assert f"{gone.label}: " in text
    assert "refused" in text
    assert "broken: RuntimeError: out of order" in text
    assert 'data.load("mnist", source="sample")' in text
    assert str(folder) in text
    assert len(text.splitlines()) == 4


def test_without_a_source_the_sample_stands_in_and_says_so_once(use):
    with serve({f"{FIRST}.gz": None}) as host:
        use(host.gzip_source)
        with pytest.warns(data.DataWarning, match="Using the sample of mnist") as told:
            assert data.load("mnist").source == "sample"
        assert len(told) == 1
        assert "\n" not in str(told[0].message)
        asked = host.hits.total()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert data.load("mnist").source == "sample"
        assert host.hits.total() == asked  # not tried in vain again
    with serve() as host:
        use(host.gzip_source)
        assert_tiny(data.load("mnist", source="full"))
        assert_tiny(data.load("mnist"))


@pytest.mark.parametrize("how", ["altered", "truncated", "longer", "empty", "a folder"])
def test_an_altered_cache_file_is_fetched_again_and_said_so(use, folder, how):
    with serve() as host:
        use(host.gzip_source)
        load_quietly()
        path = folder / FIRST
        changed = {
            "altered": altered(RAW[FIRST]),
            "truncated": RAW[FIRST][:-1],
            "longer": RAW[FIRST] + b"0",
            "empty": b"",
        }
        if how == "a folder":
            path.unlink()
            path.mkdir()
        else:
            path.write_bytes(changed[how])
        with pytest.warns(data.DataWarning, match=f"{FIRST} .*fetched again"):
            assert_tiny(data.load("mnist", source="full"))
        assert host.hits == {f"{n}.gz": 1 + (n == FIRST) for n in NAMES}
        if how != "a folder":
            assert_cached(folder)


def test_an_altered_cache_file_is_never_used_without_a_source(use, folder):
    with serve() as host:
        use(host.gzip_source)
        load_quietly()
    (folder / FIRST).write_bytes(altered(RAW[FIRST]))
    with (
        pytest.warns(data.DataWarning, match="fetched again"),
        pytest.raises(data.DataUnavailableError),
    ):
        data.load("mnist", source="full")


def test_a_place_that_cannot_hold_a_cache(use, tmp_path):
    """Root may write anywhere, so the folder is put where not even root can: under a file."""
    (tmp_path / "file").write_text("not a folder")
    with serve() as host:
        use(host.gzip_source)
        with pytest.warns(data.DataWarning, match="could not be stored") as told:
            assert_tiny(data.load("mnist", source="full", root=tmp_path / "file" / "cache"))
        assert len(told) == 1


@pytest.fixture
def read_only():
    """Make a folder read-only for this process, which gives up root's power over it if need be."""
    was_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as root, contextlib.ExitStack() as undo:
        Path(root).chmod(0o755)

        def close():
            for path in (Path(root), *Path(root).rglob("*")):
                path.chmod(0o555 if path.is_dir() else 0o444)
            if was_root:
                os.seteuid(65534)
                undo.callback(os.seteuid, 0)

        yield Path(root), close
        undo.close()
        for path in (Path(root), *Path(root).rglob("*")):
            path.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
@pytest.mark.parametrize("missing", [0, 1])
def test_a_read_only_cache(use, read_only, missing):
    root, close = read_only
    with serve() as host:
        use(host.gzip_source)
        load_quietly(root=root)
        if missing:
            (root / "mnist" / FIRST).unlink()
        close()
        with pytest.raises(PermissionError):
            (root / "mnist" / "new").touch()
        if missing:
            with pytest.warns(data.DataWarning, match="used from memory"):
                assert_tiny(data.load("mnist", source="full", root=root))
            assert not (root / "mnist" / FIRST).exists()
        else:
            assert_tiny(load_quietly(root=root))


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_loses_nothing_and_leaves_no_half_file(use, folder, monkeypatch, step):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with serve() as host:
        use(host.gzip_source)
        with monkeypatch.context() as patch:
            patch.setattr(cache.os, step, full)
            with pytest.warns(data.DataWarning, match="No space left") as told:
                assert_tiny(data.load("mnist", source="full"))
        assert len(told) == 1
        assert list(folder.iterdir()) == []
        assert_tiny(load_quietly())
    assert_cached(folder)


CHILD = """
import sys
sys.path.insert(0, {tests!r})
from data_helpers import GZ_MD5, assert_tiny, tiny_spec
from lenet_course import data
from lenet_course.data.catalog import CATALOG
from lenet_course.data.official import HttpGzip
CATALOG["mnist"] = tiny_spec(HttpGzip({base!r}, GZ_MD5))
{before}
assert_tiny(data.load("mnist", source="full"))
print("whole")
"""


def start_child(base, before=""):
    code = CHILD.format(tests=str(Path(__file__).parent), base=base, before=before)
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_file_larger_than_the_disk_allows(folder):
    """The kernel itself refuses to write on, in the middle of a file."""
    pytest.importorskip("resource")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
    with serve() as host:
        out, err = (child := start_child(host.base, limit)).communicate(timeout=20)
    assert (child.returncode, out) == (0, "whole\n"), err
    assert "could not be stored" in err
    assert {p.name for p in folder.iterdir()} <= set(NAMES) - {FIRST}
    assert all(p.read_bytes() == RAW[p.name] for p in folder.iterdir())


def test_two_processes_at_once_download_once(folder):
    def slow(handler):
        time.sleep(1)
        handler.begin(len(GZ[FIRST]))
        handler.wfile.write(GZ[FIRST])

    with serve({f"{FIRST}.gz": slow}) as host:
        children = [start_child(host.base) for _ in range(2)]
        for child in children:
            out, err = child.communicate(timeout=20)
            assert (child.returncode, out) == (0, "whole\n"), err
        assert host.hits == {f"{n}.gz": 1 for n in NAMES}
    assert_cached(folder)


def test_who_waits_is_told(use, folder, capfd):
    folder.mkdir(parents=True)
    ready = "import time; from lenet_course.data import cache; from pathlib import Path"
    code = (
        f"{ready}\nwith cache.locked(Path({str(folder)!r})): print(1, flush=True); time.sleep(1.3)"
    )
    with serve() as host, subprocess.Popen([sys.executable, "-c", code], stdout=-1) as child:
        child.stdout.readline()
        use(host.gzip_source)
        assert_tiny(load_quietly())
    assert "Another process is fetching" in capfd.readouterr().err


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX signals")
def test_killed_while_downloading(use, folder):
    """Killed with one file stored and the next half there; the lock dies with the process."""
    second = NAMES[1]

    def stop_half_way(handler):
        handler.begin(len(GZ[second]))
        handler.wfile.write(GZ[second][:20])
        handler.wfile.flush()
        handler.server.go_on.wait(10)

    with serve({f"{second}.gz": stop_half_way}) as host:
        child = start_child(host.base)
        while not host.hits[f"{second}.gz"]:
            assert child.poll() is None, child.communicate()
            time.sleep(0.02)
        child.kill()
        child.communicate()
    assert {p.name for p in folder.iterdir()} == {FIRST}
    with serve() as host:
        use(host.gzip_source)
        assert_tiny(load_quietly())
        assert FIRST not in {path.removesuffix(".gz") for path in host.hits}
    assert_cached(folder)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX signals")
def test_killed_while_writing(use, folder):
    """A half file is there under another name only, is never read, and is cleared away."""
    half = (
        "import os, signal; from lenet_course.data import cache\n"
        "cache.os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)"
    )
    with serve() as host:
        child = start_child(host.base, half)
        child.communicate(timeout=20)
        assert child.returncode == -signal.SIGKILL
        (left,) = folder.iterdir()
        assert left.suffix == cache.UNFINISHED
        use(host.gzip_source)
        assert_tiny(load_quietly())
    assert_cached(folder)


def test_interrupted_by_hand(use, folder, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    with serve() as host:
        use(host.gzip_source)
        with monkeypatch.context() as patch:
            patch.setattr(cache.os, "replace", interrupt)
            with pytest.raises(KeyboardInterrupt):
                data.load("mnist", source="full")
        assert list(folder.iterdir()) == []
        assert_tiny(load_quietly())


def test_stored_files_can_be_read_by_others(use, folder):
    with serve() as host:
        use(host.gzip_source)
        load_quietly()
    assert {stat.S_IMODE(p.stat().st_mode) & 0o444 for p in folder.iterdir()} == {0o444}


def test_a_failed_request_names_the_plain_reason(monkeypatch):
    def get(*args, **kwargs):
        raise requests.ConnectionError("outer") from OSError("Name or service not known")

    monkeypatch.setattr(official.requests, "get", get)
    with pytest.raises(official.SourceError, match=r"^Name or service not known, 0 bytes"):
        official.download("http://nowhere.invalid/file")

"""What goes wrong with hosts, disks and processes, each case made to happen."""

import contextlib
import errno
import gzip
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
from types import SimpleNamespace

import pooch
import pytest
from data_helpers import GZ, NAMES, RAW, assert_tiny, serve, tiny_spec

from lenet_course import data
from lenet_course.data import loading, sources
from lenet_course.data.catalog import CATALOG

FIRST = NAMES[0]


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    """No cache, no setting, no memory of earlier tests, and no pause before a second try."""
    monkeypatch.setenv("LENET_COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LENET_COURSE_DATA", raising=False)
    monkeypatch.setattr(loading, "_unavailable", set())
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))


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
        use(host.source)
        assert_tiny(load_quietly())
        assert_tiny(load_quietly())
        assert set(host.hits.values()) == {1}
    assert_cached(folder)
    assert_tiny(load_quietly())  # the host is gone


def test_root_is_the_cache_folder(use, folder, tmp_path):
    with serve() as host:
        use(host.source)
        assert_tiny(load_quietly(root=tmp_path / "mine"))
    assert_cached(tmp_path / "mine" / "mnist")
    assert not folder.exists()


def test_the_progress_bar_counts_bytes(use, capfd):
    with serve() as host:
        use(host.source)
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
    for start in range(0, len(GZ[FIRST]), 200):
        handler.wfile.write(GZ[FIRST][start : start + 200])
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
    "404": (None, "404 Client Error"),
    "cut": (cut, "100 bytes read"),
    "cut, length unknown": (cut_unannounced, "EOFError"),
    "silent": (silent, "timed out"),
    "silent after a while": (silent_after_a_while, "timed out"),
    "drip": (drip, "stalled"),
    "without end": (without_end, "is longer than"),
    "one bit wrong": (altered(GZ[FIRST]), "BadGzipFile"),
    "one bit of the pixels wrong": (gzip.compress(altered(RAW[FIRST])), "does not match the known"),
    "a page of a portal": (b"<html>Log in to the hotel", "Not a gzipped file"),
    "empty": (b"", "does not match the known hash"),
}


@pytest.fixture
def _impatient(monkeypatch):
    monkeypatch.setattr(sources, "SILENT_SECONDS", 0.4)
    monkeypatch.setattr(sources, "HTTP_WINDOW", 0.4)
    monkeypatch.setattr(sources, "LARGEST", 1 << 20)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_host_is_reported_and_the_next_one_asked(use, folder, fault):
    answer, told = FAULTS[fault]
    start = time.monotonic()
    with serve({f"{FIRST}.gz": answer}) as bad:
        use(bad.source)
        with pytest.raises(data.DataUnavailableError, match=told) as caught:
            data.load("mnist", source="full")
        assert bad.source.label in str(caught.value)
        assert not (folder / FIRST).exists()
        assert not list(folder.glob(".*"))
        with serve() as good:
            use(bad.source, good.source)
            assert_tiny(load_quietly())
    assert_cached(folder)
    assert time.monotonic() - start < 5


def test_a_transfer_that_breaks_is_tried_a_second_time(use):
    def cut_once(handler):
        if handler.server.hits[f"{FIRST}.gz"] == 1:
            cut(handler)
        else:
            handler.begin(len(GZ[FIRST]))
            handler.wfile.write(GZ[FIRST])

    with serve({f"{FIRST}.gz": cut_once}) as host:
        use(host.source)
        assert_tiny(load_quietly())
        assert host.hits == {f"{n}.gz": 1 + (n == FIRST) for n in NAMES}


def own(label, read):
    return sources.Source(label, "own:{}", lambda names: read)


def test_one_source_goes_on_where_another_stopped(use, folder):
    first = own("first", {FIRST: RAW[FIRST]}.__getitem__)
    second = own("second", {name: RAW[name] for name in NAMES[1:]}.__getitem__)
    use(first, second)
    assert_tiny(load_quietly())
    assert_cached(folder)


def test_an_archive_over_http_is_fetched_once(use, folder):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in RAW.items():
            info = tarfile.TarInfo(f"inside/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    with serve({"all.tar.gz": file.getvalue(), "cut.tar.gz": file.getvalue()[:1000]}) as host:
        members = {name: (f"inside/{name}",) for name in NAMES}
        use(*(sources.http_archive(f"{host.base}{n}.tar.gz", members) for n in ("cut", "all")))
        assert_tiny(load_quietly())
        assert host.hits == {"cut.tar.gz": 1, "all.tar.gz": 1}
    assert_cached(folder)


def test_one_error_lists_every_answer_and_offers_the_sample(use, folder):
    def out_of_order(name):
        raise RuntimeError("out of\norder") from KeyError("hidden")

    with serve() as host:
        pass
    use(host.source, own("broken", out_of_order), own("liar", lambda name: altered(RAW[name])))
    with pytest.raises(data.DataUnavailableError) as caught:
        data.load("mnist", source="full")
    text = str(caught.value)
    assert f"{host.source.label}: " in text
    assert "refused" in text
    assert "broken: KeyError: 'hidden'" in text
    assert f"liar: MD5 hash of downloaded file ({FIRST}) does not match" in text
    assert 'data.load("mnist", source="sample")' in text
    assert str(folder) in text
    assert len(text.splitlines()) == 5
    assert not list(folder.iterdir())


def test_without_a_source_the_sample_stands_in_and_says_so_once(use):
    with serve({f"{FIRST}.gz": None}) as host:
        use(host.source)
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
        use(host.source)
        assert_tiny(data.load("mnist", source="full"))
        assert_tiny(data.load("mnist"))


def sparse(path):
    with path.open("wb") as file:
        file.truncate(1 << 40)  # more than any memory; takes no place on the disk


ALTERED = {
    "altered": lambda path: path.write_bytes(altered(RAW[FIRST])),
    "truncated": lambda path: path.write_bytes(RAW[FIRST][:-1]),
    "longer": lambda path: path.write_bytes(RAW[FIRST] + b"0"),
    "empty": lambda path: path.write_bytes(b""),
    "a terabyte": sparse,
    "a pipe": os.mkfifo if hasattr(os, "mkfifo") else None,
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
}


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices")
@pytest.mark.parametrize("how", ALTERED)
def test_an_altered_cache_file_is_fetched_again_and_said_so(use, folder, how):
    with serve() as host:
        use(host.source)
        load_quietly()
        (folder / FIRST).unlink()
        ALTERED[how](folder / FIRST)
        start = time.monotonic()
        with pytest.warns(data.DataWarning, match=f"{FIRST} .*fetched again") as told:
            assert_tiny(data.load("mnist", source="full"))
        assert time.monotonic() - start < 2
        assert host.hits == {f"{n}.gz": 1 + (n == FIRST) for n in NAMES}
        assert told[0].filename == __file__
        if how == "a folder":  # which may hold something of value
            assert (folder / FIRST).is_dir()
        else:
            assert_cached(folder)
            assert_tiny(load_quietly())


def test_an_altered_cache_file_is_never_used_without_a_source(use, folder):
    with serve() as host:
        use(host.source)
        load_quietly()
    (folder / FIRST).write_bytes(altered(RAW[FIRST]))
    with (
        pytest.warns(data.DataWarning, match="fetched again"),
        pytest.raises(data.DataUnavailableError),
    ):
        data.load("mnist", source="full")


@pytest.mark.parametrize("told_by", ["root", "LENET_COURSE_CACHE", "HOME"])
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
    with serve() as host:
        use(host.source)
        with pytest.warns(data.DataWarning, match="could not be stored") as told:
            assert_tiny(data.load("mnist", source="full", root=root))
        assert len(told) == 1
        assert str(place) in str(told[0].message)


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
        use(host.source)
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


def test_a_file_that_vanishes_as_soon_as_it_is_stored(use, monkeypatch):
    def lose(source, place):
        os.unlink(source)

    monkeypatch.setattr(pooch.core.shutil, "move", lose)
    with serve() as host:
        use(host.source)
        with pytest.warns(data.DataWarning, match="could not be stored"):
            assert_tiny(data.load("mnist", source="full"))


@pytest.mark.parametrize("step", ["make", "write", "move"])
def test_a_full_disk_loses_nothing_and_leaves_no_half_file(use, folder, monkeypatch, step):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with serve() as host:
        use(host.source)
        with monkeypatch.context() as patch:
            if step == "make":
                patch.setattr(pooch.utils.tempfile, "NamedTemporaryFile", full)
            elif step == "write":
                patch.setattr(sources.Path, "write_bytes", full)
            else:
                patch.setattr(pooch.core.shutil, "move", full)
            with pytest.warns(data.DataWarning, match="No space left") as told:
                assert_tiny(data.load("mnist", source="full"))
        assert len(told) == 1
        assert "LENET_COURSE_CACHE" in str(told[0].message)
        assert told[0].filename == __file__
        assert list(folder.iterdir()) == []
        assert_tiny(load_quietly())
    assert_cached(folder)


def test_what_is_not_stored_is_compared_all_the_same(use, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    use(own("liar", lambda name: altered(RAW[name])))
    with (
        pytest.warns(data.DataWarning, match="could not be stored"),
        pytest.raises(data.DataUnavailableError, match=f"liar: {FIRST} has md5"),
    ):
        data.load("mnist", source="full", root=tmp_path / "file")


def test_a_file_system_without_locks(use, folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise NotImplementedError

    monkeypatch.setattr(loading.filelock.FileLock, "acquire", refuse)
    with serve() as host:
        use(host.source)
        assert_tiny(load_quietly())
    assert_cached(folder)


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
    ready = "import time; from lenet_course.data import loading; from pathlib import Path"
    hold = f"with loading._locked(Path({str(folder)!r})): print(1, flush=True); time.sleep(1.3)"
    code = f"{ready}\n{hold}"
    with serve() as host, subprocess.Popen([sys.executable, "-c", code], stdout=-1) as child:
        child.stdout.readline()
        use(host.source)
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
    assert {p.name for p in folder.iterdir() if not p.name.startswith("tmp")} == {FIRST}
    with serve() as host:
        use(host.source)
        assert_tiny(load_quietly())
        assert FIRST not in {path.removesuffix(".gz") for path in host.hits}
    assert_cached(folder)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX signals")
def test_killed_while_writing(use, folder):
    """A half file is there under another name only, is never read, and is cleared away."""
    half = (
        "import os, shutil, signal\n"
        "shutil.move = lambda *places: os.kill(os.getpid(), signal.SIGKILL)"
    )
    with serve() as host:
        child = start_child(host.base, half)
        child.communicate(timeout=20)
        assert child.returncode == -signal.SIGKILL
        (left,) = folder.iterdir()
        assert left.name not in NAMES
        use(host.source)
        assert_tiny(load_quietly())
    assert_cached(folder)


def test_interrupted_by_hand(use, folder, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    with serve() as host:
        use(host.source)
        with monkeypatch.context() as patch:
            patch.setattr(pooch.core.shutil, "move", interrupt)
            with pytest.raises(KeyboardInterrupt):
                data.load("mnist", source="full")
        assert list(folder.iterdir()) == []
        assert_tiny(load_quietly())


def test_stored_files_can_be_read_by_others(use, folder):
    with serve() as host:
        use(host.source)
        load_quietly()
    assert {stat.S_IMODE(p.stat().st_mode) & 0o444 for p in folder.iterdir()} == {0o444}

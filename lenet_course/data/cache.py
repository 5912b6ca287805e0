"""One folder of verified files: no wrong byte comes out, no half file goes in."""

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import filelock
import platformdirs

from lenet_course.data.catalog import File

UNFINISHED = ".part"


class DataWarning(UserWarning):
    """Something about the data that the reader should know, and that did no harm."""


def cache_folder(root: str | os.PathLike | None = None) -> Path:
    """Tell where the data sets are kept.

    Parameters
    ----------
    root : path, optional
        A folder of your own choice.

    Returns
    -------
    Path
        `root`; without it the folder that the environment variable ``LENET_COURSE_CACHE`` names;
        without both, the operating system's place for caches.

    Examples
    --------
    >>> cache_folder("my_data").name
    'my_data'
    """
    chosen = root or os.environ.get("LENET_COURSE_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("lenet_course", appauthor=False)


def read(folder: Path, file: File, warn: bool = True) -> bytes | None:
    """Read a file out of the cache, if it is there and has the published checksum.

    Returns
    -------
    bytes or None
        The content that was checked, so that nobody can change it in between; None if the file is
        missing, or altered or unreadable, which a `DataWarning` says unless `warn` is false.
    """
    path = folder / file.name
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        fault = f"{file.name} cannot be read ({error.strerror})"
    else:
        fault = file.fault(content)
    if fault is None:
        return content
    if warn:
        warnings.warn(f"In {folder}: {fault}. It will be fetched again.", DataWarning, stacklevel=2)
    return None


def store(folder: Path, name: str, content: bytes) -> None:
    """Put a file into the cache: whole or not at all.

    It is written under another name in the same folder, flushed to the disk and then renamed,
    which the operating system does in one step.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; no part of the file stays behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.", suffix=UNFINISHED)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, folder / name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Let one process at a time fetch into a folder; the operating system frees a dead one's lock.

    Yields
    ------
    bool
        False if the place cannot be written, so that there is nothing to lock either.
    """
    lock = filelock.FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=1)
        except filelock.Timeout:
            print(f"Another process is fetching into {folder}; waiting.", file=sys.stderr)
            lock.acquire()
    except (OSError, NotImplementedError):
        yield False
        return
    try:
        for left in folder.glob(f".*{UNFINISHED}"):  # by a process that was killed
            with contextlib.suppress(OSError):
                left.unlink()
        yield True
    finally:
        lock.release()

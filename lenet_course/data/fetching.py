"""Get a data set's files: out of the cache, else from its sources in turn, always verified."""

import warnings
from pathlib import Path

from lenet_course.data import cache
from lenet_course.data.archives import SourceError
from lenet_course.data.cache import DataWarning
from lenet_course.data.catalog import Spec


class DataUnavailableError(OSError):
    """No source delivered the full data; the text lists what each answered and what to do."""


def obtain(spec: Spec, root: Path) -> dict[str, bytes]:
    """Give the content of every file of a data set.

    Parameters
    ----------
    spec : Spec
        The data set.
    root : Path
        The cache folder; the set has a folder of its own in it.

    Returns
    -------
    dict of str to bytes
        By the file's name; every content has its published checksum.

    Raises
    ------
    DataUnavailableError
        If files are missing and no source delivered them.

    Warns
    -----
    DataWarning
        If a file in the cache was altered, or a fetched one could not be stored.
    """
    folder = root / spec.name
    content = {}
    _read(spec, folder, content)
    if len(content) < len(spec.files):
        with cache.locked(folder) as is_locked:
            if is_locked:  # another process may have fetched them meanwhile
                _read(spec, folder, content, warn=False)
            _fetch(spec, folder, content)
    return content


def _read(spec: Spec, folder: Path, content: dict[str, bytes], warn: bool = True) -> None:
    for file in spec.files:
        if file.name not in content and (found := cache.read(folder, file, warn)) is not None:
            content[file.name] = found


def _fetch(spec: Spec, folder: Path, content: dict[str, bytes]) -> None:
    files = {file.name: file for file in spec.files}
    answers = []
    can_store = True
    for source in spec.sources:
        missing = [name for name in files if name not in content]
        if not missing:
            return
        try:
            for name, plain in source.fetch(missing):
                if fault := files[name].fault(plain):
                    raise SourceError(fault)
                content[name] = plain
                can_store = can_store and _store(folder, name, plain)
        except Exception as error:  # whatever a host or an archive does, the next one is asked
            answers.append(f"{source.label}: {_describe(error)}")
    if len(content) < len(files):
        listed = "\n".join(f"  - {answer}" for answer in answers)
        raise DataUnavailableError(
            f"The full {spec.name} could not be had. What each source answered:\n{listed}\n"
            f"What to do: check the connection and load again, or put the files "
            f"{', '.join(name for name in files if name not in content)} into {folder}. "
            f'Meanwhile data.load("{spec.name}", source="sample") works without a connection.'
        )


def _store(folder: Path, name: str, content: bytes) -> bool:
    try:
        cache.store(folder, name, content)
    except OSError as error:
        warnings.warn(
            f"{name} could not be stored in {folder} ({error.strerror or error}); "
            "it is used from memory and will be fetched again next time.",
            DataWarning,
            stacklevel=2,
        )
        return False
    return True


def _describe(error: Exception) -> str:
    if isinstance(error, SourceError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"

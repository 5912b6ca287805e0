"""`load`: a data set by its name, out of the cache, else from its sources, else the sample.

The files are pooch's to fetch, hash and store; what is added here is that several sources are
asked in turn, that one process at a time fetches a set, and that the data are used even if they
cannot be stored. Nobody sees a byte whose file does not have its published checksum.
"""

import contextlib
import io
import os
import sys
import tempfile
import warnings
from pathlib import Path

import filelock
import platformdirs
import pooch

from lenet_course.data.catalog import CATALOG
from lenet_course.data.formats import Dataset, load_sample
from lenet_course.data.sources import SourceError, describe

_unavailable = set()  # what this process has tried in vain, and said so


class DataWarning(UserWarning):
    """Something about the data that the reader should know, and that did no harm."""


class DataUnavailableError(OSError):
    """No source delivered the full data; the text lists what each answered and what to do."""


def load(name, *, source=None, root=None):
    """Load a data set, verified against its published checksums.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist", "cifar10"}
        Handwritten digits, pieces of clothing, or photographs of ten kinds of thing.
    source : {"full", "sample"}, optional
        The published data, or the first 500 training and 100 test images of each class, which are
        shipped with the course. Without it the environment variable ``LENET_COURSE_DATA`` decides;
        if that is not set either, the full data if they are cached or can be fetched, else the
        sample.
    root : path, optional
        The cache folder; see `cache_folder` for where it is otherwise.

    Returns
    -------
    Dataset

    Raises
    ------
    DataUnavailableError
        If the full data were asked for and no source delivered them.

    Warns
    -----
    DataWarning
        If a file in the cache was altered and is fetched again, if fetched data could not be
        stored, or, once, if the sample takes the place of the full data.

    Examples
    --------
    >>> from lenet_course import data
    >>> mnist = data.load("mnist", source="sample")
    >>> mnist.train.images.shape, mnist.train.labels[:5]
    ((5000, 28, 28), array([5, 0, 4, 1, 9]))
    """
    if not isinstance(name, str) or name not in CATALOG:
        raise ValueError(f"There is no data set {name!r}; choose one of {', '.join(CATALOG)}.")
    spec = CATALOG[name]
    chosen = _choose(source)
    if chosen == "sample":
        return load_sample(spec)
    folder = cache_folder(root) / name
    if chosen is None and folder in _unavailable:
        return load_sample(spec)
    try:
        content = _obtain(spec, folder)
    except DataUnavailableError:
        if chosen == "full":
            raise
        _unavailable.add(folder)
        warnings.warn(
            f"Using the sample of {name}, because the full data could not be had; "
            f'data.load("{name}", source="full") tries again and says why.',
            DataWarning,
            stacklevel=2,
        )
        return load_sample(spec)
    _unavailable.discard(folder)
    files = [content[file.name] for file in spec.files]
    train, test = files[: spec.n_train_files], files[spec.n_train_files :]
    return Dataset(name, "full", spec.classes, spec.parse(*train), spec.parse(*test))


def _choose(source):
    """Let the argument win over the environment variable, and both over None."""
    where = "source" if source is not None else "the environment variable LENET_COURSE_DATA"
    chosen = source if source is not None else os.environ.get("LENET_COURSE_DATA") or None
    if chosen not in (None, "full", "sample"):
        raise ValueError(f'{where} is {chosen!r}; give "full" or "sample", or leave it out.')
    return chosen


def cache_folder(root=None):
    """Tell where the data sets are kept.

    In `root`; without it in the folder that the environment variable ``LENET_COURSE_CACHE`` names;
    without both in the operating system's place for caches, or for temporary files if this user
    has no home.

    Examples
    --------
    >>> cache_folder("my_data").name
    'my_data'
    """
    chosen = root or os.environ.get("LENET_COURSE_CACHE")
    try:
        if chosen:
            return Path(chosen).expanduser().absolute()
        return platformdirs.user_cache_path("lenet_course", appauthor=False)
    except RuntimeError:  # there is no home
        if chosen:
            raise ValueError(
                f"The cache folder {str(chosen)!r} lies in a home that this system does not know; "
                "give its full path."
            ) from None
        return Path(tempfile.gettempdir(), "lenet_course")


def _obtain(spec, folder):
    """Give the content of every file of a data set, by its name."""
    content = {}
    _add_cached(spec, folder, content)
    if len(content) < len(spec.files):
        with _locked(folder):  # another process may have fetched them meanwhile
            _add_cached(spec, folder, content, warn=False)
            _add_fetched(spec, folder, content)
    return content


def _add_cached(spec, folder, content, warn=True):
    for file in spec.files:
        if file.name not in content:
            try:
                content[file.name] = file.read(folder)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, ValueError) as error:
                if warn:
                    what = f"In {folder}: {error}. It will be fetched again."
                    warnings.warn(what, DataWarning, stacklevel=4)


@contextlib.contextmanager
def _locked(folder):
    """Let one process at a time fetch into a folder; where nothing can be locked, go on.

    The operating system frees the lock of a dead process.
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
        yield
        return
    try:
        for left in folder.glob("tmp*"):  # pooch's unfinished files of a process that was killed
            with contextlib.suppress(OSError):
                left.unlink()
        yield
    finally:
        lock.release()


def _add_fetched(spec, folder, content):
    """Ask the sources in turn for what is missing."""
    can_store, answers = True, []
    for source in spec.sources:
        missing = [file for file in spec.files if file.name not in content]
        downloader = source.downloader([file.name for file in missing])
        try:
            for file in missing:
                download = downloader(file.name)
                stored = _store(file, source.url, download, folder) if can_store else None
                can_store = stored is not None
                content[file.name] = stored if can_store else _keep(file, download)
        except (SourceError, ValueError) as error:  # the latter is pooch's, of a wrong checksum
            answers.append(f"{source.label}: {error}")
    missing = [file.name for file in spec.files if file.name not in content]
    if missing:
        listed = "\n".join(f"  - {answer}" for answer in answers)
        raise DataUnavailableError(
            f"The full {spec.name} could not be had. What each source answered:\n{listed}\n"
            f"What to do: check the connection and load again, or put the files "
            f"{', '.join(missing)} into {folder}. "
            f'Meanwhile data.load("{spec.name}", source="sample") works without a connection.'
        )


def _store(file, url, download, folder):
    """Have pooch fetch a file into a folder, whole and verified; None if the disk refuses."""
    registry = {file.name: f"{file.algorithm}:{file.digest}"}
    urls = {file.name: url.format(file.name)}
    fetcher = pooch.create(folder, base_url="", registry=registry, urls=urls, retry_if_failed=1)
    try:
        (folder / file.name).unlink(missing_ok=True)  # not the published file, or it were read
        fetcher.fetch(file.name, downloader=download)
        return file.read(folder)
    except OSError as error:
        warnings.warn(
            f"{file.name} could not be stored in {folder} ({describe(error)}); it is used from "
            "memory and will be fetched again next time. The environment variable "
            "LENET_COURSE_CACHE names another folder.",
            DataWarning,
            stacklevel=5,
        )
        return None


def _keep(file, download):
    """Fetch a file into memory."""
    content = io.BytesIO()
    download(None, content, None)
    if fault := file.fault(content.getvalue()):
        raise SourceError(fault)
    return content.getvalue()

"""`load`: a data set by its name."""

import os
import warnings

from lenet_course.data.cache import DataWarning, cache_folder
from lenet_course.data.catalog import CATALOG, Spec
from lenet_course.data.dataset import Dataset
from lenet_course.data.fetching import DataUnavailableError, obtain
from lenet_course.data.sample import load_sample

CHOICES = ("full", "sample")
VARIABLE = "LENET_COURSE_DATA"

_unavailable: set[tuple[str, str]] = set()  # what this process has tried in vain, and said so


def load(name: str, *, source: str | None = None, root: str | os.PathLike | None = None) -> Dataset:
    """Load a data set, verified against its published checksums.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist", "cifar10"}
        Handwritten digits, pieces of clothing, or photographs of ten kinds of thing.
    source : {"full", "sample"}, optional
        The published data, or the first 500 training and 100 test images of each class, which are
        shipped with the course. Without it the environment variable ``LENET_COURSE_DATA`` decides;
        if that is not set either, the full data if they are cached or can be fetched, else the
        sample, which a warning says once.
    root : path, optional
        The cache folder; see `cache_folder` for where it is otherwise.

    Returns
    -------
    Dataset
        With `train` and `test`, each with `images` (uint8, (N, H, W) or (N, H, W, 3)) and
        `labels` (int64, (N,)), and with `classes`, `source` and `name`. It is immutable.

    Raises
    ------
    ValueError
        If the name, the source or the environment variable is not one of the choices.
    DataUnavailableError
        If the full data were asked for and no source delivered them.

    Warns
    -----
    DataWarning
        If a file in the cache was altered and is fetched again, if fetched data could not be
        stored, or if the sample takes the place of the full data.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner (1998), "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11). Xiao, Rasul, Vollgraf (2017), "Fashion-MNIST: a
    novel image dataset for benchmarking machine learning algorithms", arXiv:1708.07747.
    Krizhevsky (2009), "Learning multiple layers of features from tiny images", technical report,
    University of Toronto.

    Examples
    --------
    >>> from lenet_course import data
    >>> mnist = data.load("mnist", source="sample")
    >>> mnist.train.images.shape, mnist.train.labels[:5]
    ((5000, 28, 28), array([5, 0, 4, 1, 9]))
    """
    if name not in CATALOG:
        raise ValueError(f"There is no data set {name!r}; choose one of {_listed(CATALOG)}.")
    spec = CATALOG[name]
    chosen = _choose(source)
    if chosen == "sample":
        return load_sample(spec)
    if chosen == "full":
        return _load_full(spec, root)
    key = (name, str(cache_folder(root)))
    if key in _unavailable:
        return load_sample(spec)
    try:
        return _load_full(spec, root)
    except DataUnavailableError:
        _unavailable.add(key)
        warnings.warn(
            f"Using the sample of {name}, because the full data could not be had; "
            f'data.load("{name}", source="full") tries again and says why.',
            DataWarning,
            stacklevel=2,
        )
        return load_sample(spec)


def _choose(source: str | None) -> str | None:
    """Let the argument win over the environment variable, and both over None."""
    if source is not None:
        if source not in CHOICES:
            raise ValueError(f"source={source!r} is not one of {_listed(CHOICES)}.")
        return source
    value = os.environ.get(VARIABLE) or None
    if value is not None and value not in CHOICES:
        raise ValueError(
            f"The environment variable {VARIABLE} is {value!r}; set it to one of "
            f"{_listed(CHOICES)}, or unset it."
        )
    return value


def _load_full(spec: Spec, root: str | os.PathLike | None) -> Dataset:
    content = obtain(spec, cache_folder(root))
    train, test = (
        spec.parse(*(content[name] for name in names)) for names in (spec.train, spec.test)
    )
    _unavailable.discard((spec.name, str(cache_folder(root))))
    return Dataset(spec.name, "full", spec.classes, train, test)


def _listed(names) -> str:
    return ", ".join(f'"{name}"' for name in names)

"""Data that always arrive: `load` a data set, make tensors, batches and augmentations of it.

`loading` finds the files, `catalog` knows them, `sources` brings them, `formats` reads them;
`tensors` and `batching` make of them what a network learns from.
"""

from lenet_course.data.batching import (
    Batches,
    batches,
    flip_and_crop,
    random_affine,
    random_crop,
    random_flip,
)
from lenet_course.data.formats import Dataset, Split
from lenet_course.data.loading import DataUnavailableError, DataWarning, cache_folder, load
from lenet_course.data.tensors import (
    Prepared,
    channel_stats,
    normalize,
    prepare,
    split,
    to_gray,
    to_tensors,
)

__all__ = [
    "Batches",
    "DataUnavailableError",
    "DataWarning",
    "Dataset",
    "Prepared",
    "Split",
    "batches",
    "cache_folder",
    "channel_stats",
    "flip_and_crop",
    "load",
    "normalize",
    "prepare",
    "random_affine",
    "random_crop",
    "random_flip",
    "split",
    "to_gray",
    "to_tensors",
]

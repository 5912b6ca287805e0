"""Data that always arrive: `load` a data set, make tensors, batches and augmentations of it."""

from lenet_course.data.augment import flip_and_crop, random_crop, random_flip
from lenet_course.data.batching import Batches, batches
from lenet_course.data.cache import DataWarning, cache_folder
from lenet_course.data.dataset import Dataset, Split
from lenet_course.data.fetching import DataUnavailableError
from lenet_course.data.loading import load
from lenet_course.data.tensors import channel_stats, normalize, split, to_gray, to_tensors

__all__ = [
    "Batches",
    "DataUnavailableError",
    "DataWarning",
    "Dataset",
    "Split",
    "batches",
    "cache_folder",
    "channel_stats",
    "flip_and_crop",
    "load",
    "normalize",
    "random_crop",
    "random_flip",
    "split",
    "to_gray",
    "to_tensors",
]

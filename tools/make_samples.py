"""Make the samples that are shipped with the package, from the full data.

    python tools/make_samples.py           # write lenet_course/data/samples/
    python tools/make_samples.py --check   # only compare with what is there

The same data give the same bytes on every machine.
"""

import argparse
import bz2
import hashlib
import sys

import numpy as np

from lenet_course import data
from lenet_course.data import formats
from lenet_course.data.catalog import CATALOG

LIMIT = 16 * 10**6  # bytes, for all of them together


def make(dataset):
    """Write the sample file of a data set: the first images of each class, in their order.

    Of a sample, the sample is the whole.
    """
    train = first_of_each_class(dataset.train, formats.TRAIN_PER_CLASS)
    return encode(train, first_of_each_class(dataset.test, formats.TEST_PER_CLASS))


def first_of_each_class(split, per_class):
    """Select the first images of each class, in the original order."""
    chosen = [np.flatnonzero(split.labels == c)[:per_class] for c in np.unique(split.labels)]
    index = np.sort(np.concatenate(chosen))
    return data.Split(split.images[index], split.labels[index])


def encode(train, test):
    """Write two splits as a file that `formats.decode_sample` reads."""
    images = np.concatenate([train.images, test.images])
    labels = np.concatenate([train.labels, test.labels]).astype(np.uint8)
    planes = images.reshape(*images.shape[:3], -1).transpose(3, 0, 1, 2)  # (C, N, H, W)
    if len(planes) == 3:
        planes[[0, 2]] -= planes[1]  # red and blue as their differences from green
    padded = np.pad(planes, [(0, 0), (0, 0), (1, 0), (1, 0)])
    guess = formats.guess(padded[..., 1:, :-1], padded[..., :-1, 1:], padded[..., :-1, :-1])
    return bz2.compress(labels.tobytes() + (planes - guess).tobytes(), 9)


def sums(files):
    """List the files' sha256 as `sha256sum` does."""
    return "".join(f"{hashlib.sha256(files[n]).hexdigest()}  {n}\n" for n in sorted(files))


def main(argv=None, folder=formats.SAMPLES):
    """Write or compare all samples; 1 if they differ or are too large."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    check = parser.parse_args(argv).check
    files = {f"{name}.bz2": make(data.load(name, source="full")) for name in CATALOG}
    total = sum(map(len, files.values()))
    for name, content in files.items():
        print(f"{len(content):>10,} bytes  {name}")
    print(f"{total:>10,} bytes of at most {LIMIT:,}")
    files["SHA256SUMS"] = sums(files).encode()
    if check:
        stored = {n: (folder / n).read_bytes() for n in files if (folder / n).exists()}
        differ = [n for n in files if stored.get(n) != files[n]]
        print(f"These differ: {', '.join(differ)}." if differ else "All are as stored.")
        return int(bool(differ) or total > LIMIT)
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return int(total > LIMIT)


if __name__ == "__main__":
    sys.exit(main())

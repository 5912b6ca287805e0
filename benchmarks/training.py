"""How fast `fit` trains LeNet, beside the loop of the tutorials and beside bare steps.

All three train the same network with the same optimizer on the same images in batches of 64,
normalized as in PyTorch's own example for MNIST. The images are noise: what they show makes no
step faster or slower.
"""

import io
import tempfile
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from benchmarks.ratios import Ratio, interleaved, table
from lenet_course import data, models, train

BATCH = 64
MEAN, STD = 0.1307, 0.3081  # of MNIST, as tutorials write them


def measure(n_images=3200, repeats=21):
    """Time one epoch: the median seconds of "fit", "tutorials' loop" and "bare steps"."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n_images, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, n_images, dtype=np.uint8)
    x = data.normalize(torch.from_numpy(images[:, None] / np.float32(255)), [MEAN], [STD])
    y = torch.from_numpy(labels.astype(np.int64))
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()):
        loops = {
            "fit": partial(fit_loop, x, y),
            "tutorials' loop": tutorial_loop(Path(folder), images, labels),
            "bare steps": partial(bare_steps, x[:BATCH], y[:BATCH], n_images // BATCH),
        }
        return interleaved({name: partial(_run, loop) for name, loop in loops.items()}, repeats)


def _run(loop):
    """Give the loop a new network, the same each time."""
    net = models.lenet(seed=0).train()
    loop(net, torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True))


def fit_loop(x, y, net, optimizer):
    """Train one epoch with the course's `fit`, shuffled, with its history and progress bar."""
    generator = torch.Generator().manual_seed(0)
    batches = data.batches(x, y, BATCH, shuffle=True, generator=generator)
    train.fit(net, batches, epochs=1, optimizer=optimizer, device="cpu")


def tutorial_loop(folder, images, labels):
    """Make the loop that tutorials print, over torchvision's MNIST read from `folder`."""
    write_idx(folder / "MNIST" / "raw", images, labels)
    steps = [transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))]
    dataset = datasets.MNIST(folder, train=True, transform=transforms.Compose(steps))
    loader = DataLoader(dataset, batch_size=BATCH, shuffle=True)
    criterion = nn.CrossEntropyLoss()

    def loop(net, optimizer):
        running_loss = 0.0
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = criterion(net(inputs), targets)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()

    return loop


def bare_steps(x, y, steps, net, optimizer):
    """Take as many steps on one resident batch: nothing but forward, backward and update."""
    criterion = nn.CrossEntropyLoss()
    for _ in range(steps):
        optimizer.zero_grad()
        criterion(net(x), y).backward()
        optimizer.step()


def write_idx(folder, images, labels):
    """Write the four raw files that torchvision's MNIST looks for, training and test alike."""
    folder.mkdir(parents=True)
    for name in ("train", "t10k"):
        for kind, magic, array in (("images-idx3", 0x803, images), ("labels-idx1", 0x801, labels)):
            header = b"".join(n.to_bytes(4, "big") for n in (magic, *array.shape))
            (folder / f"{name}-{kind}-ubyte").write_bytes(header + array.tobytes())


def ratios(seconds):
    return [
        Ratio("an epoch of 3,200 images", "tutorials' loop", "fit", seconds, least=1.8),
        Ratio("an epoch of 3,200 images", "bare steps", "fit", seconds, least=0.97),
    ]


def main():
    title = f"Training LeNet, AdamW, batch {BATCH}, {torch.get_num_threads()} threads, medians"
    print(table(title, ratios(measure())))

"""How fast `fit` trains LeNet, beside the loop of the tutorials and beside bare steps.

All three train the same network with the same optimizer on the same images in batches of 64,
in turns, so that whatever else the machine does meets all of them.
"""

import tempfile
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

from benchmarks.timing import interleaved
from lenet_course import data, models, train

BATCH = 64
TARGETS = {"tutorial loop": 1.6, "bare steps": 0.95}


def measure(images=3200, repeats=21):
    """Time one epoch of each loop.

    Parameters
    ----------
    images : int
        Training images in an epoch.
    repeats : int
        How often the loops take turns.

    Returns
    -------
    dict of str to float
        Median seconds of "fit", "tutorial loop" and "bare steps".
    """
    mnist = data.load("mnist")
    x, y = data.to_tensors(mnist.train)
    with tempfile.TemporaryDirectory() as folder:
        loops = {
            "fit": partial(fit_loop, x[:images], y[:images]),
            "tutorial loop": tutorial_loop(folder, mnist, images),
            "bare steps": partial(bare_steps, x[:BATCH], y[:BATCH], images // BATCH),
        }
        return interleaved({name: partial(_run, loop) for name, loop in loops.items()}, repeats)


def _run(loop):
    """Give the loop a new network, the same each time."""
    net = models.lenet(seed=0).train()
    loop(net, torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True))


def main():
    images = 3200
    print(f"Training LeNet, AdamW, batch {BATCH}, {torch.get_num_threads()} threads, medians")
    seconds = measure(images)
    for name, time in seconds.items():
        ratio = time / seconds["fit"]
        print(f"{name:<16}{images / time:>8,.0f} images/s   fit : {name} {ratio:.2f}")
    for name, least in TARGETS.items():
        ratio = seconds[name] / seconds["fit"]
        verdict = "holds" if ratio >= least else "DOES NOT HOLD"
        print(f"fit reaches at least {least} of the speed of the {name}: {verdict} ({ratio:.2f})")


def fit_loop(images, labels, net, optimizer):
    """Train one epoch with the course's `fit`, shuffled, with its history and progress bar."""
    batches = data.batches(
        images, labels, BATCH, shuffle=True, generator=torch.Generator().manual_seed(0)
    )
    train.fit(net, batches, epochs=1, optimizer=optimizer, device="cpu")


def tutorial_loop(folder, mnist, images):
    """Make the loop that tutorials print, over torchvision's MNIST read from `folder`."""
    write_idx(Path(folder) / "MNIST" / "raw", mnist)
    dataset = datasets.MNIST(folder, train=True, transform=transforms.ToTensor())
    loader = DataLoader(Subset(dataset, range(images)), batch_size=BATCH, shuffle=True)
    criterion = nn.CrossEntropyLoss()

    def loop(net, optimizer):
        running_loss = 0.0
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = criterion(net(inputs), labels)
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


def write_idx(folder, mnist):
    """Write the four raw files that torchvision's MNIST reads."""
    folder.mkdir(parents=True)
    for name, split in (("train", mnist.train), ("t10k", mnist.test)):
        header = [0x803, *split.images.shape]
        images = b"".join(n.to_bytes(4, "big") for n in header) + split.images.tobytes()
        (folder / f"{name}-images-idx3-ubyte").write_bytes(images)
        labels = (0x801).to_bytes(4, "big") + len(split.labels).to_bytes(4, "big")
        labels += split.labels.astype("uint8").tobytes()
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(labels)

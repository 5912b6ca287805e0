"""What each process does: its share of every batch, the loop, the count, and the checkpoint."""

import math
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from lenet_course import checkpoint, data, models
from lenet_course.arguments import real_number, whole_number

VALID_SHARE = 1 / 12  # 5,000 of MNIST's 60,000 training images


@dataclass(frozen=True)
class Setting:
    """What decides a training, apart from its length and the number of processes.

    Attributes
    ----------
    data : str
        "mnist" or "fashion_mnist".
    source : str
        "full" or "sample".
    batch_size : int
        Images of one step, of all processes together.
    learning_rate, momentum : float
        Of stochastic gradient descent; both stay the same.
    seed : int
        Decides the first weights and the order of the images.
    """

    data: str = "mnist"
    source: str = "full"
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.0
    seed: int = 0

    def __post_init__(self):
        whole_number("batch_size", self.batch_size)
        real_number("learning_rate", self.learning_rate)
        real_number("momentum", self.momentum, below=1)
        whole_number("seed", self.seed, least=0)

    def share(self, processes):
        """Give the number of images a process takes of a batch; it must be a whole number."""
        share, rest = divmod(self.batch_size, processes)
        if rest:
            least = max(share, 1) * processes
            raise ValueError(
                f"a batch of {self.batch_size} images cannot be split evenly among {processes} "
                f"processes: give --batch-size {least} or {least + processes}, or start another "
                "number of processes"
            )
        return share


class SharedBatches:
    """One process's part of each global batch; together the processes see every image once.

    The global batches of an epoch are those of ``data.batches(x, y, batch_size, shuffle=True)``
    with a generator of the same seed, whatever the number of processes. A last batch that is
    smaller may split into shares whose sizes differ by one.

    Examples
    --------
    >>> x, y = torch.zeros(5, 1, 28, 28), torch.arange(5)
    >>> workers = [SharedBatches(x, y, 4, rank, 2, seed=0) for rank in (0, 1)]
    >>> [[y.tolist() for _, y, _ in worker.epoch(0)] for worker in workers]
    [[[4, 0], [2]], [[1, 3], []]]
    """

    def __init__(self, x, y, batch_size, rank, processes, seed):
        self.x, self.y, self.batch_size = x, y, batch_size
        self.rank, self.processes, self.seed = rank, processes, seed

    def epoch(self, number):
        """Yield ``(x, y, n)``, this process's images of each step, and how many all have in it."""
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(number + 1):  # those of earlier epochs are drawn again, so nothing is stored
            order = torch.randperm(len(self.y), generator=generator)
        for chosen in order.split(self.batch_size):
            mine = chosen.tensor_split(self.processes)[self.rank].to(self.x.device)
            yield self.x[mine], self.y[mine], len(chosen)


def images(setting):
    """Load, split and normalize the images of a setting."""
    generator = torch.Generator().manual_seed(0)  # the same validation images for every seed
    return data.prepare(setting.data, VALID_SHARE, generator, source=setting.source)


def train(setting, prepared, epochs, path, device="cpu", say=print):
    """Train LeNet in every process of the group, from the checkpoint if there is one.

    Parameters
    ----------
    setting : Setting
    prepared : lenet_course.data.Prepared
    epochs : int
    path : str or Path
        The checkpoint, written by process 0 after each epoch. The processes of other machines need
        not see this file: all go on from the newest one that any of them finds at its `path`.
    device : torch.device or str
    say : callable
        Takes a line about each epoch; called in process 0 alone.

    Returns
    -------
    torch.nn.Module
        The trained network, the same in each process.
    """
    epochs, rank, processes = whole_number("epochs", epochs), dist.get_rank(), dist.get_world_size()
    x, y = (tensor.to(device) for tensor in prepared.train)
    shared = SharedBatches(x, y, setting.batch_size, rank, processes, setting.seed)
    net = models.lenet(seed=setting.seed).to(device)
    optimizer = torch.optim.SGD(net.parameters(), setting.learning_rate, setting.momentum)
    state = newest(path, read(path, setting, net), device)
    history = state["history"] if state else []
    if state:
        net.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        if rank == 0:
            say(f"going on after epoch {len(history)}")
    parallel = DistributedDataParallel(net)
    # After its first backward pass DistributedDataParallel lays the gradients out in another order,
    # and a sum of three or more depends on it in its last bits. This pass changes no weight, and
    # then the steps after a restart are those of a training without one.
    parallel(x[:1]).sum().backward()
    for epoch in range(len(history), epochs):
        start = time.perf_counter()
        loss = one_epoch(parallel, optimizer, shared.epoch(epoch))
        seconds = time.perf_counter() - start
        correct, n_valid = evaluate(net, *prepared.valid, device)
        history.append({"train_loss": loss, "valid_correct": correct, "valid_images": n_valid})
        if not math.isfinite(loss):
            raise ValueError(
                f"the mean loss of epoch {epoch + 1} is {loss}: try a smaller --learning-rate than "
                f"{setting.learning_rate:g}; the checkpoint, if any, holds the epoch before"
            )
        if rank == 0:
            state = {"setting": asdict(setting), "history": history}
            state |= {"model": net.state_dict(), "optimizer": optimizer.state_dict()}
            try:
                checkpoint.write(path, state)
            except OSError as error:
                say(f"{error}; training goes on, the file is that of before")
            say(
                f"epoch {epoch + 1}: loss {loss:.4f}, validation {correct / n_valid:.2%} "
                f"({correct:,} of {n_valid:,}), {len(y) / seconds:,.0f} images a second"
            )
    dist.barrier()  # none leaves before the checkpoint is on the disk
    return net


def one_epoch(parallel, optimizer, batches):
    """Take a step for each batch; return the mean loss of all processes' images.

    A process scales its sum by K / n, for K processes and n images of the step. The average over
    the processes is then the mean over the images, even where the shares are not equal.
    """
    parallel.train()
    processes = dist.get_world_size()
    device = next(parallel.parameters()).device
    total = torch.zeros(2, dtype=torch.float64, device=device)  # of the loss, of the images
    for x, y, n in batches:
        loss = F.cross_entropy(parallel(x), y, reduction="sum")
        optimizer.zero_grad()
        (loss * (processes / n)).backward()  # ends in the all-reduce of the gradients
        optimizer.step()
        total += torch.stack([loss.detach(), loss.new_tensor(len(y))])
    dist.all_reduce(total)
    return float(total[0] / total[1])


@torch.no_grad()
def evaluate(net, x, y, device="cpu"):
    """Count over all processes: the right answers, and the images.

    Each process takes every K-th image, so that each image is in exactly one count. (A mean of
    the processes' accuracies would overweigh the images of a smaller share.)
    """
    net.eval()
    mine = slice(dist.get_rank(), None, dist.get_world_size())
    total = torch.zeros(2, dtype=torch.int64, device=device)
    for xb, yb in zip(x[mine].split(1000), y[mine].split(1000), strict=True):
        right = (net(xb.to(device)).argmax(dim=1) == yb.to(device)).sum()
        total += torch.stack([right, right.new_tensor(len(yb))])
    dist.all_reduce(total)
    return total.tolist()


def read(path, setting, net):
    """Read a checkpoint if there is one, and refuse that of another training or network."""
    path = Path(path)
    if not path.exists():
        return None
    state = checkpoint.read(path)
    if not {"setting", "history", "model", "optimizer"} <= state.keys():
        raise ValueError(
            f"{path} is no checkpoint of this program; it is left as it is: give another "
            "--checkpoint"
        )
    ours, theirs = asdict(setting), state["setting"]
    ours |= {f"shape of {key}": list(value.shape) for key, value in net.state_dict().items()}
    theirs |= {f"shape of {key}": list(value.shape) for key, value in state["model"].items()}
    differences = [
        f"{name} is {theirs.get(name, 'absent')} there and {ours.get(name, 'absent')} here"
        for name in ours | theirs
        if ours.get(name) != theirs.get(name)
    ]
    if differences:
        raise ValueError(
            f"{path} is the checkpoint of another training; it is left as it is: give another "
            f"--checkpoint, or go on with its settings. {'; '.join(differences)}"
        )
    return state


def newest(path, state, device):
    """Send the state with most epochs to every process, as the bytes of its file; None if none."""
    finished = torch.tensor([len(state["history"]) if state else 0], device=device)
    everywhere = [torch.empty_like(finished) for _ in range(dist.get_world_size())]
    dist.all_gather(everywhere, finished)
    source = max(range(len(everywhere)), key=lambda rank: int(everywhere[rank]))
    if not everywhere[source]:
        return None
    content = torch.empty(0, dtype=torch.uint8)
    if dist.get_rank() == source:
        content = torch.frombuffer(bytearray(Path(path).read_bytes()), dtype=torch.uint8)
    size = torch.tensor([len(content)], device=device)
    dist.broadcast(size, source)
    content = content.to(device) if len(content) else content.new_empty(int(size), device=device)
    dist.broadcast(content, source)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "checkpoint")
        copy.write_bytes(content.cpu().numpy().tobytes())
        return checkpoint.read(copy)

"""The loop against the loop written out, its guarantees, and weights on disk."""

import copy
import errno
import math
import re
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lenet_course import train
from lenet_course.scratch import nn as numpy_nn


def blobs(n_images=60):
    """Two clouds of points that a line can part."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(2, (n_images,), generator=generator)
    return torch.randn(n_images, 2, generator=generator) + 4 * y[:, None], y


def in_batches(x, y, size):
    return list(zip(x.split(size), y.split(size), strict=True))


ONE_STEP = [blobs()]


def line(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(2, 2)


def sgd(model, lr=0.1):
    return torch.optim.SGD(model.parameters(), lr=lr)


def fit(model, train_batches, valid_batches=None, **arguments):
    defaults = {"epochs": 1, "optimizer": sgd(model), "device": "cpu", "progress": False}
    return train.fit(model, train_batches, valid_batches, **(defaults | arguments))


def test_fit_with_one_cycle_takes_the_same_steps_as_the_loop_written_out():
    batches = in_batches(*blobs(), 16)  # the last one is smaller
    ours, theirs, rates = line(), line(), []
    optimizer, schedule = train.one_cycle(ours, np.int64(20), max_lr=0.5)
    optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    fit(ours, batches, epochs=5, optimizer=optimizer, schedule=schedule)

    optimizer = torch.optim.AdamW(theirs.parameters(), lr=0.5, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=20, pct_start=0.3)
    for _ in range(5):
        for x, y in batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(theirs(x), y).backward()
            optimizer.step()
            schedule.step()
    assert all(map(torch.equal, ours.parameters(), theirs.parameters()))
    assert len(rates) == 20
    assert rates.index(max(rates)) == 5  # the sixth of 20 steps ends the rise
    assert (rates[0], max(rates)) == pytest.approx((0.5 / 25, 0.5))
    assert rates[-1] < 1e-5
    with pytest.raises(ValueError, match="max_lr=inf is out of range"):
        train.one_cycle(ours, 10, math.inf)
    optimizer, _ = train.one_cycle(ours, 10, 0.5, weight_decay=0.3)
    assert optimizer.param_groups[0]["weight_decay"] == 0.3


def test_fit_learns():
    model = line()
    history = fit(model, in_batches(*blobs(), 16), epochs=30)
    assert history.train_accuracy[-1] > 0.95 > history.train_accuracy[0]
    assert history.epochs == len(history.seconds) == len(history.images_per_second) == 30
    assert history.images_per_second[0] == pytest.approx(60 / history.seconds[0])
    assert history.valid_loss == []
    assert (history.best_epoch, history.stopped) == (None, None)
    assert not model.training


def test_means_are_weighted_by_the_true_batch_sizes():
    """With a learning rate of 0 the history must equal one pass over everything at once."""
    (x, y), model = blobs(61), line()
    batches = in_batches(x, y, 20)  # the last batch holds one point
    history = fit(model, batches, in_batches(x, y, 25), optimizer=sgd(model, lr=0.0))
    logits = model(x).detach()
    loss = float(nn.functional.cross_entropy(logits, y))
    accuracy = float((logits.argmax(1) == y).float().mean())
    assert history.train_loss + history.valid_loss == pytest.approx([loss, loss], rel=1e-5)
    assert history.train_accuracy + history.valid_accuracy == pytest.approx([accuracy, accuracy])
    unweighted = [float(nn.functional.cross_entropy(a, b)) for a, b in in_batches(logits, y, 20)]
    assert sum(unweighted) / 4 != pytest.approx(loss, rel=1e-3)


def test_evaluate_counts_each_image_once_in_evaluation_mode():
    model = nn.Sequential(nn.Dropout(0.9), line())
    x, y = blobs(61)
    once = train.evaluate(model, in_batches(x, y, 61))
    assert once == pytest.approx(train.evaluate(model, iter(in_batches(x, y, 7))))
    assert once.accuracy == pytest.approx(float((model[1](x).argmax(1) == y).float().mean()))
    assert once == train.evaluate(model, [(x[:0], y[:0]), (x, y)])
    assert model.training
    assert model[1].weight.grad is None
    with pytest.raises(ValueError, match="no image: the batches are empty"):
        train.evaluate(model, [])


def test_predict_is_the_same_for_every_batch_size():
    model = nn.Sequential(nn.Dropout(0.9), line())
    x, _ = blobs(11)
    whole = train.predict(model, x)
    assert torch.allclose(whole, train.predict(model, x, batch_size=np.int64(3)))
    assert torch.allclose(whole, model[1](x))
    assert train.predict(model, x[:0]).shape == (0, 2)
    assert model.training
    assert not whole.requires_grad
    with pytest.raises(ValueError, match="batch_size=0 is too small"):
        train.predict(model, x, batch_size=0)


CTRL_C = "someone presses ctrl-C in this epoch"


class Scripted(nn.Module):
    """A model whose validation loss follows a script; its state counts the epochs."""

    def __init__(self, script):
        super().__init__()
        self.script, self.weight = script, nn.Parameter(torch.zeros(()))
        self.register_buffer("epoch", torch.tensor(0))

    def forward(self, x):
        if self.training and self.script[self.epoch] == CTRL_C:
            raise KeyboardInterrupt
        self.epoch += self.training
        value = 0.0 if self.training else self.script[self.epoch - 1]
        return torch.stack([torch.zeros(len(x)), torch.full((len(x),), value)], 1) + 0 * self.weight


ONE = [(torch.zeros(4, 1), torch.zeros(4, dtype=torch.int64))]


def run_script(script, patience):
    """Train one epoch for each loss; also give the epoch whose weights were kept, from 1."""
    model = Scripted(script).eval()
    history = fit(model, ONE, ONE, epochs=len(script), patience=patience)
    return history, model.epoch.item()


@pytest.mark.parametrize(
    ("script", "patience", "stopped", "epochs", "best", "kept"),
    [
        ([3.0, 1.0, 2.0, 2.0, 0.0], 2, "early", 4, 1, 2),
        ([3.0, 1.0, 2.0], 5, None, 3, 1, 2),  # patience never runs out
        ([3.0, 1.0, 2.0], None, None, 3, 1, 3),  # without patience the last weights stay
        ([math.nan, 3.0, 1.0, 2.0], 3, None, 4, 2, 3),
        ([3.0, math.nan, math.nan, 1.0], 2, "early", 3, 0, 1),
        ([1.0, 2.0, CTRL_C, 4.0], 5, "interrupted", 2, 0, 1),
        ([1.0, 2.0, CTRL_C, 4.0], None, "interrupted", 2, 0, 2),
    ],
)
def test_early_stopping_and_ctrl_c_keep_the_best(script, patience, stopped, epochs, best, kept):
    history, kept_epoch = run_script(script, patience)
    assert (history.stopped, history.epochs) == (stopped, epochs)
    assert (history.best_epoch, kept_epoch) == (best, kept)


@pytest.mark.parametrize(("patience", "epochs"), [(None, 3), (2, 2)])
def test_where_every_validation_loss_is_nan_the_last_weights_stay(patience, epochs):
    with pytest.warns(UserWarning, match="validation loss of every epoch is nan"):
        history, kept_epoch = run_script([math.nan] * 3, patience)
    assert (history.best_epoch, history.epochs, kept_epoch) == (None, epochs, epochs)


def test_a_loss_that_is_not_finite_stops_with_a_warning():
    x, y = blobs()
    x[3] = math.nan
    with pytest.warns(UserWarning, match="epoch 1 is nan.*smaller learning rate") as warned:
        history = fit(line(), in_batches(x, y, 16), in_batches(x, y, 16), epochs=5)
    assert (history.stopped, history.epochs, len(warned)) == ("not finite", 1, 1)


def test_a_callback_sees_each_step_and_each_epoch():
    x, y = blobs()
    model, moments = line(), []

    def note(moment):
        gradient = None
        if moment.name == "step":
            gradient = moment.model.weight.grad.clone()
        moments.append((*moment[:1], *moment[4:], gradient, moment.history.epochs))
        assert (moment.model, moment.optimizer) == (model, optimizer)

    optimizer, theirs = sgd(model), line()
    batches = in_batches(x, y, 40)
    history = fit(model, [(x[:0], y[:0]), *batches], epochs=2, optimizer=optimizer, callback=note)
    names, epochs, steps, losses, gradients, finished = zip(*moments, strict=True)
    assert names == ("step", "step", "epoch") * 2
    assert epochs == (0, 0, 0, 1, 1, 1)
    assert steps == (1, 2, 2, 3, 4, 4)
    assert finished == (0, 0, 1, 1, 1, 2)
    assert [losses[2].item(), losses[5].item()] == pytest.approx(history.train_loss)
    assert all(loss.ndim == 0 and not loss.requires_grad for loss in losses)
    by_hand = iter([*zip(losses, gradients, strict=True)][:2])
    for xb, yb in batches:
        loss = nn.functional.cross_entropy(theirs(xb), yb)
        gradient = torch.autograd.grad(loss, theirs.weight)[0]
        ours, our_gradient = next(by_hand)
        torch.testing.assert_close((ours, our_gradient), (loss.detach(), gradient))
        theirs.load_state_dict({"weight": theirs.weight - 0.1 * gradient, "bias": theirs.bias})
        break


@pytest.mark.parametrize(("name", "calls"), [("step", 2), ("epoch", 4)])
def test_a_callback_that_raises_is_left_out_with_a_warning(name, calls):
    batches, called = in_batches(*blobs(), 20), []

    def broken(moment):
        called.append(moment.name)
        if moment.name == name and len(called) >= 2:
            raise ZeroDivisionError("no logs today")

    with_it, without = line(), line()
    message = r"raised ZeroDivisionError\('no logs today'\) at .*test_train\.py, line \d+\)"
    with pytest.warns(UserWarning, match=message) as warned:
        history = fit(with_it, batches, epochs=2, callback=broken)
    assert (len(called), len(warned), history.epochs, history.stopped) == (calls, 1, 2, None)
    fit(without, batches, epochs=2)
    assert torch.equal(with_it.weight, without.weight)


@pytest.mark.parametrize("progress", [True, False])
def test_progress_goes_to_stderr_only_when_wanted(progress, capsys):
    fit(line(), ONE_STEP, ONE_STEP, progress=progress)
    printed = capsys.readouterr()
    assert (printed.out, "validation accuracy" in printed.err) == ("", progress)


class Stream(torch.utils.data.IterableDataset):
    """Data without a length, which its DataLoader claims to have."""

    def __iter__(self):
        return iter(zip(*blobs(), strict=True))


WITHOUT_LENGTH = torch.utils.data.DataLoader(Stream(), batch_size=16)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs=0 is too small"),
        ({"epochs": 1.5}, TypeError, "epochs=1.5 is not a whole number"),
        ({"patience": 0, "valid_batches": ONE}, ValueError, "patience=0 is too small"),
        ({"patience": 2}, ValueError, "needs valid_batches"),
        ({"patience": 1, "valid_batches": []}, ValueError, "valid_batches is empty"),
        ({"valid_batches": iter(ONE)}, TypeError, "valid_batches is a list_iterator, which has no"),
        ({"train_batches": []}, ValueError, "train_batches is empty"),
        ({"train_batches": map(list, ONE)}, TypeError, "train_batches is a map, which has no"),
        ({"train_batches": WITHOUT_LENGTH}, TypeError, "train_batches is a DataLoader, which has"),
        ({"optimizer": sgd(line())}, ValueError, "holds none of this model's parameters"),
        ({"optimizer": None}, TypeError, "optimizer=None is no optimizer of PyTorch; make one"),
        ({"callback": "print"}, TypeError, "callback='print' cannot be called"),
        ({"checkpoint": "run"}, TypeError, "checkpoint='run' is not a .*Checkpoint.path"),
    ],
)
def test_fit_refuses(changes, error, message):
    model = line()
    before = model.weight.clone()
    with pytest.raises(error, match=message):
        fit(model, **({"train_batches": in_batches(*blobs(), 16)} | changes))
    assert torch.equal(model.weight, before)


IMAGES, LABELS = torch.zeros(2, 3, 8, 8), torch.tensor([0, 1])
NET = nn.Sequential(nn.Conv2d(3, 4, kernel_size=3), nn.Flatten(), nn.Linear(4 * 6 * 6, 10))
USES = {
    "fit": lambda x, y: fit(NET, [(x, y)]),
    "fit with a loss": lambda x, y: fit(NET, [(x, y)], loss_function=nn.functional.cross_entropy),
    "evaluate": lambda x, y: train.evaluate(NET, [(x, y)]),
    "predict": lambda x, y: train.predict(NET, x),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (IMAGES[:, :1], ValueError, r"shape \(2, 1, 8, 8\).*layer_table\(model, \(1, 8, 8\)\)"),
        (IMAGES[:, :, 1:], ValueError, r"cannot take a batch of shape \(2, 3, 7, 8\)"),
        (IMAGES.half(), ValueError, r"images torch.float16: convert them, x.to\(torch.float32\)"),
        (IMAGES.numpy(), TypeError, "the images are a ndarray, not a tensor"),
    ],
)
def test_images_that_do_not_fit_are_named(use, x, error, message):
    with pytest.raises(error, match=message):
        USES[use](x, LABELS)


@pytest.mark.parametrize("use", ["fit", "fit with a loss", "evaluate"])
@pytest.mark.parametrize("label", [10, -1, -100])
def test_labels_without_a_score_are_named(use, label):
    before = NET[0].weight.clone()
    with pytest.raises(ValueError, match=f"10 scores an image.*labels from .*{label}"):
        USES[use](IMAGES, torch.tensor([5, label]))
    with pytest.raises(TypeError, match="the labels are a list"):
        USES[use](IMAGES, [5, label])
    assert torch.equal(NET[0].weight, before)


@pytest.mark.parametrize("use", ["fit", "evaluate"])
@pytest.mark.parametrize("labels", [torch.eye(2), LABELS[:, None], LABELS[:1], LABELS.float()])
def test_labels_are_one_whole_number_an_image(use, labels):
    with pytest.raises(ValueError, match=r"2 images need labels of shape \(2,\), whole numbers"):
        USES[use](IMAGES, labels)


@pytest.mark.parametrize(
    "use",
    [
        lambda net: train.fit(net, ONE_STEP, epochs=1, optimizer=sgd(line())),
        lambda net: train.evaluate(net, ONE_STEP),
        lambda net: train.predict(net, IMAGES),
        lambda net: train.save(net, "nowhere.safetensors"),
        lambda net: train.load(net, "nowhere.safetensors"),
    ],
    ids=["fit", "evaluate", "predict", "save", "load"],
)
def test_a_network_in_numpy_is_told_from_one_in_pytorch(use):
    message = r"model is a lenet_course\.scratch\.nn.*Linear, not a torch.nn.Module; build it with"
    with pytest.raises(TypeError, match=message):
        use(numpy_nn.Linear(2, 2))


@pytest.mark.parametrize("found", [None, torch.device("cuda"), torch.device("mps")])
def test_best_device(monkeypatch, found):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: found)
    assert train.best_device() == (found or torch.device("cpu"))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_survive_the_round_trip(tmp_path, memory_format, dtype):
    saved = nn.Conv2d(2, 3, 2).to(memory_format=memory_format)
    loaded, path = nn.Conv2d(2, 3, 2), tmp_path / "conv.safetensors"
    train.save(copy.deepcopy(saved).to(dtype), path)
    assert train.load(loaded, path) is loaded
    assert all(map(torch.equal, saved.parameters(), loaded.parameters()))  # in their own precision
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is a file of Linux")
def test_a_save_on_a_full_disk_keeps_the_old_file_and_tells_its_path(tmp_path):
    path = tmp_path / "line.safetensors"
    train.save(line(0), path)
    before = path.read_bytes()
    path.with_name("line.safetensors.part").symlink_to("/dev/full")
    with pytest.raises(
        OSError, match=f"cannot write the weights.*{re.escape(str(path))}"
    ) as raised:
        train.save(line(1), path)
    assert raised.value.errno == errno.ENOSPC
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


GOOD = {"weight": torch.ones(2, 2), "bias": torch.ones(2)}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"weight": torch.ones(2, 3)}, r"bias: .*, file has none; weight: model \(2, 2\), file"),
        (GOOD | {"bias": torch.ones(2).int()}, r"model \(2,\), file \(2,\) of torch.int32"),
        (GOOD | {"bias": torch.ones(2) * 1j}, r"model \(2,\), file \(2,\) of torch.complex64"),
        (GOOD | {"bias": torch.tensor([1, math.nan])}, "are nan or infinite: bias"),
        (GOOD | {"weight": torch.full((2, 2), math.inf)}, "are nan or infinite: weight"),
        (
            GOOD | {"bias": torch.full((2,), 1e300, dtype=torch.float64)},
            "are nan or infinite: bias",
        ),
        (None, "not a whole safetensors file"),
    ],
)
def test_load_says_what_is_wrong_and_changes_nothing(tmp_path, weights, message):
    model, path = line(), tmp_path / "weights.safetensors"
    before = model.weight.clone()
    with pytest.raises(FileNotFoundError, match="no weights at"):
        train.load(model, path)
    save_file(weights, path) if weights else path.write_bytes(b"\x80\x04not safetensors")
    with pytest.raises(ValueError, match=message):
        train.load(model, path)
    assert torch.equal(model.weight, before)

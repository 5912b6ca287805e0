import math
import re

import pytest
import torch
from torch import nn

from lenet_course import train


def blobs(images=60, seed=0):
    """Two clouds of points that a line can part."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(2, (images,), generator=generator)
    x = torch.randn(images, 2, generator=generator) + 4 * y[:, None]
    return x, y


def in_batches(x, y, size):
    return list(zip(x.split(size), y.split(size), strict=True))


def line(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(2, 2)


def sgd(model, lr=0.1):
    return torch.optim.SGD(model.parameters(), lr=lr)


def test_fit_takes_the_same_steps_as_the_loop_written_out():
    x, y = blobs()
    batches = in_batches(x, y, 16)
    ours, theirs = line(), line()
    train.fit(ours, batches, epochs=3, optimizer=sgd(ours), device="cpu", progress=False)
    optimizer = sgd(theirs)
    for _ in range(3):
        for xb, yb in batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(theirs(xb), yb).backward()
            optimizer.step()
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


def test_fit_learns():
    x, y = blobs()
    model = line()
    history = train.fit(
        model, in_batches(x, y, 16), epochs=30, optimizer=sgd(model), progress=False
    )
    assert history.train_accuracy[-1] > 0.95 > history.train_accuracy[0]
    assert history.epochs == len(history.seconds) == len(history.images_per_second) == 30
    assert history.images_per_second[0] == pytest.approx(60 / history.seconds[0])
    assert history.valid_loss == []
    assert history.stopped is None
    assert not model.training


def test_means_are_weighted_by_the_true_batch_sizes():
    """With a learning rate of 0 the history must equal one pass over everything at once."""
    x, y = blobs(61)
    model = line()
    history = train.fit(
        model,
        in_batches(x, y, 20),  # the last batch holds one point
        in_batches(x, y, 25),
        epochs=1,
        optimizer=sgd(model, lr=0.0),
        progress=False,
    )
    logits = model(x).detach()
    loss = float(nn.functional.cross_entropy(logits, y))
    accuracy = float((logits.argmax(1) == y).float().mean())
    assert history.train_loss[0] == pytest.approx(loss, rel=1e-5)
    assert history.valid_loss[0] == pytest.approx(loss, rel=1e-5)
    assert history.train_accuracy[0] == pytest.approx(accuracy)
    assert history.valid_accuracy[0] == pytest.approx(accuracy)
    unweighted = [float(nn.functional.cross_entropy(a, b)) for a, b in in_batches(logits, y, 20)]
    assert sum(unweighted) / 4 != pytest.approx(loss, rel=1e-3)


def test_evaluate_counts_each_image_once_in_evaluation_mode():
    model = nn.Sequential(nn.Dropout(0.9), line())
    x, y = blobs(61)
    once = train.evaluate(model, in_batches(x, y, 61))
    assert once == pytest.approx(train.evaluate(model, in_batches(x, y, 7)))
    assert once.accuracy == pytest.approx(float((model[1](x).argmax(1) == y).float().mean()))
    assert model.training
    assert model[1].weight.grad is None


def test_evaluate_refuses_an_empty_set():
    with pytest.raises(ValueError, match="no image to evaluate on"):
        train.evaluate(line(), [])


def test_predict_is_the_same_for_every_batch_size():
    model = nn.Sequential(nn.Dropout(0.9), line())
    x, _ = blobs(11)
    whole = train.predict(model, x)
    assert whole.shape == (11, 2)
    assert torch.allclose(whole, train.predict(model, x, batch_size=3))
    assert torch.allclose(whole, model[1](x))
    assert not whole.requires_grad


class Scripted(nn.Module):
    """A model whose validation loss follows a script; it counts epochs in a weight."""

    def __init__(self, script):
        super().__init__()
        self.epoch = nn.Parameter(torch.zeros(()))
        self.script = script

    def forward(self, x):
        value = 0.0 if self.training else self.script[int(self.epoch) - 1]
        return torch.stack([torch.zeros(len(x)), torch.full((len(x),), value)], 1) + 0 * self.epoch


class Counting(torch.optim.Optimizer):
    """Adds 1 to the weight per step."""

    def __init__(self, parameters):
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self):
        self.param_groups[0]["params"][0] += 1


ONE = [(torch.zeros(4, 1), torch.zeros(4, dtype=torch.int64))]


def run_script(script, **arguments):
    model = Scripted(script)
    history = train.fit(
        model,
        ONE,
        ONE,
        epochs=len(script),
        optimizer=Counting(model.parameters()),
        progress=False,
        device="cpu",
        **arguments,
    )
    return model, history


def test_early_stopping_keeps_the_best_weights():
    model, history = run_script([3.0, 1.0, 2.0, 2.0, 0.0], patience=2)
    assert history.stopped == "early"
    assert history.epochs == 4
    assert history.best_epoch == 1
    assert model.epoch.item() == 2  # the weights after the second epoch


def test_the_best_weights_come_back_also_when_patience_never_runs_out():
    model, history = run_script([3.0, 1.0, 2.0], patience=5)
    assert history.stopped is None
    assert model.epoch.item() == 2


def test_without_patience_the_last_weights_stay():
    model, history = run_script([3.0, 1.0, 2.0])
    assert history.best_epoch == 1
    assert model.epoch.item() == 3


class Interrupting:
    """Batches during whose third epoch someone presses ctrl-C."""

    def __init__(self):
        self.passes = 0

    def __len__(self):
        return 1

    def __iter__(self):
        self.passes += 1
        if self.passes == 3:
            raise KeyboardInterrupt
        yield from ONE


@pytest.mark.parametrize(("patience", "epoch_kept"), [(None, 2), (5, 1)])
def test_ctrl_c_returns_what_was_learnt_so_far(patience, epoch_kept):
    model = Scripted([1.0, 2.0, 3.0, 4.0])
    history = train.fit(
        model,
        Interrupting(),
        ONE,
        epochs=4,
        optimizer=Counting(model.parameters()),
        patience=patience,
        progress=False,
        device="cpu",
    )
    assert history.stopped == "interrupted"
    assert history.epochs == 2
    assert model.epoch.item() == epoch_kept


def test_a_loss_that_is_not_finite_stops_with_a_warning():
    x, y = blobs()
    model = line()
    x[3] = math.nan
    with pytest.warns(UserWarning, match="epoch 1 is nan.*smaller learning rate"):
        history = train.fit(
            model, in_batches(x, y, 16), epochs=5, optimizer=sgd(model), progress=False
        )
    assert history.stopped == "not finite"
    assert history.epochs == 1


def test_the_schedule_steps_once_per_batch():
    x, y = blobs()
    model = line()
    optimizer, schedule = train.one_cycle(model, steps=8, max_lr=0.5)
    rates = []
    step = schedule.step

    def spy():
        rates.append(optimizer.param_groups[0]["lr"])
        step()

    schedule.step = spy
    train.fit(
        model,
        in_batches(x, y, 15),
        epochs=2,
        optimizer=optimizer,
        schedule=schedule,
        progress=False,
    )
    assert len(rates) == 8
    assert 0.3 < max(rates) <= 0.5
    assert rates[0] < max(rates) > rates[-1]


def test_progress_goes_to_stderr_only_when_wanted(capsys):
    for progress in (True, False):
        model = line()
        train.fit(
            model,
            in_batches(*blobs(), 30),
            in_batches(*blobs(), 30),
            epochs=2,
            optimizer=sgd(model),
            progress=progress,
        )
        printed = capsys.readouterr()
        assert printed.out == ""
        assert ("validation accuracy" in printed.err) == progress


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"patience": 0, "valid_batches": ONE}, "patience must be at least 1 epoch, got 0"),
        ({"patience": 2}, "needs valid_batches"),
        ({"train_batches": []}, "training set is empty"),
        ({"optimizer": sgd(line())}, "holds none of this model's parameters"),
    ],
)
def test_fit_refuses(changes, message):
    model = line()
    arguments = {
        "model": model,
        "train_batches": in_batches(*blobs(), 16),
        "epochs": 1,
        "optimizer": sgd(model),
    }
    before = model.weight.clone()
    with pytest.raises(ValueError, match=message):
        train.fit(**(arguments | changes), progress=False)
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize(
    ("cuda", "mps", "device"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_best_device(monkeypatch, cuda, mps, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert train.best_device() == torch.device(device)


def test_weights_survive_the_round_trip(tmp_path):
    saved, loaded = line(0), line(1)
    train.save(saved, tmp_path / "line.safetensors")
    assert train.load(loaded, tmp_path / "line.safetensors") is loaded
    assert torch.equal(saved.weight, loaded.weight)
    assert [file.name for file in tmp_path.iterdir()] == ["line.safetensors"]


def test_weights_in_another_order_in_memory_are_saved_too(tmp_path):
    saved = nn.Conv2d(2, 3, 2).to(memory_format=torch.channels_last)
    train.save(saved, tmp_path / "conv.safetensors")
    loaded = train.load(nn.Conv2d(2, 3, 2), tmp_path / "conv.safetensors")
    assert torch.equal(saved.weight, loaded.weight)


def test_a_save_that_fails_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "line.safetensors"
    train.save(line(0), path)
    before = path.read_bytes()

    def full_disk(weights, part):
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(train, "save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        train.save(line(1), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["line.safetensors"]


def test_load_says_what_is_wrong_and_changes_nothing(tmp_path):
    model = line(0)
    before = model.weight.clone()
    with pytest.raises(FileNotFoundError, match="no weights at"):
        train.load(model, tmp_path / "none.safetensors")
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(b"\x80\x04not safetensors")
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        train.load(model, torn)
    train.save(nn.Linear(3, 2, bias=False), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"bias: model \(2,\), file has none; weight: model"):
        train.load(model, tmp_path / "other.safetensors")
    assert torch.equal(model.weight, before)


IMAGES = torch.zeros(2, 3, 8, 8)
NET = nn.Sequential(nn.Conv2d(3, 4, kernel_size=3), nn.Flatten(), nn.Linear(4 * 6 * 6, 10))
USES = {
    "fit": lambda x, y: train.fit(NET, [(x, y)], epochs=1, optimizer=sgd(NET), progress=False),
    "evaluate": lambda x, y: train.evaluate(NET, [(x, y)]),
    "predict": lambda x, y: train.predict(NET, x),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("shape", [(2, 3, 9, 9), (2, 1, 8, 8)])
def test_images_that_do_not_fit_are_named(use, shape):
    with pytest.raises(ValueError, match=re.escape(f"cannot take a batch of shape {shape}")):
        USES[use](torch.zeros(shape), torch.tensor([0, 1]))


@pytest.mark.parametrize("use", ["fit", "evaluate"])
@pytest.mark.parametrize("label", [10, -1])
def test_labels_without_a_score_are_named(use, label):
    with pytest.raises(ValueError, match=f"10 scores an image.*labels from .*{label}"):
        USES[use](IMAGES, torch.tensor([5, label]))

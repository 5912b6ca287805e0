"""What a training's log holds is read back with TensorBoard's own reader and compared."""

import copy
import errno
import os
import sys
import tempfile
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lenet_course import data, models, train
from tools import tensorboard_pictures

pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing import event_accumulator

EPOCHS = 2


def some_digits(n, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 1, 28, 28, generator=generator), torch.arange(n) % 10


def fit(callback, net=None, epochs=EPOCHS):
    """Train LeNet for two epochs of three batches, with a schedule that changes each rate."""
    net = net or models.lenet(seed=0)
    batches = data.batches(*some_digits(24, 0), 8, True, torch.Generator().manual_seed(0))
    optimizer, schedule = train.one_cycle(net, epochs * len(batches), max_lr=1e-3)
    valid = data.batches(*some_digits(10, 1), 10)
    how = {"optimizer": optimizer, "schedule": schedule, "device": "cpu", "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a callback that raises is only a warning
        return net, train.fit(net, batches, valid, epochs=epochs, callback=callback, **how)


class Truth:
    """Note at each moment what the log should say of it, by other means."""

    def __init__(self, net):
        self.losses, self.ratios, self.rates = [], [], []
        self.before = copy.deepcopy(net)
        self.ends, self.gradients = [], []

    def __call__(self, moment):
        if moment.name == "epoch":
            self.ends.append(copy.deepcopy(moment.model))
            self.gradients.append(moment.model[0].weight.grad.clone())
            return
        self.losses.append(float(moment.loss))
        old, new = (net[3].weight.detach().numpy() for net in (self.before, moment.model))
        self.ratios.append(np.sqrt(((new - old) ** 2).sum() / (old**2).sum()))
        self.rates.append(moment.optimizer.param_groups[0]["lr"])
        self.before = copy.deepcopy(moment.model)


def read(folder):
    everything = dict.fromkeys(("scalars", "histograms", "images", "tensors", "graph"), 0)
    return event_accumulator.EventAccumulator(str(folder), everything).Reload()


def scalars(events, tag):
    return {event.step: event.value for event in events.Scalars(tag)}


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    net = models.lenet(seed=0)
    truth, logger = Truth(net), train.TensorBoard(folder, *some_digits(10, 1))

    def both(moment):
        logger(moment)
        truth(moment)

    net, history = fit(both, net)
    logger.close()
    return read(folder), truth, net, history


def test_the_numbers_of_each_step_are_the_training_s(logged):
    events, truth, _, _ = logged
    steps = range(1, 7)
    assert scalars(events, "step/loss") == pytest.approx(
        dict(zip(steps, truth.losses, strict=True)), rel=1e-6
    )
    ratios = dict(list(zip(steps, truth.ratios, strict=True))[1:])  # none before the first step
    assert scalars(events, "update to weight/3.weight") == pytest.approx(ratios, rel=1e-4)
    # the rate noted after step n is that of step n + 1
    rates = dict(zip(range(2, 8), truth.rates, strict=True))
    assert scalars(events, "step/learning rate") == pytest.approx(rates, rel=1e-6)
    assert len(set(truth.rates)) == 6


def test_the_numbers_of_each_epoch_are_the_history_s(logged):
    events, _, _, history = logged
    for quantity in ("loss", "accuracy"):
        for split in ("train", "valid"):
            expected = dict(zip((3, 6), getattr(history, f"{split}_{quantity}"), strict=True))
            assert scalars(events, f"{quantity}/{split}") == pytest.approx(expected, rel=1e-6)


def test_histograms_count_the_weights_and_the_gradients(logged):
    events, truth, _, _ = logged
    for epoch, (net, gradient) in enumerate(zip(truth.ends, truth.gradients, strict=True)):
        for tag, values in (("weights", net[0].weight.detach()), ("gradients", gradient)):
            event = events.Histograms(f"{tag}/0.weight")[epoch]
            found, values = event.histogram_value, values.double().numpy()
            assert event.step == 3 * (epoch + 1)
            assert (found.num, found.min, found.max) == (150, values.min(), values.max())
            assert found.sum == pytest.approx(values.sum())
    names = {name for name, _ in truth.ends[0].named_parameters()}
    tags = set(events.Tags()["histograms"])
    assert tags == {f"{kind}/{name}" for kind in ("weights", "gradients") for name in names}


def test_the_pictures_are_there_after_each_epoch(logged):
    events, *_ = logged
    assert set(events.Tags()["images"]) == {"filters", "mistakes"}
    for tag in ("filters", "mistakes"):
        found = events.Images(tag)
        assert [event.step for event in found] == [3, 6]
        assert all(event.encoded_image_string.startswith(b"\x89PNG") for event in found)


def test_the_graph_names_the_network_s_operations(logged):
    graph = logged[0].Graph()
    kinds = [node.op for node in graph.node]
    assert sum("_convolution" in kind for kind in kinds) == 2
    assert sum(kind == "aten::linear" for kind in kinds) == 3


def test_a_logged_training_ends_with_the_same_bits(logged):
    _, _, net, history = logged
    plain, without = fit(None)
    assert all(map(torch.equal, net.state_dict().values(), plain.state_dict().values()))
    assert history.valid_loss == without.valid_loss


def test_dropout_draws_the_same_numbers_beside_a_logger(tmp_path):
    def trained(callback):
        net = nn.Sequential(models.lenet(seed=0), nn.Dropout(0.5), nn.BatchNorm1d(10))
        torch.manual_seed(3)
        return fit(callback, net)[0].state_dict().values()

    with torch.random.fork_rng():
        logger = train.TensorBoard(tmp_path, *some_digits(10, 1))
        assert all(map(torch.equal, trained(logger), trained(None)))
    logger.close()


def test_mistakes_show_the_wrong_answers_only(tmp_path):
    x, y = some_digits(10, 1)
    net = models.lenet(seed=0)
    answers = train.predict(net, x).argmax(dim=1)
    wrong = (answers != y).nonzero().flatten().tolist()
    logger = train.TensorBoard(tmp_path, x, y)
    figure = logger._mistakes(net)
    logger.close()
    shown = [ax for ax in figure.axes if ax.images]
    assert 0 < len(wrong) < 10
    assert [ax.get_title() for ax in shown] == [f"{y[i]}, read as {answers[i]}" for i in wrong]
    for ax, i in zip(shown, wrong, strict=True):
        picture = x[i, 0].numpy()
        drawn = np.asarray(ax.images[0].get_array())
        np.testing.assert_allclose(drawn, (picture - picture.min()) / np.ptp(picture), atol=1e-6)


def test_color_images_and_networks_without_convolution_are_logged_too(tmp_path):
    x, y = torch.rand(6, 3, 32, 32), torch.arange(6)
    for name, net in {
        "conv": models.cifar_lenet(seed=0),
        "mlp": nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)),
    }.items():
        logger = train.TensorBoard(tmp_path / name, x, y)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            train.fit(net, [(x, y)], epochs=1, optimizer=optimizer, callback=logger, device="cpu")
        logger.close()
        assert ("filters" in read(tmp_path / name).Tags()["images"]) == (name == "conv")


def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for folder in (file, file / "below"):
        with pytest.raises(OSError, match=r"log cannot be written.*choose another folder"):
            train.TensorBoard(folder, *some_digits(10, 1))
    assert sorted(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the system lets us write anyway")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="Permission denied; choose another folder"):
        train.TensorBoard(tmp_path, *some_digits(10, 1))


def test_a_full_disk_is_told_at_once(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(OSError, match="No space left on device"):
        train.TensorBoard(tmp_path, *some_digits(10, 1))


def test_two_trainings_do_not_share_a_folder(tmp_path):
    train.TensorBoard(tmp_path, *some_digits(10, 1)).close()
    with pytest.raises(FileExistsError, match="give each training a folder of its own"):
        train.TensorBoard(tmp_path, *some_digits(10, 1))


def test_where_tensorboard_is_not_installed_the_remedy_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="pip install"):
        train.TensorBoard(tmp_path, *some_digits(10, 1))


def test_images_without_their_labels_are_refused(tmp_path):
    with pytest.raises(ValueError, match="10 images and 3 labels"):
        train.TensorBoard(tmp_path, some_digits(10, 1)[0], torch.arange(3))


def test_a_log_that_fails_later_does_not_stop_the_training(tmp_path, monkeypatch):
    logger = train.TensorBoard(tmp_path, *some_digits(10, 1))

    def fails(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(logger._writer, "add_histogram", fails)
    net = models.lenet(seed=0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with pytest.warns(UserWarning, match="No space left on device"):
        history = train.fit(
            net, [some_digits(8, 0)], epochs=2, optimizer=optimizer, callback=logger, device="cpu"
        )
    logger.close()
    assert history.epochs == 2


def test_the_chapter_s_pictures_show_today_s_training():
    pictures = tensorboard_pictures.PICTURES
    for name in ("scalars", "histograms", "images", "graph"):
        with Image.open(pictures / f"{name}.png") as picture:
            made_from = picture.info["code_sha256"]
        assert made_from == tensorboard_pictures.code_hash(), (
            f"{name}.png shows another training: run `python -m tools.tensorboard_pictures`"
        )
    assert sum(path.stat().st_size for path in pictures.iterdir()) < 200_000

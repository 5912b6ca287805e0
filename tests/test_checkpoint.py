"""A training that was killed ends as one that was not; what does not fit is refused."""

import copy
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import checkpoint_helpers as helpers
import pytest
import torch
from checkpoint_helpers import fit, milestones, network, one_cycle
from torch import nn

import lenet_course
from lenet_course import checkpoint, train

TIMES = {"seconds", "images_per_second"}
ROOT = Path(lenet_course.__file__).parents[1]


def assert_same(ours, theirs, place="state"):
    """Compare nested states bit for bit, but for the history's times."""
    assert type(ours) is type(theirs), place
    if isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs), place
        assert (ours.dtype, ours.stride()) == (theirs.dtype, theirs.stride()), place
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), place
        for key in ours.keys() - TIMES:
            assert_same(ours[key], theirs[key], f"{place}.{key}")
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs), place
        for number, pair in enumerate(zip(ours, theirs, strict=True)):
            assert_same(*pair, f"{place}.{number}")
    else:
        assert ours == theirs, place


def outcome(path, make=one_cycle, **changes):
    """Train to the end; give all that the training has changed."""
    net, optimizer, history = fit(path, make, **changes)
    assert history.stopped is None
    return {
        "file": checkpoint.read(path),
        "weights": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "history": vars(history),
    }


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    return {make: outcome(folder / make.__name__, make) for make in (one_cycle, milestones)}


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A folder with the files of the trainings that were killed, one for each moment."""
    if not hasattr(os, "fork"):
        pytest.skip("the trainings to be killed are forks of one process")
    folder = tmp_path_factory.mktemp("killed")
    script = (
        "import sys; from pathlib import Path; import checkpoint_helpers as helpers; "
        "helpers.die_at_each_moment(Path(sys.argv[1]))"
    )
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}",
        "OMP_NUM_THREADS": str(torch.get_num_threads()),  # another number rounds otherwise
    }
    subprocess.run([sys.executable, "-c", script, folder], env=environment, check=True)
    return folder


@pytest.mark.parametrize("make", [one_cycle, milestones])
@pytest.mark.parametrize("moment", helpers.MOMENTS)
def test_a_killed_training_ends_as_one_that_was_not(uninterrupted, killed, moment, make):
    path = killed / f"{moment}, {make.__name__}"
    assert_same(outcome(path, make), uninterrupted[make])
    assert not path.with_name(f"{path.name}.part").exists()


def test_a_checkpoint_changes_nothing(uninterrupted):
    net, optimizer, history = fit(None)
    ours = {"weights": net.state_dict(), "optimizer": optimizer.state_dict()}
    ours["history"] = vars(history)
    assert_same(ours, {name: uninterrupted[one_cycle][name] for name in ours})


@pytest.mark.parametrize("step", [1, 8, 20])
def test_ctrl_c_and_the_same_call_again(tmp_path, uninterrupted, step):
    """Once with new objects, and once, as in a notebook, with those that were interrupted."""

    def interrupt(moment):
        if moment.step == step:
            raise KeyboardInterrupt

    path, again = tmp_path / "run.checkpoint", tmp_path / "again.checkpoint"
    assert fit(path, callback=interrupt)[2].stopped == "interrupted"
    again.write_bytes(path.read_bytes())
    assert_same(outcome(path), uninterrupted[one_cycle])

    net, made = network(), []

    def make_once(net):
        made.append(made[0] if made else one_cycle(net))
        return made[0]

    again.unlink()
    fit(again, make_once, net=net, callback=interrupt)
    assert_same(outcome(again, make_once, net=net), uninterrupted[one_cycle])


def warm_up(net):
    optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3, momentum=0.5)
    rates = torch.optim.lr_scheduler
    parts = [rates.LinearLR(optimizer, total_iters=6), rates.CosineAnnealingLR(optimizer, 14)]
    return optimizer, rates.SequentialLR(optimizer, parts, milestones=[6])


def ever_smaller(net):
    optimizer = torch.optim.Adam([{"params": [p], "lr": 1e-3} for p in net.parameters()])
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.9**step)


def no_schedule(net):
    return torch.optim.Adagrad(net.parameters(), lr=0.01), None


@pytest.mark.parametrize("make", [milestones, warm_up, ever_smaller, no_schedule])
def test_optimizers_and_schedules_go_on(tmp_path, make):
    def interrupt(moment):
        if moment.step == 13:
            raise KeyboardInterrupt

    path = tmp_path / "run.checkpoint"
    fit(path, make, callback=interrupt)
    assert_same(outcome(path, make), outcome(tmp_path / "whole", make))


@pytest.mark.parametrize("own", [True, False], ids=["a generator of its own", "PyTorch's"])
def test_a_data_loader_goes_on(tmp_path, own):
    def loader():
        generator = torch.Generator().manual_seed(5) if own else None
        images = torch.utils.data.TensorDataset(*helpers.images())
        return torch.utils.data.DataLoader(images, 10, shuffle=True, generator=generator)

    def interrupt(moment):
        if moment.step == 7:
            raise KeyboardInterrupt

    def train_to(path, callback=None):
        net = network()
        optimizer, schedule = one_cycle(net)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            train.fit(
                net,
                loader(),
                epochs=4,
                optimizer=optimizer,
                schedule=schedule,
                device="cpu",
                progress=False,
                callback=callback,
                checkpoint=checkpoint.Checkpoint(path),
            )
        return checkpoint.read(path)

    train_to(tmp_path / "run", interrupt)
    assert_same(train_to(tmp_path / "run"), train_to(tmp_path / "whole"))


def test_a_training_goes_on_where_another_device_was(tmp_path):
    path = tmp_path / "run.checkpoint"
    fit(path)
    stored = checkpoint.read(path)
    stored["states"]["random numbers of cuda:0"] = stored["states"].pop("random numbers of cpu")
    checkpoint.write(path, stored)
    assert fit(path)[2].epochs == 4


def test_a_finished_training_gives_its_history_at_once(tmp_path):
    path = tmp_path / "run.checkpoint"
    net, _, history = fit(path)
    steps, before = [], path.read_bytes()
    again, _, same = fit(path, callback=steps.append)
    assert vars(same) == vars(history)
    assert steps == []
    assert path.read_bytes() == before
    assert_same(again.state_dict(), net.state_dict())
    assert not again.training


def test_times_of_finished_epochs_and_the_count_of_steps_are_kept(tmp_path):
    path, before, after = tmp_path / "run.checkpoint", [], []

    def interrupt(moment):
        if moment.step == 12:
            before.extend(moment.history.seconds)
            raise KeyboardInterrupt

    fit(path, callback=interrupt)
    assert len(before) == 2
    history = fit(path, callback=lambda moment: after.append(moment[4:6]))[2]
    assert history.seconds[:2] == before
    assert (after[0], after[-1]) == ((2, 11), (3, 20))


@pytest.mark.parametrize("patience", [1, 2])
def test_the_best_weights_are_kept_over_an_interruption(tmp_path, patience):
    """A weight decay that the callback makes far too large lets the validation loss rise."""

    def lost(moment):
        if moment.name == "epoch" and moment.epoch == 1:
            raise KeyboardInterrupt

    def worse(moment):
        if moment.name == "epoch" and moment.epoch == 0:
            for group in moment.optimizer.param_groups:
                group["weight_decay"] = 500.0

    def both(moment):
        worse(moment)
        lost(moment)

    whole = fit(tmp_path / "whole", callback=worse, patience=patience, epochs=4)
    assert whole[2].stopped == "early"
    path = tmp_path / "run"
    fit(path, callback=both, patience=patience)
    net, _, history = fit(path, patience=patience)
    assert (history.stopped, history.best_epoch) == ("early", whole[2].best_epoch)
    assert_same(net.state_dict(), whole[0].state_dict())
    assert_same(fit(path, patience=patience)[0].state_dict(), whole[0].state_dict())


class Counting(nn.Module):
    """A loss with a state: how often it was computed."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, logits, y):
        self.calls += torch.is_grad_enabled()
        return nn.functional.cross_entropy(logits, y)


def test_the_state_of_a_loss_function_is_kept(tmp_path):
    def interrupt(moment):
        if moment.step == 7:
            raise KeyboardInterrupt

    fit(tmp_path / "run", loss_function=Counting(), callback=interrupt)
    fit(tmp_path / "run", loss_function=(loss := Counting()))
    assert loss.calls == 20


# What is refused


def other_network():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 3))


def another_rate(net):
    return train.one_cycle(net, 20, 0.02)


def more_steps(net):
    return train.one_cycle(net, 25, 0.01)


def without_schedule(net):
    return one_cycle(net)[0], None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"net": other_network()}, r"model.1.weight: here \(3, 192\) .*, in the file \(4,\)"),
        ({"make": milestones}, "optimizer.class: here SGD, in the file AdamW"),
        ({"make": another_rate}, "max_lr: here 0.02, in the file 0.01"),
        ({"make": more_steps}, "schedule.total_steps: here 25, in the file 20"),
        ({"make": without_schedule}, "schedule.class: here NoneType, in the file OneCycleLR"),
        ({"epochs": 3}, "another training: epochs: here 3, in the file 4"),
        ({"patience": 2}, "patience: here 2, in the file 10"),
        ({"seed": 5}, "train_batches.seed: here 5, in the file 2"),
        ({"loss_function": nn.NLLLoss()}, "loss function.class: here NLLLoss"),
    ],
)
def test_the_checkpoint_of_another_training_is_refused(tmp_path, changes, message):
    path = tmp_path / "run.checkpoint"
    fit(path)
    net, before = changes.get("net", network()), path.read_bytes()
    weights = copy.deepcopy(net.state_dict())
    with pytest.raises(ValueError, match=message):
        fit(path, **{"net": net} | changes)
    assert_same(net.state_dict(), weights)
    assert path.read_bytes() == before


def test_all_of_the_file_or_an_error(tmp_path):
    """A file that is cut at any place is an error, and one that another program wrote, too."""
    path = tmp_path / "torn.checkpoint"
    checkpoint.write(path, {"a": torch.ones(3), "b": [1, "two"]})
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"torn\.checkpoint is not a whole checkpoint"):
            checkpoint.read(path)
    path.write_bytes(whole)
    assert checkpoint.read(path)["b"] == [1, "two"]
    train.save(nn.Linear(2, 2), path)
    with pytest.raises(ValueError, match="written by something else; delete it to begin anew"):
        checkpoint.read(path)
    checkpoint.write(path, {"epoch": 3})
    with pytest.raises(ValueError, match=r"torn\.checkpoint is no checkpoint of train.fit"):
        fit(path)
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint at .*nowhere"):
        checkpoint.read(tmp_path / "nowhere")


def test_what_cannot_be_written_is_told_before_training(tmp_path):
    (tmp_path / "file").touch()
    steps = []
    (tmp_path / "folder").mkdir()
    for place in ("file/run.checkpoint", "nowhere/run.checkpoint", "folder"):
        with pytest.raises(OSError, match=rf"cannot write the checkpoint: .*{place}"):
            fit(tmp_path / place, callback=steps.append)
    assert steps == []
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is a file of Linux")
def test_a_disk_that_gets_full_costs_no_training(tmp_path, uninterrupted):
    """The old file stays, training goes on, and a later epoch is stored again."""
    path = tmp_path / "run.checkpoint"
    part = path.with_name("run.checkpoint.part")

    def fill(moment):
        if moment.name == "epoch" and moment.epoch in (1, 2):
            part.symlink_to("/dev/full")

    with pytest.warns(UserWarning, match="No space left.*training goes on") as warned:
        result = outcome(path, callback=fill)
    assert len(warned) == 2
    assert len(checkpoint.read(path)["states"]["training"]["history"]["train_loss"]) == 4
    assert_same(result, uninterrupted[one_cycle])


STATE = {
    "numbers": [1, 2.5, True, None, float("inf"), 0.1 + 0.2],
    "words": ("é", ""),
    7: {"a.b": torch.ones(2, dtype=torch.bfloat16), "a": {"b": torch.zeros(0)}},
    "order": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "views": torch.arange(12).view(3, 4).T[1:],
    "none": torch.tensor(3),
    "bits": torch.tensor([True, False]),
    "counter": Counter({3: 2}),
    "empty": [{}, [], ()],
}
STATE["again"] = STATE["order"]  # two that share their memory


def test_a_state_survives_the_round_trip(tmp_path):
    checkpoint.write(tmp_path / "state", STATE)
    back = checkpoint.read(tmp_path / "state")
    assert back.keys() == STATE.keys()
    assert_same(back.pop("views").contiguous(), STATE["views"].contiguous())
    assert_same(back, {name: value for name, value in STATE.items() if name != "views"})


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": [1, {2}]}, "a.1 is a set, which a checkpoint cannot hold"),
        (len, "the state is a builtin_function_or_method"),
        ({"a": {(1, 2): 3}}, r"a has the key \(1, 2\): use strings or numbers"),
    ],
)
def test_what_is_no_state_is_refused(tmp_path, state, message):
    with pytest.raises(TypeError, match=message):
        checkpoint.write(tmp_path / "state", state)
    assert list(tmp_path.iterdir()) == []

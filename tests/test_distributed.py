"""Several processes train as one does, a killed one costs nothing, and errors say what to do."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import pytest
import torch
from distributed_launches import EPOCHS, MOMENTS, SETTING, made_up
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from lenet_course import checkpoint, data, distributed, models, train
from lenet_course.distributed import __main__ as program
from lenet_course.distributed import training

ROOT = Path(distributed.__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
PATIENCE = 240  # seconds until a test gives up, on a machine that is slow and busy
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="forks processes and kills them")


# A share of each batch


@given(
    n=st.integers(1, 40), share=st.integers(1, 5), processes=st.integers(1, 4), seed=st.integers(0)
)
def test_together_the_processes_see_the_batches_of_one(n, share, processes, seed):
    seed %= 2**60
    x, y = torch.zeros(n, 1, 2, 2), torch.arange(n)
    size, generator = share * processes, torch.Generator().manual_seed(seed)
    whole = data.batches(x, y, size, shuffle=True, generator=generator)
    shared = [distributed.SharedBatches(x, y, size, k, processes, seed) for k in range(processes)]
    for epoch in range(3):
        parts = [list(one.epoch(epoch)) for one in shared]
        for step, (_, expected) in enumerate(whole):
            mine = [part[step][1].tolist() for part in parts]
            assert list(chain(*mine)) == expected.tolist()
            assert max(map(len, mine)) - min(map(len, mine)) <= 1
            assert {part[step][2] for part in parts} == {len(expected)}
        assert {len(part) for part in parts} == {len(whole)}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_size": 0}, "batch_size=0 is too small"),
        ({"batch_size": 64.0}, "batch_size=64.0 is not a whole number"),
        ({"learning_rate": float("nan")}, "learning_rate=nan is out of range"),
        ({"momentum": 1}, "momentum=1 is out of range"),
        ({"seed": -1}, "seed=-1 is too small"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(values, message):
    with pytest.raises((TypeError, ValueError), match=message):
        distributed.Setting(**values)


@pytest.mark.parametrize(
    ("size", "processes", "advice"), [(128, 3, "126 or 129"), (1, 2, "2 or 4"), (7, 2, "6 or 8")]
)
def test_a_batch_that_does_not_split_names_one_that_does(size, processes, advice):
    with pytest.raises(ValueError, match=f"of {size} images .*{processes} .*--batch-size {advice}"):
        distributed.Setting(batch_size=size).share(processes)


# One process


@pytest.fixture
def alone():
    with program.group(timeout=60) as device:
        yield device


def test_one_process_trains_as_fit_does(alone, tmp_path):
    prepared = made_up()
    net = distributed.train(SETTING, prepared, EPOCHS, tmp_path / "a", alone, say=lambda _: None)
    ours = models.lenet(seed=0)
    optimizer = torch.optim.SGD(ours.parameters(), SETTING.learning_rate, momentum=0.9)
    generator = torch.Generator().manual_seed(SETTING.seed)
    batches = data.batches(*prepared.train, SETTING.batch_size, shuffle=True, generator=generator)
    valid = data.batches(*prepared.valid, 1000)
    arguments = {"epochs": EPOCHS, "optimizer": optimizer, "device": "cpu", "progress": False}
    history = train.fit(ours, batches, valid, **arguments)
    torch.testing.assert_close(net.state_dict(), ours.state_dict(), rtol=1e-5, atol=1e-7)
    stored = checkpoint.read(tmp_path / "a")["history"]
    assert [e["train_loss"] for e in stored] == pytest.approx(history.train_loss, rel=1e-5)
    shares = [e["valid_correct"] / e["valid_images"] for e in stored]
    assert shares == pytest.approx(history.valid_accuracy)


def test_a_training_that_is_longer_goes_on_and_a_finished_one_stays(alone, tmp_path):
    def run(epochs, path):
        lines = []
        distributed.train(SETTING, made_up(), epochs, path, alone, say=lines.append)
        return lines

    short, whole = tmp_path / "short", tmp_path / "whole"
    run(1, short)
    assert run(2, short)[0] == "going on after epoch 1"
    run(2, whole)
    assert_same(short, whole)
    content = short.read_bytes()
    assert run(2, short) == ["going on after epoch 2"]
    assert short.read_bytes() == content


OTHER = [
    ({"learning_rate": 0.2}, {}, "learning_rate is 0.2 there and 0.1 here"),
    ({"data": "fashion_mnist"}, {}, "data is fashion_mnist there and mnist here"),
    ({}, {"classes": 4}, r"shape of 11.weight is \[4, 84\] there and \[10, 84\] here"),
]


@pytest.mark.parametrize(("setting", "network", "message"), OTHER)
def test_a_checkpoint_of_another_training_is_refused_and_kept(
    alone, tmp_path, setting, network, message
):
    path, theirs = tmp_path / "a", distributed.Setting(**setting)
    state = {"setting": training.asdict(theirs), "history": [{}], "optimizer": {}}
    checkpoint.write(path, state | {"model": models.lenet(seed=0, **network).state_dict()})
    assert_refused(path, f"a is the checkpoint of another training.*{message}")


def test_what_is_no_checkpoint_of_it_is_refused_and_kept(alone, tmp_path):
    path = tmp_path / "a"
    checkpoint.Checkpoint(path).start({"model": models.lenet()})
    assert_refused(path, "a is no checkpoint of this program.*another --checkpoint")
    path.write_bytes(path.read_bytes()[:-9])
    assert_refused(path, "a is not a whole checkpoint")


def assert_refused(path, message):
    content = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        distributed.train(distributed.Setting(), made_up(), 1, path)
    assert path.read_bytes() == content


def test_a_full_disk_or_a_loss_that_is_nan_keeps_the_last_checkpoint(alone, tmp_path, monkeypatch):
    path, lines = tmp_path / "a", []
    distributed.train(SETTING, made_up(), 1, path, alone, say=lines.append)
    content = path.read_bytes()

    def full(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write", full)
        distributed.train(SETTING, made_up(), 2, path, alone, say=lines.append)
    assert any("no space left; training goes on" in line for line in lines)
    monkeypatch.setattr(training, "one_epoch", lambda *_: float("nan"))
    with pytest.raises(ValueError, match="loss of epoch 2 is nan: try a smaller --learning-rate"):
        distributed.train(SETTING, made_up(), 2, path, alone)
    assert path.read_bytes() == content


def test_the_program_alone_and_its_options(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(program, "images", lambda setting: made_up())
    path = tmp_path / "a folder" / "a"
    options = [
        "--batch-size",
        "24",
        "--momentum",
        "0.9",
        "--epochs",
        "1",
        "--checkpoint",
        str(path),
    ]
    program.main([*options, "--data", "fashion_mnist", "--source", "sample", "--seed", "3"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("process 0 of 1 is ")
    assert re.match(r"epoch 1: loss 2\.\d+, validation .* of 10\), .* images a second", said[1])
    setting = checkpoint.read(path)["setting"]
    assert setting == training.asdict(
        distributed.Setting("fashion_mnist", "sample", 24, momentum=0.9, seed=3)
    )
    monkeypatch.setenv("WORLD_SIZE", "5")
    with pytest.raises(ValueError, match=r"24 images .* 5 processes"):
        program.main(options)


# Several processes


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """Run all launches once; give the folder and the answers."""
    folder = tmp_path_factory.mktemp("launched")
    script = Path(__file__).with_name("distributed_launches.py")
    command = [sys.executable, script, folder]
    result = subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder, json.loads((folder / "answers.json").read_text())


def assert_same(first, second):
    """Compare two trainings bit for bit: weights, the optimizer's memory, losses and counts."""
    first, second = checkpoint.read(first), checkpoint.read(second)
    for name in ("model", "optimizer"):
        memories = (state[name].get("state", state[name]) for state in (first, second))
        torch.testing.assert_close(*memories, rtol=0, atol=0)
    assert first["optimizer"]["state"][0]["momentum_buffer"].any()
    assert first["history"] == second["history"]


def whole_gradient(n):
    """Differentiate the mean loss of the first n images in one process, without any of ours."""
    net, (x, y) = models.lenet(seed=0), made_up().train
    loss = F.cross_entropy(net(x[:n]), y[:n])
    loss.backward()
    return loss.item(), torch.cat([p.grad.flatten() for p in net.parameters()])


@ON_LINUX
@pytest.mark.parametrize("n", [6, 7, 1])  # 7 make unequal shares, 1 leaves a process without any
def test_the_averaged_gradient_is_that_of_one_process_on_the_whole_batch(launched, n):
    loss, gradient = whole_gradient(n)
    for answers in launched[1]["gradients"]:  # of two and of three processes
        found = answers[str(n)]
        assert found["loss"] == pytest.approx(loss, rel=1e-5)
        torch.testing.assert_close(torch.tensor(found["gradient"]), gradient, rtol=1e-4, atol=1e-7)


@ON_LINUX
@pytest.mark.parametrize("n", [1, 10, 11])
def test_evaluation_counts_each_image_once(launched, n):
    net, (x, y) = models.lenet(seed=0), made_up().train
    correct = int((net(x[:n]).argmax(1) == y[:n]).sum())
    for answers in launched[1]["counts"]:
        assert answers[str(n)] == [correct, n]


@ON_LINUX
@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_train_as_one_does(launched, processes):
    one, several = (checkpoint.read(launched[0] / f"whole {k}") for k in (1, processes))
    torch.testing.assert_close(several["model"], one["model"], rtol=1e-4, atol=1e-5)
    assert [len(state["history"]) for state in (one, several)] == [EPOCHS] * 2
    assert all(epoch["valid_images"] == 10 for epoch in several["history"])


@ON_LINUX
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_process_changes_no_bit(launched, moment):
    assert_same(launched[0] / moment, launched[0] / "whole 2")


@ON_LINUX
def test_with_three_processes_no_bit_changes_either(launched):
    """A sum of three depends on its order, which DistributedDataParallel changes after a step."""
    assert_same(launched[0] / "three", launched[0] / "whole 3")


@ON_LINUX
def test_the_newest_checkpoint_of_any_machine_counts(launched):
    assert_same(launched[0] / "elsewhere", launched[0] / "whole 2")


# torchrun itself


def free_port(address="127.0.0.1"):
    with socket.socket() as found:
        found.bind((address, 0))
        return found.getsockname()[1]


def torchrun(*options, **environment):
    command = [sys.executable, "-m", "torch.distributed.run", *map(str, options)]
    return subprocess.Popen(
        command,
        env=ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def can_bind(address):
    try:
        return free_port(address) > 0
    except OSError:
        return False


@ON_LINUX
@pytest.mark.skipif(not can_bind("127.0.0.2"), reason="this machine has no address 127.0.0.2")
def test_two_hosts_go_on_after_one_of_their_processes_is_killed(tmp_path):
    """Each of two addresses stands for a host, with a torchrun and a disk of its own."""
    meeting = f"127.0.0.1:{free_port()}"
    hosts = [
        torchrun(
            *("--nnodes=2", "--nproc-per-node=1", "--max-restarts=3", "--rdzv-backend=c10d"),
            *(f"--rdzv-endpoint={meeting}", "--rdzv-id=lenet", f"--local-addr={address}"),
            f"--rdzv-conf=is_host={int(address == '127.0.0.1')}",
            *("-m", "lenet_course.distributed", "--source", "sample", "--epochs", 4),
            *("--learning-rate", 0.02, "--checkpoint", tmp_path / address, "--timeout", PATIENCE),
            GLOO_SOCKET_IFNAME="lo",
        )
        for address in ("127.0.0.1", "127.0.0.2")
    ]
    try:
        until = time.monotonic() + PATIENCE
        while not (found := list(tmp_path.iterdir())) and time.monotonic() < until:
            time.sleep(0.05)
        assert found, [host.kill() or host.stdout.read() for host in hosts]
        children = Path(f"/proc/{hosts[1].pid}/task/{hosts[1].pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)
        said = [host.communicate(timeout=PATIENCE)[0] for host in hosts]
    finally:
        for host in hosts:
            host.kill()
    assert [host.returncode for host in hosts] == [0, 0], "\n".join(said)
    assert "going on after epoch" in "".join(said)
    (stored,) = (checkpoint.read(path) for path in tmp_path.iterdir())
    setting = distributed.Setting(source="sample", learning_rate=0.02)
    path = tmp_path / "one process"
    with program.group(timeout=60) as device:
        distributed.train(setting, distributed.images(setting), 4, path, device)
    expected = checkpoint.read(path)
    torch.testing.assert_close(stored["model"], expected["model"], rtol=0, atol=1e-3)
    for ours, theirs in zip(stored["history"], expected["history"], strict=True):
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-3)


def test_processes_that_cannot_be_reached_are_told_by_their_address(monkeypatch, tmp_path):
    place = {"RANK": 1, "WORLD_SIZE": 2, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    for name, value in (place | address).items():
        monkeypatch.setenv(name, str(value))
    message = f"process 1 of 2 cannot .* 127.0.0.1:{address['MASTER_PORT']} .*timed out.*firewall"
    with pytest.raises(ConnectionError, match=message), program.group(timeout=1):
        pass
    monkeypatch.setenv("RANK", "0")  # the others do not come
    message = r"process 0 of 2 cannot reach the others .*waiting for clients"
    with pytest.raises(ConnectionError, match=message), program.group(timeout=1):
        pass


def test_a_meeting_point_that_cannot_be_reached_is_told_by_its_address(tmp_path):
    meeting = f"127.0.0.1:{free_port()}"
    process = torchrun(
        *("--nnodes=2", "--rdzv-backend=c10d", f"--rdzv-endpoint={meeting}", "--rdzv-id=lenet"),
        *("--rdzv-conf=is_host=0,read_timeout=1", "-m", "lenet_course.distributed"),
        *("--checkpoint", tmp_path / "a"),
    )
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode
    assert (
        f"timed out after 1000ms while trying to connect to ({meeting.replace(':', ', ')})" in said
    )
    assert not list(tmp_path.iterdir())

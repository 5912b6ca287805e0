"""bfloat16 is switched on for whole trainings, and only where it is faster."""

import pytest
import torch

from lenet_course import models, precision, train


def losses(on):
    """Train for six steps, all of them inside one block."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(64, 3, 32, 32, generator=generator), torch.arange(64) % 10
    net, seen = models.resnet([8, 8], seed=0), []
    optimizer = torch.optim.SGD(net.parameters(), lr=0.2)

    def loss_function(logits, y):
        assert logits.dtype == (torch.bfloat16 if on else torch.float32)
        loss = torch.nn.functional.cross_entropy(logits.float(), y)
        seen.append(loss.item())
        return loss

    arguments = {"epochs": 6, "optimizer": optimizer, "device": "cpu", "progress": False}
    with precision.bfloat16(on):
        train.fit(net, [(x, y)], loss_function=loss_function, **arguments)
    assert all(p.dtype == torch.float32 for p in net.parameters())
    return torch.tensor(seen)


def test_a_training_in_bfloat16_learns_as_one_in_float32_does():
    rounded, exact = losses(True), losses(False)
    assert exact[-1] < exact[0] - 0.1
    torch.testing.assert_close(rounded, exact, rtol=0.03, atol=0)
    assert not torch.equal(rounded, exact)


@pytest.mark.parametrize(
    ("slow", "faster", "rounds"),
    [(1.0, False, 4), (0.85, False, 4), (0.5, True, 4), (20.0, False, 2)],
)
def test_bfloat16_is_chosen_by_time(monkeypatch, slow, faster, rounds):
    """A clock that runs while a convolution is computed, by the time that its kind takes."""
    clock = [0.0]
    real = torch.nn.functional.conv2d

    def conv2d(*arguments, **options):
        clock.append(clock[-1] + (slow if torch.is_autocast_enabled("cpu") else 1.0))
        return real(*arguments, **options)

    monkeypatch.setattr(precision.F, "conv2d", conv2d)
    monkeypatch.setattr(precision, "perf_counter", lambda: clock[-1])
    assert precision.faster_in_bfloat16(repeats=3) is faster
    assert len(clock) - 1 == 2 * rounds


def test_the_first_round_which_prepares_is_not_counted(monkeypatch):
    times = iter([0, 9, 0, 0.1, 0, 1, 0, 2])  # float32, bfloat16; twice
    monkeypatch.setattr(precision, "perf_counter", lambda: next(times))
    assert not precision.faster_in_bfloat16(repeats=1)

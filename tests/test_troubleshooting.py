"""The messages on the page are those that PyTorch gives."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

PAGE = (Path(__file__).parents[1] / "chapters" / "troubleshooting.md").read_text(encoding="utf-8")
images, scores = torch.zeros(8, 1, 28, 28), torch.zeros(8, 10)
convolution = nn.Conv2d(1, 6, 5)


def backward_twice():
    loss = torch.ones(1, requires_grad=True).exp().sum()
    loss.backward()
    loss.backward()


def changed_in_place():
    out = torch.ones(3, requires_grad=True).exp()
    out += 1
    out.sum().backward()


def without_a_record():
    with torch.no_grad():
        loss = F.cross_entropy(nn.Linear(10, 10)(scores), scores.argmax(dim=1))
    loss.backward()


@pytest.mark.parametrize(
    "go_wrong",
    [
        lambda: nn.Linear(4704, 10)(convolution(images).flatten(1)),
        lambda: convolution(torch.zeros(8, 3, 28, 28)),
        lambda: convolution(images.byte()),
        lambda: convolution(torch.zeros(8, 1, 4, 4)),
        lambda: F.cross_entropy(scores, torch.zeros(8, 1, dtype=torch.long)),
        lambda: F.cross_entropy(scores, torch.zeros(8, 10, dtype=torch.long)),
        lambda: F.cross_entropy(scores, torch.zeros(8)),
        lambda: F.cross_entropy(scores, torch.full((8,), 10)),
        lambda: torch.ones(2, requires_grad=True).numpy(),
        without_a_record,
        backward_twice,
        changed_in_place,
    ],
)
def test_the_page_has_the_message(go_wrong):
    with pytest.raises((RuntimeError, IndexError)) as caught:
        go_wrong()
    words = str(caught.value).split()
    assert any(" ".join(words[:n]) in PAGE for n in (5, 6)), caught.value

"""For the chapter Common bugs: its ten smaller mistakes, and the checker of an exercise.

Each mistake comes with a test of one line, and with versions of the code, at least two wrong and
two right, on which the test must fail or pass. The constants are what the tests know beforehand.
"""

import functools
import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional as F

from lenet_course import scratch
from lenet_course.checks import Case, run_cases


def passes(test, code):
    """Run a test on one version of the code; an error counts as a failure."""
    try:
        return bool(test(code))
    except Exception:
        return False


def raises(function, *args):
    """Tell whether a call ends in an error."""
    return not passes(lambda call: (call(*args), True)[1], function)


@dataclass(frozen=True)
class Mistake:
    """A mistake, the test that catches it, and versions of the code to try it on."""

    code: str
    test: Callable
    wrong: tuple
    right: tuple

    @property
    def line(self):
        """The test's own code, one line, as the chapter's table has it."""
        return inspect.getsource(self.test).partition("return ")[2].strip()


PIXELS = np.array(
    [[1.0, 2, 5, 0, 3, 1], [3, 4, 1, 2, 0, 2], [0, 1, 6, 2, 1, 8], [7, 0, 2, 2, 4, 0]]
)
MAPS = torch.arange(64.0)[:, None, None, None].expand(64, 512, 1, 1)  # image n holds the number n
NUMBERED = torch.arange(1.0, 32 * 32 + 1).view(1, 1, 32, 32).expand(2000, 1, 32, 32)
A, B = np.random.default_rng(53).normal(size=(2, 4))
FROZEN = np.ones(2)
FROZEN.flags.writeable = False
WHOLE = bytes(range(100))
ALTERED = WHOLE[:50] + bytes([WHOLE[50] ^ 128]) + WHOLE[51:]  # one bit
SHIFTS = torch.Generator().manual_seed(0)


def _largest_of_each_window(pool):
    return (pool(PIXELS, 2) == [[4, 5, 3], [7, 6, 8]]).all()


def _one_row_an_image(flat):
    return (flat(MAPS) == MAPS[:, :, 0, 0]).all()


def _every_shift_occurs(crop):
    return len(crop(NUMBERED)[:, 0, 16, 16].unique()) == 9**2


def _loss_below_one(curve):
    return curve([torch.tensor(0.75), torch.tensor(0.25)]) == [0.75, 0.25]


def _not_linear(net):
    return not np.allclose(net((A + B) / 2), (net(A) + net(B)) / 2)


def _argument_left_alone(backward):
    return (backward(FROZEN, np.array([-1, 2])) == [0, 1]).all()


def _unknown_name(choose):
    return not raises(choose, "Adam") and raises(choose, "Adma")


def _no_record(scores):
    return not scores(nn.Linear(4, 2)).requires_grad


def _altered_file(read):
    return read(WHOLE) == WHOLE and raises(read, ALTERED)


def _names_of_curves(draw):
    return [text.get_text() for text in draw().get_texts()] == ["training", "validation"]


def _pool(window):
    def pool(image, K):
        output = np.zeros((image.shape[0] // K, image.shape[1] // K))
        for i, j in np.ndindex(output.shape):
            output[i, j] = window(image, K, i, j).max()
        return output

    return pool


def _crop_each(x):
    padded = F.pad(x, (4,) * 4)
    corners = torch.randint(9, (len(x), 2), generator=SHIFTS).tolist()
    cut = [padded[n, :, i : i + 32, j : j + 32] for n, (i, j) in enumerate(corners)]
    return torch.stack(cut)


def _crop(x, padding, each):
    """Cut windows, at a place for each image or at one for all, by indexing."""
    size = (2, len(x), 1, 1) if each else (2, 1, 1, 1)
    i, j = torch.randint(2 * padding + 1, size, generator=SHIFTS)
    rows, columns = i + torch.arange(32)[:, None], j + torch.arange(32)
    images = torch.arange(len(x))[:, None, None]
    return F.pad(x, (padding,) * 4)[images, 0, rows, columns][:, None]


def _stack(activation, bias=0):
    first, second = (np.random.default_rng(n).normal(size=(4, 4)) for n in (1, 2))
    return lambda x: second @ activation(first @ x + bias)


def _masked_in_place(grad, x):
    grad[x <= 0] = 0
    return grad


def _times_in_place(grad, x):
    grad *= x > 0
    return grad


def _last_branch(name):
    return torch.optim.Adam if name == "Adam" else torch.optim.SGD


def _read(is_whole):
    def read(content):
        if not is_whole(content):
            raise ValueError("not the published file")
        return content

    return read


def _sum(algorithm):
    expected = hashlib.new(algorithm, WHOLE).digest()
    return lambda content: hashlib.new(algorithm, content).digest() == expected


def _legend(*names, labels=(None, None)):
    def draw():
        ax = Figure().subplots()
        for label in labels:
            ax.plot([0, 1], label=label)
        return ax.legend(*names)

    return draw


_INPUT = torch.ones(1, 4)
_NAMES = ["training", "validation"]
MISTAKES = (
    Mistake(
        "a window with the image's size, image[i*K : i*K+H]",
        _largest_of_each_window,
        (
            _pool(lambda x, K, i, j: x[i * K : i * K + len(x), j * K : j * K + x.shape[1]]),
            _pool(lambda x, K, i, j: x[i : i + K, j : j + K]),
            _pool(lambda x, K, i, j: x[i * K + K - 1, j * K + K - 1]),
        ),
        (
            lambda x, K: scratch.max_pool2d(x[None, None], K)[0, 0],
            _pool(lambda x, K, i, j: x[i * K : i * K + K, j * K : j * K + K]),
        ),
    ),
    Mistake(
        "x.view(-1, 2048) where each image brings 512 numbers",
        _one_row_an_image,
        (lambda x: x.view(-1, 2048), lambda x: x.reshape(512, 64).T),
        (nn.Flatten(), lambda x: x.view(len(x), -1)),
    ),
    Mistake(
        "padding=4 read as 4 pixels in total: 32 becomes 36",
        _every_shift_occurs,
        (lambda x: _crop(x, 2, each=True), lambda x: _crop(x, 4, each=False)),
        (lambda x: _crop(x, 4, each=True), _crop_each),
    ),
    Mistake(
        "int(loss) before the curve is drawn",
        _loss_below_one,
        (lambda losses: [int(loss) for loss in losses], lambda losses: list(map(round, losses))),
        (
            lambda losses: [float(loss) for loss in losses],
            lambda losses: [x.item() for x in losses],
        ),
    ),
    Mistake(
        "no activation between two linear layers",
        _not_linear,
        (_stack(np.asarray), _stack(np.asarray, bias=1), _stack(lambda x: 0.5 + x / 4)),
        (_stack(scratch.sigmoid), _stack(scratch.relu)),
    ),
    Mistake(
        "grad[x <= 0] = 0, written into the caller's gradient",
        _argument_left_alone,
        (_masked_in_place, _times_in_place),
        (lambda grad, x: grad * (x > 0), lambda grad, x: np.where(x > 0, grad, 0)),
    ),
    Mistake(
        "else: SGD, for every optimizer name that is not found",
        _unknown_name,
        (_last_branch, lambda name: {"Adam": torch.optim.Adam}.get(name)),
        (lambda name: {"Adam": torch.optim.Adam}[name], lambda name: getattr(torch.optim, name)),
    ),
    Mistake(
        "scores collected without torch.no_grad()",
        _no_record,
        (lambda net: net(_INPUT), lambda net: torch.cat([net(_INPUT), net(_INPUT)])),
        (torch.no_grad()(lambda net: net(_INPUT)), lambda net: net(_INPUT).detach()),
    ),
    Mistake(
        "a download that nobody compares with its checksum",
        _altered_file,
        (lambda content: content, _read(lambda content: len(content) == len(WHOLE))),
        (_read(_sum("md5")), _read(_sum("sha256"))),
    ),
    Mistake(
        'plt.legend("loss")',
        _names_of_curves,
        (_legend("loss"), _legend(["training, validation"]), _legend(labels=_NAMES[::-1])),
        (_legend(_NAMES), _legend(labels=_NAMES)),
    ),
)


@dataclass(frozen=True)
class _Version:
    """A function with a name to show."""

    name: str
    function: Callable

    def __call__(self, *args):
        return self.function(*args)

    def __repr__(self):
        return self.name


def check_mirror_test(test):
    """Check a test of functions that mirror images (N, C, H, W) left to right: flip → bool."""
    versions = [
        ("right_flip", lambda x: x.flip(3), True, "this version is right"),
        ("no_flip", lambda x: x, False, "it changes nothing"),
        ("upside_down", lambda x: x.flip(2), False, "it mirrors rows in place of columns"),
        ("half_turn", lambda x: x.flip(2, 3), False, "it turns the image by 180 degrees"),
        ("transposed", lambda x: x.transpose(2, 3), False, "it exchanges rows and columns"),
        ("by_index", lambda x: x[..., torch.arange(x.shape[3] - 1, -1, -1)], True, "it is right"),
        ("channels_too", lambda x: x.flip(1, 3), False, "give it an image with several channels"),
        ("images_too", lambda x: x.flip(0, 3), False, "give it several images"),
        ("first_only", lambda x: torch.cat([x[:1].flip(3), x[1:]]), False, "try several images"),
        ("square_only", lambda x: x[..., : x.shape[2]].flip(3), False, "let H and W differ"),
        ("in_a_loop", lambda x: torch.stack([image.flip(2) for image in x]), True, "it is right"),
    ]

    @functools.wraps(test)
    def outcome(flip):
        return passes(test, flip)

    run_cases(outcome, [Case((_Version(*version),), ok, why) for *version, ok, why in versions])

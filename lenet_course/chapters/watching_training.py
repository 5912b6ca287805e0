"""For the chapter Watching training."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.patches import Rectangle
from torch.overrides import TorchFunctionMode

from lenet_course.checks import Case, run_cases
from lenet_course.plots import arrow

WRITTEN = {"mul": "{}·{}", "add": "{} + {}", "sub": "{} − {}", "cos": "cos({})", "sin": "sin({})"}


@dataclass(eq=False)
class Operation:
    """A place in autograd's record: what was computed there, of what, and its gradient."""

    name: str
    value: Any
    inputs: list
    gradient: Any = None


def record(compute):
    """Run ``compute()``, which gives a loss, go back from it, and list what autograd recorded.

    Returns the `Operation` of each function that was called, in the order of the calls, after
    those of the tensors that require a gradient, which are called "leaf". The gradients are also
    added to the tensors' ``.grad``, as always.
    """
    with _Results() as results:
        loss = compute()
    operations = {}

    def visit(node):
        """Give the operations that a node of the record stands for."""
        if node in operations:
            return [operations[node]]
        leaf = getattr(node, "variable", None)
        inputs = [op for n, _ in node.next_functions if n for op in visit(n)]
        if leaf is None and node not in results.found:  # a step inside of one of the calls
            return inputs
        name, value = ("leaf", leaf.detach()) if leaf is not None else results.found[node]
        operation = operations[node] = Operation(name, value, inputs)
        node.register_prehook(lambda gradients: setattr(operation, "gradient", gradients[0]))
        return [operation]

    visit(loss.grad_fn)
    loss.backward()
    leaves = [op for op in operations.values() if op.name == "leaf"]
    return leaves + [operations[node] for node in results.found if node in operations]


class _Results(TorchFunctionMode):
    """Note of each call of PyTorch the function's name and its result, by autograd's node."""

    def __init__(self):
        super().__init__()
        self.found = {}

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.grad_fn is not None:
            self.found.setdefault(result.grad_fn, (function.__name__, result.detach()))
        return result


def expression_graph(ax, operations, gradients=True):
    """Draw the record of an expression of single numbers, w1, w2, …, from left to right.

    Give the figure 6.4 inches in width and about 0.9 for each row of boxes.
    """
    depth, rows, places = {}, {}, {}
    for op in operations:
        depth[op] = 1 + max((depth[i] for i in op.inputs), default=-1)
        rows.setdefault(depth[op], []).append(op)
    for column, ops in sorted(rows.items()):
        for row, op in enumerate(ops):
            height = 1.15 * ((len(ops) - 1) / 2 - row)
            if len(ops) == 1 and op.inputs:  # alone in its column: between what it is made of
                height = np.mean([places[i][1] for i in op.inputs])
            places[op] = (1.7 * column, height)
    symbols = {op: f"w{i}" for i, op in enumerate(operations, start=1)}
    for op, place in places.items():
        text = symbols[op]
        if op.inputs:
            text += " = " + WRITTEN[op.name].format(*(symbols[i] for i in op.inputs))
        for source in op.inputs:
            arrow(ax, np.add(places[source], (0.7, 0)), np.subtract(place, (0.7, 0)))
        lines = [(text, "black"), (_short(op.value), "C0")]
        lines += [(f"gradient {_short(op.gradient)}", "C3")] if gradients else []
        _box(ax, place, 1.4, 0.95, lines)
    xs, ys = np.transpose(list(places.values()))
    ax.set(xlim=(xs.min() - 0.75, xs.max() + 0.75), ylim=(ys.min() - 0.55, ys.max() + 0.55))
    ax.set_axis_off()
    return ax


def network_graph(ax, operations, names):
    """Draw the record of a loss from top to bottom, with the parameters beside the operations.

    In each box stand a name, the shape without the batch axis, and the root mean square of the
    numbers and of their gradient. `names` has the parameters' names, in the order of the
    operations that use them. Give the figure 6.4 inches in width and 0.66 for each operation.
    """
    names = iter(names)
    chain = [op for op in operations if op.inputs]
    for row, op in enumerate(chain):
        y = -0.66 * row
        parameters = sorted(
            (i for i in op.inputs if i.name == "leaf"), key=lambda leaf: -leaf.value.ndim
        )
        for parameter, side in zip(parameters, (-1, 1), strict=False):
            _box(ax, (2.15 * side, y), 1.9, 0.5, _sizes(next(names), parameter, 0))
            arrow(ax, (1.2 * side, y), (0.95 * side, y))
        if row:
            arrow(ax, (0, y + 0.41), (0, y + 0.25))
        _box(ax, (0, y), 1.9, 0.5, _sizes(op.name.removesuffix("2d").replace("_", " "), op, 1))
    ax.set(xlim=(-3.15, 3.15), ylim=(y - 0.3, 0.3))
    ax.set_axis_off()
    return ax


def _sizes(name, op, first_axis):
    shape = "×".join(map(str, op.value.shape[first_axis:]))
    size, gradient = (float(t.square().mean().sqrt()) for t in (op.value, op.gradient))
    numbers = (_short(size, 2), "C0"), (_short(gradient, 1), "C3")
    return [(f"{name} {shape}", "black"), numbers]


def _short(number, digits=3):
    return f"{float(number) + 0.0:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def _box(ax, middle, width, height, lines):
    """Write lines into a box, each a text and its color, or two such side by side."""
    x, y = middle
    ax.add_patch(
        Rectangle((x - width / 2, y - height / 2), width, height, fc="#f2f2f2", ec="#444444")
    )
    for line, parts in enumerate(lines):
        up = 0.23 * ((len(lines) - 1) / 2 - line) * (1.15 if len(lines) > 2 else 1)
        parts = [parts] if isinstance(parts[0], str) else parts
        for part, (text, color) in enumerate(parts):
            along = width / 2 * (part - (len(parts) - 1) / 2)
            ax.text(x + along, y + up, text, ha="center", va="center", color=color)


def check_gradients(function):
    """Check (w1, w2) → (w, slope of w1, slope of w2) for w = cos(w1·w2) + w1."""

    def case(w1, w2, hint):
        sine = np.sin(w1 * w2)
        return Case((w1, w2), np.array([np.cos(w1 * w2) + w1, 1 - sine * w2, -sine * w1]), hint)

    cases = [
        case(2.0, 0.0, "cos 0 = 1, sin 0 = 0: only the sum's own way is left"),
        case(0.0, 3.0, "w1 reaches the sum by two ways; the one without the cosine has slope 1"),
        case(1.0, np.pi / 2, "the slope of the cosine is minus the sine"),
        case(-0.7, 1.3, "times along a path: the product's slope is the other factor"),
    ]
    run_cases(function, cases)


def check_dead_share(function):
    """Check a function of a ReLU's outputs (N, units) → share of units that are 0 for all N."""
    rng = np.random.default_rng(51)
    large = np.maximum(rng.normal(size=(40, 30)), 0)
    large[:, 4:13] = 0

    cases = [
        Case((np.array([[0.0, 2.0], [0.0, 0.0]]),), 0.5, "unit 1 answers one of the two images"),
        Case((np.array([[0.0, 0.0, 1.0]]),), 2 / 3, "one image, three units"),
        Case((np.array([[0.0], [0.0], [3.0]]),), 0.0, "the unit is 0 for two images of three only"),
        Case((np.array([[0.0, 1e-9]]),), 0.5, "a small number is not 0"),
        Case((large,), 9 / 30, "a row is an image, a column is a unit"),
    ]
    run_cases(function, cases)

"""Checkers for the exercises: they say which case failed, what came out and what should have.

A checker takes the reader's function, tries it on several cases against a reference, prints one
line with a check mark if all agree, and raises `CheckFailed` at the first case that does not.
"""

from dataclasses import dataclass, field

import numpy as np

from lenet_course import scratch, shapes


class CheckFailed(AssertionError):
    """The reader's function is not right yet; the message says on which case and how."""


@dataclass(frozen=True)
class Case:
    """One call of the reader's function and what it should return.

    Attributes
    ----------
    args : tuple
        Positional arguments.
    expected : object
        A number, a tuple or an array.
    kwargs : dict
        Keyword arguments.
    hint : str
        Said when this case fails.
    """

    args: tuple
    expected: object
    kwargs: dict = field(default_factory=dict)
    hint: str = ""


def run_cases(function, cases):
    """Call a function on each case and compare shapes and values with what is expected.

    Parameters
    ----------
    function : callable
    cases : sequence of Case

    Raises
    ------
    TypeError
        If `function` is not callable.
    CheckFailed
        At the first case that raises, that returns another shape, or whose values differ by
        more than 1e-6 relative or 1e-8 absolute, or whose arguments were changed.
    """
    if not callable(function):
        raise TypeError(f"give the checker your function itself, not its result {function!r}")
    for number, case in enumerate(cases, start=1):
        call = _call_text(function, case)
        before = [np.array(arg, copy=True) for arg in case.args]
        try:
            result = function(*case.args, **case.kwargs)
        except Exception as error:
            problem = f"raised {type(error).__name__}: {error}"
        else:
            problem = _difference(result, case.expected)
            if not problem and any(
                not np.array_equal(a, b) for a, b in zip(before, case.args, strict=True)
            ):
                problem = "changed its argument; work on a copy"
        if problem:
            hint = f" Hint: {case.hint}" if case.hint else ""
            raise CheckFailed(f"✘ case {number} of {len(cases)}: {call} {problem}.{hint}")
    print(f"✔ {function.__name__}: all {len(cases)} cases agree")


def _difference(result, expected):
    """Say how `result` differs from `expected`, or return an empty string."""
    if result is None:
        return "returned None; is a return missing?"
    try:
        result_array = np.asarray(result, dtype=float)
    except (TypeError, ValueError):
        return f"returned {result!r}, which is not numbers; expected {_short(expected)}"
    expected_array = np.asarray(expected, dtype=float)
    if result_array.shape != expected_array.shape:
        return f"returned shape {result_array.shape}, expected {expected_array.shape}"
    wrong = ~np.isclose(result_array, expected_array, rtol=1e-6, atol=1e-8, equal_nan=True)
    if not wrong.any():
        return ""
    if wrong.ndim == 0:
        return f"returned {_short(result)}, expected {_short(expected)}"
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    return (
        f"differs in {wrong.sum()} of {wrong.size} values; at {first} it is "
        f"{result_array[first]:g}, expected {expected_array[first]:g}"
    )


def _call_text(function, case):
    parts = [_short(arg) for arg in case.args]
    parts += [f"{name}={_short(value)}" for name, value in case.kwargs.items()]
    return f"{getattr(function, '__name__', 'your function')}({', '.join(parts)})"


def _short(value):
    if isinstance(value, np.ndarray) and value.size > 6:
        return f"array of shape {value.shape}"
    if isinstance(value, np.ndarray):
        return f"np.array({value.tolist()})"
    return repr(value)


def lenet_shapes(function):
    """Check a function (size, padding) → the four sizes of LeNet's maps, from conv 1 to pool 2.

    The first 5×5 convolution is padded, the second is not, and each is followed by pooling in
    2×2 windows.
    """
    cases = [
        Case((28, 2), (28, 14, 10, 5)),
        Case((28, 0), (24, 12, 8, 4), hint="use the padding that came in, for conv 1 only"),
        Case((64, 2), (64, 32, 28, 14)),
        Case((31, 0), (27, 13, 9, 4), hint="pooling rounds down: a lone row at the end is dropped"),
    ]
    run_cases(function, cases)


def partial_conv_parameters(function):
    """Check a function (maps seen by each filter, kernel size) → parameters with biases.

    The first argument lists, for every output channel, how many input maps it is connected to.
    """
    cases = [
        Case(([1], 5), 26, hint="one kernel of 25 weights and one bias"),
        Case(([6] * 16, 5), 2416, hint="each filter has a bias of its own"),
        Case(([1, 2, 3], 3), 57),
        Case(([3, 3, 4], 1), 13),
    ]
    run_cases(function, cases)


def max_pool2d(function):
    """Check a function (x, kernel_size, stride) → the max-pooled maps, shape (N, C, OH, OW)."""
    toy = np.array([[1, 2, 5, 0], [3, 4, 1, 2], [0, 1, 6, 2], [7, 0, 2, 2.0]])[None, None]
    maps = np.random.default_rng(14).normal(size=(2, 3, 5, 8))
    batch = maps[:, :2, :4, :4]
    cases = [
        Case((toy, 2, 2), scratch.max_pool2d(toy, 2), hint="keep the largest of each window"),
        Case((-toy - 1, 2, 2), scratch.max_pool2d(-toy - 1, 2), hint="the largest may be negative"),
        Case((batch, 2, 2), scratch.max_pool2d(batch, 2), hint="pool each channel on its own"),
        Case((maps, 2, 2), scratch.max_pool2d(maps, 2), hint="H and W differ, and 5 = 2 · 2 + 1"),
        Case((maps, 3, 2), scratch.max_pool2d(maps, 3, 2), hint="no window may hang over the end"),
        Case((maps, 2, 3), scratch.max_pool2d(maps, 2, 3), hint="the stride is not the window"),
    ]
    run_cases(function, cases)


def cross_correlate(function):
    """Check a function (image, kernel) that slides a kernel over one channel, without a flip."""
    numbers = np.random.default_rng(13)

    def case(height, width, kernel_height, kernel_width, hint):
        pixels = numbers.integers(0, 9, (height, width)).astype(float)
        kernel = numbers.integers(-4, 5, (kernel_height, kernel_width)).astype(float)
        expected = scratch.conv2d_loops(pixels[None, None], kernel[None, None])[0, 0]
        return Case((pixels, kernel), expected, hint=hint)

    step = np.array([[0.0, 0.0, 3.0, 3.0]])
    run_cases(
        function,
        [
            Case(
                (step, np.array([[-1.0, 1.0]])),
                np.array([[0.0, 3.0, 0.0]]),
                hint="W - KW + 1 places, each window as wide as the kernel; "
                "a minus sign means a flipped kernel",
            ),
            case(5, 5, 3, 3, "row a, column b of the kernel meets row i + a, column j + b"),
            case(4, 7, 2, 2, "H counts the rows and W the columns; the image has 4 rows"),
            case(6, 5, 4, 2, "KH is the height of the kernel and KW its width; here they differ"),
            case(3, 4, 3, 4, "a kernel as large as the image has one place: H - KH + 1 is 1"),
        ],
    )


def softmax(function):
    """Check a function (logits, dim) → probabilities that add up to 1 along that axis."""
    batch = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 5.0]])
    far = np.array([[1000.0, 1001.0, 1002.0], [-1000.0, -1000.0, 0.0]])
    block = np.random.default_rng(15).normal(size=(2, 3, 4))
    cases = [
        Case((batch[:1], 1), scratch.softmax(batch[:1], 1), hint="e^z keeps the order, e^-z not"),
        Case((batch, 1), scratch.softmax(batch, 1), hint="with dim=1 every row adds up to 1"),
        Case((batch, 0), scratch.softmax(batch, 0), hint="with dim=0 every column adds up to 1"),
        Case((far, 1), scratch.softmax(far, 1), hint="subtract the largest score of each row"),
        Case((block, 1), scratch.softmax(block, 1), hint="keepdims=True serves any axis"),
    ]
    run_cases(function, cases)


def cross_entropy(function):
    """Check a function (logits, y) → the mean loss of a batch; the logits come before softmax."""
    batch = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 5.0]])
    far = np.array([[1000.0, 0.0], [0.0, 1000.0]])

    def case(logits, y, hint):
        return Case((logits, np.array(y)), scratch.cross_entropy(logits, np.array(y)), hint=hint)

    run_cases(
        function,
        [
            case(np.zeros((1, 10)), [4], "equal scores cost log 10, with the natural logarithm"),
            case(batch[:1], [0], "softmax with e^z and only once, then -log of the right class"),
            case(batch, [2, 0], "each row has a label of its own, and the losses are averaged"),
            case(far, [0, 1], "subtract the largest score of each row before e^z"),
            case(far, [1, 0], "log(0) is -inf: take the logarithm before rounding"),
        ],
    )


def conv_output_size(function):
    """Check a function (size, kernel_size, stride, padding, dilation) → size, for ints or pairs."""

    def case(hint, *setting):
        return Case(setting, shapes.conv_output_size(*setting), hint=hint)

    cases = [
        case("5 - 3 = 2 steps, and the first place makes 3", 5, 3, 1, 0, 1),
        case("the padding is per side: it counts twice", 28, 5, 1, 2, 1),
        case("divide the steps by the stride, and add the first place after that", 9, 3, 2, 0, 1),
        case("a half step is no place: round down with //", 8, 3, 2, 0, 1),
        case("the padding is part of the row before you divide and round down", 5, 3, 3, 1, 1),
        case("a kernel with dilation D spans D * (K - 1) + 1 pixels", 12, 3, 1, 0, 3),
        case("dilation, padding and stride together", 28, 3, 2, 1, 2),
        case("a pair is (H, W); each axis has its own size", (28, 20), 5, 1, 2, 1),
        case("an int counts for both axes", (9, 14), (3, 4), (1, 2), 1, (2, 1)),
        case("one pair is enough to make the result a pair", 7, 3, (1, 2), 0, 1),
    ]
    run_cases(function, cases)


def input_size_range(function):
    """Check a function (output, kernel_size, stride, padding) → (smallest, largest) input size."""
    cases = [
        Case((5, 3, 1, 0), (7, 7), hint="with a stride of 1 only one size fits"),
        Case((3, 3, 2, 0), (7, 8), hint="floor lets stride - 1 more cells go unread"),
        Case((14, 2, 2, 0), (28, 29), hint="13 steps of 2 and one window of 2 are 28 cells"),
        Case((28, 5, 1, 2), (28, 28), hint="padding is per side, and it is not part of the input"),
        Case((10, 3, 3, 1), (28, 30), hint="three sizes, because the stride is 3"),
    ]
    run_cases(function, cases)


def receptive_field(function):
    """Check a function (list of (kernel size, stride)) → input pixels that one output can see."""

    def case(layers, hint):
        return Case((layers,), shapes.receptive_field(layers), hint=hint)

    cases = [
        case([(5, 1)], "one layer sees its own kernel"),
        case([(3, 1), (3, 1)], "each layer adds K - 1, not K"),
        case([(3, 2), (3, 1)], "the second layer's cells lie 2 input pixels apart"),
        case([(3, 1), (3, 2)], "a layer's own stride widens the layers after it, not itself"),
        case([(5, 1), (2, 2), (5, 1), (2, 2)], "the strides before a layer are multiplied"),
        case([(3, 2)] * 4, "1 + 2 · (1 + 2 + 4 + 8)"),
    ]
    run_cases(function, cases)


def to_gray(function):
    """Check a function (images) → floats 0 to 255, from uint8 (H, W, 3) or (N, H, W, 3)."""
    numbers = np.random.default_rng(11)

    def case(pixels, hint):
        pixels = np.asarray(pixels, np.uint8)
        expected = pixels @ np.array([0.299, 0.587, 0.114])
        return Case((pixels,), expected, hint=hint)

    run_cases(
        function,
        [
            case([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], "red .299, green .587, blue .114"),
            case([[[255, 255, 255]]], "white is 255; in uint8 a sum past 255 starts again at 0"),
            case([[[1, 1, 2]]], "keep the fraction; do not round"),
            case(numbers.integers(0, 256, (4, 5, 3)), "one number for each of 4 × 5 pixels"),
            case(numbers.integers(0, 256, (3, 4, 5, 3)), "the channels are the last axis"),
        ],
    )


def accuracy(function):
    """Check a function (logits, y, batch_size) → share of right answers, each image counted once.

    The function goes through the rows in batches; the last batch may be smaller.
    """
    logits = np.eye(3)[[0, 1, 2, 2, 1]]
    y = np.array([0, 1, 2, 2, 0])
    many = np.random.default_rng(32).normal(size=(103, 10))
    labels = np.where(np.arange(103) < 40, many.argmax(axis=1), 0)
    share = np.mean(many.argmax(axis=1) == labels)
    cases = [
        Case((logits, y, 5), 0.8, hint="the answer of an image is the class of its highest score"),
        Case((logits[:4], y[:4], 2), 1.0, hint="divide by the number of images"),
        Case((logits[:4], y[:4], 3), 1.0, hint="the last batch is smaller; don't count it as full"),
        Case((logits, y, 4), 0.8, hint="a mean of batch means gives a small batch too much weight"),
        Case((logits, y, 100), 0.8, hint="a batch size above the number of images is one batch"),
        Case((many, labels, 32), share, hint="ten classes, and a last batch of 7"),
        Case((many - 10, many.argmax(axis=1), 10), 1.0, hint="all scores may be negative"),
    ]
    run_cases(function, cases)


def confusion_matrix(function):
    """Check a function (y, predicted, classes) → counts: rows are true, columns answers."""
    y, predicted = np.array([0, 1, 1, 2, 2]), np.array([0, 1, 2, 2, 2])
    rng = np.random.default_rng(23)
    many, guesses = rng.integers(0, 7, 500), rng.integers(0, 5, 500)
    counts = np.zeros((8, 8), dtype=int)
    np.add.at(counts, (many, guesses), 1)
    cases = [
        Case((y[:3], predicted[:3], 3), [[1, 0, 0], [0, 1, 1], [0, 0, 0]], hint="row: the truth"),
        Case(
            (y, predicted, 3),
            [[1, 0, 0], [0, 1, 1], [0, 0, 2]],
            hint="a pair that comes twice counts twice; counts[y, predicted] += 1 counts it once",
        ),
        Case((many, guesses, 8), counts, hint="classes that nobody answers keep their column"),
    ]
    run_cases(function, cases)


def avg_pool2d_backward(function):
    """Check a function (grad_y, x, kernel_size, stride) → the gradient of `x`, (N, C, H, W)."""
    numbers = np.random.default_rng(21)

    def case(shape, kernel_size, stride, hint):
        x = numbers.normal(size=shape)
        places = [(size - kernel_size) // stride + 1 for size in shape[2:]]
        grad_y = numbers.integers(1, 9, (*shape[:2], *places)).astype(float)
        expected = scratch.avg_pool2d_backward(grad_y, x, kernel_size, stride)
        return Case((grad_y, x, kernel_size, stride), expected, hint=hint)

    run_cases(
        function,
        [
            case((1, 1, 2, 2), 2, 2, "each of the four pixels had a quarter of the output"),
            case((1, 1, 4, 6), 2, 2, "place (i, j) looked at the rows from i · stride on"),
            case((2, 3, 4, 4), 2, 2, "each image and each channel on its own"),
            case((1, 1, 5, 5), 2, 2, "no window looked at the last row and column: slope 0"),
            case((1, 1, 5, 7), 3, 2, "where windows overlap, the slopes add up: use +="),
            case((2, 2, 7, 8), 2, 3, "the stride is not the window"),
        ],
    )

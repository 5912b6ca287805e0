import numpy as np
import pytest

from lenet_course import checks, scratch, shapes
from lenet_course.checks import Case, CheckFailed, run_cases

DOUBLE = [
    Case((2,), 4),
    Case((np.arange(3.0),), np.array([0.0, 2.0, 4.0]), hint="multiply by two"),
    Case((np.zeros((2, 4)),), np.zeros((2, 4))),
]


def test_a_right_function_passes(capsys):
    def double(x):
        return 2 * x

    run_cases(double, DOUBLE)
    assert capsys.readouterr().out == "✔ double: all 3 cases agree\n"


def with_late_error(x):
    return 2 * x if np.ndim(x) == 0 else x / "2"


def in_place(x):
    x *= 2
    return x


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: None, r"case 1 of 3: <lambda>\(2\) returned None; is a return missing"),
        (lambda x: "four", "returned 'four', which is not numbers; expected 4"),
        (lambda x: 3 * x, r"returned 6, expected 4"),
        (lambda x: 2 + x, r"case 2 of 3: .* at \(0,\) it is 2, expected 0\. Hint: multiply by two"),
        (lambda x: 2 * x if np.ndim(x) < 2 else x[0], r"case 3 of 3: .*shape \(4,\), expected"),
        (with_late_error, "case 2 of 3: .*raised .*Error"),
        (in_place, r"case 2 of 3: in_place\(np.array\(.*changed its argument; work on a copy"),
    ],
)
def test_a_wrong_function_is_told_what_is_wrong(function, message):
    cases = [
        Case(tuple(np.copy(a) for a in case.args), case.expected, hint=case.hint) for case in DOUBLE
    ]
    cases[0] = Case((2,), 4)
    with pytest.raises(CheckFailed, match=message):
        run_cases(function, cases)


def test_keyword_arguments_are_shown():
    def f(x, axis):
        return 1

    with pytest.raises(CheckFailed, match=r"f\(array of shape \(9,\), axis=0\) returned"):
        run_cases(f, [Case((np.zeros(9),), 0, {"axis": 0})])


def test_a_result_is_no_function():
    with pytest.raises(TypeError, match="your function itself"):
        run_cases(4, DOUBLE)


def lenet_sizes(size, padding):
    conv1 = size + 2 * padding - 4
    pool1 = conv1 // 2
    return conv1, pool1, pool1 - 4, (pool1 - 4) // 2


def test_lenet_shapes_accepts(capsys):
    checks.lenet_shapes(lenet_sizes)
    assert "all 4 cases agree" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda size, padding: lenet_sizes(size, 2), "case 2 of 4.*padding that came in"),
        (lambda size, padding: lenet_sizes(size, padding)[:3], r"shape \(3,\), expected \(4,\)"),
        (
            lambda size, padding: (
                *lenet_sizes(size, padding)[:1],
                *(-(-n // 2) for n in lenet_sizes(size, padding)[:1]),
                *lenet_sizes(size, padding)[2:],
            ),
            "case 4 of 4.*rounds down",
        ),
    ],
    ids=["ignores padding", "forgets a layer", "rounds up"],
)
def test_lenet_shapes_rejects(function, message):
    with pytest.raises(CheckFailed, match=message):
        checks.lenet_shapes(function)


def test_partial_conv_parameters_accepts(capsys):
    def count(seen, kernel_size):
        return sum(n * kernel_size**2 + 1 for n in seen)

    checks.partial_conv_parameters(count)
    assert "all 4 cases agree" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda seen, k: sum(seen) * k * k, "case 1 of 4.*one bias"),
        (lambda seen, k: sum(seen) * k * k + 1, "case 2 of 4.*bias of its own"),
        (lambda seen, k: sum(seen) * (k * k + 1), "case 2 of 4.*returned 2496"),
        (lambda seen, k: len(seen) * (max(seen) * k * k + 1), "case 3 of 4.*returned 84"),
    ],
    ids=["no bias", "one bias in all", "a bias per kernel", "all connected"],
)
def test_partial_conv_parameters_rejects(function, message):
    with pytest.raises(CheckFailed, match=message):
        checks.partial_conv_parameters(function)


def pooling(reduce=np.max, start=None, size=lambda s, k, stride: (s - k) // stride + 1):
    """Return a pooling by loops that can be wrong in several ways."""

    def pool(x, kernel_size, stride):
        N, C, H, W = x.shape
        OH, OW = (size(s, kernel_size, stride) for s in (H, W))
        y = np.zeros((N, C, OH, OW))
        for n, c, i, j in np.ndindex(y.shape):
            rows = slice(i * stride, i * stride + kernel_size)
            columns = slice(j * stride, j * stride + kernel_size)
            window = x[n, c, rows, columns]
            y[n, c, i, j] = reduce(window) if start is None else max(start, window.max())
        return y

    return pool


def swapped(x, kernel_size, stride):
    return pooling()(x.swapaxes(2, 3), kernel_size, stride)


def across_channels(x, kernel_size, stride):
    y = pooling()(x, kernel_size, stride)
    return np.broadcast_to(y.max(axis=1, keepdims=True), y.shape)


def tiles_only(x, kernel_size, stride):
    return pooling()(x, kernel_size, kernel_size)


def square_only(x, kernel_size, stride):
    return pooling()(x[:, :, :, : x.shape[2]], kernel_size, stride)


def test_max_pool2d_accepts_loops_and_the_reference(capsys):
    checks.max_pool2d(pooling())
    checks.max_pool2d(lambda x, kernel_size, stride: scratch.max_pool2d(x, kernel_size, stride))
    assert "all 6 cases agree" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (pooling(np.mean), "case 1 of 6: .*keep the largest"),
        (swapped, "case 1 of 6: .*differs"),
        (pooling(start=0), "case 2 of 6: .*may be negative"),
        (across_channels, "case 3 of 6: .*each channel on its own"),
        (square_only, "case 4 of 6: .*H and W differ"),
        (pooling(size=lambda s, k, stride: -(-s // stride)), "case 4 of 6: .*shape"),
        (pooling(size=lambda s, k, stride: s // stride), "case 5 of 6: .*hang over the end"),
        (tiles_only, "case [56] of 6: .*shape"),
    ],
)
def test_max_pool2d_says_what_is_wrong(function, message):
    with pytest.raises(CheckFailed, match=message):
        checks.max_pool2d(function)


def correlate(image, kernel, window=None, size=None, flip=1):
    """Cross-correlate one channel, right unless told otherwise."""
    H, W = image.shape
    KH, KW = kernel.shape
    OH, OW = size or (H - KH + 1, W - KW + 1)
    height, width = window or (KH, KW)
    output = np.zeros((OH, OW))
    for i in range(OH):
        for j in range(OW):
            output[i, j] = (image[i : i + height, j : j + width] * kernel[::flip, ::flip]).sum()
    return output


def sizes(image, kernel):
    return *image.shape, *kernel.shape


def kernel_minus_image(image, kernel):
    H, W, KH, KW = sizes(image, kernel)
    return correlate(image, kernel, size=(KH - H + 1, KW - W + 1))


def without_plus_one(image, kernel):
    H, W, KH, KW = sizes(image, kernel)
    return correlate(image, kernel, size=(H - KH, W - KW))


def rows_and_columns_swapped(image, kernel):
    H, W, KH, KW = sizes(image, kernel)
    return correlate(image, kernel, size=(W - KW + 1, H - KH + 1))


def square_windows(image, kernel):
    height = min(len(image), kernel.shape[1])
    return correlate(image, kernel, window=(height, kernel.shape[1]))


def test_cross_correlate_accepts_a_right_one(capsys):
    checks.cross_correlate(correlate)
    assert capsys.readouterr().out == "✔ correlate: all 5 cases agree\n"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda image, kernel: correlate(image, kernel, flip=-1), "case 1 .*flipped kernel"),
        (lambda image, kernel: correlate(image, kernel, window=image.shape), "case 1 .*raised"),
        (lambda image, kernel: correlate(image, kernel[::-1]), "case 2 .*row a, column b"),
        (kernel_minus_image, r"case 1 .*raised ValueError.*W - KW \+ 1 places"),
        (without_plus_one, r"case 1 .*returned shape \(0, 2\)"),
        (rows_and_columns_swapped, r"case 1 .*returned shape \(3, 1\), expected \(1, 3\)"),
        (square_windows, "case 4 .*KH is the height"),
    ],
)
def test_cross_correlate_rejects(function, message):
    with pytest.raises(CheckFailed, match=message):
        checks.cross_correlate(function)


def shares(logits, dim, sign=1, shift=True, sum_dim=None):
    """Softmax, right unless told otherwise."""
    largest = logits.max(axis=dim, keepdims=True) if shift else 0
    with np.errstate(all="ignore"):
        powers = np.exp(sign * (logits - largest))
        return powers / powers.sum(axis=dim if sum_dim is None else sum_dim, keepdims=True)


def shares_by_row(logits, dim):
    powers = np.exp(logits - logits.max(axis=1)[:, None])
    return powers / powers.sum(axis=1)[:, None]


def test_softmax_accepts_a_right_one(capsys):
    checks.softmax(shares)
    assert capsys.readouterr().out == "✔ shares: all 5 cases agree\n"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda z, dim: shares(z, dim, sign=-1), r"case 1 .*e\^-z not"),
        (lambda z, dim: shares(z, dim, sum_dim=(0, 1)), "case 2 .*every row"),
        (lambda z, dim: shares(z, 0), "case 1 "),
        (lambda z, dim: shares(z, 1), "case 3 .*every column"),
        (shares_by_row, "case 3 .*every column"),
        (lambda z, dim: shares(z, dim, shift=False), "case 4 .*subtract the largest"),
        (lambda z, dim: z / z.sum(axis=dim, keepdims=True), "case 1 "),
    ],
)
def test_softmax_rejects(function, message):
    with pytest.raises(CheckFailed, match=message):
        checks.softmax(function)


def surprise(logits, y, prepare=lambda z: z, log=np.log, reduce=np.mean):
    """Cross-entropy, right unless told otherwise."""
    logits = prepare(logits)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sums = log(np.exp(shifted).sum(axis=1))
    return reduce(log_sums - shifted[np.arange(len(y)), y])


def surprise_by_probability(logits, y, shift=True):
    with np.errstate(all="ignore"):
        return np.mean(-np.log(shares(logits, 1, shift=shift)[np.arange(len(y)), y]))


def test_cross_entropy_accepts_a_right_one(capsys):
    checks.cross_entropy(surprise)
    assert capsys.readouterr().out == "✔ surprise: all 5 cases agree\n"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda z, y: surprise(z, y, log=np.log10), "case 1 .*natural logarithm"),
        (lambda z, y: surprise(z, y, prepare=lambda z: shares(z, 1)), "case 2 .*only once"),
        (lambda z, y: surprise(z, y, prepare=np.negative), r"case 2 .*e\^z"),
        (lambda z, y: -surprise(z, y), "case 1 "),
        (lambda z, y: surprise(z, y, reduce=np.sum), "case 3 .*averaged"),
        (lambda z, y: surprise(z, y, reduce=np.asarray), r"case 1 .*shape \(1,\)"),
        (lambda z, y: surprise(z, y[:1].repeat(len(y))), "case 3 .*label of its own"),
        (lambda z, y: surprise_by_probability(z, y, shift=False), "case 4 .*subtract"),
        (surprise_by_probability, "case 5 .*before rounding"),
    ],
)
def test_cross_entropy_rejects(function, message):
    with pytest.raises(CheckFailed, match=message):
        checks.cross_entropy(function)


def sized(one_axis):
    """Make a function of one axis take pairs."""

    def size(*setting):
        if all(isinstance(entry, int) for entry in setting):
            return one_axis(*setting)
        axes = zip(*((e, e) if isinstance(e, int) else e for e in setting), strict=True)
        return tuple(one_axis(*axis) for axis in axes)

    return size


@pytest.mark.parametrize(
    ("one_axis", "message"),
    [
        (lambda n, k, s, p, d: k - n + 1, "case 1 of 10.*the first place"),
        (lambda n, k, s, p, d: (n - k + p) // s + 1, "case 2 of 10.*counts twice"),
        (lambda n, k, s, p, d: (n - k + 1 + 2 * p) // s, "case 3 of 10.*returned 3, expected 4"),
        (lambda n, k, s, p, d: (n - k + 2 * p) / s + 1, "case 4 of 10.*round down"),
        (lambda n, k, s, p, d: (n - k) // s + 2 * p // s + 1, "case 5 of 10.*before you divide"),
        (lambda n, k, s, p, d: (n - k + 2 * p) // s + 1, "case 6 of 10.*spans"),
    ],
)
def test_conv_output_size_names_the_slip(one_axis, message):
    with pytest.raises(CheckFailed, match=message):
        checks.conv_output_size(sized(one_axis))


def test_conv_output_size_wants_pairs(capsys):
    checks.conv_output_size(shapes.conv_output_size)
    assert "all 10 cases agree" in capsys.readouterr().out
    with pytest.raises(CheckFailed, match="case 8 of 10"):
        checks.conv_output_size(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) // s + 1)


def test_input_size_range(capsys):
    def right(output, kernel_size, stride, padding):
        smallest = (output - 1) * stride + kernel_size - 2 * padding
        return smallest, smallest + stride - 1

    def always_divides(output, kernel_size, stride, padding):
        return (right(output, kernel_size, stride, padding)[0],) * 2

    def plus_one(output, kernel_size, stride, padding):
        smallest = output * stride + kernel_size - 2 * padding
        return smallest, smallest + stride - 1

    def adds_padding(output, kernel_size, stride, padding):
        smallest = (output - 1) * stride + kernel_size + 2 * padding
        return smallest, smallest + stride - 1

    checks.input_size_range(right)
    assert "all 5 cases agree" in capsys.readouterr().out
    for wrong, case in [(plus_one, 1), (always_divides, 2), (adds_padding, 4)]:
        with pytest.raises(CheckFailed, match=f"case {case} of 5"):
            checks.input_size_range(wrong)


def test_receptive_field(capsys):
    def no_strides(layers):
        return 1 + sum(k - 1 for k, _ in layers)

    def sum_of_kernels(layers):
        return sum(k for k, _ in layers)

    def own_stride_first(layers):
        field, width = 1, 1
        for k, s in layers:
            width *= s
            field += (k - 1) * width
        return field

    def added_strides(layers):
        field, width = 1, 1
        for k, s in layers:
            field += (k - 1) * width
            width += s - 1
        return field

    checks.receptive_field(shapes.receptive_field)
    assert "all 6 cases agree" in capsys.readouterr().out
    for wrong, case in [
        (sum_of_kernels, 2),
        (no_strides, 3),
        (own_stride_first, 3),
        (added_strides, 6),
    ]:
        with pytest.raises(CheckFailed, match=f"case {case} of 6"):
            checks.receptive_field(wrong)


def test_to_gray():
    weights = np.array([0.299, 0.587, 0.114])
    checks.to_gray(lambda images: images @ weights)
    for wrong, case in [
        (lambda images: images.mean(axis=-1), 1),
        (lambda images: images @ weights[::-1], 1),
        (lambda images: (images * weights).astype(np.uint8).sum(axis=-1), 1),
        (lambda images: np.round(images @ weights), 1),
        (lambda images: np.tensordot(images, weights, (0, 0)), 1),
        (lambda images: images[0] @ weights if images.ndim == 4 else images @ weights, 5),
    ]:
        with pytest.raises(CheckFailed, match=f"case {case} of 5"):
            checks.to_gray(wrong)


def right_per_batch(logits, y, batch_size):
    """Split into batches; return each batch's number of right answers and its size."""
    cuts = range(batch_size, len(y), batch_size)
    right = np.split(logits.argmax(axis=1) == y, cuts)
    return np.array([part.sum() for part in right]), np.array([len(part) for part in right])


def test_accuracy(capsys):
    def right(logits, y, batch_size):
        correct, sizes = right_per_batch(logits, y, batch_size)
        return correct.sum() / sizes.sum()

    def full_batches(logits, y, batch_size):
        correct, sizes = right_per_batch(logits, y, batch_size)
        return correct.sum() / (len(sizes) * batch_size)

    def mean_of_means(logits, y, batch_size):
        correct, sizes = right_per_batch(logits, y, batch_size)
        return (correct / sizes).mean()

    def last_batch_dropped(logits, y, batch_size):
        kept = len(y) // batch_size * batch_size or len(y)
        return np.mean(logits[:kept].argmax(axis=1) == y[:kept])

    def in_percent(logits, y, batch_size):
        return 100 * right(logits, y, batch_size)

    def lowest_score(logits, y, batch_size):
        return right(-logits, y, batch_size)

    checks.accuracy(right)
    assert "all 7 cases agree" in capsys.readouterr().out
    for wrong, case in [
        (in_percent, 1),
        (lowest_score, 1),
        (full_batches, 3),
        (mean_of_means, 4),
        (last_batch_dropped, 4),
        (lambda logits, y, batch_size: right(logits[:batch_size], y[:batch_size], batch_size), 4),
    ]:
        with pytest.raises(CheckFailed, match=f"case {case} of 7"):
            checks.accuracy(wrong)


def test_confusion_matrix(capsys):
    def right(y, predicted, classes):
        counts = np.zeros((classes, classes), dtype=int)
        for t, a in zip(y, predicted, strict=True):
            counts[t, a] += 1
        return counts

    def pairs_once(y, predicted, classes):
        counts = np.zeros((classes, classes), dtype=int)
        counts[y, predicted] += 1
        return counts

    def present_classes(y, predicted, classes):
        return right(y, predicted, max(y.max(), predicted.max()) + 1)

    def shares_of_rows(y, predicted, classes):
        counts = right(y, predicted, classes)
        return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    checks.confusion_matrix(right)
    assert "all 3 cases agree" in capsys.readouterr().out
    for wrong, case in [
        (lambda y, predicted, classes: right(predicted, y, classes), 1),
        (shares_of_rows, 1),
        (pairs_once, 2),
        (present_classes, 3),
    ]:
        with pytest.raises(CheckFailed, match=f"case {case} of 3"):
            checks.confusion_matrix(wrong)


def average_backward(put=np.add, share=lambda K: 1 / K**2, step=None, batch=True):
    """Return the way back through average pooling, by loops that can be wrong in several ways."""

    def backward(grad_y, x, kernel_size, stride):
        grad_x = np.zeros(x.shape)
        S = step or stride
        for n, c, i, j in np.ndindex(grad_y.shape):
            part = (n if batch else 0, c)
            place = (*part, slice(i * S, i * S + kernel_size), slice(j * S, j * S + kernel_size))
            grad_x[place] = put(grad_x[place], share(kernel_size) * grad_y[n, c, i, j])
        return grad_x

    return backward


def repeated(grad_y, x, kernel_size, stride):
    """Go back through windows side by side, whatever the stride."""
    grad_x = np.zeros(x.shape)
    tiles = grad_y.repeat(kernel_size, axis=2).repeat(kernel_size, axis=3) / kernel_size**2
    H, W = (min(sizes) for sizes in zip(tiles.shape[2:], x.shape[2:], strict=True))
    grad_x[:, :, :H, :W] = tiles[:, :, :H, :W]
    return grad_x


def test_avg_pool2d_backward(capsys):
    checks.avg_pool2d_backward(average_backward())
    assert "all 6 cases agree" in capsys.readouterr().out
    for wrong, case in [
        (average_backward(share=lambda K: 1), 1),
        (average_backward(share=lambda K: 1 / K), 1),
        (average_backward(step=1), 2),
        (average_backward(batch=False), 3),
        (lambda g, x, K, S: average_backward()(g, x, K, S)[:, :, : K * (x.shape[2] // K)], 4),
        (average_backward(put=lambda old, new: new), 5),
        (repeated, 5),
        (average_backward(step=2), 6),
    ]:
        with pytest.raises(CheckFailed, match=f"case {case} of 6"):
            checks.avg_pool2d_backward(wrong)

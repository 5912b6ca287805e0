"""The checkers of the exercises, tried with right answers and with the slips that readers make."""

import importlib
import pkgutil
import re
from math import comb

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, chi2

from lenet_course import chapters, scratch, shapes
from lenet_course.chapters import (
    common_bugs,
    comparing,
    convolution,
    deeper_networks,
    fashion_mnist,
    gradient_descent,
    images,
    layers_backward,
    lenet,
    many_machines,
    mlp_or_cnn,
    mnist,
    optimizers,
    output_size,
    overfitting,
    pooling,
    scores,
    watching_training,
    what_a_layer_sees,
)
from lenet_course.checks import CheckFailed

TRIED = {}  # for each checker its answers, and a pattern of what is said of each

WEIGHTS = np.array([0.299, 0.587, 0.114])
TRIED[images.check_to_gray] = [
    (lambda images: images @ WEIGHTS, "all 5 cases agree"),
    (lambda images: images.mean(axis=-1), "case 1 .*red .299"),
    (lambda images: images @ WEIGHTS[::-1], "case 1 .*red .299"),
    (lambda images: (images * WEIGHTS).astype(np.uint8).sum(axis=-1), "case 1 .*red .299"),
    (lambda images: np.tensordot(images, WEIGHTS, (0, 0)), "case 1 .*raised ValueError"),
    (lambda images: np.minimum(images @ WEIGHTS, 254.9), "case 2 .*white is 255"),
    (lambda images: images[:1] @ WEIGHTS, "case 4 .*one number for each of 4 × 5"),
    (lambda images: (images if images.ndim == 3 else images[0]) @ WEIGHTS, "case 5 .*last axis"),
]


def one_axis(n, k, s, p, d):
    return (n + 2 * p - d * (k - 1) - 1) // s + 1


TRIED[output_size.check_conv_output_size] = [
    (shapes.conv_output_size, "all 10 cases agree"),
    (lambda n, k, s, p, d: k - n + 1, "case 1 .*the first place"),
    (lambda n, k, s, p, d: (n - k + p) // s + 1, "case 2 .*counts twice"),
    (lambda n, k, s, p, d: (n - k + 1 + 2 * p) // s, "case 3 .*after that"),
    (lambda n, k, s, p, d: (n - k + 2 * p) / s + 1, "case 4 .*round down"),
    (lambda n, k, s, p, d: (n - k) // s + 2 * p // s + 1, "case 5 .*before you divide"),
    (lambda n, k, s, p, d: (n - k + 2 * p) // s + 1, "case 6 .*spans"),
    (one_axis, "case 8 .*a pair is"),
]


def input_sizes(output, kernel_size, stride, padding, extra=-1, sign=-1, more=-1):
    smallest = (output + extra) * stride + kernel_size + sign * 2 * padding
    return smallest, smallest + stride + more


TRIED[output_size.check_input_size_range] = [
    (input_sizes, "all 5 cases agree"),
    (lambda *setting: input_sizes(*setting)[0], r"case 1 .*shape \(\), expected \(2,"),
    (lambda *setting: input_sizes(*setting, extra=0), "case 1 .*only one size"),
    (lambda *setting: input_sizes(*setting, more=0), "case 1 .*only one size"),
    (lambda *setting: input_sizes(*setting)[:1] * 2, "case 2 .*more cells"),
    (lambda *setting: input_sizes(*setting, sign=1), "case 4 .*per side"),
]


def correlate(image, kernel):
    return scratch.conv2d(image[None, None], kernel[None, None])[0, 0]


TRIED[convolution.check_cross_correlate] = [
    (correlate, "✔ correlate: all 5 cases agree\n"),
    (lambda image, kernel: correlate(image, kernel[::-1, ::-1]), "case 1 .*flipped kernel"),
    (lambda image, kernel: np.array([[np.sum(image * kernel)]]), "case 1 .*raised"),
    (
        lambda image, kernel: np.zeros(np.subtract(kernel.shape, image.shape) + 1),
        r"case 1 .*raised.*W - KW \+ 1",
    ),
    (lambda image, kernel: correlate(image, kernel)[:-1, :-1], r"case 1 .*shape \(0, 2\)"),
    (lambda image, kernel: correlate(image, kernel).T, r"case 1 .*shape \(3, 1\)"),
    (lambda image, kernel: correlate(image, kernel[::-1]), "case 2 .*row a, column b"),
    (lambda image, kernel: correlate(image, kernel[: kernel.shape[1]]), "case 4 .*KH is"),
]


def max_pool2d(x, kernel_size, stride, past_the_end=0):
    x = np.pad(x, [(0, 0), (0, 0), (0, past_the_end), (0, past_the_end)])
    return scratch.max_pool2d(x, kernel_size, stride)


TRIED[pooling.check_max_pool2d] = [
    (max_pool2d, "all 6 cases agree"),
    (scratch.avg_pool2d, "case 1 of 6: .*keep the largest"),
    (lambda x, k, s: max_pool2d(x.swapaxes(2, 3), k, s), "case 1 of 6: .*differs"),
    (lambda x, k, s: np.maximum(max_pool2d(x, k, s), 0), "case 2 of 6: .*may be negative"),
    (lambda x, k, s: max_pool2d(x * 0 + x.max(1, keepdims=True), k, s), "case 3 of 6: .*own"),
    (lambda x, k, s: max_pool2d(x[..., : x.shape[2]], k, s), "case 4 of 6: .*H and W differ"),
    (lambda x, k, s: max_pool2d(x, k, s, past_the_end=1), "case 4 of 6: .*shape"),
    (lambda x, k, s: max_pool2d(x, k, s, past_the_end=k - s), "case 5 of 6: .*over the end"),
    (lambda x, k, s: max_pool2d(x, k, k), "case 5 of 6: .*shape"),
    (lambda x, k, s: max_pool2d(x, k, 2), "case 6 of 6: .*the stride is not the window"),
]


@np.errstate(all="ignore")
def unshifted(logits, dim, sum_dim=None):
    powers = np.exp(logits)
    return powers / powers.sum(axis=dim if sum_dim is None else sum_dim, keepdims=True)


def by_row(logits, dim):
    powers = np.exp(logits - logits.max(axis=1)[:, None])
    return powers / powers.sum(axis=1)[:, None]


TRIED[scores.check_softmax] = [
    (scratch.softmax, "✔ softmax: all 5 cases agree\n"),
    (lambda z, dim: scratch.softmax(-z, dim), r"case 1 .*e\^-z not"),
    (lambda z, dim: z / z.sum(axis=dim, keepdims=True), "case 1 "),
    (lambda z, dim: scratch.softmax(z, 0), "case 1 "),
    (lambda z, dim: unshifted(z, dim, sum_dim=(0, 1)), "case 2 .*every row"),
    (lambda z, dim: scratch.softmax(z, 1), "case 3 .*every column"),
    (by_row, "case 3 .*every column"),
    (unshifted, "case 4 .*subtract the largest"),
    (lambda z, dim: scratch.softmax(z, -1 if z.ndim > 2 else dim), "case 5 .*serves any axis"),
]


@np.errstate(all="ignore")
def by_probability(logits, y, softmax=scratch.softmax):
    return np.mean(-np.log(softmax(logits, 1)[np.arange(len(y)), y]))


TRIED[scores.check_cross_entropy] = [
    (scratch.cross_entropy, "✔ cross_entropy: all 5 cases agree\n"),
    (lambda z, y: scratch.cross_entropy(z, y) / np.log(10), "case 1 .*natural logarithm"),
    (lambda z, y: -scratch.cross_entropy(z, y), "case 1 "),
    (lambda z, y: np.full(len(y), scratch.cross_entropy(z, y)), r"case 1 .*shape \(1,\)"),
    (lambda z, y: scratch.cross_entropy(scratch.softmax(z, 1), y), "case 2 .*only once"),
    (lambda z, y: scratch.cross_entropy(-z, y), r"case 2 .*e\^z"),
    (lambda z, y: scratch.cross_entropy(z, y) * len(y), "case 3 .*averaged"),
    (lambda z, y: scratch.cross_entropy(z, y[:1].repeat(len(y))), "case 3 .*label of its own"),
    (lambda z, y: by_probability(z, y, unshifted), "case 4 .*subtract"),
    (by_probability, "case 5 .*before rounding"),
]


def field(layers, before=1, join=lambda width, stride: width * stride):
    """Give the receptive field, each layer's stride counted before or after its kernel."""
    seen, width = 1, 1
    for k, s in layers:
        widths = width, join(width, s)
        seen += (k - 1) * widths[1 - before]
        width = widths[1]
    return seen


TRIED[what_a_layer_sees.check_receptive_field] = [
    (shapes.receptive_field, "all 6 cases agree"),
    (lambda layers: field(layers) - 1, "case 1 .*its own kernel"),
    (lambda layers: sum(k for k, _ in layers), "case 2 .*not K"),
    (lambda layers: 1 + sum(k - 1 for k, _ in layers), "case 3 .*2 input"),
    (lambda layers: field(layers, before=0), "case 3 "),
    (lambda layers: field(layers, join=lambda width, s: s), "case 5 .*multip"),
    (lambda layers: field(layers, join=lambda width, s: width + s - 1), "case 6 "),
]


TRIED[what_a_layer_sees.check_fold] = [
    (lambda weight, pointwise: np.einsum("om,mcab->ocab", pointwise, weight), "all 4 cases"),
    (lambda weight, pointwise: np.tensordot(weight, pointwise, (0, 1)), "case 1 .*shape"),
    (lambda weight, pointwise: weight * pointwise[0, 0], "case 2 .*shape"),
    (lambda weight, pointwise: np.tensordot(pointwise.T, weight, 1), "case 2 .*raised"),
    (lambda weight, pointwise: weight.sum(0) * pointwise.sum(1)[:, None, None, None], "case 2 "),
    (
        lambda weight, pointwise: np.einsum(
            "mo,mcab->ocab" if len(pointwise) == len(weight) else "om,mcab->ocab", pointwise, weight
        ),
        "case 3 .*output o and map m",
    ),
]


def average_backward(put=np.add, step=None, batch=True):
    """Return the way back through average pooling, by loops that can be wrong in several ways."""

    def backward(grad_output, x, kernel_size, stride):
        grad_x, S = np.zeros(x.shape), step or stride
        for n, c, i, j in np.ndindex(grad_output.shape):
            part = (n if batch else 0, c)
            place = (*part, slice(i * S, i * S + kernel_size), slice(j * S, j * S + kernel_size))
            grad_x[place] = put(grad_x[place], grad_output[n, c, i, j] / kernel_size**2)
        return grad_x

    return backward


right = average_backward()
TRIED[layers_backward.check_avg_pool2d_backward] = [
    (right, "all 6 cases agree"),
    (lambda g, x, K, S: right(g, x, K, S) * K**2, "case 1 .*a quarter of the output"),
    (lambda g, x, K, S: right(g, x, K, S) * K, "case 1 .*a quarter of the output"),
    (average_backward(step=1), "case 2 .*from i · stride on"),
    (average_backward(batch=False), "case 3 .*each image"),
    (lambda g, x, K, S: right(g, x, K, S)[:, :, : len(x[0, 0]) // K * K], "case 4 "),
    (average_backward(put=lambda old, new: new), r"case 5 .*use \+="),
    (lambda g, x, K, S: right(g, x, K, K), r"case 5 .*use \+="),  # windows side by side
    (average_backward(step=2), "case 6 .*the stride is not the window"),
]


def sizes(size, padding, half=lambda n: n // 2):
    conv1 = size + 2 * padding - 4
    pool1 = half(conv1)
    return conv1, pool1, pool1 - 4, half(pool1 - 4)


TRIED[lenet.check_lenet_shapes] = [
    (sizes, "all 4 cases agree"),
    (lambda n, padding: sizes(n, padding)[:3], r"case 1 .*\(3,\), expected \(4"),
    (lambda n, padding: sizes(n, 2), "case 2 .*padding that came in"),
    (lambda n, padding: sizes(n, padding, lambda n: -(-n // 2)), "case 4 .*rounds down"),
]


def by_batch(reduce):
    """Make a score of each batch's number of right answers, its size, and the batch size."""

    def accuracy(logits, y, batch_size):
        cuts = range(batch_size, len(y), batch_size)
        parts = np.split(logits.argmax(axis=1) == y, cuts)
        counts = np.array([part.sum() for part in parts]), np.array([len(part) for part in parts])
        return reduce(*counts, batch_size)

    return accuracy


def accuracy(logits, y, batch_size):
    return np.mean(logits.argmax(axis=1) == y)


def last_batch_dropped(logits, y, batch_size):
    kept = len(y) // batch_size * batch_size or len(y)
    return accuracy(logits[:kept], y[:kept], batch_size)


TRIED[mnist.check_accuracy] = [
    (accuracy, "all 7 cases agree"),
    (by_batch(lambda right, sizes, size: right.sum() / sizes.sum()), "all 7 cases agree"),
    (lambda logits, y, size: 100 * accuracy(logits, y, size), "case 1 of 7.*returned .*80"),
    (lambda logits, y, size: accuracy(-logits, y, size), "case 1 of 7.*highest score"),
    (by_batch(lambda right, sizes, size: right.sum() / sizes.max()), "case 2 of 7.*divide by"),
    (by_batch(lambda right, sizes, size: right.sum() / len(sizes) / size), "case 3 .*smaller"),
    (by_batch(lambda right, sizes, size: (right / sizes).mean()), "case 4 .*too much weight"),
    (last_batch_dropped, "case 4 of 7"),
    (lambda logits, y, size: accuracy(logits[:size], y[:size], size), "case 4 of 7"),
    (lambda logits, y, size: accuracy(np.maximum(logits, 0), y, size), "case 7 .*negative"),
]


def whole_mean(means, sizes):
    return np.dot(means, sizes) / np.sum(sizes)


TRIED[many_machines.check_whole_mean] = [
    (whole_mean, "all 4 cases agree"),
    (lambda means, sizes: np.mean(means), "case 2 of 4.*weigh each mean"),
    (lambda means, sizes: np.dot(means, sizes), "case 1 of 4"),
    (lambda means, sizes: np.dot(means, sizes) / len(sizes) / sizes[0], "case 2 of 4"),
    (lambda means, sizes: np.average(means, weights=np.sign(sizes)), "case 2 of 4"),
]


def split_epoch(order, batch_size, K):
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return [[batch[k::K] for k in range(K)] for batch in batches]


TRIED[many_machines.check_shares] = [
    (split_epoch, "every image once"),
    (lambda *given: np.split(*given), r"raised \w+Error"),
    (lambda order, size, K: split_epoch(order, size, 1), "each step needs 2 shares"),
    (lambda order, size, K: split_epoch(order[: len(order) // size * size], size, K), "never"),
    (lambda order, size, K: split_epoch(order + order[: -10 % 4], size, K), r"twice \[\d"),
    (lambda order, size, K: split_epoch(sorted(order), size, K), "make up one batch"),
    (
        lambda order, size, K: [
            [batch[0] + batch[1], *([[]] * (K - 1))] for batch in split_epoch(order, size, 2)
        ],
        "no share may be longer",
    ),
]


def confusion_matrix(y, predicted, classes):
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (y, predicted), 1)
    return counts


TRIED[mnist.check_confusion_matrix] = [
    (confusion_matrix, "all 3 cases agree"),
    (lambda y, p, classes: confusion_matrix(p, y, classes), "case 1 of 3.*row: the truth"),
    (lambda y, p, classes: confusion_matrix(y, p, classes) / len(y), "case 1 .*it is 0.333"),
    (lambda y, p, classes: confusion_matrix(y, p, classes) > 0, "case 2 of 3.*counts twice"),
    (lambda y, p, _: confusion_matrix(y, p, max(*y, *p) + 1), "case 3 of 3.*their column"),
]


def weight_counts(C, H, W, C_out, K, lost=1, through=True):
    places = (H - K + lost) * (W - K + lost)
    window = K * K * (C if through else 1)
    return C_out * places * C * H * W, C_out * places * window, C_out * window


TRIED[mlp_or_cnn.check_weight_counts] = [
    (weight_counts, "all 5 cases agree"),
    (lambda *sizes: weight_counts(*sizes)[::-1], "case 1 .*4 outputs on 4 pixels"),
    (lambda *sizes: weight_counts(*sizes, lost=0), "case 1 .*4 outputs on 4 pixels"),
    (lambda C, H, W, C_out, K: weight_counts(C, H + K - 1, W + K - 1, C_out, K), "case 2 .*places"),
    (lambda C, H, W, C_out, K: weight_counts(C, H, W, 1, K), "case 3 .*6 maps"),
    (lambda *sizes: weight_counts(*sizes, through=False), "case 4 .*all channels"),
    (
        lambda C, H, W, C_out, K: weight_counts(C, H, W if H < 14 else H, C_out, K),
        "case 5 .*height and width",
    ),
    (lambda C, H, W, C_out, K: weight_counts(C, H, H, C_out, K), "case 1 .*4 outputs on 4 pixels"),
]


def classifier_inputs(plan, size, halve=lambda n: n // 2, maps=3):
    for step in plan:
        if step == "pool":
            size = halve(size)
        else:
            maps = step
    return int(maps * size * size)


TRIED[deeper_networks.check_classifier_inputs] = [
    (classifier_inputs, "all 7 cases agree"),
    (
        lambda plan, size: classifier_inputs(plan, size - 2 * (len(plan) - plan.count("pool"))),
        "case 1 .*keeps the size",
    ),
    (lambda plan, size: classifier_inputs(plan, size, lambda n: n / 2**0.5), "case 2 .*both"),
    (lambda plan, size: classifier_inputs(plan, size, lambda n: n), "case 2 .*both"),
    (
        lambda plan, size: plan[0] * classifier_inputs(["pool"] * plan.count("pool"), size) // 3,
        "case 3 .*last convolution",
    ),
    (lambda plan, size: classifier_inputs(plan, size, lambda n: n / 2), "case 4 .*no partner"),
    (lambda plan, size: classifier_inputs(plan, size, maps=1), "case 5 .*three channels"),
    (lambda plan, size: min(classifier_inputs(plan, size), 511), "case 6 .*VGG16"),
    (lambda plan, size: min(classifier_inputs(plan, size), 512), "case 7 .*2×2 of each"),
]


TRIED[deeper_networks.check_bottleneck_weights] = [
    (lambda C: C * (C // 4) * 2 + 9 * (C // 4) ** 2, "all 3 cases agree"),
    (lambda C: C * C // 4 + 9 * C * C // 16, "case 1 .*4 . 9 . 4"),
    (lambda C: C * C // 2 + 9 * (C // 4), "case 2 .*each pair"),
    (lambda C: 2 * C + 9 * (C // 4) ** 2 + (8 * (C - 4)), "case 2 .*each pair|case 3 .*C/4"),
]


def same(maps, weight=1.0, bias=False, kernel_size=3, across=False):
    conv = torch.nn.Conv2d(maps, maps, kernel_size, padding=kernel_size // 2, bias=bias)
    with torch.no_grad():
        conv.weight.zero_()
        for k in range(maps):
            from_map = (k + 1) % maps if across else k
            conv.weight[k, from_map, kernel_size // 2, kernel_size // 2] = weight
    return conv


TRIED[deeper_networks.check_identity_convolution] = [
    (same, "all 2 cases agree"),
    (lambda maps: same(maps).weight, "return an nn.Conv2d"),
    (lambda maps: same(maps, kernel_size=5), "3×3 kernel"),
    (lambda maps: same(maps, weight=2.0), "case 1 .*weight in the middle"),
    (lambda maps: torch.nn.Conv2d(maps, maps, 3), "case 1 .*returned shape"),
    (lambda maps: same(maps, across=True), "case 2 .*map k alone"),
    (lambda maps: same(maps, bias=maps > 1), "case 2 .*a bias must be 0"),
]


def restored(x, order):
    return x.reshape(len(x), -1)[:, np.argsort(order)].reshape(x.shape)


TRIED[mlp_or_cnn.check_restored] = [
    (restored, "all 4 cases agree"),
    (lambda x, order: restored(x, np.argsort(order)), "case 1 .*send it back"),
    (lambda x, order: x, "case 1 .*send it back"),
    (lambda x, order: restored(x, order).reshape(len(x), -1), "case 1 .*shape"),
    (lambda x, order: restored(x, order) if len(x) == 1 else x[:1], "case 2 .*shape of x_mixed"),
    (lambda x, order: restored(x[:2], order), "case 3 .*all images"),
    (
        lambda x, order: restored(x, order) if x.shape[1] == 1 else x,
        "case 4 .*the channels were mixed",
    ),
]


def convolution_matrix(weight, H, W, stride, across=None, step=None, full=False):
    KH, KW = weight.shape
    row_length = across or W
    OH, OW = (H - KH) // stride + 1, (W - KW) // stride + 1
    if full:
        OH, OW = -(-(H - KH + 1) // stride), OW + 1
    matrix = np.zeros((OH * OW, H * W + 50))
    for n, (i, j, kh, kw) in enumerate(np.ndindex(OH, OW, KH, KW)):
        place = (i * (step or stride) + kh) * row_length + j * (step or stride) + kw
        matrix[n // (KH * KW), place] = weight[kh, kw]
    return matrix[:, : H * W]


TRIED[mlp_or_cnn.check_convolution_matrix] = [
    (convolution_matrix, "all 6 cases agree"),
    (lambda *a: convolution_matrix(*a).T, "case 2 .*row 1 is the window"),
    (lambda weight, H, W, s: convolution_matrix(weight[::-1, ::-1], H, W, s), "case 2 .*row 1"),
    (lambda *a: convolution_matrix(*a, across=a[1]), "case 3 .*W places further"),
    (lambda weight, H, W, s: convolution_matrix(weight[:2, :2], H, W, s), "case 4 .*KH and KW"),
    (lambda *a: convolution_matrix(*a, step=1), "case 5 .*`stride` pixels further"),
    (lambda *a: convolution_matrix(*a, full=a[1] == 7), "case 6 .*last window that fits"),
]


def plateau(losses, classes, margin):
    below = np.asarray(losses) < np.log(classes) - margin
    return int(below.argmax()) if below.any() else len(losses)


def steps_above(losses, classes, margin):
    return sum(loss >= np.log(classes) - margin for loss in losses)


TRIED[fashion_mnist.check_plateau] = [
    (plateau, "all 6 cases agree"),
    (lambda losses, classes, margin: 1 + plateau(losses, classes, margin), "case 1 of 6"),
    (lambda losses, *line: plateau(losses, *line) or 1, "case 2 of 6.*low already"),
    (lambda losses, *line: plateau(losses, *line) % len(losses), "case 3 of 6.*never falls"),
    (steps_above, "case 4 of 6.*has left"),
    (lambda losses, classes, margin: plateau(losses, 10, margin), r"case 5 of 6.*log\(2\)"),
    (lambda losses, classes, margin: plateau(losses, classes, 0.1), "case 6 of 6.*the margin"),
]


def subsample(x, weight, bias, pool=np.sum, over=None):
    N, C, H, W = x.shape
    sums = pool(x.reshape(N, C, H // 2, 2, W // 2, 2), axis=(3, 5))
    shape = over or (C, 1, 1)
    return sums * weight.reshape(shape) + bias.reshape(shape)


TRIED[fashion_mnist.check_subsample] = [
    (subsample, "all 4 cases agree"),
    (lambda x, w, b: subsample(x, w, b, np.mean), "case 1 of 4.*no mean"),
    (lambda x, w, b: subsample(x + b[0], w, b), "case 2 of 4.*once"),
    (lambda x, w, b: subsample(x.swapaxes(2, 3), w, b), "case 3 of 4.*side by side"),
    (lambda x, w, b: subsample(x, w[::-1], b), "case 4 of 4.*of its own"),
    (lambda x, w, b: subsample(x, w, b[:1], over=(-1, 1, 1)), "case 4 of 4.*of its own"),
]


def map_loss(distances, label, j, log_sum=np.logaddexp.reduce):
    return distances[label] + log_sum(-np.append(distances, j))


def plain_log_sum(scores):
    with np.errstate(divide="ignore"):
        return np.log(np.exp(scores).sum())


TRIED[fashion_mnist.check_map_loss] = [
    (map_loss, "all 5 cases agree"),
    (lambda d, label, j: d[label] - map_loss(d, label, j) + d[label], "case 1 of 5.*logarithm"),
    (lambda d, label, j: map_loss(d, 0, j), "case 2 of 5.*label's distance"),
    (lambda d, label, j: map_loss(d, label, np.inf), "case 3 of 5.*one more term"),
    (lambda d, label, j: map_loss(np.append(d[label], d[:2]), 0, j), "case 1 of 5.*logarithm"),
    (lambda d, label, j: map_loss(d[: max(2, label + 1)], label, j), "case 4 of 5.*all classes"),
    (lambda *args: map_loss(*args, plain_log_sum), "case 5 of 5.*subtract first"),
]


def tail(a, b):
    return sum(comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b)


TRIED[comparing.check_mcnemar] = [
    (lambda a, b: binomtest(a, a + b).pvalue if a + b else 1, "all 6 cases agree"),
    (lambda a, b: min(1, 2 * tail(a, b)), "all 6 cases agree"),
    (tail, "case 1 of 6.*and as many on the other"),
    (lambda a, b: 2 * comb(a + b, a) / 2 ** (a + b), "case 1 .*expected 0.6875.*4 or more"),
    (lambda a, b: a if a < b else min(1, 2 * tail(a, b)), "case 1 "),
    (lambda a, b: chi2.sf((a - b) ** 2 / (a + b), 1), "case 1 "),
    (lambda a, b: 2 * sum(comb(a + b, k) for k in range(a + 1)) / 2 ** (a + b), "case 2 .*places"),
    (lambda a, b: 2 * tail(a, b), "case 4 .*at most 1"),
    (lambda a, b: binomtest(a, a + b).pvalue, "case 5 .*raised ValueError.*no evidence"),
    (
        lambda a, b: chi2.sf((a - b) ** 2 / (a + b), 1) if a + b > 50 else min(1, 2 * tail(a, b)),
        "case 6 .*an approximation is not enough",
    ),
]


def gradients(w1, w2, sine=-1.0, product=1.0, ways=1.0, swapped=False):
    u = w1 * w2
    factors = (w1, w2) if swapped else (w2, w1)
    slopes = [sine * np.sin(u) * product * factor for factor in factors]
    return np.array([np.cos(u) + w1, slopes[0] + ways, slopes[1]])


def largest_rate(x, n=None, which=-1, numerator=2):
    n = n or len(x)
    H = 2 / n * np.array([[(x**2).sum(), x.sum()], [x.sum(), len(x)]])
    return numerator / np.linalg.eigvalsh(H)[which]


def of_four(x):
    return 2 / np.linalg.eigvalsh(np.array([[(x**2).sum(), x.sum()], [x.sum(), 4]]) / 2)[-1]


TRIED[gradient_descent.check_largest_rate] = [
    (largest_rate, "all 4 cases agree"),
    (lambda x: largest_rate(x, which=0), "case 1 .*0.595 and 8.405"),
    (lambda x: largest_rate(x, numerator=1), "case 1 .*0.595 and 8.405"),
    (lambda x: 2 / (2 * (x**2).mean()), "case 1 .*the larger one"),
    (of_four, "case 2 .*with one point n is 1"),
    (lambda x: largest_rate(x, n=min(len(x), 4)), "case 3 .*sixty points"),
    (lambda x: largest_rate(x) if x.any() else np.inf, "case 4 .*only the intercept"),
]


def nesterov_steps(grads, lr, beta, ahead=True, old=False):
    velocity, steps = 0.0, []
    for grad in grads:
        before, velocity = velocity, beta * velocity + grad
        steps.append(lr * (grad + beta * (before if old else velocity) if ahead else velocity))
    return np.array(steps)


TRIED[optimizers.check_nesterov_steps] = [
    (nesterov_steps, "all 4 cases agree"),
    (lambda grads, lr, beta: nesterov_steps(grads, 1, beta), "case 1 .*lr times grad"),
    (lambda grads, lr, beta: nesterov_steps(grads, lr, beta, ahead=False), r"case 2 .*g \+ v / 2"),
    (lambda grads, lr, beta: nesterov_steps(grads, lr, beta, old=True), r"case 2 .*g \+ v / 2"),
    (lambda grads, lr, beta: (1 + beta) * nesterov_steps(grads, lr, beta, False), "case 3 .*1.75"),
    (lambda grads, lr, beta: abs(nesterov_steps(grads, lr, beta)), "case 1 "),
    (lambda grads, lr, beta: np.cumsum(nesterov_steps(grads, lr, beta)), "case 1 "),
]


TRIED[watching_training.check_gradients] = [
    (gradients, "all 4 cases agree"),
    (lambda a, b: gradients(a, b, ways=0), "case 1 .*sum's own way"),
    (lambda a, b: gradients(a, b, sine=1), "case 3 .*minus the sine"),
    (lambda a, b: gradients(a, b, swapped=True), "case 3 "),
    (lambda a, b: gradients(a, b)[1:], "case 1 .*shape"),
    (lambda a, b: gradients(np.round(a), b), "case 4 "),
]
TRIED[watching_training.check_dead_share] = [
    (lambda outputs: (outputs == 0).all(axis=0).mean(), "all 5 cases agree"),
    (lambda outputs: (outputs == 0).mean(), "case 1 .*one of the two images"),
    (lambda outputs: (outputs == 0).any(axis=0).mean(), "case 1 "),
    (lambda outputs: (outputs == 0).all(axis=1).mean(), "case 2 .*three units|case 1 "),
    (lambda outputs: (outputs[-1] == 0).mean(), "case 1 "),
    (lambda outputs: (outputs[:2] == 0).all(axis=0).mean(), "case 3 .*two images of three"),
    (lambda outputs: (outputs < 1e-6).all(axis=0).mean(), "case 4 .*small number"),
    (lambda outputs: (outputs == 0).all(axis=0).sum(), "case 1 "),
]


def mirror_test(*shape, mirror=lambda x: x.flip(3)):
    x = torch.arange(np.prod(shape)).view(shape)
    return lambda flip: torch.equal(flip(x), mirror(x))


TRIED[common_bugs.check_mirror_test] = [
    (mirror_test(2, 3, 2, 4), "all 11 cases agree"),
    (lambda flip: False, r"case 1 of 11: .*\(right_flip\) returned False"),
    (lambda flip: True, "case 2 .*changes nothing"),
    (mirror_test(1, 1, 2, 2, mirror=lambda x: x.flip(2, 3)), "case 1 "),
    (lambda flip: flip(torch.ones(2, 3, 2, 4)).shape == (2, 3, 2, 4), "case 2 "),
    (mirror_test(1, 1, 1, 4), "case 4 .*180 degrees"),
    (mirror_test(2, 1, 2, 4), "case 7 .*several channels"),
    (mirror_test(1, 3, 2, 4), "case 8 .*several images"),
    (mirror_test(2, 3, 4, 4), "case 10 .*H and W differ"),
]


def stop(losses, patience, lower=np.less, since="lowest", start=0, least=0):
    """Early stopping; the arguments after `patience` make mistakes of it."""
    lowest = bad = 0
    for epoch, loss in enumerate(losses):
        if epoch and lower(loss, losses[epoch - 1 if since == "before" else lowest]):
            lowest = epoch
            bad = 0 if since != "ever" else bad
        elif epoch:
            bad += 1
        if bad >= patience + least:
            break
    return epoch + 1 - start, lowest + 1 - start


TRIED[overfitting.check_stop] = [
    (stop, "all 7 cases agree"),
    (lambda losses, patience: stop(losses, patience, start=1), "case 1 .*count from 1"),
    (lambda losses, patience: stop(losses, patience)[1], r"case 1 .*shape \(\), expected \(2,"),
    (lambda losses, patience: stop(losses, patience)[::-1], "case 2 .*without a new lowest"),
    (lambda losses, patience: stop(losses, patience, least=1), "case 2 .*without a new lowest"),
    (lambda losses, patience: stop(losses, patience, since="before"), "case 3 .*lowest loss so"),
    (lambda losses, patience: stop(losses, patience, since="ever"), "case 4 .*starts the count"),
    (lambda losses, patience: (stop(losses, patience)[0], losses.argmin() + 1), "case 5 .*never"),
    (lambda losses, patience: stop(losses, patience, lower=np.less_equal), "case 6 .*no new"),
    (lambda losses, patience: stop(np.append(losses, [9] * patience), patience), "case 1 "),
]


@pytest.mark.parametrize(
    ("check", "answer", "says"),
    [
        pytest.param(check, answer, says, id=f"{check.__name__}: {says}")
        for check, answers in TRIED.items()
        for answer, says in answers
    ],
)
def test_what_a_checker_says(check, answer, says, capsys):
    try:
        check(answer)
        said = capsys.readouterr().out
    except CheckFailed as failed:
        said = str(failed)
    assert re.search(says, said)


def test_every_checker_is_tried():
    names = [module.name for module in pkgutil.iter_modules(chapters.__path__)]
    modules = [importlib.import_module(f"lenet_course.chapters.{name}") for name in names]
    assert {
        getattr(module, name) for module in modules for name in dir(module) if "check_" in name
    } == set(TRIED)

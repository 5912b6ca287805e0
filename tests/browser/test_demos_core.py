"""The mathematics of the live demonstrations, in a real browser, against PyTorch."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lenet_course import data, models, shapes, train
from lenet_course.scratch import optim
from lenet_course.scratch.nn import Parameter

ROOT = Path(__file__).parents[2]
DEMOS = ROOT / "_static" / "demos"
DEFAULTS = {"stride": 1, "padding": 0, "dilation": 1}
CASES = 320  # random geometries, of convolution and of pooling

# Tensors travel as a shape and the base64 of their float32, so that no digit is lost.
TRAVEL = """
const read = ([shape, text]) => cnn.tensor(shape, demos.decode(text));
const write = ({ shape, data }) => {
  const bytes = new Uint8Array(Float32Array.from(data).buffer);
  return [shape, btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))];
};
const load = (net, tensors) =>
  net.parameters().forEach((parameter, i) => parameter.data.set(tensors[i].data));
const message = (f) => { try { return f(); } catch (error) { return error.message; } };
"""


@pytest.fixture(scope="module")
def run(browser):
    """Call a function written in JavaScript, beside the core in a page of its own."""
    page = browser.new_page()
    for name in ("core", "learning", "page", "cells", "data/lenet"):
        page.add_script_tag(path=DEMOS / f"{name}.js")
    page.add_script_tag(content=TRAVEL)

    def call(
        function, argument=None
    ):  # as JSON, which travels faster than Playwright's own objects
        answer = f"(text) => JSON.stringify(({function})(JSON.parse(text)))"
        return json.loads(page.evaluate(answer, json.dumps(argument)))

    yield call
    page.close()


def given(array):
    array = np.asarray(array, "<f4")
    return [list(array.shape), base64.b64encode(array.tobytes()).decode()]


def taken(tensor):
    shape, text = tensor
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(shape)


def assert_near(ours, reference, about=""):
    """Equal to PyTorch's float64 up to the rounding of float32, of each number and of its sum."""
    reference = reference.detach().numpy()
    scale = max(1, abs(reference).max(initial=0))
    np.testing.assert_allclose(taken(ours), reference, 2e-6, 2e-6 * scale, err_msg=about)


def doubles(rng, *shape):
    """Numbers that float32 holds, as tensors that float64 computes with."""
    numbers = torch.from_numpy(rng.standard_normal(shape).astype(np.float32)).double()
    return numbers.requires_grad_()


def as_option(rng, pair):
    """A pair, or, where both sides are equal, sometimes a number."""
    return int(pair[0]) if pair[0] == pair[1] and rng.random() < 0.5 else [int(p) for p in pair]


def drawn(rng, low, high):
    return as_option(rng, rng.integers(low, high, 2, endpoint=True))


def size_that_fits(rng, kernel_size, padding, dilation=1):
    kernels, paddings, dilations = (
        np.broadcast_to(value, 2) for value in (kernel_size, padding, dilation)
    )
    least = np.maximum(1, dilations * (kernels - 1) + 1 - 2 * paddings)
    return [int(size) for size in least + rng.integers(0, 7, 2)]


def some_zeros(rng, shape):
    """A gradient as it comes from a ReLU or a pooling."""
    grad = torch.from_numpy(rng.standard_normal(shape).astype(np.float32)).double()
    return grad * torch.from_numpy(rng.random(shape) < 0.6)


def test_convolution_and_its_gradients_over_random_geometries(run):
    rng = np.random.default_rng(0)
    cases, references = [], []
    for _ in range(CASES):
        N, C, C_out = (int(n) for n in rng.integers(1, 4, 3))
        kernel, stride, padding, dilation = (
            drawn(rng, *r) for r in ((1, 5), (1, 3), (0, 3), (1, 3))
        )
        options = {"stride": stride, "padding": padding, "dilation": dilation}
        options = {k: v for k, v in options.items() if v != DEFAULTS[k] or rng.random() < 0.5}
        x = doubles(rng, N, C, *size_that_fits(rng, kernel, padding, dilation))
        weight = doubles(rng, C_out, C, *np.broadcast_to(kernel, 2))
        bias = doubles(rng, C_out) if rng.random() < 0.8 else None
        out = F.conv2d(x, weight, bias, **options)
        grad = some_zeros(rng, out.shape)
        out.backward(grad)
        grad_bias = grad.sum((0, 2, 3)) if bias is None else bias.grad
        references.append((out, x.grad, weight.grad, grad_bias))
        tensors = [grad, x.detach(), weight.detach(), None if bias is None else bias.detach()]
        cases.append([*(None if t is None else given(t) for t in tensors), options])
    answers = run(
        """(cases) => cases.map(([grad, x, weight, bias, options]) => {
          [grad, x, weight, bias] = [grad, x, weight, bias].map((t) => t && read(t));
          const out = cnn.conv2d(x, weight, bias, options);
          const grads = cnn.conv2d_backward(grad, x, weight, options);
          return [out, grads.x, grads.weight, grads.bias].map(write);
        })""",
        cases,
    )
    for case, ours, reference in zip(cases, answers, references, strict=True):
        about = f"x {case[1][0]}, weight {case[2][0]}, {case[-1]}"
        for name, o, r in zip(("out", "x", "weight", "bias"), ours, reference, strict=True):
            assert_near(o, r, f"{name} for {about}")


def test_pooling_and_its_gradients_over_random_geometries(run):
    rng = np.random.default_rng(1)
    cases, references = [], []
    for _ in range(CASES):
        kernel = drawn(rng, 1, 4)
        padding = as_option(rng, rng.integers(0, np.broadcast_to(kernel, 2) // 2, endpoint=True))
        options = {"padding": padding} if np.any(padding) or rng.random() < 0.5 else {}
        if rng.random() < 0.7:
            options["stride"] = drawn(rng, 1, 4)
        N, C = (int(n) for n in rng.integers(1, 4, 2))
        x = doubles(rng, N, C, *size_that_fits(rng, kernel, padding)).detach()
        if rng.random() < 0.5:
            x = x.round()  # equal numbers in a window: the first gets the gradient
        x.requires_grad_()
        out = F.max_pool2d(x, kernel, **options)
        grad = some_zeros(rng, out.shape)
        out.backward(grad)
        references.append((out, x.grad))
        cases.append([given(x.detach()), given(grad), kernel, options])
    answers = run(
        """(cases) => cases.map(([x, grad, kernel, options]) => {
          [x, grad] = [x, grad].map(read);
          return [
            cnn.max_pool2d(x, kernel, options),
            cnn.max_pool2d_backward(grad, x, kernel, options),
          ].map(write);
        })""",
        cases,
    )
    for case, ours, reference in zip(cases, answers, references, strict=True):
        for name, o, r in zip(("out", "x"), ours, reference, strict=True):
            assert_near(o, r, f"{name} for x {case[0][0]}, kernel {case[-2]}, {case[-1]}")


def test_nan_is_the_largest(run):
    x = torch.tensor([[[[1.0, np.nan, np.nan, 5.0]]]], requires_grad=True)
    out = F.max_pool2d(x, (1, 4))
    out.backward(torch.ones_like(out))
    ours, grad = run(
        """(x) => {
          const one = cnn.tensor([1, 1, 1, 1], [1]);
          const grad = cnn.max_pool2d_backward(one, read(x), [1, 4]);
          return [cnn.max_pool2d(read(x), [1, 4]), grad].map(write);
        }""",
        given(x.detach()),
    )
    assert np.isnan(taken(ours)).all()
    np.testing.assert_array_equal(taken(grad), x.grad)


def test_fully_connected_layers(run):
    rng = np.random.default_rng(2)
    for N, inputs, outputs in ((1, 1, 1), (5, 7, 3), (2, 40, 11)):
        x, weight, bias = (
            doubles(rng, *shape) for shape in ((N, inputs), (outputs, inputs), (outputs,))
        )
        out, bare = F.linear(x, weight, bias), F.linear(x, weight)
        grad = some_zeros(rng, out.shape)
        out.backward(grad)
        ours = run(
            """(tensors) => {
              const [grad, x, weight, bias] = tensors.map(read);
              const grads = cnn.linear_backward(grad, x, weight);
              const outs = [cnn.linear(x, weight, bias), cnn.linear(x, weight)];
              return [...outs, grads.x, grads.weight, grads.bias].map(write);
            }""",
            [given(t.detach()) for t in (grad, x, weight, bias)],
        )
        for o, r in zip(ours, (out, bare, x.grad, weight.grad, bias.grad), strict=True):
            assert_near(o, r)
    assert run("() => write(cnn.flatten(cnn.tensor([2, 3, 4, 5])))")[0] == [2, 60]


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
def test_activations(run, name):
    x = torch.tensor([-1000, -20, -1, -1e-3, 0, 1e-3, 0.5, 20, 1000]).double().requires_grad_()
    out = getattr(torch, name)(x)
    grad = torch.linspace(-2, 3, len(x)).double()
    out.backward(grad)
    ours = run(
        f"""([x, grad]) => {{
          const out = cnn.{name}(read(x));
          const kept = {"read(x)" if name == "relu" else "out"};
          return [out, cnn.{name}_backward(read(grad), kept)].map(write);
        }}""",
        [given(x.detach()), given(grad)],
    )
    assert_near(ours[0], out)
    assert_near(ours[1], x.grad)


def test_softmax_and_cross_entropy(run):
    rng = np.random.default_rng(3)
    for scale in (1, 30, 1000):  # e^1000 is no number
        logits, target = doubles(rng, 6, 10), rng.integers(0, 10, 6)
        logits = (logits.detach() * scale).float().double().requires_grad_()
        loss = F.cross_entropy(logits, torch.from_numpy(target))
        loss.backward()
        softmax, ours, grad = run(
            """([logits, target]) => {
              logits = read(logits);
              const grad = write(cnn.cross_entropy_backward(logits, target));
              return [write(cnn.softmax(logits)), cnn.cross_entropy(logits, target), grad];
            }""",
            [given(logits.detach()), target.tolist()],
        )
        assert_near(softmax, F.softmax(logits, dim=1))
        assert_near(grad, logits.grad)
        assert ours == pytest.approx(loss.item(), rel=1e-12)


# --- sizes


def python_answer(function, *arguments):
    try:
        answer = function(*(tuple(a) if isinstance(a, list) else a for a in arguments))
    except ValueError as error:
        return str(error)
    return list(answer) if isinstance(answer, tuple) else answer


def test_output_sizes_and_their_errors_are_python_s(run):
    rng = np.random.default_rng(4)
    ranges = (-1, 12), (0, 6), (0, 4), (-1, 4), (0, 4)
    cases = [[drawn(rng, *r) for r in ranges] for _ in range(2000)]
    cases += [[int(rng.integers(*r)) for r in ranges] for _ in range(500)]
    cases += [[28, 5], [28, 5, 1, 2], [[28, 20], 2, 2], [7, [1, 2, 3]], [3, 5, 1, 0, 2]]
    ours = run(
        "(cases) => cases.map((c) => message(() => cnn.conv_output_size(...c)))",
        cases,
    )
    expected = [python_answer(shapes.conv_output_size, *case) for case in cases]
    assert ours == expected
    kinds = [type(e) for e in expected]
    assert min(kinds.count(kind) for kind in (int, list, str)) > 100
    assert sum("does not fit" in str(e) for e in expected) > 100


def test_receptive_fields_are_python_s(run):
    rng = np.random.default_rng(5)
    cases = [
        [rng.integers(1, 6, rng.integers(2, 4)).tolist() for _ in range(rng.integers(1, 5))]
        for _ in range(200)
    ]
    ours = run("(cases) => cases.map((layers) => cells.receptive_field(layers))", cases)
    assert ours == [python_answer(shapes.receptive_field, case) for case in cases]
    assert run("() => cells.receptive_field([[5, 1], [2, 2], [5, 1], [2, 2]])") == 16


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("cnn.tensor([2, 3], [1, 2])", "2 numbers do not fill the shape (2, 3)"),
        ("cnn.conv_output_size(5.5, 3)", "size=5.5 is not a whole number"),
        (
            "cnn.conv2d(cnn.tensor([1, 2, 5, 5]), cnn.tensor([4, 3, 3, 3]))",
            "weight has the shape (4, 3, 3, 3), not (4, 2, 3, 3)",
        ),
        (
            "cnn.conv2d(cnn.tensor([1, 2, 5, 5]), cnn.tensor([4, 2, 3, 3]), cnn.tensor([2]))",
            "bias has the shape (2), not (4)",
        ),
        (
            "cnn.conv2d_backward(cnn.tensor([1, 4, 5, 5]), cnn.tensor([1, 2, 5, 5]), "
            "cnn.tensor([4, 2, 3, 3]))",
            "grad_output has the shape (1, 4, 5, 5), not (1, 4, 3, 3)",
        ),
        (
            "cnn.linear(cnn.tensor([1, 3]), cnn.tensor([4, 2]))",
            "weight has the shape (4, 2), not (4, 3)",
        ),
        (
            "cnn.max_pool2d(cnn.tensor([1, 1, 4, 4]), 2, { padding: 2 })",
            "padding=2 is more than half of kernel_size=2",
        ),
        (
            "cnn.max_pool2d_backward(cnn.tensor([1, 2, 2, 1]), cnn.tensor([1, 2, 4, 4]), 2)",
            "grad_output has the shape (1, 2, 2, 1), not (1, 2, 2, 2)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(run, call, words):
    assert run(f"() => message(() => {call})") == words


# --- learning


def small_network():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, (3, 2), padding=(1, 0)),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(4, 6, 3, stride=2, dilation=(1, 2)),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(12, 10),
    ).double()


TRAIN = """([state, batches, name, settings]) => {
  const net = new cnn.Sequential(
    new cnn.Conv2d(1, 4, [3, 2], { padding: [1, 0] }),
    new cnn.ReLU(),
    new cnn.MaxPool2d(2),
    new cnn.Conv2d(4, 6, 3, { stride: 2, dilation: [1, 2] }),
    new cnn.ReLU(),
    new cnn.Flatten(),
    new cnn.Linear(12, 10),
  );
  load(net, state.map(read));
  const optimizer = new cnn[name](net.parameters(), settings);
  const losses = batches.map(([x, y]) => {
    const logits = net.forward(read(x));
    net.backward(cnn.cross_entropy_backward(logits, y));
    optimizer.step();
    optimizer.zero_grad();
    return cnn.cross_entropy(logits, y);
  });
  return [losses, net.parameters().map(write)];
}"""
OPTIMIZERS = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.02, "momentum": 0.9}),
    ("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
    ("Adagrad", {"lr": 0.02}),
    ("RMSprop", {"lr": 1e-3, "alpha": 0.9}),
    ("Adam", {"lr": 5e-3, "betas": [0.8, 0.99]}),
    ("Adam", {}),
]


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS)
def test_a_training_arrives_where_pytorch_does(run, name, settings):
    torch.manual_seed(0)
    net, rng = small_network(), np.random.default_rng(6)
    start = {k: v.float().double() for k, v in net.state_dict().items()}
    net.load_state_dict(start)
    batches = [
        (rng.random((8, 1, 12, 11), np.float32), rng.integers(0, 10, 8)) for _ in range(4)
    ] * 6
    losses, ours = run(
        TRAIN,
        [
            [given(value) for value in start.values()],
            [[given(x), y.tolist()] for x, y in batches],
            name,
            settings,
        ],
    )
    optimizer = getattr(torch.optim, name)(net.parameters(), **settings)
    expected = []
    for x, y in batches:
        loss = F.cross_entropy(net(torch.from_numpy(x).double()), torch.from_numpy(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for mine, theirs, first in zip(ours, net.parameters(), start.values(), strict=True):
        np.testing.assert_allclose(taken(mine), theirs.detach(), atol=1e-5)
        assert abs(theirs - first).max() > 1e-3  # it moved


def test_gradients_add_up_until_they_are_forgotten(run):
    once, twice, forgotten = run(
        """() => {
          const layer = new cnn.Linear(3, 2);
          const optimizer = new cnn.SGD(layer.parameters());
          const grads = () => layer.parameters().map(({ grad }) => grad && Array.from(grad));
          const pass = () => {
            layer.forward(cnn.tensor([1, 3], [1, 2, 3]));
            layer.backward(cnn.tensor([1, 2], [10, 100]));
            return grads();
          };
          const seen = [pass(), pass()];
          optimizer.zero_grad();
          optimizer.step(); // without a gradient nothing moves
          return [...seen, grads()];
        }"""
    )
    assert once == [[10, 20, 30, 100, 200, 300], [10, 100]]
    assert twice == [[20, 40, 60, 200, 400, 600], [20, 200]]
    assert forgotten == [None, None]


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS)
def test_the_optimizers_walk_the_valley_as_numpy_s_do(run, name, settings):
    start, curvature = np.array([-4.0, 3.5]), np.array([0.3, 9.0])
    w = Parameter(start.copy())
    optimizer, expected = getattr(optim, name)([w], **settings), []
    for _ in range(100):
        w.grad = curvature * w.data
        optimizer.step()
        expected.append(w.data.copy())
    path = run(
        """([name, settings, start, curvature]) => {
          const w = { data: Float64Array.from(start) };
          const optimizer = new cnn[name]([w], settings);
          return Array.from({ length: 100 }, () => {
            w.grad = w.data.map((value, i) => curvature[i] * value);
            optimizer.step();
            return Array.from(w.data);
          });
        }""",
        [name, settings, start.tolist(), curvature.tolist()],
    )
    np.testing.assert_allclose(path, expected, rtol=1e-9)


def test_first_weights_are_even_and_follow_the_seed(run):
    weight, bias, again, other, numbers = run(
        """() => {
          const make = (seed) => new cnn.Conv2d(3, 400, 5, { generator: cnn.generator(seed) });
          const layer = make(7);
          const draw = cnn.generator(0);
          const numbers = Array.from({ length: 100000 }, draw);
          return [layer.weight, layer.bias, make(7).weight, make(8).weight]
            .map(write).concat([numbers]);
        }"""
    )
    bound = 1 / np.sqrt(75)
    for values in map(taken, (weight, bias)):
        assert abs(values).max() <= bound
        assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)
        assert abs(values.mean()) < 0.1 * bound
    assert weight == again != other
    counts, _ = np.histogram(numbers, 20, (0, 1))
    assert counts.sum() == len(numbers)
    assert ((counts - 5000) ** 2 / 5000).sum() < 43.8  # chi-squared, 19 degrees: one in a thousand


# --- LeNet with the stored weights

LENET = """
const lenet = () => {
  const net = new cnn.Sequential(
    new cnn.Conv2d(1, 6, 5, { padding: 2 }), new cnn.ReLU(), new cnn.MaxPool2d(2),
    new cnn.Conv2d(6, 16, 5), new cnn.ReLU(), new cnn.MaxPool2d(2),
    new cnn.Flatten(),
    new cnn.Linear(400, 120), new cnn.ReLU(),
    new cnn.Linear(120, 84), new cnn.ReLU(),
    new cnn.Linear(84, 10),
  );
  const state = demos.decode_state(demo_data.lenet.state);
  load(net, [0, 3, 7, 9, 11].flatMap((i) => [state[`${i}.weight`], state[`${i}.bias`]]));
  return net;
};
"""


def test_lenet_gives_pytorch_s_logits_on_200_test_digits(run):
    x, y = data.to_tensors(data.load("mnist").test)
    mean, std = run("() => [demo_data.lenet.mean, demo_data.lenet.std]")
    x = data.normalize(x[:200], [mean], [std])
    net = train.load(models.lenet(), ROOT / "experiments" / "results" / "lenet_mnist.safetensors")
    expected = train.predict(net, x).numpy()
    ours = taken(run(f"(x) => {{ {LENET} return write(lenet().forward(read(x))); }}", given(x)))
    assert ours.shape == (200, 10)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)
    assert (ours.argmax(axis=1) == y[:200].numpy()).mean() > 0.98


def test_lenet_answers_in_under_20_milliseconds(run):
    times = run(
        f"""() => {{
          {LENET}
          const net = lenet();
          return Array.from({{ length: 60 }}, () => {{
            const start = performance.now();
            net.forward(cnn.tensor([1, 1, 28, 28]));
            return performance.now() - start;
          }});
        }}"""
    )
    assert np.median(times[20:]) < 20  # the first ones run before the browser has compiled them

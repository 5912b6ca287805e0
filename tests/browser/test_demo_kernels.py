"""The demonstrations of kernels, driven as a reader would; PyTorch says what they must show."""

import json
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lenet_course import data, models, train

ROOT = Path(__file__).parents[2]
CHAPTER = "chapters/13_convolution"
WEIGHTS = ROOT / "experiments" / "results" / "lenet_mnist.safetensors"
CONTRAST, WIDTH = (
    Path(__file__).with_name(f"{name}.js").read_text(encoding="utf-8")
    for name in ("contrast", "width")
)
LUMA = np.array([0.299, 0.587, 0.114])
HALF = 0.00501  # numbers are shown with two decimals
VERTICAL = np.array([[-1, 0, 1]] * 3)
RED_BLUE = matplotlib.colormaps["RdBu_r"].resampled(2**14)  # Matplotlib's own has 256 colors only


def picture(name):
    """The picture (H, W) or, in color, (3, H, W) that a demonstration must show, from 0 to 1."""
    if name == "color":
        return data.load("cifar10", source="sample").train.images[99].transpose(2, 0, 1) / 255
    if name == "a photograph":
        return np.tensordot(LUMA, picture("color"), 1)
    four = data.load("mnist", source="sample").train.images[2] / 255
    return 1 - four if name == "ink on paper" else four


def conv2d(x, weight, **options):
    """PyTorch's maps of one picture (C, H, W) under filters (C_out, C, KH, KW), in float64."""
    tensors = [torch.tensor(np.asarray(array, float)) for array in (x, weight)]
    return F.conv2d(tensors[0][None], tensors[1], **options)[0].numpy()


@pytest.fixture
def start(browser, tmp_path):
    """Open a small page with one demonstration; at the end, nothing may have gone wrong."""
    faults, contexts = [], []

    def begin(name="kernels", scheme="light", **options):
        scripts = "".join(
            f'<script defer src="{(ROOT / "_static" / "demos" / script).as_uri()}.js"></script>'
            for script in ("core", "page", "data/kernels", "sliding_window", name)
        )
        style = (ROOT / "_static" / "demos" / "demos.css").as_uri()
        (tmp_path / "page.html").write_text(
            f'<!doctype html><html data-theme="{scheme}"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
            f'<link rel="stylesheet" href="{style}">{scripts}<style>* {{box-sizing: border-box}}'
            "body {--pst-color-primary: teal; margin: 0 auto; max-width: 740px}</style><article>"
            f'<div class="demo" data-demo="{name}"></div></article>',
            encoding="utf-8",
        )
        contexts.append(
            browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        )
        page = contexts[-1].new_page()
        page.on(
            "console",
            lambda message: faults.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto((tmp_path / "page.html").as_uri())
        return page

    yield begin
    for context in contexts:
        context.close()
    assert faults == []


def choose(page, label, value):
    page.get_by_role("combobox", name=label).select_option(value)


def slide(page, label, value):
    page.get_by_role("slider", name=label).fill(str(value))


def write_kernel(page, kernel):
    choose(page, "size", "×".join(map(str, kernel.shape)))
    for field, weight in zip(fields(page).all(), kernel.flat, strict=True):
        field.fill(str(weight))


def fields(page):
    return page.get_by_role("group", name="kernel").locator("input")


def number(text):
    return float(text.replace("−", "-"))


def cells(page, name):
    """The numbers of a grid (K, K) as they are written."""
    texts = page.get_by_role("group", name=name).locator("span").all_inner_texts()
    K = round(len(texts) ** 0.5)
    return np.array([*map(number, texts)]).reshape(K, K)


def total(page):
    return number(page.locator(".sliding-sum").inner_text())


def place(page):
    """The row and the column of the map that the live text names."""
    return tuple(map(int, re.findall(r"\d+", page.locator("[aria-live]").inner_text())[:2]))


def colors(view):
    """What a picture or a map shows, (H, W, 3), one pixel for each of its numbers."""
    read = """e => { const c = e.querySelector("canvas"), {width: W, height: H} = c;
        return [H, W, ...c.getContext("2d").getImageData(0, 0, W, H).data]; }"""
    H, W, *values = view.evaluate(read)
    return np.array(values).reshape(H, W, 4)[..., :3]


def assert_red_and_blue(view, numbers):
    """A view shows numbers (H, W) in the colors of the chapter's figures."""
    share = (numbers / (np.abs(numbers).max() or 1) + 1) / 2
    expected = RED_BLUE(share)[..., :3] * 255
    found = colors(view)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1)


def lowest_contrast(page):
    """WCAG's contrast of the number that stands out least from its cell."""
    styles = page.locator(".sliding-numbers > *, .sliding-sum").evaluate_all(
        """cells => cells.map(getComputedStyle).map((s) => [s.color, s.backgroundColor])"""
    )
    rgb = np.array([[[*map(int, re.findall(r"\d+", c))] for c in pair] for pair in styles]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    light = linear @ [0.2126, 0.7152, 0.0722] + 0.05
    return (light.max(axis=1) / light.min(axis=1)).min()


def middle(view, size, row, column):
    """The point of the screen in the middle of a cell of a view of H × W cells."""
    view.scroll_into_view_if_needed()
    box = view.bounding_box()
    return (
        box["x"] + (column + 0.5) / size[1] * box["width"],
        box["y"] + (row + 0.5) / size[0] * box["height"],
    )


def views(page):
    """The picture and the map."""
    found = page.locator(".sliding-view")
    return found.nth(0), found.nth(1)


@pytest.mark.parametrize("seed", range(8))
def test_products_sums_and_maps_are_those_of_pytorch(start, seed):
    rng = np.random.default_rng(seed)
    page = start(scheme=("light", "dark")[seed % 2])
    name = ("a 4", "ink on paper", "a photograph")[seed % 3]
    K = 3 + 2 * (seed // 4)
    stride, padding = int(rng.integers(1, 5)), int(rng.integers(0, 3))
    kernel = rng.integers(-30, 31, (K, K)) / 10
    choose(page, "picture", name)
    slide(page, "stride", stride)
    slide(page, "padding", padding)
    write_kernel(page, kernel)

    x = picture(name)
    out = conv2d(x[None], kernel[None, None], stride=stride, padding=padding)[0]
    padded = np.pad(x, padding)
    shown, shown_map = views(page)
    np.testing.assert_allclose(colors(shown), np.repeat(padded[..., None] * 255, 3, -1), atol=1)
    assert_red_and_blue(shown_map, out)
    text = page.locator("article").inner_text()
    assert f"map, {out.shape[0]}×{out.shape[1]}: " in text
    summed = number(re.search(r"adds up to (\S+)", text)[1])
    assert abs(summed - kernel.sum()) <= HALF
    for _ in range(4):
        i, j = (int(rng.integers(size)) for size in out.shape)
        page.mouse.move(*middle(shown_map, out.shape, i, j))
        assert place(page) == (i, j)
        window = padded[i * stride : i * stride + K, j * stride : j * stride + K]
        np.testing.assert_allclose(cells(page, "window"), window, atol=HALF)
        np.testing.assert_allclose(cells(page, "products"), window * kernel, atol=HALF)
        assert abs(total(page) - out[i, j]) <= HALF
        assert lowest_contrast(page) >= 4.5
        assert f"{K * K} products add up to {page.locator('.sliding-sum').inner_text()}" in (
            page.locator("[aria-live]").inner_text()
        )


def test_presets_are_the_kernels_of_the_chapter(start):
    notebook = json.loads((ROOT / f"{CHAPTER}.ipynb").read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    (source,) = (source for source in sources if source.startswith("kernels = {"))
    scope = {"np": np, "vertical": VERTICAL}
    exec(source.split("\nmaps")[0], scope)
    page = start()
    for name, kernel in scope["kernels"].items():
        choose(page, "kernel", name)
        values = [float(field.input_value()) for field in fields(page).all()]
        np.testing.assert_allclose(values, kernel.ravel(), atol=HALF)
        assert_red_and_blue(views(page)[1], conv2d(picture("a 4")[None], kernel[None, None])[0])
    weight = train.load(models.lenet(), WEIGHTS)[0].weight.detach().numpy()
    for o, kernel in enumerate(weight):
        choose(page, "kernel", f"LeNet, filter {o}")
        assert_red_and_blue(views(page)[1], conv2d(picture("a 4")[None], kernel[None])[0])


def test_a_larger_kernel_keeps_its_middle_and_its_map(start):
    page = start()
    before = colors(views(page)[1])
    choose(page, "size", "5×5")
    slide(page, "padding", 1)
    np.testing.assert_array_equal(colors(views(page)[1]), before)
    assert page.get_by_role("combobox", name="kernel").input_value() == "your own"
    choose(page, "size", "3×3")
    assert [float(field.input_value()) for field in fields(page).all()] == [*VERTICAL.flat]


def test_the_window_lies_below_the_mouse_and_stops_at_the_border(start):
    page = start()
    shown, _ = views(page)
    page.mouse.move(*middle(shown, (28, 28), 10, 20))
    assert place(page) == (9, 19)  # its corner: the pixel is in the middle of 3×3
    page.mouse.move(*middle(shown, (28, 28), 0, 27))
    assert place(page) == (0, 25)
    frame = shown.locator(".sliding-frame").bounding_box()
    assert frame["width"] == pytest.approx(3 / 28 * shown.bounding_box()["width"], abs=0.1)
    slide(page, "stride", 3)
    page.mouse.move(*middle(shown, (28, 28), 10, 20))
    assert place(page) == (3, 6)


def test_the_arrow_keys_move_the_window(start):
    page = start()
    page.get_by_role("slider", name="padding").focus()
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert "arrow keys" in focused.get_attribute("aria-label")
    assert focused.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    row, column = place(page)
    for key, step in {"Up": (-1, 0), "Left": (0, -1), "Down": (1, 0), "Right": (0, 1)}.items():
        page.keyboard.press(f"Arrow{key}")
        row, column = row + step[0], column + step[1]
        assert place(page) == (row, column)
    for _ in range(30):
        page.keyboard.press("ArrowDown")
    assert place(page) == (25, column)
    assert page.evaluate("scrollY") == 0
    out = conv2d(picture("a 4")[None], VERTICAL[None, None])[0]
    assert abs(total(page) - out[25, column]) <= HALF


def test_a_kernel_is_edited_with_the_keyboard(start):
    page = start()
    fields(page).nth(4).focus()
    page.keyboard.press("ArrowUp")
    assert fields(page).nth(4).input_value() == "1"
    fields(page).nth(4).fill("")  # while one types, nothing counts as 0
    kernel = np.array(VERTICAL, float)
    assert_red_and_blue(views(page)[1], conv2d(picture("a 4")[None], kernel[None, None])[0])
    page.keyboard.press("Tab")
    assert fields(page).nth(4).input_value() == "0"
    for typed, kept in (("1e39", 999), ("-1e5", -999), ("0.25", 0.25)):
        fields(page).nth(4).fill(typed)
        page.keyboard.press("Tab")
        assert float(fields(page).nth(4).input_value()) == kept
        kernel[1, 1] = kept
        assert_red_and_blue(views(page)[1], conv2d(picture("a 4")[None], kernel[None, None])[0])
    choose(page, "kernel", "blur")
    choose(page, "kernel", "your own")  # kept
    assert float(fields(page).nth(4).input_value()) == 0.25


def assert_map_of_the_drawing(page):
    """The map is that of the picture shown; returns how much ink there is."""
    shown, shown_map = views(page)
    drawn = colors(shown)[..., 0] / 255
    out = conv2d(drawn[None], VERTICAL[None, None])[0]
    share = (out / (np.abs(out).max() or 1) + 1) / 2
    expected = RED_BLUE(share)[..., :3] * 255
    np.testing.assert_allclose(colors(shown_map), expected, atol=8)  # `drawn` is rounded to 1/255
    return drawn.sum()


def test_a_drawing_by_mouse_and_keyboard(start):
    page = start()
    choose(page, "picture", "your drawing")
    assert assert_map_of_the_drawing(page) == 0
    shown, _ = views(page)
    page.mouse.move(*middle(shown, (28, 28), 5, 14))
    assert assert_map_of_the_drawing(page) == 0  # hovering draws nothing
    page.mouse.down()
    page.mouse.move(*middle(shown, (28, 28), 22, 14), steps=3)
    page.mouse.up()
    page.mouse.move(*middle(shown, (28, 28), 10, 3))
    line = assert_map_of_the_drawing(page)
    column = colors(shown)[..., 0][:, 14]
    assert (column[5:23] == 255).all()  # no gaps between the points of a fast mouse
    assert (colors(shown)[..., 0][:, :11] == 0).all()
    shown.focus()
    page.keyboard.press("Space")
    assert colors(shown)[10, 3, 0] == 255
    assert assert_map_of_the_drawing(page) > line
    page.get_by_role("button", name="Clear").click()
    assert assert_map_of_the_drawing(page) == 0
    # A stroke out of the picture and in again at another side is no line across.
    (left, top), (right, _) = (middle(shown, (28, 28), 20, column) for column in (2, 25))
    page.mouse.move(left, top)
    page.mouse.down()
    bottom = middle(shown, (28, 28), 34, 2)[1]
    for point in ((left, bottom), (right + 60, bottom), (right + 60, top), (right, top)):
        page.mouse.move(*point, steps=3)
    page.mouse.up()
    assert_map_of_the_drawing(page)
    assert (colors(shown)[..., 0][:26, 6:22] == 0).all()
    choose(page, "picture", "a 4")
    assert not page.get_by_role("button", name="Clear").is_visible()
    page.mouse.move(*middle(shown, (28, 28), 5, 14))
    page.mouse.down()
    page.mouse.up()
    np.testing.assert_allclose(colors(shown)[..., 0], picture("a 4") * 255, atol=1)


def test_fingers_move_the_window_and_draw(start):
    page = start(viewport={"width": 360, "height": 700}, has_touch=True, is_mobile=True)
    assert page.evaluate(WIDTH) == []
    _, shown_map = views(page)
    page.touchscreen.tap(*middle(shown_map, (26, 26), 18, 12))
    assert place(page) == (18, 12)
    choose(page, "picture", "your drawing")
    shown, _ = views(page)
    finger = page.context.new_cdp_session(page)
    points = [middle(shown, (28, 28), row, 14) for row in (4, 12, 22)]
    before = page.evaluate("scrollY")
    for kind, point in zip(("Start", "Move", "Move"), points, strict=True):
        touch = {"type": f"touch{kind}", "touchPoints": [{"x": point[0], "y": point[1]}]}
        finger.send("Input.dispatchTouchEvent", touch)
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert page.evaluate("scrollY") == before
    assert (colors(shown)[5:22, 14, 0] == 255).all()
    assert_map_of_the_drawing(page)


def test_fields_are_large_enough_for_a_finger(start):
    page = start(viewport={"width": 360, "height": 700}, has_touch=True, is_mobile=True)
    choose(page, "size", "5×5")
    assert page.evaluate(WIDTH) == []
    for box in (field.bounding_box() for field in page.locator("input, select").all()):
        assert box["width"] >= 32
        assert box["height"] >= 32


def filters_of(name, page):
    """The input (C, H, W), the filters and the biases of a layer of the second demonstration."""
    if name.startswith("LeNet"):
        mean, std = page.evaluate("[demo_data.kernels.mean, demo_data.kernels.std]")
        layer = train.load(models.lenet(), WEIGHTS)[0]
        x = (picture("a 4")[None] - mean) / std
        return x, layer.weight.detach().numpy(), layer.bias.detach().numpy(), layer.padding[0]
    mean, outline = np.full((3, 3), 1 / 9), np.full((3, 3), -1)
    outline[1, 1] = 8
    if name.endswith("4"):
        weight = np.stack([VERTICAL, VERTICAL.T, outline, mean])[:, None]
        return picture("a 4")[None], weight, np.zeros(4), 0
    alone = np.zeros((3, 3))
    alone[1, 1] = 1
    factors = [np.full(3, 1 / 3), [1, -1, 0], [1, -0.5, -0.5], LUMA]
    kernels = [VERTICAL, VERTICAL, mean, alone]
    weight = np.stack([np.multiply.outer(f, k) for f, k in zip(factors, kernels, strict=True)])
    return picture("color"), weight, np.array([0, 0, -0.3, 0]), 0


LAYERS = ("four filters for color", "four kernels on a 4", "LeNet’s first layer on a 4")


@pytest.mark.parametrize("name", LAYERS)
def test_filters_add_what_their_kernels_find(start, name):
    page = start("filters")
    choose(page, "layer", name)
    x, weight, bias, padding = filters_of(name, page)
    out = conv2d(x, weight, padding=padding) + bias[:, None, None]
    in_color = len(x) == 3
    inputs, maps = (page.locator(".sliding-grid").nth(n) for n in (0, 1))
    seen = inputs.locator(".sliding-view")
    assert seen.count() == (4 if in_color else 1)
    if in_color:
        np.testing.assert_allclose(colors(seen.nth(0)), x.transpose(1, 2, 0) * 255, atol=1)
    shown = maps.locator(".sliding-view")
    assert shown.count() == len(weight)
    for view, numbers in zip(shown.all(), out, strict=True):
        assert_red_and_blue(view, numbers)
    rng = np.random.default_rng(0)
    for _ in range(4):
        o, i, j = (int(rng.integers(size)) for size in out.shape)
        page.mouse.move(*middle(shown.nth(o), out.shape[1:], i, j))
        assert place(page) == (i, j)
        sums = [
            conv2d(x[c : c + 1], weight[:, c : c + 1], padding=padding)[:, i, j]
            for c in range(len(x))
        ]
        for o, written in enumerate(maps.locator(".sliding-column > .sliding-title").all()[1::2]):
            *terms, answer = re.findall(r"[+−-]?\s?[\d.]+", written.inner_text())
            terms = [number(re.sub(r"[+\s]", "", term)) for term in terms]
            if terms:
                expected = [channel[o] for channel in sums] + [bias[o]] * (len(terms) > len(sums))
                np.testing.assert_allclose(terms, expected, atol=HALF)
                adds_up = round(sum(terms), 2) == number(answer.replace("\xa0", ""))
                assert re.findall("[=≈]", written.inner_text()) == ["=" if adds_up else "≈"]
            assert abs(number(answer.replace("\xa0", "")) - out[o, i, j]) <= HALF


def test_the_window_of_a_layer_follows_the_arrow_keys(start):
    page = start("filters", viewport={"width": 360, "height": 700})
    assert page.evaluate(WIDTH) == []
    row, column = place(page)
    page.get_by_role("combobox", name="layer").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    assert place(page) == (row - 1, column + 1)
    tops = page.locator(".sliding-frame").evaluate_all("all => all.map((e) => e.style.top)")
    assert (
        tops
        == [f"{100 * (row - 1) / 32:g}%"] * 4 + [f"{float(f'{100 * (row - 1) / 30:.4f}'):g}%"] * 4
    )


@pytest.mark.parametrize("name", LAYERS)
def test_a_finger_on_a_map_moves_the_window_of_a_layer(start, name):
    page = start("filters", viewport={"width": 360, "height": 700}, has_touch=True, is_mobile=True)
    choose(page, "layer", name)
    assert page.evaluate(WIDTH) == []
    x, weight, bias, padding = filters_of(name, page)
    out = conv2d(x, weight, padding=padding) + bias[:, None, None]
    inputs, maps = (page.locator(".sliding-grid").nth(n) for n in (0, 1))
    for o, (i, j) in enumerate([(18, 12), (2, 21)]):
        page.touchscreen.tap(*middle(maps.locator(".sliding-view").nth(o), out.shape[1:], i, j))
        assert place(page) == (i, j)
        told = page.locator("[aria-live]").inner_text().partition(": ")[2].rstrip(".")
        answers = [number(answer.rpartition(" ")[2]) for answer in told.split(", ")]
        np.testing.assert_allclose(answers, out[:, i, j], atol=HALF)
    seen = inputs.locator(".sliding-view").last
    size = tuple(side + 2 * padding for side in x.shape[1:])
    page.touchscreen.tap(*middle(seen, size, 9, 7))
    K = weight.shape[-1]
    assert place(page) == (9 - K // 2, 7 - K // 2)  # its corner: the pixel is in the middle


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("from_disk", [True, False])
def test_both_stand_in_the_chapter(browser, book, serve, scheme, from_disk):
    faults = []
    context = browser.new_context(color_scheme=scheme, viewport={"width": 360, "height": 700})
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: faults.append(request.url) if outside(request.url) else None)
    page.goto(f"{book.as_uri() if from_disk else serve(book)}/{CHAPTER}.html")
    assert page.locator(".demo").count() == 2
    assert page.locator(".demo .sliding-view").count() == 2 + 8
    assert page.evaluate(WIDTH) == []
    for theme in (scheme, "dark" if scheme == "light" else "light"):  # switched while it is open
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        assert [fault for fault in page.evaluate(CONTRAST, theme) if "sliding" in fault] == []
    assert faults == []
    context.close()


def outside(url):
    return not url.startswith(("file:", "data:", "blob:", "http://127.0.0.1:"))


def test_without_javascript_the_page_has_no_empty_boxes(browser, book):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((book / f"{CHAPTER}.html").as_uri())
    assert page.locator(".demo").count() == 2
    assert page.locator(".demo:visible").count() == 0
    assert page.locator("#fig-convolution-kernels img").is_visible()
    context.close()

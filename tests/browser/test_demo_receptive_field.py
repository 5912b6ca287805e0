"""The demonstration "Receptive field", driven as a reader would, against package and PyTorch."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from test_browser import CONTRAST, OPEN_FOLDS, WIDTH
from torch import nn

from lenet_course.shapes import conv_output_size, receptive_field

LENET = [("convolution", 5, 1, 2, 1), ("pooling", 2, 2, 0, 1)]
LENET += [("convolution", 5, 1, 0, 1), ("pooling", 2, 2, 0, 1)]


@pytest.fixture
def start(reader):
    return partial(reader, "chapters/16_what_a_layer_sees.html")


def demo_of(page):
    return page.locator('.demo[data-demo="receptive_field"]')


def marked(drawing):
    """Return the marked cells of a map, as (row, column)."""
    path = drawing.locator(":is(.demo-window, .demo-chosen, .demo-reached)").get_attribute("d")
    return {(int(y), int(x)) for x, y in re.findall(r"M(-?\d+) (-?\d+)h1", path)}


def test_it_begins_with_lenet(start):
    demo = demo_of(start())
    headings = [
        text.split("\n") for text in demo.locator(".demo-chain .demo-hint").all_inner_texts()
    ]
    assert [heading[1] for heading in headings] == [f"{n} × {n}" for n in (28, 28, 14, 10, 5)]
    assert [heading[2:] for heading in headings[1:]] == [
        [f"each sees {n}×{n}"] for n in (5, 6, 14, 16)
    ]
    assert (
        demo.locator(".demo-formula").inner_text() == "r = 1 + 4 · 1 + 1 · 1 + 4 · 2 + 1 · 2 = 16"
    )
    assert "receptive field of 16 × 16 and sees 256 pixels." in demo.inner_text()


BUILD_ALL = """(stacks) => {
  const demo = document.querySelector('.demo[data-demo="receptive_field"]');
  const change = (input, value) => {
    input.value = value;
    input.dispatchEvent(new Event(input.type === "range" ? "input" : "change"));
  };
  const button = (text) => [...demo.querySelectorAll("button")].find((b) => b.textContent === text);
  return stacks.map(([size, layers]) => {
    change(demo.querySelector("input[type=range]"), size);
    while (button("✕")) button("✕").click();
    for (const [kind] of layers) button(`+ ${kind}`).click();
    demo.querySelectorAll(".demo-layers .demo-row").forEach((row, i) =>
      row.querySelectorAll("select").forEach((select, k) => change(select, layers[i][k + 1])),
    );
    const maps = [...demo.querySelectorAll(".demo-chain > div")].filter((map) => !map.hidden);
    return {
      refusal: demo.querySelector(".demo-refusal").textContent,
      headings: maps.map((map) => map.firstChild.textContent.split("\\n")),
      sentence: demo.querySelector(".demo-live").textContent,
      formula: demo.querySelector(".demo-formula").textContent,
    };
  });
}"""


def random_stack(rng):
    kinds = rng.choice(["convolution", "pooling"], size=rng.integers(1, 6))
    layers = []
    for kind in kinds.tolist():
        K, S, P, D = rng.integers((1, 1, 0, 1), (6, 4, 3, 4)).tolist()
        pooling = kind == "pooling"
        layers.append((kind, K, S, min(P, K // 2) if pooling else P, 1 if pooling else D))
    return int(rng.integers(8, 33)), layers


def pixels_seen(size, layers, at):
    """Count the pixels with a gradient: of one output of a network whose weights are all ones."""
    net = nn.Sequential()
    for kind, K, S, P, D in layers:
        if kind == "pooling":
            net.append(nn.AvgPool2d(K, S, P))
        else:
            net.append(nn.Conv2d(1, 1, K, S, P, D, bias=False, dtype=torch.float64))
            nn.init.ones_(net[-1].weight)
    x = torch.ones(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    net(x)[0, 0][at].backward()
    return int(x.grad.count_nonzero())


def test_fields_and_pixels_are_those_of_the_package_and_pytorch(start):
    rng = np.random.default_rng(16)
    stacks = [(28, LENET)] + [random_stack(rng) for _ in range(150)]
    refused = 0
    for (size, layers), found in zip(stacks, start().evaluate(BUILD_ALL, stacks), strict=True):
        sizes, refusal = [size], ""
        for number, (_, *layer) in enumerate(layers, start=1):
            try:
                sizes.append(conv_output_size(sizes[-1], *layer))
            except ValueError as error:
                refusal = f"Layer {number}: {error}."
                break
        fitting = layers[: len(sizes) - 1]
        windows = [(K, S, D) for _, K, S, _, D in fitting]
        fields = [receptive_field(windows[:depth]) for depth in range(len(sizes))]
        assert found["refusal"] == refusal
        assert [heading[1] for heading in found["headings"]] == [f"{n} × {n}" for n in sizes]
        says = [heading[2] for heading in found["headings"][1:]]
        assert says == [f"each sees {r}×{r}" for r in fields[1:]]
        assert found["formula"].endswith(f"= {fields[-1]}")
        terms = found["formula"].removeprefix("r = ").split(" = ")[0].replace("·", "*")
        assert eval(terms) == fields[-1]
        refused += bool(refusal)
        if fitting:
            middle = ((sizes[-1] - 1) // 2,) * 2
            seen = pixels_seen(size, fitting, middle)
            r = fields[-1]
            start_of = f"Cell ({middle[0]}, {middle[1]}) of layer {len(fitting)} has a receptive"
            says = f"{start_of} field of {r} × {r} and sees {seen} pixels."
            assert found["sentence"].startswith(says)
            others = re.findall(r"(\d+) cells of the field", found["sentence"])
            assert seen + sum(map(int, others)) == r * r
    assert 10 < refused < 100


def test_pointing_at_a_cell_marks_what_it_sees_and_what_sees_it(start, root):
    page = start(root)
    demo = demo_of(page)
    drawings = demo.locator("svg.demo-grid").all()
    drawings[0].scroll_into_view_if_needed()
    box = drawings[2].bounding_box()  # 14 cells wide
    page.mouse.move(box["x"] + 5.5 / 14 * box["width"], box["y"] + 3.5 / 14 * box["height"])
    assert marked(drawings[2]) == {(3, 5)}
    assert marked(drawings[1]) == {(y, x) for y in (6, 7) for x in (10, 11)}
    assert marked(drawings[0]) == {(y, x) for y in range(4, 10) for x in range(8, 14)}
    assert marked(drawings[3]) == {(y, x) for y in range(4) for x in range(1, 6)}
    assert marked(drawings[4]) == {(y, x) for y in range(2) for x in range(3)}
    assert "2 × 3 cells of layer 4 see it." in demo.inner_text()


def test_a_corner_sees_padding(start):
    page = start()
    demo = demo_of(page)
    demo.locator("svg.demo-grid").nth(4).focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    assert "Cell (0, 0) of layer 4" in demo.inner_text()
    assert "sees 196 pixels. 60 cells of the field lie outside the image." in demo.inner_text()


def test_pixels_between_those_that_a_dilated_kernel_reads_are_not_seen(start):
    demo = demo_of(start())
    demo.get_by_label("layers").select_option("one 5 × 5")
    demo.get_by_label("dilation of layer 1").select_option("2")
    assert (
        "field of 9 × 9 and sees 25 pixels. 56 cells of the field lie on pixels"
        in demo.inner_text()
    )


def test_a_pooling_has_at_most_half_its_window_as_padding(start):
    demo = demo_of(start())
    demo.get_by_label("padding of layer 2").select_option("3")
    with pytest.raises(RuntimeError):
        nn.MaxPool2d(2, 2, padding=3)(torch.zeros(1, 1, 28, 28))
    says = "Layer 2: padding=3 is more than half of kernel_size=2."
    assert demo.get_by_role("alert").inner_text() == says
    assert demo.locator("svg.demo-grid:visible").count() == 2


def test_with_a_finger_on_a_phone(start):
    page = start(phone=True, has_touch=True, scheme="dark")
    demo = demo_of(page)
    image = demo.locator("svg.demo-grid").first
    image.scroll_into_view_if_needed()
    box = image.bounding_box()  # 32 cells wide, 2 of them padding on each side
    page.touchscreen.tap(box["x"] + 11.5 / 32 * box["width"], box["y"] + 4.5 / 32 * box["height"])
    assert marked(image) == {(2, 9)}
    assert "cells of layer 4 see it." in demo.inner_text()
    demo.get_by_label("layers").select_option("3 × 3, dilation 1, 2, 4")
    assert "receptive field of 15 × 15" in demo.inner_text()


def test_layers_come_and_go(start):
    page = start()
    demo = demo_of(page)
    demo.get_by_role("button", name="Remove layer 4").click()
    assert demo.locator("svg.demo-grid:visible").count() == 4
    assert demo.get_by_label("layers").input_value() == "your own"
    for _ in range(3):
        demo.get_by_role("button", name="+ convolution").click()
    more = demo.get_by_role("button", name="+ convolution")
    assert more.is_disabled()
    more.press("Enter")
    assert demo.locator(".demo-layers .demo-row").count() == 6
    assert page.evaluate("document.activeElement.textContent") == "+ convolution"
    demo.get_by_label("stride of layer 1").select_option("4")
    demo.get_by_label("kernel size of layer 3").select_option("7")
    assert demo.get_by_role("alert").inner_text().startswith("Layer 3: a kernel of size 7")
    assert demo.locator("svg.demo-grid:visible").count() == 3


@pytest.mark.parametrize("phone", [False, True])
def test_it_fits_and_reads_well(start, phone):
    page = start(phone=phone)
    page.evaluate(OPEN_FOLDS)
    assert page.evaluate(WIDTH) == []
    assert page.evaluate(CONTRAST, "light") == []
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(CONTRAST, "dark") == []
    sizes = "(e) => Math.min(e.offsetWidth, e.offsetHeight)"
    touched = demo_of(page).locator(":is(button, select):visible").all()
    assert min(part.evaluate(sizes) for part in touched) >= 32

"""The demonstration "Output sizes", driven as a reader would, against the package and PyTorch."""

import re
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from test_browser import CONTRAST, OPEN_FOLDS, WIDTH
from torch import nn

from lenet_course.shapes import conv_output_size

NAMES = ("size", "kernel_size", "stride", "padding", "dilation")
FIRST = {"size": 8, "kernel_size": 3, "stride": 2, "padding": 1, "dilation": 1}


@pytest.fixture
def start(reader):
    return partial(reader, "chapters/12_output_size.html")


def demo_of(page):
    return page.locator('.demo[data-demo="output_size"]')


def grids_of(page):
    """Return the drawings of the input and of the output."""
    drawings = demo_of(page).locator("svg.demo-grid")
    return drawings.nth(0), drawings.nth(1)


def cells(drawing, kind):
    """Return the cells that are marked so, as (row, column)."""
    paths = drawing.locator(f".demo-{kind}").all()
    text = "".join(path.get_attribute("d") for path in paths)
    return [(int(y), int(x)) for x, y in re.findall(r"M(-?\d+) (-?\d+)h1", text)]


def point(drawing, row, column):
    """Return where the middle of a cell lies on the screen."""
    place = "(e) => ({ ...e.viewBox.baseVal, ...e.getBoundingClientRect().toJSON() })"
    box, view = drawing.bounding_box(), drawing.get_attribute("viewBox")
    left, top, width, height = map(float, view.split())
    assert drawing.evaluate(place)["width"] == pytest.approx(box["width"])
    x = box["x"] + (column + 0.5 - left) / width * box["width"]
    return x, box["y"] + (row + 0.5 - top) / height * box["height"]


def read(place, kernel_size, stride, padding, dilation):
    """Return what a window at a place of the output reads, along one axis."""
    return [place * stride - padding + entry * dilation for entry in range(kernel_size)]


CHANGE_ALL = """(settings) => {
  const demo = document.querySelector('.demo[data-demo="output_size"]');
  const differ = demo.querySelector("input[type=checkbox]");
  if (!differ.checked) differ.click();
  const sliders = [...demo.querySelectorAll("input[type=range]")];
  const shown = (e) => (e.hidden ? "" : e.textContent);
  const text = (part) => [...demo.querySelectorAll(part)].map(shown);
  return settings.map((values) => {
    values.forEach((value, i) => {
      sliders[i].value = value;
      sliders[i].dispatchEvent(new Event("input"));
    });
    return {
      values: sliders.map((slider) => Number(slider.value)),
      refusal: text(".demo-refusal").join(),
      results: text(".demo-result").map((number) => Number(number.replace("−", "-"))),
      steps: text(".demo-line").slice(1),
      summary: text(".demo-live")[0],
      code: text(".demo-code").join(),
      buttons: [...demo.querySelectorAll("button")]
        .filter((button) => button.checkVisibility())
        .map((button) => button.textContent),
    };
  });
}"""


def test_what_it_shows_is_what_the_package_and_pytorch_say(start):
    rng = np.random.default_rng(12)
    limits = {"size": 32, "kernel_size": 7, "stride": 8, "padding": 8, "dilation": 5}
    least = [name != "padding" for name in NAMES]
    drawn = [
        rng.integers(low, limits[name] + 1, size=(400, 2))
        for name, low in zip(NAMES, least, strict=True)
    ]
    settings = np.stack(drawn, axis=1)  # (400, 5, 2)
    shown = start().evaluate(CHANGE_ALL, settings.reshape(400, 10).tolist())
    refused = 0
    for setting, found in zip(settings.tolist(), shown, strict=True):
        named = dict(zip(NAMES, map(tuple, setting), strict=True))
        assert found["values"] == [number for pair in setting for number in pair]
        expected, words = size_or_refusal(named)
        assert found["refusal"] == words
        if words:
            refused += 1
            assert found["summary"] == ""
            assert "Copy" not in found["buttons"]
            assert min(found["results"]) < 1
            continue
        assert tuple(found["results"]) == expected
        assert found["summary"].startswith(f"The output has {expected[0]} × {expected[1]} cells.")
        assert found["summary"].endswith(unread_cells(expected, setting))
        for axis, line in enumerate(found["steps"]):
            size, K, S, P, D = (numbers[axis] for numbers in setting)
            assert f"{size} − {D * (K - 1) + 1} + 2 · {P}{S} + 1" in line
        layer = eval(found["code"], {"nn": nn})
        assert layer(torch.zeros(1, 1, *named["size"])).shape[2:] == expected
    assert 40 < refused < 300


def size_or_refusal(setting):
    """Ask the package for the size of the output, and for its words where there is none."""
    try:
        return conv_output_size(**setting), ""
    except ValueError as error:
        return None, f"{error}."


def unread_cells(expected, setting):
    """Say what no window reads, counted cell by cell."""
    sizes, _, _, paddings, _ = setting
    seen = [
        {cell for place in range(expected[axis]) for cell in read(place, *along)}
        for axis, along in enumerate(zip(*setting[1:], strict=True))
    ]
    missed = {True: 0, False: 0}  # pixels, padding
    number = {True: 0, False: 0}
    ranges = [range(-p, n + p) for n, p in zip(sizes, paddings, strict=True)]
    for row, column in product(*ranges):
        is_pixel = 0 <= row < sizes[0] and 0 <= column < sizes[1]
        number[is_pixel] += 1
        missed[is_pixel] += not (row in seen[0] and column in seen[1])
    parts = [
        f"{missed[kind]} of the {number[kind]} {name}"
        for kind, name in ((True, "pixels"), (False, "cells of padding"))
        if missed[kind]
    ]
    return f"No window reads {' and '.join(parts)}." if parts else "Every cell is read."


def test_the_hatched_cells_are_those_that_no_window_reads(start):
    page = start()
    settings = [[8, 8, 3, 3, 2, 2, 1, 1, 2, 2], [9, 5, 2, 3, 3, 1, 0, 2, 1, 1]]
    for setting in settings:
        page.evaluate(CHANGE_ALL, [setting])
        sizes, kernels, strides, paddings, dilations = np.reshape(setting, (5, 2)).tolist()
        outputs = conv_output_size(sizes, kernels, strides, paddings, dilations)
        seen = set()
        for row, column in product(*map(range, outputs)):
            rows = read(row, kernels[0], strides[0], paddings[0], dilations[0])
            columns = read(column, kernels[1], strides[1], paddings[1], dilations[1])
            seen |= set(product(rows, columns))
        everything = set(product(*(range(-p, n + p) for n, p in zip(sizes, paddings, strict=True))))
        hatched = cells(grids_of(page)[0], "unread")
        assert len(hatched) == len(set(hatched))
        assert set(hatched) == everything - seen


@pytest.mark.parametrize(
    ("chapter", "offered"),
    [
        (
            "31_lenet",
            {
                "conv 2": (10, "nn.Conv2d(6, 16, kernel_size=5)"),
                "conv 1": (28, "nn.Conv2d(1, 6, kernel_size=5, padding=2)"),
                "pool 1": (14, ""),
                "pool 2": (5, ""),
            },
        ),
        ("14_pooling", {"2×2 on 7×7": (3, ""), "2×2 on 5×5": (2, ""), "3×3 on 5×5": (2, "")}),
    ],
)
def test_a_page_offers_settings_of_its_own(reader, chapter, offered):
    page = reader(f"chapters/{chapter}.html")
    demo = demo_of(page)
    choice = demo.get_by_label("setting")
    assert choice.locator("option").all_inner_texts() == list(offered)
    for name, (size, call) in offered.items():
        if name != next(iter(offered)):  # the first is shown from the start
            choice.select_option(name)
        assert demo.locator(".demo-result").all_inner_texts() == [str(size)]
        assert cells(grids_of(page)[1], "window") == [(0, 0)]
        assert demo.get_by_role("button", name="Copy").is_visible() == bool(call)
        assert demo.locator(".demo-code").text_content() == call
        demo.get_by_label("height and width differ").check()
        demo.get_by_role("slider", name="input Sᵢ, width").fill("9")
        demo.get_by_role("button", name="Step ▶").click()


def test_one_setting_is_no_choice(start):
    assert not demo_of(start()).get_by_label("setting").is_visible()


def test_the_axes_move_together_until_they_differ(start):
    demo = demo_of(start())
    heights = demo.get_by_role("slider")
    assert heights.count() == 5  # the others are hidden
    heights.nth(0).fill("20")
    assert "20 − 3" in demo.locator(".demo-formula").inner_text()
    assert demo.locator(".demo-result").all_inner_texts() == ["10"]
    demo.get_by_label("height and width differ").check()
    assert heights.count() == 10
    demo.get_by_role("slider", name="stride S, width").fill("3")
    assert demo.locator(".demo-result").all_inner_texts() == ["10", "7"]
    assert demo.locator(".demo-code").inner_text() == (
        "nn.Conv2d(1, 1, kernel_size=3, stride=(2, 3), padding=1)"
    )
    demo.get_by_label("height and width differ").uncheck()
    assert demo.locator(".demo-result").all_inner_texts() == ["10"]


def test_it_begins_anew_when_the_reader_comes_back(start, root):
    page = start(root)
    demo_of(page).get_by_label("height and width differ").check()
    demo_of(page).get_by_role("slider").nth(0).fill("20")
    page.goto(f"{root}/chapters/13_convolution.html")
    page.go_back()
    sliders = demo_of(page).get_by_role("slider")
    assert sliders.count() == 5
    assert sliders.nth(0).input_value() == sliders.nth(0).get_attribute("aria-valuetext") == "8"


def test_a_tall_image_fits_the_screen(start):
    page = start()
    demo_of(page).get_by_label("height and width differ").check()
    for slider, value in ((0, "32"), (1, "1"), (2, "1"), (3, "1"), (6, "8")):
        demo_of(page).get_by_role("slider").nth(slider).fill(value)  # 48 rows
    assert grids_of(page)[0].bounding_box()["height"] <= 0.75 * page.viewport_size["height"]


def test_the_formula_rounds_down(start):
    demo = demo_of(start())
    numbers = demo.locator(".demo-line").nth(1)
    assert re.sub(r"\s+", " ", numbers.inner_text()).count("3.5") == 1
    assert numbers.get_attribute("aria-label") == "height: floor((8 − 3 + 2 · 1) / 2) + 1 = 4"
    demo.get_by_role("slider").nth(0).fill("9")
    assert "." not in numbers.inner_text()


def test_a_kernel_that_hangs_over(start):
    demo = demo_of(start())
    demo.get_by_role("slider").nth(1).fill("11")
    with pytest.raises(ValueError) as refused:
        conv_output_size(8, 11, 2, 1)
    assert demo.get_by_role("alert").inner_text() == f"{refused.value}."
    assert len(cells(demo.locator("svg.demo-grid").nth(0), "overhang")) == 121
    demo.get_by_role("slider").nth(4).fill("5")
    hangs_out = """(e) => { const [a, b] = [e, e.querySelector(".demo-overhang")].map((part) =>
        part.getBoundingClientRect()); return b.right > a.right + 1 || b.bottom > a.bottom + 1; }"""
    assert not demo.locator("svg.demo-grid").nth(0).evaluate(hangs_out)
    demo.get_by_role("slider").nth(4).fill("1")
    assert demo.locator("svg.demo-grid").count() == 2
    assert not demo.locator("svg.demo-grid").nth(1).is_visible()
    assert not demo.get_by_role("button", name="Step ▶").is_visible()
    demo.get_by_role("slider").nth(1).fill("3")
    assert demo.locator("svg.demo-grid").nth(1).is_visible()


def window_at(row, column):
    """Return the cells that the first state's window reads at a place of the output."""
    along = [FIRST[name] for name in NAMES[1:]]
    return list(product(read(row, *along), read(column, *along)))


def test_with_the_mouse(start, root):
    page = start(root)
    input_grid, output_grid = grids_of(page)
    input_grid.scroll_into_view_if_needed()
    page.mouse.move(*point(output_grid, 1, 2))
    assert cells(output_grid, "window") == [(1, 2)]
    assert cells(input_grid, "window") == window_at(1, 2)
    x, y = point(output_grid, 2, 3)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 1, y + 1)  # no hand is quite still
    page.mouse.up()
    assert cells(output_grid, "pinned") == [(2, 3)]
    page.mouse.move(*point(output_grid, 2, 2))
    assert cells(input_grid, "pinned") == window_at(2, 3)
    assert cells(input_grid, "window") == window_at(2, 2)
    assert "The two share 3 cells." in demo_of(page).inner_text()

    page.mouse.move(*point(input_grid, *window_at(2, 2)[0]))  # by its corner
    page.mouse.down()
    assert cells(input_grid, "window") == window_at(2, 2)
    page.mouse.move(*point(input_grid, *window_at(0, 1)[0]), steps=4)
    page.mouse.up()
    page.mouse.move(0, 0)
    assert cells(input_grid, "window") == window_at(0, 1)
    page.mouse.click(*point(input_grid, *window_at(2, 2)[4]), button="right")
    assert cells(input_grid, "window") == window_at(0, 1)
    page.mouse.click(*point(input_grid, *window_at(3, 3)[4]))  # beside it
    assert cells(input_grid, "window") == window_at(3, 3)
    assert cells(output_grid, "pinned") == [(2, 3)]
    demo_of(page).get_by_role("button", name="Unpin").click()
    assert cells(output_grid, "pinned") == []
    assert output_grid.evaluate("(e) => e === document.activeElement")


def test_with_the_keyboard(start, root):
    page = start(root)
    _, output_grid = grids_of(page)
    output_grid.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    assert cells(output_grid, "window") == [(1, 1)]
    page.keyboard.press("Enter")
    for _ in range(9):
        page.keyboard.press("ArrowUp")  # stops at the edge
    assert cells(output_grid, "window") == [(0, 1)]
    assert cells(output_grid, "pinned") == [(1, 1)]
    page.keyboard.press("Escape")
    assert cells(output_grid, "pinned") == []
    page.keyboard.press("Control+ArrowDown")  # the browser's own
    assert cells(output_grid, "window") == [(0, 1)]
    outline = "(e) => getComputedStyle(e).outlineStyle"
    assert output_grid.evaluate(outline) == "solid"


def test_with_the_buttons(start):
    page = start()
    demo, (_, output_grid) = demo_of(page), grids_of(page)
    for _ in range(5):
        demo.get_by_role("button", name="Step ▶").click()
    assert cells(output_grid, "window") == [(1, 1)]
    for _ in range(6):
        demo.get_by_role("button", name="◀ Step back").click()
    assert cells(output_grid, "window") == [(3, 3)]  # round the end
    assert "rows 5 to 7 and columns 5 to 7." in demo.inner_text()


def test_with_a_finger_on_a_phone(start):
    page = start(phone=True, has_touch=True, scheme="dark")
    input_grid, output_grid = grids_of(page)
    output_grid.scroll_into_view_if_needed()
    page.touchscreen.tap(*point(output_grid, 3, 1))
    assert cells(output_grid, "pinned") == [(3, 1)]
    input_grid.scroll_into_view_if_needed()
    page.touchscreen.tap(*point(input_grid, *window_at(2, 2)[4]))
    assert cells(output_grid, "window") == [(2, 2)]
    assert cells(input_grid, "pinned") == window_at(3, 1)


@pytest.mark.parametrize("differ", [False, True])
def test_it_fits_a_phone(start, differ):
    page = start(phone=True)
    demo = demo_of(page)
    demo.get_by_label("height and width differ").set_checked(differ)
    demo.get_by_role("slider").nth(0).fill("32")
    page.evaluate(OPEN_FOLDS)
    assert page.evaluate(WIDTH) == []
    inside = """(demo) => [...demo.querySelectorAll("*")].filter((e) => e.checkVisibility()
        && e.getBoundingClientRect().right > demo.getBoundingClientRect().right).length"""
    assert demo.evaluate(inside) == 0
    sizes = "(e) => Math.min(e.offsetWidth, e.offsetHeight)"
    assert all(button.evaluate(sizes) >= 32 for button in demo.locator("button:visible").all())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_reads_well_in_both_themes(start, scheme):
    page = start(scheme=scheme)
    assert page.evaluate(CONTRAST, scheme) == []
    fill = "(e) => getComputedStyle(e.querySelector('.demo-inside')).fill"
    before = grids_of(page)[0].evaluate(fill)
    other = "dark" if scheme == "light" else "light"
    page.emulate_media(color_scheme=other)
    assert page.evaluate(CONTRAST, other) == []
    assert grids_of(page)[0].evaluate(fill) != before


def test_the_call_is_copied_where_a_page_may_and_selected_where_not(start, serve, book):
    call = "nn.Conv2d(1, 1, kernel_size=3, stride=2, padding=1)"
    page = start(serve(book), permissions=["clipboard-read", "clipboard-write"])
    demo_of(page).get_by_role("button", name="Copy").click()
    demo_of(page).get_by_text("Copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == call

    page = start()
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    demo_of(page).get_by_role("button", name="Copy").click()
    demo_of(page).get_by_text("press Ctrl+C").wait_for()
    assert page.evaluate("String(getSelection())") == call

"""The digit that a reader draws, and its way through LeNet, against PyTorch and by hand."""

import json
import re
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from test_browser import CONTRAST, WIDTH
from torch.nn import functional as F

from lenet_course import data, models, shapes, train

ROOT = Path(__file__).parents[2]
DEMOS = ROOT / "_static" / "demos"
PAGES = {"digit": "intro.html", "layers": "chapters/31_lenet.html"}
SEVEN = [(80, 60), (200, 60), (130, 230)]  # points (column, row) on the pad of 280 × 280
STAGES = {  # the layers after which a stage of the page comes, and its windows down to the picture
    "conv 1": (2, [(5, 1)]),
    "pool 1": (3, [(5, 1), (2, 2)]),
    "conv 2": (5, [(5, 1), (2, 2), (5, 1)]),
    "pool 2": (6, [(5, 1), (2, 2), (5, 1), (2, 2)]),
    "linear 1": (9, None),
    "linear 2": (11, None),
    "linear 3, the scores": (12, None),
}


# --- the preparation and the network, in a page of their own


@pytest.fixture(scope="module")
def lab(browser):
    """A page with the scripts, a pad in it, and the functions that the tests call."""
    page = browser.new_page()
    page.set_content("<div class=demo></div>")
    for name in ("core", "page", "data/lenet", "data/digits_wrong", "preparation", "digit"):
        page.add_script_tag(path=DEMOS / f"{name}.js")
    page.evaluate("() => { window.pad = digit.mount(document.querySelector('.demo')); }")
    yield page
    page.close()


def drawings():
    """Draw at random: strokes, blocks, dots and thin lines on pads of many sizes."""
    rng = np.random.default_rng(31)
    for _ in range(150):
        height, width = rng.integers(1, 90, size=2)
        ink = np.zeros((height, width))
        for _ in range(rng.integers(1, 5)):
            top, left = rng.integers(height), rng.integers(width)
            bottom, right = rng.integers(top, height) + 1, rng.integers(left, width) + 1
            ink[top:bottom, left:right] = rng.integers(1, 256, size=(bottom - top, right - left))
        yield ink / 255


PREPARE = """(texts) => JSON.parse(texts).map((rows) => {
  const picture = cnn.tensor([rows.length, rows[0].length], rows.flat());
  const { box, scaled, top, left, centered, normalized } = preparation.prepare(picture, 0.25, 0.5);
  const list = ({ shape, data }) => ({ shape, data: [...data] });
  const parts = { scaled: list(scaled), centered: list(centered), normalized: list(normalized) };
  return { box, top, left, mass: preparation.centerOfMass(centered), ...parts };
})"""


def array(tensor):
    return np.array(tensor["data"]).reshape(tensor["shape"])


def test_a_drawing_is_prepared_as_the_reference_does(lab):
    inks = list(drawings())
    prepared = lab.evaluate(PREPARE, json.dumps([ink.tolist() for ink in inks]))
    whole = 0
    for ink, found in zip(inks, prepared, strict=True):
        rows, columns = np.nonzero(ink.any(axis=1))[0], np.nonzero(ink.any(axis=0))[0]
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        box = {"top": rows[0], "left": columns[0], "height": height, "width": width}
        assert found["box"] == box

        longer = max(height, width)
        sizes = [max(1, int(20 * side / longer + 0.5)) for side in (height, width)]
        cropped = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        scaled = F.adaptive_avg_pool2d(torch.tensor(cropped)[None], sizes)[0].numpy()
        assert max(sizes) == 20
        np.testing.assert_allclose(array(found["scaled"]), scaled, atol=1e-6)

        centered, top, left = array(found["centered"]), found["top"], found["left"]
        placed = np.zeros((28, 28))
        placed[top : top + sizes[0], left : left + sizes[1]] = scaled
        np.testing.assert_allclose(centered, placed, atol=1e-6)
        mass = [np.average(np.arange(28), weights=centered.sum(axis=axis)) for axis in (1, 0)]
        np.testing.assert_allclose(found["mass"], mass, atol=1e-5)
        for size, corner, middle in zip(sizes, (top, left), mass, strict=True):
            assert abs(middle - 14) <= 0.5 + 1e-5 or corner in (0, 28 - size)
            whole += abs(middle - 14) <= 0.5 + 1e-5
        np.testing.assert_allclose(array(found["normalized"]), (centered - 0.25) / 0.5, atol=1e-5)
    assert whole > 250  # of 300: hardly any is stopped by the edge


def test_nothing_is_made_of_an_empty_pad(lab):
    assert lab.evaluate("preparation.prepare(cnn.tensor([9, 9]), 0, 1)") is None
    assert lab.evaluate("digit.read(cnn.tensor([280, 280]))") is None


@pytest.fixture(scope="module")
def lenet():
    return train.load(models.lenet(), ROOT / "experiments" / "results" / "lenet_mnist.safetensors")


@pytest.fixture(scope="module")
def normalization(lab):
    return lab.evaluate("[[demo_data.lenet.mean], [demo_data.lenet.std]]")


READ_DIGITS = """(digits) => digits.map((bytes) => {
  pad.showPixels(Uint8Array.from(bytes));
  const { answer, stages, prepared } = digit.read(pad.drawing());
  return { answer, scores: [...stages.scores.data], picture: [...prepared.centered.data] };
})"""


def test_test_digits_come_out_of_the_pad_as_they_were_and_are_read(lab, lenet, normalization):
    split = data.load("mnist", source="sample").test
    images, labels = split.images[::10], split.labels[::10]
    found = lab.evaluate(READ_DIGITS, images.reshape(len(images), -1).tolist())
    pictures = np.array([one["picture"] for one in found]).reshape(images.shape)
    np.testing.assert_allclose(pictures, images / 255, atol=1e-6)
    x = torch.tensor(images[:, None] / 255, dtype=torch.float32)
    scores = train.predict(lenet, data.normalize(x, *normalization)).numpy()
    np.testing.assert_allclose([one["scores"] for one in found], scores, atol=1e-3)
    assert len(labels) == 100
    assert np.sum([one["answer"] for one in found] == labels) >= 97


def test_each_digit_that_it_gets_wrong_is_read_wrong_on_the_pad(lab):
    labels = lab.evaluate("demo_data.digits_wrong.labels")
    pixels = lab.evaluate("[...demos.decode(demo_data.digits_wrong.pixels, Uint8Array)]")
    found = lab.evaluate(READ_DIGITS, np.reshape(pixels, (len(labels), -1)).tolist())
    assert not any(one["answer"] == label for one, label in zip(found, labels, strict=True))


def test_an_answer_takes_under_20_milliseconds(lab):
    times = lab.evaluate("""() => Array.from({ length: 101 }, () => {
      const start = performance.now();
      digit.read(pad.drawing());
      return performance.now() - start;
    })""")
    assert np.median(times) < 20


# --- in the book

READ = """() => {
  const canvas = document.querySelector(".digit-pad canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, 280, 280);
  const red = Float32Array.from({ length: 280 * 280 }, (_, i) => data[4 * i] / 255);
  const { box, scaled, top, centered } = digit.read(cnn.tensor([280, 280], red)).prepared;
  return { box, top, height: scaled.shape[0], picture: [...centered.data] };
}"""


@pytest.fixture(params=PAGES)
def start(reader, request):
    """Open the page of either demonstration; both have a pad."""
    return partial(reader, PAGES[request.param])


@pytest.fixture
def start_layers(reader):
    return partial(reader, PAGES["layers"])


def pad_of(page):
    return page.locator(".digit-pad canvas")


def points_on(page, points):
    """Scroll the pad to the middle and return where points on it are on the screen."""
    pad_of(page).evaluate("(e) => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
    box = pad_of(page).bounding_box()
    return [
        (box["x"] + x / 280 * box["width"], box["y"] + y / 280 * box["height"]) for x, y in points
    ]


def draw(page, points):
    first, *rest = points_on(page, points)
    page.mouse.move(*first)
    page.mouse.down()
    for point in rest:
        page.mouse.move(*point, steps=12)
    page.mouse.up()


def expect_answer(page, digit):
    said = page.locator(".digit-line .demo-live")
    expect(said).to_have_text(
        re.compile(rf"^LeNet reads an? {digit}, with a probability of .*\s%\.$")
    )
    assert page.locator(".digit-answer").inner_text() == str(digit)
    assert (
        pad_of(page).get_attribute("aria-label").startswith(f"Drawing pad. LeNet reads a {digit}")
    )
    assert page.locator(".digit-scores .chosen b").inner_text() == str(digit)
    spoken = page.locator(".digit-scores").aria_snapshot()  # scores and probabilities, too
    assert re.search(rf'listitem: "?{digit} \d+\.\d \d+\.\d\s%', spoken), spoken


def test_it_reads_a_three_at_first_and_then_what_the_mouse_draws(start, root):
    page = start(root)
    expect_answer(page, 3)
    invitation = page.get_by_text("Draw a digit here")
    assert invitation.is_visible()
    draw(page, SEVEN)
    expect_answer(page, 7)
    assert not invitation.is_visible()
    draw(page, [(110, 145), (200, 145)])  # a bar through it: added, not begun anew
    expect_answer(page, 7)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".digit-line .demo-live")).to_have_text("The pad is empty.")
    draw(page, [(140, 50), (140, 230)])
    expect_answer(page, 1)


def test_it_reads_what_a_finger_draws_and_the_page_stays(start):
    page = start(phone=True, has_touch=True, scheme="dark")
    touches = points_on(page, SEVEN)
    before = page.evaluate("scrollY")
    session = page.context.new_cdp_session(page)

    def touch(kind, *points):
        named = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": named})

    touch("touchStart", touches[0])
    for (x, y), (to_x, to_y) in pairwise(touches):
        for share in np.linspace(0, 1, 12):
            touch("touchMove", (x + share * (to_x - x), y + share * (to_y - y)))
    expect_answer(page, 7)
    drawn = pad_of(page).evaluate("(e) => e.toDataURL()")
    left, right = points_on(page, [(30, 250), (250, 250)])
    touch("touchStart", touches[-1], left)  # a second finger draws nothing
    touch("touchMove", touches[-1], right)
    assert pad_of(page).evaluate("(e) => e.toDataURL()") == drawn
    touch("touchEnd")
    expect_answer(page, 7)
    assert page.evaluate("scrollY") == before


def test_it_reads_what_the_keyboard_draws(start):
    page = start()
    pad_of(page).focus()

    def press(key, times):
        for _ in range(times):
            page.keyboard.press(key)

    press("ArrowLeft", 8)
    press("ArrowUp", 12)
    expect_answer(page, 3)  # the pen is up
    assert page.locator(".digit-pen").is_visible()
    press("Space", 1)
    press("ArrowRight", 16)
    for _ in range(12):  # two keys at once: a diagonal
        page.keyboard.down("ArrowDown")
        page.keyboard.down("ArrowLeft")
        page.keyboard.up("ArrowLeft")
        page.keyboard.up("ArrowDown")
    press("Space", 1)
    press("ArrowDown", 9)
    expect_answer(page, 7)
    page.keyboard.press("Delete")
    expect(page.locator(".digit-line .demo-live")).to_have_text("The pad is empty.")


def test_it_shows_the_digits_that_it_gets_wrong(start):
    page = start()
    said = page.locator(".digit-line .demo-live")
    wrong = page.evaluate("demo_data.digits_wrong")
    for index, label in list(zip(wrong["index"], wrong["labels"], strict=True))[:3]:
        page.get_by_role("button", name="A digit it gets wrong").click()
        expect(said).to_have_text(
            re.compile(rf": test digit {index} is an? {label}\. LeNet reads an? [^{label}]\.$")
        )
    skill = f"{wrong['right']:,} right ({wrong['right'] / wrong['of']:.1%})".replace("%", "\u00a0%")
    assert skill in page.locator(".digit-skill").inner_text()
    draw(page, SEVEN)
    expect_answer(page, 7)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_reads_well_in_both_themes(start, scheme):
    page = start(phone=True, scheme=scheme)
    expect_answer(page, 3)
    assert page.evaluate(WIDTH) == []
    other = "dark" if scheme == "light" else "light"
    for shown in (scheme, other):
        page.emulate_media(color_scheme=shown)
        assert page.evaluate(CONTRAST, shown) == []
    sizes = "(e) => Math.min(e.offsetWidth, e.offsetHeight)"
    buttons = page.locator(".demo button:visible").all()
    assert all(button.evaluate(sizes) >= 32 for button in buttons)


# --- every layer


def test_the_scores_and_steps_are_those_of_the_drawing(start_layers, root):
    page = start_layers(root)
    draw(page, SEVEN)
    expect_answer(page, 7)
    rows = page.locator(".digit-scores li").all_inner_texts()
    numbers = [re.findall(r"[\d.−]+", row) for row in rows]
    assert [int(number[0]) for number in numbers] == list(range(10))
    scores = np.array([float(number[1].replace("−", "-")) for number in numbers])
    shares = np.array([float(number[2]) for number in numbers])
    np.testing.assert_allclose(shares, 100 * np.exp(scores) / np.exp(scores).sum(), atol=5)
    steps = page.locator(".layers-steps p").all_inner_texts()
    height, width = map(int, re.search(r"(\d+)×(\d+)$", steps[0]).groups())
    assert abs(height - (170 + 22)) <= 2
    assert abs(width - (120 + 22)) <= 2
    assert steps[1] == f"2. Scale: 20×{round(20 * width / height)}"
    assert steps[3] == "4. Normalize: −0.42 to 2.82"


def stage_of(page, name):
    rows = page.locator(".layers-stage")
    return rows.nth(list(STAGES).index(name)).locator(".layers-map")


def choose(page, name, C, row, column, H, W):
    """Click on a unit of a stage and return what the page says of it."""
    box = stage_of(page, name).nth(C)
    box.scroll_into_view_if_needed()
    size = box.bounding_box()
    box.click(
        position={"x": (column + 0.5) * size["width"] / W, "y": (row + 0.5) * size["height"] / H}
    )
    page.wait_for_timeout(300)  # it is told when the pen rests
    return page.locator(".layers-inspector .demo-live").inner_text()


def expected_words(name, C, row, column, H, W):
    """Return how the page names a unit, and where it says that the unit looks."""
    _, windows = STAGES[name]
    if windows is None:
        number = row * W + column
        known = "The score of" if name.startswith("linear 3") else f"{name.capitalize()}, number"
        return f"{known} {number} sees the whole picture."
    size, stride = shapes.receptive_field(windows), np.prod([stride for _, stride in windows])

    def seen(at):
        first = at * stride - 2  # conv 1 has a padding of 2
        return f"{max(first, 0)} to {min(first + size, 28) - 1}"

    place = f"{name.capitalize()}, map {C}, row {row}, column {column}"
    return f"{place} sees rows {seen(row)} and columns {seen(column)} of the picture."


def test_a_tapped_unit_tells_what_it_saw_and_computed(start_layers, lenet, normalization):
    page = start_layers()
    draw(page, SEVEN)
    expect_answer(page, 7)
    page.set_viewport_size({"width": 1280, "height": 1600})
    x = torch.tensor(page.evaluate(READ)["picture"]).reshape(1, 1, 28, 28)
    out, numbers = data.normalize(x, *normalization), {}
    for count, layer in enumerate(lenet, 1):
        out = layer(out)
        numbers[count] = out.detach()[0]
    rng = np.random.default_rng(7)
    for name, (count, windows) in STAGES.items():
        maps = numbers[count]
        if windows is None:
            W = {120: 30, 84: 28, 10: 10}[len(maps)]
            maps = maps.reshape(1, -1, W)
        bright = np.argwhere(maps.numpy() > 0)
        places = [*bright[rng.permutation(len(bright))[:2]], rng.integers(maps.shape)]
        for C, row, column in np.array(places).tolist():
            said = choose(page, name, C, row, column, *maps.shape[1:])
            assert said.startswith(expected_words(name, C, row, column, *maps.shape[1:])), said
            value = float(maps[C, row, column])
            if "ReLU makes it 0" in said:
                assert value == 0
            else:
                told = re.search(r"(?:It is |: |: about )(−?[\d.]+)[,.](?=$| the)", said)[1]
                assert float(told.replace("−", "-")) == pytest.approx(value, abs=0.0051)
            if "products" in said:
                total, bias = re.search(
                    r"sum to (−?[\d.]+), the bias adds (−?[\d.]+)[:,]", said
                ).groups()
                total, bias = (float(n.replace("−", "-")) for n in (total, bias))
                before = total + bias
                rectified = before if name.startswith("linear 3") else max(before, 0)
                assert rectified == pytest.approx(value, abs=0.011)


def test_keys_and_buttons_go_from_unit_to_unit(start_layers):
    page = start_layers(scheme="dark")
    expect_answer(page, 3)
    said = page.locator(".layers-inspector .demo-live")
    assert choose(page, "conv 2", 4, 5, 9, 10, 10).startswith("Conv 2, map 4, row 5, column 9 ")
    page.locator(".layers-stage").nth(2).locator(".layers-maps").focus()
    page.keyboard.press("ArrowRight")  # over the edge
    expect(said).to_have_text(re.compile("^Conv 2, map 5, row 5, column 0 "))
    page.keyboard.press("ArrowUp")
    expect(said).to_have_text(re.compile("^Conv 2, map 5, row 4, column 0 "))
    page.get_by_role("button", name="Unit to the left").click()
    expect(said).to_have_text(re.compile("^Conv 2, map 4, row 4, column 9 "))
    page.get_by_role("button", name="Unit below").click()
    expect(said).to_have_text(re.compile("^Conv 2, map 4, row 5, column 9 "))
    page.locator(".layers-stage").nth(6).locator(".layers-maps").focus()
    page.keyboard.press("ArrowDown")  # on another layer: its brightest unit
    expect(said).to_have_text(re.compile("^The score of 3 sees the whole picture. 84 products "))


def test_a_finger_chooses_a_unit_and_its_patch_is_framed_on_the_pad(start_layers):
    page = start_layers(phone=True, has_touch=True)
    expect_answer(page, 3)
    box = stage_of(page, "pool 2").nth(5)
    box.scroll_into_view_if_needed()
    size = box.bounding_box()
    page.touchscreen.tap(size["x"] + size["width"] / 2, size["y"] + size["height"] / 2)
    said = page.locator(".layers-inspector .demo-live")
    expect(said).to_have_text(re.compile("^Pool 2, map 5, row 2, column 2 sees rows 6 to 21 and"))
    assert page.locator(".layers-inspector").bounding_box()["y"] < page.viewport_size["height"]
    found = page.evaluate(READ)
    zoom = found["box"]["height"] / found["height"]
    frame, pad = page.locator(".digit-frame").bounding_box(), pad_of(page).bounding_box()
    top = found["box"]["top"] + (6 - found["top"]) * zoom
    assert (frame["y"] - pad["y"]) * 280 / pad["height"] == pytest.approx(top, abs=2)
    assert frame["height"] * 280 / pad["height"] == pytest.approx(16 * zoom, abs=3)


def test_an_empty_pad_leaves_nothing_to_choose(start_layers):
    page = start_layers()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".digit-line .demo-live")).to_have_text("The pad is empty.")
    assert page.locator(".layers").evaluate("(e) => e.inert")
    assert not page.locator(".digit-frame").is_visible()
    draw(page, SEVEN)
    expect_answer(page, 7)
    assert not page.locator(".layers").evaluate("(e) => e.inert")

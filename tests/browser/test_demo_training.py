"""The demonstration "A training", driven as a reader would."""

import json
import re
from pathlib import Path

import pytest
from test_browser import CONTRAST, OPEN_FOLDS, WIDTH

DATA = Path(__file__).parents[2] / "_static" / "demos" / "data" / "training_digits.js"
SHOWN = [0, 1, 2, 3, 5, 6, 7, 9, 10, 14, 15, 29]  # of the validation digits
PATIENCE = 120_000  # milliseconds; a training takes ten seconds on an idle machine
NUMBERS = re.compile(
    r"After (\d+(?:\.\d)?) epochs?: loss (\d\.\d\d) on the training digits, (\d\.\d\d) on the "
    r"validation digits; (\d+) of the 200 validation digits right \((\d+)\s%\)\."
)


# A text may stand for a moment only, so all are kept.
RECORD = """() => {
  const text = document.querySelector('.demo[data-demo="training"] .demo-live');
  window.texts = [];
  new MutationObserver(() => texts.push(text.textContent)).observe(text, { childList: true });
}"""


@pytest.fixture
def start(reader):
    def open_page(*arguments, **options):
        page = reader("chapters/32_mnist.html", *arguments, **options)
        if options.get("java_script_enabled", True):
            page.evaluate(RECORD)
        return page

    return open_page


def demo_of(page):
    return page.locator('.demo[data-demo="training"]')


def text_of(demo):
    return demo.locator(".demo-live").inner_text()


def press(demo, name):
    demo.get_by_role("button", name=name, exact=True).click()
    if name == "Reset":
        demo.page.evaluate("texts.length = 0")


def wait_until(demo, words):
    """Return the first text with these words since the last reset."""
    found = "(words) => texts.find((text) => text.includes(words))"
    return demo.page.wait_for_function(found, arg=words, timeout=PATIENCE).json_value()


def numbers(text):
    epoch, *losses, right, percent = map(float, NUMBERS.search(text).groups())
    assert percent == pytest.approx(right / 2, abs=0.5)
    return epoch, *losses, right


def pixels(canvases):
    return canvases.evaluate_all("(all) => all.map((canvas) => canvas.toDataURL())")


def test_it_begins_with_guessing(start):
    demo = demo_of(start())
    guessed = r"Before the first step the network has (\d+) of the 200 validation digits right"
    right = int(re.search(guessed, text_of(demo)).group(1))
    assert 5 <= right <= 45
    labels = json.loads(DATA.read_text(encoding="utf-8").partition(" = ")[2].rstrip(";\n"))
    spoken = demo.locator(".demo-training-digits canvas")
    shown = [re.findall(r"\d", s.get_attribute("aria-label")) for s in spoken.all()]
    assert [int(label) for label, _ in shown] == [labels["labels"][1000 + n] for n in SHOWN]
    answers = demo.locator(".demo-training-digits span").all_inner_texts()
    marks = ["✓" if label == read else "✗" for label, read in shown]
    expected = [f"{mark} {read}" for mark, (_, read) in zip(marks, shown, strict=True)]
    assert answers == expected


def test_it_learns_stops_goes_on_and_begins_again(start):
    demo = demo_of(start())
    filters = demo.locator(".demo-training-filters canvas")
    first_text, first_filters = text_of(demo), pixels(filters)
    press(demo, "Start")
    after_one = numbers(wait_until(demo, "After 1 epoch:"))
    assert demo.locator(".demo-live").get_attribute("aria-busy") == "true"
    press(demo, "Pause")
    paused = numbers(text_of(demo))
    assert demo.locator(".demo-live").get_attribute("aria-busy") == "false"
    moved_filters = pixels(filters)
    assert moved_filters != first_filters
    demo.page.wait_for_timeout(500)
    assert numbers(text_of(demo)) == paused
    assert pixels(filters) == moved_filters

    press(demo, "Start")  # goes on from there
    epoch, train, valid, right = numbers(
        wait_until(demo, "Finished after 20").replace("Finished a", "A")
    )
    assert epoch == 20 > paused[0] >= 1
    assert train < 0.1 < 0.3 < valid < 0.6  # it knows its 1,000 digits nearly by heart
    assert right >= 170
    assert right > after_one[3]
    assert demo.get_by_role("button", name="Start").is_disabled()
    wrong = demo.locator(".demo-wrong").count()
    assert wrong == sum(
        "✗" in a for a in demo.locator(".demo-training-digits span").all_inner_texts()
    )
    assert 1 <= wrong <= 6  # some of those that are shown are hard

    press(demo, "Reset")
    assert text_of(demo) == first_text
    assert pixels(filters) == first_filters
    press(demo, "Start")
    assert numbers(wait_until(demo, "After 1 epoch:")) == after_one  # the seed is the same


def test_a_rate_far_too_high_fails_in_words(start):
    page = start()
    demo = demo_of(page)
    rate = demo.get_by_role("slider", name="learning rate")
    rate.focus()
    page.keyboard.press("End")
    assert rate.get_attribute("aria-valuetext") == "1"
    press(demo, "Start")
    said = wait_until(demo, "NaN")
    assert "choose a lower rate" in said
    assert re.match(r"In epoch \d the loss became NaN", said)
    assert demo.get_by_role("button", name="Start").is_disabled()
    press(demo, "Reset")
    rate.focus()
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    assert rate.get_attribute("aria-valuetext") == "0.1"
    press(demo, "Start")
    wait_until(demo, "After 2 epochs")
    press(demo, "Pause")
    assert numbers(text_of(demo))[3] > 120  # the rate is back, and so is the learning


def test_a_rate_far_too_low_is_no_better_than_guessing(start):
    demo = demo_of(start())
    demo.get_by_role("slider").fill("0")
    press(demo, "Start")
    wait_until(demo, "After 2 epochs")
    press(demo, "Pause")
    _, train, valid, right = numbers(text_of(demo))
    assert train > 2
    assert valid > 2
    assert ("no better than guessing" in text_of(demo)) == (right < 30)


PICTURES = """() => {
  const curve = document.querySelector(".demo-training canvas");
  window.pictures = 0;
  new MutationObserver((all) => (pictures += all.length)).observe(curve, {
    attributeFilter: ["aria-label"],
  });
}"""


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_reduced_motion_shows_one_picture_an_epoch(start, motion):
    page = start(reduced_motion=motion)
    demo = demo_of(page)
    page.evaluate(PICTURES)
    press(demo, "Start")
    wait_until(demo, "After 3 epochs")
    texts, pictures = page.evaluate("[texts, pictures]")
    epochs = len({text for text in texts if text.startswith("After")})
    assert pictures == epochs if motion == "reduce" else pictures > 2 * epochs


def test_with_the_keyboard(start):
    page = start()
    demo = demo_of(page)
    demo.get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    wait_until(demo, "After 1 epoch:")
    page.keyboard.press("Space")  # the button still has the focus, and is "Pause" now
    assert demo.get_by_role("button", name="Start").is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert text_of(demo).startswith("Before the first step")


def test_with_a_finger(start, root):
    page = start(root, scheme="dark", phone=True, has_touch=True)
    demo = demo_of(page)
    demo.get_by_role("button", name="Start").tap()
    wait_until(demo, "After 1 epoch:")
    demo.get_by_role("button", name="Pause").tap()
    for button in demo.get_by_role("button").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 32


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True])
def test_it_reads_well(start, scheme, phone):
    page = start(scheme=scheme, phone=phone)
    demo = demo_of(page)
    press(demo, "Start")
    wait_until(demo, "After 1 epoch:")
    press(demo, "Pause")
    page.evaluate(OPEN_FOLDS)
    assert page.evaluate(CONTRAST, scheme) == []
    assert page.evaluate(WIDTH) == []


def test_the_curves_follow_the_theme(start):
    page = start()
    curve = demo_of(page).locator(".demo-training canvas").first
    light = pixels(curve)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    assert pixels(curve) != light

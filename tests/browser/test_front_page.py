"""The front page of the built book, as a stranger sees it, and which pages load MathJax."""

import re
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import expect
from pypdfium2 import PdfDocument
from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE
from test_browser import CONTRAST, WIDTH

ROOT = Path(__file__).parents[2]
FRONT = "intro.html"


def numbered_chapters():
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    return [page for part in parts if part.get("numbered") for page in part["chapters"]]


def bottom(place):
    box = place.bounding_box()
    return box["y"] + box["height"]


def test_the_first_screen_says_what_it_is_and_why(reader):
    page = reader(FRONT)
    page.set_viewport_size({"width": 1300, "height": 900})
    parts = [
        page.get_by_role("heading", level=1),
        page.get_by_text("Learn how a network reads handwriting"),
        page.get_by_role("link", name="Start", exact=True),
        page.get_by_role("link", name="Run the notebooks"),
        page.locator(".digit-pad"),
        page.locator(".digit-line"),
        page.locator(".facts"),
    ]
    assert all(bottom(part) <= 900 for part in parts)
    pad, heading = parts[4].bounding_box(), parts[0].bounding_box()
    assert pad["x"] > heading["x"] + heading["width"]  # beside the words, not below them
    assert (
        page.locator(".facts").bounding_box()["width"] >= 950
    )  # no strip at the right stays empty


def test_its_buttons_lead_to_the_first_chapter_and_to_the_command(reader, root):
    page = reader(FRONT, root)
    page.get_by_role("link", name="Run the notebooks").click()
    expect(page.get_by_text("make lab", exact=True)).to_be_in_viewport()
    page.get_by_role("link", name="Start", exact=True).click()
    page.wait_for_url(re.compile(rf"/{numbered_chapters()[0]['file']}\.html$"))


def test_each_fact_leads_to_its_source(reader):
    page = reader(FRONT)
    expected = ["chapters/26_numpy_network.html", "#trust", "chapters/53_common_bugs.html"]
    for fact, source in zip(page.locator(".facts .sd-col").all(), expected, strict=True):
        links = fact.get_by_role("link").all()
        assert [link.get_attribute("href") for link in links] == [source, source]
        assert re.match(r"[\d.]+\s(%|claims|mistakes)$", links[0].inner_text())


def test_each_chapter_has_a_card_that_leads_there(reader, book):
    page = reader(FRONT)
    cards = page.locator("#the-chapters .sd-card").all()
    assert len(cards) == len(numbered_chapters())
    for number, (card, chapter) in enumerate(zip(cards, numbered_chapters(), strict=True), 1):
        assert card.locator(".sd-card-title").inner_text() == f"{number}. {chapter['title']}"
        assert card.locator(".sd-card-body .sd-card-text").inner_text().endswith("?")
        assert re.fullmatch(r"\d+ minutes", card.locator(".sd-card-footer").inner_text())
        assert card.locator("a").get_attribute("href") == f"{chapter['file']}.html"
        image = card.locator("img")
        assert image.evaluate("(e) => e.decode().then(() => e.naturalWidth)") == 480
        assert (book / image.get_attribute("src")).stat().st_size <= 15_000
    first, second = (card.bounding_box() for card in cards[1:3])
    assert first["y"] == second["y"]  # side by side
    cards[1].click()
    page.wait_for_url(re.compile(r"/11_images\.html$"))


def test_without_javascript_nothing_is_missing_but_the_pad(reader):
    page = reader(FRONT, java_script_enabled=False)
    places = [chapter["file"] for chapter in numbered_chapters()]
    lenet = f"{places.index('chapters/31_lenet') + 1}. LeNet"
    for words in ("Learn how a network reads handwriting", "claims", lenet, "make lab"):
        assert page.get_by_text(words).first.is_visible()
    still = page.locator("#front-digit")
    assert still.is_visible()
    assert not page.locator(".demo").is_visible()
    page.set_viewport_size({"width": 1300, "height": 900})
    assert bottom(still) <= 900


def test_on_paper_no_card_is_cut(reader, tmp_path):
    reader(FRONT).pdf(path=tmp_path / "front.pdf", format="A4")
    expect_whole_cards(PdfDocument(tmp_path / "front.pdf"))


def expect_whole_cards(sheets):
    """Of each card the picture, the title and the minutes stand on the same sheet."""
    shown = []
    for number, sheet in enumerate(sheets):
        text = sheet.get_textpage().get_text_range()
        pictures = sum(part.type == FPDF_PAGEOBJ_IMAGE for part in sheet.get_objects())
        heads, feet = (
            len(re.findall(part, text, re.M)) for part in (r"^\d+\. [A-Z]", r"\d minutes")
        )
        assert heads == feet == pictures - (number == 0)  # where the digit stands, too
        shown.append(heads)
    assert sum(shown) == len(numbered_chapters())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_reads_well(reader, scheme):
    page = reader(FRONT, scheme=scheme, phone=True)
    assert page.evaluate(WIDTH) == []
    assert page.evaluate(CONTRAST, scheme) == []
    card = page.locator("#the-chapters .sd-card").nth(3)
    image, title = card.locator("img").bounding_box(), card.locator(".sd-card-title").bounding_box()
    assert image["x"] + image["width"] <= title["x"]


def test_pages_load_mathjax_if_they_have_a_formula_and_their_own_style_only(book):
    pages = {path: path.read_text(encoding="utf-8") for path in book.glob("**/*.html")}
    pages = {path: text for path, text in pages.items() if "<article" in text}
    with_formulas = {path for path, text in pages.items() if 'class="math ' in text}
    assert {path for path, text in pages.items() if "mathjax/startup.js" in text} == with_formulas
    assert 15 <= len(with_formulas) < len(pages) - 2
    styled = [path.name for path, text in pages.items() if "front_page.css" in text]
    assert styled == [FRONT]

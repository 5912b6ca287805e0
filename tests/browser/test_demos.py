"""On a screen with JavaScript a demonstration stands in the place of a picture, and only there."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).parents[2]
PLACE = re.compile(r'data-demo="(\w+)" data-replaces="([\w-]+)"')
LINES = re.compile(r"(\d+) lines that")
CODE = [  # the scripts to which a demonstration leads, the link's words, and what stands there
    ("core.js", "Read the ", "function conv2d_backward"),
    ("learning.js", "the ", "class SGD"),
]
PLACES = [
    (path.relative_to(ROOT).with_suffix(".html").as_posix(), *place)
    for path in [ROOT / "intro.md", *sorted((ROOT / "chapters").glob("*.ipynb"))]
    for place in PLACE.findall(path.read_text(encoding="utf-8").replace('\\"', '"'))
]


def test_every_demonstration_has_a_picture_in_its_place():
    scripts = (ROOT / "_static" / "demos").glob("*.js")
    code = "\n".join(path.read_text(encoding="utf-8") for path in scripts)
    names = re.findall(r'^ *demos\.register\("(\w+)"', code, re.M)
    assert {name for _, name, _ in PLACES} == set(names)


@pytest.mark.parametrize(("path", "name", "figure"), PLACES, ids=[place[2] for place in PLACES])
def test_a_demonstration_stands_in_the_place_of_its_picture(reader, path, name, figure):
    def expect_picture(page, visible):
        expect(page.locator(f"img#{figure}, #{figure} img")).to_be_visible(visible=visible)
        expect(page.locator(f'.demo[data-demo="{name}"]')).to_be_visible(visible=not visible)

    expect_picture(reader(path, java_script_enabled=False), True)
    page = reader(path)
    expect_picture(page, False)
    assert page.locator(f'.demo[data-demo="{name}"]').locator("svg, canvas").count() > 0
    caption = page.locator(f"#{figure} figcaption")
    assert caption.count() == 0 or caption.is_visible()
    page.emulate_media(media="print")
    expect_picture(page, True)


@pytest.mark.parametrize(("path", "name"), [place[:2] for place in PLACES])
def test_links_lead_to_the_lines_that_compute_it(reader, root, book, path, name):
    page = reader(path, root)
    demo = page.locator(f'.demo[data-demo="{name}"]')
    learns = name in ("training", "valley")
    assert demo.get_by_role("link", name=LINES).count() == 1 + learns
    for number, (script, begins, holds) in enumerate(CODE[: 1 + learns]):
        link = demo.get_by_role("link", name=LINES).nth(number)
        words = link.inner_text()
        assert words.startswith(begins)
        link.click()
        page.wait_for_url(f"**/_static/demos/{script}*")
        assert holds in page.inner_text("body")
        code = (book / "_static" / "demos" / script).read_text(encoding="utf-8")
        assert int(LINES.search(words)[1]) == len(code.splitlines())
        page.go_back()


@pytest.mark.parametrize(("path", "name"), [place[:2] for place in PLACES])
def test_drawn_letters_are_those_of_the_page(reader, path, name):
    spy = """for (const draw of ["fillText", "strokeText"]) {
      const drawn = CanvasRenderingContext2D.prototype[draw];
      CanvasRenderingContext2D.prototype[draw] = function (...words) {
        (window.fonts ??= new Set()).add(this.font);
        return drawn.apply(this, words);
      };
    }"""
    page = reader(path, init=spy)
    page.wait_for_timeout(500)
    own = page.evaluate("getComputedStyle(document.body).fontFamily.split(',')[0]")
    fonts = page.evaluate("[...(window.fonts ?? [])]")
    assert (name in ("training", "valley")) == bool(fonts)
    assert all(own in font for font in fonts), fonts


def test_the_core_can_be_read_as_one_more_chapter():
    lengths = [
        len((ROOT / "_static" / "demos" / script).read_text(encoding="utf-8").splitlines())
        for script, *_ in CODE
    ]
    assert lengths[0] <= 300
    assert lengths[1] <= 190

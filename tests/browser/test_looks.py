"""How the book looks: figures in the dark, width, weight, snippets of a search, print."""

import colorsys
import io
import re
from base64 import b64decode
from pathlib import Path

import nbformat
import pypdfium2
import pytest
from matplotlib import rc_params_from_file
from matplotlib.colors import to_hex, to_rgb
from PIL import Image, ImageChops, ImageStat

from tools.references import read_book

ROOT = Path(__file__).parents[2]
CHAPTER = "chapters/12_output_size.html"  # has charts and pictures, on the page and in answers
FIGURE = re.compile(r'class="(chart|picture)" src="\.\./(_images/\w+\.png)"')
MOST_BYTES = 2_500_000
OPEN = """async () => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
}"""


@pytest.fixture
def open_page(browser, book):
    """Open a page of the book with all its folds, from disk unless it is served."""
    contexts = []

    def start(name, root=None, **options):
        options = {"viewport": {"width": 1300, "height": 900}, **options}
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.goto(f"{root or book.as_uri()}/{name}")
        page.evaluate(OPEN)
        return page

    yield start
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def pages(book):
    names = sorted(path.relative_to(book).as_posix() for path in book.rglob("*.html"))
    return [name for name in names if not name.startswith("_") and name != "index.html"]


def test_every_figure_is_a_chart_or_a_picture(book, pages):
    kinds = []
    for name in set(pages) - {"intro.html"}:  # whose pictures are copies of the chapters'
        html = (book / name).read_text(encoding="utf-8")
        figures = FIGURE.findall(html)
        assert len(figures) == len(re.findall(r"<img [^>]*_images/", html)), name
        for kind, file in figures:
            image = Image.open(book / file).convert("L")
            white = sum(image.histogram()[250:]) / (image.width * image.height)
            edge = image.crop((0, 0, image.width, 1)).getextrema()
            if kind == "chart":
                assert edge == (255, 255), f"{name}: a chart without white paper: {file}"
                assert white > 0.2, f"{name}: a chart of many pixels: {file}"
            else:
                assert white < 0.93, f"{name}: a picture of hardly any pixels: {file}"
            kinds.append(kind)
    assert min(kinds.count("chart"), kinds.count("picture")) > 60


def test_the_smaller_files_of_figures_show_the_same(book):
    html = (book / CHAPTER).read_text(encoding="utf-8")
    notebook = nbformat.read(ROOT / CHAPTER.replace(".html", ".ipynb"), as_version=4)
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    originals = [out["data"]["image/png"] for out in outputs if "image/png" in out.get("data", {})]
    for (_, file), original in zip(FIGURE.findall(html), originals, strict=True):
        stored = Image.open(io.BytesIO(b64decode(original))).convert("RGB")
        errors = ImageStat.Stat(
            ImageChops.difference(stored, Image.open(book / file).convert("RGB"))
        )
        assert max(errors.mean) <= 0.05, file
        assert (book / file).stat().st_size <= len(b64decode(original)), file


def shot(page, element, margin=0):
    """Take a picture of an element and of what is around it."""
    element.scroll_into_view_if_needed()
    box = element.bounding_box()
    clip = {"x": box["x"] - margin, "y": box["y"] - margin}
    clip |= {"width": box["width"] + 2 * margin, "height": box["height"] + 2 * margin}
    return Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_paper_of_a_chart_is_the_ground_of_the_page(open_page, scheme):
    page = open_page(CHAPTER, color_scheme=scheme)
    for kind in ("chart", "picture"):
        figures = page.locator(f".cell_output img.{kind}:visible")
        assert figures.count() >= 2
        for figure in figures.all():
            image = shot(page, figure, margin=5)
            outside, paper = image.getpixel((1, 30)), image.getpixel((7, 7))
            expected = (255, 255, 255) if scheme == "light" else (224, 224, 224)  # a little dimmed
            assert (paper == expected) is (scheme == "light" or kind == "picture")
            assert (paper == outside) is not (scheme == "dark" and kind == "picture")


SWATCHES = """colors => {
  const canvas = document.createElement("canvas");
  const draw = canvas.getContext("2d");
  [canvas.width, canvas.height] = [30 * colors.length, 30];
  colors.forEach((color, i) => { draw.fillStyle = color; draw.fillRect(30 * i, 0, 30, 30); });
  const image = new Image();
  [image.src, image.className, image.id] = [canvas.toDataURL(), "chart", "swatches"];
  document.querySelector(".cell_output").append(image);
  return image.decode();
}"""


def luminance(color):
    parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in color]
    return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def test_the_colors_of_charts_keep_their_hue_in_the_dark_and_stand_out(open_page):
    rc = rc_params_from_file(ROOT / "chapters" / "matplotlibrc", use_default_template=False)
    *cycle, _ = rc["axes.prop_cycle"].by_key()["color"]  # the light yellow hardly shows on white
    colors = ["#ffffff", "#222222", *map(to_hex, cycle)]
    page = open_page(CHAPTER, color_scheme="dark")
    page.evaluate(SWATCHES, colors)
    image = shot(page, page.locator("#swatches"))
    places = [image.width * (2 * i + 1) // (2 * len(colors)) for i in range(len(colors))]
    ground, *shown = ([v / 255 for v in image.getpixel((x, 8))] for x in places)
    for color, dark in zip(colors[1:], shown, strict=True):
        assert (luminance(dark) + 0.05) / (luminance(ground) + 0.05) >= 3, color
        hues = [colorsys.rgb_to_hsv(*c) for c in (to_rgb(color), dark)]
        if hues[0][1]:  # not gray
            apart = abs(hues[0][0] - hues[1][0])
            assert min(apart, 1 - apart) < 25 / 360, color


CUT = """() => [...document.querySelectorAll(
    ".bd-article :is(pre, .text_html, .pst-scrollable-table-container, div.math, figure, img)"
  )].filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)
  .map((e) => `${e.scrollWidth - e.clientWidth} pixels of ${e.textContent.trim().slice(0, 60)}`)"""


def test_nothing_is_cut_at_1300_pixels(open_page, book, pages):
    page = open_page(CHAPTER)
    faults = {}
    for name in pages:
        page.goto(f"{book.as_uri()}/{name}")
        page.evaluate(OPEN)
        faults[name] = page.evaluate(CUT)
    assert {name: cut for name, cut in faults.items() if cut} == {}
    page.goto(f"{book.as_uri()}/{CHAPTER}")
    page.locator(".cell_input pre").last.evaluate("e => e.append('a'.repeat(100))")
    page.evaluate(OPEN)
    assert page.evaluate(CUT)


@pytest.mark.parametrize(("screen", "least"), [(390, 340), (1300, 730), (1920, 880)])
def test_figures_stand_under_the_text_which_uses_the_screen(open_page, screen, least):
    page = open_page(CHAPTER, viewport={"width": screen, "height": 900})
    left, width = page.locator(".bd-article > section > p, .bd-article section > p").first.evaluate(
        "e => [e.getBoundingClientRect().x, e.offsetWidth]"
    )
    assert width >= least
    for part in ("figure img", "figcaption p"):
        edges = page.locator(f"section > .cell {part}").evaluate_all(
            "all => all.filter((e) => e.checkVisibility()).map((e) => e.getBoundingClientRect().x)"
        )
        assert edges
        assert edges == pytest.approx([left] * len(edges), abs=0.5)


WEIGHT = """() => performance.getEntries().filter((e) => "encodedBodySize" in e)
  .reduce((sum, e) => sum + e.encodedBodySize, 0)"""


def test_no_page_is_heavy(open_page, book, pages, serve):
    root = serve(book)
    weights = {}
    for name in pages:
        page = open_page(name, root)  # with an empty cache
        page.wait_for_load_state("networkidle")
        weights[name] = page.evaluate(WEIGHT)
        page.context.close()
    assert weights[CHAPTER] > 1_000_000  # MathJax is counted
    assert {name: size for name, size in weights.items() if size > MOST_BYTES} == {}


def test_the_fonts_are_the_books_own_and_small(open_page):
    fonts = list((ROOT / "_static" / "fonts").glob("*.woff2"))
    assert sum(font.stat().st_size for font in fonts) < 200_000
    assert "SIL OPEN FONT LICENSE" in (ROOT / "_static/fonts/OFL.txt").read_text(encoding="utf-8")
    loaded = open_page(CHAPTER).evaluate(
        "[...document.fonts].filter((f) => f.status === 'loaded').map((f) => f.family)"
    )
    assert {"Source Sans 3", "Source Serif 4", "Source Code Pro"} <= set(loaded)


def test_the_icons_are_drawn(open_page):
    page = open_page(CHAPTER)
    for icon in page.locator(".fa-solid, .fas").all():
        mask = icon.evaluate("e => getComputedStyle(e).maskImage")
        assert mask.startswith("url("), icon.get_attribute("class")
        if icon.is_visible():
            assert min(icon.bounding_box()[side] for side in ("width", "height")) > 8


def test_the_notebook_of_a_page_can_be_had(open_page, book, serve):
    page = open_page(CHAPTER, serve(book))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download this notebook").click()
    assert download.value.suggested_filename == "12_output_size.ipynb"
    notebook = nbformat.read(download.value.path(), as_version=4)
    assert notebook == nbformat.read(ROOT / "chapters/12_output_size.ipynb", as_version=4)
    page.goto(f"{book.as_uri()}/{CHAPTER}")
    page.get_by_role("link", name="Download this notebook").click()  # a browser may show it
    page.wait_for_url(f"{book.as_uri()}/_sources/chapters/12_output_size.ipynb")
    assert open_page("chapters/glossary.html").locator(".page-button").count() == 0


def test_a_search_shows_sentences_of_each_page_once(open_page, book, serve):
    page = open_page("search.html?q=momentum", serve(book))
    page.locator("#search-results p.context").nth(4).wait_for()
    page.wait_for_load_state("networkidle")
    links = page.locator("#search-results li > a").all_inner_texts()
    assert re.fullmatch(r"\d+\. Optimizers: write five of them, and compare them fairly", links[0])
    assert links[1] == "Glossary"
    assert len(set(links)) == len(links)
    for text in page.locator("#search-results p.context").all_inner_texts():
        assert not re.search(r"[{}|\\]|--|Hide code|Link to this", text), text


@pytest.mark.parametrize(
    ("words", "shown"),
    [("all_reduce", "all_reduce"), ("步幅", "stride 步幅")],
)
def test_a_snippet_shows_the_word_even_in_code_and_parts_a_word_from_its_meaning(
    open_page, book, serve, words, shown
):
    page = open_page(f"search.html?q={words}", serve(book))
    page.wait_for_load_state("networkidle")
    texts = page.locator("#search-results p.context").all_inner_texts()
    assert texts
    assert any(shown in text for text in texts), texts


def test_the_bibliography_names_each_work_as_the_text_does(open_page):
    page = open_page("chapters/bibliography.html")
    labels = page.locator(".citation .label").all_inner_texts()
    assert labels == sorted(labels, key=str.lower)
    assert sorted(labels) == sorted(work.names[1] for work in read_book(ROOT).works.values())
    assert len(set(labels)) == len(labels)


def test_the_contents_of_the_package_stand_beside_it(open_page):
    page = open_page("chapters/api.html")
    source = (ROOT / "chapters" / "api.md").read_text(encoding="utf-8")
    modules = re.findall(r"automodule:: lenet_course\.(\S+)", source)
    contents = page.locator(".bd-sidebar-secondary a")
    assert contents.first.is_visible()
    linked = {link.strip() for link in contents.all_text_contents()}
    assert set(modules) <= linked
    assert "conv_output_size()" in linked


LONG = "W" * 150  # wider than a sheet


@pytest.fixture(scope="module")
def printed(browser, book, tmp_path_factory):
    """Print the chapter out of a dark window."""
    page = browser.new_page(color_scheme="dark")
    page.goto((book / CHAPTER).as_uri())
    page.evaluate("window.MathJax.startup.promise")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    page.locator(".cell_output pre").last.evaluate("(e, text) => e.append(text)", LONG)
    path = tmp_path_factory.mktemp("print") / "chapter.pdf"
    page.pdf(path=path, format="A4", print_background=True)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"  # as it was
    page.close()
    return pypdfium2.PdfDocument(path)


def test_on_paper_the_page_is_light(printed):
    for sheet in printed:
        image = sheet.render(scale=0.5).to_pil().convert("L")
        assert image.crop((0, 0, image.width, 15)).getextrema() == (255, 255)
        assert ImageStat.Stat(image).median[0] > 240


def test_on_paper_no_letter_is_beyond_the_margin_and_what_is_long_is_wrapped(printed):
    margin = 18 / 25.4 * 72 - 1  # of print.css, in points
    lines = []
    for number, sheet in enumerate(printed):
        text = sheet.get_textpage()
        boxes = [text.get_charbox(i) for i in range(text.count_chars())]
        letters = [box for box in boxes if box[2] > box[0]]
        assert min(box[0] for box in letters) > margin
        assert max(box[2] for box in letters) < sheet.get_width() - margin
        letters = zip(text.get_text_range(), boxes, strict=True)
        lines += [(number, round(box[1])) for letter, box in letters if letter == LONG[0]]
    assert len(lines) >= len(LONG)
    assert 1 < len(set(lines[-len(LONG) :])) < 4


def test_on_paper_stands_all_that_a_reader_needs(printed, open_page):
    text = " ".join(sheet.get_textpage().get_text_range() for sheet in printed)
    squeezed = re.sub(r"\s|\ufffe", "", text)
    page = open_page(CHAPTER)
    assert re.sub(r"[\s#]", "", page.locator("h1").last.text_content()) in squeezed
    for part in (".cell_input pre", "details.fold p", "figcaption p"):
        shown = page.locator(f".bd-article {part}").evaluate_all(
            """all => all.filter((e) => !e.closest("details.hide") && !e.querySelector(".math"))
               .map((e) => { e.querySelector(".headerlink")?.remove(); return e.textContent; })"""
        )
        assert len(shown) >= 5
        for words in shown:
            assert re.sub(r"\s", "", words) in squeezed, words
    assert "Codeforthisfigure" not in squeezed
    page.emulate_media(media="print")
    for figure in page.locator(".cell_output img").all():
        zoom = float(figure.evaluate("e => getComputedStyle(e).zoom"))
        assert zoom == pytest.approx(0.82 * 0.6667, abs=0.01)
    for box in page.locator(".bd-article .admonition:not(.hide)").all():
        assert box.evaluate("e => getComputedStyle(e).breakInside") == "avoid"
    for fold in page.locator("details.fold").all():
        style = "e => getComputedStyle(e).borderBottomStyle + getComputedStyle(e).boxShadow"
        assert fold.evaluate(style) == "nonenone"

"""The EPUB and the PDF of the built book, compared with its sources and its pages."""

import io
import os
import posixpath
import re
import shutil
import subprocess
import tomllib
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from xml.etree import ElementTree
from zipfile import ZIP_STORED, ZipFile

import pikepdf
import pytest
import yaml
from bs4 import BeautifulSoup
from PIL import Image, ImageColor
from pypdf import PdfReader
from pypdfium2 import PdfDocument
from test_front_page import expect_whole_cards

from lenet_course import data
from tools.references import read_book
from tools.take_away import cover, pages
from tools.take_away.pdf import name_words, write_bookmarks_once

ROOT = Path(__file__).parents[2]
HTML, MATH = "{http://www.w3.org/1999/xhtml}", "{http://www.w3.org/1998/Math/MathML}"
OPF = {"": "http://www.idpf.org/2007/opf", "dc": "http://purl.org/dc/elements/1.1/"}
RAW_TEX = re.compile(r"\\[()\[\]]|\\(begin|frac|sum|text|cdot)\b")
CJK = re.compile(r"[\u4e00-\u9fff]+")
RADICALS = re.compile(r"[\u2e80-\u2fdf]")  # of the same shape as words


@pytest.fixture(scope="module")
def contents():
    """The pages of _toc.yml: ``path`` without an ending, and ``number``, or None."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    numbers = read_book(ROOT).chapters
    listed = [page["file"] for part in toc["parts"] for page in part["chapters"]]
    return [
        SimpleNamespace(path=path, number=numbers.get(PurePosixPath(path).name))
        for path in [toc["root"], *listed]
    ]


@pytest.fixture(scope="module")
def built(book, contents):
    """Path → the parsed article of the built page."""
    texts = {
        page.path: (book / f"{page.path}.html").read_text(encoding="utf-8") for page in contents
    }
    return {path: BeautifulSoup(text, "html.parser").article for path, text in texts.items()}


def made(book, name):
    if not (book / name).is_file():
        pytest.fail(f"there is no {name} in {book}: run `make epub pdf` first", pytrace=False)
    return book / name


def test_the_first_page_links_both(built):
    links = built["intro"].select(".take-away a")
    assert [link["href"] for link in links] == ["lenet-course.epub", "lenet-course.pdf"]
    assert not [link for link in links if link.has_attr("hidden")]


def test_a_link_shows_once_its_file_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "BOOK", tmp_path)
    for made in ("a.epub", "b.pdf"):
        (tmp_path / made).touch()
        built = '<a href="a.epub" hidden>E</a><a href="b.pdf" hidden>P</a>'  # anew each time
        (tmp_path / pages.FIRST).write_text(built, encoding="utf-8")
        pages.offer()
        shown = built.replace('a.epub" hidden', 'a.epub"')
        shown = shown if made == "a.epub" else shown.replace(" hidden", "")
        assert (tmp_path / pages.FIRST).read_text(encoding="utf-8") == shown


# The EPUB


@pytest.fixture(scope="module")
def epub(book):
    with ZipFile(made(book, "lenet-course.epub")) as archive:
        yield archive


@pytest.fixture(scope="module")
def package(epub):
    return ElementTree.fromstring(epub.read("book.opf"))


@pytest.fixture(scope="module")
def chapters(epub, contents):
    """Path → the page's tree, read strictly."""
    return {page.path: ElementTree.fromstring(epub.read(f"{page.path}.xhtml")) for page in contents}


def test_epubcheck_finds_no_fault(book):
    jar = Path("/usr/share/java/epubcheck.jar")  # Debian's own command fails in some containers
    command = ["java", "-jar", jar] if jar.is_file() else [shutil.which("epubcheck")]
    if command == [None]:
        assert "CI" not in os.environ, "epubcheck is not installed"
        pytest.skip("no epubcheck found: install one with `sudo apt-get install epubcheck`")
    run = subprocess.run(
        [*command, "--failonwarnings", made(book, "lenet-course.epub")],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_epub_says_what_it_is(epub, package):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    first = epub.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", ZIP_STORED)
    assert package.find("metadata/dc:title", OPF).text == "LeNet from first principles"
    assert package.find("metadata/dc:language", OPF).text == "en"
    version = package.find("metadata/meta[@property='schema:version']", OPF)
    assert version.text == project["version"]
    assert f"Version {project['version']}" in epub.read("title.xhtml").decode()


def test_epub_has_a_cover_with_a_digit_that_is_read_right(epub, package):
    (item,) = package.findall("manifest/item[@properties='cover-image']", OPF)
    named = package.find("metadata/meta[@name='cover']", OPF)  # for readers of EPUB 2
    assert named.get("content") == item.get("id")
    assert item.get("media-type") == "image/png"
    picture = Image.open(io.BytesIO(epub.read(item.get("href"))))
    assert picture.size == (1600, 2400)
    *_, probabilities = cover.journey()
    label = data.load("mnist", source="sample").train.labels[0]
    assert probabilities.argmax() == label
    left = cover.MARGIN + label * (cover.WIDTH - 2 * cover.MARGIN) // 10
    colors = [picture.convert("RGB").getpixel((left + 130 * by + 68, 1900)) for by in (-1, 0, 1)]
    ground, bar = ImageColor.getrgb(cover.BLUE), ImageColor.getrgb(cover.ORANGE)
    assert colors == [ground, bar, ground]
    exported = (ROOT / "_static" / "demos" / "data" / "lenet.js").read_text(encoding="utf-8")
    for name, number in {"mean": cover.MEAN, "std": cover.STD}.items():
        assert number == round(float(re.search(rf'"{name}":([\d.]+)', exported)[1]), 4)


def test_epub_holds_the_chapters_in_order_and_numbered(package, chapters, contents):
    files = {item.get("id"): item.get("href") for item in package.iterfind("manifest/item", OPF)}
    spine = [files[item.get("idref")] for item in package.iterfind("spine/itemref", OPF)]
    assert spine == ["title.xhtml", "nav.xhtml", *(f"{page.path}.xhtml" for page in contents)]
    for page in contents:
        heading = "".join(chapters[page.path].find(f".//{HTML}h1").itertext())
        number = re.match(r"(\d+)\. \w", heading)
        assert (number and int(number[1])) == page.number, heading


def test_epub_navigation_leads_to_each_chapter_and_section(epub, chapters, contents):
    nav = ElementTree.fromstring(epub.read("nav.xhtml"))
    entries = list(nav.iterfind(f".//{HTML}li"))
    assert not [entry for entry in entries if not "".join(entry[0].itertext()).strip()]
    assert not [entry for entry in entries if entry[0].tag == f"{HTML}span" and len(entry) < 2]
    led = [link.get("href") for link in nav.iterfind(f".//{HTML}a")]
    assert [path for path in led if "#" not in path] == [f"{page.path}.xhtml" for page in contents]
    sections = sum(len(tree.findall(f".//{HTML}h2")) for tree in chapters.values())
    assert len([path for path in led if "#" in path]) == sections > 250


def test_epub_has_each_formula_as_mathml(chapters, built):
    for path, tree in chapters.items():
        formulas = [math.get_text() for math in built[path].select(".math")]
        mathml = list(tree.iter(f"{MATH}math"))
        assert len(mathml) == len(formulas), path
        for math in mathml:
            said = "".join(math.itertext())
            assert said.strip(), path
            assert "\\" not in said, (path, said)
            assert not re.search(r"\[[\d.]+(ex|em|pt)\]", said), (path, said)
            assert math.get("alttext")
        # An answer that moved to the end takes its formulas along, so their order is another.
        assert sorted(math.get("alttext") for math in mathml) == sorted(map(_tex, formulas)), path
        assert not RAW_TEX.findall("".join(_prose(tree.find(f"{HTML}body")))), path


def _tex(formula):
    return _plain(re.search(r"\\[(\[](.*)\\[)\]]", formula, re.S)[1])


def _prose(element):
    """Yield the text of an element that is neither code nor a formula."""
    if element.tag not in {f"{HTML}pre", f"{HTML}code", f"{MATH}math"}:
        yield element.text or ""
        for child in element:
            yield from _prose(child)
            yield child.tail or ""


def test_epub_has_each_picture(epub, chapters, built):
    used = set()
    for path, tree in chapters.items():
        shown = list(tree.iter(f"{HTML}img"))
        assert len(shown) == len(built[path].select("img:not(.only-dark)")), path
        for picture in shown:
            assert picture.get("alt"), path
            used.add(_resolved(path, picture.get("src")))
    assert len(used) > 150
    for name in used:
        if not name.endswith(".svg"):
            Image.open(io.BytesIO(epub.read(name))).load()
    assert {name for name in epub.namelist() if name.startswith("_images/")} == used


def test_epub_links_lead_somewhere(epub, chapters):
    trees = {f"{path}.xhtml": tree for path, tree in chapters.items()}
    trees["nav.xhtml"] = ElementTree.fromstring(epub.read("nav.xhtml"))
    places = {name: _ids(tree) for name, tree in trees.items()}
    for name, ids in places.items():
        assert len(ids) == len(set(ids)), name
    lost, inside = [], 0
    for name, tree in trees.items():
        for link in tree.iter(f"{HTML}a"):
            if re.match("https?:", link.get("href")):
                continue
            path, _, fragment = link.get("href").partition("#")
            page = _resolved(name, path)
            inside += 1
            if page not in places or (fragment and fragment not in places[page]):
                lost.append((name, link.get("href")))
    assert not lost
    assert inside > 3000


def _resolved(page, path):
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path))


def _ids(tree):
    return [element.get("id") for element in tree.iter() if element.get("id")]


def test_epub_answers_stand_at_the_end_of_their_chapter(chapters, built):
    for path, tree in chapters.items():
        for kind, selector in {"answer": "details.fold", "code": "details.hide"}.items():
            folds = len(built[path].select(selector))
            order = _ids(tree)
            asked = [order.index(f"to-{kind}-{n}") for n in range(1, folds + 1)]
            answered = [order.index(f"{kind}-{n}") for n in range(1, folds + 1)]
            assert answered == sorted(answered), path
            assert all(here < there for here, there in zip(asked, answered, strict=True)), path
            links = [link.get("href") for link in tree.iter(f"{HTML}a")]
            for n in range(1, folds + 1):
                leads = [link.partition("#")[2] for link in links]
                assert leads.count(f"{kind}-{n}") == leads.count(f"to-{kind}-{n}") == 1, path
        assert not list(tree.iter(f"{HTML}details")), path


def test_an_answer_says_what_it_answers(chapters, built):
    for path, tree in chapters.items():
        names = ["".join(p.itertext()) for p in tree.iter(f"{HTML}p") if p.get("class") == "rubric"]
        named = [name.removeprefix("Answer to ") for name in names if name.startswith("Answer")]
        assert len(named) == len(built[path].select("details.fold"))
        exercises = [_plain(e.get_text()) for e in built[path].select(".exercise .caption-number")]
        assert [name for name in named if name.startswith("Exercise")] == exercises
        headings = [h.get_text()[:-1] for h in built[path].select("h1, h2, h3")]
        for name in named[: len(named) - len(exercises)]:
            assert re.fullmatch(r"prediction \d+, in “(.+)”", name)[1] in headings


def test_epub_holds_only_what_a_reader_uses(epub, chapters):
    kinds = {PurePosixPath(name).suffix for name in epub.namelist()}
    assert kinds <= {"", ".xml", ".opf", ".xhtml", ".css", ".png", ".jpg", ".svg"}
    assert len([name for name in epub.namelist() if name.endswith(".css")]) == 1
    for path, tree in chapters.items():
        tags = {e.tag.removeprefix(HTML) for e in tree.iter()}
        assert not tags & {"script", "style", "button", "input", "canvas", "noscript"}, path


# The PDF


@pytest.fixture(scope="module")
def pdf(book):
    return PdfReader(made(book, "lenet-course.pdf"))


@pytest.fixture(scope="module")
def bookmarks(pdf):
    """The bookmarks of the pages, with ``title``, number of ``page`` from 0, and ``sections``."""
    found = []
    for entry in pdf.outline:
        if isinstance(entry, list):
            found[-1].sections = [e.title for e in entry if not isinstance(e, list)]
        else:
            page = pdf.get_destination_page_number(entry)
            found.append(SimpleNamespace(title=entry.title, page=page, sections=[]))
    return found


def test_pdf_says_what_it_is(pdf):
    assert pdf.metadata.title == "LeNet from first principles"
    assert pdf.metadata.author
    assert pdf.trailer["/Root"]["/Lang"] == "en"
    assert "Version" in pdf.pages[0].extract_text()


def test_pdf_bookmarks_lead_to_the_pages_and_name_their_sections(pdf, bookmarks, built, contents):
    assert len(pdf.pages) > 400
    starts = [bookmark.page for bookmark in bookmarks]
    assert starts == sorted(set(starts))
    for page, bookmark in zip(contents, bookmarks, strict=True):
        title, *sections = (_plain(h.get_text()[:-1]) for h in built[page.path].select("h1, h2"))
        assert bookmark.title == title  # but for the # of the link
        assert [*map(_plain, bookmark.sections[: len(sections)])] == sections
        assert set(bookmark.sections[len(sections) :]) <= {"Answers", "Folded code"}
        assert _squeezed(title) in _squeezed(pdf.pages[bookmark.page].extract_text())


def test_pdf_cuts_no_card_of_the_first_page(book, bookmarks):
    sheets = PdfDocument(made(book, "lenet-course.pdf"))
    first, second = bookmarks[0].page, bookmarks[1].page
    expect_whole_cards([sheets[number] for number in range(first, second)])


def test_pdf_opens_with_its_bookmarks_and_says_each_once(pdf):
    assert pdf.trailer["/Root"]["/PageMode"] == "/UseOutlines"
    titles = [entry.title for entry in _flat(pdf.outline)]
    assert len(titles) > 450
    assert [title for title in titles if re.fullmatch(r"(.+?)\s*\1", title)] == []


def _flat(entries):
    for entry in entries:
        yield from _flat(entry) if isinstance(entry, list) else [entry]


def test_a_bookmark_that_is_written_twice_is_halved():
    pdf = pikepdf.new()
    pdf.add_blank_page()
    with pdf.open_outline() as outline:
        outline.root += [pikepdf.OutlineItem(t, 0) for t in ("Out of memory" * 2, "Mean, mean")]
    write_bookmarks_once(pdf)
    with pdf.open_outline() as outline:
        assert [entry.title for entry in outline.root] == ["Out of memory", "Mean, mean"]


def test_pdf_pages_are_numbered_and_the_contents_know_them(pdf, bookmarks):
    listed = _squeezed(pdf.pages[1].extract_text())
    for bookmark in bookmarks:
        lines = pdf.pages[bookmark.page].extract_text().split("\n")
        assert str(bookmark.page + 1) in lines
        running_head = _squeezed(lines[0])
        assert f"{running_head}{bookmark.page + 1}" in listed


def test_pdf_says_on_which_page_an_answer_stands(pdf):
    link = re.compile(r"^(Answer to .+|Back to the text), page (\d+)$", re.M)
    texts = [page.extract_text() for page in pdf.pages]
    led = [(at, *found) for at, text in enumerate(texts, 1) for found in link.findall(text)]
    assert len(led) > 300
    for here, name, there in led:
        if name == "Back to the text":
            assert int(there) <= here
        else:
            assert _squeezed(name) in _squeezed(texts[int(there) - 1])


def test_pdf_links_stay_in_it(pdf, bookmarks):
    known = set(pdf.named_destinations)
    lost, inside = [], 0
    for number, page in enumerate(pdf.pages, 1):
        for link in (annotation.get_object() for annotation in page.get("/Annots", [])):
            if "/Dest" in link:
                inside += 1
                lost += [] if link["/Dest"] in known else [(number, link["/Dest"])]
            elif not re.match(r"https?://", link["/A"]["/URI"]):
                lost.append((number, link["/A"]["/URI"]))
    assert not lost
    assert inside > 2500
    glossary = next(bookmark.page for bookmark in bookmarks if bookmark.title == "Glossary")
    stride = pdf.named_destinations["/pglossary.term-stride"]
    assert "stride" in pdf.pages[pdf.get_destination_page_number(stride)].extract_text()
    assert pdf.get_destination_page_number(stride) > glossary


def test_pdf_tells_nothing_of_the_machine_that_made_it(book):
    plain = io.BytesIO()
    with pikepdf.open(made(book, "lenet-course.pdf")) as pdf:
        pdf.save(plain, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    told = [word for word in ("file:", str(ROOT)) if word.encode() in plain.getvalue()]
    assert not told


def test_pdf_brings_its_fonts(pdf):
    fonts = [
        font.get_object()
        for page in pdf.pages
        for font in page["/Resources"].get("/Font", {}).values()
    ]
    assert fonts
    for font in fonts:
        if font["/Subtype"] != "/Type3":  # its glyphs are drawings in the file
            inner = font["/DescendantFonts"][0] if font["/Subtype"] == "/Type0" else font
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(inner["/FontDescriptor"]), font


def test_pdf_shows_the_chinese_words_and_no_tex(pdf, bookmarks):
    starts = {bookmark.title: bookmark.page for bookmark in bookmarks}
    pages = pdf.pages[starts["Glossary"] : starts["Troubleshooting"]]
    glossary = _squeezed("".join(page.extract_text() for page in pages))
    assert not RADICALS.findall(glossary)
    words = read_book(ROOT).words
    assert len(words) > 90
    for explained in words.values():
        assert CJK.search(explained)[0] in glossary
    formulas = pdf.pages[starts["Notation"]].extract_text()
    assert not RAW_TEX.search(formulas)


def test_a_printed_chinese_word_can_be_searched(browser, tmp_path):
    page = browser.new_page()
    words = re.findall(CJK, (ROOT / "chapters" / "glossary.md").read_text(encoding="utf-8"))
    page.set_content("".join(f"<p>{word}" for word in words))
    page.pdf(path=tmp_path / "words.pdf", tagged=True)
    page.close()
    before = PdfReader(tmp_path / "words.pdf").pages
    if not RADICALS.search("".join(page.extract_text() for page in before)):
        pytest.skip("this font, or this browser, calls no word a radical")
    with pikepdf.open(tmp_path / "words.pdf") as pdf:
        name_words(pdf)
        pdf.save(tmp_path / "named.pdf")
    after = PdfReader(tmp_path / "named.pdf").pages
    assert _squeezed("".join(page.extract_text() for page in after)) == "".join(words)


def _plain(text):
    return " ".join(text.split())


def _squeezed(text):
    return "".join(text.split())

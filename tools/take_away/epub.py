"""Make an EPUB of the built book.

    python -m tools.take_away.epub

The formulas become MathML. What the page folds stands at the end of its chapter, with links there
and back: an e-reader runs no JavaScript, and many show a ``<details>`` open.
"""

import io
import mimetypes
import posixpath
import re
import sys
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from bs4 import BeautifulSoup
from latex2mathml.converter import convert
from PIL import Image
from pygments.formatters import HtmlFormatter

from tools.take_away import pages

XHTML = "application/xhtml+xml"
STYLE = Path(__file__).with_name("epub.css")
CODE_STYLE = "a11y-high-contrast-light"  # the theme's own on a light page
PAGE = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" \
lang="{language}" xml:lang="{language}">
<head>
<title>{title}</title>
<link rel="stylesheet" type="text/css" href="{up}style.css"/>
</head>
<body>
{body}
</body>
</html>
"""
PACKAGE = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" \
xml:lang="{language}">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">{name}-{version}</dc:identifier>
<dc:title>{title}</dc:title>
<dc:creator>{author}</dc:creator>
<dc:language>{language}</dc:language>
<dc:rights>{year}, {license} license</dc:rights>
<meta property="dcterms:modified">{now}</meta>
<meta property="schema:version">{version}</meta>
<meta property="schema:accessMode">textual</meta>
<meta property="schema:accessMode">visual</meta>
<meta property="schema:accessibilityFeature">alternativeText</meta>
<meta property="schema:accessibilityFeature">MathML</meta>
<meta property="schema:accessibilityFeature">tableOfContents</meta>
<meta property="schema:accessibilityHazard">none</meta>
</metadata>
<manifest>
{manifest}
</manifest>
<spine>
{spine}
</spine>
</package>
"""
CONTAINER = """<?xml version="1.0" encoding="utf-8"?>
<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">
<rootfiles>
<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/>
</rootfiles>
</container>
"""


def main():
    """Write the EPUB beside the built pages, or to the path that is given."""
    book = pages.about()
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else pages.BOOK / f"{book.name}.epub"
    write(path, book, pages.read_pages())
    pages.offer(path.name)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def write(path, book, contents):
    """Write the EPUB of a book with its pages."""
    known = {page.path for page in contents}
    articles = {page.path: article(page, known) for page in contents}
    files = {"title.xhtml": _page("title.xhtml", book, book.title, _title_page(book))}
    files["nav.xhtml"] = _page("nav.xhtml", book, "Contents", _navigation(contents, articles))
    for page in contents:
        name = _renamed(page.path)
        files[name] = _page(name, book, page.title, articles[page.path].decode_contents())
    code = HtmlFormatter(style=CODE_STYLE).get_style_defs(".highlight")
    files["style.css"] = code + "\n" + STYLE.read_text(encoding="utf-8")
    for page, body in articles.items():
        for picture in body.select("img"):
            name = posixpath.normpath(posixpath.join(posixpath.dirname(page), picture["src"]))
            files[name] = small_picture(pages.BOOK / name)
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("mimetype", "application/epub+zip", ZIP_STORED)
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("book.opf", _package(book, files))
        for name, content in files.items():
            archive.writestr(name, content)


def article(page, known):
    """Return what a page says, ready for an e-reader; `known` are the pages it can link to."""
    body = pages.read_article(pages.BOOK / page.path)
    for content in body.select("#exercise-content"):  # each exercise of a page has this one
        del content["id"]
    for paragraph in body.select("p:has(> ul)"):  # a docstring's only returned value is a list
        paragraph.unwrap()
    for math in body.select(".math"):
        _write_mathml(math)
    for picture in body.select("img"):
        _give_true_size(picture, page)
    for link in body.select("a[href]"):
        _lead_to_chapters(link, page, known)
    for code in body.select("details.hide"):
        code.parent.append(code)  # so that the link to it stands below the output
    _move_to_the_end(body, "details.sd-dropdown", "answer", "Answers")
    _move_to_the_end(body, "details.hide", "code", "Folded code")
    return body


def _write_mathml(math):
    r"""Replace the TeX of a formula, in \( \) or \[ \], by MathML."""
    tex = math.find(string=re.compile(r"\\[(\[]"), recursive=False)
    formula = tex.strip()[2:-2].strip()
    known = re.sub(r"\\(begin|end)\{(aligned|split)\}", r"\\\1{align*}", formula)
    display = "block" if math.name == "div" else "inline"
    mathml = BeautifulSoup(convert(known, display=display), "html.parser").math
    for table in mathml.select('[columnspacing=""]'):  # of a single column
        del table["columnspacing"]
    mathml["alttext"] = formula
    tex.replace_with(mathml)


def _give_true_size(picture, page):
    """Figures are drawn at 144 dots an inch; the page counts 96."""
    path, _ = pages.target(page, picture["src"])
    with Image.open(pages.BOOK / path) as image:
        picture["width"] = round(image.width * 96 / 144)


def _lead_to_chapters(link, page, known):
    """Make a link lead into the EPUB; one to a file that is not in it becomes plain text."""
    if re.match(r"(https?|mailto):|#", link["href"]):
        return
    path, _ = pages.target(page, link["href"])
    if path in known:
        link["href"] = _renamed(link["href"])
    else:
        link.unwrap()


def _move_to_the_end(body, selector, kind, title):
    """Move what is folded to a section at the end, with links there and back."""
    folds = body.select(selector)
    if not folds:
        return
    end = _element(f'<section id="{kind}-section"><h2>{title}</h2></section>')
    for number, fold in enumerate(folds, 1):
        name = f"Answer {number}" if kind == "answer" else f"{_label(fold)} ({number})"
        here, there = f"to-{kind}-{number}", f"{kind}-{number}"
        end.append(_element(f'<h3 id="{there}">{name}</h3>'))
        end.append(fold.div.extract())
        end.append(_element(f'<p class="fold"><a href="#{here}">Back to the text</a></p>'))
        link = f'<p class="fold" id="{here}"><a href="#{there}">{name}</a></p>'
        fold.replace_with(_element(link))
    body.append(end)


def _label(fold):
    """Name folded code as the page does, and a figure by its number."""
    label = fold.summary.p.get_text()
    figure = fold.parent.select_one(".caption-number")
    return label.replace("this figure", figure.get_text(strip=True)) if figure else label


def small_picture(path):
    """Return a PNG with 256 colors on white: a third of the size, and the eye sees no difference."""
    picture = Image.open(path).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    few_colors = Image.alpha_composite(white, picture).convert("RGB").quantize(
        256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
    )
    small = io.BytesIO()
    few_colors.save(small, "PNG", optimize=True)
    return small.getvalue()


def _title_page(book):
    return (
        f'<section class="title-page" epub:type="titlepage"><h1>{escape(book.title)}</h1>'
        f"<p>{escape(book.author)}</p><p>Version {book.version}, {book.year}</p></section>"
    )


def _navigation(contents, articles):
    """Write the contents: the parts, their chapters, and each chapter's sections."""
    parts = []
    for part, chapters in groupby(contents, key=lambda page: page.part):
        entries = "".join(_entry(page, articles[page.path]) for page in chapters)
        parts.append(f"<li><span>{escape(part)}</span><ol>{entries}</ol></li>" if part else entries)
    return f'<nav epub:type="toc"><h1>Contents</h1><ol>{"".join(parts)}</ol></nav>'


def _entry(page, body):
    address = _renamed(page.path)
    sections = "".join(
        f'<li><a href="{address}#{section["id"]}">{escape(section.h2.get_text())}</a></li>'
        for section in body.select("section:has(> h2)")
    )
    nested = f"<ol>{sections}</ol>" if sections else ""
    return f'<li><a href="{address}">{escape(page.title)}</a>{nested}</li>'


def _page(name, book, title, body):
    """Write a page of the EPUB."""
    up = "../" * name.count("/")
    return PAGE.format(language=book.language, title=escape(title), up=up, body=body)


def _package(book, files):
    """Write the list of all files, and the pages in reading order."""
    manifest, spine = [], []
    for number, (name, content) in enumerate(files.items()):
        kind, _ = mimetypes.guess_type(name)
        properties = ["nav"] if name == "nav.xhtml" else []
        if kind == XHTML:
            spine.append(f'<itemref idref="f{number}"/>')
            properties += ["mathml"] if "<math " in content else []
        extra = f' properties="{" ".join(properties)}"' if properties else ""
        manifest.append(f'<item id="f{number}" href="{name}" media-type="{kind}"{extra}/>')
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {key: escape(value) for key, value in vars(book).items()}
    return PACKAGE.format(
        **about, now=now, manifest="\n".join(manifest), spine="\n".join(spine)
    )


def _renamed(address):
    return re.sub(r"\.html(?=#|$)", ".xhtml", address)


def _element(markup):
    return BeautifulSoup(markup, "html.parser").contents[0]


if __name__ == "__main__":
    main()

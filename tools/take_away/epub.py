"""Make an EPUB of the built book: `python -m tools.take_away.epub`.

The formulas become MathML.
"""

import mimetypes
import posixpath
import re
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from latex2mathml.converter import convert
from PIL import Image
from pygments.formatters import HtmlFormatter

from tools.take_away import cover, pages

STYLE = Path(__file__).with_name("epub.css")
CODE_STYLE = "a11y-high-contrast-light"  # the theme's own on a light page
COVER = "cover.png"
XHTML = "application/xhtml+xml"
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
TITLE_PAGE = """<section class="title-page" epub:type="titlepage">
<h1>{title}</h1>
<p>{author}</p>
<p>Version {version}, {year}</p>
</section>"""
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
<meta name="cover" content="cover"/>
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
    """Write the EPUB beside the built pages."""
    book = pages.about()
    path = pages.BOOK / f"{book.name}.epub"
    files = _files(book, pages.read_pages())
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("mimetype", "application/epub+zip", ZIP_STORED)
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("book.opf", _package(book, files))
        for name, content in files.items():
            archive.writestr(name, content)
    pages.offer()
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def _files(book, chapters):
    """Return name → content of all files, the pages in reading order."""
    pages.lead_links(chapters, _address)
    names = {_renamed(page.path): page for page in chapters}
    files = {
        "title.xhtml": _page(book, book.title, TITLE_PAGE.format(**_escaped(book))),
        "nav.xhtml": _page(book, "Contents", _navigation(chapters)),
    }
    pictures = {}
    for name, page in names.items():
        for formula in page.body.select(".math"):
            _write_mathml(formula)
        for figure in page.body.select(".cell_output img"):
            figure["width"] = _true_width(pages.resolve(page, figure["src"]))
        for picture in page.body.select("img"):
            path = pages.resolve(page, picture["src"])
            pictures[path] = (pages.BOOK / path).read_bytes()
        up = "../" * name.count("/")
        files[name] = _page(book, page.title, page.body.decode_contents(), up)
    code = HtmlFormatter(style=CODE_STYLE).get_style_defs(".highlight")
    style = code + "\n" + STYLE.read_text(encoding="utf-8")
    return files | {"style.css": style, COVER: cover.draw(book.title, book.author)} | pictures


def _write_mathml(formula):
    r"""Replace the TeX of a formula, in \( \) or \[ \], by MathML."""
    text = formula.find(string=re.compile(r"\\[(\[]"), recursive=False)
    tex = text.strip()[2:-2].strip()
    # The converter does not know these two, but one that looks the same.
    known = re.sub(r"\\(begin|end)\{(aligned|split)\}", r"\\\1{align*}", tex)
    known = re.sub(r"\\\\\[[\d.]+(ex|em|pt)\]", r"\\\\", known)  # nor the distance of lines
    mathml = pages.element(convert(known, display="block" if formula.name == "div" else "inline"))
    for table in mathml.select('[columnspacing=""]'):  # of a single column
        del table["columnspacing"]
    mathml["alttext"] = " ".join(tex.split())
    text.replace_with(mathml)


def _true_width(path):
    """Figures are drawn at 144 dots an inch (chapters/matplotlibrc), pages count 96."""
    with Image.open(pages.BOOK / path) as figure:
        return round(figure.width * 96 / 144)


def _navigation(chapters):
    """Write the contents: the parts, their chapters, and each chapter's sections."""
    parts = []
    for part, members in groupby(chapters, key=lambda page: page.part):
        entries = "".join(map(_entry, members))
        parts.append(f"<li><span>{escape(part)}</span><ol>{entries}</ol></li>" if part else entries)
    return f'<nav epub:type="toc"><h1>Contents</h1><ol>{"".join(parts)}</ol></nav>'


def _entry(page):
    address = _renamed(page.path)
    sections = "".join(
        f'<li><a href="{address}#{section["id"]}">{escape(section.h2.get_text())}</a></li>'
        for section in page.body.select("section:has(> h2)")
    )
    nested = f"<ol>{sections}</ol>" if sections else ""
    return f'<li><a href="{address}">{escape(page.title)}</a>{nested}</li>'


def _package(book, files):
    """Write the list of all files, and of the pages in reading order."""
    manifest, spine = [], []
    for number, (name, content) in enumerate(files.items()):
        kind, _ = mimetypes.guess_type(name)
        place, properties = f"f{number}", ""
        if name == COVER:
            place, properties = "cover", ' properties="cover-image"'
        elif kind == XHTML:
            spine.append(f'<itemref idref="{place}"/>')
            if name == "nav.xhtml":
                properties = ' properties="nav"'
            elif "<math " in content:
                properties = ' properties="mathml"'
        manifest.append(f'<item id="{place}" href="{name}" media-type="{kind}"{properties}/>')
    return PACKAGE.format(
        **_escaped(book),
        now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        manifest="\n".join(manifest),
        spine="\n".join(spine),
    )


def _page(book, title, body, up=""):
    return PAGE.format(language=book.language, title=escape(title), up=up, body=body)


def _escaped(book):
    return {key: escape(value) for key, value in vars(book).items()}


def _address(page, path, fragment):
    near = posixpath.relpath(_renamed(path), posixpath.dirname(page.path) or ".")
    return f"{near}#{fragment}" if fragment else near


def _renamed(path):
    return path.removesuffix(".html") + ".xhtml"


if __name__ == "__main__":
    main()

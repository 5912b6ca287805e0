"""Print the built book to one PDF with the installed Chromium: `python -m tools.take_away.pdf`.

The pages are joined before they are printed, so Chromium makes the bookmarks, leads the links from
chapter to chapter and numbers the pages itself.
"""

import io
import json
import re
import unicodedata
from html import escape
from itertools import groupby
from pathlib import Path, PurePosixPath

import pikepdf
from playwright.sync_api import sync_playwright

from tools.browser import launch
from tools.take_away import pages

STYLE = Path(__file__).with_name("pdf.css")
DOCUMENT = """<!DOCTYPE html>
<html lang="{language}" data-theme="light" data-mode="light">
<head>
<meta charset="utf-8">
<title>{title}</title>
{head}
<style>
{style}
</style>
</head>
<body>
<div class="title-page">
<p class="title">{title}</p>
<p>{author}</p>
<p>Version {version}, {year}</p>
</div>
<div class="bd-content">
<div class="bd-article-container">
{contents}
{body}
</div>
</div>
</body>
</html>
"""
RUNNING_HEAD = """#{name} {{ page: {name}; }}
@page {name} {{ @top-right {{ content: {title}; }} }}"""
CONTENTS_ENTRY = '<p><a href="#{name}">{title}</a> <span data-page-of="{name}"></span></p>'
PAGE_OF = '<span>, page <span data-page-of="{name}">000</span></span>'  # as wide as a number
WRITE_PAGE_NUMBERS = """numbers => {
    for (const entry of document.querySelectorAll("[data-page-of]"))
        entry.textContent = numbers[entry.dataset.pageOf]
}"""
# A radical or a ligature in a font's table: at the end of a line stands what a code is read as.
SHAPE = re.compile(r"<(2[EF][0-9A-F]{2}|FB0[0-6])>(?=\s*\n)")
# The radicals for which Unicode has no compatible word (EquivalentUnifiedIdeograph.txt)
WORDS = str.maketrans(
    "⺠⻁⻄⻅⻆⻉⻋⻓⻔⻘⻙⻚⻛⻜⻝⻢⻣⻤⻥⻦⻨⻩⻬⻮⻰",
    "民虎西见角贝车长门青韦页风飞食马骨鬼鱼鸟麦黄齐齿龙",
)
SETTINGS = {"prefer_css_page_size": True, "print_background": True}
MINUTES = 60_000


def main():
    """Write the PDF beside the built pages."""
    book, chapters = pages.about(), pages.read_pages()
    path = pages.BOOK / f"{book.name}.pdf"
    document = pages.BOOK / "print.html"  # beside the styles that it uses
    document.write_text(_join(book, chapters), encoding="utf-8")
    try:
        _print(document, path)
    finally:
        document.unlink()
    _pack(path, book)
    pages.offer()
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def _join(book, chapters):
    """Return all pages as one."""
    pages.lead_links(chapters, lambda _, path, fragment: f"#{_name(path, fragment)}")
    heads = []
    for page in chapters:
        name = _name(page.path)
        heads.append(RUNNING_HEAD.format(name=name, title=json.dumps(page.title)))
        for place in page.body.select("[id]"):
            place["id"] = _name(page.path, place["id"])
        for link in page.body.select("p.fold > a"):
            link.insert_after(pages.element(PAGE_OF.format(name=link["href"][1:])))
        page.body["id"] = name
        for picture in page.body.select("img"):
            picture["src"] = pages.resolve(page, picture["src"])
    return DOCUMENT.format(
        **{key: escape(value) for key, value in vars(book).items()},
        head=_head(chapters),
        style="\n".join([STYLE.read_text(encoding="utf-8"), *heads]),
        contents=_contents(chapters),
        body="\n".join(str(page.body) for page in chapters),
    )


def _head(chapters):
    """Return the styles of a page with formulas, and the scripts that draw them."""
    page = next(page for page in chapters if page.body.select(".math"))
    parts = pages.parse(page.path).head.select('link[rel="stylesheet"], script')
    for part in parts:
        for key in {"href", "src"} & part.attrs.keys():
            part[key] = pages.resolve(page, part[key])
    texts = map(str, parts)
    return "\n".join(text for text in texts if "<link" in text or "mathjax" in text.lower())


def _contents(chapters):
    lines = ['<nav class="printed-contents">', '<p class="title">Contents</p>']
    for part, members in groupby(chapters, key=lambda page: page.part):
        lines.append(f'<p class="part">{escape(part)}</p>')
        for page in members:
            title = escape(page.title)
            lines.append(CONTENTS_ENTRY.format(name=_name(page.path), title=title))
    return "\n".join([*lines, "</nav>"])


def _print(document, path):
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(color_scheme="light")
        page.goto(document.as_uri(), timeout=10 * MINUTES)
        page.evaluate("Promise.all([MathJax.startup.promise, document.fonts.ready])")
        numbers = _page_numbers(page.pdf(**SETTINGS))
        page.evaluate(WRITE_PAGE_NUMBERS, numbers)
        # The tags are for screen readers, and Chromium makes the bookmarks of them.
        page.pdf(path=path, tagged=True, outline=True, **SETTINGS)
        browser.close()


def _page_numbers(printed):
    """Return on which page each place is that a link leads to."""
    with pikepdf.open(io.BytesIO(printed)) as pdf:
        numbers = {page.objgen: number for number, page in enumerate(pdf.pages, 1)}
        places = pdf.Root.Dests.items()
        return {name.removeprefix("/"): numbers[place[0].objgen] for name, place in places}


def _pack(path, book):
    """Write the PDF anew, at half the size and with its author."""
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.docinfo["/Author"] = book.author
        del pdf.docinfo["/Creator"]  # a line about the browser
        pdf.Root.PageMode = pikepdf.Name.UseOutlines  # a viewer opens it with the bookmarks
        name_words(pdf)
        write_bookmarks_once(pdf)
        pdf.save(path, object_stream_mode=pikepdf.ObjectStreamMode.generate)


def write_bookmarks_once(pdf):
    """Halve the bookmarks that Chromium wrote twice, as it does with some headings."""
    for entry in pdf.objects:
        if isinstance(entry, pikepdf.Dictionary) and {"/Title", "/Parent"} <= entry.keys():
            entry.Title = re.sub(r"^(.+)\1$", r"\1", str(entry.Title))


def name_words(pdf):
    """Let the fonts of a PDF say that they show words and not shapes.

    A Chinese font draws a radical and the word of the same shape with one glyph. Chromium calls it
    the radical, and a search for the word would not find it. The same is true of ligatures.
    """

    def word(match):
        letters = unicodedata.normalize("NFKC", chr(int(match[1], 16))).translate(WORDS)
        return "<" + "".join(f"{ord(letter):04X}" for letter in letters) + ">"

    for font in pdf.objects:
        if isinstance(font, pikepdf.Dictionary) and "/ToUnicode" in font:
            texts = font.ToUnicode.read_bytes().decode("ascii")
            font.ToUnicode.write(SHAPE.sub(word, texts).encode("ascii"))


def _name(path, fragment=""):
    """Name a place in the joined pages: each of them has an "exercises"."""
    page = f"p{PurePosixPath(path).stem}"
    return f"{page}.{fragment}" if fragment else page


if __name__ == "__main__":
    main()

"""The pages of the built book in reading order, as they are taken away: in an EPUB, on paper.

What works only on a screen with JavaScript is left out. What a page folds stands at the end of its
chapter, with links there and back: paper unfolds nothing, and many e-readers show it open.
"""

import posixpath
import re
import tomllib
from html import escape
from pathlib import Path
from types import SimpleNamespace

import yaml
from bs4 import BeautifulSoup

from _ext.front_page import offered

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "_build" / "html"
FIRST = "intro.html"
SCREEN_ONLY = (
    ".headerlink, .demo, .take-away, .toctree-wrapper, .only-dark, noscript, script, style"
)


def about():
    """Return what a title page says, and the ``name`` of the file."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return SimpleNamespace(
        title=config["title"],
        author=config["author"],
        year=config["copyright"],
        language=config["sphinx"]["config"]["language"],
        name=project["name"],
        version=project["version"],
        license=project["license"],
    )


def read_pages():
    """List the pages in the order of the contents.

    Returns
    -------
    list of SimpleNamespace
        With the ``path`` in the book's folder, the ``title`` with the chapter's number, the
        ``part``, which is empty for the first page, and the ``body``, a tree of Beautiful Soup.
    """
    first, part = parse(FIRST), ""
    pages = [SimpleNamespace(path=FIRST, title=about().title, part=part, body=_body(FIRST))]
    for entry in first.select(".bd-links .caption-text, .bd-links li > a"):
        if entry.name == "a":
            path, title = entry["href"], entry.get_text(strip=True)
            pages.append(SimpleNamespace(path=path, title=title, part=part, body=_body(path)))
        else:
            part = entry.get_text()
    return pages


def lead_links(pages, address):
    """Let all links between pages lead to `address(path, fragment)`, as seen from a page.

    A link to a file that is not taken along becomes plain text.
    """
    paths = {page.path for page in pages}
    for page in pages:
        for link in page.body.select("a[href]"):
            if re.match(r"https?:|mailto:", link["href"]):
                continue
            path, _, fragment = link["href"].partition("#")
            path = resolve(page, path) if path else page.path
            if path in paths:
                link["href"] = address(page, path, fragment)
            else:
                link.unwrap()


def resolve(page, path):
    """Return a path that a page names, in the book's folder."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page.path), path))


def offer():
    """Show the links to the finished files on the first page, which was built before them."""
    page = BOOK / FIRST
    page.write_text(offered(page.read_text(encoding="utf-8"), BOOK), encoding="utf-8")


def parse(path):
    """Parse a built page."""
    return BeautifulSoup((BOOK / path).read_text(encoding="utf-8"), "html.parser")


def element(markup):
    """Make an element of its HTML."""
    return BeautifulSoup(markup, "html.parser").contents[0]


def _body(path):
    body = parse(path).select_one("article")
    for part in body.select(SCREEN_ONLY):
        part.decompose()
    for content in body.select("#exercise-content"):  # each exercise of a page has this one
        del content["id"]
    for cell in body.select("[halign]"):  # of pandas; HTML has no such attribute
        del cell["halign"]
    for paragraph in body.select("p:has(> ul)"):  # in docstrings; HTML does not allow it
        paragraph.unwrap()
    for code in body.select("details.hide"):
        code.parent.append(code)  # so that the link to it will stand below the output
    _move_to_the_end(body, "details.sd-dropdown", "answer", "Answers")
    _move_to_the_end(body, "details.hide", "code", "Folded code")
    return body


def _move_to_the_end(body, selector, kind, title):
    folds = body.select(selector)
    if not folds:
        return
    end = element(f'<section id="{kind}-section"><h2>{title}</h2></section>')
    for number, fold in enumerate(folds, 1):
        name = _question(fold, number) if kind == "answer" else f"{_label(fold)} ({number})"
        here, there = f"to-{kind}-{number}", f"{kind}-{number}"
        end.append(element(f'<p class="rubric" id="{there}">{name}</p>'))
        end.append(fold.div.extract())
        end.append(element(f'<p class="fold"><a href="#{here}">Back to the text</a></p>'))
        link = f'<p class="fold" id="{here}"><a href="#{there}">{name}</a></p>'
        fold.replace_with(element(link))
    body.append(end)


def _question(fold, number):
    """Name an answer by its exercise, or by the section that asks for a prediction."""
    if "solution" in fold["class"]:
        exercise = fold.find_previous(class_="exercise").select_one(".caption-number")
        return f"Answer to {exercise.get_text(strip=True)}"
    heading = fold.find_parent("section").find(re.compile("h[1-4]"))
    return f"Answer to prediction {number}, in “{escape(heading.get_text())}”"


def _label(fold):
    """Name folded code as the page does, but a figure by its number."""
    label = fold.summary.p.get_text()
    figure = fold.parent.select_one(".caption-number")
    return label.replace("this figure", figure.get_text(strip=True)) if figure else label

"""The pages of the built book in reading order, and what a title page says."""

import posixpath
import tomllib
from pathlib import Path
from types import SimpleNamespace

import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "_build" / "html"
FIRST = "intro.html"
NOT_TAKEN = ".headerlink, .demo, .take-away, .toctree-wrapper, .only-dark, noscript, script, style"


def read_pages(book=BOOK):
    """List the pages as the contents at the left of each page do.

    Returns
    -------
    list of SimpleNamespace
        With ``path`` in the book's folder, ``title`` with the chapter's number, and ``part``, which
        is empty for the first page.
    """
    pages, part = [], ""
    for entry in _soup(book / FIRST).select(".bd-links .caption-text, .bd-links li > a"):
        if entry.name == "a":
            path = FIRST if entry["href"] == "#" else entry["href"]
            title = entry.get_text(strip=True)
            pages.append(SimpleNamespace(path=path, title=title, part=part))
        else:
            part = entry.get_text()
    return pages


def read_article(path):
    """Return what a built page says, without what works only on a screen with JavaScript."""
    article = _soup(path).select_one("article")
    for element in article.select(NOT_TAKEN):
        element.decompose()
    return article


def target(page, address):
    """Split a link of a page into a path in the book's folder and a fragment."""
    path, _, fragment = address.partition("#")
    folder = posixpath.dirname(page.path)
    return posixpath.normpath(posixpath.join(folder, path)) if path else page.path, fragment


def about(root=ROOT):
    """Return the book's ``title``, ``author``, ``year``, ``language`` and ``version``."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return SimpleNamespace(
        title=config["title"],
        author=config["author"],
        year=config["copyright"],
        language=config["sphinx"]["config"]["language"],
        version=project["version"],
        license=project["license"],
        name=project["name"],
    )


def offer(name, book=BOOK):
    """Show the link to a finished file on the first page, where it waits as ``hidden``."""
    page = book / FIRST
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace(f'href="{name}" hidden', f'href="{name}"'), encoding="utf-8")


def _soup(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")

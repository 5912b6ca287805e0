"""What the chapters refer to: numbers of chapters and labels, words of the glossary, cited works.

The numbers are counted as Sphinx counts them. A browser test compares them with the built book.
"""

import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import nbformat
import yaml
from pybtex.database import parse_file
from pybtex.plugin import find_plugin

GENERATED = ["remove-cell", "jupyterlab"]  # tags of a cell that `tools.jupyterlab` writes
BLOCK = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?P<name>math|exercise)\}.*?^(?P=fence)$", re.M | re.S
)
LABEL = re.compile(r"^:label: (\S+)$", re.M)
SECTION = re.compile(r"^\(([\w-]+)\)=\n+#+ (.+)$", re.M)
ROLE = re.compile(r"\{(\w+)(?::\w+)?\}`(?:([^`<]*?) <([^`>]*)>|([^`]*))`")
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
NUMBERED = re.compile(r"\[([Cc]hapter) \d+\]\((\w+)\.ipynb\)")


def read_book(root):
    """Read what can be referred to in the book of a folder.

    Returns
    -------
    SimpleNamespace
        With the dicts ``chapters`` (file name without its ending → number), ``labels``
        (label → where it is and how it shows), ``words`` (term → definition) and ``works``
        (key → how the text names it, and its full reference).
    """
    parts = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    chapters = _chapters(parts)
    labels, together = {}, Counter()  # pages that are no chapters are counted as one
    for page in (page["file"] for part in parts for page in part["chapters"]):
        for path in filter(Path.is_file, (root / f"{page}.ipynb", root / f"{page}.md")):
            number = chapters.get(path.stem)
            labels |= _labels(path, number, Counter() if number else together)
    return SimpleNamespace(chapters=chapters, labels=labels, words=_words(root), works=_works(root))


def is_generated(cell):
    """Tell whether a cell was written by `tools.jupyterlab`, not by an author."""
    return "jupyterlab" in cell.metadata.get("tags", [])


def roles(text):
    """Yield (role, target) for each role of a text: {term}`channels <channel>` → term, channel."""
    for role, _, target, alone in ROLE.findall(text):
        yield role, target or alone


def links(text):
    """Yield (words, target) for each link of a text; the target of a label comes without its #."""
    for words, target in LINK.findall(text):
        yield words, target.removeprefix("#")


def plain(text, book):
    """Return a text with its roles replaced by what they show."""

    def shown(match):
        role, words, _, alone = match.groups()
        label = book.labels.get(alone)
        return words or (label.shown if role in ("eq", "ref", "numref") and label else alone)

    return ROLE.sub(shown, text)


def renumbered(text, book):
    """Return a text whose links to chapters, [chapter 3](13_x.ipynb), have today's numbers."""

    def link(match):
        word, stem = match.groups()
        if stem not in book.chapters:
            raise ValueError(f"{match[0]}: the contents have no such numbered chapter")
        return f"[{word} {book.chapters[stem]}]({stem}.ipynb)"

    return NUMBERED.sub(link, text)


def link_faults(text, book):
    """List the links whose words are not those of the work they lead to."""
    return [
        f"[{words}]({target}) should read {' or '.join(book.works[target].names)}"
        for words, target in links(text)
        if target in book.works and words not in book.works[target].names
    ]


def _chapters(parts):
    numbered = [part["chapters"] for part in parts if part.get("numbered")]
    files = [chapter["file"].rpartition("/")[2] for part in numbered for chapter in part]
    return {stem: number for number, stem in enumerate(files, 1)}


def _labels(path, chapter, counts):
    labels = {}

    def add(kind, label, form):
        counts[kind] += 1
        number = f"{chapter}.{counts[kind]}" if chapter else str(counts[kind])
        labels[label] = SimpleNamespace(
            page=path.name, number=number, shown=form.format(number), block=None
        )
        return labels[label]

    if path.suffix == ".md":
        texts = [path.read_text(encoding="utf-8")]
    else:
        cells = [c for c in nbformat.read(path, as_version=4).cells if not is_generated(c)]
        texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
        for cell in cells:
            figure = cell.metadata.get("mystnb", {}).get("figure", {})
            if "caption" in figure:
                add("figure", figure["name"], "Figure {}")
    for text in texts:
        for block in BLOCK.finditer(text):
            label = LABEL.search(block[0])
            if label and block["name"] == "math":
                add("math", label[1], "({})").block = block[0]
            elif label and ":nonumber:" not in block[0]:
                add("exercise", label[1], "Exercise {}")
        for label, title in SECTION.findall(text):
            labels[label] = SimpleNamespace(page=path.name, number="", shown=title, block=None)
    return labels


def _words(root):
    page = (root / "chapters" / "glossary.md").read_text(encoding="utf-8")
    words = {}
    for glossary in re.findall(r"^```\{glossary\}\n(.*?)^```", page, re.M | re.S):
        for entry in re.split(r"\n(?=\S)", glossary):
            term, _, definition = entry.partition("\n")
            words[term.strip()] = " ".join(definition.split())
    return words


def _works(root):
    entries = parse_file(root / "references.bib").entries
    style = find_plugin("pybtex.style.formatting", "plain")()
    backend = find_plugin("pybtex.backends", "markdown")()
    works = {}
    for formatted in style.format_entries(entries.values()):
        entry = entries[formatted.key]
        names = [" ".join(p.prelast_names + p.last_names) for p in entry.persons["author"]]
        authors = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        authors, year = re.sub(r"[{}]", "", authors), entry.fields["year"]
        works[formatted.key] = SimpleNamespace(
            names=(f"{authors} ({year})", f"{authors}, {year}"),  # in a sentence, in parentheses
            reference=formatted.text.render(backend),
        )
    return works

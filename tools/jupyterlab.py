"""What a notebook needs to read well in JupyterLab: folds, captions, references, room for answers.

Whatever the book shows by itself and JupyterLab does not is written into cells of its own, with
the tag ``jupyterlab``; the tag ``remove-cell`` keeps them out of the book. They are generated anew
each time from the tags, captions and gates of the author's cells, and never edited.
"""

import re
from itertools import pairwise

import nbformat

from tools.references import GENERATED, is_generated, links, plain, renumbered, roles

START = re.compile(r"^`{3,}\{solution-start\} (\S+)", re.M)
END = re.compile(r"^(?P<fence>`{3,})\{solution-end\}\s*^(?P=fence)$", re.M)
FOLDED = {  # tag of a cell that the book folds → what JupyterLab folds
    "hide-input": {"source_hidden": True},
    "hide-output": {"outputs_hidden": True},
    "hide-cell": {"source_hidden": True, "outputs_hidden": True},
}
COLLAPSED = "jp-MarkdownHeadingCollapsed"
BEGIN = """---
numbering:
  enumerator: {enumerator}
---

*{name}Shift+Enter runs a cell; "•••" opens folded code, "cells hidden" an answer.*"""


def author_cells(notebook):
    """Return the cells that the author wrote, cut so that an answer has cells of its own."""
    cells = []
    for cell in notebook.cells:
        if is_generated(cell):
            continue
        parts = _parts(cell.source) if cell.cell_type == "markdown" else [cell.source]
        for number, part in enumerate(parts):
            identity = f"{cell.id}-{number}" if number else cell.id
            cells.append(nbformat.from_dict({**cell, "id": identity, "source": part}))
    return cells


def furnish(notebook, stem, book):
    """Write into a notebook what it needs to read well in JupyterLab.

    Parameters
    ----------
    notebook : NotebookNode
        Changed in place. Done twice, it is as if done once.
    stem : str
        Its file name without the ending.
    book : SimpleNamespace
        From `tools.references.read_book`.
    """
    cells = author_cells(notebook)
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = renumbered(cell.source, book)
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    furnished = [_begin(book.chapters.get(stem))]
    for position, cell in enumerate(cells):
        _fold(cell)
        start = START.match(cell.source)
        if start:
            label = start[1]
            furnished += _opener(label, _inside(cells[position:]))
        furnished.append(cell)
        if END.search(cell.source):
            furnished.append(_text(f"end-{label}", "<h6 hidden></h6>"))  # ends what is collapsed
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if "caption" in figure:
            caption = f"```{{figure}}\n:label: {figure['name']}\n{figure['caption']}\n```"
            furnished.append(_text(f"caption-{figure['name']}", caption))
    references = _references(text, f"{stem}.ipynb", book)
    notebook.cells = furnished + references


def _begin(number):
    """Return the first cell; of a page that is no chapter the figures have a single number."""
    name, enumerator = (f"Chapter {number}. ", f"{number}.%s") if number else ("", '"%s"')
    return _text("begin", BEGIN.format(name=name, enumerator=enumerator))


def _parts(source):
    """Cut a text where an answer starts and where one ends."""
    starts = [gate.start() for gate in START.finditer(source)]
    ends = [gate.end() for gate in END.finditer(source)]
    parts = [source[a:b].strip("\n") for a, b in pairwise([0, *sorted(starts + ends), len(source)])]
    return [part for part in parts if part] or [source]


def _text(name, source, **metadata):
    cell = nbformat.v4.new_markdown_cell(source, metadata={"tags": GENERATED, **metadata})
    return nbformat.from_dict({**cell, "id": f"jupyterlab-{name}"[:64]})


def _fold(cell):
    folds = {}
    for tag in cell.metadata.get("tags", []):
        folds |= FOLDED.get(tag, {})
    cell.metadata.pop("jupyter", None)
    if folds and cell.cell_type == "code":
        cell.metadata["jupyter"] = folds


def _inside(cells):
    """Return the cells up to the gate that ends an answer."""
    for number, cell in enumerate(cells, 1):
        if END.search(cell.source):
            return cells[:number]
    raise ValueError(f"an answer without end: {cells[0].source!r}")


def _opener(label, inside):
    """Return what stands before an answer: the heading that it collapses under, room for code."""
    is_exercise = label.startswith("ex-")
    words = "Solution" if is_exercise else "See what happens"
    heading = _text(f"open-{label}", f"###### **{words}**", **{COLLAPSED: True})
    if not is_exercise or all(cell.cell_type != "code" for cell in inside):
        return [heading]
    answer = nbformat.v4.new_code_cell("# Your answer", metadata={"tags": GENERATED})
    return [nbformat.from_dict({**answer, "id": f"jupyterlab-answer-{label}"[:64]}), heading]


def _references(text, page, book):
    """Return the last cell: what the text refers to and this notebook does not hold."""
    others, words = {}, {}
    for role, target in roles(text):
        label = book.labels.get(target)
        if role == "term":
            word, definition = _definition(target, book)
            words[word] = f"{word}\n: {plain(definition, book)}"
        elif label and label.page != page:
            others[target] = _elsewhere(target, label, book)
    keys = {key for _, key in links(text)} & set(book.works)
    parts = list(others.values())
    if words:
        listed = "\n\n".join(words[word] for word in sorted(words, key=str.lower))
        parts += ["## Words", f"```{{glossary}}\n{listed}\n```"]
    if keys:
        parts += ["## Works", *(f"({key})=\n{book.works[key].reference}" for key in sorted(keys))]
    if others:
        parts.insert(0, "## In other chapters")
    return [_text("references", "\n\n".join(parts))] if parts else []


def _definition(target, book):
    for word, definition in book.words.items():
        if word.lower() == target.lower():
            return word, definition
    raise ValueError(f"the glossary has no {target!r}")


def _elsewhere(target, label, book):
    """Return a formula anew; of anything else the name, and where it stands."""
    stem = label.page.partition(".")[0]
    page = f"chapter {book.chapters[stem]}" if stem in book.chapters else stem
    place = f"From [{page}]({label.page}):"
    if label.block:
        numbered = f":label: {target}\n:enumerator: {label.number}"
        return f"{place}\n\n{label.block.replace(f':label: {target}', numbered)}"
    return f"({target})=\n###### {label.shown}\n\n{place[:-1]}."

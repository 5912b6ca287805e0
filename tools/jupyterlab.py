"""What a notebook needs to read well in JupyterLab: folds, captions, references, room for answers.

Whatever the book shows by itself and JupyterLab does not is written into cells of its own, with
the tag ``jupyterlab``; the tag ``remove-cell`` keeps them out of the book. They are generated anew
each time from the tags, captions and gates of the author's cells, and never edited.
"""

import re

import nbformat

from tools.references import plain, roles

GENERATED = ["remove-cell", "jupyterlab"]
GATE = re.compile(r"^(?P<fence>`{3,})\{solution-(start|end)\}.*?^(?P=fence)$", re.M | re.S)
START = re.compile(r"`{3,}\{solution-start\} (\S+)")
END = re.compile(r"`{3,}\{solution-end\}")
FOLDED = {  # tag of a cell that the book folds → what JupyterLab folds
    "hide-input": {"source_hidden": True},
    "hide-output": {"outputs_hidden": True},
    "hide-cell": {"source_hidden": True, "outputs_hidden": True},
}
COLLAPSED = "jp-MarkdownHeadingCollapsed"
BEGIN = """---
numbering:
  enumerator: {number}.%s
---

*Chapter {number}. Shift and Enter run a cell; "•••" opens folded code, "cells hidden" an answer.*"""


def is_generated(cell):
    """Tell whether a cell was written by `furnish`."""
    return "jupyterlab" in cell.metadata.get("tags", [])


def author_cells(notebook):
    """Return the cells that the author wrote, each gate of a solution in a cell of its own."""
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
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    furnished = [_text("begin", BEGIN.format(number=book.chapters[stem]))]
    for position, cell in enumerate(cells):
        _fold(cell)
        start, end = START.match(cell.source), END.match(cell.source)
        if start:
            label = start[1]
            furnished += _opener(label, _inside(cells[position + 1 :]))
        furnished.append(cell)
        if end:
            furnished.append(_text(f"end-{label}", "<h6 hidden></h6>"))  # ends what is collapsed
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if "caption" in figure:
            caption = f"```{{figure}}\n:label: {figure['name']}\n{figure['caption']}\n```"
            furnished.append(_text(f"caption-{figure['name']}", caption))
    references = _references(text, f"{stem}.ipynb", book)
    notebook.cells = furnished + references


def _parts(source):
    """Cut a text before and after each gate."""
    cuts = [0, *(cut for gate in GATE.finditer(source) for cut in gate.span()), len(source)]
    parts = [source[a:b].strip("\n") for a, b in zip(cuts, cuts[1:], strict=False)]
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
    """The cells up to the gate that ends a solution."""
    end = next(place for place, cell in enumerate(cells) if END.match(cell.source))
    return cells[:end]


def _opener(label, inside):
    """The heading that an answer is collapsed under; of an exercise, an empty cell before it."""
    is_exercise = label.startswith("ex-")
    words = "Solution" if is_exercise else "See what happens"
    heading = _text(f"open-{label}", f"###### {words}", **{COLLAPSED: True})
    if not is_exercise or all(cell.cell_type != "code" for cell in inside):
        return [heading]
    answer = nbformat.v4.new_code_cell("# Your answer", metadata={"tags": GENERATED})
    return [nbformat.from_dict({**answer, "id": f"jupyterlab-answer-{label}"[:64]}), heading]


def _references(text, page, book):
    """The last cell: words, works and what stands in other chapters, so that references lead there."""
    targets = {"term": {}, "other": {}, "work": {}}
    for role, target in roles(text):
        label = book.labels.get(target)
        if role == "term":
            term = next(word for word in book.words if word.lower() == target.lower())
            targets["term"][term] = f"{term}\n: {plain(book.words[term], book)}"
        elif label and label.page != page:
            targets["other"][target] = _elsewhere(target, label, book)
    for key in re.findall(r"\]\(#([\w-]+)\)", text):
        if key in book.works:
            targets["work"][key] = f"({key})=\n{book.works[key].reference}"
    sections = []
    if targets["other"]:
        sections += ["## In other chapters", *targets["other"].values()]
    if targets["term"]:
        glossary = "\n\n".join(targets["term"][term] for term in sorted(targets["term"], key=str.lower))
        sections += ["## Words", f"```{{glossary}}\n{glossary}\n```"]
    if targets["work"]:
        sections += ["## Works", *(targets["work"][key] for key in sorted(targets["work"]))]
    return [_text("references", "\n\n".join(sections))] if sections else []


def _elsewhere(target, label, book):
    """A formula is repeated; of anything else the name is given, and where it stands."""
    stem = label.page.partition(".")[0]
    page = f"chapter {book.chapters[stem]}" if stem in book.chapters else stem
    place = f"From [{page}]({label.page}):"
    if label.block:
        numbered = f":label: {target}\n:enumerator: {label.number}"
        return f"{place}\n\n{label.block.replace(f':label: {target}', numbered)}"
    return f"({target})=\n###### {label.shown}\n\n{place[:-1]}."

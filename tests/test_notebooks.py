"""Guards on the stored notebooks: run in order, on the full data, by the code they show."""

import copy
import re
import statistics
from pathlib import Path

import nbformat
import pytest

from tools.execute_notebooks import code_hash, fold_solutions

CHAPTERS = sorted((Path(__file__).parent.parent / "chapters").glob("*.ipynb"))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def faults(notebook):
    """List what is wrong with the way a notebook is stored."""
    found = []
    cells = code_cells(notebook)
    stored = notebook.metadata.get("lenet_course", {})
    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        found.append("not run once from top to bottom")
    if any(out.output_type == "error" for cell in cells for out in cell.outputs):
        found.append("stores an error")
    if stored.get("data") != "full":
        found.append("not executed on the full data")
    if stored.get("code_sha256") != code_hash(notebook):
        found.append("its code changed since it was executed")
    return [f"{fault}: run `make execute`" for fault in found]


def style_faults(notebook):
    """List where a notebook leaves the house style that can be counted."""
    found = []
    cells = code_cells(notebook)
    lengths = sorted(len([x for x in cell.source.splitlines() if x.strip()]) for cell in cells)
    texts = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    headings = [
        line
        for cell in texts
        for line in re.sub(r"(?ms)^(`{3,}|:{3,}).*?^\1", "", cell.source).splitlines()
        if re.match(r"# ", line)
    ]
    if len(headings) != 1:
        found.append(f"{len(headings)} H1 headings instead of one")
    if statistics.median(lengths) > 5:
        found.append(f"half of its code cells are longer than {statistics.median(lengths)} lines")
    if sum(n > 20 for n in lengths) > len(lengths) / 10:
        found.append("more than one code cell in ten is longer than 20 lines")
    if lengths[-1] > 40:
        found.append(f"a code cell of {lengths[-1]} lines")
    if not any("claim(" in cell.source for cell in cells):
        found.append("no claim")
    exercises = sum(len(re.findall(r"^`{3,}\{exercise\}", cell.source, re.M)) for cell in texts)
    if not 3 <= exercises <= 5:
        found.append(f"{exercises} exercises instead of three to five")
    return found


def test_solutions_are_folded_and_nothing_else():
    text, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    notebook = nbformat.v4.new_notebook(
        cells=[
            code("x = 1"),
            text("```{solution-start} ex-a\n```"),
            code("x = 2"),
            text("Because:"),
            code("x = 3"),
            text("```{solution-end}\n```\n\n## Next"),
            code("x = 4"),
            text("```{solution-end}\n```\n```{solution-start} ex-b\n```"),
            code("x = 5"),
        ]
    )
    fold_solutions(notebook)
    folded = [cell.source for cell in code_cells(notebook) if "jupyter" in cell.metadata]
    assert folded == ["x = 2", "x = 3", "x = 5"]


@pytest.fixture
def good():
    """A notebook that passes, small."""
    exercise = "```{exercise}\n:label: ex-a\n```"
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# A chapter\n" + "\n".join([exercise] * 3)),
            nbformat.v4.new_code_cell('claim("one", 1 == 1)', execution_count=1),
        ]
    )
    notebook.metadata["lenet_course"] = {"data": "full", "code_sha256": code_hash(notebook)}
    return notebook


def test_there_are_notebooks():
    assert len(CHAPTERS) >= 14


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_stored_notebook(path):
    notebook = nbformat.read(path, as_version=4)
    assert faults(notebook) == []
    assert style_faults(notebook) == []


def test_the_guard_accepts_a_good_notebook(good):
    assert faults(good) == []
    assert style_faults(good) == []


def edit(**changes):
    def apply(notebook):
        notebook.cells[1].update(changes)

    return apply


def on_sample(notebook):
    notebook.metadata["lenet_course"]["data"] = "sample"


ERROR = nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (edit(execution_count=2), "top to bottom"),
        (edit(execution_count=None), "top to bottom"),
        (edit(outputs=[ERROR]), "stores an error"),
        (edit(source='claim("two", 2 == 2)'), "its code changed"),
        (on_sample, "not executed on the full data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_guard_rejects(good, spoil, message):
    notebook = copy.deepcopy(good)
    spoil(notebook)
    assert any(message in fault for fault in faults(notebook))


@pytest.mark.parametrize(
    ("cell", "source", "message"),
    [
        (0, "# One\n# Two", "2 H1 headings"),
        (0, "# Without exercises", "0 exercises"),
        (1, "\n".join(["x = 1"] * 41), "41 lines"),
        (1, "x = 1", "no claim"),
    ],
)
def test_the_style_guard_rejects(good, cell, source, message):
    good.cells[cell].source = source
    assert any(message in fault for fault in style_faults(good))

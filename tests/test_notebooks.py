"""Guards on the stored notebooks: run in order, on the full data, by the code they show."""

import ast
import re
import statistics
from pathlib import Path

import nbformat
import pytest

from tools.execute_notebooks import code_cells, code_hash, is_fresh
from tools.jupyterlab import author_cells
from tools.references import link_faults, read_book

ROOT = Path(__file__).parent.parent
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
DIRECTIVE = re.compile(r"(?ms)^(`{3,}|:{3,}).*?^\1")


def faults(notebook):
    """List what is wrong with the way a notebook is stored."""
    found = []
    cells = code_cells(notebook)
    stored = notebook.metadata.get("lenet_course", {})
    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        found.append("not run once from top to bottom")
    if any(out.output_type == "error" for cell in cells for out in cell.outputs):
        found.append("stores an error")
    if any(out.get("name") == "stderr" for cell in cells for out in cell.outputs):
        found.append("stores what went to stderr")
    if stored.get("data") != "full":
        found.append("not executed on the full data")
    if stored.get("code_sha256") != code_hash(notebook):
        found.append("its code changed since it was executed")
    return [f"{fault}: run `make execute`" for fault in found]


def style_faults(notebook):
    """List where a notebook leaves the house style that can be counted."""
    found = []
    cells = code_cells(notebook)
    lengths = [len([x for x in cell.source.splitlines() if x.strip()]) for cell in cells]
    statements = sorted(
        sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(cell.source)))
        for cell in cells
    )
    texts = [cell.source for cell in author_cells(notebook) if cell.cell_type == "markdown"]
    headings = sum(len(re.findall(r"(?m)^# ", DIRECTIVE.sub("", text))) for text in texts)
    if headings != 1:
        found.append(f"{headings} H1 headings instead of one")
    if statistics.median(statements) > 5:
        found.append(f"half of its code cells have {statistics.median(statements)} statements")
    if sum(n > 20 for n in lengths) > len(lengths) / 10:
        found.append("more than one code cell in ten is longer than 20 lines")
    if max(lengths) > 40:
        found.append(f"a code cell of {max(lengths)} lines")
    if not any("claim(" in cell.source for cell in cells):
        found.append("no claim")
    exercises = [
        block[0] for text in texts for block in DIRECTIVE.finditer(text) if "{exercise}" in block[0]
    ]
    if not 3 <= len(exercises) <= 5:
        found.append(f"{len(exercises)} exercises instead of three to five")
    roles = re.findall(r"\{(?:cite|doc)\b[^}]*\}`[^`]*`", "\n".join(texts))
    found += [f"JupyterLab does not show {role}: write it as a link" for role in roles]
    return found


@pytest.fixture(scope="module")
def book():
    return read_book(ROOT)


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
def test_stored_notebook(path, book):
    notebook = nbformat.read(path, as_version=4)
    assert faults(notebook) == []
    assert style_faults(notebook) == []
    assert [fault for cell in notebook.cells for fault in link_faults(cell.source, book)] == []
    assert is_fresh(path, book), "captions, folds or references are stale: run `make furniture`"


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
STDERR = nbformat.v4.new_output("stream", name="stderr", text="50 %")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (edit(execution_count=2), "top to bottom"),
        (edit(execution_count=None), "top to bottom"),
        (edit(outputs=[ERROR]), "stores an error"),
        (edit(outputs=[STDERR]), "stores what went to stderr"),
        (edit(source='claim("two", 2 == 2)'), "its code changed"),
        (on_sample, "not executed on the full data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_guard_rejects(good, spoil, message):
    spoil(good)
    assert any(message in fault for fault in faults(good))


@pytest.mark.parametrize(
    ("cell", "source", "message"),
    [
        (0, "# One\n# Two", "2 H1 headings"),
        (0, "# Without exercises", "0 exercises"),
        (0, "# By {cite:t}`x`", "JupyterLab does not show {cite:t}`x`"),
        (0, "# See {doc}`x`", "JupyterLab does not show {doc}`x`"),
        (1, "\n".join(["x = 1"] * 6), "6 statements"),
        (1, "\n".join(["x = 1"] * 41), "41 lines"),
        (1, "x = 1", "no claim"),
    ],
)
def test_the_style_guard_rejects(good, cell, source, message):
    good.cells[cell].source = source
    assert any(message in fault for fault in style_faults(good))

"""Guards on the stored notebooks: how they were run, how they read, what their figures say."""

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
DIRECTIVE = re.compile(r"^(`{3,}|:{3,}).*?^\1", re.MULTILINE | re.DOTALL)
LABEL = re.compile(r"^\s*:(?:label|name):\s*(\S+)", re.MULTILINE)
SOLUTION = re.compile(r"^[`:]{3,}\{solution(?:-start)?\}[ ]*(\S*)", re.MULTILINE)


def faults(notebook):
    """List what is wrong with a stored notebook."""
    return [
        *(f"{fault}: run `make execute`" for fault in _run_faults(notebook)),
        *_code_faults(code_cells(notebook)),
        *_text_faults([c.source for c in author_cells(notebook) if c.cell_type == "markdown"]),
        *(fault for cell in code_cells(notebook) for fault in _figure_faults(cell)),
    ]


def _run_faults(notebook):
    cells = code_cells(notebook)
    outputs = [output for cell in cells for output in cell.outputs]
    stored = notebook.metadata.get("lenet_course", {})
    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        yield "not run once from top to bottom"
    if any(output.output_type == "error" for output in outputs):
        yield "stores an error"
    if any(output.get("name") == "stderr" for output in outputs):
        yield "stores what went to stderr"
    if stored.get("data") != "full":
        yield "not executed on the full data"
    if stored.get("code_sha256") != code_hash(notebook):
        yield "its code changed since it was executed"


def _code_faults(cells):
    lengths = [len([x for x in cell.source.splitlines() if x.strip()]) for cell in cells]
    statements = statistics.median(
        sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(cell.source)))
        for cell in cells
    )
    if statements > 7:
        yield f"half of its code cells have {statements} statements"
    if sum(n > 20 for n in lengths) > len(lengths) / 10:
        yield "more than one code cell in ten is longer than 20 lines"
    if max(lengths) > 40:
        yield f"a code cell of {max(lengths)} lines"
    if not any("claim(" in cell.source for cell in cells):
        yield "no claim"


def _text_faults(texts):
    text = "\n\n".join(texts)
    headings = len(re.findall(r"^# ", DIRECTIVE.sub("", text), re.MULTILINE))
    if headings != 1:
        yield f"{headings} H1 headings instead of one"
    for role in re.findall(r"\{(?:cite|doc)\b[^}]*\}`[^`]*`", text):
        yield f"JupyterLab does not show {role}: write it as a link"
    exercises, asked = 0, []
    for directive in DIRECTIVE.finditer(text):
        head, _, body = directive[0].partition("\n")
        is_exercise, label = "{exercise" in head, LABEL.search(body)
        exercises += is_exercise
        if label and (is_exercise or head.endswith("{admonition} Predict")):
            asked.append(label[1])
        elif is_exercise:
            yield "an exercise without a label"
    if not 3 <= exercises <= 5:
        yield f"{exercises} exercises instead of three to five"
    solved = SOLUTION.findall(text)
    for label in sorted({*asked, *solved}):
        if asked.count(label) != 1 or solved.count(label) != 1:
            yield f"{label} is asked {asked.count(label)}, answered {solved.count(label)} times"


def _figure_faults(cell):
    pictures = [k for output in cell.outputs for k in output.get("data", {}) if k[:6] == "image/"]
    meta = cell.metadata.get("mystnb", {})
    if not pictures and not {"figure", "image"} & set(meta):
        return
    figure, alt = meta.get("figure", {}), meta.get("image", {}).get("alt", "").strip()
    name, caption = figure.get("name", ""), figure.get("caption", "").strip()
    start = f"the figure {name or cell.source[:40]!r} has"
    if not name.startswith("fig-"):
        yield f"{start} no name that starts with fig-"
    if not caption:
        yield f"{start} no caption"
    if len(alt.split()) < 4:
        yield f"{start} no alt text that says what it shows"
    if alt == caption:
        yield f"{start} its caption for an alt text"
    if len(pictures) != 1:
        yield f"{start} {len(pictures)} pictures instead of one"


@pytest.fixture(scope="module")
def book():
    return read_book(ROOT)


def test_there_are_notebooks():
    assert len(CHAPTERS) >= 14


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_stored_notebook(path, book):
    notebook = nbformat.read(path, as_version=4)
    assert faults(notebook) == []
    assert [fault for cell in notebook.cells for fault in link_faults(cell.source, book)] == []
    assert is_fresh(path, book), "captions, folds or references are stale: run `make furniture`"


def functions(stem):
    """Give the functions that a chapter defines, as code without comments and layout."""
    notebook = nbformat.read(ROOT / "chapters" / f"{stem}.ipynb", as_version=4)
    nodes = [node for cell in code_cells(notebook) for node in ast.parse(cell.source).body]
    return {node.name: ast.unparse(node) for node in nodes if isinstance(node, ast.FunctionDef)}


def test_what_a_chapter_repeats_is_as_it_was():
    first, later = functions("23_gradient_descent"), functions("24_optimizers")
    repeated = {"descend", "small_net", "learn"}
    assert repeated <= set(first) & set(later)
    assert [name for name in repeated if first[name] != later[name]] == []


EXERCISE = "```{{exercise}} One\n:class: tip\n:label: ex-{0}\n```\n```{{solution}} ex-{0}\n```\n"
PREDICT = "```{admonition} Predict\n:class: tip\n:name: predict-a\n# no heading\n```"
ANSWER = "```{solution-start} predict-a\n```\n\nThree.\n\n```{solution-end}\n```"
TEXT = "\n\n".join(["# A chapter", *(EXERCISE.format(label) for label in "abc"), PREDICT, ANSWER])
FIGURE = {"name": "fig-a", "caption": "Fast and then slow it rises."}
IMAGE = {"alt": "A line that rises."}
DRAWN = nbformat.v4.new_output("display_data", {"image/png": ""})
ERROR = nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])
STDERR = nbformat.v4.new_output("stream", name="stderr", text="50 %")


@pytest.fixture
def good():
    """A notebook without a fault: text, a claim, a figure."""
    claim = nbformat.v4.new_code_cell('claim("one", 1 == 1)', execution_count=1)
    draw = nbformat.v4.new_code_cell("draw()", execution_count=2, outputs=[DRAWN])
    draw.metadata["mystnb"] = {"figure": FIGURE, "image": IMAGE}
    cells = [nbformat.v4.new_markdown_cell(TEXT), claim, draw]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["lenet_course"] = {"data": "full", "code_sha256": code_hash(notebook)}
    return notebook


def test_the_guard_accepts_a_good_notebook(good):
    assert faults(good) == []


@pytest.mark.parametrize(
    ("at", "change", "message"),
    [
        (1, {"execution_count": 2}, "top to bottom"),
        (1, {"execution_count": None}, "top to bottom"),
        (1, {"outputs": [ERROR]}, "stores an error"),
        (1, {"outputs": [STDERR]}, "stores what went to stderr"),
        (1, {"source": 'claim("two", 2 == 2)'}, "its code changed"),
        (1, {"source": "\n".join(["x = 1"] * 15)}, "have 8.0 statements"),
        (1, {"source": "\n".join(["x = 1"] * 21)}, "longer than 20 lines"),
        (1, {"source": "\n".join(["x = 1"] * 41)}, "41 lines"),
        (1, {"source": "x = 1"}, "no claim"),
        (0, {"source": "# One\n# Two"}, "2 H1 headings"),
        (0, {"source": "# Without exercises"}, "0 exercises"),
        (0, {"source": "# By {cite:t}`x`"}, "JupyterLab does not show {cite:t}`x`"),
        (0, {"source": "# See {doc}`x`"}, "JupyterLab does not show {doc}`x`"),
        (0, {"source": TEXT.replace("\n:label: ex-a", "")}, "an exercise without a label"),
        (0, {"source": TEXT.replace("{solution} ex-a", "{solution} ex-d")}, "ex-a is asked 1, ans"),
        (0, {"source": TEXT.replace(":label: ex-a", ":label: ex-d")}, "ex-a is asked 0, answered"),
        (0, {"source": TEXT.replace("start} predict-a", "start} x")}, "predict-a is asked 1, ans"),
        (0, {"source": TEXT.replace(":name: predict-a\n", "")}, "predict-a is asked 0, answered 1"),
        (0, {"source": TEXT + "\n" + ANSWER}, "predict-a is asked 1, answered 2"),
        (2, {"metadata": {}}, "no name"),
        (2, {"metadata": {"mystnb": {"figure": FIGURE | {"caption": " "}}}}, "no caption"),
        (2, {"metadata": {"mystnb": {"image": {"alt": "a plot"}}}}, "no alt text"),
        (2, {"outputs": []}, "0 pictures instead of one"),
        (2, {"outputs": [DRAWN, DRAWN]}, "2 pictures instead of one"),
    ],
)
def test_the_guard_rejects(good, at, change, message):
    good.cells[at].update(nbformat.from_dict(change))
    assert any(message in fault for fault in faults(good)), faults(good)


def test_the_guard_rejects_the_sample_and_a_caption_said_twice(good):
    good.metadata["lenet_course"]["data"] = "sample"
    good.cells[2].metadata["mystnb"]["image"]["alt"] = FIGURE["caption"]
    assert [fault.split(": ")[0] for fault in faults(good)] == [
        "not executed on the full data",
        "the figure 'fig-a' has its caption for an alt text",
    ]

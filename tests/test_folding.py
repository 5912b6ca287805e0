"""What the page folds: roles of cells, labels, and the layout of the chapters."""

import copy
from pathlib import Path

import nbformat
import pytest

from tools.folding import MOST_CLAIMS, fold_labels, layout_faults

CHAPTERS = sorted((Path(__file__).parents[1] / "chapters").glob("*.ipynb"))
TEXT, CODE = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
FIGURE = {"mystnb": {"figure": {"name": "fig-a", "caption": "It rises."}}}
START, END = "```{solution-start} ex-a\n```", "```{solution-end}\n```"


def labelled(cells):
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    fold_labels(notebook)
    return notebook


def folds(*cells):
    """The tags and the label of each code cell, once the notebook has been labelled."""
    meta = [cell.metadata for cell in labelled(cells).cells if cell.cell_type == "code"]
    return [(m.get("tags", []), m.get("mystnb", {}).get("code_prompt_show")) for m in meta]


OPEN = ([], None)
CHECK = (["hide-input", "claim"], "The check")


@pytest.mark.parametrize(
    ("source", "metadata", "expected"),
    [
        ("draw()", FIGURE, (["hide-input"], "Code for this figure")),
        ("draw()", FIGURE | {"tags": ["hide-input", "show-code"]}, (["show-code"], None)),
        ("table", {"tags": ["table"]}, (["table", "hide-input"], "Code for this table")),
        ("import torch", {"tags": ["setup"]}, (["setup", "hide-input"], "Setup")),
        ("x = 2\nassert x\nx", {"tags": ["claim"]}, (["claim", "hide-input"], "The check")),
        ("train()", {"tags": ["hide-input"]}, (["hide-input"], None)),
        ("train()", {"mystnb": {"code_prompt_show": "The check"}}, OPEN),
        ("train()", {"mystnb": {"code_prompt_show": "The long way"}}, ([], "The long way")),
        ("claim('one', 1 == 1)", {}, CHECK),
        ("assert x == 1\nnp.testing.assert_allclose(x, 1)", {}, CHECK),
        ("for a, b in pairs:\n    assert a == b", {}, CHECK),
        ("same = x == 1\nclaim('one', same)", {}, CHECK),
        ("same = x == 1\nassert same", {}, OPEN),  # a computation that also asserts
        ("later = x + 1\nclaim('two', later == 2)", {}, OPEN),  # the next cell reads `later`
        ("claim('one', x == 1)\nprint(x)", {}, OPEN),
        ("for a in x:\n    print(a)\n    assert a", {}, OPEN),
        ("%matplotlib inline", {}, OPEN),
        ("", {}, OPEN),
    ],
)
def test_a_cell_is_folded_by_its_role(source, metadata, expected):
    cell = CODE(source, metadata=copy.deepcopy(metadata))
    assert folds(CODE("x = 1"), cell, CODE("print(later)")) == [OPEN, expected, OPEN]


def test_only_the_imports_at_the_top_are_setup():
    imports = "import numpy as np\nfrom torch import nn\n\nmnist = data.load('mnist')"
    assert folds(CODE(imports), CODE(imports)) == [(["hide-input", "setup"], "Setup"), OPEN]


def test_in_the_solution_of_an_exercise_only_bare_checks_are_folded():
    solution, after = (f"{name} = 1 == 1\nclaim('one', {name})" for name in "ab")
    cells = TEXT(START), CODE(solution), CODE("assert 1"), TEXT(END), CODE(after)
    assert folds(*cells) == [OPEN, CHECK, CHECK]


def good_cells():
    """A small chapter laid out as it should be."""
    return [
        CODE("import numpy as np"),
        TEXT("```{admonition} Predict\n:class: tip\n:name: predict-a\nHow many?\n```"),
        TEXT("```{solution-start} predict-a\n```\n\nCount them:"),
        CODE("x = 2"),
        CODE("draw(x)", metadata=copy.deepcopy(FIGURE)),
        CODE("claim('two', x == 2)"),
        TEXT("Two.\n\n```{solution-end}\n```"),
        CODE("x + 1"),
        TEXT(f"One more:\n\n{START}"),
        CODE("y = 1\nclaim('one', y == 1)"),  # a solution shows its code and counts apart
        TEXT(END),
    ]


def test_a_good_layout_has_no_fault_and_labels_are_written_once():
    notebook = labelled(good_cells())
    again = copy.deepcopy(notebook)
    fold_labels(again)
    assert again == notebook
    assert layout_faults(notebook) == []


@pytest.mark.parametrize(
    ("at", "source", "message"),
    [
        (1, "```{admonition} Predict\n:class: tip\nHow many?\n```", "folded answer: How many?"),
        (2, "```{solution-start} predict-b\n```\n\nCount them:", "folded answer: How many?"),
        (6, "```{solution-end}\n```", None),  # the cell before it is folded
        (3, "x = 2  # fmt: skip", "pragma in the cell of `x = 2  # fmt: skip`"),
        (3, "x = 2\nclaim('two', x == 2)", "the code of a claim stands open: `x = 2`"),
        (5, "claim('two', x == 2)\n" * (MOST_CLAIMS + 1), "9 claims instead of at most 8"),
        (5, "x = 3", "no sentence between two open cells, before `x + 1`"),
    ],
)
def test_each_fault_of_the_layout_is_told(at, source, message):
    cells = good_cells()
    cells[at].source = source
    if at == 5:
        cells[6].source = END
    faults = layout_faults(labelled(cells))
    assert faults == [] if message is None else any(message in fault for fault in faults), faults


def test_folds_out_of_date_are_told():
    faults = layout_faults(nbformat.v4.new_notebook(cells=good_cells()))
    assert "its folds are out of date: run `make execute`" in faults


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_layout_of_a_chapter(path):
    assert layout_faults(nbformat.read(path, as_version=4)) == []

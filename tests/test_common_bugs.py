"""The mistakes of the chapter Common bugs: each has a test, and each test is tried."""

import re
from pathlib import Path

import nbformat
import pytest

from lenet_course.chapters.common_bugs import MISTAKES, passes, raises
from tools.jupyterlab import author_cells

CHAPTER = Path(__file__).parents[1] / "chapters" / "53_common_bugs.ipynb"
WORDS = {10: "Ten", 14: "Fourteen", 25: "twenty-five"}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.code)
def test_a_small_mistake_fails_its_test_and_what_is_right_passes(mistake):
    assert min(len(mistake.wrong), len(mistake.right)) >= 2
    assert not any(passes(mistake.test, code) for code in mistake.wrong)
    assert all(passes(mistake.test, code) for code in mistake.right)


def test_the_table_shows_the_tests_that_are_run():
    cells = (cell.source for cell in author_cells(nbformat.read(CHAPTER, as_version=4)))
    (table,) = (source for source in cells if "| mistake |" in source)
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line[:2] == "| "]
    assert [row[2] for row in rows[2:]] == [f"`{mistake.line}`" for mistake in MISTAKES]


def test_an_error_is_no_pass():
    assert raises(int, "five")
    assert not raises(int, "5")
    assert not passes(lambda code: code > 1, "five")


def test_each_exhibit_tries_its_test_and_the_text_counts_them_right():
    sections, tried = {}, []
    for cell in author_cells(nbformat.read(CHAPTER, as_version=4)):
        if cell.cell_type == "code":
            tried += re.findall(r"^caught\(\n? *(\w+),", cell.source, re.MULTILINE)
            continue
        for label in re.findall(r"^(?:\((bugs-\w+)\)=\n)?#{1,3} ", cell.source, re.MULTILINE):
            tried = sections.setdefault(label, [])
    exhibits = sections.keys() - {"", "bugs-table"}
    assert [label for label in exhibits if len(sections[label]) != 1] == []
    text = CHAPTER.read_text(encoding="utf-8")
    assert f"{WORDS[len(exhibits) - 1]} more exhibits follow" in text
    assert f"{WORDS[len(MISTAKES)]} smaller mistakes stand in" in text
    assert f"recognize {WORDS[len(exhibits) + len(MISTAKES)]} mistakes" in text

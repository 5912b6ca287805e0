"""Executing and storing a notebook, with a real kernel."""

import nbformat
import pytest
from notebook_helpers import ANSWER, END, EXERCISE, code, text, write_book

from tools import execute_notebooks
from tools.execute_notebooks import code_hash

NOISY = "import sys, pathlib\nprint('out')\nprint('err', file=sys.stderr)\npathlib.Path.cwd().name"
OLD = nbformat.v4.new_output("stream", text="from the last run")


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """The path of a chapter that holds an exercise and its answer."""
    monkeypatch.setenv("LENET_COURSE_DATA", "full")
    cells = [
        text(f"# Two\n\n{EXERCISE}\n\n{ANSWER}"),
        code(NOISY, outputs=[OLD], metadata={"execution": {"at": "noon"}}, execution_count=9),
        text(END),
        code("6 * 7"),
    ]
    write_book(tmp_path, cells)
    return tmp_path / "chapters" / "12_two.ipynb"


def stored(path):
    return nbformat.read(path, as_version=4)


def test_a_stored_notebook(chapter):
    before = stored(chapter)
    execute_notebooks.main([str(chapter)])
    after = stored(chapter)
    cells = execute_notebooks.code_cells(after)
    assert [cell.execution_count for cell in cells] == [1, 2]
    assert [out.get("name") for out in cells[0].outputs] == ["stdout", None]
    assert cells[0].outputs[1].data["text/plain"] == "'chapters'"  # runs in its own folder
    assert cells[1].outputs[0].data["text/plain"] == "42"
    assert {cell.id for cell in before.cells} <= {cell.id for cell in after.cells}
    assert not any("execution" in cell.metadata for cell in after.cells)
    assert after.metadata.lenet_course.data == "full"
    assert after.metadata.lenet_course.code_sha256 == code_hash(before) == code_hash(after)
    answer = next(cell for cell in after.cells if cell.source == "# Your answer")
    assert (answer.execution_count, answer.outputs) == (None, [])
    execute_notebooks.main(["--furniture", str(chapter)])
    assert stored(chapter) == after
    assert [path.name for path in chapter.parent.glob("12_two*")] == ["12_two.ipynb"]


def test_a_failing_cell_leaves_the_stored_notebook_as_it_was(chapter):
    notebook = stored(chapter)
    notebook.cells.append(code("1 / 0"))
    nbformat.write(notebook, chapter)
    before = chapter.read_bytes()
    with pytest.raises(Exception, match="ZeroDivisionError"):
        execute_notebooks.main([str(chapter)])
    assert chapter.read_bytes() == before


@pytest.mark.parametrize("data", ["sample", None])
def test_only_the_full_data_are_stored(chapter, monkeypatch, data):
    before = chapter.read_bytes()
    monkeypatch.delenv("LENET_COURSE_DATA")
    if data:
        monkeypatch.setenv("LENET_COURSE_DATA", data)
    with pytest.raises(SystemExit, match="on the full data"):
        execute_notebooks.main([str(chapter)])
    assert chapter.read_bytes() == before
    execute_notebooks.main(["--furniture", str(chapter)])  # runs no code
    assert execute_notebooks.code_cells(stored(chapter))[0].execution_count == 9


def test_stale_furniture_is_noticed(chapter):
    book = execute_notebooks.read_book(chapter.parents[1])
    assert not execute_notebooks.is_fresh(chapter, book)
    execute_notebooks.main(["--furniture", str(chapter)])
    assert execute_notebooks.is_fresh(chapter, book)
    notebook = stored(chapter)
    notebook.cells[0].source += "."
    nbformat.write(notebook, chapter)
    assert not execute_notebooks.is_fresh(chapter, book)


def hash_of(*sources):
    return code_hash(nbformat.v4.new_notebook(cells=[code(source) for source in sources]))


@pytest.mark.parametrize(
    "sources", [["x = 1", "x + 2"], ["x + 1", "x = 1"], ["x = 1\nx + 1"], ["x = 1"]]
)
def test_the_hash_is_of_all_the_code_in_order(sources):
    assert hash_of(*sources) != hash_of("x = 1", "x + 1")

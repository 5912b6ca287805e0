"""`pytest --nbval` at the root: what it collects, on which data, and what it compares."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))
SOME = NOTEBOOKS[:3]  # where it makes no difference how many there are; all take long to read


def pytest_at(folder, *arguments, **environment):
    """Run pytest in a folder as a user would, and return its lines."""
    inherited = {k: v for k, v in os.environ.items() if k != "LENET_COURSE_DATA"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    result = subprocess.run(
        command,
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.splitlines()


def collected(folder, *arguments):
    """List the files of the collected tests, once for each test."""
    lines = pytest_at(folder, "--collect-only", *arguments)
    return [line.partition("::")[0] for line in lines if "::" in line]


def expected_cells(notebooks):
    cells = {}
    for path in notebooks:
        code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        cells[f"chapters/{path.name}"] = len(code)
    return cells


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The root with some notebooks, one test of the package and one of the browser."""
    folder = tmp_path_factory.mktemp("root")
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / name, folder)
    for name in ("tests", "tests/browser", "chapters"):
        (folder / name).mkdir()
    for name in ("tests/test_one.py", "tests/browser/test_page.py"):
        (folder / name).write_text("def test_it():\n    assert True\n", encoding="utf-8")
    for path in SOME:
        shutil.copy(path, folder / "chapters")
    return folder


def test_every_notebook_is_collected_once_built_or_not(copy):
    expected = expected_cells(SOME) | {"tests/test_one.py": 1}
    assert Counter(collected(copy, "--nbval")) == expected
    for place in ("_build/html/_sources/chapters", "_build/jupyter_execute/chapters"):
        shutil.copytree(copy / "chapters", copy / place)
    assert Counter(collected(copy, "--nbval")) == expected
    assert Counter(collected(copy, "--nbval", ".")) == expected


def test_without_nbval_only_the_package_is_tested(copy):
    assert collected(copy) == ["tests/test_one.py"]


def test_browser_tests_run_when_they_are_named(copy):
    assert collected(copy, "tests/browser") == ["tests/browser/test_page.py"]


def test_the_course_itself_collects_all_its_tests_and_notebooks():
    files = set(collected(ROOT, "--nbval"))
    tests = {f"tests/{path.name}" for path in (ROOT / "tests").glob("test_*.py")}
    assert files == tests | expected_cells(NOTEBOOKS).keys()


SHOW_DATA = "import os; print(os.environ['LENET_COURSE_DATA'])"
SHOW_PICTURE = (
    "from IPython.display import display\n"
    "display({'image/png': 'QQ==', 'text/plain': '<Figure>'}, raw=True)"
)
SHOW_BAR = "import sys; print('100 %', file=sys.stderr)"


def printed(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


# code, stored output, tags, does it pass on the sample, on the full data
CELLS = {
    "made on the sample": (SHOW_DATA, printed("sample\n"), [], True, False),
    "made on the full data": (SHOW_DATA, printed("full\n"), [], False, True),
    "compared on the full data only": (SHOW_DATA, printed("old\n"), ["full-data"], True, False),
    "never compared": (SHOW_DATA, printed("old\n"), ["nbval-ignore-output"], True, True),
    "an error": ("1 / 0", printed("old\n"), ["nbval-ignore-output"], False, False),
    "a picture": (
        SHOW_PICTURE,
        nbformat.v4.new_output("display_data", {"image/png": "Qg==", "text/plain": "<Figure>"}),
        [],
        True,
        True,
    ),
    "a progress bar": (SHOW_BAR, printed("3 %", "stderr"), [], True, True),
}


@pytest.mark.parametrize("data", [None, "full"])
def test_what_is_compared_with_the_stored_output(copy, data):
    notebook = nbformat.v4.new_notebook()
    for source, output, tags, *_ in CELLS.values():
        cell = nbformat.v4.new_code_cell(source, execution_count=1, outputs=[output])
        cell.metadata["tags"] = tags
        notebook.cells.append(cell)
    nbformat.write(notebook, copy / "one.ipynb")
    environment = {"LENET_COURSE_DATA": data} if data else {}
    summary = pytest_at(copy, "--nbval", "-rA", "one.ipynb", **environment)
    for number, (name, (*_, on_sample, on_full)) in enumerate(CELLS.items()):
        outcome = "PASSED" if (on_full if data else on_sample) else "FAILED"
        assert any(f"{outcome} one.ipynb::Cell {number}" in line for line in summary), name

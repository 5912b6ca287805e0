"""Run notebooks on the full data and store them, with a hash of the code that was run.

Used by ``make execute``. A notebook is replaced only once all its cells have run.
"""

import hashlib
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient import NotebookClient

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def code_hash(notebook):
    """Return the SHA-256 of all code cells of a notebook, in order."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\n\0".join(cells).encode()).hexdigest()


def fold_solutions(notebook):
    """Fold the code of solutions in JupyterLab, as the book folds them."""
    inside = False
    for cell in notebook.cells:
        if cell.cell_type == "code" and inside:
            cell.metadata["jupyter"] = {"source_hidden": True, "outputs_hidden": True}
        elif cell.cell_type == "markdown":
            last = max(map(cell.source.rfind, ("{solution-start}", "{solution-end}")))
            if last >= 0:
                inside = cell.source.startswith("{solution-start}", last)


def execute(path):
    """Run one notebook from top to bottom in its own folder and store it."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    NotebookClient(
        notebook,
        timeout=None,
        coalesce_streams=True,  # one block of text a cell, however slowly it was printed
        resources={"metadata": {"path": path.parent}},
    ).execute()
    fold_solutions(notebook)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": KERNEL,
            "language_info": {"name": "python"},
            "lenet_course": {
                "data": os.environ["LENET_COURSE_DATA"],
                "code_sha256": code_hash(notebook),
                "ran_on": f"{os.cpu_count()} cores, Python {platform.python_version()}, "
                f"torch {version('torch')}, numpy {version('numpy')}",
            },
        }
    )
    part = path.with_suffix(".part")
    nbformat.write(notebook, part)
    os.replace(part, path)


def main(paths):
    """Run the notebooks one after another: two trainings at once would slow each other."""
    if os.environ.get("LENET_COURSE_DATA") != "full":
        sys.exit("notebooks are stored on the full data: use `make execute`")
    for path in map(Path, paths):
        start = time.perf_counter()
        print(f"{path} …", end=" ", flush=True)
        execute(path)
        print(f"{time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Run notebooks on the full data and store them, with a hash of the code that was run.

Used by ``make execute``; ``make furniture`` renews only what is generated around the author's
cells (`tools.jupyterlab`). A notebook is replaced only once all its cells have run.
"""

import argparse
import copy
import hashlib
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tools.folding import fold_labels
from tools.jupyterlab import author_cells, furnish
from tools.references import is_generated, read_book

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def code_cells(notebook):
    """Return the author's code cells: those that are run, in order."""
    return [c for c in notebook.cells if c.cell_type == "code" and not is_generated(c)]


def code_hash(notebook):
    """Return the SHA-256 of the author's code, in order."""
    cells = [cell.source for cell in code_cells(notebook)]
    return hashlib.sha256("\n\0".join(cells).encode()).hexdigest()


def is_fresh(path, book):
    """Tell whether a stored notebook has the furniture that it would get today."""
    notebook = nbformat.read(path, as_version=4)
    before = copy.deepcopy(notebook)
    _furnish(notebook, path, book)
    return notebook == before


def renew_furniture(path, book):
    """Generate anew what stands around the author's cells."""
    notebook = nbformat.read(path, as_version=4)
    _furnish(notebook, path, book)
    _store(notebook, path)


def execute(path, book):
    """Run one notebook from top to bottom in its own folder and store it."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = author_cells(notebook)
    NotebookClient(
        notebook,
        timeout=None,
        coalesce_streams=True,  # one block of text a cell, however slowly it was printed
        resources={"metadata": {"path": path.parent}},
    ).execute()
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
    _furnish(notebook, path, book)
    _store(notebook, path)


def main(arguments):
    """Run the notebooks one after another: two trainings at once would slow each other."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="+", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--furniture", action="store_true", help="run no code")
    options = parser.parse_args(arguments)
    if not options.furniture and os.environ.get("LENET_COURSE_DATA") != "full":
        sys.exit("notebooks are stored on the full data: use `make execute`")
    for path in options.paths:
        start = time.perf_counter()
        print(f"{path} …", end=" ", flush=True)
        book = read_book(path.parent.parent)
        if options.furniture:
            renew_furniture(path, book)
        else:
            execute(path, book)
        print(f"{time.perf_counter() - start:.0f} s", flush=True)


def _furnish(notebook, path, book):
    fold_labels(notebook)
    furnish(notebook, path.stem, book)


def _store(notebook, path):
    part = path.with_suffix(".part")
    nbformat.write(notebook, part)
    os.replace(part, path)


if __name__ == "__main__":
    main(sys.argv[1:])

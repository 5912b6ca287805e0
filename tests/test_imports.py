"""Who may import whom in the package, and what an installed copy of it holds."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import lenet_course

ROOT = Path(lenet_course.__file__).parent
NOTEBOOKS = sorted((ROOT.parent / "chapters").glob("*.ipynb"))
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
OPEN_TO_ALL = {"arguments", "files", "shapes"}  # they know nothing of the rest
OPEN_TO_CHAPTERS = OPEN_TO_ALL | {"checks", "plots", "scratch", "metrics"}
# A program is started, not built upon: as an experiment does, it puts leaves together.
OPEN_TO_PROGRAMS = {"distributed": {"checkpoint", "data", "models"}}


def import_without(blocked, modules):
    """Import modules where the blocked ones cannot be, and list the packages they load."""
    script = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({blocked!r}))\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(*{name.partition('.')[0] for name, loaded in sys.modules.items() if loaded})\n"
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_scratch_imports_where_torch_cannot_be():
    files = [Path(name) for name in FILES if name.startswith("scratch/")]
    modules = [".".join(("lenet_course", *file.with_suffix("").parts)) for file in files]
    assert "lenet_course.scratch.nn" in modules
    import_without(["torch", "torchvision"], modules)


def test_shapes_imports_the_standard_library_only():
    loaded = import_without(["torch", "torchvision", "numpy"], ["lenet_course.shapes"])
    assert not loaded & {"numpy", "torch", "torchvision", "matplotlib", "scipy", "PIL", "requests"}


def test_the_wall_would_stop_an_import_of_torch():
    with pytest.raises(AssertionError, match="import of torch halted"):
        import_without(["torch"], ["torch"])


def owners_imported(source, name):
    """List the modules right below lenet_course that a file of the package imports."""
    package = ["lenet_course", *Path(name).parent.parts]
    targets = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            targets += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*start, *filter(None, [node.module])])
            targets += [f"{base}.{alias.name}" for alias in node.names]
    parts = [target.split(".") for target in targets]
    return {names[1] for names in parts if names[0] == "lenet_course" and len(names) > 1}


def strangers(source, name):
    """List what a file imports, but for what is open to it and for its own package.

    A chapter's module serves that chapter alone, so it may not import another chapter's.
    """
    owner = Path(name).parts[0].removesuffix(".py")
    allowed = OPEN_TO_CHAPTERS if owner == "chapters" else OPEN_TO_ALL | {owner}
    return owners_imported(source, name) - allowed - OPEN_TO_PROGRAMS.get(owner, set())


@pytest.mark.parametrize("name", FILES)
def test_leaves_do_not_import_leaves(name):
    assert strangers((ROOT / name).read_text(encoding="utf-8"), name) == set()


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        ("import lenet_course.models as m", "train.py", {"models"}),
        ("import numpy, lenet_course", "train.py", set()),
        ("from lenet_course.models import lenet", "train.py", {"models"}),
        ("from lenet_course import models, data", "train.py", {"models", "data"}),
        ("from . import models", "train.py", {"models"}),
        ("from .models import lenet", "train.py", {"models"}),
        ("from ..models import lenet", "data/batches.py", {"models"}),
        ("from .batches import Batches", "data/__init__.py", set()),
        ("def f():\n    import lenet_course.models", "train.py", {"models"}),
        ("from lenet_course import arguments, shapes, scratch", "scratch/nn.py", set()),
        ("from lenet_course import scratch", "checks.py", {"scratch"}),
        ("from lenet_course import plots", "metrics.py", {"plots"}),
        ("from lenet_course import checks, metrics, plots, scratch", "chapters/lenet.py", set()),
        ("from lenet_course import models", "chapters/lenet.py", {"models"}),
        ("from . import pooling", "chapters/lenet.py", {"chapters"}),
        ("from lenet_course import data, plots", "distributed/training.py", {"plots"}),
        ("from lenet_course import distributed", "train/fitting.py", {"distributed"}),
    ],
)
def test_every_way_to_import_a_stranger_is_seen(source, name, expected):
    assert strangers(source, name) == expected


def name_of(notebook):
    return re.sub(r"^\d+_", "", notebook.stem)  # a page that is no chapter has no number


def chapter_modules():
    return {Path(name).stem for name in FILES if name.startswith("chapters/")} - {"__init__"}


def test_a_chapters_module_is_named_after_its_notebook():
    assert chapter_modules() <= {name_of(path) for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_no_other_chapters_module(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    imported = re.findall(r"lenet_course\.chapters(?: import |\.)(\w+)", code)
    own = name_of(path)
    assert set(imported) <= {own}
    assert bool(imported) == (own in chapter_modules())  # one that no notebook uses is dead


def test_an_installed_package_holds_every_folder():
    settings = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["setuptools"]["packages"]["find"]["include"] == ["lenet_course*"]
    folders = {Path(name).parent.as_posix() for name in FILES}
    assert all(Path(folder, "__init__.py").as_posix() in FILES for folder in folders)

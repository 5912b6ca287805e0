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
OPEN_TO_ALL = {"arguments", "shapes"}  # they know nothing of the rest
OPEN_TO_CHAPTERS = OPEN_TO_ALL | {"checks", "plots", "scratch", "metrics"}


def import_without(blocked, modules):
    """Import modules where the blocked ones cannot be, and list the packages they load."""
    script = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({blocked!r}))\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(*{name.partition('.')[0] for name, loaded in sys.modules.items() if loaded})\n"
    )
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_scratch_imports_where_torch_cannot_be():
    modules = [
        ".".join(("lenet_course", *Path(name).with_suffix("").parts)).removesuffix(".__init__")
        for name in FILES
        if name.startswith("scratch/")
    ]
    assert "lenet_course.scratch.nn" in modules
    result = import_without(["torch", "torchvision"], modules)
    assert result.returncode == 0, result.stderr


def test_shapes_imports_the_standard_library_only():
    result = import_without(["torch", "torchvision", "numpy"], ["lenet_course.shapes"])
    assert result.returncode == 0, result.stderr
    third_party = {"numpy", "torch", "torchvision", "matplotlib", "scipy", "PIL", "requests"}
    assert not third_party & set(result.stdout.split())


def test_the_wall_would_stop_an_import_of_torch():
    result = import_without(["torch"], ["torch"])
    assert result.returncode == 1
    assert "import of torch halted" in result.stderr


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


def allowed(name):
    """List what a file may import: what is open to it, and its own package.

    A chapter's module serves that chapter alone, so it may not import another chapter's.
    """
    owner = Path(name).parts[0].removesuffix(".py")
    return OPEN_TO_CHAPTERS if owner == "chapters" else OPEN_TO_ALL | {owner}


@pytest.mark.parametrize("name", FILES)
def test_leaves_do_not_import_leaves(name):
    imported = owners_imported((ROOT / name).read_text(encoding="utf-8"), name)
    assert imported <= allowed(name), f"{name} imports {sorted(imported - allowed(name))}"


@pytest.mark.parametrize(
    ("source", "name", "owners"),
    [
        ("import lenet_course.models", "train.py", {"models"}),
        ("import lenet_course.models as m", "train.py", {"models"}),
        ("from lenet_course.models import lenet", "train.py", {"models"}),
        ("from lenet_course import models, data", "train.py", {"models", "data"}),
        ("from . import models", "train.py", {"models"}),
        ("from .models import lenet", "train.py", {"models"}),
        ("from ..models import lenet", "data/batches.py", {"models"}),
        ("from .batches import Batches", "data/__init__.py", {"data"}),
        ("from . import pooling", "chapters/lenet.py", {"chapters"}),
        ("def f():\n    import lenet_course.models", "train.py", {"models"}),
        ("import numpy, lenet_course", "train.py", set()),
    ],
)
def test_every_way_to_import_is_seen(source, name, owners):
    assert owners_imported(source, name) == owners


@pytest.mark.parametrize(
    ("name", "imported", "may"),
    [
        ("arguments.py", "shapes", True),
        ("scratch/nn.py", "scratch", True),
        ("scratch/nn.py", "shapes", True),
        ("data/loading.py", "arguments", True),
        ("train.py", "models", False),
        ("checks.py", "scratch", False),
        ("metrics.py", "plots", False),
        ("chapters/lenet.py", "plots", True),
        ("chapters/lenet.py", "models", False),
        ("chapters/lenet.py", "chapters", False),
    ],
)
def test_what_a_file_may_import(name, imported, may):
    assert (imported in allowed(name)) == may


def chapter_modules():
    return {Path(name).stem for name in FILES if name.startswith("chapters/")} - {"__init__"}


def test_a_chapters_module_is_named_after_its_notebook():
    assert chapter_modules() <= {path.stem.partition("_")[2] for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_no_other_chapters_module(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    imported = re.findall(r"lenet_course\.chapters(?: import |\.)(\w+)", code)
    own = path.stem.partition("_")[2]
    assert set(imported) <= {own}
    assert bool(imported) == (own in chapter_modules())  # one that no notebook uses is dead


def test_an_installed_package_holds_every_folder():
    settings = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["setuptools"]["packages"]["find"]["include"] == ["lenet_course*"]
    folders = {Path(name).parent.as_posix() for name in FILES}
    assert all(Path(folder, "__init__.py").as_posix() in FILES for folder in folders)

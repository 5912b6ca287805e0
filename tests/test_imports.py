"""Who may import whom in the package."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lenet_course

ROOT = Path(lenet_course.__file__).parent
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
SCRATCH = [
    ".".join(("lenet_course", *Path(name).with_suffix("").parts)).removesuffix(".__init__")
    for name in FILES
    if name.startswith("scratch/")
]
OPEN_TO_ALL = {"arguments", "shapes"}  # they know nothing of the rest
ALLOWED = {"checks": {"scratch"}}  # beside that, the exercise checkers compare with the layers


def import_without(blocked, module):
    """Import a module where the blocked ones cannot be, and list the packages it loaded."""
    script = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({blocked!r}))\n"
        f"importlib.import_module({module!r})\n"
        "print(*{name.partition('.')[0] for name, loaded in sys.modules.items() if loaded})\n"
    )
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", SCRATCH)
def test_scratch_imports_where_torch_cannot_be(module):
    result = import_without(["torch", "torchvision"], module)
    assert result.returncode == 0, result.stderr


def test_shapes_imports_the_standard_library_only():
    result = import_without(["torch", "torchvision", "numpy"], "lenet_course.shapes")
    assert result.returncode == 0, result.stderr
    third_party = {"numpy", "torch", "torchvision", "matplotlib", "scipy", "PIL", "requests"}
    assert not third_party & set(result.stdout.split())


def test_the_wall_would_stop_an_import_of_torch():
    result = import_without(["torch"], "torch")
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


@pytest.mark.parametrize("name", FILES)
def test_leaves_do_not_import_leaves(name):
    owner = Path(name).parts[0].removesuffix(".py")
    allowed = {owner} | OPEN_TO_ALL | ALLOWED.get(owner, set())
    imported = owners_imported((ROOT / name).read_text(encoding="utf-8"), name)
    assert imported <= allowed, f"{name} imports {sorted(imported - allowed)} of lenet_course"


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
        ("def f():\n    import lenet_course.models", "train.py", {"models"}),
        ("import numpy, lenet_course", "train.py", set()),
    ],
)
def test_every_way_to_import_is_seen(source, name, owners):
    assert owners_imported(source, name) == owners

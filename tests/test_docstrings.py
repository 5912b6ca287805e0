"""Docstrings are right, and no longer than the code; signatures leave the types to them."""

import ast
import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import lenet_course

ROOT = Path(lenet_course.__file__).parent
MODULES = sorted(m.name for m in pkgutil.walk_packages(lenet_course.__path__, "lenet_course."))
SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(ROOT.rglob("*.py"))
}
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    attempted = [doctest.testmod(importlib.import_module(name)).attempted for name in MODULES]
    assert sum(attempted) > 50


def line_counts(source):
    """Count the lines of docstrings, and those of code: no docstring, no comment, not blank."""
    documented = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | FUNCTION) and ast.get_docstring(node):
            documented |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = [line.strip() for line in source.splitlines()]
    code = {n for n, line in enumerate(lines, start=1) if line and not line.startswith("#")}
    return len(documented), len(code - documented)


def test_docstrings_are_shorter_than_the_code():
    counts = {name: line_counts(source) for name, source in SOURCES.items()}
    documented, code = map(sum, zip(*counts.values(), strict=True))
    assert documented < code, "\n".join(
        f"{name:28} {lines:5} lines of docstrings, {of:5} of code"
        for name, (lines, of) in counts.items()
    )


def annotated(source):
    """List the functions whose signature has an annotation, with their lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, FUNCTION):
            arguments = [arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)]
            if node.returns or any(arg.annotation for arg in arguments):
                found.append(f"{node.name} (line {node.lineno})")
    return found


def test_no_signature_has_annotations():
    assert {name: found for name in SOURCES if (found := annotated(SOURCES[name]))} == {}


EXAMPLE = '''"""A module.

Two lines more.
"""

# a comment
x = """a string
of two lines"""  # is code


def f(a, *b: int, c=lambda d: d):
    """One line."""

    async def g(e) -> int:
        return (
            e
        )


def h(x, *, y=1):
    z: int = 2
'''


def test_every_line_and_annotation_is_seen():
    assert line_counts(EXAMPLE) == (5, 9)
    assert annotated(EXAMPLE) == ["f (line 11)", "g (line 14)"]
    assert annotated("def f(x=1, /, *a, y: int = 2, **k): ...") == ["f (line 1)"]

"""Docstrings are right, and no longer than the code; signatures leave the types to them."""

import ast
import doctest
import importlib
import io
import pkgutil
import tokenize
from pathlib import Path

import pytest

import lenet_course

ROOT = Path(lenet_course.__file__).parent
MODULES = sorted(m.name for m in pkgutil.walk_packages(lenet_course.__path__, "lenet_course."))
SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(ROOT.rglob("*.py"))
}
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    modules = [importlib.import_module(name) for name in MODULES]
    assert sum(bool(test.examples) for module in modules for test in finder.find(module)) > 20


def line_counts(source):
    """Count the lines of docstrings and those of code, which blank lines and comments are not."""
    documented = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            documented |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    code = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in LAYOUT:
            code |= set(range(token.start[0], token.end[0] + 1))
    return len(documented), len(code - documented)


def test_docstrings_are_shorter_than_the_code():
    counts = {name: line_counts(source) for name, source in SOURCES.items()}
    documented, code = map(sum, zip(*counts.values(), strict=True))
    table = "\n".join(
        f"{name:28} {lines:5} lines of docstrings, {of:5} of code, ratio {lines / max(of, 1):.2f}"
        for name, (lines, of) in counts.items()
    )
    assert documented < code, f"{documented} lines of docstrings, {code} of code\n{table}"


def annotated(source):
    """List the functions whose signature has an annotation, with their lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = [arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)]
            if node.returns or any(arg.annotation for arg in arguments):
                found.append(f"{node.name} (line {node.lineno})")
    return found


@pytest.mark.parametrize("name", SOURCES)
def test_no_signature_has_annotations(name):
    assert annotated(SOURCES[name]) == []


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
'''


def test_every_line_and_annotation_is_seen():
    assert line_counts(EXAMPLE) == (5, 7)
    assert line_counts("") == (0, 0)
    assert annotated(EXAMPLE) == ["f (line 11)", "g (line 14)"]
    assert annotated("def f(x=1, /, *a, y: int = 2, **k): ...") == ["f (line 1)"]
    assert annotated("def f(x, *, y=1):\n    z: int = 2") == []

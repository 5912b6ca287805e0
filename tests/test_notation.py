"""The page of letters against the chapters: names of shapes, and where a letter is used."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from tools.jupyterlab import author_cells

CHAPTERS = Path(__file__).parents[1] / "chapters"
PAGE = (CHAPTERS / "notation.md").read_text(encoding="utf-8")
NOTEBOOKS = {
    path.name: [*author_cells(nbformat.read(path, as_version=4))]
    for path in sorted(CHAPTERS.glob("*.ipynb"))
}
FORMULA = re.compile(r"```\{math\}(.*?)```|\$([^$\n]+)\$", re.DOTALL)
NO_LETTER = re.compile(r"\\(?:text|operatorname|texttt)\{[^}]*\}|:label: .*")
# Unpacked from a shape of four axes, these are images, a layer's weights and its output.
SHAPES = {("N", "C", "H", "W"), ("C_out", "C", "KH", "KW"), ("N", "C_out", "OH", "OW")}


def tables(heading):
    """Give the rows of the tables below a heading as lists of cells."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:2] == "| "]
    return [row for row in rows if not set("".join(row)) <= set("- |")]


def symbols(text):
    """Give the symbols between dollars: $y_0$ and $y$ are y, $\\eta$ is \\eta."""
    inside = NO_LETTER.sub(" ", " ".join(a or b for a, b in FORMULA.findall(text)))
    words = re.findall(r"\\mathrm\{(\w+)\}|(\\[a-z]+)|([A-Za-z])(_[io])?", inside)
    return {word or command or letter + index for word, command, letter, index in words}


def symbols_of(name):
    cells = (cell.source for cell in NOTEBOOKS[name] if cell.cell_type == "markdown")
    return symbols("\n\n".join(cells))


def trees(name):
    for cell in NOTEBOOKS[name]:
        if cell.cell_type == "code":
            try:
                yield ast.parse(cell.source)
            except SyntaxError:  # a magic
                continue


def names_of(name):
    nodes = [node for tree in trees(name) for node in ast.walk(tree)]
    kinds = (ast.Name, "id"), (ast.arg, "arg"), (ast.keyword, "arg"), (ast.Attribute, "attr")
    return {
        getattr(n, attribute) for kind, attribute in kinds for n in nodes if isinstance(n, kind)
    }


def unpacked_shapes(tree):
    """List the names that take the four numbers of some array's shape."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute):
            names = getattr(node.targets[0], "elts", [])
            if node.value.attr == "shape" and len(names) == 4:
                yield tuple(ast.unparse(name) for name in names)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_shape_is_unpacked_into_the_letters_of_the_page(name):
    for names in (names for tree in trees(name) for names in unpacked_shapes(tree)):
        fits = [
            all(name == letter or name[0] == "_" for name, letter in zip(names, shape, strict=True))
            for shape in SHAPES
        ]
        assert any(fits), f"{names} are not the letters of the page"


def test_the_page_lists_the_letters_of_shapes():
    listed = {name for row in tables("Shapes") for name in re.findall(r"`(\w+)`", row[0])}
    assert {letter for shape in SHAPES for letter in shape} == listed


def test_each_symbol_of_the_page_is_used_in_a_formula_or_in_code():
    formulas = set().union(*map(symbols_of, NOTEBOOKS))
    code = set().union(*map(names_of, NOTEBOOKS))
    rows = tables("Sizes")[1:] + tables("Everything else")[1:]
    assert len(rows) > 15
    for row in rows:
        cells = " ".join(row[:2])
        named = re.findall(r"`(\w+)`", cells)
        assert symbols(cells) <= formulas, row
        assert set(named) <= code, row
        assert named or symbols(cells), row


@pytest.mark.parametrize("row", tables("Letters with two meanings")[1:], ids=lambda row: row[0])
def test_a_letter_has_its_second_meaning_where_the_page_says(row):
    (letter,) = symbols(row[0])
    chapters = re.findall(r"\]\((\w+\.ipynb)\)", row[2])
    assert chapters
    for chapter in chapters:
        letters = {re.sub("_[io]$", "", symbol) for symbol in symbols_of(chapter)}
        assert letter in letters, f"{letter} is in no formula of {chapter}"

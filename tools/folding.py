"""What the page folds, by the role of a code cell, and how a chapter shows its code.

A role is the author's tag (``setup``, ``table``, ``claim``) or told from the cell itself: the
imports at the top, a figure, a cell that only claims and asserts. A cell tagged ``show-code`` stays
open, because its code is what the reader should learn to write.
"""

import ast
import copy
import re
from itertools import pairwise

LABELS = {
    "figure": "Code for this figure",
    "setup": "Setup",
    "table": "Code for this table",
    "claim": "The check",
}
MOST_CLAIMS = 8
IMPORTS = {ast.Import, ast.ImportFrom}
GATE = re.compile(r"^(`{3,})\{solution-(start|end)\} *(\S*)[^`]*^\1", re.MULTILINE)
PREDICT = re.compile(r"^([`:]{3,})\{admonition\} Predict$(.*?)^\1", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"^:name: *(\S+)", re.MULTILINE)


def fold_labels(notebook):
    """Fold the code cells that have a role, and label each fold by what is inside.

    Changes the cells' metadata in place; a second call changes nothing. A fold that the author made
    stays, and a label that no longer fits goes.
    """
    for cell, role, _ in _code_cells(notebook):
        tags = list(cell.metadata.get("tags", []))
        options = dict(cell.metadata.get("mystnb", {}))
        if options.get("code_prompt_show") in LABELS.values():
            del options["code_prompt_show"]
        if role and "show-code" in tags:
            tags = [tag for tag in tags if tag != "hide-input"]
        elif role:
            options["code_prompt_show"] = LABELS[role]
            wanted = ("hide-input", role) if role in ("setup", "claim") else ("hide-input",)
            tags += [tag for tag in wanted if tag not in tags]
        for key, value in (("tags", tags), ("mystnb", options)):
            cell.metadata.pop(key, None)
            if value:
                cell.metadata[key] = value


def layout_faults(notebook):
    """List where a chapter shows code, claims or predictions in a way that is not the book's."""
    labelled = copy.deepcopy(notebook)
    fold_labels(labelled)
    faults = [] if labelled == notebook else ["its folds are out of date: run `make execute`"]
    n_claims = 0
    for cell, _, in_exercise in _code_cells(notebook):
        start = cell.source.strip().partition("\n")[0]
        if re.search(r"#\s*(fmt|ruff|noqa|isort)\b", cell.source):
            faults.append(f"a pragma in the cell of `{start}`")
        if "claim(" in cell.source and not in_exercise:
            n_claims += cell.source.count("claim(")
            if _is_open(cell) and "show-code" not in cell.metadata.get("tags", []):
                faults.append(f"the code of a claim stands open: `{start}`")
    if n_claims > MOST_CLAIMS:
        faults.append(f"{n_claims} claims instead of at most {MOST_CLAIMS}: make the rest asserts")
    said = [c for c in notebook.cells if c.cell_type == "code" or GATE.sub("", c.source).strip()]
    for first, second in pairwise(said):
        if _is_open(first) and _is_open(second):
            start = second.source.strip().partition("\n")[0]
            faults.append(f"no sentence between two open cells, before `{start}`")
    return [*faults, *_prediction_faults(notebook)]


def _prediction_faults(notebook):
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    folded = [label for _, gate, label in GATE.findall(text) if gate == "start"]
    for _, body in PREDICT.findall(text):
        name = NAME.search(body)
        if not name or folded.count(name[1]) != 1:
            question = re.sub(r"^:\w+:.*\n", "", body.strip(), flags=re.MULTILINE)
            yield f"a prediction without its folded answer: {question[:60]}"


def _is_open(cell):
    return cell.cell_type == "code" and "hide-input" not in cell.metadata.get("tags", [])


def _code_cells(notebook):
    """Yield each code cell with its role and whether it stands in the solution of an exercise."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    in_exercise = False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for _, gate, label in GATE.findall(cell.source):
                in_exercise = gate == "start" and label.startswith("ex-")
        elif cell.cell_type == "code":
            yield cell, _role(cell, code, in_exercise), in_exercise


def _role(cell, code, in_exercise):
    if "figure" in cell.metadata.get("mystnb", {}):
        return "figure"
    for role in ("setup", "table", "claim"):
        if role in cell.metadata.get("tags", []):
            return role
    statements = _statements(cell)
    kinds = {type(part) for part in statements}
    if cell is code[0] and kinds & IMPORTS and kinds <= IMPORTS | {ast.Assign}:
        return "setup"
    others = [other for other in code if other is not cell]
    return "claim" if _only_checks(statements, others, in_exercise) else None


def _only_checks(statements, others, in_exercise):
    """Whether a cell only claims and asserts, perhaps with names that no other cell reads.

    In the solution of an exercise such names are the solution, so there they stay open.
    """
    helpers = [part for part in statements if not _is_check(part)]
    if not helpers:
        return bool(statements)
    if in_exercise or "claim(" not in "".join(map(ast.unparse, statements)):
        return False
    if not all(isinstance(part, ast.Assign) for part in helpers):
        return False
    made = _names(*(target for part in helpers for target in part.targets))
    return not made & _names(*(part for cell in others for part in _statements(cell)), read=True)


def _is_check(part):
    if isinstance(part, ast.For | ast.With):
        return all(map(_is_check, part.body))
    if isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
        called = ast.unparse(part.value.func)
        return called == "claim" or ".testing.assert_" in called
    return isinstance(part, ast.Assert)


def _names(*parts, read=False):
    names = [node for part in parts for node in ast.walk(part) if isinstance(node, ast.Name)]
    return {node.id for node in names if not read or isinstance(node.ctx, ast.Load)}


def _statements(cell):
    """Return the statements of a cell; none of one that is not plain Python, such as a magic."""
    try:
        return ast.parse(cell.source).body
    except SyntaxError:
        return []

"""Fold answers in the book: what stands between ``{solution-start}`` and ``{solution-end}``.

sphinx-exercise folds a solution with JavaScript. Here it becomes a dropdown of sphinx-design, which
is a plain ``<details>``: it opens without JavaScript, in print, and for a link into it.
"""

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx_design.shared import create_component
from sphinx_exercise.nodes import solution_node

SOLUTION = ["Solution", "solution"]
PREDICTION = ["See what happens", "prediction"]


class FoldAnswers(SphinxTransform):
    """Turn each solution into a dropdown: of an exercise, or else of a prediction."""

    default_priority = 11  # right after sphinx-exercise has merged the cells of a solution

    def apply(self):
        """Replace the solutions of one page."""
        for solution in list(self.document.findall(solution_node)):
            known = self.env.sphinx_exercise_registry.get(solution["target_label"], {})
            is_exercise = "exercise" in known.get("type", "")
            label, kind = SOLUTION if is_exercise else PREDICTION
            solution.parent.replace(solution, _dropdown(label, kind, solution[1:]))


def _dropdown(label, kind, sections):
    fold = create_component(
        "dropdown",
        opened=False,
        type="dropdown",
        has_title=True,
        icon=None,
        chevron=None,
        container_classes=["sd-mb-3", "fold", kind],
        title_classes=[],
        body_classes=[],
    )
    fold += nodes.rubric(label, label)
    for section in sections:
        fold += section.children
    return fold


def setup(app):
    """Register the transform."""
    app.setup_extension("sphinx_exercise")
    app.setup_extension("sphinx_design")
    app.add_transform(FoldAnswers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

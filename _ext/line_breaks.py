"""Keep on one line what belongs together: a formula and the marks around it, a number and its %.

A browser draws a formula as a box, and without this it may begin a line with the comma behind it.
It may also break an option of a command, such as --nproc-per-node, behind each of its dashes. Long
code and addresses may break behind a mark, and so need not break inside a word.
"""

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

NUMBER = re.compile(r"(?<=\d) (?=%)|(?<=\bp) (?=[<≥=])|(?<=\bp [<≥=]) ")
MARK = re.compile(r"(?<=\w[._(,=/])(?=[^\s._)])")
SHORT = 12  # letters of code that stay on one line
AS_WRITTEN = (nodes.FixedTextElement, nodes.literal, nodes.math, nodes.raw)


class LineBreaks(SphinxPostTransform):
    """Join words of one page."""

    default_priority = 900  # when all that inserts words has run
    formats = ("html",)

    def run(self, **_):
        """Join numbers with %, formulas and options with the marks beside them; part long code."""
        for text in list(self.document.findall(nodes.Text)):
            if NUMBER.search(text) and not isinstance(text.parent, AS_WRITTEN):
                text.parent.replace(text, nodes.Text(NUMBER.sub("\u00a0", text)))
        for math in list(self.document.findall(nodes.math)):
            _join(math)
        for code in list(self.document.findall(nodes.literal)):
            if code.astext().startswith("-"):
                _join(code)
            elif len(code.astext()) > SHORT:
                _part(code)
        for link in list(self.document.findall(nodes.reference)):
            if link.astext().startswith("http"):
                _part(link)


def _join(node):
    """Put a node, and what stands beside it without a space, into an element of their own."""
    parent, place = node.parent, node.parent.index(node)
    before = parent[place - 1] if place else None
    after = parent[place + 1] if place + 1 < len(parent) else None
    opening = re.search(r"\S*$", before)[0] if isinstance(before, nodes.Text) else ""
    closing = re.match(r"\S*", after)[0] if isinstance(after, nodes.Text) else ""
    if isinstance(node, nodes.math) and not opening and not closing:
        return
    together = nodes.inline(classes=["together"])
    parent[place] = together
    together += [nodes.Text(opening), node, nodes.Text(closing)]
    if closing:
        parent[place + 1] = nodes.Text(after[len(closing) :])
    if opening:
        parent[place - 1] = nodes.Text(before[: -len(opening)])


def _part(node):
    """Let a line break in code or an address behind its marks."""
    for text in list(node.findall(nodes.Text)):
        parts = []
        for part in MARK.split(text):
            parts += [nodes.raw("", "<wbr>", format="html"), nodes.Text(part)]
        text.parent.replace(text, parts[1:])


def setup(app):
    """Register with Sphinx."""
    app.add_post_transform(LineBreaks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

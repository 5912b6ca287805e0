"""Tell charts from pictures, for a dark page, and keep the files of both small.

A chart (lines, bars, boxes on white paper) takes the ground of a dark page. A picture (pixels,
feature maps, signed numbers) keeps its colors, which mean something, on a light card. A cell makes
a picture if it shows pixels, itself or through a function of the package or of its page; a tag
``chart`` or ``picture`` of the cell overrules that.
"""

import ast
from functools import cache
from pathlib import Path

from docutils import nodes
from PIL import Image, ImageChops, ImageStat
from sphinx.transforms import SphinxTransform

KINDS = {"tag_chart": "chart", "tag_picture": "picture"}
SHOW_PIXELS = {".imshow", "Image"}  # Matplotlib's, and IPython's for the file of a picture
LARGEST_ERROR = 0.05  # of 255, the mean over the pixels of a file stored in 256 colors


class Figures(SphinxTransform):
    """Give each image of a code cell its kind as a class, and make its file smaller."""

    default_priority = 400

    def apply(self):
        """Mark the images of one page."""
        cells = {cell: _code(cell) for cell in self.document.findall(_is_cell)}
        known = _package_functions(Path(self.app.srcdir))
        show_pixels = _that_show_pixels(cells.values(), known)
        for cell, code in cells.items():
            by_code = "picture" if _called(code) & show_pixels else "chart"
            kind = next((KINDS[tag] for tag in cell["classes"] if tag in KINDS), by_code)
            for image in cell.findall(nodes.image):
                image["classes"].append(kind)
                shrink(self.env.relfn2path(image["uri"])[1])


def shrink(path):
    """Store a PNG in 256 colors, if hardly a pixel changes."""
    with Image.open(path) as file:
        if file.format != "PNG" or file.mode == "P":
            return
        image = file.convert("RGB")
    few = image.quantize(256, dither=Image.Dither.NONE)
    errors = ImageStat.Stat(ImageChops.difference(image, few.convert("RGB"))).mean
    if max(errors) <= LARGEST_ERROR:
        few.save(path, optimize=True)


def _is_cell(node):
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def _code(cell):
    """Return the parsed code of a cell; nothing of one that is not plain Python."""
    code = "\n".join(block.astext() for block in cell.findall(_is_code))
    try:
        return ast.parse(code)
    except SyntaxError:
        return ast.parse("")


def _is_code(node):
    return isinstance(node, nodes.literal_block) and "cell_input" in node.parent["classes"]


@cache
def _package_functions(root):
    """Return the names that show pixels on a page: ``.image`` is `plots.image(…)`."""
    package = root / "lenet_course"
    files = [package / "plots.py", *(package / "chapters").glob("*.py")]
    known = _that_show_pixels([ast.parse(file.read_text(encoding="utf-8")) for file in files])
    return SHOW_PIXELS | {name for name in known if name.startswith(".")}


def _that_show_pixels(trees, known=SHOW_PIXELS):
    """Return the known names, and those of the functions that call them or each other."""
    functions = [f for tree in trees for f in ast.walk(tree) if isinstance(f, ast.FunctionDef)]
    while True:
        found = {function.name for function in functions if _called(function) & known}
        found |= {f".{name}" for name in found} | known
        if found == known:
            return known
        known = found


def _called(tree):
    """Return the names that are called: ``image`` by `image(…)`, ``.image`` by `plots.image(…)`."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    return names | {f".{call.attr}" for call in calls if isinstance(call, ast.Attribute)}


def setup(app):
    """Register with Sphinx."""
    app.add_transform(Figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

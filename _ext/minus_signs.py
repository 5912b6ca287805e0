"""Write negative numbers in tables of results with a minus sign, as the text does; pandas has hyphens."""

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

TEXT = re.compile(r">[^<]+<")  # between two tags
MINUS = re.compile(r"(?<![\w.])-(?=[\d.])")


class MinusSigns(SphinxPostTransform):
    """Replace the hyphens before numbers in the data frames of one page."""

    default_priority = 900
    formats = ("html",)

    def run(self, **_):
        """Replace them."""
        for table in list(self.document.findall(nodes.raw)):
            if 'class="dataframe"' in table.astext():
                written = TEXT.sub(lambda text: MINUS.sub("\u2212", text[0]), table.astext())
                table.parent.replace(table, nodes.raw("", written, format="html"))


def setup(app):
    """Register with Sphinx."""
    app.add_post_transform(MinusSigns)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

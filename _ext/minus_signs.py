"""Write the negative numbers of data frames with a minus sign, as the text does, not a hyphen."""

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
        for html in self.document.findall(nodes.raw):
            if 'class="dataframe"' in html.astext():
                written = TEXT.sub(lambda text: MINUS.sub("\u2212", text[0]), html.astext())
                html.children = [nodes.Text(written)]


def setup(app):
    """Register with Sphinx."""
    app.add_post_transform(MinusSigns)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

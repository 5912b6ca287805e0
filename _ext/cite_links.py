"""Links with words of their own to works of the bibliography: ``[LeCun et al. (1998)](#key)``.

JupyterLab shows them too, which it does not do for the role ``cite``.
"""

from sphinx.addnodes import pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode


class CiteLinks(SphinxPostTransform):
    """Resolve links to keys of the bibliography, and keep their words."""

    default_priority = (
        8  # MyST resolves at 9, and puts sphinxcontrib-bibtex's words in place of ours
    )

    def run(self, **_):
        """Replace the links of one page."""
        works = {work.key: work for work in self.env.get_domain("cite").citations}
        for link in list(self.document.findall(pending_xref)):
            work = works.get(link["reftarget"])
            if work and link["reftype"] == "myst":
                here, there = self.env.docname, work.bibliography_key.docname
                words = link[0].deepcopy()
                link.replace_self(
                    make_refnode(self.app.builder, here, there, work.citation_id, words)
                )


def setup(app):
    """Register with Sphinx."""
    app.add_post_transform(CiteLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Load MathJax only on pages with a formula.

Sphinx also loads it on a page above such pages in the table of contents: on the front page.
"""


def _without_mathjax(app, pagename, templatename, context, doctree):
    if not app.env.get_domain("math").data["has_equations"].get(pagename):
        scripts = context["script_files"]
        scripts[:] = [s for s in scripts if "mathjax" not in f"{s.filename}{s.attributes}".lower()]


def setup(app):
    """Register with Sphinx, after its own MathJax extension."""
    app.connect("html-page-context", _without_mathjax, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Load MathJax only on pages with a formula, and of it only the parts that a formula needs.

These are 0.8 instead of 1.2 MB. What stays away is the menu on a formula; its text for screen
readers stays. Sphinx by itself also loads MathJax on a page above such pages in the table of
contents: on the front page.
"""

PARTS = ["core", "input/tex", "output/chtml", "a11y/assistive-mml"]


def drop_mathjax(app, pagename, templatename, context, doctree):
    """Take MathJax from a page without a formula."""
    if not app.env.get_domain("math").data["has_equations"].get(pagename):
        scripts = context["script_files"]
        scripts[:] = [s for s in scripts if "mathjax" not in f"{s.filename}{s.attributes}".lower()]


def setup(app):
    """Register with Sphinx; must come after sphinx-mathjax-offline."""
    app.config.mathjax_path = "mathjax/startup.js"
    app.config.mathjax3_config = {"loader": {"load": PARTS}}
    app.connect("html-page-context", drop_mathjax, priority=900)  # after Sphinx has added it
    return {"parallel_read_safe": True, "parallel_write_safe": True}

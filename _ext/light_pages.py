"""Keep the pages light: of MathJax they load only what a formula needs, 0.8 instead of 1.2 MB.

What stays away is the menu on a formula; its text for screen readers stays.
"""

PARTS = ["core", "input/tex", "output/chtml", "a11y/assistive-mml"]


def setup(app):
    """Load the parts of MathJax one by one; must come after sphinx-mathjax-offline."""
    app.config.mathjax_path = "mathjax/startup.js"
    app.config.mathjax3_config = {"loader": {"load": PARTS}}
    return {"parallel_read_safe": True, "parallel_write_safe": True}

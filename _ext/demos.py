"""Load the scripts of live demonstrations on the pages that show one, and on no other.

Jupyter Book links every script and style sheet of ``_static`` to every page.
"""

import re
from pathlib import Path

STATIC = Path(__file__).parent.parent / "_static"
CORE = "demos/core.js"
READ = (CORE, "demos/learning.js")  # the mathematics, to which a link in the page leads
NEEDS = {  # each demonstration, and what it needs besides core.js, page.js and its own script
    "digit": ["data/lenet", "data/digits_wrong", "preparation"],
    "filters": ["data/kernels", "sliding_window"],
    "kernels": ["data/kernels", "sliding_window"],
    "layers": ["data/lenet", "data/digits_wrong", "preparation", "digit"],
    "output_size": ["cells"],
    "receptive_field": ["cells"],
    "training": ["learning", "data/training_digits"],
    "valley": ["learning"],
}
SHOWN = re.compile(r'<div class="demo" data-demo="(\w+)"')


def scripts(names):
    """List the scripts that these demonstrations need, in the order in which they run."""
    shared = [file for name in names for file in NEEDS[name]]
    needed = ["page", *shared, *names]
    return [CORE, *(f"demos/{file}.js" for file in dict.fromkeys(needed))]


def _of_no_page(app, config):
    for files in (config.html_js_files, config.html_css_files):
        files[:] = [file for file in files if not file.startswith("demos/")]
    texts = {script: (STATIC / script).read_text(encoding="utf-8") for script in READ}
    lines = {script: text.count("\n") for script, text in texts.items()}
    config.demo_lines = lines  # the pages are written anew when they change


def _of_this_page(app, pagename, templatename, context, doctree):
    names = sorted(set(SHOWN.findall(context.get("body", ""))))
    if names:
        app.add_css_file("demos/demos.css")
        for script in scripts(names):
            lines = app.config.demo_lines.get(script)
            told = {"data-lines": str(lines)} if lines else {}
            app.add_js_file(script, loading_method="defer", **told)


def setup(app):
    """Register with Sphinx."""
    app.add_config_value("demo_lines", {}, "html", types=dict)
    app.connect("config-inited", _of_no_page)
    app.connect("html-page-context", _of_this_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The sources of the book: what neither its strict build refuses nor a browser would see."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from tools.references import read_book

ROOT = Path(__file__).parents[1]
CJK = re.compile(r"[\u4e00-\u9fff]")


def settings(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_every_page_is_in_the_table_of_contents():
    listed = {page["file"] for part in settings("_toc.yml")["parts"] for page in part["chapters"]}
    pages = {p for p in (ROOT / "chapters").iterdir() if p.suffix in (".md", ".ipynb")}
    assert {f"chapters/{page.stem}" for page in pages} - listed == set()


def test_the_glossary_is_in_order_and_gives_each_chinese_name():
    words = read_book(ROOT).words
    assert list(words) == sorted(words, key=str.lower)
    assert words
    assert [word for word, explained in words.items() if not CJK.search(explained)] == []


def test_the_page_of_the_package_has_all_that_the_chapters_import():
    page = (ROOT / "chapters" / "api.md").read_text(encoding="utf-8")
    described = re.findall(r"automodule:: lenet_course\.([\w.]+)", page)
    assert described == re.findall(r"^##+ (.*)", page, re.M)
    folder = (ROOT / "lenet_course" / "chapters").glob("[!_]*.py")
    of_chapters = {name for name in described if name.startswith("chapters.")}
    assert of_chapters == {f"chapters.{path.stem}" for path in folder}
    imported = set()
    for path in (ROOT / "chapters").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                imported |= set(imported_modules(cell.source))
    assert len(imported) > 30
    assert imported - set(described) == set()


def imported_modules(source):
    """Name the modules of the package that a cell imports, without "lenet_course."."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "lenet_course":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = names if is_module(names[0]) else [node.module]
            yield from (name.removeprefix("lenet_course.") for name in modules)


def is_module(name):
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def test_the_build_runs_no_notebook_and_asks_no_host():
    config = settings("_config.yml")
    assert config["execute"]["execute_notebooks"] == "off"
    options = config["sphinx"]["config"]
    assert options["nb_ipywidgets_js"] == {}  # its default is a public host
    assert not {"sphinx_thebe", "sphinx.ext.intersphinx"} & set(options["extensions"])


def build(folder, settings):
    """Build the pages of a folder with extensions of the book; return where they are."""
    with docutils_namespace(), patch_docutils(), pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "_ext"))
        out = folder / "html"
        Sphinx(folder, None, out, folder / "trees", "html", settings, status=None).build()
    return out


def test_a_line_does_not_part_what_belongs_together(tmp_path):
    text = (
        "So ($x = 1$), then $y$-th or $z$ of 80 %, `80 %`, *5 %* and p ≥ 5."
        "\n\n$a$,$b$; $c$, `a-b` (`-a`)."
    )
    (tmp_path / "index.md").write_text(f"# Up to 90 %\n\n{text}\n", encoding="utf-8")
    settings = {"extensions": ["myst_parser", "sphinx.ext.mathjax", "line_breaks"]}
    settings |= {"myst_enable_extensions": ["dollarmath"], "html_theme": "basic"}
    page = BeautifulSoup((build(tmp_path, settings) / "index.html").read_bytes(), "html.parser")
    together = [part.get_text() for part in page.select("p .together")]
    assert together == [r"(\(x = 1\)),", r"\(y\)-th", r"\(a\),", r"\(b\);", r"\(c\),", "(-a)."]
    shown = page.select_one("section").get_text()
    assert re.findall(r"\d\s%", shown) == ["0\xa0%", "0\xa0%", "0 %", "5\xa0%"]
    assert "p\xa0≥\xa05." in shown
    words = [re.sub(r"\\[()]|[*`$]", "", whole).split() for whole in (shown, text)]
    assert words[0][-len(words[1]) :] == words[1]  # none is lost


def test_long_code_breaks_behind_a_mark_and_stays_whole_as_text(tmp_path):
    code = [
        "plots.image_grid(axes, my_image)",
        "max_pool2d",
        "a_long.name_of_one",
        "(2, 3) = x.shape",
    ]
    text = " and ".join(f"`{one}`" for one in code) + " at <https://a.org/one/two.html>"
    (tmp_path / "index.md").write_text(f"# Code\n\n{text}\n", encoding="utf-8")
    settings = {"extensions": ["myst_parser", "line_breaks"], "html_theme": "basic"}
    page = BeautifulSoup((build(tmp_path, settings) / "index.html").read_bytes(), "html.parser")
    assert [one.get_text() for one in page.select("code")] == code
    for wbr in page.select("wbr"):
        wbr.replace_with("|")
    shown = [one.get_text() for one in page.select("code")]
    assert shown == [
        "plots.|image_|grid(|axes, my_|image)",
        code[1],
        "a_|long.|name_|of_|one",
        "(2, 3) = x.|shape",
    ]
    assert page.select_one("section a.external").get_text() == "https://a.|org/|one/|two.|html"


def test_negative_numbers_of_a_table_have_a_minus_sign(tmp_path):
    cells = "<td>-0.3 (-1.7 to +1.1)</td><td>2e-05</td><td>a-1</td><td>2026-11-24</td><td>-.5</td>"
    html = f'<table class="dataframe" id="a-1"><tr>{cells}</tr></table>'
    output = nbformat.v4.new_output("display_data", {"text/html": html})
    cell = nbformat.v4.new_code_cell("table", outputs=[output])
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# T"), cell])
    nbformat.write(notebook, tmp_path / "index.ipynb")
    settings = {"extensions": ["myst_nb", "minus_signs"], "nb_execution_mode": "off"}
    settings |= {"source_suffix": {".ipynb": "myst-nb"}, "html_theme": "basic"}
    page = BeautifulSoup((build(tmp_path, settings) / "index.html").read_bytes(), "html.parser")
    found = [cell.get_text() for cell in page.select(".text_html table#a-1 td")]
    assert found == ["−0.3 (−1.7 to +1.1)", "2e-05", "a-1", "2026-11-24", "−.5"]


def test_a_search_still_finds_what_a_second_build_did_not_read(tmp_path):
    pages = {
        "index": "# All\n\n```{toctree}\na\nb\nc\nwords\n```\n",
        "words": "# Words\n\n```{glossary}\nstride\n: A step.\n```\n",
    }
    for name, text in pages.items():
        (tmp_path / f"{name}.md").write_text(text, encoding="utf-8")
    for name, text in {"a": "Take a stride, and another stride.", "b": "One stride."}.items():
        cell = nbformat.v4.new_markdown_cell(f"# {name}\n\n{text}")
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / f"{name}.ipynb")
    found = []
    for added in ("", "More.\n"):
        (tmp_path / "c.md").write_text("# c\n\n" + added, encoding="utf-8")
        settings = {
            "extensions": ["myst_nb", "search_words"],
            "source_suffix": {".md": "myst-nb", ".ipynb": "myst-nb"},
            "exclude_patterns": ["*/**"],  # what the first build made
        }
        out = build(tmp_path, settings)
        index = (out / "searchindex.js").read_text(encoding="utf-8")
        index = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))
        entries = index["indexentries"]["stride"]
        found.append([index["docnames"][page] for page, *_ in entries])
    assert found == [["a", "words"], ["a", "words"]]


PLACE = '<div class="demo" data-demo="{}"></div>'


@pytest.fixture(scope="module")
def demo_pages(tmp_path_factory):
    """Build pages without and with demonstrations, all scripts linked to all as Jupyter Book does.

    Return, for each, the demonstrations' files that it loads, in order.
    """
    folder = tmp_path_factory.mktemp("book")
    pages = {
        "index": "# None\n",
        "one": "# One\n\n" + PLACE.format("valley"),
        "two": "# Two\n\n" + "\n\n".join(map(PLACE.format, ("valley", "output_size", "valley"))),
        "told": "# Told\n\n`" + PLACE.format("valley") + "`\n",
    }
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    static = [path.relative_to(ROOT / "_static") for path in (ROOT / "_static").rglob("*.*s")]
    linked = {kind: [p.as_posix() for p in static if p.suffix == kind] for kind in (".js", ".css")}
    settings = {
        "extensions": ["myst_parser", "demos"],
        "source_suffix": {".md": "markdown"},
        "html_static_path": [str(ROOT / "_static")],
        "html_js_files": linked[".js"],
        "html_css_files": linked[".css"],
        "html_theme": "basic",
    }
    out = build(folder, settings)
    loaded = re.compile(r'(?:src|href)="_static/(demos/[^"?]+)[^>]*>')
    read = {name: (out / f"{name}.html").read_text(encoding="utf-8") for name in pages}
    assert all("_static/course.css" in html for html in read.values())
    return {name: loaded.findall(html) for name, html in read.items()}


def test_a_page_without_a_demonstration_loads_nothing_of_them(demo_pages):
    assert demo_pages["index"] == demo_pages["told"] == []


def test_a_page_loads_exactly_what_its_demonstrations_need(demo_pages):
    shared = ["demos/demos.css", "demos/core.js", "demos/page.js"]
    two = [f"demos/{name}.js" for name in ("cells", "learning", "output_size", "valley")]
    assert demo_pages["one"] == [*shared, "demos/learning.js", "demos/valley.js"]
    assert demo_pages["two"] == [*shared, *two]


def test_each_demonstration_has_a_script_and_stands_for_a_picture_of_its_page():
    shown = re.compile(r'<div class="demo" data-demo="(\w+)" data-replaces="([\w-]+)"')
    names = set()
    for path in [ROOT / "intro.md", *(ROOT / "chapters").glob("*.ipynb")]:
        source = path.read_text(encoding="utf-8").replace('\\"', '"')
        for name, figure in shown.findall(source):
            names.add(name)
            assert re.search(rf'("name": "|:name: ){figure}\b', source), f"{path.name}: {figure}"
    scripts = {path.stem for path in (ROOT / "_static/demos").glob("*.js")}
    assert names
    assert names - scripts == set()

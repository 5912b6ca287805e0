"""The sources of the book: what neither its strict build refuses nor a browser would see."""

import re
from pathlib import Path

import yaml

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


def test_the_build_runs_no_notebook_and_asks_no_host():
    config = settings("_config.yml")
    assert config["execute"]["execute_notebooks"] == "off"
    options = config["sphinx"]["config"]
    assert options["nb_ipywidgets_js"] == {}  # its default is a public host
    assert not {"sphinx_thebe", "sphinx.ext.intersphinx"} & set(options["extensions"])

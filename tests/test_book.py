"""The sources of the book: what the strict build lets pass, told in a second.

The build itself refuses references, citations, terms and pages that are not there.
"""

import re
from pathlib import Path

import nbformat
import pytest
import yaml

from tools.jupyterlab import author_cells

ROOT = Path(__file__).parents[1]
CJK = re.compile(r"[\u4e00-\u9fff]")
EXERCISE = re.compile(r"^[`:]{3,}\{exercise(?:-start)?\}.*\n(?:\s*:.*\n)*?\s*:label:\s*(\S+)", re.M)
PREDICTION = re.compile(
    r"^[`:]{3,}\{admonition\} Predict\n(?:\s*:.*\n)*?\s*:name:\s*(\S+)", re.MULTILINE
)
SOLUTION = re.compile(r"^[`:]{3,}\{solution(?:-start)?\}[ ]*(\S*)", re.MULTILINE)
PICTURE = re.compile(r"^([`:]{3,})\{(?:figure|image)\}(.*?)^\1", re.MULTILINE | re.DOTALL)
FROM_ELSEWHERE = re.compile(
    r"!\[[^\]]*\]\(\s*https?:|<(?:img|script|iframe|source|link|video)[^>]*(?:src|href)\s*="
    r"[\"']?(?:https?:)?//|^[`:]{3,}\{(?:figure|image)\}\s*https?:",
    re.MULTILINE,
)


def text_of(path):
    """Return a page's Markdown, code and listings left out."""
    if path.suffix == ".ipynb":
        cells = author_cells(nbformat.read(path, as_version=4))
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown") + "\n"
    else:
        text = path.read_text(encoding="utf-8")
    return _without_listings(text)


def _without_listings(text):
    """Drop fenced blocks that are no directives; a fence closes the innermost one it fits."""
    kept, fences = [], []
    for line in text.splitlines(keepends=True):
        fence = re.match(r"\s*(`{3,}|:{3,})(.*)", line)
        listing = fences and not fences[-1][1]
        if fence and fences and not fence[2].strip() and fence[1].startswith(fences[-1][0]):
            fences.pop()
        elif fence and not listing:
            fences.append((fence[1], fence[2].startswith("{")))
            listing = not fences[-1][1]
        if not listing:
            kept.append(line)
    return "".join(kept)


def figure_cells(path):
    """Yield (number of pictures, mystnb metadata) of each code cell that has any of the two."""
    if path.suffix == ".ipynb":
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type != "code":
                continue
            data = [kind for out in cell.outputs for kind in out.get("data", {})]
            pictures = sum(kind.startswith("image/") for kind in data)
            meta = cell.metadata.get("mystnb", {})
            if pictures or "figure" in meta or "image" in meta:
                yield pictures, meta


def faults(root):
    """List what is wrong with the book in a folder."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    listed = [toc["root"]] + [page["file"] for part in toc["parts"] for page in part["chapters"]]
    pages = {
        name: path
        for name in listed
        if (path := next(filter(Path.is_file, _candidates(root, name)), None))
    }
    texts = {name: text_of(path) for name, path in pages.items()}
    return [
        *_toc_faults(root, listed),
        *(f"{name}: {fault}" for name, path in pages.items() for fault in _figure_faults(path)),
        *(f"{name}: {fault}" for name, text in texts.items() for fault in _page_faults(text)),
        *_glossary_faults(texts.get("chapters/glossary", "")),
        *_asset_faults(root),
    ]


def _candidates(root, name):
    return [root / f"{name}{suffix}" for suffix in (".md", ".ipynb")]


def _toc_faults(root, listed):
    for path in sorted((root / "chapters").iterdir()):
        name = f"chapters/{path.stem}"
        if path.suffix in (".md", ".ipynb") and name not in listed:
            yield f"{name} is not in _toc.yml"


def _figure_faults(path):
    for number, (pictures, meta) in enumerate(figure_cells(path), start=1):
        figure, alt = meta.get("figure", {}), meta.get("image", {}).get("alt", "")
        name = figure.get("name", f"picture {number}")
        if not str(figure.get("name", "")).startswith("fig-"):
            yield f"{name} has no name that starts with fig-"
        if not figure.get("caption", "").strip():
            yield f"{name} has no caption"
        if len(alt.split()) < 4:
            yield f"{name} has no alt text that says what it shows"
        if alt.strip() == figure.get("caption", "").strip():
            yield f"{name} repeats its caption as alt text"
        if pictures != 1:
            yield f"{name} stands on a cell with {pictures} pictures instead of one"


def _page_faults(text):
    for source in re.findall(r"!\[\s*\]\(([^)]*)\)", text):
        yield f"image without alt text: {source}"
    for tag in re.findall(r"<img\b[^>]*>", text):
        if not re.search(r"\balt\s*=\s*[\"'][^\"']+", tag):
            yield f"image without alt text: {tag}"
    for _, body in PICTURE.findall(text):
        if not re.search(r"^\s*:alt:\s*\S", body, re.MULTILINE):
            yield f"image without alt text: {body.strip().splitlines()[0]}"
    for match in FROM_ELSEWHERE.finditer(text):
        yield f"loads from another host: {match.group()}"
    exercises, predictions = EXERCISE.findall(text), PREDICTION.findall(text)
    solutions = SOLUTION.findall(text)
    for label in [*exercises, *predictions]:
        if solutions.count(label) != 1:
            yield f"{label} has {solutions.count(label)} solutions on its page"
    for label in solutions:
        if label not in [*exercises, *predictions]:
            yield f"a solution to {label or 'nothing'}, which its page does not ask"
    if len(re.findall(r"^[`:]{3,}\{exercise(?:-start)?\}", text, re.M)) != len(exercises):
        yield "an exercise without a label"


def _terms(glossary):
    block = re.search(r"^`{3,}\{glossary\}\n(.*?)^`{3,}", glossary, re.MULTILINE | re.DOTALL)
    return re.findall(r"^(\S.*)$", block.group(1), re.MULTILINE) if block else []


def _glossary_faults(text):
    terms = _terms(text)
    if not terms:
        yield "chapters/glossary explains no term"
    if terms != sorted(set(terms), key=str.lower):
        yield "the glossary is not in alphabetical order, or explains a term twice"
    for term, explained in re.findall(r"^(\S.*)\n((?: {2}.*\n?)+)", text, re.MULTILINE):
        if term in terms and not CJK.search(explained):
            yield f"the glossary gives no Chinese name for {term}"


def _asset_faults(root):
    for path in sorted((root / "_static").rglob("*")):
        if path.suffix in (".css", ".js", ".svg"):
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            if re.search(r"(?:https?:)?//[\w-]+(?:\.[\w-]+)+", text):
                yield f"_static/{path.name} names another host"
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    if config["execute"]["execute_notebooks"] != "off":
        yield "_config.yml runs the notebooks during the build"
    options = config["sphinx"]["config"]
    if options.get("nb_ipywidgets_js") != {}:
        yield "_config.yml loads the widgets' scripts from a public host"
    for extension in ("sphinx_thebe", "sphinx.ext.intersphinx"):
        if extension in options["extensions"]:
            yield f"_config.yml has {extension}, which asks other hosts"


def test_the_book_is_whole():
    assert faults(ROOT) == []


GOOD_PAGE = """# A page

```{exercise} One
:label: ex-a
How many?
```

```{solution} ex-a
Two.
```

```{admonition} Predict
:class: tip
:name: predict-a
How many?
```

```{solution-start} predict-a
```

Three.

```{solution-end}
```

````md
![](http://192.0.2.1/a listing is not looked at)
````
"""
GOOD_FIGURE = {
    "figure": {"name": "fig-a", "caption": "It rises."},
    "image": {"alt": "A line that rises."},
}


@pytest.fixture
def small_book(tmp_path):
    """A book without a fault: one Markdown page, one notebook, a glossary."""
    (tmp_path / "chapters").mkdir()
    (tmp_path / "_static").mkdir()
    write = {
        "_toc.yml": "root: intro\nparts:\n- chapters:\n  - file: chapters/11_a\n"
        "  - file: chapters/glossary\n",
        "_config.yml": 'execute: {execute_notebooks: "off"}\n'
        "sphinx: {config: {extensions: [myst_nb], nb_ipywidgets_js: {}}}\n",
        "intro.md": GOOD_PAGE,
        "chapters/glossary.md": "# Glossary\n\n```{glossary}\npadding\n  **填充** · Pixels.\n\n"
        "stride\n  **步幅** · A number.\n```\n",
        "_static/course.css": "p { margin: 0 }\n",
    }
    for name, text in write.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    _store_notebook(tmp_path, GOOD_FIGURE)
    return tmp_path


def _store_notebook(root, meta, pictures=1):
    output = nbformat.v4.new_output("display_data", {"image/png": ""})
    cell = nbformat.v4.new_code_cell("draw()", outputs=[output] * pictures)
    cell.metadata["mystnb"] = meta
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A"), cell])
    nbformat.write(notebook, root / "chapters" / "11_a.ipynb")


def test_a_whole_book_has_no_fault(small_book):
    assert faults(small_book) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("_toc.yml", "11_a", "12_b", "chapters/11_a is not in _toc.yml"),
        ("intro.md", "{solution} ex-a", "{solution} ex-b", "ex-a has 0 solutions"),
        ("intro.md", "{solution} ex-a", "{solution} ex-b", "a solution to ex-b"),
        ("intro.md", "-start} predict-a", "-start} predict-b", "predict-a has 0 solutions"),
        ("intro.md", ":name: predict-a\n", "", "a solution to predict-a"),
        ("intro.md", "\n:label: ex-a", "", "an exercise without a label"),
        ("intro.md", "# A page", "# A page\n![](a.png)", "image without alt text: a.png"),
        ("intro.md", "# A page", "<img src='a.png' alt=''>", "image without alt text: <img"),
        ("intro.md", "# A page", "```{figure} a.png\nx\n```", "image without alt text: a.png"),
        ("intro.md", "# A page", "![a](https://192.0.2.1/a.png)", "loads from another host"),
        ("intro.md", "# A page", "<script src='//192.0.2.1/a.js'>", "loads from another host"),
        ("chapters/glossary.md", "padding\n", "tanh\n", "not in alphabetical order"),
        ("chapters/glossary.md", "**步幅** ·", "", "no Chinese name for stride"),
        ("chapters/glossary.md", "{glossary}", "{note}", "explains no term"),
        ("_static/course.css", "p {", "@import url(//192.0.2.1/x.css); p {", "another host"),
        ("_config.yml", '"off"', "auto", "runs the notebooks"),
        ("_config.yml", "[myst_nb]", "[sphinx_thebe]", "sphinx_thebe, which asks"),
        ("_config.yml", ", nb_ipywidgets_js: {}", "", "widgets' scripts"),
    ],
)
def test_each_fault_is_told(small_book, file, old, new, message):
    path = small_book / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert any(message in fault for fault in faults(small_book)), faults(small_book)


@pytest.mark.parametrize(
    ("meta", "pictures", "message"),
    [
        ({}, 1, "has no name"),
        (GOOD_FIGURE | {"figure": {"name": "fig-a", "caption": " "}}, 1, "has no caption"),
        (GOOD_FIGURE | {"image": {"alt": "a plot"}}, 1, "has no alt text"),
        (GOOD_FIGURE | {"image": {"alt": GOOD_FIGURE["figure"]["caption"]}}, 1, "repeats"),
        (GOOD_FIGURE, 0, "0 pictures instead of one"),
        (GOOD_FIGURE, 2, "2 pictures instead of one"),
    ],
)
def test_each_fault_of_a_figure_is_told(small_book, meta, pictures, message):
    _store_notebook(small_book, meta, pictures)
    assert any(message in fault for fault in faults(small_book)), faults(small_book)

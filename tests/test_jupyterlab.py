"""What `make execute` writes into a notebook for JupyterLab, on a book of two small chapters."""

import copy

import nbformat
import pytest
from notebook_helpers import ANSWER, END, EXERCISE, FORMULA, code, text, write_book

from tools.jupyterlab import author_cells, furnish
from tools.references import is_generated, link_faults, read_book, renumbered

FIGURE = {"mystnb": {"figure": {"name": "fig-row", "caption": "A row of $n$ cells."}}}


@pytest.fixture
def furnished(tmp_path):
    """Furnish a second chapter of these cells."""

    def make(*cells):
        notebook = nbformat.v4.new_notebook(cells=list(cells))
        furnish(notebook, "12_two", write_book(tmp_path, list(cells)))
        nbformat.validate(notebook)
        return notebook.cells

    return make


def generated(cells, name):
    return next(c for c in cells if is_generated(c) and c.id.startswith(f"jupyterlab-{name}"))


@pytest.mark.parametrize(
    ("tags", "folds"),
    [
        (["hide-input", "claim"], {"source_hidden": True}),
        (["hide-output"], {"outputs_hidden": True}),
        (["hide-cell"], {"source_hidden": True, "outputs_hidden": True}),
        (["nbval-ignore-output"], None),
    ],
)
def test_code_is_folded_as_in_the_book(furnished, tags, folds):
    before = {"tags": tags, "jupyter": {"outputs_hidden": True, "source_hidden": True}}
    cell = furnished(code("x = 1", metadata=before))[1]
    assert cell.metadata.get("jupyter") == folds


def test_an_answer_is_collapsed_and_nothing_else(furnished):
    cells = furnished(
        text(f"{EXERCISE}\n\n{ANSWER}\n\nBecause:"),
        code("x = 2"),
        text(f"So.\n\n{END}\n\n## Next"),
        code("x = 3"),
    )
    names = [cell.id.removeprefix("jupyterlab-") for cell in cells if is_generated(cell)]
    assert names == ["begin", "answer-ex-try", "open-ex-try", "end-ex-try"]
    assert [cell.source for cell in cells[1:]] == [
        EXERCISE,
        "# Your answer",
        "###### **Solution**",
        f"{ANSWER}\n\nBecause:",
        "x = 2",
        f"So.\n\n{END}",
        "<h6 hidden></h6>",
        "## Next",
        "x = 3",
    ]
    collapsed = [cell for cell in cells if "jp-MarkdownHeadingCollapsed" in cell.metadata]
    assert collapsed == [generated(cells, "open")]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([text("```{solution-start} predict-a\n```"), code("5"), text(END)], "See what happens"),
        ([text(f"{EXERCISE}\n\n{ANSWER}\n\nFive.\n\n{END}")], "Solution"),
    ],
    ids=["prediction", "exercise without code"],
)
def test_what_needs_no_code_asks_for_none(furnished, cells, words):
    cells = furnished(*cells)
    assert generated(cells, "open").source == f"###### **{words}**"
    assert not any(cell.source == "# Your answer" for cell in cells)


def test_a_caption_follows_its_figure(furnished):
    cells = furnished(code("plot()", metadata=FIGURE), code("x = 1"))
    assert cells[2].source == "```{figure}\n:label: fig-row\nA row of $n$ cells.\n```"
    assert is_generated(cells[2])
    assert "enumerator: 2.%s" in cells[0].source


def test_references_that_lead_out_of_the_chapter_are_listed(furnished):
    cells = furnished(
        text(
            "By {eq}`eq-size`, {ref}`ex-try` and {ref}`there`, a {term}`Step <Stride>` of "
            f"[LeCun et al. (1998)](#lecun1998gradient) is\n\n{FORMULA.replace('size', 'own')}"
            "\n\nand {eq}`eq-own`."
        )
    )
    listed = generated(cells, "references").source
    for part in (
        "From [chapter 1](11_one.ipynb):\n\n```{math}\n:label: eq-size\n:enumerator: 1.1",
        "(ex-try)=\n###### Exercise 1.1\n\nFrom [chapter 1](11_one.ipynb).",
        "(there)=\n###### A section",
        "stride\n: How far a window moves, as (1.1) has it.",
        "(lecun1998gradient)=\nYann LeCun, Léon Bottou, and Yoshua Bengio",
    ):
        assert part in listed
    for other in ("eq-own", "window\n:", "ITU"):
        assert other not in listed


def test_a_page_that_is_no_chapter_has_single_numbers(tmp_path):
    write_book(tmp_path, [])
    (tmp_path / "_toc.yml").write_text(
        "parts: [{numbered: 1, chapters: [{file: chapters/11_one}]}, "
        "{chapters: [{file: chapters/12_two}, {file: chapters/glossary}]}]"
    )
    two = nbformat.v4.new_notebook(cells=[text(FORMULA.replace("eq-size", "eq-two"))])
    nbformat.write(two, tmp_path / "chapters" / "12_two.ipynb")
    with (tmp_path / "chapters" / "glossary.md").open("a") as page:
        page.write(f"\n{FORMULA.replace('eq-size', 'eq-three')}\n")
    book = read_book(tmp_path)
    furnish(two, "12_two", book)
    assert two.cells[0].source.startswith('---\nnumbering:\n  enumerator: "%s"\n---\n\n*Shift')
    shown = {label: book.labels[label].shown for label in ("eq-size", "eq-two", "eq-three")}
    assert shown == {"eq-size": "(1.1)", "eq-two": "(1)", "eq-three": "(2)"}


def test_done_twice_is_done_once(furnished, tmp_path):
    cells = furnished(
        text(f"{EXERCISE}\n\n{ANSWER}"),
        code("x = 1", metadata=FIGURE),
        text(f"{END}\n\nA {{term}}`window`, {{ref}}`there`."),
    )
    once = nbformat.v4.new_notebook(cells=copy.deepcopy(cells))
    twice = copy.deepcopy(once)
    nbformat.write(once, tmp_path / "chapters" / "12_two.ipynb")
    furnish(twice, "12_two", read_book(tmp_path))
    assert twice == once


def test_the_authors_cells_keep_their_ids(furnished):
    written = [text(f"{EXERCISE}\n\n{ANSWER}"), code("x = 1"), text(f"{END}\n\nNext.")]
    first, second, third = (cell.id for cell in written)
    kept = author_cells(nbformat.v4.new_notebook(cells=furnished(*written)))
    assert [cell.id for cell in kept] == [first, f"{first}-1", second, third, f"{third}-1"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (ANSWER, "an answer without end"),
        ("A {term}`nothing`.", "the glossary has no 'nothing'"),
    ],
)
def test_what_cannot_be_furnished_is_said(furnished, source, message):
    with pytest.raises(ValueError, match=message):
        furnished(text(source))


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("[LeCun et al. (1998)](#lecun1998gradient) and [ITU-R, 2011](#itu2011)", None),
        ("[LeCun (1998)](#lecun1998gradient)", "should read LeCun et al. (1998) or"),
        ("[LeCun et al., 1989](#lecun1998gradient)", "or LeCun et al., 1998"),
    ],
)
def test_links_say_where_they_lead(tmp_path, source, fault):
    faults = link_faults(source, write_book(tmp_path, []))
    assert [fault in found for found in faults] == ([True] if fault else [])


def test_links_to_chapters_get_the_numbers_of_the_contents(tmp_path):
    book = write_book(tmp_path, [])
    stale = "[chapter 7](12_two.ipynb), [Chapter 2](11_one.ipynb), [the next](12_two.ipynb)"
    right = "[chapter 2](12_two.ipynb), [Chapter 1](11_one.ipynb), [the next](12_two.ipynb)"
    assert renumbered(stale, book) == renumbered(right, book) == right
    with pytest.raises(ValueError, match=r"\[chapter 3\]\(13_three.ipynb\): the contents have no"):
        renumbered("See [chapter 3](13_three.ipynb).", book)


def test_a_notebook_is_furnished_with_the_numbers_of_the_contents(furnished):
    cells = furnished(text("See [chapter 9](11_one.ipynb)."))
    assert any(cell.source == "See [chapter 1](11_one.ipynb)." for cell in cells)

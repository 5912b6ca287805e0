"""A book of two small chapters, for tests of what `make execute` stores."""

import nbformat

from tools.references import read_book

text, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
FORMULA = "```{math}\n:label: eq-size\nS = 3\n```"
EXERCISE = "```{exercise} Try\n:label: ex-try\n```"
ANSWER = "```{solution-start} ex-try\n:class: dropdown\n```"
END = "```{solution-end}\n```"
GLOSSARY = """# Glossary

```{glossary}
stride
  How far a {term}`window` moves, as {eq}`eq-size` has it.

window
  What slides.
```
"""
BIBLIOGRAPHY = """@article{lecun1998gradient, title = {Gradient-based learning}, year = 1998,
author = {LeCun, Yann and Bottou, L{\\'e}on and Bengio, Yoshua}, journal = {Proceedings}}
@book{itu2011, title = {Encoding}, year = 2011, author = {{ITU-R}}, publisher = {ITU}}
"""


def write_book(root, second):
    """Write a book whose first chapter has a formula and an exercise, and this second one."""
    (root / "chapters").mkdir()
    (root / "_toc.yml").write_text(
        "parts: [{numbered: 1, chapters: [{file: chapters/11_one}]}, {numbered: 1, "
        "chapters: [{file: chapters/12_two}]}, {chapters: [{file: chapters/glossary}]}]"
    )
    (root / "references.bib").write_text(BIBLIOGRAPHY)
    (root / "chapters" / "glossary.md").write_text(GLOSSARY)
    first = [text(f"# One\n\n{FORMULA}\n\n{EXERCISE}\n\n(there)=\n## A section")]
    for name, cells in (("11_one", first), ("12_two", second)):
        notebook = nbformat.v4.new_notebook(cells=cells)
        nbformat.write(notebook, root / "chapters" / f"{name}.ipynb")
    return read_book(root)

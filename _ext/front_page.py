"""What the front page shows of the rest of the book: facts, counted anew, and cards of chapters.

The facts are substitutions: `{{ claims }}`. The cards are a directive; each of its lines names a
chapter, the figure of it that the card shows, and the question that the chapter answers.
"""

import base64
import io
import json
import re
from pathlib import Path

import yaml
from PIL import Image, ImageOps
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from lenet_course import runs

STYLE = "front_page.css"
SIZE, BYTES = (480, 240), 15_000  # a card's picture in pixels, and the most that its file may have
GRID = """\
:::::{{grid}} 1 2 2 3
:gutter: 3

{cards}
:::::
"""
CARD = """\
::::{{grid-item-card}} {number}. {title}
:link: /chapters/{name}
:link-type: doc
:img-top: /{picture}
:img-alt: {alt}

{question}

:::{{card-footer}}
{minutes} minutes
:::
::::
"""


def facts(root):
    """Count what the front page states of the book in this folder."""
    notebooks = {path.stem: read(path) for path in (root / "chapters").glob("*.ipynb")}
    numpy_run = runs.load(root / "experiments" / "results" / "numpy_deep.jsonl")["deep network"]
    return {
        "hours": round(sum(minutes(notebooks[name]) for name in chapters(root)) / 60),
        "claims": sum(map(claims, notebooks.values())),
        "mistakes": mistakes(notebooks["53_common_bugs"]),
        "numpy_accuracy": f"{100 * numpy_run.mean('final_test_accuracy'):.1f}",
    }


def chapters(root):
    """List the numbered chapters: by file name without its ending, their titles, in order."""
    parts = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    pages = [page for part in parts if part.get("numbered") for page in part["chapters"]]
    return {Path(page["file"]).name: page["title"] for page in pages}


def read(path):
    """Read a notebook's cells, with the source of each as one text."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in cells]


def minutes(cells):
    """Sum up the minutes that a chapter asks for at its head: "about 55, and 20 more for …"."""
    (line,) = re.findall(r"^\*\*Minutes\*\* ([^.\n]+)", all_text(cells), re.M)
    return sum(map(int, re.findall(r"\d+", line)))


def claims(cells):
    """Count the claims of the text that a notebook checked when it was run.

    Checkers of exercises begin their lines with the same mark; they stand in cells of their own.
    """
    claiming = [cell for cell in cells if re.search(r"\bclaim\(", cell["source"])]
    printed = [output.get("text", []) for cell in claiming for output in cell.get("outputs", [])]
    return sum(len(re.findall("^✔ ", "".join(text), re.M)) for text in printed)


def mistakes(cells):
    """Count the mistakes that have a test: exhibits of the chapter and rows of its table."""
    text = all_text(cells).partition("\n## Summary")[0]
    exhibits = re.findall(r"^caught\($", text, re.M)
    table = re.search(r"^\| mistake \|.*\n\|.*\n((?:\|.*\n?)+)", text, re.M)
    return len(exhibits) + len(table[1].splitlines())


def all_text(cells):
    """Join the sources of all cells."""
    return "\n".join(cell["source"] for cell in cells)


def figure(cells, name):
    """Find a figure of a notebook: its picture, as stored, and its alt text."""
    for cell in cells:
        about = cell["metadata"].get("mystnb", {})
        if about.get("figure", {}).get("name") == name:
            (stored,) = [o["data"]["image/png"] for o in cell["outputs"] if "data" in o]
            return base64.b64decode("".join(stored)), about["image"]["alt"]
    raise ExtensionError(f"a card shows the figure {name}, which its chapter has not")


def thumbnail(picture):
    """Make a picture as small as a card's: a PNG of as many colors as its bytes allow."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image = ImageOps.pad(image, SIZE, color="white", method=Image.Resampling.LANCZOS)
    for colors in (256, 128, 64, 32, 16):
        file = io.BytesIO()
        few = image.quantize(colors, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(file, "PNG", optimize=True)
        if file.tell() <= BYTES:
            return file.getvalue()
    raise ExtensionError(f"a picture of 16 colors has {file.tell()} bytes, more than {BYTES}")


class ChapterCards(SphinxDirective):
    """Cards that lead to chapters, in a grid."""

    has_content = True

    def run(self):
        """Write the cards as MyST and have it parsed."""
        cards = [self.card(*line.split(maxsplit=2)) for line in self.content]
        return self.parse_text_to_nodes(GRID.format(cards="\n".join(cards)))

    def card(self, name, figure_name, question):
        """Write one card, and the file of its picture."""
        root = Path(self.env.srcdir)
        notebook = root / "chapters" / f"{name}.ipynb"
        self.env.note_dependency(str(notebook))
        titles, cells = chapters(root), read(notebook)
        picture, alt = figure(cells, figure_name)
        path = Path("_build", "cards", f"{name}.png")
        (root / path.parent).mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(thumbnail(picture))
        return CARD.format(
            number=list(titles).index(name) + 1,
            title=titles[name],
            name=name,
            picture=path.as_posix(),
            alt=json.dumps(alt, ensure_ascii=False),
            question=question,
            minutes=minutes(cells),
        )


def _count(app, config):
    config.myst_substitutions |= facts(Path(app.srcdir))
    config.html_css_files[:] = [file for file in config.html_css_files if file != STYLE]


def offered(body, folder):
    """Show the links to those files to take away that lie in the folder, of an earlier build."""
    for name in re.findall(r'href="([^"]+)" hidden', body):
        if (folder / name).is_file():
            body = body.replace(f'href="{name}" hidden', f'href="{name}"')
    return body


def _front_page(app, pagename, templatename, context, doctree):
    if pagename == app.config.root_doc:
        app.add_css_file(STYLE)
        context["body"] = offered(context["body"], Path(app.outdir))


def setup(app):
    """Register with Sphinx."""
    app.add_directive("chapter-cards", ChapterCards)
    app.connect("config-inited", _count)
    app.connect("html-page-context", _front_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

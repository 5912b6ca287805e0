"""What the front page states is counted, and what its cards show comes from the chapters."""

import json
import re
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image, ImageOps
from sphinx.errors import ExtensionError

from lenet_course.chapters.common_bugs import MISTAKES

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))
# Of an exercise, "✔ softmax: all 5 cases agree", or of a comparison of gradients
OF_A_CHECKER = re.compile(r"✔ (\w+: (all \d+ cases agree|every )|\d+ elements; the worst is )")


@pytest.fixture
def front_page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "_ext"))
    import front_page

    return front_page


def printed(path):
    """Return the lines that a stored notebook has printed."""
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    texts = [output.text for output in outputs if output.output_type == "stream"]
    return [line for text in texts for line in text.splitlines()]


def test_the_facts_are_those_of_the_notebooks_and_of_the_stored_run(front_page):
    facts = front_page.facts(ROOT)
    lines = {path.stem: printed(path) for path in NOTEBOOKS}
    checked = [line for printed in lines.values() for line in printed if line.startswith("✔ ")]
    claims = [line for line in checked if not OF_A_CHECKER.match(line)]
    assert facts["claims"] == len(claims) > 150
    assert len(checked) - len(claims) > 20
    tested = [line for line in lines["53_common_bugs"] if "mistakes, each with a test" in line]
    assert [f"✔ {facts['mistakes']} mistakes" in line for line in tested] == [True]
    assert facts["mistakes"] > len(MISTAKES)
    stored = (ROOT / "experiments" / "results" / "numpy_deep.jsonl").read_text(encoding="utf-8")
    runs = [json.loads(line)["result"]["final_test_accuracy"] for line in stored.splitlines()]
    assert facts["numpy_accuracy"] == f"{100 * np.mean(runs):.1f}"
    assert 15 < facts["hours"] < 40


def text_cell(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code_cell(source, text=""):
    output = {"output_type": "stream", "name": "stdout", "text": [text]}
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [output]}


@pytest.mark.parametrize(
    ("line", "minutes"),
    [
        ("about 15, and 10 more for the exercises", 25),
        ("about 60, exercises included", 60),
        ("about 100, exercises included. A break is good before section 3", 100),
    ],
)
def test_minutes_are_those_at_the_head_of_a_chapter(front_page, line, minutes):
    cells = [text_cell("It takes 5 minutes."), text_cell(f"**You need** 2\n\n**Minutes** {line}\n")]
    assert front_page.minutes(cells) == minutes
    with pytest.raises(ValueError, match="not enough values"):
        front_page.minutes(cells[:1])


def test_files_to_take_away_are_offered_where_they_are(front_page, tmp_path):
    (tmp_path / "a.epub").touch()
    links = '<a href="{}" hidden>one</a>'
    body = links.format("a.epub") + links.format("b.pdf")
    assert front_page.offered(body, tmp_path) == body.replace('a.epub" hidden', 'a.epub"')


def test_claims_and_mistakes_are_counted_where_they_stand(front_page):
    cells = [
        text_cell("A line such as ✔ is a claim."),
        code_cell("claim(...)", "✔ one\n✔ two\nlayer 3 ✔\n"),
        code_cell("chapter.check_softmax(softmax)", "✔ softmax: all 5 cases agree\n"),
        code_cell("chapter.check_claims(reclaim(softmax))", "✔ reclaim: all 2 cases agree\n"),
        code_cell("def caught(test):\n    pass\ncaught(\n    a)", "0.5\n"),
        text_cell("| mistake | test |\n| --- | --- |\n| a | b |\n| c | d |\n\nMore."),
        text_cell("## Summary\n"),
        code_cell("caught(\n    solution)"),
    ]
    assert front_page.claims(cells) == 2
    assert front_page.mistakes(cells) == 1 + 2


def likeness(picture, small):
    """Correlate the grays of a picture and of the card that is made of it, white around."""
    card = Image.new("L", (480, 240), "white")
    card.paste(ImageOps.contain(Image.open(BytesIO(picture)).convert("L"), (480, 240)), (0, 25))
    shown = np.asarray(Image.open(BytesIO(small)).convert("L"))
    assert shown.shape == (240, 480)
    return np.corrcoef(shown.ravel(), np.asarray(card).ravel())[0, 1]


def test_a_card_shows_the_picture_of_the_named_figure(front_page):
    cells = front_page.read(ROOT / "chapters" / "31_lenet.ipynb")
    picture, alt = front_page.figure(cells, "fig-lenet-drawn")
    other, _ = front_page.figure(cells, "fig-lenet-kernels")
    small = front_page.thumbnail(picture)
    assert "a small white seven" in alt
    assert len(small) <= 15_000
    assert likeness(picture, small) > 0.95
    assert likeness(other, small) < 0.5
    with pytest.raises(ExtensionError, match="fig-nowhere"):
        front_page.figure(cells, "fig-nowhere")


def test_the_cards_ask_what_the_readme_asks(front_page):
    row = r"^\| \d+ \| \[.*\]\(chapters/(\w+)\.ipynb\) \| (.*) \|$"
    readme = re.findall(row, (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    intro = (ROOT / "intro.md").read_text(encoding="utf-8")
    cards = re.findall(r"^(\w+) fig-[\w-]+ (.*\?)$", intro, re.M)
    assert cards == readme
    assert [name for name, _ in cards] == list(front_page.chapters(ROOT))

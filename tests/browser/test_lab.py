"""Two chapters, another page and a spoiled one in JupyterLab, started as `make lab` starts it."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from operator import itemgetter
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
LOOK = (Path(__file__).parent / "lab.js").read_text(encoding="utf-8")
SPOILED = {
    "See {numref}`fig-nowhere`.": "broken reference: fig-nowhere",
    "By {cite:t}`nobody`.": "broken reference: nobody",
    "A {term}`nothing`.": "leads nowhere: nothing",
    "By [Nobody (1900)](#nobody).": "leads nowhere: Nobody (1900)",
    "By {eq}` x.": "raw markup: By {eq}` x.",
    "```{unknown}\nx\n```": "raw markup: unknown",
}


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    """The address of a JupyterLab over a copy of the chapters, with nobody's settings."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "chapters", folder / "chapters")
    cells = [nbformat.v4.new_markdown_cell(text) for text in SPOILED]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "chapters" / "spoiled.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    homes = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", folder / "chapters", "--no-browser"),
            f"--config={ROOT / 'tools' / 'lab' / 'config.py'}",
            *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
            *("--IdentityProvider.token=", "--ServerApp.allow_root=True"),
            "--LabApp.notebook_starts_kernel=False",
        ],
        env={**os.environ, **homes},
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(100):
        try:
            urllib.request.urlopen(f"{address}/api/status").close()
            break
        except OSError:
            assert server.poll() is None, "JupyterLab did not start"
            time.sleep(0.3)
    yield address
    server.kill()  # it has no kernel to end, and does not always heed a milder signal
    server.wait(20)


class Reader:
    """Opens a notebook and notes each request to another host, which it refuses."""

    def __init__(self, browser, address, name):
        self.notebook = None
        self.elsewhere = []
        self.page = browser.new_page(viewport={"width": 1200, "height": 20_000})
        self.page.route(re.compile(r"^https?://(?!127\.0\.0\.1[:/])"), self.refuse)
        self.page.goto(f"{address}/doc/tree/{name}.ipynb")

    def refuse(self, route):
        self.elsewhere.append(route.request.url)
        route.abort()

    def look(self, n_cells, good=True):
        """Wait until all cells are drawn and, if they are good, their references found."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            seen = self.page.evaluate(LOOK)
            drawn = len(seen["cells"]) == n_cells and not any(c["loading"] for c in seen["cells"])
            if drawn and not (good and seen["faults"]):
                break
            self.page.wait_for_timeout(300)
        return seen

    def open_answers(self):
        while self.page.locator(".jp-showHiddenCellsButton:visible").count():
            self.page.locator(".jp-showHiddenCellsButton:visible").first.click()


@pytest.mark.parametrize("name", ["12_output_size", "13_convolution", "comparing"])
def test_a_chapter_reads_well(browser, lab, book, name):
    notebook = nbformat.read(ROOT / "chapters" / f"{name}.ipynb", as_version=4)
    reader = Reader(browser, lab, name)
    closed = reader.look(len(notebook.cells))
    reader.open_answers()
    opened = reader.look(len(notebook.cells))
    reader.page.close()
    assert closed["faults"] == opened["faults"] == reader.elsewhere == []
    inside, counts = False, {"answer": 0, "caption": 0, "folded": 0}
    for cell, before, after in zip(notebook.cells, closed["cells"], opened["cells"], strict=True):
        inside = inside and not cell.id.startswith("jupyterlab-end-")
        assert before["shown"] is not inside, cell.source
        assert after["shown"], cell.source
        if {"hide-input", "hide-cell"} & set(cell.metadata.get("tags", [])):
            counts["folded"] += 1
            assert not before["code"], cell.source
            assert not after["code"], cell.source
        elif cell.cell_type == "code":
            assert after["code"], cell.source
        if cell.id.startswith("jupyterlab-caption-"):
            counts["caption"] += 1
            assert re.match(r"Figure\s\d+(\.\d+)?:\s*\S", after["text"])
        counts["answer"] += cell.id.startswith("jupyterlab-answer-")
        inside = inside or cell.id.startswith("jupyterlab-open-")
    assert min(counts.values()) >= 3, counts
    text = "\n".join(cell["text"] for cell in opened["cells"]).replace("\xa0", " ")
    html = (book / "chapters" / f"{name}.html").read_text(encoding="utf-8")
    in_lab = re.findall(r"^(Figure|Exercise) ([\d.]+)(?=:| \()", text, re.M)
    in_book = re.findall(r'class="caption-number">(Figure|Exercise) ([\d.]+)', html)
    assert sorted(in_lab, key=itemgetter(0)) == sorted(in_book, key=itemgetter(0))


def test_what_is_broken_is_reported(browser, lab):
    reader = Reader(browser, lab, "spoiled")
    faults = reader.look(len(SPOILED), good=False)["faults"]
    reader.page.evaluate("fetch('http://192.0.2.1/').catch(() => 0)")
    reader.page.close()
    for expected in SPOILED.values():
        assert any(fault.startswith(expected) for fault in faults), (expected, faults)
    assert reader.elsewhere == ["http://192.0.2.1/"]


def test_the_server_asks_no_other_host(lab):
    with urllib.request.urlopen(f"{lab}/lab") as answer:
        page = answer.read().decode()
    assert re.search(r'"news": \{"disabled": true\}', page)
    assert re.search(r'"extensionManager": \{"can_install": false', page)

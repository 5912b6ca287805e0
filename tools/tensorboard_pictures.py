"""Take the pictures of TensorBoard that chapter "Watching training" shows.

    LENET_COURSE_DATA=full python -m tools.tensorboard_pictures

The training in them is the chapter's own: the code cells with the tag ``tensorboard`` are run, and
TensorBoard shows their log. Each picture keeps a hash of that code, which a test compares.
"""

import hashlib
import io
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tools.browser import launch

ROOT = Path(__file__).parents[1]
CHAPTER = ROOT / "chapters" / "51_watching_training.ipynb"
PICTURES = ROOT / "_static" / "tensorboard"
WIDTH, NARROW, PANE = 1060, 660, 281  # of the window, and where the charts begin


def training_code():
    """Return the chapter's code whose log is shown."""
    cells = nbformat.read(CHAPTER, as_version=4).cells
    return "\n\n".join(c.source for c in cells if "tensorboard" in c.metadata.get("tags", []))


def code_hash():
    """Hash that code; each picture holds the hash under the key "code_sha256"."""
    return hashlib.sha256(training_code().encode()).hexdigest()


def main():
    """Train, show the log, take the pictures."""
    if os.environ.get("LENET_COURSE_DATA") != "full":
        sys.exit("the chapter shows the full data: set LENET_COURSE_DATA to full")
    names = {}
    exec(training_code(), names)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--port", str(port), "--logdir"]
    server = subprocess.Popen([*command, str(names["logs"])])
    try:
        _wait_for(port)
        _take_pictures(f"http://localhost:{port}/?darkMode=false")
    finally:
        server.terminate()
        server.wait()


def _wait_for(port):
    for _ in range(60):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(1)
    sys.exit("TensorBoard did not start")


def _take_pictures(address):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": WIDTH, "height": 1200}, device_scale_factor=1.5)

        def shoot(tab, clip, tags=""):
            page.goto("about:blank")  # so that a new hash is a new page
            page.goto(f"{address}#{tab}")
            page.wait_for_timeout(5000)
            if tags:
                page.mouse.click(PANE + 200, 93)  # the field "Filter tags"
                page.keyboard.type(tags)
                page.wait_for_timeout(3000)
            if tab == "scalars":
                page.get_by_text("Ignore outliers").click()  # or the ends of the lines are cut off
                page.wait_for_timeout(2000)
            return _image(page, clip)

        _store("scalars", shoot("scalars", (PANE, 125, 700, 625), "accuracy|step"))
        page.set_viewport_size({"width": NARROW, "height": 1200})  # one chart beside the list
        gradients = "gradients/(0|11).weight"
        _store("histograms", shoot("histograms", (PANE, 125, 370, 555), gradients))
        first = shoot("images", (PANE + 10, 182, 280, 52), "filters|mistakes")
        parts = ((278, 338, 179), (492, 280, 52), (586, 338, 269))  # no dates: they need the room
        rest = [_image(page, (PANE + 10, top, *size)) for top, *size in parts]
        _store("images", _stack([first, *rest]))
        page.set_viewport_size({"width": WIDTH, "height": 860})
        shoot("graphs", (0, 0, WIDTH, 860))
        page.mouse.dblclick(360, 262)  # opens the box "Sequential"
        page.wait_for_timeout(3000)
        page.mouse.click(110, 144)  # "Fit to screen"
        page.wait_for_timeout(2000)
        _store("graph", _image(page, (280, 75, 300, 780)))
        browser.close()


def _image(page, clip):
    box = dict(zip(("x", "y", "width", "height"), clip, strict=True))
    return Image.open(io.BytesIO(page.screenshot(clip=box))).convert("RGB")


def _stack(images):
    height = sum(image.height for image in images)
    stack, top = Image.new("RGB", (max(image.width for image in images), height), "white"), 0
    for image in images:
        stack.paste(image, (0, top))
        top += image.height
    return stack


def _store(name, image):
    about = PngInfo()
    about.add_text("code_sha256", code_hash())
    PICTURES.mkdir(exist_ok=True)
    few_colors = image.quantize(96, dither=Image.Dither.NONE)
    few_colors.save(PICTURES / f"{name}.png", optimize=True, pnginfo=about)


if __name__ == "__main__":
    main()

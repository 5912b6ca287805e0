"""Draw the cover of the EPUB: a digit on its way through the book's own LeNet."""

import io
import textwrap
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from lenet_course import data, models, train
from tools.take_away import pages

WEIGHTS = pages.ROOT / "experiments" / "results" / "lenet_mnist.safetensors"
MEAN, STD = 0.1306, 0.3081  # of the digits that these weights were trained on
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
WIDTH, HEIGHT, MARGIN = 1600, 2400, 120  # pixels
BLUE, ORANGE, WHITE, PALE = "#00456d", "#ffb000", "#ffffff", "#bfdcec"


def draw(title, author):
    """Return the cover of a book as the bytes of a PNG."""
    cover = Image.new("RGB", (WIDTH, HEIGHT), BLUE)
    pen = ImageDraw.Draw(cover)
    lines = "\n".join(textwrap.wrap(title, 16))
    pen.multiline_text((MARGIN, 130), lines, WHITE, _font("Serif-Bold", 140), spacing=40)
    pen.text((MARGIN, 560), author, PALE, _font("Sans", 60))
    digit, conv1, conv2, probabilities = journey()
    for images, top, size in ((digit, 730, 448), (conv1, 1240, 210), (conv2, 1512, 76)):
        _paste(cover, images, top, size)
    step, floor = (WIDTH - 2 * MARGIN) / len(probabilities), 2180
    for number, share in enumerate(probabilities):
        left = MARGIN + number * step
        color = ORANGE if share == probabilities.max() else PALE
        pen.rectangle((left + 8, floor - 12 - 470 * share, left + step - 8, floor), color)
        pen.text((left + step / 2, floor + 30), str(number), WHITE, _font("Sans", 72), anchor="ma")
    file = io.BytesIO()
    cover.quantize(64, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def journey():
    """Send MNIST's first digit through LeNet.

    Returns
    -------
    tuple
        The digit (1, 28, 28), the maps (6, 28, 28) and (16, 10, 10) of both convolutions, and the
        probabilities (10,).
    """
    net = train.load(models.lenet(), WEIGHTS)
    digit = data.load("mnist", source="sample").train.images[:1] / np.float32(255)
    x = torch.from_numpy((digit - MEAN) / STD)[None]
    with torch.no_grad():
        conv1, conv2, logits = (net[:end](x)[0] for end in (2, 5, None))
    return digit, conv1.numpy(), conv2.numpy(), logits.softmax(0).numpy()


def _paste(cover, images, top, size):
    """Put images of numbers from 0 up side by side, black where they are 0."""
    step = size if len(images) == 1 else (WIDTH - 2 * MARGIN - size) / (len(images) - 1)
    for number, image in enumerate(images):
        gray = Image.fromarray((255 * image / max(image.max(), 1e-6)).astype(np.uint8))
        place = round(MARGIN + number * step), top
        cover.paste(gray.resize((size, size), Image.Resampling.NEAREST), place)


def _font(style, size):
    return ImageFont.truetype(FONTS / f"DejaVu{style}.ttf", size)

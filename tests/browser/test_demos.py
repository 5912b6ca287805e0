"""On a screen with JavaScript a demonstration stands in the place of a picture, and only there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACE = re.compile(r'data-demo="(\w+)" data-replaces="([\w-]+)"')
PLACES = [
    (path.relative_to(ROOT).with_suffix(".html").as_posix(), *place)
    for path in [ROOT / "intro.md", *sorted((ROOT / "chapters").glob("*.ipynb"))]
    for place in PLACE.findall(path.read_text(encoding="utf-8").replace('\\"', '"'))
]


@pytest.mark.parametrize(("path", "name", "figure"), PLACES, ids=[name for _, name, _ in PLACES])
def test_a_demonstration_stands_in_the_place_of_its_picture(reader, path, name, figure):
    def shown(page):
        picture = page.locator(f"img#{figure}, #{figure} img")
        return picture.is_visible(), page.locator(f'.demo[data-demo="{name}"]').is_visible()

    assert shown(reader(path, java_script_enabled=False)) == (True, False)
    page = reader(path)
    assert shown(page) == (False, True)
    assert page.locator(f'.demo[data-demo="{name}"]').locator("svg, canvas").count() > 0
    caption = page.locator(f"#{figure} figcaption")
    assert caption.count() == 0 or caption.is_visible()
    page.emulate_media(media="print")
    assert shown(page) == (True, False)

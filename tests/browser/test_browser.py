"""Every page of the built book in a real browser, from disk and from a server, light and dark."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FAULTS, WIDTH, CONTRAST = (
    (HERE / f"{name}.js").read_text(encoding="utf-8") for name in ("faults", "width", "contrast")
)
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 700}
OPEN_FOLDS = "for (const fold of document.querySelectorAll('details')) fold.open = true"
OTHER_HOST = re.compile(r"^(?!(file|data|blob|about|http://127\.0\.0\.1:\d+/))")


class Visitor:
    """Opens pages in a fresh browser and notes what goes wrong; what it asks stays here."""

    def __init__(self, browser, scheme="light", **options):
        self.schemes = [scheme, "dark" if scheme == "light" else "light"]
        self.faults = []
        self.context = browser.new_context(viewport=WIDE, **options)
        self.context.route(OTHER_HOST, self.refuse)
        self.page = self.context.new_page()
        self.page.on("console", self.console)
        self.page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        self.page.on("response", self.response)

    def refuse(self, route):
        self.faults.append(f"asks another host: {route.request.url}")
        route.abort()

    def console(self, message):
        if message.type == "error":
            self.faults.append(f"console error: {message.text} {message.location.get('url', '')}")

    def response(self, response):
        if response.status >= 400:
            self.faults.append(f"status {response.status}: {response.url}")

    def visit(self, address):
        """Open a page and all its folds, and return what is wrong in any scheme, on any screen."""
        self.faults.clear()
        self.page.emulate_media(color_scheme=self.schemes[0])
        self.page.goto(address)
        self.page.evaluate(OPEN_FOLDS)
        self.faults += self.page.evaluate(FAULTS)
        for scheme in self.schemes:
            self.page.emulate_media(color_scheme=scheme)
            self.faults += [f"{scheme}: {fault}" for fault in self.page.evaluate(CONTRAST, scheme)]
        for screen in (PHONE, WIDE):
            self.page.set_viewport_size(screen)
            self.faults += self.page.evaluate(WIDTH)
        return list(self.faults)


@pytest.fixture
def visitor(browser):
    """Start a visitor of a scheme, with options of Playwright's contexts."""
    started = []

    def start(*scheme, **options):
        started.append(Visitor(browser, *scheme, **options))
        return started[-1]

    yield start
    for guest in started:
        guest.context.close()


def test_every_page(visitor, root, book):
    pages = {path.relative_to(book).as_posix() for path in book.rglob("*.html")}
    guest = visitor("light" if root.startswith("file:") else "dark")
    report = {}
    for page in sorted(pages - {"index.html"}):
        if not page.startswith("_"):  # _static and _sources hold no pages
            report[page] = guest.visit(f"{root}/{page}")
            assert guest.page.evaluate("document.documentElement.dataset.theme"), page
    lines = [f"{page}: {fault}" for page, faults in report.items() for fault in faults]
    assert not lines, "\n".join(lines)
    assert len(report) >= 6
    guest.page.goto(f"{root}/index.html")  # leads on to the first page
    guest.page.wait_for_url(f"{root}/intro.html")


@pytest.mark.parametrize(("words", "page"), [("padding", "12_output_size"), ("步幅", "glossary")])
def test_search_finds_and_leads_there(visitor, root, words, page):
    guest = visitor()
    assert guest.visit(f"{root}/search.html") == []
    field = guest.page.locator(".bd-search-container input[name=q]")
    field.fill(words)
    field.press("Enter")
    first = guest.page.locator("#search-results li a").first
    first.wait_for(timeout=10_000)
    first.click()
    guest.page.wait_for_url(re.compile(rf"/chapters/{page}\.html"))
    assert words in guest.page.locator("article").first.inner_text().lower()
    assert guest.faults == []


@pytest.mark.parametrize(
    "place", ["search.html?q=padding", "chapters/23_gradient_descent.html?highlight=gradient"]
)
def test_a_marked_word_stands_out(visitor, serve, book, place):
    guest = visitor()
    guest.page.goto(f"{serve(book)}/{place}")
    guest.page.locator(".highlighted:visible").nth(5).wait_for()
    guest.page.wait_for_load_state("networkidle")
    for scheme in guest.schemes:
        guest.page.emulate_media(color_scheme=scheme)
        assert guest.page.evaluate(CONTRAST, scheme) == []


EXPLAINED = {
    "backpropagation": "21_backpropagation",
    "batch norm": "44_deeper_networks",
    "convolution": "13_convolution",
    "cross-entropy": "15_scores.html#how-wrong-cross-entropy",
    "dilation": "12_output_size.html#spread-the-kernel-with-dilation",
    "early stopping": "32_mnist.html#when-a-network-knows-its-images-by-heart",
    "gradient descent": "23_gradient_descent",
    "hyperparameter": "32_mnist.html#choose-the-learning-rate-for-each-network",
    "learning rate": "32_mnist.html#choose-the-learning-rate-for-each-network",
    "LeNet": "31_lenet",
    "loss": "15_scores",
    "optimizer": "24_optimizers",
    "output size": "12_output_size",
    "p-value": "comparing",
    "padding": "12_output_size",
    "residual connection": "44_deeper_networks",
    "weight decay": "43_overfitting.html#weight-decay-what-is-not-used-shrinks",
}


def test_a_word_of_the_glossary_leads_to_the_section_that_explains_it(visitor, book):
    page = visitor().page
    led = {}
    for word in EXPLAINED:
        page.goto(f"{book.as_uri()}/search.html?q={word}")
        first = page.locator("#search-results li a").first
        led[word] = first.get_attribute("href").removeprefix("chapters/")
    assert {word: led[word] for word, to in EXPLAINED.items() if not led[word].startswith(to)} == {}


def test_the_theme_button_reaches_dark_and_it_stays(visitor, root):
    page = visitor().page
    page.goto(f"{root}/intro.html")
    for _ in range(3):  # auto, light, dark
        if page.evaluate("document.documentElement.dataset.mode") == "dark":
            break
        page.locator(".theme-switch-button:visible").first.click()
    page.goto(f"{root}/chapters/glossary.html")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_notebooks_can_be_downloaded(book):
    sources = book / "_sources" / "chapters"
    notebooks = [path.name for path in sources.glob("*.ipynb")]
    assert notebooks, "the book holds no notebook"
    for name in notebooks:
        page = (book / "chapters" / name).with_suffix(".html").read_text(encoding="utf-8")
        assert f'href="../_sources/chapters/{name}"' in page, f"no download button for {name}"


FOLDING = "chapters/12_output_size.html"  # a chapter with all that folds, and with tables


@pytest.fixture
def chapter(visitor, book):
    """Open the chapter, after a script, with options of Playwright's contexts."""

    def start(init="", **options):
        guest = visitor(**options)
        guest.page.add_init_script(init)
        guest.page.goto((book / FOLDING).as_uri())
        return guest

    return start


def test_answers_unfold_without_javascript(chapter):
    page = chapter(java_script_enabled=False).page
    for kind, label in [("prediction", "See what happens"), ("solution", "Solution")]:
        folds = page.locator(f"details.fold.{kind}")
        assert folds.count() >= 3
        for fold in folds.all():
            body = fold.locator(".sd-summary-content")
            assert not body.is_visible()
            assert fold.locator("> summary").inner_text() == label
            fold.locator("> summary").click()
            assert body.is_visible()
    assert page.locator(".code-switch").count() == 0


def test_answers_stand_open_on_paper(chapter):
    page = chapter().page
    heights = """[...document.querySelectorAll('details.fold > .sd-summary-content')].map(
        (e) => e.checkVisibility({contentVisibilityAuto: true}) ? e.offsetHeight : 0)"""
    assert set(page.evaluate(heights)) == {0}
    page.emulate_media(media="print")
    page.wait_for_function(f"Math.min(...{heights}) > 20")


def shown_code(page):
    """The number of code cells whose code shows, with the answers open; and of all."""
    page.evaluate(OPEN_FOLDS.replace("details", "details.fold"))
    shown = page.evaluate(
        "[...document.querySelectorAll('div.cell_input')].map((e) => "
        "e.checkVisibility({contentVisibilityAuto: true}) && e.offsetHeight > 0)"
    )
    return sum(shown), len(shown)


def test_the_switch_hides_and_shows_all_code_and_remembers(chapter):
    page = chapter().page
    hide, show = (page.get_by_role("button", name=f"{verb} code") for verb in ("Hide", "Show"))
    as_written, everything = shown_code(page)
    assert 0 < as_written < everything
    for button in (hide, show):
        button.focus()
        page.keyboard.press("Enter")
        for chapter_name in ("12_output_size", "13_convolution"):  # remembered on the next page
            page.goto(re.sub(r"1\d_\w+", chapter_name, page.url))
            shown, of_all = shown_code(page)
            assert shown == (of_all if button is show else 0)
            assert button.get_attribute("aria-pressed") == "true"
    page.goto(page.url.replace("13_convolution", "12_output_size"))
    show.click()
    assert show.get_attribute("aria-pressed") == "false"
    assert shown_code(page)[0] == as_written
    page.goto(page.url.replace("12_output_size", "glossary"))
    assert hide.count() == show.count() == 0


def test_the_switch_works_where_storage_is_blocked(chapter):
    blocked = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }});"
    guest = chapter(init=blocked)
    guest.faults.clear()  # the theme's own scripts want the storage
    guest.page.get_by_role("button", name="Hide code").click()
    assert shown_code(guest.page)[0] == 0
    assert guest.faults == []


def test_folds_say_what_is_inside(chapter):
    page = chapter().page
    page.evaluate(OPEN_FOLDS.replace("details", "details.fold"))
    labels = page.locator("details.hide > summary > p:visible").all_inner_texts()
    assert set(labels) == {"Setup", "Code for this figure", "Code for this table", "The check"}


def test_a_wide_table_scrolls_in_its_own_box(chapter):
    page = chapter().page
    page.set_viewport_size(PHONE)
    shown_code(page)
    table = page.locator("table.dataframe").first
    table.evaluate("e => { e.rows[0].cells[1].textContent = 'a'.repeat(200); }")
    assert page.evaluate(WIDTH) == []
    assert table.evaluate("e => e.closest('.text_html').scrollWidth > innerWidth")


FAULTY = {
    "<p>fine, and $5 is a price</p>": None,
    "<img src='http://192.0.2.1/x.png' alt='x'>": "asks another host: http://192.0.2.1/x.png",
    "<link rel=stylesheet href='http://192.0.2.1/x.css'>": "asks another host",
    "<style>@import url(http://192.0.2.1/x.css);</style>": "asks another host",
    "<link rel=preconnect href='https://192.0.2.1'>": "connects to another host",
    "<script>fetch('http://192.0.2.1/').catch(() => 0)</script>": "asks another host",
    "<script>console.error('boom')</script>": "console error: boom",
    "<script>nothing.there()</script>": "script error",
    "<p>so $S_o = 3$ places</p>": "raw markup in the text: so $S_o",
    r"<p>so \(S_o\) places</p>": "raw markup",
    "<p>by {eq}`eq-x`</p>": "raw markup",
    "<p>```{exercise} One</p>": "raw markup",
    "<div class='math'>x^2</div>": "formula not rendered: x^2",
    "<mjx-merror data-mjx-error='Undefined'></mjx-merror>": "formula with an error: Undefined",
    f"<img src='data:image/svg+xml,{'<svg xmlns=%22http://www.w3.org/2000/svg%22/>'}'>": "alt text",
    "<img src='f/missing.png' alt='f/missing.png'>": "image without alt text: f/missing.png",
    "<img src='missing.png' alt='x'>": "image does not load: missing.png",
    "<p style='width: 600px'>a wide one</p>": "600 pixels wide on a screen of 375",
    "<pre style='width: 2000px'>a wide one</pre>": "pixels wide on a screen of 1280",
    "<p style='color: #999; background: #aaa'>pale</p>": "light: contrast 1.",
    "<p style='color: #808080'>gray</p>": "contrast 3.9",
    "<p style='color: #808080; font-size: 24px'>gray and large</p>": "contrast 3.9",
    "<div style='background: #0006'><p style='color: #666; background: #fff1'>thin</p></div>": (
        "contrast 2."
    ),
    "<style>@media (prefers-color-scheme: dark) {p {color: #333; background: #222}}</style><p>x": (
        "dark: contrast 1."
    ),
}


@pytest.fixture
def write_page(tmp_path):
    """Write a small page and return its address."""

    def write(html, head=""):
        page = tmp_path / "x.html"
        page.write_text(f"<!doctype html><meta charset=utf-8>{head}{html}", encoding="utf-8")
        return page.as_uri()

    return write


@pytest.mark.parametrize(("html", "expected"), FAULTY.items(), ids=lambda value: None)
def test_each_fault_is_reported(visitor, write_page, html, expected):
    head = "<link rel=icon href=data:,><style>body {margin: 0}</style>"
    faults = visitor().visit(write_page(f"<article>{html}</article>", head))
    if expected is None:
        assert faults == []
    else:
        assert any(expected in fault for fault in faults), faults


def test_faults_are_reported_from_a_server_too(visitor, serve, write_page, tmp_path):
    write_page("<script src=gone.js></script><script src=http://192.0.2.1/x.js></script>")
    faults = visitor().visit(f"{serve(tmp_path)}/x.html")
    assert any("status 404" in fault for fault in faults), faults
    assert "asks another host: http://192.0.2.1/x.js" in faults

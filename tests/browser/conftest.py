from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import sync_playwright

from tools.browser import launch

BOOK = Path(__file__).parents[2] / "_build" / "html"


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        try:
            chromium = launch(playwright)
        except FileNotFoundError as missing:
            pytest.skip(str(missing))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def book(browser):
    """The folder of the built book; asks for the browser first, so that without one we skip."""
    if not (BOOK / "index.html").is_file():
        pytest.fail(f"there is no book in {BOOK}: run `make book` first", pytrace=False)
    return BOOK


@pytest.fixture(scope="session")
def serve():
    """Serve a folder on the loopback address and return its root address."""
    servers = []

    def start(folder):
        handler = partial(QuietHandler, directory=folder)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(params=["disk", "server"])
def root(book, serve, request):
    return book.as_uri() if request.param == "disk" else serve(book)


@pytest.fixture
def reader(browser, book):
    """Open a page of the book for a reader; at the end no script of it may have failed."""
    from test_browser import PHONE, Visitor

    guests = []

    def start(page, root=None, scheme="light", phone=False, init="", **options):
        guest = Visitor(browser, scheme, **options)
        guests.append(guest)
        guest.page.add_init_script(init)
        if phone:
            guest.page.set_viewport_size({**PHONE, "width": 360})
        guest.page.emulate_media(color_scheme=scheme)
        guest.page.goto(f"{root or book.as_uri()}/{page}")
        return guest.page

    yield start
    faults = [fault for guest in guests for fault in guest.faults]
    for guest in guests:
        guest.context.close()
    assert not faults, "\n".join(faults)

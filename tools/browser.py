"""Start an installed Chromium, which prints the book and tests it."""

import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = (
    "--no-sandbox",  # Chromium refuses to run as root with it, and it opens our own files only
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def launch(playwright):
    """Start Chromium, without a window.

    Raises
    ------
    FileNotFoundError
        If none is installed.
    """
    own = playwright.chromium.executable_path
    path = next(filter(None, map(shutil.which, NAMES)), own if Path(own).exists() else None)
    if not path:
        raise FileNotFoundError(
            "no Chromium found: install one with `sudo apt-get install chromium` "
            "or `.venv/bin/playwright install chromium`"
        )
    return playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))

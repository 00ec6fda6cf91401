"""The reader's own Chromium or Chrome, driven through Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def chromium(what: str) -> Iterator[Any]:
    """A browser; ``what`` begins the sentence that says what it is for, such as "a PDF is printed".

    Raises:
        FileNotFoundError: if there is no Playwright or no Chromium, with what to do.
    """
    try:
        started = import_module("playwright.sync_api").sync_playwright
    except ModuleNotFoundError:
        raise FileNotFoundError(f"{what} through Playwright, which is missing: run `make install`") from None
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise FileNotFoundError(f"{what} by Chromium or Chrome, and there is none: install your system's package `chromium`")
    with started() as playwright:
        launched = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield launched
        launched.close()

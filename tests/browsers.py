"""The browser of the tests: Debian's or the reader's own. Without one they are skipped, or fail where LNL_BROWSER=required."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tools import ROOT
from tools.pages import explorables
from tools.site.browser import BROWSERS

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
FOLDER = ROOT / explorables.FOLDER
FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def missing(sentence: str) -> NoReturn:
    if os.environ.get("LNL_BROWSER") == "required":
        pytest.fail(f"{sentence}; LNL_BROWSER=required asks that the pages are looked at")
    pytest.skip(f"no browser tests: {sentence}")


def playwright(name: str) -> Any:
    """Playwright's "sync_api" or "async_api"."""
    try:
        return import_module(f"playwright.{name}")
    except ModuleNotFoundError:
        missing("Playwright is missing, run `make install`")


def axe() -> str:
    """The script of axe-core, which looks for faults of accessibility."""
    try:
        return str(import_module("axe_playwright_python.base").AXE_SCRIPT)
    except ModuleNotFoundError:
        missing("axe-playwright-python is missing, run `make install`")


def browser_path() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    return found or missing("there is no Chromium here, install your system's package `chromium`")


@contextmanager
def launched() -> Iterator[Any]:
    """A browser, for tests that wait for each step."""
    with playwright("sync_api").sync_playwright() as started:
        found = started.chromium.launch(executable_path=browser_path(), args=ARGUMENTS, timeout=120_000)
        yield found
        found.close()


class Opened:
    """A page from a file, with an explorable on it; whatever it asks of another place, and its errors, are kept.

    Args:
        name: of the fragment that a page of the book includes.
        scripts: where the scripts are, by default those of the book.
    """

    def __init__(self, browser: Any, folder: Path, name: str, *, scripts: Path = FOLDER, address: str = "", **options: Any) -> None:
        text = (FOLDER / f"{name}.html").read_text(encoding="utf-8").replace("../_static/explorables", scripts.as_uri())
        (folder / "page.html").write_text(
            f'<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>x</title><main>{text}</main>', "utf-8"
        )
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)
        self.faults: list[str] = []
        self.page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda one: None if one.url.startswith("file:") else self.faults.append(one.url))
        self.page.goto((folder / "page.html").as_uri() + address)

    def said(self) -> str:
        self.page.evaluate(FRAMES)
        return str(self.page.inner_text("[role=status]"))

    def too_wide(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

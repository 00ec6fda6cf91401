"""On paper: one PDF of several pages, and a page without what nobody can click there."""

import re
import shutil
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from browsers import DESK, browser_path, playwright

from tools import ROOT
from tools.site import pdf
from tools.site.extension import PRINTED
from tools.site.serve import server

STYLE = (ROOT / "book" / "_static" / "custom.css").as_uri()
PAGE = """<!doctype html><html lang="en" data-theme="dark"><meta charset="utf-8"><title>{name} — The book</title>
<link rel="stylesheet" href="{style}"><script>{script}</script><div class="bd-sidebar">menu</div>
<div id="jb-print-toc">Contents of one</div><script>window.MathJax = {{}};</script>{formulas}
<main id="main-content"><article class="bd-article"><h1>{name}</h1><p>Text of {name}. <a href="{other}.html">on</a></p>
<div class="explorable"><button>Play</button><noscript><p class="needs-script">Off</p><p>Still picture</p></noscript></div>
<details><summary>Solution</summary><p class="inside">Solved</p></details>
<script>document.title = "ran";</script></article></main></html>"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A site of two pages."""
    (tmp_path / "book").mkdir()
    (tmp_path / "index.html").write_text("", "utf-8")
    (tmp_path / "mathjax").mkdir()
    fake = 'MathJax = {startup: {promise: 0}, typesetPromise: () => document.body.classList.add("typeset")};'
    (tmp_path / "mathjax" / "all.js").write_text(fake, "utf-8")
    script = '<script defer src="../mathjax/all.js"></script>'
    for name, other, formulas in (("one", "two", ""), ("two", "one", script)):
        text = PAGE.format(name=name, other=other, style=STYLE, script=PRINTED, formulas=formulas)
        (tmp_path / "book" / f"{name}.html").write_text(text, "utf-8")
    return tmp_path


def test_the_pages_become_one_pdf(small: Path) -> None:
    playwright("sync_api")
    browser_path()
    target = pdf.write_pdf(small / "book.pdf", ["book/one", "book/two"], small)
    data = target.read_bytes()
    assert data.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", data)) >= 2


def test_what_is_joined_is_open_and_leads_to_places_of_the_same_file(small: Path, browser: Any) -> None:
    with server(small, port=0) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{found.server_port}/book/one.html")
        assert page.evaluate(pdf.JOIN, ["book/one", "book/two"]) == 2
        links = page.locator("main a").evaluate_all("links => links.map(one => one.getAttribute('href'))")
        assert links == ["#book/two", "#book/one"]
        assert page.inner_text("#jb-print-toc").split() == ["one", "two"]
        assert page.locator("p:has-text('Off')").count() == 0
        assert page.locator("body.typeset").count() == 1, "the second page has formulas, the first one none"
        assert page.locator(".inside").nth(1).is_visible()
        assert page.locator("p:has-text('Still picture')").count() == 2
        with pytest.raises(Exception, match="book/three has not been built"):
            page.evaluate(pdf.JOIN, ["book/three"])
        page.close()
        found.shutdown()


def test_a_printed_page_is_unfolded_light_and_without_controls(small: Path, browser: Any) -> None:
    page = browser.new_page(viewport=DESK)
    page.goto((small / "book" / "one.html").as_uri())
    page.emulate_media(media="print")
    assert not page.locator(".inside").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".inside").is_visible()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert not page.locator(".bd-sidebar").is_visible()
    assert not page.locator("button").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not page.locator(".inside").is_visible()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.close()


def test_without_a_browser_or_a_site_one_sentence_says_so(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    playwright("sync_api")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(FileNotFoundError, match="run `make book` first"):
        pdf.write_pdf(small / "a.pdf", ["book/one"], small / "nowhere")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert pdf.main([str(small / "a.pdf")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (small / "a.pdf").exists()


def test_records_and_the_reference_stay_out() -> None:
    assert pdf.printed(["book/intro", "book/record", "book/records", "book/api", "book/api_runs"]) == ["book/intro"]

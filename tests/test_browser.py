"""The built site in a browser: no error in its console, nothing wider than the screen, formulas whole, text that can be read.

Each page is loaded once, from its file as a reader of `make book` does, and looked at in both themes and at two widths.
"""

import asyncio
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

api = pytest.importorskip("playwright.async_api", reason="no browser tests: Playwright is missing, run `make install`")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
AT_ONCE = 2
READY = """async () => {
    if (window.MathJax && MathJax.startup && MathJax.startup.promise) await MathJax.startup.promise;
    const still = document.createElement("style");
    still.textContent = "*, *::before, *::after { transition: none !important; animation: none !important; }";
    document.head.append(still);
    document.querySelectorAll("details").forEach(each => { each.open = true; });
}"""
WIDTH = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
FORMULAS = """() => [...document.querySelectorAll("div.math")].flatMap(block => {
    const formula = block.querySelector("mjx-container"), number = block.querySelector(".eqno");
    const name = block.id || block.textContent.trim().slice(0, 40);
    if (!formula) return [name + " is not typeset"];
    const cut = formula.scrollWidth - formula.clientWidth;
    if (cut > 1) return [name + " is cut off by " + cut + " px"];
    if (!number) return [];
    const shown = formula.querySelector("mjx-math").getBoundingClientRect(), beside = number.getBoundingClientRect();
    const apart = shown.right <= beside.left + 1 || beside.right <= shown.left + 1;
    return apart ? [] : [name + " overlaps its number"];
})"""
CONTRAST = r"""() => {
    const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const known = new Map();
    const color = text => {  // [r, g, b, alpha], each from 0 to 1
        if (!known.has(text)) {
            pen.clearRect(0, 0, 1, 1);
            pen.fillStyle = text;
            pen.fillRect(0, 0, 1, 1);
            known.set(text, [...pen.getImageData(0, 0, 1, 1).data].map(part => part / 255));
        }
        return known.get(text);
    };
    const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
    const luminance = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const paper = color(getComputedStyle(document.documentElement).colorScheme.includes("dark") ? "black" : "white");
    const seen = new Map([[null, {color: paper, opacity: 1, picture: false}]]);
    const behind = element => {  // what the text of an element stands on; a picture is no single colour
        if (!seen.has(element)) {
            const below = behind(element.parentElement), style = getComputedStyle(element);
            seen.set(element, {
                color: over(color(style.backgroundColor), below.color),
                opacity: below.opacity * Number(style.opacity),
                picture: below.picture || style.backgroundImage !== "none",
            });
        }
        return seen.get(element);
    };
    const faults = new Set();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        const element = text.parentElement;
        if (!text.data.trim() || element.closest("script, style, noscript, svg, [disabled], mjx-assistive-mml")) continue;
        if (!element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
        const box = element.getBoundingClientRect();
        if (box.width <= 1 || box.height <= 1) continue;
        const ground = behind(element);
        if (ground.picture) continue;
        const style = getComputedStyle(element), ink = color(style.color);
        const shown = over([ink[0], ink[1], ink[2], ink[3] * ground.opacity], ground.color);
        const [dark, light] = [luminance(ground.color), luminance(shown)].sort((a, b) => a - b);
        const ratio = (light + 0.05) / (dark + 0.05), size = parseFloat(style.fontSize);
        const wanted = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
        if (ratio < wanted) faults.add(text.data.trim().slice(0, 40) + ": " + ratio.toFixed(2) + " on " + element.tagName
            + " in " + (element.closest("[class]")?.className ?? ""));
    }
    return [...faults];
}"""


@dataclass
class Look:
    """What was seen of one page."""

    console: list[str] = field(default_factory=list)
    formulas: list[str] = field(default_factory=list)
    too_wide: dict[str, int] = field(default_factory=dict)
    faint: dict[str, list[str]] = field(default_factory=dict)


def find_browser() -> str | None:
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


async def look_at(page: Any, path: Path) -> Look:
    """Load ``path`` and look at it; ``page`` is Playwright's and can be used again."""
    seen = Look()
    heard: list[tuple[str, Any]] = [
        ("console", lambda message: seen.console.append(message.text) if message.type == "error" else None),
        ("pageerror", lambda error: seen.console.append(str(error))),
        ("requestfailed", lambda request: seen.console.append(f"{request.url.rsplit('/', 1)[-1]} did not load")),
    ]
    for event, listener in heard:
        page.on(event, listener)
    await page.goto("about:blank")  # resizing the page before this one would cost a second
    await page.set_viewport_size(DESK)
    await page.goto(path.as_uri())
    await page.evaluate(READY)
    seen.formulas = await page.evaluate(FORMULAS)
    for theme in ("light", "dark"):
        await page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        seen.faint[theme] = await page.evaluate(CONTRAST)
    for size in (DESK, PHONE):
        await page.set_viewport_size(size)
        seen.too_wide[f"{size['width']} px"] = await page.evaluate(WIDTH)
    for event, listener in heard:
        page.remove_listener(event, listener)
    return seen


async def look_at_all(browser_path: str, pages: dict[str, Path]) -> dict[str, Look]:
    """What one browser sees of the pages, ``AT_ONCE`` at a time. Whatever lies outside the site is answered with nothing."""
    looks: dict[str, Look] = {}
    waiting = list(pages.items())

    async def work(browser: Any) -> None:
        context = await browser.new_context(reduced_motion="reduce")
        await context.route(lambda url: not url.startswith("file:"), lambda route: route.fulfill(status=204))
        page = await context.new_page()
        page.set_default_timeout(180_000)  # a busy machine is no fault of a page
        while waiting:
            name, path = waiting.pop(0)
            looks[name] = await look_at(page, path)

    async with api.async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = await playwright.chromium.launch(executable_path=browser_path, args=arguments)
        try:
            await asyncio.gather(*(work(browser) for _ in range(AT_ONCE)))
        finally:
            await browser.close()
    return looks


@pytest.fixture(scope="module")
def looks(request: pytest.FixtureRequest) -> dict[str, Look]:
    browser = find_browser()
    if browser is None:
        pytest.skip("no browser tests: there is no Chromium here, install your system's package `chromium`")
    site: Path = request.getfixturevalue("site")  # built only if there is a browser to see it
    paths = [*site.glob("book/*.html"), *site.glob("notebooks/*.html"), site / "search.html", site / "genindex.html"]
    return asyncio.run(look_at_all(browser, {path.relative_to(site).as_posix(): path for path in sorted(paths)}))


@pytest.mark.slow
def test_every_page_was_looked_at(looks: dict[str, Look]) -> None:
    assert len(looks) > 30
    assert all(set(look.faint) == {"light", "dark"} and len(look.too_wide) == 2 for look in looks.values())


@pytest.mark.slow
def test_the_console_stays_empty(looks: dict[str, Look]) -> None:
    assert {name: look.console for name, look in looks.items() if look.console} == {}


@pytest.mark.slow
def test_formulas_are_whole_and_beside_their_number(looks: dict[str, Look]) -> None:
    assert {name: look.formulas for name, look in looks.items() if look.formulas} == {}


@pytest.mark.slow
def test_no_page_is_wider_than_the_screen(looks: dict[str, Look]) -> None:
    assert {name: look.too_wide for name, look in looks.items() if any(look.too_wide.values())} == {}


@pytest.mark.slow
def test_text_can_be_told_from_its_background(looks: dict[str, Look]) -> None:
    """WCAG 2's AA: 4.5 to 1, and 3 to 1 for large text."""
    assert {name: look.faint for name, look in looks.items() if any(look.faint.values())} == {}

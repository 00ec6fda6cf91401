"""The built site in a browser: no error in its console, nothing wider than the screen, formulas whole, text that can be read.

Each page is loaded once, from its file as a reader of `make book` does, and looked at in both themes and at two widths.
"""

import asyncio
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from browsers import ARGUMENTS, DESK, PHONE, axe, browser_path, playwright
from PIL import Image

from tools.pages.records import read_all
from tools.site import contents
from tools.site.serve import server

AT_ONCE = 2
READY = """async () => {
    if (window.MathJax && MathJax.startup && MathJax.startup.promise) await MathJax.startup.promise;
    const still = document.createElement("style");
    still.textContent = "*, *::before, *::after { transition: none !important; animation: none !important; }";
    document.head.append(still);
    document.querySelectorAll("details").forEach(each => { each.open = true; });
    document.querySelectorAll(".toggle-hidden").forEach(each => each.classList.remove("toggle-hidden"));
    window.dispatchEvent(new Event("resize"));  // as the page does where somebody unfolds something
}"""
WIDTH = """() => {  // of the page, and of the links to the pages before and after, which cut off what does not fit
    const links = [...document.querySelectorAll(".prev-next-area a")].map(one => one.scrollWidth - one.clientWidth - 1);
    return Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth, ...links);
}"""
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
SAID = """async () => {
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    return [...document.querySelectorAll(".explorable [role=status]")].map(one => one.textContent);
}"""
DARK_PICTURES = """() => [...document.querySelectorAll(".bd-article img")].filter(image => {
    const style = getComputedStyle(image);
    return style.filter !== "none" || style.mixBlendMode !== "normal";
}).map(image => image.getAttribute("src"))"""
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


AXE = """async () => {
    const missed = one => one.scrollWidth > one.clientWidth && one.tabIndex < 0, scrolling = "pre, .pst-scrollable-table-container";
    for (let tries = 0; tries < 40 && [...document.querySelectorAll(scrolling)].some(missed); tries++) {
        await new Promise(done => setTimeout(done, 100));  // the theme looks again at what scrolls 300 ms after a change
    }
    const options = {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"], preload: false};
    options.rules = {"color-contrast": {enabled: false}, "label-content-name-mismatch": {enabled: true}};
    const {violations} = await axe.run(document, options);
    return violations.flatMap(({id, nodes}) => nodes.map(({target}) => id + ": " + target.join(" ")));
}"""
PLAIN = """() => {
    document.querySelectorAll("mjx-container").forEach(one => { one.textContent = "x"; });
    document.querySelectorAll("div.highlight pre").forEach(one => { one.textContent = one.textContent; });
}"""
"""What MathJax and the highlighter write, an element a letter, takes axe ten seconds on a long page. Contrast is CONTRAST's."""


@dataclass
class Look:
    """What was seen of one page."""

    console: list[str] = field(default_factory=list)
    formulas: list[str] = field(default_factory=list)
    too_wide: dict[str, int] = field(default_factory=dict)
    faint: dict[str, list[str]] = field(default_factory=dict)
    loaded: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    changed_pictures: list[str] = field(default_factory=list)
    axe: dict[str, list[str]] = field(default_factory=dict)


async def look_at(page: Any, path: Path) -> Look:
    """Load ``path`` and look at it; ``page`` is Playwright's and can be used again."""
    seen = Look()
    heard: list[tuple[str, Any]] = [
        ("console", lambda message: seen.console.append(message.text) if message.type == "error" else None),
        ("pageerror", lambda error: seen.console.append(str(error))),
        ("request", lambda request: seen.loaded.add(request.url.partition("?")[0])),
        ("requestfailed", lambda request: seen.console.append(f"{request.url.rsplit('/', 1)[-1]} did not load")),
    ]
    for event, listener in heard:
        page.on(event, listener)
    await page.goto("about:blank")  # resizing the page before this one would cost a second
    await page.set_viewport_size(DESK)
    await page.goto(path.as_uri())
    await page.evaluate(READY)
    seen.formulas = await page.evaluate(FORMULAS)
    seen.said = await page.evaluate(SAID)
    for theme in ("light", "dark"):
        await page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        seen.faint[theme] = await page.evaluate(CONTRAST)
    seen.changed_pictures = await page.evaluate(DARK_PICTURES)
    for size in (PHONE, DESK):
        await page.set_viewport_size(size)
        seen.too_wide[f"{size['width']} px"] = await page.evaluate(WIDTH)
    await page.evaluate(axe())
    await page.evaluate(PLAIN)
    for size, theme in ((DESK, "dark"), (PHONE, "light")):
        await page.set_viewport_size(size)
        await page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        seen.axe[f"{size['width']} px, {theme}"] = await page.evaluate(AXE)
    for event, listener in heard:
        page.remove_listener(event, listener)
    return seen


async def look_at_all(path_of_browser: str, pages: dict[str, Path]) -> dict[str, Look]:
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

    async with playwright("async_api").async_playwright() as started:
        browser = await started.chromium.launch(executable_path=path_of_browser, args=ARGUMENTS)
        try:
            await asyncio.gather(*(work(browser) for _ in range(AT_ONCE)))
        finally:
            await browser.close()
    return looks


@pytest.fixture(scope="module")
def looks(request: pytest.FixtureRequest) -> dict[str, Look]:
    playwright("async_api")
    browser = browser_path()
    site: Path = request.getfixturevalue("site")  # built only if there is a browser to see it
    paths = [*site.glob("book/*.html"), *site.glob("notebooks/*.html"), site / "search.html", site / "genindex.html"]
    return asyncio.run(look_at_all(browser, {path.relative_to(site).as_posix(): path for path in sorted(paths)}))


@pytest.mark.slow
def test_every_page_was_looked_at(looks: dict[str, Look]) -> None:
    assert set(looks) == {f"{name}.html" for name in [*contents.documents(), "search", "genindex"]}
    assert all(len(look.faint) == len(look.too_wide) == len(look.axe) == 2 for look in looks.values())


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


@pytest.mark.slow
def test_axe_finds_no_fault(looks: dict[str, Look]) -> None:
    """WCAG 2.1, A and AA, at both widths, once dark and once light, with everything unfolded; contrast has a test of its own."""
    found = {f"{name}, {where}": faults for name, look in looks.items() for where, faults in look.axe.items() if faults}
    assert found == {}


@cache
def weight(address: str) -> int:
    """Bytes of a file as a server sends it: compressed with gzip where that is shorter."""
    data = Path(unquote(urlsplit(address).path)).read_bytes()
    return min(len(data), len(gzip.compress(data, 6)))


@pytest.mark.slow
def test_nothing_is_asked_of_another_host(looks: dict[str, Look]) -> None:
    here = ("file:", "data:", "about:")
    foreign = {name: {one for one in look.loaded if not one.startswith(here)} for name, look in looks.items()}
    assert {name: found for name, found in foreign.items() if found} == {}


@pytest.mark.slow
def test_pages_are_light(looks: dict[str, Look]) -> None:
    """Under 1 MB as a server sends them, the front page under 700 KB with its explorable."""
    weights = {name: sum(weight(one) for one in look.loaded if one.startswith("file:")) for name, look in looks.items()}
    assert min(weights.values()) > 50_000, "what is loaded was not seen"
    assert {name: size for name, size in weights.items() if size >= (700_000 if name == "book/intro.html" else 1_000_000)} == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("intro", "In bondi blue, the colour of the 3 in training: baseline says 3,"),
        ("the_limit", "H(Y) = 0.693 nats"),
        ("theory", "The game goes round on a ring"),
        ("reproduce", "At σ² = 0.02 the accuracies go from"),
        ("records", f"{len(read_all())} of {len(read_all())} records"),
        ("record", "No record is chosen"),
    ],
)
def test_explorables_answer_on_the_site(looks: dict[str, Look], name: str, begins: str) -> None:
    assert looks[f"book/{name}.html"].said[0].startswith(begins)


@pytest.mark.slow
def test_axes_are_readable_in_the_dark(looks: dict[str, Look], site: Path) -> None:
    """Figures bring an opaque light background, and the dark theme leaves their colours alone."""
    assert {name: look.changed_pictures for name, look in looks.items() if look.changed_pictures} == {}
    pictures = list((site / "_images").glob("*.webp"))
    assert len(pictures) > 50
    for path in pictures:
        with Image.open(path) as picture:
            *color, alpha = picture.convert("RGBA").crop((1, 1, 2, 2)).tobytes()
        assert (min(color) > 200, alpha) == (True, 255), path.name


@pytest.fixture(scope="module")
def served(looks: dict[str, Look], site: Path) -> Iterator[str]:
    """The address of the site on a server, as `make serve` has it."""
    with server(site, port=0) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


@pytest.fixture
def visit(served: str, browser: Any) -> Iterator[Callable[[str], Any]]:
    """Opens a page of the site; nothing it does may end in its console."""
    faults: list[str] = []
    context = browser.new_context(viewport=DESK, reduced_motion="reduce")

    def opened(name: str) -> Any:
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{served}/{name}")
        return page

    yield opened
    context.close()
    assert faults == []


@pytest.mark.slow
def test_search_finds_gradient_reversal(visit: Callable[[str], Any]) -> None:
    page = visit("search.html?q=gradient+reversal")
    page.wait_for_selector("#search-results li a")
    found = page.locator("#search-results li > a").all_inner_texts()
    assert any("mutual information to a game" in text.lower() for text in found), found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["book/theory", "notebooks/03_minmax_game"])
def test_solutions_unfold(visit: Callable[[str], Any], name: str) -> None:
    page = visit(f"{name}.html")
    page.wait_for_load_state("load")
    box = page.locator("details:has(summary:has-text('Solution')), .admonition:has(> .admonition-title:has-text('Solution'))").first
    inside = box.locator("p:not(.admonition-title)").last
    assert not inside.is_visible(), name
    box.locator("summary, button").first.click()
    inside.wait_for(state="visible")

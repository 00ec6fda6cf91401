"""Pages that load little: one style sheet of the rules that are used, one script, pictures when they are near; nothing moves."""

import re
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from browsers import DESK, PHONE

from tools.site.light import SCRIPT, SHEET, blocks, can_match, lighten, one_link, used
from tools.site.serve import server

STYLE = """/* a } comment */ @import "b.css"; .a, .gone b{content:"}/*"; color: red}
@media (min-width:1px){.gone{x:y} @supports (x:y){#here .a:hover{x:y}} }
@keyframes k{from{x:y}} .tip-left::after{x:y} :root:not(.gone){x:y} .w\\:1{x:y} .a{}"""


def test_rules_are_told_apart() -> None:
    assert list(blocks(STYLE))[:2] == [('@import "b.css"', None), (".a, .gone b", 'content:"}/*"; color: red')]
    assert [head for head, _ in blocks(STYLE)][2:4] == ["@media (min-width:1px)", "@keyframes k"]


def test_rules_that_match_nothing_are_left_out() -> None:
    kept = used(STYLE, {"a", "here", "tip-"})
    assert [rule for rule in (".gone b", ".gone{", ".a{}") if rule in kept] == []
    around = "@media (min-width:1px){@supports (x:y){#here .a:hover{x:y}}}"
    wanted = [around, "@keyframes k", ".tip-left::after", ":not(.gone)", ".w\\:1"]
    assert [rule for rule in wanted if rule not in kept] == []
    assert '.a{content:"}/*"; color: red}' in kept
    assert used(STYLE, set()).count("{x:y}") == 3, "keyframes, what is only named in parentheses, and an escape"


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("p > a", True),
        (".a.b", False),
        ("#a .a[href='.b']", True),
        (".a:is(.b, :not(.c))", True),
        (".b-x", False),
        (".pre-x", True),
    ],
)
def test_a_selector_needs_its_classes(selector: str, found: bool) -> None:
    assert can_match(selector, {"a"}, ("pre-",)) is found


def test_of_several_links_the_first_stays() -> None:
    page = '<p><script src="a" defer></script>\n1<script src="b" defer></script>2'
    assert one_link(page, re.compile(r'<script src="()(.)" defer></script>\s*'), "c", "<{}>") == "<p><c>12"
    assert one_link("<p>", re.compile("(x)"), "c", "<{}>") == "<p>"


PAGE = """<html><head><script src="{0}_static/documentation_options.js?v=1"></script>
<link href="{0}_static/styles/a.css?d=1" rel="stylesheet" /><link rel="stylesheet" href="{0}_static/b.css">
<link rel="preload" as="script" href="{0}_static/z.js"><script defer src="{0}_static/d.js?v=2"></script></head>
<body><p class="here">x</p><script defer src="{0}_static/explorables/e.js"></script>
<script defer src="{0}_static/z.js"></script></body>"""


def test_a_site_is_made_light_and_stays_so(tmp_path: Path) -> None:
    for name, text in {
        "styles/a.css": '@import "../c.css"; .here{x:y}',
        "b.css": ".here{background:url(b.png)} .gone{x:y}",
        "c.css": ".here{z:1}",
        "documentation_options.js": "const OPTIONS = 1;\n",
        "d.js": '"use strict"; let d;\n//# sourceMappingURL=d.map',
        "z.js": "let z;",
    }.items():
        (tmp_path / "_static" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "_static" / name).write_text(text, encoding="utf-8")
    (tmp_path / "book").mkdir()
    for name, up in {"index.html": "", "book/a.html": "../"}.items():
        (tmp_path / name).write_text(PAGE.format(up), encoding="utf-8")
    lighten(tmp_path)
    style, script = ((tmp_path / name).read_text(encoding="utf-8") for name in (SHEET, SCRIPT))
    assert style.splitlines()[1:] == [".here{z:1}", ".here{x:y}", ".here{background:url(../b.png)}"]
    assert script.splitlines()[1:] == [';"use strict"; let d;', ";let z;"]
    page = (tmp_path / "book" / "a.html").read_text(encoding="utf-8")
    assert re.findall(r'(?:href|src)="([^"?]*)', page) == [f"../{SHEET}", f"../{SCRIPT}", "../_static/explorables/e.js"]
    assert "<script>const OPTIONS = 1;</script>" in page
    (tmp_path / "index.html").write_text(PAGE.format(""), encoding="utf-8")  # Sphinx wrote one page anew
    lighten(tmp_path)
    assert (tmp_path / "book" / "a.html").read_text(encoding="utf-8") == page
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == page.replace("../", "")


# The built site in a browser

LOST = """async ({names, sheet}) => {
    const rules = async name => {
        const text = (await (await fetch(new URL(`../${name}`, location.href))).text()).replace(/@import[^;]*;/g, "");
        const read = await new CSSStyleSheet().replace(text), found = new Map();
        const walk = (list, around) => { for (const rule of list) {
            if (rule.conditionText !== undefined) walk(rule.cssRules, `${around} ${rule.conditionText}`);
            for (const one of rule.selectorText?.split(/,(?![^(]*\\))/) ?? [])
                found.set(`${around}|${one.trim()}|${rule.style.cssText.replace(/\\s+/g, " ")}`, one.trim());
        } };
        walk(read.cssRules, "");
        return found;
    };
    const kept = await rules(sheet), lost = [];
    for (const name of names) for (const [key, selector] of await rules(name)) {
        const states = /::?(before|after|hover|focus(-visible|-within)?|active|marker|placeholder|backdrop)\\b/g;
        const still = selector.replace(states, "");
        let matches = false;
        try { matches = document.querySelector(still || "*") !== null; } catch { matches = false; }
        if (matches && !kept.has(key)) lost.push(`${name}: ${selector}`);
    }
    return [kept.size, lost];
}"""
SHIFT = """() => new Promise(done => {
    let moved = 0;
    const seen = new PerformanceObserver(list => list.getEntries().forEach(one => { moved += one.value; }));
    seen.observe({type: "layout-shift", buffered: true});
    setTimeout(() => done(moved), 500);
})"""


@pytest.fixture
def visit(site: Path, browser: Any) -> Any:
    """Opens a page of the site on a server."""
    with server(site, port=0) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        contexts = []

        def opened(name: str, size: dict[str, int]) -> Any:
            contexts.append(browser.new_context(viewport=size))
            page = contexts[-1].new_page()
            page.set_default_timeout(120_000)
            page.goto(f"http://127.0.0.1:{found.server_port}/{name}.html")
            return page

        yield opened
        for context in contexts:
            context.close()
        found.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["book/intro", "book/theory", "book/api_losses", "book/records", "notebooks/06_confusion"])
def test_no_rule_that_matches_is_lost(visit: Callable[..., Any], site: Path, name: str) -> None:
    first = (site / SHEET).read_text(encoding="utf-8").partition("*/")[0]
    count, lost = visit(name, DESK).evaluate(LOST, {"names": first.removeprefix("/*").split(), "sheet": SHEET})
    assert count > 500
    assert lost == []


@pytest.mark.slow
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", ["book/intro", "book/theory", "notebooks/00_quickstart", "notebooks/11_joint_unlearning"])
def test_hardly_anything_moves_while_a_page_loads(visit: Callable[..., Any], name: str, size: dict[str, int]) -> None:
    """At most 0.1 of the screen, which web.dev's guide to cumulative layout shift calls good."""
    assert visit(name, size).evaluate(SHIFT) <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("colors", ["light", "dark"])
def test_the_colours_are_known_before_the_scripts_come(site: Path, browser: Any, colors: str) -> None:
    context = browser.new_context(color_scheme=colors)
    page = context.new_page()
    page.route("**/*.js*", lambda route: route.abort())
    page.goto((site / "book" / "notation.html").as_uri())
    assert page.evaluate("document.documentElement.dataset.theme") == colors
    context.close()


@pytest.mark.slow
def test_pages_ask_for_one_style_sheet_and_one_script(site: Path) -> None:
    pages = [*site.glob("book/*.html"), *site.glob("notebooks/*.html")]
    assert len(pages) > 50
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert len(re.findall(r'rel="stylesheet"', text)) == 1, path.name
        scripts = re.findall(r'<script[^>]*\bsrc="((?!../_static/(?:explorables|mathjax)/)[^"?]*)', text)
        assert scripts == [f"../{SCRIPT}"], path.name
        assert [one for one in re.findall(r"<img[^>]*_images/[^>]*>", text) if 'loading="lazy"' not in one] == [], path.name

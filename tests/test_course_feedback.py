"""A student's page and the lecturer's report in a browser: readable on a phone and in the dark, the message first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import DESK, PHONE, axe, launched
from toy_course import MISCONCEPTIONS, NAME, write_course

from tools.course.assignment import read_course
from tools.course.feedback import page, report

LONG = "a_name_without_any_place_to_break_" * 4
AXE = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map(
    one => [one.id, one.nodes.length, one.nodes[0].html.slice(0, 80)])"""


def _task(name: str, **changes: Any) -> dict[str, Any]:
    plain = {"title": f"Task {name}", "points": 5.0, "worth": 5.0, "manual": False, "passed": True, "visible": True}
    return {"name": name, "message": "", "misconception": "", "error": None, "lines": [], **plain, **changes}


RESULT = {
    "student": {"id": "ada", "name": LONG},
    "assignment": NAME,
    "problem": "",
    "notes": [f"{LONG} was put back."],
    "tasks": [
        _task("double", points=0.0, passed=False, message="You square.", misconception="square-for-double"),
        _task(
            "total",
            points=0.0,
            passed=False,
            message=f"{LONG} is not defined.",
            error=["NameError", LONG],
            lines=[["cell total, line 1", f"total = {LONG}"]],
        ),
        _task("why", points=None),
        _task("good"),
    ],
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, dict[str, Path]]]:
    """A browser, and the two pages as files."""
    folder = tmp_path_factory.mktemp("feedback")
    course = read_course(write_course(folder / "course"))
    row = {"id": LONG, "assignment": NAME, "points": 0, "note": LONG, "status": ""}
    texts = {
        "student": page(RESULT, 20.0, MISCONCEPTIONS, "https://book"),
        "report": report([RESULT], [row], MISCONCEPTIONS, [LONG], course, "https://book"),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    with launched() as browser:
        yield browser, {name: folder / f"{name}.html" for name in texts}


@pytest.mark.parametrize("name", ["student", "report"])
def test_nothing_is_too_wide_and_axe_finds_no_fault(name: str, pages: Any) -> None:
    browser, paths = pages
    with browser.new_context() as context:
        opened = context.new_page()
        opened.goto(paths[name].as_uri())
        for one in opened.query_selector_all("summary"):
            one.click()
        opened.evaluate(axe())
        for size, theme in ((DESK, "light"), (PHONE, "dark"), (PHONE, "light"), (DESK, "dark")):
            opened.set_viewport_size(size)
            opened.emulate_media(color_scheme=theme)
            assert opened.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
            assert opened.evaluate(AXE) == [], (size, theme)


def test_the_message_is_seen_first_and_the_traceback_on_request(pages: Any) -> None:
    browser, paths = pages
    with browser.new_context(viewport=PHONE) as context:
        opened = context.new_page()
        opened.goto(paths["student"].as_uri())
        double, total = (opened.locator(f"section[aria-label='Task {name}']") for name in ("double", "total"))
        assert double.inner_text().index("You square.") < double.inner_text().index("Squares for doubles")
        assert double.locator("a").get_attribute("href") == "https://book/book/theory.html"
        assert not total.locator("pre").is_visible()
        total.locator("summary").click()
        assert total.locator("pre").is_visible()

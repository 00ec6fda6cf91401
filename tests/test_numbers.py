"""Numbers in sentences: each is what its source says, a wrong one is noticed, and none stands there without a source."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from lnl_core.errors import RecordError
from tools import ROOT
from tools.pages import numbers
from tools.pages.sources import Sources

PAGES = {path.name: path.read_text(encoding="utf-8") for path in numbers.pages()}
PHRASES = numbers.read_phrases()
BOUND = [(page, one) for page, text in PAGES.items() for one in numbers.bound_in(text)]

each_page = pytest.mark.parametrize("page", PAGES)


@cache
def functions() -> dict[str, Callable[..., Any]]:
    return Sources().functions()


def phrases(page: str) -> list[str]:
    return [phrase for table in PHRASES.values() for phrase in table.get(page, [])]


@each_page
def test_every_bound_number_is_what_its_source_says(page: str) -> None:
    assert numbers.wrong(PAGES[page], functions()) == [], "run 'make results'"
    assert numbers.rewritten(PAGES[page], functions()) == PAGES[page]


def test_a_wrong_digit_in_any_bound_number_of_any_page_is_noticed() -> None:
    """Each digit of each bound number, one up."""
    assert len(BOUND) >= 136
    for page, one in BOUND:
        for place, digit in enumerate(one.number):
            if digit.isdigit():
                changed = one.number[:place] + str((int(digit) + 1) % 10) + one.number[place + 1 :]
                text = f"{changed}<!-- {one.expression} -->"
                assert len(numbers.wrong(text, functions())) == 1, f"{page}: {changed} passes for {one.number}, {one.expression}"
                assert numbers.rewritten(text, functions()) == f"{one.number}<!-- {one.expression} -->"


@each_page
def test_a_page_holds_no_decimal_without_a_source(page: str) -> None:
    assert numbers.unexplained(PAGES[page], phrases(page)) == [], "bind it, or put its phrase into book/numbers.toml"


@each_page
def test_a_decimal_that_nobody_bound_is_noticed_wherever_it_stands(page: str) -> None:
    """A sentence with a number, put behind a few paragraphs of the page."""
    text = PAGES[page]
    places = [match.end() for match in re.finditer(r"(?<=[a-z])\.(?=\n\n[A-Z*])", text)]
    for place in places[:: max(1, len(places) // 5)]:
        found = numbers.unexplained(text[:place] + " It was 0.4567 there." + text[place:], phrases(page))
        assert [one for one in found if "0.4567" in one], text[place - 60 : place]


@each_page
def test_no_phrase_of_the_list_is_left_over(page: str) -> None:
    assert numbers.superfluous(PAGES[page], phrases(page)) == []


def test_the_list_names_pages_that_exist() -> None:
    assert {page for table in PHRASES.values() for page in table} <= set(PAGES)
    assert set(PHRASES) == {"constants", "tested", "unbound"}


def test_the_list_of_numbers_without_a_source_gets_shorter_only() -> None:
    assert sum(map(len, PHRASES["unbound"].values())) <= 20


def test_the_numbers_that_a_test_counts_are_looked_for_by_that_test() -> None:
    """tests/test_bench.py says of the same page: each of its facts must be on it."""
    test = (ROOT / "tests" / "test_bench.py").read_text(encoding="utf-8")
    assert set(PHRASES["tested"]) == {"fast_training.md"}
    for words in ("million steps of one network", "· 10¹⁵ operations", "ms a step", "bytes a second"):
        assert words in test
    assert 'said("fast_training.md")' in test


def test_a_comment_stands_in_its_line_behind_its_number() -> None:
    """At the beginning of a line Markdown takes a comment for a block, which ends the paragraph."""
    for page, text in PAGES.items():
        behind = len(numbers.BOUND.findall(text))
        assert text.count("<!--") == behind, f"{page} has a comment that is behind no number"
        assert not re.search(r"^\s*<!--", text, re.M), page
        assert not any("--" in one.expression for one in numbers.bound_in(text)), page


def pieces(text: str) -> list[Token]:
    """The pieces of a page as MyST parses it, those inside a folded block among them."""
    tokens = create_md_parser(MdParserConfig(enable_extensions={"dollarmath", "colon_fence"}), RendererHTML).parse(text)
    found: list[Token] = []
    for token in tokens:
        folded = token.type == "fence" and token.info.startswith("{admonition}")
        found += pieces(re.sub(r"\A(?::.*\n)*", "", token.content)) if folded else token.children or [token]
    return found


@each_page
def test_readers_of_the_site_see_the_number_and_not_the_comment(page: str) -> None:
    """As MyST parses the page: each comment is a piece of HTML within its sentence, and none is text, code or a block."""
    comments = [piece for piece in pieces(PAGES[page]) if "<!--" in piece.content]
    assert [piece.content for piece in comments] == [f"<!-- {one.expression} -->" for one in numbers.bound_in(PAGES[page])]
    assert {piece.type for piece in comments} <= {"html_inline"}


# The tool itself

MINI: dict[str, Callable[..., Any]] = {"half": lambda: 0.5, "given": float, "both": lambda: [0.1, 0.3], "max": max}


@pytest.mark.parametrize(
    ("number", "expression", "right"),
    [
        ("0.4", "half()", "0.5"),
        ("0.400", "half()", "0.500"),
        ("7", "half() * 100", "50"),
        ("0.1", "given(0.0449)", "0.0"),
        ("0.00", "up(given(0.0101))", "0.02"),
        ("0.00", "up(given(0.02))", "0.02"),
        ("0.00", "down(given(0.0199))", "0.01"),
        ("-0.1", "-half() - 1", "-1.5"),
        ("0.1", "-half()", "-0.5"),
        ("\N{MINUS SIGN}0.1", "-half()", "\N{MINUS SIGN}0.5"),
        ("+0.1", "half()", "+0.5"),
        ("1,000", "given(46900.4)", "46,900"),
        ("0.10", "max(both()) / 2", "0.15"),
        ("0.10", "given('0.25') + 1e-3", "0.25"),
    ],
)
def test_a_number_is_written_in_the_form_that_stands_there(number: str, expression: str, right: str) -> None:
    text = f"It is {number}<!-- {expression} --> here, and 0.7 there."
    assert numbers.rewritten(text, MINI) == f"It is {right}<!-- {expression} --> here, and 0.7 there."
    assert len(numbers.wrong(text, MINI)) == 1


@pytest.mark.parametrize(
    "expression",
    [
        "half",
        "half(",
        "nobody()",
        "half(1)",
        "half().real",
        "__import__('os')",
        "(lambda: 1)()",
        "[one for one in both()]",
        "half(**{})",
        "half() ** 2",
        "1 / 0",
        "given('nan')",
        "given('inf')",
        "both()",
        "True and half()",
        "max(half",
    ],
)
def test_what_is_no_sum_of_sources_is_refused(expression: str) -> None:
    with pytest.raises(RecordError, match=re.escape(repr(expression))):
        numbers.evaluate(expression, MINI)


def test_sources_that_are_missing_or_not_one_are_named() -> None:
    for call in ('run("runs", "0")', 'variant("choices", "nothing")', 'ours("nothing", 0.02)', 'other("CGN", 0.02)'):
        with pytest.raises(RecordError, match="has no value"):
            numbers.evaluate(call, functions())


@pytest.mark.parametrize(
    ("text", "loose"),
    [
        ("It is 0.25 here.", ["0.25"]),
        ("| 0.25 | 3 |", ["0.25"]),
        ("| a | 94.6 % |\n", ["94.6"]),
        ("**0.25**, (0.5), -0.75 and 1,234.5.", ["0.25", "0.5", "-0.75", "1,234.5"]),
        ("Seeds at 0.02, 0.03 and 0.05 agree.", []),
        ("At 0.06 at\n0.045.", ["0.06"]),
        ("The ones at 0.03, and 0.04 at 0.05", ["0.04"]),
        ("At 0.02<!-- half() --> it ends.", []),
        ("`0.25` and $x = 0.25$ and [a](0.25.md)", []),
        ("$$\n0.25\n$$\n0.5", ["0.5"]),
        ("```{math}\n0.25\n```\n0.5", ["0.5"]),
        ("```python\nx = 0.25\n```\n0.5", ["0.5"]),
        ("````{admonition} 0.1\n```{include} 0.25.md\n```\n0.5\n````\n0.75", ["0.5", "0.75"]),
        ("```{figure} a.png\n:width: 0.25\n:alt: Up to 0.5\n\nThe 0.75\n```\n", ["0.5", "0.75"]),
        ("version 1.2.3, v0.25, x0.25 and 0.25x", []),
    ],
)
def test_what_counts_as_a_decimal_of_the_prose(text: str, loose: list[str]) -> None:
    assert [number for _, number in numbers.loose(text)] == loose


def test_a_phrase_excuses_its_own_numbers_only_and_a_line_break_does_not_matter() -> None:
    text = "The rate is\n0.01 here. It ended at 0.01."
    assert numbers.unexplained(text, ["rate is 0.01"]) == ["The rate is 0.01 here. It ended at 0.01."]
    assert numbers.unexplained(text.replace("0.01 h", "0.02 h"), ["rate is 0.01", "ended at 0.01"]) == [
        "The rate is 0.02 here. It ended at 0.01."
    ]
    assert numbers.superfluous(text, ["rate is 0.01", "ended at 0.02", "here"]) == ["ended at 0.02", "here"]


def test_pages_are_written_anew_and_the_numbers_counted(tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    page = tmp_path / "book" / "page.md"
    page.write_text("It is 0.1<!-- log(2) --> and\n0.9.\n", encoding="utf-8")
    assert numbers.stale(tmp_path) == ["book/page.md: 0.1 should be 0.7, by log(2)"]
    assert numbers.said("page.md", tmp_path) == "It is 0.1 and 0.9."
    assert numbers.write_pages(tmp_path) == 1
    assert page.read_text(encoding="utf-8") == "It is 0.7<!-- log(2) --> and\n0.9.\n"
    assert numbers.stale(tmp_path) == []


@pytest.mark.parametrize("value", [0.4155, 0.9055, 0.0145, 2.5, -0.0004])
def test_a_tie_is_rounded_in_sentences_as_in_tables(value: float) -> None:
    assert numbers.written("0.000", value) == f"{value:.3f}".replace("-0.000", "0.000")
    assert numbers.written("0", value) == f"{value:.0f}".replace("-0", "0")

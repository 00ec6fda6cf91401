"""Numbers in the sentences of the pages, each bound to its source.

A number that was measured or published is followed by a comment, which no reader of the site sees, with where it comes from:

    right on 0.972<!-- ours("bias_balanced", 0.02) --> of them, within 0.03<!-- up(max(off("lnl", 0.05))) --> of the published

``make results`` writes the number anew in the form that stands there, with as many digits; a test fails on a page that says
something else. The functions are those of :class:`tools.pages.sources.Sources`; ``up`` and ``down`` around the whole round to
the safe side of "less than" and "more than". A decimal without such a comment must stand in ``book/numbers.toml``, within its
phrase.
"""

import ast
import math
import operator
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

from lnl_core.errors import RecordError
from lnl_core.experiments.colored_mnist import COLOR_VARS
from tools import ROOT, write_if_changed
from tools.pages.sources import Sources

_NUMBER = r"(?<![\w.])[-+\N{MINUS SIGN}]?\d[\d,]*(?:\.\d+)?"
BOUND = re.compile(rf"(?P<number>{_NUMBER})<!-- (?P<expression>.+?) -->")
DECIMAL = re.compile(r"(?<![\w.])[-+\N{MINUS SIGN}]?\d[\d,]*\.\d+(?!\.?\w)")
_VARIANCE = rf"(?:{'|'.join(re.escape(f'{value:g}') for value in sorted(COLOR_VARS, reverse=True))})(?!\d|<!--)"
SETTING = re.compile(rf"\bat\s+{_VARIANCE}(?:,\s+{_VARIANCE})*(?:,?\s+and\s+{_VARIANCE}(?!\s+(?:at|nats|of|more)\b))?")
""" "at 0.02, 0.03 and 0.05": variances say where a number was measured and are none."""
_LEFT_OUT = [
    re.compile(r"\$\$.*?\$\$", re.S),
    re.compile(r"`[^`]+`"),
    re.compile(r"(?<!\\)\$[^$]+\$"),
    re.compile(r"\]\([^)\s]*\)"),
    re.compile(r"^ *:(?!alt)\w+:.*$", re.M),
]
"""Mathematics, code in a line, targets of links and options of directives."""
_NO_PROSE = re.compile(r"\{(?:math|code|code-block|code-cell|include|eval-rst|bibliography)\}")
_OPERATIONS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_ROUNDING = {"up": ROUND_CEILING, "down": ROUND_FLOOR}

Functions = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True)
class Bound:
    """A number in a text with the expression behind it; ``start`` and ``end`` are those of the number."""

    start: int
    end: int
    number: str
    expression: str


def bound_in(text: str) -> list[Bound]:
    """The bound numbers of a page, in the order of the text."""
    return [Bound(*found.span("number"), found["number"], found["expression"]) for found in BOUND.finditer(text)]


def evaluate(expression: str, functions: Functions) -> tuple[float, str]:
    """The value of an expression and how it is to be rounded. It may call ``functions`` on literals and do sums, nothing else.

    Raises:
        RecordError: if the expression is anything else, names no function of ours, or its value is not a finite number.
    """
    try:
        tree = ast.parse(expression, mode="eval").body
        rounding = ROUND_HALF_EVEN
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id in _ROUNDING and len(tree.args) == 1:
            rounding, tree = _ROUNDING[tree.func.id], tree.args[0]
        value = float(_value(tree, functions))
    except (SyntaxError, LookupError, ValueError, TypeError, ZeroDivisionError) as error:
        raise RecordError(f"{expression!r} has no value ({error!r}): see tools/pages/sources.py for what may stand there") from None
    if not math.isfinite(value):
        raise RecordError(f"{expression!r} is {value}, which no sentence can say")
    return value, rounding


def _value(node: ast.expr, functions: Functions) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, functions)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_value(node.left, functions), _value(node.right, functions))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return functions[node.func.id](*(_value(one, functions) for one in node.args))
    raise ValueError(f"{ast.unparse(node)!r} is neither a number, nor a sum, nor a call")


def written(number: str, value: float, rounding: str = ROUND_HALF_EVEN) -> str:
    """``value`` in the form of ``number``: as many digits after the point, its comma, its sign where it is spelt out."""
    digits = len(number.partition(".")[2])
    exact = Decimal(repr(round(value, 12))) + 0  # without the dust of binary fractions, which "up" would round up
    as_in_tables = Decimal(f"{value:.{digits}f}") + 0  # of a tie both have to make the same number
    rounded = as_in_tables if rounding == ROUND_HALF_EVEN else exact.quantize(Decimal(1).scaleb(-digits), rounding=rounding)
    text = f"{rounded:{'+' if number.startswith('+') else ''}{',' if ',' in number else ''}f}"
    return text.replace("-", "\N{MINUS SIGN}") if number.startswith("\N{MINUS SIGN}") else text


def rewritten(text: str, functions: Functions) -> str:
    """The page with every bound number as its source has it."""
    return BOUND.sub(
        lambda found: f"{written(found['number'], *evaluate(found['expression'], functions))}<!-- {found['expression']} -->", text
    )


def pages(root: Path = ROOT) -> list[Path]:
    """The written pages; the generated tables have a check of their own."""
    return sorted((root / "book").glob("*.md"))


def said(page: str, root: Path = ROOT) -> str:
    """A page as its readers see it, in one line and without the comments behind its numbers: for tests of sentences."""
    text = (root / "book" / page).read_text(encoding="utf-8")
    return " ".join(BOUND.sub(lambda found: found["number"], text).split())


def missing(page: str, *sentences: str) -> list[str]:
    """Those of the sentences that are not on a page: for tests that hold what is said of stored results."""
    text = said(page)
    return [sentence for sentence in sentences if " ".join(sentence.split()) not in text]


def wrong(text: str, functions: Functions) -> list[str]:
    """What a page says otherwise than its sources, a line each; empty if it says nothing else."""
    found = []
    for one in bound_in(text):
        right = written(one.number, *evaluate(one.expression, functions))
        if right != one.number:
            found.append(f"{one.number} should be {right}, by {one.expression}")
    return found


def stale(root: Path = ROOT) -> list[str]:
    """Every number of every page that is not what its source says."""
    functions = Sources(root).functions()
    return [f"book/{page.name}: {line}" for page in pages(root) for line in wrong(page.read_text(encoding="utf-8"), functions)]


def write_pages(root: Path = ROOT) -> int:
    """Write the bound numbers of all pages anew; returns how many numbers are bound."""
    functions, count = Sources(root).functions(), 0
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        count += len(bound_in(text))
        write_if_changed(page, rewritten(text, functions))
    return count


# What is not bound


def read_phrases(root: Path = ROOT) -> dict[str, dict[str, list[str]]]:
    """``book/numbers.toml``: the tables "constants", "tested" and "unbound", each with the phrases of a page by its name."""
    found: dict[str, dict[str, list[str]]] = tomllib.loads((root / "book" / "numbers.toml").read_text(encoding="utf-8"))
    return found


def _matches(phrase: str, text: str) -> Iterator[re.Match[str]]:
    return re.finditer(r"\s+".join(re.escape(word) for word in phrase.split()), text)


def _blank(found: re.Match[str] | str) -> str:
    return re.sub(r"[^\n]", " ", found if isinstance(found, str) else found[0])


def _without_code(text: str) -> str:
    """The text with blanks in the place of literal blocks and formulas; what directives hold stays."""
    lines: list[str] = []
    fences: list[tuple[str, bool]] = []  # the open blocks: their marks, and whether they hold prose
    for line in text.splitlines(keepends=True):
        fence = re.match(r"(`{3,}|:{3,}|~{3,})(.*)", line)
        prose = all(holds for _, holds in fences)
        if fence and fences and fence[1] == fences[-1][0] and not fence[2].strip():
            fences.pop()
        elif fence and prose:
            fences.append((fence[1], fence[2].startswith("{") and not _NO_PROSE.match(fence[2])))
        lines.append(line if prose and not fence else _blank(line))
    return "".join(lines)


def loose(text: str) -> list[tuple[int, str]]:
    """Place and text of each decimal in the prose of a page that is not bound."""
    masked = _without_code(text)
    for pattern in (*_LEFT_OUT, BOUND, SETTING):
        masked = pattern.sub(_blank, masked)
    return [(found.start(), found[0]) for found in DECIMAL.finditer(masked)]


def unexplained(text: str, phrases: list[str]) -> list[str]:
    """The decimals of a page that are neither bound nor within one of the phrases, each with the words around it."""
    known = [found.span() for phrase in phrases for found in _matches(phrase, text)]
    return [
        " ".join(text[max(0, start - 60) : start + 30].split())
        for start, number in loose(text)
        if not any(low <= start and start + len(number) <= high for low, high in known)
    ]


def superfluous(text: str, phrases: list[str]) -> list[str]:
    """The phrases that are not on the page any more, or that excuse no number."""
    places = [start for start, _ in loose(text)]
    return [
        phrase
        for phrase in phrases
        if not any(low <= start < high for low, high in (found.span() for found in _matches(phrase, text)) for start in places)
    ]

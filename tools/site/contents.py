"""The chapters in the order of ``_toc.yml``: what follows what, how long each is, and the lines at its top.

``make sync`` writes the reading times of all chapters anew.
"""

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from tools import ROOT, write_if_changed

REFERENCE, TEACHING = "Reference", "Teaching"
"""Captions of the last part, whose pages are looked things up in, and of the lecturer's. All others hold chapters, to be read."""
_NEXT = re.compile(r"^Next: .*?\]\((?P<target>[^)#\s]+)\)", re.MULTILINE | re.DOTALL)


def parts(root: Path = ROOT) -> dict[str, list[str]]:
    """The documents of each part by its caption, such as "book/theory" or "notebooks/01_biased_data", sections after their page."""
    return {
        part["caption"]: [one for chapter in part["chapters"] for one in _with_sections(chapter)] for part in _toc(root)["parts"]
    }


def documents(root: Path = ROOT) -> list[str]:
    """All documents that the contents name, the front page first."""
    return [_toc(root)["root"], *(document for named in parts(root).values() for document in named)]


def _toc(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return found


def _with_sections(chapter: dict[str, Any]) -> list[str]:
    return [chapter["file"], *(one for section in chapter.get("sections", ()) for one in _with_sections(section))]


def chapters(root: Path = ROOT) -> list[str]:
    """The documents to be read, in order."""
    read = (documents for caption, documents in parts(root).items() if caption not in (REFERENCE, TEACHING))
    return [document for documents in read for document in documents]


def source(document: str, root: Path = ROOT) -> Path:
    """The file that is edited: a Markdown page or a percent script."""
    page = root / f"{document}.md"
    return page if page.is_file() else root / f"{document}.py"


def prose(document: str, root: Path = ROOT) -> str:
    """The Markdown of a page, or of a notebook's cells."""
    path = source(document, root)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    cells = [cell.partition("\n")[2].strip() for cell in text.split("\n# %%") if cell.startswith(" [markdown]")]
    return "\n\n".join(re.sub(r"^# ?", "", cell, flags=re.MULTILINE) for cell in cells)


def linked(document: str, target: str) -> str:
    """The document that a link in ``document`` leads to."""
    folder = [*Path(document).parent.parts]
    for part in Path(target).with_suffix("").parts:
        folder = folder[:-1] if part == ".." else [*folder, part]
    return "/".join(folder)


def wrong_ways(root: Path = ROOT) -> list[str]:
    """A sentence for each notebook whose "Next:" does not lead to the page that follows in the contents."""
    found = []
    for document, following in pairwise(chapters(root)):
        if document.startswith("notebooks/"):
            ways = [linked(document, match["target"]) for match in _NEXT.finditer(prose(document, root))]
            if ways != [following]:
                said = " and ".join(ways) or "nothing"
                found.append(f"{document}: what comes next is {following} by _toc.yml, and the notebook's last lines name {said}")
    return found


# How long a chapter is

WORDS_A_MINUTE = 120
"""Slower than a novel: the text is dense, and for many readers in a second language."""
WORDS_A_FORMULA = 20
"""A displayed formula takes as long as so many words."""
_FENCE = re.compile(r"(`{3,}|:{3,}|~{3,})(.*)")
_NO_PROSE = re.compile(r"\{(?:math|code|code-block|code-cell|include|raw|eval-rst|bibliography)\}")
_FORMULA = "\N{SQUARE ROOT}"
_UNSHOWN = [
    (re.compile(r"<!--.*?-->", re.S), ""),
    (re.compile(r"<details>.*?</details>", re.S), ""),
    (re.compile(r"\$\$.*?\$\$(?: *\([\w:-]+\))?", re.S), f" {_FORMULA} "),
    (re.compile(r"(?<!\\)\$[^$]+\$"), "x"),
    (re.compile(r"\{[\w:]+\}`([^`<]*)[^`]*`"), r"\1"),
    (re.compile(r"\]\([^)\s]*\)"), "]"),
    (re.compile(r"^\([\w:-]+\)=$", re.M), ""),
    (re.compile(r"<[^>]+>"), ""),
]
"""Comments, folded solutions, formulas, targets of links and roles: what a reader does not read as words."""


def shown(text: str) -> str:
    """What a page shows before anything is unfolded: no code, no options, nothing inside a directive of the class "dropdown".

    Raises:
        ValueError: if a block is never closed, so that all that follows would be part of it.
    """
    lines, kept = text.splitlines(), []
    open_fences: list[tuple[str, bool, bool]] = []  # marks; whether what is inside is hidden; whether it is literal
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        mark, hidden, literal = open_fences[-1] if open_fences else ("", False, False)
        if fence and fence[1] == mark and not fence[2].strip():
            open_fences.pop()
        elif fence and not literal:
            code = not fence[2].startswith("{") or bool(_NO_PROSE.match(fence[2]))
            folded = any(re.match(r":class:.*\bdropdown\b", option) for option in _options(lines[number + 1 :]))
            open_fences.append((fence[1], hidden or code or folded or "{dropdown}" in fence[2], code))
            if not hidden and "{" in fence[2]:
                kept.append(fence[2].partition("}")[2])
        elif not hidden and not re.match(r" *:[\w-]+:", line):
            kept.append(line)
    if open_fences:
        raise ValueError(f"a block that begins with {open_fences[-1][0]} has no end: close it on a line of its own")
    return "\n".join(kept)


def _options(lines: list[str]) -> list[str]:
    """The option lines with which a directive's block begins."""
    found = []
    for line in lines:
        if not re.match(r":[\w-]+:", line):
            break
        found.append(line)
    return found


_EXERCISES = re.compile(r"^## (?:Exercises|Questions to discuss)$.*?(?=^## |\Z)", re.M | re.S)


def length(text: str) -> tuple[int, int]:
    """The words and the displayed formulas that a page or notebook shows before anything is unfolded, its exercises aside."""
    text = _EXERCISES.sub("", shown(text))
    for pattern, instead in _UNSHOWN:
        text = pattern.sub(instead, text)
    return len(re.findall(r"\w[\w'.,:/-]*", text)), text.count(_FORMULA)


def minutes(text: str) -> float:
    """How long it takes to read what :func:`length` counts."""
    words, formulas = length(text)
    return (words + WORDS_A_FORMULA * formulas) / WORDS_A_MINUTE


# The top of a chapter

_TIME = re.compile(r"(\*\*Reading time\.\*\* )(\d+)( minutes\.)")
_TOP = re.compile(
    r"^# .+\n(?:\n\*To run.*\n|\n\[!\[.*\n)?\n"
    r"> \*\*In one sentence\.\*\* (?P<result>[^.?!]+(?:\.[^\s.?!][^.?!]*)*\.)\n>\n"
    r"> \*\*Read before\.\*\* (?P<before>.+)\n>\n"
    r"> \*\*Reading time\.\*\* (?P<minutes>\d+) minutes\.\n\n"
)


@dataclass(frozen=True)
class Top:
    """The lines at the top of a chapter."""

    result: str
    before: tuple[str, ...]  # documents
    minutes: int


def top(document: str, root: Path = ROOT) -> Top | None:
    """What stands between a chapter's title and its text; None where that is not in the one form that all chapters have."""
    joined = re.sub(r"\n> (?!\*\*)", " ", prose(document, root))
    found = _TOP.match(joined)
    if found is None:
        return None
    before = tuple(linked(document, target) for target in re.findall(r"\]\(([^)#\s]+)", found["before"]))
    return Top(found["result"], before, int(found["minutes"]))


def stated(text: str) -> int:
    """The reading time to be written, in minutes: to the next five."""
    return max(5, 5 * math.ceil(minutes(text) / 5 - 0.2))


def write_times(root: Path = ROOT) -> list[Path]:
    """Write the reading time of every chapter anew, and return the files that changed."""
    found = {source(document, root): stated(prose(document, root)) for document in chapters(root)}
    return [path for path, time in found.items() if write_if_changed(path, _TIME.sub(rf"\g<1>{time}\3", path.read_text("utf-8")))]

"""How many settings were tried for each method before its preset "short" was fixed: one source for every page that says so."""

from pathlib import Path
from typing import NamedTuple

from tools import ROOT
from tools.pages.rows import table_head

HEAD = "settings tried"
"""The head of a column of :func:`tried`."""
NOT_COUNTED, NONE = "not counted", "none of its own"


class Tried(NamedTuple):
    methods: tuple[str, ...]
    number: str
    what: str


TRIED = (
    Tried(
        ("baseline", "gray"), NOT_COUNTED, "five times the authors' rate, for 20 epochs along one cycle instead of 100 with a step"
    ),
    Tried(("lnl",), NOT_COUNTED, "several, and the rows of the table of choices above"),
    Tried(("blind_eye",), NONE, "only the limit on its steps, that of `lnl`"),
    Tried(("grl", "blind_eye_grl", "lnl_adv"), NONE, "those of `lnl`"),
    Tried(("mi_backprop",), "about 18", "about 15 for `demo`, then 3 for `short`"),
    Tried(("bias_balanced",), "about 40", "at σ² = 0.02"),
)


def tried(method: str) -> str:
    """In few words; a dash for a method that is not in the list."""
    return next((row.number for row in TRIED if method in row.methods), "–")


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name; made of what is written above, as no run keeps it."""
    lines = table_head("method", HEAD, "which")
    lines += [f"| {', '.join(f'`{name}`' for name in row.methods)} | {row.number} | {row.what} |" for row in TRIED]
    return {"settings_tried.md": "\n".join(lines) + "\n"}

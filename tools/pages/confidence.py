"""The table and the figure of "How sure are the wrong answers", from the measurements in results/confidence."""

from pathlib import Path
from typing import Any

from tools import ROOT
from tools.pages import records as record_pages
from tools.pages.rows import table_head
from tools.studies.confidence import COLORS, read_confidence

WORDS = {"unbiased": "random", "training_colors": "of the training"}


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def confidence_table(root: Path = ROOT) -> str:
    """One row a network and kind of colours."""
    found = read_confidence(root)
    if not found:
        return "Nothing has been measured yet.\n"
    names = ("accuracy", "confidence", "error", "auroc", "wrong_confidence", "wrong_sure")
    sure = found[0]["settings"]["sure"]
    head = (
        *("accuracy", "mean confidence", "calibration error", "AUROC of right against wrong"),
        *("mean confidence of wrong answers", f"wrong answers with confidence {sure:g} or more"),
    )
    lines = table_head("σ²", "network", "colours", *head, "n", record_pages.HEAD)
    for one in found:
        link = record_pages.links_of_runs([one["record"]], root)
        for colors in COLORS:
            cells = " | ".join(_cell(one[colors][name]) for name in names)
            lines.append(f"| {one['color_var']:g} | {one['method']} | {WORDS[colors]} | {cells} | 1 | {link} |")
    images, bins, seed = found[0]["unbiased"]["images"], found[0]["settings"]["bins"], found[0]["seed"]
    how = f"n = 1 network a row, seed {seed}; {images:,} test digits, {bins} bins of equal width."
    return "\n".join(lines) + f"\n\n{how}\n"


def diagrams(root: Path = ROOT) -> dict[str, dict[str, Any]]:
    """By name of the network what :func:`lnl_core.figures.reliability` draws, on digits in random colours."""
    return {f"{one['method']}, σ² {one['color_var']:g}": one["unbiased"] for one in read_confidence(root)}


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"confidence.md": confidence_table(root)}

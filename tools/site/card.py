"""The picture of the book that a link to it is shown with, 1200 by 630 pixels."""

from pathlib import Path

from matplotlib.figure import Figure

from lnl_core._files import write_atomically
from lnl_core.datasets import colored_mnist
from tools import ROOT

TITLE = "Learning not to learn"
QUESTION = "How do you teach a network not to use the colour,\nand how do you know afterwards that it does not?"


def draw_card() -> Figure:
    """The title, the question of the book, and one test digit of each class in a colour that says nothing about it."""
    digits = colored_mnist("test", 0.02, source="mini")
    figure = Figure(figsize=(12, 6.3), dpi=100, facecolor="white")
    figure.text(0.06, 0.80, TITLE, fontsize=52, weight="bold", color="#1a1a1a")
    figure.text(0.06, 0.60, QUESTION, fontsize=24, color="#333333", linespacing=1.4)
    for label in range(10):
        place = figure.add_axes((0.06 + 0.089 * label, 0.14, 0.08, 0.08 * 12 / 6.3))
        place.imshow(digits.images[int((digits.labels == label).nonzero()[0])].permute(1, 2, 0).numpy())
        place.axis("off")
    return figure


def out_of_date(path: Path) -> bool:
    """Whether a drawing is missing or older than any file of the library or of these tools: each may change what it looks like."""
    if not path.is_file():
        return True
    code = [file for folder in ("lnl_core", "tools") for file in (ROOT / folder).rglob("*.py")]
    return path.stat().st_mtime < max(file.stat().st_mtime for file in code)


def write_card(path: Path) -> Path:
    """Draw the card if it is :func:`out_of_date`."""
    if out_of_date(path):
        figure = draw_card()
        write_atomically(path, lambda temporary: figure.savefig(temporary, format="png"))
    return path

"""The table of last layers fitted anew, from the measurements in results/last_layer."""

from itertools import product
from pathlib import Path

from tools import ROOT
from tools.pages import records as record_pages
from tools.pages.rows import of_seeds, table_head, where
from tools.studies.last_layer import read_last_layers

MEASURES = {"test_accuracy": "accuracy", "worst_group_accuracy": "worst cell"}


def last_layer_table(root: Path = ROOT) -> str:
    """A block a variance and measure, a row a network: as it is, by number of unbiased images, and the control."""
    found = read_last_layers(root)
    if not found:
        return "Nothing has been measured yet.\n"
    counts, draws = (found[0]["settings"][name] for name in ("counts", "draws"))
    blocks = []
    for color_var, (name, word) in product(sorted({one["color_var"] for one in found}), MEASURES.items()):
        fitted = (*(f"{images:,}" for images in counts), f"{counts[-1]:,}, control")
        lines = table_head("network", "as it is", *fitted, record_pages.HEAD)
        for one in where(found, color_var=color_var):
            fits = [where(one["unbiased"], images=images) for images in counts]
            fits.append(where(one["training_colors"], images=counts[-1]))
            cells = [of_seeds([one["before"][name]]), *(of_seeds([row[name] for row in rows]) for rows in fits)]
            cells.append(record_pages.links_of_runs([one["record"]], root))
            lines.append(f"| {one['method']} | {' | '.join(cells)} |")
        blocks.append(f"**σ² = {color_var:g}, {word}**\n\n" + "\n".join(lines) + "\n")
    how = f"n = 1 network a row; mean and deviation of {draws} draws of the images. The control has digits in training colours."
    return "\n".join(blocks) + f"\n{how}\n"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"last_layer.md": last_layer_table(root)}

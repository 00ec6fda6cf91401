"""The table of last layers fitted anew, from the measurements in results/last_layer."""

from pathlib import Path

from tools import ROOT
from tools.pages.rows import of_seeds, table_head, where
from tools.studies.last_layer import read_last_layers

MEASURES = {"test_accuracy": "accuracy", "worst_group_accuracy": "worst cell"}


def last_layer_table(root: Path = ROOT) -> str:
    """Two rows a network: as it is stored, by number of unbiased images, and the control; means over draws with the deviation."""
    found = read_last_layers(root)
    if not found:
        return "Nothing has been measured yet.\n"
    counts, draws = (found[0]["settings"][name] for name in ("counts", "draws"))
    control = f"control: {counts[-1]:,} in colours of the training"
    lines = table_head("σ²", "network", "measure", "as it is", *(f"{images:,}" for images in counts), control)
    for one in found:
        for name, word in MEASURES.items():
            fits = [where(one["unbiased"], images=images) for images in counts]
            fits.append(where(one["training_colors"], images=counts[-1]))
            cells = [of_seeds([one["before"][name]]), *(of_seeds([row[name] for row in rows]) for rows in fits)]
            lines.append(f"| {one['color_var']:g} | {one['method']} | {word} | {' | '.join(cells)} |")
    how = f"n = 1 network a row; mean and deviation of {draws} draws of the images."
    return "\n".join(lines) + f"\n\n{how}\n"

"""The table of what random maps of the training images do for each method, from the runs in results/ablations."""

from pathlib import Path

from lnl_core.runs.records import RunRecord, read_records
from tools import ROOT
from tools.pages import comparisons, records
from tools.pages.rows import by_configuration, of_seeds, table_head
from tools.studies import ablations

PAIRS = {
    "bias_balanced": ("without any maps", "all parts"),
    "the balanced loss alone": (ablations.LOSS_ALONE, ablations.LOSS_WITH_MAPS),
    "lnl": ("lnl with ten times these weights, which are its own", "lnl with its own weights, and maps"),
    "gray": ("gray", "gray with the maps"),
    "baseline": ("baseline", "baseline with the maps"),
}
"""By method the rows of PARTS without and with the maps."""


def runs(row: str, root: Path = ROOT) -> list[RunRecord]:
    """The records of a row, of one precision."""
    stored = by_configuration(read_records(root / "results" / "ablations"))
    return stored.get(ablations.config_of(ablations.PARTS[row]).fingerprint(), [])


def values(row: str, root: Path = ROOT) -> list[float]:
    """Accuracy on validation digits, in [0, 1], of each seed of a row that is there."""
    return [one.metrics["validation_accuracy"] for one in runs(row, root)]


def scores(root: Path = ROOT) -> dict[str, dict[float, list[float]]]:
    """By row of PARTS and variance the accuracies of its runs, of the rows that have none in bf16: a comparison never mixes two."""
    found = {row: runs(row, root) for row in ablations.PARTS}
    one_precision = {row: of for row, of in found.items() if all(one.run_config().precision != "bf16" for one in of)}
    return {row: {ablations.COLOR_VAR: [one.metrics["validation_accuracy"] for one in of]} for row, of in one_precision.items()}


def moved_table(root: Path = ROOT) -> str:
    """A row a method: accuracy without and with the maps, and whether the one lies above the other."""
    lines = table_head("method", "without maps", "with maps", "with against without", "n", "records without", "and with maps")
    said, pairs = comparisons.of_every_two(scores(root)), comparisons.every_two(scores(root))
    for method, rows in PAIRS.items():
        without, mapped = (values(row, root) for row in rows)
        verdict = said.get((rows[1], rows[0], ablations.COLOR_VAR), "not compared: of two precisions")
        number = str(len(without)) if len(without) == len(mapped) else f"{len(without)} and {len(mapped)}"
        links = " | ".join(records.links(runs(row, root), root) for row in rows)
        lines.append(f"| {method} | {of_seeds(without)} | {of_seeds(mapped)} | {verdict} | {number} | {links} |")
    how = comparisons.how(comparisons.counted(pairs), "of two rows of the table above")
    told = f"Validation digits, 8 epochs, σ² = 0.02. {how} A mean is of runs in one precision."
    return "\n".join(lines) + f"\n\n{told}\n"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"moved.md": moved_table(root)}

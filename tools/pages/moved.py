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


def compared(root: Path = ROOT) -> dict[str, tuple[list[float], list[float]]]:
    """By method the runs with the maps and those without."""
    return {method: (values(mapped, root), values(without, root)) for method, (without, mapped) in PAIRS.items()}


def moved_table(root: Path = ROOT) -> str:
    """A row a method: accuracy without and with the maps, and whether the one lies above the other."""
    lines = table_head("method", "without maps", "with maps", "with against without", "n", "records without", "and with maps")
    pairs = compared(root)
    said = comparisons.verdicts(pairs)
    for method, rows in PAIRS.items():
        without, mapped = (values(row, root) for row in rows)
        few = min(len(without), len(mapped))
        verdict = said[method]
        if len({one.run_config().precision for row in rows for one in runs(row, root)}) > 1:
            verdict = "not compared: of two precisions"
        number = str(few) if len(without) == len(mapped) else f"{len(without)} and {len(mapped)}"
        links = " | ".join(records.links(runs(row, root), root) for row in rows)
        lines.append(f"| {method} | {of_seeds(without)} | {of_seeds(mapped)} | {verdict} | {number} | {links} |")
    how = comparisons.how(comparisons.counted(pairs))
    told = f"Validation digits, 8 epochs, σ² = 0.02. {how} A mean is of runs in one precision."
    return "\n".join(lines) + f"\n\n{told}\n"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"moved.md": moved_table(root)}

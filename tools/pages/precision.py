"""The table of what bf16 does to the accuracies of Figure 4: the same configurations in float32, from the runs of study "newer"."""

from pathlib import Path

from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.runs.comparison import FEWEST_RUNS, ordering, welch_interval
from lnl_core.runs.records import RunRecord, read_records
from tools import ROOT
from tools.pages import records
from tools.pages.rows import by_precision, of_seeds, table_head
from tools.studies import newer as study

PRECISIONS = {"float32": study.FOLDER, "bf16": "runs"}
"""By precision the folder of its runs."""


def of_method(method: str, precision: str, root: Path = ROOT) -> list[RunRecord]:
    """The runs of a method in a precision at the smallest variance, by seed."""
    stored = read_records(root / "results" / PRECISIONS[precision])
    return by_precision(stored).get(study.config_of(method, COLOR_VARS[0], 0).fingerprint(), {}).get(precision, [])


def accuracies(method: str, precision: str, root: Path = ROOT) -> list[float]:
    """On test digits, in [0, 1]."""
    return [one.metrics["test_accuracy"] for one in of_method(method, precision, root)]


def precision_table(root: Path = ROOT) -> str:
    """A row a method: its accuracy in either precision, and the interval of the difference."""
    lines = table_head("method", "float32", "n", "bf16", "n", "float32 less bf16, 95 % interval", "float32 against bf16", "records")
    for method in study.BESIDE:
        values = {precision: accuracies(method, precision, root) for precision in PRECISIONS}
        cells = [cell for found in values.values() for cell in (of_seeds(found, missing="not measured"), str(len(found)))]
        if min(map(len, values.values())) < FEWEST_RUNS:
            cells += ["–", f"fewer than {FEWEST_RUNS} runs"]
        else:
            low, high = welch_interval(values["float32"], values["bf16"])
            cells += [f"{low:+.3f} to {high:+.3f}", ordering(values["float32"], values["bf16"])]
        linked = [one for precision in PRECISIONS for one in of_method(method, precision, root)]
        lines.append(f"| {method} | {' | '.join(cells)} | {records.links(linked, root)} |")
    told = f"Test digits, profile `short`, σ² = {COLOR_VARS[0]:g}; the interval is Welch's."
    return "\n".join(lines) + f"\n\n{told}\n"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"precision.md": precision_table(root)}

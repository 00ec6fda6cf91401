"""The tables of variants of a method, one change a row, from the records in results/ablations."""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

from lnl_core.config import RunConfig
from lnl_core.runs.comparison import FEWEST_RUNS, next_run
from lnl_core.runs.records import RunRecord, read_records
from tools import ROOT
from tools.pages.rows import by_precision, cell, of_precision, precision_cell, table_head
from tools.studies import ablations, forgetting

PLACE_COLUMNS = {
    "validation_accuracy": "accuracy",
    "foreground_probe_accuracy": "probe of the foreground",
    "background_probe_accuracy": "probe of the background",
    "bias_mlp_probe_accuracy": "probe of everything",
    "prediction_information": "nats of colour in the answers (test digits)",
}
PART_COLUMNS = {
    "validation_accuracy": "accuracy",
    "bias_mlp_probe_accuracy": "probe of everything",
    "prediction_information": "nats of colour in the answers (test digits)",
}
CHOICE_COLUMNS = PART_COLUMNS
ADVERSARY_COLUMNS = {
    "validation_accuracy": "accuracy",
    "bias_probe_accuracy": "linear probe",
    "bias_mlp_probe_accuracy": "MLP probe",
    "bias_mlp_probe_information": "nats left (MLP)",
    "prediction_information": "nats of colour in the answers (test digits)",
}


def ablation_table(
    rows: dict[str, dict[str, object]],
    columns: dict[str, str],
    records: list[RunRecord],
    config_of: Callable[[dict[str, Any]], RunConfig] = ablations.config_of,
    precision: str | None = None,
) -> str:
    """One row a variant, in the order of ``rows`` and, where it has runs in both, in this precision; one not run has dashes."""
    groups = by_precision(records)
    lines = table_head("variant", *columns.values(), "n", "precision")
    for name, changes in rows.items():
        of_row = groups.get(config_of(changes).fingerprint(), {})
        found = of_precision(of_row, precision)
        cells = [*(cell(found, metric) for metric in columns), str(len(found)), precision_cell(of_row, precision)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def of_adversaries(metric: str, root: Path = ROOT) -> dict[str, dict[float, list[float]]]:
    """By row of the table of other adversaries and variance the values of its runs."""
    groups = by_precision(read_records(root / "results" / "ablations"))
    names = {name: forgetting.config_of(one).fingerprint() for name, one in forgetting.ADVERSARIES.items()}
    found = {row: of_precision(groups.get(name, {}), None) for row, name in names.items()}
    return {row: {forgetting.COLOR_VAR: [one.metrics[metric] for one in runs]} for row, runs in found.items()}


def choices_outside(records: list[RunRecord]) -> tuple[tuple[float, float], list[str]] | None:
    """Between which ends one more run of the reference would lie, and which choices lie outside; None without three runs.

    A choice with k runs is held against the mean of k more. Only runs in the reference's precision are compared.
    """
    groups = by_precision(records)
    known = {name: groups.get(ablations.config_of(changes).fingerprint(), {}) for name, changes in ablations.CHOICES.items()}
    precision = ablations.PRECISION["choices"]
    runs = known.pop(ablations.REFERENCE).get(precision, [])
    if len(runs) < FEWEST_RUNS:
        return None
    reference = [one.metrics["validation_accuracy"] for one in runs]
    of_its = {name: [one.metrics["validation_accuracy"] for one in found.get(precision, [])] for name, found in known.items()}
    return next_run(reference), [name for name, those in of_its.items() if those and _outside(those, reference)]


def _outside(values: list[float], reference: list[float]) -> bool:
    low, high = next_run(reference, runs=len(values))
    return not low <= fmean(values) <= high


def _choices_told(records: list[RunRecord]) -> str:
    found = choices_outside(records)
    if found is None:
        return f"The reference has fewer than {FEWEST_RUNS} runs, so how far its seeds scatter is not known."
    (low, high), outside = found
    named = f"Outside lie: {'; '.join(outside)}." if outside else "No other row lies outside."
    return (
        f"With 95 % one more run of the reference lies between {max(low, 0):.2f} and {min(high, 1):.2f} (Student's t). "
        f"{named} A row of k runs is held against the mean of k more; only rows in the reference's precision are compared."
    )


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    records = read_records(root / "results" / "ablations")
    choices = ablation_table(ablations.CHOICES, CHOICE_COLUMNS, records, precision=ablations.PRECISION["choices"])
    return {
        "places.md": ablation_table(ablations.PLACES, PLACE_COLUMNS, records, precision=ablations.PRECISION["places"]),
        "parts.md": ablation_table(ablations.PARTS, PART_COLUMNS, records),
        "choices.md": f"{choices}\n{_choices_told(records)}\n",
        "adversaries.md": ablation_table(forgetting.ADVERSARIES, ADVERSARY_COLUMNS, records, forgetting.config_of),
    }

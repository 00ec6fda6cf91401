"""The bias dial: what every method reaches at each variance of Figure 4, from the records, for ``dial.js`` and as a table.

Nothing is put between two variances that were measured, and what no run measured has no number.
"""

from pathlib import Path
from typing import Any

import numpy as np

from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.figures.leakage import nats_left
from lnl_core.runs.comparison import of_its_preset, results_table
from lnl_core.runs.records import RunRecord, read_records
from tools import ROOT
from tools.pages import group_numbers, search
from tools.pages.rows import where
from tools.studies.leakage import read_leakage

MEASURES = {
    "test_accuracy": ("Accuracy", 1.0),
    "worst_bias_accuracy": ("Worst colour", 1.0),
    "worst_group_accuracy": ("Worst cell, digit × colour", 1.0),
    "nats_left": ("Nats of the colour that a probe finds", float(np.log(10))),
}
"""What is shown, by metric: its words, and the largest value it can have."""

WHOLE, SMALL = "60,000 digits, preset short", "10,000 digits, six epochs, three seeds"
"""What the two settings are called."""

Values = dict[str, dict[str, dict[str, list[float]]]]
"""By measure, method and variance: a value a run."""


def records_of_rows(root: Path = ROOT) -> list[tuple[dict[str, Any], list[RunRecord]]]:
    """The rows of the results table of Figure 4, each with its records in the order of their seeds."""
    records = sorted(read_records(root / "results" / "runs"), key=lambda record: record.seed)
    mine = [one for one in where(records, experiment="colored_mnist") if of_its_preset(one)]
    found = []
    for row in results_table(folder=root / "results"):
        of_row = (row["method"], row["setting"], row["profile"], row["source"], row["precision"])
        said = [(one.method, one.setting, one.profile, one.data.get("source"), one.config["precision"]) for one in mine]
        found.append((row, [one for one, key in zip(mine, said, strict=True) if key == of_row]))
    return found


def values(root: Path = ROOT) -> Values:
    """Every measured value of Figure 4's runs, and the nats that the strongest probe of ``results/leakage`` finds."""
    found: Values = {measure: {} for measure in MEASURES}
    for row, records in records_of_rows(root):
        for measure in MEASURES:
            of_row = [round(value, 4) for value in group_numbers.values(measure, records, root)]
            if of_row:
                found[measure].setdefault(row["method"], {})[f"{row['color_var']:g}"] = of_row
    for model in read_leakage(root):
        nats = round(max(0.0, nats_left(model)["mean"]), 4)
        found["nats_left"].setdefault(model["method"], {}).setdefault(f"{model['color_var']:g}", []).append(nats)
    return found


def small_values(root: Path = ROOT) -> Values:
    """The same of all methods in the small setting, see :mod:`tools.pages.search`."""
    found: Values = {}
    for name, measure in search.METRICS.items():
        by_method = search.of_all(name, root)
        found[measure] = {
            method: {f"{color_var:g}": [round(one, 4) for one in runs] for color_var, runs in of.items()}
            for method, of in by_method.items()
        }
    return found


def of_both(root: Path = ROOT) -> dict[str, Values]:
    """By setting, the one that is shown first comes first."""
    return {WHOLE: values(root), SMALL: small_values(root)}


def data(colors: dict[str, str], root: Path = ROOT) -> dict[str, Any]:
    """What dial.js reads; ``colors`` are those of the figures, by method."""
    both = of_both(root)
    settings = [{"name": name, "measures": [_measure(one, of) for one, of in shown.items()]} for name, shown in both.items()]
    methods = {method: colors[method] for method in both[WHOLE]["test_accuracy"]}
    return {"color_vars": [f"{one:g}" for one in COLOR_VARS], "methods": methods, "settings": settings}


def _measure(name: str, of_methods: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    words, most = MEASURES[name]
    return {"name": words, "most": most, "values": of_methods}


def table(root: Path = ROOT) -> str:
    """A table a setting and measure, methods by variances: means over the runs, and how many there are where more than one."""
    parts = []
    for setting, shown in of_both(root).items():
        for measure, of in shown.items():
            head = "".join(f"<th scope='col'>{color_var:g}</th>" for color_var in COLOR_VARS)
            rows = [f"<tr><th scope='col'>method, at σ²</th>{head}</tr>"]
            for method in shown["test_accuracy"]:
                cells = (of.get(method, {}).get(f"{color_var:g}", []) for color_var in COLOR_VARS)
                rows.append(f"<tr><th scope='row'>{method}</th>" + "".join(f"<td>{_cell(runs)}</td>" for runs in cells) + "</tr>")
            caption = f"{MEASURES[measure][0]} ({setting})"
            parts.append(f'<table class="table"><caption>{caption}</caption>' + "\n".join(rows) + "</table>")
    return '<div class="pst-scrollable-table-container" tabindex="0">' + "".join(parts) + "</div>"


def _cell(runs: list[float]) -> str:
    if not runs:
        return "not measured"
    return f"{np.mean(runs):.3f}" + (f" (n = {len(runs)})" if len(runs) > 1 else "")

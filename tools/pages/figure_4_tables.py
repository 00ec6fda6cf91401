"""The tables beside Figure 4: what is reproduced, who pays for the bias, which grey, and what others found."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from lnl_core import methods
from lnl_core.config import preset
from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.runs.comparison import FEWEST_RUNS, agreement, difference_interval, paper_numbers, results_table, table_markdown
from lnl_core.runs.records import RunRecord, read_records
from tools import ROOT
from tools.pages import dial, group_numbers, longer, records as record_pages, settings_tried
from tools.pages.rows import by_configuration, cell, of_seeds, table_head, where
from tools.studies import ablations, longer as study_of_length

ALL_METHODS = tuple(methods.registered())


def record_table(root: Path = ROOT) -> str:
    """bias_balanced beside the published numbers on the same data, and beside a plain network on images without their colour."""
    folder = root / "results"
    published, plain = paper_numbers(folder=folder), by_configuration(read_records(folder / "ablations"))
    lines = table_head("σ²", "bias_balanced", "n", "LNL, published", "Gray, published", "plain network, channels divided")
    for row in where(results_table(folder=folder), method="bias_balanced"):
        named = (f"{published[method][row['color_var']]:.4f}" for method in ("lnl", "gray"))
        divided = plain.get(ablations.divided_config(row["color_var"]).fingerprint(), [])
        cells = (_with_deviation(row), row["n"], *named, _counted_cell(divided, missing="not measured"))
        lines.append(f"| {row['color_var']} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _with_deviation(row: dict[str, Any]) -> str:
    return f"{row['mean']:.4f}" + (f" ± {row['std']:.4f}" if row["std"] is not None else "")


USES = {
    "bias_balanced": (
        "the exact colour of each training image, a fitted model of p(y given b), resampling, affine and elastic maps; "
        f"{settings_tried.tried('bias_balanced')} settings tried"
    ),
    "longer": f"what bias_balanced may; {len(study_of_length.LENGTHS)} lengths and a weaned prior tried on top",
    "divided": "that one colour multiplies the channels of an image; no bias labels",
    "lnl": "bias labels: eight levels a colour channel",
    "gray": "that the bias is the colour",
}
"""What a method is told or does beyond images and digits."""
NOT_STATED = "not stated"


def others_table(root: Path = ROOT) -> str:
    """What was found at the smallest variance of Figure 4 on the same data, the highest first, with what each method may use."""
    folder, color_var = root / "results", study_of_length.COLOR_VAR
    paper = json.loads((folder / "paper.json").read_text(encoding="utf-8"))["experiments"]["colored_mnist"]
    rows = _ours_beside_others(root)
    for method, name in {"lnl": "LNL", "gray": "Gray"}.items():
        value = paper_numbers(folder=folder)[method][color_var]
        cited = f"{USES[method]} | {{cite:t}}`kim2019code`"
        rows.append((value, f"| {name}, published | {value:.4f} | {NOT_STATED} | {NOT_STATED} | {cited} |"))
    for other in paper["other_results"]:
        if other["comparable"] and other["setting"]["color_var"] == color_var:
            shown = ("around " if other.get("approximate") else "") + f"{other['value']:g}"
            shown += f" ± {other['std']:.4f}" if "std" in other else ""
            runs = other.get("runs", NOT_STATED)
            told = f"{other['uses']} | {{cite:t}}`{other['cite']}`: {other['note']}"
            rows.append((other["value"], f"| {other['label']} | {shown} | {NOT_STATED} | {runs} | {told} |"))
    head = table_head("method", f"accuracy at σ² = {color_var:g}", "worst cell", "runs", "what it may use", "where")
    return "\n".join([*head, *(line for _, line in sorted(rows, key=lambda row: -row[0]))]) + "\n"


def _ours_beside_others(root: Path) -> list[tuple[float, str]]:
    """Accuracy on test digits and the line: bias_balanced of both lengths, and the plain network on images without their colour."""
    divided = ablations.divided_config(study_of_length.COLOR_VAR).fingerprint()
    plain = by_configuration(read_records(root / "results" / "ablations")).get(divided, [])
    lengths = f"{study_of_length.chosen(root)} epochs in place of {study_of_length.LENGTHS[0]}"
    found = []
    for name, key, records in (
        ("bias_balanced, here, in colours drawn by us", "bias_balanced", longer.of_figure_4(root)),
        (f"bias_balanced, here, {lengths}", "longer", longer.chosen_runs(root)),
        (f"{ablations.DIVIDED}, no method, here", "divided", plain),
    ):
        if records:
            accuracies = [one.metrics["test_accuracy"] for one in records]
            worst = _counted_cell(records, "worst_group_accuracy", "not measured")
            cells = [f"{of_seeds(accuracies, 4)}", worst, str(len(records)), USES[key], record_pages.links(records, root)]
            found.append((float(np.mean(accuracies)), f"| {name} | {' | '.join(cells)} |"))
    return found


def agreement_table(root: Path = ROOT) -> str:
    """Each cell of Figure 4 with enough runs: the interval of its difference, and whether it agrees with the published number."""
    rows = [row for row in results_table(folder=root / "results") if row["published"] is not None]
    judged = [row for row in rows if row["n"] >= FEWEST_RUNS]
    lines = table_head("method", "σ²", "published", "ours", "n", "difference, 90 % interval", "verdict")
    for row in judged:
        low, high = difference_interval(row["values"], row["published"])
        numbers = f"{row['published']:.4f} | {row['mean']:.4f} | {row['n']} | {low:+.4f} to {high:+.4f}"
        lines.append(f"| {row['method']} | {row['color_var']:g} | {numbers} | {agreement(row['values'], row['published'])} |")
    few = len(rows) - len(judged)
    rest = f"The other {few} of the {len(rows)} published numbers have fewer than {FEWEST_RUNS} runs beside them: cannot say."
    return "\n".join(lines) + "\n\n" + (rest if few else f"These are all {len(rows)} published numbers.") + "\n"


GRAYSCALES = {"luminance": "luminance", "mean": "mean of the channels", "lightness": "lightness of HSL"}


def grayscale_table(root: Path = ROOT) -> str:
    """The method "gray" under each formula beside the published means; luminance is that of the presets."""
    folder = root / "results"
    published = paper_numbers(folder=folder)["gray"]
    groups = by_configuration(read_records(folder / "runs") + read_records(folder / "ablations"))
    lines = table_head("σ²", "published", *GRAYSCALES.values(), "records")
    for color_var in (0.02, 0.03, 0.05):
        configs = [preset("short", "gray", color_var=color_var, grayscale=kind) for kind in GRAYSCALES]
        cells = [_counted_cell(groups.get(config.fingerprint(), [])) for config in configs]
        found = any(config.fingerprint() in groups for config in configs)
        cells.append(record_pages.listed(f"colored_mnist-gray-{color_var:g}-", "all of gray") if found else "–")
        lines.append(f"| {color_var:g} | {published[color_var]:.4f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _counted_cell(records: list[RunRecord], metric: str = "test_accuracy", missing: str = "–") -> str:
    having = [record for record in records if metric in record.metrics]
    return f"{cell(having, metric)} (n = {len(having)})" if having else missing


GROUP_COLUMNS = {
    "test_accuracy": "accuracy",
    "worst_bias_accuracy": "worst colour",
    "worst_group_accuracy": "worst group, digit × colour",
    "bias_aligned_accuracy": "aligned",
    "bias_conflicting_accuracy": "conflicting",
}


def groups_table(root: Path = ROOT) -> str:
    """Who pays for the bias: accuracies on the parts of the test digits, of the runs of the profile short.

    The first table has a row a variance and method of which some run has a number of groups, so it grows with the records. The
    second has the worst colour, which all runs have, of every method at every variance.
    """
    stored = where(read_records(root / "results" / "runs"), experiment="colored_mnist", profile="short")
    cells: dict[tuple[float, str], list[list[RunRecord]]] = {}
    stored = [one for one in stored if one.data["source"] == "mnist"]
    for color_var, method in product(sorted({float(one.setting["color_var"]) for one in stored}), ALL_METHODS):
        found = by_configuration(where(stored, method=method, color_var=color_var))
        cells |= {(color_var, method): [*found.values()]} if found else {}
    first = table_head("σ²", "method", *GROUP_COLUMNS.values(), record_pages.HEAD)
    smallest, again = set(), False
    for (color_var, method), groups in cells.items():
        for records in groups:
            measured = group_numbers.measured(records, root)
            if not measured:
                continue
            held = {metric: measured if metric in group_numbers.OF_GROUPS else records for metric in GROUP_COLUMNS}
            values = [_counted_cell(of, metric, "not measured") for metric, of in held.items()]
            first.append(f"| {color_var:g} | {method} | {' | '.join(values)} | {group_numbers.links(records, root)} |")
            again |= any(one not in records for one in measured)
            smallest |= {one.metrics["smallest_group_size"] for one in measured if "smallest_group_size" in one.metrics}
    variances = list(dict.fromkeys(color_var for color_var, _ in cells))
    second = table_head("worst colour, σ² =", *(f"{value:g}" for value in variances))
    for method in sorted({method for _, method in cells}, key=ALL_METHODS.index):
        of_method = [cells.get((value, method), []) for value in variances]
        values = [" or ".join(_counted_cell(one, "worst_bias_accuracy", "not measured") for one in of) or "–" for of in of_method]
        second.append(f"| {record_pages.listed(f'runs/colored_mnist-{method}- short', method)} | {' | '.join(values)} |")
    parts = ["\n".join(first), f"The smallest group has {' or '.join(f'{size:.0f}' for size in sorted(smallest))} test digits."]
    if again:
        parts.append("*Again*: the columns of groups are of this seed trained again, the accuracy is that of its first run.")
    between = "Of a method without a row at a variance only the worst colour was measured. The worst colour of all:"
    return "\n\n".join([*(parts if smallest else parts[:1]), between, "\n".join(second)]) + "\n"


def of_groups(metric: str, root: Path = ROOT) -> dict[str, dict[float, list[float]]]:
    """By method and variance of Figure 4 a number of groups of every run that has it; an empty list where none has."""
    found: dict[str, dict[float, list[float]]] = {}
    for row, records in dial.records_of_rows(root):
        of_method = found.setdefault(row["method"], {value: [] for value in COLOR_VARS})
        of_method[row["color_var"]] = group_numbers.values(metric, records, root)
    return found


def figure_4_table(root: Path = ROOT) -> str:
    """A row a method and variance, beside the published number, with how much was tried for the method."""
    rows = results_table(folder=root / "results")
    counts = [settings_tried.tried(row["method"]) for row in rows]
    return record_pages.with_column(table_markdown(rows), counts, settings_tried.HEAD) + "\n"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {
        "figure_4.md": figure_4_table(root),
        "agreement.md": agreement_table(root),
        "groups.md": groups_table(root),
        "record.md": record_table(root),
        "others.md": others_table(root),
        "grayscale.md": grayscale_table(root),
    }

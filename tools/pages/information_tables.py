"""The tables of what the bias leaves open, and of mutual information backpropagation."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lnl_core import methods
from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.information.limit import unbiased_accuracy
from lnl_core.runs.comparison import results_table
from lnl_core.runs.records import RunRecord, read_record, read_records
from tools import ROOT
from tools.pages import records as record_pages
from tools.pages.rows import grouped, spread, table_head, where
from tools.studies import limit, mi_cost, under_limit


def limit_table(root: Path = ROOT) -> str:
    """What the colour leaves open at each variance, and the accuracy that goes with it."""
    found = limit.read_limit(root)
    fine, coarse = (str(count) for count in sorted(found["settings"]["levels"], reverse=True))
    best = ("accuracy at most, in training", "on the unbiased test")
    names = ("σ²", "H(Y given B)", "standard error", "I(Y;B)", *best, f"H, {fine} levels", f"H, {coarse} levels")
    lines = table_head(*names)
    for row in found["rows"]:
        cells = (
            f"{row['color_var']:g}",
            f"{row['entropy']:.5f}",
            f"{row['standard_error']:.0e}" if row["standard_error"] else "exact",
            f"{row['information']:.5f}",
            f"{row['accuracy']:.4f}",
            f"{unbiased_accuracy(row['accuracy']):.4f}",
            f"{row['by_levels'][fine]:.5f}",
            f"{row['by_levels'][coarse]:.5f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    settings = found["settings"]
    how = f"{settings['repeats']} scramblings of {settings['points']} Sobol points a class, seed {settings['seed']}."
    return "\n".join(lines) + f"\n\nNats. {how}\n"


def limit_methods_table(root: Path = ROOT) -> str:
    """Each method beside the limit: accuracy on painted digits, the nats that it proves, accuracy on unbiased digits."""
    limits = {row["color_var"]: row["accuracy"] for row in limit.read_limit(root)["rows"]}
    named = ("accuracy, painted as in training", "nats of colour this proves at 95 %", "accuracy, unbiased")
    names = ("σ²", "limit", "method", *named, "n", record_pages.HEAD)
    lines = table_head(*names)
    groups, order = grouped(under_limit.read_measured(root), "color_var", "method"), tuple(methods.registered())
    for (color_var, method), runs in sorted(groups.items(), key=lambda item: (-item[0][0], order.index(item[0][1]))):
        cells = [spread([{"value": run[key]} for run in runs]) for key in ("painted_accuracy", "proved_leak", "test_accuracy")]
        cells += [str(len(runs)), record_pages.links_of_measured(({**run, "record": run["run"]} for run in runs), root)]
        lines.append(f"| {color_var:g} | {limits[color_var]:.3f} | {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def mi_backprop_table(root: Path = ROOT) -> str:
    """mi_backprop beside baseline and lnl, what a figure of others shows, and how near its bound came to the least possible."""
    rows = {(row["method"], row["color_var"]): row for row in results_table(folder=root / "results")}
    stored = read_records(root / "results" / "ablations")
    mine = [one for one in where(stored, method="mi_backprop") if one.config["mi_weight"] > 0]
    theirs = _by_variance(where(mine, network="ragonesi"))
    control = _by_variance(where(stored, method="mi_backprop", network=None, mi_weight=0.0))
    least = _least(root)
    measured = [run["last_epoch"] | run for run in where(under_limit.read_measured(root), method="mi_backprop")]
    ends = {run["color_var"]: run for run in sorted(measured, key=lambda run: -run["seed"]) if run["bound"] is not None}  # seed 0's
    readings = _readings(root)
    names = (
        *("σ²", "baseline", "lnl", "here", "with λ = 0", "own network"),
        *("bound, last epoch", "least", "figure: base", "figure: BackMI", "records"),
    )
    lines = table_head(*names)
    for color_var in COLOR_VARS:
        cells = [_accuracy(rows.get((method, color_var))) for method in ("baseline", "lnl", "mi_backprop")]
        cells += [control.get(color_var, "–"), theirs.get(color_var, "–")]
        end = ends.get(color_var)
        cells += ["–", "–"] if end is None else [f"{end['bound']:.2f}", f"{least(color_var, end['label_loss']):.2f}"]
        cells += [f"{readings[method, color_var]:.3f}" for method in ("baseline", "mi_backprop")]
        found = rows.get(("mi_backprop", color_var)) or theirs.get(color_var)
        cells.append(record_pages.listed(f"colored_mnist-mi_backprop-{color_var:g}-", "runs") if found else "–")
        lines.append(f"| {color_var:g} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _least(root: Path) -> Callable[[float, float], float]:
    """From variance and label loss to the nats of I(Z;C) that features with that loss have at least, log 10 - L_c - H(Y|C)."""
    open_labels = {row["color_var"]: row["by_levels"]["8"] for row in limit.read_limit(root)["rows"]}
    return lambda color_var, label_loss: math.log(10) - label_loss - float(open_labels[color_var])


def mi_backprop_network_table(root: Path = ROOT) -> str:
    """mi_backprop with its authors' network, and without its second step: accuracy, bound, the least, what probes read."""
    stored = [
        (run["last_epoch"], read_record(root / "results" / "ablations" / f"{run['run']}.json"))
        for run in under_limit.read_measured(root, other_networks=True)
    ]
    least = _least(root)
    names = ("σ²", "λ", "accuracy", "bound, last epoch", "least", "colour named by a fresh MLP", "its nats", record_pages.HEAD)
    lines = table_head(*names)
    for end, one in sorted(stored, key=lambda both: (both[1].config["color_var"], -both[1].config["mi_weight"])):
        color_var = one.config["color_var"]
        numbers = (
            (one.metrics["test_accuracy"], 3),
            (end["bound"], 2),
            (least(color_var, end["label_loss"]), 2),
            (one.metrics["bias_mlp_probe_accuracy"], 3),
            (one.metrics["bias_mlp_probe_information"], 2),
        )
        cells = " | ".join("–" if number is None else f"{number:.{digits}f}" for number, digits in numbers)
        lines.append(f"| {color_var:g} | {one.config['mi_weight']:g} | {cells} | {record_pages.links([one], root)} |")
    return "\n".join(lines) + "\n"


def mi_cost_table(root: Path = ROOT) -> str:
    """What an epoch of mi_backprop with K = 40 costs in epochs of lnl, a row a variant and a column a device."""
    stored = mi_cost.read_costs(root)
    if not stored:
        return "Nothing has been measured yet.\n"
    devices = [f"{one['provenance']['device']} ({one['repeats']} rounds)" for one in stored]
    lines = table_head("K = 40, in epochs of lnl", *devices)
    for name in dict.fromkeys(name for one in stored for name in one["costs"]):
        lines.append(f"| {name} | " + " | ".join(f"{one['costs'][name]:.1f}" for one in stored) + " |")
    return "\n".join(lines) + "\n"


def _readings(root: Path) -> dict[tuple[str, float], float]:
    """What was read off a figure, another protocol than ours, by method and variance."""
    found = json.loads((root / "results" / "paper.json").read_text(encoding="utf-8"))["figure_readings"]["colored_mnist"]["results"]
    return {(row["method"], row["setting"]["color_var"]): row["value"] for row in found}


def _by_variance(records: list[RunRecord]) -> dict[float, str]:
    """Test accuracy, mean and standard deviation over seeds, by variance."""
    groups = grouped([{**record.setting, "value": record.metrics["test_accuracy"]} for record in records], "color_var")
    return {color_var: spread(runs) for (color_var,), runs in groups.items()}


def _accuracy(row: dict[str, Any] | None) -> str:
    if row is None or row["mean"] is None:
        return "–"
    return f"{row['mean']:.3f}" + (f" ± {row['std']:.3f}" if row["n"] > 1 else "")


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {
        "limit.md": limit_table(root),
        "limit_methods.md": limit_methods_table(root),
        "mi_backprop_network.md": mi_backprop_network_table(root),
        "mi_cost.md": mi_cost_table(root),
        "mi_backprop.md": mi_backprop_table(root),
    }

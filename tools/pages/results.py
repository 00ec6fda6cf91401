"""Tables, figures and numbers of the book's pages, made again from the run records: ``make results``.

python -m tools.pages.results            write book/results/* and the bound numbers of book/*.md
python -m tools.pages.results --check    write nothing; fail if anything is not what the records say
"""

import argparse
import json
import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lnl_core import figures, methods
from lnl_core._files import write_atomically, write_json
from lnl_core.config import RunConfig, preset
from lnl_core.evaluation import Interval
from lnl_core.evaluation.fairness import UNLEARNING, chosen
from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.figures import fairness as fairness_figures, information as information_figures, leakage as leak_figures
from lnl_core.information.limit import unbiased_accuracy
from lnl_core.networks import digit_network
from lnl_core.runs.bench import roofline, roofline_markdown
from lnl_core.runs.comparison import (
    FEWEST_RUNS,
    agreement,
    difference_interval,
    next_run,
    paper_numbers,
    results_table,
    table_markdown,
)
from lnl_core.runs.records import RunRecord, read_record, read_records
from tools import ROOT, write_if_changed
from tools.pages import (
    choosing,
    confidence,
    dial,
    digit_exceptions,
    drawn,
    explorables,
    fresh_h,
    hyperparameters,
    last_layer,
    leak_tables,
    look_alikes,
    moved,
    numbers,
    pretrained,
    pretrained_faces,
    records as record_pages,
    released,
    search,
    which_method,
)
from tools.pages.drawn import Drawing
from tools.pages.rows import of_seeds, table_head, where
from tools.pipes import while_read
from tools.studies import ablations, estimators, fairness, forgetting, limit, mi_cost, under_limit
from tools.studies.maps import read_maps

ALL_METHODS = tuple(methods.registered())

_NOTE = "<!-- written by `make results` from the run records; edits are lost -->\n\n"


def _by_configuration(records: list[RunRecord]) -> dict[str, list[RunRecord]]:
    """Records that differ in nothing but the seed, by the fingerprint of seed 0."""
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        config = record.run_config()
        groups.setdefault(type(config).from_dict({**config.to_dict(), "seed": 0}).fingerprint(), []).append(record)
    return groups


def _cell(records: list[RunRecord], metric: str) -> str:
    return of_seeds([record.metrics[metric] for record in records if metric in record.metrics])


GRAYSCALES = {"luminance": "luminance", "mean": "mean of the channels", "lightness": "lightness of HSL"}
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
CHOICE_COLUMNS = {
    "validation_accuracy": "accuracy",
    "bias_mlp_probe_accuracy": "probe of everything",
    "prediction_information": "nats of colour in the answers (test digits)",
}


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
) -> str:
    """One row a variant, in the order of ``rows``; a variant that has not been run has dashes."""
    groups = _by_configuration(records)
    lines = table_head("variant", *columns.values(), "n")
    for name, changes in rows.items():
        found = groups.get(config_of(changes).fingerprint(), [])
        lines.append(f"| {name} | " + " | ".join(_cell(found, metric) for metric in columns) + f" | {len(found)} |")
    return "\n".join(lines) + "\n"


def choices_outside(records: list[RunRecord]) -> tuple[tuple[float, float], list[str]] | None:
    """Between which ends a fourth run of the reference would lie, and the choices with a mean outside; None without three runs."""
    groups = _by_configuration(records)
    means = {
        name: [one.metrics["validation_accuracy"] for one in groups.get(ablations.config_of(changes).fingerprint(), [])]
        for name, changes in ablations.CHOICES.items()
    }
    reference = means.pop(ablations.REFERENCE)
    if len(reference) < FEWEST_RUNS:
        return None
    low, high = next_run(reference)
    return (low, high), [name for name, those in means.items() if those and not low <= sum(those) / len(those) <= high]


def _choices_told(records: list[RunRecord]) -> str:
    found = choices_outside(records)
    if found is None:
        return f"The reference has fewer than {FEWEST_RUNS} runs, so how far its seeds scatter is not known."
    (low, high), outside = found
    named = f"Outside lie: {'; '.join(outside)}." if outside else "No other row lies outside."
    return (
        f"With 95 % a fourth run of the reference lies between {max(low, 0):.2f} and {min(high, 1):.2f} (Student's t, of its three "
        f"runs). {named}"
    )


def record_table(root: Path = ROOT) -> str:
    """bias_balanced beside the published numbers on the same data, at the variances where it has records."""
    folder = root / "results"
    published = paper_numbers(folder=folder)
    lines = table_head("σ²", "bias_balanced", "n", "LNL, published", "Gray, published")
    for row in where(results_table(folder=folder), method="bias_balanced"):
        named = (f"{published[method][row['color_var']]:.4f}" for method in ("lnl", "gray"))
        lines.append(f"| {row['color_var']} | {_with_deviation(row)} | {row['n']} | {' | '.join(named)} |")
    return "\n".join(lines) + "\n"


def _with_deviation(row: dict[str, Any]) -> str:
    return f"{row['mean']:.4f}" + (f" ± {row['std']:.4f}" if row["std"] is not None else "")


USES = {
    "bias_balanced": "the exact colour of each training image, a fitted model of p(y given b), resampling, affine and elastic maps",
    "lnl": "bias labels: eight levels a colour channel",
    "gray": "that the bias is the colour",
}
"""What a method is told or does beyond images and digits."""


def others_table(root: Path = ROOT) -> str:
    """What was found at the smallest variance of Figure 4 on the same data, the highest first, with what each method may use."""
    folder, color_var = root / "results", COLOR_VARS[0]
    paper = json.loads((folder / "paper.json").read_text(encoding="utf-8"))["experiments"]["colored_mnist"]
    rows: list[tuple[float, str]] = []
    for row in where(results_table(folder=folder), method="bias_balanced", color_var=color_var):
        name = "bias_balanced, here, in colours drawn by us"
        found = record_pages.listed(f"runs/ bias_balanced-{color_var:g}-", "its records")
        rows.append((row["mean"], f"| {name} | {_with_deviation(row)} | {row['n']} | {USES['bias_balanced']} | {found} |"))
    for method, name in {"lnl": "LNL", "gray": "Gray"}.items():
        value = paper_numbers(folder=folder)[method][color_var]
        cited = f"{USES[method]} | {{cite:t}}`kim2019code`"
        rows.append((value, f"| {name}, published | {value:.4f} | not stated | {cited} |"))
    for other in paper["other_results"]:
        if other["comparable"] and other["setting"]["color_var"] == color_var:
            shown = ("around " if other.get("approximate") else "") + f"{other['value']:g}"
            shown += f" ± {other['std']:.4f}" if "std" in other else ""
            runs = other.get("runs", "not stated")
            told = f"{other['uses']} | {{cite:t}}`{other['cite']}`: {other['note']}"
            rows.append((other["value"], f"| {other['label']} | {shown} | {runs} | {told} |"))
    head = table_head("method", f"accuracy at σ² = {color_var:g}", "runs", "what it may use", "where")
    return "\n".join([*head, *(line for _, line in sorted(rows, key=lambda row: -row[0]))]) + "\n"


def agreement_table(root: Path = ROOT) -> str:
    """Each cell of Figure 4 with enough runs: the interval of its difference, and whether it agrees with the published number."""
    rows = [row for row in results_table(folder=root / "results") if row["published"] is not None]
    judged = [row for row in rows if row["n"] >= FEWEST_RUNS]
    lines = table_head("method", "σ²", "published", "ours", "n", "difference, 90 % interval", "verdict")
    for row in judged:
        low, high = difference_interval(row["values"], row["published"])
        numbers = f"{row['published']:.4f} | {row['mean']:.4f} | {row['n']} | {low:+.4f} to {high:+.4f}"
        lines.append(f"| {row['method']} | {row['color_var']:g} | {numbers} | {agreement(row['values'], row['published'])} |")
    few = f"The other {len(rows) - len(judged)} of the {len(rows)} published numbers have fewer than {FEWEST_RUNS} runs beside them"
    return "\n".join(lines) + f"\n\n{few}: cannot say.\n"


def grayscale_table(root: Path = ROOT) -> str:
    """The method "gray" under each formula beside the published means; luminance is that of the presets."""
    folder = root / "results"
    published = paper_numbers(folder=folder)["gray"]
    groups = _by_configuration(read_records(folder / "runs") + read_records(folder / "ablations"))
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
    return f"{_cell(having, metric)} (n = {len(having)})" if having else missing


GROUP_COLUMNS = {
    "test_accuracy": "accuracy",
    "worst_bias_accuracy": "worst colour",
    "worst_group_accuracy": "worst group, digit × colour",
    "bias_aligned_accuracy": "aligned",
    "bias_conflicting_accuracy": "conflicting",
}


def groups_table(root: Path = ROOT) -> str:
    """Who pays for the bias: accuracies on the parts of the test digits, of the runs of the profile short at two variances."""
    lines = table_head("σ²", "method", *GROUP_COLUMNS.values(), record_pages.HEAD)
    smallest = set()
    stored = where(read_records(root / "results" / "runs"), experiment="colored_mnist", profile="short")
    for color_var in (0.02, 0.03):
        for method in ALL_METHODS:
            wanted = where(stored, method=method, color_var=color_var)
            for records in _by_configuration([one for one in wanted if one.data["source"] == "mnist"]).values():
                cells = [_counted_cell(records, metric, "not measured") for metric in GROUP_COLUMNS]
                cells.append(record_pages.links(records, root))
                lines.append(f"| {color_var:g} | {method} | {' | '.join(cells)} |")
                smallest |= {one.metrics["smallest_group_size"] for one in records if "smallest_group_size" in one.metrics}
    sizes = " or ".join(f"{size:.0f}" for size in sorted(smallest))
    return "\n".join(lines) + "\n" + (f"\nThe smallest group has {sizes} test digits.\n" if smallest else "")


def _spread(runs: list[dict[str, Any]]) -> str:
    """Mean and standard deviation over seeds; runs that diverged are counted and left out."""
    values = [run["value"] for run in runs if run["value"] is not None]
    lost = f" ({len(runs) - len(values)} diverged)" if len(values) < len(runs) else ""
    return f"{of_seeds(values)}{lost}"


def _grouped(runs: list[dict[str, Any]], *keys: str) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault(tuple(run[key] for key in keys), []).append(run)
    return groups


def _settings(found: dict[str, Any]) -> str:
    """One sentence on how the runs were made."""
    settings, critic, origin = found["settings"], found["settings"]["critic"], found["provenance"]
    batch = critic["batch_size"]
    commit = f" Commit {origin['commit'][:7]}, {origin['seconds']:.0f} s." if origin.get("commit") else ""
    return (
        f"{len(settings['seeds'])} seeds. KSG with {settings['neighbors']} neighbours. Critics: two hidden layers of "
        f"{critic['hidden']}, {critic['steps']} steps of {batch} pairs (log {batch} = {math.log(batch):.3f}), "
        f"{critic['test_share']:.0%} of the pairs held out.{commit}\n"
    )


ESTIMATORS = {"ksg": "KSG", "donsker_varadhan": "DV", "mine": "MINE", "nwj": "NWJ", "info_nce": "InfoNCE", "club": "CLUB"}


def estimators_table(root: Path = ROOT) -> str:
    """One row a kind of normal pairs, one column an estimator."""
    found = estimators.read_runs(root)
    lines = table_head("dimensions", "pairs", "exact", *ESTIMATORS.values(), "CLUB, true q")
    for (kind, dimensions, size, exact), runs in _grouped(found["normal"], "kind", "dimensions", "size", "exact").items():
        cells = [_spread([run for run in runs if run["estimator"] == name]) for name in ESTIMATORS]
        best = dimensions * math.expm1(2 * exact / dimensions)
        pairs = f"{size}, shuffled" if kind == "shuffled" else str(size)
        lines.append(f"| {dimensions} | {pairs} | {exact:.3f} | {' | '.join(cells)} | {best:.3f} |")
    return "\n".join(lines) + "\n\n" + _settings(found)


COUNTS = {"plug_in": "counted", "miller_madow": "counted and corrected"}
READERS = {"linear": "linear probe", "mlp": "probe with a hidden layer"}


def counts_table(root: Path = ROOT) -> str:
    """Counting on samples of tables that are known."""
    found = estimators.read_labels(root)
    lines = table_head("classes", "pairs", "exact", *COUNTS.values())
    for (classes, size, exact), runs in _grouped(found["tables"], "classes", "size", "exact").items():
        cells = [_spread([run for run in runs if run["estimator"] == name]) for name in COUNTS]
        lines.append(f"| {classes} | {size} | {exact:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n" + _drawn(found, "tables")


def probes_table(root: Path = ROOT) -> str:
    """The bound of a probe on features whose information is known."""
    found = estimators.read_labels(root)
    lines = table_head("dimensions", "examples", "exact", *READERS.values())
    for (kind, dimensions, size, exact), runs in _grouped(found["features"], "kind", "dimensions", "size", "exact").items():
        cells = [_spread([run for run in runs if run["estimator"] == name]) for name in READERS]
        examples = f"{size}, shuffled" if kind == "shuffled" else str(size)
        lines.append(f"| {dimensions} | {examples} | {exact:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n" + _drawn(found, "features")


def _drawn(found: dict[str, Any], part: str) -> str:
    commit = f" Commit {found['provenance']['commit'][:7]}." if found["provenance"].get("commit") else ""
    return f"Nats, mean and standard deviation over {len(found['settings'][part]['seeds'])} samples.{commit}\n"


def parity_table(root: Path = ROOT) -> str:
    """Readers of features that show a bit and of features that hold it as a parity."""
    found = estimators.read_runs(root)
    readers = {
        "bilinear critic": ("donsker_varadhan", "bilinear"),
        "trained critic": ("donsker_varadhan", "mlp"),
        "linear probe": ("probe", "linear"),
        "probe with a hidden layer": ("probe", "mlp"),
    }
    names = {"shown": "$(B, U)$", "parity": "$(U, UB)$"}
    lines = table_head("features", "exact", *readers)
    for (kind, exact), runs in _grouped(found["parity"], "kind", "exact").items():
        cells = [_spread([run for run in runs if (run["estimator"], run["reader"]) == reader]) for reader in readers.values()]
        lines.append(f"| {names[kind]} | {exact:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


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
    groups = _grouped(under_limit.read_measured(root), "color_var", "method")
    for (color_var, method), runs in sorted(groups.items(), key=lambda item: (-item[0][0], ALL_METHODS.index(item[0][1]))):
        cells = [_spread([{"value": run[key]} for run in runs]) for key in ("painted_accuracy", "proved_leak", "test_accuracy")]
        cells += [str(len(runs)), record_pages.links_of_runs((run["run"] for run in runs), root)]
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
    ends = {run["color_var"]: run for run in measured if run["bound"] is not None}
    readings = _readings(root)
    names = (
        *("σ²", "baseline", "lnl", "mi_backprop, network of Kim et al.", "the same with λ = 0", "mi_backprop, their network"),
        *("bound, last epoch", "least", "a figure of others: base", "and BackMI", "records"),
    )
    lines = table_head(*names)
    for color_var in COLOR_VARS:
        cells = [_accuracy(rows.get((method, color_var))) for method in ("baseline", "lnl", "mi_backprop")]
        cells += [control.get(color_var, "–"), theirs.get(color_var, "–")]
        end = ends.get(color_var)
        cells += ["–", "–"] if end is None else [f"{end['bound']:.2f}", f"{least(color_var, end['label_loss']):.2f}"]
        cells += [f"{readings[method, color_var]:.3f}" for method in ("baseline", "mi_backprop")]
        found = ("mi_backprop", color_var) in rows or color_var in theirs
        cells.append(record_pages.listed(f"colored_mnist-mi_backprop-{color_var:g}-", "mi_backprop") if found else "–")
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
    groups = _grouped([{**record.setting, "value": record.metrics["test_accuracy"]} for record in records], "color_var")
    return {color_var: _spread(runs) for (color_var,), runs in groups.items()}


def _accuracy(row: dict[str, Any] | None) -> str:
    if row is None or row["mean"] is None:
        return "–"
    return f"{row['mean']:.3f}" + (f" ± {row['std']:.3f}" if row["n"] > 1 else "")


FAIRNESS_COLUMNS = {
    "test_accuracy": "accuracy",
    "test_balanced_accuracy": "balanced accuracy",
    "test_demographic_parity_difference": "parity difference",
    "test_equalized_odds_difference": "odds difference",
    "bias_mlp_probe_information": "leakage, MLP probe",
}
_FAIRNESS_ROWS = ("baseline", *UNLEARNING, "leace", "logistic", "reduction_dp", "reduction_eo", "threshold_dp", "threshold_eo")
CRITERIA = {"demographic_parity_difference": "demographic parity", "equalized_odds_difference": "equalised odds"}


def fairness_rows(found: dict[str, list[RunRecord]], criterion: str) -> dict[str, list[RunRecord]]:
    """By method the record of each seed that validation rows choose; where a method has weights, weight 0 is one of them."""
    rows: dict[str, list[RunRecord]] = {}
    for method in _FAIRNESS_ROWS:
        start = "logistic" if method.startswith("reduction") else "baseline" if method in UNLEARNING else method
        for seed in sorted({record.seed for record in found.get(method, [])}):
            candidates = [r for name in dict.fromkeys((start, method)) for r in found.get(name, []) if r.seed == seed]
            rows.setdefault(method, []).append(chosen(candidates, criterion))
    return rows


def fairness_table(task: str, root: Path = ROOT) -> str:
    """One row a method, chosen once by each criterion: means over the seeds with half of their 95 % intervals."""
    found = fairness.read_task(task, root / "results" / "fairness")
    lines = []
    for criterion, name in CRITERIA.items():
        lines += [f"**Setting chosen by {name}**", "", "| method | " + " | ".join(FAIRNESS_COLUMNS.values()) + " | n |"]
        lines.append("|---" * (len(FAIRNESS_COLUMNS) + 2) + "|")
        rows = fairness_rows(found, criterion)
        for method in _FAIRNESS_ROWS:
            records = rows.get(method, [])
            cells = " | ".join(_interval_cell(records, metric) for metric in FAIRNESS_COLUMNS)
            lines.append(f"| {fairness_figures.NAMES.get(method, method)} | {cells} | {len(records)} |")
        lines.append("")
    return "\n".join(lines)


def _interval_cell(records: list[RunRecord], metric: str) -> str:
    values = [record.metrics[metric] for record in records if metric in record.metrics]
    if not values:
        return "–"
    found = Interval.of(values)
    return f"{found.mean:.3f} ± {found.high - found.mean:.3f}"


def _pareto(task: str, root: Path) -> Drawing:
    found = fairness.read_task(task, root / "results" / "fairness")
    train_set, protected = fairness.TASKS[task]
    title = f"{train_set.capitalize()}, {protected} forgotten: what each method pays in accuracy, test rows"
    return partial(fairness_figures.pareto, {method: found[method] for method in _FAIRNESS_ROWS if method in found}, title)


def _estimators_drawing(root: Path) -> Drawing:
    runs = [
        run | {"estimator": ESTIMATORS[run["estimator"]]} for run in estimators.read_runs(root)["normal"] if run["kind"] == "grid"
    ]
    return partial(information_figures.estimator_errors, runs)


def tables(root: Path = ROOT) -> dict[str, str]:
    """Every generated table by file name, with the commands that make it in its last line."""
    ablation_records = read_records(root / "results" / "ablations")
    texts = {
        "figure_4.md": table_markdown(results_table(folder=root / "results")) + "\n",
        "agreement.md": agreement_table(root),
        "groups.md": groups_table(root),
        "record.md": record_table(root),
        "others.md": others_table(root),
        "grayscale.md": grayscale_table(root),
        "places.md": ablation_table(ablations.PLACES, PLACE_COLUMNS, ablation_records),
        "parts.md": ablation_table(ablations.PARTS, PART_COLUMNS, ablation_records),
        "estimators.md": estimators_table(root),
        "counts.md": counts_table(root),
        "probes.md": probes_table(root),
        "parity.md": parity_table(root),
        "limit.md": limit_table(root),
        "limit_methods.md": limit_methods_table(root),
        "mi_backprop_network.md": mi_backprop_network_table(root),
        "mi_cost.md": mi_cost_table(root),
        "mi_backprop.md": mi_backprop_table(root),
        "fairness_adult.md": fairness_table("adult-sex", root),
        "fairness_german.md": fairness_table("german-age", root),
        "choices.md": f"{ablation_table(ablations.CHOICES, CHOICE_COLUMNS, ablation_records)}\n{_choices_told(ablation_records)}\n",
        "fooled.md": leak_tables.fooled_table(root),
        "said.md": leak_tables.said_table(root),
        "left.md": leak_tables.left_table(root),
        "erased.md": leak_tables.erased_table(root),
        "roofline.md": roofline_markdown(roofline(digit_network())) + "\n",
        "adversaries.md": ablation_table(forgetting.ADVERSARIES, ADVERSARY_COLUMNS, ablation_records, forgetting.config_of),
    }
    texts |= {"which_method.md": which_method.which_method_table(root), "must_know.md": which_method.must_know_table()}
    texts |= {"which_method_small.md": which_method.small_table(root)}
    texts |= {"confidence.md": confidence.confidence_table(root), "hyperparameters.md": hyperparameters.tables()}
    texts |= {"choosing.md": choosing.choosing_table(root), "choosing_settings.md": choosing.settings_table()}
    texts |= {"search.md": search.accuracy_table(root), "search_tried.md": search.tried_table(root)}
    texts |= {"search_ranks.md": search.ranks_table(root)}
    texts |= {"fresh_h.md": fresh_h.fresh_h_table(root)}
    texts |= {"last_layer.md": last_layer.last_layer_table(root)}
    texts |= {"pretrained.md": pretrained.pretrained_table(root), "pretrained_search.md": pretrained.search_table(root)}
    texts |= {"pretrained_faces.md": pretrained_faces.faces_table(root)}
    texts |= {"pretrained_faces_search.md": pretrained_faces.search_table(root)}
    texts |= {"moved.md": moved.moved_table(root)}
    texts |= {"digit_exceptions.md": digit_exceptions.dial_table(root)}
    texts |= {"look_alikes.md": look_alikes.look_alikes_table(root)}
    texts |= {"released.md": released.released_table(root)}
    texts |= {"pretrained_frozen.md": pretrained.freezing_table(root), "exceptions.md": pretrained.exceptions_table(root)}
    for name, cells in _record_links(root).items():
        texts[name] = record_pages.with_column(texts[name], cells)
    return {name: f"{_NOTE}{text.rstrip()}\n\n{made_by(name)}\n" for name, text in texts.items()}


def _record_links(root: Path) -> dict[str, list[str]]:
    """The links of each row to its records, of the tables whose rows are runs, by file name."""
    rows = dial.records_of_rows(root)
    judged = [found for row, found in rows if row["published"] is not None and row["n"] >= FEWEST_RUNS]
    by_configuration = _by_configuration(read_records(root / "results" / "ablations"))
    links = {
        "figure_4.md": [found for _, found in rows],
        "agreement.md": judged,
        "record.md": [found for row, found in rows if where([row], method="bias_balanced")],
    }
    for name, variants in {**ablations.TABLES, "adversaries": forgetting.ADVERSARIES}.items():
        config_of = forgetting.config_of if name == "adversaries" else ablations.config_of
        links[f"{name}.md"] = [by_configuration.get(config_of(one).fingerprint(), []) for one in variants.values()]
    for task in fairness.TASKS:
        stored = fairness.read_task(task, root / "results" / "fairness")
        both = (fairness_rows(stored, criterion) for criterion in CRITERIA)
        links[f"fairness_{task.partition('-')[0]}.md"] = [rows.get(method, []) for rows in both for method in _FAIRNESS_ROWS]
    return {name: [record_pages.links(found, root) for found in of_table] for name, of_table in links.items()}


MADE_BY: dict[str, tuple[str, ...]] = {
    "figure_4": ("figure_4",),
    "agreement": ("figure_4",),
    "groups": ("figure_4", "groups"),
    "record": ("figure_4",),
    "others": ("figure_4",),
    "grayscale": ("figure_4", "grayscale"),
    "places": ("ablations", "maps"),
    "parts": ("ablations",),
    "choices": ("ablations",),
    "moved": ("ablations",),
    "estimators": ("estimators",),
    "parity": ("estimators",),
    "counts": ("labels",),
    "probes": ("labels",),
    "limit": ("limit",),
    "limit_methods": ("figure_4", "no_variance", "limit", "under_limit"),
    "mi_backprop": ("figure_4", "their_network", "without_second_step", "limit", "under_limit"),
    "mi_backprop_network": ("their_network", "limit", "under_limit"),
    "mi_cost": ("mi_cost",),
    "fairness_adult": ("fairness",),
    "fairness_german": ("fairness",),
    "fooled": ("figure_4", "leakage"),
    "said": ("figure_4", "leakage"),
    "left": ("figure_4", "leakage"),
    "erased": ("figure_4", "leakage"),
    "leak_training": ("courses",),
    "adversaries": ("adversaries",),
    "which_method": ("newer",),
    "which_method_small": ("search", "newer_small"),
    "must_know": (),
    "last_layer": ("last_layer",),
    "choosing": ("choosing",),
    "choosing_settings": (),
    "search": ("search",),
    "search_tried": ("search",),
    "search_ranks": ("search",),
    "fresh_h": ("fresh_h",),
    "confidence": ("confidence",),
    "reliability": ("confidence",),
    "pretrained": ("pretrained",),
    "pretrained_search": ("pretrained",),
    "pretrained_frozen": ("pretrained", "freezing"),
    "exceptions": ("pretrained", "exceptions"),
    "pretrained_faces": ("pretrained_faces",),
    "pretrained_faces_search": ("pretrained_faces",),
    "answers_faces": ("pretrained_faces", "answers"),
    "answers_dogs_cats": ("pretrained", "answers"),
    "released": ("released",),
    "digit_exceptions": ("search", "digit_exceptions"),
    "look_alikes": ("search", "look_alikes"),
    "roofline": (),
    "hyperparameters": (),
}
"""The studies behind each table and figure, by the name of its file without suffix, in the order in which they are run."""


def made_by(name: str) -> str:
    """By which commands a table or figure is made; what is computed from the code alone is made by ``make results``."""
    commands = [f"`python -m tools.studies {study}`" for study in MADE_BY[name.partition(".")[0]]] or ["`make results`"]
    return f"Made by {' and '.join(filter(None, (', '.join(commands[:-1]), commands[-1])))}."


MESSAGES = {
    "figure_4": "Accuracy grows as the bias weakens, published and ours",
    "places": "The colour stays where h is not asked: one linear probe a place of f(x), chance 0.1",
    "said": "Where h is at chance, a fresh linear probe still reads the colour",
    "left": "Every network holds some of the colour, the baseline most",
    "leak_training": "The colour stays readable throughout training, whatever h sees",
    "reliability": "The baseline's sure answers are often wrong",
    "choosing": "Accuracy by the rule that chose, small runs at σ² = 0.02",
    "pretrained": "Table 1 from ImageNet's weights: published (open marks)\nand ours on a part of the set (bars, a dot a seed)",
    "exceptions": "TB1 with exceptions, tested on the half of TB2 that is left",
    "pretrained_faces": "Table 2 from ImageNet's weights, gender: published (open marks)\nand ours (bars, a dot a seed)",
    "answers_faces": "Baseline and lnl answer by the age alike\n(mean of a kind filled, first face open, a mark a seed)",
    "answers_dogs_cats": "What the training set makes of each coat\n(mean of a kind filled, first photograph open, a mark a seed)",
    "limit": "The stronger the bias, the less of the digit is left once the colour is forgotten",
    "limit_methods": "Every network knows the colour of digits that are painted as in training",
}
"""What each picture of the stored records shows, in its title; the functions' own titles say only what is drawn."""


def _choices_drawing(root: Path) -> Drawing:
    groups = _by_configuration(read_records(root / "results" / "ablations"))
    found = {name: groups.get(ablations.config_of(changes).fingerprint(), []) for name, changes in ablations.CHOICES.items()}
    values = {name: [record.metrics["validation_accuracy"] for record in records] for name, records in found.items() if records}
    means = [sum(runs) / len(runs) for runs in values.values()]
    least, most = f"{min(means):.2f}", f"{max(means):.2f}"
    title = f"With one choice changed, runs of lnl lie between {least} and {most}: validation digits, σ² = {ablations.COLOR_VAR:g}"
    return partial(figures.ablation, values, title=title)


def _places_drawing(root: Path) -> Drawing:
    maps = {name: found["accuracy"] for name, found in read_maps(root).items()}
    return partial(figures.place_maps, maps, title=MESSAGES["places"])


def drawings(root: Path = ROOT) -> dict[str, Drawing]:
    """Every generated figure by file name: the function that draws it, with what it draws."""
    rows, leaks = limit.read_limit(root)["rows"], leak_tables.shown(root)
    return {
        "figure_4.png": partial(figures.results, results_table(folder=root / "results"), title=MESSAGES["figure_4"]),
        "choices.png": _choices_drawing(root),
        "places.png": _places_drawing(root),
        "estimators.png": _estimators_drawing(root),
        "said.png": partial(leak_figures.what_h_says, leaks, MESSAGES["said"]),
        "left.png": partial(leak_figures.what_is_left, leaks, MESSAGES["left"]),
        "leak_training.png": partial(leak_figures.over_training, leak_tables.courses(root), MESSAGES["leak_training"]),
        "reliability.png": partial(figures.reliability, confidence.diagrams(root), MESSAGES["reliability"]),
        "choosing.png": partial(figures.by_rule, choosing.drawing(root), MESSAGES["choosing"]),
        "pretrained.png": partial(figures.table_figure, pretrained.table_rows(root), MESSAGES["pretrained"]),
        "exceptions.png": partial(figures.dial_figure, pretrained.dial_drawn(root), MESSAGES["exceptions"]),
        "pretrained_faces.png": partial(
            figures.table_figure, pretrained_faces.table_rows("gender", root), MESSAGES["pretrained_faces"]
        ),
        "answers_faces.png": partial(
            figures.answers_by_kind, pretrained_faces.answered("faces", root), "female", MESSAGES["answers_faces"]
        ),
        "answers_dogs_cats.png": partial(
            figures.answers_by_kind, pretrained_faces.answered("dogs_cats", root), "dog", MESSAGES["answers_dogs_cats"]
        ),
        "limit.png": partial(information_figures.limit, rows, MESSAGES["limit"]),
        "limit_methods.png": partial(
            information_figures.limit_methods, rows, under_limit.read_measured(root), MESSAGES["limit_methods"]
        ),
        "fairness_adult.png": _pareto("adult-sex", root),
        "fairness_german.png": _pareto("german-age", root),
    }


def stale(root: Path = ROOT) -> list[str]:
    """The tables on disk that are not what the records say."""
    folder = root / "book" / "results"
    return [
        name
        for name, text in tables(root).items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]


def stale_figures(root: Path = ROOT) -> list[str]:
    """The figures on disk that were drawn from other records or by other code."""
    return drawn.stale(drawings(root), root / "book" / "results")


def check(root: Path = ROOT) -> list[str]:
    """What is out of step with the records, in words: tables, figures, numbers in sentences."""
    found = [f"book/results/{name} is not what the records say" for name in stale(root)]
    found += [f"book/results/{name} was drawn from other records or by other code" for name in stale_figures(root)]
    return found + numbers.stale(root)


def write(root: Path = ROOT) -> str:
    """Bring tables, numbers and figures up to date, drawing only what changed; says in words what there is."""
    folder = root / "book" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    texts, pictures = tables(root), drawings(root)
    for name, text in texts.items():
        write_if_changed(folder / name, text)
    bound = numbers.write_pages(root)
    old = [name for name in drawn.stale(pictures, folder) if name in pictures]
    for name in old:
        draw = pictures[name]
        write_atomically(folder / name, lambda temporary, draw=draw: draw().savefig(temporary, format="png", dpi=150))  # type: ignore[misc]
    write_json(folder / drawn.INPUTS, {name: drawn.entry(drawing, folder / name) for name, drawing in pictures.items()})
    return f"{len(texts)} tables, {bound} numbers in sentences, {len(pictures)} figures ({len(old)} drawn anew)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if anything is not up to date")
    if parser.parse_args().check:
        old = [*check(), *(f"{(explorables.FOLDER / name).as_posix()} is not what the results say" for name in explorables.stale())]
        for line in old:
            print(f"{line}: run 'make results'", file=sys.stderr)
        return 1 if old else 0
    print(f"{write()}, {explorables.write()} files of explorables")
    return 0


if __name__ == "__main__":
    sys.exit(while_read(main))

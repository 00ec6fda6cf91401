"""The tables of the census records: what each method pays for less unequal predictions."""

from pathlib import Path

from lnl_core.evaluation import Interval
from lnl_core.evaluation.fairness import UNLEARNING, chosen
from lnl_core.figures import fairness as fairness_figures
from lnl_core.runs.records import RunRecord
from tools import ROOT
from tools.studies import fairness

FAIRNESS_COLUMNS = {
    "test_accuracy": "accuracy",
    "test_balanced_accuracy": "balanced accuracy",
    "test_demographic_parity_difference": "parity difference",
    "test_equalized_odds_difference": "odds difference",
    "bias_mlp_probe_information": "leakage, MLP probe",
}
OF_FEATURES = tuple(f"{fairness.OF_FEATURES}_{demand}" for demand in fairness.SHORT.values())
FAIRNESS_ROWS = (
    *("baseline", *UNLEARNING, "leace", *OF_FEATURES),
    *("logistic", "reduction_dp", "reduction_eo", "threshold_dp", "threshold_eo"),
)
FROM_BASELINE = (*UNLEARNING, *OF_FEATURES)
"""The methods that are the baseline where nothing is demanded."""
CRITERIA = {"demographic_parity_difference": "demographic parity", "equalized_odds_difference": "equalised odds"}


def fairness_rows(found: dict[str, list[RunRecord]], criterion: str) -> dict[str, list[RunRecord]]:
    """By method the record of each seed that validation rows choose; where a method has weights, weight 0 is one of them.

    At weight 0 a method is the baseline, but for those of ``fairness.OWN_ZERO``; their cost is measured against the baseline too.
    """
    rows: dict[str, list[RunRecord]] = {}
    for method in FAIRNESS_ROWS:
        start = "logistic" if method.startswith("reduction") else "baseline" if method in FROM_BASELINE else method
        for seed in sorted({record.seed for record in found.get(method, [])}):
            own, others = ([r for r in found.get(name, []) if r.seed == seed] for name in (method, start))
            beside = others if method in fairness.OWN_ZERO else []
            candidates = own if beside or start == method else [*others, *own]
            rows.setdefault(method, []).append(chosen(candidates, criterion, beside=beside))
    return rows


def fairness_table(task: str, root: Path = ROOT) -> str:
    """One row a method, chosen once by each criterion: means over the seeds with half of their 95 % intervals."""
    found = fairness.read_task(task, root / "results" / "fairness")
    shared = fairness.overlap(task, found.get("baseline", []))
    lines = []
    for criterion, name in CRITERIA.items():
        lines += [f"**Setting chosen by {name}**", "", "| method | " + " | ".join(FAIRNESS_COLUMNS.values()) + " | n |"]
        lines.append("|---" * (len(FAIRNESS_COLUMNS) + 2) + "|")
        rows = fairness_rows(found, criterion)
        for method in FAIRNESS_ROWS:
            records = rows.get(method, [])
            cells = " | ".join(interval_cell(records, metric, shared) for metric in FAIRNESS_COLUMNS)
            lines.append(f"| {fairness_figures.NAMES.get(method, method)} | {cells} | {len(records)} |")
        lines.append("")
    return "\n".join(lines)


COMPARED = ("test_demographic_parity_difference", "test_equalized_odds_difference", "bias_mlp_probe_information", "test_accuracy")
Paired = dict[tuple[str, float, str], tuple[list[float], list[float]]]


def beside_the_baseline(task: str, root: Path = ROOT) -> Paired:
    """By method of a network, weight and metric the differences from the baseline of the same seed, beside as many zeros.

    Welch's test of such a pair is the paired t-test: its second side has no variance.
    """
    found = fairness.read_task(task, root / "results" / "fairness")
    base = {record.seed: record for record in found.get("baseline", [])}
    differences: dict[tuple[str, float, str], list[float]] = {}
    for method in (*UNLEARNING, "leace"):
        for record in (one for one in found.get(method, []) if one.seed in base):
            for metric in COMPARED:
                of = differences.setdefault((method, float(record.setting.get("weight", 0)), metric), [])
                of.append(record.metrics[metric] - base[record.seed].metrics[metric])
    return {name: (values, [0.0] * len(values)) for name, values in differences.items()}


def interval_cell(records: list[RunRecord], metric: str, shared: float) -> str:
    values = [record.metrics[metric] for record in records if metric in record.metrics]
    if not values or len(values) < len(records):  # n, in the last column, is that of all
        return "–"
    found = Interval.of(values, overlap=shared)
    return f"{found.mean:.3f} ± {found.high - found.mean:.3f}"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {
        "fairness_adult.md": fairness_table("adult-sex", root),
        "fairness_german.md": fairness_table("german-age", root),
    }

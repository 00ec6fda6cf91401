"""The table of independence given the label beside independence, on all training digits at the smallest variance."""

from pathlib import Path

from lnl_core.config import RunConfig
from lnl_core.runs.records import RunRecord, read_record
from lnl_core.runs.run import run_folder
from tools import ROOT
from tools.pages import comparisons, records
from tools.pages.rows import of_seeds, table_head
from tools.studies import conditional, newer
from tools.studies.runs import figure_4

BF16, FLOAT32 = "bf16", "float32"
ROWS = (
    (BF16, "baseline", None),
    (BF16, "lnl", None),
    (BF16, conditional.NOT_TOLD, None),
    (BF16, conditional.TOLD, conditional.NOT_TOLD),
    (FLOAT32, "baseline", None),
    (FLOAT32, "hsic", "baseline"),
    (FLOAT32, "conditional_hsic", "baseline"),
)
"""By row its precision, the name, and the row of the same precision that it is compared with."""
COLUMNS = {
    "test_accuracy": ("accuracy", 3),
    "worst_group_accuracy": ("worst cell", 2),
    "bias_mlp_probe_information": ("leak in nats", 2),
}
MISSING = "not measured"


def _configs(precision: str, row: str) -> tuple[str, list[RunConfig]]:
    """The folder of a row's records, and the configurations."""
    if row in conditional.ROWS:
        return conditional.FOLDER, [conditional.config_of(row, seed) for seed in range(conditional.SEEDS)]
    if precision == FLOAT32:
        return newer.FOLDER, [newer.config_of(row, conditional.COLOR_VAR, seed) for seed in range(newer.SEEDS)]
    return "runs", [config for config in figure_4() if (config.method, config.color_var) == (row, conditional.COLOR_VAR)]


def runs(precision: str, row: str, root: Path = ROOT) -> list[RunRecord]:
    """The records of a row that are there."""
    folder, configs = _configs(precision, row)
    files = [root / "results" / folder / f"{run_folder('', config).name}.json" for config in configs]
    return [read_record(file) for file in files if file.is_file()]


def pairs(root: Path = ROOT) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    """By row and metric its runs and those of the row that it is compared with."""
    return {
        (row, metric): (_values(precision, row, metric, root), _values(precision, other, metric, root))
        for precision, row, other in ROWS
        if other is not None
        for metric in ("test_accuracy", "bias_mlp_probe_information")
    }


def _values(precision: str, row: str, metric: str, root: Path) -> list[float]:
    return [one.metrics[metric] for one in runs(precision, row, root) if metric in one.metrics]


def conditional_table(root: Path = ROOT) -> str:
    """A row a demand: means over seeds with the standard deviation, and against the row that differs in the demand alone."""
    heads = (*(word for word, _ in COLUMNS.values()), "compared with", "in accuracy", "in nats")
    lines = table_head("precision", "row", *heads, "n", records.HEAD)
    said = comparisons.verdicts(pairs(root))
    for precision, row, other in ROWS:
        found = runs(precision, row, root)
        cells = [of_seeds(_values(precision, row, name, root), digits, MISSING) for name, (_, digits) in COLUMNS.items()]
        cells.append(other or "–")
        cells += [said.get((row, name), "–") for name in ("test_accuracy", "bias_mlp_probe_information")]
        lines.append(f"| {precision} | {row} | {' | '.join(cells)} | {len(found)} | {records.links(found, root)} |")
    how = comparisons.how(comparisons.counted(pairs(root)))
    return "\n".join(lines) + f"\n\n60,000 training digits, σ² = {conditional.COLOR_VAR:g}. {how}\n"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"conditional.md": conditional_table(root)}

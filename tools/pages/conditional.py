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
BASELINE = newer.BESIDE[0]
ROWS = (
    *((BF16, row) for row in (*newer.BESIDE[:2], conditional.NOT_TOLD, conditional.TOLD)),
    *((FLOAT32, row) for row in (BASELINE, "hsic", "conditional_hsic")),
)
"""By row its precision and the name."""
OF_TWO_DEMANDS = {(BF16, conditional.TOLD): conditional.NOT_TOLD, (FLOAT32, "conditional_hsic"): "hsic"}
"""By row that asks for independence given the label the one that differs in this alone."""
COLUMNS = {
    "test_accuracy": ("accuracy", 3),
    "worst_group_accuracy": ("worst cell", 2),
    "bias_mlp_probe_information": ("leak in nats", 2),
}
ACCURACY, NATS = "test_accuracy", "bias_mlp_probe_information"
MISSING = "not measured"


def _configs(precision: str, row: str) -> tuple[str, list[RunConfig]]:
    """The folder of a row's records, and the configurations."""
    if row in conditional.ROWS:
        return conditional.FOLDER, [conditional.config_of(row, seed) for seed in range(conditional.SEEDS)]
    if precision == FLOAT32:
        return newer.FOLDER, [newer.config_of(row, conditional.COLOR_VAR, seed) for seed in range(newer.SEEDS)]
    return "runs", [config for config in figure_4() if (config.method, config.color_var) == (row, conditional.COLOR_VAR)]


def runs(precision: str, row: str, root: Path = ROOT) -> list[RunRecord]:
    """The records of a row that are there, in this precision: the name of a file does not say it."""
    folder, configs = _configs(precision, row)
    files = [root / "results" / folder / f"{run_folder('', config).name}.json" for config in configs]
    found = [read_record(file) for file in files if file.is_file()]
    return [record for record in found if record.config["precision"] == precision]


def pairs(root: Path = ROOT) -> dict[tuple[str, str, str, str], tuple[list[float], list[float]]]:
    """By precision, row, the row that it is compared with and metric the runs of both."""
    compared = [(*row, BASELINE) for row in ROWS if row[1] != BASELINE]
    compared += [(*row, other) for row, other in OF_TWO_DEMANDS.items()]
    return {
        (precision, row, other, metric): (_values(precision, row, metric, root), _values(precision, other, metric, root))
        for precision, row, other in compared
        for metric in (ACCURACY, NATS)
    }


def _values(precision: str, row: str, metric: str, root: Path) -> list[float]:
    return [one.metrics[metric] for one in runs(precision, row, root) if metric in one.metrics]


def conditional_table(root: Path = ROOT) -> str:
    """A row a demand: means over seeds with the standard deviation, and against the baseline; then the two demands."""
    heads = (*(word for word, _ in COLUMNS.values()), "accuracy against the baseline", "nats against it")
    lines = table_head("row, precision", *heads, "n", records.HEAD)
    compared = pairs(root)
    said = comparisons.verdicts(compared)
    for precision, row in ROWS:
        found = runs(precision, row, root)
        cells = [of_seeds(_values(precision, row, name, root), digits, MISSING) for name, (_, digits) in COLUMNS.items()]
        cells += [said.get((precision, row, BASELINE, metric), "–") for metric in (ACCURACY, NATS)]
        lines.append(f"| {row}, {precision} | {' | '.join(cells)} | {len(found)} | {records.links(found, root)} |")
    two = "; ".join(
        f"{row[1]}, against {other}: accuracy {said[*row, other, ACCURACY]}, nats {said[*row, other, NATS]}"
        for row, other in OF_TWO_DEMANDS.items()
    )
    how = comparisons.how(comparisons.counted(compared), "of this table and of the next line")
    shared = f"60,000 training digits, σ² = {conditional.COLOR_VAR:g}, means and standard deviations over seeds."
    return "\n".join(lines) + f"\n\n{shared} {how}\n\nThe two demands: {two}.\n"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"conditional.md": conditional_table(root)}

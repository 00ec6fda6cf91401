"""The table of what bf16 does to the accuracies of Figure 4 and of lff: the same configurations in float32."""

from pathlib import Path

from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.runs.comparison import FEWEST_RUNS, ordering, welch_interval
from lnl_core.runs.records import RunRecord, read_records
from tools import ROOT
from tools.pages import records
from tools.pages.rows import by_precision, of_seeds, table_head
from tools.studies import newer as study
from tools.studies.runs import SEVERAL

PRECISIONS = ("float32", "bf16")
ROWS = {
    **{(method, COLOR_VARS[0]): {"float32": study.FOLDER, "bf16": "runs"} for method in study.BESIDE},
    ("lff", SEVERAL[-1]): {"float32": study.AGAIN, "bf16": study.FOLDER},
}
"""By method and variance the folder of its runs in each precision."""


def of_row(method: str, color_var: float, precision: str, root: Path = ROOT) -> list[RunRecord]:
    """The runs of a row in a precision, by seed."""
    stored = read_records(root / "results" / ROWS[method, color_var][precision])
    return by_precision(stored).get(study.config_of(method, color_var, 0).fingerprint(), {}).get(precision, [])


def accuracies(method: str, color_var: float, precision: str, root: Path = ROOT) -> list[float]:
    """On test digits, in [0, 1]."""
    return [one.metrics["test_accuracy"] for one in of_row(method, color_var, precision, root)]


def precision_table(root: Path = ROOT) -> str:
    """A row a method: its accuracy in either precision, and the interval of the difference."""
    heads = ("method", "σ²", "float32", "n", "bf16", "n", "float32 less bf16, 95 % interval", "float32 against bf16", "records")
    lines = table_head(*heads)
    for method, color_var in ROWS:
        values = {precision: accuracies(method, color_var, precision, root) for precision in PRECISIONS}
        cells = [cell for found in values.values() for cell in (of_seeds(found, missing="not measured"), str(len(found)))]
        if min(map(len, values.values())) < FEWEST_RUNS:
            cells += ["–", f"fewer than {FEWEST_RUNS} runs"]
        else:
            low, high = welch_interval(values["float32"], values["bf16"])
            cells += [f"{low:+.3f} to {high:+.3f}", ordering(values["float32"], values["bf16"])]
        linked = [one for precision in PRECISIONS for one in of_row(method, color_var, precision, root)]
        lines.append(f"| {method} | {color_var:g} | {' | '.join(cells)} | {records.links(linked, root)} |")
    return "\n".join(lines) + "\n\nTest digits, profile `short`; the interval is Welch's.\n"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"precision.md": precision_table(root)}

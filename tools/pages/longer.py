"""bias_balanced trained longer at the smallest variance: what chose the length, and the runs of the chosen one."""

from pathlib import Path

from lnl_core.runs.records import RunRecord
from tools import ROOT
from tools.pages import dial, group_numbers, records as record_pages
from tools.pages.rows import of_seeds, table_head, where
from tools.studies import longer as study
from tools.studies.study import record_of

MISSING = "not measured"
MEASURES = {"test_accuracy": "test digits", "bias_conflicting_accuracy": "conflicting", "worst_group_accuracy": "worst cell"}


def chosen_runs(root: Path = ROOT) -> list[RunRecord]:
    """The runs of the chosen length that are there; none where the length of Figure 4 is chosen, or nothing yet."""
    epochs = study.chosen(root)
    if epochs is None or epochs == study.LENGTHS[0]:
        return []
    records = (record_of(study.config_of(epochs, seed), study.FOLDER, root) for seed in study.SEEDS)
    return [record for record in records if record is not None]


def of_figure_4(root: Path = ROOT) -> list[RunRecord]:
    """The runs of 12 epochs."""
    rows = dial.records_of_rows(root)
    return [one for row, found in rows if where([row], method="bias_balanced", color_var=study.COLOR_VAR) for one in found]


def longer_table(root: Path = ROOT) -> str:
    """A row a length: validation digits of one run, and test digits of the runs of 12 epochs and of the chosen length."""
    validated, chosen = study.validated(root), study.chosen(root)
    lines = table_head("epochs", "validation digits, n = 1", *MEASURES.values(), record_pages.HEAD)
    for epochs in study.LENGTHS:
        tested = of_figure_4(root) if epochs == study.LENGTHS[0] else chosen_runs(root) if epochs == chosen else []
        first = record_of(study.config_of(epochs, study.SEARCH_SEED, "train"), study.FOLDER, root)
        cells = [f"{validated[epochs]:.4f}" if epochs in validated else MISSING]
        for metric in MEASURES:
            runs = group_numbers.values(metric, tested, root)
            cells.append(f"{of_seeds(runs, 4 if metric == 'test_accuracy' else 3)} (n = {len(runs)})" if runs else "–")
        links = [record_pages.links([first], root, " validation")] if first is not None else []
        links += [record_pages.links(tested, root)] if tested else []
        lines.append(f"| {epochs} | {' | '.join(cells)} | {' '.join(links) or '–'} |")
    return "\n".join(lines) + "\n"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"longer.md": longer_table(root)}

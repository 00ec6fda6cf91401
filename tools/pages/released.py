"""The table of the authors' released settings, from the runs in results/released."""

from itertools import product
from pathlib import Path

from lnl_core.runs.comparison import paper_numbers
from tools import ROOT
from tools.pages import records
from tools.pages.rows import table_head
from tools.pages.which_method import COLUMNS, MISSING
from tools.studies import released as study
from tools.studies.study import record_of


def released_table(root: Path = ROOT) -> str:
    """One row a variance, start and method: every run with the published number beside it; runs that are missing say so."""
    published = paper_numbers(folder=root / "results")
    lines = table_head("σ²", "start", "method", "precision", "published", *COLUMNS.values(), "record")
    done = 0
    for (color_var, seed), start, method in product(study.CELLS, study.STARTS, study.METHODS):
        config = study.config_of(method, start, color_var, seed)
        record = record_of(config, study.FOLDER, root)
        cells, link = [MISSING, *["–"] * (len(COLUMNS) - 1)], f"seed {seed}"
        if record is not None:
            done += 1
            cells = [f"{record.metrics[name]:.3f}" if name in record.metrics else "–" for name in COLUMNS]
            link = records.links([record], root)
        named = f"{color_var:g} | {start} | {method} | {config.precision} | {published[method][color_var]:.4f}"
        lines.append(f"| {named} | {' | '.join(cells)} | {link} |")
    wanted = len(study.configs())
    return "\n".join(lines) + f"\n\nOne run a row, {done} of {wanted} made; nothing is concluded from one.\n"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"released.md": released_table(root)}

"""Is independence given the label the better demand? The adversary told the digit, on all training digits at sigma^2 = 0.02.

Both rows are lnl as in Figure 4, without its entropy term, which does not fit the other demand: P(b | y) is not uniform. They
differ in what h is told alone. Their setting was chosen for an h that is told nothing. The other measure of the same demand, HSIC
within a digit beside HSIC, is among the methods of the study "newer". About six minutes a run on one core that has bf16.
"""

from typing import Any

from lnl_core.config import RunConfig, preset
from tools.studies.runs import SEVERAL
from tools.studies.study import Runs

FOLDER = "conditional"
COLOR_VAR = SEVERAL[0]
SEEDS = 5
TOLD, NOT_TOLD = "h is told the digit, λ 0", "h is told nothing, λ 0"
ROWS: dict[str, dict[str, Any]] = {
    TOLD: {"mi_weight": 0.0, "conditional_adversary": True},
    NOT_TOLD: {"mi_weight": 0.0},
}


def config_of(row: str, seed: int) -> RunConfig:
    of_figure_4 = preset("short", "lnl", color_var=COLOR_VAR, seed=seed, source="mnist", precision="bf16")
    return of_figure_4.with_options(**ROWS[row])


def configs() -> list[RunConfig]:
    """Seed by seed, so that a part of them has both rows."""
    return [config_of(row, seed) for seed in range(SEEDS) for row in ROWS]


STUDIES = (Runs("conditional", "The adversary that is told the digit, on all training digits.", FOLDER, configs),)

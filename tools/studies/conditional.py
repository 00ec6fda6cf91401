"""Is independence given the label the better demand? The adversary told the digit, on all training digits at sigma^2 = 0.02.

Both rows are lnl as the study "newer" trains it at this variance, in float32, without its entropy term, which does not fit the
other demand: P(b | y) is not uniform. They differ in what h is told alone. Their setting was chosen for an h that is told nothing.
The other measure of the same demand, HSIC within a digit beside HSIC, is among the methods of the study "newer". About six minutes
a run on one core with AVX-512.
"""

from typing import Any

from lnl_core.config import RunConfig
from tools.studies import newer
from tools.studies.study import Runs

FOLDER = "conditional"
TOLD, NOT_TOLD = "h is told the digit, λ 0", "h is told nothing, λ 0"
ROWS: dict[str, dict[str, Any]] = {
    TOLD: {"mi_weight": 0.0, "conditional_adversary": True},
    NOT_TOLD: {"mi_weight": 0.0},
}


def config_of(row: str, seed: int) -> RunConfig:
    return newer.config_of("lnl", newer.EXACT, seed).with_options(**ROWS[row])


def configs() -> list[RunConfig]:
    """Seed by seed, so that a part of them has both rows."""
    return [config_of(row, seed) for seed in range(newer.SEEDS) for row in ROWS]


STUDIES = (Runs("conditional", "The adversary that is told the digit, on all training digits.", FOLDER, configs),)

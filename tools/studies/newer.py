"""Methods that a reader of today asks for first, beside those of the paper: runs for "Which method when".

All train as the preset "short" does, on the 60,000 training digits, three seeds at three variances, in the order in which a half of
them is worth most: seed by seed. Nothing of the new methods is tuned, their own values are those of their sources where these have
one. The three that stand beside them run again here, so that seconds are those of one machine and every record has every metric.
"""

from itertools import product
from typing import Any

from lnl_core.config import RunConfig, preset
from tools.studies.runs import SEVERAL
from tools.studies.study import Runs

FOLDER = "newer"
BESIDE = ("baseline", "lnl", "bias_balanced")
NEW = ("reweighing", "subsampling", "group_dro", "last_layer", "jtt", "lff", "hsic", "conditional_hsic")
COUNTS = (50, 200, 2000)
"""Of unbiased images for last-layer retraining, beside the 500 of its preset."""
SEEDS = 3

ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    **{method: (method, {}) for method in (*BESIDE, *NEW)},
    **{f"last_layer, k = {count:,}": ("last_layer", {"unbiased_images": count}) for count in COUNTS},
}
"""By the name of its row the method, and what differs from its preset."""


def config_of(row: str, color_var: float, seed: int) -> RunConfig:
    method, changes = ROWS[row]
    return preset("short", method, color_var=color_var, seed=seed, source="mnist", precision="float32", **changes)


def configs() -> list[RunConfig]:
    return [config_of(row, color_var, seed) for seed, color_var, row in product(range(SEEDS), SEVERAL, ROWS)]


STUDIES = (Runs("newer", "Methods of today beside those of the paper, for which method when.", FOLDER, configs),)

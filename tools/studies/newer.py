"""Methods that a reader of today asks for first, beside those of the paper: runs for "Which method when".

All train as the preset "short" does, on the 60,000 training digits, three seeds at three variances, in the order in which a part of
them is worth most: the smallest variance first, and there seed by seed. Nothing of the new methods is tuned, their own values are
those of their sources where these have one. The three that stand beside them run again here, so that seconds are those of one
machine and every record has every metric. Last-layer retraining has 500 unbiased images; the study "last_layer" has other numbers.
"""

from itertools import product

from lnl_core.config import RunConfig, preset
from tools.studies.runs import SEVERAL
from tools.studies.study import Runs

FOLDER = "newer"
BESIDE = ("baseline", "lnl", "bias_balanced")
NEW = ("reweighing", "subsampling", "group_dro", "last_layer", "jtt", "lff", "hsic", "conditional_hsic")
SEEDS = 3
METHODS = (*BESIDE, *NEW)


def config_of(method: str, color_var: float, seed: int) -> RunConfig:
    return preset("short", method, color_var=color_var, seed=seed, source="mnist", precision="float32")


def configs() -> list[RunConfig]:
    """The new methods at a variance before those that stand beside them."""
    order = product(SEVERAL, (NEW, BESIDE), range(SEEDS))
    return [config_of(method, color_var, seed) for color_var, methods, seed in order for method in methods]


STUDIES = (Runs("newer", "Methods of today beside those of the paper, for which method when.", FOLDER, configs),)

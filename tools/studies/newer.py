"""Methods that a reader of today asks for first, beside those of the paper: runs for "Which method when".

All train as the preset "short" does, on the 60,000 training digits, three seeds at three variances, in the order in which a part of
them is worth most: the smallest variance first, and there seed by seed. Nothing of the new methods is tuned, their own values are
those of their sources where these have one. At the smallest variance they train in float32, and so do, once more, the three that
stand beside them. At the others they train in bf16, in half of the time, as those three have in the study "figure_4": where methods
are compared, all have one precision. Last-layer retraining has 500 unbiased images; the study "last_layer" has other numbers.

"newer_float32" trains one of those in bf16 again in float32, to see whether the precision makes lff as low as it is.

"newer_small" is the same in the setting of the study "search": 10,000 digits, six epochs. lnl has the setting that its search chose
there, all others the rate that the baseline's search chose. The first network of jtt trains for half of the epochs: after one
epoch of so few digits it is wrong on so many that their repeats make the second training ten times as long. A run takes a minute
instead of ten.
"""

from lnl_core.config import RunConfig, preset
from tools.studies import search
from tools.studies.choosing import with_setting
from tools.studies.runs import SEVERAL
from tools.studies.study import Runs, ShortRuns

FOLDER, SMALL, AGAIN = "newer", "newer_small", "newer_float32"
BESIDE = ("baseline", "lnl", "bias_balanced")
NEW = ("reweighing", "subsampling", "group_dro", "last_layer", "jtt", "lff", "hsic", "conditional_hsic")
SEEDS = 3
EXACT = SEVERAL[0]
"""The variance of the runs in float32."""
METHODS = (*BESIDE, *NEW)


def config_of(method: str, color_var: float, seed: int) -> RunConfig:
    precision = "float32" if color_var == EXACT else "bf16"
    return preset("short", method, color_var=color_var, seed=seed, source="mnist", precision=precision)


def small_config_of(method: str, color_var: float, seed: int) -> RunConfig:
    """A run in the setting of the search, with a seed that the search did not choose with."""
    base = search.base_config(method, color_var, search.FRESH_SEEDS[seed])
    half = {} if base.unread("first_epochs") else {"first_epochs": base.epochs // 2}
    return with_setting(base, search.setting_of(method) or {}).with_options(**half)


def small_configs() -> list[RunConfig]:
    """Variance by variance, and there seed by seed; none before the search is there."""
    if any(search.setting_of(method) is None for method in METHODS):
        return []
    return [small_config_of(method, value, seed) for value in SEVERAL for seed in range(SEEDS) for method in METHODS]


def configs() -> list[RunConfig]:
    """The new methods at a variance before those that stand beside them, where these run again."""
    order = [(color_var, methods) for color_var in SEVERAL for methods in (NEW, *([BESIDE] if color_var == EXACT else []))]
    return [config_of(method, color_var, seed) for color_var, methods in order for seed in range(SEEDS) for method in methods]


def again_configs() -> list[RunConfig]:
    """lff at the largest variance, where it ends furthest below the baseline."""
    return [config_of("lff", SEVERAL[-1], seed).with_options(precision="float32") for seed in range(SEEDS)]


STUDIES = (
    Runs("newer", "Methods of today beside those of the paper, for which method when.", FOLDER, configs, apart=True),
    Runs(AGAIN, "lff in float32, where the others train in bf16.", AGAIN, again_configs, apart=True),
    ShortRuns("newer_small", "The same on 10,000 digits, six epochs.", SMALL, small_configs),
)

"""Figure 4 in the setting of the study "search": the three methods that it does not search, at all seven variances.

10,000 digits, six epochs, three seeds that the search did not choose with. gray and bias_balanced have the rate that the
baseline's search chose, mi_backprop, which learns with Adam, that of its preset. bias_balanced at three of the variances is a part
of the study "newer_small" and not run again. With the six of the search these are all nine methods, at one to five minutes a run
where the preset "short" takes ten to twenty.
"""

from lnl_core.config import RunConfig
from tools.studies import newer, search
from tools.studies.runs import SEVERAL
from tools.studies.study import ShortRuns

FOLDER = "figure_4_small"
METHODS = ("gray", "mi_backprop", "bias_balanced")
OWN_RATE = ("mi_backprop",)
"""The methods with another optimiser than the baseline, which keep the rate of their preset."""
SEEDS = newer.SEEDS


def config_of(method: str, color_var: float, seed: int) -> RunConfig:
    """A run; of a method that both studies have the very one of ``newer_small``."""
    if method in OWN_RATE:
        return search.base_config(method, color_var, search.FRESH_SEEDS[seed])
    return newer.small_config_of(method, color_var, seed)


def folder_of(method: str, color_var: float) -> str:
    """The folder in ``results`` that holds the runs of a cell."""
    return newer.SMALL if method in newer.METHODS and color_var in SEVERAL else FOLDER


def configs() -> list[RunConfig]:
    """A method at a time, all seeds of a variance together; none before the search is there."""
    if any(search.setting_of(method) is None for method in METHODS):
        return []
    cells = [(method, value) for method in METHODS for value in search.VARIANCES if folder_of(method, value) == FOLDER]
    return [config_of(*cell, seed) for cell in cells for seed in range(SEEDS)]


STUDIES = (ShortRuns(FOLDER, "Figure 4 on 10,000 digits, six epochs: the methods that the search leaves out.", FOLDER, configs),)

"""lambda and mu of lnl on photographs, each alone: dogs and cats, and the gender of faces, from ImageNet's weights.

The searches of "pretrained" and "pretrained_faces" set both weights of lnl to one value. Here one of the two takes the values of
VALUES in turn while the other stays at what its search chose, on both training sets, three seeds each. The rule of choice is that
of the searches: the highest mean accuracy on the photographs at hand that are in no set of the paper, the earlier one of equals,
and 0 for a training that diverges. What it would choose here is said and used nowhere, for no other method has had as many
settings.
"""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

from lnl_core.config import RunConfig
from tools import ROOT
from tools.studies import pretrained, pretrained_faces
from tools.studies.study import ShortRuns

FOLDER = "pretrained_curves"
METHOD = "lnl"
WEIGHTS = {"lambda": "mi_weight", "mu": "adv_weight"}
VALUES = (0.0, *pretrained.STRENGTHS)
SEEDS = range(3)
"""The first is that of the searches."""


class Search(NamedTuple):
    """A search whose choice the curves go through.

    Attributes:
        folder: of its records and of those of its table, below ``results``.
        train_sets: that are trained on.
        config_of: of method, training set, seed and the value of every weight, ``None`` for a method without any, the run.
        chosen: of method and root the value that it chose; ``None`` while its runs are missing.
    """

    folder: str
    train_sets: tuple[str, ...]
    config_of: Callable[[str, str, int, float | None], RunConfig]
    chosen: Callable[[str, Path], float | None]


def _gender(method: str, train_set: str, seed: int, strength: float | None) -> RunConfig:
    return pretrained_faces.config_of(method, pretrained_faces.CHOSEN_ON, train_set, seed, strength)


SEARCHES = {
    "dogs_cats": Search(pretrained.FOLDER, pretrained.TRAIN_SETS, pretrained.config_of, pretrained.chosen),
    "faces": Search(pretrained_faces.FOLDER, pretrained_faces.TRAIN_SETS, _gender, pretrained_faces.chosen),
}
"""By experiment."""


def chosen(experiment: str, root: Path = ROOT) -> float | None:
    """The value that the search chose for both weights; ``None`` while its runs are missing."""
    return SEARCHES[experiment].chosen(METHOD, root)


def folder_of(config: RunConfig) -> str:
    """Where the record of a run lies: one with equal weights is of the search or its table."""
    equal = len({config.get(name) for name in WEIGHTS.values()}) == 1
    return SEARCHES[config.experiment].folder if equal else FOLDER


def cells(experiment: str, root: Path = ROOT) -> Iterator[tuple[str, float, str, RunConfig]]:
    """Weight, its value, training set and run of every point of the curves that is decided, seed by seed."""
    search, both = SEARCHES[experiment], chosen(experiment, root)
    if both is None:
        return
    for seed, weight, value, train_set in product(SEEDS, WEIGHTS, VALUES, search.train_sets):
        both_alike = search.config_of(METHOD, train_set, seed, both)
        yield weight, value, train_set, both_alike.with_options(**{WEIGHTS[weight]: value})


def configs() -> list[RunConfig]:
    """The runs that neither the searches nor their tables have, as far as they are decided."""
    every = [config for experiment in SEARCHES for *_, config in cells(experiment)]
    return [config for config in every if folder_of(config) == FOLDER]


STUDIES = (ShortRuns("pretrained_curves", "lambda and mu of lnl on photographs, each alone.", FOLDER, configs),)

"""lambda and mu of lnl on photographs, each alone: dogs and cats, and the gender of faces, from ImageNet's weights.

The searches of "pretrained" and "pretrained_faces" set both weights of lnl to one value. Here one of the two takes the values of
VALUES in turn while the other stays at what its search chose, on both training sets, three seeds each. The rule of choice is that
of the searches: the highest mean accuracy on the photographs at hand that are in no set of the paper, the earlier one of equals,
and 0 for a training that diverges. What it would choose here is said and used nowhere, for no other method has had as many
settings.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

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
FACES = str(pretrained_faces.BASE["experiment"])
TRAIN_SETS = {str(pretrained.BASE["experiment"]): pretrained.TRAIN_SETS, FACES: pretrained_faces.TRAIN_SETS}
"""By experiment the sets that are trained on."""


def chosen(experiment: str, root: Path = ROOT) -> float | None:
    """The value that the search chose for both weights; ``None`` while its runs are missing."""
    return pretrained_faces.chosen(METHOD, root) if experiment == FACES else pretrained.chosen(METHOD, root)


def config_of(experiment: str, train_set: str, seed: int, both: float, weight: str, value: float) -> RunConfig:
    """A run with ``both`` weights at one value, but for ``weight``, which has its own."""
    if experiment == FACES:
        base = pretrained_faces.config_of(METHOD, pretrained_faces.CHOSEN_ON, train_set, seed, both)
    else:
        base = pretrained.config_of(METHOD, train_set, seed, both)
    return base.with_options(**{WEIGHTS[weight]: value})


def folder_of(config: RunConfig) -> str:
    """Where the record of a run lies: one with equal weights is of the search or its table."""
    equal = len({config.get(name) for name in WEIGHTS.values()}) == 1
    searched = pretrained_faces.FOLDER if config.experiment == FACES else pretrained.FOLDER
    return searched if equal else FOLDER


def cells(experiment: str, root: Path = ROOT) -> Iterator[tuple[str, float, str, RunConfig]]:
    """Weight, its value, training set and run of every point of the curves that is decided, seed by seed."""
    both = chosen(experiment, root)
    if both is None:
        return
    for seed, weight, value, train_set in product(SEEDS, WEIGHTS, VALUES, TRAIN_SETS[experiment]):
        yield weight, value, train_set, config_of(experiment, train_set, seed, both, weight, value)


def configs() -> list[RunConfig]:
    """The runs that neither the searches nor their tables have, as far as they are decided."""
    every = [config for experiment in TRAIN_SETS for *_, config in cells(experiment)]
    return [config for config in every if folder_of(config) == FOLDER]


STUDIES = (ShortRuns("pretrained_curves", "lambda and mu of lnl on photographs, each alone.", FOLDER, configs),)

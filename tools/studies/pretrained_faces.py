"""Faces from ImageNet's weights: Table 2 on the photographs at hand, both unlearning methods with the same search.

MobileNetV2 at 96 pixels, 15 of its blocks frozen, so that a run takes a minute. blind_eye and lnl are trained with every strength
of STRENGTHS to learn the gender on EB1 and on EB2, all weights that they read set to that value (lambda, mu, alpha), seed 0. Chosen
is the strength with the highest mean accuracy on the faces of 30 to 39, which are in no set of the paper; the earlier one of
equals. A training that diverges counts as accuracy 0. Faces of 30 to 39 are neither young nor old, so learning the age takes over
the strength. Neither the opposite set nor the test set takes part. Then seeds 1 and 2 are trained at the chosen strength. The
baseline has no such weight.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from lnl_core.config import RunConfig, preset
from lnl_core.experiments.faces import OTHER
from tools import ROOT
from tools.studies import pretrained
from tools.studies.pretrained import STRENGTHS, best, scored, with_strength
from tools.studies.study import ShortRuns

FOLDER = "pretrained_faces"
BASE: dict[str, Any] = {**pretrained.BASE, "experiment": "faces", "source": "utkface", "image_size": 96}
"""What all runs have otherwise than the preset "short"."""
TRAIN_SETS = ("eb1", "eb2")
LEARNT = tuple(OTHER)
CHOSEN_ON = "gender"
"""What is learnt where the strength is chosen."""
SEARCHED = ("blind_eye", "lnl")
METHODS = ("baseline", *SEARCHED)
SEEDS = 3


def config_of(method: str, learn: str, train_set: str, seed: int, strength: float | None = None) -> RunConfig:
    """A run; ``strength`` is the value of every weight that its method reads."""
    base = preset("short", method, learn=learn, train_set=train_set, seed=seed, **BASE)
    return with_strength(base, strength)


def curve(method: str, metric: str = "other_accuracy", root: Path = ROOT) -> dict[float, list[float]]:
    """By strength the metric of the runs of the search that are there, trained on EB1 and on EB2; 0 of one that diverged."""
    return {
        one: scored([config_of(method, CHOSEN_ON, name, 0, one) for name in TRAIN_SETS], FOLDER, metric, root) for one in STRENGTHS
    }


def chosen(method: str, root: Path = ROOT) -> float | None:
    """The strength that the search chooses; ``None`` while runs are missing."""
    return best(curve(method, root=root), len(TRAIN_SETS))


def cells(root: Path = ROOT) -> Iterator[tuple[str, str, str, RunConfig]]:
    """Method, what is learnt, training set and run of every number of the table that is decided, seed by seed."""
    strengths = {method: chosen(method, root) for method in SEARCHED}
    for seed, learn, train_set, method in product(range(SEEDS), LEARNT, TRAIN_SETS, METHODS):
        if method not in SEARCHED or strengths[method] is not None:
            yield method, learn, train_set, config_of(method, learn, train_set, seed, strengths.get(method))


def configs() -> list[RunConfig]:
    """The search, then the table, as far as it is decided."""
    search = [config_of(method, CHOSEN_ON, name, 0, one) for one, method, name in product(STRENGTHS, SEARCHED, TRAIN_SETS)]
    return [*search, *(config for *_, config in cells())]


STUDIES = (ShortRuns("pretrained_faces", "Faces from ImageNet's weights, with one search for both methods.", FOLDER, configs),)

"""The exceptions dial: TB1 with some of TB2's photographs in it. Collect exceptions, or unlearn?

TB2 is halved once for all. Of its first half so many photographs join TB1 that they are 0, 1, 2, 5, 10 or 20 % of TB2, dark
dogs and bright cats alike; a seed draws which. All are tested on the other half of TB2 and on the test set. Network and training
are those of the study "pretrained". lnl and bias_balanced have the weights that lnl's search chose there, without exceptions;
group_dro is told the coat of each photograph; last_layer trains on TB1 alone, and fits its last layer to the exceptions and to as
many photographs of TB1, which it has not seen either. Nothing else is tuned.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from lnl_core.config import RunConfig
from lnl_core.experiments.dogs_cats import exceptions_of
from lnl_core.methods import find
from lnl_core.methods.base import UNBIASED_TRAINING
from lnl_core.methods.hyperparameters import UNBIASED_IMAGES
from tools import ROOT
from tools.studies import pretrained
from tools.studies.study import ShortRuns

FOLDER = "exceptions"
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
FIRST = (0.0, 0.05, 0.2)
"""The shares that are trained before the others: three seeds of a few say more than one of all."""
METHODS = ("baseline", "gray", "lnl", "bias_balanced", "group_dro", "last_layer")
UNLEARNING = ("lnl", "bias_balanced")
BALANCING = ("group_dro",)
SEEDS = 5
TB2 = 560
"""Photographs of TB2 at hand when the study was made. With another number ``last_layer`` would be asked for too few or too many."""


def without(method: str, share: float) -> str | None:
    """Why a method cannot be trained with so many exceptions; ``None`` where it can."""
    count = exceptions_of(share, TB2)
    if UNBIASED_TRAINING in find(method).must_know and 2 * count < UNBIASED_IMAGES.least:
        return f"needs {UNBIASED_IMAGES.least:g} unbiased photographs"
    return "has nothing to balance" if method in BALANCING and not count else None


def config_of(method: str, share: float, seed: int, strength: float | None) -> RunConfig | None:
    """A run, its weights those of ``strength``; ``None`` where the method cannot be trained so, or while they are not chosen."""
    strength = strength if method in UNLEARNING else None
    if without(method, share) or (method in UNLEARNING and strength is None):
        return None
    own: dict[str, Any] = {}
    if UNBIASED_TRAINING in find(method).must_know:
        own = {"unbiased_images": 2 * exceptions_of(share, TB2)}
    return pretrained.config_of(method, "tb1", seed, strength, exceptions=share, **own)


def cells(root: Path = ROOT) -> Iterator[tuple[str, float, RunConfig]]:
    """Method, share and run, in the order in which they are trained: what answers the question first."""
    strength = pretrained.chosen(UNLEARNING[0], root)
    asked = (METHODS[0], UNLEARNING[0])
    pairs = sorted(product(SHARES, METHODS), key=lambda pair: (pair[0] not in FIRST, pair[1] not in asked))
    for (share, method), seed in product(pairs, range(SEEDS)):
        config = config_of(method, share, seed, strength)
        if config is not None:
            yield method, share, config


def configs() -> list[RunConfig]:
    return [config for *_, config in cells()]


STUDIES = (ShortRuns("exceptions", "Dogs and cats with a few exceptions, by method and by how many.", FOLDER, configs),)

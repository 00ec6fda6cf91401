"""The search for hyper-parameters: the same one for every method in which f and h play against each other.

Eight settings are drawn once from SPACE by a Latin hypercube, on a logarithmic scale, and every method takes of each what it reads.
All train as the preset "short" does, on 55,000 digits at sigma^2 = 0.02, and are compared on the 5,000 validation digits in random
colours; the test digits take no part. The three best of a method are trained with a second seed, and the best mean of the two is
its choice, which is then fixed for all variances. So each method has eight settings tried and eleven runs.
"""

from collections.abc import Sequence
from statistics import mean

import numpy as np
from scipy.stats import qmc

from lnl_core.config import RunConfig, preset
from lnl_core.runs.records import RunRecord, read_record
from lnl_core.runs.run import run_folder
from tools import ROOT
from tools.studies.study import Runs

FOLDER = "search"
METHODS = ("blind_eye", "grl", "blind_eye_grl", "lnl_adv", "lnl")
COLOR_VAR = 0.02
SPACE = {
    "lr": (0.005, 0.05),
    "bias_lr": (0.02, 0.2),
    "mi_weight": (0.03, 1.0),
    "confusion_weight": (0.03, 1.0),
    "adv_weight": (0.1, 3.0),
}
"""The least and the largest value of each; between them every factor is as likely as any other."""
DRAWN, AGAIN = 8, 3


def settings() -> list[dict[str, float]]:
    """The settings that were drawn, in two significant digits."""
    points = qmc.LatinHypercube(len(SPACE), rng=np.random.default_rng(0)).random(DRAWN)
    least, most = np.log(list(SPACE.values())).T
    values = np.exp(least + points * (most - least))
    return [dict(zip(SPACE, (float(f"{value:.2g}") for value in row), strict=True)) for row in values]


def config_of(method: str, setting: dict[str, float], seed: int) -> RunConfig:
    """A run of the search: of the setting what the method reads."""
    base = preset("short", method, color_var=COLOR_VAR, seed=seed, source="mnist", train_split="train")
    return base.with_options(**{name: value for name, value in setting.items() if not base.unread(name)})


def score(record: RunRecord) -> float:
    """What is compared: the accuracy on validation digits after the last epoch."""
    return record.metrics["validation_accuracy"]


def found(method: str, seeds: Sequence[int]) -> dict[int, float]:
    """By number of the setting the mean over ``seeds`` of those runs that have all of them."""
    scores = {}
    for number, setting in enumerate(settings()):
        files = [ROOT / "results" / FOLDER / f"{run_folder('', config_of(method, setting, seed)).name}.json" for seed in seeds]
        if all(file.is_file() for file in files):
            scores[number] = mean(score(read_record(file)) for file in files)
    return scores


def best(method: str, seeds: Sequence[int], count: int) -> list[int]:
    """The numbers of the ``count`` best settings of the first seed(s), best first; the earlier drawn of two that are equal."""
    scores = found(method, seeds)
    return sorted(scores, key=lambda number: (-scores[number], number))[:count]


def configs() -> list[RunConfig]:
    """First every setting once; of a method whose eight runs are there, the three best once more."""
    drawn = settings()
    first = [config_of(method, setting, 0) for setting in drawn for method in METHODS]
    second = [
        config_of(method, drawn[number], 1)
        for method in METHODS
        if len(found(method, [0])) == DRAWN
        for number in best(method, [0], AGAIN)
    ]
    return [*first, *second]


def chosen(method: str) -> dict[str, float] | None:
    """The setting that the search chooses, as far as the method reads it; ``None`` while runs are missing."""
    if len(found(method, [0])) < DRAWN or len(found(method, [0, 1])) < AGAIN:
        return None
    config = config_of(method, settings()[best(method, [0, 1], 1)[0]], 0)
    return {name: getattr(config, name) for name in SPACE if name in config}


STUDIES = (Runs("search", "The same search for hyper-parameters for every method with an adversary.", FOLDER, configs),)

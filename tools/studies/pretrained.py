"""Dogs and cats from ImageNet's weights: the methods of Table 1 on the photographs at hand, every weight chosen by the same search.

MobileNetV2 at 160 pixels, 15 of its blocks frozen, so that a run takes seconds. Each method that plays against h is trained with
every strength of STRENGTHS on TB1 and on TB2, all weights that it reads set to that value (lambda, mu, alpha), seed 0. Chosen is
the strength with the highest mean accuracy on "other", the photographs at hand that the authors' lists call neither bright nor
dark; the earlier one of equals. The list ended at 1; 3 was added for all methods when blind_eye and grl had their best at 1.
Neither the opposite set nor the test set takes part. Then seeds 1 to 5 are trained at the chosen strength, and 0 for what the
seed of the search says. The baseline and gray have no such weight: nothing of theirs is chosen. A control is the baseline trained
for twice the epochs.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from lnl_core.config import RunConfig, preset
from lnl_core.runs.run import run_folder
from tools import ROOT
from tools.studies.study import ShortRuns, diverged, record_of

FOLDER = "pretrained"
BASE: dict[str, Any] = {
    "experiment": "dogs_cats",
    "source": "kaggle",
    "network": "mobilenet_v2",
    "weights": "imagenet",
    "frozen_blocks": 15,
    "image_size": 160,
    "epochs": 3,
    "batch_size": 32,
    "lr": 0.01,
    "augment": 0.0,
    "probe_images": 2,  # too few for a probe: none is trained
    "precision": "float32",
}
"""What all runs have otherwise than the preset "short"."""
TRAIN_SETS = ("tb1", "tb2")
SEARCHED = ("blind_eye", "grl", "blind_eye_grl", "lnl_adv", "lnl")
PLAIN = ("baseline", "gray")
LONGER = "baseline, twice the epochs"
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0)
WEIGHTS = ("mi_weight", "adv_weight", "confusion_weight")
SEARCH_SEED = 0
SEEDS = range(1, 6)
"""Of the table: fresh ones, since the run that was best in a search flatters its setting."""
LESS_FROZEN = 7


def config_of(method: str, train_set: str, seed: int, strength: float | None = None, **changes: Any) -> RunConfig:
    """A run; ``strength`` is the value of every weight that its method reads."""
    base = preset("short", method, train_set=train_set, seed=seed, **{**BASE, **changes})
    return with_strength(base, strength)


def with_strength(base: RunConfig, strength: float | None) -> RunConfig:
    """The run with that value of every weight that its method reads."""
    return base if strength is None else base.with_options(**{name: strength for name in WEIGHTS if not base.unread(name)})


def curve(method: str, metric: str = "other_accuracy", root: Path = ROOT) -> dict[float, list[float]]:
    """By strength the metric of the runs of the search that are there, trained on TB1 and on TB2; 0 of one that diverged."""
    return {
        one: scored([config_of(method, name, SEARCH_SEED, one) for name in TRAIN_SETS], FOLDER, metric, root) for one in STRENGTHS
    }


def scored(configs: Sequence[RunConfig], folder: str, metric: str, root: Path = ROOT) -> list[float]:
    """A metric of the runs that are there, and 0 of those that diverged."""
    found = []
    for config in configs:
        record = record_of(config, folder, root)
        if record is not None:
            found.append(record.metrics[metric])
        elif diverged(root / "results" / folder, run_folder("", config).name).is_file():
            found.append(0.0)
    return found


def chosen(method: str, root: Path = ROOT) -> float | None:
    """The strength that the search chooses; ``None`` while runs are missing."""
    return best(curve(method, root=root), len(TRAIN_SETS))


def best(scores: dict[float, list[float]], runs: int) -> float | None:
    """The strength with the highest mean, the earlier one of equals; ``None`` while one has fewer runs than that."""
    if any(len(values) < runs for values in scores.values()):
        return None
    return max(scores, key=lambda strength: mean(scores[strength]))


def cells(root: Path = ROOT, seeds: Sequence[int] = SEEDS) -> Iterator[tuple[str, str, RunConfig]]:
    """Row, training set and run of every number of the table that is decided, seed by seed, the control last."""
    strengths = {method: chosen(method, root) for method in SEARCHED}
    for seed, train_set, method in product(seeds, TRAIN_SETS, (*PLAIN, *SEARCHED)):
        if method in PLAIN or strengths[method] is not None:
            yield method, train_set, config_of(method, train_set, seed, strengths.get(method))
    for seed, train_set in product(seeds, TRAIN_SETS):
        yield LONGER, train_set, config_of(PLAIN[0], train_set, seed, epochs=2 * BASE["epochs"])


def freezing() -> list[RunConfig]:
    """One baseline with fewer frozen blocks, to set beside that of the table."""
    return [config_of("baseline", "tb1", 0, frozen_blocks=LESS_FROZEN)]


def configs() -> list[RunConfig]:
    """The plain methods at seed 0, the search, then the table, as far as it is decided."""
    plain = [config_of(method, train_set, 0) for method, train_set in product(PLAIN, TRAIN_SETS)]
    search = [config_of(method, name, SEARCH_SEED, one) for method, one, name in product(SEARCHED, STRENGTHS, TRAIN_SETS)]
    of_table = (config for *_, config in cells(seeds=[SEARCH_SEED, *SEEDS]))
    return [*plain, *search, *of_table]


STUDIES = (
    ShortRuns("pretrained", "Dogs and cats from ImageNet's weights, with one search for all methods.", FOLDER, configs),
    ShortRuns("freezing", "The same baseline with fewer frozen blocks.", FOLDER, freezing),
)

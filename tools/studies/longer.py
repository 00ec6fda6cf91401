"""Does bias_balanced get better where it trains longer? At the smallest variance of Figure 4, beside its runs of 12 epochs.

Each length of LENGTHS is trained once on 55,000 digits. The one with the highest accuracy on the 5,000 validation digits, in random
colours, is chosen, the shorter of equals. Then five seeds are trained so long on all 60,000. Nothing else is changed, and the test
digits take no part in the choice. One run more of the first length has a prior that is weaned a tenth of the way.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lnl_core.config import RunConfig, preset
from lnl_core.experiments.colored_mnist import COLOR_VARS
from tools import ROOT
from tools.studies.study import Runs, record_of

FOLDER = "longer"
COLOR_VAR = COLOR_VARS[0]
LENGTHS = (12, 24, 48)
"""In epochs; the first is that of the preset short."""
SEARCH_SEED = 0
SEEDS = range(5)


def config_of(epochs: int, seed: int, train_split: str = "trainval") -> RunConfig:
    """A run of so many epochs, in bf16 as those of Figure 4."""
    changes: dict[str, Any] = {"epochs": epochs, "train_split": train_split, "precision": "bf16"}
    return preset("short", "bias_balanced", color_var=COLOR_VAR, seed=seed, source="mnist", **changes)


def weaned_config() -> RunConfig:
    """The one other thing that was tried: at the end a tenth of the prior is uniform."""
    return config_of(LENGTHS[0], SEARCH_SEED, "train").with_options(balance_wean=0.1)


def validated(root: Path = ROOT) -> dict[int, float]:
    """By length the accuracy on validation digits of the run that is there."""
    found = {epochs: record_of(config_of(epochs, SEARCH_SEED, "train"), FOLDER, root) for epochs in LENGTHS}
    return {epochs: record.metrics["validation_accuracy"] for epochs, record in found.items() if record is not None}


def chosen(root: Path = ROOT) -> int | None:
    """The length with the highest accuracy on validation digits, the shorter of equals; ``None`` while one is missing."""
    found = validated(root)
    return max(LENGTHS, key=lambda epochs: found[epochs]) if len(found) == len(LENGTHS) else None


def configs() -> Iterator[RunConfig]:
    """One run a length and the weaned one, then the seeds of the chosen length, but for that of Figure 4, whose runs are there."""
    yield from (config_of(epochs, SEARCH_SEED, "train") for epochs in LENGTHS)
    yield weaned_config()
    epochs = chosen()
    if epochs is not None and epochs != LENGTHS[0]:
        yield from (config_of(epochs, seed) for seed in SEEDS)


STUDIES = (Runs("longer", "bias_balanced trained longer, at the smallest variance.", FOLDER, lambda: [*configs()], apart=True),)

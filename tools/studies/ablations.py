"""The runs behind "What it takes to reproduce" and "Where the colour hides": one choice changed at a time.

All of them train on 55,000 digits at sigma^2 = 0.02 and are compared on the 5,000 validation digits, whose colours are random;
the test set takes no part in a choice. Their records say profile "custom" and never enter the results table.
"""

from typing import Any

from lnl_core.config import RunConfig, preset
from lnl_core.experiments.colored_mnist import COLOR_VARS
from tools.studies.study import Runs

COLOR_VAR = 0.02
_BASE: dict[str, Any] = {"train_split": "train", "epochs": 8}
_REFERENCE: dict[str, Any] = {
    "bias_labels": "image",
    "bias_places": "everywhere",
    "mi_weight": 0.1,
    "adv_weight": 0.5,
    "lr": 0.02,
    "bias_lr": 0.05,
    "clip_norm": 0.0,
}
_AUTHORS: dict[str, Any] = {"bias_labels": "pixel", "bias_places": "foreground"}
_WEAK: dict[str, Any] = {"mi_weight": 0.01, "adv_weight": 0.1, "lr": 0.01, "bias_lr": 0.01, "warmup_epochs": 2}

Rows = dict[str, dict[str, Any]]

PLACES: Rows = {
    "own level, foreground (the authors')": _AUTHORS,
    "own level, everywhere (background: 0)": {"bias_labels": "pixel", "bias_places": "everywhere"},
    "image's colour, foreground": {"bias_places": "foreground"},
    "image's colour, background": {"bias_places": "background"},
    "image's colour, everywhere": {},
}
"""Bias labels crossed with places, everything else alike: which of the two matters?"""

_ALONE: dict[str, Any] = {"mi_weight": 0.0, "adv_weight": 0.0}
_STRONG: dict[str, Any] = {"mi_weight": 0.3, "adv_weight": 1.0, "bias_lr": 0.1}
_SAME: dict[str, Any] = {"mi_weight": 0.03, "adv_weight": 0.1, "bias_lr": 0.1}

_MAPS: dict[str, Any] = {"augment": 1.0, "elastic": 0.08}

DIVIDED = "each channel of an image divided by its own deviation"
"""The row of PARTS that uses how the digits were painted: the colour multiplies a channel, so the division takes it out."""

BALANCED = "label and colour balanced: τ 1"
LOSS_ALONE, LOSS_WITH_MAPS = "the balanced loss alone", "the balanced loss with the maps"

PARTS: Rows = {
    "all parts": {"method": "bias_balanced"},
    BALANCED: {"method": "bias_balanced", "balance_power": 1.0},
    "drawn as they come: τ 0": {"method": "bias_balanced", "balance_power": 0.0},
    "weaned from the prior: ε grows to 1": {"method": "bias_balanced", "balance_wean": 1.0},
    "without unlearning: λ 0, μ 0": {"method": "bias_balanced", **_ALONE},
    "unlearning ten times as strong: λ 0.3, μ 1": {"method": "bias_balanced", **_STRONG},
    "without elastic maps": {"method": "bias_balanced", "elastic": 0.0},
    "without any maps": {"method": "bias_balanced", "augment": 0.0, "elastic": 0.0},
    LOSS_ALONE: {"method": "bias_balanced", "balance_power": 0.0, "augment": 0.0, "elastic": 0.0, **_ALONE},
    LOSS_WITH_MAPS: {"method": "bias_balanced", "balance_power": 0.0, **_ALONE},
    "lnl with the same weights": _SAME,
    "lnl with the same weights and maps": {**_SAME, **_MAPS},
    "lnl with ten times these weights, which are its own": {**_STRONG, "clip_norm": 10.0},
    "lnl with its own weights, and maps": {**_STRONG, "clip_norm": 10.0, **_MAPS},
    "gray": {"method": "gray"},
    "gray with the maps": {"method": "gray", **_MAPS},
    DIVIDED: {"method": "gray", "grayscale": "deviation"},
    "baseline": {"method": "baseline"},
    "baseline with the maps": {"method": "baseline", **_MAPS},
}
"""What each part of bias_balanced does, and whether other methods with the same maps would do as well."""

SEVERAL = (
    *("lnl with ten times these weights, which are its own", "lnl with its own weights, and maps"),
    *("gray", "gray with the maps", "baseline", "baseline with the maps", "all parts", "without any maps"),
    *(LOSS_ALONE, LOSS_WITH_MAPS, BALANCED),
    DIVIDED,
)
"""The rows of PARTS with three seeds: what the maps do for whom, and what the loss and the drawing do with and without them."""
FIVE = (DIVIDED,)
"""The row with five: it stands beside the record."""

REFERENCE = "reference: image's colour everywhere"
"""The row of CHOICES that the others differ from; it has three seeds too, so that the table has a noise of its own."""
CHOICES: Rows = {
    REFERENCE: {},
    "entropy term at labelled places only, own level in the foreground": {**_AUTHORS, "mi_places": "labelled"},
    "the authors' weights and rates after a warm start, own level in the foreground": {**_AUTHORS, **_WEAK},
    "the authors' weights and rates after a warm start": _WEAK,
    "stronger adversary: λ 0.3, μ 1, rate of h 0.1": _STRONG,
    "stronger adversary, gradients of f and g cut to length 10": {**_STRONG, "clip_norm": 10.0},
    "stronger adversary, gradients of f and g cut to length 1": {**_STRONG, "clip_norm": 1.0},
    "stronger adversary cut to length 10, after a warm start of one epoch": {**_STRONG, "clip_norm": 10.0, "warmup_epochs": 1},
    "stronger adversary, own level in the foreground": {**_AUTHORS, **_STRONG},
    "weaker reversal: μ 0.1": {"adv_weight": 0.1},
    "no entropy term: λ 0": {"mi_weight": 0.0},
    "no reversal: μ 0": {"adv_weight": 0.0},
    "rate of h as of f: 0.02": {"bias_lr": 0.02},
    "rate of f 0.01": {"lr": 0.01},
    "three steps of h a step of f": {"adversary_steps": 3},
    "warm start of two epochs": {"warmup_epochs": 2},
    "two updates from two passes, as the authors' code": {"updates": "alternating"},
    "no weight decay": {"weight_decay": 0.0},
    "colours clipped instead of drawn again": {"color_outside": "clip"},
    "f ends after its first convolution": {"extractor_convs": 1},
    "twice as long": {"epochs": 16},
}
"""One choice away from the reference at a time."""


_THIRD = ("lnl with ten times these weights, which are its own", "all parts", "without any maps")
OF_ONE_PRECISION: tuple[tuple[str, tuple[dict[str, Any], ...], tuple[int, ...]], ...] = (
    ("bf16", (CHOICES[REFERENCE],), (3, 4)),
    ("float32", (CHOICES[REFERENCE],), (5,)),
    ("float32", tuple(PARTS[name] for name in _THIRD), (3,)),
    ("float32", (PARTS[LOSS_WITH_MAPS],), (0, 1, 2)),
    ("float32", (PARTS[LOSS_ALONE],), (1, 2, 3)),
    ("float32", (PARTS[BALANCED],), (1, 2)),
)
"""Precision, rows and seeds: with these, rows that are compared have three runs in the same precision, and the reference has three
in either. A mean never mixes two."""
PRECISION = {"choices": "bf16", "places": "bf16"}
"""By table the precision of most of its rows, in which a row is shown where it has runs in both."""


def config_of(changes: dict[str, Any], seed: int = 0) -> RunConfig:
    """The configuration of one row: what ``changes`` make of the reference, which is lnl, or of another method's preset."""
    changed = {**_BASE, **({} if "method" in changes else _REFERENCE), **changes}
    return preset("short", changed.pop("method", "lnl"), color_var=COLOR_VAR, seed=seed, **changed)


TABLES = {"places": PLACES, "parts": PARTS, "choices": CHOICES}


def configs() -> list[RunConfig]:
    """The runs of all tables, then the further seeds; what two tables share is named once by the study."""
    first = [config_of(changes) for table in TABLES.values() for changes in table.values()]
    again = [CHOICES[REFERENCE], *(PARTS[name] for name in SEVERAL)]
    five = (config_of(PARTS[name], seed) for name in FIVE for seed in (3, 4))
    return [*first, *(config_of(changes, seed) for changes in again for seed in (1, 2)), *five, *_of_one_precision()]


def _of_one_precision() -> list[RunConfig]:
    named = [(precision, changes, seed) for precision, rows, seeds in OF_ONE_PRECISION for changes in rows for seed in seeds]
    return [config_of(changes, seed).with_options(precision=precision) for precision, changes, seed in named]


def divided_config(color_var: float, seed: int = 0) -> RunConfig:
    """The row that stands beside the record, at any variance."""
    return config_of(PARTS[DIVIDED], seed).with_options(color_var=color_var)


def divided() -> list[RunConfig]:
    """Three seeds of it at the other variances of Figure 4, those first where other methods have three."""
    others = sorted((value for value in COLOR_VARS if value != COLOR_VAR), key=lambda value: value not in (0.03, 0.05))
    return [divided_config(color_var, seed) for color_var in others for seed in range(3)]


STUDIES = (
    Runs("ablations", "What each choice and part of two methods does, one changed at a time.", "ablations", configs),
    Runs("divided", "Images whose channels are divided by their own deviations, at all variances.", "ablations", divided),
)

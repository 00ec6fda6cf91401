"""Training runs behind the tables that are no ablations: each list of configurations is one sweep."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from lnl_core.config import RunConfig, preset
from lnl_core.experiments import find
from lnl_core.experiments.colored_mnist import COLOR_VARS
from tools.studies import models as stored
from tools.studies.study import Runs

SEVERAL = (0.02, 0.03, 0.05)
"""The variances whose further seeds are made first."""
NETWORK: dict[str, Any] = {"network": "ragonesi"}
METHODS = (*find("colored_mnist").methods, "mi_backprop")
"""The last two are none of the paper's."""
FIVE = ("bias_balanced", "lnl", "baseline")
"""The methods whose five seeds are made before the five of the others."""


def _short(methods: Sequence[str], color_vars: Sequence[float], seeds: Sequence[int] = (0,), **changes: Any) -> Iterator[RunConfig]:
    for seed, color_var, method in product(seeds, color_vars, methods):
        yield preset("short", method, color_var=color_var, seed=seed, source="mnist", **changes)


def further_seeds() -> Iterator[RunConfig]:
    """What makes three seeds of every cell, and five at three variances of all methods but mi_backprop.

    The first runs of the methods that are not in :data:`FIVE` kept no answers to single digits: their worst groups come from the
    last two. In bf16, as the first ones: a mean never mixes precisions. Where the processor has no instructions for bf16 they take
    several times as long as in float32.
    """
    yield from (run for color_var in SEVERAL for run in _short(FIVE, [color_var], (3, 4), precision="bf16"))
    between = [color_var for color_var in COLOR_VARS if color_var not in SEVERAL]
    yield from (run for color_var in between for run in _short(METHODS[:-1], [color_var], (1, 2), precision="bf16"))
    yield from _short(METHODS[-1:], COLOR_VARS, (1, 2), precision="bf16")
    others = [method for method in METHODS[:-1] if method not in FIVE]
    yield from (run for color_var in SEVERAL for run in _short(others, [color_var], (3, 4), precision="bf16"))


def figure_4() -> list[RunConfig]:
    return [*_short(METHODS, COLOR_VARS), *_short(METHODS[:-1], SEVERAL, (1, 2)), *further_seeds()]


def without_groups() -> list[RunConfig]:
    """Three networks a cell of Figure 4 for its worst groups, and five where :data:`FIVE` have five seeds.

    Trained again are the runs that kept no single answers: seed 0, but for the six whose networks are stored, then seeds 1 and 2.
    In bf16, as the first runs.
    """
    named = {(method, color_var) for method in stored.METHODS for color_var in stored.COLOR_VARS}
    first = [*SEVERAL, *(value for value in COLOR_VARS if value not in SEVERAL)]
    thirds = [one for one in _short(METHODS, first, precision="bf16") if (one.method, one.color_var) not in named]
    return [*thirds, *_short(FIVE, SEVERAL, (1, 2), precision="bf16")]


def figure_4_full() -> list[RunConfig]:
    """The paper's setting, hardest variances first; what there is time for is what there is."""
    first = [*SEVERAL, *(value for value in COLOR_VARS if value not in SEVERAL)]
    return [
        preset("full", method, color_var=color_var, seed=seed, source="mnist")
        for seed, color_var, method in product(range(3), first, METHODS[:-1])
    ]


def grayscale() -> list[RunConfig]:
    mean = _short(["gray"], SEVERAL, grayscale="mean")
    return [*mean, *_short(["gray"], [0.02], grayscale="lightness")]


def their_network() -> list[RunConfig]:
    without: dict[str, Any] = {"mi_weight": 0.0, "statistics_steps": 0}
    return [*_short(["mi_backprop"], COLOR_VARS, **NETWORK), *_short(["mi_backprop"], [0.02, 0.05], **without, **NETWORK)]


def without_second_step() -> list[RunConfig]:
    """The control of mi_backprop with the network of Kim et al."""
    return [*_short(["mi_backprop"], [0.02, 0.05], mi_weight=0.0, statistics_steps=0)]


def no_variance() -> list[RunConfig]:
    baseline = ["baseline"]
    return [*_short(METHODS, [0.0]), *_short(baseline, [0.0], (1,)), *_short(baseline, [0.0], clip_norm=10.0)]


def photographs() -> list[RunConfig]:
    def short(method: str, experiment: str, **setting: Any) -> list[RunConfig]:
        return [preset("short", method, experiment=experiment, seed=seed, **setting) for seed in range(3)]

    dogs: dict[str, Any] = {"experiment": "dogs_cats", "source": "kaggle"}
    faces: dict[str, Any] = {"experiment": "faces", "source": "utkface"}
    joint: dict[str, Any] = {"experiment": "jlu_faces", "source": "utkface", "train_set": "bd"}
    runs = [short(method, train_set=name, **dogs) for method in METHODS[:7] for name in ("tb1", "tb2")]
    three = product(("baseline", "blind_eye", "lnl"), ("eb1", "eb2"), ("gender", "age"))
    runs += [short(method, train_set=name, learn=learn, **faces) for method, name, learn in three]
    runs += [short("mi_backprop", train_set=name, learn="gender", **faces)[:1] for name in ("eb1", "eb2")]
    runs += [short("baseline", **joint), *(short("jlu", confusion_weight=alpha, **joint) for alpha in (0.4, 1.0))]
    return [run for of_seeds in runs for run in of_seeds]


STUDIES = (
    Runs("figure_4", "Every method on Colored MNIST at the seven variances of Figure 4.", "runs", figure_4),
    Runs(
        "figure_4_groups",
        "Runs of Figure 4 again, for the groups that their records lack.",
        "figure_4_groups",
        without_groups,
        apart=True,
    ),
    Runs("figure_4_full", "The same in the paper's setting, 100 epochs; for a GPU.", "runs", figure_4_full),
    Runs("grayscale", 'The method "gray" under other formulas of grey.', "ablations", grayscale),
    Runs("their_network", "mi_backprop with its authors' network, with and without its second step.", "ablations", their_network),
    Runs(
        "without_second_step",
        "mi_backprop with the network of Kim et al. and without its second step.",
        "ablations",
        without_second_step,
    ),
    Runs("photographs", "Dogs and cats, faces, and faces unlearnt jointly, three seeds of each.", "runs", photographs),
    Runs("no_variance", "Every method where each digit has exactly the mean colour of its class.", "limit/records", no_variance),
)

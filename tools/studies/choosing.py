"""How methods rank if hyper-parameters are chosen on biased, worst-group or unbiased validation digits, in a small setting.

Every method has the same number of settings, drawn once from SPACE by a Latin hypercube on a logarithmic scale, and takes of each
what it reads. All train for a few epochs on 10,000 digits at sigma^2 = 0.02, one seed a setting, and are measured on the 5,000
validation digits, once painted as the training digits and once in random colours. Each rule of RULES then chooses one setting a
method, which is trained with fresh seeds and measured on the 10,000 test digits; these choose nothing. The second part is known
when the first is there, so the command is given twice. A run takes about half a minute on one core.
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import qmc

from lnl_core.config import RunConfig, preset
from lnl_core.datasets import BiasedImages
from lnl_core.errors import DataError, NonFiniteLossError
from lnl_core.evaluation.accuracy import group_metrics, predict
from lnl_core.experiments.splits import load_data
from lnl_core.methods.groups import bias_of_images
from lnl_core.networks.build import build_network
from lnl_core.networks.parts import LNLNetwork
from lnl_core.training.loop import fit
from tools import ROOT
from tools.studies.study import Found, Job, Options, Study, stored

FOLDER = Path("results", "choosing")
METHODS = ("baseline", "reweighing", "group_dro", "lnl")
SETTINGS: dict[str, Any] = {
    "color_var": 0.02,
    "train_split": "train",
    "train_size": 10_000,
    "epochs": 3,
    "batch_size": 32,
    "precision": "float32",
    "least_group": 10,
}
"""What all runs share, and how many validation digits a group needs before its accuracy may be the worst."""
SPACE = {
    "lr": (0.005, 0.05),
    "weight_decay": (1e-4, 3e-2),
    "bias_lr": (0.02, 0.2),
    "mi_weight": (0.03, 1.0),
    "adv_weight": (0.1, 3.0),
    "group_step": (1e-3, 1e-1),
}
"""The least and the largest value of each; between them every factor is as likely as any other."""
DRAWN = 6
FIRST_SEED, FRESH_SEEDS = 0, (1, 2, 3)
RULES = {
    "biased": "biased",
    "biased_worst": "worst group",
    "unbiased": "unbiased",
}
"""By the score that a rule chooses the largest of, its name on the page: accuracy on validation digits in the colours of the
training, the least of a label with a colour on the same digits, and accuracy on validation digits in random colours."""


def drawn(space: dict[str, tuple[float, float]], count: int) -> list[dict[str, float]]:
    """Settings from a Latin hypercube on a logarithmic scale, in two significant digits; the same ones each time."""
    points = qmc.LatinHypercube(len(space), rng=np.random.default_rng(0)).random(count)
    least, most = np.log(list(space.values())).T
    values = np.exp(least + points * (most - least))
    return [dict(zip(space, (float(f"{value:.2g}") for value in row), strict=True)) for row in values]


def settings() -> list[dict[str, float]]:
    """The settings that every method is tried with."""
    return drawn(SPACE, DRAWN)


def base_config(method: str, seed: int) -> RunConfig:
    """What the runs of a method and a seed share: the digits and how they are painted."""
    shared = {name: value for name, value in SETTINGS.items() if name != "least_group"}
    return preset("short", method, seed=seed, source="mnist", **shared)


def config_of(method: str, setting: dict[str, float], seed: int) -> RunConfig:
    """A run: of the setting what the method reads."""
    return with_setting(base_config(method, seed), setting)


def with_setting(base: RunConfig, setting: dict[str, float]) -> RunConfig:
    """``base`` with what its method reads of a setting."""
    return base.with_options(**{name: value for name, value in setting.items() if not base.unread(name)})


@lru_cache(maxsize=24)
def digits(base: RunConfig, split: str, data_dir: str | None, random_colors: bool) -> BiasedImages:
    """A split of the data of :func:`base_config`; painting it takes as long as a quarter of a run."""
    return load_data(base, split, data_dir, random_colors=random_colors)


def file_of(method: str, number: int, seed: int, root: Path = ROOT) -> Path:
    return root / FOLDER / f"{method}-{number}-seed{seed}.json"


def worst_group(correct: np.ndarray, data: BiasedImages, least: int) -> dict[str, float]:
    """The least accuracy on a label with a nearest mean colour, of those with ``least`` images or more, and how many these are."""
    bias, kinds = bias_of_images(data)
    group = (data.labels * kinds + bias).numpy()
    counts = np.bincount(group)
    if counts.max() < least:
        raise DataError(f"no group of label and colour has {least} images: take more images, or fewer a group")
    shares = np.bincount(group, weights=correct)[counts >= least] / counts[counts >= least]
    return {"worst": float(shares.min()), "groups": len(shares)}


def validation_scores(network: LNLNetwork, base: RunConfig, data_dir: str | None) -> dict[str, float]:
    """What the rules compare, by rule, and the number of groups that each of the two worst ones is the worst of."""
    found: dict[str, float] = {}
    for name, random in (("biased", False), ("unbiased", True)):
        data = digits(base, "validation", data_dir, random)
        correct = predict(network, data) == data.labels.numpy()
        groups = worst_group(correct, data, SETTINGS["least_group"])
        found |= {name: float(correct.mean()), f"{name}_worst": groups["worst"], f"{name}_groups": groups["groups"]}
    return found


def test_scores(network: LNLNetwork, base: RunConfig, data_dir: str | None) -> dict[str, float]:
    """Accuracy, and the least on a digit with a colour, on the 10,000 test digits."""
    test = digits(base, "test", data_dir, True)
    predicted, labels = predict(network, test), test.labels.numpy()
    worst = group_metrics(predicted, labels, test.group.numpy())["worst_group_accuracy"]
    return {"accuracy": float((predicted == labels).mean()), "worst_group_accuracy": worst}


def trained(
    config: RunConfig,
    base: RunConfig,
    measure: Callable[..., dict[str, float]],
    data_dir: str | None,
    data: BiasedImages | None = None,
    unbiased: BiasedImages | None = None,
) -> Found:
    """One run with the scores of ``measure``, on ``data`` or else the digits of ``base``; a training that diverged has none, and
    says why. ``unbiased`` is for a method that asks for it."""
    network = build_network(config, data_dir)
    data = digits(base, config.train_split, data_dir, False) if data is None else data
    clock = time.process_time()
    try:
        fit(network, data, config, device="cpu", progress=False, unbiased=unbiased)
    except NonFiniteLossError as error:
        return {"scores": None, "diverged": str(error)}
    return {"train_cpu_seconds": time.process_time() - clock, "scores": measure(network, base, data_dir)}


def read(method: str, number: int, seed: int, root: Path = ROOT) -> Found | None:
    """A stored run; ``None`` if it is missing."""
    return stored(file_of(method, number, seed, root))


def choice(scores: Sequence[dict[str, float] | None], rule: str) -> int:
    """The number of the setting with the largest score by ``rule``, the earlier drawn of two that are equal."""
    return max((number for number, score in enumerate(scores) if score), key=lambda number: (scores[number][rule], -number))  # type: ignore[index]


def chosen(method: str, root: Path = ROOT) -> dict[str, int] | None:
    """By rule the number of the setting that it chooses; ``None`` while runs are missing."""
    found = [read(method, number, FIRST_SEED, root) for number in range(DRAWN)]
    if None in found:
        return None
    scores = [one["scores"] for one in found if one]
    return {rule: choice(scores, rule) for rule in RULES}


class Choosing(Study):
    name = "choosing"
    about = "How methods rank if hyper-parameters are chosen on biased, worst-group or unbiased validation digits."
    settings = SETTINGS

    def jobs(self, options: Options) -> list[Job]:
        first = [(method, number, FIRST_SEED) for number in range(DRAWN) for method in METHODS]
        numbers = {method: sorted(set((chosen(method) or {}).values())) for method in METHODS}
        fresh = [(method, number, seed) for seed in FRESH_SEEDS for method in METHODS for number in numbers[method]]
        known = settings()
        keys = [*first, *fresh]
        return [Job(file_of(*key).stem, file_of(*key), key, config_of(key[0], known[key[1]], key[2]).to_dict()) for key in keys]

    def do(self, job: Job, options: Options) -> Found:
        method, number, seed = job.values
        base, config = base_config(method, seed), config_of(method, settings()[number], seed)
        measure = validation_scores if seed == FIRST_SEED else test_scores
        said = {"settings": SETTINGS, "method": method, "number": number, "seed": seed, "config": config.to_dict()}
        return said | trained(config, base, measure, options.data_dir)

    def line(self, found: Found) -> str:
        return str(found["scores"] or found["diverged"])


STUDIES = (Choosing(),)

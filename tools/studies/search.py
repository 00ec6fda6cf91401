"""The same search for hyper-parameters for every method with an adversary, and what the methods then do, in a small setting.

Eight settings are drawn once from SPACE by a Latin hypercube on a logarithmic scale, and every method takes of each what it reads.
All train for six epochs on 10,000 digits at sigma^2 = 0.02 and are compared on the 5,000 validation digits in random colours; the
three best of a method once more with a second seed. The best mean of the two is the method's choice. It is then trained with fresh
seeds at all seven variances and measured on the 10,000 test digits, which choose nothing. The baseline goes through the same
search, though it reads the rate alone. What is trained next is known when the runs before it are there, so the command is given
three times. A run takes about a minute on one core; all of them in the full setting would take several days.
"""

from pathlib import Path
from statistics import mean
from typing import Any

from lnl_core.config import RunConfig, preset
from lnl_core.evaluation.accuracy import predict
from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.networks.parts import LNLNetwork
from tools import ROOT
from tools.studies.choosing import digits, drawn, test_scores, trained, with_setting
from tools.studies.runs import SEVERAL
from tools.studies.study import Found, Job, Options, Study, stored

FOLDER = Path("results", "search")
METHODS = ("baseline", "blind_eye", "grl", "blind_eye_grl", "lnl_adv", "lnl")
SETTINGS: dict[str, Any] = {"train_split": "train", "train_size": 10_000, "epochs": 6, "batch_size": 32, "precision": "float32"}
"""What all runs share."""
COLOR_VAR = 0.02
"""The variance that is searched at; the choice is fixed for all others."""
SPACE = {
    "lr": (0.003, 0.05),
    "bias_lr": (0.02, 0.2),
    "mi_weight": (0.03, 1.0),
    "confusion_weight": (0.03, 1.0),
    "adv_weight": (0.1, 3.0),
}
"""The least and the largest value of each; between them every factor is as likely as any other."""
DRAWN, AGAIN = 8, 3
SEARCH_SEEDS, FRESH_SEEDS = (0, 1), (2, 3, 4)
WHOLE = ("lnl",)
"""The methods that other studies give the whole setting that the search chose."""
VARIANCES = (*SEVERAL, *(value for value in COLOR_VARS if value not in SEVERAL))


def settings() -> list[dict[str, float]]:
    """The settings that every method is tried with."""
    return drawn(SPACE, DRAWN)


def base_config(method: str, color_var: float, seed: int) -> RunConfig:
    """What the runs of a method share: the digits and how they are painted."""
    return preset("short", method, color_var=color_var, seed=seed, source="mnist", **SETTINGS)


def config_of(method: str, number: int, color_var: float, seed: int) -> RunConfig:
    """A run: of the setting with this number what the method reads."""
    return with_setting(base_config(method, color_var, seed), settings()[number])


def file_of(method: str, number: int, color_var: float, seed: int, root: Path = ROOT) -> Path:
    return root / FOLDER / f"{method}-{number}-{color_var:g}-seed{seed}.json"


def read(method: str, number: int, color_var: float, seed: int, root: Path = ROOT) -> Found | None:
    """A stored run; ``None`` if it is missing."""
    return stored(file_of(method, number, color_var, seed, root))


def validation(method: str, number: int, root: Path = ROOT) -> list[float]:
    """Accuracy on validation digits in random colours of each seed of the search that is there; 0 where the training diverged."""
    runs = [read(method, number, COLOR_VAR, seed, root) for seed in SEARCH_SEEDS]
    return [float(run["scores"]["validation"]) if run["scores"] else 0.0 for run in runs if run]


def best(scores: dict[int, float], count: int) -> list[int]:
    """The numbers of the ``count`` best settings, best first; the earlier drawn of two that are equal."""
    return sorted(scores, key=lambda number: (-scores[number], number))[:count]


def best_of_one_seed(method: str, root: Path = ROOT) -> list[int]:
    """The settings that get a second seed; none while a first one is missing."""
    first = {number: values[0] for number in range(DRAWN) if (values := validation(method, number, root))}
    return best(first, AGAIN) if len(first) == DRAWN else []


def chosen(method: str, root: Path = ROOT) -> int | None:
    """The number of the setting that the search chooses; ``None`` while runs are missing."""
    scores = {number: validation(method, number, root) for number in best_of_one_seed(method, root)}
    if not scores or any(len(values) < len(SEARCH_SEEDS) for values in scores.values()):
        return None
    return best({number: mean(values) for number, values in scores.items()}, 1)[0]


def setting_of(method: str, root: Path = ROOT) -> dict[str, float] | None:
    """What other studies give a method: all that its own search chose, or the rate that the baseline's chose.

    ``None`` while that search is not complete. Only methods in WHOLE have all of their own.
    """
    number = chosen(method if method in WHOLE else "baseline", root)
    if number is None:
        return None
    setting = settings()[number]
    return setting if method in WHOLE else {"lr": setting["lr"]}


def validation_score(network: LNLNetwork, base: RunConfig, data_dir: str | None) -> dict[str, float]:
    """What the search compares."""
    data = digits(base, "validation", data_dir, True)
    return {"validation": float((predict(network, data) == data.labels.numpy()).mean())}


class Search(Study):
    name = "search"
    about = "The same search for every method with an adversary, and what each then does at seven variances, in a small setting."
    settings = SETTINGS

    def jobs(self, options: Options) -> list[Job]:
        keys = [(method, number, COLOR_VAR, 0) for number in range(DRAWN) for method in METHODS]
        keys += [(method, number, COLOR_VAR, 1) for method in METHODS for number in best_of_one_seed(method)]
        numbers = {method: chosen(method) for method in METHODS}
        keys += [
            (method, number, color_var, seed)
            for color_var in VARIANCES
            for seed in FRESH_SEEDS
            for method, number in numbers.items()
            if number is not None
        ]
        return [Job(file_of(*key).stem, file_of(*key), key, config_of(*key).to_dict()) for key in keys]

    def do(self, job: Job, options: Options) -> Found:
        method, number, color_var, seed = job.values
        base = base_config(method, color_var, seed)
        config = config_of(*job.values)
        measure = test_scores if seed in FRESH_SEEDS else validation_score
        said = {"settings": SETTINGS, "method": method, "number": number, "color_var": color_var, "seed": seed}
        return {**said, "config": config.to_dict(), **trained(config, base, measure, options.data_dir)}

    def line(self, found: Found) -> str:
        return str(found["scores"] or found["diverged"])


STUDIES = (Search(),)

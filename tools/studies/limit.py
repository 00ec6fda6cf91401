"""The numbers behind "The limit": what the colour of a training digit leaves open, and the accuracy that goes with it.

Under a minute on one core.
"""

import math
from pathlib import Path
from typing import Any

from lnl_core._files import read_json
from lnl_core.datasets.colored_mnist import color_table
from lnl_core.information import conditional_entropy
from lnl_core.information.limit import fano_accuracy, label_entropy
from tools import ROOT
from tools.studies.study import Found, Job, Options, Study

FILE = Path("results", "limit", "colored_mnist.json")
SETTINGS: dict[str, Any] = {
    "color_vars": [0.05, 0.045, 0.04, 0.035, 0.03, 0.025, 0.02, 0.015, 0.01, 0.0075, 0.005, 0.003, 0.002, 0.001, 0.0005, 0.0],
    "points": 2**13,
    "repeats": 8,
    "seed": 0,
    "levels": [8, 85],
}
"""85 levels a channel join three of the 255 that an image has, so their entropy is above the one of images."""


def row(color_var: float, *, points: int, repeats: int, seed: int, levels: list[int]) -> dict[str, Any]:
    """What is left of the label at one variance, in nats, and the accuracy that Fano's inequality allows with it."""
    found = label_entropy(color_var, points=points, repeats=repeats, seed=seed)
    return {
        "color_var": color_var,
        "entropy": found.value,
        "standard_error": found.standard_error,
        "information": math.log(10) - found.value,
        "accuracy": fano_accuracy(found.value),
        "by_levels": {str(count): conditional_entropy(color_table(color_var, count)) for count in levels},
    }


def read_limit(root: Path = ROOT) -> dict[str, Any]:
    """The stored numbers: ``settings``, ``rows`` and ``provenance``; no rows where nothing has been computed."""
    path = root / FILE
    if not path.is_file():
        return {"settings": SETTINGS, "rows": [], "provenance": {}}
    found: dict[str, Any] = read_json(path, "restore it from the repository")
    return found


class Limit(Study):
    name = "limit"
    about = "What the colour of a training digit leaves open of its label, at sixteen variances."
    settings = SETTINGS

    def jobs(self, options: Options) -> list[Job]:
        return [Job("colored_mnist", ROOT / FILE)]

    def do(self, job: Job, options: Options) -> Found:
        rest = {key: value for key, value in SETTINGS.items() if key != "color_vars"}
        return {"settings": SETTINGS, "rows": [row(color_var, **rest) for color_var in SETTINGS["color_vars"]]}


STUDIES = (Limit(),)

"""The same three methods on the four data sets that are called Colored MNIST, in a small setting.

Each data set is the first 10,000 training digits of MNIST painted by the rule of its authors, see ``lnl_core.figures.LOOK_ALIKES``,
and is tested on the 10,000 test digits twice: painted as in training and as in the test of that data set. Epochs and batch are
those of the study "search", and so are the rates: lnl has the setting that its search chose on the digits of Kim et al., the
others the rate that the baseline's search chose there. Nothing is tuned for the other three data sets. On the digits of Bahng et
al. some trainings end without having learnt what they are trained on, so all three methods run there a second time, at LOWER. The
task of Arjovsky et al. has two classes, for which two of the ten outputs are enough; their labels are noisy, in training and in
the test.
"""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lnl_core.config import RunConfig
from lnl_core.datasets import BiasedImages
from lnl_core.datasets.colored_mnist import bias_map
from lnl_core.datasets.digits import Digits, load_mnist
from lnl_core.evaluation.accuracy import accuracy
from lnl_core.figures import LOOK_ALIKES, noisy_sides, paint_irm
from lnl_core.networks.parts import LNLNetwork
from tools import ROOT
from tools.studies import search
from tools.studies.choosing import trained, with_setting
from tools.studies.study import Found, Job, NotReady, Options, Study, stored

FOLDER = Path("results", "look_alikes")
METHODS = ("baseline", "gray", "lnl")
SEEDS = search.FRESH_SEEDS
SHORT = dict(zip(LOOK_ALIKES, ("kim", "irm", "rebias", "lff"), strict=True))
"""The data sets' names in the names of files."""
LOWER: dict[str, float | None] = dict.fromkeys(LOOK_ALIKES) | {"Bahng et al. (ReBias)": 0.01}
"""The rate of f and g of the second runs of a data set; None: there are none."""
ELSEWHERE = ("color_var", "source", "train_split", "color_outside", "test_size")
"""What a configuration says of the digits of Kim et al. and is said here by the name of the data set."""


def config_of(method: str, seed: int, rate: float | None = None) -> RunConfig:
    """A run, on whichever data set: the setting that the search of its method chose, or the rate of the baseline's; or ``rate``."""
    setting = search.setting_of(method)
    if setting is None:
        raise NotReady(f"the search of {method} is not there: run 'python -m tools.studies search' first")
    config = with_setting(search.base_config(method, search.COLOR_VAR, seed), setting)
    return config if rate is None else config.with_options(lr=rate)


def said_of(method: str, seed: int, rate: float | None = None) -> Found:
    """What is stored of a run's configuration."""
    return {key: value for key, value in config_of(method, seed, rate).to_dict().items() if key not in ELSEWHERE}


def colors_of(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N, 3) in [0, 1]: the colour of the first place where that is not black, else the brightest value of each channel."""
    corner = images[:, 0, 0]
    return np.where(corner.any(axis=1, keepdims=True), corner, images.max(axis=(1, 2))) / 255


def painted(name: str, digits: Digits, training: bool, seed: int) -> BiasedImages:
    """Digits as a data set paints them, with its labels; the colour of the image is the bias, at every place."""
    painter, (grey, labels) = LOOK_ALIKES[name], digits
    images = painter(grey, labels, training, np.random.default_rng([seed, training]))
    if painter is paint_irm:  # it draws the labels first, and the same ones from the same seed
        labels = noisy_sides(labels, np.random.default_rng([seed, training])).astype(np.int64)
    color, channels_first = colors_of(images), torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    bias = bias_map(channels_first, color, "image", "everywhere")
    return BiasedImages(channels_first, labels, bias, labels, color.astype(np.float32), source="mnist")


def file_of(name: str, method: str, seed: int, rate: float | None = None, root: Path = ROOT) -> Path:
    return root / FOLDER / f"{SHORT[name]}-{method}{'' if rate is None else f'-{rate:g}'}-seed{seed}.json"


def read(name: str, method: str, seed: int, rate: float | None = None, root: Path = ROOT) -> Found | None:
    """A stored run; ``None`` if it is missing."""
    return stored(file_of(name, method, seed, rate, root))


class LookAlikes(Study):
    name = "look_alikes"
    about = "The same three methods on the four data sets that are called Colored MNIST, in a small setting."
    settings = search.SETTINGS

    def jobs(self, options: Options) -> list[Job]:
        keys: list[tuple[str, str, int, float | None]] = [(*key, None) for key in product(LOOK_ALIKES, METHODS, SEEDS)]
        keys += [(name, method, seed, rate) for name, rate in LOWER.items() if rate for method, seed in product(METHODS, SEEDS)]
        searched = all(search.setting_of(method) for method in METHODS)  # before that no run can be made
        return [Job(file_of(*key).stem, file_of(*key), key, said_of(*key[1:]) if searched else None) for key in keys]

    def do(self, job: Job, options: Options) -> Found:
        name, method, seed, rate = job.values
        config = config_of(method, seed, rate)
        grey, labels = load_mnist("train", options.data_dir)
        size = int(search.SETTINGS["train_size"])
        data, test = painted(name, (grey[:size], labels[:size]), True, seed), load_mnist("test", options.data_dir)

        def scores(network: LNLNetwork, *_: Any) -> dict[str, float]:
            parts = {"painted_accuracy": True, "accuracy": False}
            return {key: accuracy(network, painted(name, test, training, 1000 + seed)) for key, training in parts.items()}

        said = {"settings": search.SETTINGS, "data_set": name, "method": method, "seed": seed}
        return {**said, "config": said_of(method, seed, rate), **trained(config, config, scores, options.data_dir, data=data)}

    def line(self, found: Found) -> str:
        return str(found["scores"] or found["diverged"])


STUDIES = (LookAlikes(),)

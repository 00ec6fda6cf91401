"""The small runs behind "Is the bias gone?": the leak over training, and other adversaries one at a time.

All train on 3,500 embedded digits at sigma^2 = 0.03 for 12 epochs. Accuracy is that on the validation digits, and the leak is read
from training digits painted in random colours; the test digits take no part. The numbers are of this small size and enter no
results table. Together about half an hour on one core.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from lnl_core._files import read_json
from lnl_core.config import RunConfig, preset
from lnl_core.datasets.colored_mnist import image_color_labels
from lnl_core.datasets.container import BiasedImages
from lnl_core.evaluation import accuracy, feature_maps, probe_leakage
from lnl_core.evaluation.adversary import evaluate_adversary
from lnl_core.experiments.splits import load_data, load_probe_data
from lnl_core.networks import LNLNetwork, build_network
from lnl_core.runs.run import run_folder
from lnl_core.training import fit
from tools import ROOT
from tools.studies.leakage import FOLDER
from tools.studies.study import Found, Job, Options, Runs, Study

COLOR_VAR = 0.03
_SHARED: dict[str, Any] = {"epochs": 12, "batch_size": 128, "lr": 0.02, "bias_lr": 0.05, "adv_weight": 0.5, "probe_images": 4000}
"""What the stored runs were trained with, whatever "demo" has today."""

Rows = dict[str, dict[str, Any]]

ADVERSARIES: Rows = {
    "lnl": {},
    "h starts again every 3 epochs": {"adversary_reset": 3},
    "three heads in h": {"adversaries": 3},
    "three steps of h a step of f": {"adversary_steps": 3},
    "all three": {"adversary_reset": 3, "adversaries": 3, "adversary_steps": 3},
    "no entropy term: λ 0": {"mi_weight": 0.0},
    "h is told the digit, λ 0": {"mi_weight": 0.0, "conditional_adversary": True},
    "baseline": {"method": "baseline"},
}
"""What might make the leak go down: one change of h at a time."""

METHODS: Rows = {
    "baseline": {"mi_weight": 0.0, "adv_weight": 0.0},
    "blind_eye": {"method": "blind_eye"},
    "lnl": {},
}
"""What is watched over training. With both weights 0 lnl is the baseline with an h that watches and that nobody minds."""

SETTINGS: dict[str, Any] = {"split": "train", "images": 1500, "pool": 2}
"""The probes' images, half of them held out; the probes read means over ``pool`` x ``pool`` places."""


def config_of(changes: dict[str, Any], seed: int = 0) -> RunConfig:
    """The configuration of one row: what ``changes`` make of lnl, or of another method, at this size."""
    changed = {**_SHARED, **changes}
    method = changed.pop("method", "lnl")
    base = preset("demo", method, color_var=COLOR_VAR, seed=seed)
    return base.with_options(**{name: value for name, value in changed.items() if not base.unread(name)})


def readings(network: LNLNetwork, images: BiasedImages, pool: int) -> dict[str, float]:
    """What h says of unbiased images and what fresh probes find: the levels that h is asked for, and the group of the colour."""
    assert images.color is not None
    h = evaluate_adversary(network, images)
    features = F.avg_pool2d(feature_maps(network, images), pool)
    levels = image_color_labels(images.color, (1, 1)).flatten(1)
    with torch.enable_grad():  # fit() validates without gradients
        fresh = [probe_leakage(features, channel) for channel in levels.T]
        linear, mlp = (probe_leakage(features, images.group, kind=kind) for kind in ("linear", "mlp"))
    return {
        "h_accuracy": h.accuracy,
        "h_chance": h.chance,
        "h_information": h.information,
        "levels_accuracy": float(np.mean([probe.accuracy for probe in fresh])),
        "levels_information": float(np.mean([probe.information for probe in fresh])),
        "linear_accuracy": linear.accuracy,
        "mlp_accuracy": mlp.accuracy,
        "mlp_information": mlp.information,
        "control_accuracy": mlp.control_accuracy,
    }


def watch(config: RunConfig, folder: Path | None, settings: dict[str, Any], *, progress: bool = True) -> list[dict[str, float]]:
    """Train, and read the leak after every epoch: the lines of :func:`lnl_core.training.fit` with :func:`readings` in them."""
    unbiased = load_probe_data(config)
    assert unbiased is not None
    unbiased = unbiased.subset(slice(0, settings["images"]))
    held_out = load_data(config, "validation")

    def validate(network: LNLNetwork) -> dict[str, float]:
        return {"validation_accuracy": accuracy(network, held_out), **readings(network, unbiased, settings["pool"])}

    return fit(
        build_network(config),
        load_data(config, config.train_split),
        config,
        out_dir=folder,
        validate=validate,
        device="cpu",
        progress=progress,
    )


def read_training(root: Path = ROOT) -> list[dict[str, Any]]:
    """The stored courses, by method in the order of :data:`METHODS` and seed."""
    paths = sorted((root / FOLDER).glob("training-*.json"))
    found = [read_json(path, "restore it from the repository") for path in paths]
    return sorted(found, key=lambda one: (list(METHODS).index(one["name"]), one["seed"]))


def _adversaries() -> list[RunConfig]:
    return [config_of(changes, seed) for seed in range(3) for changes in ADVERSARIES.values()]


class Courses(Study):
    """Trains again what :data:`METHODS` names, with probes after every epoch."""

    name = "courses"
    about = "How much of the colour is in the features after each epoch of three methods."
    settings = SETTINGS

    def jobs(self, options: Options) -> list[Job]:
        named = {f"training-{name}-{seed}": (name, seed) for seed in range(3) for name in METHODS}
        return [Job(key, ROOT / FOLDER / f"{key}.json", values) for key, values in named.items()]

    def do(self, job: Job, options: Options) -> Found:
        name, seed = job.values
        config = config_of(METHODS[name], seed)
        # apart from the sweeps: the course of lnl has the configuration of an ablation
        epochs = watch(config, run_folder(options.work / "courses", config), SETTINGS, progress=False)
        return {"schema": 1, "name": name, "seed": seed, "config": config.to_dict(), "settings": SETTINGS, "epochs": epochs}


STUDIES = (
    Runs("adversaries", "Whether another h makes f forget more, in small runs.", "ablations", _adversaries),
    Courses(),
)

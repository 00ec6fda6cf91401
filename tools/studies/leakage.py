"""How much of the colour is left in trained models, for "Is the bias gone?": h, fresh probes, code length, linear erasure.

Where a finished run is missing, its published copy in results/models (float16) is measured instead. Probes read unbiased images,
the test digits in random colours: the leak is measured here and nothing is chosen by it, and the test digits are those that the
accuracy in the same row was measured on. About two minutes a model on one core.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lnl_core._files import is_number, read_text
from lnl_core.config import RunConfig, preset
from lnl_core.datasets.colored_mnist import image_color_labels
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import RecordError
from lnl_core.evaluation import Interval, code_length, feature_maps, leakage, probe_leakage
from lnl_core.evaluation.adversary import evaluate_adversary, retrain_adversary
from lnl_core.evaluation.erasure import linear_eraser
from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.experiments.splits import load_data
from lnl_core.information import entropy
from lnl_core.methods import find
from lnl_core.networks import LNLNetwork
from lnl_core.runs.records import published_models, read_record
from lnl_core.runs.run import MODEL, RECORD, load_model, run_folder
from lnl_core.training.checkpoints import same_run
from tools import ROOT
from tools.studies.runs import FIVE, SEVERAL
from tools.studies.study import Found, Job, NotReady, Options, Study

FOLDER = Path("results", "leakage")
OF_SEEDS = Path("results", "leakage_seeds")
"""Where further seeds have theirs; the tables of one network a cell do not read them."""
FURTHER = (3, 4)
"""The seeds whose weights were kept."""
METHODS = ("baseline", "gray", "blind_eye", "grl", "blind_eye_grl", "lnl_adv", "lnl", "mi_backprop", "bias_balanced")
"""The methods of Figure 4 and mi_backprop, in the order of the table."""
SCHEMA = 2
SETTINGS: dict[str, Any] = {
    "split": "test",
    "pool": 2,
    "images": 4000,
    "seeds": 5,
    "kinds": ["linear", "mlp", "conv"],
    "code": "mlp",
    "erased_images": 2400,
    "live": 0.1,
    "fresh_h_epochs": 15,
}
"""Where f(x) has places, probes read means over ``pool`` x ``pool`` of them. These hold less, and of them probes read more from a
few thousand images. Half of the ``images`` are held out, from a fresh h too. The eraser is fitted to images that are not probed."""


def level_probe(features: Tensor, levels: Tensor, seeds: int) -> dict[str, Any]:
    """Linear probes asked what h is asked, the level of each channel of the colour: means over channels, intervals over seeds."""
    probes = [[probe_leakage(features, channel, seed=seed) for channel in levels.T] for seed in range(seeds)]

    def over_seeds(name: str) -> dict[str, float]:
        values = [float(np.mean([getattr(probe, name) for probe in three])) for three in probes]
        return asdict(Interval.of(values, overlap=probes[0][0].n_test / probes[0][0].n_train))

    chance = float(np.mean([probe.chance for three in probes for probe in three]))
    return {**{name: over_seeds(name) for name in ("accuracy", "control_accuracy", "information")}, "chance": chance}


def fresh_h(network: LNLNetwork, probed: BiasedImages, epochs: int, seeds: int) -> dict[str, Any]:
    """Fresh h's on halves of the images, drawn anew for each, asked about the other halves: intervals over seeds."""
    readings = []
    for seed in range(seeds):
        order = torch.randperm(len(probed), generator=torch.Generator().manual_seed(seed))
        half = len(probed) // 2
        head = retrain_adversary(network, probed.subset(order[:half]), epochs=epochs, seed=seed)
        readings.append(evaluate_adversary(head, probed.subset(order[half:])))
    found = {
        name: asdict(Interval.of([getattr(reading, name) for reading in readings], overlap=1.0))
        for name in ("accuracy", "information")
    }
    return {**found, "chance": float(np.mean([reading.chance for reading in readings])), "seeds": seeds}


def erased(features: Tensor, group: Tensor, images: int, live: float, seeds: int) -> dict[str, Any]:
    """Probes of the first ``images`` before and after linear erasure, which is fitted to all the others.

    Of the features that vary, those whose deviation is at least ``live`` of the largest, and once of all. There what is taken out
    shows: a feature that is zero nearly everywhere becomes, by the correction, a linear guess of the bias that the others held.
    Linear probes of the features that vary are not cut, for the promise of erasure is about linear readers.
    """
    features = features.flatten(1)
    deviation = features[images:].std(0)
    vary = features[:, deviation >= live * deviation.max()]
    after = linear_eraser(vary[images:], group[images:])(vary[:images])
    everything = linear_eraser(features[images:], group[images:])(features[:images])
    group = group[:images]
    return {
        "features": vary.shape[1],
        "linear_before": leakage(vary[:images], group, kind="linear", seeds=seeds, cut=False).to_dict(),
        "linear": leakage(after, group, kind="linear", seeds=seeds, cut=False).to_dict(),
        "mlp": leakage(after, group, kind="mlp", seeds=seeds).to_dict(),
        "all_features": features.shape[1],
        "all_linear": leakage(everything, group, kind="linear", seeds=seeds).to_dict(),
    }


def measure(network: LNLNetwork, config: RunConfig, data_dir: str | None, settings: dict[str, Any]) -> dict[str, Any]:
    """All that is stored of one model but its name; see :data:`SETTINGS`."""
    images, seeds = settings["images"], settings["seeds"]
    test = load_data(config, settings["split"], data_dir)
    everything = feature_maps(network, test)
    is_map = everything.ndim == 4
    everything = F.avg_pool2d(everything, settings["pool"]) if is_map else everything
    probed = test.subset(slice(0, images))
    maps, group = everything[:images], probed.group
    found: dict[str, Any] = {"adversary": None, "levels": None}
    found["fresh_h"] = fresh_h(network, probed, settings["fresh_h_epochs"], seeds)
    if find(config.method).trains_h:
        train = load_data(config, config.train_split, data_dir).subset(slice(0, images))
        readings = {"training": train, "unbiased": probed}
        found["adversary"] = {name: evaluate_adversary(network, data).to_dict() for name, data in readings.items()}
    if config.bias_labels == "image" and probed.color is not None:
        found["levels"] = level_probe(maps, image_color_labels(probed.color, (1, 1)).flatten(1), seeds)
    found["entropy"] = entropy(np.bincount(group.numpy()) / len(group))
    kinds = [kind for kind in settings["kinds"] if is_map or kind != "conv"]
    found["probes"] = {kind: leakage(maps, group, kind=kind, seeds=seeds).to_dict() for kind in kinds}
    found["code_length"] = code_length(maps, group, kind=settings["code"], seeds=seeds).to_dict()
    found["erased"] = erased(everything, test.group, settings["erased_images"], settings["live"], seeds)
    return found


def trained(runs: Path, config: RunConfig, root: Path = ROOT) -> tuple[Path, Path] | None:
    """The record and the weights of a finished run: those in its folder below ``runs``, else the published ones, else ``None``.

    Raises:
        RecordError: the folder holds a run of another precision, which its name does not say.
    """
    run = run_folder(runs, config)
    if (run / RECORD).is_file() and (run / MODEL).is_file():
        same_run(config, read_record(run / RECORD).run_config(), run)
        return run / RECORD, run / MODEL
    records = root / "results" / "runs" / f"{run.name}.json"
    copies = [model["path"] for model in published_models(root / "results") if model["record"] == run.name]
    return (records, copies[0]) if copies and records.is_file() else None


def probe_run(record_path: Path, weights: Path, data_dir: str | None = None, settings: dict[str, Any] = SETTINGS) -> Found:
    """All that is stored of one finished run."""
    record = read_record(record_path)
    config = record.run_config()
    return {
        "schema": SCHEMA,
        "record": run_folder(".", config).name,
        "method": config.method,
        "color_var": config.color_var,
        "seed": config.seed,
        "precision": config.precision,
        "profile": record.profile,
        "source": record.data["source"],
        "settings": settings,
        "weights": "float32" if weights.name == MODEL else "float16",
        "test_accuracy": record.metrics["test_accuracy"],
        **measure(load_model(weights), config, data_dir, settings),
    }


def _is_measured(part: Any) -> bool:
    """Whether nothing but words, truth values and finite numbers stands in a part of a measurement, and at least one of them."""
    if isinstance(part, dict | list):
        inner = list(part.values()) if isinstance(part, dict) else part
        return bool(inner) and all(_is_measured(one) for one in inner)
    return isinstance(part, str | bool) or is_number(part)


def read_leakage(root: Path = ROOT, folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The stored measurements of models, by method, variance and seed in the order of the table.

    Raises:
        RecordError: if a file cannot be read, or was measured with other settings than the rest.
    """
    found = []
    for path in sorted((root / folder).glob("colored_mnist-*.json")):
        try:
            one = json.loads(read_text(path))
            known = one["schema"] == SCHEMA and one["method"] in METHODS and isinstance(one["settings"], dict)
            known &= all(is_number(one[name]) for name in ("color_var", "seed", "test_accuracy", "entropy"))
            parts = [one[name] for name in ("probes", "code_length", "erased", *(["adversary"] if one.get("adversary") else []))]
            known &= all(isinstance(part, dict) and _is_measured(part) for part in parts)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            known = False
        if not known:
            raise RecordError(
                f"{path.name} is no measurement of this version: delete it and run 'python -m tools.studies {folder.name}'"
            )
        found.append(one)
    if len({json.dumps(one["settings"]) for one in found}) > 1:
        raise RecordError(
            f"the files in {folder} were measured with different settings: run 'python -m tools.studies {folder.name}'"
        )
    return sorted(found, key=lambda one: (METHODS.index(one["method"]), one["color_var"], one["seed"]))


class Leakage(Study):
    name = "leakage"
    about = "What probes, fresh h's and codes read of the colour in the networks of the study figure_4."
    settings = SETTINGS
    folder = FOLDER

    def jobs(self, options: Options) -> list[Job]:
        named = {run_folder("", config).name: config for config in self.configs()}
        return [Job(name, ROOT / self.folder / f"{name}.json", config) for name, config in named.items()]

    def configs(self) -> list[RunConfig]:
        return [preset("short", method, color_var=var, source="mnist") for var in COLOR_VARS for method in METHODS]

    def do(self, job: Job, options: Options) -> Found:
        try:
            files = trained(options.work, job.values)
        except RecordError as reason:
            raise NotReady(str(reason)) from None
        if files is None:
            raise NotReady(f"there is no finished run in {options.work}, and no copy of it: run the study figure_4 first")
        return probe_run(*files, options.data_dir)

    def line(self, found: Found) -> str:
        return f"{found['probes']['linear']['accuracy']['mean']:.3f} by a linear probe"


class LeakageOfSeeds(Leakage):
    name = "leakage_seeds"
    about = "What probes read of the colour in further seeds of three methods, so that a cell has three networks."
    folder = OF_SEEDS

    def configs(self) -> list[RunConfig]:
        return [
            preset("short", method, color_var=var, seed=seed, source="mnist", precision="bf16")
            for var in SEVERAL
            for method in FIVE
            for seed in FURTHER
        ]


STUDIES = (Leakage(), LeakageOfSeeds())

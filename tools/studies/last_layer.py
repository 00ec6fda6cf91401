"""The last layer of the stored networks fitted anew, f and the rest of g as they are: how much do k unbiased images repair?

The k images are drawn from the 5,000 validation digits in random colours, several times; a network has seen their shapes in the
colours of its training. The control are as many digits in the colours of the training: a new fit by itself, with nothing unbiased.
All is measured on the 10,000 test digits in random colours. The features are computed once a network, so a fit takes a second.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lnl_core.datasets import BiasedImages
from lnl_core.evaluation.accuracy import bias_alignment, group_metrics
from lnl_core.experiments.splits import load_data
from lnl_core.methods.last_layer import last_features, last_layer_of, solved_layer
from lnl_core.runs.records import read_record
from lnl_core.runs.run import load_model
from tools import ROOT
from tools.studies.stored import OfStoredNetworks, read_measurements
from tools.studies.study import Found

FOLDER = Path("results", "last_layer")
SETTINGS: dict[str, Any] = {"counts": [50, 200, 500, 2000], "draws": 5, "from": "validation", "split": "test"}
COLORS = {"unbiased": True, "training_colors": False}
"""Whether the colours of the k images are random, of each measurement."""


def measure(model: dict[str, Any], results: Path, data_dir: str | None = None) -> Found:
    """Before, and after every fit, of one of :func:`lnl_core.runs.records.published_models`."""
    config = read_record(results / "runs" / f"{model['record']}.json").run_config()
    network = load_model(model["path"])
    layer = last_layer_of(network)
    test, train = (load_data(config, split, data_dir) for split in (SETTINGS["split"], config.train_split))
    alignment = bias_alignment(train)
    features = last_features(network, test)

    def answers(weight: Tensor, bias: Tensor) -> dict[str, float]:
        return _metrics((features @ weight.double().T + bias.double()).argmax(1), test, alignment)

    found: Found = {"settings": SETTINGS, "record": model["record"], "weights": "float16"}
    found |= {name: model[name] for name in ("method", "color_var", "profile")} | {"seed": config.seed}
    found["before"] = answers(layer.weight.detach(), layer.bias.detach())
    for name, random in COLORS.items():
        given = load_data(config, SETTINGS["from"], data_dir, random_colors=random)
        x = last_features(network, given)
        rows = []
        for k in SETTINGS["counts"]:
            for draw in range(SETTINGS["draws"]):
                chosen = torch.from_numpy(np.random.default_rng([k, draw]).permutation(len(given))[:k])
                weight, bias, penalty = solved_layer(x[chosen], given.labels[chosen], layer.out_features)
                rows.append({"images": k, "draw": draw, "penalty": penalty, **answers(weight, bias)})
        found[name] = rows
    return found


def _metrics(predicted: Tensor, data: BiasedImages, alignment: Any) -> dict[str, float]:
    answers, labels = predicted.numpy(), data.labels.numpy()
    return {"test_accuracy": float((answers == labels).mean()), **group_metrics(answers, labels, data.group.numpy(), alignment)}


def read_last_layers(root: Path = ROOT) -> list[Found]:
    """The stored measurements, see :func:`tools.studies.stored.read_measurements`."""
    return read_measurements(root / FOLDER)


class LastLayers(OfStoredNetworks):
    name = "last_layer"
    about = "The last layer of the stored networks fitted anew to k images, unbiased and in the colours of the training."
    settings = SETTINGS
    folder = FOLDER

    def measure(self, model: dict[str, Any], data_dir: str | None) -> Found:
        return measure(model, ROOT / "results", data_dir)

    def line(self, found: Found) -> str:
        best = [row["test_accuracy"] for row in found["unbiased"] if row["images"] == max(SETTINGS["counts"])]
        return f"accuracy {found['before']['test_accuracy']:.4f} before, {np.mean(best):.4f} after"


STUDIES = (LastLayers(),)

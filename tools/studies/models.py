"""Small copies of trained models, with what Figure 5 needs to know of them.

METHOD-VAR.safetensors has float16 weights, under 400 KB, and METHOD-VAR.json the record's name, and the confusion matrices of the
10,000 test digits painted around each of the ten mean colours. Seed 0.
"""

from pathlib import Path
from typing import Any

import torch

from lnl_core.config import preset
from lnl_core.evaluation import accuracy, confusion_by_color
from lnl_core.experiments.splits import load_data
from lnl_core.runs.records import read_record
from lnl_core.runs.run import RECORD, load_model, run_folder, save_model
from tools import ROOT
from tools.studies.study import Found, Job, NotReady, Options, Study

FOLDER = ROOT / "results" / "models"
METHODS, COLOR_VARS = ("baseline", "lnl", "bias_balanced"), (0.02, 0.03)


def publish(run: Path, target: Path, data_dir: str | None = None) -> dict[str, Any]:
    """Copy one finished run's model to ``target``, a path without suffix, and measure it once more as it is published."""
    record = read_record(run / RECORD)
    config = record.run_config()
    weights = target.with_name(f"{target.name}.safetensors")  # not with_suffix: the name ends in a variance
    save_model(load_model(run), config, weights, torch.float16)
    network = load_model(weights)
    test = load_data(config, "test", data_dir)
    painted = (load_data(config, "test", data_dir, mean_color=color) for color in range(10))
    return {
        "record": run_folder(".", config).name,
        "method": config.method,
        "color_var": config.color_var,
        "profile": record.profile,
        "test_accuracy": accuracy(network, test),
        "confusion_by_color": confusion_by_color(network, painted).tolist(),
    }


class Models(Study):
    name = "models"
    about = "Small copies of trained networks, and how they answer to digits in each colour."

    def jobs(self, options: Options) -> list[Job]:
        configs = [preset("short", method, color_var=var, source="mnist") for method in METHODS for var in COLOR_VARS]
        named = {f"{config.method}-{config.color_var:g}": config for config in configs}
        return [Job(name, FOLDER / f"{name}.json", config) for name, config in named.items()]

    def do(self, job: Job, options: Options) -> Found:
        run = run_folder(options.work, job.values)
        if not (run / RECORD).is_file():
            raise NotReady(f"there is no finished run in {run}: run the study figure_4 first")
        return publish(run, FOLDER / job.key, options.data_dir)

    def line(self, found: Found) -> str:
        return f"test accuracy {found['test_accuracy']:.4f}"


STUDIES = (Models(),)

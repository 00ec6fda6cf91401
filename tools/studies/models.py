"""Publish small trained models: copy them from a sweep's work folder, with what Figure 5 needs to know of them.

    python -m tools.studies.models WORK [--methods baseline,lnl,bias_balanced] [--color-vars 0.02,0.03]

Writes results/models/METHOD-VAR.safetensors (float16 weights, under 400 KB) and METHOD-VAR.json: the record's name, and the
confusion matrices of the 10,000 test digits painted around each of the ten mean colours. Seed 0; runs that are not there are left
out.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from lnl_core._files import write_json
from lnl_core.config import preset
from lnl_core.evaluation import accuracy, confusion_by_color
from lnl_core.experiments.splits import load_data
from lnl_core.runs.records import read_record
from lnl_core.runs.run import RECORD, load_model, run_folder, save_model
from tools import ROOT

FOLDER = ROOT / "results" / "models"


def publish(run: Path, target: Path, data_dir: str | None = None) -> dict[str, Any]:
    """Copy one finished run's model and measure it once more as it is published."""
    record = read_record(run / RECORD)
    config = record.run_config()
    weights = target.with_name(f"{target.name}.safetensors")  # not with_suffix: the name ends in a variance
    save_model(load_model(run), config, weights, torch.float16)
    network = load_model(weights)
    test = load_data(config, "test", data_dir)
    painted = (load_data(config, "test", data_dir, mean_color=color) for color in range(10))
    facts = {
        "record": run_folder(".", config).name,
        "method": config.method,
        "color_var": config.color_var,
        "profile": record.profile,
        "test_accuracy": accuracy(network, test),
        "confusion_by_color": confusion_by_color(network, painted).tolist(),
    }
    write_json(target.with_name(f"{target.name}.json"), facts)
    return facts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--methods", default="baseline,lnl,bias_balanced")
    parser.add_argument("--color-vars", default="0.02,0.03")
    parser.add_argument("--profile", default="short")
    parser.add_argument("--data-dir", default=None)
    arguments = parser.parse_args()
    for method in arguments.methods.split(","):
        for var in arguments.color_vars.split(","):
            config = preset(arguments.profile, method, color_var=float(var), source="mnist")
            run = run_folder(arguments.work, config)
            if not (run / RECORD).is_file():
                print(f"{method} at {var}: no finished run in {run}", file=sys.stderr)
                continue
            facts = publish(run, FOLDER / f"{method}-{float(var):g}", arguments.data_dir)
            print(f"{method} at {var}: {facts['test_accuracy']:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

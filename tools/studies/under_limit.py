"""Trained models beside the limit: how often they name fresh digits in the colours of training, and what that proves at 95 %.

    python -m tools.studies.under_limit WORK [--data-dir DIR]

Measures every finished run on Colored MNIST below WORK (a sweep's work folder) and writes results/limit/runs/NAME.json; runs that
are there already are left alone, and so are runs that ended without having learnt a digit, with a word. "Painted" digits are the
test digits, each in the colour that its class has in training, drawn anew: on that distribution, and only there, the limit holds.
Of mi_backprop the last epoch's label loss and bound are kept too.

Variances below those of Figure 4 have their run records beside the measurements, so that they enter no results table:

    lnl sweep --methods baseline,gray,blind_eye,grl,blind_eye_grl,lnl_adv,lnl,bias_balanced,mi_backprop --color-vars 0 \\
        --profile short --work WORK --out results/limit/records
"""

import argparse
import math
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from lnl_core._files import read_json, write_json
from lnl_core.config import RunConfig, preset
from lnl_core.evaluation import accuracy
from lnl_core.experiments.splits import load_data
from lnl_core.information.limit import label_entropy, proved_leak
from lnl_core.runs.provenance import provenance
from lnl_core.runs.records import read_record
from lnl_core.runs.run import RECORD, load_model, read_history
from tools import ROOT

FOLDER = Path("results", "limit", "runs")
CONFIDENCE = 0.95
"""One-sided, of each network's proved leak for itself."""


def leak_of(painted_accuracy: float, color_var: float, examples: int) -> float:
    """Nats of colour that an accuracy on so many painted digits proves, by its lower confidence limit."""
    return proved_leak(painted_accuracy, label_entropy(color_var).value, examples=examples, confidence=CONFIDENCE)


def measure(run: Path, data_dir: str | None = None) -> dict[str, Any]:
    """One finished run: its accuracy on painted and on unbiased test digits, and the nats that the first proves at 95 %."""
    started, clock = datetime.now(UTC), time.perf_counter()
    record = read_record(run / RECORD)
    config = record.run_config()
    digits = load_data(config, "test", data_dir, random_colors=False)
    painted = accuracy(load_model(run), digits)
    found = {
        "run": run.name,
        "method": config.method,
        "color_var": config.color_var,
        "seed": config.seed,
        "profile": record.profile,
        "changed": changed(config) if record.profile == "custom" else {},
        "source": record.data["source"],
        "test_size": record.data["test_size"],
        "painted_accuracy": painted,
        "test_accuracy": record.metrics["test_accuracy"],
        "proved_leak": leak_of(painted, config.color_var, len(digits)),
        "confidence": CONFIDENCE,
        "provenance": provenance(started, time.perf_counter() - clock, torch.device("cpu")),
    }
    if config.method == "mi_backprop":
        last = read_history(run)[-1]
        found["last_epoch"] = {name: last.get(name) for name in ("label_loss", "bound")}
    return found


def changed(config: RunConfig) -> dict[str, Any]:
    """What a configuration has otherwise than the profile short of its method."""
    ours = config.to_dict()
    short = preset("short", config.method, color_var=config.color_var, seed=config.seed, source=config.source).to_dict()
    return {name: value for name, value in ours.items() if name != "profile" and value != short[name]}


def collapsed(run: Path) -> bool:
    """Whether the label loss ended where a guess is: such a run says nothing of its method."""
    return float(read_history(run)[-1]["label_loss"]) > 0.95 * math.log(10)


def read_measured(root: Path = ROOT, *, other_networks: bool = False) -> list[dict[str, Any]]:
    """What has been measured on the full data set, in the order of file names; or the same of ``other_networks``.

    A limit on the length of a step is no other method: a run that has it stands with those of its profile.
    """
    found = [read_json(path, "restore it from the repository") for path in sorted((root / FOLDER).glob("*.json"))]
    full = [run for run in found if run["source"] == "mnist"]
    if other_networks:
        return [run for run in full if "network" in run.get("changed", {})]
    return [run for run in full if run["profile"] in ("short", "full") or [*run.get("changed", {})] == ["clip_norm"]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--data-dir", default=None)
    arguments = parser.parse_args()
    runs = [path.parent for path in sorted(arguments.work.glob(f"colored_mnist-*/{RECORD}"))]
    if not runs:
        print(f"no finished run on Colored MNIST below {arguments.work}", file=sys.stderr)
        return 1
    for run in tqdm(runs, desc="runs"):
        target = ROOT / FOLDER / f"{run.name}.json"
        if collapsed(run):
            tqdm.write(f"{run.name} learnt no digit and is left out")
        elif not target.is_file():
            write_json(target, measure(run, arguments.data_dir))
    return 0


if __name__ == "__main__":
    sys.exit(main())

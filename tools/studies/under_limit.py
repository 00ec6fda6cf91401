"""Trained models beside the limit: how often they name fresh digits in the colours of training, and what that proves at 95 %.

Measures every finished run on Colored MNIST in the work folder, such as those of the studies figure_4, their_network and
no_variance; runs that ended without having learnt a digit are left out. "Painted" digits are the test digits, each in the colour
that its class has in training, drawn anew: on that distribution, and only there, the limit holds. Where a method logs a bound on
the information, the label loss and the bound of the last epoch are kept too.
"""

import math
from pathlib import Path
from typing import Any

from lnl_core._files import read_json
from lnl_core.config import RunConfig, preset
from lnl_core.evaluation import accuracy
from lnl_core.experiments.splits import load_data
from lnl_core.information.limit import label_entropy, proved_leak
from lnl_core.runs.records import read_record
from lnl_core.runs.run import RECORD, load_model, read_history
from tools import ROOT
from tools.studies.study import Found, Job, NotReady, Options, Study

FOLDER = Path("results", "limit", "runs")
CONFIDENCE = 0.95
"""One-sided, of each network's proved leak for itself."""


def leak_of(painted_accuracy: float, color_var: float, examples: int) -> float:
    """Nats of colour that an accuracy on so many painted digits proves, by its lower confidence limit."""
    return proved_leak(painted_accuracy, label_entropy(color_var).value, examples=examples, confidence=CONFIDENCE)


def measure(run: Path, data_dir: str | None = None) -> dict[str, Any]:
    """One finished run: its accuracy on painted and on unbiased test digits, and the nats that the first proves at 95 %."""
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
    }
    last = read_history(run)[-1]
    if {"bound", "bound_diverged"} & set(last):
        found["last_epoch"] = {name: last.get(name) for name in ("label_loss", "bound")}
    return found


def changed(config: RunConfig) -> dict[str, Any]:
    """What a configuration has otherwise than the profile short of its method."""
    ours = config.to_dict()
    short = preset("short", config.method, color_var=config.color_var, seed=config.seed, source=config.source).to_dict()
    return {name: value for name, value in ours.items() if name != "profile" and value != short.get(name)}


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


class UnderLimit(Study):
    name = "under_limit"
    about = "How often trained networks name digits in the colours of training, and what that proves."

    def jobs(self, options: Options) -> list[Job]:
        trained = (path.parent.name for path in options.work.glob(f"colored_mnist-*/{RECORD}"))
        names = sorted({*trained, *(path.stem for path in (ROOT / FOLDER).glob("*.json"))})
        return [Job(name, ROOT / FOLDER / f"{name}.json", name) for name in names]

    def do(self, job: Job, options: Options) -> Found:
        run = options.work / job.key
        if not (run / RECORD).is_file():
            raise NotReady(f"there is no finished run in {run}")
        if collapsed(run):
            raise NotReady("it learnt no digit and is left out")
        return measure(run, options.data_dir)


STUDIES = (UnderLimit(),)

"""What an epoch of mi_backprop costs in epochs of lnl, for the table in "Mutual information backpropagation".

One file a device; on an idle machine, since two sides are timed in turn. Timings enter no
results table of the methods.
"""

import re
from pathlib import Path
from typing import Any

from lnl_core._files import read_json
from lnl_core.datasets.colored_mnist import colored_mnist
from lnl_core.runs.bench import mi_backprop_cost
from lnl_core.runs.provenance import device_name
from lnl_core.training import choose_device
from tools import ROOT
from tools.studies.study import Found, Job, NotReady, Options, Study

FOLDER = Path("results", "mi_cost")
REPEATS = 3


def read_costs(root: Path = ROOT) -> list[dict[str, Any]]:
    """The stored measurements, by file name."""
    return [read_json(path, "restore it from the repository") for path in sorted((root / FOLDER).glob("*.json"))]


class Cost(Study):
    name = "mi_cost"
    about = "What an epoch of mi_backprop costs in epochs of lnl, on this machine when it is idle."
    device = "auto"

    def jobs(self, options: Options) -> list[Job]:
        here = re.sub(r"\W+", "-", device_name(choose_device())).strip("-").lower()
        names = sorted({here, *(path.stem for path in (ROOT / FOLDER).glob("*.json"))})
        return [Job(name, ROOT / FOLDER / f"{name}.json", name == here) for name in names]

    def do(self, job: Job, options: Options) -> Found:
        if not job.values:
            raise NotReady("this is another device")
        data = colored_mnist("trainval", 0.03, data_dir=options.data_dir)
        return {"source": data.source, "repeats": REPEATS, "costs": mi_backprop_cost(data, REPEATS)}

    def line(self, found: Found) -> str:
        return "".join(f"\n{what:<52}{cost:6.2f} epochs of lnl" for what, cost in found["costs"].items())


STUDIES = (Cost(),)

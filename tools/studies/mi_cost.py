"""What an epoch of mi_backprop costs in epochs of lnl, for the table in "Mutual information backpropagation".

    python -m tools.studies.mi_cost [--data-dir DIR] [--repeats 3]

Writes results/mi_cost/DEVICE.json, one file a device; on an idle machine, since two sides are timed in turn. Timings enter no
results table of the methods.
"""

import argparse
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lnl_core._files import read_json, write_json
from lnl_core.datasets.colored_mnist import colored_mnist
from lnl_core.runs.bench import mi_backprop_cost
from lnl_core.runs.provenance import provenance
from lnl_core.training import choose_device
from tools import ROOT

FOLDER = Path("results", "mi_cost")


def read_costs(root: Path = ROOT) -> list[dict[str, Any]]:
    """The stored measurements, by file name."""
    return [read_json(path, "restore it from the repository") for path in sorted((root / FOLDER).glob("*.json"))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    started, clock = datetime.now(UTC), time.perf_counter()
    data = colored_mnist("trainval", 0.03, data_dir=arguments.data_dir)
    costs = mi_backprop_cost(data, arguments.repeats)
    origin = provenance(started, time.perf_counter() - clock, choose_device())
    name = re.sub(r"\W+", "-", str(origin["device"])).strip("-").lower()
    write_json(
        ROOT / FOLDER / f"{name}.json", {"source": data.source, "repeats": arguments.repeats, "costs": costs, "provenance": origin}
    )
    for what, cost in costs.items():
        print(f"{what:<52}{cost:6.2f} epochs of lnl")
    return 0


if __name__ == "__main__":
    sys.exit(main())

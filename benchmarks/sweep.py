"""What a sweep costs beside its runs: ``python benchmarks/sweep.py [RUNS]``, by default 10,000, each over as soon as it begins.

Printed are the seconds of planning, the milliseconds a run of what the sweep does itself (choosing, progress, the record), and the
growth of the process's memory in MiB over the second half of the runs.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lnl_core.runs import sweep as module
from lnl_core.runs.executors import Job, LocalExecutor, Outcome
from lnl_core.runs.records import SCHEMA, RunRecord


class Simulated(LocalExecutor):
    """One run at a time, without a process; ``memory`` is that of this process in MiB after each."""

    memory: list[float]

    def start(self, job: Job) -> None:
        self.active.append((job, None))  # type: ignore[arg-type]

    def finished(self) -> Iterator[tuple[Job, Outcome]]:
        while self.active:
            job, _ = self.active.pop()
            config = job.config
            about = (SCHEMA, config.experiment, config.method, config.setting, config.seed, config.profile, "last_epoch")
            yield job, Outcome(RunRecord(*about, config.to_dict(), {"test_accuracy": 0.5}, {"source": "mini"}, {}))
            Simulated.memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20)


def simulate(runs: int) -> dict[str, float]:
    """Plan and drive a grid of so many runs."""
    Simulated.memory = []
    module.LocalExecutor = Simulated  # type: ignore[attr-defined, misc]
    began = time.perf_counter()
    configs = module.grid("colored_mnist", ["baseline"], [0.03], range(runs), "smoke")
    with tempfile.TemporaryDirectory() as folder:
        module.plan(configs, folder)
        planned = time.perf_counter()
        report = module.sweep(configs, folder, progress=False)
        driven = time.perf_counter()
    assert len(report.finished) == runs
    growth = Simulated.memory[-1] - Simulated.memory[runs // 2]
    return {"planning_s": planned - began, "ms_a_run": 1e3 * (driven - planned) / runs, "growth_mib": growth}


def main(arguments: list[Any]) -> None:
    print(json.dumps({name: round(value, 3) for name, value in simulate(int(arguments[0]) if arguments else 10_000).items()}))


if __name__ == "__main__":
    main(sys.argv[1:])

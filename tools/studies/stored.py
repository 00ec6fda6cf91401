"""Studies that measure each network that is stored in results/models, into a file a network."""

import json
from abc import abstractmethod
from pathlib import Path
from typing import Any

from lnl_core.runs.records import published_models
from tools import ROOT
from tools.studies.study import Found, Job, Options, Study


class OfStoredNetworks(Study):
    """A study of the stored networks. Derive from it, say the folder of the results and what is measured.

    Attributes:
        folder: of the results, below the root of the project.
    """

    folder: Path

    @abstractmethod
    def measure(self, model: dict[str, Any], data_dir: str | None) -> Found:
        """The result of one of :func:`lnl_core.runs.records.published_models`."""

    def jobs(self, options: Options) -> list[Job]:
        models = published_models(ROOT / "results")
        return [Job(model["path"].stem, ROOT / self.folder / f"{model['path'].stem}.json", model) for model in models]

    def do(self, job: Job, options: Options) -> Found:
        return self.measure(job.values, options.data_dir)


def read_measurements(folder: Path) -> list[Found]:
    """The stored results of such a study, by variance, then by method in the order of their files."""
    found: list[Found] = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    return sorted(found, key=lambda one: (one["color_var"], one["method"]))

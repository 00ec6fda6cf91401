"""Studies that measure each network that is stored in results/models, into a file a network."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lnl_core.runs.records import published_models
from tools import ROOT
from tools.studies.study import Found, Job, Options, Study, stored

WEIGHTS = "weights_sha256"
"""In a result, the digest of the file of weights that was measured."""


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class OfStoredNetworks(Study):
    """A study of the stored networks. Derive from it, say the folder of the results and what is measured.

    A result counts as missing once other weights are published under its name.

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
        path, found = job.values["path"], self.measure(job.values, options.data_dir)
        return found if path is None else {**found, WEIGHTS: digest(path)}

    def left(self, jobs: Sequence[Job]) -> list[Job]:
        missing = {job.key for job in super().left(jobs)}
        return [job for job in jobs if job.key in missing or _of_other_weights(job)]


def _of_other_weights(job: Job) -> bool:
    """Whether the result is of other weights than the published ones; for networks of a working folder that is not asked."""
    path, found = job.values["path"], stored(job.file) or {}
    return "record" in job.values and not (path.is_file() and found.get(WEIGHTS) == digest(path))


def read_measurements(folder: Path) -> list[Found]:
    """The stored results of such a study, by variance, then by method in the order of their files."""
    found: list[Found] = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    return sorted(found, key=lambda one: (one["color_var"], one["method"]))

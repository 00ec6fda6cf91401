"""What a study is, and the one way to run it: what is there is skipped, each result is written whole or not at all, one bar.

Whatever is killed, the same command later does what is missing.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from lnl_core._files import read_json, write_json
from lnl_core.config import RunConfig
from lnl_core.errors import ConfigError, DataError, NonFiniteLossError, RecordError
from lnl_core.runs.provenance import code_state, provenance
from lnl_core.runs.records import RunRecord, read_record, write_record
from lnl_core.runs.run import run, run_folder
from lnl_core.runs.sweep import sweep
from lnl_core.training.devices import choose_device
from tools import ROOT

Found = dict[str, Any]


class NotReady(Exception):
    """Why a job cannot be done here, in a sentence; the others go on."""


@dataclass(frozen=True)
class Job:
    """One measurement.

    Attributes:
        key: its name, which stays the same for good.
        file: that it ends in.
        values: what the study does it with.
        config: of its run, where the name does not fix it; a file that says another ``config`` counts as missing.
    """

    key: str
    file: Path
    values: Any = None
    config: Found | None = None


@dataclass(frozen=True)
class Options:
    """How a study is run.

    Attributes:
        work: folder of the trained networks, a folder a run; a study leaves its own here and finds those of others.
        data_dir: folder of the data sets; by default that of the library.
        threads: of each process; by default PyTorch's.
        workers: processes at a time, of studies that train.
    """

    work: Path = ROOT / "runs" / "studies"
    data_dir: str | None = None
    threads: int | None = None
    workers: int = 1
    progress: bool = True


@dataclass
class Report:
    """The keys of the jobs that were done and that were there already, and of those that could not be done, with the reason."""

    done: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


class Study:
    """One study. Derive from it, say the name, what it is about and the jobs, and how one is done.

    Attributes:
        name: as in ``python -m tools.studies NAME``.
        about: one sentence.
        settings: what the results were made with; a file that says other ``settings`` counts as missing. ``None`` if it says none.
        device: that the work is done on, for its provenance.
        several: whether it starts several processes where ``workers`` asks for them.
    """

    name: str
    about: str
    settings: Any = None
    device: str = "cpu"
    several: bool = False

    def jobs(self, options: Options) -> list[Job]:
        """All that the study measures, done or not."""
        raise NotImplementedError

    def do(self, job: Job, options: Options) -> Any:
        """The result of one job, by default the table that its file will hold; :class:`NotReady` if it cannot be had here."""
        raise NotImplementedError

    def left(self, jobs: Sequence[Job]) -> list[Job]:
        """Those of the jobs that have no result yet."""
        return [job for job in jobs if not says(job.file, settings=self.settings, config=job.config)]

    def store(self, job: Job, found: Any) -> None:
        """Write a result, at once."""
        write_json(job.file, found)

    def line(self, found: Any) -> str:
        """What is printed of a result; nothing by default."""
        return ""

    def work(self, jobs: Sequence[Job], options: Options) -> dict[str, str]:
        """Do these jobs; returns those that could not be done, with the reason."""
        missing = {}
        for job in tqdm(jobs, unit="job", desc=self.name, disable=not options.progress):
            try:
                found = measured(partial(self.do, job, options), self.device)
            except NotReady as reason:
                missing[job.key] = str(reason)
                continue
            self.store(job, found)
            if line := self.line(found):
                tqdm.write(f"{job.key}: {line}")
        return missing


def stored(file: Path) -> Found | None:
    """The stored result of a job; ``None`` if it is missing.

    Raises:
        RecordError: if the file cannot be read.
    """
    return read_json(file, f"delete it and run 'python -m tools.studies {file.parent.name}'") if file.is_file() else None


def record_of(config: RunConfig, folder: str, root: Path = ROOT) -> RunRecord | None:
    """The record of a run that is stored in ``results/folder`` below ``root``; ``None`` while there is none."""
    path = root / "results" / folder / f"{run_folder('', config).name}.json"
    return read_record(path) if path.is_file() else None


def says(path: Path, **entries: Any) -> bool:
    """Whether ``path`` holds a result that says these entries, such as ``settings``; those that are ``None`` are not asked for."""
    asked = {name: json.loads(json.dumps(value)) for name, value in entries.items() if value is not None}
    if not asked or not path.is_file():
        return path.is_file()
    found = json.loads(path.read_text(encoding="utf-8"))
    return all(found.get(name) == value for name, value in asked.items())


def measured(do: Callable[[], Any], device: str = "cpu") -> Any:
    """A result with its provenance as the last entry, unless it is no table or has one."""
    started, clock, code = datetime.now(UTC), time.perf_counter(), code_state()
    found = do()
    if not isinstance(found, dict) or "provenance" in found:
        return found
    return {**found, "provenance": provenance(started, time.perf_counter() - clock, choose_device(device), code)}


class Runs(Study):
    """A study whose jobs are training runs, each ending in a record: a sweep, so with its checkpoints, retries and processes.

    Args:
        folder: of the records, below ``results``.
        apart: whether its networks have a work folder of their own, as runs of other studies differ from its own in precision
            alone, which the names of their folders do not say.
    """

    several = True

    def __init__(
        self, name: str, about: str, folder: str, configs: Callable[[], Sequence[RunConfig]], *, apart: bool = False
    ) -> None:
        self.name, self.about, self.folder, self.configs, self.apart = name, about, ROOT / "results" / folder, configs, apart

    def work_dir(self, options: Options) -> Path:
        """Where its networks are trained."""
        return options.work / self.name if self.apart else options.work

    def jobs(self, options: Options) -> list[Job]:
        named = {run_folder("", config).name: config for config in self.configs()}
        return [Job(name, self.folder / f"{name}.json", config) for name, config in named.items()]

    def work(self, jobs: Sequence[Job], options: Options) -> dict[str, str]:
        how: dict[str, Any] = {"workers": options.workers, "threads": options.threads, "data_dir": options.data_dir}
        configs = [job.values for job in jobs]
        return sweep(configs, self.folder, work_dir=self.work_dir(options), progress=options.progress, **how).failed


def diverged(folder: Path, name: str) -> Path:
    """Where it stands that a run diverged, if it did: such a run has no record, and is not made again."""
    return folder / "diverged" / f"{name}.json"


class ShortRuns(Runs):
    """Runs so short that a process of its own for each would cost more than the training: one after another in this one."""

    several = False

    def left(self, jobs: Sequence[Job]) -> list[Job]:
        return [job for job in super().left(jobs) if not diverged(self.folder, job.key).is_file()]

    def work(self, jobs: Sequence[Job], options: Options) -> dict[str, str]:
        missing = {}
        for job in tqdm(jobs, unit="run", desc=self.name, disable=not options.progress):
            folder, started, clock = run_folder(self.work_dir(options), job.values), datetime.now(UTC), time.perf_counter()
            code = code_state()
            try:
                record = run(job.values, folder, data_dir=options.data_dir, device=self.device, progress=False)
            except (DataError, RecordError) as reason:  # such as a folder that another process is at work in
                missing[job.key] = str(reason)
                continue
            except NonFiniteLossError as reason:
                tqdm.write(f"{job.key}: {reason}")
                origin = provenance(started, time.perf_counter() - clock, choose_device(self.device), code)
                said = str(reason).replace(str(folder), folder.name)  # the folder's path is this machine's
                write_json(diverged(self.folder, job.key), {"config": job.values.to_dict(), "reason": said, "provenance": origin})
                continue
            write_record(record, job.file)
        return missing


def run_study(study: Study, options: Options, only: str = "*") -> Report:
    """Do the jobs of a study whose key matches ``only`` and that have no result yet.

    Raises:
        ConfigError: several workers, of a study that works in this process alone.
    """
    if options.workers > 1 and not study.several:
        raise ConfigError(
            f"{study.name} does one job after another in this process: leave --workers out, or start it several times with other "
            "jobs each (--only)"
        )
    if options.threads:  # before the jobs are listed: some are named after the device with its threads
        torch.set_num_threads(options.threads)
    jobs = [job for job in study.jobs(options) if fnmatchcase(job.key, only)]
    left = study.left(jobs)
    missing = study.work(left, options) if left else {}
    todo = [job.key for job in left]
    return Report([key for key in todo if key not in missing], [job.key for job in jobs if job.key not in todo], missing)

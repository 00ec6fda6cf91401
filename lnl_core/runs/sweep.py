"""A grid of runs, each ending in one record: in processes on this machine or on a Dask cluster, and no epoch trained twice.

Every run works in a process of its own, in a folder named after its configuration, and keeps a checkpoint there after each
epoch. Only the process that calls :func:`sweep` writes records, one file a run, each at once or not at all. Whatever is killed,
the same call later skips the runs that have a record and goes on with the others from their last checkpoint.
"""

import logging
import os
import time
import warnings
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lnl_core._files import user_path
from lnl_core.config import RunConfig, preset
from lnl_core.errors import ConfigError, LNLError, RecordError
from lnl_core.experiments.base import Experiment
from lnl_core.experiments.registry import find
from lnl_core.experiments.splits import load_data, resolve
from lnl_core.runs.executors import DaskExecutor, Job, LocalExecutor, Outcome, is_busy, set_aside
from lnl_core.runs.records import read_record, write_record
from lnl_core.runs.run import run_folder
from lnl_core.training.checkpoints import same_run
from lnl_core.training.devices import choose_device

_log = logging.getLogger(__name__)
_POLL = 0.5  # seconds between two looks at how far the runs are


@dataclass(frozen=True)
class SweepReport:
    """What became of every run of a sweep, by the run's name, which is the name of its record without ``.json``.

    Attributes:
        finished: runs whose record was written now.
        skipped: runs that had a record already.
        set_aside: unreadable records and the file name each was moved to; their runs were done again.
        retried: runs that crashed once and were started again, with the reason.
        failed: runs without a record, with the reason.
    """

    finished: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    set_aside: dict[str, str] = field(default_factory=dict)
    retried: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def grid(
    experiment: str,
    methods: Sequence[str],
    settings: Sequence[Any],
    seeds: Sequence[int],
    profile: str,
    **changes: Any,
) -> list[RunConfig]:
    """One configuration for each method, setting and seed, all of the first seed first.

    A setting is a dictionary such as ``{"train_set": "eb1", "learn": "age"}``, or the value itself where the experiment varies one
    hyper-parameter, such as a colour variance. ``changes`` replace single hyper-parameters, see :func:`lnl_core.config.preset`.

    Raises:
        ConfigError: an empty list, a value named twice, a value that no configuration may have, or a change that some of the
            methods would not read.
    """
    known = find(experiment)
    settings = [_options(known, setting) for setting in settings]
    lists: dict[str, Sequence[Any]] = {
        "method": methods,
        known.varied_word: [" ".join(f"{value}" for value in setting.values()) for setting in settings],
        "seed": seeds,
    }
    for what, values in lists.items():
        if not values:
            raise ConfigError(f"the grid has no {what}: name at least one")
        value, times = Counter(values).most_common(1)[0]
        if times > 1:
            raise ConfigError(f"the {what} {value} is in the grid {times} times: name it once")
    bases = {method: preset(profile, method, experiment=experiment, **settings[0]) for method in methods}
    for name in changes:
        deaf = [method for method, base in bases.items() if base.unread(name, **changes)]
        if len(deaf) > 1:
            raise ConfigError(f"{name} has no effect on {', '.join(deaf)}: leave it out, or sweep over these methods apart")
    return [
        preset(profile, method, experiment=experiment, seed=seed, **setting, **changes)
        for seed in seeds
        for setting in settings
        for method in methods
    ]


def _options(experiment: Experiment, setting: Any) -> dict[str, Any]:
    """A setting as changes of a preset; a single value is that of the one hyper-parameter which the experiment varies."""
    if isinstance(setting, Mapping):
        return dict(setting)
    if len(experiment.varied) != 1:
        raise ConfigError(f"a setting of {experiment.name} is a dictionary, got {setting!r}: name what each value is of")
    return {name: setting for name in experiment.varied}


def plan(
    configs: Sequence[RunConfig],
    out_dir: Path | str,
    *,
    work_dir: Path | str | None = None,
    data_dir: Path | str | None = None,
) -> dict[str, str]:
    """What :func:`sweep` would do with each run, by the run's name; nothing is written. Arguments as there."""
    texts = {"done": "has a record", "damaged": "its record is unreadable, to be done again", "refused": "refused: "}
    return {
        job.name: texts[job.state] + job.reason if job.state in texts else f"{job.epochs_done()} of {job.config.epochs} epochs done"
        for job in _jobs(configs, user_path(out_dir), _work(out_dir, work_dir), data_dir)
    }


def sweep(
    configs: Sequence[RunConfig],
    out_dir: Path | str,
    *,
    work_dir: Path | str | None = None,
    workers: int | None = None,
    threads: int | None = None,
    scheduler: str | None = None,
    data_dir: Path | str | None = None,
    device: str = "auto",
    progress: bool = True,
) -> SweepReport:
    """Run every configuration that has no record in ``out_dir`` yet, and write one record for each.

    A run that crashes is started once more, from its last checkpoint; one that crashes again is reported, and the others go on.
    A run that another sweep on the same ``work_dir`` is working on is waited for, not repeated.

    Args:
        configs: the runs, see :func:`grid`.
        out_dir: gets the records, ``NAME.json``.
        work_dir: gets a folder a run with checkpoint, metrics and model, beside its log; by default ``out_dir/.work``, on a
            cluster each worker's own local folder. Give one that all workers share, and a run of a lost worker resumes elsewhere.
        workers: processes at a time on this machine, by default 1; not with a ``scheduler``, whose workers do the runs.
        threads: of each process; by default ``OMP_NUM_THREADS``, else the processors shared among the workers.
        scheduler: address of a Dask scheduler, such as ``tcp://host:8786``, whose workers then do the runs.
        data_dir: see :func:`lnl_core.datasets.colored_mnist`; on a cluster a folder of the workers.
        device: "auto", "cuda", "mps" or "cpu".
        progress: show a progress bar, in epochs over the whole grid.

    Raises:
        ConfigError: the same run twice, no positive number of workers or threads, or source "auto" or workers with a scheduler.
        DataError: if the data are not there.
        SweepError: a scheduler that does not answer or goes away, or a worker with another lnl_core.
    """
    for what, count in (("workers", workers), ("threads", threads)):
        if count is not None and count < 1:
            raise ConfigError(f"{what} must be at least 1, got {count}")
    if scheduler is not None and workers is not None:
        raise ConfigError("workers are processes of this machine, and a scheduler has workers of its own: leave out one of the two")
    if scheduler is not None and any(config.source == "auto" for config in configs):
        raise ConfigError("what source 'auto' finds here need not be what a cluster's workers have: name the source")
    out = user_path(out_dir)
    data = None if data_dir is None else str(user_path(data_dir).absolute())
    jobs = _jobs(configs, out, None if scheduler and work_dir is None else _work(out, work_dir), data)
    report = SweepReport(skipped=[job.name for job in jobs if job.state == "done"])
    report.failed.update({job.name: job.reason for job in jobs if job.state == "refused"})
    queue = deque(job for job in jobs if job.state in ("open", "damaged"))
    if not queue:
        return report

    options = {"data_dir": data, "device": device}
    executor: LocalExecutor | DaskExecutor
    if scheduler is None:
        choose_device(device)
        _check_data(queue, data)
        executor = LocalExecutor(workers or 1, {**options, "threads": threads or _threads(workers or 1)})
    else:
        executor = DaskExecutor(scheduler, {**options, "threads": threads})
    try:
        out.mkdir(parents=True, exist_ok=True)
        for job in queue:
            if job.state == "damaged":
                _move_aside(job, report)
        _drive(jobs, queue, executor, report, progress)
    finally:
        executor.stop()
    return report


def _above_the_bar() -> AbstractContextManager[Any]:
    """Log lines appear above the progress bar."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in a notebook, this import wishes for widgets that nobody needs here
        from tqdm.contrib.logging import logging_redirect_tqdm
    return logging_redirect_tqdm()


def _work(out: Path | str, work_dir: Path | str | None) -> Path:
    return (user_path(out) / ".work" if work_dir is None else user_path(work_dir)).absolute()


def _threads(workers: int) -> int | None:
    if os.environ.get("OMP_NUM_THREADS"):
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // workers)


def _jobs(configs: Sequence[RunConfig], out: Path, work: Path | None, data_dir: Path | str | None) -> list[Job]:
    """The runs with their sources resolved and what is known about each."""
    known = _recorded(out)
    jobs: dict[str, Job] = {}
    for given in configs:
        config = resolve(given, data_dir)
        name = run_folder("", config).name
        if name in jobs:
            raise ConfigError(f"the run {name} is in the grid twice: name it once")
        job = Job(config, out / f"{name}.json", None if work is None else work / name)
        jobs[name] = job
        if config.fingerprint() in known:
            job.state, job.reason = _known(config, known[config.fingerprint()])
        elif job.path.exists():
            job.state, job.reason = _trouble(job)
    return list(jobs.values())


def _recorded(out: Path) -> dict[str, list[tuple[Path, RunConfig]]]:
    """The runs that have a record in a folder, whatever the file is called, by fingerprint, which leaves the precision out."""
    found: dict[str, list[tuple[Path, RunConfig]]] = {}
    for path in out.glob("*.json"):
        with suppress(LNLError, TypeError):
            config = read_record(path).run_config()
            found.setdefault(config.fingerprint(), []).append((path, config))
    return found


def _known(config: RunConfig, found: list[tuple[Path, RunConfig]]) -> tuple[str, str]:
    """Whether one of these records is of the precision that the run asks for by name, or why not."""
    reason = ""
    for path, other in found:
        try:
            same_run(config, other, path)
        except RecordError as error:
            reason = str(error)
        else:
            return "done", ""
    return "refused", reason


def _trouble(job: Job) -> tuple[str, str]:
    """Why the file in the place of a record is none of this run."""
    try:
        record = read_record(job.path)
    except RecordError:
        return "damaged", ""
    try:
        same_run(job.config, record.run_config(), job.path)
    except LNLError as error:
        return "refused", str(error)
    except TypeError:
        return "refused", f"{job.path} holds a configuration that cannot be read: move it away"
    return "done", ""  # it arrived while we were looking


def _move_aside(job: Job, report: SweepReport) -> None:
    """Rename a damaged record, unless another sweep has done so, or has written a good one, since it was looked at."""
    state = _trouble(job)[0] if job.path.exists() else "open"
    if state == "damaged":
        with suppress(FileNotFoundError):
            report.set_aside[job.name] = set_aside(job.path).name
            _log.warning("%s is unreadable: set aside as %s", job.path, report.set_aside[job.name])


def _check_data(jobs: Sequence[Job], data_dir: str | None) -> None:
    """Read each data set once, so that missing files are one sentence, and a download happens in one process."""
    kinds = {}
    for job in jobs:
        config = job.config
        several = config.source in find(config.experiment).sources_by_setting
        kinds[config.experiment, config.source, config.setting_name * several] = config
    for config in kinds.values():
        load_data(config, "test", data_dir)


def _drive(jobs: list[Job], queue: deque[Job], executor: LocalExecutor | DaskExecutor, report: SweepReport, progress: bool) -> None:
    """Start, watch, deliver, retry, until every run has a record or a reason."""
    before = {id(job): job.epochs_done() for job in jobs}  # of a grid of thousands only the files of started runs are read again

    def done() -> int:
        return sum(job.epochs_done() if job.attempts or job.state != "open" else before[id(job)] for job in jobs)

    epochs, due = sum(job.config.epochs for job in jobs), 0.0
    with (
        # smoothing=0: the time left comes from the mean pace so far, since runs of several methods take turns
        tqdm(total=epochs, initial=done(), unit="epoch", desc="sweep", smoothing=0, disable=None if progress else True) as bar,
        nullcontext() if bar.disable else _above_the_bar(),
    ):
        while queue or executor.active:
            _start_what_can_start(queue, executor, report)
            ended = False
            for job, outcome in executor.finished():
                ended = True
                _settle(job, outcome, queue, report)
                if progress and bar.disable and job.state == "done":
                    _log.info("%s is done, run %d of %d", job.name, len(report.finished) + len(report.skipped), len(jobs))
            working = bool(queue or executor.active)
            if time.monotonic() >= due or not working:
                bar.total = sum(job.epochs_done() if job.name in report.failed else job.config.epochs for job in jobs)
                bar.update(done() - bar.n)
                bar.set_postfix(runs=f"{len(report.finished) + len(report.skipped)}/{len(jobs)}", failed=len(report.failed))
                due = time.monotonic() + _POLL
            if working and not ended:  # where one ended the next can start at once
                executor.wait(_POLL)


def _start_what_can_start(queue: deque[Job], executor: LocalExecutor | DaskExecutor, report: SweepReport) -> None:
    for _ in range(len(queue)):
        if not executor.free:
            return
        job = queue.popleft()
        if job.folder is not None and is_busy(job.folder):
            queue.append(job)
        elif job.path.exists():  # another sweep was faster; looked for last, since its record is there before its lock opens
            job.state = "done"
            report.skipped.append(job.name)
        else:
            job.attempts += 1
            executor.start(job)


def _settle(job: Job, outcome: Outcome, queue: deque[Job], report: SweepReport) -> None:
    reason = outcome.reason
    if outcome.record is not None:
        try:
            same_run(job.config, outcome.record.run_config(), job.path)
            first = not job.path.exists()  # another sweep may have been faster
            if first:
                write_record(outcome.record, job.path)
        except LNLError as error:
            reason = str(error)
        else:
            job.state = "done"
            (report.finished if first else report.skipped).append(job.name)
            return
    elif outcome.retryable and job.attempts == 1:
        report.retried[job.name] = reason
        queue.append(job)
        _log.warning("%s crashed (%s): it is started once more", job.name, reason)
        return
    report.failed[job.name] = reason
    _log.error("%s failed: %s", job.name, reason)

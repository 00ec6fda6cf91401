"""The runs behind "Fairness": every method on Adult and German credit, over its weight and ten seeds.

One file a task and method, one record a line. A weight is never chosen
here: the curves show all of them, and the tables' single row is chosen on validation rows
(:func:`lnl_core.evaluation.chosen`). Fairlearn's fits to Adult's own table do not depend on the seed, which only draws
their random predictions; those to a network's features depend on the network of the seed.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from lnl_core.config import RunConfig, preset
from lnl_core.datasets.container import BiasedImages
from lnl_core.evaluation import data_information, embeddings, predict
from lnl_core.evaluation.fairness import (
    CONSTRAINTS,
    UNLEARNING,
    PredictAtRandom,
    erased_head,
    fairness_by_split,
    logistic_regression,
    probe_metrics,
    reduction,
    threshold_optimizer,
    weighted,
)
from lnl_core.experiments.splits import load_data
from lnl_core.networks import LNLNetwork, build_network
from lnl_core.runs.provenance import provenance
from lnl_core.runs.records import SCHEMA, RunRecord, read_record_lines, write_record_lines
from lnl_core.training import fit
from tools import ROOT
from tools.alone import alone_in
from tools.studies.study import Job, Options, Study

FOLDER = ROOT / "results" / "fairness"
TASKS = {"adult-sex": ("adult", "sex"), "german-age": ("german", "age")}
WEIGHTS = (1.0, 2.0, 4.0)
OWN_ZERO = ("bias_balanced",)
"""Methods that are not the baseline at weight 0."""
SPLIT_BY_SEED = ("german-age",)
"""Tasks whose seeds split the same rows anew, so that their test sets share rows and intervals over them must be wider."""
BOUNDS = (0.05, 0.02, 0.005)
ROUNDS = 30
SHORT = {"demographic_parity": "dp", "equalized_odds": "eo"}
SEEDS = range(10)
OF_FEATURES = "feature_reduction"
"""Fairlearn's reduction on what the baseline's network makes of a row, so that both start from one learner."""


@dataclass(frozen=True)
class Task:
    """One data set with one protected attribute, as the runs of one seed see it."""

    name: str
    seed: int
    data_dir: str | None = None
    profile: str = "full"

    def config(self, method: str, **changes: Any) -> RunConfig:
        train_set, protected = TASKS[self.name]
        options: dict[str, Any] = {"experiment": "census", "train_set": train_set, "protected": protected, "seed": self.seed}
        return preset(self.profile, method, **options, **changes)

    @property
    def as_drawn(self) -> "Task":
        """The same task with the seed that its rows depend on: Adult's published split is the same for all."""
        config = self.config("baseline")
        return replace(self, seed=0) if (config.train_set, config.source) == ("adult", "uci") else self

    def split(self, name: str) -> BiasedImages:
        return _split(self.as_drawn, name)

    @property
    def measured(self) -> dict[str, BiasedImages]:
        return {name: self.split(name) for name in ("validation", "test")}


@cache
def _split(task: Task, name: str) -> BiasedImages:
    return load_data(task.config("baseline"), name, task.data_dir)


@dataclass
class Row:
    """One record to be: its method, what it varies, its hyper-parameters, and how to get its metrics from the task."""

    method: str
    weight: float
    config: dict[str, Any]
    measure: Callable[[Task], dict[str, float]]
    profile: str = "custom"


def _network(task: Task, config: RunConfig) -> LNLNetwork:
    network = build_network(config)
    fit(network, task.split("train"), config, device="cpu", progress=False)
    return network


def _trained(task: Task, config: RunConfig) -> dict[str, float]:
    network, test = _network(task, config), task.split("test")
    metrics = fairness_by_split(lambda data: predict(network, data), task.measured)
    return metrics | probe_metrics(embeddings(network, test, 4000), test.bias)


def _erased(task: Task, config: RunConfig) -> dict[str, float]:
    head, test = erased_head(_network(task, config), task.split("train")), task.split("test")
    return fairness_by_split(head, task.measured) | probe_metrics(head.features(test), test.bias)


def _plain(task: Task) -> dict[str, float]:
    return fairness_by_split(logistic_regression(task.split("train")), task.measured)


@cache
def _fitted(task: Task, constraint: str, bound: float | None) -> PredictAtRandom:
    train = task.split("train")
    return threshold_optimizer(train, constraint) if bound is None else reduction(train, constraint, bound, rounds=ROUNDS)


def _by_fairlearn(task: Task, constraint: str, bound: float | None = None) -> dict[str, float]:
    model = _fitted(task.as_drawn, constraint, bound)
    return fairness_by_split(lambda data: model(data, task.seed), task.measured)


@lru_cache(maxsize=1)  # of one seed at a time, for all demands and bounds
def _features(task: Task, config: RunConfig) -> dict[str, BiasedImages]:
    """Every split with the features of a trained network in the place of the table's."""
    network = _network(task, config)
    return {name: with_features(network, data) for name, data in {"train": task.split("train"), **task.measured}.items()}


def with_features(network: LNLNetwork, data: BiasedImages) -> BiasedImages:
    """The same rows with f(x) in the place of x."""
    kinds: dict[str, int] = {"classes": data.classes, "bias_classes": data.bias_classes}
    return BiasedImages(embeddings(network, data), data.labels, data.bias, data.group, source=data.source, **kinds)


def _reduced_features(task: Task, config: RunConfig, constraint: str, bound: float) -> dict[str, float]:
    found = _features(task, config)
    model = reduction(found["train"], constraint, bound, rounds=ROUNDS)
    return fairness_by_split(lambda data: model(data, task.seed), {name: found[name] for name in task.measured})


def rows(task: Task, weights: Sequence[float] = WEIGHTS, bounds: Sequence[float] = BOUNDS) -> Iterator[Row]:
    """All rows of one task and seed."""
    base = task.config("baseline")
    yield Row("baseline", 0.0, base.to_dict(), partial(_trained, config=base), base.profile)
    for method in UNLEARNING:
        for weight in ((0.0,) if method in OWN_ZERO else ()) + tuple(weights):
            config = task.config(method, **weighted(method, weight))
            yield Row(method, weight, config.to_dict(), partial(_trained, config=config), config.profile)
    yield Row("leace", 0.0, {"features of": base.fingerprint(), "head": "logistic regression"}, partial(_erased, config=base))
    yield Row("logistic", 0.0, {"library": "scikit-learn"}, _plain)
    for constraint in CONSTRAINTS:
        options: dict[str, Any] = {"library": "fairlearn", "constraint": constraint}
        for bound in bounds:
            measure = partial(_by_fairlearn, constraint=constraint, bound=bound)
            bounded = {**options, "bound": bound, "rounds": ROUNDS}
            yield Row(f"reduction_{SHORT[constraint]}", bound, bounded, measure)
            measure = partial(_reduced_features, config=base, constraint=constraint, bound=bound)
            yield Row(f"{OF_FEATURES}_{SHORT[constraint]}", bound, {**bounded, "features of": base.fingerprint()}, measure)
        peeking = {**options, "protected attribute at prediction": True}
        yield Row(f"threshold_{SHORT[constraint]}", 0.0, peeking, partial(_by_fairlearn, constraint=constraint))


def record_of(row: Row, task: Task) -> RunRecord:
    """Do the work of one row."""
    started, clock = datetime.now(UTC), time.perf_counter()
    metrics = row.measure(task) | {"test_information": data_information(task.split("test"))}
    sizes = {f"{name}_size": len(task.split(name)) for name in ("train", "validation", "test")}
    return RunRecord(
        schema=SCHEMA,
        experiment="census",
        method=row.method,
        setting={**task.config("baseline").setting, "weight": row.weight},
        seed=task.seed,
        profile=row.profile,
        selection="last_epoch",
        config=row.config,
        metrics=metrics,
        data={"source": task.split("train").source, **sizes},
        provenance=provenance(started, time.perf_counter() - clock, torch.device("cpu")),
    )


def _key(method: str, weight: float, seed: int, config: Mapping[str, Any]) -> str:
    """What tells rows apart; for our methods the fingerprint, which a later hyper-parameter does not change."""
    name = RunConfig.from_dict(dict(config)).fingerprint() if "experiment" in config else config
    return json.dumps([method, weight, seed, name], sort_keys=True)


def _key_of(record: RunRecord) -> str:
    return _key(record.method, float(record.setting["weight"]), record.seed, record.config)


def read_task(name: str, folder: Path = FOLDER) -> dict[str, list[RunRecord]]:
    """The stored records of a task by method, empty where none are."""
    found = {path.stem.removeprefix(f"{name}-"): read_record_lines(path) for path in sorted(folder.glob(f"{name}-*.jsonl"))}
    return {method: records for method, records in found.items() if records}


class Fairness(Study):
    """Every row of some tasks; several end in one file, which is written anew after each."""

    name = "fairness"
    about = "Every method on Adult and German credit, over its weight and ten seeds."

    def __init__(self, folder: Path = FOLDER, tasks: Sequence[Task] = (), **grids: Sequence[float]) -> None:
        self.folder, self.grids = folder, grids
        self.tasks = tasks or [Task(name, seed) for seed in SEEDS for name in TASKS]

    def jobs(self, options: Options) -> list[Job]:
        tasks = [replace(task, data_dir=options.data_dir) for task in self.tasks]
        return [
            Job(f"{task.name}-{row.method}-{row.weight:g}-seed{task.seed}", self._file(task, row), (task, row))
            for task in tasks
            for row in rows(task, **self.grids)
        ]

    def _file(self, task: Task, row: Row) -> Path:
        return self.folder / f"{task.name}-{row.method}.jsonl"

    def left(self, jobs: Sequence[Job]) -> list[Job]:
        there = {file: {_key_of(record) for record in _read(file)} for file in {job.file for job in jobs}}
        return [job for job in jobs if _key(*_identity(*job.values)) not in there[job.file]]

    def do(self, job: Job, options: Options) -> RunRecord:
        task, row = job.values
        return record_of(row, task)

    def store(self, job: Job, found: RunRecord) -> None:
        with alone_in(self.folder):  # another process may have a row for the same file
            others = [record for record in _read(job.file) if _key_of(record) != _key_of(found)]
            records = sorted([*others, found], key=lambda record: (float(record.setting["weight"]), record.seed))
            write_record_lines(records, job.file)


def overlap(task: str, records: Sequence[RunRecord]) -> float:
    """The quotient of test and training rows where the seeds share rows, else 0; see :meth:`lnl_core.evaluation.Interval.of`."""
    return records[0].data["test_size"] / records[0].data["train_size"] if task in SPLIT_BY_SEED and records else 0.0


def _identity(task: Task, row: Row) -> tuple[str, float, int, Mapping[str, Any]]:
    return row.method, row.weight, task.seed, row.config


def _read(file: Path) -> list[RunRecord]:
    return read_record_lines(file) if file.is_file() else []


STUDIES = (Fairness(),)

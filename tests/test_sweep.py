"""Sweeps: grids, what is skipped, resumed, retried and refused; real processes that are killed, and a real Dask cluster."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tqdm import tqdm
from typer.testing import CliRunner

import lnl_core
from lnl_core import cli, experiments
from lnl_core.config import RunConfig
from lnl_core.errors import ConfigError, DataError, SweepError
from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.runs import executors, sweep as module
from lnl_core.runs.comparison import aggregate
from lnl_core.runs.executors import Job, LocalExecutor, Outcome
from lnl_core.runs.records import RunRecord, read_record, read_records, write_record
from lnl_core.runs.run import read_history, run, run_folder
from lnl_core.runs.sweep import SweepReport, grid, plan, sweep

METHODS = experiments.find("colored_mnist").methods

ROOT = Path(__file__).resolve().parents[1]
TINY: dict[str, Any] = {"train_size": 64, "test_size": 50, "batch_size": 32, "epochs": 1}
PATIENCE = 120.0


def tiny(*seeds: int, **changes: Any) -> list[RunConfig]:
    return grid("colored_mnist", ["baseline"], [0.02], seeds or [0], "smoke", **{**TINY, **changes})


def name_of(config: RunConfig) -> str:
    return run_folder("", config).name


def until(what: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def lines(folder: Path) -> int:
    try:
        return len((folder / "metrics.jsonl").read_text().splitlines())
    except FileNotFoundError:
        return 0


def at_work(folder: Path) -> int:
    """The process that works, or last worked, in the folder of a run."""
    return int(folder.with_name(folder.name + ".lock").read_text())


def test_a_cluster_is_told_which_data(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name the source"):
        sweep(tiny(source="auto"), tmp_path, scheduler="tcp://127.0.0.1:1", progress=False)
    with pytest.raises(ConfigError, match="a scheduler has workers of its own: leave out one of the two"):
        sweep(tiny(), tmp_path, scheduler="tcp://127.0.0.1:1", workers=1, progress=False)


@pytest.mark.parametrize(
    ("experiment", "train_set", "methods"),
    [("census", "adult", set(METHODS) - {"gray"}), ("jlu_faces", "bd", {"baseline", "jlu"}), ("dogs_cats", "tb1", set(METHODS))],
)
def test_all_methods_are_those_that_the_experiment_compares(
    experiment: str, train_set: str, methods: set[str], tmp_path: Path
) -> None:
    arguments = ["--experiment", experiment, "--methods", "all", "--train-sets", train_set, "--profile", "smoke", "--dry-run"]
    answer = CliRunner().invoke(cli.app, ["sweep", *arguments, "--out", str(tmp_path)])
    assert answer.exit_code == 0, answer.output
    assert {line.split("-")[1] for line in answer.output.splitlines()} == methods


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunRecord, Path]:
    """The record of a real run with one thread, and its folder."""
    folder = tmp_path_factory.mktemp("sweep") / "run"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return run(tiny()[0], folder, device="cpu", progress=False), folder
    finally:
        torch.set_num_threads(threads)


@pytest.fixture
def record(finished: tuple[RunRecord, Path]) -> RunRecord:
    return finished[0]


class Stage(LocalExecutor):
    """Plays the runs by a script, outcome by outcome; a run without a script ends with a record."""

    script: dict[int, list[Outcome]]
    record: RunRecord
    started: list[int]

    def start(self, job: Job) -> None:
        self.started.append(job.config.seed)
        self.active.append((job, None))  # type: ignore[arg-type]

    def finished(self) -> Iterator[tuple[Job, Outcome]]:
        while self.active:
            job, _ = self.active.pop()
            left = self.script.get(job.config.seed, [])
            good = replace(self.record, seed=job.config.seed, config=job.config.to_dict())
            yield job, left.pop(0) if left else Outcome(good)


@pytest.fixture
def stage(record: RunRecord, monkeypatch: pytest.MonkeyPatch) -> type[Stage]:
    monkeypatch.setattr(module, "LocalExecutor", Stage)
    monkeypatch.setattr(module, "_POLL", 0.01)
    Stage.script, Stage.started, Stage.record = {}, [], record
    return Stage


# The grid


def test_a_grid_holds_every_combination_once_all_of_the_first_seed_first() -> None:
    configs = grid("colored_mnist", ["lnl", "grl"], [0.02, 0.03], [0, 1], "full")
    found = [(c.seed, c.color_var, c.method) for c in configs]
    assert found == [(s, v, m) for s in (0, 1) for v in (0.02, 0.03) for m in ("lnl", "grl")]
    assert {(c.experiment, c.profile) for c in configs} == {("colored_mnist", "full")}


def test_changes_reach_every_run() -> None:
    assert {(c.epochs, c.profile) for c in grid("colored_mnist", METHODS, [0.02], [0], "full", epochs=3)} == {(3, "custom")}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"methods": []}, "the grid has no method"),
        ({"settings": []}, "the grid has no colour variance"),
        ({"seeds": []}, "the grid has no seed"),
        ({"methods": ["lnl", "grl", "lnl"]}, "the method lnl is in the grid 2 times"),
        ({"settings": [0.02, 0.020]}, "the colour variance 0.02 is in the grid 2 times"),
        ({"seeds": [0, 1, 1, 1]}, "the seed 1 is in the grid 3 times"),
        ({"methods": ["lln"]}, "unknown method 'lln'"),
        ({"experiment": "imagenet"}, "unknown experiment 'imagenet'"),
        ({"profile": "huge"}, "unknown profile 'huge'"),
        ({"settings": [-1.0]}, "color_var must be a finite number"),
    ],
)
def test_a_grid_that_cannot_be(arguments: dict[str, Any], words: str) -> None:
    good: dict[str, Any] = {
        "experiment": "colored_mnist",
        "methods": ["lnl"],
        "settings": [0.02],
        "seeds": [0],
        "profile": "smoke",
    }
    with pytest.raises(ConfigError, match=words):
        grid(**{**good, **arguments})


def test_the_same_run_under_two_names_of_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # no MNIST here: "auto" stands for "mini"
    configs = [*tiny(), *tiny(source="auto")]
    with pytest.raises(ConfigError, match="is in the grid twice: name it once"):
        sweep(configs, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("changes", [{"workers": 0}, {"threads": 0}], ids=str)
def test_no_workers(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be at least 1, got 0"):
        sweep(tiny(), tmp_path / "out", **changes)


def test_missing_data_are_said_once_and_nothing_is_started(
    stage: type[Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise RuntimeError("no network")

    monkeypatch.setattr("torchvision.datasets.MNIST", offline)
    (tmp_path / "out").mkdir()
    damaged = tmp_path / "out" / f"{name_of(tiny(source='mnist')[0])}.json"
    damaged.write_text("{")
    with pytest.raises(DataError, match="could not be downloaded"):
        sweep(tiny(0, 1, source="mnist"), tmp_path / "out", data_dir=tmp_path / "data")
    assert stage.started == []
    assert damaged.read_text() == "{", "bad input changes nothing"


# What becomes of a run


def test_a_run_with_a_record_is_skipped_whatever_the_file_is_called(stage: type[Stage], tmp_path: Path) -> None:
    first = sweep(tiny(0, 1), tmp_path)
    assert first == SweepReport(finished=[name_of(config) for config in tiny(0, 1)])
    assert len(read_records(tmp_path)) == 2
    (tmp_path / f"{name_of(tiny(1)[0])}.json").rename(tmp_path / "mine.json")
    again = sweep(tiny(0, 1, 2), tmp_path)
    assert (again.skipped, again.finished) == ([name_of(c) for c in tiny(0, 1)], [name_of(tiny(2)[0])])
    assert stage.started == [0, 1, 2]
    (row,) = aggregate(read_records(tmp_path))  # would refuse a run that is there twice
    assert row["n"] == 3


def test_a_crash_is_retried_once_and_reported(stage: type[Stage], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage.script = {0: [Outcome(reason="out of luck")], 1: [Outcome(reason="first"), Outcome(reason="second")]}
    report = sweep(tiny(0, 1, 2), tmp_path)
    zero, one, two = (name_of(config) for config in tiny(0, 1, 2))
    assert sorted(stage.started) == [0, 0, 1, 1, 2]
    assert report.retried == {zero: "out of luck", one: "first"}
    assert report.failed == {one: "second"}
    assert sorted(report.finished) == sorted([zero, two])
    assert f"{zero} crashed (out of luck): it is started once more" in caplog.text
    assert f"{one} failed: second" in caplog.text


def test_what_no_second_attempt_can_cure_is_not_tried_again(stage: type[Stage], tmp_path: Path) -> None:
    stage.script = {0: [Outcome(reason="bad data", retryable=False)]}
    report = sweep(tiny(0, 1), tmp_path)
    assert stage.started == [0, 1]
    assert (report.retried, report.failed) == ({}, {name_of(tiny(0)[0]): "bad data"})


def test_a_process_that_brings_the_record_of_another_run(stage: type[Stage], tmp_path: Path, record: RunRecord) -> None:
    stage.script = {1: [Outcome(record)]}
    report = sweep(tiny(1), tmp_path)
    assert "holds another run (seed 0 instead of 1)" in report.failed[name_of(tiny(1)[0])]
    assert read_records(tmp_path) == []


def test_damaged_records_are_set_aside_and_never_overwritten(stage: type[Stage], tmp_path: Path, record: RunRecord) -> None:
    (name,) = (name_of(config) for config in tiny())
    for half in ('{"schema": 1, "exp', "", json.dumps({**record.__dict__, "config": None})):
        (tmp_path / f"{name}.json").write_text(half)
        report = sweep(tiny(), tmp_path)
        assert report.finished == [name]
        assert (tmp_path / report.set_aside[name]).read_text() == half
    assert {path.name for path in tmp_path.glob("*.damaged*")} == {f"{name}.json.damaged{end}" for end in ("", "-2", "-3")}
    assert [r.seed for r in read_records(tmp_path)] == [0]


@pytest.mark.parametrize("change", [{"seed": 5}, {"method": "nonsense"}], ids=str)
def test_the_record_of_another_run_in_its_place_is_kept(
    change: dict[str, Any], stage: type[Stage], tmp_path: Path, record: RunRecord
) -> None:
    values = {**record.__dict__, "config": {**record.config, **change}}
    place = tmp_path / f"{name_of(tiny()[0])}.json"
    place.write_text(json.dumps(values))
    report = sweep(tiny(0, 1), tmp_path)
    assert stage.started == [1], "the others go on"
    assert list(report.failed) == [place.stem]
    assert json.loads(place.read_text()) == values


@pytest.mark.parametrize("name", ["in its place", "under another name"])
def test_a_record_of_another_precision_is_not_taken_for_the_one_that_was_asked_for(
    name: str, stage: type[Stage], tmp_path: Path, record: RunRecord
) -> None:
    asked = {"float32": "bf16", "bf16": "float32"}[mine := record.config["precision"]]
    place = tmp_path / f"{name_of(tiny()[0]) if name == 'in its place' else 'other'}.json"
    write_record(record, place)
    report = sweep(tiny(precision=asked), tmp_path)
    assert (stage.started, report.skipped, report.finished) == ([], [], [])
    (reason,) = report.failed.values()
    assert f"precision {mine!r} instead of {asked!r}" in reason
    assert sweep(tiny(precision=mine), tmp_path).skipped == sweep(tiny(), tmp_path).skipped == [name_of(tiny()[0])]


@pytest.mark.parametrize("other", ["has written a good one", "has renamed it"])
def test_a_damaged_record_that_another_sweep_has_seen_to_is_left_alone(
    other: str, stage: type[Stage], tmp_path: Path, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / f"{name_of(tiny()[0])}.json"
    place.write_text("{")

    def meanwhile(*arguments: object) -> None:
        if other == "has renamed it":
            place.rename(tmp_path / "elsewhere")
        else:
            write_record(record, place)

    monkeypatch.setattr(module, "_check_data", meanwhile)
    report = sweep(tiny(), tmp_path)
    assert report.set_aside == {}
    assert read_record(place).seed == 0
    assert [*tmp_path.glob("*.damaged*")] == []


def test_a_run_that_another_sweep_works_on_is_waited_for(stage: type[Stage], tmp_path: Path, record: RunRecord) -> None:
    """The other sweep is this test: it holds the lock, then leaves the record, then opens the lock."""
    zero, one = (name_of(config) for config in tiny(0, 1))
    reports: list[SweepReport] = []
    (tmp_path / "out" / ".work").mkdir(parents=True)
    here = threading.Thread(target=lambda: reports.append(sweep(tiny(0, 1), tmp_path / "out", progress=False)))
    with executors._lock(tmp_path / "out" / ".work" / zero):
        here.start()
        until(lambda: (tmp_path / "out" / f"{one}.json").exists())
        time.sleep(0.1)
        assert here.is_alive()
        assert stage.started == [1]
        write_record(record, tmp_path / "out" / f"{zero}.json")
    here.join(PATIENCE)
    assert stage.started == [1]
    assert (reports[0].finished, reports[0].skipped) == ([one], [zero])


def test_a_record_that_comes_while_the_lock_is_looked_at_is_seen(
    stage: type[Stage], tmp_path: Path, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    (config,) = tiny()

    def just_opened(folder: Path) -> bool:
        write_record(record, tmp_path / f"{name_of(config)}.json")
        return False

    monkeypatch.setattr(module, "is_busy", just_opened)
    report = sweep([config], tmp_path, progress=False)
    assert (stage.started, report.skipped) == ([], [name_of(config)])


def test_a_record_that_another_sweep_wrote_in_the_meantime_stays(stage: type[Stage], tmp_path: Path, record: RunRecord) -> None:
    (config,) = tiny()
    job = Job(config, tmp_path / f"{name_of(config)}.json", tmp_path / "work")
    theirs = replace(record, provenance={**record.provenance, "device": "theirs"})
    write_record(theirs, job.path)
    report = SweepReport()
    module._settle(job, Outcome(record), deque(), report)
    assert (report.finished, report.skipped) == ([], [job.name])
    assert read_record(job.path) == theirs


def test_the_plan_says_what_would_be_done_and_does_nothing(tmp_path: Path, record: RunRecord) -> None:
    configs = tiny(0, 1, 2, 3)
    names = [name_of(config) for config in configs]
    write_record(record, tmp_path / f"{names[0]}.json")
    (tmp_path / f"{names[1]}.json").write_text("{")
    write_record(record, tmp_path / f"{names[2]}.json")
    (tmp_path / ".work" / names[3]).mkdir(parents=True)
    (tmp_path / ".work" / names[3] / "metrics.jsonl").write_text("{}\n")
    before = sorted(tmp_path.rglob("*"))
    found = plan(configs, tmp_path)
    assert list(found) == names
    texts = list(found.values())
    assert texts[0] == "has a record"
    assert texts[1] == "its record is unreadable, to be done again"
    assert texts[2].startswith("refused: ")
    assert "seed 0 instead of 2" in texts[2]
    assert texts[3] == "1 of 1 epochs done"
    assert sorted(tmp_path.rglob("*")) == before


def test_one_bar_counts_the_epochs_of_the_whole_grid(
    stage: type[Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: RunRecord
) -> None:
    """Of three runs of 4 epochs one has a record, one has 3 epochs behind it, and one fails after none."""
    screen, real = StringIO(), tqdm
    monkeypatch.setattr(module, "tqdm", lambda **options: real(**{**options, "disable": False, "file": screen, "mininterval": 0}))
    configs = tiny(0, 1, 2, epochs=4)
    write_record(replace(record, config=configs[0].to_dict()), tmp_path / f"{name_of(configs[0])}.json")
    folder = tmp_path / ".work" / name_of(configs[1])
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("{}\n{}\n{}\n")
    stage.script = {2: [Outcome(reason="bad data", retryable=False)]}
    sweep(configs, tmp_path)
    first, last = (screen.getvalue().replace("\r", "\n").strip().splitlines()[place] for place in (0, -1))
    assert "7/12" in first
    assert "8/8" in last, "what a failed run will never do is taken off"
    assert "runs=2/3" in last
    assert "failed=1" in last


def test_without_a_terminal_each_run_is_a_line(stage: type[Stage], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="lnl_core")
    sweep(tiny(0, 1), tmp_path)
    assert f"{name_of(tiny(0)[0])} is done, run 1 of 2" in caplog.text
    caplog.clear()
    sweep(tiny(2), tmp_path, progress=False)
    assert "is done" not in caplog.text


def test_a_run_that_ends_frees_its_place_at_once(
    stage: type[Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(stage, "wait", lambda _, seconds: waits.append(seconds))
    assert len(sweep(tiny(*range(8)), tmp_path, progress=False).finished) == 8
    assert waits == [], "no wait between a run that has ended and the next"


def test_waiting_ends_with_the_first_process_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    here, slept = LocalExecutor(2, {}), list[float]()
    processes = [subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) for code in ("", "input()")]
    here.active = [(None, process) for process in processes]  # type: ignore[misc]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        processes[0].wait(PATIENCE)

    monkeypatch.setattr(executors, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    try:
        here.wait(PATIENCE)
        assert slept in ([], [executors._TICK]), "it looks again after a moment, and then no more"
        assert [process.poll() for process in processes] == [0, None]
    finally:
        here.stop()


# Real processes


class Inside(LocalExecutor):
    """Does in this process what the process of a run does, when it is asked how the run ended: no new Python has to start."""

    def start(self, job: Job) -> None:
        self.active.append((job, None))  # type: ignore[arg-type]

    def finished(self) -> Iterator[tuple[Job, Outcome]]:
        while self.active:
            job, _ = self.active.pop()
            assert job.folder is not None
            job.folder.parent.mkdir(parents=True, exist_ok=True)
            with executors._lock(job.folder):
                executors._tidy(job.folder)
                run(job.config, job.folder, device="cpu", progress=False)
            yield job, executors._outcome(0, job.folder)


def test_a_run_whose_record_and_its_copy_are_cut_is_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LocalExecutor", Inside)
    (config,) = tiny()
    name = name_of(config)
    assert sweep([config], tmp_path).finished == [name]
    record = read_record(tmp_path / f"{name}.json")
    for path in (tmp_path / f"{name}.json", tmp_path / ".work" / name / "record.json"):
        path.write_bytes(path.read_bytes()[:200])
    report = sweep([config], tmp_path)
    assert (report.set_aside, report.finished) == ({name: f"{name}.json.damaged"}, [name])
    assert len((tmp_path / f"{name}.json.damaged").read_bytes()) == 200
    assert read_record(tmp_path / f"{name}.json").metrics == pytest.approx(record.metrics, abs=1e-4)


def test_two_processes_bring_their_records_and_one_that_is_killed_goes_on_where_it_was(tmp_path: Path, record: RunRecord) -> None:
    """The first run is that of the fixture, and ends undisturbed; the second is killed when it has three epochs behind it."""
    (calm,), (config,) = tiny(0), tiny(1, epochs=15)
    folder = tmp_path / ".work" / name_of(config)
    seen: list[int] = []

    def kill() -> None:
        until(lambda: lines(folder) >= 3)
        os.kill(at_work(folder), signal.SIGKILL)
        while not (tmp_path / f"{name_of(config)}.json").exists():
            seen.append(lines(folder))
            time.sleep(0.002)

    killer = threading.Thread(target=kill)
    killer.start()
    report = sweep([calm, config], tmp_path, workers=2, threads=1, device="cpu", progress=False)
    killer.join(PATIENCE)
    assert report.retried == {name_of(config): "killed by SIGKILL, perhaps because memory ran out"}
    assert (sorted(report.finished), report.failed) == (sorted(map(name_of, (calm, config))), {})
    found = {r.seed: r for r in read_records(tmp_path)}
    assert set(found) == {0, 1}
    assert found[0].metrics == pytest.approx(record.metrics, abs=1e-4), "the same run as in this process"
    assert "1 threads" in found[0].provenance["device"]
    assert seen[0] < 15, "it was killed in mid-run"
    assert seen == sorted(seen), "no epoch was trained twice"
    assert [line["epoch"] for line in read_history(folder)] == list(range(1, 16))


def test_a_sweep_killed_in_mid_run_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole command is killed with SIGKILL, one run begun and one not, and given again, here in this process."""
    configs = tiny(0, 1, epochs=15)
    begun, waiting = (tmp_path / ".work" / name_of(config) for config in configs)
    options = [f"--set={name}={value}" for name, value in TINY.items() if name != "epochs"]
    command = ["sweep", "--methods", "baseline", "--color-vars", "0.02", "--seeds", "0-1", "--profile", "smoke"]
    command += ["--device", "cpu", "--out", str(tmp_path), "--set=epochs=15", *options]
    given = [sys.executable, "-m", "lnl_core", *command]
    with subprocess.Popen(given, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        until(lambda: lines(begun) >= 3)
        first.kill()
    until(lambda: not executors.is_busy(begun), 10)  # the process of the run follows
    assert not list(tmp_path.glob("*.json")), "it was killed in mid-run"
    assert not waiting.exists()
    mark(begun)

    monkeypatch.setattr(module, "LocalExecutor", Inside)
    second = CliRunner().invoke(cli.app, command)
    assert second.exit_code == 0, second.output
    assert "2 runs in" in second.stdout
    assert "2 finished, 0 had a record, 0 failed" in second.stdout
    assert sorted(r.seed for r in read_records(tmp_path)) == [0, 1]
    for folder in (begun, waiting):
        history = read_history(folder)
        assert [line["epoch"] for line in history] == list(range(1, 16))
        assert (history[0]["label_loss"] == 123.0) == (folder == begun), "what was done before the kill comes from the checkpoint"


def mark(folder: Path) -> None:
    """Change the first epoch's loss in a checkpoint to a number that training would never give."""
    path = folder / "checkpoint.safetensors"
    with safe_open(str(path), framework="pt") as file:
        metadata = file.metadata()
    history = json.loads(metadata["history"])
    history[0]["label_loss"] = 123.0
    save_file(load_file(str(path)), str(path), metadata={**metadata, "history": json.dumps(history)})


def test_the_command_reports_what_failed_and_exits_with_1(tmp_path: Path) -> None:
    options = [f"--set={name}={value}" for name, value in {**TINY, "lr": "1e30"}.items()]
    command = ["sweep", "--methods", "baseline", "--color-vars", "0.02", "--profile", "smoke", "--out", str(tmp_path), "--quiet"]
    answer = CliRunner().invoke(cli.app, [*command, *options])
    assert answer.exit_code == 1
    assert "failed (the label loss became" in answer.stdout
    assert "lower the learning rate" in answer.stdout
    assert "1 runs in" in answer.stdout
    assert "crashed" not in answer.stdout, "no second attempt can cure it"
    assert not list(tmp_path.glob("*.json"))


def test_an_exception_is_the_last_line_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text("loading\nTraceback (most recent call last):\n  ...\nRuntimeError: no more memory\n\n")
    assert executors._outcome(1, tmp_path / "run") == Outcome(reason="RuntimeError: no more memory")
    assert not executors._outcome(2, tmp_path / "run").retryable
    hint = "CUDA kernel errors might be reported late\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions."
    (tmp_path / "run.log").write_text(f"Traceback:\n  ...\ntorch.AcceleratorError: CUDA error: no room\n{hint}\n")
    assert executors._outcome(1, tmp_path / "run").reason == "torch.AcceleratorError: CUDA error: no room"
    (tmp_path / "run.log").write_text("")
    assert executors._outcome(3, tmp_path / "run").reason == "exit code 3"
    assert "does not exist" in executors._outcome(0, tmp_path / "run").reason


# The command line


def dry(*arguments: str) -> list[str]:
    answer = CliRunner().invoke(cli.app, ["sweep", "--dry-run", "--out", "nowhere", "--source", "mini", *arguments])
    assert answer.exit_code == 0, answer.exception
    return answer.stdout.splitlines()


def test_the_command_line_builds_the_same_grid() -> None:
    found = dry("--methods", "all", "--color-vars", "all", "--seeds", "0-1,4", "--profile", "full")
    configs = grid("colored_mnist", METHODS, COLOR_VARS, [0, 1, 4], "full", source="mini")
    assert found == [f"{name_of(config)}: 0 of 100 epochs done" for config in configs]
    (line,) = dry("--methods", " lnl ", "--color-vars", "0.02", "--bf16", "--set", "epochs=3")
    assert line.endswith("0 of 3 epochs done")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--methods", "lnl,lnl"), "the method lnl is in the grid 2 times"),
        (("--methods", ","), "--methods is empty: name at least one"),
        (("--methods", "lln"), "unknown method 'lln'"),
        (("--color-vars", "red"), "--color-vars takes numbers separated by commas, got 'red'"),
        (("--seeds", "2-0"), "--seeds takes whole numbers of up to 20 digits and ranges such as 0-2, got '2-0'"),
        (("--seeds", "0-2,1"), "the seed 1 is in the grid 2 times"),
        (("--seeds", "-1"), "--seeds takes whole numbers"),
        (("--set", "seed=3"), "--set cannot change seed"),
        (("--experiment", "imagenet"), "unknown experiment 'imagenet'"),
        (("--device", "abacus"), "unknown device 'abacus'"),
    ],
    ids=" ".join,
)
def test_the_command_refuses_and_leaves_nothing(
    arguments: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"--methods": "lnl", "--color-vars": "0.02", "--profile": "smoke", "--out": str(tmp_path / "out")}
    rest = [word for name, value in good.items() if name not in arguments for word in (name, value)]
    monkeypatch.setattr(sys, "argv", ["lnl", "sweep", *rest, *arguments])
    handlers = list(logging.getLogger().handlers)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    logging.getLogger().handlers[:] = handlers
    said = capsys.readouterr()
    assert caught.value.code == 2
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1
    assert words in said.err
    assert not list(tmp_path.iterdir())


# A Dask cluster: a real scheduler and real workers on loopback


class Processes:
    """Processes of this test, ended with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, tool: str, *arguments: str, path: Path = ROOT) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{tool}", "--host", "127.0.0.1", "--no-dashboard", *arguments]
        with (self.folder / f"{tool}{len(self.running)}.log").open("wb") as log:
            environment = os.environ | {"PYTHONPATH": str(path)}
            process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=environment)
        self.running.append(process)
        return process

    def worker(self, address: str, path: Path = ROOT) -> subprocess.Popen[bytes]:
        place = self.folder / f"worker{len(self.running)}"
        return self.start("worker", address, "--nthreads", "1", "--no-nanny", "--local-directory", str(place), path=path)

    def stop(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    pytest.importorskip("distributed")
    (tmp_path / "dask").mkdir()
    group = Processes(tmp_path / "dask")
    yield group
    group.stop()


@pytest.fixture
def address(processes: Processes) -> str:
    file = processes.folder / "scheduler.json"
    processes.start("scheduler", "--port", "0", "--scheduler-file", str(file))
    until(file.exists)
    found: list[str] = []

    def read() -> bool:
        try:
            found.append(json.loads(file.read_text())["address"])
        except ValueError:  # half written
            return False
        return True

    until(read)
    return found[0]


def joined(address: str, count: int) -> None:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=PATIENCE)


def test_a_cluster_that_loses_a_worker_brings_every_record_once(processes: Processes, address: str, tmp_path: Path) -> None:
    """A scheduler and two workers; one worker is killed while its run has some epochs behind it."""
    import psutil

    workers = [processes.worker(address) for _ in range(2)]
    joined(address, 2)
    configs = tiny(0, 1, epochs=20)
    out, work = tmp_path / "out", tmp_path / "shared"
    victims: list[tuple[str, int, int]] = []

    def kill() -> None:
        folders = [work / name_of(config) for config in configs]
        until(lambda: any(lines(folder) >= 2 for folder in folders))
        folder = next(folder for folder in folders if lines(folder) >= 2)
        process = psutil.Process(at_work(folder))
        worker = process.ppid()
        os.kill(worker, signal.SIGKILL)
        process.wait(10)  # the run's process follows its worker
        victims.append((folder.name, worker, lines(folder)))

    killer = threading.Thread(target=kill)
    killer.start()
    report = sweep(configs, out, work_dir=work, scheduler=address, threads=1, device="cpu", progress=False)
    killer.join(PATIENCE)
    ((name, pid, epochs),) = victims
    assert pid in {worker.pid for worker in workers}
    assert 2 <= epochs < 20
    assert (sorted(report.finished), report.failed) == (sorted(map(name_of, configs)), {})
    assert sorted(r.seed for r in read_records(out)) == [0, 1]
    assert sorted(path.stem for path in out.glob("*")) == sorted(map(name_of, configs)), "every record once, nothing else"
    assert [line["epoch"] for line in read_history(work / name)] == list(range(1, 21))
    assert sweep(configs, out, scheduler=address, progress=False).skipped == [name_of(config) for config in configs]


def test_a_worker_with_another_lnl_core_is_named(
    processes: Processes, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    copy = shutil.copytree(ROOT / "lnl_core", tmp_path / "old" / "lnl_core", ignore=shutil.ignore_patterns("__pycache__"))
    source = (copy / "__init__.py").read_text()
    (copy / "__init__.py").write_text(source.replace('__version__ = "', '__version__ = "0.0.'))
    processes.worker(address, path=tmp_path / "old")
    joined(address, 1)
    words = r"the worker tcp://127\.0\.0\.1:\d+ has 0\.0\.\S+ \(code \w{12}\), this machine has lnl_core \S+ \(code \w{12}\)"
    with pytest.raises(SweepError, match=words):
        sweep(tiny(), tmp_path / "out", scheduler=address, progress=False)
    assert not (tmp_path / "out").exists()

    # A worker that joins after that check is found by its first job.
    monkeypatch.setattr(executors.DaskExecutor, "_check_workers", lambda _: None)
    with pytest.raises(SweepError, match=words):
        sweep(tiny(), tmp_path / "out", scheduler=address, progress=False)
    assert not list((tmp_path / "out").iterdir())


def test_one_changed_line_is_another_lnl_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = executors.code_version()
    (tmp_path / "losses.py").write_text("λ = 1\n")
    monkeypatch.setattr(lnl_core, "__file__", str(tmp_path / "__init__.py"))
    first = executors.code_version()
    (tmp_path / "losses.py").write_text("λ = 2\n")
    assert first[0] == executors.code_version()[0] == ours[0]
    assert len({ours[1], first[1], executors.code_version()[1]}) == 3
    with pytest.raises(SweepError, match=r"has none like it \(No module named 'lnl_core'\)"):
        executors._check_code("tcp://w:1", ModuleNotFoundError("No module named 'lnl_core'"), ours)


def test_a_scheduler_that_goes_away(processes: Processes, address: str, tmp_path: Path) -> None:
    """No worker ever joins, so the runs wait; then the scheduler is killed."""
    import dask

    threading.Timer(2.0, processes.running[0].kill).start()
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(SweepError, match=f"the Dask scheduler at {address} went away: start it again"),
    ):
        sweep(tiny(), tmp_path / "out", scheduler=address, progress=False)


@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_a_scheduler_that_does_not_answer(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(executors, "_PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        if kind == "closed":
            server.close()
        with pytest.raises(SweepError, match=f"no Dask scheduler answers at {address}: start one with 'dask scheduler'"):
            sweep(tiny(), tmp_path / "out", scheduler=address)
    assert not list(tmp_path.iterdir())


def test_an_address_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(SweepError, match="'smoke://signals' is no address of a Dask scheduler"):
        sweep(tiny(), tmp_path / "out", scheduler="smoke://signals")


def test_without_dask_the_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SweepError, match="needs the package distributed: run pip install"):
        sweep(tiny(), tmp_path / "out", scheduler="tcp://127.0.0.1:8786")

"""Every option and argument of every command, given what it cannot take: one sentence, exit code 2, and nothing left behind."""

import importlib
import logging
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import typer
from cases import every

from lnl_core import cli
from lnl_core.config import preset
from lnl_core.networks import build_network
from lnl_core.runs import run as runs

RAW = "\udcff"  # what Python makes of the byte ff in an argument, which is no UTF-8
LONG = "9" * 5000
NUMBER = ["", " ", "red", "nan", "inf", "-inf", "-1", "1e400", "true", "0,03", RAW]
COUNT = ["", "two", "1.5", "-1", "nan", "1e3", LONG, str(10**30), RAW]
NAME = ["", " ", "nonsense", "None", LONG, RAW]
LIST = ["", ",", " , ", "nonsense", RAW]
PATH = ["", "  ", "~nosuchuser/x"]
BAD: dict[str, list[str]] = {
    **dict.fromkeys(("color_var", "tolerance"), NUMBER),
    **dict.fromkeys(("seed", "workers", "threads", "size", "repeats"), COUNT),
    **dict.fromkeys(("source", "device", "experiment", "method", "profile", "train_set", "format"), NAME),
    **dict.fromkeys(("methods", "train_sets", "learn", "protected", "kinds"), LIST),
    **dict.fromkeys(("out", "data_dir", "work", "results"), PATH),
    "folder": [*PATH, "nowhere", "x" * 300, RAW],
    "color_vars": [*LIST, "nan", "-1", "1e400", "0.02,0.02"],
    "vary": [*LIST, "=", "shade=1", "color_var=0.02", "seed=0,1", f"{RAW}=1"],
    "scheduler": ["", "nonsense", RAW],
    "option": [
        *("", "=", "lr", "=1", "lr=", "lr=fast", "lr=NaN", "lr=1e400", "lr=-1", "lr=null", "lr=true", "lr=[1]"),
        *("lr=" + "[" * 100_000, "epochs=1.5", 'epochs="2"', "epochs=0", "batch_size=1", "train_size=0", "method=lnl", "seed=1"),
        *(f"method={RAW}", f"source={RAW}", "channels_last=1", "profile=full", "nonsense=1", "lr={}", f"{RAW}=1"),
    ],
}
SEEDS = {"sweep": [*LIST, "1.5", "-1", "3-1", "1-", "0-99999999999", LONG, "0-" + LONG], "probe": [*COUNT, "0"], "train": COUNT}
BASE: dict[str, tuple[str, ...]] = {
    "data": (),
    "train": ("--profile", "smoke", "--out", "run"),
    "sweep": ("--profile", "smoke", "--out", "sweep", "--methods", "lnl", "--color-vars", "0.02"),
    "evaluate": ("model.safetensors",),
    "probe": ("model.safetensors",),
    "oracle": ("model.safetensors", "--out", "labels.csv"),
    "clean": (),
    "table": (),
    "experiments": (),
    "methods": (),
    "bench": (),
}
COMMANDS: dict[str, Any] = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]


def values(command: str, option: str) -> list[str]:
    return SEEDS[command] if option == "seeds" else BAD[option]


def calls(command: str) -> Iterator[tuple[str]]:
    for parameter in COMMANDS[command].params:
        name, flag = parameter.name, parameter.opts[0]
        if name == "help":
            continue
        if getattr(parameter, "is_flag", False):
            yield (f"{flag}=1",)
            continue
        for value in values(command, name):
            yield (value if parameter.param_type_name == "argument" else f"{flag}={value}",)


TRAINING = (
    *(("runs.run", "fit"), ("runs.run", "_claimed"), ("evaluation.accuracy", "evaluate"), ("evaluation.over_seeds", "leakage")),
    *(("runs.bench", "_our_epoch"), ("runs.sweep", "_drive")),
)
"""Where a command trains or measures."""


@pytest.fixture(autouse=True)
def _nothing_is_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A value that is accepted would train, measure or ask the network for data: here that is a failure."""

    def accepted(*_: Any, **__: Any) -> None:
        raise AssertionError("the value was accepted")

    for module, name in TRAINING:
        monkeypatch.setattr(importlib.import_module(f"lnl_core.{module}"), name, accepted)
    monkeypatch.chdir(tmp_path)
    handlers = list(logging.getLogger().handlers)
    yield
    logging.getLogger().handlers[:] = handlers


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    config = preset("smoke", "lnl")
    return runs.save_model(build_network(config), config, tmp_path_factory.mktemp("model") / "model.safetensors").read_bytes()


def test_every_command_is_here() -> None:
    assert set(BASE) == set(COMMANDS)


def test_the_cases_are_all_here() -> None:
    assert sum(len([*calls(command)]) for command in COMMANDS) > 400


@pytest.mark.parametrize("command", [command for command in COMMANDS if [*calls(command)]])
def test_one_sentence_and_nothing_left_behind(
    command: str, model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = (tmp_path / str(number) for number in count())

    def refused(given: str) -> None:
        folder = next(folders)
        folder.mkdir()
        monkeypatch.chdir(folder)
        base = list(BASE[command])
        if "model.safetensors" in base:
            (folder / "model.safetensors").write_bytes(model)
        if given.startswith("--"):
            if (flag := given.partition("=")[0]) in base:  # an option of one value is not to be given twice
                del base[base.index(flag) : base.index(flag) + 2]
            base.append(given)
        else:  # an argument takes the place of the good one
            base[0] = given
        monkeypatch.setattr(sys, "argv", ["lnl", command, *base])
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        with pytest.raises(SystemExit) as caught:
            cli.main()
        shown = capsys.readouterr()
        assert caught.value.code == 2, shown
        assert shown.out == ""
        assert shown.err.startswith("lnl: ")
        assert shown.err.count("\n") == 1
        assert len(shown.err) < 1000
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
        assert not [path for path in folder.iterdir() if path.is_dir()]

    every(calls(command), refused)

"""The command on closed streams, full disks and terminals of few characters, and with paths that begin in a home folder."""

import io
import logging
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lnl_core import cli
from lnl_core._files import user_path, variable, write_atomically
from lnl_core.config import preset
from lnl_core.datasets.digits import data_folder
from lnl_core.datasets.readers.photographs import cache_folder
from lnl_core.errors import ConfigError, StorageError
from lnl_core.networks import build_network
from lnl_core.runs import run as runs
from lnl_core.runs.records import read_record, results_folder
from lnl_core.runs.run import load_model, run_folder, save_model
from lnl_core.training import choose_device, loop as training

TINY = ("--method", "baseline", "--profile", "smoke", "--set", "train_size=64", "--set", "test_size=40", "--set", "batch_size=32")


@pytest.fixture
def lnl(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """Call the entry point in this process; the exit code."""
    handlers = list(logging.getLogger().handlers)

    def call(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["lnl", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return int(caught.value.code or 0)

    yield call
    logging.getLogger().handlers[:] = handlers


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without its probes, which take most of its time."""
    monkeypatch.setattr(runs, "evaluate", lambda *_, **__: {"test_accuracy": 0.5})
    monkeypatch.setattr(runs, "load_probe_data", lambda *_: None)


# Streams


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_closed_stream_is_no_obstacle(
    name: str, lnl: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python has None for it, which a progress bar cannot write to."""
    monkeypatch.setattr(sys, name, None)
    assert lnl("train", "--out", tmp_path / "run", "--set", "epochs=1", *TINY) == 0
    assert getattr(sys, name) is None, "what was there before is there again"
    assert (tmp_path / "run" / "record.json").is_file()


def test_nothing_is_written_to_a_file_in_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """The first file that is opened takes the number of a closed stream, and the next message would go into it."""
    code = "from lnl_core.cli import _streams\nwith _streams(): print(open('said', 'w').fileno(), file=open('number', 'w'))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = ["sh", "-c", f'exec "{sys.executable}" -c "$0" <&- >&- 2>&-', code]
    assert subprocess.run(command, cwd=tmp_path, env=environment, check=False).returncode == 0
    assert int((tmp_path / "number").read_text()) > 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_tables_on_terminals_of_few_characters(encoding: str, lnl: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(screen, encoding=encoding))
    assert lnl("table") == 0
    shown = screen.getvalue().decode(encoding)
    head = "| method | σ² |" if encoding == "utf-8" else "| method | sigma² |" if encoding != "ascii" else "| method | sigma^2 |"
    assert shown.startswith(head)
    assert (" ± " if encoding != "ascii" else " +- ") in shown
    assert "?" not in shown


def test_a_path_that_is_no_text_can_be_printed(lnl: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(screen, encoding="utf-8", errors="strict", write_through=True))
    assert lnl("evaluate", "caf\udce9") == 2
    assert b"caf\\udce9" in screen.getvalue()


def test_warnings_come_without_a_source_path(
    lnl: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warn(**_: Any) -> list[Any]:
        warnings.warn("3 of 10 files in cats were left out: cat.1.jpg (empty), ...", stacklevel=1)
        return []

    monkeypatch.setattr("lnl_core.runs.comparison.results_table", lambda *_, **options: warn(**options))
    before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        hook = warnings.showwarning
        assert lnl("table") == 0
        assert warnings.showwarning is hook
    assert warnings.showwarning is before
    assert capsys.readouterr().err == "3 of 10 files in cats were left out: cat.1.jpg (empty), ...\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_behind_standard_output_is_one_sentence(
    lnl: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert lnl("table") == 2
        monkeypatch.undo()
    assert capsys.readouterr().err.count("\n") == 1


# Full disks


@pytest.mark.usefixtures("quick")
def test_a_file_size_limit_while_a_checkpoint_is_written(
    lnl: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The limit comes after the first of two epochs; once it is lifted the same command ends with the same weights."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    real, done = training._train_epoch, []

    def train(*arguments: Any) -> Any:
        done.append(arguments[0].epoch)
        if len(done) == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
        return real(*arguments)

    command = ("train", "--out", tmp_path / "run", "--quiet", *TINY)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(training, "_train_epoch", train)
            assert lnl(*command) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    said = capsys.readouterr().err.splitlines()[-1]
    what = f"lnl: {tmp_path}/run/checkpoint.safetensors cannot be written (File too large)"
    assert said.startswith(f"{what}: nothing that was finished is lost")
    assert "give the same command again" in said
    assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]
    assert lnl(*command) == 0
    assert lnl(*command[:2], tmp_path / "other", *command[3:]) == 0
    assert done == [0, 1]
    weights = [load_model(tmp_path / name).state_dict() for name in ("run", "other")]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    assert read_record(tmp_path / "run" / "record.json").provenance["resumed_after_epochs"] == 1


def test_what_was_there_before_a_full_disk_is_there_after_it(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("old")

    def write(temporary: Path) -> None:
        temporary.write_text("ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"record\.json cannot be written \(No space left on device\)"):
        write_atomically(path, write)
    assert [(place.name, place.read_text()) for place in tmp_path.iterdir()] == [("record.json", "old")]


def test_other_troubles_of_writing_stay_what_they_are(tmp_path: Path) -> None:
    def write(_: Path) -> None:
        raise PermissionError(13, "Permission denied", "there")

    with pytest.raises(PermissionError):
        write_atomically(tmp_path / "record.json", write)


# Home folders


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("given", [("--out=~/runs/a",), ("--out", "~/runs/a")], ids=" ".join)
def test_a_run_in_a_home_folder(given: tuple[str, ...], home: Path, lnl: Callable[..., int]) -> None:
    assert lnl("train", *given, "--set", "epochs=1", "--quiet", *TINY) == 0
    assert (home / "runs" / "a" / "record.json").is_file()
    assert not list(Path.cwd().iterdir())
    assert lnl("table", "--results=~/nothing") == 2


def test_every_place_where_a_path_is_taken_knows_the_home_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = preset("smoke", "baseline")
    assert run_folder("~/runs", config) == home / "runs" / run_folder("", config).name
    assert data_folder("~/data") == home / "data"
    assert cache_folder("~/cache") == home / "cache"
    save_model(build_network(config), config, "~/model.safetensors")
    load_model("~/model.safetensors")
    shutil.copytree(results_folder(), home / "results", ignore=lambda folder, names: set(names) - {"paper.json"})
    for name in ("LNL_RESULTS_DIR", "LNL_DATA_DIR", "LNL_CACHE_DIR"):
        monkeypatch.setenv(name, "~/results")
    assert results_folder() == data_folder(None) == cache_folder() == home / "results"
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("path", ["~nosuchuser/x", "", "  ", "a\0b"])
def test_paths_that_cannot_be(path: str) -> None:
    with pytest.raises(ConfigError, match=r"path .*: |path .* null character"):
        user_path(path)


def test_a_folder_whose_name_begins_with_a_tilde_can_be_meant(home: Path) -> None:
    assert user_path("./~x") == Path("~x")
    assert user_path("a/~") == Path("a/~")
    assert user_path("~") == home


@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_an_empty_variable_counts_as_unset(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LNL_DEVICE", "LNL_DATA_DIR", "LNL_CACHE_DIR", "LNL_RESULTS_DIR"):
        monkeypatch.setenv(name, value)
        assert variable(name) is None
    assert choose_device().type in ("cpu", "cuda", "mps")
    assert data_folder(None) == Path.home() / ".cache" / "lnl_core"
    assert (results_folder() / "paper.json").is_file()


def test_blanks_around_a_device_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LNL_DEVICE", " cpu ")
    assert choose_device().type == "cpu"

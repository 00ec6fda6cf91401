"""One configuration in, one record out; running twice, resuming, and folders that hold something else."""

import functools
import importlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from cases import every
from safetensors.torch import load_file, save_file

from lnl_core import experiments
from lnl_core.config import RunConfig, preset
from lnl_core.datasets import colored_mnist
from lnl_core.errors import ConfigError, LNLError, NonFiniteLossError, RecordError
from lnl_core.evaluation import accuracy
from lnl_core.experiments.splits import load_data
from lnl_core.networks import build_network
from lnl_core.runs import run as runs
from lnl_core.runs.records import RunRecord, read_record, write_record
from lnl_core.runs.run import load_model, model_config, read_history, read_runs, run, run_folder, save_model
from lnl_core.training import loop as training
from lnl_core.training.checkpoints import CHECKPOINT, same_run
from lnl_core.training.precision import settle

pytestmark = pytest.mark.usefixtures("hasty_probes")

METHODS = experiments.find("colored_mnist").methods


def tiny(method: str = "lnl", **changes: Any) -> RunConfig:
    return preset("smoke", method, **{"train_size": 96, "test_size": 60, "batch_size": 32, **changes})


def go(config: RunConfig, folder: Path) -> RunRecord:
    return run(config, folder, progress=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    run(tiny(), folder, device="cpu", progress=False)
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A finished run that a test may harm."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_a_run_leaves_record_model_and_metrics(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} >= {"record.json", "model.safetensors", "metrics.jsonl"}
    assert not list(finished.glob("checkpoint*")), "the checkpoint has served"
    assert not [path for path in finished.iterdir() if path.name.startswith(".")]


def test_the_record_has_the_documented_schema(finished: Path) -> None:
    values = json.loads((finished / "record.json").read_text())
    assert values["schema"] == 3
    assert (values["experiment"], values["method"], values["setting"], values["seed"]) == (
        "colored_mnist",
        "lnl",
        {"color_var": 0.03},
        0,
    )
    assert values["profile"] == "custom"
    assert values["selection"] == "last_epoch"
    assert values["config"] == settle(tiny(), torch.device("cpu")).to_dict()
    assert values["data"] == {"source": "mini", "train_size": 96, "test_size": 60}
    assert {"test_accuracy", "worst_bias_accuracy", "worst_group_accuracy", "bias_probe_accuracy"} <= set(values["metrics"])
    assert {"commit", "dirty", "started", "seconds", "device", "packages", "precision"} == set(values["provenance"])


def test_the_model_that_is_loaded_is_the_one_that_was_measured(finished: Path) -> None:
    record = read_record(finished / "record.json")
    test = colored_mnist("test", 0.03, source="mini").subset(slice(0, 60))
    for path in (finished, finished / "model.safetensors"):
        network = load_model(path)
        assert not network.training
        assert accuracy(network, test) == pytest.approx(record.metrics["test_accuracy"])
    assert model_config(finished) == settle(tiny(), torch.device("cpu"))


def test_history_has_a_line_an_epoch(finished: Path) -> None:
    history = read_history(finished)
    assert [line["epoch"] for line in history] == [1, 2]
    assert "validation_accuracy" in history[0]
    assert read_record(finished / "record.json").metrics["validation_accuracy"] == history[-1]["validation_accuracy"]


@pytest.mark.parametrize("method", [method for method in METHODS if method != "lnl"])
def test_every_method_runs_and_loads(method: str, tmp_path: Path) -> None:
    record = go(tiny(method, epochs=1, train_size=64), tmp_path)
    assert record.method == method
    network = load_model(tmp_path)
    test = colored_mnist("test", 0.03, source="mini").subset(slice(0, 60))
    assert accuracy(network, test) == pytest.approx(record.metrics["test_accuracy"])


def test_running_twice_returns_the_record_at_once(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "load_data", None)
    monkeypatch.setattr(runs, "fit", None)
    assert go(tiny(), finished) == read_record(finished / "record.json")


def test_same_configuration_gives_the_same_numbers_elsewhere(finished: Path, tmp_path: Path) -> None:
    again = go(tiny(), tmp_path / "again")
    assert again.metrics == read_record(finished / "record.json").metrics
    # The weights, not the files: safetensors writes the entries of a header in any order.
    first, second = (load_file(str(folder / "model.safetensors")) for folder in (finished, tmp_path / "again"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_interrupted_run_goes_on_to_the_same_record(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epochs: list[int] = []
    real = training._train_epoch

    def interrupted(*arguments: Any) -> Any:
        epochs.append(arguments[0].epoch)
        if len(epochs) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(training, "_train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        go(tiny(), tmp_path / "cut")
    assert not (tmp_path / "cut" / "record.json").exists()
    assert not (tmp_path / "cut" / "model.safetensors").exists()
    record = go(tiny(), tmp_path / "cut")
    assert epochs == [0, 1, 1]
    assert record.metrics == read_record(finished / "record.json").metrics
    assert read_history(tmp_path / "cut") == read_history(finished)
    assert record.provenance["resumed_after_epochs"] == 1, "its seconds are those of the rest"


def test_an_interruption_while_evaluating_does_not_train_again(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            go(tiny(), tmp_path / "cut")
    monkeypatch.setattr(training, "_train_epoch", None)
    assert go(tiny(), tmp_path / "cut").metrics == read_record(finished / "record.json").metrics


def test_a_model_needs_no_weights_but_its_own(tmp_path: Path) -> None:
    config = preset("smoke", "baseline", experiment="faces", network="resnet18")
    network = build_network(config)
    save_model(network, config.with_options(weights=str(tmp_path / "gone.safetensors")), tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors").state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in network.state_dict().items())


def test_too_few_images_for_a_probe_still_leave_a_record(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    record = go(tiny("baseline", train_size=16, batch_size=8), tmp_path)
    assert "test_accuracy" in record.metrics
    assert "bias_probe_accuracy" not in record.metrics
    assert "too few for a probe" in caplog.text


@pytest.mark.parametrize("method", ["lnl", "bias_balanced"])
def test_a_last_batch_of_one_example_is_dropped(method: str, tmp_path: Path) -> None:
    config = preset("smoke", method, experiment="census", train_size=65, batch_size=64, epochs=1)
    assert go(config, tmp_path).data["train_size"] == 65


# Folders


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("changes", [{"seed": 1}, {"mi_weight": 0.5}, {"color_var": 0.02}, {"epochs": 3}], ids=str)
def test_a_folder_with_another_finished_run_is_refused_and_kept(changes: dict[str, Any], copy: Path) -> None:
    before = snapshot(copy)
    with pytest.raises(RecordError, match=r"holds another run \(.* instead of .*\): choose another folder"):
        go(tiny(**changes), copy)
    assert snapshot(copy) == before


@pytest.mark.parametrize(
    ("there", "wanted", "odd"),
    [
        (preset("smoke", "baseline"), preset("smoke", "lnl"), "method 'baseline' instead of 'lnl', mi_weight None instead of"),
        (preset("smoke", "lnl"), preset("smoke", "baseline"), "mi_weight"),
        (preset("smoke", "baseline", optimizer="adam"), preset("smoke", "baseline", optimizer="sgd"), "momentum None instead of"),
        (preset("smoke", "baseline"), preset("smoke", "baseline", experiment="census"), "experiment 'colored_mnist' instead of"),
        (preset("smoke", "gray"), preset("smoke", "baseline"), "grayscale"),
    ],
    ids=str,
)
def test_a_run_that_reads_other_hyperparameters_is_refused_in_a_sentence(
    there: RunConfig, wanted: RunConfig, odd: str, tmp_path: Path
) -> None:
    with pytest.raises(RecordError, match=r"holds another run \(.* instead of .*\): choose another folder") as caught:
        same_run(wanted, there, tmp_path)
    assert odd in str(caught.value)


def test_a_folder_with_another_unfinished_run_is_refused_and_kept(copy: Path) -> None:
    for name in ("record.json", "model.safetensors"):
        (copy / name).unlink()
    before = snapshot(copy)
    with pytest.raises(RecordError, match="holds another run"):
        go(tiny(seed=1), copy)
    assert snapshot(copy) == before


def test_a_folder_of_somebody_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RecordError, match="exists and is not the folder of a run: choose another folder"):
        go(tiny(), tmp_path)
    assert snapshot(tmp_path) == {"thesis.tex": b"years of work"}


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises((RecordError, NotADirectoryError)):
        go(tiny(), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "a file"


def test_an_empty_folder_is_fine(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert go(tiny("baseline", epochs=1, train_size=64), tmp_path / "out").method == "baseline"


@pytest.mark.parametrize("changes", [{"source": "mnist"}, {"source": "authors"}], ids=str)
def test_missing_data_leave_no_folder(changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise RuntimeError("no network")

    monkeypatch.setattr("torchvision.datasets.MNIST", offline)
    with pytest.raises(LNLError):
        run(tiny(**changes), tmp_path / "out", data_dir=tmp_path / "nothing", progress=False)
    assert not (tmp_path / "out").exists()


def test_a_run_that_diverges_leaves_no_record_and_no_model(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteLossError, match=r"loss became (nan|-?inf) at step \d+ of epoch 1"):
        go(tiny("baseline", lr=1e30), tmp_path / "out")
    assert not (tmp_path / "out" / "record.json").exists()
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_a_damaged_record_is_refused(copy: Path) -> None:
    (copy / "record.json").write_text("{")
    with pytest.raises(RecordError, match=r"record\.json is no readable JSON"):
        go(tiny(), copy)


def test_a_damaged_marker_is_refused(copy: Path) -> None:
    (copy / "record.json").unlink()
    (copy / "config.json").write_text("[")
    with pytest.raises(RecordError, match=r"config\.json is no configuration of ours"):
        go(tiny(), copy)


# Folders that many share


def shared_folder(record: RunRecord, root: Path) -> None:
    """Runs of three experiments and two profiles below ``root``, with what else may lie there."""
    runs_there: dict[str, dict[str, Any]] = {
        "b": {"seed": 3},
        "a": {"seed": 4},
        "census": {"experiment": "census", "setting": {"weight": 1.0}, "metrics": {"test_demographic_parity": 0.1}},
        "photographs": {"experiment": "dogs_cats", "setting": {"train_set": "tb1"}},
        "other profile": {"profile": "demo"},
    }
    for name, changes in runs_there.items():
        write_record(replace(record, **changes), root / name / "record.json")
    (root / "unfinished").mkdir()
    (root / "unfinished" / "config.json").write_text("{}")
    write_record(replace(record, seed=5), root / "04_training" / "deeper" / "record.json")
    (root / "leak-0.03-demo.json").write_text("{}")


def test_records_of_one_experiment_in_a_folder_of_several(finished: Path, tmp_path: Path) -> None:
    record = read_record(finished / "record.json")
    shared_folder(record, tmp_path)
    assert [one.seed for one in read_runs(tmp_path, "colored_mnist", record.profile)] == [4, 3]
    assert [one.profile for one in read_runs(tmp_path, "colored_mnist")] == [record.profile, record.profile, "demo"]
    assert [one.setting for one in read_runs(tmp_path, "dogs_cats")] == [{"train_set": "tb1"}]
    assert read_runs(tmp_path, "faces") == []
    assert read_runs(tmp_path / "none", "census") == []


def test_the_folder_of_runs_may_be_the_working_folder(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared_folder(read_record(finished / "record.json"), tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(read_runs("", "census")) == len(read_runs("~", "census")) == 1


@pytest.mark.parametrize(
    ("names", "message"), [(("digits",), "unknown experiment 'digits'"), (("faces", "huge"), "unknown profile 'huge'")]
)
def test_runs_of_what_does_not_exist_are_refused(names: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read_runs(tmp_path, *names)


def test_names_of_folders_say_what_is_in_them() -> None:
    config = preset("demo", "lnl", color_var=0.03, seed=2)
    assert run_folder("out", config) == Path("out") / f"colored_mnist-lnl-0.03-seed2-demo-{config.fingerprint()}"
    folders = {run_folder("out", other) for other in (config, tiny(), tiny(seed=1), tiny(mi_weight=0.5), tiny("grl"))}
    assert len(folders) == 5


def test_the_record_names_the_source_that_auto_stood_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    config = tiny("baseline", epochs=1, train_size=64, source="auto")
    record = go(config, tmp_path / "out")
    assert record.config["source"] == "mini"
    assert record.data["source"] == "mini"
    assert go(config, tmp_path / "out") == record


# Claims, locks, and what is said of the code


_loaded_once = functools.cache(runs.load_data)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that reads its digits once and has no probes, which take most of its time."""
    monkeypatch.setattr(runs, "evaluate", lambda *_, **__: {"test_accuracy": 0.5})
    monkeypatch.setattr(runs, "load_probe_data", lambda *_: None)
    monkeypatch.setattr(runs, "load_data", _loaded_once)


def one(**changes: Any) -> RunConfig:
    return tiny("baseline", **{"train_size": 64, "epochs": 1, **changes})


@pytest.mark.usefixtures("quick")
def test_a_folder_with_nothing_but_what_a_kill_left_counts_as_empty(tmp_path: Path) -> None:
    """A process killed while it claims its folder leaves a temporary file and no configuration."""
    for name in (".config.json.abcd_123", ".checkpoint.safetensors.12345678"):
        (tmp_path / name).write_text("{")
    go(one(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "record.json", "model.safetensors", "metrics.jsonl"}


@pytest.mark.parametrize("name", [".config.json", ".config.json.mine", ".config.json.abcd_123.txt", ".env"])
def test_hidden_files_of_others_are_refused_and_kept(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(RecordError, match="is not the folder of a run"):
        go(one(), tmp_path)
    assert snapshot(tmp_path) == {name: b"mine"}


def refuse(*_: Any, **__: Any) -> None:
    raise MemoryError("no memory")


@pytest.mark.parametrize(
    ("method", "broken", "error"),
    [
        ("lnl", "load_data", MemoryError),
        ("lnl", "build_network", MemoryError),
        ("lnl", "fit", MemoryError),
    ],
    ids=lambda value: str(value),
)
@pytest.mark.parametrize("there", [False, True], ids=["new", "empty"])
def test_a_run_that_never_began_leaves_nothing(
    method: str, broken: str, error: type[Exception], there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, broken, refuse)
    folder = tmp_path / "deep" / "run"
    if there:
        folder.mkdir(parents=True)
    with pytest.raises(error):
        run(tiny(method), folder, progress=False)
    assert list(tmp_path.rglob("*")) == ([folder.parent, folder] if there else [])


@pytest.mark.usefixtures("quick")
def test_after_a_divergence_in_the_first_epoch_the_folder_is_free_for_a_lower_rate(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteLossError):
        go(one(lr=1e30), tmp_path / "out")
    assert go(one(), tmp_path / "out").metrics["test_accuracy"] == 0.5


@pytest.mark.usefixtures("quick")
def test_two_runs_in_one_folder_at_once_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two runs, begun while the first one trains, says so, and disturbs nothing."""
    real, said = training.fit, list[str]()

    def training_goes_on(*arguments: Any, **options: Any) -> Any:
        before = snapshot(tmp_path / "out")
        with pytest.raises(RecordError, match=r"another run is at work in .*: wait until it ends") as caught:
            go(one(), tmp_path / "out")
        said.append(str(caught.value))
        assert snapshot(tmp_path / "out") == before
        return real(*arguments, **options)

    monkeypatch.setattr(runs, "fit", training_goes_on)
    go(one(), tmp_path / "out")
    assert len(said) == 1
    assert go(one(), tmp_path / "out").metrics["test_accuracy"] == 0.5, "the lock is open again"


@pytest.mark.usefixtures("quick")
def test_the_lock_holds_between_processes_and_dies_with_them(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    holder = (
        "import fcntl, os, sys, time; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); "
        "print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", holder, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RecordError, match="another run is at work"):
            go(one(), tmp_path)
    finally:
        process.kill()
        process.communicate()
    go(one(), tmp_path)


@pytest.mark.usefixtures("quick")
def test_the_code_is_looked_up_before_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit made, or a file edited, while a network trains did not train it."""
    now, real = {"commit": "first", "dirty": False}, training.fit
    monkeypatch.setattr(runs, "code_state", lambda: dict(now))

    def train(*arguments: Any, **options: Any) -> Any:
        now.update(commit="second", dirty=True)
        return real(*arguments, **options)

    monkeypatch.setattr(runs, "fit", train)
    origin = go(one(), tmp_path).provenance
    assert (origin["commit"], origin["dirty"]) == ("first", False)
    assert "earlier" not in origin


@pytest.mark.usefixtures("quick")
def test_a_resumed_run_names_every_commit_that_trained_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Epoch 1 by one commit, nothing by another, which was stopped in its first epoch, epochs 2 and 3 by two more."""
    monkeypatch.setattr(runs, "_seconds_of", lambda *_: 1000.0)  # how long these tiny runs take is the machine's affair
    real = training._train_epoch
    plan = {"a": 1, "b": 0, "c": 1, "d": 1}  # epochs that each gets through
    for commit, epochs in plan.items():
        left = [epochs]

        def train(*arguments: Any, left: list[int] = left) -> Any:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return real(*arguments)

        monkeypatch.setattr(training, "_train_epoch", train)
        monkeypatch.setattr(runs, "code_state", lambda commit=commit: {"commit": commit, "dirty": commit == "c"})
        if commit != "d":
            with pytest.raises(KeyboardInterrupt):
                go(one(epochs=3), tmp_path / "out")
    origin = go(one(epochs=3), tmp_path / "out").provenance
    assert (origin["commit"], origin["dirty"], origin["resumed_after_epochs"]) == ("d", False, 2)
    earlier = [(part["commit"], part["dirty"], part["after_epochs"]) for part in origin["earlier"]]
    assert earlier == [("a", False, 0), ("c", True, 1)]
    assert [part["seconds"] for part in origin["earlier"]] == [1000.0, 1000.0]
    assert 2000 <= origin["seconds"] < 3000, "the time of the whole run and not of its last part"
    assert not (tmp_path / "out" / "parts.json").exists()


def test_an_earlier_part_took_from_its_start_until_its_checkpoint(tmp_path: Path) -> None:
    started, code = datetime(2026, 1, 1, 12, 0, 0, 900_000, tzinfo=UTC), {"commit": "a", "dirty": False}
    assert runs._begin(tmp_path, 0, code, started) == []
    checkpoint = tmp_path / CHECKPOINT
    checkpoint.write_bytes(b"")
    os.utime(checkpoint, (0, started.timestamp() + 12.5))
    (part,) = runs._begin(tmp_path, 1, code, started + timedelta(hours=1))
    assert (part["commit"], part["after_epochs"]) == ("a", 0)
    assert part["seconds"] == pytest.approx(12.5, abs=0.11), "not a second more because the start was cut to whole seconds"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "notes",
    [None, b"[{", b"5", b'{"after_epochs": 0}', b'[{"after_epochs": "0"}]', b"[" * 100_000],
    ids=["missing", "cut", "a number", "a table", "words", "deep"],
)
def test_epochs_of_unknown_code_are_said_to_be(notes: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(runs, "_leave_record", refuse)
        with pytest.raises(MemoryError):
            go(one(), tmp_path)
    (tmp_path / "parts.json").unlink()
    if notes:
        (tmp_path / "parts.json").write_bytes(notes)
    unknown = {"commit": None, "dirty": None, "started": None, "after_epochs": 0, "seconds": None}
    origin = go(one(), tmp_path).provenance
    assert origin["earlier"] == [unknown]
    assert origin["seconds"] is None


@pytest.mark.usefixtures("quick")
def test_notes_without_a_time_leave_the_time_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(runs, "_leave_record", refuse)
        with pytest.raises(MemoryError):
            go(one(), tmp_path)
    (tmp_path / "parts.json").write_text('[{"after_epochs": 0, "commit": "a"}]')
    origin = go(one(), tmp_path).provenance
    assert origin["earlier"] == [{"after_epochs": 0, "commit": "a", "seconds": None}]
    assert origin["seconds"] is None


def test_a_damaged_configuration_of_a_folder_is_refused_in_a_sentence(copy: Path) -> None:
    (copy / "record.json").unlink()

    def refused(content: str) -> None:
        (copy / "config.json").write_text(content)
        with pytest.raises(RecordError, match=r"config\.json is no configuration of ours \(.*\): choose another folder or delete"):
            go(tiny(), copy)

    every([("{",), ("[]",), ("5",), ("[" * 100_000,), ('{"method": "mine"}',), ('{"gamma": 1}',)], refused)


# Models


def test_saving_and_loading_keeps_every_bit(tmp_path: Path) -> None:
    network = build_network(tiny())
    loaded = load_model(save_model(network, tiny(), tmp_path / "model.safetensors"))
    for name, value in network.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", tmp_path / "none.safetensors"):
        with pytest.raises(RecordError, match="does not exist: train a model first"):
            load_model(path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04\x95", b"PK\x03\x04" + bytes(64)])
def test_a_file_that_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"is no readable safetensors file of ours .*: train the model again"):
        load_model(path)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "was-run",))

    path = tmp_path / "model.safetensors"
    torch.save(Runs(), path)
    with pytest.raises(RecordError):
        load_model(path)
    assert not (tmp_path / "was-run").exists()


def test_a_model_of_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, str(path))
    with pytest.raises(RecordError, match="was not written by this version of lnl_core"):
        load_model(path)
    save_file({"weight": torch.zeros(2)}, str(path), metadata={"format": "lnl_core model 2"})
    with pytest.raises(RecordError, match="was not written by this version of lnl_core"):
        load_model(path)


@pytest.mark.parametrize("config", ["{", "[]", '{"method": "nonsense"}', '{"depth": 3}'])
def test_a_model_with_an_odd_header_is_refused(config: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, str(path), metadata={"format": "lnl_core model 1", "config": config})
    with pytest.raises(RecordError, match=r"model\.safetensors"):
        load_model(path)


def test_a_model_with_other_weights_than_its_header_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    metadata = {"format": "lnl_core model 1", "config": json.dumps(tiny().to_dict())}
    save_file({"weight": torch.zeros(2)}, str(path), metadata=metadata)
    with pytest.raises(RecordError, match="weights of another network than its header says"):
        load_model(path)


def test_missing_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"metrics\.jsonl does not exist"):
        read_history(tmp_path)


# Data of a run


def test_sizes_limit_the_splits() -> None:
    assert len(load_data(tiny(), "train")) == 96
    assert len(load_data(tiny(), "test")) == 60
    assert len(load_data(tiny(train_size=None, test_size=None), "test")) == 1000


def test_records_can_be_written_as_plain_json(finished: Path) -> None:
    json.dumps(asdict(read_record(finished / "record.json")), allow_nan=False)


def test_the_probes_of_a_record_read_as_many_images_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_module = importlib.import_module("lnl_core.runs.run")
    asked: list[tuple[int, int]] = []
    real = runs_module.evaluate

    def evaluate(*arguments: Any, **options: Any) -> Any:
        asked.append((options["probe_limit"], options["probe_steps"]))
        return real(*arguments, **options)

    monkeypatch.setattr(runs_module, "evaluate", evaluate)
    run(preset("smoke", "baseline", epochs=1, train_size=64, probe_images=123, probe_steps=7), tmp_path / "run", progress=False)
    assert asked == [(123, 7)]
    assert (preset("short").probe_images, preset("short").probe_steps) == (4000, 600), "the stored records' numbers"

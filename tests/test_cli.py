"""The command ``lnl``: what it leaves behind, and one sentence with exit code 2 for everything that cannot be."""

import json
import logging
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lnl_core import __version__, cli, experiments, methods
from lnl_core.config import preset
from lnl_core.datasets.digits import MNIST_MD5
from lnl_core.errors import DataError
from lnl_core.experiments import splits
from lnl_core.networks import build_network
from lnl_core.runs import run as runs
from lnl_core.runs.comparison import paper_numbers
from lnl_core.runs.records import read_record
from lnl_core.training import loop as training, optimisers

pytestmark = pytest.mark.usefixtures("hasty_probes")

METHODS = experiments.find("colored_mnist").methods

# A run of seconds: the smoke profile made smaller still.
SMALL = ("--profile", "smoke", "--quiet", "--set", "train_size=64", "--set", "test_size=50", "--set", "batch_size=32")


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


Command = Callable[..., Answer]


@pytest.fixture
def lnl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Call the entry point in this process."""
    handlers = list(logging.getLogger().handlers)

    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["lnl", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return Answer(int(caught.value.code or 0), captured.out, captured.err)

    yield call
    logging.getLogger().handlers[:] = handlers


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    monkeypatch.setattr("torchvision.datasets.MNIST", fail)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run, made by the real command in a process of its own."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    command = [
        sys.executable,
        "-m",
        "lnl_core",
        "train",
        "--method",
        "lnl",
        "--color-var",
        "0.03",
        "--device",
        "cpu",
        "--out",
        str(folder),
    ]
    done = subprocess.run([*command, *SMALL], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "test_accuracy" in done.stdout
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def refused(answer: Answer, *words: str) -> None:
    """One sentence on standard error, nothing on standard output, exit code 2, no traceback."""
    assert answer.code == 2, answer
    assert answer.out == ""
    lines = answer.err.strip().splitlines()
    assert len(lines) == 1, answer.err
    assert lines[0].startswith("lnl: ")
    for word in words:
        assert word in lines[0], lines[0]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Good paths


def test_train_leaves_record_model_and_metrics(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {"config.json", "record.json", "model.safetensors", "metrics.jsonl"}
    record = read_record(finished / "record.json")
    assert (record.experiment, record.method, record.setting, record.seed) == ("colored_mnist", "lnl", {"color_var": 0.03}, 0)
    assert (record.schema, record.selection, record.profile) == (3, "last_epoch", "custom")
    assert [json.loads(line)["epoch"] for line in (finished / "metrics.jsonl").read_text().splitlines()] == [1, 2]


def test_train_again_prints_the_same_at_once(finished: Path, lnl: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(finished)
    monkeypatch.setattr(runs, "load_data", None)
    monkeypatch.setattr(runs, "fit", None)
    answer = lnl("train", "--out", finished, *SMALL)
    assert answer.code == 0
    metrics = read_record(finished / "record.json").metrics
    assert f"test_accuracy{metrics['test_accuracy']:31.4f}" in answer.out
    assert f"smallest_group_size{metrics['smallest_group_size']:25.0f}\n" in answer.out
    assert snapshot(finished) == before


@pytest.mark.slow
def test_the_smoke_profile_as_it_stands(lnl: Command, tmp_path: Path) -> None:
    answer = lnl(
        "train", "--method", "lnl", "--color-var", 0.02, "--profile", "smoke", "--seed", 1, "--quiet", "--out", tmp_path / "run"
    )
    assert answer.code == 0
    record = read_record(tmp_path / "run" / "record.json")
    assert (record.profile, record.seed, record.setting) == ("smoke", 1, {"color_var": 0.02})
    assert record.data == {"source": "mini", "train_size": 256, "test_size": 256}


def test_an_interrupted_command_says_so_and_goes_on(
    finished: Path, lnl: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, epochs = training._train_epoch, []

    def interrupted(*arguments: Any) -> Any:
        epochs.append(arguments[0].epoch)
        if len(epochs) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(training, "_train_epoch", interrupted)
    stopped = lnl("train", "--out", tmp_path / "run", *SMALL)
    assert stopped.code == 130
    assert stopped.out == ""
    assert not (tmp_path / "run" / "record.json").exists()
    assert lnl("train", "--out", tmp_path / "run", *SMALL).code == 0
    assert epochs == [0, 1, 1]
    assert read_record(tmp_path / "run" / "record.json").metrics == read_record(finished / "record.json").metrics


def test_what_an_interrupted_command_does_next_is_true_of_it(lnl: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lnl_core.runs.bench.benchmark", stop)
    assert lnl("bench").err == "lnl: stopped; the same command begins again\n"
    monkeypatch.setattr("lnl_core.runs.sweep.sweep", stop)
    swept = lnl("sweep", "--out", "runs", "--methods", "lnl", "--color-vars", "0.03")
    assert swept.err == "lnl: stopped; the same command goes on from the last finished epoch\n"


def test_an_option_of_one_value_that_is_given_twice_is_refused(lnl: Command, tmp_path: Path) -> None:
    for command, option in (("train", "--seed"), ("sweep", "--color-vars"), ("bench", "--repeats"), ("data", "--seed")):
        out = () if command in ("data", "bench") else ("--out", tmp_path / "out")
        answer = lnl(command, *out, option, 1, option, 2)
        assert (answer.code, answer.err) == (2, f"lnl: {option} is given 2 times: give it once: see 'lnl --help'\n")
    answer = lnl("train", "--quiet", "--quiet", "--set", "lr=1", "--set", "lr=1", "--out", tmp_path / "out")
    assert answer.err.startswith("lnl: --set lr is given 2 times"), "a flag may be given twice, and --set for several names"


def test_a_measurement_is_not_lost_to_a_file_that_cannot_be_written(
    lnl: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[dict[str, Any]] = []
    monkeypatch.setattr("lnl_core.runs.bench.benchmark", lambda **options: measured.append(options) or {})  # type: ignore[func-returns-value]
    monkeypatch.setattr("lnl_core.runs.bench.report", lambda results: "so many seconds")
    refused = lnl("bench", "--out", tmp_path)
    assert (refused.code, measured) == (2, [])
    assert refused.err == f"lnl: {tmp_path} is a folder: name a file, such as {tmp_path}/bench.json\n"
    (tmp_path / "file").touch()
    late = lnl("bench", "--out", tmp_path / "file" / "bench.json")
    assert (late.code, late.out) == (2, "so many seconds\n")


def test_the_source_of_a_run_has_the_default_that_is_true_of_the_command(lnl: Command) -> None:
    for command, whose in (("train", "profile"), ("sweep", "profile"), ("evaluate", "run"), ("probe", "run")):
        said = " ".join(lnl(command, "--help").out.split())
        assert f"default: the {whose}'s own" in said
        assert "by default auto" not in said


def test_rows_of_one_label_alone_are_refused_before_anything_is_trained(
    lnl: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "fit", lambda *_, **__: pytest.fail("it was trained"))
    census = ("train", "--experiment", "census", "--train-set", "adult", "--profile", "smoke", "--out", tmp_path / "out", "--set")
    said = {
        "test_size=1": "with test_size 1 the split 'test' has rows of one label alone: take more",
        "train_size=2": "train_size must be at least 20 where rows are drawn, got 2",
    }
    for change, sentence in said.items():
        assert lnl(*census, change).err == f"lnl: {sentence}\n"
    assert not (tmp_path / "out").exists()


def test_options_reach_the_configuration(lnl: Command, tmp_path: Path) -> None:
    answer = lnl(
        "train", "--method", "baseline", "--bf16", "--set", "epochs=1", "--set", "lr=0.05", "--out", tmp_path / "run", *SMALL
    )
    assert answer.code == 0
    config = read_record(tmp_path / "run" / "record.json").run_config()
    assert (config.precision, config.channels_last, config.epochs, config.lr) == ("bf16", True, 1, 0.05)


@pytest.mark.parametrize("name", ["folder", "file"])
def test_evaluate_prints_json_that_agrees_with_the_record(name: str, finished: Path, lnl: Command) -> None:
    answer = lnl("evaluate", finished if name == "folder" else finished / "model.safetensors")
    assert answer.code == 0
    found, record = json.loads(answer.out), read_record(finished / "record.json")
    assert (found["method"], found["color_var"], found["source"], found["test_size"]) == ("lnl", 0.03, "mini", 50)
    for metric, value in found["metrics"].items():
        assert value == pytest.approx(record.metrics[metric], abs=1e-4), metric


@pytest.mark.parametrize("there", [True, False])
def test_evaluate_says_what_is_aligned_where_the_training_data_are_there(
    there: bool, finished: Path, lnl: Command, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load = splits.load_data

    def only_test(config: Any, split: str, *rest: Any, **options: Any) -> Any:
        if split != "test" and not options and not there:
            raise DataError("train-images is missing")
        return load(config, split, *rest, **options)

    monkeypatch.setattr(splits, "load_data", only_test)
    answer = lnl("evaluate", finished)
    assert answer.code == 0
    found = json.loads(answer.out)["metrics"]
    parts = {"bias_aligned_accuracy", "bias_conflicting_accuracy"}
    assert parts & set(found) == (parts if there else set())
    assert {"worst_bias_accuracy", "worst_group_accuracy", "smallest_group_size"} <= set(found)
    assert ("bias_conflicting_accuracy are not measured: train-images is missing" in caplog.text) is not there


def test_evaluate_at_another_variance(finished: Path, lnl: Command) -> None:
    answer = lnl("evaluate", finished, "--color-var", "0.02")
    assert answer.code == 0
    assert json.loads(answer.out)["color_var"] == 0.02


def test_a_model_of_photographs_is_not_evaluated_at_a_variance(tmp_path: Path, lnl: Command) -> None:
    photographs = preset("smoke", "baseline", experiment="dogs_cats", source="synthetic", epochs=1, train_size=64, test_size=20)
    runs.run(photographs, tmp_path / "run", progress=False)
    refused(lnl("evaluate", tmp_path / "run", "--color-var", "0.02"), "--color-var", "leave it out of dogs_cats")


def test_photographs_take_no_variance(tmp_path: Path, lnl: Command) -> None:
    refused(
        lnl("train", "--experiment", "faces", "--color-var", "0.02", "--out", tmp_path / "run"),
        "--color-var",
        "leave it out of faces",
    )
    assert not (tmp_path / "run").exists()


def test_a_model_is_not_evaluated_on_digits_it_has_seen(tmp_path: Path, lnl: Command) -> None:
    config = preset("short", "baseline")
    runs.save_model(build_network(config), config, tmp_path / "model.safetensors")
    refused(lnl("evaluate", tmp_path / "model.safetensors", "--source", "mini"), "training digits of mnist", "leave --source out")


@pytest.mark.parametrize("experiment", ["faces", "jlu_faces"])
@pytest.mark.parametrize("command", ["evaluate", "probe"])
def test_a_model_is_not_measured_on_faces_it_may_have_seen(experiment: str, command: str, tmp_path: Path, lnl: Command) -> None:
    config = preset("smoke", "baseline", experiment=experiment).with_options(source="imdb")
    runs.save_model(build_network(config), config, tmp_path / "model.safetensors")
    for other in ("imdb_cleaned", "imdb_authors"):
        refused(lnl(command, tmp_path / "model.safetensors", "--source", other), f"{other} lists the photographs of imdb", "leave")
    found = experiments.find(experiment)
    found.check_unseen("imdb", "imdb")
    found.check_unseen("utkface", "imdb")


def test_evaluate_probes_with_as_many_images_and_steps_as_the_run(tmp_path: Path, lnl: Command) -> None:
    small = ("--set", "probe_images=30", "--set", "probe_steps=7")
    assert lnl("train", "--out", tmp_path / "run", *SMALL, *small).code == 0
    found, record = json.loads(lnl("evaluate", tmp_path / "run").out), read_record(tmp_path / "run" / "record.json")
    probed = {name: value for name, value in found["metrics"].items() if "probe" in name}
    assert len(probed) > 4
    assert probed == pytest.approx({name: record.metrics[name] for name in probed}, abs=1e-4)


def test_probes_of_what_is_not_there(finished: Path, tmp_path: Path, lnl: Command) -> None:
    refused(lnl("probe", finished, "--kinds", "linear,tree"), "unknown probe 'tree'", "choose one of linear, mlp, conv")
    refused(lnl("probe", finished, "--seeds", "0"), "'--seeds'", "1")
    refused(lnl("probe", tmp_path / "nowhere"), "nowhere")
    diverged = build_network(preset("smoke", "lnl"))
    with torch.no_grad():
        next(diverged.extractor.parameters()).fill_(math.nan)
    runs.save_model(diverged, preset("smoke", "lnl"), tmp_path / "model.safetensors")
    refused(lnl("probe", tmp_path / "model.safetensors"), "the embeddings hold NaN or infinite values")


def test_table_as_json_holds_the_published_numbers(lnl: Command) -> None:
    answer = lnl("table", "--experiment", "colored_mnist", "--format", "json")
    assert answer.code == 0
    rows = json.loads(answer.out)
    published = {(row["method"], row["color_var"]): row["published"] for row in rows if row["published"] is not None}
    assert published == {(method, var): value for method, row in paper_numbers().items() for var, value in row.items()}
    assert {"published", "mean", "difference", "n"} <= set(rows[0])


def test_table_as_markdown(lnl: Command) -> None:
    answer = lnl("table", "--format", "markdown")
    assert answer.code == 0
    assert answer.out.startswith("| method | σ² | published | ours | difference | n |")


def test_data_names_every_split(lnl: Command) -> None:
    answer = lnl("data", "--source", "mini")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert [line.split()[0] for line in lines] == ["train", "validation", "test"]
    assert "3,500 images of mini" in lines[0]


def test_the_version_is_that_of_the_package(lnl: Command) -> None:
    assert lnl("--version").out == f"lnl_core {__version__}\n"


def test_help_names_every_command(lnl: Command) -> None:
    answer = lnl("--help")
    assert answer.code == 0
    assert all(command in answer.out for command in ("data", "train", "sweep", "evaluate", "table", "bench"))


def test_the_help_of_a_hyper_parameter_is_its_declaration(lnl: Command) -> None:
    answer = " ".join(lnl("train", "--help").out.split())
    assert "around its mean, colours in [0, 1] (colored_mnist: a number from 0 to 1, by default 0.03)" in answer
    assert "which of the biased sets is trained on (dogs_cats: tb1, tb2 or train; faces: eb1 or eb2; jlu_faces: bd or od)" in answer
    assert "seeds the data, the initial weights and the order of the batches (a whole number from 0 on, by default 0)" in answer
    assert f"{', '.join(methods.registered())}; see 'lnl methods'." in answer
    answer = " ".join(lnl("sweep", "--help").out.split())
    assert "Separated by commas, or all: which of the biased sets is trained on (dogs_cats: tb1, tb2 or train" in answer
    assert "Separated by commas, or all: what is learnt; the other one is to be forgotten" in answer
    for command in ("sweep", "evaluate", "probe"):
        assert "census: auto, uci or synthetic)" in " ".join(lnl(command, "--help").out.split()), command


def test_methods_are_listed_with_their_hyper_parameters(lnl: Command) -> None:
    blocks = {block.partition(":")[0]: block.splitlines()[1:] for block in re.split(r"\n(?! )", lnl("methods").out)}
    for name, method in methods.registered().items():
        assert [line.split()[0] for line in blocks[name]] == [one.name for one in method.hyperparameters]
    assert "  lr                      learning rate of f and g (a number from 0 on, by default 0.01)" in blocks["every run"]
    assert "(elastic" not in lnl("experiments").out


# Bad input: hyper-parameters


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--method", "lln"), ("unknown method 'lln'", *METHODS)),
        (("--experiment", "imagenet"), ("unknown experiment 'imagenet'", "colored_mnist", "or name its file in LNL_PLUGINS")),
        (("--profile", "huge"), ("unknown profile 'huge'", "smoke, demo, short, full")),
        (("--color-var", "-0.01"), ("color_var must be a finite number that is not negative", "-0.01")),
        (("--color-var", "red"), ("'--color-var'", "valid number")),
        (("--nope", "1"), ("No such option", "--nope")),
        (("--color-var", "nan"), ("color_var must be a finite number that is not negative", "nan")),
        (("--color-var", "inf"), ("color_var must be a finite number",)),
        (("--seed", "-1"), ("seed must be a whole number of at least 0",)),
        (("--source", "cifar"), ("unknown source 'cifar'",)),
        (("--device", "abacus"), ("unknown device 'abacus'",)),
        (("--set", "lr=fast"), ("lr must be a finite number", "fast")),
        (("--color-var", "1e10"), ("color_var must lie between 0 and 1",)),
        (("--set", "epochs=1", "--set", "epochs=2"), ("--set epochs is given 2 times: give it once",)),
        (("--source", "mini", "--set", "source=mnist"), ("--set source and --source are for the same: leave one of them out",)),
        (("--bf16", "--set", "precision=float32"), ("--set precision and --bf16 are for the same",)),
        (("--set", "epochs=0"), ("epochs must be a whole number of at least 1",)),
        (("--set", "momentum"), ("--set takes NAME=VALUE",)),
        (("--set", "learning_rate=1"), ("unknown hyper-parameter 'learning_rate'",)),
        (("--set", "seed=1"), ("--set cannot change seed: it has an option of its own",)),
        (("--protected", "sex"), ("protected belongs to experiment census",)),
        (("--experiment", "census", "--protected", "height"), ("unknown protected 'height': choose one of sex, race, age",)),
        (("--experiment", "census", "--method", "gray"), ("method 'gray' is for images",)),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else "",
)
def test_train_refuses_and_leaves_nothing(arguments: tuple[str, ...], words: tuple[str, ...], lnl: Command, tmp_path: Path) -> None:
    profile = () if "--profile" in arguments else ("--profile", "smoke")
    refused(lnl("train", *profile, "--out", tmp_path / "run", *arguments), *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [("train", "--out", "run"), ("data",), ("evaluate", "run")])
def test_a_variance_that_is_no_number_at_all(
    command: tuple[str, ...], lnl: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = lnl(*command, "--color-var", "red")
    assert answer.code == 2
    assert answer.out == ""
    assert "--color-var" in answer.err.strip().splitlines()[-1]
    assert "Traceback" not in answer.err
    assert not list(tmp_path.iterdir())


def test_data_and_table_refuse_unknown_words(lnl: Command) -> None:
    refused(lnl("data", "--source", "cifar"), "unknown source 'cifar'")
    refused(lnl("data", "--source", "mini", "--color-var", "-1"), "color_var must be a finite number")
    refused(lnl("data", "--source", "mini", "--color-var", "1e10"), "color_var must lie between 0 and 1, got 10000000000.0")
    refused(lnl("table", "--experiment", "imagenet"), "unknown experiment 'imagenet'")


def test_a_list_that_is_given_twice_is_refused(lnl: Command, tmp_path: Path) -> None:
    twice = ("--vary", "mi_weight=0.1", "--vary", "mi_weight=0.2")
    refused(lnl("sweep", "--methods", "lnl", "--out", tmp_path, "--dry-run", *twice), "--vary mi_weight is given twice: put all")


def test_census_runs_from_the_command_line(lnl: Command, tmp_path: Path) -> None:
    options = ("--experiment", "census", "--train-set", "german", "--protected", "sex", "--profile", "smoke", "--quiet")
    answer = lnl("train", "--method", "baseline", "--out", tmp_path / "run", *options)
    assert answer.code == 0, answer.err
    assert answer.out.startswith("baseline, german-sex, profile smoke, ")
    assert "rows of synthetic" in answer.out.splitlines()[0]
    assert "test_demographic_parity_difference" in answer.out
    grid = ("--experiment", "census", "--train-sets", "adult", "--protected", "sex,race", "--methods", "lnl", "--profile", "smoke")
    planned = lnl("sweep", "--out", tmp_path / "sweep", "--dry-run", *grid)
    assert [line.split("-seed")[0] for line in planned.out.splitlines()] == ["census-lnl-adult-sex", "census-lnl-adult-race"]
    refused(lnl("sweep", "--out", tmp_path / "s", "--methods", "lnl", "--color-vars", "0.02", "--protected", "sex"), "--protected")
    assert lnl("table", "--experiment", "census").code == 0


# Bad input: data


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("command", ["data", "train"])
def test_no_network_says_where_to_put_the_files(command: str, lnl: Command, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "run", "--profile", "smoke") if command == "train" else ()
    answer = lnl(command, *out, "--source", "mnist", "--data-dir", tmp_path / "data")
    refused(answer, "could not be downloaded", str(tmp_path / "data" / "mnist" / "MNIST" / "raw"), "mini")
    assert not list(tmp_path.iterdir()), "nothing half-written"


@pytest.mark.usefixtures("offline")
def test_a_data_folder_without_the_files(lnl: Command, tmp_path: Path) -> None:
    refused(lnl("data", "--data-dir", tmp_path), "put the four unpacked MNIST files into")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["data", "train", "evaluate"])
def test_a_truncated_data_file_is_named(command: str, copy: Path, lnl: Command, tmp_path: Path) -> None:
    raw = tmp_path / "data" / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in MNIST_MD5:
        (raw / name).write_bytes(b"\x00\x00\x08\x03")
    first = {"data": (), "train": ("--out", tmp_path / "new", "--profile", "smoke"), "evaluate": (copy,)}[command]
    refused(lnl(command, *first, "--source", "mnist", "--data-dir", tmp_path / "data"), "is truncated or altered", "fetch it again")
    assert not (tmp_path / "new").exists()


def test_a_data_file_that_cannot_be_read(lnl: Command, tmp_path: Path) -> None:
    for name in MNIST_MD5:
        (tmp_path / "mnist" / "MNIST" / "raw" / name).mkdir(parents=True)
    refused(lnl("data", "--data-dir", tmp_path), "cannot read", "train-images-idx3-ubyte")


def test_an_npy_with_anything_but_arrays(lnl: Command, tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "was-run",))

    path = tmp_path / "colored_mnist" / "mnist_10color_jitter_var_0.030.npy"
    path.parent.mkdir()
    np.save(path, {"train_image": Runs()})  # type: ignore[arg-type]
    refused(lnl("data", "--source", "authors", "--data-dir", tmp_path), str(path), "refused")
    assert not (tmp_path / "was-run").exists()


# Bad input: folders, records, models


@pytest.mark.parametrize(
    "arguments", [("--seed", 1), ("--method", "grl"), ("--color-var", 0.02), ("--set", "mi_weight=0.5")], ids=str
)
def test_resuming_with_another_configuration(arguments: tuple[object, ...], copy: Path, lnl: Command) -> None:
    before = snapshot(copy)
    refused(lnl("train", "--out", copy, *SMALL, *arguments), "holds another run", "instead of", "choose another folder")
    for name in ("record.json", "model.safetensors"):
        (copy / name).unlink()
    refused(lnl("train", "--out", copy, *SMALL, *arguments), "holds another run", "instead of", "choose another folder")
    assert snapshot(copy) == {name: content for name, content in before.items() if name not in ("record.json", "model.safetensors")}


def test_an_output_folder_of_somebody(lnl: Command, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    refused(lnl("train", "--out", tmp_path, *SMALL), "is not the folder of a run")
    assert snapshot(tmp_path) == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize("below", [(), ("deeper",)])
def test_an_output_folder_that_is_a_file(below: tuple[str, ...], lnl: Command, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    refused(lnl("train", "--out", tmp_path.joinpath("out", *below), *SMALL), str(tmp_path / "out"))
    assert snapshot(tmp_path) == {"out": b"a file"}


def test_a_record_of_another_schema(copy: Path, lnl: Command, tmp_path: Path) -> None:
    values = json.loads((copy / "record.json").read_text())
    (copy / "record.json").write_text(json.dumps({**values, "schema": 4}))
    refused(lnl("train", "--out", copy, *SMALL), "is a record of schema 4", "reads schema 3")

    results = tmp_path / "results"
    (results / "runs").mkdir(parents=True)
    shutil.copy(runs_paper(), results / "paper.json")
    shutil.copy(copy / "record.json", results / "runs" / "odd.json")
    refused(lnl("table", "--results", results), "odd.json is a record of schema 4")


def runs_paper() -> Path:
    from lnl_core.runs.records import results_folder

    return results_folder() / "paper.json"


def test_a_results_folder_without_published_numbers(lnl: Command, tmp_path: Path) -> None:
    refused(lnl("table", "--results", tmp_path), "paper.json")


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04" + bytes(64)])
def test_a_model_file_that_is_not_ours(content: bytes, lnl: Command, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    refused(lnl("evaluate", path), "model.safetensors", "is no readable safetensors file of ours", "train the model again")
    save_file({"weight": torch.zeros(2)}, str(path))
    refused(lnl("evaluate", tmp_path), "was not written by this version of lnl_core")


def test_a_model_that_is_not_there(lnl: Command, tmp_path: Path) -> None:
    refused(lnl("evaluate", tmp_path / "none"), "does not exist")
    refused(lnl("evaluate", tmp_path), "does not exist")


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(
    lnl: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(optimisers, "learning_rate", lambda config, base, progress: base if progress < 1 else 1e30)
        refused(lnl("train", "--out", out, *SMALL), "loss became", "of epoch 2", f"the last good checkpoint is in {out}")
    assert not (out / "record.json").exists()
    assert not (out / "model.safetensors").exists()
    assert lnl("train", "--out", out, *SMALL).code == 0, "it can go on from there"


def test_threads_wait_for_a_short_while_only() -> None:
    """GNU OpenMP reads the variable when it is loaded, so the command sets it before PyTorch is imported; a library must not."""
    code = "import os, sys, lnl_core.cli; print('torch' in sys.modules, 'GOMP_SPINCOUNT' in os.environ)"
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "False False\n"
    command = "import os, sys; sys.argv = ['lnl', 'experiments']; from lnl_core.cli import main\n"
    command += "try: main()\nfinally: print(os.environ['GOMP_SPINCOUNT'])"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.endswith("\n10000\n")

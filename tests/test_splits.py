"""Which data set stands behind each split of a run, and whole runs on synthetic data."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lnl_core.config import RunConfig, preset
from lnl_core.errors import ConfigError, DataError
from lnl_core.evaluation import bias_alignment
from lnl_core.experiments.splits import OPPOSITE, load_data, load_probe_data, measured_on, resolve
from lnl_core.methods.jlu import read_updates
from lnl_core.runs.records import read_record
from lnl_core.runs.run import HISTORY, MODEL, RECORD, load_model, run


def smoke(experiment: str, method: str = "lnl", **changes: Any) -> RunConfig:
    small = {"train_size": 32, "test_size": 24, "image_size": 64, "batch_size": 16}
    return preset("smoke", method, experiment=experiment, **{**small, **changes})


@pytest.mark.parametrize(("experiment", "sets"), [("dogs_cats", ("tb1", "tb2")), ("faces", ("eb1", "eb2"))])
def test_the_opposite_of_each_training_set_is_the_other_one(experiment: str, sets: tuple[str, str]) -> None:
    for mine, other in (sets, sets[::-1]):
        config = smoke(experiment, train_set=mine)
        assert OPPOSITE[mine] == other
        assert measured_on(config) == ("opposite", "test")
        train, opposite, test = (load_data(config, split) for split in ("train", "opposite", "test"))
        assert (len(train), len(opposite), len(test)) == (32, 24, 24)
        theirs = load_data(smoke(experiment, train_set=other), "train")
        if experiment == "dogs_cats":  # cut from the same images; faces are drawn, other ones for another number of them
            assert torch.equal(opposite.images, theirs.images[:24])
            assert torch.equal(opposite.labels, theirs.labels[:24])
        # The label and the kind of bias go together in one way in the training set and in the other way in its opposite.
        sign = ((train.labels == train.group).float().mean(), (opposite.labels == opposite.group).float().mean())
        assert {float(value) for value in sign} == {0.0, 1.0}
        assert 0.1 < float((test.labels == test.group).float().mean()) < 0.9


def test_the_report_is_tested_on_the_balanced_set() -> None:
    config = smoke("jlu_faces", "jlu")
    assert measured_on(config) == ("test",)
    test = load_data(config, "test")
    assert test.group.bincount().tolist() == [12, 12]
    assert (test.classes, test.bias_classes) == (14, 2)
    with pytest.raises(ConfigError, match="jlu_faces trained on bd has no split 'opposite'"):
        load_data(config, "opposite")


@pytest.mark.parametrize("experiment", ["dogs_cats", "faces", "jlu_faces"])
def test_auto_is_synthetic_unless_photographs_are_there(
    experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = smoke(experiment, source="auto")
    monkeypatch.setenv("LNL_DATA_DIR", str(tmp_path))
    assert resolve(config).source == "synthetic"
    assert f"in {tmp_path}: the data are synthetic" in caplog.text, "never without a word"
    published = "kaggle" if experiment == "dogs_cats" else "utkface"
    (tmp_path / {"kaggle": "dogs-vs-cats"}.get(published, published)).mkdir()
    assert resolve(config).source == published
    named = resolve(config, tmp_path / "wrong")
    assert named.source == published, "a mistake in a path is no reason to draw"
    with pytest.raises(DataError):
        load_data(named, "train", tmp_path / "wrong")
    assert resolve(smoke(experiment), tmp_path).source == "synthetic", "what was asked for stays"


def test_probes_have_repainted_digits_but_no_other_photographs() -> None:
    assert load_probe_data(smoke("faces")) is None
    digits = load_probe_data(preset("smoke", "lnl"))
    assert digits is not None
    assert len(digits) == 256


@pytest.mark.parametrize(
    ("experiment", "method", "measured"),
    [
        ("dogs_cats", "lnl", {"opposite_accuracy", "worst_group_accuracy", "bias_mlp_probe_information"}),
        ("faces", "bias_balanced", {"bias_conflicting_accuracy", "opposite_accuracy", "prediction_information"}),
        ("jlu_faces", "jlu", {"test_accuracy", "bias_aligned_accuracy", "bias_probe_accuracy"}),
    ],
)
def test_a_run_on_synthetic_data_leaves_its_record(experiment: str, method: str, measured: set[str], tmp_path: Path) -> None:
    config = smoke(experiment, method, augment=0.5 if method != "jlu" else 0.0)
    record = run(config, tmp_path, progress=False, device="cpu")
    assert measured <= set(record.metrics)
    assert ("opposite_accuracy" in record.metrics) == (experiment != "jlu_faces")
    assert (record.experiment, record.setting, record.data["source"]) == (experiment, config.setting, "synthetic")
    assert read_record(tmp_path / RECORD) == record
    assert len((tmp_path / HISTORY).read_text().splitlines()) == config.epochs
    network = load_model(tmp_path / MODEL)
    assert network(load_data(config, "test").batch(slice(0, 2)).images).shape == (2, 14 if experiment == "jlu_faces" else 2)
    if method == "jlu":
        assert {line["turn"] for line in read_updates(tmp_path)} == {"bias", "main"}


@pytest.mark.parametrize(
    ("experiment", "train_set", "groups_of"),
    [
        ("dogs_cats", "tb1", {0: [0], 1: [1]}),  # dark cats, bright dogs
        ("dogs_cats", "tb2", {0: [1], 1: [0]}),
        ("faces", "eb1", {0: [1], 1: [0]}),  # old men, young women
        ("faces", "eb2", {0: [0], 1: [1]}),
    ],
)
def test_what_is_aligned_is_how_the_bias_was_planted(experiment: str, train_set: str, groups_of: dict[int, list[int]]) -> None:
    learn: dict[str, Any] = {"learn": "gender"} if experiment == "faces" else {}
    alignment = bias_alignment(load_data(smoke(experiment, train_set=train_set, **learn), "train"))
    assert {label: np.flatnonzero(row == 1).tolist() for label, row in enumerate(alignment)} == groups_of


def test_of_fourteen_ages_several_are_aligned_with_each_gender() -> None:
    alignment = bias_alignment(load_data(smoke("jlu_faces"), "train"))
    assert (alignment[:, 0] == -alignment[:, 1]).all(), "an age that is of men more often than all are is of women less often"
    assert min((alignment == 1).sum(0)) > 1


def test_the_network_of_a_run_fits_its_data() -> None:
    """The bias head's answers have one class and one place for every bias label, for each task."""
    from lnl_core.losses import bias_loss
    from lnl_core.networks import build_network

    big: dict[str, Any] = {"network": "resnet18"}
    configs = [smoke("dogs_cats"), smoke("faces", learn="gender"), smoke("faces", learn="age"), smoke("jlu_faces")]
    configs += [smoke("dogs_cats", **big), smoke("dogs_cats", **big, image_size=72), smoke("faces", **big)]
    for config in configs:
        data, network = load_data(config, "train"), build_network(config)
        batch = data.batch(slice(0, 4))
        features = network.extractor(batch.images)
        assert network.label_head(features).shape == (4, data.classes)
        assert network.bias_head(features).shape[1] == data.bias_classes
        assert torch.isfinite(bias_loss(network.bias_head(features), batch.bias))


def test_every_method_writes_scalars_for_tensorboard(tmp_path: Path) -> None:
    run(smoke("jlu_faces", "jlu"), tmp_path / "run", progress=False, tensorboard=True)
    assert any((tmp_path / "run" / "tensorboard").iterdir())


@pytest.mark.parametrize(("train_set", "protected"), [("adult", "race"), ("german", "age")])
def test_a_census_run_on_synthetic_rows_leaves_its_record(train_set: str, protected: str, tmp_path: Path) -> None:
    config = preset("smoke", "bias_balanced", experiment="census", train_set=train_set, protected=protected)
    record = run(config, tmp_path, progress=False, device="cpu")
    assert (record.setting, record.data["source"]) == ({"train": train_set, "protected": protected}, "synthetic")
    wanted = {"accuracy", "balanced_accuracy", "demographic_parity_difference", "odds_information"}
    assert {f"{split}_{name}" for split in ("validation", "test") for name in wanted} <= set(record.metrics)
    assert {"bias_mlp_probe_information", "worst_group_accuracy"} <= set(record.metrics)
    test = load_data(config, "test")
    assert load_model(tmp_path / MODEL)(test.batch(slice(0, 3)).images).shape == (3, 2)
    assert read_record(tmp_path / RECORD) == record


def test_census_tables_are_synthetic_unless_their_files_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = preset("smoke", experiment="census", source="auto")
    monkeypatch.setenv("LNL_DATA_DIR", str(tmp_path))
    assert resolve(config).source == "synthetic"
    (tmp_path / "uci").mkdir()
    assert resolve(config).source == "uci"
    assert measured_on(config) == ("test",)
    sizes = {split: len(load_data(preset("smoke", experiment="census"), split)) for split in ("train", "validation", "test")}
    assert sizes["train"] == pytest.approx(256, abs=4)
    assert sizes["test"] <= 256

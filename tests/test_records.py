"""Run records: round trip, refusals, averages over seeds, and the table beside the paper."""

import json
import math
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import ttest_1samp, ttest_ind

from lnl_core import experiments
from lnl_core.config import RunConfig, preset
from lnl_core.errors import ConfigError, DataError, RecordError
from lnl_core.runs.comparison import (
    DISCOVERY_RATE,
    aggregate,
    agreement,
    decided,
    difference_interval,
    next_run,
    of_its_preset,
    ordering,
    orderings,
    paper_numbers,
    results_table,
    table_markdown,
    welch_interval,
    welch_p_value,
)
from lnl_core.runs.provenance import describe_environment, provenance, versions
from lnl_core.runs.records import (
    SCHEMA,
    RunRecord,
    migrated,
    published_models,
    read_record,
    read_record_lines,
    read_records,
    results_folder,
    write_record,
)
from lnl_core.runs.run import run_folder
from tools import ROOT
from tools.studies.migrate import migrate, new_names

METHODS = experiments.find("colored_mnist").methods


def record_of(method: str = "lnl", color_var: float = 0.03, seed: int = 0, value: float = 0.8, **changes: Any) -> RunRecord:
    profile = changes.pop("profile", "full")
    config = preset(profile, method, color_var=color_var, seed=seed, source="mnist", **changes)
    return RunRecord(
        schema=SCHEMA,
        experiment="colored_mnist",
        method=method,
        setting=config.setting,
        seed=seed,
        profile=config.profile,
        selection="last_epoch",
        config=config.to_dict(),
        metrics={"test_accuracy": value, "worst_group_accuracy": value / 2},
        data={"source": "mnist", "train_size": 60000, "test_size": 10000},
        provenance={"commit": None, "dirty": None},
    )


def write_json(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def photograph_record(experiment: str, method: str, seed: int = 0, **options: Any) -> RunRecord:
    source, value = options.pop("source", "utkface"), options.pop("value", 0.8)
    config = preset(options.pop("profile", "short"), method, experiment=experiment, seed=seed, **options)
    metrics = {"test_accuracy": value} | ({} if experiment == "jlu_faces" else {"opposite_accuracy": value / 2})
    return replace(
        record_of(),
        experiment=experiment,
        method=method,
        setting=config.setting,
        seed=seed,
        profile=config.profile,
        config=config.to_dict(),
        metrics=metrics,
        data={"source": source, "train_size": 10, "test_size": 10},
    )


# Files


def test_round_trip(tmp_path: Path) -> None:
    record = record_of()
    assert read_record(write_record(record, tmp_path / "run.json")) == record
    assert record.run_config() == preset("full", "lnl", source="mnist")


def test_a_record_is_json_with_the_documented_fields(tmp_path: Path) -> None:
    values = json.loads(write_record(record_of(), tmp_path / "run.json").read_text())
    assert list(values) == [
        "schema", "experiment", "method", "setting", "seed", "profile", "selection", "config", "metrics", "data", "provenance",
    ]
    assert values["schema"] == SCHEMA
    assert values["setting"] == {"color_var": 0.03}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_metric_that_is_not_finite_is_refused_and_nothing_is_written(bad: float, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="the metric test_accuracy is not finite"):
        write_record(record_of(value=bad), tmp_path / "run.json")
    assert not list(tmp_path.iterdir())


def test_writing_replaces_the_whole_file_or_nothing(tmp_path: Path) -> None:
    path = write_record(record_of(), tmp_path / "run.json")
    odd = replace(record_of(), provenance={"commit": object()})
    with pytest.raises(TypeError):
        write_record(odd, path)
    assert read_record(path) == record_of()
    assert [item.name for item in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("schema", [0, 4, "2", "1", True, None])
def test_another_schema_is_refused(schema: Any, tmp_path: Path) -> None:
    path = write_json(tmp_path / "run.json", {**asdict(record_of()), "schema": schema})
    with pytest.raises(RecordError, match=rf"run\.json is a record of schema {schema!r}, this version reads schema 3"):
        read_record(path)


def old_form(record: RunRecord) -> dict[str, Any]:
    """A record as schema 1 wrote it: the least accuracy on a kind of the bias was called that of the worst group."""
    values = asdict(record)
    return values | {"schema": 1, "metrics": {"test_accuracy": 0.8, "worst_group_accuracy": 0.4, "test_information": 0.01}}


def test_records_of_schema_2_are_those_of_today_without_what_their_run_did_not_read() -> None:
    """Real ones as they were stored, beside what the migration made of them."""
    for old in json.loads((ROOT / "tests" / "data" / "schema2.json").read_text(encoding="utf-8")):
        folder = ROOT / "results" / Path(old.pop("file")).parent
        config = RunConfig.from_dict(old["config"], former=True)
        new = read_record(folder / f"{run_folder('', config).name}.json")
        then = RunRecord(**migrated(old))
        assert RunConfig.from_dict(then.config) == RunConfig.from_dict(new.config)
        assert replace(then, config=new.config) == new
        assert {name: old[name] for name in old if name not in ("schema", "config")} == {
            name: value for name, value in asdict(new).items() if name not in ("schema", "config")
        }
        renamed = {"adversary_steps": "bias_steps", "adversary_reset": "bias_restart", "conditional_adversary": "bias_given_label"}
        before = {name: old["config"].get(renamed.get(name, name), new.config[name]) for name in new.config}
        assert before == new.config
        left_out = [name for name in old["config"] if name not in new.config and name not in renamed.values()]
        assert left_out
        assert [name for name in left_out if not config.unread(name)] == []


@pytest.mark.parametrize("profile", ["smoke", "demo"])
def test_a_record_with_the_old_words_for_synthetic_is_of_the_run_that_has_them_today(profile: str) -> None:
    today = preset(profile, "lnl", experiment="faces", train_set="eb1", learn="age")
    assert (today.source, today.network) == ("synthetic", "small_cnn")
    old = RunConfig.from_dict({**today.to_dict(), "source": "drawn", "network": "cartoon"})
    assert old == today
    assert old.fingerprint() == today.fingerprint(), "a sweep takes it for done"
    with pytest.raises(ConfigError, match="unknown source 'painted': choose one of auto, utkface"):
        RunConfig.from_dict({**today.to_dict(), "source": "painted"})


NEW_FORM = {"test_accuracy": 0.8, "worst_bias_accuracy": 0.4, "test_information": 0.01}


def test_a_record_of_schema_1_is_read_with_its_numbers_under_the_names_they_have_now(tmp_path: Path) -> None:
    read = read_record(write_json(tmp_path / "run.json", old_form(record_of())))
    assert read == replace(record_of(), metrics=NEW_FORM)
    assert list(read.metrics) == list(NEW_FORM)
    assert read.run_config().fingerprint() == record_of().run_config().fingerprint()
    lines = tmp_path / "runs.jsonl"
    lines.write_text(json.dumps(old_form(record_of())) + "\n")
    assert read_record_lines(lines) == [read]


def test_the_migration_writes_what_reading_the_old_form_gives_and_nothing_twice(tmp_path: Path) -> None:
    path = write_json(tmp_path / "run.json", old_form(record_of()))
    (tmp_path / "runs.jsonl").write_text(json.dumps(old_form(record_of(seed=1))) + "\n")
    other = write_json(tmp_path / "other.json", {"schema": 1, "worst_group_accuracy": 0.4})
    before, untouched = read_record(path), other.read_bytes()
    lnl = preset("demo", "lnl").to_dict()
    everybodys = {**lnl, "confusion_weight": 0.1, "protected": None, "lr": 0.123}
    (tmp_path / "run-0123456789ab.json").write_text(json.dumps({"found": {"config": everybodys}}))
    today = RunConfig.from_dict({**lnl, "lr": 0.123}).fingerprint()
    assert new_names([tmp_path / "run-0123456789ab.json"]) == {"0123456789ab": today}
    assert [migrate(tmp_path / name) for name in ("run.json", "runs.jsonl", "other.json")] == [True, True, False]
    assert json.loads(path.read_text()) == asdict(before)
    assert path.read_text() == write_record(before, tmp_path / "again.json").read_text()
    assert [record.metrics for record in read_record_lines(tmp_path / "runs.jsonl")] == [NEW_FORM]
    assert other.read_bytes() == untouched, "not a run record"
    assert not any(migrate(tmp_path / name) for name in ("run.json", "runs.jsonl"))


def test_in_the_present_schema_worst_group_is_left_as_it_is(tmp_path: Path) -> None:
    record = replace(record_of(), metrics={"worst_bias_accuracy": 0.4, "worst_group_accuracy": 0.1})
    assert read_record(write_record(record, tmp_path / "run.json")) == record


def test_stored_records_have_the_present_schema_and_say_what_was_added_later() -> None:
    added = {}
    for path in (ROOT / "results").rglob("*.json"):
        values = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(values, dict) and {"profile", "metrics", "provenance"} <= set(values):
            assert values["schema"] == SCHEMA, path
            later = values["provenance"].get("added")
            if later is not None:
                added[later["from"]] = path.stem
                assert set(later["metrics"]) <= set(values["metrics"])
                for name in ("test_accuracy", "worst_bias_accuracy"):  # the stored weights have half precision
                    assert later[name] == pytest.approx(values["metrics"][name], abs=0.003)
    stored = published_models(ROOT / "results")
    assert added == {f"results/models/{model['path'].name}": model["record"] for model in stored}


NO_RECORDS = ("", "{", "[]", "3", '"text"', "null", "\x00", '{"schema": 1}', '{"schema": 2}', '{"schema": 1, "metrics": null}')


@pytest.mark.parametrize("content", NO_RECORDS)
def test_what_is_no_record_is_refused_in_one_sentence(content: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(RecordError, match=r"run\.json") as caught:
        read_record(path)
    assert "\n" not in str(caught.value)


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(b"\xff\xfe\x00\x80" * 10)
    with pytest.raises(RecordError, match="is no readable JSON"):
        read_record(tmp_path / "run.json")


@pytest.mark.parametrize("field", ["seed", "metrics", "provenance"])
def test_a_record_without_a_field_is_refused(field: str, tmp_path: Path) -> None:
    values = asdict(record_of())
    del values[field]
    with pytest.raises(RecordError, match=rf"no complete record \(see field '{field}'\)"):
        read_record(write_json(tmp_path / "run.json", values))


def test_a_record_with_a_further_field_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="see field 'score'"):
        read_record(write_json(tmp_path / "run.json", {**asdict(record_of()), "score": 1}))


def test_a_missing_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="does not exist: train first"):
        read_record(tmp_path / "none.json")


def test_all_records_of_a_folder_in_order(tmp_path: Path) -> None:
    for seed in (2, 0, 1):
        write_record(record_of(seed=seed), tmp_path / f"{seed}.json")
    assert [record.seed for record in read_records(tmp_path)] == [0, 1, 2]
    assert read_records(tmp_path / "none") == []


# Averages


def test_mean_and_sample_deviation_over_seeds() -> None:
    (row,) = aggregate([record_of(seed=seed, value=value) for seed, value in ((1, 0.9), (0, 0.7), (2, 0.8))])
    assert row["mean"] == pytest.approx(0.8)
    assert row["std"] == pytest.approx(0.1)
    assert row["n"] == 3
    assert row["values"] == [0.7, 0.9, 0.8], "in the order of the seeds"


def test_one_run_has_no_deviation() -> None:
    (row,) = aggregate([record_of()])
    assert (row["mean"], row["std"], row["n"]) == (0.8, None, 1)


def test_another_metric_can_be_averaged() -> None:
    (row,) = aggregate([record_of(value=0.8)], "worst_group_accuracy")
    assert row["mean"] == pytest.approx(0.4)


def test_only_runs_that_differ_in_nothing_but_the_seed_are_averaged() -> None:
    different = [record_of(), record_of(seed=1, mi_weight=0.5), record_of("grl", seed=1), record_of(color_var=0.02, seed=1)]
    different.append(replace(record_of(seed=1), data={"source": "authors"}))
    assert [row["n"] for row in aggregate(different)] == [1] * 5


def test_the_memory_layout_does_not_split_an_average() -> None:
    (row,) = aggregate([record_of(seed=0), record_of(seed=1, channels_last=False)])
    assert row["n"] == 2


def test_a_mean_never_mixes_precisions() -> None:
    records = [record_of(seed=seed, precision=kind) for seed, kind in ((0, "float32"), (0, "bf16"), (1, "bf16"))]
    assert {row["precision"]: row["n"] for row in aggregate(records)} == {"float32": 1, "bf16": 2}


@pytest.mark.parametrize("seeds_in_float32", [(0,), (0, 1), (0, 1, 2)])
def test_the_table_says_which_precision_and_what_it_left_out(seeds_in_float32: tuple[int, ...]) -> None:
    records = [record_of(seed=seed, precision="float32", value=0.5) for seed in seeds_in_float32]
    records += [record_of(seed=seed, precision="bf16", value=0.6) for seed in (1, 2)]
    (row,) = [row for row in results_table(records=records) if row["n"]]
    more = len(seeds_in_float32) >= 2
    assert (row["precision"], row["n"]) == (("float32", len(seeds_in_float32)) if more else ("bf16", 2))
    assert row["mean"] == pytest.approx(0.5 if more else 0.6)
    assert row["left_out"] == (2 if more else 1)
    assert f"| {row['precision']} ({row['left_out']} in the other precision left out) |" in table_markdown([row])


def test_the_same_run_twice_is_refused() -> None:
    with pytest.raises(RecordError, match=r"two records hold the same run \(lnl, .*seed 0\)"):
        aggregate([record_of(), record_of(value=0.9)])


# Beside the paper


def test_published_numbers_come_from_the_repository() -> None:
    numbers = paper_numbers()
    assert set(numbers) >= {"baseline", "lnl"}
    assert all(0 < value < 1 for row in numbers.values() for value in row.values())
    assert set(numbers["lnl"]) <= {0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05}


def test_unknown_experiment_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown experiment 'imagenet': choose one of"):
        paper_numbers("imagenet")


def test_table_holds_published_and_ours_and_the_difference() -> None:
    published = paper_numbers()["lnl"][0.03]
    rows = results_table(records=[record_of(value=0.5), record_of(seed=1, value=0.6)])
    (row,) = [row for row in rows if (row["method"], row["color_var"]) == ("lnl", 0.03)]
    assert row["published"] == published
    assert (row["mean"], row["n"]) == (pytest.approx(0.55), 2)
    assert row["difference"] == pytest.approx(0.55 - published)


def test_table_without_records_is_the_published_one() -> None:
    rows = results_table(records=[])
    found: dict[str, dict[float, float]] = {}
    for row in rows:
        found.setdefault(row["method"], {})[row["color_var"]] = row["published"]
    assert found == paper_numbers()
    assert all(row["mean"] is None and row["n"] == 0 and row["difference"] is None for row in rows)


def test_ours_without_a_published_number_has_a_row_without_difference() -> None:
    rows = results_table(records=[record_of("lnl_adv", color_var=0.07)])
    (row,) = [row for row in rows if row["color_var"] == 0.07]
    assert (row["published"], row["difference"], row["mean"]) == (None, None, 0.8)


@pytest.mark.parametrize(
    "record",
    [
        record_of(profile="smoke"),
        record_of(profile="demo"),
        record_of(epochs=3),
        replace(record_of(), data={"source": "mini"}),
        replace(record_of(), experiment="dogs_cats"),
    ],
    ids=["smoke", "demo", "custom", "mini digits", "another experiment"],
)
def test_other_runs_never_enter_the_table(record: RunRecord) -> None:
    assert results_table(records=[record]) == results_table(records=[])


def test_methods_stand_in_the_order_of_the_library() -> None:
    order = [row["method"] for row in results_table(records=[record_of(method) for method in METHODS])]
    known = [method for method in dict.fromkeys(order) if method in METHODS]
    assert known == list(METHODS)


def test_markdown_marks_few_runs() -> None:
    one = table_markdown(results_table(records=[record_of(value=0.5)]))
    two = table_markdown(results_table(records=[record_of(seed=seed, value=0.5) for seed in range(2)]))
    three = table_markdown(results_table(records=[record_of(seed=seed, value=0.5) for seed in range(3)]))
    assert "0.5000 (single run)" in one
    assert "0.5000 ± 0.0000 (two runs)" in two
    assert "0.5000 ± 0.0000 |" in three
    assert "run" not in three.replace("runs/", "")


def test_markdown_is_a_table() -> None:
    lines = table_markdown(results_table(records=[])).splitlines()
    assert lines[1] == "|---|---|---|---|---|---|---|---|"
    assert {line.count("|") for line in lines} == {9}


def test_a_row_holds_one_profile_and_says_which() -> None:
    full, short = [record_of(value=0.5)], [record_of(profile="short", seed=seed, value=0.7) for seed in range(2)]

    def row(records: list[RunRecord], **options: Any) -> dict[str, Any]:
        rows = results_table(records=records, **options)
        return next(row for row in rows if (row["method"], row["color_var"]) == ("lnl", 0.03))

    assert (row(full)["profile"], row(full)["values"]) == ("full", [0.5])
    assert (row(full + short)["profile"], row(full + short)["values"]) == ("short", [0.7, 0.7])
    assert (row(full + short, profiles=("full",))["profile"], row(short[:1] + full)["profile"]) == ("full", "full")
    with pytest.raises(ConfigError, match="full and short only, got demo"):
        results_table(records=full, profiles=("demo",))


def test_runs_of_one_profile_with_other_hyper_parameters_are_never_averaged() -> None:
    other = replace(record_of(seed=1), config={**record_of(seed=1).config, "lr": 0.5})
    assert results_table(records=[record_of(), other]) == results_table(records=[record_of()])


SHORTER = RunConfig(epochs=1, source="mnist"), preset("short", source="mnist", epochs=1)


@pytest.mark.parametrize("config", SHORTER, ids=["built directly", "replaced"])
def test_what_is_called_after_a_preset_and_is_another_run_never_enters_the_table(config: RunConfig) -> None:
    assert config.profile == "custom"
    for profile in ("full", "short"):
        honest = replace(record_of(), profile=config.profile, config=config.to_dict())
        stored = [{**config.to_dict(), "profile": name} for name in (profile, "custom")]
        for record in (honest, *(replace(record_of(), profile=profile, config=values) for values in stored)):
            assert results_table(records=[record]) == results_table(records=[])


@pytest.mark.parametrize("said", [{"method": "grl"}, {"seed": 1}, {"setting": {"color_var": 0.02}}, {"profile": "short"}], ids=str)
def test_a_record_that_says_something_else_than_its_configuration_never_enters_the_table(said: dict[str, Any]) -> None:
    assert of_its_preset(record_of())
    assert results_table(records=[replace(record_of(), **said)]) == results_table(records=[])


def test_every_record_of_the_results_table_is_of_its_preset() -> None:
    records = read_records(results_folder() / "runs")
    assert len(records) > 200
    assert [record for record in records if not of_its_preset(record)] == []


def test_runs_on_two_data_sets_are_told_apart_by_their_source() -> None:
    def face(source: str) -> RunRecord:
        config = preset("full", "lnl", experiment="faces", source=source)
        data = {"source": source, "train_size": 100, "test_size": 100}
        return replace(record_of(), experiment="faces", setting=config.setting, config=config.to_dict(), data=data)

    both = [face("utkface"), face("imdb")]
    with pytest.raises(RecordError, match="are of utkface and of imdb: name one as source"):
        results_table("faces", records=both)
    (row,) = [row for row in results_table("faces", records=both, source="imdb") if row["n"]]
    assert row["source"] == "imdb"


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_damaged_table_of_published_numbers_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "paper.json").write_text(content)
    with pytest.raises(RecordError, match=r"paper\.json is damaged: restore it"):
        results_table(records=[], folder=tmp_path)


def test_a_folder_that_holds_no_results_is_said_to_be_none(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RecordError, match=r"is no results folder, as it has no paper\.json: name the one of the repository"):
            results_table(folder=folder)


def test_the_file_of_a_record_whose_configuration_cannot_be_read_is_named(tmp_path: Path) -> None:
    record = record_of()
    write_record(record, tmp_path / "runs" / "good.json")
    (tmp_path / "paper.json").write_bytes((ROOT / "results" / "paper.json").read_bytes())
    assert sum(row["n"] for row in results_table(folder=tmp_path)) == 1
    write_record(replace(record, seed=1, config={**record.config, "lr": "fast"}), tmp_path / "runs" / "odd.json")
    with pytest.raises(RecordError, match=r"odd\.json has a configuration that cannot be read \(lr .*\): delete it and run again"):
        results_table(folder=tmp_path)
    assert results_table("dogs_cats", folder=tmp_path), "a record of another experiment is nobody's concern"


def test_a_metric_that_a_record_lacks_is_named() -> None:
    with pytest.raises(RecordError, match="holds no 'validation_accuracy'"):
        aggregate([record_of()], "validation_accuracy")


def test_results_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "paper.json").write_text((results_folder() / "paper.json").read_text())
    monkeypatch.setenv("LNL_RESULTS_DIR", str(tmp_path))
    assert results_folder() == tmp_path


# Provenance


def test_provenance_names_commit_time_device_and_packages() -> None:
    found = provenance(datetime(2024, 5, 1, 12, tzinfo=UTC), 3.14159, torch.device("cpu"))
    assert found["started"] == "2024-05-01T12:00:00+00:00"
    assert found["seconds"] == 3.1
    assert found["device"].startswith("cpu")
    assert found["packages"]["torch"] == torch.__version__.split("+")[0]
    assert found["commit"] is None or len(found["commit"]) == 40
    assert found["dirty"] in (None, True, False)


def test_environment_is_described_in_words() -> None:
    text = describe_environment()
    assert all(f"{name} {number}" in text for name, number in versions().items())
    assert "device cpu" in text


# Photographs


def test_every_published_number_on_photographs_has_its_row() -> None:
    for experiment, rows in (("dogs_cats", 28), ("faces", 24), ("jlu_faces", 2)):
        table = results_table(experiment, records=[])
        assert len(table) == rows
        assert all(row["published"] is not None and row["n"] == 0 and row["color_var"] is None for row in table)


def test_a_run_on_photographs_fills_the_columns_of_both_tests() -> None:
    records = [photograph_record("faces", "lnl", seed, train_set="eb2", learn="age", value=0.6 + 0.1 * seed) for seed in range(3)]
    filled = {(row["setting"]["train"], row["setting"]["test"]): row for row in results_table("faces", records) if row["n"]}
    assert set(filled) == {("EB2", "test"), ("EB2", "EB1")}
    test, opposite = filled["EB2", "test"], filled["EB2", "EB1"]
    assert (test["mean"], opposite["mean"]) == pytest.approx((0.7, 0.35))
    assert (test["published"], opposite["published"]) == (0.6304, 0.6218)
    assert test["difference"] == pytest.approx(0.7 - 0.6304)
    assert "| lnl | age, EB2, tested on EB1 | 0.6218 | 0.3500 ± 0.0500 | -0.2718 | 3 | short |" in table_markdown(
        results_table("faces", records)
    )


def test_alpha_tells_the_rows_of_the_report_apart() -> None:
    records = [photograph_record("jlu_faces", "jlu", confusion_weight=alpha, value=alpha) for alpha in (0.4, 1.0)]
    rows = {(row["method"], row["setting"]["alpha"]): row for row in results_table("jlu_faces", records)}
    assert {key: (row["mean"], row["published"]) for key, row in rows.items()} == {
        ("baseline", 0): (None, 0.46),
        ("jlu", 0.4): (0.4, None),
        ("jlu", 1.0): (1.0, 0.49),
    }


@pytest.mark.parametrize("changes", [{"source": "synthetic"}, {"profile": "demo"}, {"image_size": 96}])
def test_synthetic_and_changed_runs_stay_out_of_the_tables(changes: dict[str, Any]) -> None:
    record = photograph_record("dogs_cats", "lnl", **{"source": "kaggle-part", **changes})
    assert results_table("dogs_cats", [record]) == results_table("dogs_cats", [])
    control = photograph_record("dogs_cats", "lnl", source="kaggle-part")
    assert results_table("dogs_cats", [control]) != results_table("dogs_cats", [])


# Does it agree? Is it higher?

SPREAD = (0.0, 0.001, 0.004, 0.01, 0.03, 0.1, 0.3)


def three(mean: float, spread: float) -> list[float]:
    """Three values with that mean and that sample deviation."""
    return [mean - spread, mean, mean + spread]


@pytest.mark.parametrize("side", [-1, 1])
def test_agreement_in_closed_form(side: int) -> None:
    """The half width for three runs is t(0.95, 2) = 2.91999 deviations over the root of 3."""
    half = 2.91999 / math.sqrt(3)
    for spread in (0.001, 0.005, 0.01):
        for inside in (-1e-4, 1e-4):
            near, far = 0.02 - half * spread + inside, 0.02 + half * spread + inside
            if near > 0:
                assert agreement(three(0.8 + side * near, spread), 0.8) == ("agrees" if inside < 0 else "cannot say")
            assert agreement(three(0.8 + side * far, spread), 0.8) == ("cannot say" if inside < 0 else "differs")
    assert agreement(three(0.8 + side * 0.03, 0.001), 0.8, margin=0.05) == "agrees"
    assert agreement([0.8 + side * 0.019] * 3, 0.8) == "agrees"
    assert agreement([0.8 + side * 0.021] * 3, 0.8) == "differs"


def test_the_interval_in_closed_form() -> None:
    assert difference_interval(three(0.83, 0.01), 0.8) == pytest.approx((0.03 - 0.0168586, 0.03 + 0.0168586), abs=1e-7)
    assert difference_interval([0.7, 0.7], 0.8) == pytest.approx((-0.1, -0.1))
    with pytest.raises(DataError, match="an interval needs at least two runs, got 1"):
        difference_interval([0.7], 0.8)


def test_agreement_is_two_one_sided_tests() -> None:
    rng = np.random.default_rng(0)
    seen: set[str] = set()
    for _ in range(200):
        values = 0.8 + rng.normal(rng.choice([0, 0.01, 0.05]), rng.choice([0.002, 0.02]), size=rng.integers(3, 8))
        below = ttest_1samp(values, 0.78, alternative="greater").pvalue
        above = ttest_1samp(values, 0.82, alternative="less").pvalue
        answer = agreement(values.tolist(), 0.8)
        assert (answer == "agrees") == (max(below, above) <= 0.05)
        seen.add(answer)
    assert seen == {"agrees", "differs", "cannot say"}


@pytest.mark.parametrize("off", [0.0, 0.005, 0.015, 0.019, 0.021, 0.05, 0.2])
def test_a_method_that_scatters_more_is_never_judged_sooner(off: float) -> None:
    """The rule 0.02 + 2 standard errors, used before, called a difference of 0.2 reproduced if only the runs scattered enough."""
    answers = [agreement(three(0.8 + off, spread), 0.8) for spread in SPREAD]
    last = max((place for place, answer in enumerate(answers) if answer != "cannot say"), default=-1)
    assert answers[: last + 1] == [answers[0]] * (last + 1), "the same answer until none is given"
    assert answers[-1] == "cannot say"
    assert answers[0] == ("agrees" if off < 0.02 else "differs")


@pytest.mark.parametrize("values", [[], [0.8], [0.8, 0.8]])
def test_fewer_than_three_runs_say_nothing(values: list[float]) -> None:
    assert agreement(values, 0.8) == agreement(values, 0.1) == "cannot say"
    assert ordering(values, [0.1, 0.1, 0.1]) == ordering([0.1, 0.1, 0.1], values) == "cannot say"


def test_one_more_run_lies_between_the_ends_as_often_as_is_said() -> None:
    low, high = next_run([0.6, 0.7, 0.8])
    half = 4.302652729911275 * 0.1 * np.sqrt(4 / 3)  # t with two degrees of freedom
    assert [low, high] == pytest.approx([0.7 - half, 0.7 + half])
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(4000):
        *first, one_more = rng.normal(0.7, 0.1, 4)
        low, high = next_run(first, 0.8)
        inside += low <= one_more <= high
    assert inside / 4000 == pytest.approx(0.8, abs=0.02)
    low, high = next_run([0.6, 0.7, 0.8], runs=3)
    half = 4.302652729911275 * 0.1 * np.sqrt(2 / 3)
    assert [low, high] == pytest.approx([0.7 - half, 0.7 + half])
    with pytest.raises(ConfigError, match="the mean of 0 runs is none"):
        next_run([0.6, 0.7], runs=0)
    with pytest.raises(DataError, match="how far runs scatter cannot be told from 1: give two or more"):
        next_run([0.7])
    with pytest.raises(DataError):
        next_run([0.7, float("nan")])


def test_ordering_is_the_test_of_welch() -> None:
    rng = np.random.default_rng(1)
    seen: set[str] = set()
    for _ in range(200):
        one = rng.normal(0.8, rng.choice([0.001, 0.02]), size=rng.integers(3, 6))
        two = rng.normal(rng.choice([0.77, 0.8, 0.83]), rng.choice([0.001, 0.02]), size=rng.integers(3, 6))
        answer = ordering(one.tolist(), two.tolist())
        found = ttest_ind(one, two, equal_var=False)
        assert (answer != "cannot say") == (found.pvalue < 0.05)
        assert welch_interval(one.tolist(), two.tolist(), 0.9) == pytest.approx(tuple(found.confidence_interval(0.9)))
        if answer != "cannot say":
            assert answer == ("higher" if one.mean() > two.mean() else "lower")
        seen.add(answer)
    assert seen == {"higher", "lower", "cannot say"}
    assert ordering([0.5] * 3, [0.4] * 3) == "higher"
    assert ordering([0.5] * 3, [0.5] * 3) == "cannot say"
    with pytest.raises(DataError, match="cannot be told from 1: give two or more of each"):
        welch_interval([0.5, 0.6], [0.5])


def test_a_p_value_is_that_of_welch_and_belongs_to_the_interval() -> None:
    rng = np.random.default_rng(2)
    for _ in range(100):
        one, two = (rng.normal(0.8, rng.choice([0.001, 0.02]), size=rng.integers(2, 6)).tolist() for _ in range(2))
        value = welch_p_value(one, two)
        assert value == pytest.approx(ttest_ind(one, two, equal_var=False).pvalue, rel=1e-9)
        assert min(map(abs, welch_interval(one, two, 1 - value))) == pytest.approx(0, abs=1e-9), "it just reaches 0"
    assert [welch_p_value([0.5] * 3, [0.25] * 3), welch_p_value([0.5] * 3, [0.5] * 3)] == [0, 1]
    with pytest.raises(DataError, match="cannot be told from 1"):
        welch_p_value([0.5, 0.6], [0.5])


def stepped_up(values: list[float], rate: float) -> list[bool]:
    """By p-value whether it is among the k smallest, with the largest k whose p-value is at most k rate / m."""
    count = max((k for k, value in enumerate(sorted(values), 1) if value <= k * rate / len(values)), default=0)
    return [sorted(values).index(value) < count for value in values]


def test_orderings_hold_the_false_discovery_rate_by_its_definition() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        shift = rng.choice([0.0, 0.03], size=12)
        pairs = {at: (rng.normal(0.8 + shift[at], 0.01, 4).tolist(), rng.normal(0.8, 0.01, 4).tolist()) for at in range(12)}
        values = [ttest_ind(*pair, equal_var=False).pvalue for pair in pairs.values()]
        harmonic = sum(1 / k for k in range(1, 13))
        answers, strict = orderings(pairs), orderings(pairs, any_dependence=True)
        assert [answer != "cannot say" for answer in answers.values()] == stepped_up(values, DISCOVERY_RATE)
        assert [answer != "cannot say" for answer in strict.values()] == stepped_up(values, DISCOVERY_RATE / harmonic)
        for at, answer in answers.items():
            assert answer in ("cannot say", ordering(*pairs[at])), "nothing is found that one comparison alone would not find"


def test_of_many_comparisons_without_a_difference_few_families_find_any_and_with_one_it_is_found() -> None:
    """Both controls. Compared one at a time, nearly every family of 60 equal pairs would have found some."""
    rng = np.random.default_rng(4)
    alone, together, kept = 0, 0, []
    for _ in range(200):
        pairs = {at: (rng.normal(0.8, 0.01, 5).tolist(), rng.normal(0.8, 0.01, 5).tolist()) for at in range(60)}
        alone += any(ordering(*pair) != "cannot say" for pair in pairs.values())
        together += set(orderings(pairs).values()) != {"cannot say"}
        lifted = {at: ([value + 0.1 * (at < 30) for value in one], two) for at, (one, two) in pairs.items()}
        answers = orderings(lifted)
        assert [answers[at] for at in range(30)] == ["higher"] * 30
        kept.append(sum(answers[at] != "cannot say" for at in range(30, 60)) / sum(one != "cannot say" for one in answers.values()))
    assert alone > 180
    assert together < 20, "5 % of 200 families, and chance"
    assert np.mean(kept) < DISCOVERY_RATE


def test_orderings_of_one_and_of_too_few_runs() -> None:
    apart = ([0.8, 0.81, 0.82], [0.7, 0.71, 0.72])
    assert orderings({"alone": apart}) == {"alone": "higher"}
    assert orderings({}) == {}
    few = {"few": ([0.8, 0.81], [0.1, 0.1, 0.1]), "apart": apart[::-1], "same": ([0.5] * 3, [0.5] * 3)}
    assert orderings(few) == {"few": "cannot say", "apart": "lower", "same": "cannot say"}
    with pytest.raises(DataError, match="accuracies must be finite"):
        orderings({"odd": ([0.8, math.nan], [0.1] * 3)})
    for rate in (0.0, 1.0, math.nan):
        with pytest.raises(ConfigError, match="the rate must lie between 0 and 1"):
            orderings({"alone": apart}, rate)


def test_equal_numbers_are_no_difference_whatever_their_sum_is_rounded_to() -> None:
    """The mean of five times 0.637 is not exactly that of ten, and neither of the two scatters is exactly 0."""
    same, more = [0.637] * 5, [0.637] * 10
    assert np.mean(same) != np.mean(more)
    assert (ordering(same, more), welch_p_value(same, more), welch_interval(same, more)) == ("cannot say", 1.0, (0.0, 0.0))
    assert orderings({"same": (same, more), "apart": ([0.638] * 5, more)}) == {"same": "cannot say", "apart": "higher"}


def test_a_claim_needs_enough_answers_and_is_refuted_by_too_many_others() -> None:
    yes, no, open_ = "higher", "lower", "cannot say"
    assert decided([yes] * 7, 7) == decided([yes] * 4 + [no] * 3, 4) == decided([yes] * 4 + [open_] * 3, 4) == "holds"
    assert decided([yes] * 6 + [open_], 7) == decided([open_] * 7, 4) == decided([no] * 3 + [open_] * 4, 4) == "cannot say"
    assert decided([yes] * 6 + [no], 7) == decided([no] * 4 + [open_] * 3, 4) == "does not hold"


def test_which_claims_of_the_paper_our_runs_decide() -> None:
    """Cells of one run decided none of them; a claim about all variances needs three runs at each."""
    rows = {(row["method"], row["color_var"]): row for row in results_table()}
    variances = sorted({color_var for _, color_var in rows})
    assert min(row["n"] for (method, _), row in rows.items() if method != "mi_backprop") >= 3

    def answers(other: str) -> list[str]:
        return [ordering(rows["lnl", one]["values"], rows[other, one]["values"]) for one in variances]

    assert answers("baseline") == ["higher"] * 7
    assert [Counter(answers(other)) for other in ("blind_eye", "gray")] == [
        {"higher": 5, "cannot say": 2},
        {"higher": 2, "cannot say": 5},
    ]
    needed = {"baseline": 7, "blind_eye": 7, "gray": 4}
    assert [decided(answers(other), count) for other, count in needed.items()] == ["holds", "cannot say", "cannot say"]
    weaker = [
        ordering(rows[method, less]["values"], rows[method, more]["values"])
        for method in ("baseline", "gray", "blind_eye", "lnl")
        for more, less in pairwise(variances)
    ]
    assert decided(weaker, len(weaker)) == "cannot say"
    assert "lower" not in weaker
    page, notebook = ((ROOT / one).read_text(encoding="utf-8") for one in ("book/reproduce.md", "notebooks/07_results.py"))
    assert "**it beats the baseline at every variance** (n = 3 or 5 each)" in page
    assert "one at a time, it lies above the first at five of seven, above the second at two, and below neither at any." in page
    assert "That `lnl` beats the baseline everywhere holds." in notebook
    assert "At all seven variances of the paper `lnl` lies above it." in (ROOT / "book" / "intro.md").read_text(encoding="utf-8")


def test_numbers_that_cannot_be_judged_are_refused() -> None:
    for margin in (0.0, -0.1, math.nan, math.inf):
        with pytest.raises(ConfigError, match="the margin must be a positive number"):
            agreement([0.8, 0.8, 0.8], 0.8, margin)
    for judge in (lambda values: agreement(values, 0.8), lambda values: ordering(values, [0.8, 0.8, 0.8])):
        with pytest.raises(DataError, match="accuracies must be finite, got nan: leave out runs that diverged and say so"):
            judge([0.8, math.nan, 0.8])

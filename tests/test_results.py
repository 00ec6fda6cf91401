"""The tables of the pages hold what the records hold, and no other number."""

import json
import re
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import every
from test_records import record_of

from lnl_core._files import write_json
from lnl_core.config import preset
from lnl_core.runs.records import RunRecord, published_models, read_records, write_record
from lnl_core.runs.run import load_model, model_config, run, run_folder
from tools import ROOT
from tools.pages import ablation_tables, dial, figure_4_tables, group_numbers, numbers, results, search, settings_tried
from tools.pages.rows import by_configuration
from tools.studies import ablations, mi_cost, models, runs as figure_4


def test_generated_tables_are_what_the_records_say() -> None:
    assert results.stale() == [], "run 'make results'"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree with one record a table and its pages made from them."""
    (tmp_path / "results").mkdir()
    shutil.copy(ROOT / "results" / "paper.json", tmp_path / "results")
    record = record_of(value=0.8765)
    write_record(record, tmp_path / "results" / "runs" / "one.json")
    config = ablations.config_of({})
    metrics = {"validation_accuracy": 0.4321, "bias_mlp_probe_accuracy": 0.5, "prediction_information": 0.1}
    for seed, gain in ((0, 0.0), (1, 0.1)):
        changed = replace(
            record,
            profile="custom",
            seed=seed,
            config={**config.to_dict(), "seed": seed},
            metrics={**metrics, "validation_accuracy": 0.4321 + gain},
        )
        write_record(changed, tmp_path / "results" / "ablations" / f"{seed}.json")
    pages = tmp_path / "book" / "results"
    pages.mkdir(parents=True)
    for name, text in results.tables(tmp_path).items():
        (pages / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_tables_hold_means_and_numbers_of_runs(tree: Path) -> None:
    made = results.tables(tree)
    assert "| lnl | 0.03 | 0.9137 | 0.8765 (single run) | -0.0372 | 1 | full |" in made["figure_4.md"]
    row = next(line for line in made["choices.md"].splitlines() if line.startswith("| reference"))
    assert "| 0.482 ± 0.071 |" in row
    assert row.endswith("| 2 | auto | – |")
    other = next(line for line in made["choices.md"].splitlines() if line.startswith("| no weight decay"))
    assert set(other.split("|")[2:-4]) == {" – "}
    assert other.endswith("| 0 | – | – |")


def test_only_cells_of_three_runs_are_judged_and_the_others_are_counted(tree: Path) -> None:
    """The mean 0.9137 + 0.004 with a deviation of 0.001: 2.92 deviations over the root of 3 are 0.0017."""
    for seed, value in ((1, 0.9177), (2, 0.9187), (3, 0.9167)):
        write_record(record_of("gray", 0.03, seed, value - 0.9137 + 0.8996), tree / "results" / "runs" / f"gray{seed}.json")
    write_record(record_of(seed=1, value=0.8765), tree / "results" / "runs" / "two.json")
    table = results.tables(tree)["agreement.md"]
    (line,) = [line for line in table.splitlines() if line.startswith("| gray")]
    assert line == "| gray | 0.03 | 0.8996 | 0.9036 | 3 | +0.0023 to +0.0057 | agrees | – |"
    assert "| lnl |" not in table, "two runs are not judged"
    assert "The other 27 of the 28 published numbers have fewer than 3 runs beside them: cannot say." in table
    whole = (ROOT / "book" / "results" / "agreement.md").read_text(encoding="utf-8")
    assert "\n\nThese are all 28 published numbers.\n" in whole


def test_the_table_of_groups_says_what_was_not_measured_and_of_how_many_runs_a_number_is(tree: Path) -> None:
    """A variance has rows as soon as one of its runs was measured, whichever it is; the worst colour is shown of all runs."""
    parts = {"smallest_group_size": 67.0, "bias_aligned_accuracy": 0.9, "bias_conflicting_accuracy": 0.3}
    of_groups = {"worst_group_accuracy": 0.125, **parts}
    runs = [("lnl", 0.05, 0, of_groups), ("lnl", 0.05, 1, {}), ("gray", 0.03, 0, {})]
    for method, color_var, seed, more in [*runs, ("grl", 0.035, 0, {"bias_conflicting_accuracy": 0.25})]:
        record = record_of(method, color_var, seed, 0.8, profile="short")
        metrics = {"test_accuracy": 0.8, "worst_bias_accuracy": 0.4, **more}
        write_record(replace(record, metrics=metrics), tree / "results" / "runs" / f"{method}{seed}.json")
    rows = figure_4_tables.groups_table(tree).splitlines()
    assert rows[2:4] == [
        "| 0.035 | grl | 0.800 (n = 1) | 0.400 (n = 1) | not measured | not measured | 0.250 (n = 1) | – |",
        "| 0.05 | lnl | 0.800 ± 0.000 (n = 2) | 0.400 ± 0.000 (n = 2) | 0.125 (n = 1) | 0.900 (n = 1) | 0.300 (n = 1) | – |",
    ]
    assert rows[5] == "The smallest group has 67 test digits."
    assert rows[9] == "| worst colour, σ² = | 0.03 | 0.035 | 0.05 |"
    assert [row.partition("</a>")[2] for row in rows[11:]] == [
        " | 0.400 (n = 1) | – | – |",
        " | – | 0.400 (n = 1) | – |",
        " | – | – | 0.400 ± 0.000 (n = 2) |",
    ]
    assert all(f"-{method}-" in row for method, row in zip(("gray", "grl", "lnl"), rows[11:], strict=True))


def test_groups_that_a_record_lacks_are_those_of_the_same_run_trained_again_and_its_other_numbers_stay(tree: Path) -> None:
    own = {"worst_group_accuracy": 0.5, "bias_aligned_accuracy": 0.9, "bias_conflicting_accuracy": 0.7, "smallest_group_size": 67.0}
    for folder, seed, precision, more in (
        ("runs", 0, "bf16", {}),
        ("runs", 1, "bf16", own),
        ("runs", 2, "bf16", {}),
        ("figure_4_groups", 0, "bf16", {**own, "worst_group_accuracy": 0.1, "test_accuracy": 0.6}),
        ("figure_4_groups", 1, "bf16", {**own, "worst_group_accuracy": 0.2, "test_accuracy": 0.6}),
        ("figure_4_groups", 2, "float32", {**own, "worst_group_accuracy": 0.3, "test_accuracy": 0.6}),
    ):
        record = record_of("lnl", 0.05, seed, 0.8, profile="short", precision=precision)
        found = replace(record, metrics={"test_accuracy": 0.8, "worst_bias_accuracy": 0.4, **more})
        write_record(found, tree / "results" / folder / f"{run_folder('', record.run_config()).name}.json")
    stored = read_records(tree / "results" / "runs")
    runs = sorted((one for one in stored if one.profile == "short"), key=lambda one: one.seed)
    assert group_numbers.values("worst_group_accuracy", runs, tree) == [0.1, 0.5], "seed 2 was trained again in another precision"
    assert group_numbers.values("test_accuracy", runs, tree) == [0.8] * 3
    assert [one.seed for one in group_numbers.measured(runs, tree)] == [0, 1]
    row = figure_4_tables.groups_table(tree).splitlines()[2]
    assert row.startswith("| 0.05 | lnl | 0.800 ± 0.000 (n = 3) | 0.400 ± 0.000 (n = 3) | 0.300 ± 0.283 (n = 2) |")
    again = f"figure_4_groups/{run_folder('', runs[0].run_config()).name}"
    assert f'<a href="record.html#{again}" aria-label="record of seed 0 again">0 again</a>' in row
    assert row.count("<a ") == 4
    shown = dial.values(tree)
    assert shown["worst_group_accuracy"]["lnl"]["0.05"] == [0.1, 0.5]
    assert shown["test_accuracy"]["lnl"]["0.05"] == [0.8] * 3


def test_how_much_was_tried_is_said_once_and_stands_in_every_table_that_sets_methods_side_by_side() -> None:
    tried = settings_tried.tried
    assert {*figure_4.METHODS} == {method for row in settings_tried.TRIED for method in row.methods}
    assert (tried("mi_backprop"), tried("bias_balanced"), tried("lnl"), tried("grl")) == (
        *("about 18", "about 40", "not counted", "none of its own"),
    )
    made = figure_4_tables.figure_4_table().splitlines()
    assert made[0].endswith("| settings tried |")
    assert all(line.endswith(f"| {tried(line.split('|')[1].strip())} |") for line in made[2:] if line)
    listed = settings_tried.tables()["settings_tried.md"]
    assert all(f"`{method}`" in listed for method in figure_4.METHODS)
    assert "| `bias_balanced` | about 40 |" in listed
    said = (ROOT / "book" / "reproduce.md").read_text(encoding="utf-8")
    assert "{include} results/settings_tried.md" in said
    rows = [line for line in search.accuracy_table().splitlines() if line.startswith("| <a")]
    here = {line.split("</a>")[0].rpartition(">")[2]: line.split("|")[-2].strip() for line in rows}
    assert here["lnl"] == "8"
    assert here["bias_balanced"] == "none here, about 40 elsewhere"
    assert here["mi_backprop"] == "none here, about 18 elsewhere"
    assert "about forty settings were tried for `bias_balanced`" in numbers.said("equal_search.md")


def test_tables_of_choices_hold_no_accuracy_of_the_test_set_and_name_what_is_of_its_digits() -> None:
    for table in ("CHOICE", "PART", "PLACE", "ADVERSARY"):
        columns = getattr(ablation_tables, f"{table}_COLUMNS")
        assert "validation_accuracy" in columns
        assert not {"test_accuracy", "worst_bias_accuracy", "worst_group_accuracy"} & set(columns)
        assert [metric for metric, name in columns.items() if "test digits" in name] == ["prediction_information"]


def test_what_stands_beside_ours_is_sorted_and_says_what_it_may_use(tree: Path) -> None:
    write_record(record_of("bias_balanced", 0.02, value=0.95, profile="short"), tree / "results" / "runs" / "balanced.json")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in figure_4_tables.others_table(tree).splitlines()[2:]]
    assert [row[1].partition(" ±")[0] for row in rows] == ["0.959", "0.951", "0.9500", "around 0.943", "0.9293", "0.8374", "0.8185"]
    assert all(row[4] for row in rows)
    assert [row[0] for row in rows if row[2] != "not stated"] == ["bias_balanced, here, in colours drawn by us"]
    assert "0.475 (n = 1)" in [row[2] for row in rows], "a worst cell is measured by us alone"
    assert all(row[5].startswith("{cite:t}`") for row in rows if not row[0].startswith("bias_balanced"))
    works = set(re.findall(r"^@\w+\{([\w:-]+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\{cite:t\}`([\w]+)`", figure_4_tables.others_table())) <= works
    assert "student" not in figure_4_tables.others_table(), "its test set is not stated"


def test_a_changed_number_is_noticed(tree: Path) -> None:
    assert results.stale(tree) == []
    page = tree / "book" / "results" / "figure_4.md"
    page.write_text(page.read_text(encoding="utf-8").replace("0.8765", "0.9765"), encoding="utf-8")
    assert results.stale(tree) == ["figure_4.md"]


def test_a_new_record_makes_the_pages_stale(tree: Path) -> None:
    write_record(record_of(seed=1, value=0.8), tree / "results" / "runs" / "two.json")
    assert results.stale(tree) == ["figure_4.md", "mi_backprop.md"]
    write_record(record_of(seed=2, value=0.85), tree / "results" / "runs" / "three.json")
    assert results.stale(tree) == ["figure_4.md", "agreement.md", "mi_backprop.md"], "the third run of a cell is judged"


def test_mi_backprop_stands_beside_lnl_and_its_bound_beside_the_least(tree: Path) -> None:
    """At 0.02 eight levels a channel leave 0.448 nats of the label open, so that a label loss of 0.1 needs log 10 - 0.1 - 0.448."""
    (tree / "results" / "limit" / "runs").mkdir(parents=True)
    shutil.copy(ROOT / "results" / "limit" / "colored_mnist.json", tree / "results" / "limit")
    shown: list[tuple[dict[str, Any], str, float]] = [
        ({}, "runs", 0.4344),
        ({"network": "ragonesi"}, "ablations", 0.5432),
        ({"network": "ragonesi", "mi_weight": 0.0}, "ablations", 0.3456),
        ({"mi_weight": 0.0}, "ablations", 0.3123),
    ]
    for changes, folder, value in shown:
        config = preset("short", "mi_backprop", color_var=0.02, **changes)
        changed: dict[str, Any] = {
            "method": "mi_backprop",
            "profile": config.profile,
            "config": config.to_dict(),
            "setting": config.setting,
        }
        write_record(replace(record_of(value=value), **changed), tree / "results" / folder / f"{value}.json")
    measured = {"method": "mi_backprop", "color_var": 0.02, "source": "mnist", "profile": "short", "painted_accuracy": 0.9}
    measured |= {"run": "of no record", "seed": 0}
    measured |= {"proved_leak": 1.0, "test_accuracy": 0.4344, "last_epoch": {"label_loss": 0.1, "bound": 2.0237}}
    (tree / "results" / "limit" / "runs" / "one.json").write_text(json.dumps(measured), encoding="utf-8")
    another = {**measured, "seed": 1, "last_epoch": {"label_loss": 0.1, "bound": 1.5}}
    (tree / "results" / "limit" / "runs" / "two.json").write_text(json.dumps(another), encoding="utf-8")
    rows = results.tables(tree)["mi_backprop.md"].splitlines()
    link = '<a href="records.html#colored_mnist-mi_backprop-0.02-">runs</a>'
    assert f"| 0.02 | – | – | 0.434 | 0.312 | 0.543 | 2.02 | 1.75 | 0.592 | 0.831 | {link} |" in rows
    assert "| 0.03 | – | 0.876 | – | – | – | – | – | 0.722 | 0.901 | – |" in rows


def test_mi_backprop_with_its_authors_network_stands_above_the_same_without_its_second_step(tree: Path) -> None:
    (tree / "results" / "limit" / "runs").mkdir(parents=True)
    shutil.copy(ROOT / "results" / "limit" / "colored_mnist.json", tree / "results" / "limit")
    for mi_weight, bound in ((0.0, None), (0.7, 1.2345)):
        config = preset("short", "mi_backprop", color_var=0.02, network="ragonesi", mi_weight=mi_weight)
        metrics = {"test_accuracy": 0.1 + mi_weight, "bias_mlp_probe_accuracy": 0.25, "bias_mlp_probe_information": 0.5}
        record = replace(
            record_of(), method="mi_backprop", profile="custom", config=config.to_dict(), setting=config.setting, metrics=metrics
        )
        write_record(record, tree / "results" / "ablations" / f"weight-{mi_weight}.json")
        measured = {
            "run": f"weight-{mi_weight}",
            "method": "mi_backprop",
            "color_var": 0.02,
            "source": "mnist",
            "profile": "custom",
            "changed": {"network": "ragonesi"},
        }
        measured |= {"last_epoch": {"label_loss": 0.1, "bound": bound}}
        (tree / "results" / "limit" / "runs" / f"{mi_weight}.json").write_text(json.dumps(measured), encoding="utf-8")
    rows = [row for row in results.tables(tree)["mi_backprop_network.md"].splitlines() if row.startswith("|")]
    assert rows[-2:] == [
        "| 0.02 | 0.7 | 0.800 | 1.23 | 1.75 | 0.250 | 0.50 | – |",
        "| 0.02 | 0 | 0.100 | – | 1.75 | 0.250 | 0.50 | – |",
    ]
    assert "weight" not in results.tables(tree)["limit_methods.md"]


def test_costs_have_a_column_for_each_device(tree: Path) -> None:
    assert "Nothing has been measured yet." in results.tables(tree)["mi_cost.md"]
    for device, cost in (("one cpu", 6.04), ("one gpu", 2.5)):
        measured = {"costs": {"mi_backprop bf16": cost}, "repeats": 3, "provenance": {"device": device}}
        path = tree / mi_cost.FOLDER / f"{device}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(measured), encoding="utf-8")
    rows = results.tables(tree)["mi_cost.md"].splitlines()
    assert "| K = 40, in epochs of lnl | one cpu (3 rounds) | one gpu (3 rounds) |" in rows
    assert "| mi_backprop bf16 | 6.0 | 2.5 |" in rows


def test_each_grey_formula_has_its_own_column(tree: Path) -> None:
    for kind, folder, values in (("luminance", "runs", (0.8, 0.82)), ("mean", "ablations", (0.84,))):
        for seed, value in enumerate(values):
            config = preset("short", "gray", color_var=0.02, grayscale=kind, seed=seed)
            record = replace(record_of(seed=seed, value=value), method="gray", profile=config.profile, config=config.to_dict())
            write_record(record, tree / "results" / folder / f"{kind}{seed}.json")
    rows = results.tables(tree)["grayscale.md"].splitlines()
    link = '<a href="records.html#colored_mnist-gray-0.02-">all of gray</a>'
    assert f"| 0.02 | 0.8374 | 0.810 ± 0.014 (n = 2) | 0.840 (n = 1) | – | {link} |" in rows
    assert "| 0.03 | 0.8996 | – | – | – | – |" in rows


def test_every_ablation_differs_from_the_reference_in_what_it_names() -> None:
    for name, changes in {**ablations.PLACES, **ablations.PARTS, **ablations.CHOICES}.items():
        reference = ablations.config_of({key: value for key, value in changes.items() if key == "method"}).to_dict()
        config = ablations.config_of(changes).to_dict()
        differing = {key for key in config if config[key] != reference[key]}
        assert differing == {key for key, value in changes.items() if value != reference[key]}, name
        assert config["profile"] == "custom"
        assert config["train_split"] == "train"
        assert "|" not in name, "it would end its cell of the table"


def test_choices_are_held_against_the_scatter_of_their_own_reference() -> None:
    def runs(changes: dict[str, Any], *values: float, precision: str = "bf16") -> list[RunRecord]:
        configs = [ablations.config_of(changes, seed).with_options(precision=precision) for seed in range(len(values))]
        return [
            replace(record_of(), config=config.to_dict(), metrics={"validation_accuracy": value})
            for config, value in zip(configs, values, strict=True)
        ]

    reference = ablations.CHOICES[ablations.REFERENCE]
    few = runs(reference, 0.7, 0.71)
    assert ablation_tables.choices_outside(few) is None
    stored = runs(reference, 0.7, 0.71, 0.72)
    stored += runs(ablations.CHOICES["no weight decay"], 0.5) + runs(ablations.CHOICES["rate of f 0.01"], 0.74)
    found = ablation_tables.choices_outside(stored)
    assert found is not None
    assert found[0] == pytest.approx((0.71 - 0.0497, 0.71 + 0.0497), abs=1e-4)
    assert found[1] == ["no weight decay"]
    mean_of_three = runs(ablations.CHOICES["rate of f 0.01"], 0.74, 0.75, 0.76)
    assert ablation_tables.choices_outside([*runs(reference, 0.7, 0.71, 0.72), *mean_of_three]) == (
        found[0],
        ["rate of f 0.01"],
    ), "the mean of three more runs lies nearer to the reference than one"
    stored += runs(reference, 0.3, 0.4, precision="float32") + runs(ablations.CHOICES["no reversal: μ 0"], 0.1, precision="float32")
    assert ablation_tables.choices_outside(stored) == found, "runs in the other precision are compared with nothing"
    rows = {"reference": reference, "none": ablations.CHOICES["no reversal: μ 0"]}
    table = ablation_tables.ablation_table(rows, {"validation_accuracy": "accuracy"}, stored, precision="bf16")
    assert table.splitlines()[2:] == [
        "| reference | 0.710 ± 0.010 | 3 | bf16 (2 in the other left out) |",
        "| none | 0.100 | 1 | float32 |",
    ]
    equal = runs(reference, 0.7, 0.71) + runs(reference, 0.3, 0.4, precision="float32")
    (kept,) = by_configuration(equal).values()
    assert {one.run_config().precision for one in kept} == {"float32"}, "of as many"


def test_no_two_ablations_of_a_table_are_the_same_run() -> None:
    for rows in (ablations.PLACES, ablations.PARTS, ablations.CHOICES):
        assert len({ablations.config_of(changes).fingerprint() for changes in rows.values()}) == len(rows)


def test_a_published_model_is_small_and_answers_as_before(tmp_path: Path) -> None:
    config = preset("smoke", "baseline", epochs=1, train_size=64, test_size=50)
    record = run(config, tmp_path / "run", progress=False)
    target = tmp_path / "results" / "models" / "baseline-0.03"
    facts = models.publish(tmp_path / "run", target)
    write_json(target.with_name("baseline-0.03.json"), facts)
    (model,) = published_models(tmp_path / "results")
    assert model["path"].name == "baseline-0.03.safetensors"
    assert model["path"].stat().st_size < 400_000
    assert (model["method"], model["color_var"], model["record"]) == ("baseline", 0.03, run_folder(".", record.run_config()).name)
    assert facts["test_accuracy"] == pytest.approx(record.metrics["test_accuracy"], abs=0.03)  # weights rounded to float16
    assert np.shape(model["confusion_by_color"]) == (10, 10, 10)
    assert np.sum(model["confusion_by_color"], axis=(1, 2)).tolist() == [50] * 10
    assert load_model(model["path"]).label_head is not None


@pytest.mark.parametrize("model", published_models(), ids=lambda model: model["path"].stem)
def test_models_kept_with_the_project_belong_to_a_record(model: dict[str, Any]) -> None:
    (record,) = [r for r in read_records(ROOT / "results" / "runs") if run_folder(".", r.run_config()).name == model["record"]]
    assert model["test_accuracy"] == pytest.approx(record.metrics["test_accuracy"], abs=0.002)
    assert model["path"].stat().st_size < 400_000
    assert model_config(model["path"]).fingerprint() == record.run_config().fingerprint()


SIZES: dict[str, dict[str | None, tuple[int, int]]] = {
    "colored_mnist": {None: (60_000, 10_000)},
    "dogs_cats": {"tb1": (843, 1001), "tb2": (560, 1001)},  # the part that the pages name
    "faces": {"eb1": (7872, 3246), "eb2": (5264, 3246)},
    "jlu_faces": {"bd": (1499, 956), "od": (5011, 956)},
}
"""Images for training and testing, by experiment and training set."""


def test_every_record_of_the_table_can_be_made_again_by_its_preset() -> None:
    records = {run_folder(".", record.run_config()).name: record for record in read_records(ROOT / "results" / "runs")}
    assert len(records) > 200

    def can_be_made_again(name: str) -> None:
        record = records[name]
        config = record.run_config()
        varied = ["seed", "source"]
        varied += ["color_var"] if record.experiment == "colored_mnist" else ["train_set"]
        varied += ["learn"] if record.experiment == "faces" else []
        varied += ["confusion_weight"] if record.method == "jlu" else []
        changes = {name: getattr(config, name) for name in varied}
        wanted = preset(record.profile, record.method, experiment=record.experiment, **changes)
        assert config.source in ("mnist", "kaggle", "utkface")
        assert config.fingerprint() == wanted.fingerprint()
        assert record.profile in ("short", "full")
        assert (record.data["train_size"], record.data["test_size"]) == SIZES[record.experiment][config.get("train_set")]
        assert record.provenance["dirty"] is False
        assert record.selection == "last_epoch"

    every(product(records), can_be_made_again)

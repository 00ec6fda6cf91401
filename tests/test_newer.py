"""Which method when: the study of today's methods at toy size, and a page that says what was measured and what was not."""

import itertools
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from test_records import record_of

from lnl_core.config import RunConfig, preset
from lnl_core.evaluation import Interval, accuracy
from lnl_core.experiments.splits import load_data
from lnl_core.figures.leakage import nats_left
from lnl_core.runs.comparison import ordering, welch_interval
from lnl_core.runs.records import published_models, read_record, read_records, write_record
from lnl_core.runs.run import load_model, run_folder
from tools import ROOT
from tools.pages import (
    comparisons,
    confidence as confidence_page,
    last_layer as last_layer_page,
    leak_tables,
    precision,
    which_method,
)
from tools.pages.numbers import missing
from tools.pages.rows import where
from tools.pages.sources import Sources
from tools.studies import confidence, fresh_h, last_layer, leakage, newer, runs, search, stored as stored_networks
from tools.studies.__main__ import known, main
from tools.studies.runs import SEVERAL
from tools.studies.study import Options, Runs, diverged, run_study


def test_every_method_has_three_seeds_at_three_variances_and_a_variance_ends_before_the_next() -> None:
    configs = newer.configs()
    assert len({config.fingerprint() for config in configs}) == len(configs) == 8 * 3 * 3 + 3 * 3
    assert {(config.color_var, config.method) for config in configs} >= {(value, one) for value in SEVERAL for one in newer.NEW}
    assert {(config.color_var, config.precision) for config in configs} == {(0.02, "float32"), (0.03, "bf16"), (0.05, "bf16")}
    of_figure_4 = {config.fingerprint() for config in runs.figure_4() if config.precision == "bf16" or config.seed < 3}
    beside = {newer.config_of(one, value, seed).fingerprint() for one in newer.BESIDE for value in SEVERAL[1:] for seed in range(5)}
    assert beside <= of_figure_4, "what stands beside the methods there is the same but for the method"
    assert [value for value, _ in itertools.groupby(config.color_var for config in configs)] == [*SEVERAL]
    assert [config.seed for config in configs[:33]] == [seed for count in (8, 3) for seed in range(3) for _ in range(count)]
    assert {config.method for config in configs} == {*newer.NEW, *newer.BESIDE}
    assert {config.get("unbiased_images") for config in configs if config.method == "last_layer"} == {500}
    assert {(config.source, config.train_split) for config in configs} == {("mnist", "trainval")}
    assert {config.profile for config in configs} == {"short"}


def test_the_list_names_every_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["newer", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 81
    assert all("results/newer/colored_mnist-" in line for line in lines)
    assert isinstance(known()["newer"], Runs)


def toy(method: str, color_var: float, seed: int) -> RunConfig:
    own: dict[str, Any] = {"unbiased_images": 20} if method == "last_layer" else {"repeats": 2} if method == "jtt" else {}
    sizes: dict[str, Any] = {"train_size": 128, "test_size": 64, "epochs": 1, "probe_images": 64}
    return preset("smoke", method, color_var=color_var, seed=seed, source="mini", **own, **sizes)


def test_runs_of_toy_size_end_in_records_and_are_not_made_twice(tmp_path: Path) -> None:
    study = Runs("newer", "Toy.", str(tmp_path / "records"), partial(list, [toy("last_layer", 0.02, 0)]))
    options = Options(work=tmp_path / "work", progress=False)
    report = run_study(study, options)
    assert (len(report.done), len(report.there), report.missing) == (1, 0, {})
    (path,) = (tmp_path / "records").glob("*.json")
    record, written = read_record(path), path.stat().st_mtime_ns
    assert record.method == "last_layer"
    assert {*which_method.COLUMNS} <= {*record.metrics}, "what the page shows is in every record"
    assert {"commit", "seconds", "device", "packages"} <= {*record.provenance}
    report = run_study(study, options)
    assert (len(report.done), len(report.there), path.stat().st_mtime_ns) == (0, 1, written)


def stored(root: Path, row: str, seed: int, value: float, folder: str = "newer", columns: int = 4) -> None:
    config = newer.config_of(row, 0.03, seed)
    metrics = {name: value + place / 10 for place, name in enumerate([*which_method.COLUMNS][:columns])}
    made = record_of()
    origin = {**made.provenance, "seconds": 100 + seed, "device": "cpu (toy)"}
    values: dict[str, Any] = {
        "method": config.method,
        "config": config.to_dict(),
        "setting": config.setting,
        "profile": config.profile,
    }
    write_record(
        replace(made, seed=seed, metrics=metrics, provenance=origin, **values), root / "results" / folder / f"{row}{seed}.json"
    )


def rows_of(table: str) -> dict[str, list[list[str]]]:
    """The cells of each row, by method, at the three variances."""
    found: dict[str, list[list[str]]] = {}
    for line in table.splitlines():
        if line.startswith("| ") and not line.startswith("| method"):
            name, *cells = [cell.strip() for cell in line.split("|")[1:-1]]
            found.setdefault(name, []).append(cells)
    return found


def test_the_page_shows_means_and_says_what_was_not_measured(tmp_path: Path) -> None:
    nothing = which_method.which_method_table(tmp_path)
    assert nothing.startswith("**These numbers have not been measured yet**: none of the 81 runs has been made.")
    assert not rows_of(nothing)
    assert nothing.count(f"Not measured at this variance: {'; '.join(newer.METHODS)}.") == 3
    stored(tmp_path, "jtt", 0, 0.2)
    stored(tmp_path, "jtt", 1, 0.4)
    stored(tmp_path, "last_layer", 2, 0.25)
    table = which_method.which_method_table(tmp_path)
    found = rows_of(table)
    assert {*found} == {"jtt", "last_layer"}, "and only where they were measured"
    assert table.startswith("3 of the 81 runs have been made; the others have not been measured yet.")
    assert "on cpu (toy): the least of a row, as some ran beside others." in table
    assert found["jtt"] == [["0.300 ± 0.141", "0.400 ± 0.141", "0.50 ± 0.14", "0.60 ± 0.14", "100", "2", "–"]]
    assert found["last_layer"] == [["0.250", "0.350", "0.45", "0.55", "102", "1", "–"]]


def test_a_method_beside_borrows_the_runs_of_the_results_page_until_it_has_its_own(tmp_path: Path) -> None:
    stored(tmp_path, "lnl", 0, 0.1, "runs")
    stored(tmp_path, "lnl", 1, 0.3, "runs", columns=1)
    stored(tmp_path, "jtt", 0, 0.5, "runs")
    table = which_method.which_method_table(tmp_path)
    assert table.startswith("**These numbers have not been measured yet**")
    assert "hold the runs of the results page" in table
    found = rows_of(table)
    numbers = ["0.200 ± 0.141", "0.200 (n = 1)", "0.30 (n = 1)", "0.40 (n = 1)"]
    assert found["lnl"] == [[*numbers, "not measured", "2", "–"]]
    assert [*found] == ["lnl"], "a method of this study has no other runs"
    stored(tmp_path, "lnl", 4, 0.2, "runs", columns=1)
    assert rows_of(which_method.which_method_table(tmp_path))["lnl"][0][::5] == ["0.200 ± 0.100", "3"], "of every seed"
    for seed in range(newer.SEEDS):
        stored(tmp_path, "lnl", seed, 0.6)
    table = which_method.which_method_table(tmp_path)
    assert "results page" not in table
    assert rows_of(table)["lnl"][0][0] == "0.600 ± 0.000"


def test_the_precision_stands_in_the_heading_where_all_rows_have_one_and_else_in_each_row(tmp_path: Path) -> None:
    def heading(line: str) -> bool:
        return line.startswith("**σ²")

    stored(tmp_path, "jtt", 0, 0.2)
    lines = which_method.which_method_table(tmp_path).splitlines()
    assert [*filter(heading, lines)] == ["**σ² = 0.02**", "**σ² = 0.03**, in bf16", "**σ² = 0.05**"]
    assert not any("| precision |" in line for line in lines)
    (record,) = read_records(tmp_path / "results" / "newer")
    exact = replace(record, method="lff", config=newer.config_of("lff", 0.03, 0).to_dict() | {"precision": "float32"})
    write_record(exact, tmp_path / "results" / "newer" / "lff0.json")
    table = which_method.which_method_table(tmp_path)
    assert [*filter(heading, table.splitlines())] == ["**σ² = 0.02**", "**σ² = 0.03**", "**σ² = 0.05**"]
    assert table.count("| precision |") == 1
    found = rows_of(table)
    assert (found["jtt"][0][5], found["lff"][0][5]) == ("bf16", "float32")


def small(root: Path, method: str, seed: int, value: float | None) -> None:
    """A run of the small setting, or with no value one that diverged."""
    config = newer.small_config_of(method, 0.03, seed)
    folder, name = root / "results" / newer.SMALL, run_folder("", config).name
    if value is None:
        diverged(folder, name).parent.mkdir(parents=True, exist_ok=True)
        diverged(folder, name).write_text("{}", "utf-8")
        return
    metrics = dict.fromkeys(which_method.COLUMNS, value)
    made = record_of()
    settled: dict[str, Any] = {"method": method, "config": config.to_dict(), "setting": config.setting, "seed": config.seed}
    settled |= {"profile": "custom", "provenance": {**made.provenance, "seconds": 60.0}}
    write_record(replace(made, metrics=metrics, **settled), folder / f"{name}.json")


def test_the_small_table_judges_three_runs_against_the_baseline_and_counts_those_that_diverged(tmp_path: Path) -> None:
    assert which_method.small_table(tmp_path) == "Nothing has been measured yet.\n"
    for seed in range(3):
        small(tmp_path, "baseline", seed, 0.4 + seed / 100)
        small(tmp_path, "last_layer", seed, 0.8 + seed / 100)
        small(tmp_path, "lff", seed, 0.4 if seed else None)
    table = which_method.small_table(tmp_path)
    assert table.count("**σ²") == 1, "a variance without runs has no table"
    found = rows_of(table)
    assert {name: cells[0][3] for name, cells in found.items() if name in ("baseline", "last_layer", "lff", "jtt")} == {
        "baseline": "–",
        "last_layer": "higher",
        "lff": "fewer than 3 runs",
        "jtt": "fewer than 3 runs",
    }
    assert found["last_layer"][0][:2] == ["0.810\u00a0±\u00a00.010", "0.81\u00a0±\u00a00.01"]
    assert (found["lff"][0][5], found["jtt"][0][:3]) == ("2, 1 diverged", ["not measured"] * 3)


def test_in_the_small_setting_only_lnl_and_the_baseline_were_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = newer.small_configs()
    assert len({config.fingerprint() for config in configs}) == len(configs) == 11 * 3 * 3
    tried = search.settings()
    rates = {method: {config.lr for config in configs if config.method == method} for method in newer.METHODS}
    best = {method: tried[search.chosen(method) or 0]["lr"] for method in ("baseline", "lnl")}
    assert rates == {method: {best["lnl" if method == "lnl" else "baseline"]} for method in newer.METHODS}
    assert {config.seed for config in configs} == {*search.FRESH_SEEDS}, "no seed that chose"
    assert {config.first_epochs for config in configs if config.method == "jtt"} == {3}
    monkeypatch.setattr(search, "chosen", lambda method, root=None: None)
    assert newer.small_configs() == []


def test_what_is_said_of_the_small_setting() -> None:
    said = comparisons.of_every_two(which_method.small_scores())

    def verdicts(one: str, other: str) -> list[str]:
        return [said[one, other, value] for value in SEVERAL]

    def worst(method: str) -> list[float]:
        return [float(np.mean(which_method.small_values(method, value, "worst_group_accuracy"))) for value in SEVERAL]

    assert not missing(
        "which_method.md",
        "**`bias_balanced` lies above every other method of this table** at 0.02 and 0.05; at 0.03 three runs cannot tell it from "
        "`lnl`, and at 0.02 not from `grl`, which is in [](equal_search.md).",
        "**`last_layer` with 500 unbiased images cannot be told from `lnl` at any of the three variances**",
        "**With neither bias nor group labels nor unbiased training images little was gained**, untuned: `jtt` lies above the "
        "baseline at 0.05, `lff` at no variance.",
        "`reweighing` and `group_dro` lie above the baseline at all three, and `subsampling` cannot be told from it at any.",
    )
    for method in (one for one in newer.METHODS if one != "bias_balanced"):
        middle = "cannot say" if method == "lnl" else "higher"
        assert verdicts("bias_balanced", method) == ["higher", middle, "higher"], method
    assert verdicts("last_layer", "lnl") == ["cannot say"] * 3
    assert all(one > two for one, two in zip(worst("last_layer"), worst("lnl"), strict=True))
    for value in SEVERAL:
        leaks = [which_method.small_values(method, value, "bias_mlp_probe_information") for method in ("last_layer", "baseline")]
        assert ordering(*leaks) == "cannot say"
    for method in ("reweighing", "group_dro"):
        assert verdicts(method, "baseline") == ["higher"] * 3
        assert worst(method)[0] == 0
    assert verdicts("subsampling", "baseline") == ["cannot say"] * 3
    assert worst("subsampling")[0] == 0
    assert verdicts("jtt", "baseline") == ["(higher)", "cannot say", "higher"]
    assert verdicts("lff", "baseline") == ["cannot say", "(lower)", "cannot say"]
    assert verdicts("hsic", "baseline") == ["cannot say"] * 3
    assert verdicts("conditional_hsic", "baseline") == ["lower"] * 3


def test_what_is_said_of_three_networks_a_cell() -> None:
    assert not missing("is_it_gone.md", "the interval over networks lies above 0 nats in all 33 cells")
    assert not missing(
        "which_method.md",
        "in all 33 cells, eleven methods at three variances, the whole 95 % interval over networks lies above 0 nats.",
        "`bias_balanced` at $\\sigma^2 = 0.03$ and $0.05$, and `lnl` at $\\sigma^2 = 0.02$; one at a time also "
        "`bias_balanced` at $0.02$ and `lnl` at $0.03$.",
        "Of the others none was seen to hold less",
    )
    found = {(method, value): leak_tables.nats_in_small(method, value) for method in newer.METHODS for value in SEVERAL}
    assert {len(nats) for nats in found.values()} == {3}
    assert len(found) == 33
    assert min(Interval.of(nats).low for nats in found.values()) > 0
    said = comparisons.verdicts(leak_tables.small_beside_the_baseline())
    assert len(said) == 30
    assert {cell for cell, verdict in said.items() if verdict == "lower"} == {
        ("lnl", 0.02),
        ("bias_balanced", 0.03),
        ("bias_balanced", 0.05),
    }
    assert {cell for cell, verdict in said.items() if verdict == "(lower)"} == {("lnl", 0.03), ("bias_balanced", 0.02)}
    table = leak_tables.networks_table()
    assert (table.count("| lower |"), table.count("| (lower) |")) == (3, 2)
    assert table.count("| 3 |") == 33


@pytest.mark.parametrize(("color_var", "beside_balanced"), [(0.02, "cannot say"), (0.03, "cannot say"), (0.05, "lower")])
def test_what_is_said_of_three_networks_a_cell_in_the_full_setting(color_var: float, beside_balanced: str) -> None:
    assert not missing(
        "is_it_gone.md",
        "There `lnl` and `bias_balanced` hold less than the baseline at all three.",
        "At $0.05$ `lnl` holds the less of the two,",
        "at the others they cannot be told apart:",
    )
    models = {method: leak_tables.of_seeds(method, color_var) for method in ("baseline", "lnl", "bias_balanced")}
    assert {name: [model["seed"] for model in of] for name, of in models.items()} == {key: [0, 3, 4] for key in models}
    found = {method: [nats_left(model)["mean"] for model in of] for method, of in models.items()}
    said = comparisons.verdicts(leak_tables.beside_the_baseline())
    assert [said[method, color_var] for method in ("lnl", "bias_balanced")] == ["lower"] * 2
    assert ordering(found["lnl"], found["bias_balanced"]) == beside_balanced
    table = leak_tables.full_networks_table()
    assert table.count("| lower | 3 |") == 6


def test_cells_of_fewer_than_three_networks_are_left_out(tmp_path: Path) -> None:
    assert leak_tables.full_networks_table(tmp_path) == "Nothing has been measured yet.\n"
    shutil.copytree(ROOT / leakage.FOLDER, tmp_path / leakage.FOLDER)
    assert leak_tables.full_networks_table(tmp_path) == "Nothing has been measured yet.\n", "one network a cell"


def test_what_is_said_of_float32_and_bf16() -> None:
    assert not missing(
        "fast_training.md",
        "For the baseline and `bias_balanced` the interval of the difference lies within two hundredths (n = 3 and 5).",
        "For `lnl` no difference was found, but its three runs in float32 lie a tenth apart, so that an effect of a tenth",
        "`lff` lies below the baseline in float32 too (n = 3 and 5), by more than its interval leaves to the rounding,",
    )
    ends = {}
    for method in newer.BESIDE:
        exact, rounded = (precision.accuracies(method, 0.02, one) for one in precision.PRECISIONS)
        assert (len(exact), len(rounded)) == (3, 5)
        ends[method] = welch_interval(exact, rounded)
    assert max(map(abs, (*ends["baseline"], *ends["bias_balanced"]))) < 0.02
    assert max(ends["lnl"][0], -ends["lnl"][1]) < -0.1
    exact, rounded = (precision.accuracies("lff", 0.05, one) for one in precision.PRECISIONS)
    baseline = Sources().every("runs", "baseline", 0.05, "test_accuracy")
    assert (len(exact), len(rounded), len(baseline)) == (3, 3, 5)
    assert ordering(exact, baseline) == "lower"
    assert ordering(exact, rounded) == "cannot say"
    assert max(map(abs, welch_interval(exact, rounded))) < fmean(baseline) - fmean(rounded)


def test_what_is_said_of_the_methods_with_three_runs() -> None:
    above_bf16 = "cannot be told from the runs of `lnl` in its own precision, and lies above those in bf16"
    two = "Three seeds of each cannot tell `reweighing` and `group_dro` apart, nor `subsampling` from the baseline:"
    assert not missing("which_method.md", above_bf16, two)
    cannot = "which three runs each cannot tell apart; nor can runs with fewer digits and epochs at any of the three."
    assert not missing("intro.md", cannot)
    sources = Sources()
    of = which_method.full_scores()
    for folder, ending in (("newer", ""), ("runs", ", bf16")):
        for method in ("baseline", "lnl"):
            assert sorted(of[f"{method}{ending}"][0.02]) == sorted(sources.every(folder, method, 0.02, "test_accuracy"))
    exact = (*newer.NEW, *newer.BESIDE)
    beside = ("baseline, bf16", "lnl, bf16", "bias_balanced, bf16")
    counts = {name: len(one[0.02]) for name, one in of.items() if len(one[0.02]) >= 3}
    assert counts == dict.fromkeys(exact, 3) | dict.fromkeys(beside, 5)
    said = comparisons.of_every_two(of)
    assert said["last_layer", "lnl, bf16", 0.02] == "higher"
    assert {said[one, other, 0.02] for one in ("reweighing", "group_dro") for other in ("baseline", "baseline, bf16")} == {"higher"}
    assert said["group_dro", "reweighing", 0.02] == said["last_layer", "lnl", 0.02] == "cannot say"
    assert said["subsampling", "baseline", 0.02] == "cannot say"
    balanced = ("reweighing", "subsampling", "group_dro")
    assert max(max(sources.every("newer", one, 0.02, "worst_group_accuracy")) for one in balanced) == 0


def test_what_is_said_of_the_other_two_variances() -> None:
    assert not missing(
        "which_method.md",
        "At the other two variances, in bf16 (n = 3; of the baseline, `lnl` and `bias_balanced` n = 5), read together with those "
        "above:",
        "**`last_layer` with 500 unbiased images lies above `lnl` at both, and below `bias_balanced`**",
        "**`reweighing` and `group_dro` lie above the baseline at both. At $0.03$ they lie below `lnl`, at $0.05$ neither can be "
        "told from it**",
        "`group_dro` lies above `reweighing` at $0.03$ alone.",
        "**`jtt`, which reads no bias label, lies above the baseline at all three variances, and below `reweighing` and "
        "`group_dro`**:",
        "**`hsic` cannot be told from the baseline at any of the three variances, and `lff` lies below it at these two**:",
        "**`subsampling` cannot be told from the baseline at either variance, and lies below `reweighing` and `group_dro`**:",
    )
    assert not missing("intro.md", "**Five hundred unbiased images did more than unlearning at two of three variances.**")
    of = which_method.full_scores()
    said = comparisons.of_every_two(of)
    for value, beside_lnl, each_other in ((0.03, "lower", "higher"), (0.05, "cannot say", "cannot say")):
        assert {len(of[f"{one}, bf16"][value]) for one in newer.BESIDE} == {5}
        assert not any(of[one][value] for one in newer.BESIDE), "in this precision those of the results page stand beside"
        assert said["last_layer", "lnl, bf16", value] == "higher"
        assert said["last_layer", "bias_balanced, bf16", value] == "lower"
        for method in ("reweighing", "group_dro"):
            assert len(of[method][value]) == len(of["last_layer"][value]) == 3
            assert said[method, "baseline, bf16", value] == "higher"
            assert said[method, "lnl, bf16", value] == beside_lnl
        assert said["group_dro", "reweighing", value] == each_other
        assert len(of["jtt"][value]) == len(of["subsampling"][value]) == 3
        assert said["subsampling", "baseline, bf16", value] == "cannot say"
        assert {said["subsampling", one, value] for one in ("reweighing", "group_dro")} == {"lower"}
    for value, beside in ((0.02, ["baseline", "baseline, bf16"]), (0.03, ["baseline, bf16"]), (0.05, ["baseline, bf16"])):
        assert {said["jtt", one, value] for one in beside} == {"higher"}
        assert {said["jtt", one, value] for one in ("reweighing", "group_dro")} == {"lower"}
        assert {said["hsic", one, value] for one in beside} == {"cannot say"}
        assert {said["lff", one, value] for one in beside} == {"cannot say" if value == 0.02 else "lower"}
        assert said["conditional_hsic", "hsic", value] == "lower"
        assert len(of["lff"][value]) == len(of["hsic"][value]) == 3


@pytest.mark.parametrize("color_var", SEVERAL[1:])
def test_what_is_said_of_conditional_hsic_at_the_other_two_variances(color_var: float) -> None:
    assert not missing("which_method.md", "(n = 3 and 5, bf16), and was nowhere seen to hold less of the colour.")
    of = which_method.full_scores()
    assert (len(of["conditional_hsic"][color_var]), len(of["baseline, bf16"][color_var])) == (3, 5)
    assert comparisons.of_every_two(of)["conditional_hsic", "baseline, bf16", color_var] == "lower"
    short: dict[str, Any] = {"experiment": "colored_mnist", "color_var": color_var, "profile": "short"}
    held, others = (
        [one.metrics["bias_mlp_probe_information"] for one in where(read_records(ROOT / "results" / folder), **which, **short)]
        for folder, which in (("newer", {"method": "conditional_hsic"}), ("runs", {"method": "baseline"}))
    )
    assert (len(held), len(others)) == (3, 5)
    assert ordering(held, others) == "cannot say"


def test_what_must_be_known_is_what_the_methods_declare() -> None:
    rows = rows_of(which_method.must_know_table())
    assert rows["lff"] == [["no"] * 4]
    assert rows["last_layer"] == [["no", "no", "no", "yes"]]
    assert rows["bias_balanced"] == [["yes", "yes", "no", "no"]]


def test_confidence_of_a_stored_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the embedded digits in the place of MNIST's: a network that is worse on digits in random colours and as sure."""
    (model,) = [one for one in published_models(ROOT / "results") if (one["method"], one["color_var"]) == ("baseline", 0.02)]
    monkeypatch.setattr(
        confidence,
        "load_data",
        lambda config, split, data_dir, **options: load_data(config.with_options(source="mini"), split, **options),
    )
    found = confidence.measure(model, ROOT / "results")
    random, own = found["unbiased"], found["training_colors"]
    assert random["accuracy"] < own["accuracy"]
    assert random["error"] > own["error"] + 0.2
    assert sum(random["counts"]) == random["images"] == own["images"]
    assert (found["settings"], found["record"]) == (confidence.SETTINGS, model["record"])


def test_the_stored_measurements_are_of_the_published_networks() -> None:
    models = {(one["method"], one["color_var"]): one for one in published_models(ROOT / "results")}
    found = confidence.read_confidence()
    assert {(one["method"], one["color_var"]) for one in found} == {*models}
    for one in found:
        model = models[one["method"], one["color_var"]]
        assert one["record"] == model["record"]
        assert one["unbiased"]["accuracy"] == pytest.approx(model["test_accuracy"], abs=0.001)
        assert one["unbiased"]["images"] == 10_000
        counts, bins = (
            one["unbiased"]["counts"],
            zip(*(one["unbiased"][f"bin_{name}"] for name in ("accuracy", "confidence")), strict=True),
        )
        error = sum(count * abs(pair[0] - pair[1]) for count, pair in zip(counts, bins, strict=True) if count) / 10_000
        assert one["unbiased"]["error"] == pytest.approx(error)


@pytest.mark.parametrize("study", [confidence.Confidence(), last_layer.LastLayers(), fresh_h.FreshH()], ids=lambda one: one.name)
def test_a_result_of_other_weights_than_the_published_ones_is_missing(
    study: stored_networks.OfStoredNetworks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(work=tmp_path)
    jobs = study.jobs(options)
    assert sum("record" in job.values for job in jobs) == len(published_models(ROOT / "results"))
    assert study.left(jobs) == []
    models = published_models(ROOT / "results")
    other = tmp_path / models[0]["path"].name
    other.write_bytes(models[0]["path"].read_bytes() + b" ")
    monkeypatch.setattr(stored_networks, "published_models", lambda folder: [{**models[0], "path": other}, *models[1:]])
    assert [job.key for job in study.left(study.jobs(options))] == [other.stem]
    (job,) = study.left(study.jobs(options))
    monkeypatch.setattr(study, "measure", lambda model, data_dir: {"settings": study.settings})
    found = study.do(job, options)
    assert found == {"settings": study.settings, stored_networks.WEIGHTS: stored_networks.digest(other)}
    other.unlink()
    assert [job.key for job in study.left(study.jobs(options))] == [other.stem], "weights that are gone are no traceback"


def test_a_last_layer_fitted_to_unbiased_images_repairs_and_one_fitted_to_biased_images_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the embedded digits in the place of MNIST's, 100 images and one draw."""
    (model,) = [one for one in published_models(ROOT / "results") if (one["method"], one["color_var"]) == ("baseline", 0.02)]
    monkeypatch.setattr(
        last_layer,
        "load_data",
        lambda config, split, data_dir, **options: load_data(config.with_options(source="mini"), split, **options),
    )
    monkeypatch.setitem(last_layer.SETTINGS, "counts", [100])
    monkeypatch.setitem(last_layer.SETTINGS, "draws", 1)
    found = last_layer.measure(model, ROOT / "results")
    stored = read_record(ROOT / "results" / "runs" / f"{model['record']}.json").run_config()
    network, test = load_model(model["path"]), load_data(stored.with_options(source="mini"), "test")
    assert found["before"]["test_accuracy"] == pytest.approx(accuracy(network, test), abs=1e-9)
    (repaired,), (control,) = found["unbiased"], found["training_colors"]
    assert repaired["test_accuracy"] > found["before"]["test_accuracy"] + 0.1 > control["test_accuracy"] - 0.1
    assert repaired["test_accuracy"] > control["test_accuracy"] + 0.2
    assert (repaired["images"], repaired["draw"], found["record"]) == (100, 0, model["record"])


def test_the_table_of_last_layers_has_two_rows_a_network_with_its_control(tmp_path: Path) -> None:
    assert last_layer_page.last_layer_table(tmp_path) == "Nothing has been measured yet.\n"
    shutil.copytree(ROOT / last_layer.FOLDER, tmp_path / last_layer.FOLDER)
    found = rows_of(last_layer_page.last_layer_table(tmp_path).replace("\u00a0", " "))
    assert {name: len(rows) for name, rows in found.items() if name != "network"} == {"baseline": 4, "bias_balanced": 4, "lnl": 4}
    first, cells = last_layer.read_last_layers(tmp_path)[0], found["baseline"][0]
    assert (first["method"], first["color_var"]) == ("baseline", 0.02)
    assert len(cells) == 1 + 4 + 1 + 1
    assert cells[0] == f"{first['before']['test_accuracy']:.3f}"
    for cell, images, colors in ((1, 50, "unbiased"), (4, 2000, "unbiased"), (5, 2000, "training_colors")):
        values = [row["test_accuracy"] for row in first[colors] if row["images"] == images]
        assert len(values) == 5
        assert cells[cell] == f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
    for one in last_layer.read_last_layers(tmp_path):
        stored = read_record(ROOT / "results" / "runs" / f"{one['record']}.json")
        assert one["before"]["test_accuracy"] == pytest.approx(stored.metrics["test_accuracy"], abs=0.001)


def test_the_table_of_confidence_has_two_rows_a_network_and_its_n(tmp_path: Path) -> None:
    assert confidence_page.confidence_table(tmp_path) == "Nothing has been measured yet.\n"
    shutil.copytree(ROOT / confidence.FOLDER, tmp_path / confidence.FOLDER)
    lines = [line for line in confidence_page.confidence_table(tmp_path).splitlines() if line.startswith("| 0")]
    assert len(lines) == 12
    assert all("| 1 | <a href" in line or line.endswith("| 1 | – |") for line in lines)
    first = confidence.read_confidence(tmp_path)[0]
    assert f"| {first['unbiased']['error']:.3f} |" in lines[0]
    assert f"| {first['training_colors']['error']:.3f} |" in lines[1]

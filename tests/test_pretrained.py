"""Photographs from ImageNet's weights, and the exceptions dial: the studies, the rule of choice, and what the page says."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from test_records import record_of

from lnl_core.config import RunConfig, preset
from lnl_core.errors import DataError, NonFiniteLossError, RecordError
from lnl_core.figures import dial_figure, weight_curves
from lnl_core.methods import find
from lnl_core.runs import run as runs
from lnl_core.runs.records import RunRecord, read_record, write_record
from lnl_core.runs.run import run_folder
from tools import ROOT
from tools.pages import comparisons, pretrained as page, pretrained_curves as page_of_curves
from tools.pages.numbers import missing
from tools.studies import exceptions, pretrained, pretrained_curves, study as study_file
from tools.studies.study import Options, ShortRuns, diverged, run_study


def stored(root: Path, config: RunConfig, **metrics: float) -> None:
    every = dict.fromkeys(("test_accuracy", "opposite_accuracy", "other_accuracy", "worst_group_accuracy"), 0.5)
    names = {"experiment": config.experiment, "method": config.method, "profile": config.profile, "seed": config.seed}
    own: dict[str, Any] = {"setting": config.setting, "config": config.to_dict(), "metrics": every | metrics}
    record = replace(record_of(), **names, **own)  # type: ignore[arg-type]
    write_record(record, root / "results" / pretrained.FOLDER / f"{run_folder('', config).name}.json")


def search(root: Path, method: str, other: dict[float, float], **metrics: float) -> None:
    for strength, value in other.items():
        for train_set, gain in zip(pretrained.TRAIN_SETS, (0.02, -0.02), strict=True):
            config = pretrained.config_of(method, train_set, 0, strength)
            stored(root, config, other_accuracy=value + gain, test_accuracy=1 - value, opposite_accuracy=1 - value, **metrics)


SCORES = dict(zip(pretrained.STRENGTHS, (0.6, 0.8, 0.7, 0.8, 0.5), strict=True))


def test_every_method_gets_the_same_search() -> None:
    for method in pretrained.SEARCHED:
        for strength in pretrained.STRENGTHS:
            config = pretrained.config_of(method, "tb1", 0, strength)
            read = {one.name for one in find(method).hyperparameters} & {*pretrained.WEIGHTS}
            assert read
            assert {config.get(name) for name in read} == {strength}
            assert (config.profile, config.source, config.weights, config.frozen_blocks) == ("custom", "kaggle", "imagenet", 15)
    searches = [config for config in pretrained.configs() if config.seed == 0 and config.method in pretrained.SEARCHED]
    assert len({config.fingerprint() for config in searches}) == 5 * 5 * 2


def test_the_best_on_photographs_of_neither_coat_is_chosen_the_earlier_of_equals(tmp_path: Path) -> None:
    assert pretrained.chosen("lnl", tmp_path) is None
    search(tmp_path, "lnl", {strength: value for strength, value in SCORES.items() if strength < 3})
    assert pretrained.chosen("lnl", tmp_path) is None, "one strength is missing"
    search(tmp_path, "lnl", SCORES)
    assert pretrained.chosen("lnl", tmp_path) == 0.1, "whose test and opposite accuracy are the lowest"
    cells = {(row, config.seed, config.get("mi_weight")) for row, train_set, config in pretrained.cells(tmp_path)}
    assert {cell for cell in cells if cell[0] == "lnl"} == {("lnl", seed, 0.1) for seed in pretrained.SEEDS}
    assert pretrained.SEARCH_SEED not in pretrained.SEEDS
    assert not {cell for cell in cells if cell[0] == "grl"}
    assert {config.epochs for row, _, config in pretrained.cells(tmp_path) if row == pretrained.LONGER} == {6}


def test_the_dial_has_five_seeds_of_what_can_be_trained(tmp_path: Path) -> None:
    assert {method for method, *_ in exceptions.cells(tmp_path)} == {*exceptions.METHODS} - {*exceptions.UNLEARNING}
    search(tmp_path, "lnl", SCORES)
    cells = [*exceptions.cells(tmp_path)]
    assert len({config.fingerprint() for *_, config in cells}) == len(cells) == 5 * (6 * 6 - 1 - 2)
    assert {share for method, share, _ in cells if method == "group_dro"} == {*exceptions.SHARES} - {0.0}
    assert {(share, config.unbiased_images) for method, share, config in cells if method == "last_layer"} == {
        (0.02, 22),
        (0.05, 56),
        (0.1, 112),
        (0.2, 224),
    }
    assert {config.bias_labels for method, _, config in cells if method == "group_dro"} == {"coat"}
    assert {(one.mi_weight, one.adv_weight) for method, _, one in cells if method in exceptions.UNLEARNING} == {(0.1, 0.1)}


def test_short_runs_end_in_records_are_not_made_twice_and_what_cannot_be_is_said(tmp_path: Path) -> None:
    toy = partial(preset, "smoke", experiment="dogs_cats", source="synthetic", train_size=32, test_size=16, probe_images=2)
    configs = [toy("group_dro", exceptions=0.0), toy("baseline")]
    study = ShortRuns("toy", "Toy.", str(tmp_path / "records"), lambda: configs)
    report = run_study(study, Options(work=tmp_path / "work", progress=False))
    (reason,) = report.missing.values()
    assert reason.startswith("every label has images of one bias only, so nothing can be balanced")
    (path,) = (tmp_path / "records").glob("*.json")
    assert path.stem == run_folder("", configs[1]).name
    assert read_record(path).method == "baseline"
    written = path.stat().st_mtime_ns
    report = run_study(study, Options(work=tmp_path / "work", progress=False))
    assert (len(report.there), len(report.missing), path.stat().st_mtime_ns) == (1, 1, written)


def test_a_run_that_diverges_is_kept_as_such_and_not_made_again(tmp_path: Path, monkeypatch: Any) -> None:
    config = preset("smoke", "baseline", experiment="dogs_cats", source="synthetic", train_size=32, test_size=16, probe_images=2)
    asked = []

    def run(config: RunConfig, folder: Path, *_: Any, **__: Any) -> RunRecord:
        asked.append(config)
        raise NonFiniteLossError(f"the label loss is nan; the last good checkpoint is in {folder}: lower the learning rate")

    monkeypatch.setattr(study_file, "run", run)
    study = ShortRuns("toy", "Toy.", str(tmp_path / "records"), lambda: [config])
    for _ in range(2):
        assert run_study(study, Options(work=tmp_path / "work", progress=False)).missing == {}
    (path,) = (tmp_path / "records" / "diverged").glob("*.json")
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert (len(asked), path.stem, kept["config"]) == (1, run_folder("", config).name, config.to_dict())
    said = f"the label loss is nan; the last good checkpoint is in {path.stem}: lower the learning rate"
    assert kept["reason"] == said, "no path of one machine"


def test_a_folder_that_another_process_is_at_work_in_does_not_end_the_study(tmp_path: Path, monkeypatch: Any) -> None:
    toy = partial(preset, "smoke", experiment="dogs_cats", source="synthetic", train_size=32, test_size=16, probe_images=2)
    configs = [toy("baseline", seed=seed) for seed in range(2)]

    def run(config: RunConfig, folder: Path, **options: Any) -> RunRecord:
        if config.seed == 0:
            raise RecordError(f"another run is at work in {folder}: wait until it ends")
        return runs.run(config, folder, **options)

    monkeypatch.setattr(study_file, "run", run)
    study = ShortRuns("toy", "Toy.", str(tmp_path / "records"), lambda: configs)
    report = run_study(study, Options(work=tmp_path / "work", progress=False))
    assert [*report.missing] == [run_folder("", configs[0]).name]
    assert "another run is at work" in report.missing[run_folder("", configs[0]).name]
    assert [path.stem for path in (tmp_path / "records").glob("*.json")] == [run_folder("", configs[1]).name]


def test_a_strength_whose_training_diverged_counts_as_accuracy_zero_and_the_method_is_decided(tmp_path: Path) -> None:
    search(tmp_path, "lnl", {strength: value for strength, value in SCORES.items() if strength != pretrained.STRENGTHS[-1]})
    for name in pretrained.TRAIN_SETS:
        config = pretrained.config_of("lnl", name, pretrained.SEARCH_SEED, pretrained.STRENGTHS[-1])
        path = diverged(tmp_path / "results" / pretrained.FOLDER, run_folder("", config).name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}", encoding="utf-8")
    assert pretrained.curve("lnl", root=tmp_path)[pretrained.STRENGTHS[-1]] == [0.0, 0.0]
    assert pretrained.chosen("lnl", tmp_path) == pretrained.STRENGTHS[1]


def curves(root: Path, other: dict[tuple[str, float], float], chosen: float = 0.1) -> None:
    """The search of lnl with that choice, and on its curves an accuracy on photographs of neither coat by weight and value."""
    search(root, "lnl", {strength: 0.6 + 0.2 * (strength == chosen) for strength in pretrained.STRENGTHS})
    for weight, value, _, config in pretrained_curves.cells("dogs_cats", root):
        path = root / "results" / pretrained_curves.folder_of(config) / f"{run_folder('', config).name}.json"
        if (weight, value) in other and not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            stored(root, config, other_accuracy=other[weight, value])
            (root / "results" / pretrained.FOLDER / path.name).rename(path)


def test_one_weight_is_varied_at_a_time_and_the_point_where_the_curves_meet_is_not_trained_twice(tmp_path: Path) -> None:
    assert [*pretrained_curves.cells("dogs_cats", tmp_path)] == [], "nothing is decided"
    search(tmp_path, "lnl", SCORES)
    cells = [*pretrained_curves.cells("dogs_cats", tmp_path)]
    pairs = {(config.mi_weight, config.adv_weight) for *_, config in cells}
    values = (0.0, *pretrained.STRENGTHS)
    assert pairs == {(one, 0.1) for one in values} | {(0.1, one) for one in values}
    assert all({"lambda": config.mi_weight, "mu": config.adv_weight}[weight] == value for weight, value, _, config in cells)
    assert len({config.fingerprint() for *_, config in cells}) == 11 * 2 * 3
    own = {config.fingerprint() for *_, config in cells if pretrained_curves.folder_of(config) == pretrained_curves.FOLDER}
    assert len(own) == 10 * 2 * 3
    met = [config for *_, config in cells if config.fingerprint() not in own]
    assert {(config.mi_weight, config.adv_weight) for config in met} == {(0.1, 0.1)}
    assert {pretrained_curves.folder_of(config) for config in met} == {pretrained.FOLDER}


def test_what_the_rule_would_choose_from_a_curve(tmp_path: Path) -> None:
    """The chosen point has 0.8 at its first seed; without its other seeds nothing is said, nor while any value is missing."""
    values = (0.0, *pretrained.STRENGTHS)
    curves(tmp_path, {(weight, value): 0.7 for weight in ("lambda", "mu") for value in values})
    assert page_of_curves.would_choose("dogs_cats", "lambda", tmp_path) == 0.1
    for path in (tmp_path / "results" / pretrained_curves.FOLDER).glob("*.json"):
        record = read_record(path)
        if record.config["mi_weight"] == 3.0:
            write_record(replace(record, metrics=record.metrics | {"other_accuracy": 0.9}), path)
    assert page_of_curves.would_choose("dogs_cats", "lambda", tmp_path) == 3.0
    assert page_of_curves.would_choose("dogs_cats", "mu", tmp_path) == 0.1
    path.unlink()
    assert None in {page_of_curves.would_choose("dogs_cats", weight, tmp_path) for weight in ("lambda", "mu")}
    away = diverged(path.parent.parent / pretrained_curves.FOLDER, path.stem)
    away.parent.mkdir()
    away.write_text("{}", encoding="utf-8")
    assert None not in {page_of_curves.would_choose("dogs_cats", weight, tmp_path) for weight in ("lambda", "mu")}


def test_what_is_said_of_one_weight_at_a_time() -> None:
    opposite = {key: value for key, value in page_of_curves.values("dogs_cats", "opposite").items() if key[1] == "tb2"}
    means = {(weight, value): np.mean(runs) for (weight, _), of in opposite.items() for value, runs in of.items()}
    assert {len(runs) for of in opposite.values() for runs in of.values()} == {3}
    assert pretrained_curves.chosen("dogs_cats") == 1.0
    elsewhere = [mean for (_, value), mean in means.items() if value != 1.0]
    assert means["lambda", 1.0] == means["mu", 1.0] > 0.78 > 0.71 > max(elsewhere)
    assert [page_of_curves.would_choose("dogs_cats", weight) for weight in ("lambda", "mu")] == [3.0, 0.3]
    said = comparisons.verdicts(page_of_curves.beside_the_baseline("dogs_cats"))
    assert len(said) == 44
    assert not {"higher", "lower"} & {*said.values()}, "read together, no point differs"
    above = {key[:3] for key, verdict in said.items() if verdict == "(higher)"}
    below = {key[:3] for key, verdict in said.items() if verdict == "(lower)"}
    assert (above, below) == ({(page_of_curves.BOTH, 1.0, "tb2")}, {("μ", 3.0, "tb2")})
    assert not missing(
        "pretrained.md",
        "**The gain on TB2 is a peak at the chosen pair.**",
        "is at $\\lambda = 3$ and at $\\mu = 0.3$.",
        "**Read together, no point differs from the baseline.**",
        "One at a time the chosen pair lies above it and $\\mu = 3$ below, both trained on TB2.",
        "`lnl` at the chosen weights alone",
    )


def test_a_panel_of_curves_has_every_run_the_means_the_level_of_the_baseline_and_the_choice() -> None:
    lines = {"held out": ({0.0: [0.5, 0.7], 1.0: [0.8]}, [0.4, 0.6]), "test": ({0.0: [], 1.0: [0.9]}, [])}
    figure = weight_curves({"a": lines, "b": lines, "c": lines}, 1.0, "Curves", xlabel="weight")
    panel, _, third, empty = figure.axes
    assert np.asarray(panel.lines[0].get_ydata()) == pytest.approx(np.array([0.6, 0.8]))
    assert np.asarray(panel.lines[1].get_ydata()).tolist() == [0.5, 0.5]
    assert np.asarray(panel.lines[2].get_xdata()).tolist() == [1, 1]
    assert [len(np.asarray(points.get_offsets())) for points in panel.collections] == [3, 1]
    assert [one.get_text() for one in figure.legends[0].texts] == ["held out", "test"]
    assert third.get_title() == "c"
    assert not empty.axison
    plt.close(figure)
    with pytest.raises(DataError, match="there is no curve to draw: give at least one panel"):
        weight_curves({}, None, "Nothing", xlabel="weight")


def row_of(table: str, block: str, method: str) -> list[str]:
    part = table.partition(f"**{block}**")[2].partition("**")[0].replace("\u00a0", " ")
    (line,) = [line for line in part.splitlines() if line.startswith(f"| {method} |")]
    return [cell.strip() for cell in line.split("|")[2:-2]]  # without the links


def test_the_table_says_who_is_told_apart_from_the_baseline(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "paper.json").write_bytes((ROOT / "results" / "paper.json").read_bytes())
    assert page.pretrained_table(tmp_path) == "Nothing has been measured yet.\n"
    for seed, noise in zip(pretrained.SEEDS, (-0.01, 0.0, 0.01), strict=False):
        for method, opposite, test in (("baseline", 0.5, 0.8), ("gray", 0.7, 0.81)):
            values = {"opposite_accuracy": opposite + noise, "test_accuracy": test + noise}
            stored(tmp_path, pretrained.config_of(method, "tb1", seed), **values)
    stored(tmp_path, pretrained.config_of("baseline", "tb2", pretrained.SEEDS[0]), opposite_accuracy=0.6)
    table = page.pretrained_table(tmp_path)
    assert row_of(table, "Trained on TB1, tested on TB2", "gray") == ["0.8366", "0.700 ± 0.010", "higher", "3"]
    cells = row_of(table, "Trained on TB1, tested on test", "gray")
    assert cells == ["0.9483", "0.810 ± 0.010", "cannot say", "0.500 ± 0.000", "3"]
    assert row_of(table, "Trained on TB2, tested on TB1", "baseline") == ["0.6645", "0.600", "–", "1"]
    assert row_of(table, "Trained on TB2, tested on TB1", "lnl") == ["0.8726", "not measured", "fewer than 3 runs", "0"]
    told = "1 lie above it, one at a time, 0 below, and 1 cannot be told apart; 26 have fewer than 3 runs on a side."
    assert f"Of 28 comparisons with the baseline {told} Read together, 1 of these 1 differences stay." in table
    rows = page.table_rows(tmp_path)
    assert len(rows) == 7 * 4
    drawn = [row["values"] for row in rows if row["n"] == 3 and row["setting"]["test"] == "TB2"]
    assert drawn == [pytest.approx([0.49, 0.5, 0.51]), pytest.approx([0.69, 0.7, 0.71])]


def test_the_answer_of_the_dial_needs_three_runs_and_a_difference() -> None:
    unlearnt = {0.0: [0.6, 0.61, 0.62]}
    for plain, said in (
        ({0.01: [0.5, 0.9]}, "is not said here from fewer than 3 runs"),
        ({0.01: [0.5, 0.6, 0.7], 0.05: [0.6, 0.62, 0.63]}, "no share of exceptions that was measured takes the baseline above it"),
        ({0.01: [0.5, 0.6, 0.7], 0.05: [0.7, 0.71, 0.72]}, "28 exceptions, 5 % of TB2, is the first share measured above it"),
    ):
        assert said in page.dial_answer({"baseline": plain, "lnl": unlearnt})


def test_methods_are_compared_with_the_baseline_at_the_same_share() -> None:
    found = {method: {share: [0.6, 0.61, 0.62] for share in (0.0, 0.05)} for method in exceptions.METHODS}
    found["gray"] = {0.0: [0.8, 0.81, 0.82], 0.05: [0.4, 0.41, 0.42]}
    found["group_dro"] = {0.0: [], 0.05: [0.9]}
    said = page.same_exceptions(found).splitlines()
    assert "- `gray`: higher at 0 %; lower at 5 %" in said
    assert "- `lnl`: cannot say at 0 %, 5 %" in said
    assert "- `group_dro`: fewer than 3 runs" in said


def test_why_the_list_of_strengths_was_lengthened() -> None:
    """What had its best at 1 among the strengths up to 1."""
    assert not missing("pretrained.md", "when three of the five had their best at its end.")
    scores = {method: {one: np.mean(found) for one, found in pretrained.curve(method).items()} for method in pretrained.SEARCHED}
    up_to_1 = {method: {one: score for one, score in of.items() if one <= 1} for method, of in scores.items()}
    ended = [method for method, of in up_to_1.items() if max(of, key=lambda one: (of[one], -one)) == 1]
    assert (len(ended), len(scores)) == (3, 5)


def test_what_is_said_of_the_dial() -> None:
    assert not missing(
        "pretrained.md",
        "56 photographs that contradict the coat take the baseline above `lnl` without any.",
        "with 56 exceptions, 10 % of TB2, the baseline is better on the other half of TB2 than `lnl` without any, and with fewer",
        "`gray` without any cannot be told from the baseline with 11 or 28, and lies below it with 56.",
        "`last_layer` lies above it with the same 11 and 56 exceptions, and with 28 and 112 one at a time.",
        "From `group_dro` it cannot be told at any share.",
        "`lnl` and `bias_balanced` cannot be told from the baseline with the same photographs at any share.",
    )
    found = page.dial()
    assert {len(values) for of in found.values() for values in of.values()} == {0, 5}

    def baseline_beside(method: str) -> dict[int, str]:
        pairs = {round(share * 560): (values, found[method][0.0]) for share, values in found["baseline"].items()}
        return comparisons.verdicts(pairs)

    assert [count for count, verdict in baseline_beside("lnl").items() if verdict != "cannot say"] == [56, 112]
    grey = baseline_beside("gray")
    assert grey == {0: "lower", 6: "(lower)", 11: "cannot say", 28: "cannot say", 56: "higher", 112: "higher"}
    said = comparisons.verdicts(page.beside_same_exceptions(found))
    last = {round(share * 560): verdict for (method, share), verdict in said.items() if method == "last_layer" and share >= 0.02}
    assert last == {11: "higher", 28: "(higher)", 56: "higher", 112: "(higher)"}
    assert {verdict for (method, _), verdict in said.items() if method in exceptions.UNLEARNING} == {"cannot say"}
    every_two = comparisons.of_every_two(found)
    assert not {every_two["last_layer", "group_dro", share] for share in exceptions.SHARES} & {"higher", "lower"}


def test_the_figure_has_a_panel_a_method_and_a_point_a_seed() -> None:
    found = {"baseline": {0.0: [0.5, 0.6], 0.2: [0.9]}, "group_dro": {0.0: [], 0.2: [0.7, 0.8]}}
    figure = dial_figure(found, "A dial")
    assert [panel.get_title() for panel in figure.axes] == [*found]
    for panel, values in zip(figure.axes, found.values(), strict=True):
        points = np.concatenate([np.asarray(one.get_offsets()) for one in panel.collections])
        wanted = [(place, value) for place, those in enumerate(values.values()) for value in those]
        assert sorted(map(tuple, points.tolist())) == sorted(wanted)
        assert [tick.get_text() for tick in panel.get_xticklabels()] == ["0%", "20%"]
        levels = {tuple(np.asarray(line.get_ydata()).tolist()) for line in panel.lines}
        assert (0.5, 0.5) in levels, "chance"
    plt.close("all")


def test_the_lowest_panel_of_each_column_names_its_steps_also_above_an_empty_place() -> None:
    figure = dial_figure({name: {0.0: [0.5], 0.2: [0.6]} for name in ("baseline", "a", "b", "c")}, "A dial")
    figure.canvas.draw()
    named = [panel.xaxis.get_tick_params()["labelbottom"] for panel in figure.axes[:4]]
    assert named == [False, True, True, True]
    plt.close("all")


def test_the_same_figure_turns_the_variance() -> None:
    found = {"baseline": {0.02: [0.4], 0.025: [0.5]}}
    figure = dial_figure(found, "A dial", chance=None, percent=False, xlabel="variance", ylabel="worst cell")
    (panel,) = figure.axes
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["0.02", "0.025"]
    assert all(np.asarray(line.get_ydata()).tolist() == [0.4, 0.5] for line in panel.lines), "no level of chance"
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("variance", "worst cell")
    plt.close("all")


@pytest.mark.parametrize("share", exceptions.SHARES)
def test_why_a_method_is_left_out_is_said_in_its_cell(share: float, tmp_path: Path) -> None:
    table = page.exceptions_table(tmp_path)
    place = exceptions.SHARES.index(share)
    for method, why in (("group_dro", "has nothing to balance"), ("last_layer", "needs 20 unbiased photographs")):
        cell = row_of(table, "The other half of TB2", method)[place]
        assert cell == (why if exceptions.without(method, share) else "not measured")


def beside(plain: str, seeds: range = pretrained.SEEDS) -> dict[tuple[str, str, str], str]:
    """The verdicts of gray and the unlearning methods beside one row, by method, training set and set tested on."""
    of_cells: dict[tuple[str, str, str], list[float]] = {}
    for method, train_set, config in pretrained.cells(seeds=seeds):
        record = study_file.record_of(config, pretrained.FOLDER)
        assert record is not None
        for split in ("opposite", "test"):
            of_cells.setdefault((method, train_set, split), []).append(record.metrics[f"{split}_accuracy"])
    compared = {cell for cell in of_cells if cell[0] not in ("baseline", plain)} - {
        cell for cell in of_cells if cell[0] == pretrained.LONGER and plain != "baseline"
    }
    return comparisons.verdicts({cell: (of_cells[cell], of_cells[plain, *cell[1:]]) for cell in compared})


def test_what_is_said_of_table_1() -> None:
    assert not missing(
        "pretrained.md",
        "Trained on TB2, three unlearning methods lie above the baseline on both tests, and above one that trained twice as",
        "long; trained on TB1 none does",
        "`blind_eye`, `lnl_adv` and `lnl` lie above the baseline on TB1 and on the test set alike",
        "and above a baseline that trains twice as long (n = 5 each",
        "Trained on TB2 `gray` lies above both baselines on both tests, and below `blind_eye`, `lnl_adv` and `lnl` on TB1; "
        "on the test set `blind_eye` and `lnl_adv` lie above it.",
        "`gray` lies above the baseline on TB2 one at a time, and that does not stay.",
        "three of the five networks of `lnl` are worse on TB2 than every baseline.",
        "from that baseline `gray`, `blind_eye_grl` and `lnl_adv` can be told on both tests.",
        "**`grl` and `blind_eye_grl` gained nothing that these runs can show.** They cannot be told from the baseline of the same "
        "length anywhere, while `lnl_adv` and `lnl`, trained on TB2, lie above it.",
    )
    assert [len(runs) for pair in page.beside_the_baseline().values() for runs in pair] == [5] * 2 * 28
    tests, gaining = ("opposite", "test"), ("gray", "blind_eye", "lnl_adv", "lnl")
    there = {(method, "tb2", split) for method in gaining for split in tests}
    said = comparisons.verdicts(page.beside_the_baseline())
    assert said == beside("baseline")
    assert {cell for cell, verdict in said.items() if verdict == "higher"} == there
    assert {cell for cell, verdict in said.items() if verdict == "(higher)"} == {("gray", "tb1", "opposite")}
    assert {verdict for cell, verdict in said.items() if cell[0] in ("grl", "blind_eye_grl", pretrained.LONGER)} == {"cannot say"}
    longer = {cell for cell, verdict in beside(pretrained.LONGER).items() if verdict == "higher"}
    assert longer == there | {(method, "tb1", split) for method in ("gray", "blind_eye_grl", "lnl_adv") for split in tests}
    grey = {cell: verdict for cell, verdict in beside("gray").items() if cell[1] == "tb2"}
    assert {cell for cell, verdict in grey.items() if verdict == "higher"} == {
        cell for cell in there if cell[0] != "gray" and cell != ("lnl", "tb2", "test")
    }
    opposite = page._values("opposite_accuracy", ROOT)
    assert sum(one < min(opposite["baseline", "tb1"]) for one in opposite["lnl", "tb1"]) == 3
    means = {method: page._values("test_accuracy", ROOT)[method, "tb1"] for method in ("baseline", pretrained.LONGER)}
    assert np.mean(means[pretrained.LONGER]) < np.mean(means["baseline"])


def test_three_seeds_had_been_too_few() -> None:
    assert not missing(
        "pretrained.md",
        "With the first three of these five, ten of 28 comparisons with the baseline differed one at a time, "
        "and one of them stayed when all were read together: `gray`, trained on TB1 and tested on TB2.",
        "With five, nine differ and eight stay, and that one does not. Two seeds, here and in the exceptions below, were added "
        "after a look at the first three",
    )
    for seeds, counts in ((range(1, 4), (1, 10)), (pretrained.SEEDS, (8, 9))):
        said = [*beside("baseline", seeds).values()]
        stay = sum(verdict in ("higher", "lower") for verdict in said)
        assert (len(said), stay, stay + sum(verdict.startswith("(") for verdict in said)) == (28, *counts)
    alone = ("gray", "tb1", "opposite")
    first = beside("baseline", range(1, 4))
    assert [cell for cell, verdict in first.items() if verdict in ("higher", "lower")] == [alone]
    assert (first[alone], beside("baseline")[alone]) == ("higher", "(higher)")

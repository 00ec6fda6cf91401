"""What the studies ask for and nobody has run is counted on a page."""

from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from lnl_core.config import preset
from lnl_core.networks import build_network
from lnl_core.runs.comparison import results_table
from lnl_core.runs.records import published_models, read_records
from lnl_core.runs.run import MODEL, RECORD, save_model
from tools import ROOT
from tools.pages import figure_4_tables, left_out
from tools.pages.numbers import missing
from tools.pages.rows import by_precision, of_precision
from tools.studies import (
    ablations,
    choosing,
    confidence,
    last_layer,
    newer,
    pretrained,
    pretrained_curves,
    pretrained_faces,
    released,
)
from tools.studies.__main__ import known
from tools.studies.runs import FIVE, METHODS, SEVERAL
from tools.studies.study import Options


def test_a_study_that_is_not_whole_has_a_row_and_a_whole_one_has_none() -> None:
    table, found = left_out.left_out_table(), left_out.counts()
    assert found["search"][0] == found["search"][1] > 100
    assert "| `search` |" not in table
    partly = [name for name, (there, planned) in found.items() if there < planned]
    assert partly
    assert [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")] == partly
    assert not {*left_out.OF_THE_MACHINE} & {*found}, "the page is the same wherever it is made"
    there, planned = found[partly[0]]
    assert f"| {there:,} | {planned:,} |" in table
    assert f"The other {len(found) - len(partly)} studies are whole." in table


def test_what_is_said_of_the_runs_that_are_missing() -> None:
    assert not missing("status.md", "Missing of `released` are the second seeds ([](reproduce.md)).")
    lost = {
        name: [config for config in study.configs() if config.fingerprint() not in _there(name)]
        for name, study in (("newer", newer), ("released", released))
    }
    assert lost["newer"] == []
    assert {config.seed for config in lost["released"]} == {1}


def _there(folder: str) -> set[str]:
    return {record.run_config().fingerprint() for record in read_records(ROOT / "results" / folder)}


def test_only_results_below_the_given_root_count_and_a_run_that_diverged_is_one(tmp_path: Path) -> None:
    assert {there for there, _ in left_out.counts(tmp_path).values()} == {0}
    jobs = known()["pretrained_faces"].jobs(Options())
    file = tmp_path / jobs[0].file.relative_to(ROOT)
    (file.parent / "diverged").mkdir(parents=True)
    (file.parent / "diverged" / f"{jobs[1].key}.json").write_text("{}")
    assert left_out.counts(tmp_path)["pretrained_faces"] == (1, len(jobs))
    file.write_text("{}")
    assert left_out.counts(tmp_path)["pretrained_faces"] == (2, len(jobs))


def test_networks_that_somebody_has_trained_here_are_nothing_that_the_project_plans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = preset("smoke", "lnl")
    run = tmp_path / "colored_mnist-mine"
    save_model(build_network(config), config, run / MODEL)
    (run / RECORD).write_text("{}")
    planned = left_out.counts()["under_limit"][1]
    assert not left_out.NO_RUNS.exists()
    left_out._planned.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(left_out, "NO_RUNS", tmp_path)
        assert left_out.counts()["under_limit"][1] == planned + 1, "a control: this folder is the one that is looked into"
    left_out._planned.cache_clear()


def test_figure_4_asks_for_three_seeds_of_every_cell_and_five_at_three_variances() -> None:
    cells: dict[tuple[str, float], set[int]] = {}
    for job in known()["figure_4"].jobs(Options()):
        cells.setdefault((job.values.method, job.values.color_var), set()).add(job.values.seed)
    assert len(cells) == 9 * 7
    five = {cell for cell, seeds in cells.items() if seeds == {0, 1, 2, 3, 4}}
    assert five == {cell for cell in cells if cell[0] != "mi_backprop" and cell[1] in (0.02, 0.03, 0.05)}
    assert {frozenset(seeds) for cell, seeds in cells.items() if cell not in five} == {frozenset({0, 1, 2})}


# What no study asks for, or for one run alone; a sentence that is no longer true is to be taken out


def test_the_last_layer_and_the_confidence_have_one_network_a_cell_and_none_at_the_largest_variance() -> None:
    said = "were measured on one network of a method and variance. The largest variance has none in the full setting."
    assert not missing("status.md", said)
    for found in (last_layer.read_last_layers(), confidence.read_confidence()):
        cells = Counter((one["method"], one["color_var"]) for one in found)
        assert set(cells.values()) == {1}
        assert {color_var for _, color_var in cells} == {0.02, 0.03}


def test_how_many_networks_a_cell_were_measured_on_groups() -> None:
    of_cells = {
        (method, color_var): len(runs)
        for method, of in figure_4_tables.of_groups("worst_group_accuracy").items()
        for color_var, runs in of.items()
    }
    assert len(of_cells) == 63
    assert set(of_cells.values()) == {3, 5}
    assert {cell for cell, networks in of_cells.items() if networks == 5} == {*product(FIVE, SEVERAL)}
    fewer = {(row["method"], row["color_var"]) for row in results_table() if row["n"] != of_cells[row["method"], row["color_var"]]}
    assert fewer == {*product({*METHODS[:-1]} - {*FIVE}, SEVERAL)}
    said = "have three networks where the accuracy has five, but for `baseline`, `lnl` and `bias_balanced`:"
    assert not missing("status.md", said)
    assert not missing("reproduce.md", "and on runs trained again: three networks or more in all 63 cells.")


def test_single_choices_and_some_of_the_parts_have_one_run() -> None:
    assert not missing(
        "status.md",
        "**Single choices** have one run each in the table",
        "but for the reference. So have seven of the nineteen rows of the table of parts",
    )
    stored = by_precision(read_records(ROOT / "results" / "ablations"))

    def shown(table: str) -> dict[str, int]:
        found = {name: stored.get(ablations.config_of(one).fingerprint(), {}) for name, one in ablations.TABLES[table].items()}
        return {name: len(of_precision(runs, ablations.PRECISION.get(table))) for name, runs in found.items()}

    choices, parts = shown("choices"), shown("parts")
    assert {name for name, count in choices.items() if count != 1} == {ablations.REFERENCE}
    assert (sum(count == 1 for count in parts.values()), len(parts)) == (7, 19)
    assert min(parts[row] for row in ablations.SEVERAL) == 3


def test_what_was_asked_of_some_methods_alone() -> None:
    assert not missing(
        "status.md",
        "was varied for four of the eleven methods of that page. One seed chose.",
        "Of the 63 that probes have read at all seven variances",
        "six are stored.",
    )
    assert {*choosing.METHODS} < {*newer.METHODS}
    assert (len(choosing.METHODS), len(newer.METHODS)) == (4, 11)
    assert isinstance(choosing.FIRST_SEED, int)
    assert len(published_models(ROOT / "results")) == 6


def test_on_photographs_all_weights_are_one_strength_and_most_blocks_are_frozen() -> None:
    frozen = "Of the 16 blocks of the network 15 are frozen."
    searched = "all weights of a method were searched as one strength."
    alone = "were then varied one at a time, at the chosen value of the other; no other pair was tried,"
    assert not missing("status.md", searched, alone, "and of `blind_eye_grl` none.", frozen)
    assert pretrained_curves.METHOD == "lnl"
    for config in (pretrained.config_of("lnl", "tb1", 0, 0.3), pretrained_faces.config_of("lnl", "gender", "eb1", 0, 0.3)):
        assert (config.mi_weight, config.adv_weight, config.frozen_blocks) == (0.3, 0.3, 15)
    (less,) = pretrained.freezing()
    assert less.frozen_blocks < 15
    assert less.method == pretrained.PLAIN[0]

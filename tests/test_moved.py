"""What random maps do for each method: pairs of rows that differ in the maps alone, and a verdict from three runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_records import record_of

from lnl_core.runs.records import write_record
from lnl_core.runs.run import run_folder
from tools.pages import moved as page
from tools.studies import ablations


@pytest.mark.parametrize("method", page.PAIRS)
def test_a_pair_differs_in_the_maps_alone(method: str) -> None:
    without, mapped = (ablations.config_of(ablations.PARTS[row]).to_dict() for row in page.PAIRS[method])
    assert {name for name in without if without[name] != mapped[name]} == {"augment", "elastic"}
    assert (without["augment"], without["elastic"]) == (0, 0)
    assert without["method"] == ("bias_balanced" if method == ablations.LOSS_ALONE else method)
    assert set(page.PAIRS[method]) <= set(ablations.SEVERAL), "each has three seeds"


def _stored(root: Path, row: str, accuracies: list[float]) -> None:
    for seed, accuracy in enumerate(accuracies):
        config = ablations.config_of(ablations.PARTS[row], seed)
        named: dict[str, Any] = {name: getattr(config, name) for name in ("experiment", "method", "profile", "seed")}
        own: dict[str, Any] = {"setting": config.setting, "config": config.to_dict(), "metrics": {"validation_accuracy": accuracy}}
        name = run_folder("", config).name
        write_record(replace(record_of(), **named, **own), root / "results" / "ablations" / f"{name}.json")


def test_a_verdict_needs_three_runs_of_both(tmp_path: Path) -> None:
    for row, accuracies in zip(page.PAIRS["gray"], ([0.7, 0.71, 0.72], [0.5, 0.51, 0.52]), strict=True):
        _stored(tmp_path, row, accuracies)
    for row, accuracies in zip(page.PAIRS["lnl"], ([0.8, 0.82, 0.84], [0.81]), strict=True):
        _stored(tmp_path, row, accuracies)
    table = page.moved_table(tmp_path)
    assert "| gray | 0.710 ± 0.010 | 0.510 ± 0.010 | lower | 3 |" in table
    assert "| lnl | 0.820 ± 0.020 | 0.810 | fewer than 3 runs | 3 and 1 |" in table
    assert "| baseline | – | – | fewer than 3 runs | 0 |" in table

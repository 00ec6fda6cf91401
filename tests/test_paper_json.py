"""results/paper.json: complete, sourced, and nothing read off a figure among the numbers that enter tables."""

import json
from pathlib import Path
from typing import Any

import pytest

from lnl_core import experiments
from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.runs.comparison import paper_numbers

METHODS = experiments.find("colored_mnist").methods

PATH = Path(__file__).resolve().parents[1] / "results" / "paper.json"
PAPER: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
EXPERIMENTS: dict[str, Any] = PAPER["experiments"]
READ = [row for part in EXPERIMENTS.values() for row in [*part["results"], *part.get("other_results", [])]]
READINGS = [row for part in PAPER["figure_readings"].values() for row in part["results"]]


def test_layout() -> None:
    assert PAPER["schema"] == 1
    assert set(EXPERIMENTS) == {"colored_mnist", "dogs_cats", "faces", "jlu_faces"}
    for part in [*EXPERIMENTS.values(), *PAPER["figure_readings"].values()]:
        assert part["metric"] == "test_accuracy"
        assert part["protocol"]


def test_every_number_has_a_source_and_every_source_a_number() -> None:
    assert {row["source"] for row in READ + READINGS} == set(PAPER["sources"])
    for source in PAPER["sources"].values():
        assert source["citation"]
        assert source["document"]
        assert source["place"]
    assert all(0 < row["value"] < 1 for row in READ + READINGS)


def test_figure_readings_stay_apart() -> None:
    certainty = {name: source["certainty"] for name, source in PAPER["sources"].items()}
    assert {certainty[row["source"]] for row in READ} == {"read"}
    assert {certainty[row["source"]] for row in READINGS} == {"read from a figure"}
    assert all(row["uncertainty"] > 0 for row in READINGS)


def test_methods_are_ours_or_carry_a_label() -> None:
    for part in EXPERIMENTS.values():
        assert {row["method"] for row in part["results"]} <= {*METHODS, "jlu"}
    for row in READ + READINGS:
        assert row["method"] != "other" or row["label"]


def test_no_number_appears_twice() -> None:
    for part in [*EXPERIMENTS.values(), *PAPER["figure_readings"].values()]:
        rows = [*part["results"], *part.get("other_results", [])]
        keys = [(row["method"], row.get("label"), row.get("metric"), *sorted(row["setting"].items())) for row in rows]
        assert len(keys) == len(set(keys))


@pytest.mark.parametrize("method", ["baseline", "blind_eye", "gray", "lnl"])
def test_colored_mnist_is_complete(method: str) -> None:
    numbers = paper_numbers("colored_mnist", PATH.parent)[method]
    assert tuple(sorted(numbers)) == COLOR_VARS
    assert list(numbers.values()) == sorted(numbers.values())  # less bias, higher accuracy, in every published row


def test_tables_are_complete() -> None:
    table_1 = {(row["method"], row["setting"]["train"], row["setting"]["test"]) for row in EXPERIMENTS["dogs_cats"]["results"]}
    columns = [("TB1", "TB2"), ("TB1", "test"), ("TB2", "TB1"), ("TB2", "test")]
    assert table_1 == {(method, *column) for method in METHODS if method != "bias_balanced" for column in columns}
    assert len(EXPERIMENTS["faces"]["results"]) == 2 * 3 * 4  # tasks, methods, columns
    assert [row["value"] for row in EXPERIMENTS["jlu_faces"]["results"]] == [0.46, 0.49]


def test_spot_checks_against_the_documents() -> None:
    numbers = paper_numbers("colored_mnist", PATH.parent)
    assert numbers["lnl"][0.02] == 0.8185
    assert numbers["baseline"][0.05] == 0.8450
    table_1 = {(row["method"], *row["setting"].values()): row["value"] for row in EXPERIMENTS["dogs_cats"]["results"]}
    assert table_1["lnl", "TB1", "TB2"] == 0.9029
    assert table_1["baseline", "TB2", "test"] == 0.8524

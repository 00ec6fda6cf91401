"""What the chapters "Measuring mutual information" and "The limit" say in words is what their stored numbers say."""

import math
from typing import Any

import numpy as np
import pytest

from lnl_core import information_figures
from lnl_core.information import gaussian_information
from tools import estimators, results

FOUND = estimators.read_runs()
LOWER = ("donsker_varadhan", "mine", "nwj", "info_nce")


def values(estimator: str, **where: Any) -> list[float]:
    chosen = [run for run in FOUND["normal"] if run["estimator"] == estimator and all(run[key] == where[key] for key in where)]
    assert chosen, where
    return [run["value"] for run in chosen if run["value"] is not None]


def mean(estimator: str, **where: Any) -> float:
    return float(np.mean(values(estimator, **where)))


def test_runs_are_complete_and_from_known_code() -> None:
    settings = FOUND["settings"]
    assert settings == estimators.SETTINGS
    cells = len(settings["dimensions"]) * len(settings["sizes"]) + 2
    assert len(FOUND["normal"]) == cells * 6 * len(settings["seeds"])
    assert len(FOUND["parity"]) == 2 * 4 * len(settings["seeds"])
    assert FOUND["provenance"]["dirty"] is False
    assert len(FOUND["provenance"]["commit"]) == 40


def test_a_run_that_diverged_has_no_value_and_a_reason() -> None:
    for run in FOUND["normal"]:
        assert (run["value"] is None) == run["note"].startswith("diverged")


@pytest.mark.parametrize("dimensions", [1, 4])
def test_a_stored_run_can_be_made_again(dimensions: int) -> None:
    a, b = estimators.normal_pairs(500, dimensions, 2.0, seed=0)
    (stored,) = [
        run
        for run in FOUND["normal"]
        if (run["estimator"], run["size"], run["dimensions"], run["seed"]) == ("ksg", 500, dimensions, 0)
    ]
    assert estimators._measure("ksg", a, b, 0)["value"] == pytest.approx(stored["value"], abs=1e-9)
    assert stored["exact"] == pytest.approx(2.0)
    rho = math.sqrt(1 - math.exp(-4 / dimensions))
    assert gaussian_information(rho, dimensions) == pytest.approx(2.0)


def test_words_about_neighbours() -> None:
    for size in FOUND["settings"]["sizes"]:
        assert abs(mean("ksg", kind="grid", dimensions=1, size=size) - 2) < 0.1
        assert mean("ksg", kind="grid", dimensions=16, size=size) < 1
        assert np.std(values("ksg", kind="grid", dimensions=16, size=size)) < 0.1


def test_words_about_critics() -> None:
    for name in LOWER:
        for dimensions in FOUND["settings"]["dimensions"]:
            for size in FOUND["settings"]["sizes"]:
                assert mean(name, kind="grid", dimensions=dimensions, size=size) < 2
        grid = [mean(name, kind="grid", dimensions=16, size=size) for size in (500, 4500)]
        assert grid[0] < grid[1] - 0.5
        assert grid[1] < mean(name, kind="grid", dimensions=1, size=4500) - 0.3
        assert mean(name, kind="strong") < 5
    for dimensions in FOUND["settings"]["dimensions"]:
        spread = {name: np.std(values(name, kind="grid", dimensions=dimensions, size=500)) for name in LOWER}
        assert min(spread["mine"], spread["nwj"]) > max(spread["donsker_varadhan"], spread["info_nce"])
        for size in FOUND["settings"]["sizes"]:
            where = {"kind": "grid", "dimensions": dimensions, "size": size}
            assert mean("mine", **where) < mean("donsker_varadhan", **where) + 0.05
    assert max(values("info_nce")) <= math.log(FOUND["settings"]["critic"]["batch_size"]) < 6


def test_words_about_club() -> None:
    below = [
        (dimensions, size)
        for dimensions in FOUND["settings"]["dimensions"]
        for size in FOUND["settings"]["sizes"]
        if mean("club", kind="grid", dimensions=dimensions, size=size) < 2
    ]
    assert below == [(16, 500)]


def test_words_about_shuffled_pairs() -> None:
    for name in ("ksg", *LOWER, "club"):
        assert abs(mean(name, kind="shuffled")) < 0.03


def test_words_about_the_parity() -> None:
    def of(kind: str, reader: str, estimator: str) -> list[float]:
        runs = [run for run in FOUND["parity"] if (run["kind"], run["reader"], run["estimator"]) == (kind, reader, estimator)]
        assert all(run["exact"] == pytest.approx(math.log(2)) for run in runs)
        return [run["value"] for run in runs]

    for reader, estimator in (("bilinear", "donsker_varadhan"), ("linear", "probe")):
        assert of("shown", reader, estimator) == pytest.approx([math.log(2)] * 5, abs=0.03)
        assert of("parity", reader, estimator) == pytest.approx([0] * 5, abs=0.02)
    for estimator in ("donsker_varadhan", "probe"):
        assert of("parity", "mlp", estimator) == pytest.approx([math.log(2)] * 5, abs=0.03)


def test_the_table_counts_what_diverged_and_averages_the_rest() -> None:
    runs: list[dict[str, Any]] = [{"value": 1.0}, {"value": None}, {"value": 2.0}]
    assert results._spread(runs) == "1.500 ± 0.707 (1 diverged)"
    assert results._spread(runs[1:2]) == "– (1 diverged)"
    assert results._spread(runs[:1]) == "1.000"


def test_the_figure_draws_errors_and_leaves_out_what_diverged() -> None:
    base = {"estimator": "KSG", "dimensions": 2, "size": 100, "exact": 1.0}
    figure = information_figures.estimator_errors([{**base, "value": 0.5}, {**base, "value": 0.7}, {**base, "value": None}])
    errors, spreads = figure.axes
    assert errors.get_lines()[0].get_ydata() == pytest.approx([-0.4])
    assert spreads.get_lines()[0].get_ydata() == pytest.approx([np.std([0.5, 0.7], ddof=1)])
    assert errors.get_title() == "2 dimensions"
    assert information_figures.estimator_errors([]).axes

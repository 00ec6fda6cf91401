"""What the chapters "Measuring mutual information" and "The limit" say in words is what their stored numbers say."""

import json
import math
from typing import Any

import numpy as np
import pytest

from lnl_core.evaluation import probe_leakage
from lnl_core.figures import information as information_figures
from lnl_core.information import gaussian_information, mutual_information
from tools.pages.rows import spread
from tools.studies import estimators

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


LABELS = estimators.read_labels()


def of_labels(part: str, estimator: str, **where: Any) -> float:
    chosen = [run for run in LABELS[part] if run["estimator"] == estimator and all(run[key] == where[key] for key in where)]
    assert len(chosen) == len(LABELS["settings"][part]["seeds"]), where
    return float(np.mean([run["value"] for run in chosen]))


def test_runs_on_labels_are_complete_and_can_be_made_again() -> None:
    assert LABELS["settings"] == json.loads(json.dumps(estimators.LABEL_SETTINGS))
    assert LABELS["provenance"]["dirty"] is False
    assert [run for run in LABELS["tables"] if run["seed"] == 7] == estimators.table_runs(7)
    exact = LABELS["features"][0]["exact"]
    assert estimators.label_information() == pytest.approx(exact, abs=1e-6)
    (stored,) = [
        run
        for run in LABELS["features"]
        if (run["kind"], run["dimensions"], run["size"], run["seed"], run["estimator"]) == ("features", 10, 500, 0, "linear")
    ]
    features, labels = estimators.labelled_features(500, 10, 0)
    assert probe_leakage(features, labels, kind="linear", seed=0).information == pytest.approx(stored["value"], abs=0.01)


def test_exact_information_of_the_labels() -> None:
    assert mutual_information(estimators.label_table(2)) == pytest.approx(
        math.log(2) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
    )
    features, labels = estimators.labelled_features(2000, 40, 3)
    assert features[np.arange(2000), labels].mean() == pytest.approx(2.5, abs=0.1)
    features[np.arange(2000), labels] -= 2.5
    assert abs(features.mean()) < 0.02


def test_words_about_counting() -> None:
    settings = LABELS["settings"]["tables"]
    for classes in (8, 32):
        for size in settings["sizes"]:
            where = {"classes": classes, "size": size}
            exact = mutual_information(estimators.label_table(classes))
            plain, corrected = (of_labels("tables", name, **where) - exact for name in ("plug_in", "miller_madow"))
            assert plain > 0
            assert abs(corrected) < max(plain, 0.003)
            if size > classes**2:
                assert plain == pytest.approx((classes - 1) ** 2 / (2 * size), rel=0.35, abs=0.003)
                assert abs(corrected) < max(0.55 * plain, 0.003)
    few = of_labels("tables", "plug_in", classes=32, size=100)
    assert few > 2 * mutual_information(estimators.label_table(32))
    assert of_labels("tables", "miller_madow", classes=32, size=100) > 0.9 * few


def test_words_about_probes() -> None:
    settings = LABELS["settings"]["features"]
    exact = LABELS["features"][0]["exact"]
    assert exact / math.log(10) == pytest.approx(0.75, abs=0.01)
    for reader in settings["readers"]:
        for dimensions in settings["dimensions"]:
            means = [of_labels("features", reader, kind="features", dimensions=dimensions, size=size) for size in settings["sizes"]]
            assert means == sorted(means)
            assert means[-1] < exact
        assert of_labels("features", reader, kind="features", dimensions=10, size=4500) > exact - 0.05
        assert -0.02 < of_labels("features", reader, kind="shuffled") < 0.005
    linear, hidden = (of_labels("features", reader, kind="features", dimensions=160, size=500) for reader in ("linear", "mlp"))
    assert linear < 0.05
    assert hidden > linear + 0.2


def test_the_table_counts_what_diverged_and_averages_the_rest() -> None:
    runs: list[dict[str, Any]] = [{"value": 1.0}, {"value": None}, {"value": 2.0}]
    assert spread(runs) == "1.500 ± 0.707 (1 diverged)"
    assert spread(runs[1:2]) == "– (1 diverged)"
    assert spread(runs[:1]) == "1.000"


def test_the_figure_draws_errors_and_leaves_out_what_diverged() -> None:
    base = {"estimator": "KSG", "dimensions": 2, "size": 100, "exact": 1.0}
    figure = information_figures.estimator_errors([{**base, "value": 0.5}, {**base, "value": 0.7}, {**base, "value": None}])
    errors, spreads = figure.axes
    assert errors.get_lines()[0].get_ydata() == pytest.approx([-0.4])
    assert spreads.get_lines()[0].get_ydata() == pytest.approx([np.std([0.5, 0.7], ddof=1)])
    assert errors.get_title() == "2 dimensions"
    assert information_figures.estimator_errors([]).axes

"""Many comparisons read together: the words in tables, and how many differences stay."""

import re
from typing import Any

import numpy as np
import pytest

from lnl_core.runs.comparison import DISCOVERY_RATE, ordering, results_table, welch_p_value
from tools import ROOT
from tools.pages import comparison_families, comparisons
from tools.pages.comparison_families import HALF, NOTHING, drawn_like, false_share
from tools.pages.numbers import missing

LOW, NEAR, HIGH = [0.50, 0.51, 0.52], [0.526, 0.536, 0.546], [0.80, 0.81, 0.82]
"""The second lies above the first by itself, with a p-value between one and five in a hundred, and the third far above both."""


def test_a_word_in_brackets_is_one_that_does_not_stay() -> None:
    alone = {"near": (NEAR, LOW)}
    assert ordering(NEAR, LOW) == "higher"
    assert comparisons.verdicts(alone) == {"near": "higher"}
    same = {f"same {number}": (LOW, LOW) for number in range(9)}
    assert comparisons.verdicts(alone | same)["near"] == "(higher)"
    assert comparisons.verdicts({"far": (LOW, HIGH)} | same)["far"] == "lower"
    assert comparisons.verdicts({"few": (LOW[:2], HIGH), **alone}) == {"few": "fewer than 3 runs", "near": "higher"}


def test_every_two_methods_are_compared_once_and_said_both_ways() -> None:
    scores = {"one": {0.02: LOW, 0.03: LOW}, "two": {0.02: HIGH}, "three": {0.02: LOW, 0.03: NEAR}}
    pairs = [("one", "two", 0.02), ("one", "three", 0.02), ("one", "three", 0.03), ("two", "three", 0.02)]
    assert [*comparisons.every_two(scores)] == pairs
    said = comparisons.of_every_two(scores)
    assert (said["one", "two", 0.02], said["two", "one", 0.02]) == ("lower", "higher")
    assert (said["three", "one", 0.03], said["one", "three", 0.02]) == ("higher", "cannot say")
    words = {"higher": "lower", "(lower)": "(higher)", "cannot say": "cannot say", comparisons.FEW: comparisons.FEW}
    assert {word: comparisons.turned(word) for word in words} == words


def test_the_table_counts_what_differs_and_what_stays() -> None:
    same = {f"same {number}": (LOW, LOW) for number in range(18)}
    table = comparisons.comparisons_table({"toys": {"far": (HIGH, LOW), "near": (NEAR, LOW), "few": (LOW[:1], HIGH), **same}})
    assert table.splitlines()[-1] == "| toys | 20 | 2 | 1.0 | 1 | 1 |"
    assert comparisons.comparisons_table({"none": {}}).splitlines()[-1] == "| none | 0 | 0 | 0.0 | 0 | 0 |"


def test_what_is_said_of_all_comparisons() -> None:
    nearly_all = "Between methods on digits nearly all differences stay, and on photographs of animals most"
    some = "Of those with exceptions most do not, of those along the curves of `lnl` none:"
    assert not missing("equal_search.md", nearly_all, some)
    found: dict[str, list[tuple[int, int]]] = {}
    for line in comparisons.comparisons_table(comparison_families.families()).splitlines()[2:]:
        name, count, alone, _, stay, sure = line.strip("| ").split(" | ")
        assert int(sure) <= int(stay) <= int(alone) <= int(count), name
        page = re.search(r"\(\[\]\((\w+)\.md\)\)", name)
        assert page is not None
        found.setdefault("every two" if name.startswith("every two") else page[1], []).append((int(alone), int(stay)))
    assert len(found["every two"]) == 5
    assert all(stay >= 0.85 * alone for alone, stay in found["every two"])
    methods, with_exceptions, _, curves = found["pretrained"]
    assert methods[1] > methods[0] / 2
    assert with_exceptions[1] < with_exceptions[0] / 2
    assert curves[1] == 0 < curves[0]


def test_simulated_families_have_the_runs_and_the_p_values_of_the_family() -> None:
    """Runs that two comparisons share are drawn once, and a p-value is that of the test which the words come from."""
    pairs = {"one": (LOW, HIGH), "again": (LOW, HIGH), "turned": (HIGH, LOW), "other": (LOW, NEAR), "few": (LOW[:2], NEAR)}
    p_values, equal = drawn_like(pairs, HALF, repetitions=4000)
    assert p_values.shape == equal.shape == (4000, 4)
    assert np.array_equal(p_values[:, 0], p_values[:, 1])
    assert np.allclose(p_values[:, 0], p_values[:, 2])
    assert 0.45 < equal.mean() < 0.55
    assert p_values[~equal].max() < 1e-3
    assert (p_values[:, 3] != p_values[:, 0]).all()
    assert drawn_like(pairs, NOTHING)[1].all()
    rng = np.random.default_rng(0)
    given, _ = drawn_like({"unequal": ([0.0, 0.01, 0.02], [0.0, 0.03, 0.06, 0.03, 0.03])}, NOTHING, repetitions=20_000)
    direct = [welch_p_value([*0.01 * rng.standard_normal(3)], [*0.0212 * rng.standard_normal(5)]) for _ in range(2000)]
    assert np.allclose(np.quantile(given, [0.05, 0.5, 0.9]), np.quantile(direct, [0.05, 0.5, 0.9]), atol=0.04)


def test_the_share_of_false_differences_is_the_rate_where_the_proof_holds() -> None:
    """Independent comparisons of many runs with equal scatter; one at a time most families of 40 would report something."""
    rng = np.random.default_rng(1)
    runs = [[float(value) for value in one] for one in rng.standard_normal((80, 12))]
    independent = {number: (runs[2 * number], runs[2 * number + 1]) for number in range(40)}
    assert false_share(independent, NOTHING) == pytest.approx(DISCOVERY_RATE, abs=0.02)
    assert false_share(independent, HALF) == pytest.approx(DISCOVERY_RATE / 2, abs=0.01)
    p_values, _ = drawn_like(independent, NOTHING)
    assert (p_values < DISCOVERY_RATE).any(1).mean() > 0.8, "without reading them together"


def test_what_is_said_of_the_simulated_families() -> None:
    families = comparison_families.families()
    table = comparison_families.false_shares_table(families)
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    shares = {name: (float(half), float(nothing)) for name, half, nothing in rows}
    assert [*families.keys() - shares.keys()] == ["networks on Adult with the baseline, paired by seed ([](fairness.md))"]
    half, nothing = zip(*shares.values(), strict=True)
    assert {min(half), max(half)} == {0.02, 0.03}
    assert {min(nothing), max(nothing)} == {0.02, 0.09}
    assert not missing(
        "equal_search.md",
        "Where about half of the comparisons differ, two or three in a hundred of the differences that are reported are none.",
        "Where nothing differs at all, two to nine in a hundred families report something, and five were promised.",
        "networks on Adult, compared by seed, are not in it.",
    )


def test_runs_without_scatter_are_no_difference() -> None:
    flat = {"flat": ([0.5] * 3, [0.0] * 3), "same": ([0.5] * 3, [0.5] * 3), "other": (LOW, NEAR)}
    p_values, equal = drawn_like(flat, HALF, repetitions=200)
    assert np.isfinite(p_values).all()
    assert set(p_values[:, 0][equal[:, 0]]) == {1.0}
    assert set(p_values[:, 1]) == {1.0}
    assert 0 <= false_share(flat, NOTHING) < 0.2


def test_runs_of_another_profile_or_precision_are_not_compared_with_those_of_figure_4(monkeypatch: Any) -> None:
    rows = results_table(folder=ROOT / "results")
    odd = {("gray", 0.02): {"profile": "full"}, ("lnl", 0.03): {"precision": "float32"}}
    changed = [row | odd.get((row["method"], row["color_var"]), {}) for row in rows]
    monkeypatch.setattr(comparison_families, "results_table", lambda **_: changed)
    found = comparison_families.of_figure_4()
    left = {(row["method"], row["color_var"]) for row in rows} - {(method, value) for method in found for value in found[method]}
    assert left == {*odd}

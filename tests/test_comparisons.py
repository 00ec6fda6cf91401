"""Many comparisons read together: the words in tables, and how many differences stay."""

import re

from lnl_core.runs.comparison import ordering
from tools.pages import comparison_families, comparisons
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
    assert not missing("equal_search.md", nearly_all, "Of those with exceptions most do not:")
    found: dict[str, list[tuple[int, int]]] = {}
    for line in comparisons.comparisons_table(comparison_families.families()).splitlines()[2:]:
        name, count, alone, _, stay, sure = line.strip("| ").split(" | ")
        assert int(sure) <= int(stay) <= int(alone) <= int(count), name
        page = re.search(r"\(\[\]\((\w+)\.md\)\)", name)
        assert page is not None
        found.setdefault("every two" if name.startswith("every two") else page[1], []).append((int(alone), int(stay)))
    assert len(found["every two"]) == 5
    assert all(stay >= 0.85 * alone for alone, stay in found["every two"])
    methods, with_exceptions, _ = found["pretrained"]
    assert methods[1] > methods[0] / 2
    assert with_exceptions[1] < with_exceptions[0] / 2

"""Independence given the label beside independence, on all training digits: one thing differs, and what is said of it."""

from pathlib import Path

import pytest
from test_contents import code_of, exercises

from tools.pages import comparisons, conditional as page
from tools.pages.numbers import missing
from tools.studies import conditional, runs


def test_the_two_rows_differ_in_what_h_is_told_and_from_lnl_in_the_entropy_term() -> None:
    lnl = {config.seed: config for config in runs.figure_4() if (config.method, config.color_var) == ("lnl", 0.02)}
    for seed in range(conditional.SEEDS):
        told, not_told = (conditional.config_of(row, seed) for row in (conditional.TOLD, conditional.NOT_TOLD))
        assert told.with_options(conditional_adversary=False).fingerprint() == not_told.fingerprint() != told.fingerprint()
        as_lnl = not_told.with_options(mi_weight=lnl[seed].mi_weight, profile="short", precision=lnl[seed].precision)
        assert as_lnl == lnl[seed]
        assert not_told.mi_weight == 0
    assert len(conditional.configs()) == len({one.fingerprint() for one in conditional.configs()}) == 10


def test_a_table_without_runs_says_so(tmp_path: Path) -> None:
    lines = page.conditional_table(tmp_path).splitlines()
    assert len([line for line in lines if line.startswith("| ")]) == 1 + len(page.ROWS)
    assert lines[5].startswith(f"| {conditional.TOLD}, bf16 | not measured | ")
    assert "the 0 comparisons of this table" in lines[-3]
    few = "fewer than 3 runs"
    assert f"conditional_hsic, against hsic: accuracy {few}, nats {few}." in lines[-1]


def test_each_row_is_compared_within_its_precision() -> None:
    assert {(precision, other) for precision, _, other, _ in page.pairs()} <= {*page.ROWS}
    for precision, row in page.ROWS:
        assert {one.run_config().precision for one in page.runs(precision, row)} <= {precision}


def test_what_is_said_of_the_two_demands() -> None:
    assert not missing(
        "which_method.md",
        "**Which of the two gives the better network, five runs each cannot say.**",
        "(n = 5 each; two of the seeds were added after a look at the first three).",
        "Both rows lie above the baseline in accuracy and below it in nats.",
        "and was nowhere seen to hold less of the colour.",
        "**`conditional_hsic` lies below the baseline and below `hsic`**",
        "it says whether features depend on the colour at all, and those of every network here do.",
    )
    assert not missing("is_it_gone.md", "On all training digits it leaks less than the baseline")
    said = comparisons.verdicts(page.pairs())
    told, not_told = conditional.TOLD, conditional.NOT_TOLD
    assert {len(page.runs(page.BF16, row)) for row in (told, not_told)} == {5}
    assert said[page.BF16, told, not_told, page.ACCURACY] == "cannot say"
    assert said[page.BF16, told, not_told, page.NATS] == "higher"
    for row in (told, not_told):
        assert [said[page.BF16, row, "baseline", metric] for metric in (page.ACCURACY, page.NATS)] == ["higher", "lower"]
    hsic = [said[page.FLOAT32, "conditional_hsic", "baseline", metric] for metric in (page.ACCURACY, page.NATS)]
    assert hsic == ["lower", "cannot say"]
    beside = [said[page.FLOAT32, "hsic", "baseline", metric] for metric in (page.ACCURACY, page.NATS)]
    assert beside == ["cannot say"] * 2
    both = [said[page.FLOAT32, "conditional_hsic", "hsic", metric] for metric in (page.ACCURACY, page.NATS)]
    assert both == ["lower", "cannot say"]
    assert len(page.runs(page.FLOAT32, "hsic")) == 3
    nats = [one.metrics[page.NATS] for row in page.ROWS for one in page.runs(*row)]
    assert min(nats) > 0.3


def test_what_features_of_the_colour_alone_hold_is_what_the_exercise_prints(capsys: pytest.CaptureFixture[str]) -> None:
    ((heading, body),) = [one for one in exercises("book/which_method") if one[0]["number"] == "4"]
    for code in code_of(body):
        exec(code, {})
    assert capsys.readouterr().out.split() == ["0.005", "2.3", "0.1", "0.02", "2.3", "0.6", "0.05", "2.3", "1.2"], heading[0]
    assert "$2.3$ nats each time, and $0.1$, $0.6$ and $1.2$ given the digit." in body
    assert not missing("which_method.md", "hold $2.3$ nats of the colour at $\\sigma^2 = 0.02$, and only $0.6$ given the digit")

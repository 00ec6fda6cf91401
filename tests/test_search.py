"""The search that every method with an adversary goes through: the same settings, and test digits choose nothing."""

from pathlib import Path
from typing import Any

import pytest

from lnl_core.config import RunConfig
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import NonFiniteLossError
from lnl_core.experiments.colored_mnist import COLOR_VARS
from tools.pages import search as page
from tools.pages.numbers import missing
from tools.studies import choosing, search as tool
from tools.studies.study import Job, Options


def test_every_method_is_tried_with_the_same_settings_once() -> None:
    drawn = tool.settings()
    assert len(drawn) == tool.DRAWN == 8
    for name, (least, most) in tool.SPACE.items():
        values = [setting[name] for setting in drawn]
        assert least <= min(values) < max(values) <= most
        assert len({*values}) == len(values)
    jobs = [job.values for job in tool.Search().jobs(Options()) if job.values[3] == 0]
    assert sorted(jobs) == sorted((method, number, 0.02, 0) for method in tool.METHODS for number in range(8))


def test_a_run_takes_of_a_setting_what_its_method_reads() -> None:
    setting = tool.settings()[0]
    of = {method: choosing.with_setting(tool.base_config(method, 0.03, 2), setting) for method in tool.METHODS}
    assert {(one.lr, one.color_var, one.seed) for one in of.values()} == {(setting["lr"], 0.03, 2)}
    assert {(one.train_size, one.epochs) for one in of.values()} == {(10_000, 6)}
    read = {method: {name for name in tool.SPACE if name in config} for method, config in of.items()}
    assert read["baseline"] == {"lr"}
    assert read["lnl"] == {"lr", "bias_lr", "mi_weight", "adv_weight"}
    assert read["lnl_adv"] == {"lr", "bias_lr", "mi_weight"}
    assert read["grl"] == {"lr", "bias_lr", "adv_weight"}
    assert read["blind_eye"] == {"lr", "bias_lr", "confusion_weight"}
    assert read["blind_eye_grl"] == {"lr", "bias_lr", "confusion_weight", "adv_weight"}


def stored(monkeypatch: pytest.MonkeyPatch, first: dict[str, list[float | None]], second: dict[str, dict[int, float]]) -> None:
    """Runs of the search with these scores: of the first seed one a setting, of the second by number; fresh runs have 0.5."""

    def read(method: str, number: int, color_var: float, seed: int, root: Path) -> dict[str, Any] | None:
        if seed in tool.FRESH_SEEDS:
            return {"scores": {"accuracy": 0.5}}
        value = first[method][number] if seed == 0 else second.get(method, {}).get(number)
        return None if value is None else {"scores": {"validation": value} if value >= 0 else None}

    monkeypatch.setattr(tool, "read", read)


def test_the_best_three_get_a_second_seed_and_the_best_mean_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that diverged counts as 0, of equal settings the first drawn goes first, and a method with a hole waits."""
    scores: list[float | None] = [0.1, 0.6, 0.6, 0.2, 0.6, -1.0, 0.5, 0.3]
    first = dict.fromkeys(tool.METHODS, scores) | {"lnl": [*scores[:7], None]}
    second = {"grl": {1: 0.5, 2: 0.7, 4: 0.6}, "baseline": {1: 0.5, 2: 0.7}, "blind_eye": {1: -1.0, 2: 0.2, 4: 0.1}}
    stored(monkeypatch, first, second)
    assert tool.best_of_one_seed("grl") == [1, 2, 4]
    assert tool.best_of_one_seed("lnl") == []
    assert {method: tool.chosen(method) for method in ("grl", "lnl", "baseline", "blind_eye")} == {
        "grl": 2,
        "lnl": None,
        "baseline": None,
        "blind_eye": 2,
    }
    jobs = [job.values for job in tool.Search().jobs(Options())]
    assert {one[1] for one in jobs if one[0] == "baseline" and one[3] == 1} == {1, 2, 4}
    fresh = [one for one in jobs if one[3] in tool.FRESH_SEEDS]
    assert {one[:2] for one in fresh} == {("grl", 2), ("blind_eye", 2)}
    assert {(one[2], one[3]) for one in fresh} == {(value, seed) for value in COLOR_VARS for seed in tool.FRESH_SEEDS}
    assert "| **0.650** |" in page.tried_table(), "the mean of two seeds, bold where it is chosen"
    assert [*page.on_test()] == ["blind_eye", "grl"]


def test_test_digits_are_asked_by_fresh_seeds_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    base, asked, digits = tool.base_config, list[tuple[str, bool]](), choosing.digits

    def small(method: str, color_var: float, seed: int) -> RunConfig:
        return base(method, color_var, seed).with_options(source="mini", train_size=64, test_size=50, epochs=1)

    def noted(base: RunConfig, split: str, folder: str | None, random: bool) -> BiasedImages:
        asked.append((split, random))
        return digits(base, split, folder, random)

    monkeypatch.setattr(tool, "base_config", small)
    for module in (tool, choosing):
        monkeypatch.setattr(module, "digits", noted)
    study = tool.Search()
    first = study.do(Job("a", Path("a"), ("lnl", 3, 0.02, 0)), Options())
    assert asked == [("train", False), ("validation", True)]
    assert {*first["scores"]} == {"validation"}
    assert first["config"]["mi_weight"] == tool.settings()[3]["mi_weight"]
    asked.clear()
    fresh = study.do(Job("b", Path("b"), ("lnl", 3, 0.05, 2)), Options())
    assert asked == [("train", False), ("test", True)]
    assert {*fresh["scores"]} == {"accuracy", "worst_group_accuracy"}
    assert (fresh["config"]["color_var"], fresh["config"]["seed"]) == (0.05, 2)


def test_a_setting_that_diverges_is_a_result_without_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    base = tool.base_config
    small = {"source": "mini", "train_size": 64, "test_size": 50, "epochs": 1}
    monkeypatch.setattr(tool, "base_config", lambda *of: base(*of).with_options(**small))

    def fit(*args: object, **options: object) -> None:
        raise NonFiniteLossError("the label loss became nan")

    monkeypatch.setattr(choosing, "fit", fit)
    found = tool.Search().do(Job("a", Path("a"), ("baseline", 0, 0.02, 0)), Options())
    assert found["scores"] is None
    assert tool.Search().line(found) == "the label loss became nan"


# What the page says of the stored runs


def test_what_is_said_of_the_methods_after_the_same_search() -> None:
    assert not missing(
        "equal_search.md",
        "which of the three is best cannot be said",
        "Each of `grl`, `blind_eye_grl` and `lnl` lies above each of `baseline`, `blind_eye` and `lnl_adv` at $0.02$, $0.03$",
        "and $0.035$; `lnl`",
        "`lnl` does so at all seven variances (n = 3 each)",
        "At $0.025$ `blind_eye_grl` lies above `lnl`, at $0.045$ `lnl` above `blind_eye_grl`",
        "and at $0.04$ `blind_eye_grl` above `grl`.",
        "neither can be told from the baseline's",
        "from $0.025$ to $0.045$ both lie above it",
        "Chosen on one seed, it would have been the choice.",
    )
    reversing, others = ("grl", "blind_eye_grl", "lnl"), ("baseline", "blind_eye", "lnl_adv")
    for color_var in COLOR_VARS:
        for one in reversing if color_var in (0.02, 0.03, 0.035) else ("lnl",):
            assert {page.above(one, other)[color_var] for other in others} == {"higher"}
    among = {(one, other): page.above(one, other) for one in reversing for other in reversing if one != other}
    higher = {(*pair, value) for pair, of in among.items() for value, verdict in of.items() if verdict == "higher"}
    assert higher == {("blind_eye_grl", "lnl", 0.025), ("lnl", "blind_eye_grl", 0.045), ("blind_eye_grl", "grl", 0.04)}
    assert len(among) // 2 * len(COLOR_VARS) == 21
    for method in ("blind_eye", "lnl_adv"):
        found = page.above(method, "baseline")
        assert {found[value] for value in COLOR_VARS if 0.025 <= value <= 0.045} == {"higher"}
        assert found[0.02] == "cannot say"
    first = [tool.validation("lnl", number)[0] for number in range(tool.DRAWN)]
    assert first.index(max(first)) == 7 != tool.chosen("lnl")
    assert {len(values) for of in page.on_test().values() for values in of.values()} == {3}
    assert {len(of) for of in page.on_test().values()} == {len(COLOR_VARS)}

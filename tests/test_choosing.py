"""The study of rules of choice: the same settings for every method, what a rule compares, and that test digits choose nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lnl_core.config import RunConfig
from lnl_core.datasets.colored_mnist import MEAN_COLORS
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import DataError, NonFiniteLossError
from lnl_core.evaluation import Interval
from lnl_core.figures import by_rule
from tools.pages import choosing as page
from tools.pages.numbers import missing
from tools.studies import choosing as tool
from tools.studies.study import Job, Options


def test_every_method_has_the_same_settings_within_the_stated_space() -> None:
    drawn = tool.settings()
    assert len(drawn) == tool.DRAWN
    assert drawn == tool.settings()
    for name, (least, most) in tool.SPACE.items():
        values = [setting[name] for setting in drawn]
        assert least <= min(values) < max(values) <= most
        assert len(set(values)) == len(values)
    jobs = [job.values for job in tool.Choosing().jobs(Options()) if job.values[2] == tool.FIRST_SEED]
    assert sorted(jobs) == sorted((method, number, 0) for method in tool.METHODS for number in range(tool.DRAWN))


def test_a_run_takes_of_a_setting_what_its_method_reads() -> None:
    setting = tool.settings()[0]
    of = {method: tool.config_of(method, setting, 5) for method in tool.METHODS}
    assert all((one.lr, one.weight_decay, one.seed) == (setting["lr"], setting["weight_decay"], 5) for one in of.values())
    assert of["lnl"].mi_weight == setting["mi_weight"]
    assert of["group_dro"].group_step == setting["group_step"]
    assert "bias_lr" not in of["baseline"]
    assert {one.train_size for one in of.values()} == {10_000}


def test_the_worst_group_is_one_with_enough_images() -> None:
    """Four images of digit 0 in colour 0, three right; two of digit 1 in colour 5, one right; one of digit 2 in colour 2, wrong."""
    labels, group = torch.tensor([0, 0, 0, 0, 1, 1, 2]), torch.tensor([0, 0, 0, 0, 5, 5, 2])
    color = torch.as_tensor(MEAN_COLORS, dtype=torch.float32)[group]
    data = BiasedImages(torch.zeros(7, 3, 28, 28, dtype=torch.uint8), labels, group, labels, color)
    correct = np.array([True, True, True, False, True, False, False])
    assert tool.worst_group(correct, data, 4) == {"worst": 0.75, "groups": 1}
    assert tool.worst_group(correct, data, 2) == {"worst": 0.5, "groups": 2}
    assert tool.worst_group(correct, data, 1) == {"worst": 0.0, "groups": 3}
    with pytest.raises(DataError, match="no group of label and colour has 5 images"):
        tool.worst_group(correct, data, 5)


def test_a_rule_chooses_the_largest_and_of_equal_ones_the_first() -> None:
    scores = [None, {"biased": 0.9, "unbiased": 0.2}, {"biased": 0.9, "unbiased": 0.4}, {"biased": 0.8, "unbiased": 0.4}]
    assert tool.choice(scores, "biased") == 1
    assert tool.choice(scores, "unbiased") == 2


def test_fresh_seeds_follow_when_all_settings_of_a_method_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only for the settings that a rule chooses, each once; a method of which a run is missing waits."""
    scores = [{rule: 0.1 * number for rule in tool.RULES} for number in range(tool.DRAWN)]
    scores[2] = scores[2] | {"biased": 0.99}

    def read(method: str, number: int, seed: int, root: Path) -> dict[str, Any] | None:
        return None if (method, number) == ("lnl", 3) else {"scores": scores[number]}

    monkeypatch.setattr(tool, "read", read)
    assert tool.chosen("lnl") is None
    assert tool.chosen("baseline") == dict.fromkeys(tool.RULES, tool.DRAWN - 1) | {"biased": 2}
    fresh = {job.values for job in tool.Choosing().jobs(Options()) if job.values[2] != tool.FIRST_SEED}
    assert {one[1:] for one in fresh if one[0] == "baseline"} == {(n, seed) for n in (2, tool.DRAWN - 1) for seed in (1, 2, 3)}
    assert not any(method == "lnl" for method, _, _ in fresh)


def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tool.SETTINGS, "train_size", 64)
    monkeypatch.setitem(tool.SETTINGS, "epochs", 1)
    monkeypatch.setitem(tool.SETTINGS, "least_group", 1)
    base = tool.base_config
    monkeypatch.setattr(tool, "base_config", lambda method, seed: base(method, seed).with_options(source="mini", test_size=50))


def test_the_first_runs_ask_validation_digits_and_the_others_test_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    _tiny(monkeypatch)
    asked: list[tuple[str, bool]] = []
    digits = tool.digits

    def noted(base: RunConfig, split: str, folder: str | None, random: bool) -> BiasedImages:
        asked.append((split, random))
        return digits(base, split, folder, random)

    monkeypatch.setattr(tool, "digits", noted)
    study = tool.Choosing()
    first = study.do(Job("a", Path("a"), ("baseline", 0, 0)), Options())
    assert asked == [("train", False), ("validation", False), ("validation", True)]
    assert set(tool.RULES) <= set(first["scores"])
    asked.clear()
    fresh = study.do(Job("b", Path("b"), ("baseline", 0, 1)), Options())
    assert asked == [("train", False), ("test", True)]
    assert set(fresh["scores"]) == {"accuracy", "worst_group_accuracy"}
    assert fresh["config"]["seed"] == 1


def test_a_setting_that_diverges_is_a_result_without_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    _tiny(monkeypatch)

    def fit(*args: object, **options: object) -> None:
        raise NonFiniteLossError("the label loss became nan")

    monkeypatch.setattr(tool, "fit", fit)
    found = tool.Choosing().do(Job("a", Path("a"), ("baseline", 0, 0)), Options())
    assert found["scores"] is None
    assert tool.Choosing().line(found) == "the label loss became nan"


# What the page says of the stored runs


def test_what_is_said_of_the_rules() -> None:
    assert not missing(
        "which_method.md",
        "For `reweighing` and for `group_dro` all three rules choose the same one.",
        "two of them end near chance",
        "Its interval holds every other number of the table",
        "The other two rules choose another setting",
    )
    assert {"baseline", "reweighing", "lnl"} <= set(page.compared())
    numbers = {method: tool.chosen(method) for method in page.compared()}
    assert len({*(numbers["reweighing"] or {}).values()}) == 1
    lnl = numbers["lnl"] or {}
    assert lnl["biased"] != lnl["biased_worst"] == lnl["unbiased"]
    found = page.on_test()
    assert sum(value < 0.12 for value in found["lnl"]["unbiased"]) == 2
    assert np.mean(found["lnl"]["unbiased"]) < np.mean(found["lnl"]["biased"])
    wide = Interval.of(found["lnl"]["unbiased"])
    for of in found.values():
        for values in of.values():
            assert len(values) == len(tool.FRESH_SEEDS)
            assert wide.low < np.mean(values) < wide.high


def test_the_table_and_the_figure_have_what_the_runs_say(tmp_path: Path) -> None:
    assert page.choosing_table(tmp_path) == "Nothing has been measured yet.\n"
    rows = [line for line in page.choosing_table().splitlines() if "(no." in line]
    assert len(rows) == len(page.compared())
    assert len(page.settings_table().splitlines()) == 2 + tool.DRAWN + 1
    figure = by_rule(page.drawing())
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(tool.RULES.values())
    (line,) = [line for line in axes.get_lines() if line.get_label() == "lnl"]
    assert line.get_ydata() == pytest.approx([np.mean(values) for values in page.on_test()["lnl"].values()])


def test_a_cell_says_how_many_of_its_seeds_are_left() -> None:
    nbsp = "\N{NO-BREAK SPACE}"
    assert page._cell([]) == "diverged"
    assert page._cell([0.5]) == "0.500 (n = 1)"
    assert page._cell([0.5, 0.5]) == f"0.500{nbsp}±{nbsp}0.000 (n = 2)"
    assert page._cell([0.5, 0.5, 0.5]) == f"0.500{nbsp}±{nbsp}0.000"

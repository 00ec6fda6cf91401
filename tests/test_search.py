"""The search that every method with an adversary goes through: the same settings, and test digits choose nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnl_core.config import RunConfig, preset
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import NonFiniteLossError
from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.runs.records import read_record
from lnl_core.runs.run import run_folder
from tools import ROOT
from tools.pages import comparison_families, comparisons, results, search as page
from tools.pages.numbers import missing
from tools.studies import choosing, figure_4_small, newer, runs, search as tool
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


# The methods of Figure 4 that are not searched


def test_the_methods_left_out_make_figure_4_whole_and_no_run_is_made_twice() -> None:
    mine = figure_4_small.configs()
    assert {*page.ORDER} == {*runs.METHODS} == {*tool.METHODS, *figure_4_small.METHODS}
    assert len({config.fingerprint() for config in mine}) == len(mine) == 3 * (7 + 7 + 4)
    assert not {config.fingerprint() for config in mine} & {config.fingerprint() for config in newer.small_configs()}
    cells = {(config.method, config.color_var) for config in mine}
    cells |= {("bias_balanced", value) for value in (0.02, 0.03, 0.05)}
    assert cells == {(method, value) for method in figure_4_small.METHODS for value in COLOR_VARS}
    assert {config.seed for config in mine} == {*tool.FRESH_SEEDS}
    assert {(config.train_size, config.epochs, config.precision) for config in mine} == {(10_000, 6, "float32")}


def test_their_rates_are_the_baselines_choice_but_for_the_one_with_its_own_optimiser() -> None:
    rate = tool.settings()[tool.chosen("baseline") or 0]["lr"]
    rates = {(config.method, config.lr, config.optimizer) for config in figure_4_small.configs()}
    own = preset("short", "mi_backprop").lr
    assert rates == {("gray", rate, "sgd"), ("bias_balanced", rate, "sgd"), ("mi_backprop", own, "adam")}


def test_without_the_search_there_is_nothing_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "chosen", lambda method, root=None: None)
    assert figure_4_small.configs() == []


def test_a_cell_with_a_missing_run_is_not_shown(tmp_path: Path) -> None:
    one = figure_4_small.config_of("gray", 0.03, 0)
    folder = tmp_path / "results" / "figure_4_small"
    folder.mkdir(parents=True)
    (stored_run,) = (ROOT / "results" / "figure_4_small").glob(f"{run_folder('', one).name}.json")
    (folder / stored_run.name).write_bytes(stored_run.read_bytes())
    assert page.not_searched(root=tmp_path) == {}
    assert len(page.not_searched()["gray"][0.03]) == 3


def test_conflicting_digits_are_read_from_the_records_that_have_them(tmp_path: Path) -> None:
    """The search did not measure them. newer_small has the same runs of two methods, the other study those of three."""
    found, accuracy = page.of_all(page.CONFLICTING), page.of_all()
    assert [*found] == ["baseline", "lnl", *figure_4_small.METHODS]
    assert {method for method in found if [*found[method]] == [0.02, 0.03, 0.05]} == {"baseline", "lnl"}
    assert {method for method in found if [*found[method]] == [*COLOR_VARS]} == {*figure_4_small.METHODS}
    assert {len(values) for of in found.values() for values in of.values()} == {3}
    for method in ("baseline", "lnl"):
        for color_var, values in found[method].items():
            configs = [newer.small_config_of(method, color_var, seed) for seed in range(newer.SEEDS)]
            files = [ROOT / "results" / newer.SMALL / f"{run_folder('', config).name}.json" for config in configs]
            stored = [read_record(file).metrics for file in files]
            assert values == [one[page.CONFLICTING] for one in stored]
            assert accuracy[method][color_var] == [one["test_accuracy"] for one in stored]
    assert page.of_all(page.CONFLICTING, tmp_path) == {}
    drawing = results.drawings()["search_conflicting.png"]
    assert drawing.args[0] == page.drawn(page.CONFLICTING)
    assert "conflicting" in drawing.keywords["ylabel"]


def test_what_the_figure_of_conflicting_digits_says() -> None:
    found = page.of_all(page.CONFLICTING)
    means = {method: {value: float(np.mean(values)) for value, values in of.items()} for method, of in found.items()}
    least, most = ({method: of[value] for method, of in means.items()} for value in (0.02, 0.05))
    title = results.MESSAGES["search_conflicting"]
    assert "bias_balanced reads nine of ten digits in another colour than their own,\nthe baseline three" in title
    assert [int(10 * least["bias_balanced"]), round(10 * least["baseline"])] == [9, 3]
    assert not missing(
        "equal_search.md",
        "`baseline` and `lnl` were trained again at three variances, with the same accuracy",
        "`blind_eye`, `grl`, `blind_eye_grl` and `lnl_adv` were not.",
    )
    alt = (ROOT / "book" / "equal_search.md").read_text(encoding="utf-8").partition("search_conflicting.png")[2].split("\n")[1]
    assert "bias_balanced reads more than nine tenths, lnl and gray about seven tenths" in alt
    assert min(found["bias_balanced"][0.02]) > 0.9
    assert [round(10 * least[method]) for method in ("lnl", "gray")] == [7, 7]
    assert max(*found["baseline"][0.02], *found["mi_backprop"][0.02]) < 1 / 3
    assert [round(10 * most[method]) for method in ("lnl", "gray")] == [9, 9]
    assert most["bias_balanced"] > 0.95
    assert all(abs(most[method] - 2 / 3) < 0.04 for method in ("baseline", "mi_backprop"))


# What the page says of the stored runs


def test_what_is_said_of_the_methods_after_the_same_search() -> None:
    assert not missing(
        "equal_search.md",
        "which of the three is best cannot be said",
        "Each of `grl`, `blind_eye_grl` and `lnl` lies above each of `baseline`, `blind_eye` and `lnl_adv` at $0.02$, $0.03$",
        "and $0.035$; `lnl`",
        "`lnl` does so at all seven variances (n = 3 each)",
        "At $0.045$ `lnl` lies above `blind_eye_grl`, and at $0.04$ `blind_eye_grl` above `grl`; "
        "a third difference, at $0.025$, does not stay, and points the other way.",
        "That is two of the 21 comparisons among the three",
        "neither can be told from the baseline's",
        "from $0.025$ to $0.045$ both lie above it",
        "and at $0.05$ `lnl_adv` alone (n = 3 each)",
        "Chosen on one seed, it would have been the choice.",
    )
    reversing, others = ("grl", "blind_eye_grl", "lnl"), ("baseline", "blind_eye", "lnl_adv")
    said = comparisons.of_every_two(page.of_all())
    for color_var in COLOR_VARS:
        for one in reversing if color_var in (0.02, 0.03, 0.035) else ("lnl",):
            assert {said[one, other, color_var] for other in others} == {"higher"}
    among = {cell: verdict for cell, verdict in said.items() if {*cell[:2]} <= {*reversing}}
    assert {cell for cell, verdict in among.items() if verdict == "higher"} == {
        ("lnl", "blind_eye_grl", 0.045),
        ("blind_eye_grl", "grl", 0.04),
    }
    assert [cell for cell, verdict in among.items() if verdict == "(higher)"] == [("blind_eye_grl", "lnl", 0.025)]
    assert len(among) // 2 == 21
    for method in ("blind_eye", "lnl_adv"):
        found = {value: said[method, "baseline", value] for value in COLOR_VARS}
        assert {found[value] for value in COLOR_VARS if 0.025 <= value <= 0.045} == {"higher"}
        assert found[0.02] == "cannot say"
        assert found[0.05] == ("higher" if method == "lnl_adv" else "cannot say")
    means = {method: {value: np.mean(of) for value, of in values.items()} for method, values in page.on_test().items()}
    between = [value for value in COLOR_VARS if 0.025 <= value <= 0.045]
    gains = {(one, value): means[one][value] - means["baseline"][value] for one in ("blind_eye", "lnl_adv") for value in between}
    assert min(gains, key=lambda cell: gains[cell]) == ("blind_eye", 0.045)
    assert max(gains, key=lambda cell: gains[cell]) == ("lnl_adv", 0.035)
    first = [tool.validation("lnl", number)[0] for number in range(tool.DRAWN)]
    assert first.index(max(first)) == 7 != tool.chosen("lnl")
    assert {len(values) for of in page.on_test().values() for values in of.values()} == {3}
    assert {len(of) for of in page.on_test().values()} == {len(COLOR_VARS)}
    assert not missing("equal_search.md", "22 of these 27 comparisons come out the same way, and five cannot say.")
    larger = comparisons.of_every_two(comparison_families.of_figure_4())
    same = [larger[one, other, value] for one in reversing for other in others for value in (0.02, 0.03, 0.035)]
    assert (same.count("higher"), same.count("(higher)") + same.count("cannot say"), len(same)) == (22, 5, 27)


def test_what_is_said_of_the_methods_that_were_not_searched() -> None:
    assert not missing(
        "equal_search.md",
        "It lies above `baseline`, `blind_eye` and `lnl_adv` at all seven variances",
        "it cannot be told from `grl` and `blind_eye_grl` at any, nor from `lnl` at six; at $0.045$ it lies below `lnl` (n = 3",
        "It lies above every other method from $0.04$ on. Below that it cannot be told from `grl` at "
        "$0.02$, $0.025$ and $0.035$, from `blind_eye_grl` at $0.025$ and $0.03$ and from `lnl` at $0.03$.",
        "Each of its runs lies above every run of every other method there, at each variance",
        "at the six larger variances the two cannot be told apart (n = 3 each).",
    )
    found, worst = page.of_all(), page.of_all("worst_group_accuracy")
    assert {*found} == {*page.ORDER}
    assert {len(of) for of in found.values()} == {7}
    assert {len(values) for of in found.values() for values in of.values()} == {3}
    balanced, said = found["bias_balanced"], comparisons.of_every_two(found)
    beside_plain = {value: said["mi_backprop", "baseline", value] for value in COLOR_VARS}
    assert beside_plain == {value: "lower" if value == 0.02 else "cannot say" for value in COLOR_VARS}
    for method in ("baseline", "blind_eye", "lnl_adv"):
        assert {said["gray", method, value] for value in COLOR_VARS} == {"higher"}
    for method in ("grl", "blind_eye_grl"):
        assert {said["gray", method, value] for value in COLOR_VARS} == {"cannot say"}
    beside = {value: said["gray", "lnl", value] for value in COLOR_VARS}
    assert {value for value, verdict in beside.items() if verdict != "cannot say"} == {0.045}
    assert beside[0.045] == "lower"
    others = [(method, value) for method, of in found.items() for value in of if method != "bias_balanced"]
    unsure = {cell for cell in others if said["bias_balanced", *cell] != "higher"}
    of_grl = {("grl", value) for value in (0.02, 0.025, 0.035)}
    assert unsure == {*of_grl, ("blind_eye_grl", 0.025), ("blind_eye_grl", 0.03), ("lnl", 0.03)}
    assert all(np.mean(balanced[value]) > np.mean(found[method][value]) for method, value in others)
    assert all(min(worst["bias_balanced"][value]) > max(worst[method][value]) for method, value in others)


def test_what_the_search_held_fixed_is_said() -> None:
    assert not missing(
        "equal_search.md",
        "Not searched: the labels of $h$ (the image's colour, asked in the background) and the limit on a step. They were chosen "
        "for `lnl` ([](reproduce.md)), which may favour methods that are like it.",
    )
    configs = [tool.config_of(method, 0, 0.02, 0) for method in tool.METHODS if method != "baseline"]
    held = {(one.bias_labels, one.bias_places, one.clip_norm) for one in configs}
    lnl = preset("short", "lnl")
    assert held == {(lnl.bias_labels, lnl.bias_places, lnl.clip_norm)} == {("image", "background", 10.0)}
    assert not {"bias_labels", "bias_places", "clip_norm"} & {*tool.SPACE}

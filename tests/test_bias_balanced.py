"""What the chapter on bias-balanced learning says stands beside what was measured, read and tried."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_records import record_of

from lnl_core.config import preset
from lnl_core.datasets.colored_mnist import sample_colors
from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.information.limit import label_posterior
from lnl_core.runs.comparison import FEWEST_RUNS, ordering
from lnl_core.runs.records import read_records, write_record
from lnl_core.runs.run import run_folder
from tools import ROOT
from tools.pages import comparisons, figure_4_tables, group_numbers, leak_tables, longer as page_of_length, moved
from tools.pages.numbers import missing, said
from tools.pages.rows import by_configuration
from tools.pages.sources import Sources
from tools.studies import ablations, longer, study as study_file
from tools.studies.runs import SEVERAL

PAGE = said("bias_balanced.md")
RUNS = by_configuration(read_records(ROOT / "results" / "ablations"))
PAPER: dict[str, Any] = json.loads((ROOT / "results" / "paper.json").read_text(encoding="utf-8"))


def part(name: str) -> float:
    runs = RUNS[ablations.config_of(ablations.PARTS[name]).fingerprint()]
    return float(np.mean([record.metrics["validation_accuracy"] for record in runs]))


def test_what_the_parts_did_is_told_with_their_numbers() -> None:
    for sentence, name in (
        ("Without drawing, maps and unlearning terms it ends at {:.3f} (n = 3).", ablations.LOSS_ALONE),
        ("with the maps the whole method has {:.3f}", "all parts"),
        ("and the loss alone {:.3f}, without them", ablations.LOSS_WITH_MAPS),
        ("With the drawing and without unlearning one run reached {:.3f}, *below* the loss alone", "without unlearning: λ 0, μ 0"),
        ("with unlearning and without the drawing one reached {:.3f}", "drawn as they come: τ 0"),
        ("With $\\tau = 1$ it ends at {:.3f} (n = 3), below $\\tau = 0.8$ and below the loss", ablations.BALANCED),
        ("at {:.3f} without. The baseline", "without any maps"),
        ("`bias_balanced` (n = 3 a row here) ends at {:.3f} with them", "all parts"),
        ("One run on digits with it ended at {:.3f}", "weaned from the prior: ε grows to 1"),
        ("One run with ten times these weights ended at {:.3f}", "unlearning ten times as strong: λ 0.3, μ 1"),
    ):
        assert sentence.format(part(name)) in PAGE, name


def test_what_is_concluded_of_the_parts_stays_when_every_two_rows_are_read_together() -> None:
    said, at = comparisons.of_every_two(moved.scores()), ablations.COLOR_VAR
    own = moved.PAIRS["lnl"][0]
    assert [said[ablations.LOSS_ALONE, other, at] for other in ("gray", "baseline", own)] == ["higher", "higher", "cannot say"]
    assert "From `lnl`, whose three runs scatter, it cannot be told." in PAGE
    with_loss = (("all parts", ablations.LOSS_WITH_MAPS), ("without any maps", ablations.LOSS_ALONE))
    assert {said[whole, loss, at] for whole, loss in with_loss} == {"higher"}
    assert {said[ablations.BALANCED, other, at] for other in ("all parts", ablations.LOSS_WITH_MAPS)} == {"lower"}
    assert said[ablations.LOSS_WITH_MAPS, ablations.LOSS_ALONE, at] == "cannot say"
    assert part("without unlearning: λ 0, μ 0") < min(moved.values(ablations.LOSS_ALONE))
    nats = [
        [record.metrics["bias_mlp_probe_information"] for record in moved.runs(row)]
        for row in ("baseline", ablations.LOSS_ALONE, "all parts")
    ]
    assert [ordering(*pair) for pair in pairwise(nats)] == ["higher"] * 2
    assert max(record.metrics["prediction_information"] for record in moved.runs(ablations.LOSS_ALONE)) < 0.01
    assert "less than those of the baseline and more than those of the whole method" in PAGE


def test_no_row_of_the_parts_is_empty() -> None:
    empty = [name for name, changes in ablations.PARTS.items() if ablations.config_of(changes).fingerprint() not in RUNS]
    assert empty == []
    assert "not been run" not in PAGE


def test_lnl_with_the_maps_ran_at_a_tenth_of_its_weights() -> None:
    (record,) = RUNS[ablations.config_of(ablations.PARTS["lnl with the same weights and maps"]).fingerprint()]
    working = preset("short", "lnl")
    for weight in ("mi_weight", "adv_weight"):
        assert record.config[weight] == pytest.approx(getattr(working, weight) / 10)


def test_what_the_maps_do_for_others_is_concluded_from_three_runs_each() -> None:
    pairs = {method: [moved.values(row) for row in rows] for method, rows in moved.PAIRS.items()}
    assert all(len(runs) >= FEWEST_RUNS for both in pairs.values() for runs in both)
    assert len(pairs) == 5
    assert "**Which methods gain by the maps, three runs a side do not settle.**" in PAGE
    records = [record for rows in moved.PAIRS.values() for row in rows for record in moved.runs(row)]
    assert {record.run_config().precision for record in records} == {"float32"}
    said = comparisons.of_every_two(moved.scores())
    verdicts = {method: said[mapped, without, ablations.COLOR_VAR] for method, (without, mapped) in moved.PAIRS.items()}
    unsaid = dict.fromkeys(("gray", ablations.LOSS_ALONE), "cannot say")
    assert verdicts == {"bias_balanced": "higher", "lnl": "lower", "baseline": "lower", **unsaid}
    assert "The baseline and `lnl` end lower with them, and of `gray` and of the loss alone three runs cannot say." in PAGE
    on_test = {
        method: ordering(*([one.metrics["test_accuracy"] for one in moved.runs(row)] for row in (mapped, without)))
        for method, (without, mapped) in moved.PAIRS.items()
    }
    assert on_test == {
        "baseline": "lower", "bias_balanced": "cannot say", "lnl": "cannot say", ablations.LOSS_ALONE: "higher", "gray": "lower"
    }  # fmt: skip
    assert "only the baseline's loss can still be told: `bias_balanced` and `lnl` lie within the interval there" in PAGE
    assert "the loss alone gains and `gray` loses." in PAGE
    assert "so the maps are not what lifts it above these." in PAGE
    own = moved.PAIRS["bias_balanced"][0]
    others = (without for method, (without, _) in moved.PAIRS.items() if method != "bias_balanced")
    assert {said[own, other, ablations.COLOR_VAR] for other in others} == {"higher"}


def test_who_leaves_more_of_the_colour_cannot_be_said() -> None:
    """By the probe of every record in the full setting, and over three networks a cell in the small one."""
    assert "that it leaves less of the colour in its features was seen at no variance" in PAGE.replace("> ", "")
    for color_var in SEVERAL:
        full = [Sources().every("runs", method, color_var, "bias_mlp_probe_information") for method in ("bias_balanced", "lnl")]
        assert min(len(values) for values in full) >= FEWEST_RUNS
        small = [leak_tables.nats_in_small(method, color_var) for method in ("bias_balanced", "lnl")]
        assert {ordering(*full), ordering(*small)} == {"cannot say"}, color_var
        networks = [leak_tables.nats_of(leak_tables.of_seeds(method, color_var)) for method in ("bias_balanced", "lnl")]
        assert ordering(*networks) == ("higher" if color_var == 0.05 else "cannot say"), "the strongest of many probes"


def test_who_knows_how_the_digits_were_painted_needs_no_method() -> None:
    divided = [moved.runs(name) for name in (ablations.DIVIDED, "all parts")]
    accuracies = [[one.metrics["validation_accuracy"] for one in runs] for runs in divided]
    assert [len(values) for values in accuracies] == [5, 3]
    assert "n = 5 and 3" in PAGE
    assert ordering(*accuracies) == "higher"
    assert all(abs(one.metrics["bias_mlp_probe_accuracy"] - 0.1) < 0.02 for one in divided[0])
    assert f"The plain network then has {np.mean(accuracies[0]):.3f} on validation digits" in PAGE
    assert "the probe of its features is at chance" in PAGE
    first = figure_4_tables.others_table().splitlines()[2]
    assert first.startswith(f"| {ablations.DIVIDED}, no method, here | 0.99"), "above every other row"
    assert "It is above every other row, `bias_balanced` among them." in PAGE


def _longer(root: Path, epochs: int, seed: int = 0, train_split: str = "train", **metrics: float) -> None:
    config = longer.config_of(epochs, seed, train_split)
    record = replace(record_of(), method=config.method, profile=config.profile, seed=seed, config=config.to_dict(), metrics=metrics)
    write_record(record, root / "results" / longer.FOLDER / f"{run_folder('', config).name}.json")


def test_the_length_is_chosen_on_validation_digits_once_all_are_there_the_shorter_of_equals(tmp_path: Path) -> None:
    (tmp_path / "results" / "runs").mkdir(parents=True)
    _longer(tmp_path, 12, validation_accuracy=0.9)
    _longer(tmp_path, 48, validation_accuracy=0.95)
    assert longer.chosen(tmp_path) is None
    _longer(tmp_path, 24, validation_accuracy=0.95)
    assert longer.chosen(tmp_path) == 24
    assert page_of_length.chosen_runs(tmp_path) == []
    for seed, epochs in ((0, 24), (3, 24), (1, 48)):
        _longer(tmp_path, epochs, seed, "trainval", test_accuracy=0.97, validation_accuracy=0.99)
    assert [(one.seed, one.config["epochs"]) for one in page_of_length.chosen_runs(tmp_path)] == [(0, 24), (3, 24)]
    rows = page_of_length.longer_table(tmp_path).splitlines()[2:]
    assert [row.split(" | ")[:3] for row in rows] == [
        ["| 12", "0.9000", "–"],
        ["| 24", "0.9500", "0.9700 ± 0.0000 (n = 2)"],
        ["| 48", "0.9500", "–"],
    ]
    _longer(tmp_path, 12, validation_accuracy=0.95)
    assert longer.chosen(tmp_path) == 12
    assert page_of_length.chosen_runs(tmp_path) == [], "they are those of Figure 4"


def test_a_run_of_another_length_differs_in_its_length_alone() -> None:
    base, long = longer.config_of(12, 0), longer.config_of(48, 0)
    assert {name for name, value in long.to_dict().items() if base.to_dict()[name] != value} == {"epochs", "profile"}
    assert base.fingerprint() == preset("short", "bias_balanced", color_var=0.02, source="mnist", precision="bf16").fingerprint()


def test_what_is_said_of_longer_training() -> None:
    validated = longer.validated()
    assert validated[12] < validated[24] < validated[48]
    weaned = study_file.record_of(longer.weaned_config(), longer.FOLDER)
    assert weaned is not None
    assert abs(weaned.metrics["validation_accuracy"] - validated[12]) < 0.002, "no reason to train it longer"
    assert longer.chosen() == 48
    long, short = page_of_length.chosen_runs(), page_of_length.of_figure_4()
    assert [one.seed for one in long] == [one.seed for one in short] == [0, 1, 2, 3, 4]
    assert {one.config["precision"] for one in (*long, *short)} == {"bf16"}
    for metric in ("test_accuracy", "worst_group_accuracy"):
        of_each = [group_numbers.values(metric, runs) for runs in (long, short)]
        assert [len(values) for values in of_each] == [5, 5]
        assert ordering(*of_each) == "cannot say"
    assert "which cannot be told from its runs of 12 (Welch's 95 % interval, n = 5 and 5), nor can its worst cell," in PAGE
    assert "A prior weaned a tenth of the way, tried once with 12 epochs," in PAGE
    rows = figure_4_tables.others_table().splitlines()[2:5]
    ours = ["| bias_balanced, here, 48 epochs in place of 12", "| bias_balanced, here, in colours drawn by us"]
    assert [row.split(" | ")[0] for row in rows[1:]] == ours


def test_single_runs_beside_three() -> None:
    kept = moved.values("all parts")
    assert part("weaned from the prior: ε grows to 1") < min(kept)
    assert min(kept) <= part("unlearning ten times as strong: λ 0.3, μ 1") <= max(kept)


def test_what_the_method_is_told_stands_beside_the_record() -> None:
    told = PAGE[PAGE.index("results/record.md") : PAGE.index("results/others.md")]
    for need in ("exact colour", "$p(y \\mid b)$", "drawing", "affine and elastic maps", "forty settings", "eight levels"):
        assert need in told, need
    assert "So does LNL" not in PAGE


def test_figures_of_other_protocols_are_those_that_were_read() -> None:
    readings = {
        (row.get("label"), row["setting"]["color_var"]): row["value"]
        for row in PAPER["figure_readings"]["colored_mnist"]["results"]
    }
    assert [readings["SABAF", 0.02], readings["SABAF", 0.05]] == [0.94, 0.97]
    assert [readings["SABAF-universal", 0.02], readings["SABAF-universal", 0.05]] == [0.97, 0.98]
    assert "SABAF about 0.94 at 0.02 and 0.97 at 0.05, and about 0.97 and 0.98" in PAGE
    others = {
        (row["label"], row["setting"]["color_var"]): row for row in PAPER["experiments"]["colored_mnist"]["other_results"]
    }
    null = [others["NIFR, cVAE", color_var] for color_var in (0.02, 0.05)]
    assert not any(row["comparable"] for row in null)
    assert "have {} at 0.02 and {} at 0.05".format(*(row["value"] for row in null)) in PAGE
    assert {row["setting"]["color_var"] for row in others.values() if row["comparable"]} == {COLOR_VARS[0]}


def test_how_many_training_digits_have_a_colour_that_nearly_says_the_digit() -> None:
    assert "nearly half of the training digits have a colour with $p(y \\mid b) > 0.9$, at $0.05$ about one in sixteen." in PAGE
    shares = []
    for color_var in (0.02, 0.05):
        labels = np.arange(20_000) % 10
        colors = sample_colors(labels, color_var, np.random.default_rng(0))
        shares.append(float((label_posterior(colors, color_var)[np.arange(len(labels)), labels] > 0.9).mean()))
    assert 0.42 < shares[0] < 0.48
    assert 1 / 18 < shares[1] < 1 / 14


def test_where_the_prior_is_weaned_away() -> None:
    """The option is the default of the hyper-parameter, and 0 in the presets of digits and of tables."""
    assert "The presets of digits and of tables set it to 0. Elsewhere its default is 1" in PAGE
    assert not missing("pretrained.md", "those of the preset, $\\tau = 0.5$ and a prior that is weaned away")
    found = {name: preset("short", "bias_balanced", experiment=name) for name in ("colored_mnist", "census", "dogs_cats")}
    assert {name: one.balance_wean for name, one in found.items()} == {"colored_mnist": 0.0, "census": 0.0, "dogs_cats": 1.0}
    runs = [one for one in read_records(ROOT / "results" / "exceptions") if one.method == "bias_balanced"]
    assert {(one.config["balance_wean"], one.config["balance_power"]) for one in runs} == {(1.0, 0.5)}

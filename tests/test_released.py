"""The authors' released settings: every hyper-parameter as they have it, and a table that says what is missing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_records import record_of

from lnl_core.runs.comparison import paper_numbers
from lnl_core.runs.records import RunRecord, read_records, write_record
from lnl_core.runs.run import run_folder
from tools import ROOT
from tools.pages import released as page
from tools.pages.numbers import missing
from tools.pages.sources import Sources
from tools.studies import released as study


@pytest.mark.parametrize("method", study.METHODS)
def test_the_settings_are_theirs(method: str) -> None:
    config = study.config_of(method, "cold", 0.02, 0)
    theirs: dict[str, Any] = {"lr": 0.01, "bias_lr": 0.01, "momentum": 0.9, "weight_decay": 0.0005, "batch_size": 128}
    theirs |= {"epochs": 100, "lr_step": 40, "lr_gamma": 0.1}
    theirs |= {"bias_labels": "pixel", "bias_places": "foreground", "updates": "alternating", "schedule": "step"}
    theirs |= {"clip_norm": 0.0, "augment": 0.0, "adversary_steps": 1, "warmup_epochs": 0, "precision": "float32"}
    theirs |= {"mi_weight": 0.01, "adv_weight": 0.1} if method == "lnl" else {"confusion_weight": 0.01}
    assert {name: config.get(name) for name in theirs} == theirs
    warm = study.config_of(method, "warm", 0.02, 0)
    changed = {name for name, value in warm.to_dict().items() if value != config.to_dict()[name]}
    assert changed == {"warmup_epochs", "epochs", "lr_step", "precision"}
    assert {one.precision for one in study.configs() if one not in study.configs()[:2]} == {"bf16"}
    assert (warm.epochs - warm.warmup_epochs, warm.lr_step - warm.warmup_epochs) == (100, 40)


def test_every_run_has_a_row_and_those_that_are_missing_say_so(tmp_path: Path) -> None:
    (tmp_path / "results" / study.FOLDER).mkdir(parents=True)
    (tmp_path / "results" / "paper.json").write_bytes((ROOT / "results" / "paper.json").read_bytes())
    config = study.config_of("blind_eye", "warm", 0.05, 0)
    named: dict[str, Any] = {name: getattr(config, name) for name in ("experiment", "method", "profile", "seed")}
    own: dict[str, Any] = {"setting": config.setting, "config": config.to_dict(), "metrics": {"test_accuracy": 0.5}}
    record = replace(record_of(), **named, **own)
    write_record(record, tmp_path / "results" / study.FOLDER / f"{run_folder('', config).name}.json")
    table = page.released_table(tmp_path)
    rows = [line for line in table.splitlines() if line.startswith("| 0.0")]
    assert len(rows) == len(study.configs()) == 12
    (made,) = [line for line in rows if "not measured" not in line]
    assert made.startswith("| 0.05 | warm | blind_eye | bf16 | 0.")
    assert "| 0.500 | – | – | – | <a href=" in made
    assert "1 of 12 made; nothing is concluded from one" in table


def test_what_is_said_of_the_released_settings() -> None:
    """One run of each method and start at two variances; nothing is concluded from one."""
    assert not missing(
        "reproduce.md",
        "Each method has one run of each start at $\\sigma^2 = 0.02$ and at $0.05$; from single runs nothing is concluded.",
        "Each ended within three hundredths of the mean of our baseline, ",
        "and below the published number.",
    )
    records = read_records(ROOT / "results" / study.FOLDER)
    assert len(records) == len(list((ROOT / "results" / study.FOLDER).glob("*.json")))
    found: dict[tuple[str, str, float], RunRecord] = {
        (record.method, "warm" if record.config["warmup_epochs"] else "cold", record.config["color_var"]): record
        for record in records
    }
    assert {*found} == {(method, start, value) for method in study.METHODS for start in study.STARTS for value in (0.02, 0.05)}
    assert len(found) == len(records)
    sources, published = Sources(), paper_numbers()
    for (method, start, color_var), record in found.items():
        assert record.seed == 0
        assert record.config["precision"] == study.config_of(method, start, color_var, 0).precision
        accuracy, baseline = record.metrics["test_accuracy"], sources.ours("baseline", color_var)
        assert abs(accuracy - baseline) < 0.03
        assert published[method][color_var] - accuracy > (0.2 if color_var == 0.02 else 0.05)

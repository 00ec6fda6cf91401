"""From any number to its record: the bundle holds every record, the tables link to it, and the pages show, sort and filter."""

import json
import re
import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from browsers import DESK, FOLDER, PHONE, Opened
from test_records import record_of
from typer.main import get_command

from lnl_core import cli
from lnl_core.config import RunConfig
from lnl_core.errors import RecordError
from lnl_core.runs import run as runs
from lnl_core.runs.records import RunRecord, read_record, write_record
from tools import ROOT
from tools.pages import explorables, records

LNL = "runs/colored_mnist-lnl-0.02-seed0-short-4fb0be37bd61"


@pytest.fixture(scope="module")
def bundle() -> dict[str, Any]:
    return records.bundle()


def _table(bundle: dict[str, Any], place: int) -> dict[str, Any]:
    shape, values = bundle["tables"][place]
    return dict(zip(bundle["names"][shape], values, strict=True))


def test_every_record_is_there_whole(bundle: dict[str, Any]) -> None:
    folders = (*records.FOLDERS, *(f"{folder}/diverged" for folder in records.FOLDERS), *records.SMALL)
    stored = [f"{folder}/{path.stem}" for folder in folders for path in (ROOT / "results" / folder).glob("*.json")]
    lines = [path.read_text("utf-8").count("\n") for path in (ROOT / "results" / "fairness").glob("*.jsonl")]
    found = {row[0]: row for row in bundle["records"]}
    assert len(found) == len(bundle["records"]) == len(stored) + sum(lines)
    assert set(stored) <= set(found)
    assert bundle["damaged"] == []
    record, row = read_record(ROOT / "results" / f"{LNL}.json"), found[LNL]
    assert [_table(bundle, place) for place in row[7:11]] == [record.setting, record.config, record.metrics, record.data]
    assert (row[2:7], _table(bundle, row[11])["commit"]) == (
        [record.experiment, record.method, record.seed, record.profile, record.selection],
        record.provenance["commit"],
    )
    assert f"results/leakage/{Path(LNL).name}.json" in row[14]


def test_the_command_of_a_record_asks_for_its_run(bundle: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """One record of each kind, through the command line: the same hyper-parameters, whatever the profile is called."""
    asked: list[RunConfig] = []

    def instead(config: RunConfig, out: Path, **_: Any) -> RunRecord:
        asked.append(config)
        return record_of()

    monkeypatch.setattr(runs, "run", instead)
    others = tuple(f"{name}/" for name in ("fairness", *records.SMALL))
    kinds = {(row[0].partition("/")[0], *row[2:4], row[5]): row for row in bundle["records"] if not row[0].startswith(others)}
    assert len(kinds) > 25
    for row in kinds.values():
        words = shlex.split(row[13])
        assert words[:2] == ["lnl", "train"]
        get_command(cli.app).main(words[1:], standalone_mode=False)
        wanted = _table(bundle, row[8]) | {"profile": asked[-1].profile}
        assert {name: asked[-1].to_dict()[name] for name in wanted} == wanted, row[0]


def test_links_of_the_tables_lead_to_records(bundle: dict[str, Any]) -> None:
    known, linked = {row[0] for row in bundle["records"]}, 0
    for path in (ROOT / "book" / "results").glob("*.md"):
        addresses = re.findall(r'href="record\.html#([^"]+)"', path.read_text(encoding="utf-8"))
        assert set(addresses) <= known, path.name
        linked += bool(addresses)
    assert linked >= 12
    lines = (ROOT / "book" / "results" / "figure_4.md").read_text(encoding="utf-8").splitlines()
    row = next(line for line in lines if line.startswith("| grl | 0.02 |"))
    found = [read_record(ROOT / "results" / f"{one}.json") for one in re.findall(r'record\.html#([^"]+)"', row)]
    assert [(one.method, one.seed, one.setting) for one in found] == [("grl", seed, {"color_var": 0.02}) for seed in range(5)]


WITHOUT_RUNS = {
    *("choosing_settings", "must_know", "hyperparameters", "roofline"),  # computed from the code
    *("limit", "estimators", "counts", "probes", "parity", "digit_draws"),  # of numbers drawn and counted, no network of the book
    *("mi_cost", "left_out", "settings_tried"),  # seconds of a few steps, how many results there are, what no run keeps
    *("comparisons", "comparisons_simulated"),  # counts of the comparisons on other pages, and simulated ones
}


def _rows(text: str) -> list[str]:
    """The rows of Markdown tables, but for those of a table of settings."""
    blocks = re.findall(r"^(\|.*)\n\|---.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [row for head, rows in blocks if not head.startswith("| no. | `") for row in rows.splitlines()]


def test_a_run_in_another_precision_has_a_link_of_its_own(tmp_path: Path) -> None:
    """Both have the same name, as a run on another machine has."""
    (path, *_) = sorted((ROOT / "results" / "runs").glob("colored_mnist-lnl-0.02-*.json"))
    first = read_record(path)
    second = replace(first, config={**first.config, "precision": "float32"})
    for folder, record in (("runs", first), ("newer", second)):
        write_record(record, tmp_path / "results" / folder / path.name)
    assert records.address_of(first, tmp_path) == f"runs/{path.stem}"
    assert records.address_of(second, tmp_path) == f"newer/{path.stem}"


def test_every_row_of_runs_links_to_their_records() -> None:
    linked = 0
    for path in sorted((ROOT / "book" / "results").glob("*.md")):
        for row in _rows(path.read_text(encoding="utf-8")) if path.stem not in WITHOUT_RUNS else ():
            without = row.endswith("| – |") or "not measured" in row or "{cite:t}" in row
            assert 'href="record' in row or without, f"{path.name}: {row}"
            linked += 'href="record' in row
    assert linked > 400


def test_runs_of_small_studies_are_records_of_their_scores(bundle: dict[str, Any]) -> None:
    row = next(row for row in bundle["records"] if row[0] == "search/lnl-1-0.02-seed0")
    stored = json.loads((ROOT / "results" / "search" / "lnl-1-0.02-seed0.json").read_text(encoding="utf-8"))
    assert [_table(bundle, row[place]) for place in (7, 8, 9)] == [
        {"color_var": 0.02, "number": 1},
        stored["config"],
        stored["scores"],
    ]
    assert row[13].splitlines() == [
        "rm results/search/lnl-1-0.02-seed0.json",
        "python -m tools.studies search --only lnl-1-0.02-seed0",
    ]
    chosen = next(row for row in bundle["records"] if row[0].startswith("choosing/") and row[4] == 1)
    assert set(_table(bundle, chosen[9])) == {"test_accuracy", "worst_group_accuracy"}


def test_a_small_run_that_diverged_has_no_metric_and_one_that_is_none_is_refused(tmp_path: Path) -> None:
    stored = json.loads((ROOT / "results" / "search" / "lnl-1-0.02-seed0.json").read_text(encoding="utf-8"))
    path = tmp_path / "results" / "search" / "lnl-1-0.02-seed0.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(stored | {"scores": None, "diverged": "the loss is nan"}), "utf-8")
    found = records.read_all(tmp_path)["search/lnl-1-0.02-seed0"]
    assert isinstance(found, RunRecord)
    assert (found.metrics, found.data["diverged"]) == ({}, "the loss is nan")
    path.write_text(json.dumps(stored | {"scores": {"validation": None}}), "utf-8")
    assert "has None for the metric validation and no finite number" in str(records.read_all(tmp_path)["search/lnl-1-0.02-seed0"])
    path.write_text(json.dumps({"seed": 1}), "utf-8")
    said = "results/search/lnl-1-0.02-seed0.json holds no run ('config'): restore it from the repository"
    assert records.read_all(tmp_path) == {"search/lnl-1-0.02-seed0": said}


def test_a_run_that_diverged_is_shown_with_its_reason(bundle: dict[str, Any], tmp_path: Path) -> None:
    row = next(row for row in bundle["records"] if row[0].startswith("pretrained_faces/diverged/"))
    stored = json.loads((ROOT / row[1]).read_text(encoding="utf-8"))
    assert _table(bundle, row[9]) == {}
    assert _table(bundle, row[10])["diverged"] == stored["reason"]
    assert _table(bundle, row[8]) == stored["config"]
    path = tmp_path / "results" / "newer_small" / "diverged" / "one.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}", "utf-8")
    said = "results/newer_small/diverged/one.json holds no run ('config'): restore it from the repository"
    assert records.read_all(tmp_path) == {"newer_small/diverged/one": said}


def test_a_column_is_added_to_every_table() -> None:
    text = "Words\n\n| a | n |\n|---|---|\n| x | 1 |\n\nMore\n\n| b |\n|---|\n| y |\n| z |\n\nend"
    made = records.with_column(text, ["1", "2", "–"], "records")
    assert made.splitlines()[2:5] == ["| a | n | records |", "|---|---|---|", "| x | 1 | 1 |"]
    assert made.splitlines()[-3:] == ["| z | – |", "", "end"]
    with pytest.raises(RecordError, match="tables of 3 rows cannot link to the records of 2"):
        records.with_column(text, ["1", "2"])


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Scripts whose bundle has one good record and two that cannot be read."""
    good = write_record(record_of(), tmp_path / "results" / "runs" / "good.json")
    (tmp_path / "results" / "runs" / "cut.json").write_text(good.read_text("utf-8")[:100], "utf-8")
    (tmp_path / "results" / "fairness").mkdir()
    (tmp_path / "results" / "fairness" / "adult-sex-lnl.jsonl").write_text(json.dumps({"schema": 99}) + "\n", "utf-8")
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for path in [*FOLDER.glob("records.js"), *FOLDER.glob("*.css")]:
        (scripts / path.name).write_bytes(path.read_bytes())
    (scripts / "records_data.js").write_text(explorables.script("records", records.bundle(tmp_path)), "utf-8")
    return scripts


def test_a_record_that_cannot_be_read_is_shown_as_such_and_the_rest_is_there(browser: Any, tmp_path: Path, damaged: Path) -> None:
    opened = Opened(browser, tmp_path, "records", scripts=damaged, viewport=PHONE)
    assert opened.said() == "1 of 1 records; 2 cannot be read."
    rows = opened.page.locator("tbody tr").all_inner_texts()
    assert "results/runs/cut.json cannot be read: results/runs/cut.json is no readable JSON" in rows[0]
    assert "results/fairness/adult-sex-lnl.jsonl, line 1 cannot be read: " in rows[1]
    assert "runs/good" in rows[2]
    opened.context.close()
    single = Opened(browser, tmp_path, "record", scripts=damaged, address="#runs/cut")
    assert single.said().startswith("results/runs/cut.json cannot be read")
    single.context.close()
    assert opened.faults + single.faults == []


def test_the_list_sorts_and_filters_by_keyboard(browser: Any, tmp_path: Path, bundle: dict[str, Any]) -> None:
    opened = Opened(browser, tmp_path, "records", viewport=PHONE)
    page, total = opened.page, len(bundle["records"])
    assert opened.said() == f"{total} of {total} records, the first 100 are shown."
    page.focus("button:has-text('Show all')")
    page.keyboard.press("Enter")
    assert opened.said() == f"{total} of {total} records."
    assert page.evaluate("[...document.querySelectorAll('tbody tr')].indexOf(document.activeElement.closest('tr'))") == 100
    page.focus("input[type=search]")
    page.keyboard.type("runs/ lnl 0.02 short")
    wanted = [row for row in bundle["records"] if row[0].startswith("runs/") and _table(bundle, row[7]) == {"color_var": 0.02}]
    values = sorted(_table(bundle, row[9])["test_accuracy"] for row in wanted if "lnl" in row[0] and row[5] == "short")
    assert opened.said() == f"{len(values)} of {total} records."
    page.focus("th button:has-text('test_accuracy')")
    page.keyboard.press("Enter")
    assert page.get_attribute("th:has(button:has-text('test_accuracy'))", "aria-sort") == "ascending"
    shown = [float(text) for text in page.locator("tbody td:nth-child(5)").all_inner_texts()]
    assert shown == pytest.approx(values, abs=1e-5)
    page.keyboard.press("Enter")
    assert [float(text) for text in page.locator("tbody td:nth-child(5)").all_inner_texts()] == shown[::-1]
    page.select_option("label:has-text('metric') select", "test_demographic_parity_difference")
    assert set(page.locator("tbody td:nth-child(5)").all_inner_texts()) == {"not measured"}
    assert opened.too_wide() <= 0
    opened.context.close()
    assert opened.faults == []


def test_the_page_of_a_record_shows_all_of_it(browser: Any, tmp_path: Path, bundle: dict[str, Any]) -> None:
    opened = Opened(browser, tmp_path, "record", address=f"#{LNL}", viewport=DESK)
    record, text = read_record(ROOT / "results" / f"{LNL}.json"), opened.page.inner_text("main")
    assert opened.said() == "colored_mnist, lnl, seed 0, profile short."
    assert {field.name for field in fields(RunRecord)} >= {"config", "metrics"}
    for name, value in record.metrics.items():
        assert re.search(rf"^{name}\s+{re.escape(format(value, '.6g'))}", text, re.MULTILINE), name
    for name in record.config:
        assert re.search(rf"^{name}\s", text, re.MULTILINE), name
    assert f"git checkout {record.provenance['commit']}\nlnl train --experiment colored_mnist --method lnl" in text
    assert opened.page.title() == f"{LNL}, x", "tabs and history tell records apart"
    opened.page.evaluate("location.hash = '#runs/nothing'")
    assert opened.said() == "There is no record runs/nothing: choose one in the list of every record."
    assert opened.page.title() == "x"
    opened.context.close()
    assert opened.faults == []


def test_every_folder_of_records_is_shown() -> None:
    """A folder below results whose files are run records is one of those that the pages read."""
    of_records = set()
    for path in (ROOT / "results").rglob("*.json"):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and {"experiment", "setting", "config", "metrics", "provenance"} <= set(found):
            of_records.add(path.parent.relative_to(ROOT / "results").as_posix())
    assert of_records <= set(records.FOLDERS)


def test_the_list_that_a_row_links_to_holds_its_runs(bundle: dict[str, Any]) -> None:
    text = (ROOT / "book" / "results" / "exceptions.md").read_text(encoding="utf-8")
    asked = set(re.findall(r'href="records\.html#([^"]+)"', text))
    assert len(asked) == 6
    for words in map(unquote, asked):
        found = [row for row in bundle["records"] if all(word in f"{row[0]} {row[3]}" for word in words.split())]
        assert len({row[3] for row in found}) == 1, words
        assert len(found) >= 12, words

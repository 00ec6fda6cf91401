"""`make gpu`: steps with a limit each, what is done is not done again, records come home in one file and are checked."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lnl_core.errors import RecordError
from tools import ROOT
from tools.studies import gpu

STORED = sorted((ROOT / "results" / "runs").glob("*.json"))[:2]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "results" / "runs").mkdir(parents=True)
    shutil.copy2(STORED[0], tmp_path / "results" / "runs")
    monkeypatch.setattr(gpu, "ROOT", tmp_path)
    monkeypatch.setattr(gpu, "WORK", tmp_path / "work")
    return tmp_path


@pytest.fixture
def step(tree: Path) -> Callable[[str], list[str]]:
    """The command of a step that writes its name into a file, and then does what the code says."""
    return lambda code: [sys.executable, "-c", f"open('order', 'a').write('x'); {code}"]


def test_steps_are_done_once_in_order_and_a_failed_one_again(tree: Path, step: Callable[[str], list[str]]) -> None:
    new = tree / "results" / "runs" / STORED[1].name
    todo = [
        ("good", step("print('said')")),
        ("bad", step("raise SystemExit(1)")),
        ("runs", step(f"import shutil; shutil.copyfile({str(STORED[1])!r}, {str(new)!r})")),
    ]
    assert gpu.drive(todo, tree / "out", 5, progress=False) == {"good": True, "bad": False, "runs": True}
    assert (tree / "order").read_text() == "xxx"
    assert sorted(path.name for path in (tree / "out").iterdir()) == ["log.txt", "records.jsonl", "steps.json"]
    assert "said" in (tree / "out" / "log.txt").read_text()
    lines = [json.loads(line) for line in (tree / "out" / "records.jsonl").read_text().splitlines()]
    assert [line["file"] for line in lines] == [f"runs/{STORED[1].name}"], "a record that came with the checkout stays at home"
    gpu.drive(todo, tree / "out", 5, progress=False)
    assert (tree / "order").read_text() == "xxxx", "only the failed step is begun again"


def test_a_step_that_takes_too_long_is_stopped_with_all_that_it_started_and_goes_on(
    tree: Path, step: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "LONGEST", 1.5)
    child = "import subprocess, sys, os, time; os.path.exists('seen') and sys.exit(0); open('seen', 'w'); "
    child += "subprocess.run([sys.executable, '-c', 'import time; time.sleep(4); open(\\'late\\', \\'w\\')'])"
    done = gpu.drive([("long", step(child))], tree / "out", 5, progress=False)
    assert done == {"long": True}, "the second time it had no more to do"
    time.sleep(3.5)
    assert not (tree / "late").exists()


def test_without_time_nothing_is_begun(tree: Path, step: Callable[[str], list[str]]) -> None:
    assert gpu.drive([("any", step("pass"))], tree / "out", 0.1, progress=False) == {}
    assert not (tree / "order").exists()


def test_records_come_home(tree: Path) -> None:
    text = STORED[1].read_text(encoding="utf-8")
    home = tree / "home"
    home.mkdir()
    line = {"file": f"runs/{STORED[1].name}", "text": text}
    (home / gpu.RECORDS).write_text(json.dumps(line) + "\n", encoding="utf-8")
    (written,) = gpu.unpack(home, tree)
    assert written.read_text(encoding="utf-8") == text
    assert gpu.unpack(home, tree) == [], "what is there stays"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1, is damaged"),
        (json.dumps({"file": "runs/a.json"}), "line 1, is damaged"),
        (json.dumps({"file": "../a.json", "text": "{}"}), "no place of records"),
        (json.dumps({"file": "runs/a.json", "text": "{}"}), r"a\.json"),
    ],
)
def test_a_pack_that_is_not_ours_is_refused(line: str, message: str, tree: Path) -> None:
    (tree / gpu.RECORDS).write_text(line + "\n", encoding="utf-8")
    with pytest.raises(RecordError, match=message):
        gpu.unpack(tree, tree)
    assert not (tree / "results" / "runs" / "a.json").exists()
    assert not (tree / "a.json").exists()


def test_every_step_names_a_study_or_a_command() -> None:
    from tools.studies.__main__ import known

    commands = dict(gpu.steps(4, "data"))
    assert [*commands][:2] == ["tests", "bench"]
    assert set(gpu.STUDIES_IN_ORDER) <= set(known())
    assert all("--data-dir" in command for name, command in commands.items() if name not in ("tests", "bench"))

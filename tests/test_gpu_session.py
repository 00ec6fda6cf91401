"""`make gpu`: steps with a limit each, what is done is not done again, records come home in one file and are checked."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_gpu
import torch

from lnl_core.errors import DataError, RecordError
from tools import ROOT
from tools.pages import left_out
from tools.studies import gpu, newer
from tools.studies.__main__ import known
from tools.studies.study import Options, Runs

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
    assert gpu.drive(todo, tree / "out", 5, progress=False) == {
        "good": "done",
        "bad": "failed with exit code 1: log.txt says why",
        "runs": "done",
    }
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
    done = gpu.drive([("long", [*step(child), "tools.studies"])], tree / "out", 5, progress=False)
    assert done == {"long": "done"}, "the second time it had no more to do"
    time.sleep(3.5)
    assert not (tree / "late").exists()


def test_tests_and_benchmark_that_take_too_long_are_not_begun_anew(
    tree: Path, step: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "LONGEST", 0.5)
    done = gpu.drive([("tests", step("import time; time.sleep(20)")), ("next", step("pass"))], tree / "out", 5, progress=False)
    assert done == {"tests": gpu.STOPPED, "next": "done"}
    assert (tree / "order").read_text() == "xx"


def test_what_came_in_is_packed_while_a_step_goes_on_and_a_signal_leaves_no_process_behind(
    tree: Path, step: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine may be taken away at any moment: what is packed by then is at home, and nothing goes on unseen."""
    monkeypatch.setattr(gpu, "EVERY", 0.2)
    looked: list[int] = []

    def look() -> None:
        looked.append(len(looked))
        if len(looked) == 3:
            raise SystemExit("stopped by SIGTERM")

    child = step("import time; time.sleep(3); open('late', 'w')")
    with pytest.raises(SystemExit, match="SIGTERM"):
        gpu.run_step(child, tree / "log.txt", 60, look)
    time.sleep(3.5)
    assert len(looked) == 3
    assert not (tree / "late").exists()


def test_without_a_card_or_without_digits_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "choose_device", lambda: torch.device("cpu"))
    assert gpu.obstacle(None).startswith("there is no CUDA device: the tests would be skipped")
    monkeypatch.setattr(gpu, "choose_device", lambda: torch.device("cuda"))

    def missing(*_: Any) -> None:
        raise DataError("MNIST is not there: set LNL_DATA_DIR to its folder")

    monkeypatch.setattr(gpu, "load_mnist", missing)
    assert gpu.obstacle(None) == "MNIST is not there: set LNL_DATA_DIR to its folder"
    monkeypatch.setattr(gpu, "load_mnist", lambda *_: None)
    assert gpu.obstacle(None) == ""


def test_without_time_nothing_is_begun(tree: Path, step: Callable[[str], list[str]]) -> None:
    assert gpu.drive([("any", step("pass"))], tree / "out", 0.1, progress=False) == {}
    assert not (tree / "order").exists()


def packed(folder: Path, *files: tuple[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    lines = "".join(json.dumps({"file": name, "text": text}) + "\n" for name, text in files)
    (folder / gpu.RECORDS).write_text(lines, encoding="utf-8")
    return folder


def test_records_of_every_study_come_home(tree: Path) -> None:
    """Packed on one machine, unpacked on another, word for word."""
    stored = [ROOT / "results" / name for name in gpu.asked() if (ROOT / "results" / name).is_file()]
    chosen = [next(path for path in stored if path.parent.name == place and path != STORED[0]) for place in gpu.PLACES]
    for path in chosen:
        (tree / "results" / path.parent.name).mkdir(exist_ok=True)
        shutil.copyfile(path, tree / "results" / path.parent.name / path.name)
    os.utime(tree / "results" / "runs" / STORED[0].name, (0, 0))
    (tree / "work").mkdir()
    assert gpu.pack(1, tree / "out") == len(gpu.PLACES)
    home = tree / "home"
    found = gpu.unpack(tree / "out", home)
    assert {path.relative_to(home) for path in found.written} == {path.relative_to(ROOT) for path in chosen}
    assert all(path.read_bytes() == (ROOT / path.relative_to(home)).read_bytes() for path in found.written)
    again = gpu.unpack(tree / "out", home)
    assert (again.written, again.there, again.other) == ([], found.written, []), "what is there stays"


def test_what_is_there_with_other_numbers_stays_and_is_named(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tree / "results" / "runs" / STORED[1].name
    target.write_text("mine", encoding="utf-8")
    text = STORED[1].read_text(encoding="utf-8")
    found = gpu.unpack(packed(tree / "pack", (f"runs/{STORED[1].name}", text)), tree)
    assert (found.written, found.there, found.other) == ([], [], [target])
    assert target.read_text() == "mine"
    assert gpu.say_unpacked(found) == 1
    assert f"{target} says something else already, and stays" in capsys.readouterr().out


@pytest.mark.parametrize(("color_var", "wanted", "other"), [(0.02, "float32", "bf16"), (0.03, "bf16", "float32")])
def test_a_record_in_another_precision_than_its_study_asks_for_is_refused(
    color_var: float, wanted: str, other: str, tree: Path
) -> None:
    config = newer.config_of("reweighing", color_var, 0)
    (name,) = (name for name, asked in gpu.asked().items() if name.startswith("newer/") and asked == config)
    like = json.loads(next((ROOT / "results" / "newer").glob("*-reweighing-*.json")).read_text(encoding="utf-8"))

    def text(precision: str) -> str:
        return json.dumps(like | {"config": config.with_options(precision=precision).to_dict()})

    good = (f"runs/{STORED[1].name}", STORED[1].read_text(encoding="utf-8"))
    with pytest.raises(RecordError, match=f"line 2 holds another run .precision '{other}' instead of '{wanted}'"):
        gpu.unpack(packed(tree / "pack", good, (name, text(other))), tree)
    assert not (tree / "results" / good[0]).exists(), "nothing is written before all are checked"
    assert len(gpu.unpack(packed(tree / "pack", (name, text(wanted))), tree).written) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1, is damaged"),
        (json.dumps({"file": "runs/a.json"}), "line 1, is damaged"),
        (json.dumps({"file": "../a.json", "text": "{}"}), "no place of records"),
        (json.dumps({"file": "runs/../a.json", "text": "{}"}), "no place of records"),
        (json.dumps({"file": "runs/a.json", "text": "{}"}), r"a\.json"),
        (json.dumps({"file": "runs/a.json", "text": STORED[0].read_text(encoding="utf-8")}), "which no study asks for"),
    ],
)
def test_a_pack_that_is_not_ours_is_refused(line: str, message: str, tree: Path) -> None:
    (tree / gpu.RECORDS).write_text(line + "\n", encoding="utf-8")
    with pytest.raises(RecordError, match=message):
        gpu.unpack(tree, tree)
    assert not (tree / "results" / "runs" / "a.json").exists()
    assert not (tree / "a.json").exists()


def test_every_step_names_a_study_or_a_command() -> None:
    commands = dict(gpu.steps(4, "data"))
    assert [*commands] == ["tests", "bench", *gpu.STUDIES_IN_ORDER]
    assert set(gpu.STUDIES_IN_ORDER) <= set(known())
    assert all("--data-dir" in command for name, command in commands.items() if name != "tests")
    folders = [command[command.index("--work") + 1] for name, command in commands.items() if name in gpu.STUDIES_IN_ORDER]
    assert len({*folders}) == len(gpu.STUDIES_IN_ORDER), "one run in two precisions has one name"
    assert [*dict(gpu.steps(4, None, ["newer"]))] == ["tests", "bench", "newer"]


def test_all_that_is_to_be_trained_yet_can_come_home() -> None:
    studies = known()
    runs = {name for name, (there, planned) in left_out.counts().items() if there < planned and isinstance(studies[name], Runs)}
    assert runs <= {*gpu.STUDIES_IN_ORDER}
    assert {"figure_4_full", "released", "newer"} <= {*gpu.STUDIES_IN_ORDER}
    places = {job.file.parent for name in gpu.STUDIES_IN_ORDER for job in studies[name].jobs(Options())}
    assert places == {ROOT / "results" / place for place in gpu.PLACES}


def test_the_step_of_the_tests_collects_some_and_none_is_marked_elsewhere() -> None:
    command = [*dict(gpu.steps(1, None))["tests"], "--collect-only", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len([line for line in done.stdout.splitlines() if line.startswith(f"{gpu.TESTS}::")]) >= 5
    mark = "pytest.mark." + "gpu"
    marked = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py") if mark in path.read_text("utf-8")]
    assert marked == [gpu.TESTS]


@pytest.mark.parametrize("case", test_gpu.CASES)
def test_every_case_for_a_card_trains_the_same_network_twice_on_the_cpu(case: str) -> None:
    """So that none of them fails on a card for a reason of its own."""
    config, digits = test_gpu.of_case(case), test_gpu.blots()
    options = {"unbiased": digits} if config.method == "last_layer" else {}
    one, other = (test_gpu.moved(config, digits, "cpu", **options) for _ in range(2))
    assert float(one.norm()) > 0.01
    assert test_gpu.apart(one, other) < 1e-6


def test_a_step_that_tested_nothing_says_so(tree: Path) -> None:
    (tree / "test_none.py").write_text("def test_plain() -> None:\n    assert True\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "nothing", str(tree / "test_none.py")]
    said = f"nothing was tested: no test in {gpu.TESTS} is marked gpu"
    assert gpu.drive([("tests", command)], tree / "out", 5, progress=False) == {"tests": said}
    assert json.loads((tree / "out" / "steps.json").read_text()) == {"tests": said}
    assert gpu.outcome(gpu.NO_TESTS, ["lnl", "bench"]).startswith("failed with exit code 5"), "pytest's code alone means that"


def test_make_gpu_takes_the_environment_of_the_project_unless_told_another() -> None:
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS", "MAKEOVERRIDES")}

    def commands(*arguments: str) -> str:
        asked = ["make", "-n", "gpu", *arguments]
        return subprocess.run(asked, cwd=ROOT, env=clean, capture_output=True, text=True, check=True).stdout

    assert ".venv/bin/python -m tools.studies.gpu" in commands()
    assert "python9 -m tools.studies.gpu" in commands("PYTHON=python9")

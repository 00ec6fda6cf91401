"""The tests of the assignments, tested: right answers get all points under any class seed, wrong ones lose theirs and get a name.

The wrong answers are those of the classroom, one file each in ``course/wrong``.
"""

import ast
import copy
import hashlib
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from in_process import RIGHT, WRONG, assignment, decided_by_tests, execute, misconception, wrong_answer

from lnl_core.experiments import registry
from lnl_core.training.loop import fit
from tools import ROOT
from tools.course.release import COURSE, own, release, scripts

NAMES = [script.stem for script in scripts()]
SEEDS = (2026, 7, 31337)
WRONG_ANSWERS = sorted(WRONG.glob("*/*.py"))
OTHER_RIGHT_ANSWERS = sorted(RIGHT.glob("*/*.py"))
RARE_SEEDS = (147, 285, 293, 366, 394, 2063, 2113, 2161, 2190, 2191, 2342, 2383)
"""Class seeds whose draw had a worst cell without a hit in assignment 5."""
MISCONCEPTIONS = json.loads((COURSE / "misconceptions.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def _trained_once() -> Iterator[None]:
    """The same weights trained on the same data by the same configuration are remembered: most answers leave them as they are."""
    known: dict[tuple[str, str], tuple[Any, Any]] = {}

    def remembering(network: Any, data: Any, config: Any, **options: Any) -> Any:
        arrays = [data.images, data.labels, data.bias, *network.state_dict().values()]
        key = str(config.to_dict()), hashlib.sha256(b"".join(one.numpy().tobytes() for one in arrays)).hexdigest()
        if key not in known:
            history = fit(network, data, config, **options)
            known[key] = copy.deepcopy(network.state_dict()), history
        network.load_state_dict(known[key][0])
        network.eval()
        return known[key][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lnl_core.training.loop.fit", remembering)
        yield


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Few digits, a folder of its own, and no experiment of a notebook that ran before in this process."""
    monkeypatch.setenv("LNL_PROFILE", "smoke")
    monkeypatch.setattr(registry, "_known", dict(registry.registered()))
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)  # assignment 4 takes one


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NAMES)
def test_right_answers_get_all_points_under_any_seed(name: str, seed: int) -> None:
    notebook = assignment(name, seed)
    outcome = execute(notebook)
    assert outcome.errors == {}
    assert outcome.scores == decided_by_tests(notebook)


def defined(source: str) -> set[str]:
    """The names that a cell defines at its top level, in branches and loops too."""
    functions = (ast.FunctionDef, ast.ClassDef)
    nodes = [node for top in ast.parse(source).body for node in ([top] if isinstance(top, functions) else ast.walk(top))]
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {node.name for node in nodes if isinstance(node, functions)}


@pytest.mark.parametrize("name", NAMES)
def test_hidden_tests_need_the_answers_and_the_locked_cells_and_nothing_else(name: str) -> None:
    """A grader runs them after the student's process has ended: locked cells alone, then the answers, then each hidden block."""
    notebook = assignment(name)
    left = execute(notebook).names
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    here: dict[str, Any] = {}
    for cell in code:
        if own(cell)["locked"] and not own(cell)["grade"]:
            exec(compile(cell.source, cell.id, "exec"), here)
    answers = {answer for cell in code if own(cell)["solution"] for answer in defined(cell.source)}
    here |= {answer: left[answer] for answer in answers & set(left)}
    blocks = [re.split("### (?:BEGIN|END) HIDDEN TESTS", cell.source)[1] for cell in code if own(cell)["grade"]]
    assert len(blocks) == len(decided_by_tests(notebook))
    for block in blocks:
        exec(compile(block, "hidden tests", "exec"), dict(here))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_released_gets_nothing_and_every_cell_is_reached(name: str) -> None:
    outcome = execute(release(assignment(name)))
    assert outcome.scores
    assert set(outcome.scores.values()) == {0.0}
    assert outcome.named == set(), "nobody is told of a misconception for an empty answer"


@pytest.mark.parametrize("path", WRONG_ANSWERS, ids=lambda path: f"{path.parent.name[:2]}-{path.stem}")
def test_a_wrong_answer_loses_what_it_should_and_gets_one_name(path: Path) -> None:
    answer = wrong_answer(path)
    outcome = execute(answer.notebook)
    full = decided_by_tests(answer.notebook)
    lost = {name: full[name] - score for name, score in outcome.scores.items() if score < full[name]}
    assert lost == answer.lost, outcome.errors
    assert outcome.named == {answer.name} - {""}, outcome.errors


@pytest.mark.parametrize("path", OTHER_RIGHT_ANSWERS, ids=lambda path: f"{path.parent.name[:2]}-{path.stem}")
@pytest.mark.parametrize("seed", SEEDS[:2])
def test_another_right_answer_gets_all_points(path: Path, seed: int) -> None:
    answer = wrong_answer(path, seed)
    outcome = execute(answer.notebook)
    assert outcome.errors == {}
    assert outcome.scores == decided_by_tests(answer.notebook)


def test_the_worst_cell_is_right_under_every_class_seed() -> None:
    cells = {cell.id: cell.source for cell in assignment("a5_is_it_gone").cells}
    code = [compile(cells[name], name, "exec") for name in ("cell", "test-cell")]
    for seed in (*range(51), *RARE_SEEDS):
        names: dict[str, Any] = {"np": np, "CLASS_SEED": seed}
        for one in code:
            exec(one, names)


def test_a_control_that_shuffles_in_place_is_seen_beside_the_students_code() -> None:
    """Hidden tests cannot see it: the grader hands arrays over as copies."""
    notebook = assignment("a5_is_it_gone")
    cells = {cell.id: cell for cell in notebook.cells}
    cells["control"].source = (
        "def control_accuracy(z, bias, seed):\n"
        "    np.random.default_rng(seed + 1).shuffle(bias)\n"
        "    return probe_accuracy(z, bias, seed)"
    )
    cells["test-control"].source = cells["test-control"].source.split("### BEGIN HIDDEN TESTS")[0]
    outcome = execute(notebook)
    assert outcome.errors == {
        "test-control": "AssertionError: control_accuracy shuffles the array that it is given: shuffle a copy."
    }


def test_every_misconception_is_explained_and_has_a_wrong_answer() -> None:
    used = set()
    for script in scripts():
        used |= set(re.findall(r"\[([a-z]+(?:-[a-z]+)+)\]", script.read_text(encoding="utf-8")))
    assert used == set(MISCONCEPTIONS)
    assert used == {misconception(path) for path in WRONG_ANSWERS} - {""}
    for name, entry in MISCONCEPTIONS.items():
        assert set(entry) == {"title", "explain", "chapter"}, name
        page = entry["chapter"].split("#")[0]
        assert (ROOT / f"{page}.md").is_file() or (ROOT / f"{page}.ipynb").is_file(), f"{name}: there is no page {page}"
        assert 2 <= len(re.findall(r"[.?!](?: |$)", entry["explain"])) <= 4, f"{name}: two or three sentences"


def test_what_an_assignment_wants_read_is_in_the_syllabus_by_then() -> None:
    page = (ROOT / "book" / "teaching.md").read_text(encoding="utf-8").split("## Three syllabuses")[1].split("\n## ")[0]
    for syllabus in page.split("| week |")[1:]:
        seen = ""
        for chapters, due in re.findall(r"^\| \d \| (.*) \| (.*) \|$", syllabus, flags=re.MULTILINE):
            seen += chapters
            for script in (one for one in scripts() if one.stem[:2] in due):
                title = script.read_text(encoding="utf-8").split("\n# %%")[0]
                wanted = re.findall(r"`(?:book|notebooks)/(\w+)`", title)
                assert wanted
                assert [one for one in wanted if f"{one}." not in seen] == [], f"{script.stem} in\n{syllabus}"


def test_the_seconds_on_the_teaching_page_are_those_that_were_measured() -> None:
    """And each assignment takes less than three minutes."""
    seconds = json.loads((COURSE / "expected_seconds.json").read_text(encoding="utf-8"))["seconds"]
    assert list(seconds) == NAMES
    assert max(seconds.values()) < 180
    rows = re.findall(
        r"^\| (a\d_\w+) \|.*\| (\d+) \|$", (ROOT / "book" / "teaching.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert rows == [(name, str(math.ceil(value))) for name, value in seconds.items()]

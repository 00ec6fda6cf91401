"""A class graded end to end: everyone gets a mark and a page, attacks cost their author alone, and hidden tests stay hidden."""

import csv
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import distributed
import psutil
import pytest
from toy_course import ATTACKS, DAMAGES, NAME, SECRETS, SOURCE, answered, attacker, toy, write_course

from lnl_core.errors import ConfigError, StorageError
from tools import ROOT
from tools.course import examine as examining, feedback, grade as grading
from tools.course.assignment import Assignment, read_course
from tools.course.grade import Plan, Result, grade
from tools.course.layouts import Found, Student, Submission, find
from tools.course.repair import mend, read_cells
from tools.course.sandbox import Limits, Sandbox, choose, trouble

SANDBOXED = not (trouble("namespaces") and trouble("bubblewrap"))
QUICK = Limits(cell=2.5, call=2.5, wall=15.0, memory=1 << 30, disk=16 << 20, processes=24)
ELSEWHERE = {"stubborn-loop", "exits-nicely", "kills-all", "calls-home"}  # their like is in test_course_sandbox.py
TRIED = sorted(set(ATTACKS) - ELSEWHERE)
OWN = {"good", "empty", "square", "syntax", "twice", "nothing", "junk", "alien"}
HALF = {"without_tests", "by_vs_code"}
CALLS = SOURCE.replace('total is not the sum of the table."', 'No."\nassert double(total) == 2 * total, "double"')


def points(result: Result) -> dict[str, float | None]:
    return {task["name"]: task["points"] for task in result["tasks"]}


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@dataclass
class Class:
    assignment: Assignment
    submitted: Path
    plan: Plan
    results: dict[str, Result]
    outside: Path

    def page(self, student: str) -> str:
        (path,) = (self.plan.out / "feedback" / student).rglob("*.html")
        return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sandboxed() -> None:
    """Hostile notebooks are tried in a sandbox alone; without one their tests are passed over, or fail where it is required."""
    if SANDBOXED:
        return
    if os.environ.get("LNL_SANDBOX") == "required":
        pytest.fail("LNL_SANDBOX=required asks that hostile notebooks are tried, and this machine has no sandbox")
    pytest.skip("this machine has no sandbox")


@pytest.fixture(scope="module")
def graded(sandboxed: None, tmp_path_factory: pytest.TempPathFactory) -> Class:
    """Everybody, graded once: right and wrong answers, damaged notebooks, every attack."""
    folder = tmp_path_factory.mktemp("class")
    assignment = toy(folder / "course")
    submitted, outside = folder / "submitted", folder / "outside"
    outside.mkdir()
    notebooks: dict[str, Any] = {
        "good": answered(assignment),
        "empty": assignment.released,
        "square": answered(assignment, double="def double(x):\n    return x * x"),
        "syntax": answered(assignment, total="total = (1"),
        "alien": {"cells": [{"cell_type": "code", "source": "print('hello')", "metadata": {}}]},
    }
    for name in HALF:
        DAMAGES[name](notebooks.setdefault(name, answered(assignment)))
    source = folder / "course" / "source" / NAME / f"{NAME}.ipynb"
    for name in TRIED:
        notebooks[name] = attacker(assignment, name, submitted / "good" / NAME / f"{NAME}.ipynb", source, outside)
    for name, notebook in notebooks.items():
        place = submitted / name / NAME / f"{NAME}.ipynb"
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps(notebook), encoding="utf-8")
    for name, files in {"twice": ("a.ipynb", "b.ipynb"), "nothing": (), "junk": ("junk.ipynb",)}.items():
        (submitted / name / NAME).mkdir(parents=True)
        for file in files:
            (submitted / name / NAME / file).write_text("no JSON")
    (folder / "list.csv").write_text(
        "id,name\n" + "".join(f"{name},Student {name}\n" for name in [*notebooks, "twice", "nothing", "absent"])
    )
    plan = Plan(
        folder / "course", folder / "out", class_list=folder / "list.csv", jobs=2, limits=QUICK, progress=False, site="https://book"
    )
    summary = grade(submitted, plan)
    assert summary.there == 0
    return Class(assignment, submitted, plan, {one["student"]["id"]: one for one in summary.results}, outside)


def test_everybody_has_a_result_a_row_and_a_page(graded: Class) -> None:
    names = {*TRIED, *OWN, *HALF}
    assert set(graded.results) == names
    table = {row["id"]: row for row in rows(graded.plan.results / "grades.csv")}
    assert set(table) == {*names, "absent"}
    assert table["absent"]["status"] == "nothing handed in"
    assert table["absent"]["points"] == ""
    assert table["junk"]["on class list"] == "no"
    for name in names:
        assert "points</strong>" in graded.page(name)


def test_right_answers_get_their_points_and_wrong_ones_lose_them(graded: Class) -> None:
    full = {"test-double": 50.0, "test-total": 30.0, "why": None}
    assert points(graded.results["good"]) == full
    assert points(graded.results["by_vs_code"]) == full
    assert points(graded.results["without_tests"]) == {**full, "why": 0.0}, "the deleted cell of the question is its answer"
    assert points(graded.results["empty"]) == {"test-double": 0.0, "test-total": 0.0, "why": 0.0}
    assert points(graded.results["square"]) == {**full, "test-double": 0.0}
    assert points(graded.results["syntax"]) == {**full, "test-total": 0.0}


@pytest.mark.parametrize("attack", TRIED)
def test_an_attack_costs_its_own_cells(attack: str, graded: Class) -> None:
    expected = {
        "test-double": 0.0 if "double" in ATTACKS[attack] else 50.0,
        "test-total": 0.0 if "total" in ATTACKS[attack] else 30.0,
    }
    assert points(graded.results[attack]) == {**expected, "why": None}
    assert all(task["message"] for task in graded.results[attack]["tasks"] if task["points"] == 0.0)


def test_nothing_was_written_outside_and_nothing_runs_on(graded: Class) -> None:
    assert list(graded.outside.iterdir()) == []
    assert not [one for one in psutil.process_iter(["cmdline"]) if "time.sleep(98765)" in " ".join(one.info["cmdline"] or [])]


def test_what_could_not_be_graded_is_said_in_one_sentence(graded: Class) -> None:
    problems = {name: one["problem"] for name, one in graded.results.items() if one["problem"]}
    assert set(problems) == {"twice", "nothing", "junk", "alien"}
    for sentence in problems.values():
        assert re.fullmatch(r"[A-Z][^\n]*\.", sentence)
    assert f"not that of {NAME}" in problems["alien"]
    row = next(row for row in rows(graded.plan.results / "grades.csv") if row["id"] == "twice")
    assert (row["points"], row["max"], row["status"]) == ("0", "100.0", "not graded")


def test_no_hidden_test_shows_anywhere_that_students_look(graded: Class) -> None:
    pages = sorted((graded.plan.out / "feedback").rglob("*.html"))
    assert len(pages) == len(graded.results)
    for path in pages:
        text = path.read_text(encoding="utf-8")
        for secret in SECRETS:
            assert secret not in text, (path, secret)
    assert "41.25" not in json.dumps(graded.results["tells-the-inputs"]["tasks"]), "an error cannot carry the input out"


def test_the_message_comes_first_and_the_misconception_with_its_chapter(graded: Class) -> None:
    page = graded.page("square")
    positions = [
        page.index(part)
        for part in ("0 of 50 points", "You square.", "Squares for doubles", "x times x is not", "https://book/book/theory.html")
    ]
    assert positions == sorted(positions)
    page = graded.page("syntax")
    assert page.index("A cell raised SyntaxError") < page.index("<details>") < page.index("cell total, line 1")


def test_visible_tests_that_passed_never_stand_without_a_reason(graded: Class) -> None:
    for name, result in graded.results.items():
        for task in result["tasks"]:
            if task["visible"] and task["points"] == 0.0:
                assert re.search(
                    r"All the tests that you can see passed\. One.* did not:</p>\s*<p><strong>[^<]{10,}", graded.page(name)
                ), name
    assert "All tests passed" not in graded.page("empty")
    assert graded.page("good").count("All tests passed") == 2


def test_pages_hold_no_markup_of_students_and_load_nothing(graded: Class) -> None:
    page = graded.page("markup")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "default-src 'none'" in page
    assert re.search(r"color-scheme: light dark", page)
    assert not re.search(r'(src|href)="(?!https://book/)', page)


def test_the_report_counts_misconceptions_and_says_who_needs_a_look(graded: Class) -> None:
    text = (graded.plan.results / "report.html").read_text(encoding="utf-8")
    assert re.search(r"<td>Squares for doubles</td><td>2</td>", text), "one by a hidden test, one claimed in a message"
    for name in ("twice", "nothing", "junk", "alien", "absent", "by_vs_code"):
        assert f"<td>{name}</td>" in text
    assert "junk is not on the class list" in text


def test_nbgraders_gradebook_has_the_same_marks(graded: Class) -> None:
    from nbgrader.api import Gradebook

    with grading._gradebook(graded.plan) as gradebook:
        assert isinstance(gradebook, Gradebook)
        found = {one.student.id: (one.score, one.needs_manual_grade) for one in gradebook.assignment_submissions(NAME)}
        assert gradebook.find_assignment(NAME).max_score == 100
    assert found["good"] == (80.0, True)
    assert found["square"] == (30.0, True)
    assert found["empty"] == (0.0, False)
    assert found["twice"] == (0.0, False)
    assert len(found) == len(graded.results)


def test_what_a_person_has_marked_reaches_the_tables_and_stays(graded: Class) -> None:
    with grading._gradebook(graded.plan) as gradebook:
        grade_of = gradebook.find_grade("why", NAME, NAME, "good")
        grade_of.manual_score, grade_of.needs_manual_grade = 15.0, False
        gradebook.db.commit()
    for _ in range(2):
        summary = grade(graded.submitted, graded.plan)
        assert summary.there == len(summary.results), "nothing is examined twice"
        row = next(row for row in rows(graded.plan.results / "grades.csv") if row["id"] == "good")
        assert (row["points"], row["status"], row["open"]) == ("95.0", "graded", "0")
    assert "95 of 100 points" in graded.page("good")


def test_a_changed_submission_is_examined_again_and_no_other(graded: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    place = graded.submitted / "square" / NAME / f"{NAME}.ipynb"
    before = place.read_text(encoding="utf-8")
    done: list[str] = []
    work = grading._work

    def seen(jobs: list[grading.Job], *rest: Any) -> None:
        done.extend(job.student.id for job in jobs)
        work(jobs, *rest)

    monkeypatch.setattr(grading, "_work", seen)
    try:
        place.write_text(json.dumps(answered(graded.assignment)), encoding="utf-8")
        (result,) = [one for one in grade(graded.submitted, graded.plan).results if one["student"]["id"] == "square"]
    finally:
        place.write_text(before, encoding="utf-8")
    assert done == ["square"]
    assert points(result)["test-double"] == 50.0


def test_a_second_grading_into_the_same_folder_is_refused(graded: Class) -> None:
    with grading._alone(graded.plan), pytest.raises(ConfigError, match="another grading works in"):
        grade(graded.submitted, graded.plan)


# Small classes of their own


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Plan]:
    """Three right notebooks and a plan."""
    assignment = toy(tmp_path / "course")
    monkeypatch.setattr("nbgrader.api.get_alembic_version", lambda: "0")  # nbgrader starts a process to ask for it
    (tmp_path / "in").mkdir()
    for name in ("ada", "bo", "cy"):
        (tmp_path / "in" / f"{name}.ipynb").write_text(json.dumps(answered(assignment, why=name)))
    return (
        tmp_path / "in",
        Plan(tmp_path / "course", tmp_path / "out", unsafe=True, limits=replace(QUICK, cell=20, wall=60), progress=False),
    )


def test_a_grading_that_is_killed_goes_on_and_loses_nothing(small: tuple[Path, Plan]) -> None:
    submitted, plan = small
    command = [sys.executable, "-m", "tools.course.grade", str(submitted), "--course", str(plan.course), "--out", str(plan.out)]
    command += ["--unsafe", "yes", "--jobs", "2"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(plan.results.glob("*/[a-z]*.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    others = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {path.name: path.read_bytes() for path in plan.results.glob("*/[a-z]*.json")}
    assert 1 <= len(before) < 3, "it was killed in the middle"
    _, alive = psutil.wait_procs(others, timeout=20)
    assert alive == [], "what it had started ends with it"
    plan = replace(plan, limits=Limits())  # those of the command
    summary = grade(submitted, plan)
    assert summary.there == len(before)
    assert [row["points"] for row in rows(plan.results / "grades.csv")] == ["80.0"] * 3
    assert {name: (plan.results / NAME / name).read_bytes() for name in before} == before
    with grading._gradebook(plan) as gradebook:
        assert sorted(one.student.id for one in gradebook.assignment_submissions(NAME)) == ["ada", "bo", "cy"]


def test_a_full_disk_is_said_in_a_sentence_and_the_same_command_goes_on(
    small: tuple[Path, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted, plan = small
    monkeypatch.setattr(grading, "check_source", lambda *_: {"slowest": 0.0, "seconds": 0.0})
    answer = grading.problem("Empty.")
    monkeypatch.setattr(grading, "_work", lambda jobs, *rest: [rest[-1](job, dict(answer)) for job in jobs])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for size in (100, 20_000):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
            with pytest.raises(StorageError, match="make room and give the same command again"):
                grade(submitted, plan)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(list(plan.results.glob("*/[a-z]*.json"))) == 3, "what fitted is there"
    assert grade(submitted, plan).there == 3


@pytest.fixture(scope="module")
def assignment(tmp_path_factory: pytest.TempPathFactory) -> Assignment:
    return toy(tmp_path_factory.mktemp("course"))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Sandbox]:
    """The sandboxes that are started from now on."""
    started: list[Sandbox] = []

    def sandbox(way: str, limits: Limits) -> Sandbox:
        started.append(Sandbox(way, limits))
        return started[-1]

    monkeypatch.setattr(examining, "Sandbox", sandbox)
    return started


def test_functions_are_called_in_one_new_process_after_the_first_has_ended(
    sandboxed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assignment = read_course(write_course(tmp_path, CALLS))[NAME]
    notebook = answered(assignment)
    notebook["cells"].append({"cell_type": "code", "source": "import os\nos._exit(0)", "metadata": {}, "id": "end"})
    cells, _ = mend(read_cells(json.dumps(notebook).encode()), assignment)
    started = counted(monkeypatch)
    examined = examining.examine(assignment, cells, choose(), replace(QUICK, cell=20.0, wall=60.0))
    assert [(one.passed, one.message) for one in examined.verdicts] == [(True, ""), (True, ""), (None, "")]
    assert len(started) == 2


def test_a_call_that_outlasts_its_test_leaves_no_answer_to_a_later_one(sandboxed: None, tmp_path: Path) -> None:
    assignment = read_course(write_course(tmp_path, CALLS))[NAME]
    slow = "import time\ndef double(x):\n    if isinstance(x, np.ndarray): time.sleep(4)\n    return 2 * x"
    cells, _ = mend(read_cells(json.dumps(answered(assignment, double=slow)).encode()), assignment)
    examined = examining.examine(assignment, cells, choose(), replace(QUICK, call=20.0, wall=60.0))
    assert [(one.passed, one.message) for one in examined.verdicts] == [
        (False, "A hidden test called one of your functions, and it took longer than it may."),
        (True, ""),
        (None, ""),
    ]
    assert examined.late, "it is examined again alone"


@pytest.mark.parametrize(
    ("last", "passed", "started"),
    [("twice = twice(21)", True, 2), ("once = 1", True, 1), ("def twice(x):\n    return 3 * x", False, 1)],
)
def test_a_name_that_a_later_cell_takes_costs_nothing(
    last: str, passed: bool, started: int, sandboxed: None, assignment: Assignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a function raises an error for it; one that returns something else is judged as it is."""
    notebook = answered(assignment, double="def twice(x):\n    return x + x\ndef double(x):\n    return twice(x)")
    notebook["cells"].append({"cell_type": "code", "source": last, "metadata": {}})
    boxes = counted(monkeypatch)
    cells, _ = mend(read_cells(json.dumps(notebook).encode()), assignment)
    examined = examining.examine(assignment, cells, choose(), replace(QUICK, cell=20.0, wall=60.0))
    assert [one.passed for one in examined.verdicts] == [passed, True, None], examined.verdicts
    assert len(boxes) == started


def test_a_function_that_raises_an_error_anyway_is_examined_no_second_time(
    sandboxed: None, assignment: Assignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = answered(assignment, double="def double(x):\n    return x and x + 'x'")
    cells, _ = mend(read_cells(json.dumps(notebook).encode()), assignment)
    boxes = counted(monkeypatch)
    examined = examining.examine(assignment, cells, choose(), QUICK)
    assert [one.passed for one in examined.verdicts] == [False, True, None]
    assert len(boxes) == 1


def test_the_profile_of_the_shell_reaches_no_hidden_test(sandboxed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 'from lnl_core import resolve_profile\nsize = 3 if resolve_profile("demo") == "smoke" else 5\ntable ='
    source = SOURCE.replace("table =", size).replace("random(5)", "random(size)")
    source = source.replace("assert not abs(total", 'assert resolve_profile("demo") == "demo"\nassert not abs(total')
    assignment = read_course(write_course(tmp_path, source))[NAME]
    monkeypatch.setenv("LNL_PROFILE", "smoke")
    cells, _ = mend(read_cells(json.dumps(answered(assignment)).encode()), assignment)
    examined = examining.examine(assignment, cells, choose(), replace(QUICK, cell=20.0, wall=60.0))
    assert [(one.passed, one.message) for one in examined.verdicts] == [(True, ""), (True, ""), (None, "")]
    assert os.environ["LNL_PROFILE"] == "smoke"


def test_a_hidden_test_that_an_answer_makes_endless_is_late(sandboxed: None, tmp_path: Path) -> None:
    write_course(tmp_path, SOURCE.replace("assert not abs(total", "while total > 1e6: pass\nassert not abs(total"))
    assignment = read_course(tmp_path)[NAME]
    cells, _ = mend(read_cells(json.dumps(answered(assignment, total="total = 1e9")).encode()), assignment)
    examined = examining.examine(assignment, cells, choose(), QUICK)
    assert [one.message for one in examined.verdicts] == ["", "A hidden test of your answer took longer than it may.", ""]
    assert examined.late


def test_an_answer_that_asks_for_all_memory_costs_its_own_task_alone(sandboxed: None, tmp_path: Path) -> None:
    write_course(tmp_path, SOURCE.replace("assert not abs(total", "np.zeros((int(total), 1000))\nassert not abs(total"))
    assignment = read_course(tmp_path)[NAME]
    cells, _ = mend(read_cells(json.dumps(answered(assignment, total="total = 4e5")).encode()), assignment)
    before = resource.getrlimit(resource.RLIMIT_AS)
    examined = examining.examine(assignment, cells, choose(), QUICK)
    message = "A hidden test could not use your answer (MemoryError): look at its type and its shape."
    assert [one.message for one in examined.verdicts] == ["", message, ""]
    assert resource.getrlimit(resource.RLIMIT_AS) == before


@pytest.mark.parametrize("after", [0, 1])
def test_a_file_that_cannot_be_read_costs_its_author_alone(
    after: int, small: tuple[Path, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, or only when its turn comes."""
    submitted, plan = small
    monkeypatch.setattr(grading, "check_source", lambda *_: {"slowest": 0.0, "seconds": 0.0})
    monkeypatch.setattr(grading, "_record", lambda *_: None)
    monkeypatch.setattr(grading, "_publish", lambda *_: None)
    monkeypatch.setattr(grading, "grade_one", lambda *_: grading.problem("x"))
    read, times = Path.read_bytes, iter(range(9))

    def refuse(path: Path) -> bytes:
        if path.name == "bo.ipynb" and next(times) >= after:
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(grading, "_executor", lambda _: nullcontext((pool, 1)))
        results = {one["student"]["id"]: one["problem"] for one in grade(submitted, plan).results}
    assert results == {"ada": "x", "bo": "The file cannot be read (Permission denied): hand it in once more.", "cy": "x"}


def hand_in(submitted: Path, plan: Plan, **answers: str) -> dict[str, str]:
    """Grade bo's notebook with other answers: the row of the table."""
    (submitted / "bo.ipynb").write_text(json.dumps(answered(read_course(plan.course)[NAME], **answers)))
    grade(submitted, plan)
    return next(row for row in rows(plan.results / "grades.csv") if row["id"] == "bo")


def mark(plan: Plan, task: str, points: float) -> None:
    """What nbgrader's formgrader does when a person enters points."""
    with grading._gradebook(plan) as gradebook:
        grade_of = gradebook.find_grade(task, NAME, NAME, "bo")
        grade_of.manual_score, grade_of.needs_manual_grade = points, False
        gradebook.db.commit()


def test_a_mark_holds_for_the_text_that_was_read(small: tuple[Path, Plan]) -> None:
    submitted, plan = small
    for name in ("ada", "cy"):
        (submitted / f"{name}.ipynb").unlink()
    hand_in(submitted, plan)
    mark(plan, "why", 15.0)
    mark(plan, "test-total", 30.0)  # a person says so, whatever the test says
    row = hand_in(submitted, plan, double="def double(x): return 3 * x")
    assert (row["points"], row["open"], row["status"]) == ("15.0", "30.0", "to be read by a person"), "the text is the same"
    mark(plan, "test-total", 30.0)
    row = hand_in(submitted, plan, double="def double(x): return 3 * x", why="For another reason.")
    assert (row["points"], row["open"]) == ("30.0", "20.0")
    (submitted / "bo.ipynb").write_text("no JSON")
    grade(submitted, plan)
    row = hand_in(submitted, plan, double="def double(x): return 3 * x", why="For another reason.")
    assert (row["points"], row["open"]) == ("30.0", "20.0"), "nobody has read it meanwhile"
    mark(plan, "why", 5.0)
    grade(submitted, plan)
    row = hand_in(submitted, plan, double="def double(x): return 3 * x", why="For another reason.")
    assert (row["points"], row["status"]) == ("35.0", "graded")


def test_two_long_names_have_two_files_of_results(tmp_path: Path) -> None:
    names = ["\u0391\u03bb\u03ad\u03be\u03b1\u03bd\u03b4\u03c1\u03bf\u03c2 " * 5 + end for end in ("\u0391", "\u0392")]
    found = Found("", [Submission(Student(name), problem="No.") for name in (*names, "ada l+1@x")])
    jobs = grading._jobs(found, {}, Plan(tmp_path, tmp_path), "unsafe")
    assert [job.problem for job in jobs] == ["No."] * 3
    assert max(len(job.file.stem) for job in jobs) <= 180
    assert jobs[2].file.name == "ada l+1@x.json"


def test_forms_for_moodle_and_canvas(tmp_path: Path) -> None:
    common = {"assignment": NAME, "max": 100.0, "open": 0.0, "note": "", "moodle": "", "canvas": ""}
    table = [
        {**common, "id": "ada", "name": "Ada L", "points": 80.0, "moodle": "77"},
        {**common, "id": "bo", "name": "Bo", "points": None, "canvas": "12345"},
        {**common, "id": "eve", "name": "=cmd()", "points": 5.0, "canvas": "9", "note": "=1+1"},
        {**common, "id": "cy", "name": "Cy", "points": 5.0, "canvas": "10", "moodle": "78", "open": 20.0},
    ]
    grading.write_table(tmp_path / "canvas.csv", grading.canvas(table))
    first, bo, eve, cy = rows(tmp_path / "canvas.csv")
    assert (first["Student"], first[NAME]) == ("Points Possible", "100.0")
    assert (bo["ID"], bo["SIS Login ID"], bo[NAME]) == ("12345", "bo", "")
    assert eve["Student"] == "'=cmd()", "a spreadsheet computes nothing of it"
    assert cy[NAME] == "", "a text of hers is still to be read"
    now = datetime(2026, 11, 29, 14, 14, tzinfo=UTC)
    ada = {"Identifier": "Participant 77", "Full name": "Ada L", "Grade": 80.0, "Maximum Grade": 100.0}
    ada["Last modified (grade)"] = "2026-11-29T14:14:00+00:00"
    assert grading.moodle(table, now) == [ada, {**ada, "Identifier": "Participant 78", "Full name": "Cy", "Grade": None}]
    table[3]["note"] = "Mended."
    assert [row["Feedback comments"] for row in grading.moodle(table, now)] == ["", "Mended."]


def test_a_source_that_fails_its_own_tests_grades_nobody(small: tuple[Path, Plan]) -> None:
    submitted, plan = small
    write_course(plan.course, SOURCE.replace("return 2 * x", "return 3 * x"))
    with pytest.raises(ConfigError, match="the solution of a0_toy itself does not pass test-double"):
        grade(submitted, plan)


def test_a_slow_assignment_gets_more_time(small: tuple[Path, Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    _, plan = small
    monkeypatch.setattr(grading, "check_source", lambda *_: {"slowest": 100.0, "seconds": 120.0})
    assignment = read_course(plan.course)[NAME]
    for _ in range(2):  # the second time from what was stored
        limits = grading._limits(assignment, "unsafe", plan)
        assert (limits.cell, limits.wall) == (500.0, 600.0)
        monkeypatch.setattr(grading, "check_source", None)


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_late_submission_is_graded_again_alone(at_once: int, small: tuple[Path, Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one is graded at a time: a machine that slept meanwhile makes anybody late."""
    submitted, plan = small
    monkeypatch.setattr(grading, "check_source", lambda *_: {"slowest": 0.0, "seconds": 0.0})
    calls: list[tuple[int, list[str]]] = []

    def work(jobs: list[grading.Job], limits: dict[str, Limits], way: str, executor: Any, ahead: int, done: Any) -> None:
        calls.append((ahead, [job.student.id for job in jobs]))
        for job in jobs:
            late = len(calls) == 1 and job.student.id == "bo"
            done(job, {**grading.problem("x"), "late": late})

    monkeypatch.setattr(grading, "_work", work)
    monkeypatch.setattr(grading, "_record", lambda *_: None)
    monkeypatch.setattr(grading, "_publish", lambda *_: None)
    summary = grade(submitted, replace(plan, jobs=at_once))
    assert calls == [(2 * at_once, ["ada", "bo", "cy"]), (1, ["bo"])]
    assert not any(one["late"] for one in summary.results)


def test_points_of_a_second_examination_reach_the_gradebook(small: tuple[Path, Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    submitted, plan = small
    monkeypatch.setattr(grading, "_executor", lambda _: nullcontext((ThreadPoolExecutor(1), 1)))
    monkeypatch.setattr(grading, "check_source", lambda *_: {"slowest": 0.0, "seconds": 0.0})
    with monkeypatch.context() as patch:
        patch.setattr(grading, "grade_one", lambda *_: grading.problem("The machine slept."))
        grade(submitted, plan)
    (plan.results / NAME / "ada.json").unlink()
    assert grade(submitted, plan).there == 2
    points = {row["id"]: float(row["points"]) for row in rows(plan.results / "grades.csv")}
    assert points["ada"] > 0 == points["bo"]


def test_a_class_list_that_says_more_reaches_the_forms(small: tuple[Path, Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    submitted, plan = small
    monkeypatch.setattr(grading, "grade_one", lambda *_: grading.problem("No."))
    monkeypatch.setattr(grading, "_executor", lambda _: nullcontext((ThreadPoolExecutor(1), 1)))
    monkeypatch.setattr(grading, "check_source", lambda *_: {"slowest": 0.0, "seconds": 0.0})
    for number, line in enumerate(("ada,Ada,,\n", "ada,Ada L,77,88\n")):
        (submitted.parent / "list.csv").write_text(f"id,name,moodle,canvas\n{line}")
        summary = grade(submitted, replace(plan, class_list=submitted.parent / "list.csv"))
        assert summary.there == 3 * number, "nobody is examined again for it"
    (row,) = rows(plan.results / f"moodle_{NAME}.csv")
    assert (row["Identifier"], row["Full name"], row["Grade"]) == ("Participant 77", "Ada L", "0")
    assert [row["ID"] for row in rows(plan.results / "canvas.csv")] == ["", "88"]


def test_who_was_graded_in_another_folder_keeps_the_points(small: tuple[Path, Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    submitted, plan = small
    monkeypatch.setattr(grading, "_executor", lambda _: nullcontext((ThreadPoolExecutor(1), 1)))
    monkeypatch.setattr(grading, "check_source", lambda *_: {"slowest": 0.0, "seconds": 0.0})
    for name in ("ada", "cy"):
        (submitted / f"{name}.ipynb").unlink()
    (submitted.parent / "list.csv").write_text("id,name,moodle\nbo,Bo,7\ndee,Dee,8\neve,Eve,9\n")
    plan = replace(plan, class_list=submitted.parent / "list.csv")
    hand_in(submitted, plan)
    mark(plan, "why", 15.0)
    late = submitted.parent / "late"
    late.mkdir()
    (late / "dee.ipynb").write_text("no JSON")
    summary = grade(late, plan)
    table = {row["id"]: (row["points"], row["status"]) for row in rows(plan.results / "grades.csv")}
    assert table == {"bo": ("95.0", "graded"), "dee": ("0", "not graded"), "eve": ("", "nothing handed in")}
    assert [row["Grade"] for row in rows(plan.results / f"moodle_{NAME}.csv")] == ["0", "95.0", ""]
    assert [one["student"]["id"] for one in summary.results] == ["dee"]
    assert summary.notes == [
        "Not in this folder, and with the points from before: bo. Take their files out of graded if that is wrong.",
        "eve is on the class list and handed nothing in.",
    ]
    (submitted.parent / "list.csv").write_text("id,name\nrobert,Bo\ndee,Dee\n")
    assert grade(late, plan).notes == [
        "bo was graded before, and is robert on the class list: grade that folder again with it.",
        "robert is on the class list and handed nothing in.",
    ]
    changed = replace(read_course(plan.course)[NAME], tasks=())
    assert grading._before([], {NAME: changed}, {}, plan) == ({}, [])
    assert not grading._is_of(summary.results[0] | {"problem": "", "tasks": [{"name": "other"}]}, changed)


def test_the_formgrader_knows_which_submission_of_the_exchange_was_graded(
    small: tuple[Path, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    _, plan = small
    plan = replace(plan, out=plan.course)
    stamps = {"ada": "2026-05-01 10:00:00.123456 UTC\n", "bo": "2026-05-01 10:00:00 +0000", "cy": "yesterday, or so", "dee": ""}
    for name, stamp in stamps.items():
        place = plan.course / "submitted" / name / NAME
        place.mkdir(parents=True)
        (place / f"{NAME}.ipynb").write_text("{}")
        if stamp:
            (place / "timestamp.txt").write_text(stamp)
    monkeypatch.setattr(grading, "grade_one", lambda *_: grading.problem("No."))
    monkeypatch.setattr(grading, "_executor", lambda _: nullcontext((ThreadPoolExecutor(1), 1)))
    monkeypatch.setattr(grading, "check_source", lambda *_: {"slowest": 0.0, "seconds": 0.0})
    grade(plan.course / "submitted", plan)
    with grading._gradebook(plan) as gradebook:
        found = {one.student.id: str(one.timestamp) for one in gradebook.assignment_submissions(NAME)}
    assert found == {"ada": "2026-05-01 10:00:00.123456", "bo": "2026-05-01 10:00:00", "cy": "None", "dee": "None"}
    (plan.course / "autograded").mkdir()
    for name in ("ada", "bo"):
        (plan.course / "autograded" / name / NAME).mkdir(parents=True)
    (plan.course / "submitted" / "cy" / NAME / "timestamp.txt").unlink()  # which nbgrader cannot read either
    api = NbGraderAPI(coursedir=CourseDirectory(root=str(plan.course)))
    assert {"ada", "bo"} <= api.get_autograded_students(NAME)


def test_dask_workers_grade_the_same(small: tuple[Path, Plan]) -> None:
    submitted, plan = small
    for name in ("bo", "cy"):
        (submitted / f"{name}.ipynb").unlink()
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        summary = grade(submitted, replace(plan, dask=cluster.scheduler_address))
    assert [points(one)["test-double"] for one in summary.results] == [50.0]


def test_a_worker_with_another_grader_is_refused() -> None:
    with pytest.raises(ConfigError, match="another version of the grader"):
        grading._on_worker("other", b"", "", "", "unsafe", QUICK)


SHOWN = "The grader could not examine this notebook (RecursionError): show it to your lecturer."


def test_a_notebook_that_the_grader_stumbles_over_stops_nobody_elses(
    small: tuple[Path, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbles(*_: Any) -> Any:
        raise RecursionError("too deep")

    submitted, plan = small
    monkeypatch.setattr(grading, "trouble", lambda _: "")
    with monkeypatch.context() as patch:
        patch.setattr(grading, "grade_one", stumbles)
        assert grading._on_worker(grading._code(), b"", "", NAME, "unsafe", QUICK) == grading.problem(SHOWN)
    monkeypatch.setattr(grading, "read_cells", stumbles)
    jobs = grading._jobs(find(submitted, [NAME]), {}, plan, "unsafe")
    assert [job.problem for job in jobs] == [SHOWN] * 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([""], "say which folder holds the submissions"),
        (["{folder}", "--unsafe", "maybe"], "write UNSAFE=yes"),
        (["{folder}", "--course", "{folder}"], "holds no assignment"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_sentence(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert grading.main([word.format(folder=tmp_path) for word in words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert sentence in said


def test_a_misconception_that_nobody_described_is_still_named_by_its_message() -> None:
    task = {"name": "t", "title": "T", "points": 0.0, "worth": 5.0, "manual": False, "passed": False, "visible": True}
    task |= {"message": "Said.", "misconception": "unknown-one", "error": None, "lines": []}
    result = {"student": {"id": "a", "name": ""}, "assignment": "x", "problem": "", "notes": [], "tasks": [task]}
    page = feedback.page(result, 5.0, {})
    assert "<strong>Said.</strong>" in page
    assert "<aside>" not in page

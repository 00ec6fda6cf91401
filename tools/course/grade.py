"""Grades a folder of submissions: ``python -m tools.course.grade FOLDER``, or ``make grade SUBMITTED=FOLDER``.

Each submission ends in one file of results, written whole or not at all and bound to what was handed in, to the assignment and to
the grader. Whatever is killed, the same command later does what is missing. Marks go through nbgrader into its gradebook, and out
of there, with what a person has marked meanwhile, into tables, feedback and a report.
"""

import argparse
import copy
import csv
import hashlib
import io
import logging
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nbformat import v4
from tqdm import tqdm

from lnl_core._files import read_json, user_path, write_atomically, write_json
from lnl_core.errors import ConfigError, DataError, LNLError, RecordError, StorageError, SweepError
from lnl_core.runs.executors import code_version
from lnl_core.runs.provenance import versions
from tools import ROOT
from tools.course import feedback
from tools.course.assignment import Assignment, parse_assignment, read_course, read_misconceptions
from tools.course.examine import Examined, examine
from tools.course.layouts import Found, Student, Submission, absent, find, known_as, match, read_class_list
from tools.course.release import is_grade, is_solution, own
from tools.course.repair import Cell, belongs_to, mend, read_cells
from tools.course.sandbox import Limits, choose, keep_apart, trouble
from tools.pipes import while_read
from tools.site.notebooks import read_notebook, to_text

Result = dict[str, Any]
_GRADER = ("assignment", "examine", "grade", "jail", "layouts", "release", "repair", "runner", "sandbox", "wire")


@dataclass(frozen=True)
class Plan:
    """How submissions are graded.

    Attributes:
        course: folder with ``source/`` and ``misconceptions.json``.
        out: where results go; by default the course itself, which is then what nbgrader's formgrader shows.
        only: one assignment, or nothing for all.
        class_list: csv file, or None.
        jobs: submissions at a time.
        dask: address of a scheduler whose workers do the work, or nothing.
        site: address of the book, for links to its chapters.
    """

    course: Path
    out: Path
    only: str = ""
    class_list: Path | None = None
    unsafe: bool = False
    jobs: int = 1
    dask: str = ""
    site: str = ""
    limits: Limits = field(default_factory=Limits)
    progress: bool = True

    @property
    def results(self) -> Path:
        return self.out / "graded"


# One submission


def grade_one(data: bytes, assignment_text: str, name: str, way: str, limits: Limits) -> Result:
    """Examine one notebook. Pure data in and out, so that it can be done by any process on any machine.

    Returns:
        ``problem`` (a sentence, or nothing), ``notes``, ``tasks``, ``notebook`` (as nbgrader's autograde would leave it), ``late``,
        ``slowest``, ``seconds``, ``peak``.
    """
    assignment = parse_assignment(name, assignment_text)
    try:
        cells = read_cells(data)
        if not belongs_to(cells, {name: assignment}):
            raise DataError(f"The notebook is not that of {name}, no cell of it is there: hand in the one of this assignment.")
    except DataError as error:
        return problem(str(error))
    mended, notes = mend(cells, assignment)
    examined = examine(assignment, mended, way, limits)
    notebook = autograded(assignment, mended, examined)
    tasks = []
    for verdict, points in zip(examined.verdicts, marks(notebook), strict=True):
        failure = verdict.failure
        lines = (
            [[_place(mended[at], line), *_line(mended[at], line)] for at, line in failure.lines if 0 <= at < len(mended)]
            if failure
            else []
        )
        tasks.append(
            {
                **{key: value for key, value in asdict(verdict).items() if key not in ("task", "failure", "message")},
                "name": verdict.task.name,
                "title": verdict.task.title,
                "points": points,
                "worth": verdict.task.points,
                "manual": verdict.task.manual,
                "message": "There is no answer here." if verdict.task.manual and points == 0 else verdict.message,
                "error": [failure.kind, failure.message] if failure else None,
                "lines": lines,
            }
        )
    measured = {"late": examined.late, "slowest": examined.slowest, "seconds": examined.seconds, "peak": examined.peak}
    return {"problem": "", "notes": notes, "tasks": tasks, "notebook": to_text(notebook), **measured}


def problem(sentence: str) -> Result:
    """The result of a submission that cannot be graded."""
    return {
        "problem": sentence,
        "notes": [],
        "tasks": [],
        "notebook": None,
        "late": False,
        "slowest": 0.0,
        "seconds": 0.0,
        "peak": 0,
    }


def _not_read(error: OSError) -> str:
    return f"The file cannot be read ({error.strerror or type(error).__name__}): hand it in once more."


def _not_examined(error: Exception) -> str:
    """What a student is told of a fault of the grader's own, which must not stop the grading of a class."""
    return f"The grader could not examine this notebook ({type(error).__name__}): show it to your lecturer."


def _place(cell: Cell, line: int) -> str:
    return f"cell {cell.name}, line {line}" if cell.name else f"a cell of your own, line {line}"


def _line(cell: Cell, line: int) -> list[str]:
    lines = cell.source.splitlines()
    return [lines[line - 1].strip()[:200]] if 0 < line <= len(lines) else [""]


def autograded(assignment: Assignment, cells: Sequence[Cell], examined: Examined) -> Any:
    """The notebook as nbgrader's autograde would leave it: its metadata, the tests, and an error where they failed."""
    known = {own(cell)["grade_id"]: cell for cell in assignment.full.cells if own(cell)}
    verdicts = {one.task.name: one for one in examined.verdicts}
    notebook: Any = copy.deepcopy({key: value for key, value in assignment.full.items() if key != "cells"})
    made = []
    for place, cell in enumerate(cells):
        new: Any = v4.new_code_cell(cell.source) if cell.kind == "code" else v4.new_markdown_cell(cell.source)  # type: ignore[no-untyped-call]
        new["id"] = cell.name or f"own-{place}"
        source = known.get(cell.name)
        if source is not None:
            new.metadata = copy.deepcopy(source.metadata)
            new.source = cell.source if is_solution(source) else source.source
        verdict = verdicts.get(cell.name)
        if verdict is not None and verdict.passed is False:
            new.outputs = [v4.new_output("error", ename="Failed", evalue=verdict.message, traceback=[verdict.message])]  # type: ignore[no-untyped-call]
        elif cell.kind == "code" and verdict is None and examined.printed.get(place):
            new.outputs = [v4.new_output("stream", name="stdout", text=examined.printed[place])]  # type: ignore[no-untyped-call]
        made.append(new)
    return v4.new_notebook(cells=made, metadata=notebook["metadata"])  # type: ignore[no-untyped-call]


def marks(notebook: Any) -> list[float | None]:
    """The points of each graded cell by nbgrader's rule; ``None`` where a person has to give them."""
    from nbgrader.utils import determine_grade

    return [determine_grade(cell)[0] for cell in notebook.cells if is_grade(cell)]


# All of them


@dataclass
class Job:
    """A submission with its assignment, and the file that its result goes to; ``handed_in`` is the time, if nbgrader wrote it."""

    submission: Submission
    assignment: Assignment | None
    file: Path
    key: str = ""
    problem: str = ""
    handed_in: str = ""

    @property
    def student(self) -> Student:
        return self.submission.student


@cache
def _code() -> str:
    """Digits that are equal on two machines whose graders are, and the lnl_core that notebooks import."""
    files = [(Path(__file__).parent / f"{name}.py").read_bytes() for name in _GRADER]
    return hashlib.sha256(b"\0".join(files) + repr(code_version()).encode()).hexdigest()


def _key(data: bytes, assignment: Assignment | None, plan: Plan, way: str) -> str:
    """What a result depends on. Another notebook, assignment, limit, grader, lnl_core or version of a package makes another."""
    rest = repr((assignment.digest if assignment else "", plan.limits, way, _code(), versions()))
    return hashlib.sha256(data + rest.encode()).hexdigest()[:32]


def _on_worker(code: str, *job: Any) -> Result:
    """One job, wherever it is done. A notebook that the grader stumbles over is the problem of that one submission."""
    if code != _code():
        raise ConfigError("a Dask worker has another version of the grader: install the same on both, and start the worker again")
    if reason := trouble(job[3]):
        raise ConfigError(f"a machine that grades has no sandbox ({reason}): stop its worker, or give it one")
    try:
        return grade_one(*job)
    except Exception as error:
        machine = isinstance(error, OSError)  # such as a full disk: once more, alone
        return {**problem(_not_examined(error)), "late": machine}


def _file_name(student: str) -> str:
    """A name that any file system takes; of a long one the beginning, with digits that tell it from others that begin so."""
    name = quote(student, safe=" @+")
    return name if len(name) <= 180 else f"{name[:160]}-{hashlib.sha256(student.encode()).hexdigest()[:12]}"


def _jobs(found: Found, course: dict[str, Assignment], plan: Plan, way: str) -> list[Job]:
    jobs: dict[Path, Job] = {}
    for one in found.submissions:
        data, problem = b"", one.problem
        if not problem:
            try:
                data = one.files[0].read_bytes()
            except OSError as error:
                problem = _not_read(error)
        name = one.assignment or plan.only or (next(iter(course)) if len(course) == 1 else "")
        if not name and not problem:
            try:
                name = belongs_to(read_cells(data), course)
                problem = "" if name else "The notebook belongs to no assignment of this course: hand in the right one."
            except DataError as error:
                problem = str(error)
            except Exception as error:
                problem = _not_examined(error)
        if name and name not in course:
            continue  # of an assignment that was not asked for
        file = plan.results / (name or "unknown") / f"{_file_name(one.student.id)}.json"
        job = Job(one, course.get(name), file, problem=problem, handed_in=_handed_in(one) if found.layout == "nbgrader" else "")
        if file in jobs:  # the same student by two ways
            job.problem = "There are two notebooks for this assignment, and one is wanted: hand in that which is to be graded."
        job.key = _key(data + job.problem.encode(), job.assignment, plan, way)
        jobs[file] = job
    return list(jobs.values())


def _handed_in(one: Submission) -> str:
    """What nbgrader wrote beside a notebook, by which its formgrader knows which submission was graded."""
    from nbgrader.utils import parse_utc

    stamp = one.files[0].with_name("timestamp.txt") if one.files else None
    try:
        if stamp and not stamp.is_symlink() and stamp.is_file() and stamp.stat().st_size < 200:
            return str(parse_utc(stamp.read_text(encoding="utf-8").strip()).isoformat())
    except (OSError, ValueError, OverflowError, TypeError):  # of another program, or damaged: there is no time then
        pass
    return ""


def _stored(file: Path) -> Result | None:
    if not file.is_file():
        return None
    try:
        return read_json(file, "it is graded again")
    except RecordError:
        return None


def _store(job: Job, result: Result, plan: Plan) -> None:
    """Write what nbgrader calls the autograded notebook, then the result, which is what counts as done."""
    notebook = result.pop("notebook")
    if notebook and job.assignment:
        folder = plan.out / "autograded" / job.student.id / job.assignment.name
        write_atomically(folder / f"{job.assignment.name}.ipynb", lambda place: place.write_text(notebook, encoding="utf-8"))
    name = job.assignment.name if job.assignment else ""
    write_json(job.file, {"key": job.key, "assignment": name, **result, **_of(job)})


def _of(job: Job) -> Result:
    """What a result says of its submission that may change while the notebook stays."""
    return {"student": asdict(job.student), "handed_in": job.handed_in}


def _before(
    jobs: Sequence[Job], course: dict[str, Assignment], students: dict[str, Student], plan: Plan
) -> tuple[dict[Path, Result], list[str]]:
    """The results of those whose submissions to the same assignments were graded before and are not in the folder, and notes."""
    found: dict[Path, Result] = {}
    notes = []
    listed = known_as(students)
    here = {job.file for job in jobs}
    for name in sorted({job.assignment.name for job in jobs if job.assignment}):
        for file in sorted((plan.results / name).glob("*.json")):
            stored = _stored(file) if file not in here and not file.name.startswith(".") else None
            if stored is None or not _is_of(stored, course[name]):
                continue
            student = Student(**stored["student"])
            now = listed(student) if students else student
            if now.id == student.id:
                found[file] = {**stored, "student": asdict(now)}
            elif not file.with_name(f"{_file_name(now.id)}.json").is_file():
                notes.append(f"{student.id} was graded before, and is {now.id} on the class list: grade that folder again with it.")
    return found, notes + _kept(list(found.values()))


def _is_of(stored: Result, assignment: Assignment) -> bool:
    """Whether a stored result has the tasks that the assignment has now."""
    same = [task["name"] for task in stored.get("tasks", [])] == [task.name for task in assignment.tasks]
    return stored.get("assignment") == assignment.name and (same or bool(stored["problem"]))


def _kept(before: Sequence[Result]) -> list[str]:
    """A note that names those whose results are from another folder."""
    names = sorted({one["student"]["id"] for one in before})
    if not names:
        return []
    said = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return [f"Not in this folder, and with the points from before: {said}. Take their files out of graded if that is wrong."]


def _begin() -> None:
    """In each process of the pool: one thread, no Ctrl-C, and an end when the main process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            wait_for([parent.sentinel])
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextmanager
def _executor(plan: Plan) -> Iterator[tuple[Executor, int]]:
    """Processes of this machine, or the workers of a Dask cluster; and how many jobs to hand out ahead."""
    if plan.dask:
        from distributed import Client

        try:
            client = Client(plan.dask, timeout=20)
        except (OSError, ValueError) as error:
            raise SweepError(
                f"no Dask scheduler answers at {plan.dask} ({type(error).__name__}): start one, or leave DASK out"
            ) from None
        with client:
            yield client.get_executor(), 2 * max(sum(client.nthreads().values()), 1)
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    pool = ProcessPoolExecutor(plan.jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield pool, 2 * plan.jobs
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _work(
    jobs: Sequence[Job], limits: dict[str, Limits], way: str, executor: Executor, ahead: int, done: Callable[[Job, Result], None]
) -> None:
    """Examine the submissions, ``ahead`` of them handed out at a time, and call ``done`` with each result as it comes."""
    left = list(reversed(jobs))
    active: dict[Future[Result], Job] = {}
    while left or active:
        while left and len(active) < ahead:
            job = left.pop()
            assert job.assignment is not None
            try:
                data = job.submission.files[0].read_bytes()
            except OSError as error:
                done(job, problem(_not_read(error)))
                continue
            one = (data, job.assignment.text, job.assignment.name, way, limits[job.assignment.name])
            active[executor.submit(_on_worker, _code(), *one)] = job
        for future in wait(active, return_when=FIRST_COMPLETED).done:
            done(active.pop(future), future.result())


def check_source(assignment: Assignment, way: str, limits: Limits) -> Result:
    """Grade the lecturer's own solution, with time in plenty.

    Raises:
        ConfigError: if it does not get all points; then nobody's answers can be graded.
    """
    patient = replace(limits, cell=max(limits.cell, 900.0), call=max(limits.call, 120.0), wall=max(limits.wall, 1800.0))
    result = grade_one(assignment.text.encode(), assignment.text, assignment.name, way, patient)
    for task in result["tasks"]:
        if not task["manual"] and task["points"] != task["worth"]:
            raise ConfigError(
                f"the solution of {assignment.name} itself does not pass {task['name']} ({task['message']}): "
                "mend the assignment, or give the grader a machine with more memory"
            )
    return result


def _limits(assignment: Assignment, way: str, plan: Plan) -> Limits:
    """The limits of an assignment: those of the plan, or five times what the lecturer's solution took when it was checked here."""
    stamp = plan.results / assignment.name / ".checked.json"
    key = _key(b"", assignment, plan, way)
    checked = _stored(stamp)
    if checked is None or checked["key"] != key:
        result = check_source(assignment, way, plan.limits)
        checked = {"key": key, "slowest": result["slowest"], "seconds": result["seconds"]}
        write_json(stamp, checked)
    limits = plan.limits
    return replace(limits, cell=max(limits.cell, 5 * checked["slowest"]), wall=max(limits.wall, 5 * checked["seconds"]))


@contextmanager
def _alone(plan: Plan) -> Iterator[None]:
    """No second grading into the same folder."""
    import fcntl

    plan.results.mkdir(parents=True, exist_ok=True)
    with (plan.results / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"another grading works in {plan.results}: wait for it, or give another OUT") from None
        yield


@dataclass
class Summary:
    """What was done: results by file, how many of them were there before, and sentences for the lecturer."""

    results: list[Result]
    there: int
    notes: list[str]


def grade(submitted: Path, plan: Plan) -> Summary:
    """Grade a folder of submissions.

    Raises:
        LNLError: a fault of the course, the class list, the folder or the machine, in a sentence. A fault of a submission is in its
            result and feedback, and concerns nobody else.
    """
    course = read_course(plan.course, plan.only)
    students = read_class_list(plan.class_list) if plan.class_list else {}
    found = find(submitted, [path.name for path in sorted((plan.course / "source").iterdir())])
    if students:
        found = match(found, students)
    keep_apart(plan.course / "source", submitted, plan.out)
    way = choose(plan.unsafe)
    with _alone(plan):
        jobs = _jobs(found, course, plan, way)
        limits = {
            name: _limits(course[name], way, plan) for name in sorted({job.assignment.name for job in jobs if job.assignment})
        }
        results: dict[Path, Result] = {}
        again: list[Job] = []
        todo: list[Job] = []
        for job in jobs:
            stored = _stored(job.file)
            if stored is None or stored.get("key") != job.key:
                todo.append(job)
            elif stored["late"]:
                again.append(job)
            else:  # the class list may say more of the student than when this was stored
                results[job.file] = {**stored, **_of(job)}
                if results[job.file] != stored:
                    write_json(job.file, results[job.file])
        there = len(results)
        with tqdm(total=len(todo) + len(again), unit="submission", disable=not plan.progress) as bar:

            def done(job: Job, result: Result, last: bool = False) -> None:
                late = result["late"] and not last
                if late:
                    again.append(job)
                    bar.total = (bar.total or 0) + 1
                _store(job, {**result, "late": late}, plan)
                results[job.file] = _stored(job.file) or {}
                bar.update()

            for job in todo:
                if job.problem:
                    done(job, problem(job.problem))
            with _executor(plan) as (executor, ahead):
                _work([job for job in todo if not job.problem], limits, way, executor, ahead, done)
                # who ran out of time is examined again alone: the machine may have been busy, or asleep
                _work(again, limits, way, executor, 1, lambda job, result: done(job, result, last=True))
        ordered = [results[job.file] for job in jobs]
        before, notes = _before(jobs, course, students, plan)
        found.notes += notes + absent(found, students, {one["student"]["id"] for one in before.values()})
        _record([*ordered, *before.values()], [*(job.file for job in jobs), *before], course, plan)
        _publish([*ordered, *before.values()], students, course, found, plan)
    return Summary(ordered, there, found.notes)


# nbgrader's gradebook


@contextmanager
def _gradebook(plan: Plan) -> Iterator[Any]:
    """nbgrader's gradebook in the folder of results. A full disk is said in a sentence."""
    from nbgrader.api import Gradebook
    from sqlalchemy.exc import DBAPIError, SAWarning

    programs = os.path.join(sys.prefix, "bin")  # nbgrader starts alembic, and looks for it along PATH
    if programs not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # of nbgrader's own sessions
            with Gradebook(f"sqlite:///{plan.out / 'gradebook.db'}") as gradebook:
                yield gradebook
    except DBAPIError as error:
        raise StorageError(
            f"{plan.out / 'gradebook.db'} cannot be written ({error.orig}): nothing that was graded is lost, so make room and give "
            "the same command again, which goes on from there"
        ) from None


def _mark(result: Result) -> str:
    """What was entered of a result: the same submission, examined again, may have other points."""
    points = [(task["name"], task["points"]) for task in result["tasks"]]
    handed_in = [result["handed_in"]] if result.get("handed_in") else []
    return hashlib.sha256(repr((result["key"], result["problem"], points, *handed_in)).encode()).hexdigest()[:32]


def _answers(notebook: Any) -> dict[str, str]:
    """Digits of what a student wrote, by graded cell: of a text that a person reads its own, of a test all answers above it."""
    found, above = {}, ""
    for cell in notebook.cells:
        above += f"{cell.source}\0" if is_solution(cell) else ""
        if is_grade(cell):
            found[own(cell)["grade_id"]] = hashlib.sha256((cell.source if is_solution(cell) else above).encode()).hexdigest()[:32]
    return found


def _record(results: Sequence[Result], files: Sequence[Path], course: dict[str, Assignment], plan: Plan) -> None:
    """Enter new results by nbgrader's own preprocessors. A person's mark stays while the answer is the one that was read."""
    from nbgrader.preprocessors import SaveAutoGrades, SaveCells

    quiet = logging.getLogger("tools.course")
    place = plan.results / ".recorded.json"
    recorded = (_stored(place) if (plan.out / "gradebook.db").is_file() else None) or {}
    with _gradebook(plan) as gradebook:
        for name, assignment in course.items():
            if recorded.get(f"source {name}") != assignment.digest:
                gradebook.update_or_create_assignment(name)
                resources = {"nbgrader": {"notebook": name, "assignment": name, "db_url": str(gradebook.engine.url)}}
                try:
                    SaveCells(log=quiet).preprocess(copy.deepcopy(assignment.full), resources)
                except RuntimeError:
                    raise ConfigError(
                        f"the graded cells of {name} are others than when the first submissions were entered into "
                        f"{plan.out / 'gradebook.db'}: give another OUT, or move that file away"
                    ) from None
                recorded[f"source {name}"] = assignment.digest
        names = [file.relative_to(plan.results).as_posix() for file in files]
        new = [(result, entry) for result, entry in zip(results, names, strict=True) if recorded.get(entry) != _mark(result)]
        for result, entry in tqdm(new, unit="entry", desc="gradebook", disable=not plan.progress or not new):
            name, student = result["assignment"], result["student"]
            if name:
                first, _, last = student["name"].rpartition(" ")
                gradebook.update_or_create_student(student["id"], first_name=first or None, last_name=last or None)
                submission = gradebook.update_or_create_submission(name, student["id"], timestamp=result.get("handed_in") or None)
                if result["problem"]:
                    for one in submission.notebooks[0].grades:
                        one.auto_score, one.needs_manual_grade = 0.0, one.manual_score is not None and one.needs_manual_grade
                    gradebook.db.commit()
                else:
                    notebook = read_notebook(plan.out / "autograded" / student["id"] / name / f"{name}.ipynb")
                    resources = {"nbgrader": {"notebook": name, "assignment": name, "student": student["id"]}}
                    resources["nbgrader"]["db_url"] = str(gradebook.engine.url)
                    read = {one.name for one in submission.notebooks[0].grades if one.manual_score is not None}
                    read -= {one.name for one in submission.notebooks[0].grades if one.needs_manual_grade}
                    SaveAutoGrades(log=quiet).preprocess(notebook, resources)  # which asks for all of these to be read again
                    gradebook.db.expire_all()  # it wrote through a connection of its own
                    answers, before = _answers(notebook), recorded.get(f"answers {entry}") or {}
                    for one in read:
                        if before.get(one, answers[one]) == answers[one]:
                            gradebook.find_grade(one, name, name, student["id"]).needs_manual_grade = False
                    gradebook.db.commit()
                    recorded[f"answers {entry}"] = answers
            recorded[entry] = _mark(result)
    write_json(place, recorded)


# Tables, pages, the report


def _publish(
    results: Sequence[Result], students: dict[str, Student], course: dict[str, Assignment], found: Found, plan: Plan
) -> None:
    """Write grades.csv, the forms for Moodle and Canvas, a page a student, and the report."""
    rows = []
    with _gradebook(plan) as gradebook:
        for result in results:
            if result["assignment"]:
                submission = gradebook.find_submission(result["assignment"], result["student"]["id"])
                scores = {
                    one.name: None if one.needs_manual_grade else one.score
                    for one in submission.notebooks[0].grades
                }
                for task in result["tasks"]:
                    task["points"] = scores[task["name"]]
            rows.append(_row(result, course))
    graded = {(row["id"], row["assignment"]) for row in rows}
    for name in sorted({result["assignment"] for result in results if result["assignment"]}):
        worth = sum(task.points for task in course[name].tasks)
        rows += [_absent(one, name, worth) for one in students.values() if (one.id, name) not in graded]
    misconceptions = read_misconceptions(plan.course)
    for result, row in zip(results, rows[: len(results)], strict=True):
        page = feedback.page(result, row["max"] or 0.0, misconceptions, plan.site)
        name = result["assignment"] or "unknown"
        write_text(plan.out / "feedback" / result["student"]["id"] / name / f"{name}.html", page)
    write_table(plan.results / "grades.csv", rows)
    for name in sorted({row["assignment"] for row in rows if row["assignment"]}):
        form = moodle([row for row in rows if row["assignment"] == name], datetime.now(UTC))
        write_table(plan.results / f"moodle_{name}.csv", form)
    write_table(plan.results / "canvas.csv", canvas(rows))
    write_text(plan.results / "report.html", feedback.report(results, rows, misconceptions, found.notes, course, plan.site))


def _row(result: Result, course: dict[str, Assignment]) -> dict[str, Any]:
    student = result["student"]
    assignment = course.get(result["assignment"])
    open_ = [task for task in result["tasks"] if task["points"] is None]
    note = " ".join([result["problem"], *result["notes"]]).strip()
    points = sum(task["points"] for task in result["tasks"] if task["points"] is not None)
    worth = sum(task.points for task in assignment.tasks) if assignment else None
    status = "not graded" if result["problem"] else "to be read by a person" if open_ else "graded"
    return {
        "id": student["id"], "name": student["name"], "assignment": result["assignment"], "points": points, "max": worth,
        "open": sum(task["worth"] for task in open_), "status": status, "on class list": "yes" if student["listed"] else "no",
        "note": note, "moodle": student["moodle"], "canvas": student["canvas"],
    }


def _absent(student: Student, name: str, worth: float) -> dict[str, Any]:
    return {
        "id": student.id, "name": student.name, "assignment": name, "points": None, "max": worth, "open": 0.0,
        "status": "nothing handed in", "on class list": "yes", "note": "", "moodle": student.moodle, "canvas": student.canvas,
    }


def moodle(rows: Sequence[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Rows of Moodle's offline grading worksheet, for those whose number is known. Moodle takes none without all of its columns,
    but for the comments, which are left out where there are none: an empty one overwrites what a person has written there.
    """
    known = [row for row in rows if row["moodle"]]
    noted = any(row["note"] for row in known)
    return [
        {
            "Identifier": f"Participant {row['moodle']}",
            "Full name": row["name"],
            "Grade": _final(row),
            "Maximum Grade": row["max"],
            "Last modified (grade)": now.isoformat(timespec="seconds"),
            **({"Feedback comments": row["note"]} if noted else {}),
        }
        for row in known
    ]


def _final(row: dict[str, Any]) -> float | None:
    """The points, once a person has read all that has to be read."""
    return None if row["open"] else row["points"]


def canvas(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of an import into Canvas's gradebook, a column an assignment, for those whose number is known."""
    names = sorted({row["assignment"] for row in rows if row["assignment"]})
    fixed = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
    worth = {row["assignment"]: row["max"] for row in rows}
    table = {"": {**dict.fromkeys(fixed, ""), "Student": "Points Possible", **{name: worth[name] for name in names}}}
    for row in rows:
        if row["canvas"] and row["assignment"]:
            student = {**dict.fromkeys(fixed, ""), "Student": row["name"], "ID": row["canvas"], "SIS Login ID": row["id"]}
            table.setdefault(row["canvas"], {**student, **dict.fromkeys(names)})[row["assignment"]] = _final(row)
    return list(table.values()) if len(table) > 1 else []


def write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda place: place.write_text(text, encoding="utf-8"))


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """A csv file; none where there are no rows. What a spreadsheet would take for a formula is marked as text."""
    if not rows:
        return
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {key: f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t") else value for key, value in row.items()}
        )
    write_text(path, out.getvalue())


# The command


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make grade", description="Grade a folder of submissions.")
    parser.add_argument(
        "submitted", help="the folder: nbgrader's exchange, a download of Moodle or Canvas, or files named by student"
    )
    parser.add_argument("--out", default="", help="where results go; by default the folder of the course")
    parser.add_argument(
        "--assignment", default="", help="grade this one only; needed where neither names nor notebooks say which it is"
    )
    parser.add_argument("--class-list", default="", help="a csv file with a column id")
    parser.add_argument("--course", default=str(ROOT / "assignments"), help="the folder of the course")
    parser.add_argument("--unsafe", default="", help="yes: run code of students without a sandbox")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="submissions at a time")
    parser.add_argument("--dask", default="", help="address of a Dask scheduler")
    parser.add_argument("--site", default="", help="address of the book, for links to its chapters")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    arguments = _arguments(words)
    try:
        if not arguments.submitted.strip():
            raise ConfigError("say which folder holds the submissions: make grade SUBMITTED=folder")
        if arguments.unsafe not in ("", "yes"):
            raise ConfigError(f"UNSAFE is {arguments.unsafe!r}: write UNSAFE=yes, or leave it out")
        course = user_path(arguments.course)
        plan = Plan(
            course=course,
            out=user_path(arguments.out) if arguments.out else course,
            only=arguments.assignment,
            class_list=user_path(arguments.class_list) if arguments.class_list else None,
            unsafe=arguments.unsafe == "yes",
            jobs=max(arguments.jobs, 1),
            dask=arguments.dask,
            site=arguments.site,
        )
        summary = grade(user_path(arguments.submitted), plan)
    except LNLError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; what was graded is kept, and the same command goes on from there", file=sys.stderr)
        os._exit(130)  # without waiting for the submissions that are being graded
    problems = sum(bool(result["problem"]) for result in summary.results)
    print("\n".join(summary.notes))
    print(f"{len(summary.results)} submissions, {summary.there} of them graded before, {problems} that could not be graded")
    print(f"grades, forms for Moodle and Canvas, and the report: {plan.results}; pages for students: {plan.out / 'feedback'}")
    return 0


if __name__ == "__main__":
    sys.exit(while_read(main))

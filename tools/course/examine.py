"""One submission, examined: its cells run in a sandbox, then the hidden tests here, on what the sandbox handed over as data.

The hidden tests begin when the last cell has ended. Until then no line of them is anywhere that a student's code could look. While
they run, the student's process, or a new one that has run the same cells, only answers calls of its functions.
"""

import builtins
import contextlib
import io
import os
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from tools.course import wire
from tools.course.assignment import Assignment, Task, bound_names
from tools.course.repair import Cell
from tools.course.sandbox import Limits, Sandbox, Stopped

_NAMED = re.compile(r"\s*\[([\w-]+)\]\s*(.*)", re.DOTALL)
_SLOW = "took longer than it may"


@dataclass(frozen=True)
class Failure:
    """An error of a cell, as its process tells it.

    Attributes:
        kind: class of the error, if it is one of Python's own, else "Error".
        message: what it says.
        lines: where it passed, as position of the cell and number of the line.
    """

    kind: str
    message: str = ""
    lines: tuple[tuple[int, int], ...] = ()


@dataclass
class Verdict:
    """What became of one task.

    Attributes:
        passed: its tests; ``None`` where a person has to read the answer.
        visible: whether the tests that students have passed.
        message: what to say first.
        misconception: the name in brackets before the message of the test that failed, or nothing.
        failure: the error to show folded, from the student's own cells and visible tests.
    """

    task: Task
    passed: bool | None = None
    visible: bool = False
    message: str = ""
    misconception: str = ""
    failure: Failure | None = None


@dataclass
class Examined:
    """A submission's verdicts.

    Attributes:
        late: whether the clock ended it. On a busy machine that need not be its fault.
        slowest: seconds of the slowest cell.
        seconds: of all cells.
        printed: the beginning of what each cell printed, by position.
        peak: bytes of memory.
    """

    verdicts: list[Verdict]
    printed: dict[int, str] = field(default_factory=dict)
    late: bool = False
    slowest: float = 0.0
    seconds: float = 0.0
    peak: int = 0


def _text(said: Any, length: int) -> str:
    """What a student's process said, as text that can be written into a file: of surrogates nothing is left but question marks."""
    return str(said)[:length].encode("utf-8", "replace").decode()


def _failure(told: Any) -> Failure | None:
    """The error in a reply, whoever wrote it."""
    if told is None:
        return None
    told = told if isinstance(told, dict) else {}
    kinds = told["kinds"] if isinstance(told.get("kinds"), list) else []
    kind = next((str(one) for one in kinds if isinstance(getattr(builtins, str(one), None), type)), "Error")
    for own in ("TimeLimit", "NotData"):
        kind = own if own in kinds else kind
    lines = told["lines"] if isinstance(told.get("lines"), list) else []
    places = tuple(
        (one[0], one[1]) for one in lines if isinstance(one, list) and len(one) == 3 and [type(x) for x in one[:2]] == [int, int]
    )
    return Failure(kind, _text(told.get("message", ""), 2000), places[:20])


@dataclass
class _Run:
    """What running the cells left: failures and answers by position, seconds of each cell, and why it was stopped."""

    seconds: list[float] = field(default_factory=list)
    failures: dict[int, Failure | None] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    printed: dict[int, str] = field(default_factory=dict)
    stopped: Stopped | None = None


def _execute(box: Sandbox, cells: Sequence[Cell], assignment: Assignment, upto: str = "") -> _Run:
    """Run the code cells in order, each whether or not another failed. ``upto``: the test cell to end at; no test is run then."""
    done = _Run()
    for place, cell in enumerate(cells):
        task = assignment.task(cell.name) if cell.name else None
        test = task is not None and not task.manual
        if cell.kind != "code":
            continue
        started = time.monotonic()
        try:
            reply = box.run("" if upto and test else cell.source, place, list(task.answers) if test and task else [])
        except Stopped as stopped:
            done.stopped = stopped
            return done
        done.seconds.append(time.monotonic() - started)
        if sum(done.seconds) > box.limits.wall:
            done.stopped = box.out_of_time()
            return done
        done.failures[place] = _failure(reply.get("error"))
        done.printed[place] = _text(reply.get("printed", ""), 2000)
        if test and task:  # a name that was not asked for could stand in for one of the test's own
            done.answers[cell.name] = {name: reply["answers"][name] for name in task.answers if name in reply["answers"]}
        if upto and cell.name == upto:
            break
    return done


class _Functions:
    """Calls of a student's functions, in the process that has run all cells or, if that has ended, in a new one."""

    def __init__(self, way: str, limits: Limits, cells: Sequence[Cell], assignment: Assignment, box: Sandbox, run: _Run) -> None:
        self.way, self.limits, self.cells, self.assignment = way, limits, cells, assignment
        self.box, self.run, self.alive = box, run, run.stopped is None
        self.end = time.monotonic() + 2 * limits.wall
        self.raised: Failure | None = None  # by a function of the student's, in the test that runs now

    def answers(self, task: Task) -> dict[str, Any]:
        """The answers that a hidden test reads: values, and functions that can be called.

        Raises:
            Stopped: if there is no process that could answer.
            wire.NotData: if one is no value that can be handed over.
        """
        found = self.run.answers[task.name]
        if any(isinstance(one, dict) and one.get("is") == "function" for one in found.values()) and not self.alive:
            if time.monotonic() > self.end:
                raise Stopped("the notebook has used up its time")
            self.box.close()
            self.box = Sandbox(self.way, self.limits)
            self.alive = True
            again = _execute(self.box, self.cells, self.assignment, upto=list(self.run.answers)[-1])
            if again.stopped:
                self.alive = False
                raise again.stopped
            self.run.answers = again.answers  # those of the new process, for this test and the ones to come
            found = again.answers[task.name]
        return {name: self._answer(name, one) for name, one in found.items()}

    def _answer(self, name: str, found: Any) -> Any:
        if isinstance(found, dict) and found.get("is") == "nothing":
            raise wire.NotData(f"{name}: {_text(found.get('why'), 300)}")
        if not (isinstance(found, dict) and found.get("is") == "function"):
            return wire.decode(found)

        def ask(*args: Any, **kwargs: Any) -> Any:
            return self._call(found.get("handle"), args, kwargs)

        ask.__name__ = name
        return ask

    def _call(self, handle: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self.alive:  # the test goes on after its process was ended
            raise RuntimeError
        try:
            reply = self.box.call(handle, wire.encode(list(args)), wire.encode(kwargs))
        except TimeoutError:  # the alarm of the test: a reply is left unread, which must not become that of a later call
            self.alive = False
            self.box.close()
            self.raised = Failure("TimeLimit")
            raise
        except Stopped as stopped:
            self.alive = False
            self.raised = Failure("Stopped", stopped.why)
            raise RuntimeError from None
        if "value" in reply:
            return wire.decode(reply["value"])
        self.raised = _failure(reply.get("error")) or Failure("Error")
        kind = getattr(builtins, self.raised.kind, RuntimeError)
        raise (kind if issubclass(kind, Exception) else RuntimeError)(self.raised.message)


def examine(assignment: Assignment, cells: Sequence[Cell], way: str, limits: Limits) -> Examined:
    """Run mended cells and both kinds of tests. Nothing that a submission does raises an error here."""
    box = Sandbox(way, limits)
    functions = None
    try:
        run = _execute(box, cells, assignment)
        functions = _Functions(way, limits, cells, assignment, box, run)
        given: dict[str, Any] = {}
        verdicts = [_verdict(task, cells, run, functions, given) for task in assignment.tasks]
        late = bool(run.stopped and run.stopped.late) or any(
            one.failure is not None and one.failure.kind == "TimeLimit" for one in verdicts
        )
        return Examined(
            verdicts, run.printed, late, max(run.seconds, default=0.0), sum(run.seconds), max(box.peak, functions.box.peak)
        )
    finally:
        box.close()
        if functions is not None:
            functions.box.close()


def _verdict(task: Task, cells: Sequence[Cell], run: _Run, functions: _Functions, given: dict[str, Any]) -> Verdict:
    if task.manual:
        return Verdict(task)
    place = next(place for place, cell in enumerate(cells) if cell.name == task.name)
    if place not in run.failures:
        stopped = run.stopped.why if run.stopped else "it was not reached"
        return Verdict(task, False, message=f"The notebook was stopped before this test: {stopped}.")
    failure = run.failures[place]
    if failure is not None and failure.kind == "NameError":
        failure = _cause(place, cells, run, functions.assignment) or failure
    visible = Verdict(task, failure is None, failure is None, failure=failure)
    if failure is not None:
        named = _NAMED.fullmatch(failure.message) if failure.kind == "AssertionError" else None
        visible.misconception, visible.message = (named[1], named[2]) if named else ("", _said(failure))
        if failure.kind != "AssertionError" or named:
            return visible
    if not task.hidden:
        return visible
    message, misconception, shown = _hidden(task, functions, given)
    if message and functions.raised and _rebound(cells, place):
        message, misconception, shown = _then(task, functions, given) or (message, misconception, shown)
    if not message:
        return visible
    if failure is not None:
        visible.misconception = misconception  # a visible test failed without a name, and a hidden one has it
        return visible
    return Verdict(task, False, True, message, misconception, shown)


def _rebound(cells: Sequence[Cell], place: int) -> bool:
    """Whether a cell behind this one binds a name that one before it binds: a function may then find something else there."""
    before, after = (
        set().union(*(bound_names(cell.source) for cell in part if cell.kind == "code"))
        for part in (cells[:place], cells[place + 1 :])
    )
    return bool(before & after)


def _then(task: Task, functions: _Functions, given: dict[str, Any]) -> tuple[str, str, Failure | None] | None:
    """The hidden tests of a task on its functions as they were at its test, in a process of its own; nothing if time is up."""
    if time.monotonic() > functions.end:
        return None
    box = Sandbox(functions.way, functions.limits)
    try:
        run = _execute(box, functions.cells, functions.assignment, upto=task.name)
        if run.stopped:
            return None
        there = _Functions(functions.way, functions.limits, functions.cells, functions.assignment, box, run)
        return _hidden(task, there, given)
    finally:
        box.close()


def _cause(place: int, cells: Sequence[Cell], run: _Run, assignment: Assignment) -> Failure | None:
    """The last error between the previous test and this one: why a name is missing."""
    for before in range(place - 1, -1, -1):
        if assignment.task(cells[before].name):
            break
        if failure := run.failures.get(before):
            return failure
    return None


def _said(failure: Failure) -> str:
    """A failure in a sentence."""
    if failure.kind == "AssertionError":
        return failure.message or "A visible test did not pass."
    if failure.kind == "NotImplementedError":
        return "This task has no answer yet: its cell still raises NotImplementedError."
    if failure.kind == "TimeLimit":
        return f"A cell {_SLOW}: look for a loop that does not end."
    return f"A cell raised {failure.kind}{': ' + failure.message if failure.message else '.'}"


def _hidden(task: Task, functions: _Functions, given: dict[str, Any]) -> tuple[str, str, Failure | None]:
    """Run the hidden tests of a task. Returns message, misconception and failure; no message if they pass.

    What a function of the student's says when it raises an error is not passed on: it could tell what it was called with.
    """
    functions.raised = None
    try:
        answers = functions.answers(task)
        if missing := [name for name in task.answers if name not in answers]:
            return f"The notebook does not define {missing[0]}.", "", None
    except Stopped as stopped:
        return f"A hidden test could not call your functions: {stopped.why}.", "", None
    except wire.NotData as error:
        return f"A hidden test could not read an answer: {error}.", "", None
    names = {"__name__": "hidden", **_given(functions.assignment, given), **answers}
    try:
        with _default_profile(), _quiet(), _alarm(functions.limits.cell), _room(functions.limits.memory):
            exec(compile(task.hidden, "<hidden tests>", "exec"), names)
    except Exception as error:
        if (raised := functions.raised) and not (isinstance(error, AssertionError) and raised.kind != "AssertionError"):
            bare = Failure(raised.kind, "", raised.lines)
            if raised.kind == "Stopped":
                return f"A hidden test called your functions, and {raised.message}.", "", None
            if raised.kind == "NotData":
                return (
                    "One of your functions returned what is no number, text, list, dictionary, array or tensor of them.",
                    "",
                    None,
                )
            if raised.kind == "TimeLimit":
                return f"A hidden test called one of your functions, and it {_SLOW}.", "", bare
            return f"A hidden test called one of your functions with other inputs, and it raised {raised.kind}.", "", bare
        if isinstance(error, TimeoutError):
            return f"A hidden test of your answer {_SLOW}.", "", Failure("TimeLimit")
        if isinstance(error, AssertionError):
            said = _text(error, 2000)  # with a part of the answer, maybe
            named = _NAMED.fullmatch(said)
            return (named[2], named[1], None) if named else (said or "A hidden test did not pass.", "", None)
        return f"A hidden test could not use your answer ({type(error).__name__}): look at its type and its shape.", "", None
    return "", "", None


def _given(assignment: Assignment, given: dict[str, Any]) -> dict[str, Any]:
    """The names of the assignment's locked cells, made once a submission, here."""
    if not given:
        given["__name__"] = "given"
        with _default_profile(), _quiet():
            for name, source in assignment.given.items():
                with contextlib.suppress(Exception):  # one that needs a student's answer gives hidden tests nothing
                    exec(compile(source, f"<{name}>", "exec"), given)
    return given


_PROFILE = "LNL_PROFILE"
_profiles: list[str | None] = []  # what each thread has taken away: the first took it, and the last to leave puts it back
_change = threading.Lock()


@contextlib.contextmanager
def _default_profile() -> Iterator[None]:
    """Without the profile of the shell: the student's cells run without it, and data of another size are others."""
    with _change:
        _profiles.append(os.environ.pop(_PROFILE, None))
    try:
        yield
    finally:
        with _change:
            if (last := _profiles.pop()) is not None:
                os.environ[_PROFILE] = last


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _room(memory: int) -> Iterator[None]:
    """Let a hidden test have ``memory`` bytes more than the process has now: an answer can make it ask for all that there is.

    Beyond, NumPy and torch raise an error, as of any answer that cannot be used. The whole process has the limit, so that it is set
    only where :func:`_alarm` has one, too.
    """
    if threading.current_thread() is not threading.main_thread() or not sys.platform.startswith("linux"):
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    most = now + memory if before[0] == resource.RLIM_INFINITY else min(now + memory, before[0])
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """End a hidden test that an answer makes endless. Signals reach the main thread only; elsewhere there is no limit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(_: int, __: FrameType | None) -> None:
        raise TimeoutError("a hidden test took too long")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

"""An assignment as the grader needs it: its tasks, what each hidden test reads, and what students were given."""

import ast
import builtins
import copy
import hashlib
import logging
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import nbformat

from lnl_core._files import read_json, read_text
from lnl_core.errors import ConfigError, DataError
from tools.course.release import faults, is_grade, is_solution, own, release

_BEGIN, _END = "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"
_BOUND = re.compile(r"^(?:(?:def|class)\s+(\w+)|([A-Za-z_][\w, ]*?)\s*(?::[^=]+)?=(?!=))", re.MULTILINE)
_HEADING = re.compile(r"^#+\s+(.+)$", re.MULTILINE)

Notebook = Any


@dataclass(frozen=True)
class Task:
    """A graded cell.

    Attributes:
        name: its grade id.
        title: the heading above it.
        points: what it is worth.
        manual: whether a person has to read the answer.
        hidden: the code of its hidden tests, or nothing.
        answers: the names of the student's notebook that they read.
    """

    name: str
    title: str
    points: float
    manual: bool
    hidden: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Assignment:
    """A source notebook, and what follows from it.

    Attributes:
        name: the assignment's id, which is the notebook's name too.
        text: of the source notebook.
        full: the notebook with hidden tests and without solutions, as it goes into the gradebook.
        released: the notebook that students were given.
        solved: the source itself.
        given: the code of locked cells by grade id: what hidden tests may use.
        digest: of the source.
    """

    name: str
    text: str
    full: Notebook
    released: Notebook
    solved: Notebook
    tasks: tuple[Task, ...]
    given: dict[str, str] = field(repr=False)
    digest: str

    def task(self, name: str) -> Task | None:
        return next((one for one in self.tasks if one.name == name), None)


def bound_names(source: str) -> set[str]:
    """The names that a cell defines in its outermost lines. It may hold errors of syntax."""
    found: set[str] = set()
    for one in _BOUND.finditer(source):
        found |= {name.strip() for name in (one[1] or one[2]).split(",") if name.strip().isidentifier()}
    return found


def split_hidden(source: str) -> str:
    """The hidden tests of a test cell, without the rest; lines keep their order."""
    lines: list[str] = []
    inside = False
    for line in source.splitlines():
        if _BEGIN in line or _END in line:
            inside = _BEGIN in line
        elif inside:
            lines.append(line)
    return "\n".join(lines)


def names_read(code: str) -> set[str]:
    """The names that a piece of code looks up and nowhere binds."""
    read: set[str] = set()
    bound = _imported(code)
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
            bound.add(node.name or "")
    return read - bound


def _with_hidden(notebook: Notebook) -> Notebook:
    """The source without solutions, by nbgrader's preprocessors: what its gradebook remembers."""
    from nbgrader import preprocessors

    quiet = logging.getLogger("tools.course")
    resources: dict[str, Any] = {}
    made = copy.deepcopy(notebook)
    for name in ("LockCells", "ClearSolutions", "ClearOutput", "CheckCellMetadata", "ComputeChecksums"):
        made, resources = getattr(preprocessors, name)(log=quiet).preprocess(made, resources)
    return made


def read_assignment(path: Path) -> Assignment:
    """The assignment of a source notebook.

    Raises:
        ConfigError: if it has a fault, in a sentence.
        DataError: if it is no notebook.
    """
    try:
        return parse_assignment(path.stem, read_text(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}): run make assignments") from None


@lru_cache(maxsize=16)
def parse_assignment(name: str, text: str) -> Assignment:
    """The same from the text of the notebook."""
    try:
        solved: Notebook = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise DataError(f"{name}.ipynb is no notebook ({type(error).__name__}): run make assignments") from None
    if wrong := faults(solved):
        raise ConfigError(f"{name}: {wrong[0]}")
    given = {own(cell)["grade_id"]: cell.source for cell in solved.cells if cell.cell_type == "code" and _is_given(cell)}
    answers = set().union(*(bound_names(cell.source) for cell in solved.cells if is_solution(cell) and cell.cell_type == "code"))
    allowed = answers | set(dir(builtins)) | set().union(*(bound_names(source) | _imported(source) for source in given.values()))
    tasks, title = [], name
    for cell in solved.cells:
        if cell.cell_type == "markdown" and not is_solution(cell) and (heading := _HEADING.search(cell.source)):
            title = heading[1]
        if is_grade(cell):
            hidden = split_hidden(cell.source)
            read = names_read(hidden)
            if unknown := sorted(read - allowed):
                raise ConfigError(
                    f"{name}: the hidden tests of {own(cell)['grade_id']!r} read {unknown[0]!r}, which no locked cell and no "
                    "solution defines: define it in them"
                )
            names = tuple(sorted(read & answers))
            tasks.append(Task(own(cell)["grade_id"], title, float(own(cell)["points"]), is_solution(cell), hidden, names))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Assignment(name, text, _with_hidden(solved), release(solved), solved, tuple(tasks), given, digest)


def _is_given(cell: Any) -> bool:
    return bool(own(cell).get("locked")) and not is_grade(cell) and not is_solution(cell)


def _imported(code: str) -> set[str]:
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {(name.asname or name.name).split(".")[0] for node in nodes for name in node.names}


def read_course(course: Path, only: str = "") -> dict[str, Assignment]:
    """The assignments of ``course/source`` by name.

    Args:
        only: the name of one, or nothing for all.

    Raises:
        ConfigError: if there is none, or none of that name.
    """
    paths = sorted(path for path in (course / "source").glob("*/*.ipynb") if path.stem == path.parent.name)
    if not paths:
        raise ConfigError(f"{course / 'source'} holds no assignment: run make assignments, or name the folder of the course")
    if only and only not in {path.stem for path in paths}:
        raise ConfigError(f"there is no assignment {only}: choose one of {', '.join(path.stem for path in paths)}")
    return {path.stem: read_assignment(path) for path in paths if not only or path.stem == only}


def read_misconceptions(course: Path) -> dict[str, dict[str, str]]:
    """``misconceptions.json`` of a course; nothing if it has none."""
    path = course / "misconceptions.json"
    return read_json(path, "mend it, or take it back from git") if path.is_file() else {}

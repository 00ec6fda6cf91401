"""Assignments in this process: the code cells of a notebook in one namespace, and what its tests say. Kernels take seconds each."""

import contextlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext

from tools import ROOT
from tools.course.release import COURSE, is_grade, is_solution, own, points, read_source, with_seed

WRONG = ROOT / "tests" / "course" / "wrong"
RIGHT = ROOT / "tests" / "course" / "right"


@dataclass(frozen=True)
class Outcome:
    """What a notebook has left.

    Attributes:
        scores: points of each graded cell that tests decide.
        errors: "Type: message" of each cell that failed, by its id.
        names: what the cells have defined.
    """

    scores: dict[str, float]
    errors: dict[str, str]
    names: dict[str, Any]

    @property
    def named(self) -> set[str]:
        """The misconceptions that the failed tests name."""
        return {found[1] for cell in self.scores if (found := re.match(r"AssertionError: \[([\w-]+)\]", self.errors.get(cell, "")))}


def assignment(name: str, seed: int | None = None) -> Any:
    """The lecturer's notebook, from its script."""
    text = (COURSE / "source" / name / f"{name}.py").read_text(encoding="utf-8")
    return read_source(text if seed is None else with_seed(text, seed))


def decided_by_tests(notebook: Any) -> dict[str, float]:
    """The points of each graded cell that no person has to read."""
    by_hand = {own(cell)["grade_id"] for cell in notebook.cells if is_grade(cell) and is_solution(cell)}
    return {name: value for name, value in points(notebook).items() if name not in by_hand}


def execute(notebook: Any) -> Outcome:
    """Run the code cells in order, each whether or not another failed, as nbgrader does."""
    names: dict[str, Any] = {"__name__": "__main__"}
    errors: dict[str, str] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            try:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    exec(compile(cell.source, f"<{cell.id}>", "exec"), names)
            except Exception as error:
                errors[cell.id] = f"{type(error).__name__}: {error}"
    return Outcome({name: 0.0 if name in errors else value for name, value in decided_by_tests(notebook).items()}, errors, names)


@dataclass(frozen=True)
class WrongAnswer:
    """One wrong answer as seen in classes: the notebook with its cells, the misconception, and what it has to cost.

    A mistake without a name has the name "". A right answer costs nothing.
    """

    notebook: Any
    name: str
    lost: dict[str, float]


def _answer(path: Path) -> Any:
    return jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")


def misconception(path: Path) -> str:
    """The id of the misconception that a wrong answer shows, or nothing for one that has no name: its header says "none"."""
    name = str(_answer(path).cells[0].metadata.get("name", path.stem))
    return "" if name == "none" else name


def wrong_answer(path: Path, seed: int | None = None) -> WrongAnswer:
    """The lecturer's notebook with the cells of a file ``wrong/<assignment>/<misconception>.py`` in the place of its own.

    The first cell says in words what is wrong, and in its header which test cells it costs how many points, and the name of the
    misconception where the file has another. A long cell is changed by pairs of texts, ``replace={"old": "new"}``, in its header.
    """
    answer, notebook = _answer(path), assignment(path.parent.name, seed)
    cells = {cell.id: cell for cell in notebook.cells}
    for cell in answer.cells[1:]:
        changed = cells[own(cell)["grade_id"]]
        for old, new in cell.metadata.get("replace", {}).items():
            assert old in changed.source, f"{path.name} replaces {old!r}, which is not there"
            changed.source = changed.source.replace(old, new)
        changed.source = cell.source or changed.source
    lost = {name: float(value) for name, value in answer.cells[0].metadata.get("lost", {}).items()}
    return WrongAnswer(notebook, misconception(path), lost)

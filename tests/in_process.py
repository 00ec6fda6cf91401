"""Assignments in this process: the code cells of a notebook in one namespace, and what its tests say. Kernels would take seconds each."""

import contextlib
import copy
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import ROOT
from tools.course.release import COURSE, is_grade, is_solution, own, points, read_source, with_seed

WRONG = ROOT / "tests" / "course" / "wrong"


@dataclass(frozen=True)
class Outcome:
    """``scores``: points of each graded cell that tests decide. ``errors``: "Type: message" of each cell that failed, by cell id."""

    scores: dict[str, float]
    errors: dict[str, str]

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
    return Outcome({name: 0.0 if name in errors else value for name, value in decided_by_tests(notebook).items()}, errors)


def wrong_answer(path: Path) -> tuple[Any, dict[str, float]]:
    """The lecturer's notebook with the cells of one wrong answer, and the points that each test cell is expected to take off."""
    answer = read_source(path.read_text(encoding="utf-8"))
    lost: dict[str, float] = {name: float(value) for name, value in answer.cells[0].metadata["lost"].items()}
    notebook = copy.deepcopy(assignment(path.parent.name))
    cells = {cell.id: cell for cell in notebook.cells}
    for cell in answer.cells[1:]:
        cells[own(cell)["grade_id"]].source = cell.source
    return notebook, lost

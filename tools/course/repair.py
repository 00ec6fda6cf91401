"""A submitted notebook, whatever has happened to it, as cells in the order of the assignment.

Nothing of a submission is believed but the text of its cells. Test cells and locked cells come from the source. The student's
answer to a cell is found by its grade id; where that is lost, by the cell's own id, the names that it defines or its place.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lnl_core.errors import DataError
from tools.course.assignment import Assignment, bound_names
from tools.course.release import is_grade, is_solution, own

SIZE = 80 << 20
"""Bytes of a notebook, outputs included, above which it is not opened."""
CODE = 1 << 20
"""Characters of all its cells together, outputs not included."""


@dataclass(frozen=True)
class Cell:
    """One cell: ``kind`` is "code", "markdown" or "raw"; ``name`` its grade id; ``id`` its own; ``source`` its text."""

    kind: str
    source: str
    name: str = ""
    id: str = ""


def _text(value: Any) -> str:
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def read_cells(data: bytes) -> list[Cell]:
    """The cells of a notebook file of format 3 or 4. Outputs are dropped at once, however large they are.

    Raises:
        DataError: if it is none, in a sentence to the student.
    """
    if len(data) > SIZE:
        raise DataError(f"The file has {len(data) >> 20} MB: clear all outputs, save, and hand it in again.")
    if not data.strip():
        raise DataError("The file is empty: save the notebook and hand it in again.")
    try:
        found = _table(json.loads(data.decode("utf-8-sig"), object_pairs_hook=_without_outputs))
    except (ValueError, RecursionError):
        hint = " It looks like a web page." if data.lstrip()[:1] == b"<" else ""
        raise DataError(
            f"The file is no notebook, its text is not JSON.{hint} Download the .ipynb file and hand it in again."
        ) from None
    cells = found.get("cells")
    if not isinstance(cells, list):
        sheets = found.get("worksheets")
        cells = [cell for sheet in _list(sheets) for cell in _list(_table(sheet).get("cells"))]
    read = []
    for cell in map(_table, cells):
        kind = cell.get("cell_type")
        if kind in ("code", "markdown", "raw"):
            mark = _table(_table(cell.get("metadata")).get("nbgrader"))
            source = _text(cell.get("source", cell.get("input"))).replace("\r\n", "\n").replace("\0", "")
            read.append(Cell(kind, source.encode(errors="replace").decode(), _text(mark.get("grade_id")), _text(cell.get("id"))))
    if not read:
        raise DataError("The file is no notebook, or it has no cells: download the .ipynb file and hand it in again.")
    if sum(len(cell.source) for cell in read) > CODE:
        raise DataError(
            "The cells of the notebook hold more than a million characters: take out what is data, and hand it in again."
        )
    return read


def _without_outputs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if name not in ("outputs", "attachments")}


def _plain(text: str) -> str:
    return re.sub(r"\s+", "", text)


def identify(cells: Sequence[Cell], assignment: Assignment) -> list[str]:
    """For each submitted cell the name of the assignment's cell that it is, or nothing: by grade id, by cell id, by its text."""
    known = {own(cell)["grade_id"]: cell for cell in assignment.released.cells if own(cell)}
    texts = {_plain(cell.source): name for name, cell in known.items() if not is_solution(cell)}
    return [next((one for one in (cell.name, cell.id, texts.get(_plain(cell.source), "")) if one in known), "") for cell in cells]


def mend(cells: Sequence[Cell], assignment: Assignment) -> tuple[list[Cell], list[str]]:
    """The cells in the assignment's order, with what is locked taken from it, and what was mended, each in a sentence.

    Cells of the student's own stay behind the cell that they followed. Of a cell that is there twice, the last one that was
    answered counts; others of it are run where they stand.
    """
    released = {own(cell)["grade_id"]: cell for cell in assignment.released.cells if own(cell)}
    cells = [replace(cell, kind="markdown") if _is_text(cell, assignment) else cell for cell in cells]
    cells = [cell for cell in cells if cell.kind != "raw"]
    names = identify(cells, assignment)
    notes = _find_lost(cells, names, assignment)
    chosen: dict[str, int] = {}
    for place, name in enumerate(names):
        if name and (
            name not in chosen or not is_solution(released[name]) or _plain(cells[place].source) != _plain(released[name].source)
        ):
            if name in chosen:
                notes.append(f"The cell {name} is there twice: the last one counts.")
            chosen[name] = place
    order = [name for place, name in enumerate(names) if name and chosen[name] == place]
    if order != [name for name in released if name in chosen]:
        notes.append("The order of the cells was changed: they were put back in theirs.")
    anchor, extras = "", {"": list[Cell]()}
    for place, name in enumerate(names):
        if name and chosen[name] == place:
            anchor = name
        elif not name or is_solution(released[name]):
            extras.setdefault(anchor, []).append(replace(cells[place], name="", id=""))
    mended = extras[""]
    for name, cell in released.items():
        kind, at = cell.cell_type, chosen.get(name)
        if at is None:
            notes.append(
                f"The {'test cell' if is_grade(cell) and not is_solution(cell) else 'cell'} {name} was missing: it was put back."
            )
        elif not is_solution(cell) and _plain(cells[at].source) != _plain(cell.source):
            notes.append(f"The locked cell {name} was changed: its original is used.")
        source = cells[at].source if at is not None and is_solution(cell) else cell.source
        if below := _written_below(cell, source, extras.get(name, [])):
            notes.append(f"The cell {name} was left as it was: the text below it is taken for the answer.")
            source = below
            extras[name] = extras[name][1:]
        mended += [Cell(kind, source, name, name), *extras.get(name, [])]
    return mended, notes


def _is_text(cell: Cell, assignment: Assignment) -> bool:
    """Whether this is the answer to a question in words, which somebody has made a raw cell."""
    if cell.kind != "raw":
        return False
    (name,) = identify([cell], assignment)
    return any(own(one).get("grade_id") == name and _in_words(one) for one in assignment.released.cells)


def _in_words(cell: Any) -> bool:
    return cell.cell_type == "markdown" and is_solution(cell)


def _written_below(cell: Any, source: str, extras: Sequence[Cell]) -> str:
    """The text of a student's own that follows a question in words which has no answer in its place, or nothing."""
    if not (_in_words(cell) and _plain(source) == _plain(cell.source) and extras and extras[0].kind == "markdown"):
        return ""
    return extras[0].source if extras[0].source.strip() else ""


def _find_lost(cells: Sequence[Cell], names: list[str], assignment: Assignment) -> list[str]:
    """Name the answers that have lost their marks, by what they define or where they stand; returns what was found so."""
    notes = []
    before = ""
    for cell in assignment.released.cells:
        name = own(cell).get("grade_id", "")
        if name and name not in names and is_solution(cell):
            wanted = bound_names(cell.source) | bound_names(_solved(assignment, name))
            free = [place for place, other in enumerate(names) if not other and cells[place].kind == cell.cell_type]
            if cell.cell_type == "code":
                functions = _functions(_solved(assignment, name))
                ranked = [(_fit(cells[place].source, functions, wanted), place) for place in free]
                fit = [place for common, place in ranked if common > (0, 0) and common == max(ranked)[0]]
            else:
                fit = [place for place in free if place and names[place - 1] == before != ""][:1]
            if fit:
                names[fit[-1]] = name
                notes.append(f"The cell {name} had lost its mark: it was found by what it holds.")
        before = name or before
    return notes


def _functions(source: str) -> set[str]:
    return set(re.findall(r"^(?:def|class)\s+(\w+)", source, re.MULTILINE))


def _fit(source: str, functions: set[str], wanted: set[str]) -> tuple[int, int]:
    """How many of these functions a cell defines, and how many of these names: trying a function out may take its name."""
    return len(functions & _functions(source)), len(wanted & bound_names(source))


def _solved(assignment: Assignment, name: str) -> str:
    return next(str(cell.source) for cell in assignment.solved.cells if own(cell).get("grade_id") == name)


def _answers(assignment: Assignment) -> set[str]:
    """The cells that set an assignment apart; title and setup are called the same in all."""
    return {own(cell)["grade_id"] for cell in assignment.released.cells if is_grade(cell) or is_solution(cell)}


def belongs_to(cells: Sequence[Cell], course: dict[str, Assignment]) -> str:
    """The assignment that a notebook belongs to, by the answers and tests that it shares with it, or nothing."""
    shared = {name: len(_answers(assignment) & set(identify(cells, assignment))) for name, assignment in course.items()}
    best = max(shared, key=lambda name: shared[name], default="")
    return best if best and shared[best] else ""

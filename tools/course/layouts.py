"""Finds submissions in a folder: nbgrader's exchange, the downloads of Moodle and Canvas, or files named by student."""

import csv
import re
import stat
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lnl_core._files import read_text
from lnl_core.errors import DataError

_MOODLE = re.compile(r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_\w+?_(?P<file>.*)")
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<number>\d+)_\d+_(?P<file>.+)", re.IGNORECASE)
_HIDDEN = (".ipynb_checkpoints", "__MACOSX")


@dataclass(frozen=True)
class Student:
    """Who handed in.

    Attributes:
        id: how the class list, the gradebook and the files of results call them.
        name: as people do.
        moodle: the number of their participation in Moodle.
        canvas: the number of their account in Canvas.
        listed: whether the class list has them.
    """

    id: str
    name: str = ""
    moodle: str = ""
    canvas: str = ""
    listed: bool = True


@dataclass(frozen=True)
class Submission:
    """What one student handed in for one assignment.

    Attributes:
        assignment: its name, or nothing if the layout does not say.
        files: the notebooks; there should be one.
        problem: why nothing can be graded, in a sentence, or nothing.
        aside: notebooks beside the one that has the assignment's name.
    """

    student: Student
    assignment: str = ""
    files: tuple[Path, ...] = ()
    problem: str = ""
    aside: tuple[Path, ...] = ()


@dataclass
class Found:
    """The submissions of a folder, and sentences about what else was seen."""

    layout: str
    submissions: list[Submission]
    notes: list[str] = field(default_factory=list)


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.name not in _HIDDEN)


def _notebooks(folder: Path) -> list[Path]:
    """The notebooks in a folder and below. Links are not followed: what they name may be anybody's."""
    found: list[Path] = []
    for path in _entries(folder):
        if path.is_dir() and not path.is_symlink():
            found += _notebooks(path)
        elif path.suffix == ".ipynb":
            found.append(path)
    return found


def _split(name: str, assignments: Sequence[str]) -> tuple[str, str]:
    """Student and assignment from a file's name, as in ``ada_a1_biased_data``."""
    for one in assignments:
        if name == one:
            return "", one
        for shape in (f"(.+)[_-]{re.escape(one)}", f"{re.escape(one)}[_-](.+)"):
            if found := re.fullmatch(shape, name):
                return found[1], one
    return name, ""


def _exchange(path: Path, assignments: Sequence[str]) -> Iterator[Submission]:
    """nbgrader: ``student/assignment/notebook.ipynb``. Of several notebooks it is the one with the assignment's name."""
    for inner in _entries(path) if path.is_dir() and not path.is_symlink() else ():
        if inner.name in assignments and inner.is_dir() and not inner.is_symlink():
            files = tuple(_notebooks(inner))
            named = tuple(file for file in files if file.stem == inner.name)
            taken = named if len(named) == 1 else files
            yield Submission(Student(path.name), inner.name, taken, aside=tuple(file for file in files if file not in taken))


def _moodle(path: Path, assignments: Sequence[str]) -> Iterator[Submission]:
    """Moodle: a folder ``Ada Lovelace_123456_assignsubmission_file_`` a student, or files with that beginning."""
    if found := _MOODLE.fullmatch(path.name + ("_" if path.is_dir() and not path.name.endswith("_") else "")):
        student = Student(f"moodle-{found['number']}", found["name"], moodle=found["number"])
        if path.is_dir() and not path.is_symlink():
            yield Submission(student, files=tuple(_notebooks(path)))
        elif path.suffix == ".ipynb":
            yield Submission(student, _split(Path(found["file"]).stem, assignments)[1], (path,))


def _canvas(path: Path, assignments: Sequence[str]) -> Iterator[Submission]:
    """Canvas: files ``lovelaceada_12345_67890_notebook.ipynb``, with ``LATE`` and a number of the attempt now and then."""
    found = _CANVAS.fullmatch(path.stem)
    if found and path.suffix == ".ipynb":
        name = _split(re.sub(r"-\d+$", "", found["file"]), assignments)[1]
        yield Submission(Student(f"canvas-{found['number']}", found["name"], canvas=found["number"]), name, (path,))


def _loose(path: Path, assignments: Sequence[str]) -> Iterator[Submission]:
    """A file or a folder a student: ``ada.ipynb``, ``ada_a1_biased_data.ipynb``, ``ada/anything.ipynb``."""
    if path.is_dir() and not path.is_symlink():
        yield Submission(Student(path.name), files=tuple(_notebooks(path)))
    elif path.suffix == ".ipynb":
        student, assignment = _split(path.stem, assignments)
        if student:
            yield Submission(Student(student), assignment, (path,))


Look = Callable[[Path, Sequence[str]], Iterator[Submission]]
"""What a layout sees in one entry of the folder, a file or a folder, given the names of the assignments."""
LAYOUTS: dict[str, Look] = {"nbgrader": _exchange, "Moodle": _moodle, "Canvas": _canvas}
"""Of these the one that accounts for the most entries is taken, the first of those that do: nobody changes it for a class."""
LAST = "files named by student"
"""What is taken where none of them finds anything."""


def find(folder: Path, assignments: Sequence[str]) -> Found:
    """The submissions in ``folder``, and a note for each folder and notebook in it that is none in the layout of the others.

    Raises:
        DataError: if there is no such folder, or nothing in it that is a submission.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}: name the one that holds the submissions")
    entries = _entries(folder)
    seen = {name: _seen(entries, look, assignments) for name, look in LAYOUTS.items()}
    layout = max(seen, key=lambda name: len(seen[name]))
    if not seen[layout]:
        layout, seen[LAST] = LAST, _seen(entries, _loose, assignments)
    if not (taken := seen[layout]):
        raise DataError(
            f"{folder} holds no submission: put folders or .ipynb files of students there, as the page on grading shows"
        )
    left = [path for path in entries if path not in taken and (path.is_dir() or path.suffix == ".ipynb")]
    notes = [f"{_safe(path.name)} was left out: rename it as the others are ({layout}) if it is a submission." for path in left]
    found = _joined([one for several in taken.values() for one in several])
    return Found(layout, found, notes + [_aside(one) for one in found if one.aside])


def _aside(one: Submission) -> str:
    names = " and ".join(_readable(path.name) for path in one.aside[:3])
    return f"{one.student.id} handed in {names} beside {one.assignment}.ipynb, which is graded: look whether it is the right one."


def _seen(entries: Sequence[Path], look: Look, assignments: Sequence[str]) -> dict[Path, list[Submission]]:
    """The entries in which a layout sees submissions, and which."""
    return {path: found for path in entries if (found := list(look(path, assignments)))}


def _joined(found: list[Submission]) -> list[Submission]:
    """One submission for each student and assignment, with a problem where it cannot be graded."""
    joined: dict[tuple[str, str], Submission] = {}
    for one in found:
        one = replace(one, student=replace(one.student, id=_safe(one.student.id), name=_readable(one.student.name)))
        key = (one.student.id, one.assignment)
        joined[key] = replace(one, files=joined[key].files + one.files) if key in joined else one
    return [replace(one, problem=_problem(one)) for one in joined.values()]


def _readable(name: str) -> str:
    """A name as text that can be printed and written: bytes of a file's name that are not UTF-8 are question marks.

    Letters with accents are one character, as a class list has them; archives made on a Mac have two.
    """
    return unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())


def _safe(name: str) -> str:
    """A name that is a folder's name and no way out of one. Bytes that are not UTF-8 stay apart, as in ``Andr_xe9``."""
    text = re.sub(r"[\udc80-\udcff]", lambda found: f"_x{ord(found[0]) - 0xDC00:02x}", name)
    return re.sub(r"^\.|[\x00-\x1f/\\\x7f]", "_", _readable(text))[:100]


def _problem(one: Submission) -> str:
    if not one.files:
        return "The submission holds no notebook: hand in the .ipynb file."
    if len(one.files) > 1:
        names = " and ".join(_readable(path.name) for path in one.files[:3])
        return f"There are {len(one.files)} notebooks, {names}, and one is wanted: hand in that which is to be graded."
    if not stat.S_ISREG(one.files[0].lstat().st_mode):
        return "The submission is a link or no ordinary file: hand in the .ipynb file itself."
    return ""


def read_class_list(path: Path) -> dict[str, Student]:
    """A class list: a csv file with a column ``id`` and, as far as known, ``name`` (or nbgrader's ``first_name`` and
    ``last_name``), ``moodle`` (the number in the names of Moodle's folders) and ``canvas`` (the first in those of Canvas's files).

    Raises:
        DataError: no file, no such column, an empty id, somebody twice.
    """
    try:
        rows = list(csv.DictReader(read_text(path).splitlines(), skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no class list ({error}): give a csv file with a column id") from None
    if not rows or "id" not in rows[0]:
        raise DataError(f"{path} has no column id: write the names of the columns into its first line")
    students: dict[str, Student] = {}
    seen: dict[tuple[str, str], int] = {}
    for line, row in enumerate(rows, 2):
        columns = ("id", "name", "first_name", "last_name", "moodle", "canvas")
        values = {name: _readable(row.get(name) or "").strip() for name in columns}
        if not values["id"]:
            raise DataError(f"line {line} of {path} has no id: write one, or take the line out")
        if values["id"] != _safe(values["id"]):
            raise DataError(f"line {line} of {path} has the id {values['id']!r}: write one that can be the name of a folder")
        for column in ("id", "moodle", "canvas"):
            key = (column, values[column])
            if values[column] and key in seen:
                raise DataError(f"{path} has the {column} {values[column]} in lines {seen[key]} and {line}: take one of them out")
            seen[key] = line
        name = values["name"] or f"{values['first_name']} {values['last_name']}".strip()
        students[values["id"]] = Student(values["id"], name, values["moodle"], values["canvas"])
    return students


def _with_numbers(known: Student, one: Student) -> Student:
    """Who is on the list, with the numbers of what was handed in. Moodle's is another one in each assignment."""
    return replace(known, moodle=one.moodle or known.moodle, canvas=known.canvas or one.canvas)


def known_as(students: dict[str, Student]) -> Callable[[Student], Student]:
    """What finds somebody on the class list: by id, by number, or by name if only one is called so."""
    by_number = {("moodle", one.moodle): one for one in students.values()} | {
        ("canvas", one.canvas): one for one in students.values()
    }
    by_name: dict[str, list[Student]] = {}
    for one in students.values():
        words = _words(one.name)  # Canvas writes the last name first, which may be of several words
        for name in {"".join(words[first:] + words[:first]) for first in range(max(1, len(words)))}:
            by_name.setdefault(name, []).append(one)

    def listed(one: Student) -> Student:
        for known in (
            students.get(one.id),
            by_number.get(("moodle", one.moodle)) if one.moodle else None,
            by_number.get(("canvas", one.canvas)) if one.canvas else None,
        ):
            if known:
                return _with_numbers(known, one)
        same = by_name.get(_letters(one.name), []) if one.name else []
        return _with_numbers(same[0], one) if len(same) == 1 else replace(one, listed=False)

    return listed


def match(found: Found, students: dict[str, Student]) -> Found:
    """The same with each student as the class list has them, and a note for who is not on it."""
    listed = known_as(students)
    matched = _joined([replace(one, student=listed(one.student)) for one in found.submissions])
    unknown = sorted({one.student.id for one in matched if not one.student.listed})
    notes = [f"{name} is not on the class list, and is graded all the same." for name in unknown]
    return Found(found.layout, matched, found.notes + notes)


def absent(found: Found, students: dict[str, Student], before: Collection[str]) -> list[str]:
    """A note for each on the class list of whom nothing is in the folder, nor was ``before``."""
    there = {one.student.id for one in found.submissions} | set(before)
    return [f"{name} is on the class list and handed nothing in." for name in students if name not in there]


def _words(name: str) -> list[str]:
    return re.findall(r"\w+", _readable(name).casefold())


def _letters(name: str) -> str:
    return "".join(_words(name))

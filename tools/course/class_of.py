"""A class that nobody taught: N submissions for one assignment, some wrong, some damaged, some hostile.

``python -m tools.course.class_of FOLDER --students 300`` writes them in nbgrader's exchange layout, with ``class.csv`` beside the
folder and ``kinds.json``, which says what each of them is. It shows how long a class takes on a machine, and what attacks achieve.
"""

import argparse
import copy
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lnl_core._files import user_path, write_json
from lnl_core.errors import LNLError
from tools import ROOT
from tools.course.assignment import Assignment, read_course
from tools.course.grade import write_text
from tools.course.release import is_grade, is_solution, own
from tools.pipes import while_read

File = dict[str, Any]


def _marked(notebook: File, kind: str) -> list[dict[str, Any]]:
    """The cells with a mark of nbgrader's: "test", "answer" (code) or "any"."""
    wanted = {"test": (True, False), "answer": (False, True)}
    cells = [cell for cell in notebook["cells"] if "nbgrader" in cell["metadata"]]
    return [
        cell
        for cell in cells
        if kind == "any"
        or (bool(cell["metadata"]["nbgrader"]["grade"]), bool(cell["metadata"]["nbgrader"]["solution"])) == wanted[kind]
    ]


def _solved(assignment: Assignment) -> File:
    """The lecturer's answers in the students' notebook."""
    answers = {own(cell)["grade_id"]: cell.source for cell in assignment.solved.cells if is_solution(cell)}
    notebook = copy.deepcopy(assignment.released)
    for cell in notebook.cells:
        cell.source = answers.get(own(cell).get("grade_id"), cell.source)
    found: File = json.loads(json.dumps(notebook))
    return found


def _half(notebook: File, assignment: Assignment) -> None:
    """The second half of the answers is missing."""
    empty = {own(cell)["grade_id"]: cell.source for cell in assignment.released.cells if is_solution(cell) and not is_grade(cell)}
    answers = _marked(notebook, "answer")
    for cell in answers[len(answers) // 2 :]:
        cell["source"] = empty[cell["metadata"]["nbgrader"]["grade_id"]]


def _delete_tests(notebook: File) -> None:
    tests = _marked(notebook, "test")
    notebook["cells"] = [cell for cell in notebook["cells"] if cell not in tests]


def _change_tests(notebook: File) -> None:
    for cell in _marked(notebook, "test"):
        cell["source"] = "assert True"


def _reorder(notebook: File) -> None:
    notebook["cells"].reverse()


def _double(notebook: File) -> None:
    notebook["cells"] += copy.deepcopy(_marked(notebook, "test"))


def _same_ids(notebook: File) -> None:
    for cell in notebook["cells"]:
        cell["id"] = "same"


def _other_kernel(notebook: File) -> None:
    notebook["metadata"] = {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}


def _syntax(notebook: File) -> None:
    _marked(notebook, "answer")[-1]["source"] = "def (:"


def _fifty_megabytes(notebook: File) -> None:
    _marked(notebook, "answer")[0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "0123456789" * 5_300_000}]


def _other_assignment(notebook: File) -> None:
    notebook["cells"] = [{"cell_type": "code", "metadata": {}, "source": "print('another course')", "outputs": []}]


def _colab(notebook: File) -> None:
    notebook["metadata"] = {"colab": {"provenance": []}}
    for number, cell in enumerate(notebook["cells"]):
        cell.pop("id", None)
        cell["metadata"]["id"] = f"x{number}"


def _vs_code(notebook: File) -> None:
    for number, cell in enumerate(notebook["cells"]):
        cell["id"], cell["metadata"] = f"{number:08x}", {"vscode": {"languageId": "python"}}


def _jupyterlite(notebook: File) -> None:
    notebook["metadata"] = {"kernelspec": {"name": "python", "display_name": "Python (Pyodide)"}}
    for cell in notebook["cells"]:
        cell["source"], cell["metadata"]["trusted"] = cell["source"].splitlines(keepends=True), True


DAMAGES: dict[str, Callable[[File], None]] = {
    "test cells deleted": _delete_tests,
    "test cells changed": _change_tests,
    "cells reordered": _reorder,
    "test cells doubled": _double,
    "ids doubled": _same_ids,
    "another kernel": _other_kernel,
    "syntax error": _syntax,
    "output of 50 MB": _fifty_megabytes,
    "another assignment": _other_assignment,
    "saved by Colab": _colab,
    "saved by VS Code": _vs_code,
    "saved by JupyterLite": _jupyterlite,
}

ATTACKS = {
    "endless loop": "while True: pass",
    "endless loop that catches interrupts": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "fork bomb": "import os\nwhile True: os.fork()",
    "10 GB array": "import numpy\nnumpy.ones(10 * 2**30, dtype='uint8')",
    "memory by many processes": """
import os
for _ in range(40):
    if os.fork() == 0:
        block = bytearray(2**28)
        while True: block[0] = 1""",
    "reads other submissions": """
import glob
assert [path for depth in range(6) for path in glob.glob("/*" * depth + "/submitted*")]""",
    "reads the tests": """
import glob
assert [path for depth in range(6) for path in glob.glob("/*" * depth + "/assignments*")]""",
    "patches what tests compare with": """
import builtins, numpy, torch
numpy.allclose = torch.allclose = lambda *_, **__: True
builtins.abs = lambda _: 0.0""",
    "patches the runner": """
import gc
(runner,) = [one for one in gc.get_objects() if type(one).__name__ == "Runner"]
type(runner).handle = lambda self, request: {"error": None, "answers": {}, "value": 0.0, "printed": ""}""",
    "leaves a process behind": """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(98765)"], start_new_session=True)
1 / 0""",
    "writes outside its folder": "open('/usr/left-behind', 'w')",
    "fills the disk": "for n in range(99): open(f'big{n}', 'wb').write(bytes(2**26))",
    "prints a forged result": """
import json, os
line = json.dumps({"error": None, "answers": {}, "printed": "", "value": 0.0}) + chr(10)
for n in range(3, 32):
    try: os.write(n, line.encode() * 9)
    except OSError: pass
1 / 0""",
    "exit in the middle": "import os\nos._exit(0)",
    "calls home": "import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=5)",
}
"""What a hostile student writes into the last answer, in place of it."""


def write_class(assignment: Assignment, folder: Path, students: int, hostile: int = 30, seed: int = 0) -> dict[str, str]:
    """Write the submissions of a class; returns what kind each student is.

    Args:
        hostile: how many attack. A twentieth of the class is damaged besides.
    """
    draw = random.Random(seed)
    damaged = max(students // 20, len(DAMAGES)) if students >= 3 * len(DAMAGES) else students // 20
    kinds = [list(ATTACKS)[number % len(ATTACKS)] for number in range(hostile)]
    kinds += [list(DAMAGES)[number % len(DAMAGES)] for number in range(damaged)]
    kinds += ["right", "half", "empty", "right"] * students
    kinds = kinds[:students]
    draw.shuffle(kinds)
    found = {f"student{number:03d}": kind for number, kind in enumerate(kinds, 1)}
    for student, kind in found.items():
        notebook = _solved(assignment)
        if kind == "half":
            _half(notebook, assignment)
        elif kind == "empty":
            notebook = json.loads(json.dumps(assignment.released))
        elif kind in ATTACKS:
            _marked(notebook, "answer")[-1]["source"] = ATTACKS[kind]
        elif kind in DAMAGES:
            DAMAGES[kind](notebook)
        write_text(folder / student / assignment.name / f"{assignment.name}.ipynb", json.dumps(notebook))
    rows = (f"{student},Student {student[-3:]},{5000 + n},{7000 + n}\n" for n, student in enumerate(found))
    write_text(folder.parent / "class.csv", "id,name,moodle,canvas\n" + "".join(rows))
    write_json(folder.parent / "kinds.json", found)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the submissions of a class that nobody taught.")
    parser.add_argument("folder")
    parser.add_argument("--assignment", default="a2_mutual_information")
    parser.add_argument("--course", default=str(ROOT / "assignments"))
    parser.add_argument("--students", type=int, default=300)
    parser.add_argument("--hostile", type=int, default=30)
    arguments = parser.parse_args()
    try:
        assignment = read_course(user_path(arguments.course), arguments.assignment)[arguments.assignment]
    except LNLError as error:
        print(error, file=sys.stderr)
        return 2
    found = write_class(assignment, user_path(arguments.folder), arguments.students, arguments.hostile)
    print(f"{len(found)} submissions of {assignment.name} in {arguments.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(while_read(main))

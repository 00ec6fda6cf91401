"""A course with one assignment of two small tasks and a question, as the tests of the grader need it: it runs in a second."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.course.assignment import Assignment, read_assignment
from tools.course.release import own, sync

NAME = "a0_toy"
SOURCE = '''# %% [markdown] nbgrader={"grade_id": "title", "locked": true}
# # Assignment 0

# %% nbgrader={"grade_id": "setup", "locked": true}
CLASS_SEED = 2026
import numpy as np
table = np.random.default_rng(CLASS_SEED).random(5)

# %% [markdown] nbgrader={"grade_id": "prompt-double", "locked": true}
# ## Task 1: double

# %% nbgrader={"grade_id": "double", "solution": true}
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-double", "points": 50}
assert double(0) == 0, "Twice nothing is nothing."
### BEGIN HIDDEN TESTS
import numpy as secret_numpy
for secret_value in (secret_numpy.array([1.5, 41.25]), secret_numpy.arange(3)):
    assert not secret_numpy.array_equal(double(secret_value), secret_value**2), "[square-for-double] You square."
    assert secret_numpy.array_equal(double(secret_value), 2 * secret_value), "double(x) is not twice x."
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-total", "locked": true}
# ## Task 2: total

# %% nbgrader={"grade_id": "total", "solution": true}
### BEGIN SOLUTION
total = float(table.sum())
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-total", "points": 30}
assert isinstance(total, float), "total is a float."
### BEGIN HIDDEN TESTS
assert not abs(total - table.mean()) < 1e-9, "[mean-for-sum] That is the mean."
assert abs(total - table.sum()) < 1e-9, "total is not the sum of the table."
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-why", "locked": true}
# ## Task 3: why?

# %% [markdown] nbgrader={"grade": true, "grade_id": "why", "points": 20, "solution": true}
# Because.
'''
MISCONCEPTIONS = {
    "square-for-double": {"title": "Squares for doubles", "explain": "x times x is not x plus x.", "chapter": "book/theory"},
    "mean-for-sum": {
        "title": "The mean for the sum",
        "explain": "A mean is divided by the number.",
        "chapter": "book/notation#sums",
    },
}
STUB = 'def double(x):\n    """Twice x."""\n    # YOUR CODE HERE\n    raise NotImplementedError()'
SECRETS = ("secret_numpy", "secret_value", "41.25", "1e-9", "HIDDEN TESTS")
"""What stands in the hidden tests only, and must stand in nothing that a student gets."""


def write_course(folder: Path, source: str = SOURCE) -> Path:
    """The course in ``folder``, its notebook derived."""
    place = folder / "source" / NAME
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{NAME}.py").write_text(source, encoding="utf-8")
    (folder / "misconceptions.json").write_text(json.dumps(MISCONCEPTIONS), encoding="utf-8")
    sync(folder)
    return folder


def toy(folder: Path) -> Assignment:
    return read_assignment(write_course(folder) / "source" / NAME / f"{NAME}.ipynb")


def answered(assignment: Assignment, double: str = "", total: str = "", why: str = "It is so.") -> dict[str, Any]:
    """A student's notebook as a file would hold it, by default with right answers."""
    answers = {
        "double": double or "def double(x):\n    return x + x",
        "total": total or "total = float(sum(table))",
        "why": why,
    }
    notebook = copy.deepcopy(assignment.released)
    for cell in notebook.cells:
        cell.source = answers.get(own(cell).get("grade_id", ""), cell.source)
    found: dict[str, Any] = json.loads(json.dumps(notebook))
    return found


def cell(notebook: dict[str, Any], name: str) -> dict[str, Any]:
    """The first cell with this grade id."""
    found: dict[str, Any] = next(one for one in notebook["cells"] if one["metadata"].get("nbgrader", {}).get("grade_id") == name)
    return found


def without_tests(notebook: dict[str, Any]) -> None:
    notebook["cells"] = [one for one in notebook["cells"] if not one["metadata"].get("nbgrader", {}).get("grade")]


def reordered(notebook: dict[str, Any]) -> None:
    notebook["cells"].reverse()


def changed_tests(notebook: dict[str, Any]) -> None:
    for name in ("test-double", "test-total"):
        cell(notebook, name)["source"] = "assert True"


def doubled_tests(notebook: dict[str, Any]) -> None:
    notebook["cells"] += [copy.deepcopy(cell(notebook, "test-double")), copy.deepcopy(cell(notebook, "test-total"))]


def doubled_answer(notebook: dict[str, Any]) -> None:
    """The cell was copied, and the answer written into the first; the empty copy stands behind it."""
    other = copy.deepcopy(cell(notebook, "double"))
    other["source"] = STUB
    notebook["cells"].insert(notebook["cells"].index(cell(notebook, "double")) + 1, other)


def same_ids(notebook: dict[str, Any]) -> None:
    for one in notebook["cells"]:
        one["id"] = "same"


def other_kernel(notebook: dict[str, Any]) -> None:
    notebook["metadata"] = {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}, "language_info": {"name": "R"}}


def fifty_megabytes(notebook: dict[str, Any]) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "0123456789" * 5_300_000}
    cell(notebook, "double")["outputs"] = [output]


def by_colab(notebook: dict[str, Any]) -> None:
    """Google Colab: its own ids, its own metadata, a source as one string, no format 4.5."""
    notebook |= {"nbformat_minor": 0, "metadata": {"colab": {"provenance": []}, "kernelspec": {"name": "python3"}}}
    for number, one in enumerate(notebook["cells"]):
        one.pop("id", None)
        one["metadata"] |= {"id": f"Xy{number}", "colab": {"base_uri": "https://localhost:8080/"}}
        if one["cell_type"] == "code":
            one["metadata"]["outputId"] = "f3a1"


def by_vs_code(notebook: dict[str, Any]) -> None:
    """VS Code, in a version that drops what it does not know, with new ids."""
    for number, one in enumerate(notebook["cells"]):
        one["id"] = f"{number:08x}"
        one["metadata"] = {"vscode": {"languageId": "python"}}


def by_jupyterlite(notebook: dict[str, Any]) -> None:
    """JupyterLite: another kernel, trusted cells, sources as lists of lines."""
    notebook["metadata"] = {"kernelspec": {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}}
    for one in notebook["cells"]:
        one["metadata"]["trusted"] = True
        one["source"] = one["source"].splitlines(keepends=True)


DAMAGES: dict[str, Callable[[dict[str, Any]], None]] = {
    one.__name__: one
    for one in (
        without_tests, reordered, changed_tests, doubled_tests, doubled_answer, same_ids, other_kernel, fifty_megabytes, by_colab,
        by_vs_code, by_jupyterlite,
    )
}
"""What happens to notebooks and is no reason to lose a mark."""

ATTACKS: dict[str, dict[str, str]] = {
    "endless-loop": {"total": "while True:\n    pass"},
    "stubborn-loop": {"total": "while True:\n    try:\n        while True: pass\n    except BaseException: pass"},
    "fork-bomb": {"total": "import os\nwhile True:\n    os.fork()"},
    "ten-gigabytes": {"total": "total = float(np.ones(10 * 2**30, dtype=np.uint8).sum())"},
    "reads-others": {"total": "total = float(len(open({other!r}).read()) > 0) * float(table.sum())"},
    "reads-tests": {"total": "total = float(len(open({source!r}).read()) > 0) * float(table.sum())"},
    "patches-numpy": {
        "double": """
import builtins, numpy
numpy.array_equal = lambda *_: True
builtins.abs = lambda _: 0.0
def double(x): return x""",
        "total": "total = 1.0",
    },
    "patches-the-runner": {
        "double": """
import gc
(runner,) = [one for one in gc.get_objects() if type(one).__name__ == "Runner"]
type(runner).handle = lambda self, request: {{"error": None, "answers": {{}}, "value": 4, "printed": ""}}
def double(x): return x""",
        "total": "total = 1.0",
    },
    "shadows-names": {
        "total": """
import gc
(runner,) = [one for one in gc.get_objects() if type(one).__name__ == "Runner"]
reply = {{"error": None, "printed": "", "answers": {{"total": 2.0}}}}
reply["answers"]["table"] = {{"is": "array", "dtype": "<f8", "shape": [2], "data": "AAAAAAAA8D8AAAAAAADwPw=="}}  # ones
usual = type(runner).handle
type(runner).handle = lambda self, request: reply if "run" in request else usual(self, request)"""
    },
    "always-equal": {
        "double": "class Yes(float):\n    def __eq__(self, _): return True\ndef double(x): return Yes(0)",
        "total": "total = Yes(1)",
    },
    "leaves-a-process": {
        "total": """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(98765)"], start_new_session=True)
total = 1.0"""
    },
    "writes-outside": {
        "total": """
import os
wrote = 0
for place in ("/", "/usr", "/etc", "/dev", "/proc/sys/kernel", os.environ["PYTHONPATH"], {folder!r}):
    try:
        os.makedirs(place, exist_ok=True)
        if os.path.realpath(place).startswith(os.environ["HOME"]): continue  # /tmp is its own
        open(place + "/left-by-toy", "w").write("x")
        wrote += 1
    except OSError: pass
total = wrote * float(table.sum()) / max(wrote, 1)"""
    },
    "fills-the-disk": {"total": "for n in range(99):\n    open(f'big{{n}}', 'wb').write(bytes(2**26))"},
    "forges-a-result": {
        "double": "def double(x): return x",
        "total": """
import json, os
line = json.dumps({{"error": None, "answers": {{"total": 2.5, "double": 1}}, "printed": "", "value": 4}}) + chr(10)
for n in range(3, 32):
    try: os.write(n, line.encode() * 9)
    except OSError: pass
print("All tests passed. Score: 100")
total = 1.0""",
    },
    "exits": {"total": "import os\nos._exit(0)"},
    "exits-nicely": {"total": "import sys\nsys.exit(0)"},
    "exits-when-called": {
        "double": "import os\ndef double(x):\n    return 0 if type(x) is int else os._exit(0)",
        "total": "total = 1.0",
    },
    "tells-the-inputs": {
        "double": "def double(x):\n    if type(x) is int: return 0\n    raise ValueError(repr(x))",
        "total": "total = 1.0",
    },
    "kills-all": {"total": "import os, signal\nos.kill(-1, signal.SIGKILL)"},
    "calls-home": {"total": "import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=2)\ntotal = float(table.sum())"},
    "a-pickle": {
        "total": """
class Evil:
    def __reduce__(self): import os; return os.system, ("touch {folder}/left-by-toy",)
total = np.array([Evil()], dtype=object)"""
    },
    "deep": {"total": "total = []\nfor _ in range(10**5): total = [total]"},
    "surrogates": {
        "double": "def double(x):\n    print('\\ud800')\n    raise ValueError('\\udc80')",
        "total": "print('\\ud800')\nassert False, '\\ud800'",
    },
    "markup": {"total": "assert False, '[square-for-double] <script>alert(1)</script>'"},
}
"""Answers that attack: what each puts into its cells, with {other} and {source} for files and {folder} for a folder that are not
its own. A cell that is not named has the right answer."""


def attacker(assignment: Assignment, name: str, other: Path, source: Path, folder: Path) -> dict[str, Any]:
    """The notebook of an attack."""
    places = {"other": str(other), "source": str(source), "folder": str(folder)}
    return answered(assignment, **{cell: code.format(**places) for cell, code in ATTACKS[name].items()})

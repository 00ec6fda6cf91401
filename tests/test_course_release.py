"""From percent scripts to what students get: pairs in step, nbgrader's metadata, and that no solution or hidden test gets out."""

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest

from lnl_core.errors import ConfigError
from tools import ROOT
from tools.course import release as course
from tools.course.release import (
    COURSE,
    faults,
    folder_leaks,
    make,
    notebook_leaks,
    own,
    points,
    read_source,
    release,
    scripts,
    with_seed,
)
from tools.site.notebooks import to_text

NAMES = [script.stem for script in scripts()]
SMALL = '''
# %% nbgrader={"grade_id": "setup", "locked": true}
CLASS_SEED = 2026

# %% [markdown] nbgrader={"grade_id": "prompt", "locked": true}
# Write the double.

# %% nbgrader={"grade_id": "double", "solution": true}
def double(x):
    ### BEGIN SOLUTION
    twice = x + x
    return twice if twice == 2 * x else None
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-double", "points": 60}
assert double(1) == 2
### BEGIN HIDDEN TESTS
assert double(CLASS_SEED) == 2 * CLASS_SEED, "the hidden message"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": true, "grade_id": "why", "points": 40, "solution": true}
# Because adding a number to itself is doubling it.
'''
SECRETS = (
    "return twice if twice == 2 * x else None",
    'assert double(CLASS_SEED) == 2 * CLASS_SEED, "the hidden message"',
    "Because adding a number to itself is doubling it.",
    "twice = x + x",
)


def source(name: str) -> Any:
    return read_source((COURSE / "source" / name / f"{name}.py").read_text(encoding="utf-8"))


def folder(path: Path, text: str = SMALL) -> Path:
    """A course with one small assignment, a9_double."""
    script = path / "source" / "a9_double" / "a9_double.py"
    script.parent.mkdir(parents=True)
    script.write_text(text, encoding="utf-8")
    return path


def test_every_pair_is_in_step() -> None:
    assert course.out_of_step() == []


@pytest.mark.parametrize("name", NAMES)
def test_an_assignment_has_a_hundred_points_and_a_question_for_a_person(name: str) -> None:
    notebook = source(name)
    assert faults(notebook) == []
    by_hand = [cell for cell in notebook.cells if own(cell).get("grade") and own(cell)["solution"]]
    assert 1 <= len(by_hand) <= 2
    assert all(cell.cell_type == "markdown" for cell in by_hand)
    assert 3 <= len([name for name in points(notebook) if name.startswith("test-")]) <= 6
    prompts = [cell for cell in notebook.cells if cell.cell_type == "markdown" and own(cell) and not own(cell)["solution"]]
    assert all(own(cell)["locked"] for cell in prompts)
    assert len(prompts) >= len(points(notebook)), "every task has a prompt, and there is a title"
    assert all(own(cell) for cell in notebook.cells), "every cell is one of nbgrader's, so that a missing one is noticed"


@pytest.mark.parametrize("name", NAMES)
def test_a_release_is_locked_empty_and_holds_no_secret(name: str) -> None:
    notebook = source(name)
    before = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
    released = release(notebook)
    assert nbformat.writes(notebook) == before, "the source is left as it is"  # type: ignore[no-untyped-call]
    nbformat.validate(released)
    assert notebook_leaks(notebook, released) == []
    assert points(released) == points(notebook)
    assert [cell.id for cell in released.cells] == [cell.id for cell in notebook.cells]
    for cell in released.cells:
        if own(cell).get("locked"):
            assert cell.metadata["editable"] is False
        assert cell.metadata["deletable"] is False
        assert len(own(cell)["checksum"]) == 32
        assert not cell.get("outputs")
    stubs = [cell for cell in released.cells if "NotImplementedError" in cell.source or cell.source == "YOUR ANSWER HERE"]
    assert {own(cell)["grade_id"] for cell in stubs} >= {own(cell)["grade_id"] for cell in notebook.cells if own(cell)["solution"]}


def test_nbgrader_copies_no_script_beside_a_released_notebook() -> None:
    config = SimpleNamespace(**{name: SimpleNamespace() for name in ("CourseDirectory", "ExecutePreprocessor", "ClearSolutions")})
    text = (COURSE / "nbgrader_config.py").read_text(encoding="utf-8")
    exec(compile(text, "nbgrader_config.py", "exec"), {"get_config": lambda: config})
    for name in ("a10_new.py", "project.py", *(script.name for script in scripts())):
        assert any(fnmatch(name, pattern) for pattern in config.CourseDirectory.ignore), name
    assert not any(fnmatch("a1_biased_data.ipynb", pattern) for pattern in config.CourseDirectory.ignore)


def test_secrets_are_the_lines_inside_the_regions() -> None:
    found = course.secrets(read_source(SMALL))
    assert found == {"".join(line.split()) for line in SECRETS}


def in_source(cell: Any, text: str) -> None:
    cell.source += f"\n{text}"


def in_comment(cell: Any, text: str) -> None:
    cell.source += f"\n#   {text}"


def in_metadata(cell: Any, text: str) -> None:
    cell.metadata["author"] = {"notes": [text]}


def in_key(cell: Any, text: str) -> None:
    cell.metadata[text] = True


def in_output(cell: Any, text: str) -> None:
    cell.outputs = [nbformat.v4.new_output("stream", text=f"debug: {text}\n")]  # type: ignore[no-untyped-call]


def in_lines_of_an_output(cell: Any, text: str) -> None:
    data = {"text/html": ["<pre>", *text.replace(" ", "\n&nbsp;").splitlines(keepends=True), "</pre>"]}
    cell.outputs = [{"output_type": "display_data", "data": data, "metadata": {}}]


def in_attachment(cell: Any, text: str) -> None:
    cell["attachments"] = {"notes.txt": {"text/plain": base64.b64encode(text.encode()).decode()}}


def in_json(cell: Any, text: str) -> None:
    cell.metadata["cache"] = json.dumps({"cell": f"{text}\nand more"})


def in_hexadecimal(cell: Any, text: str) -> None:
    cell.source += f"\nblob = bytes.fromhex('{text.encode().hex()}')"


def zipped(cell: Any, text: str) -> None:
    cell.source += f"\nblob = '{base64.b64encode(zlib.compress(text.encode())).decode()}'"


def gzipped_and_wrapped(cell: Any, text: str) -> None:
    code = base64.encodebytes(gzip.compress(f"first line\n{text}\nlast line".encode())).decode()
    cell.source += f'\nblob = """{code}"""'


def twice_encoded(cell: Any, text: str) -> None:
    cell.metadata["blob"] = base64.urlsafe_b64encode(base64.b64encode(text.encode())).decode()


FORMS: tuple[Callable[[Any, str], None], ...] = (
    *(in_source, in_comment, in_metadata, in_key, in_output, in_lines_of_an_output, in_attachment),
    *(in_json, in_hexadecimal, zipped, gzipped_and_wrapped, twice_encoded),
)


@pytest.mark.parametrize("plant", FORMS, ids=lambda plant: str(plant.__name__))
@pytest.mark.parametrize("text", SECRETS[:3], ids=("solution", "hidden-test", "written-answer"))
def test_a_secret_is_found_in_any_form(plant: Callable[[Any, str], None], text: str) -> None:
    notebook = read_source(SMALL)
    released = release(notebook)
    assert notebook_leaks(notebook, released) == []
    plant(released.cells[0], text)
    assert notebook_leaks(notebook, released)


@pytest.mark.parametrize("plant", [in_source, in_comment, in_metadata, in_json], ids=lambda plant: str(plant.__name__))
def test_a_short_secret_is_found_as_a_line(plant: Callable[[Any, str], None]) -> None:
    notebook = read_source(SMALL)
    released = release(notebook)
    plant(released.cells[0], "twice = x + x")
    assert notebook_leaks(notebook, released)


def test_a_mark_left_behind_is_found() -> None:
    notebook = read_source(SMALL)
    released = release(notebook)
    released.cells[1].source += "\n### END HIDDEN TESTS"
    assert notebook_leaks(notebook, released) == ["it holds nbgrader's mark 'END HIDDEN TESTS'"]


def test_a_leaking_release_is_refused_and_not_written(tmp_path: Path) -> None:
    told = SMALL.replace("# Write the double.", "# Write the double. Hint: `return twice if twice == 2 * x else None`")
    with pytest.raises(ConfigError, match="the release of a9_double is refused, it holds the secret line 'returntwice"):
        make(folder(tmp_path, told))
    assert not (tmp_path / "release").exists()


FAULTS = {
    "the grade id 'double' stands at two cells: give one of them another": ('"test-double"', '"double"'),
    "the points add up to 90, not to 100: change those of a cell": ('"points": 60', '"points": 50'),
    "the graded cell 'test-double' has no points: write how many": (', "points": 60', ""),
    "CLASS_SEED must be set once, in a locked cell: write a line 'CLASS_SEED = 2026' there": ("CLASS_SEED = 2026", "SEED = 1"),
    "a cell of nbgrader has no grade_id: give it one": ('"grade_id": "prompt", ', ""),
    "cell double is not plain Python": ("    twice = x + x", "    %time x + x"),
    "nbgrader's ClearSolutions refuses the assignment: no end solution": ("    ### END SOLUTION\n", ""),
    "nbgrader's ClearHiddenTests refuses the assignment: No end hidden": ("### END HIDDEN TESTS\n", ""),
    "nbgrader's ClearSolutions refuses the assignment: Solution region": ('"double", "solution": true', '"double", "locked": true'),
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_a_fault_is_refused_in_a_sentence(sentence: str, tmp_path: Path) -> None:
    changed = SMALL.replace(*FAULTS[sentence])
    assert changed != SMALL
    with pytest.raises(ConfigError) as refused:
        make(folder(tmp_path, changed))
    assert str(refused.value).startswith(f"a9_double: {sentence}")
    assert not (tmp_path / "release").exists()


def test_a_course_without_assignments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no assignment: write <id>/<id>\.py there"):
        make(tmp_path)


def test_a_seed_changes_source_and_release_alike(tmp_path: Path) -> None:
    here = folder(tmp_path)
    names = ["source/a9_double/a9_double.ipynb", "release/a9_double/a9_double.ipynb"]
    assert make(here) == [here / name for name in names]
    assert make(here) == [], "a second time there is nothing to do"
    assert make(here, seed=2027) == [here / name for name in names]
    for name in (*names, "source/a9_double/a9_double.py"):
        assert "CLASS_SEED = 2027" in (here / name).read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="a class seed is a whole number from 0, got -1"):
        with_seed(SMALL, -1)
    with pytest.raises(ConfigError, match="one line 'CLASS_SEED = 2026', found 0"):
        with_seed("x = 1", 3)


def test_a_folder_is_searched_whoever_made_it(tmp_path: Path) -> None:
    here = folder(tmp_path)
    make(here)
    small = {"a9_double": read_source(SMALL)}
    assert folder_leaks(small, here / "release") == []
    copied = here / "release" / "a9_double" / "a9_double.py"
    copied.write_text(SMALL, encoding="utf-8")  # what nbgrader does with other files of a source folder
    found = folder_leaks(small, here / "release")
    assert {sentence.split(":")[0] for sentence in found} == {"a9_double/a9_double.py"}


def test_install_cells_hold_the_address(tmp_path: Path) -> None:
    from tools.site.address import Address

    text = '# %% tags=["install"] nbgrader={"grade_id": "install", "locked": true}\n# filled in'
    assert 'REPOSITORY = "https://example.org/a/b"' in read_source(text, Address("https://example.org/a/b", "main")).cells[0].source


@pytest.mark.slow  # nbgrader's command line takes seconds to start
def test_nbgrader_itself_makes_the_same_release(tmp_path: Path) -> None:
    """With the command of the teaching page, after `make assignments`, whose release must not keep it from its gradebook."""
    name = "a2_mutual_information"
    shutil.copytree(COURSE / "source" / name, tmp_path / "source" / name)
    shutil.copy(COURSE / "nbgrader_config.py", tmp_path)
    make(tmp_path)
    page = (ROOT / "book" / "teaching.md").read_text(encoding="utf-8")
    (words,) = re.findall(rf"^nbgrader (generate_assignment .*{name})$", page, flags=re.MULTILINE)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "nbgrader", *words.split()]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "gradebook.db").is_file(), done.stderr
    (made,) = (tmp_path / "release" / name).iterdir()  # and no script with solutions beside it
    ours = release(source(name))
    assert json.loads(made.read_text(encoding="utf-8"))["cells"] == json.loads(to_text(ours))["cells"]


def test_the_command_says_what_it_wrote(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["release", "sync"])
    assert course.main() == 0
    assert capsys.readouterr().out == "", "in step: nothing to write"
    assert (ROOT / "assignments" / "nbgrader_config.py").is_file()

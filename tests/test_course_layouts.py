"""Where submissions are looked for, and how a damaged notebook becomes one again."""

import json
import os
import unicodedata
from pathlib import Path
from typing import Any, Literal

import pytest
import toy_course
from toy_course import DAMAGES, NAME, answered, cell, toy

from lnl_core.errors import ConfigError, DataError
from tools.course import class_of
from tools.course.assignment import Assignment, names_read, read_assignment, read_course
from tools.course.grade import grade_one
from tools.course.layouts import Student, absent, find, known_as, match, read_class_list
from tools.course.release import sync
from tools.course.repair import SIZE, Cell, belongs_to, mend, read_cells
from tools.course.sandbox import Limits


@pytest.fixture(scope="module")
def assignment(tmp_path_factory: pytest.TempPathFactory) -> Assignment:
    return toy(tmp_path_factory.mktemp("course"))


def put(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}", encoding="utf-8")
    return folder


def seen(folder: Path) -> dict[str, tuple[str, int]]:
    """By student: assignment and number of notebooks."""
    return {one.student.id: (one.assignment, len(one.files)) for one in find(folder, [NAME, "a1_other"]).submissions}


def test_nbgraders_exchange(tmp_path: Path) -> None:
    put(tmp_path, f"ada/{NAME}/{NAME}.ipynb", f"ada/{NAME}/timestamp.txt", f"bo/{NAME}/{NAME}.ipynb", "bo/a1_other/a1_other.ipynb")
    put(tmp_path, f"ada/{NAME}/.ipynb_checkpoints/{NAME}-checkpoint.ipynb")
    found = find(tmp_path, [NAME, "a1_other"])
    assert found.layout == "nbgrader"
    assert [(one.student.id, one.assignment, len(one.files), one.problem) for one in found.submissions] == [
        ("ada", NAME, 1, ""),
        ("bo", NAME, 1, ""),
        ("bo", "a1_other", 1, ""),
    ]


def test_of_several_notebooks_in_the_exchange_the_one_with_the_assignments_name_is_taken(tmp_path: Path) -> None:
    put(tmp_path, f"ada/{NAME}/{NAME}.ipynb", f"ada/{NAME}/Untitled.ipynb", f"bo/{NAME}/one.ipynb", f"bo/{NAME}/two.ipynb")
    put(tmp_path, f"cy/{NAME}/{NAME}.ipynb", f"cy/{NAME}/old/{NAME}.ipynb")
    found = find(tmp_path, [NAME])
    ada, bo, cy = found.submissions
    assert (ada.problem, [path.name for path in ada.files]) == ("", [f"{NAME}.ipynb"])
    assert found.notes == [
        f"ada handed in Untitled.ipynb beside {NAME}.ipynb, which is graded: look whether it is the right one."
    ]
    assert [len(one.files) for one in (bo, cy)] == [2, 2]
    assert all("one is wanted" in one.problem for one in (bo, cy))


def test_moodles_download(tmp_path: Path) -> None:
    put(tmp_path, "Ada Lovelace_123456_assignsubmission_file_/toy.ipynb", "Bo Ek_77_assignsubmission_file_/deep/toy.ipynb")
    put(tmp_path, f"Cy Zed_5_assignsubmission_file_{NAME}.ipynb")
    assert seen(tmp_path) == {"moodle-123456": ("", 1), "moodle-77": ("", 1), "moodle-5": (NAME, 1)}
    assert {one.student.name for one in find(tmp_path, [NAME]).submissions} == {"Ada Lovelace", "Bo Ek", "Cy Zed"}


def test_a_file_called_like_somebody_elses_is_its_owners(tmp_path: Path) -> None:
    put(tmp_path, "Eve_3_assignsubmission_file_x_1_assignsubmission_file_n.ipynb", "Ada_1_assignsubmission_file_n.ipynb")
    assert seen(tmp_path) == {"moodle-1": ("", 1), "moodle-3": ("", 1)}
    assert {one.student.name for one in find(tmp_path, [NAME]).submissions} == {"Ada", "Eve"}


def test_canvass_download(tmp_path: Path) -> None:
    put(tmp_path, f"lovelaceada_12345_67890_{NAME}.ipynb", f"ekbo_LATE_12346_67891_{NAME}-2.ipynb")
    assert seen(tmp_path) == {"canvas-12345": (NAME, 1), "canvas-12346": (NAME, 1)}


@pytest.mark.parametrize(
    ("layout", "names", "odd"),
    [
        ("Moodle", ("Ada_1_assignsubmission_file_/n.ipynb", f"Eve_2_assignsubmission_file_/{NAME}/n.ipynb"), ""),
        ("Moodle", ("Ada_1_assignsubmission_file_/n.ipynb", "Bo_2_assignsubmission_file_/n.ipynb", f"eve/{NAME}/n.ipynb"), "eve"),
        ("Canvas", ("ada_12_34_n.ipynb", "eve_56_78_x_1_assignsubmission_file_n.ipynb"), ""),
        ("nbgrader", (f"ada/{NAME}/n.ipynb", f"bo/{NAME}/n.ipynb", "eve_56_78_n.ipynb", "notes.txt"), "eve_56_78_n.ipynb"),
    ],
)
def test_one_student_does_not_change_the_layout_of_the_class(layout: str, names: tuple[str, ...], odd: str, tmp_path: Path) -> None:
    found = find(put(tmp_path, *names), [NAME])
    assert found.layout == layout
    assert len(found.submissions) == 2
    assert found.notes == ([f"{odd} was left out: rename it as the others are ({layout}) if it is a submission."] if odd else [])


def test_files_named_by_student(tmp_path: Path) -> None:
    put(tmp_path, "ada.ipynb", f"bo_{NAME}.ipynb", f"{NAME}-cy.ipynb", "dee/whatever.ipynb", "notes.txt")
    assert seen(tmp_path) == {"ada": ("", 1), "bo": (NAME, 1), "cy": (NAME, 1), "dee": ("", 1)}


def test_nothing_and_two_concern_their_student_alone(tmp_path: Path) -> None:
    put(tmp_path, "ada/one.ipynb", "bo/one.ipynb", "bo/two.ipynb")
    (tmp_path / "cy").mkdir()
    problems = {one.student.id: one.problem for one in find(tmp_path, [NAME]).submissions}
    assert problems["ada"] == ""
    assert (
        problems["bo"] == "There are 2 notebooks, one.ipynb and two.ipynb, and one is wanted: hand in that which is to be graded."
    )
    assert problems["cy"] == "The submission holds no notebook: hand in the .ipynb file."


def test_an_empty_folder_and_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no submission"):
        find(tmp_path, [NAME])
    with pytest.raises(DataError, match="there is no folder"):
        find(tmp_path / "nowhere", [NAME])


def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = put(tmp_path / "secret", "key.ipynb") / "key.ipynb"
    folder = put(tmp_path / "in", "ada.ipynb")
    (folder / "eve.ipynb").symlink_to(secret)
    (folder / "mal").symlink_to(secret.parent)
    problems = {one.student.id: one.problem for one in find(folder, [NAME]).submissions}
    assert set(problems) == {"ada", "eve"}
    assert "is a link" in problems["eve"]


@pytest.mark.parametrize("name", [f"{NAME}_...ipynb", f"{NAME}_.hidden.ipynb", f"new\nline_{NAME}.ipynb"])
def test_no_name_leads_out_of_the_folder_of_results(name: str, tmp_path: Path) -> None:
    (one,) = find(put(tmp_path, name), [NAME]).submissions
    assert (tmp_path / one.student.id).resolve().parent == tmp_path
    assert not one.student.id.startswith(".")
    assert one.student.id.isprintable()


def test_names_that_are_not_utf_8_become_text_and_stay_apart(tmp_path: Path) -> None:
    for name in (b"Andr\xe9_1_assignsubmission_file_", b"Andr\xe8_2_assignsubmission_file_"):
        put(tmp_path / "moodle" / os.fsdecode(name), *(["a.ipynb", os.fsdecode(b"\xff.ipynb")] if b"_1_" in name else ["n.ipynb"]))
    put(tmp_path / "loose", *(os.fsdecode(b"Andr" + letter + b".ipynb") for letter in (b"\xe9", b"\xe8")))
    found = [one for folder in ("moodle", "loose") for one in find(tmp_path / folder, [NAME]).submissions]
    assert sorted(one.student.id for one in found) == ["Andr_xe8", "Andr_xe9", "moodle-1", "moodle-2"]
    assert {one.student.name for one in found} == {"", "Andr?"}
    assert [one.problem for one in found if one.problem] == [
        "There are 2 notebooks, a.ipynb and ?.ipynb, and one is wanted: hand in that which is to be graded."
    ]


def test_the_class_list_knows_students_by_number_and_name(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        "\ufeffid,name,moodle,canvas\nada,Ada Lovelace,,\nbo,Bo Ek,77,\ncy,Cy Zed,,12345\ndee,Dee,,\n"
    )
    students = read_class_list(tmp_path / "list.csv")
    folder = put(tmp_path / "in", *(f"{name}_assignsubmission_file_/n.ipynb" for name in ("Ada Lovelace_1", "Someone_77", "Eve_9")))
    found = match(find(folder, [NAME]), students)
    assert {one.student.id for one in found.submissions} == {"ada", "bo", "moodle-9"}
    assert found.notes == ["moodle-9 is not on the class list, and is graded all the same."]
    assert absent(found, students, before=["dee"]) == ["cy is on the class list and handed nothing in."]
    (lovelace,) = [one.student for one in found.submissions if one.student.id == "ada"]
    assert lovelace.moodle == "1", "the number goes into the form for Moodle"


def test_a_name_is_known_whichever_part_of_it_comes_first(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("id,name\nada,Ada Lovelace\nzoe,Zoe Adams\nana,Ana Maria de Sá\n", encoding="utf-8")
    known = known_as(read_class_list(tmp_path / "list.csv"))
    for name, wanted in {"lovelaceada": "ada", "adamszoe": "zoe", "Zoe Adams": "zoe", "desáanamaria": "ana"}.items():
        assert known(Student("x", name, "", "")).id == wanted, name
    assert not known(Student("x", "Ada Adams", "", "")).listed


def test_the_number_in_a_folders_name_goes_before_that_of_the_class_list(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("id,name,moodle\nada,Ada Lovelace,111\n")
    folder = put(tmp_path / "in", "Ada Lovelace_222_assignsubmission_file_/n.ipynb")
    (one,) = match(find(folder, [NAME]), read_class_list(tmp_path / "list.csv")).submissions
    assert (one.student.id, one.student.moodle) == ("ada", "222"), "Moodle's number is another one in each assignment"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_letters_of_two_characters_are_those_of_the_class_list(form: Literal["NFC", "NFD"], tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(unicodedata.normalize(form, "id,name\njosé,José Núñez\n"), encoding="utf-8")
    students = read_class_list(tmp_path / "list.csv")
    put(tmp_path / "moodle", unicodedata.normalize("NFD", "José Núñez_1_assignsubmission_file_/n.ipynb"))
    put(tmp_path / "exchange", unicodedata.normalize("NFD", f"josé/{NAME}/n.ipynb"))
    for folder in ("moodle", "exchange"):
        found = match(find(tmp_path / folder, [NAME]), students)
        assert [(one.student.id, one.student.listed) for one in found.submissions] == [("josé", True)]
        assert found.notes == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id,name\nada,A\nbo,B\nada,C\n", "has the id ada in lines 2 and 4"),
        ("id,moodle\nada,7\nbo,7\n", "has the moodle 7 in lines 2 and 3"),
        ("name\nAda\n", "has no column id"),
        ("id,name\n,Ada\n", "line 2 of .* has no id"),
        ("id,name\n../../ada,Ada\n", "can be the name of a folder"),
        ("", "has no column id"),
    ],
)
def test_a_class_list_with_a_fault_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(DataError, match=sentence):
        read_class_list(tmp_path / "list.csv")


# Damaged notebooks


def mended(notebook: dict[str, Any], assignment: Assignment) -> tuple[list[Cell], list[str]]:
    return mend(read_cells(json.dumps(notebook).encode()), assignment)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_programs_and_hands_do_to_a_notebook_is_mended(damage: str, assignment: Assignment) -> None:
    notebook = answered(assignment)
    right = {one.name: one.source for one in mended(answered(assignment), assignment)[0]}
    DAMAGES[damage](notebook)
    cells, _ = mended(notebook, assignment)
    assert [one.name for one in cells if one.name] == [one.metadata["nbgrader"]["grade_id"] for one in assignment.released.cells]
    found = {one.name: one.source for one in cells}
    lost = {"why"} if damage == "without_tests" else set()  # the question is a graded cell too: its answer was deleted
    assert {name: found[name] for name in right if name not in lost} == {name: right[name] for name in right if name not in lost}


def test_every_kind_of_mending_is_told(assignment: Assignment) -> None:
    told = {}
    for name, damage in DAMAGES.items():
        damage(notebook := answered(assignment))
        told[name] = " ".join(mended(notebook, assignment)[1])
    assert mended(answered(assignment), assignment)[1] == []
    assert "The test cell test-double was missing: it was put back." in told["without_tests"]
    assert "The order of the cells was changed: they were put back in theirs." in told["reordered"]
    assert "The locked cell test-double was changed: its original is used." in told["changed_tests"]
    assert "The cell test-double is there twice" in told["doubled_tests"]
    assert told["by_colab"] == told["by_jupyterlite"] == told["fifty_megabytes"] == ""
    assert "The cell double had lost its mark: it was found by what it holds." in told["by_vs_code"]


def test_of_two_answers_the_last_counts_and_both_are_run(assignment: Assignment) -> None:
    notebook = answered(assignment)
    first = cell(notebook, "double")
    notebook["cells"].insert(notebook["cells"].index(first) + 1, {**first, "source": "def double(x):\n    return 2 * x"})
    cells, notes = mended(notebook, assignment)
    assert notes == ["The cell double is there twice: the last one counts."]
    assert [one.source for one in cells if one.name == "double"] == ["def double(x):\n    return 2 * x"]
    assert "def double(x):\n    return x + x" in [one.source for one in cells if not one.name]


def test_a_students_own_cell_stays_behind_the_one_it_followed(assignment: Assignment) -> None:
    notebook = answered(assignment)
    helper = {"cell_type": "code", "source": "import math", "metadata": {}, "id": "x"}
    notebook["cells"].insert(notebook["cells"].index(cell(notebook, "double")), helper)
    names = [one.name or one.source for one in mended(notebook, assignment)[0]]
    assert names[names.index("double") - 1] == "import math"


def text_cell(source: str, kind: str = "markdown") -> dict[str, Any]:
    return {"cell_type": kind, "metadata": {}, "source": source}


def test_an_answer_in_a_raw_cell_is_its_text(assignment: Assignment) -> None:
    notebook = answered(assignment, why="My answer.")
    cell(notebook, "why")["cell_type"] = "raw"
    cell(notebook, "double")["cell_type"] = "raw"
    notebook["cells"].append(text_cell("not code", "raw"))
    cells, notes = mended(notebook, assignment)
    assert [one for one in cells if one.name == "why"] == [Cell("markdown", "My answer.", "why", "why")]
    assert {one.kind for one in cells} == {"code", "markdown"}
    assert notes == ["The cell double was missing: it was put back."], "whoever makes code a raw cell wants it not to run"


def test_an_answer_below_the_cell_for_it_is_read_by_a_person(assignment: Assignment) -> None:
    (given,) = [one.source for one in assignment.released.cells if one.metadata["nbgrader"]["grade_id"] == "why"]
    notebook = answered(assignment, why=given)
    notebook["cells"].append(text_cell("Mine, in a cell of my own."))
    cells, notes = mended(notebook, assignment)
    assert cells[-1] == Cell("markdown", "Mine, in a cell of my own.", "why", "why")
    assert notes == ["The cell why was left as it was: the text below it is taken for the answer."]
    result = grade_one(json.dumps(notebook).encode(), assignment.text, NAME, "unsafe", Limits())
    assert [task["points"] for task in result["tasks"]] == [50.0, 30.0, None]
    for why, below in ((given, text_cell(" \n")), (given, text_cell("1", "code")), ("In its place.", text_cell("More."))):
        notebook = answered(assignment, why=why)
        notebook["cells"].append(below)
        cells, notes = mended(notebook, assignment)
        assert (cells[-2].source, notes) == (why, [])


def test_an_answer_that_lost_its_mark_is_where_its_function_is_defined(assignment: Assignment) -> None:
    DAMAGES["by_vs_code"](notebook := answered(assignment))
    notebook["cells"].append({"cell_type": "code", "metadata": {}, "source": "double = double(21)"})
    cells, _ = mended(notebook, assignment)
    assert [one.source for one in cells if one.name == "double"] == ["def double(x):\n    return x + x"]


def test_a_cell_that_pretends_to_be_a_test_is_not_used(assignment: Assignment) -> None:
    notebook = answered(assignment)
    cell(notebook, "test-double")["metadata"]["nbgrader"] |= {"points": 1000, "locked": False, "solution": True}
    cell(notebook, "test-double")["source"] = "1000"
    cells, _ = mended(notebook, assignment)
    (test,) = [one for one in cells if one.name == "test-double"]
    assert test.source.startswith("assert double(0) == 0")
    assert "secret" not in test.source, "the hidden tests are not given to the sandbox"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty"),
        (b"%PDF-1.7 \xff", "its text is not JSON"),
        (b"<!doctype html><html>", "It looks like a web page"),
        (b"[" * 100_000, "its text is not JSON"),
        (b"[1, 2]", "no notebook, or it has no cells"),
        (b'{"cells": 3, "worksheets": 4}', "no notebook, or it has no cells"),
        (b'{"worksheets": [{"cells": 5}, 6]}', "no notebook, or it has no cells"),
        (
            b'{"cells": [{"cell_type": "code", "source": 7}, null, 5, {"cell_type": []}]}'.replace(b'"code"', b'"x"'),
            "it has no cells",
        ),
        (json.dumps({"cells": [{"cell_type": "code", "source": "x" * 2_000_000}]}).encode(), "more than a million characters"),
    ],
)
def test_what_is_no_notebook_is_told_in_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read_cells(data)


def test_a_file_that_is_too_large_is_not_parsed() -> None:
    class Large(bytes):
        def __len__(self) -> int:
            return SIZE + 1

        def decode(self, *_: object) -> str:  # type: ignore[override]
            raise AssertionError("it was parsed")

    with pytest.raises(DataError, match="clear all outputs"):
        read_cells(Large())


def test_an_old_notebook_has_cells_too() -> None:
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1\n", "y = 2"], "outputs": []}]}]}
    assert read_cells(json.dumps(old).encode()) == [Cell("code", "x = 1\ny = 2")]


def test_a_notebook_of_another_assignment_is_known(assignment: Assignment, tmp_path: Path) -> None:
    changed = (
        toy_course.SOURCE.replace('"grade_id": "', '"grade_id": "other-')
        .replace("# #", "# # Other")
        .replace("assert ", "assert 1 and ")
    )
    place = tmp_path / "source" / "a1_other"
    place.mkdir(parents=True)
    (place / "a1_other.py").write_text(changed)
    sync(tmp_path)
    other = read_assignment(place / "a1_other.ipynb")
    course = {NAME: assignment, "a1_other": other}
    cells = read_cells(json.dumps(json.loads(json.dumps(other.released))).encode())
    assert belongs_to(cells, course) == "a1_other"
    assert belongs_to(cells, {NAME: assignment}) == "", "not even though both have a cell called setup"


# Sources


def test_a_hidden_test_that_reads_what_nobody_defines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'test-total' read 'tabel', which no locked cell and no solution defines"):
        toy_write(tmp_path, toy_course.SOURCE.replace("total - table.sum()", "total - tabel.sum()"))


def toy_write(folder: Path, source: str) -> Assignment:
    return read_course(toy_course.write_course(folder, source))[NAME]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"points": 30', '"points": 31', "points add up to 101, not to 100"),
        ('"grade_id": "test-total"', '"grade_id": "test-double"', "stands at two cells"),
    ],
)
def test_a_source_with_a_fault_is_refused(old: str, new: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=sentence):
        toy_write(tmp_path, toy_course.SOURCE.replace(old, new))


def test_an_assignment_that_is_not_there_is_refused(assignment: Assignment, tmp_path: Path) -> None:
    course = toy_course.write_course(tmp_path)
    with pytest.raises(ConfigError, match=f"there is no assignment a7: choose one of {NAME}"):
        read_course(course, "a7")
    with pytest.raises(ConfigError, match="holds no assignment"):
        read_course(tmp_path / "nowhere")


def test_the_names_that_code_reads() -> None:
    code = "import numpy as n\ndef check(a):\n    b = n.sum(given)\n    return [c for c in a if answer(b)]\n"
    code += "try: pass\nexcept E as e: e"
    assert names_read(code) == {"given", "answer", "E"}


def test_a_class_that_nobody_taught_has_every_kind(assignment: Assignment, tmp_path: Path) -> None:
    kinds = class_of.write_class(assignment, tmp_path / "submitted", 60, hostile=30)
    assert set(kinds.values()) == {*class_of.DAMAGES, *class_of.ATTACKS, "right", "half", "empty"}
    assert sum(kind in class_of.ATTACKS for kind in kinds.values()) == 30
    found = {one.student.id: one for one in find(tmp_path / "submitted", [NAME]).submissions}
    assert set(found) == set(kinds) == set(read_class_list(tmp_path / "class.csv"))
    solved = {one.metadata["nbgrader"]["grade_id"]: one.source for one in assignment.solved.cells}
    for student, kind in kinds.items():
        (file,) = found[student].files
        cells = {one.name: one.source for one in mend(read_cells(file.read_bytes()), assignment)[0] if one.name}
        whole = cells["double"] == solved["double"] and cells["total"] == solved["total"]
        wanted = kind == "right" or (kind in class_of.DAMAGES and kind not in ("syntax error", "another assignment"))
        assert whole == wanted, kind

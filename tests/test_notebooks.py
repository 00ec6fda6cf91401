"""The notebooks: how they are built, that each pair is in step, what is stored, and that a smoke run does what it was asked."""

import ast
import builtins
import json
import re
import subprocess
import symtable
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest

from lnl_core.config import PROFILES
from lnl_core.runs.records import RunRecord, read_record, read_records, write_record
from lnl_core.runs.run import read_runs
from tools import ROOT
from tools.site.book import SMOKE
from tools.site.execute import clean_outputs, read_executions
from tools.site.notebooks import (
    FACTS,
    IGNORE,
    PARAMETERS,
    SOLUTION,
    cells_tagged,
    facts_missing,
    fill_script,
    join_streams,
    keep_outputs,
    literals,
    out_of_step,
    read_notebook,
    read_script,
    scripts,
    solutions,
    tags,
    with_solutions,
)

SCRIPTS = scripts()
NAMES = [script.stem for script in SCRIPTS]
EXPECTED = [
    "00_quickstart",
    "01_biased_data",
    "02_derivation",
    "03_minmax_game",
    "04_training",
    "05_embeddings",
    "06_confusion",
    "07_results",
    "08_your_own_bias",
    "09_dogs_and_cats",
    "10_faces",
    "11_joint_unlearning",
    "12_mi_backprop",
    "13_is_it_gone",
    "14_the_limit",
    "15_census_fairness",
]
TRAINING = ("00_quickstart", "04_training", "05_embeddings", "06_confusion")
"""The notebooks that train on Colored MNIST and leave run records behind."""

each_notebook = pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def headings(notebook: Any) -> list[tuple[int, str]]:
    """Level and text of every Markdown heading, those in code fences aside."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"^```.*?^```", "", cell.source, flags=re.MULTILINE | re.DOTALL)
            found += [(len(marks), title) for marks, title in re.findall(r"^(#+) +(.+)$", text, flags=re.MULTILINE)]
    return found


def as_python(source: str) -> ast.Module:
    """The syntax tree of a cell; IPython's magics become nothing."""
    return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE))


def names_read(cells: list[Any]) -> set[str]:
    nodes = (node for cell in cells for node in ast.walk(as_python(cell.source)))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def test_all_notebooks_are_there() -> None:
    assert NAMES == EXPECTED


def test_pairs_are_in_step() -> None:
    assert out_of_step() == []


@each_notebook
def test_title_is_the_first_cell_and_the_only_top_heading(script: Path) -> None:
    notebook = read_script(script)
    assert re.fullmatch(r"# .+", notebook.cells[0].source)
    levels = [level for level, _ in headings(notebook)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), "a heading level is skipped"


@each_notebook
def test_order_of_the_first_cells(script: Path) -> None:
    notebook = read_script(script)

    def place(tag: str) -> int:
        (cell,) = cells_tagged(notebook, tag)
        return int(notebook.cells.index(cell))

    badge, install, parameters = place("badge"), place("install"), place("parameters")
    assert badge == 1
    assert badge < install < parameters
    assert [cell.cell_type for cell in notebook.cells[2:install]] == ["markdown"] * (install - 2)
    assert parameters == install + 1
    assert code_cells(notebook)[:2] == [notebook.cells[install], notebook.cells[parameters]]
    assert "import" in code_cells(notebook)[2].source


@each_notebook
def test_parameters_are_plain_literals_and_used(script: Path) -> None:
    notebook = read_script(script)
    (cell,) = cells_tagged(notebook, "parameters")
    assert literals(cell.source) == PARAMETERS
    assert "#" not in cell.source
    after = notebook.cells[notebook.cells.index(cell) + 1 :]
    unused = set(PARAMETERS) - names_read([cell for cell in after if cell.cell_type == "code"])
    assert not unused, f"declared and never read: {sorted(unused)}"


@each_notebook
def test_no_cell_sets_a_parameter_again(script: Path) -> None:
    for cell in code_cells(read_script(script)):
        if "parameters" not in tags(cell):
            names = [node for node in ast.walk(as_python(cell.source)) if isinstance(node, ast.Name)]
            stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
            assert not stored & set(PARAMETERS), "the value that was injected would be lost"


@each_notebook
def test_exercises_have_folded_solutions(script: Path) -> None:
    text = "\n".join(cell.source for cell in read_script(script).cells if cell.cell_type == "markdown")
    exercises = re.split(r"^### Exercise \d+.*$", text, flags=re.MULTILINE)[1:]
    assert 2 <= len(exercises) <= 4
    for number, exercise in enumerate(exercises, start=1):
        assert re.search(r"<details>\s*<summary>Solution</summary>\n\n.+?\n\n</details>", exercise, re.DOTALL), f"exercise {number}"
    assert text.count("<details>") == text.count("</details>")


@each_notebook
def test_solutions_are_python(script: Path) -> None:
    for code in solutions(read_script(script)).values():
        as_python(code)


def test_solutions_are_cells_before_the_last_and_leave_no_trace(tmp_path: Path) -> None:
    body = "# %% [markdown]\n# ### Exercise 1: a (pencil; easy)\n#\n# text\n#\n# ### Exercise 2: b (code; hard)\n#\n"
    body += "# ```python\n# a = 1\n# ```\n#\n# ```python\n# b = a\n# ```\n\n# %%\nlast = 1\n"
    notebook = read_script(_script(tmp_path, body))
    cells = [cell.source for cell in notebook.cells]
    assert [cell.source for cell in with_solutions(notebook).cells] == [
        cells[0],
        "# solution of exercise 2\na = 1\n\nb = a\n",
        cells[1],
    ]
    clean_outputs(notebook)
    assert [cell.source for cell in notebook.cells] == cells


@pytest.mark.slow
def test_the_solutions_of_every_exercise_are_executed(smoke_run: Path) -> None:
    """``smoke_run`` fails if one of them does: the copies that it executes hold them, and those that are kept do not."""
    for script in SCRIPTS:
        source = read_notebook(smoke_run / "executed" / f"{script.stem}.source.ipynb")
        tried = [cell.source for cell in cells_tagged(source, SOLUTION)]
        assert len(tried) == len(solutions(read_script(script))) >= 2, script.stem
        assert not cells_tagged(read_notebook(smoke_run / "executed" / f"{script.stem}.ipynb"), SOLUTION)


def names_bound(table: symtable.SymbolTable) -> set[str]:
    """The names that running this module's code binds in it, functions that say ``global`` included."""
    here = (symbol for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace())
    inner = [child for child in table.get_children() if isinstance(child, symtable.Function)]
    own = {symbol.get_name() for symbol in here}
    return own | {symbol.get_name() for child in inner for symbol in child.get_symbols() if symbol.is_declared_global()}


def names_wanted(table: symtable.SymbolTable) -> set[str]:
    """The global names that the code of this scope or of one inside it reads."""
    top = table.get_type() == "module"
    found = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced() and (top or symbol.is_global())}
    return found.union(*(names_wanted(child) for child in table.get_children()))


def names_unknown(code: str, notebook: Any) -> set[str]:
    """What ``code`` reads that neither it, nor a code cell of the notebook, nor Python or IPython defines."""
    cells = "\n".join(ast.unparse(as_python(cell.source)) for cell in code_cells(notebook))
    table = symtable.symtable(ast.unparse(as_python(code)), "solution", "exec")
    known = names_bound(symtable.symtable(cells, "notebook", "exec")) | names_bound(table)
    return names_wanted(table) - known - set(dir(builtins)) - {"display", "get_ipython"}


@each_notebook
def test_solutions_use_only_names_that_are_there(script: Path) -> None:
    notebook = read_script(script)
    for exercise, code in solutions(notebook).items():
        assert names_unknown(code, notebook) == set(), f"the solution of exercise {exercise} uses a name that nobody defines"


@pytest.mark.parametrize(
    ("code", "unknown"),
    [
        ("print(known + other)", {"other"}),
        ("def f():\n    return known + read_history(known)\nf()", {"read_history"}),
        ("from os import path\nprint([path.join(part) for part in 'ab'])", set()),
        ("for here in imported.walk(made()): print(here, lambda a: a + free)", {"free"}),
        ("%matplotlib inline\nprint(known)", set()),
        ("print(inside, hidden)", {"inside", "hidden"}),
    ],
)
def test_a_name_that_nobody_defines_is_found(code: str, unknown: set[str], tmp_path: Path) -> None:
    body = "# %%\n# %matplotlib inline\nimport os as imported\nknown = [inside for inside in 'ab']\ndef made():\n    hidden = 1\n"
    assert names_unknown(code, read_script(_script(tmp_path, body))) == unknown


_THE_PROFILE = ("profile", "PROFILE", "resolve_profile(PROFILE)", "config.profile")


def tables_by_profile(tree: ast.Module) -> list[tuple[ast.expr, int]]:
    """What the code indexes by the profile, and the line. A name stands for what was last assigned to it."""
    assigned = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
    }
    indexed = [
        (node.value, node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and ast.unparse(node.slice) in _THE_PROFILE
    ]
    return [(assigned.get(value.id, value) if isinstance(value, ast.Name) else value, line) for value, line in indexed]


def profiles_missing(code: str) -> list[tuple[int, set[str]]]:
    """The line and the missing profiles of each table that has no value for every profile; all of them if it is no plain table."""
    found = []
    for table, line in tables_by_profile(as_python(code)):
        keys = {key.value for key in table.keys if isinstance(key, ast.Constant)} if isinstance(table, ast.Dict) else set()
        found += [(line, set(PROFILES) - keys)] if set(PROFILES) - keys else []
    return found


@each_notebook
def test_tables_have_a_value_for_every_profile(script: Path) -> None:
    """Every notebook is offered for every profile, see ``book/how_to_read.md``."""
    notebook = read_script(script)
    for code in [*(cell.source for cell in code_cells(notebook)), *solutions(notebook).values()]:
        assert profiles_missing(code) == []


def test_a_table_without_a_profile_is_found() -> None:
    short = '{"smoke": 1, "demo": 2, "full": 3}'
    assert profiles_missing(f"trials = {short}[profile]") == [(1, {"short"})]
    assert profiles_missing(f"table = {short}\nprint(table[profile])") == [(2, {"short"})]
    assert profiles_missing(f"trials = {short}.get(profile, 3)") == []
    assert profiles_missing('{"smoke": 1, "demo": 2, "short": 2, "full": 3}[profile]') == []


@each_notebook
def test_out_dir_knows_the_home_folder(script: Path) -> None:
    """``run_folder`` does so by itself; a path made by hand would be a folder named ``~``."""
    code = "\n".join(cell.source for cell in code_cells(read_script(script)))
    assert code.count("Path(OUT_DIR)") == code.count("Path(OUT_DIR).expanduser()")


_LISTING = {"glob", "rglob", "iterdir", "walk", "listdir", "scandir", "read_records"}
_KNOWN = {"run_folder", "read_runs"}


def reads_all_of_out_dir(code: str) -> list[int]:
    """The lines that list what lies in OUT_DIR, or in a path made of it, other than by ``run_folder`` and ``read_runs``."""
    paths = {"OUT_DIR"}

    def called(node: ast.AST) -> str:
        named = node.func if isinstance(node, ast.Call) else None
        return named.attr if isinstance(named, ast.Attribute) else named.id if isinstance(named, ast.Name) else ""

    def made_of_it(node: ast.AST) -> bool:
        if called(node) in _KNOWN:
            return False
        return (isinstance(node, ast.Name) and node.id in paths) or any(made_of_it(child) for child in ast.iter_child_nodes(node))

    nodes = list(ast.walk(as_python(code)))
    for node in nodes:
        if isinstance(node, ast.Assign) and made_of_it(node.value):
            paths |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return [node.lineno for node in nodes if isinstance(node, ast.Call) and called(node) in _LISTING and made_of_it(node)]


@each_notebook
def test_no_notebook_reads_what_others_left_in_its_folder(script: Path) -> None:
    """All notebooks share OUT_DIR: what is read from it is a run that the page asked for, or the runs of one experiment."""
    notebook = read_script(script)
    for code in ["\n".join(cell.source for cell in code_cells(notebook)), *solutions(notebook).values()]:
        assert reads_all_of_out_dir(code) == []


def test_reading_all_of_a_folder_is_found() -> None:
    assert reads_all_of_out_dir('a = sorted(Path(OUT_DIR).expanduser().glob("*/record.json"))') == [1]
    assert reads_all_of_out_dir("here = Path(OUT_DIR)\nread_records(here)") == [2]
    assert reads_all_of_out_dir("read_runs(OUT_DIR, 'faces')\nfolder = run_folder(OUT_DIR, config)\nlist(folder.iterdir())") == []
    assert reads_all_of_out_dir("read_records(results_folder() / 'runs')") == []


def test_the_table_of_07_takes_only_runs_like_its_own(tmp_path: Path) -> None:
    """The cell itself, on a folder where others have left runs of other experiments, profiles and data."""
    own = next(one for one in read_records(ROOT / "results" / "runs") if one.experiment == "colored_mnist")
    others: dict[str, dict[str, Any]] = {
        "own": {},
        "dogs": {"experiment": "dogs_cats", "setting": {"train_set": "tb1"}},
        "census": {"experiment": "census", "setting": {"weight": 1.0}, "metrics": {"test_parity": 0.5}},
        "demo": {"profile": "demo"},
        "mini": {"data": {**own.data, "source": "mini"}},
    }
    for name, changes in others.items():
        write_record(replace(own, **changes), tmp_path / name / "record.json")
    names: dict[str, Any] = {"OUT_DIR": str(tmp_path), "profile": own.profile, "record": own}
    names |= {"read_runs": read_runs, "Markdown": str}
    cells = code_cells(read_script(ROOT / "notebooks" / "07_results.py"))
    (cell,) = (cell for cell in cells if "COLUMNS = {" in cell.source)
    exec(cell.source, names)
    rows = [line for line in names["lines"] if line.startswith("| ") and not line.startswith("| method")]
    assert len(rows) == 1
    assert rows[0].startswith(f"| {own.method} | {own.setting['color_var']} | {own.seed} | {own.metrics['test_accuracy']:.3f} |")


@each_notebook
def test_versions_come_last(script: Path) -> None:
    last = code_cells(read_script(script))[-1]
    assert "describe_environment()" in last.source
    assert IGNORE in tags(last)


@each_notebook
def test_no_site_markup(script: Path) -> None:
    """A notebook is also read in Colab and in an editor, where MyST shows as raw text."""
    markup = re.compile(r"\{(eq|ref|numref|cite\w*|term|doc|prf:ref)(:\w+)?\}`|^:::|^```\{", re.MULTILINE)
    for cell in read_script(script).cells:
        assert cell.cell_type == "code" or not markup.search(cell.source), cell.source


@each_notebook
def test_links_lead_somewhere(script: Path) -> None:
    text = "\n".join(cell.source for cell in read_script(script).cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text):
        assert (script.parent / target).is_file(), target


@each_notebook
def test_stored_outputs(script: Path) -> None:
    notebook = read_notebook(script.with_suffix(".ipynb"))
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    if script.stem not in FACTS:
        assert not outputs, "outputs that are weather are not stored"
        return
    assert facts_missing(notebook) == [], "run make facts"
    assert outputs
    assert all(not cell.outputs for cell in code_cells(notebook) if IGNORE in tags(cell))
    assert all(output.output_type != "error" and output.get("name") != "stderr" for output in outputs)
    text = json.dumps(outputs)
    assert not re.search(r"it/s|s/it|[▏▎▍▌▋▊▉█]|\d+%\||\bat 0x[0-9a-f]{6,}", text), "a progress bar or an address in memory"
    pieces = [[(output.output_type, output.get("name")) for output in cell.outputs] for cell in code_cells(notebook)]
    assert all(one != other for cell in pieces for one, other in pairwise(cell) if one[0] == "stream"), "a stream in pieces"
    assert not re.search(r"\d (s|ms|seconds|minutes)\b", text), "a time measured"
    assert str(ROOT) not in text
    assert str(Path.home()) + "/" not in text


def test_sync_keeps_what_it_does_not_own() -> None:
    from tools.site.address import Address

    text = SCRIPTS[0].read_text(encoding="utf-8")
    there = fill_script(text, NAMES[0], Address("https://github.com/someone/something", "v1"))
    assert "https://colab.research.google.com/github/someone/something/blob/v1/notebooks" in there
    assert fill_script(there, NAMES[0], Address()) == fill_script(text, NAMES[0], Address())


def test_outputs_of_unchanged_cells_are_kept(tmp_path: Path) -> None:
    body = "# %% [markdown]\n# # Title\n\n# %%\nprint(1)\n\n# %%\nprint({})\n"
    old = read_script(_script(tmp_path, body.format(2)))
    for count, cell in enumerate(code_cells(old), start=1):
        cell.execution_count = count
    new = read_script(_script(tmp_path, body.format(3)))
    keep_outputs(new, old)
    assert [cell.execution_count for cell in code_cells(new)] == [1, None]
    assert len(facts_missing(new)) == 1


def test_where_a_stream_was_cut_is_not_stored() -> None:
    cell = nbformat.v4.new_code_cell()  # type: ignore[no-untyped-call]
    pieces = [("stdout", "a"), ("stdout", "b"), ("stderr", "c"), ("stdout", "d")]
    cell.outputs = [nbformat.from_dict({"output_type": "stream", "name": name, "text": text}) for name, text in pieces]
    cell.outputs.insert(3, nbformat.from_dict({"output_type": "display_data", "data": {}, "metadata": {}}))
    join_streams(cell)
    assert [output.get("text") for output in cell.outputs] == ["ab", "c", None, "d"]


def _script(folder: Path, text: str) -> Path:
    path = folder / "99_script.py"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("bad", ["A: int = 1", "A = 1 + 1", "A = B = 1", "import os", "A = int('1')"])
def test_only_plain_literals_are_parameters(bad: str) -> None:
    with pytest.raises(ValueError, match=r"plain assignment|malformed"):
        literals(bad)


# Smoke runs: every notebook through papermill, with every parameter replaced.


@pytest.fixture(scope="session")
def smoke_run() -> Path:
    """The folder with the smoke-executed copies, run now unless nothing has changed since the last time."""
    command = [sys.executable, "-m", "tools.site.book", "--smoke", "--notebooks-only"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "_build" / "test"


def _records(smoke_run: Path, name: str) -> list[RunRecord]:
    return [read_record(path) for path in sorted((smoke_run / "runs" / name).rglob("record.json"))]


@pytest.mark.slow
@each_notebook
def test_smoke_run_is_clean(smoke_run: Path, script: Path) -> None:
    executed = read_notebook(smoke_run / "executed" / f"{script.stem}.ipynb")
    cells = code_cells(executed)
    assert all(cell.execution_count for cell in cells)
    assert all(output.output_type != "error" for cell in cells for output in cell.outputs)
    (injected,) = cells_tagged(executed, "injected-parameters")
    assert literals(injected.source) == {**SMOKE, "OUT_DIR": f"../../runs/{script.stem}"}
    assert read_executions(smoke_run)[script.stem].warnings == ()


@pytest.mark.slow
@each_notebook
def test_what_prints_or_draws_is_marked_as_fact_or_weather(smoke_run: Path, script: Path) -> None:
    executed = read_notebook(smoke_run / "executed" / f"{script.stem}.ipynb")
    for cell in code_cells(executed):
        if cell.outputs and script.stem not in FACTS:
            assert IGNORE in tags(cell), f"this cell has an output and lacks the tag {IGNORE}:\n{cell.source}"


@pytest.mark.slow
@each_notebook
def test_figures_have_a_text_for_those_who_cannot_see_them(smoke_run: Path, script: Path) -> None:
    executed = read_notebook(smoke_run / "executed" / f"{script.stem}.ipynb")
    for cell in code_cells(executed):
        if any("image/png" in output.get("data", {}) or "image/svg+xml" in output.get("data", {}) for output in cell.outputs):
            assert cell.metadata.get("mystnb", {}).get("image", {}).get("alt"), f"this figure has no alt text:\n{cell.source}"


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINING)
def test_smoke_runs_train_what_they_were_asked(smoke_run: Path, name: str) -> None:
    records = _records(smoke_run, name)
    assert records
    assert {record.profile for record in records} <= {"smoke", "custom"}
    assert all(record.seed == SMOKE["SEED"] for record in records)
    asked = [record for record in records if record.setting["color_var"] == SMOKE["COLOR_VAR"]]
    assert {"baseline", "lnl"} <= {record.method for record in asked}
    for record in asked:
        assert record.config["seed"] == SMOKE["SEED"]
        assert record.config["color_var"] == SMOKE["COLOR_VAR"]
        assert record.data["source"] == "mini"

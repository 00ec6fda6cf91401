"""Execute the notebooks with papermill, and not again while nothing that they depend on has changed.

Each executed copy is kept with the hash of what it was made from: the notebook, lnl_core, results/, the parameters and the
versions of Python and of the packages that lnl_core requires.
"""

import ast
import functools
import hashlib
import itertools
import json
import multiprocessing
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from importlib.metadata import requires, version
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import Any

from lnl_core._files import write_json
from lnl_core._threads import SHORT_WAITS
from tools import ROOT, write_if_changed
from tools.site.notebooks import (
    SOLUTION,
    Notebook,
    cells_tagged,
    literals,
    private_sockets,
    read_notebook,
    read_script,
    scripts,
    tags,
    to_text,
    use_own_ipython,
    with_solutions,
)
from tools.site.progress import Progress, Work, in_words, seconds_left

_TRAINS = "lnl_core.runs.run"
"""The module that trains and measures: what it imports, directly or not, can change what a run computes."""


@dataclass(frozen=True)
class Execution:
    """How one executed copy came about."""

    key: str
    seconds: float
    started: str
    device: str
    warnings: tuple[str, ...] = ()


class NotebookFailedError(RuntimeError):
    """A notebook that could not be executed to its end."""


def packages() -> dict[str, str]:
    """The installed versions of what lnl_core requires, extras aside."""
    required = [line for line in requires("lnl_core") or () if "extra ==" not in line]
    names = [match[0] for line in required if (match := re.match(r"[\w.-]+", line))]
    return {name: version(name) for name in names}


@functools.cache
def _without_docstrings(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    return ast.dump(tree)


def _digest(parts: Iterable[str | bytes]) -> str:
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


def library_key(root: Path = ROOT) -> str:
    """A hash of all that lnl_core and results/ say."""
    files = [*(root / "lnl_core").rglob("*.py"), *(path for path in (root / "results").rglob("*") if path.is_file())]
    where = sorted((path.relative_to(root).as_posix(), path) for path in files)
    return _digest(part for name, path in where for part in (name, path.read_bytes()))


def _module_file(name: str, root: Path) -> Path | None:
    """The file of a module of lnl_core; None for what is no such module."""
    base = root.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _statements(tree: ast.AST, types: bool) -> Iterator[ast.AST]:
    """All nodes, what is imported for the checker of types alone left out unless ``types``."""
    for node in ast.iter_child_nodes(tree):
        if _for_types_only(node) and not types:
            continue
        yield node
        yield from _statements(node, types)


@functools.cache
def _imported(source: str, package: str, types: bool = False) -> frozenset[str]:
    """The names that a module of this package imports, anywhere in it: modules, and what may be a module or a part of one."""
    found: set[str] = set()
    inside = package.split(".")
    for node in _statements(ast.parse(source), types):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(inside[: len(inside) - node.level + 1]) if node.level else ""
            origin = ".".join(part for part in (start, node.module) if part)
            found |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def training_modules(root: Path = ROOT) -> dict[str, Path]:
    """The modules of lnl_core that training and measuring import, by name; what only draws or reads commands is not among them."""
    found: dict[str, Path] = {}
    waiting = [_TRAINS, *_found_by_name(root)]
    while waiting:
        name = waiting.pop()
        path = _module_file(name, root)
        if name in found or path is None or name.split(".")[0] != "lnl_core":
            continue
        found[name] = path
        parent = name.rpartition(".")[0]
        imported = _imported(path.read_text(encoding="utf-8"), name if path.name == "__init__.py" else parent)
        waiting += [parent, *imported]
        for one in imported:
            package = one.rpartition(".")[0]
            home = _module_file(package, root) if one.startswith("lnl_core.") and _module_file(one, root) is None else None
            if home is not None and home.name == "__init__.py":
                # a name of a package comes from the module where the package's own list of imports for the checker finds it
                waiting += _imported(home.read_text(encoding="utf-8"), package, types=True)
    return dict(sorted(found.items()))


def _found_by_name(root: Path) -> list[str]:
    """Experiments and methods, which no import names: those who run look them up."""
    files = (path for room in ("experiments", "methods") for path in sorted((root / "lnl_core" / room).glob("*.py")))
    return [f"lnl_core.{path.parent.name}.{path.stem}" for path in files if path.stem != "__init__"]


def training_key(root: Path = ROOT) -> str:
    """A hash of the code that a training run depends on, its comments and docstrings aside."""
    modules = training_modules(root)
    code = (part for name, path in modules.items() for part in (name, _without_docstrings(path.read_text(encoding="utf-8"))))
    return _digest([json.dumps(packages()), *code])


def notebook_key(notebook: Any, parameters: dict[str, object], library: str) -> str:
    cells = [[cell.cell_type, cell.source, tags(cell)] for cell in notebook.cells]
    return _digest([json.dumps([cells, parameters, packages(), platform.python_version()]), library])


def drop_stale_runs(work: Path) -> None:
    """Delete the runs that notebooks share if the code that trained them has changed since."""
    stamp = work / "runs" / ".trained_by"
    key = training_key()
    if stamp.parent.is_dir() and (not stamp.is_file() or stamp.read_text() != key):
        shutil.rmtree(stamp.parent)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    write_if_changed(stamp, key)


def clean_outputs(notebook: Any) -> list[str]:
    """Take out what no reader should see (stderr, papermill's metadata, solutions); returns the warnings that were in it."""
    warnings = []
    for cell in notebook.cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if cell.cell_type != "code":
            continue
        errors = "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stderr")
        warnings += [line.strip() for line in errors.splitlines() if "Warning:" in line]
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata.pop("papermill", None)
    notebook.cells = [cell for cell in notebook.cells if SOLUTION not in tags(cell)]
    for cell in cells_tagged(notebook, "install"):
        cell.metadata["tags"] = [*tags(cell), "hide-input"]
    return warnings


@dataclass(frozen=True)
class _Task:
    """A notebook to execute: the script's path, the parameters to inject, and the key of the copy to be made."""

    script: str
    given: dict[str, object]
    key: str
    cells: int
    uses_runs: bool

    @property
    def name(self) -> str:
        return Path(self.script).stem


def _to_execute(script: Path, given: dict[str, object]) -> Notebook:
    """The notebook of a script; under smoke the solutions of its exercises are tried, too."""
    notebook = read_script(script)
    return with_solutions(notebook) if given.get("PROFILE") == "smoke" else notebook


def _task(script: Path, given: dict[str, object], library: str) -> _Task:
    notebook = _to_execute(script, given)
    uses = any("run_folder(" in cell.source for cell in notebook.cells if cell.cell_type == "code")
    cells = sum(bool(cell.cell_type == "code" and cell.source.strip()) for cell in notebook.cells)
    return _Task(os.path.relpath(script), given, notebook_key(notebook, given, library), cells + bool(given), uses)


def _is_done(task: _Task, work: Path) -> bool:
    """Whether the executed copy is that of this notebook as it is now."""
    done, note = (work / "executed" / f"{task.name}.{kind}" for kind in ("ipynb", "json"))
    return done.is_file() and note.is_file() and bool(json.loads(note.read_text())["key"] == task.key)


_events: "Queue[tuple[str, int]] | None" = None
"""Where a worker says which cell of which notebook begins."""


def _report_to(queue: "Queue[tuple[str, int]]") -> None:
    global _events
    _events = queue


def _run(task: _Task, work: str, threads: int) -> str:
    """Execute one notebook; returns a line for the reader."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    name = task.name
    folder = Path(work) / "executed"
    done, note = folder / f"{name}.ipynb", folder / f"{name}.json"
    notebook = _to_execute(Path(task.script), task.given)
    declared = literals(cells_tagged(notebook, "parameters")[0].source) if cells_tagged(notebook, "parameters") else {}
    unknown = sorted(set(task.given) - set(declared))
    if unknown:
        raise NotebookFailedError(f"{name}: the parameters cell does not declare {unknown[0]}")

    note.unlink(missing_ok=True)
    source = folder / f"{name}.source.ipynb"
    write_if_changed(source, to_text(notebook))
    os.environ.update({"OMP_NUM_THREADS": str(threads)} if threads else {})
    os.environ.setdefault(*SHORT_WAITS)
    use_own_ipython(Path(work))
    for variable in ("LNL_PROFILE", "LNL_DATA_DIR"):  # the book says what it says wherever it is built
        os.environ.pop(variable, None)
    where = Path(work) / "stage" / "notebooks"
    where.mkdir(parents=True, exist_ok=True)
    begun = itertools.count(1)

    def say(**_: object) -> None:
        if _events is not None:
            _events.put((name, next(begun)))

    if _events is not None:
        _events.put((name, 0))
    started, clock = time.strftime("%Y-%m-%d", time.gmtime()), time.perf_counter()
    try:
        with private_sockets() as config:
            papermill.execute_notebook(
                str(source),
                str(done),
                parameters=task.given,
                kernel_name="python3",
                cwd=str(where),
                progress_bar=False,
                log_output=False,
                on_cell_execute=say,
                config=config,
            )
    except PapermillExecutionError as error:
        tail = "\n".join(error.traceback[-1].splitlines()[-25:]) if error.traceback else ""
        where_and_why = f"cell [{error.exec_count}] failed with {error.ename}: {error.evalue}"
        raise NotebookFailedError(f"{name}: {where_and_why}\n{error.source}\n{tail}") from None
    except RuntimeError as error:  # the kernel did not start, or died; killed for its memory, it says nothing else
        raise NotebookFailedError(f"{name}: {error}") from None
    seconds = time.perf_counter() - clock
    executed = read_notebook(done)
    warnings = clean_outputs(executed)
    write_if_changed(done, to_text(executed))
    write_json(note, asdict(Execution(task.key, round(seconds, 1), started, _device(), tuple(warnings))))
    return "\n".join([f"{name}: {seconds:.0f} s", *(f"{name}: {line}" for line in warnings)])


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"CPU, {os.cpu_count()} cores"


def execute_all(
    work: Path,
    parameters: dict[str, object],
    *,
    shared_runs: bool,
    jobs: int = 1,
    root: Path = ROOT,
    progress: Progress | None = None,
    names: Sequence[str] = (),
) -> None:
    """Execute every notebook into ``work/executed``, with ``work/stage/notebooks`` as its working folder.

    Args:
        parameters: injected into every notebook; OUT_DIR is added, a relative path to ``work/runs``.
        shared_runs: let the notebooks find each other's runs. Those that use runs then wait for the first notebook, which trains
            what they read.
        jobs: how many at a time, among which the processors are shared.
        progress: says which notebook and cell is executed, and how long all will take.
        names: execute these alone; by default all.

    Raises:
        NotebookFailedError: naming every notebook that failed, after all have been tried.
    """
    drop_stale_runs(work)
    library = library_key(root)
    tasks = []
    for script in (one for one in scripts(root) if not names or one.stem in names):
        out_dir = "../../runs" if shared_runs else f"../../runs/{script.stem}"
        tasks.append(_task(script, {**parameters, "OUT_DIR": out_dir}, library))
    before = expected_seconds(str(parameters.get("PROFILE"))) | {name: run.seconds for name, run in read_executions(work).items()}
    stale = [task for task in tasks if not _is_done(task, work)]
    with progress or Progress() as progress:
        for task in tasks:
            if task not in stale:
                progress.stays(f"{task.name}: up to date")
        works = {task.name: Work(task.name, task.cells, before.get(task.name)) for task in stale}
        first = stale[0] if shared_runs and stale[:1] == tasks[:1] else None
        failures = _execute(stale, works, work, jobs, progress, first) if stale else []
    if failures:
        raise NotebookFailedError(f"could not execute {', '.join(failures)}: see above")


def _execute(
    stale: list[_Task], works: dict[str, Work], work: Path, jobs: int, progress: Progress, first: _Task | None
) -> list[str]:
    """Execute the notebooks, those that use runs after ``first``, and say how it goes; returns the names of those that failed."""
    queue: Queue[tuple[str, int]] = multiprocessing.Queue()
    places = {name: place for place, name in enumerate(works, start=1)}
    failures = []
    progress.now(f"notebooks to execute: {len(stale)}, {_left(works, jobs)}", at_once=True)
    with ProcessPoolExecutor(max_workers=jobs, initializer=_report_to, initargs=(queue,)) as pool:
        share = max(1, (os.cpu_count() or 1) // jobs) if jobs > 1 else 0
        later = [task for task in stale if first and task is not first and task.uses_runs]
        waiting = {pool.submit(_run, task, os.path.relpath(work), share): task.name for task in stale if task not in later}
        while waiting or later:
            if later and first and first.name not in waiting.values():
                waiting |= {pool.submit(_run, task, os.path.relpath(work), share): task.name for task in later}
                later = []
            finished, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            begins = _listen(queue, works)
            for future in finished:
                name = waiting.pop(future)
                works[name].seconds, works[name].done = works[name].spent(time.monotonic()), works[name].cells
                try:
                    progress.stays(future.result())
                except NotebookFailedError as error:
                    progress.stays(str(error), sys.stderr)
                    failures.append(name)
            active = [one for one in works.values() if one.started is not None and one.seconds is None]
            where = [f"notebook {places[one.name]} of {len(works)}, {one.name}, cell {one.cell} of {one.cells}" for one in active]
            if active:
                part = sum(one.done for one in works.values()) / sum(one.cells for one in works.values())
                progress.now(f"{'; '.join(where)}: {_left(works, jobs)}", part, at_once=begins)
    return failures


def _left(works: dict[str, Work], jobs: int) -> str:
    return in_words(seconds_left(works.values(), time.monotonic(), jobs))


def _listen(queue: "Queue[tuple[str, int]]", works: dict[str, Work]) -> bool:
    """Take in what the workers have said; returns whether a notebook has begun."""
    begins = False
    while True:
        try:
            name, cell = queue.get_nowait()
        except Empty:
            return begins
        if works[name].started is None:
            works[name].started, begins = time.monotonic(), True
        works[name].done = max(cell - 1, 0)


def expected_seconds(profile: str) -> dict[str, float]:
    """How long each notebook took on two cores of a processor without AVX-512, for the first time on another machine."""
    text = Path(__file__).with_name("expected_seconds.json").read_text(encoding="utf-8")
    return dict(json.loads(text).get(profile, {}))


def read_executions(work: Path) -> dict[str, Execution]:
    """How each executed notebook came about, by name."""
    notes = sorted((work / "executed").glob("*.json"))
    values = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in notes}
    return {name: Execution(**{**value, "warnings": tuple(value["warnings"])}) for name, value in values.items()}

"""Executing the notebooks: what an edit throws away, and what the builder says meanwhile."""

import io
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from tools import ROOT
from tools.site.execute import NotebookFailedError, drop_stale_runs, execute_all, training_key, training_modules
from tools.site.notebooks import private_sockets, store_facts
from tools.site.progress import Progress, Work, in_words, seconds_left

# Which runs stay


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(ROOT / "lnl_core", root / "lnl_core", ignore=shutil.ignore_patterns("__pycache__"))
    return root


def key_with(package: Path, name: str, addition: str = "\n\nADDED = 1\n") -> str:
    """The key with something added to the end of a module, which is then as it was."""
    path = package / "lnl_core" / name
    before = path.read_text(encoding="utf-8")
    path.write_text(before + addition, encoding="utf-8")
    try:
        return training_key(package)
    finally:
        path.write_text(before, encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "figures/__init__.py",
        "figures/style.py",
        "figures/digits.py",
        "figures/photographs.py",
        "figures/fairness.py",
        "figures/information.py",
        "figures/leakage.py",
        "cli.py",
        "runs/bench.py",
        "runs/comparison.py",
        "runs/sweep.py",
        "runs/executors.py",
        "__main__.py",
    ],
)
def test_an_edit_of_what_draws_or_reads_commands_keeps_the_runs(name: str, package: Path) -> None:
    assert key_with(package, name) == training_key(package)


@pytest.mark.parametrize(
    "name",
    [
        *("losses.py", "runs/run.py", "_random.py", "__init__.py", "evaluation/__init__.py", "evaluation/accuracy.py"),
        *("evaluation/probes.py", "evaluation/probe_kinds.py", "networks/parts.py"),
        *("networks/faces.py", "datasets/synthetic/drawing.py"),
        *("training/loop.py", "training/checkpoints.py", "methods/jlu.py", "methods/adversarial_step.py"),
    ],
)
def test_an_edit_of_what_trains_or_measures_drops_the_runs(name: str, package: Path) -> None:
    assert key_with(package, name) != training_key(package)
    assert key_with(package, name, "\n# a remark\n") == training_key(package)


def test_the_modules_of_a_run_are_those_that_python_loads_for_it() -> None:
    code = "import sys, lnl_core.runs.run; print(*sorted(name for name in sys.modules if name.split('.')[0] == 'lnl_core'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= set(training_modules())


def test_every_form_of_import_is_followed(tmp_path: Path) -> None:
    def module(name: str, text: str) -> None:
        path = tmp_path / "lnl_core" / f"{name}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)

    types = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from lnl_core.{} import thing\n"
    module("__init__", types.format("home") + "    from lnl_core.other_home import another\n")
    module("runs/__init__", "")
    forms = ("import os", "import lnl_core.a", "from lnl_core import b, thing", "from lnl_core.c import f", "from .. import d")
    module("runs/run", "\n".join([*forms, "from lnl_core.room import chair\n"]))
    module("room/__init__", types.format("room.furniture").replace("thing", "chair"))
    module("a", "def later():\n    from lnl_core.e import g\n")
    module("b", types.format("never"))
    for name in ("c", "d", "e", "home", "other_home", "never", "alone", "room/furniture", "room/floor"):
        module(name, "")
    assert set(training_modules(tmp_path)) == {
        *("lnl_core", "lnl_core.runs", "lnl_core.runs.run", "lnl_core.a", "lnl_core.b", "lnl_core.c", "lnl_core.d", "lnl_core.e"),
        *("lnl_core.home", "lnl_core.other_home", "lnl_core.room", "lnl_core.room.furniture"),
    }


def test_runs_are_dropped_only_when_the_key_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop_stale_runs(tmp_path)
    (tmp_path / "runs" / "one").mkdir()
    drop_stale_runs(tmp_path)
    assert (tmp_path / "runs" / "one").is_dir()
    monkeypatch.setattr("tools.site.execute.training_key", lambda: "another")
    drop_stale_runs(tmp_path)
    assert not (tmp_path / "runs" / "one").exists()


# What is said meanwhile


def test_time_left_by_the_last_time() -> None:
    works = [
        Work("finished", 10, before=5.0, done=10, started=0.0, seconds=9.0),
        Work("running", 10, before=30.0, done=1, started=9.0),
        Work("late", 10, before=2.0, done=9, started=9.0),
        Work("waiting", 10, before=100.0),
    ]
    pace = (60 + 9 + 12) / (60 + 5 + 2)  # of what is finished and what is late; a minute at the old pace weighs against it
    assert seconds_left(works, now=21.0) == pytest.approx((30 * pace - 12) + 0 + 100 * pace)
    assert seconds_left(works, now=21.0, jobs=2) == pytest.approx(((30 * pace - 12) + 100 * pace) / 2)


def test_time_left_by_the_cells_done() -> None:
    running = Work("running", 20, started=100.0)
    works = [running, Work("waiting", 30)]
    assert seconds_left(works, now=105.0) is None
    running.done = 5
    assert seconds_left(works, now=110.0) == pytest.approx((15 + 30) * 10 / 5)


def test_time_left_of_a_new_notebook_before_a_cell_is_done() -> None:
    assert seconds_left([Work("known", 10, before=50.0), Work("new", 4)], now=0.0) == pytest.approx(50 + 4 * 5)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "time left not known yet"),
        (0.0, "about 10 s left"),
        (41.0, "about 50 s left"),
        (51.0, "about 1 min left"),
        (61.0, "about 2 min left"),
    ],
)
def test_time_left_in_words(seconds: float | None, words: str) -> None:
    assert in_words(seconds) == words


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_changes() -> None:
    stream = Terminal()
    with Progress(stream) as progress:
        progress.now("notebook 1 of 2", 0.25)
        progress.now("notebook 2 of 2", 0.5)
        progress.stays("01_one: 3 s")
    lines = stream.getvalue().split("\n")
    assert len(lines) == 2, "only what stays ends a line"
    assert "25% notebook 1 of 2" in lines[0]
    assert "50% notebook 2 of 2" in lines[0]
    assert lines[0].endswith("01_one: 3 s")


def test_elsewhere_there_is_a_plain_line_now_and_then() -> None:
    stream = io.StringIO()
    with Progress(stream, every=3600) as progress:
        for cell in range(1, 50):
            progress.now(f"cell {cell}", cell / 50)
        progress.now("notebook 2", at_once=True)
        progress.stays("done")
    assert stream.getvalue().split("\n") == ["cell 1", "notebook 2", "done", ""]


def test_without_an_output_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    with Progress() as progress:
        progress.now("somewhere")
        progress.stays("done")


CELLS = '# %% [markdown]\n# # {0}\n\n# %% tags=["parameters"]\nOUT_DIR = "runs"\n\n# %%\nimport time\n\n# %%\n{1}\n'


@pytest.fixture
def two_notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_one.py").write_text(CELLS.format("One", "time.sleep(1)"))
    (tmp_path / "notebooks" / "02_two.py").write_text(CELLS.format("Two", "time.sleep(1)"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def execute(root: Path) -> str:
    stream = io.StringIO()
    execute_all(root / "work", {}, shared_runs=True, root=root, progress=Progress(stream, every=0))
    return stream.getvalue()


def test_the_builder_says_which_cell_of_which_notebook_it_is_at(two_notebooks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = execute(two_notebooks)
    lines = first.splitlines()
    assert lines[0] == "notebooks to execute: 2, time left not known yet"
    assert "notebook 1 of 2, 01_one, cell 1 of 4: time left not known yet" in lines
    assert any(line.startswith("notebook 1 of 2, 01_one, cell 4 of 4: about ") for line in lines)
    assert any(line.startswith("notebook 2 of 2, 02_two, cell 4 of 4: about ") and line.endswith(" s left") for line in lines)
    assert [line.split(":")[0] for line in lines if not line.startswith("notebook")] == ["01_one", "02_two"]
    assert execute(two_notebooks) == "01_one: up to date\n02_two: up to date\n"

    changed = two_notebooks / "notebooks" / "02_two.py"
    changed.write_text(CELLS.format("Two", "raise OSError('no')"))
    with pytest.raises(NotebookFailedError, match=r"^could not execute 02_two: see above$"):
        execute(two_notebooks)
    assert capsys.readouterr().err.startswith("02_two: cell [4] failed with OSError: no\n")


def test_a_kernel_that_dies_is_named_and_the_others_go_on(two_notebooks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dying = two_notebooks / "notebooks" / "01_one.py"
    dying.write_text(CELLS.format("One", "import os\nos._exit(1)"))
    with pytest.raises(NotebookFailedError, match=r"^could not execute 01_one: see above$"):
        execute(two_notebooks)
    assert capsys.readouterr().err == "01_one: Kernel died\n"
    assert (two_notebooks / "work" / "executed" / "02_two.json").is_file()


@pytest.fixture
def taken_ports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every port that jupyter_client finds free is taken by another before the kernel comes to it."""
    with ExitStack() as others:

        class Late(socket.socket):
            def getsockname(self) -> object:
                return others.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()

        seen = SimpleNamespace(socket=Late, SOL_SOCKET=socket.SOL_SOCKET, SO_LINGER=socket.SO_LINGER)
        monkeypatch.setattr("jupyter_client.connect.socket", seen)
        yield


@pytest.mark.usefixtures("taken_ports")
def test_kernels_do_not_race_for_ports(two_notebooks: Path) -> None:
    assert execute(two_notebooks).splitlines()[-1].startswith("02_two: ")


@pytest.mark.usefixtures("taken_ports")
def test_nor_do_those_of_stored_facts(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(1)")])  # type: ignore[no-untyped-call]
    (tmp_path / "notebooks").mkdir()
    store_facts(notebook, tmp_path / "notebooks")
    assert notebook.cells[0].outputs[0].text == "1\n"


def test_a_folder_too_deep_for_sockets_leaves_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with private_sockets() as config:
        assert config.KernelManager.transport == "ipc"
    assert not Path(config.KernelManager.connection_file).parent.exists()
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with private_sockets() as config:
        assert not config


NOTE = """\
# %% [markdown]
# # Note

# %% tags=["parameters"]
OUT_DIR = "runs"

# %%
import json, os, time
# {1}
begun = time.time()
time.sleep(0.3)
with open(OUT_DIR + "/{0}.json", "w") as file:
    json.dump([begun, time.time(), os.environ.get("OMP_NUM_THREADS"), os.environ["GOMP_SPINCOUNT"]], file)
"""


def test_what_uses_runs_waits_for_the_first_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one trains what the others read back, so none of them may begin to train it too."""
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (tmp_path / "notebooks").mkdir()
    for name, code in (("00_first", "run_folder("), ("01_second", "run_folder("), ("02_third", ""), ("03_fourth", "run_folder(")):
        (tmp_path / "notebooks" / f"{name}.py").write_text(NOTE.format(name, code))
    monkeypatch.chdir(tmp_path)
    execute_all(tmp_path / "work", {}, shared_runs=True, jobs=2, root=tmp_path, progress=Progress(io.StringIO()))
    first, second, third, fourth = (json.loads(path.read_text()) for path in sorted((tmp_path / "work" / "runs").glob("*.json")))
    assert [one[2] for one in (first, second, third, fourth)] == ["3"] * 4
    assert min(second[0], fourth[0]) > first[1]
    assert third[0] < min(second[0], fourth[0]), "it needs no runs and begins at once"
    assert first[3] == "10000"
    execute_all(tmp_path / "one", {}, shared_runs=True, root=tmp_path, progress=Progress(io.StringIO()), names=["02_third"])
    assert {path.name.partition(".")[0] for path in (tmp_path / "one" / "executed").glob("*.ipynb")} == {"02_third"}


def _make(folder: Path, *words: str) -> list[str]:
    """What make says in a folder of its own, with a Python that only says what it was asked to do."""
    for name in ("Makefile", "pyproject.toml", "environment.yml"):
        shutil.copy(ROOT / name, folder)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name in ("python", "pip"):
        (programs / name).write_text('#!/bin/sh\necho "python $@"\n')
        (programs / name).chmod(0o755)
    command = ["make", "-C", str(folder), "--no-print-directory", *words, f"PYTHON={sys.executable}"]
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.splitlines()


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_make_says_at_once_what_it_does_and_how_much_it_fetches(tmp_path: Path) -> None:
    says, get_uv, install, looks, book = _make(tmp_path, "book")
    assert says.startswith("installing into .venv")
    assert "3 GB" in says
    assert get_uv.split()[:4] == ["python", "-m", "pip", "install"]
    assert get_uv.endswith(" uv")
    assert install.startswith("python -m uv pip install ")
    assert not {"-q", "--quiet"} & set(install.split())
    assert looks == "book: looking for notebooks and pages that have changed"
    assert book == "python -m tools.site.book"
    assert "pytorch.org" not in install, "only where it is asked for"
    (tmp_path / ".venv" / ".installed").unlink()
    install = _make(tmp_path, "install", "CPU=yes")[2]
    assert "--extra-index-url https://download.pytorch.org/whl/cpu --index-strategy unsafe-best-match" in install


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_a_release_that_is_there_gets_a_new_address_too(tmp_path: Path) -> None:
    assert _make(tmp_path, "configure")[-1] == "python -m tools.course.release sync"
    (tmp_path / "assignments" / "release").mkdir(parents=True)
    assert _make(tmp_path, "configure")[-1] == "python -m tools.course.release make"

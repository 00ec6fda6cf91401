"""Executing the notebooks: what an edit throws away, and what the builder says meanwhile."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.execute import drop_stale_runs, training_key, training_modules
from tools.notebooks import ROOT

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
        "figures.py",
        "photo_figures.py",
        "fairness_figures.py",
        "information_figures.py",
        "leak_figures.py",
        "cli.py",
        "bench.py",
        "__main__.py",
    ],
)
def test_an_edit_of_what_draws_or_reads_commands_keeps_the_runs(name: str, package: Path) -> None:
    assert key_with(package, name) == training_key(package)


@pytest.mark.parametrize(
    "name", ["losses.py", "runs.py", "evaluation.py", "_random.py", "networks.py", "datasets/drawing.py", "__init__.py"]
)
def test_an_edit_of_what_trains_or_measures_drops_the_runs(name: str, package: Path) -> None:
    assert key_with(package, name) != training_key(package)
    assert key_with(package, name, "\n# a remark\n") == training_key(package)


def test_the_modules_of_a_run_are_those_that_python_loads_for_it() -> None:
    code = "import sys, lnl_core.runs; print(*sorted(name for name in sys.modules if name.split('.')[0] == 'lnl_core'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= set(training_modules())


def test_every_form_of_import_is_followed(tmp_path: Path) -> None:
    def module(name: str, text: str) -> None:
        path = tmp_path / "lnl_core" / f"{name}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)

    types = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from lnl_core.{} import thing\n"
    module("__init__", types.format("home") + "    from lnl_core.other_home import another\n")
    module("runs", "import os\nimport lnl_core.a\nfrom lnl_core import b, thing\nfrom lnl_core.c import f\nfrom . import d\n")
    module("a", "def later():\n    from lnl_core.e import g\n")
    module("b", types.format("never"))
    for name in ("c", "d", "e", "home", "other_home", "never", "alone"):
        module(name, "")
    assert set(training_modules(tmp_path)) == {
        *("lnl_core", "lnl_core.runs", "lnl_core.a", "lnl_core.b", "lnl_core.c", "lnl_core.d", "lnl_core.e"),
        *("lnl_core.home", "lnl_core.other_home"),
    }


def test_runs_are_dropped_only_when_the_key_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop_stale_runs(tmp_path)
    (tmp_path / "runs" / "one").mkdir()
    drop_stale_runs(tmp_path)
    assert (tmp_path / "runs" / "one").is_dir()
    monkeypatch.setattr("tools.execute.training_key", lambda: "another")
    drop_stale_runs(tmp_path)
    assert not (tmp_path / "runs" / "one").exists()

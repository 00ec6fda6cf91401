"""What GitHub and a development container run: commands that exist, on the versions of Python that the project says it takes."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import ROOT
from tools.site import ahead

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, flags=re.M))


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def commands(text: str) -> list[list[str]]:
    return [shlex.split(line) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.name))
def test_every_command_of_a_workflow_is_a_target_of_make(path: Any) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    runs = [command for step in steps(workflow) if "run" in step for command in commands(step["run"])]
    assert runs
    for program, target, *_ in runs:
        assert program == "make"
        assert target in TARGETS
    for step in steps(workflow):
        assert ("run" in step) != ("uses" in step)
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]), "only GitHub's own actions, each with its version"


def test_every_version_of_python_is_tested_that_make_takes() -> None:
    low, high = re.findall(r"\((\d+), (\d+)\)", MAKEFILE)
    wanted = [f"3.{minor}" for minor in range(int(low[1]), int(high[1]) + 1)]
    (book,) = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in WORKFLOWS if path.name == "book.yml"]
    assert book["jobs"]["test"]["strategy"]["matrix"]["python"] == wanted
    assert book["jobs"]["build"]["steps"][1]["with"]["python-version"] in wanted


def test_what_is_cached_is_what_the_build_keeps() -> None:
    (book,) = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in WORKFLOWS if path.name == "book.yml"]
    cached = [step["with"] for step in steps(book) if step.get("uses", "").startswith("actions/cache@")]
    packages, (cache,) = [one for one in cached if "_build" not in one["path"]], [one for one in cached if "_build" in one["path"]]
    assert {one["path"] for one in packages} == {"~/.cache/uv"}
    assert "uv pip install" in MAKEFILE
    assert len({one["key"].split("-")[1] for one in packages}) == len(packages), "one cache a version of Python"
    assert cache["path"].split() == ["_build/executed", "_build/runs"]
    for folder in ("notebooks/", "lnl_core/", "results/", "environment.yml"):
        assert folder in cache["key"], "what an execution depends on"


def test_a_job_that_may_fail_builds_with_the_newest_sphinx() -> None:
    (book,) = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in WORKFLOWS if path.name == "book.yml"]
    job = book["jobs"]["ahead"]
    assert job["continue-on-error"] is True
    assert "make ahead" in [step.get("run") for step in job["steps"]]
    assert "ahead" not in book["jobs"]["publish"]["needs"], "what may fail must not hold back the site"
    (kept,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/upload-artifact@")]
    assert (kept["with"]["path"], kept["if"]) == ("_build/ahead/report.md", "always()")
    assert not [name for name in ahead.NEWEST if "==" in name or "jupyter-book" in name]


WRITTEN = """# by jupyter-book
extensions = ['myst_nb', 'jupyter_book', 'tools.site.extension', 'sphinx_thebe']
use_jupyterbook_latex = True
html_theme = 'sphinx_book_theme'
"""
LOG = """reading sources... [ 50%] a
a.md:3: WARNING: unknown document: 'b' [ref.doc]
b.md:5: WARNING: unknown document: 'c' [ref.doc]
c.md: ERROR: Unknown directive type: "exercise".
build succeeded.
"""


def test_what_jupyter_book_brings_for_itself_is_left_out() -> None:
    found = ahead.settings(WRITTEN)
    assert found == {"extensions": ["myst_nb", "tools.site.extension"], "html_theme": "sphinx_book_theme"}


def test_the_report_names_missing_pages_and_kinds_of_warnings(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("", "utf-8")
    text = ahead.report({"sphinx": "9.1"}, tmp_path, LOG, ["a", "b"], 0)
    assert "1 of 2 pages are there" in text
    assert "Missing pages: b" in text
    assert "| ref.doc | 2 |" in text
    assert '| Unknown directive type: "exercise". | 1 |' in text
    (tmp_path / "b.html").write_text("", "utf-8")
    well = ahead.report({"sphinx": "9.1"}, tmp_path, "build succeeded.", ["a", "b"], 0)
    assert "There is no warning." in well
    assert "Missing pages" not in well
    assert "Cannot import it" in ahead.report({}, tmp_path, "Cannot import it", ["a"], 2)


def test_the_development_container_installs_with_make() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert commands(container["postCreateCommand"]) == [["make", "install"]]
    assert container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"] == ".venv/bin/python"

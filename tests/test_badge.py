"""`make badge`: each fault of a small tree is found and named, printed numbers are made again, runs are compared bit by bit."""

import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from test_records import record_of

from lnl_core.config import RunConfig
from lnl_core.runs.provenance import device_name, versions
from lnl_core.runs.records import RunRecord, write_record
from lnl_core.runs.run import MODEL
from lnl_core.training.devices import choose_device
from tools import ROOT, badge

ORIGIN = {"commit": "0" * 40, "dirty": False, "device": "cpu", "packages": {"torch": "2.15.0"}}
PAGE = 'It is right on 0.80<!-- ours("lnl", 0.03) --> of them, off by 0.12<!-- up(max(off("lnl", 0.03))) -->.'
FILES = {
    "README.md": "Python 3.11\n\nmake book\nmake test\n",
    "Makefile": "book: x\n\ntest: y\n",
    "CONTRIBUTING.md": "make test",
    "CHANGELOG.md": "# Changes\n\n## 0.1.0\n",
    "LICENSE": "MIT License\n\nPermission is hereby granted, free of charge, to any person",
    "LICENSE-TEXT": "Creative Commons Attribution 4.0 International",
    "_toc.yml": "format: jb-book\n",
    "pyproject.toml": '[project]\nname = "lnl_core"\nversion = "0.1.0"\nlicense = "MIT"\ndependencies = ["torch>=2.4"]\n',
    "environment.yml": "      - torch==2.15.0\n",
    "CITATION.cff": "cff-version: 1.2.0\ntitle: T\nauthors: [{name: A}]\nversion: 0.1.0\nlicense: MIT\n"
    'references: [{title: R}]\ndoi: "10/1"\n',
    ".github/workflows/book.yml": "run: make test\n",
    "tests/test_one.py": "def test_one() -> None:\n    assert 1\n",
    "lnl_core/__init__.py": '"""What it is."""\n',
    "lnl_core/datasets/digits.py": f'"""Digits."""\nimport pooch\nHASH = "{"a" * 64}"\n',
    "paper/paper.md": "---\ntitle: T\ntags: [a]\nauthors: [{name: A}]\naffiliations: [{name: B}]\ndate: 1 May 2026\n"
    "bibliography: r.bib\n---\n\n"
    + "\n\n".join(f"# {name}\n\nAs @kim2019 says." for name in ("Summary", "Statement of need", "Learning objectives and content"))
    + "\n\n# Instructional design\n\nx\n\n# Experience of use\n\nx\n\n# References\n",
    "paper/r.bib": "@article{kim2019,\n}\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small copy of the project in which nothing is wrong: three records, two printed numbers, a commit."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "results").mkdir()
    shutil.copy(ROOT / "results" / "paper.json", tmp_path / "results")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "x"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    for seed in range(3):
        record = record_of(color_var=0.03, seed=seed, profile="short", value=0.8)
        record = RunRecord(**vars(record) | {"provenance": ORIGIN | {"commit": commit}})
        write_record(record, tmp_path / "results" / "runs" / f"colored_mnist-{seed}.json")
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "page.md").write_text(PAGE, "utf-8")
    return tmp_path


def found(checks: Any) -> dict[str, badge.Check]:
    return {one.what: one for one in checks}


def test_nothing_is_wrong_with_the_small_tree(tree: Path) -> None:
    assert {one.what: one.why for one in badge.check_files(tree) if one.state != badge.OK} == {}


def test_nothing_is_wrong_with_the_project() -> None:
    assert {one.what: one.why for one in badge.check_files(ROOT) if one.state == badge.FAILED} == {}


FAULTS = [
    ("README.md", "make test", "", "does not name make test"),
    ("README.md", "make book", "make book\nmake shop", "names make shop, which the Makefile does not have"),
    ("CONTRIBUTING.md", "make test", "", "CONTRIBUTING.md does not say"),
    ("CHANGELOG.md", "## 0.1.0", "", "no headings of versions"),
    ("LICENSE", "Permission is", "Nothing is", "does not hold the text of MIT"),
    ("pyproject.toml", 'license = "MIT"', 'license = "Mine"', "names Mine, which is none of"),
    ("LICENSE-TEXT", "Attribution 4.0", "All rights", "does not hold CC BY 4.0"),
    ("pyproject.toml", '["torch>=2.4"]', '["torch>=2.4", "numpy"]', "pins no version of numpy"),
    ("environment.yml", "torch==2.15.0", "torch>=2.15.0", "pins no version of torch"),
    ("CITATION.cff", "title: T", "", "lacks title"),
    ("CITATION.cff", "title: T", "title: [", "is no table in YAML"),
    ("CITATION.cff", "version: 0.1.0", "version: 0.2.0", "says version 0.2.0 and pyproject.toml 0.1.0"),
    (".github/workflows/book.yml", "make test", "make book", "no workflow runs"),
    ("tests/test_one.py", "def test_one", "def one", "no tests in tests/"),
    ("lnl_core/datasets/digits.py", '"""Digits."""', "", "lnl_core/datasets/digits.py begins without saying"),
    ("lnl_core/datasets/digits.py", "a" * 64, "a" * 40, "downloads without a hash"),
    ("lnl_core/__init__.py", "What it is.", "What it is, in /home/me/data.", "line 1, names the path /home/m"),
    ("results/paper.json", "{", "", "cannot be read"),
    ("results/runs/colored_mnist-1.json", '"schema": 3', '"schema": 9', "record of schema 9"),
    ("results/runs/colored_mnist-1.json", '"device": "cpu"', '"device": ""', "does not say its device"),
    ("paper/paper.md", "# Instructional design", "# Design", "no section Instructional design"),
    ("paper/paper.md", "tags: [a]", "", "lacks tags"),
    ("paper/paper.md", "@kim2019", "@lee2020", "cites lee2020"),
]


@pytest.mark.parametrize(("name", "old", "new", "said"), FAULTS)
def test_a_fault_is_found_and_named(tree: Path, name: str, old: str, new: str, said: str) -> None:
    text = (tree / name).read_text("utf-8")
    assert old in text
    (tree / name).write_text(text.replace(old, new, 1 if name.endswith(".json") else -1), "utf-8")
    (fault,) = [one for one in badge.check_files(tree) if one.state == badge.FAILED]
    assert said in fault.why


def test_a_commit_that_is_not_there_is_found_and_a_copy_without_history_says_so(tree: Path) -> None:
    path = next((tree / "results" / "runs").glob("*.json"))
    text = path.read_text("utf-8")
    commit = text.split('"commit": "')[1][:40]
    path.write_text(text.replace(commit, "f" * 40), "utf-8")
    what = "the commits of the records are in the history"
    assert found(badge.check_files(tree))[what].state == badge.FAILED
    shutil.rmtree(tree / ".git")
    row = found(badge.check_files(tree))[what]
    assert (row.state, row.why) == (badge.NOT_HERE, "this copy has no git history: run it in a clone")


def test_without_a_doi_a_person_is_asked(tree: Path) -> None:
    (tree / "CITATION.cff").write_text(FILES["CITATION.cff"].replace('doi: "10/1"\n', ""), "utf-8")
    assert found(badge.check_files(tree))["a release in an archive with a DOI"].state == badge.NOT_HERE


def test_printed_numbers_are_made_again(tree: Path) -> None:
    assert [one.state for one in badge.check_numbers(tree, random.Random(0), 2)] == [badge.OK, badge.OK]
    (tree / "book" / "page.md").write_text(PAGE.replace("0.80<", "0.81<"), "utf-8")
    states = {one.state: one.why for one in badge.check_numbers(tree, random.Random(0), 2)}
    assert states == {badge.OK: "", badge.FAILED: "the records give 0.80: run `make results`"}
    (tree / "book" / "page.md").write_text(PAGE.replace('ours("lnl"', 'ours("none"'), "utf-8")
    assert any("has no value" in one.why for one in badge.check_numbers(tree, random.Random(0), 2))
    assert "only 2 numbers" in next(badge.check_numbers(tree, random.Random(0))).why


def test_what_is_drawn_follows_from_the_seed(tree: Path) -> None:
    lines = [f'{0.8 + step / 100:.2f}<!-- ours("lnl", 0.03) + {step / 100} -->' for step in range(20)]
    (tree / "book" / "page.md").write_text("\n\n".join(lines), "utf-8")
    drawn = [[one.what for one in badge.check_numbers(tree, random.Random(seed))] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len(set(one)) == badge.NUMBERS for one in drawn)


def trained(*weights: float, metrics: float = 0.5) -> Callable[..., RunRecord]:
    """A training that takes no time: each call leaves the next of the weights."""
    left = list(weights)

    def train(config: RunConfig, folder: Path) -> RunRecord:
        folder.mkdir()
        save_file({"weight": torch.tensor([left.pop(0)])}, folder / MODEL)
        resolved = config.with_options(precision="float32").to_dict()
        record = replace(record_of(config.method, config.color_var, config.seed, metrics), config=resolved)
        write_record(record, folder / "record.json")
        return record

    return train


def test_two_runs_are_compared_bit_by_bit(tree: Path) -> None:
    same, record = badge.check_run(tree, random.Random(0), trained(0.1, 0.1))
    assert (same.state, same.what) == (badge.OK, "two runs of lnl at 0.03, seed 1, at demo size have the same bits")
    assert record.state == badge.NOT_HERE
    assert "trained at short size" in record.why
    other, _ = badge.check_run(tree, random.Random(0), trained(0.1, 0.1 + 1e-8))
    assert (other.state, other.why) == (badge.FAILED, "the trained networks differ on this machine")


def test_a_record_of_demo_size_is_compared_where_the_machine_is_the_same(tree: Path) -> None:
    for path in (tree / "results" / "runs").glob("*.json"):
        path.unlink()
    config = badge.demo_of(record_of()).with_options(precision="float32")  # as a stored record has it, which "auto" never is
    origin = {"device": device_name(choose_device()), "packages": versions()}
    stored = tree / "results" / "runs" / "colored_mnist-demo.json"

    def last(**origin_changes: Any) -> badge.Check:
        values = vars(record_of(value=0.5)) | {"config": config.to_dict(), "profile": "demo", "provenance": origin | origin_changes}
        write_record(RunRecord(**values), stored)
        return list(badge.check_run(tree, random.Random(0), trained(0.1, 0.1, metrics=0.5)))[-1]

    assert last().state == badge.OK
    assert "device another there and" in last(device="another").why
    values = vars(record_of(value=0.6)) | {"config": config.to_dict(), "profile": "demo", "provenance": origin}
    write_record(RunRecord(**values), stored)
    assert list(badge.check_run(tree, random.Random(0), trained(0.1, 0.1, metrics=0.5)))[-1].state == badge.FAILED


def test_the_table_and_the_exit_code(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "book" / "page.md").write_text(PAGE * 3, "utf-8")
    assert badge.main(["--no-training", "--seed", "3"], tree) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "21 ok, 0 failed, 0 cannot be checked here; drawn with --seed 3"
    (tree / "LICENSE").unlink()
    assert badge.main(["--no-training", "--seed", "3"], tree) == 1
    out = capsys.readouterr().out
    assert "failed  ACM reusable, ReScience C, JOSE" in out
    assert "LICENSE does not hold the text of MIT: add it" in out

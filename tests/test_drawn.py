"""Figures are up to date if data and code of their drawing are those that they were drawn from."""

import importlib
import json
import linecache
import shutil
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from matplotlib.figure import Figure
from test_records import record_of

from lnl_core.figures import results as draw_results
from lnl_core.runs.comparison import results_table
from lnl_core.runs.records import write_record
from tools import ROOT
from tools.pages import drawn, results


def test_every_committed_figure_was_drawn_from_these_records_by_this_code() -> None:
    assert results.stale_figures() == [], "run 'make results'"
    assert set(drawn.read_inputs(ROOT / "book" / "results")) == {path.name for path in (ROOT / "book" / "results").glob("*.png")}


MODULE = '''
from {base} import line, other

WIDTH = 3  # of the figure


def _shade(value):
    return value / WIDTH


def first(values):
    """One."""
    return line([_shade(value) for value in values])


def second(values):
    return other(values)
'''
BASE = """
COLOR = "red"


def line(values):
    return COLOR, values


def other(values):
    return values
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(drawn, "_definitions", drawn._definitions.__wrapped__)
    (tmp_path / "base_figures.py").write_text(BASE)
    (tmp_path / "some_figures.py").write_text(MODULE.replace("{base}", "base_figures"))
    return tmp_path


def hashes(folder: Path) -> dict[str, str]:
    """Of both functions as the files are now."""
    linecache.clearcache()
    for name in ("base_figures", "some_figures"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    module: ModuleType = importlib.import_module("some_figures")
    assert str(module.__file__).startswith(str(folder))
    return {name: drawn.inputs_of(partial(getattr(module, name), [1.0, 2.0])) for name in ("first", "second")}


@pytest.mark.parametrize(
    ("file", "old", "new", "touched"),
    [
        ("some_figures.py", "value / WIDTH", "value * WIDTH", ["first"]),
        ("some_figures.py", "WIDTH = 3", "WIDTH = 12345", ["first"]),
        ("some_figures.py", "other(values)", "other(values) + 1", ["second"]),
        ("base_figures.py", '"red"', '"teal"', ["first"]),
        ("base_figures.py", "return values", "return values[:1]", ["second"]),
        ("base_figures.py", "\n\ndef line", "\n\ndef new(values):\n    return 0\n\n\ndef line", []),
    ],
)
def test_an_edit_touches_only_the_figures_that_use_it(modules: Path, file: str, old: str, new: str, touched: list[str]) -> None:
    before = hashes(modules)
    path = modules / file
    path.write_text(path.read_text().replace(old, new, 1))
    after = hashes(modules)
    assert [name for name in before if before[name] != after[name]] == touched


def test_other_data_are_other_inputs_and_the_last_bits_are_not() -> None:
    rows = [{"value": 0.1 + 0.2, "at": (0.02, 1)}]
    one = drawn.inputs_of(partial(draw_results, rows))
    assert one == drawn.inputs_of(partial(draw_results, [{"value": 0.3, "at": [0.02, 1]}]))
    assert one != drawn.inputs_of(partial(draw_results, [{"value": 0.3001, "at": [0.02, 1]}]))
    assert one != drawn.inputs_of(partial(draw_results, rows, title="another"))


def test_what_a_library_figure_uses_is_found_across_modules() -> None:
    used = drawn.code_of(results.drawings()["left.png"].func)
    figures = "lnl_core.figures"
    assert {f"{figures}.leakage.what_is_left", f"{figures}.leakage.nats_left", f"{figures}.style.PALETTE"} <= set(used)
    assert "lnl_core.figures.digits.confusion_matrices" not in used
    assert "lnl_core.figures.leakage.over_training" not in used


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with one record and the one figure of it."""
    (tmp_path / "results").mkdir()
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / "results" / "paper.json", tmp_path / "results")
    write_record(record_of(value=0.8765), tmp_path / "results" / "runs" / "one.json")
    def drawings(root: Path = tmp_path) -> dict[str, drawn.Drawing]:
        return {"figure_4.png": partial(_draw, results_table(folder=root / "results"))}

    monkeypatch.setattr(results, "drawings", drawings)
    assert "1 figures (1 drawn anew)" in results.write(tmp_path)
    return tmp_path


def _draw(rows: list[dict[str, object]]) -> Figure:
    return Figure((1, 1))


def test_a_new_record_makes_its_figure_stale_until_it_is_drawn(tree: Path) -> None:
    assert results.stale_figures(tree) == []
    assert "(0 drawn anew)" in results.write(tree)
    write_record(record_of(seed=1, value=0.8), tree / "results" / "runs" / "two.json")
    assert results.stale_figures(tree) == ["figure_4.png"]
    assert "book/results/figure_4.png was drawn from other records or by other code" in results.check(tree)
    assert "(1 drawn anew)" in results.write(tree)
    assert results.check(tree) == []


def test_a_figure_that_was_replaced_or_removed_or_is_drawn_no_more_is_noticed(tree: Path) -> None:
    picture = tree / "book" / "results" / "figure_4.png"
    kept = picture.read_bytes()
    picture.write_bytes(kept + b"0")
    assert results.stale_figures(tree) == ["figure_4.png"]
    picture.unlink()
    assert results.stale_figures(tree) == ["figure_4.png"]
    picture.write_bytes(kept)
    assert results.stale_figures(tree) == []
    listing = picture.with_name(drawn.INPUTS)
    listing.write_text(json.dumps({**json.loads(listing.read_text()), "old.png": {"inputs": "", "picture": ""}}))
    assert results.stale_figures(tree) == ["old.png"]

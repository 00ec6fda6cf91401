"""Experiments and methods are asked, not compared with names: outside their own files nobody asks which one it is."""

import ast
from collections.abc import Iterator

from lnl_core import experiments, methods
from tools import ROOT

OWN_ROOMS = ("experiments", "methods")


def comparisons(source: str, names: set[str]) -> Iterator[int]:
    """The lines that compare something with a name of an experiment or method, or look it up in a collection of such."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
            if {leaf.value for part in parts for leaf in ast.walk(part) if isinstance(leaf, ast.Constant)} & names:
                yield node.lineno


def test_nobody_asks_for_an_experiment_or_method_by_name() -> None:
    names = {*experiments.registered(), *methods.registered()}
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for place in ("lnl_core", "tools")
        for path in sorted((ROOT / place).rglob("*.py"))
        if path.relative_to(ROOT).parts[1] not in OWN_ROOMS
        for line in comparisons(path.read_text(encoding="utf-8"), names)
    ]
    assert found == []


def test_a_question_by_name_is_found() -> None:
    names = {"lnl", "faces"}
    for source in ("x.method == 'lnl'", "if 'faces' != name: pass", "y in ('baseline', 'lnl')"):
        assert list(comparisons(source, names)) == [1], source
    assert not list(comparisons("call('lnl') == 3 or x == 'other'", {"faces"}))

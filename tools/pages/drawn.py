"""Whether a generated figure is up to date: beside the figures stands what each was drawn from, as hashes.

A picture's bytes change with the version of matplotlib, so nothing is drawn to compare. What is compared is the data that the
drawing function gets, and its code: the function with all that it uses of the modules of figures, so that an edit of one function
touches only the figures that it draws.
"""

import ast
import hashlib
import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from matplotlib.figure import Figure

INPUTS = "figures.json"

Drawing = partial[Figure]
"""A function of a module of figures with the data that it draws."""


def _plain(value: Any) -> Any:
    """The value in lists, dictionaries and numbers of nine digits, on which all processors agree."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(one) for one in value]
    return f"{value:.9g}" if isinstance(value, (float, np.floating)) else value


@cache
def _definitions(module: ModuleType) -> tuple[dict[str, str], dict[str, ast.stmt], dict[str, ModuleType]]:
    """Source and syntax of what a module defines, and the modules of figures that its other names come from."""
    source = inspect.getsource(module)
    lines = source.splitlines()
    texts: dict[str, str] = {}
    nodes: dict[str, ast.stmt] = {}
    elsewhere: dict[str, ModuleType] = {}
    for node in ast.parse(source).body:
        names = [node.name] if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else []
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        if isinstance(node, ast.ImportFrom) and node.module and "figures" in node.module:
            elsewhere |= {one.asname or one.name: importlib.import_module(node.module) for one in node.names}
        for name in names:
            texts[name], nodes[name] = "\n".join(lines[node.lineno - 1 : node.end_lineno]), node
    return texts, nodes, elsewhere


def code_of(function: Callable[..., Any]) -> dict[str, str]:
    """The source of a drawing function and of everything in the modules of figures that it uses, by dotted name."""
    found: dict[str, str] = {}
    waiting = [(importlib.import_module(function.__module__), function.__name__)]
    while waiting:
        module, name = waiting.pop()
        texts, nodes, elsewhere = _definitions(module)
        if name not in texts or f"{module.__name__}.{name}" in found:
            continue
        found[f"{module.__name__}.{name}"] = texts[name]
        used = {one.id for one in ast.walk(nodes[name]) if isinstance(one, ast.Name)}
        waiting += [(elsewhere.get(one, module), one) for one in sorted(used)]
    return found


def inputs_of(drawing: Drawing) -> str:
    """The hash of the data and of the code of a figure."""
    data = _plain([drawing.args, drawing.keywords, code_of(drawing.func)])
    return _hash(json.dumps(data, sort_keys=True).encode())


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def read_inputs(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / INPUTS
    found: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def entry(drawing: Drawing, picture: Path) -> dict[str, str]:
    """What is kept of a figure: what it was drawn from, and the picture itself, so that another file in its place is noticed."""
    return {"inputs": inputs_of(drawing), "picture": _hash(picture.read_bytes()) if picture.is_file() else "missing"}


def stale(drawings: dict[str, Drawing], folder: Path) -> list[str]:
    """The figures in ``folder`` that were drawn from other data or by other code, are not there, or were replaced."""
    known = read_inputs(folder)
    old = [name for name, drawing in drawings.items() if known.get(name) != entry(drawing, folder / name)]
    return [*old, *sorted(set(known) - set(drawings))]

"""The methods by name, in the order of the tables."""

from collections.abc import Iterable

from lnl_core._plugins import load_plugins
from lnl_core.errors import ConfigError
from lnl_core.hyperparameters import HyperParameter, either, shown
from lnl_core.methods.base import KNOWLEDGE, Method, Moves

METHODS: dict[str, Method] = {}
"""What :func:`register` was given.

:meta hide-value:
"""


def register(method: Method) -> Method:
    """Make a method known by its name.

    Raises:
        ConfigError: another method has the name, or a part is missing.
    """
    called = shown(getattr(method, "name", type(method).__name__))
    missing = _missing(method)
    if missing:
        raise ConfigError(f"the method {called} lacks {missing}: see lnl_core.methods.base.Method")
    if method.name in METHODS:
        raise ConfigError(f"there is a method {called} already: choose another name")
    METHODS[method.name] = method
    return method


def _missing(method: object) -> str | None:
    """The first part that a method lacks, in words."""
    if not isinstance(method, Method):
        return "the base class Method"
    parts = {
        "a name": isinstance(getattr(method, "name", None), str) and bool(method.name),
        "hyperparameters, a tuple of HyperParameter": _all(method.hyperparameters, HyperParameter),
        "moves, a tuple of Moves with one row at least": bool(method.moves) and _all(method.moves, Moves),
        "needs, a frozenset of words": isinstance(method.needs, frozenset),
        f"must_know, a tuple of {either(KNOWLEDGE)}": _all(method.must_know, str) and {*method.must_know} <= {*KNOWLEDGE},
        "trains_h, true or false": isinstance(method.trains_h, bool),
        "a step": type(method).step is not Method.step,
    }
    return next((part for part, there in parts.items() if not there), None)


def _all(values: object, kind: type) -> bool:
    return isinstance(values, tuple) and all(isinstance(value, kind) for value in values)


def registered() -> dict[str, Method]:
    """All methods by name: ours in the order of the tables, then those of plug-ins, see :mod:`lnl_core._plugins`."""
    load_plugins()
    return dict(METHODS)


def find(name: str) -> Method:
    """The method of a name.

    Raises:
        ConfigError: there is none, with those that there are.
    """
    known = registered()
    if not isinstance(name, str) or name not in known:
        raise ConfigError(f"unknown method {shown(name)}: choose one of {', '.join(known)}, or name its file in LNL_PLUGINS")
    return known[name]


def who_moves(methods: Iterable[Method] | None = None) -> str:
    """The table of who moves in which method, in reStructuredText; by default of all methods."""
    rows = [("method", "f", "g", "h")]
    for method in registered().values() if methods is None else methods:
        rows += [(", ".join(filter(None, (method.name, row.turn))), row.f, row.g, row.h) for row in method.moves]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    line = "  ".join("=" * width for width in widths)
    head, *body = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join([line, head, line, *body, line])

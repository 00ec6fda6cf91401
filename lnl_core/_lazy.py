"""Names of a package that are imported when they are first used, so that importing the package costs next to nothing."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    """A package in which a public name is never hidden by the module of that name, which Python would put in its place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and name in self.__all__):
            super().__setattr__(name, value)


def lazy(package: str, homes: Mapping[str, Sequence[str]]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What a package's ``__init__`` takes for its ``__getattr__``, ``__dir__`` and ``__all__``.

    Args:
        package: its ``__name__``.
        homes: the public names of each of its modules.
    """
    home = {name: module for module, names in homes.items() for name in names}

    def getattr_(name: str) -> Any:
        if name in home:
            return getattr(import_module(f"{package}.{home[name]}"), name)
        if name in homes:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    sys.modules[package].__class__ = _Package
    return getattr_, lambda: sorted({*home, *(module for module in homes if "." not in module)}), list(home)

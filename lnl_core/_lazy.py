"""Names of a package that are imported when they are first used, so that importing the package costs next to nothing."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


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

    return getattr_, lambda: sorted({*home, *homes}), list(home)

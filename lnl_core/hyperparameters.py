"""Hyper-parameters as they are declared: name, default, range, meaning and source, in one place, by whoever reads them.

An experiment, a method, the training and its execution each list theirs. From these declarations come the validation of a
:class:`lnl_core.config.RunConfig`, the help of the command line and the table of hyper-parameters in the book.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from lnl_core.errors import ConfigError


@dataclass(frozen=True)
class HyperParameter:
    """One hyper-parameter of one owner.

    Attributes:
        name: as in ``lnl train --set NAME=VALUE`` and in the JSON form of a run.
        default: its value where no preset has another.
        help: what it does, in one sentence, with its unit.
        source: where the default stands; empty where it is ours.
        kind: what it may be: a whole number, a number from 0 on, one of ``choices``, true or false, or text.
        least, most: of a number, both allowed.
        choices: the words that it may be.
        optional: whether it may be ``None``.
        needs: what an experiment must offer for it, such as "images": see :class:`lnl_core.experiments.base.Experiment`.
        late: whether it came after records had been published: at its default the fingerprint leaves it out, so they keep theirs.
        only: values of other hyper-parameters of the run under which it is read; under others the run has no such hyper-parameter.
    """

    name: str
    default: Any
    help: str
    source: str = ""
    kind: Literal["count", "number", "choice", "flag", "text"] = "number"
    least: float = 0
    most: float = math.inf
    choices: tuple[str, ...] = ()
    optional: bool = False
    needs: frozenset[str] = frozenset()
    late: bool = False
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def checked(self, value: Any) -> Any:
        """The value as it is stored: 0 and 0.0 of a number are one configuration.

        Raises:
            ConfigError: another type, or out of range.
        """
        if value is None and self.optional:
            return None
        if isinstance(value, np.generic):
            value = value.item()
        checks = {"count": self._count, "number": self._number, "choice": self._choice, "flag": self._flag, "text": self._text}
        return checks[self.kind](value)

    @property
    def range(self) -> str:
        """What it may be, in words."""
        if self.kind == "choice":
            words = either(self.choices)
        elif self.kind in ("count", "number"):
            kind = "a whole number" if self.kind == "count" else "a number"
            words = f"{kind} from {self.least:g} " + ("on" if self.most >= 10**6 else f"to {self.most:g}")
        else:
            words = {"flag": "true or false", "text": "text"}[self.kind]
        return f"{words}, or null" if self.optional else words

    @property
    def values(self) -> str:
        """Range and default in words."""
        return self.range if self.default is None else f"{self.range}, by default {in_json(self.default)}"

    def but(self, **changes: Any) -> "HyperParameter":
        """The same hyper-parameter of another owner, who has another default or meaning."""
        return replace(self, **changes)

    def unread(self, values: Mapping[str, Any]) -> str | None:
        """Why a run with these other values does not read it, as "belongs to NAME VALUE"; ``None`` where it does."""
        for name, allowed in self.only.items():
            if name in values and values[name] not in allowed:
                return f"{self.name} belongs to {name} {either(allowed)}: leave it out of {values[name]}"
        return None

    def _count(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < self.least:
            raise ConfigError(f"{self.name} must be a whole number of at least {self.least:g}, got {shown(value)}")
        if value > self.most:
            raise ConfigError(f"{self.name} must be a whole number of at most {self.most}, got {shown(value)}")
        return value

    def _number(self, value: Any) -> float:
        large = isinstance(value, int) and value > self.most  # more digits than a float holds
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not (large or math.isfinite(value)) or value < self.least:
            least = f"of at least {self.least:g}" if self.least else "that is not negative"
            raise ConfigError(f"{self.name} must be a finite number {least}, got {shown(value)}")
        if value > self.most:
            between = f"lie between {self.least:g} and {self.most:g}" if self.most == 1 else f"be at most {self.most:g}"
            raise ConfigError(f"{self.name} must {between}, got {shown(value)}")
        return float(value)

    def _choice(self, value: Any) -> Any:
        if value not in self.choices:
            raise ConfigError(f"unknown {self.name} {shown(value)}: choose one of {', '.join(map(str, self.choices))}")
        return value

    def _flag(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ConfigError(f"{self.name} must be true or false, got {shown(value)}")
        return value

    def _text(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ConfigError(f"{self.name} must be text, got {shown(value)}")
        return value


def count(name: str, default: int | None, help: str, *, least: int = 0, most: int = 10**6, **more: Any) -> HyperParameter:
    """A whole number."""
    return HyperParameter(name, default, help, kind="count", least=least, most=most, **more)


def number(name: str, default: float, help: str, *, most: float = 1e6, **more: Any) -> HyperParameter:
    """A finite number from 0 on."""
    return HyperParameter(name, default, help, kind="number", most=most, **more)


def choice(name: str, default: str | None, choices: tuple[str, ...], help: str, **more: Any) -> HyperParameter:
    """One of a few words."""
    return HyperParameter(name, default, help, kind="choice", choices=choices, **more)


def flag(name: str, default: bool, help: str, **more: Any) -> HyperParameter:
    """True or false."""
    return HyperParameter(name, default, help, kind="flag", **more)


def text(name: str, default: str | None, help: str, **more: Any) -> HyperParameter:
    """Any text, such as the path of a file."""
    return HyperParameter(name, default, help, kind="text", **more)


def either(values: tuple[Any, ...]) -> str:
    """Words joined with commas and "or"."""
    *others, last = (str(one) for one in values if one is not None)
    return f"{', '.join(others)} or {last}" if others else last


def in_json(value: object) -> str:
    """A value as ``--set`` and a run's JSON form have it."""
    return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else json.dumps(value)


def shown(value: object) -> str:
    """A value for a message, cut where it is long: a number may have more digits than Python is willing to print."""
    try:
        words = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return words if len(words) <= 60 else f"{words[:40]}... ({len(words)} characters)"

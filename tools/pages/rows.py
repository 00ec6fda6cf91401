"""Choosing among run records and rows of tables."""

from collections.abc import Iterable
from typing import Any, TypeVar

from lnl_core.runs.records import RunRecord

Row = TypeVar("Row", RunRecord, dict[str, Any])


def _value(row: RunRecord | dict[str, Any], name: str) -> Any:
    if isinstance(row, dict):
        return row.get(name)
    own = vars(row)
    return own[name] if name in own else row.setting[name] if name in row.setting else row.config.get(name)


def where(rows: Iterable[Row], **wanted: object) -> list[Row]:
    """The rows with these values: fields of a record, of its setting or its configuration, or keys of a dictionary."""
    return [row for row in rows if all(_value(row, name) == value for name, value in wanted.items())]

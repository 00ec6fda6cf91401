"""Choosing among run records and rows of tables, and what all tables are written with."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from lnl_core.evaluation import Interval
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


def table_head(*names: str) -> list[str]:
    """The first two lines of a Markdown table with these columns."""
    return ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]


def of_seeds(values: Sequence[float], digits: int = 3, missing: str = "–") -> str:
    """Mean and, of more than one value, standard deviation (n - 1) over seeds; ``missing`` where there is none."""
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}" if len(values) else missing


def with_interval(values: Sequence[float], missing: str = "–") -> str:
    """Mean and half of a 95 % interval over the values (Student's t), in three digits; ``missing`` where there is none."""
    if not values:
        return missing
    found = Interval.of(values)
    return f"{found.mean:.3f}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{found.high - found.mean:.3f}"


def by_configuration(records: list[RunRecord]) -> dict[str, list[RunRecord]]:
    """Records that differ in nothing but the seed, by the fingerprint of seed 0; each of one precision (:func:`by_precision`)."""
    return {name: next(iter(found.values())) for name, found in by_precision(records).items()}


def by_precision(records: list[RunRecord]) -> dict[str, dict[str, list[RunRecord]]]:
    """The same by precision, first the one with most runs and float32 of as many: a mean is of runs in one precision."""
    groups: dict[str, dict[str, list[RunRecord]]] = {}
    for record in records:
        config = record.run_config()
        name = config.with_options(seed=0).fingerprint()
        groups.setdefault(name, {}).setdefault(config.precision, []).append(record)
    return {
        name: dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0] != "float32"))) for name, found in groups.items()
    }


def of_precision(found: dict[str, list[RunRecord]], wanted: str | None = None) -> list[RunRecord]:
    """The runs of a row in the precision that its table wants, else those of :func:`by_configuration`."""
    return found.get(wanted or "") or next(iter(found.values()), [])


def precision_cell(found: dict[str, list[RunRecord]], wanted: str | None = None) -> str:
    """The precision that a row is of, and how many runs in the other it leaves out."""
    shown = of_precision(found, wanted)
    left = sum(map(len, found.values())) - len(shown)
    return shown[0].run_config().precision + (f" ({left} in the other left out)" if left else "") if shown else "–"


def cell(records: list[RunRecord], metric: str) -> str:
    return of_seeds([record.metrics[metric] for record in records if metric in record.metrics])


def spread(runs: list[dict[str, Any]]) -> str:
    """Mean and standard deviation over seeds; runs that diverged are counted and left out."""
    values = [run["value"] for run in runs if run["value"] is not None]
    lost = f" ({len(runs) - len(values)} diverged)" if len(values) < len(runs) else ""
    return f"{of_seeds(values)}{lost}"


def grouped(runs: list[dict[str, Any]], *keys: str) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault(tuple(run[key] for key in keys), []).append(run)
    return groups

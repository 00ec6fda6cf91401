"""The tables of hyper-parameters, from the declarations: what each run may choose, by whom it is read."""

from collections.abc import Iterable, Sequence

from lnl_core import experiments, methods
from lnl_core.config import EXECUTION, MEASURING, TRAINING
from lnl_core.hyperparameters import HyperParameter, in_json
from tools.pages.rows import table_head


def readers(names: Sequence[str], everyone: Sequence[str]) -> str:
    """Who reads a hyper-parameter, in few words: where it is most of them, those who do not."""
    others = [name for name in everyone if name not in names]
    if 2 * len(others) >= len(names):
        return ", ".join(names)
    return f"all but {' and '.join(filter(None, (', '.join(others[:-1]), others[-1])))}" if others else "all of them"


def _table(declared: Iterable[tuple[HyperParameter, str]]) -> list[str]:
    """A row a hyper-parameter, in the order of their first owners; owners of the same declaration share one."""
    owners: dict[str, list[str]] = {}
    for one, owner in declared:
        where = [f"; only with {name} {' or '.join(map(in_json, values))}" for name, values in one.only.items()]
        where += [f"; only in experiments with {need}" for need in sorted(one.needs)]
        default = "–" if one.default is None else in_json(one.default)
        source = f" (default: {one.source})" if one.source else ""
        cells = (f"`{one.name}`", default, one.range, one.help + "".join(where) + source)
        owners.setdefault(" | ".join(cell.replace("|", "\\|") for cell in cells), []).append(owner)
    everyone = list(dict.fromkeys(name for names in owners.values() for name in names))
    lines = table_head("name", "default", "range", "meaning", "read by")
    alone = len(everyone) == 1
    return [*lines, *(f"| {row} | {everyone[0] if alone else readers(names, everyone)} |" for row, names in owners.items()), ""]


def tables() -> str:
    """Four tables: of experiments, of methods, of every training and of its execution."""
    parts = {
        "Experiments": [(one, task.name) for task in experiments.registered().values() for one in task.hyperparameters],
        "Methods": [(one, way.name) for way in methods.registered().values() for one in way.hyperparameters],
        "Training": [(one, "every run") for one in TRAINING],
        "Measuring": [(one, "every run") for one in MEASURING],
        "Execution": [(one, "every run") for one in EXECUTION],
    }
    return "\n".join(line for title, declared in parts.items() for line in (f"## {title}", "", *_table(declared)))

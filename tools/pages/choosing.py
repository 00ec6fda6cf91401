"""The table, the figure and the numbers of how methods rank by rule of choice, from the runs in results/choosing."""

from pathlib import Path
from typing import Any

from tools import ROOT
from tools.pages import records as record_pages
from tools.pages.rows import of_seeds, table_head, with_interval
from tools.studies.choosing import DRAWN, FIRST_SEED, FRESH_SEEDS, METHODS, RULES, SPACE, chosen, read, settings
from tools.studies.study import Found

Tested = dict[str, dict[str, list[float]]]


def compared(root: Path = ROOT) -> list[str]:
    """The methods of which every run is there, in the order of the study."""
    runs = {method: _fresh(method, root) for method in METHODS}
    return [method for method, of in runs.items() if of and not any(None in seeds for seeds in of.values())]


def _fresh(method: str, root: Path) -> dict[str, list[Found | None]]:
    """By rule the runs with fresh seeds of the setting that it chose."""
    numbers = chosen(method, root) or {}
    return {rule: [read(method, number, seed, root) for seed in FRESH_SEEDS] for rule, number in numbers.items()}


def on_test(name: str = "accuracy", root: Path = ROOT) -> Tested:
    """By method and rule a score on test digits of every fresh seed; a training that diverged has none."""

    def values(runs: list[Found | None]) -> list[float]:
        return [run["scores"][name] for run in runs if run and run["scores"]]

    return {method: {rule: values(runs) for rule, runs in _fresh(method, root).items()} for method in compared(root)}


def drawing(root: Path = ROOT) -> Tested:
    """What :func:`lnl_core.figures.by_rule` draws: accuracies by method and the rule's name on the page."""
    return {method: {RULES[rule]: values for rule, values in of.items()} for method, of in on_test(root=root).items()}


def _cell(values: list[float]) -> str:
    lost = f" (n = {len(values)})" if len(values) < len(FRESH_SEEDS) else ""
    return f"{with_interval(values) if len(values) > 1 else of_seeds(values)}{lost}" if values else "diverged"


def choosing_table(root: Path = ROOT) -> str:
    """One row a method: accuracy on unbiased test digits by rule, and the number of the setting that it chose."""
    methods = compared(root)
    if not methods:
        return "Nothing has been measured yet.\n"
    lines, found = table_head("method", *RULES.values(), "records"), on_test(root=root)
    for method in methods:
        numbers: Any = chosen(method, root)
        cells = [f"{_cell(found[method][rule])} (no.\N{NO-BREAK SPACE}{numbers[rule] + 1})" for rule in RULES]
        cells.append(record_pages.listed(f"choosing/{method}-", f"runs of {method}"))
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + f"\n\n{_how(methods[0], root)}\n"


def _how(method: str, root: Path) -> str:
    first: Any = read(method, 0, FIRST_SEED, root)
    shared, groups = first["settings"], int(first["scores"]["biased_groups"])
    absent = [method for method in METHODS if method not in compared(root)]
    lacking = f" Not run to the end: {', '.join(absent)}." if absent else ""
    worst = max(value for of in on_test("worst_group_accuracy", root).values() for values in of.values() for value in values)
    return (
        f"Mean of n = {len(FRESH_SEEDS)} seeds, ± half a 95 % interval over them, and the number of the chosen setting out "
        f"of {DRAWN}. σ² = {shared['color_var']:g}, {shared['train_size']:,} training digits, {shared['epochs']} epochs in "
        f"batches of {shared['batch_size']}. The worst group that chooses is one of the {groups} of label and nearest mean colour "
        f"with {shared['least_group']} or more of the 5,000 validation digits. "
        f"Over all runs the best accuracy of the worst cell of digit and colour among the test digits is {worst:.2f}.{lacking}"
    )


def settings_table() -> str:
    """The settings that every method was tried with, in the order in which they were drawn, and the space that they are from."""
    lines = table_head("no.", *(f"`{name}`" for name in SPACE))
    lines += [f"| {number} | {' | '.join(f'{value:g}' for value in one.values())} |" for number, one in enumerate(settings(), 1)]
    lines.append("| from, to | " + " | ".join(f"{least:g}, {most:g}" for least, most in SPACE.values()) + " |")
    return "\n".join(lines) + "\n"


def least(method: str, rule: str, root: Path = ROOT) -> float:
    """The least accuracy on test digits among the seeds of the setting that a rule chose."""
    return min(on_test(root=root)[method][rule])


def scores(method: str, rule: str, root: Path = ROOT) -> list[float]:
    """What a rule compares, of every setting of a method whose training did not diverge."""
    found = [read(method, number, FIRST_SEED, root) for number in range(DRAWN)]
    return [run["scores"][rule] for run in found if run and run["scores"]]


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {
        "choosing.md": choosing_table(root),
        "choosing_settings.md": settings_table(),
    }

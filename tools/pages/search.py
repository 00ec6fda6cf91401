"""The tables and the figure of methods after the same search, from the runs in results/search."""

from itertools import product
from pathlib import Path

from lnl_core.config import RunConfig
from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.runs.records import read_record
from lnl_core.runs.run import run_folder
from tools import ROOT
from tools.pages import comparisons, records as record_pages, settings_tried
from tools.pages.rows import table_head, with_interval
from tools.studies import figure_4_small, newer, runs as figure_4, search
from tools.studies.study import Found

Tested = dict[str, dict[float, list[float]]]
ORDER = (*(method for method in figure_4.METHODS if method not in figure_4_small.METHODS), *figure_4_small.METHODS)
"""The methods of Figure 4, those that the search leaves out last."""
METRICS = {"accuracy": "test_accuracy", "worst_group_accuracy": "worst_group_accuracy"}
"""The scores of the search, and what they are called in a run record."""
CONFLICTING = "bias_conflicting_accuracy"
"""What the search did not measure and the run records hold."""


def on_test(name: str = "accuracy", root: Path = ROOT) -> Tested:
    """By method and variance a score on test digits of every fresh seed; only where all seeds were run, and none diverged."""
    found: Tested = {}
    for method in search.METHODS:
        number = search.chosen(method, root)
        for color_var in COLOR_VARS if number is not None else ():
            runs = [search.read(method, int(number or 0), color_var, seed, root) for seed in search.FRESH_SEEDS]
            values = [_score(run, name, root) for run in runs if run and run["scores"]]
            there = [value for value in values if value is not None]
            if len(there) == len(runs):
                found.setdefault(method, {})[color_var] = there
    return found


def _score(run: Found, name: str, root: Path) -> float | None:
    """A score of a run of the search, or what the record of the same run in ``newer_small`` has; ``None`` if neither has it."""
    if name in run["scores"]:
        return float(run["scores"][name])
    file = root / "results" / newer.SMALL / f"{run_folder('', RunConfig.from_dict(run['config'])).name}.json"
    return read_record(file).metrics.get(name) if file.is_file() else None


def not_searched(name: str = "accuracy", root: Path = ROOT) -> Tested:
    """The same as :func:`on_test` of the methods of Figure 4 that the search leaves out, from their run records."""
    found: Tested = {}
    for method, color_var in product(figure_4_small.METHODS, COLOR_VARS):
        folder = root / "results" / figure_4_small.folder_of(method, color_var)
        configs = [figure_4_small.config_of(method, color_var, seed) for seed in range(figure_4_small.SEEDS)]
        files = [folder / f"{run_folder('', config).name}.json" for config in configs]
        if all(file.is_file() for file in files):
            found.setdefault(method, {})[color_var] = [read_record(file).metrics[METRICS.get(name, name)] for file in files]
    return found


def of_all(name: str = "accuracy", root: Path = ROOT) -> Tested:
    """:func:`on_test` and :func:`not_searched` together, in the order of ORDER."""
    found = {**on_test(name, root), **not_searched(name, root)}
    return {method: found[method] for method in ORDER if method in found}


def accuracy_table(root: Path = ROOT) -> str:
    """One row a method: accuracy on unbiased test digits at every variance where all seeds are there."""
    found = of_all(root=root)
    if not found:
        return "Nothing has been measured yet.\n"
    variances = [value for value in COLOR_VARS if any(value in of for of in found.values())]
    lines = table_head("σ² =", *(f"{value:g}" for value in variances), "settings tried")
    for method, of in found.items():
        cells = [with_interval(of.get(value, []), "not measured") for value in variances]
        tried = f"{search.DRAWN}" if method in search.METHODS else f"none here, {settings_tried.tried(method)} elsewhere"
        lines.append(f"| {_listed(method, root)} | {' | '.join(cells)} | {tried} |")
    shared = search.SETTINGS
    return (
        "\n".join(lines)
        + f"\n\nMean of n = {len(search.FRESH_SEEDS)} fresh seeds, ± half a 95 % interval over them (Student's t), on the 10,000 "
        f"test digits in random colours. {shared['train_size']:,} training digits, {shared['epochs']} epochs in batches of "
        f"{shared['batch_size']}; each method with its own choice at σ² = {search.COLOR_VAR:g}, those that were not searched as "
        "the text says. *Elsewhere* is for the profile `short`. A method's name links to its runs.\n"
    )


def _listed(method: str, root: Path) -> str:
    """The name of a method, which links to its runs."""
    if method not in search.METHODS:
        return record_pages.listed(f"_small/ -{method}-", method)
    return record_pages.listed(f"search/{method}-{search.chosen(method, root)}-", method)


def ranks_table(root: Path = ROOT) -> str:
    """A row a method: at each variance the methods that it is "higher" than, and nothing of those of which one cannot say."""
    found = of_all(root=root)
    said = comparisons.of_every_two(found)
    variances = [value for value in COLOR_VARS if any(value in of for of in found.values())]
    lines = table_head("above, at σ² =", *(f"{value:g}" for value in variances))
    words = {"higher": "{}", "(higher)": "({})"}
    for method in found:
        below = {
            value: [words[told].format(other) for other in found if (told := said.get((method, other, value), "")) in words]
            for value in variances
        }
        cells = [", ".join(below[value]) or "–" for value in variances]
        lines.append(f"| {_listed(method, root)} | {' | '.join(cells)} |")
    how = comparisons.how(comparisons.counted(comparisons.every_two(found)))
    return "\n".join(lines) + f"\n\nA method stands above another if its mean is higher. {how}\n"


def tried_table(root: Path = ROOT) -> str:
    """One row a setting, in two tables: what it is, and the accuracy of every method on validation digits, the choice in bold."""
    chosen = {method: search.chosen(method, root) for method in search.METHODS}
    drawn, lines = table_head("no.", *(f"`{name}`" for name in search.SPACE)), table_head("no.", *search.METHODS, "records")
    for number, setting in enumerate(search.settings()):
        drawn.append(f"| {number + 1} | {' | '.join(f'{value:g}' for value in setting.values())} |")
        cells = []
        for method in search.METHODS:
            values = search.validation(method, number, root)
            mean = f"{sum(values) / len(values):.3f}" if values else "–"
            cells.append(f"**{mean}**" if chosen[method] == number else mean)
        cells.append(record_pages.listed(f"search/ -{number}-{search.COLOR_VAR:g}-", f"runs of no. {number + 1}"))
        lines.append(f"| {number + 1} | {' | '.join(cells)} |")
    ends = [f"{least:g} to {most:g}" for least, most in search.SPACE.values()]
    drawn.append(f"| drawn from | {' | '.join(ends)} |")
    return (
        "\n".join([*drawn, "", *lines])
        + f"\n\nAccuracy on the 5,000 validation digits in random colours at σ² = {search.COLOR_VAR:g}: one seed, of the three "
        "best settings of a method the mean of two. In bold the one that is chosen. 0.000: the training diverged. A method takes "
        "of a setting what it reads.\n"
    )


def drawn(name: str, root: Path = ROOT) -> Tested:
    """What the figures show of every method, with an empty list where nothing was measured."""
    return {method: {value: of.get(value, []) for value in COLOR_VARS} for method, of in of_all(name, root).items()}


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {
        "search.md": accuracy_table(root),
        "search_tried.md": tried_table(root),
        "search_ranks.md": ranks_table(root),
    }

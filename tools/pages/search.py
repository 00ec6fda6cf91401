"""The tables and the figure of methods after the same search, from the runs in results/search."""

from pathlib import Path

from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.runs.comparison import ordering
from tools import ROOT
from tools.pages import records as record_pages
from tools.pages.rows import table_head, with_interval
from tools.studies import search

Tested = dict[str, dict[float, list[float]]]


def on_test(name: str = "accuracy", root: Path = ROOT) -> Tested:
    """By method and variance a score on test digits of every fresh seed; only where all seeds were run, and none diverged."""
    found: Tested = {}
    for method in search.METHODS:
        number = search.chosen(method, root)
        for color_var in COLOR_VARS if number is not None else ():
            runs = [search.read(method, int(number or 0), color_var, seed, root) for seed in search.FRESH_SEEDS]
            values = [run["scores"][name] for run in runs if run and run["scores"]]
            if len(values) == len(runs):
                found.setdefault(method, {})[color_var] = values
    return found


def accuracy_table(root: Path = ROOT) -> str:
    """One row a method: accuracy on unbiased test digits at every variance where all seeds are there."""
    found = on_test(root=root)
    if not found:
        return "Nothing has been measured yet.\n"
    variances = [value for value in COLOR_VARS if any(value in of for of in found.values())]
    lines = table_head("σ² =", *(f"{value:g}" for value in variances))
    for method, of in found.items():
        cells = [with_interval(of.get(value, []), "not measured") for value in variances]
        lines.append(f"| {_listed(method, root)} | {' | '.join(cells)} |")
    shared = search.SETTINGS
    return (
        "\n".join(lines)
        + f"\n\nMean of n = {len(search.FRESH_SEEDS)} fresh seeds, ± half a 95 % interval over them (Student's t), on the 10,000 "
        f"test digits in random colours. {shared['train_size']:,} training digits, {shared['epochs']} epochs in batches of "
        f"{shared['batch_size']}; each method with its own choice at σ² = {search.COLOR_VAR:g}. "
        "A method's name links to its runs.\n"
    )


def _listed(method: str, root: Path) -> str:
    """The name of a method, which links to its runs."""
    return record_pages.listed(f"search/{method}-{search.chosen(method, root)}-", method)


def above(one: str, other: str, root: Path = ROOT) -> dict[float, str]:
    """By variance whether ``one`` is "higher" or "lower" than ``other``, or that one "cannot say"."""
    found = on_test(root=root)
    return {value: ordering(values, found[other][value]) for value, values in found[one].items() if value in found[other]}


def ranks_table(root: Path = ROOT) -> str:
    """A row a method: at each variance the methods that it is "higher" than, and nothing of those of which one cannot say."""
    found = on_test(root=root)
    variances = [value for value in COLOR_VARS if any(value in of for of in found.values())]
    lines = table_head("above, at σ² =", *(f"{value:g}" for value in variances))
    for method in found:
        below = {value: [other for other in found if above(method, other, root).get(value) == "higher"] for value in variances}
        cells = [", ".join(below[value]) or "–" for value in variances]
        lines.append(f"| {_listed(method, root)} | {' | '.join(cells)} |")
    return (
        "\n".join(lines) + "\n\nA method stands above another if a 95 % interval of the difference of their means (Welch) leaves "
        "out 0. With three seeds most pairs cannot be told apart, and no correction is made for the number of pairs.\n"
    )


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
    """What the figures show of every method, with an empty list where nothing was measured, the baseline first."""
    found = on_test(name, root)
    return {method: {value: of.get(value, []) for value in COLOR_VARS} for method, of in found.items()}


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {
        "search.md": accuracy_table(root),
        "search_tried.md": tried_table(root),
        "search_ranks.md": ranks_table(root),
    }

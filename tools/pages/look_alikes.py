"""The table of the four data sets called Colored MNIST, from the runs in results/look_alikes."""

from pathlib import Path

from tools import ROOT
from tools.pages import records as record_pages
from tools.pages.rows import of_seeds, table_head
from tools.studies import look_alikes as study, search

MEASURES = {"painted_accuracy": "painted as in training", "accuracy": "painted as in the test"}


def values(name: str, method: str, measure: str = "accuracy", rate: float | None = None, root: Path = ROOT) -> list[float]:
    """An accuracy on test digits of every seed that is there and did not diverge."""
    runs = [study.read(name, method, seed, rate, root) for seed in study.SEEDS]
    return [run["scores"][measure] for run in runs if run and run["scores"]]


def _rows() -> list[tuple[str, float | None]]:
    """Each data set with its rate: ``None`` where it is that of the search."""
    return [(name, rate) for name, lower in study.LOWER.items() for rate in dict.fromkeys((None, lower))]


def beside_the_baseline(root: Path = ROOT) -> dict[tuple[str, float | None, str], tuple[list[float], list[float]]]:
    """By data set, rate and method its runs and those of the baseline."""
    return {
        (name, rate, method): (values(name, method, rate=rate, root=root), values(name, study.METHODS[0], rate=rate, root=root))
        for name, rate in _rows()
        for method in study.METHODS[1:]
    }


def look_alikes_table(root: Path = ROOT) -> str:
    """One row a data set and method: accuracy on test digits that are painted as in training, and as in the test."""
    lines = table_head("data set", "method", *MEASURES.values(), "n", "records")
    for name, rate in _rows():
        for method in study.METHODS:
            found = [values(name, method, measure, rate, root) for measure in MEASURES]
            cells = [of_seeds(those, missing="not measured").replace(" ", "\N{NO-BREAK SPACE}") for those in found]
            of_rate = "seed" if rate is None else f"{rate:g}-seed"
            cells += [str(len(found[0])), record_pages.listed(f"look_alikes/{study.SHORT[name]}-{method}-{of_rate}", "by seed")]
            lines.append(f"| {name}{'' if rate is None else f', rate {rate:g}'} | {method} | {' | '.join(cells)} |")
    shared = search.SETTINGS
    return (
        "\n".join(lines)
        + "\n\nAccuracy on the 10,000 test digits, mean and standard deviation over seeds. "
        f"{shared['train_size']:,} training digits, {shared['epochs']} epochs in batches of {shared['batch_size']}.\n"
    )


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"look_alikes.md": look_alikes_table(root)}

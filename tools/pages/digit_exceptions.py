"""The table of the exceptions dial on Colored MNIST, from the runs in results/digit_exceptions."""

from pathlib import Path
from statistics import mean

from lnl_core.runs.comparison import FEWEST_RUNS
from tools import ROOT
from tools.pages import records as record_pages
from tools.pages.pretrained import same_exceptions
from tools.pages.rows import of_seeds, table_head
from tools.studies import digit_exceptions as study, search
from tools.studies.study import stored

Dial = dict[str, dict[float, list[float]]]


def dial(name: str = "accuracy", root: Path = ROOT) -> Dial:
    """By method and share of exceptions a score on test digits of every seed that is there."""
    found: Dial = {method: {share: [] for share in study.SHARES} for method in study.METHODS}
    for method, of in found.items():
        for share, values in of.items():
            runs = [study.read(method, share, seed, root) for seed in study.SEEDS]
            values += [run["scores"][name] for run in runs if run and run["scores"]]
    return {method: of for method, of in found.items() if any(of.values())}


def dial_table(root: Path = ROOT) -> str:
    """Accuracy on unbiased test digits, a row a method, a column a share of exceptions."""
    found = dial(root=root)
    if study.METHODS[0] not in found:
        return "Nothing has been measured yet.\n"
    lines = table_head("method", *(f"{share:.0%}: {study.count_of(share):,}" for share in study.SHARES), "records")
    for method, of in found.items():
        cells = [_cell(method, share, values) for share, values in of.items()]
        cells.append(record_pages.listed(f"{study.FOLDER.name}/{method}-", f"runs of {method}"))
        lines.append(f"| {method} | {' | '.join(cells)} |")
    shared = search.SETTINGS
    how = (
        f"Mean and standard deviation of n = {len(study.SEEDS)} seeds where it does not say another number, on the 10,000 test "
        f"digits in random colours. {shared['train_size']:,} training digits, {shared['epochs']} epochs, σ² = {search.COLOR_VAR:g}."
    )
    return "\n".join(lines) + f"\n\n{how}\n\n{same_exceptions(found, 'on the test digits')}\n"


def _cell(method: str, share: float, values: list[float]) -> str:
    if not values:
        return "nothing to fit to" if study.fits_to_exceptions(method) and not share else "not measured"
    return of_seeds(values) + (f" (n = {len(values)})" if len(values) < FEWEST_RUNS else "")


def drawn(share: float, name: str, root: Path = ROOT) -> float:
    """The mean over seeds of a number of :func:`tools.studies.digit_exceptions.draws`."""
    found = [stored(study.draws_file(share, seed, root)) for seed in study.SEEDS]
    return float(mean(one[name] for one in found if one))


def draws_table(root: Path = ROOT) -> str:
    """A column a share of exceptions: what the drawing of bias_balanced makes of them."""
    if not all(study.draws_file(share, seed, root).is_file() for share in study.SHARES for seed in study.SEEDS):
        return "Nothing has been measured yet.\n"
    size = int(search.SETTINGS["train_size"])
    rows = {
        "share of the draws that are exceptions": [f"{drawn(share, 'exceptions', root):.2f}" for share in study.SHARES],
        f"draws of the likeliest image, of {size:,}": [f"{drawn(share, 'most', root):,.0f}" for share in study.SHARES],
        "effective number of images": [f"{drawn(share, 'effective', root):,.0f}" for share in study.SHARES],
    }
    lines = table_head("exceptions", *(f"{share:.0%}: {study.count_of(share):,}" for share in study.SHARES))
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    how = (
        f"Expected values in an epoch of `{study.DRAWS}`, mean of the n = {len(study.SEEDS)} seeds of the runs above. The "
        "effective number is one over the sum of the squared chances to be drawn: so many equally likely images would have "
        "the same sum."
    )
    return "\n".join(lines) + f"\n\n{how}\n"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"digit_exceptions.md": dial_table(root), "digit_draws.md": draws_table(root)}

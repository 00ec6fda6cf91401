"""lambda and mu of lnl on photographs, each alone: curves, a table, and what the rule of the searches would choose."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from lnl_core.config import RunConfig
from lnl_core.figures.photographs import WeightCurves
from tools import ROOT
from tools.pages import comparisons, records as record_pages
from tools.pages.pretrained import MISSING, summary
from tools.pages.rows import of_seeds, table_head
from tools.studies import pretrained, pretrained_curves as study
from tools.studies.study import record_of

SIGNS = {"lambda": "λ", "mu": "μ"}
TESTED = {
    "dogs_cats": {"other": "neither coat", "opposite": "opposite set", "test": "test set"},
    "faces": {"other": "faces of 30 to 39", "opposite": "opposite set", "test": "test set"},
}
"""By experiment what accuracies are shown; the rule of choice reads the first."""
RULE = "other"


def _configs(experiment: str, root: Path) -> dict[tuple[str, str], dict[float, list[RunConfig]]]:
    """By weight and training set the runs of each value, seed by seed."""
    found: dict[tuple[str, str], dict[float, list[RunConfig]]] = {}
    for weight, value, train_set, config in study.cells(experiment, root):
        found.setdefault((weight, train_set), {}).setdefault(value, []).append(config)
    return found


def _measured(configs: Sequence[RunConfig], split: str, root: Path) -> list[float]:
    records = (record_of(config, study.folder_of(config), root) for config in configs)
    return [record.metrics[f"{split}_accuracy"] for record in records if record is not None]


def _scored(configs: Sequence[RunConfig], split: str, root: Path) -> list[float]:
    """The same with 0 for each run that diverged, as the rule of choice has it."""
    metric = f"{split}_accuracy"
    return [one for config in configs for one in pretrained.scored([config], study.folder_of(config), metric, root)]


def values(experiment: str, split: str, root: Path = ROOT) -> dict[tuple[str, str], dict[float, list[float]]]:
    """By weight and training set the accuracies at each value of it, a run each; runs that diverged have none."""
    found = _configs(experiment, root)
    return {key: {value: _measured(configs, split, root) for value, configs in of.items()} for key, of in found.items()}


def baseline(experiment: str, train_set: str, split: str, root: Path = ROOT) -> list[float]:
    """The accuracies of the baseline with the seeds of the curves."""
    search = study.SEARCHES[experiment]
    configs = [search.config_of("baseline", train_set, seed, None) for seed in study.SEEDS]
    return pretrained.scored(configs, search.folder, f"{split}_accuracy", root)


Point = tuple[str, float, str, str]
"""A weight or BOTH, the value, the training set and the set tested on."""
BOTH = "λ = μ"


def beside_the_baseline(experiment: str, root: Path = ROOT) -> dict[Point, tuple[list[float], list[float]]]:
    """By point the runs of lnl and those of the baseline; the point that the search chose, where the curves meet, once."""
    both, found = study.chosen(experiment, root), {}
    for split in TESTED[experiment]:
        if split != RULE:
            for (weight, name), of in values(experiment, split, root).items():
                plain = baseline(experiment, name, split, root)
                for value, runs in of.items():
                    found[BOTH if value == both else SIGNS[weight], value, name, split] = runs, plain
    return found


def would_choose(experiment: str, weight: str, root: Path = ROOT) -> float | None:
    """The value of a weight that the rule of the searches would choose from its curve; ``None`` while runs are missing."""
    sets = study.SEARCHES[experiment].train_sets
    found = _configs(experiment, root)
    configs = {value: [one for name in sets for one in found.get((weight, name), {}).get(value, [])] for value in study.VALUES}
    return pretrained.best({value: _scored(of, RULE, root) for value, of in configs.items()}, len(sets) * len(study.SEEDS))


def drawn(experiment: str, root: Path = ROOT) -> WeightCurves:
    """A panel a weight and training set, as :func:`lnl_core.figures.weight_curves` draws them."""
    of_split = {split: values(experiment, split, root) for split in TESTED[experiment]}
    both = study.chosen(experiment, root)
    found = {}
    for weight, name in product(study.WEIGHTS, study.SEARCHES[experiment].train_sets):
        other = SIGNS[next(one for one in study.WEIGHTS if one != weight)]
        lines = {
            word: (of_split[split].get((weight, name), {}), baseline(experiment, name, split, root))
            for split, word in TESTED[experiment].items()
        }
        found[f"{SIGNS[weight]} alone, {other} = {both or 0:g}, trained on {name.upper()}"] = lines
    return found


def curves_table(experiment: str, root: Path = ROOT) -> str:
    """A row a weight, training set and set tested on, a column a value."""
    configs = _configs(experiment, root)
    lines = table_head("alone", "trained on", "tested on", "baseline", *(f"{one:g}" for one in study.VALUES), "records")
    curves = product(study.WEIGHTS, study.SEARCHES[experiment].train_sets)
    for (weight, name), (split, word) in product(curves, TESTED[experiment].items()):
        of = configs.get((weight, name), {})
        cells = [_cell(baseline(experiment, name, split, root))]
        for value in study.VALUES:
            runs = _measured(of.get(value, []), split, root)
            cells.append(_cell(runs, len(_scored(of.get(value, []), split, root)) - len(runs)))
        links = record_pages.listed(f"{study.FOLDER}/{experiment}-{study.METHOD}- {name}-seed", "runs")
        lines.append(f"| {SIGNS[weight]} | {name.upper()} | {word} | {' | '.join([*cells, links])} |")
    table = "\n".join(lines).replace(" ± ", "\u00a0±\u00a0")
    return f"{table}\n\n{_rule(experiment, root)}\n\n{_differing(experiment, root)}\n"


def _differing(experiment: str, root: Path) -> str:
    """Which points differ from the baseline, and how many were compared."""
    said = comparisons.verdicts(beside_the_baseline(experiment, root))
    told = [
        f"{sign} = {value:g}, trained on {name.upper()}, {TESTED[experiment][split]} {verdict}"
        for (sign, value, name, split), verdict in said.items()
        if verdict.strip("()") in ("higher", "lower")
    ]
    return summary([*said.values()]) + (f" These differ one at a time: {'; '.join(told)}." if told else "")


def _cell(runs: Sequence[float], lost: int = 0) -> str:
    """The mean over seeds, with its n where that is not the number of all seeds, and how many runs diverged."""
    few = [f"n = {len(runs)}"] if 0 < len(runs) < len(study.SEEDS) else []
    told = [*few, *([f"{lost} diverged"] if lost else [])]
    return " ".join([*([of_seeds([*runs])] if runs else []), *([f"({', '.join(told)})"] if told else [])]) or MISSING


def _rule(experiment: str, root: Path) -> str:
    both = study.chosen(experiment, root)
    found = {weight: would_choose(experiment, weight, root) for weight in study.WEIGHTS}
    seeds = f"Mean and standard deviation of n = {len(study.SEEDS)} seeds where no other n is said"
    if both is None or None in found.values():
        return f"{seeds}."
    would = " and ".join(f"{SIGNS[weight]} = {value:g}" for weight, value in found.items())
    return (
        f"{seeds}. The search chose {both:g} for both weights. By its rule, the highest mean on {TESTED[experiment][RULE]} over "
        f"both training sets, here of six runs and with 0 for one that diverged, these curves would choose {would}, each at "
        f"{both:g} of the other."
    )


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {f"pretrained_curves_{experiment}.md": curves_table(experiment, root) for experiment in study.SEARCHES}

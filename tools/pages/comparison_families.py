"""The comparisons that pages read together: how many there are, how many stay, and how often a procedure like this is wrong."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import false_discovery_control, ttest_ind_from_stats

from lnl_core.runs.comparison import DISCOVERY_RATE, FEWEST_RUNS, results_table
from tools import ROOT
from tools.pages import (
    comparisons,
    conditional,
    digit_exceptions,
    fairness_tables,
    leak_tables,
    look_alikes,
    moved,
    pretrained,
    pretrained_curves,
    pretrained_faces,
    search,
    which_method,
)
from tools.pages.ablation_tables import of_adversaries
from tools.pages.rows import table_head

NOTHING, HALF = 1, 2
"""Of how many true means families are drawn: with one nothing differs, with two about half of the comparisons."""
REPETITIONS = 1000


OF_ONE_KIND = {"profile": "short", "precision": "bf16"}
"""Of the runs of Figure 4 that are compared: a table may hold cells of another profile or precision."""


def of_figure_4(root: Path = ROOT) -> dict[str, dict[float, list[float]]]:
    """By method and variance the accuracies of our runs of Figure 4, of the cells with OF_ONE_KIND: others are not compared."""
    found: dict[str, dict[float, list[float]]] = {}
    for row in results_table(folder=root / "results"):
        if {name: row[name] for name in OF_ONE_KIND} == OF_ONE_KIND:
            found.setdefault(row["method"], {})[row["color_var"]] = row["values"]
    return found


def families(root: Path = ROOT) -> dict[str, comparisons.Pairs[Any]]:
    """By what is compared, with its page, the comparisons that are read together."""
    every_two = comparisons.every_two
    return {
        "every two methods of Figure 4 ([](reproduce.md))": every_two(of_figure_4(root)),
        "every two methods of the small setting ([](equal_search.md))": every_two(search.of_all(root=root)),
        "every two methods of today, small setting ([](which_method.md))": every_two(which_method.small_scores(root)),
        "every two methods of today, full setting ([](which_method.md))": every_two(which_method.full_scores(root)),
        "independence given the label, in accuracy and in nats ([](which_method.md))": conditional.pairs(root),
        "nats in networks of the small setting with the baseline's ([](which_method.md))": leak_tables.small_beside_the_baseline(
            root
        ),
        "nats in networks of the full setting with the baseline's ([](is_it_gone.md))": leak_tables.beside_the_baseline(root),
        "adversaries, every two, in nats ([](is_it_gone.md))": every_two(of_adversaries("bias_mlp_probe_information", root)),
        "the same in accuracy ([](is_it_gone.md))": every_two(of_adversaries("validation_accuracy", root)),
        "every two parts and controls ([](bias_balanced.md))": every_two(moved.scores(root)),
        "methods on photographs of animals with the baseline ([](pretrained.md))": pretrained.beside_the_baseline(root),
        "the same with as many exceptions ([](pretrained.md))": pretrained.beside_same_exceptions(pretrained.dial(root=root)),
        "the same on digits with as many exceptions ([](pretrained.md))": pretrained.beside_same_exceptions(
            digit_exceptions.dial(root=root)
        ),
        "methods on faces with the baseline ([](pretrained_faces.md))": pretrained_faces.beside_the_baseline(root),
        "points of the curves of lnl on animals with the baseline ([](pretrained.md))": (
            pretrained_curves.beside_the_baseline("dogs_cats", root)
        ),
        "points of the curves of lnl on faces with the baseline ([](pretrained_faces.md))": (
            pretrained_curves.beside_the_baseline("faces", root)
        ),
        "look-alikes of the data set, with the baseline ([](related_work.md))": look_alikes.beside_the_baseline(root),
        "networks on Adult with the baseline, paired by seed ([](fairness.md))": fairness_tables.beside_the_baseline(
            "adult-sex", root
        ),
    }


def drawn_like(
    pairs: comparisons.Pairs[Any], true_means: int, repetitions: int = REPETITIONS, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Families in which is known what differs: of each comparison the p-value, and whether its two means are equal.

    Runs are normal, as many and with as large a deviation as those of ``pairs``, and runs that comparisons share there are shared
    here. The true mean of a method is one of ``true_means`` values that lie far apart, each as likely as the others.

    Args:
        pairs: the family, as :func:`lnl_core.runs.orderings` takes it; comparisons with too few runs are left out.
        true_means: see :data:`NOTHING`.
        repetitions: how many families.
        seed: of the draws.

    Returns:
        A pair of arrays (repetitions, comparisons): p-values of Welch's test, and True where nothing differs.
    """
    enough = [[tuple(side) for side in runs] for runs in pairs.values() if min(map(len, runs)) >= FEWEST_RUNS]
    scores = [*dict.fromkeys(side for runs in enough for side in runs)]
    rng = np.random.default_rng(seed)
    ones, others = np.array([[scores.index(side) for side in runs] for runs in enough]).T
    far = 1e3 * max(np.std(side, ddof=1) for side in scores)
    true = rng.integers(true_means, size=(repetitions, len(scores)))
    counts = np.array([len(side) for side in scores])
    means, deviations = np.empty(true.shape), np.empty(true.shape)
    for place, side in enumerate(scores):
        runs = far * true[:, place, None] + np.std(side, ddof=1) * rng.standard_normal((repetitions, len(side)))
        means[:, place], deviations[:, place] = runs.mean(1), runs.std(1, ddof=1)
    sides = [(means[:, side], deviations[:, side], counts[side]) for side in (ones, others)]
    with np.errstate(invalid="ignore"):
        p_values = ttest_ind_from_stats(*sides[0], *sides[1], equal_var=False).pvalue
    return np.nan_to_num(p_values, nan=1.0), true[:, ones] == true[:, others]  # two equal means without any scatter


def false_share(pairs: comparisons.Pairs[Any], true_means: int) -> float:
    """The mean share of false ones among the differences that are reported in families as :func:`drawn_like` draws them."""
    p_values, equal = drawn_like(pairs, true_means)
    reported = false_discovery_control(p_values, axis=1) <= DISCOVERY_RATE
    return float(np.mean((reported & equal).sum(1) / np.maximum(1, reported.sum(1))))


def paired(pairs: comparisons.Pairs[Any]) -> bool:
    """Whether differences by seed are held against 0, so that one side of each comparison has no runs of its own."""
    return bool(pairs) and all(not any(other) for _, other in pairs.values())


def false_shares_table(families: dict[str, comparisons.Pairs[Any]]) -> str:
    """A row a family: the share of false ones that simulated families of its kind report."""
    lines = table_head("comparisons of", "where about half differ", "where nothing differs")
    for name, pairs in families.items():
        if comparisons.counted(pairs) and not paired(pairs):
            lines.append(f"| {name} | {false_share(pairs, HALF):.2f} | {false_share(pairs, NOTHING):.2f} |")
    return "\n".join(lines) + "\n"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    found = families(root)
    return {"comparisons.md": comparisons.comparisons_table(found), "comparisons_simulated.md": false_shares_table(found)}

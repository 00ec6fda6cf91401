"""The table of all comparisons that pages read together: how many there are, and how many stay."""

from pathlib import Path
from typing import Any

from lnl_core.runs.comparison import results_table
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
    pretrained_faces,
    search,
    which_method,
)
from tools.pages.ablation_tables import of_adversaries


def of_figure_4(root: Path = ROOT) -> dict[str, dict[float, list[float]]]:
    """By method and variance the accuracies of our runs of Figure 4."""
    found: dict[str, dict[float, list[float]]] = {}
    for row in results_table(folder=root / "results"):
        found.setdefault(row["method"], {})[row["color_var"]] = row["values"]
    return found


def families(root: Path = ROOT) -> dict[str, comparisons.Pairs[Any]]:
    """By what is compared, with its page, the comparisons that are read together."""
    every_two = comparisons.every_two
    return {
        "every two methods of Figure 4 ([](reproduce.md))": every_two(of_figure_4(root)),
        "every two methods of the small setting ([](equal_search.md))": every_two(search.of_all(root=root)),
        "every two methods of today, small setting ([](which_method.md))": every_two(which_method.small_scores(root)),
        "every two methods of today, full setting at σ² = 0.02 ([](which_method.md))": every_two(which_method.full_scores(root)),
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
        "look-alikes of the data set, with the baseline ([](related_work.md))": look_alikes.beside_the_baseline(root),
        "networks on Adult with the baseline, paired by seed ([](fairness.md))": fairness_tables.beside_the_baseline(
            "adult-sex", root
        ),
    }


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"comparisons.md": comparisons.comparisons_table(families(root))}

"""Figures of the fairness chapter: what each method pays in accuracy for what it takes from the groups' differences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lnl_core.errors import DataError
from lnl_core.evaluation.intervals import Interval
from lnl_core.figures.style import METHOD_STYLE, PALETTE, _figure
from lnl_core.runs.records import RunRecord

AXES = {
    "test_demographic_parity_difference": "demographic parity difference",
    "test_equalized_odds_difference": "equalised odds difference",
    "bias_mlp_probe_information": "leakage: MLP probe of f(x), nats",
}
"""What a panel shows against the accuracy: the metric and its name."""
NAMES = {
    "leace": "LEACE and a new head",
    "feature_reduction_dp": "reduction of f(x), parity",
    "feature_reduction_eo": "reduction of f(x), odds",
    "logistic": "logistic regression",
    "reduction_dp": "reduction, parity",
    "reduction_eo": "reduction, odds",
    "threshold_dp": "threshold, parity (sees b)",
    "threshold_eo": "threshold, odds (sees b)",
}
"""The methods that are not one of ours, as the figures and tables call them."""
_STYLE: dict[str, Any] = {
    "leace": ("0.1", "P"),
    "feature_reduction_dp": (PALETTE[6], "d"),
    "feature_reduction_eo": (PALETTE[8], "d"),
    "logistic": (PALETTE[5], "h"),
    "reduction_dp": (PALETTE[6], "<"),
    "reduction_eo": (PALETTE[8], ">"),
    "threshold_dp": (PALETTE[9], "p"),
    "threshold_eo": (PALETTE[4], "8"),
}


def _by_weight(records: Sequence[RunRecord], *metrics: str) -> list[list[list[float]]]:
    """For each weight, in order, the values of each metric over the seeds; records without one of them are left out."""
    groups: dict[float, list[RunRecord]] = {}
    for record in records:
        if all(metric in record.metrics for metric in metrics):
            groups.setdefault(float(record.setting["weight"]), []).append(record)
    return [[[record.metrics[metric] for record in groups[weight]] for metric in metrics] for weight in sorted(groups)]


def _curve(panel: Axes, name: str, records: Sequence[RunRecord], metric: str, overlap: float) -> None:
    """One method: a light dot a run, and per weight the mean with its intervals, joined in the order of the weights."""
    color, marker = _STYLE[name] if name in _STYLE else METHOD_STYLE.get(name, ("0.4", "X"))
    points = _by_weight(records, metric, "test_accuracy")
    if not points:
        return
    for xs, ys in points:
        panel.scatter(xs, ys, s=7, color=color, marker=marker, alpha=0.25, linewidths=0, rasterized=True)
    middle = [[Interval.of(values, overlap=overlap) for values in point] for point in points]
    spread = [np.array([[one.mean - one.low, one.high - one.mean] for one in side]).T for side in zip(*middle, strict=True)]
    across, up = ([one.mean for one in side] for side in zip(*middle, strict=True))
    face = "white" if name in _STYLE else color
    look: dict[str, Any] = {"color": color, "marker": marker, "markersize": 6.5, "mfc": face, "linewidth": 1, "elinewidth": 0.9}
    panel.errorbar(across, up, xerr=spread[0], yerr=spread[1], label=NAMES.get(name, name), **look)


def pareto(records: Mapping[str, Sequence[RunRecord]], title: str, *, overlap: float = 0.0) -> Figure:
    """Accuracy against demographic parity difference, equalised odds difference and leakage, a curve over the weight a method.

    Light dots are single runs; marks are means over the seeds with 95 % intervals (Student's t) in both directions. Filled marks
    are trained networks, hollow ones everything else.

    Args:
        records: by method, of one task, with the metrics that the study ``fairness`` writes.
        overlap: of the splits, where the seeds split the same rows anew, see :meth:`lnl_core.evaluation.Interval.of`.

    Raises:
        DataError: no records.
    """
    if not any(records.values()):
        raise DataError("there are no records to draw: run python -m tools.studies fairness first")
    figure, axes = _figure(8.4, 7.2, nrows=2, ncols=2, sharey=True)
    for panel, (metric, name) in zip(axes.flat, AXES.items(), strict=False):
        for method, runs in records.items():
            _curve(panel, method, runs, metric, overlap)
        panel.set_xlabel(name)
    for panel in axes[:, 0]:
        panel.set_ylabel("accuracy on test rows")
    axes[1, 1].set_axis_off()
    axes[1, 1].legend(*axes[0, 0].get_legend_handles_labels(), loc="center", frameon=False)
    figure.suptitle(title)
    return figure

"""Figures of the chapters on information: errors of estimators, and the limit with the methods that were measured beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from lnl_core.figures.digits import lines
from lnl_core.figures.style import METHOD_STYLE, PALETTE, _figure, look, name_lines
from lnl_core.information.limit import unbiased_accuracy

_VARIANCE = "variance σ² (smaller: more biased)"


def estimator_errors(runs: Sequence[Mapping[str, Any]], title: str = "Estimates of information, normal pairs") -> Figure:
    """Error (mean over seeds less the exact value) and spread over seeds of estimators, one column of panels a dimension.

    Args:
        runs: one mapping a run with the keys ``estimator``, ``dimensions``, ``size``, ``exact`` and ``value`` (None if it diverged;
            such runs are left out).
    """
    dimensions, all_sizes = (sorted({run[key] for run in runs}) for key in ("dimensions", "size"))
    names = list(dict.fromkeys(run["estimator"] for run in runs))
    figure, axes = _figure(
        2.4 * max(1, len(dimensions)) + 1.4, 5.2, nrows=2, ncols=max(1, len(dimensions)), sharey="row", squeeze=False
    )
    for column, dimension in zip(axes.T, dimensions, strict=False):
        for number, name in enumerate(names):
            errors: dict[int, list[float]] = {}
            for run in runs:
                if (run["dimensions"], run["estimator"]) == (dimension, name) and run["value"] is not None:
                    errors.setdefault(run["size"], []).append(run["value"] - run["exact"])
            sizes = sorted(errors)
            shown = look(number, name) | {"markersize": 5, "label": name}
            column[0].plot(sizes, [np.mean(errors[size]) for size in sizes], **shown)
            repeated = [size for size in sizes if len(errors[size]) > 1]
            column[1].plot(repeated, [np.std(errors[size], ddof=1) for size in repeated], **shown)
        column[0].axhline(0, color="0.35", linestyle="--", linewidth=1)
        column[0].set_yscale("symlog", linthresh=1)
        column[0].set_title("1 dimension" if dimension == 1 else f"{dimension} dimensions")
        column[1].set_yscale("log")
        column[1].set_xlabel("pairs")
        for panel in column:
            panel.set_xscale("log")
            panel.set_xticks(all_sizes, [str(size) for size in all_sizes])
            panel.minorticks_off()
    axes[0][0].set_ylabel("mean error, nats")
    axes[1][0].set_ylabel("standard deviation, nats")
    for row in axes:
        name_lines(row[-1])
    figure.suptitle(title)
    return figure


def limit(
    rows: Sequence[Mapping[str, float]],
    title: str = "What is left of the digit once the colour is forgotten",
) -> Figure:
    """H(Y|B) and the accuracy that Fano's inequality allows with it, against the variance.

    Args:
        rows: one mapping a variance with the keys ``color_var``, ``entropy`` (nats) and ``accuracy``.
    """
    figure, axes = _figure(8.6, 3.7, ncols=2)
    ordered = sorted(rows, key=lambda row: row["color_var"])
    variances = [row["color_var"] for row in ordered]
    axes[0].plot(variances, [row["entropy"] for row in ordered], color=PALETTE[0], marker="o", markersize=4, label="H(Y|B)")
    axes[0].axhline(float(np.log(10)), color="0.35", linestyle="--", linewidth=1, label="log 10, colour says nothing")
    axes[0].set_ylabel("nats")
    _draw_limit(axes[1], ordered)
    axes[1].set_ylabel("accuracy on the training distribution")
    for panel in axes:
        panel.set_xlabel(_VARIANCE)
        panel.legend(fontsize=8)
    figure.suptitle(title)
    return figure


def _draw_limit(axes: Axes, rows: Sequence[Mapping[str, float]]) -> None:
    ordered = sorted(rows, key=lambda row: row["color_var"])
    variances, accuracies = ([row[key] for row in ordered] for key in ("color_var", "accuracy"))
    axes.fill_between(variances, accuracies, 1, color="0.92", label="impossible if I(Z;B) = 0")
    axes.plot(variances, accuracies, color="0.2", linewidth=2, label="limit if I(Z;B) = 0")
    axes.axhline(0.1, color="0.35", linestyle=":", linewidth=1, label="chance")
    axes.set_ylim(0, 1)


def limit_methods(
    rows: Sequence[Mapping[str, float]],
    measured: Sequence[Mapping[str, Any]],
    title: str = "Methods and what is possible without the colour",
) -> Figure:
    """Measured methods against the variance: digits painted like the training digits under the limit, and unbiased digits.

    Args:
        rows: as :func:`limit` takes them.
        measured: one mapping a run with the keys ``method``, ``color_var``, ``painted_accuracy`` (on fresh digits in their training
            colours) and ``test_accuracy`` (on unbiased ones). Each run is a dot, the line joins the means.
    """
    figure, axes = _figure(8.6, 4.2, ncols=2, sharex=True, sharey=True)
    _draw_limit(axes[0], rows)
    _draw_limit(axes[1], [{**row, "accuracy": unbiased_accuracy(row["accuracy"])} for row in rows])
    for method in sorted({run["method"] for run in measured}, key=[*METHOD_STYLE].index):
        color, marker = METHOD_STYLE[method]
        mine = [run for run in measured if run["method"] == method]
        variances = sorted({run["color_var"] for run in mine})
        for panel, key in zip(axes, ("painted_accuracy", "test_accuracy"), strict=True):
            means = [np.mean([run[key] for run in mine if run["color_var"] == variance]) for variance in variances]
            panel.plot(variances, means, color=color, marker=marker, markersize=5, linewidth=1, label=method)
            panel.scatter([run["color_var"] for run in mine], [run[key] for run in mine], s=8, color=color, alpha=0.6)
    axes[0].set_title("fresh digits in the colours of training")
    axes[1].set_title("unbiased digits, one in ten as in training")
    axes[0].set_ylabel("accuracy")
    for panel in axes:
        panel.set_xlabel(_VARIANCE)
    name_lines(axes[1])
    figure.suptitle(title)
    return figure


def information_curve(
    x: ArrayLike, curves: Mapping[str, ArrayLike], title: str = "How strongly the bias predicts the label"
) -> Figure:
    """:func:`lines` with the axes of the data chapter: variance and nats, and the largest possible value log 10."""
    return lines(
        x, curves, title=title, xlabel="variance σ²", ylabel="nats", levels={"log 10, the label is known": float(np.log(10))}
    )

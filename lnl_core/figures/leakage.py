"""Figures of what is left of the bias: what the adversary says beside what fresh probes say, of models and over training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lnl_core.figures.style import MARKERS, METHOD_STYLE, PALETTE, _figure, name_lines

H = PALETTE[3]
"""Colour of the bias head that was trained against f."""
FRESH = PALETTE[0]
"""Colour of a bias head that is trained anew on the finished features."""
KINDS = {"linear": (PALETTE[0], "s"), "mlp": (PALETTE[2], "D")}
"""Colour and marker of each kind of probe."""
_WHO = ("h itself", "a fresh h", "fresh linear probe", "chance")
_VARIANCE = "variance σ² of the colours"
_CHANCE: Any = {"color": "0.35", "linestyle": "--", "linewidth": 1}


def nats_left(model: Mapping[str, Any]) -> dict[str, float]:
    """V-information of the strongest of the probes, the most that any of them proves to be there: "mean", "low" and "high" in nats.

    Args:
        model: as in ``results/leakage``: "probes".
    """
    found: list[dict[str, float]] = [probe["information"] for probe in model["probes"].values()]
    return max(found, key=lambda information: information["mean"])


def _by_method(models: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The models of each method by variance, methods in the order in which they come."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for model in models:
        found.setdefault(model["method"], []).append(model)
    return {method: sorted(mine, key=lambda model: model["color_var"]) for method, mine in found.items()}


def _intervals(axes: Axes, models: Sequence[Mapping[str, Any]], values: Sequence[Mapping[str, float]], **look: Any) -> None:
    """Means over the variance with their intervals as whiskers."""
    means = np.array([value["mean"] for value in values])
    reach = np.abs([[value["low"] for value in values] - means, [value["high"] for value in values] - means])
    axes.errorbar([model["color_var"] for model in models], means, yerr=reach, capsize=2, markersize=5, linewidth=1, **look)


def _said_panel(panel: Axes, models: Sequence[Mapping[str, Any]]) -> None:
    """Of one method: what h, a fresh h and a fresh linear probe answer, and chance, over the variance."""
    trained = [model for model in models if model["adversary"] is not None]
    asked = [model for model in models if model["levels"] is not None]
    heard = [model["adversary"]["unbiased"]["accuracy"] for model in trained]
    panel.plot([model["color_var"] for model in trained], heard, "o", color=H, mfc="white", markersize=7, zorder=4, label=_WHO[0])
    _intervals(panel, models, [model["fresh_h"]["accuracy"] for model in models], color=H, marker="o", label=_WHO[1])
    _intervals(panel, asked, [model["levels"]["accuracy"] for model in asked], color=FRESH, marker="s", label=_WHO[2])
    chance = [model["fresh_h"]["chance"] for model in models]
    panel.plot([model["color_var"] for model in models], chance, label=_WHO[3], **_CHANCE)


def what_h_says(
    models: Sequence[Mapping[str, Any]], title: str = "The level of a colour channel, by h and by fresh readers"
) -> Figure:
    """One panel a method, accuracies over the variance, all for the question that h is asked: h, a fresh h, a fresh linear probe
    and chance. Whiskers are 95 % intervals over probes.

    Args:
        models: as in ``results/leakage``: "method", "color_var", "adversary" (``None`` for a network without a trained h),
            "fresh_h" and "levels".
    """
    methods = _by_method(models)
    columns = min(3, max(1, len(methods)))
    rows = max(1, -(-len(methods) // columns))
    figure, grid = _figure(
        2.2 * columns + 2.0, 2.3 * rows + 0.6, nrows=rows, ncols=columns, sharex=True, sharey=True, squeeze=False
    )
    handles: dict[str, Any] = {}
    for panel, (method, mine) in zip(grid.flat, methods.items(), strict=False):
        _said_panel(panel, mine)
        panel.set_title(method)
        handles |= dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
    for panel in grid.flat[len(methods) :]:
        panel.set_axis_off()
    for panel in grid[-1]:
        panel.set_xlabel(_VARIANCE)
    for panel in grid[:, 0]:
        panel.set_ylabel("accuracy, unbiased")
    shown = [name for name in _WHO if name in handles]
    figure.legend([handles[name] for name in shown], shown, loc="outside right upper", fontsize=8)
    figure.suptitle(title)
    return figure


def what_is_left(
    models: Sequence[Mapping[str, Any]], title: str = "What fresh probes read of the colour"
) -> Figure:
    """Two panels over the variance, one line a method: the nats that the strongest probe proves, and the compression that an online
    code reaches. Whiskers are 95 % intervals over probes.

    Args:
        models: as in ``results/leakage``: "method" (one of :data:`lnl_core.figures.style.METHOD_STYLE`), "color_var", "probes" and
            "code_length".
    """
    figure, axes = _figure(8.6, 4.2, ncols=2, sharex=True)
    for method, mine in _by_method(models).items():
        color, marker = METHOD_STYLE[method]
        look = {"color": color, "marker": marker, "label": method}
        _intervals(axes[0], mine, [nats_left(model) for model in mine], **look)
        _intervals(axes[1], mine, [model["code_length"]["compression"] for model in mine], **look)
    axes[0].axhline(np.log(10), label="all there is", **_CHANCE)
    axes[1].axhline(1, **_CHANCE)
    axes[0].set(title="nats of the colour, of the strongest probe", ylabel="nats", ylim=(0, None))
    axes[1].set(title="how soon it is read; dashed: not at all", ylabel="compression of the labels")
    for panel in axes:
        panel.set_xlabel(_VARIANCE)
        name_lines(panel)
    figure.suptitle(title)
    return figure


def _curve(axes: Axes, runs: Sequence[Sequence[Mapping[str, float]]], name: str, **look: Any) -> None:
    """One quantity over epochs: every run thin, their mean thick."""
    epochs = [line["epoch"] for line in runs[0]]
    values = np.array([[line[name] for line in run] for run in runs])
    axes.plot(epochs, values.T, color=look["color"], linewidth=0.6, alpha=0.5)
    axes.plot(epochs, values.mean(0), markersize=4, **look)


def over_training(
    courses: Mapping[str, Sequence[Sequence[Mapping[str, float]]]],
    title: str = "The leak over training, unbiased images",
) -> Figure:
    """Accuracy after every epoch, one column a method. Above the levels that h is asked for: h and a fresh linear probe. Below the
    colour, one of ten: fresh probes. Thin lines are runs, thick ones their mean, dashed is chance.

    Args:
        courses: name of a method -> one sequence of epochs a seed, the "epochs" of ``results/leakage/training-*.json``.
    """
    figure, axes = _figure(2.2 * max(1, len(courses)) + 2.0, 5.6, nrows=2, ncols=max(1, len(courses)), sharey="row", squeeze=False)
    for (above, below), (name, runs) in zip(axes.T, courses.items(), strict=False):
        _curve(above, runs, "h_accuracy", color=H, marker=MARKERS[0], mfc="white", label="what h sees")
        _curve(above, runs, "levels_accuracy", color=FRESH, marker=MARKERS[1], label="what a fresh linear probe sees")
        above.axhline(float(np.mean([line["h_chance"] for run in runs for line in run])), label="chance", **_CHANCE)
        _curve(below, runs, "linear_accuracy", color=KINDS["linear"][0], marker="s", label="fresh linear probe")
        _curve(below, runs, "mlp_accuracy", color=KINDS["mlp"][0], marker="D", label="fresh MLP probe")
        below.axhline(0.1, label="chance", **_CHANCE)
        above.set(title=name, ylim=(0, None))
        below.set(xlabel="epoch", ylim=(0, 1))
    for line, name in zip(axes, ("level of a channel", "the colour"), strict=True):
        line[0].set_ylabel(f"accuracy: {name}")
    for panel in axes[:, -1] if courses else ():
        panel.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    figure.suptitle(title)
    return figure

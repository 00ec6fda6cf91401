"""Figures of what is left of the bias: what the adversary says beside what fresh probes say, of models and over training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lnl_core.figures import MARKERS, PALETTE, _figure

H, FRESH = PALETTE[3], PALETTE[0]
KINDS = {"linear": (PALETTE[0], "s"), "mlp": (PALETTE[2], "D"), "conv": (PALETTE[4], "^")}
_CHANCE: Any = {"color": "0.35", "linestyle": "--", "linewidth": 1}


def _interval(axes: Axes, row: float, value: Mapping[str, float], **look: Any) -> None:
    """A mean with its interval as a whisker."""
    reach = [[value["mean"] - value["low"]], [value["high"] - value["mean"]]]
    axes.errorbar([value["mean"]], [row], xerr=reach, linestyle="", capsize=2, markersize=6, **look)


def said_and_read(models: Sequence[Mapping[str, Any]], title: str = "What h says and what fresh probes read") -> Figure:
    """Two panels, one line a model. Left the question that h is asked, the level of a colour channel: h, a fresh h, a fresh linear
    probe and chance. Right the colour itself, one of ten: fresh probes of three kinds. Whiskers are 95 % intervals over probes.

    Args:
        models: as in ``results/leakage``: "method", "color_var", "adversary" (``None`` for a network without a trained h),
            "fresh_h", "levels" and "probes".
    """
    figure, axes = _figure(10.5, 1.6 + 0.3 * len(models), ncols=2, sharey=True)
    for row, model in enumerate(models):
        levels, adversary = model["levels"], model["adversary"]
        first = {"label": None if row else "fresh linear probe"}
        if levels is not None:
            _interval(axes[0], row, levels["accuracy"], color=FRESH, marker="s", **first)
            axes[0].plot(levels["chance"], row, "|", color="0.35", markersize=14)
        _interval(axes[0], row, model["fresh_h"]["accuracy"], color=H, marker="o", zorder=4)
        if adversary is not None:
            axes[0].plot(adversary["unbiased"]["accuracy"], row, "o", color=H, mfc="white", markersize=7, zorder=4)
        for offset, (kind, probe) in zip((-0.2, 0.0, 0.2), model["probes"].items(), strict=False):
            color, marker = KINDS[kind]
            _interval(axes[1], row + offset, probe["accuracy"], color=color, marker=marker, label=None if row else f"{kind} probe")
    axes[0].plot([], [], "o", color=H, mfc="white", label="h itself")
    axes[0].plot([], [], "o", color=H, markersize=5, label="a fresh h")
    axes[0].plot([], [], "|", color="0.35", markersize=12, label="chance")
    axes[1].axvline(0.1, label="chance", **_CHANCE)
    axes[0].set_yticks(range(len(models)), [f"{model['method']}, σ² = {model['color_var']:g}" for model in models])
    axes[0].invert_yaxis()
    axes[0].set(title="level of a colour channel, one of eight", xlabel="accuracy on unbiased images", ylabel="model")
    axes[1].set(title="the colour, one of ten", xlabel="accuracy on unbiased images", ylabel="", xlim=(0, 1))
    for panel in axes:
        panel.legend(fontsize=8, loc="lower right")
    figure.suptitle(title)
    return figure


def _curve(axes: Axes, runs: Sequence[Sequence[Mapping[str, float]]], name: str, **look: Any) -> None:
    """One quantity over epochs: every run thin, their mean thick."""
    epochs = [line["epoch"] for line in runs[0]]
    values = np.array([[line[name] for line in run] for run in runs])
    axes.plot(epochs, values.T, color=look["color"], linewidth=0.6, alpha=0.5)
    axes.plot(epochs, values.mean(0), markersize=4, **look)


def over_training(
    courses: Mapping[str, Sequence[Sequence[Mapping[str, float]]]], title: str = "The leak over training, unbiased images"
) -> Figure:
    """Accuracy after every epoch, one column a method. Above the levels that h is asked for: h and a fresh linear probe. Below the
    colour, one of ten: fresh probes. Thin lines are runs, thick ones their mean, dashed is chance.

    Args:
        courses: name of a method -> one sequence of epochs a seed, the "epochs" of ``results/leakage/training-*.json``.
    """
    figure, axes = _figure(3.3 * max(1, len(courses)) + 0.6, 5.6, nrows=2, ncols=max(1, len(courses)), sharey="row", squeeze=False)
    for (above, below), (name, runs) in zip(axes.T, courses.items(), strict=False):
        _curve(above, runs, "h_accuracy", color=H, marker=MARKERS[0], mfc="white", label="what h sees")
        _curve(above, runs, "levels_accuracy", color=FRESH, marker=MARKERS[1], label="what a fresh linear probe sees")
        above.axhline(float(np.mean([line["h_chance"] for run in runs for line in run])), label="chance", **_CHANCE)
        _curve(below, runs, "linear_accuracy", color=KINDS["linear"][0], marker="s", label="fresh linear probe")
        _curve(below, runs, "mlp_accuracy", color=KINDS["mlp"][0], marker="D", label="fresh MLP probe")
        below.axhline(0.1, label="chance", **_CHANCE)
        above.set(title=name, xlabel="epoch", ylabel="accuracy: level of a channel", ylim=(0, None))
        below.set(xlabel="epoch", ylabel="accuracy: the colour", ylim=(0, 1))
    for panel in axes[:, -1] if courses else ():
        panel.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    figure.suptitle(title)
    return figure

"""Figures of the experiments on photographs: arrays or records in, matplotlib figures out, in one style with the others."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import DataError
from lnl_core.evaluation.mixing import MixingScore
from lnl_core.figures.style import MARKERS, METHOD_STYLE, PALETTE, _figure, look, refuse_people


def first_of_each_kind(data: BiasedImages, group: ArrayLike | None = None) -> list[int]:
    """Which images Figures 6 and 7 show: the first one, in the set's order, of each pair of label and group that occurs.

    The rule sees no prediction, so it cannot pick the images on which a method looks good.

    Args:
        group: (N,) whole numbers from 0, to sort the images by in place of the set's own groups.

    Returns:
        Places in ``data``, by label and then by group.
    """
    labels = data.labels.cpu().numpy()
    groups = data.group.cpu().numpy() if group is None else np.asarray(group)
    chosen = []
    for label, kind in product(range(data.classes), range(int(groups.max()) + 1)):
        here = np.flatnonzero((labels == label) & (groups == kind))
        if len(here):
            chosen.append(int(here[0]))
    return chosen


def answers(
    data: BiasedImages,
    chosen: Sequence[int],
    probabilities: Mapping[str, ArrayLike],
    class_names: Sequence[str],
    captions: Sequence[str],
    title: str = "What the networks answer",
) -> Figure:
    """The paper's Figures 6 and 7: some images, and below each one stacked bar of class probabilities a network.

    Args:
        data: the images.
        chosen: which of them, see :func:`first_of_each_kind`.
        probabilities: name of a network -> (len(chosen), classes) probabilities.
        class_names: name of each class.
        captions: what each image shows, one line each.

    Raises:
        DataError: if the numbers of images, captions and probabilities differ, or the images are of people.
    """
    refuse_people(data)
    shares = {name: np.asarray(values, dtype=float) for name, values in probabilities.items()}
    if len(captions) != len(chosen) or any(values.shape != (len(chosen), len(class_names)) for values in shares.values()):
        raise DataError(f"{len(chosen)} images need as many captions, and a probability of each of {len(class_names)} classes")
    figure, axes = _figure(1.75 * len(chosen) + 1.2, 1.9 + 0.38 * len(shares), nrows=2, ncols=len(chosen), squeeze=False)
    for column, index in enumerate(chosen):
        top, bottom = axes[0][column], axes[1][column]
        top.imshow(data.images[index].permute(1, 2, 0).cpu().numpy())
        top.set_title(captions[column], fontsize=9)
        top.set_axis_off()
        left = np.zeros(len(shares))
        for number, name in enumerate(class_names):
            widths = np.array([values[column, number] for values in shares.values()])
            look: dict[str, Any] = {"color": PALETTE[number], "hatch": ("", "///")[number % 2], "edgecolor": "white"}
            bottom.barh(range(len(shares)), widths, left=left, label=name, **look)
            left += widths
        bottom.set(xlim=(0, 1), xticks=[0, 0.5, 1], xlabel="probability")
        bottom.set_yticks(range(len(shares)), list(shares) if column == 0 else [""] * len(shares))
        bottom.invert_yaxis()
        bottom.grid(False)
    axes[1][-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(title)
    return figure


def answers_by_kind(found: Mapping[str, Sequence[Mapping[str, Any]]], second_class: str, title: str) -> Figure:
    """Figures 6 and 7 where no photograph may be shown: a panel a kind of image, in it a row a network, trained with several seeds.

    The bar ends at the mean over seeds and over all images of the kind, a filled mark is one seed's mean, an open mark one seed's
    answer to the first image of the kind.

    Args:
        found: name of a kind -> answers, each with the "name" of the network, its "method", and the probabilities "first" and
            "mean" of the second class.
        second_class: its name.
    """
    rows = -(-len(found) // 2)
    names = list(dict.fromkeys(one["name"] for those in found.values() for one in those))
    shared = {"squeeze": False, "sharex": True, "sharey": True}
    figure, axes = _figure(7.4, (0.36 * max(1, len(names)) + 0.6) * rows + 0.9, nrows=rows, ncols=2, **shared)
    for panel, (kind, those) in zip(axes.flat, found.items(), strict=False):
        for place, name in enumerate(names):
            own = [one for one in those if one["name"] == name]
            color, marker = METHOD_STYLE.get(own[0]["method"], ("0.4", "X")) if own else ("0.4", "X")
            panel.barh(place, np.mean([one["mean"] for one in own]) if own else 0, color=color, alpha=0.35, height=0.7)
            panel.scatter([one["mean"] for one in own], [place] * len(own), s=16, color=color, marker=marker, zorder=3)
            first = [one["first"] for one in own]
            panel.scatter(first, [place + 0.22] * len(own), s=22, facecolor="none", edgecolor=color, marker=marker, zorder=3)
        panel.axvline(0.5, color="0.5", linewidth=0.8, linestyle=":")
        panel.set_title(kind, fontsize=10)
        panel.set(xlim=(-0.02, 1.02))
    axes[0][0].set_yticks(range(len(names)), names)
    axes[0][0].invert_yaxis()
    figure.supxlabel(f"probability of \"{second_class}\"", fontsize=10)
    figure.suptitle(title)
    return figure


def turns(
    history: Sequence[Mapping[str, Any]],
    title: str = "The losses of h and of f, turn by turn",
    guessing: float = float(np.log(2)),
    window: int = 5,
) -> Figure:
    """The report's Figure 7: the loss of h and the confusion loss, update after update.

    Args:
        history: as :func:`lnl_core.methods.jlu.read_updates` returns it.
        guessing: what h pays in nats if it knows no more than how frequent the groups are, the entropy of the bias in training.
            The confusion loss of two groups is never below log 2, which it has where h calls both equally likely.
        window: updates that are averaged into a point; 1 shows every update.
    """
    figure, axes = _figure(8.5, 3.4)
    for number, (turn, loss, label) in enumerate(
        (("bias", "bias", "loss of h, in its turn"), ("main", "confusion", "confusion loss, in f's turn"))
    ):
        points = [(place, line[loss]) for place, line in enumerate(history) if line["turn"] == turn and loss in line]
        if points:
            places, values = (np.array(column, dtype=float) for column in zip(*points, strict=True))
            keep = len(places) // window * window
            if keep:
                places, values = places[:keep].reshape(-1, window).mean(1), values[:keep].reshape(-1, window).mean(1)
            axes.plot(places, values, MARKERS[number], color=PALETTE[number], markersize=3, label=label)
    axes.axhline(guessing, color=PALETTE[0], linestyle="--", linewidth=1, label=f"h guessing: {guessing:.2f}")
    axes.axhline(np.log(2), color=PALETTE[1], linestyle=":", linewidth=1, label="least confusion loss: log 2")
    axes.set(title=title, xlabel="update", ylabel="nats")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def mixed(
    points: Mapping[str, ArrayLike],
    group: ArrayLike,
    group_names: Sequence[str],
    scores: Mapping[str, MixingScore],
    title: str = "t-SNE of f(x) by group",
) -> Figure:
    """The report's Figures 8 and 9: one picture a network, points marked by group, with the mixing score of its features.

    Args:
        points: name of a network -> (N, 2).
        group: (N,) whole numbers from 0.
        scores: name of a network -> the score of the *features*, not of the picture.
    """
    groups: NDArray[np.int64] = np.asarray(group)
    figure, axes = _figure(2.5 * len(points) + 1.0, 3.2, ncols=len(points), squeeze=False)
    for panel, (name, places) in zip(axes[0], points.items(), strict=True):
        for number, group_name in enumerate(group_names):
            here = np.asarray(places)[groups == number]
            panel.scatter(*here.T, s=9, color=PALETTE[number], marker=MARKERS[number], alpha=0.7, rasterized=True, label=group_name)
        panel.set_title(f"{name}\nmixing score {scores[name].score:.2f} (shuffled {scores[name].control:.2f})", fontsize=9)
        panel.set_xlabel("first coordinate")
        panel.set_xticks([])
        panel.set_yticks([])
    axes[0][0].set_ylabel("second coordinate")
    axes[0][-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(title)
    return figure


def table_figure(rows: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Tables 1 and 2 as a picture: one panel a column of the table, our runs as dots, our mean as a bar, published as open marks.

    Args:
        rows: as :func:`lnl_core.runs.comparison.results_table` returns them for an experiment on photographs.
    """
    columns = list(dict.fromkeys((row["setting"]["train"], row["setting"]["test"]) for row in rows))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    across = max(1, min(2, len(columns)))
    down = max(1, -(-len(columns) // across))
    shared = {"squeeze": False, "sharex": True, "sharey": True}
    figure, axes = _figure(3.3 * across + 1.5, (0.34 * len(methods) + 0.7) * down + 0.7, nrows=down, ncols=across, **shared)
    for panel in axes.flat[len(columns) :]:
        panel.set_axis_off()
    for panel, column in zip(axes.flat, columns, strict=False):
        for row in rows:
            if (row["setting"]["train"], row["setting"]["test"]) != column:
                continue
            place, (color, marker) = methods.index(row["method"]), METHOD_STYLE.get(row["method"], ("0.4", "X"))
            if row["mean"] is not None:
                panel.barh(place, row["mean"], color=color, alpha=0.35, height=0.7)
                panel.scatter(row["values"], [place] * row["n"], s=12, color=color, zorder=3)
            if row["published"] is not None:
                panel.plot(row["published"], place, marker=marker, color=color, mfc="white", linestyle="")
        panel.set_title(f"{column[0]}, tested on {column[1]}", fontsize=9)
        panel.set(xlim=(0, 1))
    for panel in axes[-1]:
        panel.set_xlabel("accuracy")
    axes[0][0].set_yticks(range(len(methods)), methods)
    axes[0][0].invert_yaxis()
    figure.suptitle(title)
    return figure


def dial_figure(
    found: Mapping[str, Mapping[float, Sequence[float]]],
    title: str,
    reference: str = "baseline",
    *,
    chance: float | None = 0.5,
    percent: bool = True,
    xlabel: str = "exceptions",
    ylabel: str = "accuracy",
) -> Figure:
    """One panel a method, three a row: its accuracy over the steps of a dial, every run as a point and their mean as a line.

    Args:
        found: name of a method -> step of the dial, such as the share of exceptions -> accuracies, one a seed; an empty list
            where nothing was measured.
        reference: the method whose means are in every panel, dashed.
        chance: drawn as a dotted level; ``None`` draws none.
        percent: whether the steps are shares in [0, 1], written as per cent, or written as they are.
        xlabel, ylabel: of the whole figure.
    """
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    shared = {"squeeze": False, "sharex": True, "sharey": True}
    figure, axes = _figure(2.4 * columns + 0.4, 2.5 * rows + 0.4, nrows=rows, ncols=columns, **shared)
    means = {name: {share: float(np.mean(those)) for share, those in values.items() if those} for name, values in found.items()}
    for panel in axes.flat[len(found) :]:
        panel.set_axis_off()
    for number, (panel, (name, values)) in enumerate(zip(axes.flat, found.items(), strict=False)):
        shares = list(values)
        own = look(number, name)
        if means.get(reference):
            places = [shares.index(share) for share in means[reference]]
            panel.plot(places, list(means[reference].values()), color="0.45", linestyle="--", linewidth=1, label=reference)
        panel.plot([shares.index(share) for share in means[name]], list(means[name].values()), color=own["color"], linewidth=1.5)
        for place, those in enumerate(values.values()):
            panel.scatter([place] * len(those), those, s=20, zorder=3, **own)
        if chance is not None:
            panel.axhline(chance, color="0.7", linewidth=0.8, linestyle=":")
        ticks = [f"{share:.0%}" if percent else f"{share:g}" for share in shares]
        panel.set_xticks(range(len(shares)), ticks, fontsize=8 if percent else 7)
        panel.set(title=name, ylim=(0, 1))
        panel.tick_params(labelbottom=number + columns >= len(found))  # also above a place in the grid that is left empty
    figure.supxlabel(xlabel, fontsize=10)
    figure.supylabel(ylabel, fontsize=10)
    figure.suptitle(title)
    return figure


WeightCurves = Mapping[str, Mapping[str, tuple[Mapping[float, Sequence[float]], Sequence[float]]]]
"""By panel and line the scores of each value of a weight, a run each, and those of the baseline."""


def weight_curves(found: WeightCurves, chosen: float | None, title: str, *, xlabel: str, ylabel: str = "accuracy") -> Figure:
    """One panel a weight and training set, two a row: scores over the values of the weight, every run a point, means a line.

    The values stand at equal distances, as 0 has no place on a logarithmic axis.

    Args:
        found: see :data:`WeightCurves`; the mean of the baseline is a dashed level in the colour of its line.
        chosen: the value that a search chose, dotted; ``None`` draws none.
        xlabel: of the lowest panels.
        ylabel: of the whole figure.

    Raises:
        DataError: if there is no panel.
    """
    if not found:
        raise DataError("there is no curve to draw: give at least one panel")
    rows = -(-len(found) // 2)
    figure, axes = _figure(7.6, 2.7 * rows + 0.6, nrows=rows, ncols=2, squeeze=False, sharex=True, sharey=True)
    for panel, (name, lines) in zip(axes.flat, found.items(), strict=False):
        for number, (word, (scores, plain)) in enumerate(lines.items()):
            steps, own = list(scores), look(number, word)
            means = {place: float(np.mean(scores[step])) for place, step in enumerate(steps) if scores[step]}
            panel.plot([*means], [*means.values()], color=own["color"], linewidth=1.5)
            points = [(place, score) for place, step in enumerate(steps) for score in scores[step]]
            if points:
                panel.scatter(*zip(*points, strict=True), s=16, zorder=3, label=word, **own)
            if plain:
                panel.axhline(float(np.mean(plain)), color=own["color"], linewidth=1, linestyle="--")
            panel.set_xticks(range(len(steps)), [f"{step:g}" for step in steps])
            if number == 0 and chosen in steps:
                panel.axvline(steps.index(chosen), color="0.6", linewidth=0.9, linestyle=":")
        panel.set_title(name, fontsize=10)
    for panel in axes.flat[len(found) :]:
        panel.set_axis_off()
    for panel in axes[-1]:
        panel.set_xlabel(xlabel)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.supylabel(ylabel, fontsize=10)
    figure.suptitle(title)
    return figure

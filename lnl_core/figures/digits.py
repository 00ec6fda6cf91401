"""Figures of Colored MNIST and of any run: images, losses, confusion, embeddings, the results, the drawings of the pages."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from numpy.typing import ArrayLike, NDArray

from lnl_core.datasets.colored_mnist import COLOR_NAMES, MEAN_COLORS
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import DataError
from lnl_core.figures.style import MARKERS, METHOD_STYLE, PALETTE, _figure, look, name_lines, refuse_people


def samples(data: BiasedImages, per_class: int = 10, title: str = "Samples") -> Figure:
    """A row of images for each class (Figure 3a).

    Args:
        data: any data set with three colour channels.
        per_class: images a row.

    Raises:
        DataError: see :func:`refuse_people`.
    """
    refuse_people(data)
    labels = data.labels.cpu().numpy()
    height, width = data.images.shape[2:]
    grid = np.zeros((data.classes * (height + 2), per_class * (width + 2), 3), dtype=np.uint8)
    for row in range(data.classes):
        for column, index in enumerate(np.flatnonzero(labels == row)[:per_class]):
            top, left = row * (height + 2) + 1, column * (width + 2) + 1
            grid[top : top + height, left : left + width] = data.images[int(index)].permute(1, 2, 0).cpu().numpy()
    figure, axes = _figure(0.45 * per_class + 0.6, 0.45 * data.classes + 0.5)
    axes.imshow(grid, interpolation="nearest")
    axes.set_title(title)
    axes.set_yticks([row * (height + 2) + height / 2 for row in range(data.classes)], [str(row) for row in range(data.classes)])
    axes.set_xticks([])
    axes.set_ylabel("class")
    axes.set_xlabel("examples")
    axes.grid(False)
    return figure


_LOSS_NAMES = {
    "label_loss": "label loss of g(f(x))",
    "bias_loss": "bias loss of h(f(x))",
    "mi_loss": "negative entropy of h",
    "confusion_loss": "confusion loss of h",
    "validation_accuracy": "unbiased validation accuracy",
}


def losses(histories: Mapping[str, Sequence[Mapping[str, float]]], title: str = "Training over time") -> Figure:
    """Each loss of f, g and h per epoch, one panel a quantity, one line a run.

    Args:
        histories: name of a run -> lines of its ``metrics.jsonl``.
    """
    present = [name for name in _LOSS_NAMES if any(name in line for history in histories.values() for line in history)]
    columns = 2 if len(present) == 4 else max(1, min(3, len(present)))
    lines = max(1, -(-len(present) // columns))
    figure, axes = _figure(2.7 * columns + 0.4, 2.7 * lines + 0.3, nrows=lines, ncols=columns, squeeze=False)
    for panel in axes.flat[len(present) :]:
        panel.remove()
    for panel, name in zip(axes.flat, present, strict=False):
        for number, (label, history) in enumerate(histories.items()):
            points = [(line["epoch"], line[name]) for line in history if name in line]
            if points:
                panel.plot(*zip(*points, strict=True), **look(number, label), markersize=3, label=label)
        panel.set_title(_LOSS_NAMES[name])
        panel.set_xlabel("epoch")
        panel.set_ylabel("accuracy" if name.endswith("accuracy") else "nats")
    if present:
        name_lines(axes.flat[len(present) - 1])
    figure.suptitle(title)
    return figure


def _row_shares(matrix: ArrayLike) -> NDArray[np.float64]:
    counts = np.asarray(matrix, dtype=float)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise DataError(f"a confusion matrix must be square, got shape {counts.shape}")
    totals = counts.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    return shares


def _draw_confusion(axes: Axes, matrix: ArrayLike) -> Any:
    image = axes.imshow(_row_shares(matrix), vmin=0, vmax=1, cmap="cividis")
    axes.grid(False)
    return image


def confusion_matrices(matrices: Mapping[str, ArrayLike], title: str = "Confusion matrices") -> Figure:
    """Confusion matrices side by side, each row as shares of its true class; the panel's title carries the accuracy.

    Args:
        matrices: name -> (classes, classes) counts, rows true, columns predicted.
    """
    columns = max(1, min(2, len(matrices)))
    lines = max(1, -(-len(matrices) // columns))
    figure, axes = _figure(4.0 * columns + 0.6, 4.2 * lines, nrows=lines, ncols=columns, squeeze=False)
    image = None
    for panel in axes.flat[len(matrices) :]:
        panel.remove()
    for panel, (name, matrix) in zip(axes.flat, matrices.items(), strict=False):
        counts = np.asarray(matrix)
        image = _draw_confusion(panel, counts)
        panel.set_title(f"{name}: accuracy {counts.trace() / max(1, counts.sum()):.3f}")
        panel.set_xticks(range(len(counts)))
        panel.set_yticks(range(len(counts)))
        panel.set_xlabel("predicted class")
        panel.set_ylabel("true class")
    if image is not None:
        figure.colorbar(image, ax=axes.ravel().tolist(), label="share of the true class", shrink=0.8)
    figure.suptitle(title)
    return figure


def confusion_by_color(
    rows: Mapping[str, Sequence[ArrayLike]], title: str = "Test digits painted with a single mean colour"
) -> Figure:
    """The paper's Figure 5: one small confusion matrix for each mean colour, two rows of five a method.

    Args:
        rows: name of a method -> ten (10, 10) count matrices, in the order of the mean colours.
    """
    figure, axes = _figure(8.4, 3.4 * len(rows) + 0.75, nrows=2 * len(rows), ncols=5, squeeze=False)
    image = None
    for lines, (name, matrices) in zip(axes.reshape(-1, 2, 5), rows.items(), strict=True):
        for color, (panel, matrix) in enumerate(zip(lines.flat, matrices, strict=True)):
            panel.set_title(f"{color}: {COLOR_NAMES[color]}", fontsize=9)
            image = _draw_confusion(panel, matrix)
            panel.set_xticks([])
            panel.set_yticks([])
            for spine in panel.spines.values():
                spine.set_visible(True)
                spine.set_color(MEAN_COLORS[color])
                spine.set_linewidth(3)
        for line in lines:
            line[0].set_ylabel(f"{name}\ntrue class")
    for panel in axes[-1]:
        panel.set_xlabel("predicted", fontsize=9)
    if image is not None:
        figure.colorbar(image, ax=axes.ravel().tolist(), label="share of the true class", shrink=0.9)
    figure.suptitle(title)
    return figure


def embedding(points: ArrayLike, labels: ArrayLike, group: ArrayLike, title: str = "t-SNE of f(x)") -> Figure:
    """A two-dimensional embedding twice: with each point drawn as its digit, and in the colour it was painted around.

    Args:
        points: (N, 2).
        labels: (N,) digits 0..9.
        group: (N,) index of the mean colour.
    """
    places, digits, colors = np.asarray(points), np.asarray(labels), np.asarray(group)
    if not len(places) == len(digits) == len(colors):
        raise DataError(f"points, labels and group must have the same length, got {len(places)}, {len(digits)} and {len(colors)}")
    figure, axes = _figure(8.6, 4.4, ncols=2)
    for digit in range(10):
        here = places[digits == digit]
        axes[0].scatter(*here.T, s=14, color=PALETTE[digit], marker=f"${digit}$", linewidths=0.2, rasterized=True)
    axes[0].set_title("each point drawn as its digit")
    for color in range(10):
        here = places[colors == color]
        shade, marker = MEAN_COLORS[color], MARKERS[color]
        axes[1].scatter(
            *here.T, s=12, color=[shade], edgecolors="0.3", linewidths=0.3, marker=marker, rasterized=True, label=COLOR_NAMES[color]
        )
    axes[1].set_title("each point in its mean colour")
    axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    for panel in axes:
        panel.set_xlabel("first coordinate")
        panel.set_ylabel("second coordinate")
        panel.set_xticks([])
        panel.set_yticks([])
    figure.suptitle(title)
    return figure


def results(
    rows: Sequence[Mapping[str, Any]],
    title: str = "Accuracy on unbiased test images, published and ours",
) -> Figure:
    """The paper's Figure 4, a panel a method: published numbers as open marks, every run of ours as a dot, our means as a line.

    Args:
        rows: as :func:`lnl_core.runs.comparison.results_table` returns them.
    """
    methods = list(dict.fromkeys(row["method"] for row in rows)) or [""]
    columns = min(3, len(methods))
    lines = -(-len(methods) // columns)
    width, height = 1.4 + 2.4 * columns, 1.2 + 2.1 * lines
    figure, axes = _figure(width, height, nrows=lines, ncols=columns, sharex=True, sharey=True, squeeze=False)
    for panel, method in zip(axes.flat, methods, strict=False):
        color, marker = METHOD_STYLE.get(method, ("0.4", "X"))
        mine = [row for row in rows if row["method"] == method]
        published = [(row["color_var"], row["published"]) for row in mine if row["published"] is not None]
        ours = [(row["color_var"], row["mean"]) for row in mine if row["mean"] is not None]
        if published:
            panel.plot(*zip(*published, strict=True), "--", color=color, marker=marker, mfc="white", label=f"{method}, published")
        if ours:
            panel.plot(*zip(*ours, strict=True), "-", color=color, label=f"{method}, ours (mean)")
            dots = [(row["color_var"], value) for row in mine for value in row["values"]]
            panel.scatter(*zip(*dots, strict=True), s=14, color=color, zorder=3)
        panel.set_title(method)
        panel.set_ylim(0, 1)
    for number, panel in enumerate(axes.flat):
        panel.set_visible(number < len(methods))
        lowest = number + columns >= len(methods)
        panel.tick_params(labelbottom=lowest, labelsize=8)
        panel.set(xlabel="variance σ²", ylabel="accuracy")
        panel.xaxis.label.set_visible(lowest)
        panel.yaxis.label.set_visible(number % columns == 0)
    published_mark = Line2D([], [], color="0.3", marker="o", linestyle="--", mfc="white")
    shown = [published_mark, Line2D([], [], color="0.3", marker="o", linestyle="-", markersize=4)]
    figure.legend(shown, ["published", "ours: each run, and the mean"], loc="outside lower center", ncols=2)
    figure.suptitle(title)
    return figure


def place_maps(maps: Mapping[str, ArrayLike], title: str, label: str = "accuracy of a linear probe of the colour") -> Figure:
    """Maps over the places of a feature map side by side, on one scale.

    Args:
        maps: name -> (H, W) values in [0, 1].
    """
    columns = min(3, max(1, len(maps)))
    lines = max(1, -(-len(maps) // columns))
    figure, axes = _figure(0.9 + 2.4 * columns, 0.6 + 2.6 * lines, nrows=lines, ncols=columns, squeeze=False)
    highest = max((float(np.max(values)) for values in maps.values()), default=1.0)
    image = None
    for panel, (name, values) in zip(axes.flat, maps.items(), strict=False):
        image = panel.imshow(np.asarray(values), vmin=0, vmax=highest, cmap="cividis")
        panel.set_title(textwrap.fill(name, 24), fontsize=9)
        panel.set_xlabel("column")
        panel.set_ylabel("row")
        panel.grid(False)
    for panel in list(axes.flat)[len(maps) :]:
        panel.set_visible(False)
    if image is not None:
        figure.colorbar(image, ax=axes.ravel().tolist(), label=label, shrink=0.7)
    figure.suptitle(title)
    return figure


def ablation(values: Mapping[str, Sequence[float]], title: str, xlabel: str = "accuracy") -> Figure:
    """One line a variant: every run a dot, their mean a bar; the first variant's mean continues as a dashed line.

    Args:
        values: name of the variant -> the accuracies of its runs.
    """
    figure, axes = _figure(8.5, 0.9 + 0.32 * max(1, len(values)))
    names = list(values)
    means = [float(np.mean(values[name])) for name in names]
    axes.barh(range(len(names)), means, color=PALETTE[0], alpha=0.35, height=0.6)
    for line, name in enumerate(names):
        axes.scatter(values[name], [line] * len(values[name]), s=18, color=PALETTE[0], zorder=3)
    if means:
        axes.axvline(means[0], linestyle="--", color="0.3")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel(xlabel)
    figure.suptitle(title)
    return figure


def lines(
    x: ArrayLike,
    curves: Mapping[str, ArrayLike],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """Labelled lines over a common axis, with optional dashed horizontal levels.

    Args:
        x: (N,).
        curves: name -> (N,) values.
        levels: name -> a constant to compare with.
    """
    figure, axes = _figure(6.4, 3.8)
    for number, (name, values) in enumerate(curves.items()):
        axes.plot(x, values, **look(number, name), markersize=4, label=name)
    for number, (name, value) in enumerate((levels or {}).items()):
        axes.axhline(value, color="0.35", linestyle=("--", ":", "-.")[number % 3], linewidth=1, label=name)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    name_lines(axes)
    return figure


def draw_problem() -> Figure:
    """The paper's Figure 1, redrawn: training points where shape and colour agree, test points everywhere, and three boundaries."""
    rng = np.random.default_rng(3)
    figure, axes = _figure(6.4, 4.6)
    kinds = (("class A", PALETTE[0], "o", (-1.0, -1.0)), ("class B", PALETTE[1], "s", (1.0, 1.0)))
    for name, color, marker, (shape, shade) in kinds:
        seen = rng.normal((shape, shade), 0.22, (40, 2))
        unseen = rng.normal((shape, -shade), 0.22, (40, 2))
        axes.scatter(*seen.T, color=color, marker=marker, s=26, label=f"{name}, in training")
        axes.scatter(
            *unseen.T, facecolors="none", edgecolors=[color], marker=marker, s=26, alpha=0.7, label=f"{name}, only in the test"
        )
    axes.plot([-1.9, 1.9], [0, 0], color="0.2", linestyle=":", label="by colour: right in training only")
    axes.plot([-1.6, 1.6], [1.6, -1.6], color="0.2", linestyle="--", label="by both: right in training only")
    axes.plot([0, 0], [-1.9, 1.9], color="0.2", linestyle="-", label="by shape: right everywhere")
    axes.set(title="Training data cannot tell these boundaries apart", xlabel="shape", ylabel="colour", xticks=[], yticks=[])
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return figure


def _box(axes: Axes, center: tuple[float, float], text: str, color: Any, width: float = 1.9) -> None:
    x, y = center
    shape = FancyBboxPatch(
        (x - width / 2, y - 0.45), width, 0.9, boxstyle="round,pad=0.05", facecolor=(*color, 0.18), edgecolor=color
    )
    axes.add_patch(shape)
    axes.text(x, y, text, ha="center", va="center", fontsize=9)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], *, dashed: bool = False, bend: float = 0.0) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=12,
            color="0.25",
            linestyle="--" if dashed else "-",
            connectionstyle=f"arc3,rad={bend}",
        )
    )


def draw_networks() -> Figure:
    """The paper's Figure 2, redrawn: f feeds g and h; solid arrows carry activations, dashed arrows the gradients that reach f."""
    figure, axes = _figure(9, 4.3)
    axes.set(xlim=(0, 12), ylim=(0, 5.4), title="Who predicts what, and which gradient comes back")
    axes.axis("off")
    _box(axes, (1.1, 2.7), "image x", (0.4, 0.4, 0.4), 1.5)
    _box(axes, (3.7, 2.7), "f\nfeature extractor", PALETTE[0])
    _box(axes, (7.2, 4.2), "g\nlabel head", PALETTE[2])
    _box(axes, (7.2, 1.2), "h\nbias head", PALETTE[1])
    _box(axes, (10.6, 4.2), "label y\n$L_c$", PALETTE[2], 1.7)
    _box(axes, (10.6, 1.2), "bias b\n$L_B$ and $L_{MI}$", PALETTE[1], 1.9)
    _arrow(axes, (1.9, 2.7), (2.65, 2.7))
    _arrow(axes, (4.75, 2.95), (6.15, 4.1))
    _arrow(axes, (4.75, 2.45), (6.15, 1.35))
    _arrow(axes, (8.25, 4.2), (9.65, 4.2))
    _arrow(axes, (8.25, 1.2), (9.55, 1.2))
    _arrow(axes, (6.15, 4.45), (4.0, 3.25), dashed=True, bend=0.25)
    _arrow(axes, (6.15, 0.95), (4.0, 2.15), dashed=True, bend=-0.25)
    axes.text(4.2, 4.35, "descend $L_c$", fontsize=9, ha="center")
    axes.text(4.0, 0.8, "descend $\\lambda L_{MI}$,\nascend $\\mu L_B$ (reversed)", fontsize=9, ha="center")
    axes.text(7.2, 0.3, "h itself descends $L_B$", fontsize=9, ha="center")
    return figure

"""Every figure draws what it was given, with titles, labelled axes and an opaque background."""

import io
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text

from lnl_core import experiments, figures
from lnl_core.datasets import COLOR_NAMES, BiasedImages
from lnl_core.errors import DataError

METHODS = experiments.find("colored_mnist").methods

HISTORY = [
    {"epoch": 1, "label_loss": 2.0, "bias_loss": 3.0, "mi_loss": -1.0, "validation_accuracy": 0.2},
    {"epoch": 2, "label_loss": 1.0},
]
MATRIX = np.diag(np.arange(1, 11)) + np.eye(10, k=1, dtype=int)
ROWS: list[dict[str, Any]] = [
    {
        "method": "lnl",
        "color_var": 0.02,
        "published": 0.9,
        "mean": 0.8,
        "std": 0.1,
        "n": 2,
        "values": [0.7, 0.9],
        "difference": -0.1,
    },
    {"method": "lnl", "color_var": 0.03, "published": None, "mean": 0.6, "std": None, "n": 1, "values": [0.6], "difference": None},
    {
        "method": "somebody",
        "color_var": 0.02,
        "published": 0.5,
        "mean": None,
        "std": None,
        "n": 0,
        "values": [],
        "difference": None,
    },
]


def points(size: int = 60) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(size, 2)), rng.integers(0, 10, size), rng.integers(0, 10, size)


def pages(data: BiasedImages) -> dict[str, Callable[[], Figure]]:
    return {
        "samples": lambda: figures.samples(data, per_class=3),
        "losses": lambda: figures.losses({"lnl": HISTORY, "baseline": [{"epoch": 1, "label_loss": 1.0}]}),
        "confusion_matrices": lambda: figures.confusion_matrices({"baseline": MATRIX, "lnl": MATRIX.T}),
        "confusion_by_color": lambda: figures.confusion_by_color({"baseline": [MATRIX] * 10, "lnl": [MATRIX] * 10}),
        "embedding": lambda: figures.embedding(*points()),
        "results": lambda: figures.results(ROWS),
        "lines": lambda: figures.lines([1, 2], {"a": [1, 2]}, title="t", xlabel="x", ylabel="y", levels={"one": 1.0}),
        "information_curve": lambda: figures.information_curve([0.02, 0.03], {"I(b;Y)": [1.0, 0.9]}),
        "draw_problem": figures.draw_problem,
        "draw_networks": figures.draw_networks,
    }


NAMES = (
    "samples",
    "losses",
    "confusion_matrices",
    "confusion_by_color",
    "embedding",
    "results",
    "lines",
    "information_curve",
    "draw_problem",
    "draw_networks",
)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_a_title_and_is_opaque(name: str, few: BiasedImages) -> None:
    figure = pages(few)[name]()
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    assert any(titles)
    assert to_rgba(figure.get_facecolor()) == (1, 1, 1, 1)
    assert all(to_rgba(axes.get_facecolor()) == (1, 1, 1, 1) for axes in figure.axes if axes.axison)


@pytest.mark.parametrize("name", ["losses", "results", "lines", "ablation"])
def test_a_title_fits_into_its_figure(name: str, few: BiasedImages) -> None:
    made: dict[str, Any] = pages(few) | {
        "ablation": lambda: figures.ablation({"a long name of a choice" * 3: [0.4]}, "words " * 12)
    }
    figure = made[name]()
    figure.draw_without_rendering()
    wanted = figure.get_suptitle() or figure.axes[0].get_title()
    title = next(text for text in figure.findobj(Text) if text.get_text() == wanted)
    box = title.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.x1


def test_a_method_has_its_colour_in_lines_and_losses_and_names_stand_at_the_lines() -> None:
    curves = {name: np.full(3, height) for name, height in (("lnl", 0.5), ("baseline", 0.5), ("gray", 0.51), ("cold", 0.9))}
    drawn = figures.lines(range(3), curves, title="t", xlabel="x", ylabel="y", levels={"chance": 0.0})
    (axes,) = drawn.axes
    shades = {str(line.get_label()): line.get_color() for line in axes.lines}
    assert {name: shades[name] for name in ("lnl", "baseline", "gray")} == {
        name: figures.METHOD_STYLE[name][0] for name in ("lnl", "baseline", "gray")
    }
    assert figures.losses({"lnl": HISTORY}).axes[0].lines[0].get_color() == shades["lnl"]
    places = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert set(places) == {*curves, "chance"}
    assert min(np.diff(sorted(places.values()))) > 0.03, "no name on another"
    assert places["chance"] < places["baseline"] < places["gray"] < places["cold"]
    assert axes.get_legend() is None


@pytest.mark.parametrize("name", [name for name in NAMES if name != "draw_networks"])
def test_axes_are_labelled(name: str, few: BiasedImages) -> None:
    figure = pages(few)[name]()
    drawn = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    assert all(any(axes.get_ylabel() for axes in drawn) for _ in drawn)
    if name != "confusion_by_color":  # whose panels share the labels of the outer ones
        assert all(axes.get_xlabel() and axes.get_ylabel() for axes in drawn)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_can_be_saved_and_is_not_kept_by_pyplot(name: str, few: BiasedImages) -> None:
    stream = io.BytesIO()
    pages(few)[name]().savefig(stream, format="png", dpi=40)
    assert stream.getvalue().startswith(b"\x89PNG")
    assert plt.get_fignums() == []


def test_figures_leave_the_readers_style_alone(few: BiasedImages) -> None:
    before = dict(plt.rcParams)
    for draw in pages(few).values():
        draw()
    assert dict(plt.rcParams) == before


def test_samples_show_the_images_of_each_class_in_its_row(few: BiasedImages) -> None:
    grid = np.asarray(figures.samples(few, per_class=2).axes[0].get_images()[0].get_array())
    labels = few.labels.numpy()
    for digit in range(10):
        first = few.images[int(np.flatnonzero(labels == digit)[0])].permute(1, 2, 0).numpy()
        assert np.array_equal(grid[digit * 30 + 1 : digit * 30 + 29, 1:29], first)


def test_losses_have_a_panel_for_each_quantity_and_a_line_for_each_run() -> None:
    figure = figures.losses({"lnl": HISTORY, "baseline": [{"epoch": 1, "label_loss": 1.0}]})
    by_title = {axes.get_title(): axes for axes in figure.axes}
    assert len(by_title) == 4
    label = by_title["label loss of g(f(x))"]
    assert [line.get_label() for line in label.lines] == ["lnl", "baseline"]
    assert np.asarray(label.lines[0].get_ydata()).tolist() == [2.0, 1.0]
    assert len(by_title["bias loss of h(f(x))"].lines) == 1


def test_confusion_matrices_show_shares_of_the_true_class_and_the_accuracy() -> None:
    figure = figures.confusion_matrices({"lnl": MATRIX})
    shown = np.asarray(figure.axes[0].get_images()[0].get_array())
    assert np.allclose(shown, MATRIX / MATRIX.sum(axis=1, keepdims=True))
    assert figure.axes[0].get_title() == f"lnl: accuracy {55 / 64:.3f}"


def test_a_class_without_images_is_no_division_by_zero() -> None:
    empty = np.zeros((10, 10), dtype=int)
    shown = np.asarray(figures.confusion_matrices({"none": empty}).axes[0].get_images()[0].get_array())
    assert (shown == 0).all()


def test_confusion_by_color_has_a_named_panel_for_each_colour() -> None:
    figure = figures.confusion_by_color({"baseline": [MATRIX] * 10})
    titles = [axes.get_title() for axes in figure.axes if axes.get_images()]
    assert [title.split(": ")[1] for title in titles[:10]] == list(COLOR_NAMES)


def test_embedding_shows_every_point_twice_and_names_the_colours() -> None:
    figure = figures.embedding(*points(60))
    by_digit, by_color = figure.axes
    for axes in (by_digit, by_color):
        assert sum(len(np.asarray(collection.get_offsets())) for collection in axes.collections) == 60
    legend = by_color.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == list(COLOR_NAMES)


def test_results_show_published_and_ours_and_every_run() -> None:
    panels = figures.results(ROWS).axes
    assert [panel.get_title() for panel in panels] == ["lnl", "somebody"], "a panel a method"
    lines = {line.get_label(): np.asarray(line.get_xydata()).tolist() for panel in panels for line in panel.lines}
    assert lines == {
        "lnl, published": [[0.02, 0.9]],
        "lnl, ours (mean)": [[0.02, 0.8], [0.03, 0.6]],
        "somebody, published": [[0.02, 0.5]],
    }
    dots = np.asarray(panels[0].collections[0].get_offsets()).tolist()
    assert dots == [[0.02, 0.7], [0.02, 0.9], [0.03, 0.6]], "every seed is a dot"


def test_every_method_has_a_colour_and_a_mark_of_its_own() -> None:
    """Colour is never the only cue."""
    assert set(METHODS) <= set(figures.METHOD_STYLE)
    marks = [mark for _, mark in figures.METHOD_STYLE.values()]
    assert len(set(marks)) == len(marks)


@pytest.mark.parametrize("matrix", [np.zeros(10), np.zeros((10, 9)), np.zeros((2, 2, 2))])
def test_a_matrix_that_is_not_square_is_refused(matrix: Any) -> None:
    with pytest.raises(DataError, match="must be square"):
        figures.confusion_matrices({"odd": matrix})


def test_an_embedding_of_another_length_than_its_labels_is_refused() -> None:
    places, labels, group = points(60)
    with pytest.raises(DataError, match="same length, got 60, 59 and 60"):
        figures.embedding(places, labels[:-1], group)


def test_place_maps_share_one_scale() -> None:
    figure = figures.place_maps({"a": np.zeros((3, 3)), "b": np.full((3, 3), 0.4)}, title="maps")
    images = [panel.get_images()[0] for panel in figure.axes[:2]]
    assert {image.get_clim() for image in images} == {(0.0, 0.4)}


def test_ablation_draws_every_run_and_its_mean() -> None:
    figure = figures.ablation({"one": [0.4, 0.6], "two": [0.7]}, title="runs")
    panel: Any = figure.axes[0]
    assert [bar.get_width() for bar in panel.patches] == pytest.approx([0.5, 0.7])
    assert [len(dots.get_offsets()) for dots in panel.collections] == [2, 1]
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["one", "two"]

"""One style for every figure: titles, labelled axes, opaque, colour-blind safe; a colour and a mark for each method."""

from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import DataError

PALETTE = sns.color_palette("colorblind")
"""Ten colours as (red, green, blue) in [0, 1], seaborn's "colorblind", which most readers can tell apart."""
MARKERS = "osD^vP*X<>"
"""Matplotlib's markers, one a method or kind, so that colour is never the only difference."""
_STYLE: Any = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.facecolor": "white",
    "figure.dpi": 110,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "legend.frameon": False,
}
METHOD_STYLE: Any = {
    name: (PALETTE[index % len(PALETTE)], MARKERS[index])
    for index, name in enumerate(
        ("baseline", "gray", "blind_eye", "lnl", "grl", "blind_eye_grl", "lnl_adv", "bias_balanced", "jlu", "mi_backprop")
    )
}
"""Colour and marker of each method, the same in every figure and on every page."""


def look(number: int, name: str) -> dict[str, Any]:
    """Colour and marker of the line of this number: those of its method where ``name`` is one's."""
    color, marker = METHOD_STYLE.get(name, (PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]))
    return {"color": color, "marker": marker}


def name_lines(axes: Axes, size: float = 8) -> None:
    """Write the name of each labelled line at its right end, in its colour, instead of a legend; names keep a distance."""
    found = []
    for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
        line = handle[0] if isinstance(handle, ErrorbarContainer) else handle
        if isinstance(line, Line2D) and np.size(line.get_ydata()):
            y = np.asarray(line.get_ydata(), dtype=float)[-1]
            place = axes.transAxes.inverted().transform(axes.transData.transform((axes.get_xlim()[1], y)))[1]
            found.append((float(place), name, 0.65 * np.array(to_rgb(line.get_color()))))
    apart = 1.4 * size / 72 / (axes.get_figure(root=True).get_figheight() * axes.get_position().height)  # type: ignore[union-attr]
    found.sort(key=lambda one: one[0])
    places = np.array([one[0] for one in found])
    for _ in range(200 if found else 0):  # push neighbours apart, a little at a time
        short = np.clip(apart - np.diff(places), 0, None) / 2
        places = np.clip(places + np.append(0, short) - np.append(short, 0), 0, 1)
    for place, (_, name, color) in zip(places, found, strict=True):
        y = axes.transData.inverted().transform(axes.transAxes.transform((1, place)))[1]  # moves with the line if the limits change
        axes.text(1.02, y, name, transform=axes.get_yaxis_transform(), color=color, fontsize=size, verticalalignment="center")


def style() -> AbstractContextManager[None]:
    """The book's matplotlib style as a context."""
    context: AbstractContextManager[None] = mpl.rc_context(_STYLE)
    return context


def use_style() -> None:
    """Set the book's matplotlib style for the whole session."""
    mpl.rcParams.update(_STYLE)


def _figure(width: float, height: float, **axes: Any) -> tuple[Figure, Any]:
    """A figure that pyplot does not know, so it is shown once and freed with its last reference."""
    with style():
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(**axes)


def refuse_people(data: BiasedImages) -> None:
    """No figure shows photographs of people: nothing says that those in UTKFace or IMDB were asked.

    Raises:
        DataError: if the images are of such a set.
    """
    if data.source.startswith(("utkface", "imdb")):
        raise DataError(f"{data.source} holds people who were not asked: show synthetic_faces instead")

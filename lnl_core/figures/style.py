"""One style for every figure: titles, labelled axes, opaque, colour-blind safe; a colour and a mark for each method."""

from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

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

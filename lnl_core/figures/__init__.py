"""Records and arrays to matplotlib figures, all in one style: titles, labelled axes, opaque, colour-blind safe.

It imports everything but the command line, and nothing imports it: what does not draw loads no drawing package. For one more figure
write one function in the file of its subject that begins with ``_figure`` of ``style`` and returns a ``Figure``, and name it below.
"""

from typing import TYPE_CHECKING

from lnl_core._lazy import lazy

if TYPE_CHECKING:
    from lnl_core.figures.calibration import *
    from lnl_core.figures.digits import *
    from lnl_core.figures.fairness import *
    from lnl_core.figures.information import *
    from lnl_core.figures.leakage import *
    from lnl_core.figures.look_alikes import *
    from lnl_core.figures.photographs import *
    from lnl_core.figures.rules import *
    from lnl_core.figures.style import *

_HOMES = {
    "style": ("PALETTE", "MARKERS", "METHOD_STYLE", "look", "name_lines", "style", "use_style", "refuse_people"),
    "calibration": ("reliability",),
    "digits": (
        "samples",
        "losses",
        "confusion_matrices",
        "confusion_by_color",
        "embedding",
        "results",
        "place_maps",
        "ablation",
        "lines",
        "draw_problem",
        "draw_networks",
    ),
    "information": ("estimator_errors", "limit", "limit_methods", "information_curve"),
    "rules": ("by_rule",),
    "photographs": (
        *("first_of_each_kind", "answers", "answers_by_kind", "turns", "mixed", "table_figure", "dial_figure"),
        "weight_curves",
    ),
    "fairness": ("AXES", "NAMES", "pareto"),
    "leakage": ("H", "FRESH", "KINDS", "nats_left", "what_h_says", "what_is_left", "over_training"),
    "look_alikes": ("LOOK_ALIKES", "paint_kim", "noisy_sides", "paint_irm", "paint_rebias", "paint_lff", "draw_look_alikes"),
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOMES)

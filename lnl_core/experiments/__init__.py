"""The experiments: which data a run is trained and measured on.

It imports the core and nothing of runs and figures. For one more experiment say in ``splits`` which data set is each of its splits.
"""

from typing import TYPE_CHECKING

from lnl_core._lazy import lazy

if TYPE_CHECKING:
    from lnl_core.experiments.splits import *

_HOMES = {
    "splits": ("OPPOSITE", "resolve", "measured_on", "load_data", "load_probe_data"),
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOMES)

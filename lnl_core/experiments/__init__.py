"""The experiments, one file each: data, network, presets, what is measured, the columns of the table.

They import the core and nothing of runs and figures. For one more write one file with an object of a class derived from
:class:`Experiment` and hand it to :func:`register`: in a file of your own that ``LNL_PLUGINS`` names, or here, with its name in
``registry``.
"""

from typing import TYPE_CHECKING

from lnl_core._lazy import lazy

if TYPE_CHECKING:
    from lnl_core.experiments.base import Experiment as Experiment, source as source
    from lnl_core.experiments.registry import (
        EXPERIMENTS as EXPERIMENTS,
        find as find,
        register as register,
        registered as registered,
    )
    from lnl_core.experiments.splits import *

_HOMES = {
    "base": ("Experiment", "source"),
    "registry": ("EXPERIMENTS", "register", "registered", "find"),
    "splits": ("OPPOSITE", "resolve", "measured_on", "load_data", "load_probe_data"),
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOMES)

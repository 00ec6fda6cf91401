"""Information in nats: exact for tables of probabilities, estimated from samples, and the limit that it sets (Fano).

Every room may use it; it imports no network and no training. For one more estimator write its function in ``estimators`` and name
it below.
"""

from typing import TYPE_CHECKING

from lnl_core._lazy import lazy

if TYPE_CHECKING:
    from lnl_core.information.estimators import *
    from lnl_core.information.limit import *
    from lnl_core.information.tables import *

_HOMES = {
    "tables": (
        "entropy",
        "conditional_entropy",
        "mutual_information",
        "kl_divergence",
        "cross_entropy",
        "gaussian_information",
        "contingency_table",
        "plug_in_mutual_information",
    ),
    "estimators": (
        "ksg",
        "donsker_varadhan",
        "nwj",
        "info_nce",
        "club",
        "moving_average_gain",
        "BOUNDS",
        "Estimate",
        "estimate_information",
    ),
    "limit": (
        "Integral",
        "label_posterior",
        "label_entropy",
        "fano_accuracy",
        "unbiased_accuracy",
        "accuracy_at_least",
        "proved_leak",
    ),
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOMES)

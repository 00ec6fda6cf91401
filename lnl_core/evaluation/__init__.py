"""What a trained network does and what its features still hold: accuracy by group, probes, adversaries, erasure, fairness, mixing.

It imports the core up to :mod:`lnl_core.training`, and scikit-learn, fairlearn and concept-erasure only where they are used. For
one more measure write one file here and name it below; what every record is to hold is called by :func:`evaluate`.
"""

from typing import TYPE_CHECKING

from lnl_core._lazy import lazy
from lnl_core.evaluation.accuracy import accuracy as accuracy

if TYPE_CHECKING:
    from lnl_core.evaluation.accuracy import *
    from lnl_core.evaluation.fairness import *
    from lnl_core.evaluation.leakage import *
    from lnl_core.evaluation.mixing import *

_HOMES = {
    "accuracy": (
        "predict",
        "accuracy",
        "group_accuracy",
        "cell_accuracy",
        "bias_alignment",
        "group_metrics",
        "confusion",
        "confusion_by_color",
        "data_information",
        "prediction_information",
        "embeddings",
        "feature_maps",
        "background_places",
        "ProbeResult",
        "PROBES",
        "train_probe",
        "enough_to_probe",
        "probe_inputs",
        "refuse_infinite",
        "standardized",
        "probe_leakage",
        "say_if_untrained",
        "adversary_loss",
        "evaluate",
        "pool_places",
        "probe_map",
    ),
    "leakage": (
        "AdversaryReading",
        "adversary_reading",
        "fresh_adversary",
        "Interval",
        "Leakage",
        "CodeLength",
        "code_length",
        "linear_eraser",
    ),
    "fairness": (
        "CONSTRAINTS",
        "UNLEARNING",
        "Predict",
        "PredictAtRandom",
        "weighted",
        "parity_bound",
        "ErasedHead",
        "erased_head",
        "logistic_regression",
        "reduction",
        "threshold_optimizer",
        "fairness_by_split",
        "probe_metrics",
        "chosen",
    ),
    "mixing": ("MixingScore", "mixing_score"),
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOMES)

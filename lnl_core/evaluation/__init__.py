"""What a trained network does and what its features still hold: accuracy by group, probes, adversaries, erasure,
fairness, mixing, calibration.

It imports the core up to :mod:`lnl_core.training`, and scikit-learn, fairlearn and concept-erasure only where they are used. For
one more measure write one file here and name it below; what every record is to hold is called by :func:`evaluate`. For one more
kind of probe see :mod:`lnl_core.evaluation.probe_kinds`.
"""

from typing import TYPE_CHECKING

from lnl_core._lazy import lazy

if TYPE_CHECKING:
    from lnl_core.evaluation.accuracy import *
    from lnl_core.evaluation.adversary import *
    from lnl_core.evaluation.calibration import *
    from lnl_core.evaluation.description_length import *
    from lnl_core.evaluation.erasure import *
    from lnl_core.evaluation.fairness import *
    from lnl_core.evaluation.features import *
    from lnl_core.evaluation.intervals import *
    from lnl_core.evaluation.mixing import *
    from lnl_core.evaluation.over_seeds import *
    from lnl_core.evaluation.probe_kinds import *
    from lnl_core.evaluation.probes import *

_HOMES = {
    "accuracy": (
        "logits",
        "predict",
        "accuracy",
        "group_accuracy",
        "cell_accuracy",
        "bias_alignment",
        "group_metrics",
        "least_by_chance",
        "confusion",
        "confusion_by_color",
        "data_information",
        "prediction_information",
        "evaluate",
    ),
    "calibration": ("Calibration", "calibration", "confidences", "right_from_wrong"),
    "features": ("embeddings", "feature_maps", "background_places", "refuse_infinite", "pool_places"),
    "probes": (
        "ProbeResult",
        "train_probe",
        "enough_to_probe",
        "probe_inputs",
        "standardized",
        "probe_leakage",
        "probe_map",
    ),
    "probe_kinds": ("Probe", "PROBES", "register_probe", "find_probe"),
    "intervals": ("Interval",),
    "over_seeds": ("Leakage", "leakage"),
    "description_length": ("CodeLength", "code_length"),
    "adversary": ("say_if_untrained", "AdversaryReading", "evaluate_adversary", "retrain_adversary"),
    "erasure": ("linear_eraser",),
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

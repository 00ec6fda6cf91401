"""Learning not to learn: train a network on biased data without letting it learn the bias.

The rooms follow the data: datasets, networks, losses, methods, training, evaluation; then what we did with it: experiments, runs,
figures. A module imports only from rooms before its own; ``config``, ``errors`` and ``information`` may be used by all. Names are
imported when first used, so ``import lnl_core`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "RunConfig": "config",
    "preset": "config",
    "resolve_profile": "config",
    "BiasedImages": "datasets",
    "animals": "datasets",
    "colored_mnist": "datasets",
    "synthetic_faces": "datasets",
    "LNLNetwork": "networks.parts",
    "digit_network": "networks.digit",
    "face_network": "networks.faces",
    "resnet18_network": "networks.photographs",
    "build_network": "networks.build",
    "METHODS": "methods",
    "fit": "training.loop",
    "choose_device": "training.devices",
    "fit_jlu": "training.loop",
    "fit_mi_backprop": "training.loop",
    "accuracy": "evaluation.accuracy",
    "evaluate": "evaluation.accuracy",
    "embeddings": "evaluation.features",
    "probe_leakage": "evaluation.probes",
    "mixing_score": "evaluation.mixing",
    "load_data": "experiments.splits",
    "RunRecord": "runs.records",
    "read_records": "runs.records",
    "results_table": "runs.comparison",
    "run": "runs.run",
    "run_folder": "runs.run",
    "load_model": "runs.run",
    "read_history": "runs.run",
}
_MODULES = (
    "config",
    "errors",
    "information",
    "datasets",
    "networks",
    "losses",
    "methods",
    "training",
    "evaluation",
    "experiments",
    "runs",
    "figures",
    "cli",
)
__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from lnl_core.config import RunConfig as RunConfig, preset as preset, resolve_profile as resolve_profile
    from lnl_core.datasets import (
        BiasedImages as BiasedImages,
        animals as animals,
        colored_mnist as colored_mnist,
        synthetic_faces as synthetic_faces,
    )
    from lnl_core.evaluation.accuracy import accuracy as accuracy, evaluate as evaluate
    from lnl_core.evaluation.features import embeddings as embeddings
    from lnl_core.evaluation.mixing import mixing_score as mixing_score
    from lnl_core.evaluation.probes import probe_leakage as probe_leakage
    from lnl_core.experiments.splits import load_data as load_data
    from lnl_core.methods import METHODS as METHODS
    from lnl_core.networks import (
        LNLNetwork as LNLNetwork,
        build_network as build_network,
        digit_network as digit_network,
        face_network as face_network,
        resnet18_network as resnet18_network,
    )
    from lnl_core.runs.comparison import results_table as results_table
    from lnl_core.runs.records import RunRecord as RunRecord, read_records as read_records
    from lnl_core.runs.run import load_model as load_model, read_history as read_history, run as run, run_folder as run_folder
    from lnl_core.training.devices import choose_device as choose_device
    from lnl_core.training.loop import fit as fit, fit_jlu as fit_jlu, fit_mi_backprop as fit_mi_backprop


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"lnl_core.{_HOMES[name]}"), name)
    if name in _MODULES:
        return import_module(f"lnl_core.{name}")
    raise AttributeError(f"module 'lnl_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])

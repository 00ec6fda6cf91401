"""Learning not to learn: train a network on biased data without letting it learn the bias.

The modules follow the data: datasets, networks, losses, methods, training, evaluation, records, runs, sweep, figures. Names are
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
    "LNLNetwork": "networks",
    "digit_network": "networks",
    "face_network": "networks",
    "resnet18_network": "networks",
    "build_network": "networks",
    "METHODS": "methods",
    "fit": "training",
    "choose_device": "training",
    "fit_jlu": "unlearning",
    "fit_mi_backprop": "mi_backprop",
    "accuracy": "evaluation",
    "evaluate": "evaluation",
    "embeddings": "evaluation",
    "probe_leakage": "evaluation",
    "mixing_score": "mixing",
    "RunRecord": "records",
    "read_records": "records",
    "results_table": "records",
    "run": "runs",
    "run_folder": "runs",
    "load_data": "splits",
    "load_model": "runs",
    "read_history": "runs",
}
_MODULES = (
    "config",
    "errors",
    "information",
    "estimators",
    "datasets",
    "limit",
    "networks",
    "losses",
    "methods",
    "training",
    "unlearning",
    "statistics_network",
    "mi_backprop",
    "evaluation",
    "leakage",
    "fairness",
    "mixing",
    "records",
    "splits",
    "runs",
    "executors",
    "sweep",
    "figures",
    "information_figures",
    "photo_figures",
    "fairness_figures",
    "leak_figures",
    "bench",
    "cli",
)
__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from lnl_core.config import RunConfig, preset, resolve_profile
    from lnl_core.datasets import BiasedImages, animals, colored_mnist, synthetic_faces
    from lnl_core.evaluation import accuracy, embeddings, evaluate, probe_leakage
    from lnl_core.methods import METHODS
    from lnl_core.mi_backprop import fit_mi_backprop
    from lnl_core.mixing import mixing_score
    from lnl_core.networks import LNLNetwork, build_network, digit_network, face_network, resnet18_network
    from lnl_core.records import RunRecord, read_records, results_table
    from lnl_core.runs import load_model, read_history, run, run_folder
    from lnl_core.splits import load_data
    from lnl_core.training import choose_device, fit
    from lnl_core.unlearning import fit_jlu


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"lnl_core.{_HOMES[name]}"), name)
    if name in _MODULES:
        return import_module(f"lnl_core.{name}")
    raise AttributeError(f"module 'lnl_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])

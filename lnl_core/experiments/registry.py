"""Experiments by name: the five of this library, and what plug-ins add."""

from importlib import import_module
from typing import Any

from lnl_core._plugins import load_plugins
from lnl_core.errors import ConfigError
from lnl_core.experiments.base import Experiment
from lnl_core.hyperparameters import HyperParameter, shown

EXPERIMENTS = ("colored_mnist", "dogs_cats", "faces", "jlu_faces", "census")
"""The experiments of this library, each a file here with an object ``EXPERIMENT``. Plug-ins add to them, see :func:`registered`."""
_PARTS = ("name", "hyperparameters", "methods", "presets", "load", "network")
_known: dict[str, Experiment] = {}


def register(experiment: Experiment) -> Experiment:
    """Make an experiment known by its name; it is returned.

    Raises:
        ConfigError: an object that lacks a part, or a name that is taken.
    """
    _built_in()
    return _add(experiment)


def registered() -> dict[str, Experiment]:
    """All experiments by name: ours in the order of the tables, then those of plug-ins as they were registered.

    Raises:
        ConfigError: a plug-in that cannot be imported, see :mod:`lnl_core._plugins`.
    """
    _built_in()
    load_plugins()
    return dict(_known)


def find(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
        ConfigError: if there is none.
    """
    known = registered()
    if not isinstance(name, str) or name not in known:
        raise ConfigError(f"unknown experiment {shown(name)}: choose one of {', '.join(known)}, or name its file in LNL_PLUGINS")
    return known[name]


def _built_in() -> None:
    for name in EXPERIMENTS:
        if name not in _known:
            _add(import_module(f"lnl_core.experiments.{name}").EXPERIMENT)


def _add(experiment: Any) -> Experiment:
    if not isinstance(experiment, Experiment):
        raise ConfigError(f"an experiment is an object of a class derived from Experiment, got {shown(experiment)}")
    name = getattr(experiment, "name", type(experiment).__name__)
    for part in _PARTS:
        mine = getattr(type(experiment), part, None) or getattr(experiment, part, None)
        if mine is None or mine is getattr(Experiment, part, None):
            raise ConfigError(f"the experiment {shown(name)} has no {part}: give it one, see lnl_core.experiments.base")
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError(f"an experiment's name is made of letters, digits and _, as names of files hold it, got {shown(name)}")
    declared = [one.name if isinstance(one, HyperParameter) else None for one in experiment.hyperparameters]
    if None in declared:
        raise ConfigError(f"the hyper-parameters of the experiment {name} must be declared as in lnl_core.hyperparameters")
    if "source" not in declared:
        raise ConfigError(f"the experiment {name} has no hyper-parameter source: declare where its data come from, source(...)")
    twice = [one for one in declared if declared.count(one) > 1]
    if twice:
        raise ConfigError(f"the experiment {name} declares {twice[0]} twice: leave one out")
    if name in _known:
        raise ConfigError(f"there are two experiments called {name}: give one of them another name")
    _known[name] = experiment
    return experiment

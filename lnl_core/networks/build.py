"""The network that a configuration names."""

from importlib import import_module
from typing import TYPE_CHECKING

from lnl_core._random import seeded
from lnl_core.networks.parts import LNLNetwork

if TYPE_CHECKING:
    from lnl_core.config import RunConfig


def build_network(config: "RunConfig") -> LNLNetwork:
    """The untrained network of a run, its weights drawn from the run's seed; the random state of the caller is left alone.

    Which network that is says the experiment. It is looked up when it is needed, since experiments are made of networks.
    """
    experiments = import_module("lnl_core.experiments")
    with seeded(config.seed):
        network: LNLNetwork = experiments.find(config.experiment).network(config)
    network.h_trained = False
    return network

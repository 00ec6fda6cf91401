"""The network that a configuration names."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from lnl_core._random import seeded
from lnl_core.networks.parts import LNLNetwork

if TYPE_CHECKING:
    from lnl_core.config import RunConfig


def build_network(config: "RunConfig", data_dir: Path | str | None = None) -> LNLNetwork:
    """The untrained network of a run, its weights drawn from the run's seed; the random state of the caller is left alone.

    Which network that is says the experiment. It is looked up when it is needed, since experiments are made of networks.
    ImageNet weights are looked for in ``data_dir`` first, see :func:`lnl_core.networks.photographs.imagenet_weights`.
    """
    experiment = import_module("lnl_core.experiments").find(config.experiment)
    with seeded(config.seed):
        network: LNLNetwork = experiment.network(experiment.with_files(config, data_dir))
    network.h_trained = False
    return network


def untrained_bias_head(config: "RunConfig") -> nn.Module:
    """The h of :func:`build_network`; the files that f and g begin with are not read."""
    return build_network(import_module("lnl_core.experiments").find(config.experiment).without_files(config)).bias_head

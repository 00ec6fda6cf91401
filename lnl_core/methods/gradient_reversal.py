"""Gradient reversal (Ganin et al. 2016): f ascends what h descends."""

from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch
from lnl_core.methods._steps import Losses, _play
from lnl_core.networks.parts import LNLNetwork


def grl(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """f descends L_c and ascends mu L_B, g descends L_c, h descends L_B (Ganin et al., gradient reversal)."""
    return _play(network, batch, config, reversal=config.adv_weight)

"""Learning not to learn (Kim et al. 2019, Eq. 9), and the same without gradient reversal."""

from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch
from lnl_core.methods._steps import Losses, _play
from lnl_core.networks.parts import LNLNetwork


def lnl_adv(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """f descends L_c + lambda L_MI, g descends L_c, h descends L_B (Eq. 9 without gradient reversal, "Ours-adv")."""
    return _play(network, batch, config, mi=config.mi_weight)


def lnl(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """f descends L_c + lambda L_MI and ascends mu L_B, g descends L_c, h descends L_B (Eq. 9)."""
    return _play(network, batch, config, mi=config.mi_weight, reversal=config.adv_weight)

"""Turning a blind eye (Alvi et al. 2018): f makes h unsure, by the confusion loss; with gradient reversal it is "BlindEye+GRL"."""

from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch
from lnl_core.methods._steps import Losses, _play
from lnl_core.networks.parts import LNLNetwork


def blind_eye(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """f descends L_c + alpha L_conf, g descends L_c, h descends L_B (Alvi et al., joint learning and unlearning)."""
    return _play(network, batch, config, confusion=config.confusion_weight)


def blind_eye_grl(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """f descends L_c + alpha L_conf and ascends mu L_B, g descends L_c, h descends L_B (Table 1's "BlindEye+GRL")."""
    return _play(network, batch, config, confusion=config.confusion_weight, reversal=config.adv_weight)

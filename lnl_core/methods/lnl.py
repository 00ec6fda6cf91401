"""Learning not to learn (Kim et al. 2019): Eq. 9 as it reads, and the methods "lnl" and "lnl_adv"."""

from copy import deepcopy

from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch
from lnl_core.losses import bias_loss, label_loss, negative_conditional_entropy, reverse_gradient
from lnl_core.methods.base import Losses
from lnl_core.methods.game import Game
from lnl_core.methods.hyperparameters import ADV_WEIGHT, MI_WEIGHT
from lnl_core.networks.parts import LNLNetwork


def lnl(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """Fill the gradients of f, g and h as Eq. 9 says, averaged as by the authors; ``LNL.step`` gives the same ones faster."""
    f, g, h = network.extractor, network.label_head, network.bias_head
    frozen_h = deepcopy(h).requires_grad_(False)  # f shall hide the bias, and h must not learn to be unsure

    z = f(batch.images)
    label = label_loss(g(z), batch.labels)  # L_c: f and g descend it
    mi = negative_conditional_entropy(frozen_h(z))  # L_MI: f descends it
    bias = bias_loss(h(reverse_gradient(z, config.adv_weight)), batch.bias, "sum")  # L_B: h descends, f ascends mu times it

    (label + config.mi_weight * mi + bias).backward()
    return {"label": label.detach(), "mi": mi.detach(), "bias": bias.detach()}


LNL = Game("lnl", MI_WEIGHT, ADV_WEIGHT)
"""f descends L_c + lambda L_MI and ascends mu L_B, g descends L_c, h descends L_B (Eq. 9)."""
LNL_ADV = Game("lnl_adv", MI_WEIGHT)
"""The same without gradient reversal, the paper's "Ours-adv"."""

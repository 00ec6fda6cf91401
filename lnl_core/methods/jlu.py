"""The two steps of joint learning and unlearning, which alternate in :mod:`lnl_core.training.unlearning`."""

import torch

from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch
from lnl_core.losses import (
    bias_loss,
    confusion_loss,
    log_probabilities,
)
from lnl_core.methods._steps import Losses, _label, _where
from lnl_core.networks.parts import LNLNetwork


def jlu_watch(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """JLU's secondary task: h descends L_B on features that its gradient does not reach; f and g stay."""
    with torch.no_grad():
        features = network.extractor(batch.images)
    log_q = log_probabilities(network.bias_head(features))
    bias = bias_loss(log_q, batch.bias, config.bias_reduction, normalized=True)
    bias.backward()
    return {"bias": bias.detach(), "confusion": confusion_loss(log_q.detach(), _where(batch.bias, config), normalized=True)}


def jlu_unlearn(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """JLU's primary task: f descends L_c + alpha L_conf and g descends L_c; h stays. L_B is reported and moves nobody."""
    features = network.extractor(batch.images)
    label = _label(network.label_head(features), batch.labels, batch.log_prior)
    log_q = log_probabilities(network.bias_head(features))
    confused = confusion_loss(log_q, _where(batch.bias, config), normalized=True)
    others = [*network.extractor.parameters(), *network.label_head.parameters()]
    (label + config.confusion_weight * confused).backward(inputs=others)
    bias = bias_loss(log_q.detach(), batch.bias, config.bias_reduction, normalized=True)
    return {"label": label.detach(), "confusion": confused.detach(), "bias": bias}

"""The step of the min-max game, fast: one pass through f, and one through h on detached features, for every term of a game."""

import torch
from torch import Tensor

from lnl_core.config import RunConfig
from lnl_core.datasets.container import IGNORE, Batch
from lnl_core.losses import (
    balanced_label_loss,
    bias_loss,
    confusion_loss,
    label_loss,
    log_probabilities,
    negative_conditional_entropy,
)
from lnl_core.methods.base import Losses, value_of
from lnl_core.methods.hyperparameters import BIAS_REDUCTION, MI_PLACES, MI_REDUCTION
from lnl_core.networks.parts import LNLNetwork


def places(bias: Tensor, config: RunConfig) -> Tensor | None:
    """The places that entropy and confusion average over, as ``mi_places`` says; ``None`` for all."""
    return bias != IGNORE if value_of(config, MI_PLACES) == "labelled" else None


def entropy_term(bias_logits: Tensor, bias: Tensor, config: RunConfig, normalized: bool = False) -> Tensor:
    """The negative conditional entropy of h, over the places and channels as the configuration joins them."""
    value = negative_conditional_entropy(bias_logits, places(bias, config), normalized=normalized)
    return value * bias_logits.shape[2] if value_of(config, MI_REDUCTION) == "sum" and bias_logits.ndim > 2 else value


def label_term(logits: Tensor, labels: Tensor, log_prior: Tensor | None) -> Tensor:
    """The label loss, balanced where the batch knows a prior."""
    return label_loss(logits, labels) if log_prior is None else balanced_label_loss(logits, labels, log_prior)


def adversarial_step(
    network: LNLNetwork, batch: Batch, config: RunConfig, *, mi: float = 0.0, confusion: float = 0.0, reversal: float = 0.0
) -> Losses:
    """One pass through f and one through h, cut at the features so that each loss reaches only whom it should.

    f descends ``mi`` times the entropy, ``confusion`` times the confusion loss, and ascends ``reversal`` times L_B; g descends
    L_c and h descends L_B. For lnl the same gradients, written as Eq. 9 reads, are :func:`lnl_core.methods.lnl.lnl`, and for all
    :func:`lnl_core.methods.two_passes.two_pass_gradients`; tests hold them together.
    """
    features = network.extractor(batch.images)
    label = label_term(network.label_head(features), batch.labels, batch.log_prior)

    detached_features = features.detach().requires_grad_()  # no gradient of h passes by itself
    logits, levels = network.read_bias(detached_features, batch)
    log_q = log_probabilities(logits)
    bias = bias_loss(log_q, levels, value_of(config, BIAS_REDUCTION), normalized=True)
    losses = {"label": label.detach(), "bias": bias.detach()}

    for_f: list[Tensor] = []  # what f shall descend, read at the features
    if mi:
        entropy = entropy_term(log_q, levels, config, True)
        for_f.append(mi * entropy)
        losses["mi"] = entropy.detach()
    if confusion:
        confused = confusion_loss(log_q, places(levels, config), normalized=True)
        for_f.append(confusion * confused)
        losses["confusion"] = confused.detach()
    if reversal:
        for_f.append(-reversal * bias)  # f ascends
    if for_f:
        (feature_gradient,) = torch.autograd.grad(torch.stack(for_f).sum(), detached_features, retain_graph=True)  # h stays
        torch.autograd.backward([label, features], [None, feature_gradient])
    else:
        label.backward()
    (network.adversaries * bias).backward(inputs=list(network.bias_head.parameters()))  # each head descends its own
    return losses


def warmup_step(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """The warm start: f and g descend L_c, h descends L_B on features that its gradient does not reach."""
    return adversarial_step(network, batch, config)

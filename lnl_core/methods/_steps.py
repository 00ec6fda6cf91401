"""What the steps of the methods share: one pass with a seam at the features, and the two passes that it is tested against."""

from collections.abc import Callable

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
    reverse_gradient,
)
from lnl_core.networks.parts import LNLNetwork

Losses = dict[str, Tensor]
Step = Callable[[LNLNetwork, Batch, RunConfig], Losses]


def watch(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """The warm start: f and g descend L_c, h descends L_B on features that its gradient does not reach."""
    return _play(network, batch, config)


def _where(bias: Tensor, config: RunConfig) -> Tensor | None:
    return bias != IGNORE if config.mi_places == "labelled" else None


def _mi(bias_logits: Tensor, bias: Tensor, config: RunConfig, normalized: bool = False) -> Tensor:
    value = negative_conditional_entropy(bias_logits, _where(bias, config), normalized=normalized)
    return value * bias_logits.shape[2] if config.mi_reduction == "sum" and bias_logits.ndim > 2 else value


def _label(logits: Tensor, labels: Tensor, log_prior: Tensor | None) -> Tensor:
    return label_loss(logits, labels) if log_prior is None else balanced_label_loss(logits, labels, log_prior)


def _play(
    network: LNLNetwork, batch: Batch, config: RunConfig, *, mi: float = 0.0, confusion: float = 0.0, reversal: float = 0.0
) -> Losses:
    """One pass through f and one through h, cut at the features so that each loss reaches only whom it should.

    The same gradients, written with a reversal layer and a frozen copy of h as the equations read, are
    :func:`two_pass_gradients`; a test holds them together.
    """
    features = network.extractor(batch.images)
    label = _label(network.label_head(features), batch.labels, batch.log_prior)

    seam = features.detach().requires_grad_()  # f ends here, h begins
    logits, levels = network.read_bias(seam, batch)
    log_q = log_probabilities(logits)
    bias = bias_loss(log_q, levels, config.bias_reduction, normalized=True)
    losses = {"label": label.detach(), "bias": bias.detach()}

    for_f: list[Tensor] = []  # what f shall descend at the seam
    if mi:
        entropy = _mi(log_q, levels, config, True)
        for_f.append(mi * entropy)
        losses["mi"] = entropy.detach()
    if confusion:
        confused = confusion_loss(log_q, _where(levels, config), normalized=True)
        for_f.append(confusion * confused)
        losses["confusion"] = confused.detach()
    if reversal:
        for_f.append(-reversal * bias)  # f ascends
    if for_f:
        (at_seam,) = torch.autograd.grad(torch.stack(for_f).sum(), seam, retain_graph=True)  # h stays
        torch.autograd.backward([label, features], [None, at_seam])
    else:
        label.backward()
    (network.adversaries * bias).backward(inputs=list(network.bias_head.parameters()))  # each head descends its own
    return losses


def _unlearning_weights(config: RunConfig) -> tuple[float, float, float]:
    """(lambda, alpha, mu) of a method; 0 where it has no such term."""
    return (
        config.mi_weight if config.method in ("lnl", "lnl_adv", "bias_balanced") else 0.0,
        config.confusion_weight if config.method in ("blind_eye", "blind_eye_grl") else 0.0,
        config.adv_weight if config.method in ("lnl", "grl", "blind_eye_grl", "bias_balanced") else 0.0,
    )


def first_pass(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """The authors' first pass: f and g descend L_c plus the entropy or confusion term of h; h gets a gradient, but no update."""
    mi, confusion, _ = _unlearning_weights(config)
    features = network.extractor(batch.images)
    label = _label(network.label_head(features), batch.labels, batch.log_prior)
    losses, total = {"label": label.detach()}, label
    bias_logits, levels = network.read_bias(features, batch)
    if mi:
        entropy = _mi(bias_logits, levels, config)
        losses["mi"], total = entropy.detach(), total + mi * entropy
    if confusion:
        confused = confusion_loss(bias_logits, _where(levels, config))
        losses["confusion"], total = confused.detach(), total + confusion * confused
    total.backward()
    return losses


def second_pass(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """The authors' second pass: h descends L_B and, through the reversal layer, f ascends mu L_B."""
    *_, reversal = _unlearning_weights(config)
    features = network.extractor(batch.images)
    heads = network.adversaries  # each descends its own loss; f feels their mean
    bias_logits, levels = network.read_bias(reverse_gradient(features, reversal / heads), batch)
    bias = bias_loss(bias_logits, levels, config.bias_reduction)
    (heads * bias).backward()
    return {"bias": bias.detach()}


def two_pass_gradients(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """The gradients of one joint step, from two passes written as the equations read: the slow reference of the one-pass step."""
    losses = first_pass(network, batch, config)
    for parameter in network.bias_head.parameters():
        parameter.grad = None
    return losses | second_pass(network, batch, config)

"""The authors' two passes, as the equations read: the updates "alternating", and the slow reference of the one-pass step."""

from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch
from lnl_core.losses import bias_loss, confusion_loss, reverse_gradient
from lnl_core.methods.adversarial_step import entropy_term, label_term, places
from lnl_core.methods.base import Losses, value_of
from lnl_core.methods.hyperparameters import ADV_WEIGHT, BIAS_REDUCTION, CONFUSION_WEIGHT, MI_WEIGHT
from lnl_core.methods.registry import find
from lnl_core.networks.parts import LNLNetwork


def weights_of(config: RunConfig) -> tuple[float, float, float]:
    """(lambda, alpha, mu) of a run; 0 where its method has no such term."""
    declared = find(config.method).hyperparameters
    mi, confusion, reversal = (
        value_of(config, weight) if weight in declared else 0.0 for weight in (MI_WEIGHT, CONFUSION_WEIGHT, ADV_WEIGHT)
    )
    return mi, confusion, reversal


def first_pass(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """The authors' first pass: f and g descend L_c plus the entropy or confusion term of h.

    Theirs computes a gradient for h as well and drops it; here h gets none, which saves its time.
    """
    mi, confusion, _ = weights_of(config)
    features = network.extractor(batch.images)
    label = label_term(network.label_head(features), batch.labels, batch.log_prior)
    losses, total = {"label": label.detach()}, label
    bias_logits, levels = network.read_bias(features, batch)
    if mi:
        entropy = entropy_term(bias_logits, levels, config)
        losses["mi"], total = entropy.detach(), total + mi * entropy
    if confusion:
        confused = confusion_loss(bias_logits, places(levels, config))
        losses["confusion"], total = confused.detach(), total + confusion * confused
    moved = (*network.extractor.parameters(), *network.label_head.parameters())
    total.backward(inputs=[parameter for parameter in moved if parameter.requires_grad])
    return losses


def second_pass(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """The authors' second pass: h descends L_B and, through the reversal layer, f ascends mu L_B."""
    *_, reversal = weights_of(config)
    features = network.extractor(batch.images)
    heads = network.adversaries  # each descends its own loss; f feels their mean
    bias_logits, levels = network.read_bias(reverse_gradient(features, reversal / heads), batch)
    bias = bias_loss(bias_logits, levels, value_of(config, BIAS_REDUCTION))
    (heads * bias).backward()
    return {"bias": bias.detach()}


def two_pass_gradients(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """The gradients of one joint step, from two passes written as the equations read: the slow reference of the one-pass step."""
    return first_pass(network, batch, config) | second_pass(network, batch, config)

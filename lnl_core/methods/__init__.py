r"""One small step per method: which loss moves f, g and h.

Every method minimises the label loss L_c with f and g. They differ in what else reaches f. "descends" means towards smaller
values of the loss, "ascends" towards larger ones; weights are in brackets.

================  ===========================================  ==========  ==============
method            f                                            g           h
================  ===========================================  ==========  ==============
baseline          descends L_c                                 L_c         stays
gray              descends L_c, on grey images                 L_c         stays
blind_eye         descends L_c + [alpha] L_conf                L_c         descends L_B
grl               descends L_c, ascends [mu] L_B               L_c         descends L_B
blind_eye_grl     descends L_c + [alpha] L_conf,               L_c         descends L_B
                  ascends [mu] L_B
lnl_adv           descends L_c + [lambda] L_MI                 L_c         descends L_B
lnl               descends L_c + [lambda] L_MI,                L_c         descends L_B
                  ascends [mu] L_B
bias_balanced     descends L_bal + [lambda] L_MI,              L_bal       descends L_B
                  ascends [mu] L_B
jlu, unlearning   descends L_c + [alpha] L_conf                L_c         stays
jlu, watching     stays                                        stays       descends L_B
mi_backprop       descends L_c, then [lambda] I(C; Z)          L_c         descends L_B
================  ===========================================  ==========  ==============

bias_balanced is lnl with the balanced label loss L_bal: g is left what the bias does not tell of the label
(:func:`lnl_core.losses.balanced_label_loss`), and images whose bias misleads are drawn more often
(:mod:`lnl_core.methods.bias_balanced`). jlu has the losses of blind_eye and takes turns: its two steps alternate in
:mod:`lnl_core.training.unlearning`. mi_backprop descends an estimate of the information by a fourth network, in
:mod:`lnl_core.training.mi_backprop`; its h only watches.

L_B is the bias loss (Eq. 7), L_MI the negative conditional entropy of h (first term of Eq. 6), L_conf the confusion loss. Neither
L_MI nor L_conf ever moves h, which would learn to be unsure instead of f learning to forget. Where h has several heads, each
descends its own L_B, and f feels the mean of each loss over the heads.

A step fills the gradients of the network and returns the value of each loss; the optimisers are the training loop's.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lnl_core.config import OWN_LOOPS, RunConfig
from lnl_core.datasets.container import IGNORE, Batch
from lnl_core.errors import ConfigError
from lnl_core.losses import (
    balanced_label_loss,
    bias_loss,
    confusion_loss,
    label_loss,
    log_probabilities,
    negative_conditional_entropy,
    reverse_gradient,
)
from lnl_core.networks import LNLNetwork

Losses = dict[str, Tensor]
Step = Callable[[LNLNetwork, Batch, RunConfig], Losses]


def baseline(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """f and g descend L_c; h stays. Also the step of "gray", whose f begins by making the image grey."""
    label = label_loss(network(batch.images), batch.labels)
    label.backward()
    return {"label": label.detach()}


def watch(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """The warm start: f and g descend L_c, h descends L_B on features that its gradient does not reach."""
    return _play(network, batch, config)


def blind_eye(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """f descends L_c + alpha L_conf, g descends L_c, h descends L_B (Alvi et al., joint learning and unlearning)."""
    return _play(network, batch, config, confusion=config.confusion_weight)


def grl(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """f descends L_c and ascends mu L_B, g descends L_c, h descends L_B (Ganin et al., gradient reversal)."""
    return _play(network, batch, config, reversal=config.adv_weight)


def blind_eye_grl(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """f descends L_c + alpha L_conf and ascends mu L_B, g descends L_c, h descends L_B (Table 1's "BlindEye+GRL")."""
    return _play(network, batch, config, confusion=config.confusion_weight, reversal=config.adv_weight)


def lnl_adv(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """f descends L_c + lambda L_MI, g descends L_c, h descends L_B (Eq. 9 without gradient reversal, "Ours-adv")."""
    return _play(network, batch, config, mi=config.mi_weight)


def lnl(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """f descends L_c + lambda L_MI and ascends mu L_B, g descends L_c, h descends L_B (Eq. 9)."""
    return _play(network, batch, config, mi=config.mi_weight, reversal=config.adv_weight)


def bias_balanced(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """As lnl, with the balanced label loss for f and g; without a prior in the batch it is lnl."""
    return _play(network, batch, config, mi=config.mi_weight, reversal=config.adv_weight)


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


METHODS: dict[str, Step] = {
    "baseline": baseline,
    "gray": baseline,
    "blind_eye": blind_eye,
    "grl": grl,
    "blind_eye_grl": blind_eye_grl,
    "lnl_adv": lnl_adv,
    "lnl": lnl,
    "bias_balanced": bias_balanced,
}


def uses_bias(method: str) -> bool:
    """Whether a method has a bias head to train."""
    return method_step(method) is not baseline


def trains_h(method: str) -> bool:
    """Whether h is trained at all, as an opponent of f or as a witness beside it."""
    return method in OWN_LOOPS or uses_bias(method)


def method_step(name: str) -> Step:
    """The step function of a method; :class:`ConfigError` for an unknown name, or for one with a loop of its own."""
    if name == "jlu":
        raise ConfigError("jlu alternates between two steps: train it with lnl_core.training.unlearning.fit_jlu")
    if name == "mi_backprop":
        raise ConfigError("mi_backprop has a third network to train: train it with lnl_core.training.mi_backprop.fit_mi_backprop")
    try:
        return METHODS[name]
    except KeyError:
        raise ConfigError(f"unknown method {name!r}: choose one of {', '.join(METHODS)}") from None

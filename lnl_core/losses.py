r"""The losses of the game. Each takes logits and returns a scalar in nats; weights are applied in the step, not here.

Logits carry their classes in dimension 1: label logits (B, classes), bias logits (B, K) or (B, K, places...). Entropies are
computed from log-probabilities, never as the logarithm of a softmax, which is infinite once a probability underflows. The losses
of h also take its log-probabilities, marked ``normalized``, so that several losses of one step need not compute them again.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lnl_core.datasets.container import IGNORE
from lnl_core.errors import DataError


def log_probabilities(logits: Tensor) -> Tensor:
    """Log-softmax over dimension 1, in float32 at least."""
    return F.log_softmax(logits if logits.dtype == torch.float64 else logits.float(), dim=1)


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Cross-entropy of the labels, :math:`L_c = -\log g(f(x))_y`, mean over the batch. f and g descend it (Eq. 3).

    Args:
        logits: (B, classes).
        labels: (B,) int64 in 0..classes-1.
    """
    return F.nll_loss(log_probabilities(logits), labels)


def balanced_label_loss(logits: Tensor, labels: Tensor, log_prior: Tensor) -> Tensor:
    r"""Label loss of :math:`\operatorname{softmax}(g(f(x)) + \log p(y|b))`: g learns only what the bias does not tell already.

    Where image and bias are independent given the label, the minimiser is :math:`g_y = \log p(x|y)` up to a constant, as if bias
    and label had been independent (bias-balanced softmax, Hong and Yang 2021).

    Args:
        logits: (B, classes).
        labels: (B,) int64 in 0..classes-1.
        log_prior: (B, classes), log p(y|b) of each image's bias.
    """
    return label_loss(logits + log_prior, labels)


def _mean_over_places(values: Tensor, where: Tensor | None) -> Tensor:
    if where is None:
        return values.mean()
    return (values * where).sum() / where.sum().clamp(min=1)


def negative_conditional_entropy(bias_logits: Tensor, where: Tensor | None = None, *, normalized: bool = False) -> Tensor:
    r"""Negative entropy of what h predicts, :math:`E_x[\sum_b Q(b|f(x)) \log Q(b|f(x))]`, mean over batch and places.

    The first term of Eq. 6: f descends it while h is held still, which pushes h's prediction towards uniform. It lies between
    :math:`-\log K` (uniform) and 0 (one-hot). It equals :math:`-H(b|f)` only if h is the true posterior; see the theory chapter.

    Args:
        bias_logits: (B, K, ...).
        where: (B, ...) bool, the places to average over; by default all, labelled or not, as in the authors' code.
        normalized: ``bias_logits`` are :func:`log_probabilities` already.
    """
    log_q = bias_logits if normalized else log_probabilities(bias_logits)
    return _mean_over_places((log_q.exp() * log_q).sum(dim=1), where)


def bias_loss(bias_logits: Tensor, bias: Tensor, reduction: str = "mean", *, normalized: bool = False) -> Tensor:
    r"""Cross-entropy of the bias labels, :math:`L_B` (Eq. 7); places labelled 255 are left out. h descends it, f ascends it.

    Args:
        bias_logits: (B, K, ...).
        bias: (B, ...) int64 in 0..K-1 or 255.
        reduction: "mean" over all labelled places, or "sum" over the bias channels (dimension 1 of ``bias``) of each one's mean,
            as the authors' code adds its three colour losses.
        normalized: ``bias_logits`` are :func:`log_probabilities` already.

    Returns:
        A scalar; 0 (with zero gradient) where nothing is labelled.

    Raises:
        DataError: if the shapes do not fit or the reduction is unknown.
    """
    if bias_logits.shape[:1] + bias_logits.shape[2:] != bias.shape:
        raise DataError(f"bias logits of shape {tuple(bias_logits.shape)} do not fit bias labels of shape {tuple(bias.shape)}")
    if reduction not in ("mean", "sum"):
        raise DataError(f"unknown reduction {reduction!r}: choose 'mean' or 'sum'")
    log_q = bias_logits if normalized else log_probabilities(bias_logits)
    losses = F.nll_loss(log_q, bias, ignore_index=IGNORE, reduction="none")
    labelled = bias != IGNORE
    if reduction == "mean" or bias.ndim == 1:
        return losses.sum() / labelled.sum().clamp(min=1)
    others = [0, *range(2, bias.ndim)]
    return (losses.sum(dim=others) / labelled.sum(dim=others).clamp(min=1)).sum()


def confusion_loss(bias_logits: Tensor, where: Tensor | None = None, *, normalized: bool = False) -> Tensor:
    r"""Cross-entropy of h's prediction against the uniform distribution, :math:`-\frac1K\sum_b \log Q(b|f(x))`.

    Alvi et al.'s confusion loss, mean over batch and places. f descends it while h is held still. Its minimum, :math:`\log K`, is
    reached at uniform predictions; it is :math:`\log K + D_{KL}(\text{uniform} \| Q)`.

    Args:
        bias_logits: (B, K, ...).
        where: (B, ...) bool, the places to average over; by default all.
        normalized: ``bias_logits`` are :func:`log_probabilities` already.
    """
    log_q = bias_logits if normalized else log_probabilities(bias_logits)
    return _mean_over_places(-log_q.mean(dim=1), where)


class _ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0].mul(-ctx.scale), None


def reverse_gradient(x: Tensor, scale: float) -> Tensor:
    """The identity, whose gradient is multiplied by ``-scale`` on the way back (Ganin et al.).

    Put between f and h, it lets h descend a loss while f ascends ``scale`` times the same loss.
    """
    result: Tensor = _ReverseGradient.apply(x, scale)
    return result

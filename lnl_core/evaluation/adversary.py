"""What the network's own h says of the bias, and what a fresh one would: h may be fooled, and then it is no witness."""

import copy
import logging
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lnl_core._random import seeded
from lnl_core.datasets.container import IGNORE, Batch, BiasedImages
from lnl_core.errors import DataError
from lnl_core.evaluation.features import _BATCH, _device, _evaluating, feature_maps, refuse_infinite
from lnl_core.information.tables import entropy
from lnl_core.losses import bias_loss, log_probabilities
from lnl_core.networks.parts import LNLNetwork, VectorBiasHead

_log = logging.getLogger(__name__)

_SMALLEST_SCALE = 0.01  # of the largest deviation of a feature: one that hardly varies is not blown up


def say_if_untrained(network: LNLNetwork) -> None:
    """Warn that h was never trained, as that of a baseline: what it answers is its first weights' and says nothing of f."""
    if network.h_trained is False:
        _log.warning(
            "the h of this network was never trained, so what it answers says nothing about f: train one with "
            "lnl_core.evaluation.retrain_adversary, or ask a network of a method that trains h"
        )


@dataclass(frozen=True)
class AdversaryReading:
    """What a network's own h says of the bias, over all labelled places; channels of a bias count alike.

    Attributes:
        accuracy: share of labelled places whose bias level h names.
        chance: share of the most frequent level, what a constant would name.
        cross_entropy: of h, in nats a labelled place.
        entropy: of the levels, in nats: the cross-entropy of whoever knows their shares and nothing else.
        images: number of images.
    """

    accuracy: float
    chance: float
    cross_entropy: float
    entropy: float
    images: int

    @property
    def information(self) -> float:
        """Entropy minus cross-entropy in nats: negative for an h that is worse than no h, as a fooled one may be."""
        return self.entropy - self.cross_entropy

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "information": self.information}


@torch.no_grad()
def evaluate_adversary(network: LNLNetwork, data: BiasedImages) -> AdversaryReading:
    """What h says of the bias, in evaluation mode, at every place of ``data`` that has a bias label: its loss, accuracy and nats.

    On biased images h may name the bias from the label that f keeps; on unbiased ones only the bias itself helps it.

    Raises:
        DataError: if no place is labelled, or h answers with NaN or infinite values.
    """
    say_if_untrained(network)
    device = _device(network)
    sums: list[tuple[Tensor, Tensor, Tensor]] = []  # of each batch and channel: right answers, loss, and labels of each level
    with _evaluating(network):
        for start in range(0, len(data), _BATCH):
            batch = data.batch(slice(start, start + _BATCH))
            batch.images, batch.labels, batch.bias = (part.to(device) for part in (batch.images, batch.labels, batch.bias))
            logits, bias = network.read_bias(network.extractor(batch.images), batch)
            log_q, labels = log_probabilities(logits).cpu(), _by_channel(bias.cpu())
            said = log_q.reshape(*log_q.shape[:2], *labels.shape[1:])
            labelled = labels != IGNORE
            right = ((said.argmax(1) == labels) & labelled).sum((0, 2))
            loss = F.nll_loss(said.double(), labels, ignore_index=IGNORE, reduction="none").sum((0, 2))
            levels = F.one_hot(labels.where(labelled, said.shape[1]), said.shape[1] + 1)[..., :-1].sum((0, 2))
            sums.append((right, loss, levels))
    right, loss, levels = (torch.stack(parts).sum(0).double() for parts in zip(*sums, strict=True))
    refuse_infinite(loss, "h answers with")
    places = levels.sum(1)
    _refuse_silent(places)
    shares = levels / places[:, None]
    return AdversaryReading(
        accuracy=float((right / places).mean()),
        chance=float(shares.amax(1).mean()),
        cross_entropy=float((loss / places).mean()),
        entropy=float(np.mean([entropy(row) for row in shares.numpy()])),
        images=len(data),
    )


def _by_channel(bias: Tensor) -> Tensor:
    """Bias labels (B, channels, places) of (B,), (B, channels) or (B, channels, H, W)."""
    return bias.reshape(len(bias), bias.shape[1] if bias.ndim > 1 else 1, -1)


def _refuse_silent(places: Tensor) -> None:
    """Refuse a bias of which some channel, of (channels,) counts, has no labelled place."""
    if not bool((places > 0).all()):
        raise DataError("no place of these images has a bias label: there is nothing to ask h")


def retrain_adversary(
    network: LNLNetwork, data: BiasedImages, *, epochs: int = 15, lr: float = 0.02, batch_size: int = 64, seed: int = 0
) -> LNLNetwork:
    """The same network with another h: the same layers with fresh weights, trained by SGD on frozen features of ``data``.

    Where the fresh one reads what the old one does not, the old one was fooled. Where it reads nothing, ask first whether it had
    enough images and steps: on features whose h does read something, a fresh one has to read as much. Only then does it say that
    readers of its kind are too weak.

    Args:
        network: f is shared with the result and stays as it is.
        data: unbiased images with the bias labels that h is trained on; ask it about others, with :func:`evaluate_adversary`.
        lr: rate of SGD. Where the last epoch's loss is more than twice that of a constant, the training has diverged and begins
            again with a tenth of the rate, at most twice. A linear h on a vector is trained on features scaled to mean 0 and
            deviation 1, which its weights then undo: their scale is f's choice, and SGD on them as they are gets nowhere.
        seed: seeds weights and order; the random state of the caller is left alone.

    Raises:
        DataError: features that are not finite, or no place is labelled.
    """
    _refuse_silent(_by_channel(data.bias.cpu()).ne(IGNORE).sum((0, 2)))
    features = feature_maps(network, data)
    refuse_infinite(features)
    mean, scale = torch.zeros(()), torch.ones(())
    if isinstance(network.bias_head, VectorBiasHead):
        mean, deviation = features.mean(0), features.std(0)
        scale = deviation.clamp(min=float(deviation.max()) * _SMALLEST_SCALE or 1.0)
    everything = Batch((features - mean) / scale, data.labels.cpu(), data.bias.cpu())
    for rate in (lr, lr / 10, lr / 100):
        head, loss, constant = _fresh_head(network, everything, epochs, rate, batch_size, seed)
        if loss <= 2 * constant:  # and not for NaN
            break
    if isinstance(head, VectorBiasHead):
        with torch.no_grad():
            head.layer.weight.div_(scale)
            head.layer.bias.sub_(head.layer.weight @ mean)
    head.to(_device(network)).eval()  # and not the whole: f and g are the caller's
    fresh = LNLNetwork(network.extractor, network.label_head, head)
    fresh.training = network.training
    return fresh


@torch.enable_grad()  # the caller may be measuring without gradients
def _fresh_head(
    network: LNLNetwork, data: Batch, epochs: int, lr: float, batch_size: int, seed: int
) -> tuple[torch.nn.Module, float, float]:
    """A trained h, the mean loss of its last epoch, and the loss of who knows the shares of the levels and nothing else."""
    with seeded(seed):
        head = copy.deepcopy(network.bias_head).cpu().train()
        for module in head.modules():
            reset: Any = getattr(module, "reset_parameters", lambda: None)
            reset()
        other = LNLNetwork(network.extractor, network.label_head, head)
        optimizer = torch.optim.SGD(head.parameters(), lr=lr, momentum=0.9)
        losses: list[float] = []
        for _ in range(epochs):
            losses = []
            for index in torch.randperm(len(data.images)).split(batch_size):
                optimizer.zero_grad()
                some = Batch(data.images[index], data.labels[index], data.bias[index])
                loss = bias_loss(*other.read_bias(some.images, some), "sum")
                loss.backward()
                optimizer.step()
                losses.append(float(loss.detach()))
    shares = [np.bincount(channel[channel != IGNORE].numpy()) for channel in _by_channel(data.bias).unbind(1)]
    return head, float(np.mean(losses)), sum(entropy(counts / max(1, counts.sum())) for counts in shares)

r"""How strongly the bias alone tells the label, :math:`p(y|b)`, and what to do about it: the two halves of ``bias_balanced``.

Drawing images with probability proportional to :math:`p(y|b)^{-\tau}` turns :math:`p(y|b)` into
:math:`p_\tau(y|b) \propto p(y|b)^{1-\tau}`, and adding :math:`\log p_\tau(y|b)` to the label logits while training leaves to g what
the bias does not tell. The page "Bias-balanced learning" derives both. Of a table of features :math:`p(y|b)` is counted, and
:math:`p(y|b)/p(y)` takes its place, so that g keeps how frequent the labels are; with :math:`\tau=1` the draws are then the
reweighing of Kamiran and Calders (2012).
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lnl_core._random import seeded
from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch, BiasedImages, Features, refuse_unlabelled
from lnl_core.methods.base import BIAS_LABELS, GROUP_LABELS, Losses
from lnl_core.methods.game import Game, GameCourse
from lnl_core.methods.hyperparameters import ADV_WEIGHT, BALANCE_POWER, BALANCE_WEAN, MI_WEIGHT

if TYPE_CHECKING:
    from lnl_core.training.loop import Training

_EPOCHS, _BATCH, _RATE = 12, 512, 3e-3


def _bias_features(data: BiasedImages) -> Tensor:
    """What p(y|b) is computed from: the colour of each image in [-1, 1], or its group as a one-hot vector. (N, D) on the CPU."""
    if data.color is not None:
        return data.color.cpu().float() * 2 - 1
    return F.one_hot(data.group.cpu()).float()


@torch.enable_grad()  # the caller may be measuring without gradients
def label_given_bias(data: BiasedImages, seed: int = 0) -> Tensor:
    r"""Estimate :math:`\log p(y|b)` with a small network on the bias alone (the image's colour), for every image.

    Two hidden layers of 128, Adam, a few passes: the colour has three numbers, so there are far more images than the network could
    learn by heart.

    Args:
        data: biased training data.
        seed: seeds weights and batches; the random state of the caller is left alone.

    Returns:
        (N, classes) float32 log-probabilities on the CPU.
    """
    x, y = _bias_features(data), data.labels.cpu()
    with seeded(seed):
        network = nn.Sequential(nn.Linear(x.shape[1], 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, data.classes))
        optimizer = torch.optim.Adam(network.parameters(), lr=_RATE)
        for epoch in range(_EPOCHS):
            optimizer.param_groups[0]["lr"] = _RATE * (1 - epoch / _EPOCHS)
            for index in torch.randperm(len(x)).split(_BATCH):
                optimizer.zero_grad()
                F.cross_entropy(network(x[index]), y[index]).backward()
                optimizer.step()
    with torch.no_grad():
        return F.log_softmax(network(x), dim=1)


def counted_excess(data: BiasedImages) -> Tensor:
    r"""How much more of each label a bias class holds than everybody does, :math:`\log p(y|b) - \log p(y)`, from counts.

    One example is added to each pair of label and bias class, so that none is empty.

    Args:
        data: (N,) labels and (N,) bias.

    Returns:
        (N, classes) float32 on the CPU.

    Raises:
        DataError: an example without a bias label.
    """
    refuse_unlabelled(data)
    labels, bias = data.labels.cpu(), data.bias.cpu()
    counts = torch.bincount(bias * data.classes + labels, minlength=data.bias_classes * data.classes).float() + 1
    counts = counts.view(data.bias_classes, data.classes)
    excess = (counts / counts.sum(1, keepdim=True)).log() - (counts.sum(0) / counts.sum()).log()
    return excess[bias]


@dataclass
class Balance:
    """What the training loop of ``bias_balanced`` needs to know of a data set.

    Attributes:
        log_prior: (N, classes) log p_tau(y|b) under the sampling below, on the data's device.
        weights: (N,) float64 chance of each image to be drawn, not normalised, on the CPU.
    """

    log_prior: Tensor
    weights: Tensor

    @classmethod
    def of(cls, data: BiasedImages, config: RunConfig) -> "Balance":
        """Fit p(y|b) on ``data``, or count it, and balance it by ``config.balance_power``."""
        table = data.images.ndim == 2 and not isinstance(data, Features)
        log_p = counted_excess(data) if table else label_given_bias(data, config.seed)
        own = log_p.gather(1, data.labels.cpu()[:, None])[:, 0]
        weights = (-config.balance_power * own).double().exp()
        return cls(F.log_softmax((1 - config.balance_power) * log_p, dim=1).to(data.device), weights)

    def batches(self, size: int, generator: torch.Generator) -> list[Tensor]:
        """As many draws with replacement as there are images, in batches of ``size``; indices on the data's device."""
        order = torch.multinomial(self.weights, len(self.weights), replacement=True, generator=generator)
        return list(order.to(self.log_prior.device).split(size))

    def prior(self, index: Tensor, config: RunConfig, progress: float) -> Tensor:
        r"""(B, classes): :math:`\log((1-\varepsilon)\,p_\tau(y|b) + \varepsilon/C)` at ``progress`` epochs."""
        return towards_uniform(self.log_prior[index], uniform_share(config, progress))


def uniform_share(config: RunConfig, progress: float) -> float:
    r"""The share :math:`\varepsilon`: it grows with the square of the progress to ``balance_wean`` at four fifths of the run."""
    return float(config.balance_wean) * min(1.0, progress / (0.8 * config.epochs)) ** 2


def towards_uniform(log_p: Tensor, share: float | Tensor) -> Tensor:
    """Log-probabilities (..., classes) mixed with a ``share`` of the uniform distribution."""
    share = torch.as_tensor(share, dtype=log_p.dtype, device=log_p.device)
    return torch.logaddexp(log_p + torch.log1p(-share), share.log() - math.log(log_p.shape[-1]))



class BalancedGame(Game):
    """lnl with the balanced label loss, on images that are drawn the more often the more their bias misleads."""

    must_know = (BIAS_LABELS, GROUP_LABELS)

    def course(self, training: "Training") -> "BalancedCourse":
        return BalancedCourse(self, training)


class BalancedCourse(GameCourse):
    """One training by "bias_balanced": batches are drawn with replacement, and know the prior of their labels."""

    def __init__(self, method: BalancedGame, training: "Training") -> None:
        super().__init__(method, training)
        self.balance = Balance.of(training.data, training.config)

    def draw(self, generator: torch.Generator) -> list[Tensor]:
        return self.balance.batches(self.training.config.batch_size, generator)

    def update(self, batch: Batch, index: Tensor, number: int) -> Losses:
        batch.log_prior = self.balance.prior(index, self.training.config, self.training.progress)
        return super().update(batch, index, number)


BIAS_BALANCED = BalancedGame("bias_balanced", MI_WEIGHT, ADV_WEIGHT, more=(BALANCE_POWER, BALANCE_WEAN), label="L_bal")

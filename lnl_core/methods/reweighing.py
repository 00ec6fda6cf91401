r"""Reweighing and subsampling: label and bias made independent in the training data, by weights or by leaving images out.

reweighing draws an image of group :math:`(y,b)` with the weight :math:`1/p(y,b)`, with replacement (Kamiran and Calders 2012, with
every group made as frequent as any other; RWG of Idrissi et al. 2022, whose code draws so, too). Weights of the losses would have
the same gradient in the mean; but the largest is here some thousand times the smallest, and a single image would make a step that
ends all learning. subsampling keeps as many images of every group as the smallest has, drawn once by the seed (SUBG, ibid.), and
passes over them until it has made as many updates as the baseline. Both are told the bias of every training image, see
:mod:`lnl_core.methods.groups`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch
from lnl_core.hyperparameters import HyperParameter
from lnl_core.losses import log_probabilities
from lnl_core.methods.base import GROUP_LABELS, Course, Losses, Method, Moves
from lnl_core.methods.baseline import baseline
from lnl_core.methods.groups import Groups
from lnl_core.methods.hyperparameters import OF_IMAGES
from lnl_core.networks.parts import LNLNetwork

if TYPE_CHECKING:
    from lnl_core.training.loop import Training


def label_losses(network: LNLNetwork, batch: Batch) -> Tensor:
    """(B,) label loss of each image in nats."""
    return F.nll_loss(log_probabilities(network(batch.images)), batch.labels, reduction="none")


def weighted_step(network: LNLNetwork, batch: Batch, weigh: Callable[[Tensor], Tensor]) -> Losses:
    """f and g descend the sum of the label losses times their weights; h stays.

    Args:
        weigh: from the losses (B,), without gradient, to the weights (B,).

    Returns:
        "label", the plain mean, and "weighted", what was descended.
    """
    each = label_losses(network, batch)
    weighted = (weigh(each.detach()) * each).sum()
    weighted.backward()
    return {"label": each.detach().mean(), "weighted": weighted.detach()}


class WeightedCourse(Course, ABC):
    """One training in which images count differently; :meth:`weigh` says how much."""

    def update(self, batch: Batch, index: Tensor, number: int) -> Losses:
        self.training.optimizers.zero_grad()
        with self.training.autocast():
            losses = weighted_step(self.training.network, batch, lambda each: self.weigh(each, batch, index))
        self.move()
        return losses

    @abstractmethod
    def weigh(self, losses: Tensor, batch: Batch, index: Tensor) -> Tensor:
        """(B,) weights of a batch, from its losses (B,) without gradient; equal ones are 1/B each."""


class Weighted(Method):
    """What the methods share that change only how much an image counts. Of one batch alone the step is the baseline's."""

    hyperparameters: tuple[HyperParameter, ...] = OF_IMAGES

    def step(self, network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
        return baseline(network, batch, config)


class Reweighing(Weighted):
    """f and g descend L_c on images drawn with weights 1/p(label, bias)."""

    name = "reweighing"
    needs = frozenset({"image_bias"})
    must_know = (GROUP_LABELS,)
    moves = (Moves("descends L_c, groups drawn equally", "descends L_c, groups drawn equally", "stays"),)

    def course(self, training: "Training") -> "ReweighingCourse":
        return ReweighingCourse(self, training)


class ReweighingCourse(Course):
    def __init__(self, method: Method, training: "Training") -> None:
        super().__init__(method, training)
        self.groups = Groups.of(training.data)

    def draw(self, generator: torch.Generator) -> list[Tensor]:
        return list(self.groups.drawn_equally(generator).split(self.training.config.batch_size))


class Subsampling(Weighted):
    """f and g descend L_c on equally many images of every group."""

    name = "subsampling"
    needs = frozenset({"image_bias"})
    must_know = (GROUP_LABELS,)
    moves = (Moves("descends L_c, on equal groups", "descends L_c, on equal groups", "stays"),)

    def course(self, training: "Training") -> "SubsamplingCourse":
        return SubsamplingCourse(self, training)


class SubsamplingCourse(Course):
    """``kept`` are the indices of the images that are trained on."""

    def __init__(self, method: Method, training: "Training") -> None:
        super().__init__(method, training)
        self.kept = equal_counts(Groups.of(training.data), training.generator(800_000))

    def draw(self, generator: torch.Generator) -> list[Tensor]:
        images = len(self.training.data)
        passes = [torch.randperm(len(self.kept), generator=generator) for _ in range(-(-images // len(self.kept)))]
        return list(self.kept[torch.cat(passes)[:images].to(self.kept.device)].split(self.training.config.batch_size))


def equal_counts(groups: Groups, generator: torch.Generator) -> Tensor:
    """Indices of as many images of every group that has images as the smallest of these has, on the groups' device."""
    of_image, counts = groups.of_image.cpu(), groups.counts.cpu()
    order = torch.randperm(len(of_image), generator=generator)
    least = int(counts[counts > 0].min())
    kept = [order[of_image[order] == group][:least] for group in counts.nonzero()[:, 0]]
    return torch.cat(kept).to(groups.of_image.device)


REWEIGHING, SUBSAMPLING = Reweighing(), Subsampling()

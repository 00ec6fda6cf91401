r"""Group distributionally robust optimisation (Sagawa et al. 2020, Algorithm 1): f and g descend the loss of the worst groups.

Groups are drawn equally often. In every step the weights :math:`q` of the groups ascend their losses,
:math:`q_g \leftarrow q_g e^{\eta L_g}`, normalised, and f and g descend :math:`\sum_g q_g L_g`, where :math:`L_g` is the mean label
loss of the group in the batch; a group that is not in the batch has loss 0, as in the authors' code. Groups are label times bias,
of digits label times nearest mean colour, so the bias of every training image must be told (:mod:`lnl_core.methods.groups`).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lnl_core._arrays import exact
from lnl_core.datasets.container import Batch
from lnl_core.methods.base import GROUP_LABELS, Method, Moves
from lnl_core.methods.groups import Groups
from lnl_core.methods.hyperparameters import GROUP_STEP, OF_IMAGES
from lnl_core.methods.reweighing import Weighted, WeightedCourse

if TYPE_CHECKING:
    from lnl_core.training.loop import Training


def ascend(weights: Tensor, losses: Tensor, step: float) -> Tensor:
    r"""Exponentiated gradient: :math:`q_g e^{\eta L_g}`, normalised; all are (groups,) float64."""
    return (weights.log() + step * losses).softmax(0)


class GroupDro(Weighted):
    """f and g descend the label losses of the groups, weighted by q, which ascends them."""

    name = "group_dro"
    hyperparameters = (GROUP_STEP, *OF_IMAGES)
    needs = frozenset({"image_bias"})
    must_know = (GROUP_LABELS,)
    moves = (Moves("descends L_c of groups, times q", "descends L_c of groups, times q", "stays"),)

    def course(self, training: "Training") -> "GroupDroCourse":
        return GroupDroCourse(self, training)


class GroupDroCourse(WeightedCourse):
    """``q`` (groups,) float64 is 0 for groups without images."""

    def __init__(self, method: Method, training: "Training") -> None:
        super().__init__(method, training)
        self.groups = Groups.of(training.data)
        self.q = exact(self.groups.counts > 0) / self.groups.present

    def draw(self, generator: torch.Generator) -> list[Tensor]:
        return list(self.groups.drawn_equally(generator).split(self.training.config.batch_size))

    def weigh(self, losses: Tensor, batch: Batch, index: Tensor) -> Tensor:
        group, size = self.groups.of_image[index], len(self.q)
        group = group.to(self.q.device)
        counts = torch.bincount(group, minlength=size).clamp(min=1)
        means = torch.zeros_like(self.q).index_add(0, group, exact(losses)) / counts
        self.q = ascend(self.q, means, self.training.config.group_step)
        return (self.q / counts)[group].to(losses.dtype).to(losses.device)

    def tensors(self) -> dict[str, Tensor]:
        return {"group_weights": self.q}

    def resume(self, tensors: dict[str, Tensor], notes: dict[str, str], folder: Path) -> None:
        self.q = tensors["group_weights"].to(self.q.device)


GROUP_DRO = GroupDro()

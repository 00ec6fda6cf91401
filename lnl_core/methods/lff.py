r"""Learning from failure (Nam et al. 2020): what a second, prejudiced network finds hard counts more. No bias label is read.

The prejudiced network descends the generalised cross-entropy :math:`(1-p_y^q)/q`, which heeds images that it is sure
of already; f and g descend :math:`W L_c` with the relative difficulty :math:`W = L_p / (L_p + L_c)`, where
:math:`L_p` is the label loss of the prejudiced network on the image. The authors' code further smooths both losses over epochs and
scales them by class; that is left out here.
"""

from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lnl_core._random import seeded
from lnl_core.datasets.container import Batch
from lnl_core.methods.base import Losses, Method, Moves
from lnl_core.methods.hyperparameters import GCE_POWER, OF_IMAGES
from lnl_core.methods.reweighing import Weighted, WeightedCourse, label_losses
from lnl_core.networks.frozen import Frozen

if TYPE_CHECKING:
    from lnl_core.training.loop import Training


def generalised_cross_entropy(losses: Tensor, power: float) -> Tensor:
    r""":math:`(1-p^q)/q` from the cross-entropies :math:`-\log p`, each (B,); at q = 0 the cross-entropy itself."""
    return -torch.expm1(-power * losses) / power if power else losses


def relative_difficulty(prejudiced: Tensor, losses: Tensor) -> Tensor:
    """(B,) W in [0, 1] from two cross-entropies (B,); one half where both are 0."""
    tiny = torch.finfo(losses.dtype).tiny
    return (prejudiced + tiny) / (prejudiced + losses + 2 * tiny)


class Lff(Weighted):
    """f and g descend L_c, an image counting by its relative difficulty; a copy of f and g is prejudiced on purpose."""

    name = "lff"
    hyperparameters = (GCE_POWER, *OF_IMAGES)
    moves = (Moves("descends W L_c", "descends W L_c", "stays"),)

    def course(self, training: "Training") -> "LffCourse":
        return LffCourse(self, training)


class LffCourse(WeightedCourse):
    """``prejudiced`` is the second network, with weights of its own; its rate follows the schedule of the first.

    Layers that are :class:`~lnl_core.networks.frozen.Frozen` are those of the first. ``clip_norm`` does not hold for its steps.
    """

    def __init__(self, method: Method, training: "Training") -> None:
        super().__init__(method, training)
        self.prejudiced = deepcopy(training.network).cpu()  # its weights are drawn there, so that a seed is one on every device
        frozen = {part for one in self.prejudiced.modules() if isinstance(one, Frozen) for part in one.modules()}
        with seeded(training.seed(830_000)):
            for module in self.prejudiced.modules():
                if module not in frozen:
                    getattr(module, "reset_parameters", lambda: None)()
        self.prejudiced.to(training.data.device)
        moving = nn.ModuleList([self.prejudiced.extractor, self.prejudiced.label_head])
        self.optimizer = training.make_optimizer(moving.parameters(), weight_decay=training.config.weight_decay)
        self.modules["prejudiced"] = self.prejudiced
        self.optimizers["of_prejudiced"] = self.optimizer, self.prejudiced

    def weigh(self, losses: Tensor, batch: Batch, index: Tensor) -> Tensor:
        return relative_difficulty(self.hard, losses) / len(index)

    def update(self, batch: Batch, index: Tensor, number: int) -> Losses:
        """The prejudiced network moves first; its losses from before the move weigh those of f and g."""
        training = self.training
        for group in self.optimizer.param_groups:
            group["lr"] = training.learning_rate(training.config.lr)
        self.optimizer.zero_grad()
        self.prejudiced.train()
        with training.autocast():
            each = label_losses(self.prejudiced, batch)
            prejudice = generalised_cross_entropy(each, training.config.gce_power).mean()
            prejudice.backward()
        self.optimizer.step()
        self.hard = each.detach()
        return {**super().update(batch, index, number), "prejudice": prejudice.detach()}


LFF = Lff()

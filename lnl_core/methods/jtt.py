"""Just train twice (Liu et al. 2021, Algorithm 1): images that a first network gets wrong are repeated for the second.

The first network is trained as the baseline for a few epochs, along the schedule of its own, and thrown away; no bias label is
read. It has the weights that the second one begins with. The authors choose both hyper-parameters on images whose groups are known.
"""

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lnl_core.methods.base import UNBIASED_VALIDATION, Course, Method, Moves
from lnl_core.methods.baseline import baseline
from lnl_core.methods.hyperparameters import FIRST_EPOCHS, OF_IMAGES, REPEATS
from lnl_core.methods.reweighing import Weighted
from lnl_core.networks.parts import LNLNetwork

if TYPE_CHECKING:
    from lnl_core.training.loop import Training


def upsampled(wrong: Tensor, repeats: int) -> Tensor:
    """Indices of all images, those that are ``wrong`` (N,) bool ``repeats`` times."""
    times = torch.where(wrong, repeats, 1)
    return torch.arange(len(wrong), device=wrong.device).repeat_interleave(times)


class Jtt(Weighted):
    """f and g descend L_c on the training images, with repeats of what a first training got wrong."""

    name = "jtt"
    hyperparameters = (FIRST_EPOCHS, REPEATS, *OF_IMAGES)
    must_know = (UNBIASED_VALIDATION,)
    moves = (Moves("descends L_c, errors repeated", "descends L_c, errors repeated", "stays"),)

    def course(self, training: "Training") -> "JttCourse":
        return JttCourse(self, training)


class JttCourse(Course):
    """``wrong`` (N,) bool is what the first network got wrong; ``None`` before it is trained."""

    def __init__(self, method: Method, training: "Training") -> None:
        super().__init__(method, training)
        self.wrong: Tensor | None = None

    def draw(self, generator: torch.Generator) -> list[Tensor]:
        if self.wrong is None:
            self.wrong = self.errors_of(self.train_first())
        order = upsampled(self.wrong, self.training.config.repeats)
        order = order[torch.randperm(len(order), generator=generator).to(order.device)]
        return list(order.split(self.training.config.batch_size))

    def train_first(self) -> LNLNetwork:
        """The first network, after its epochs of plain training."""
        training, network = self.training, deepcopy(self.training.network).train()
        parts = (network.extractor, network.label_head)
        parameters = [parameter for part in parts for parameter in part.parameters()]
        optimizer = training.make_optimizer(parameters, weight_decay=training.config.weight_decay)
        for epoch in range(training.config.first_epochs):
            maps = training.generator(820_000 + epoch)
            batches = super().draw(training.generator(810_000 + epoch))
            for number, index in enumerate(batches):
                rate = training.first_rate(epoch + number / len(batches), training.config.first_epochs)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                if len(index) > 1:
                    optimizer.zero_grad()
                    with training.autocast():
                        baseline(network, training.batch(index, maps), training.config)
                    optimizer.step()
        return network.eval()

    @torch.no_grad()
    def errors_of(self, network: LNLNetwork) -> Tensor:
        """(N,) bool: whose label the network does not name."""
        data, found = self.training.data, []
        for index in torch.arange(len(data), device=data.device).split(512):
            batch = data.batch(index, channels_last=self.training.config.channels_last)
            with self.training.autocast():
                found.append(network(batch.images).argmax(1) != batch.labels)
        return torch.cat(found)

    def tensors(self) -> dict[str, Tensor]:
        return {} if self.wrong is None else {"first_errors": self.wrong.float()}

    def resume(self, tensors: dict[str, Tensor], notes: dict[str, str], folder: Path) -> None:
        self.wrong = tensors["first_errors"].to(self.training.data.device) > 0


JTT = Jtt()

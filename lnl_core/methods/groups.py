"""Groups of label and bias, one an image: for methods that are told the bias of every training image, and balance by it."""

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from lnl_core.datasets.colored_mnist import MEAN_COLORS
from lnl_core.datasets.container import IGNORE, BiasedImages
from lnl_core.errors import DataError

_log = logging.getLogger(__name__)


def bias_of_images(data: BiasedImages) -> tuple[Tensor, int]:
    """One bias an image, (N,) int64, and how many there are: the nearest mean colour of painted digits, else the bias label.

    Neither is ``data.group``, which says what was planted.

    Raises:
        DataError: several bias labels an image, or an image without one.
    """
    if data.color is not None:
        means = torch.as_tensor(MEAN_COLORS, dtype=torch.float32, device=data.color.device)
        return torch.cdist(data.color, means).argmin(1), len(means)
    if data._bias.ndim != 1 or (data._bias == IGNORE).any():
        raise DataError("groups of label and bias need one bias an image: give each image one label of its bias")
    return data.bias, data.bias_classes


@dataclass
class Groups:
    """The group of every image, label times bias.

    Attributes:
        of_image: (N,) int64, label * kinds of bias + bias, on the data's device.
        counts: (groups,) int64 on that device; 0 for a group without images.
    """

    of_image: Tensor
    counts: Tensor

    @classmethod
    def of(cls, data: BiasedImages) -> "Groups":
        """Count them; groups without images are said in one sentence, as no method can balance what is not there.

        Raises:
            DataError: no label has images of two kinds of bias, so that label and bias cannot be told apart.
        """
        bias, kinds = bias_of_images(data)
        of_image = data.labels * kinds + bias
        counts = torch.bincount(of_image, minlength=data.classes * kinds)
        table = counts.view(data.classes, kinds)
        if int((table > 0).sum(1).max()) < 2:
            raise DataError("every label has images of one bias only, so nothing can be balanced: give some images another bias")
        label, first = divmod(int((counts == 0).int().argmax()), kinds)
        if not table[label, first]:
            _log.warning(
                "%d of %d groups of label and bias have no image, first label %d with bias %d: only the others are balanced",
                int((counts == 0).sum()),
                len(counts),
                label,
                first,
            )
        return cls(of_image, counts)

    @property
    def present(self) -> int:
        """How many groups have images."""
        return int((self.counts > 0).sum())

    @property
    def weights(self) -> Tensor:
        """(N,) float32: 1/p(group), divided by the groups that have images, so that its mean over the images is 1."""
        return len(self.of_image) / (self.present * self.counts[self.of_image].float())

    def drawn_equally(self, generator: torch.Generator) -> Tensor:
        """(N,) indices, as many as there are images, on their device: every group equally often in the mean, with replacement."""
        weights = self.weights.cpu().double()
        return torch.multinomial(weights, len(weights), replacement=True, generator=generator).to(self.of_image.device)

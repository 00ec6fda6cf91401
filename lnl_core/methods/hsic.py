r"""Independence by a kernel: f descends :math:`L_c + \lambda\,\mathrm{HSIC}(Z, B)`, over all images or within each label.

The Hilbert-Schmidt independence criterion of n pairs is :math:`\operatorname{tr}(KHLH)/(n-1)^2` (Gretton et al. 2005), with
Gaussian kernels K of the features and L of the bias codes, and :math:`H = I - \frac1n 11^T`. It is 0 in the limit if and only if
features and bias are independent, and no network estimates it. "hsic" asks for independence, "conditional_hsic" for independence
given the label: the mean of the criteria within each label, weighted by its images. The width of each kernel is the median
distance of the batch, and no gradient passes through it.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch
from lnl_core.losses import label_loss
from lnl_core.methods.base import BIAS_LABELS, Course, Losses, Method, Moves
from lnl_core.methods.baseline import baseline
from lnl_core.methods.hyperparameters import HSIC_WEIGHT, OF_IMAGES
from lnl_core.methods.statistics_network import bias_codes
from lnl_core.networks.parts import LNLNetwork

if TYPE_CHECKING:
    from lnl_core.training.loop import Training


def gaussian_kernel(x: Tensor) -> Tensor:
    r"""(n, n): :math:`\exp(-\|x_i-x_j\|^2 / 2m)` of rows (n, D), m the median of the squared distances that are not 0."""
    squares = (x * x).sum(1)
    distances = (squares[:, None] + squares - 2 * x @ x.T).clamp(min=0)
    apart = distances.detach()[~torch.eye(len(x), dtype=torch.bool, device=x.device)]
    apart = apart[apart > 1e-9]
    return (-distances / (2 * (apart.median() if len(apart) else 1.0))).exp()


def hsic(z: Tensor, codes: Tensor) -> Tensor:
    """The criterion of n pairs of features (n, F) and bias codes (n, D); 0 of fewer than two."""
    n = len(z)
    if n < 2:
        return z.sum() * 0
    kernel, other = gaussian_kernel(z), gaussian_kernel(codes)
    centred = other - other.mean(0) - other.mean(1, keepdim=True) + other.mean()
    return (kernel * centred).sum() / (n - 1) ** 2


def conditional_hsic(z: Tensor, codes: Tensor, labels: Tensor) -> Tensor:
    """The mean of the criteria within each label, weighted by its images; labels (n,)."""
    parts = [(labels == label).nonzero()[:, 0] for label in labels.unique()]
    return torch.stack([len(part) / len(z) * hsic(z[part], codes[part]) for part in parts]).sum()


class Hsic(Method):
    """f descends L_c and the criterion, g descends L_c; h stays. Of one batch alone the step is the baseline's."""

    hyperparameters = (HSIC_WEIGHT, *OF_IMAGES)
    needs = frozenset({"image_bias"})
    must_know = (BIAS_LABELS,)

    def __init__(self, name: str, conditional: bool) -> None:
        self.name, self.conditional = name, conditional
        term = "HSIC(Z, B | Y)" if conditional else "HSIC(Z, B)"
        self.moves = (Moves(f"descends L_c + [lambda] {term}", "descends L_c", "stays"),)

    def step(self, network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
        return baseline(network, batch, config)

    def step_with(self, network: LNLNetwork, batch: Batch, codes: Tensor, config: RunConfig) -> Losses:
        """The step with the bias codes (B, D) of the batch."""
        z = network.extractor(batch.images)
        label = label_loss(network.label_head(z), batch.labels)
        flat = z.flatten(1)
        with torch.autocast(flat.device.type, enabled=False):
            flat = flat if flat.dtype == torch.float64 else flat.float()
            codes = codes.to(flat.dtype)
            dependence = conditional_hsic(flat, codes, batch.labels) if self.conditional else hsic(flat, codes)
            (label + config.hsic_weight * dependence).backward()  # here: autocast would round the products of this step's gradient
        return {"label": label.detach(), "hsic": dependence.detach()}

    def course(self, training: "Training") -> "HsicCourse":
        return HsicCourse(self, training)


class HsicCourse(Course):
    def __init__(self, method: Hsic, training: "Training") -> None:
        super().__init__(method, training)
        self.with_codes, self.codes = method.step_with, bias_codes(training.data)

    def update(self, batch: Batch, index: Tensor, number: int) -> Losses:
        training = self.training
        training.optimizers.zero_grad()
        with training.autocast():
            losses = self.with_codes(training.network, batch, self.codes[index], training.config)
        self.move()
        return losses


HSIC, CONDITIONAL_HSIC = Hsic("hsic", conditional=False), Hsic("conditional_hsic", conditional=True)

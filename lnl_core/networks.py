"""The three networks of the game: feature extractor f, label head g, bias head h (Kim et al., Figure 2)."""

import math
from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lnl_core.config import RunConfig

# The authors normalise digits with the mean and deviation of CIFAR-10 (their data_loader.py).
_MEAN = (0.4914, 0.4822, 0.4465)
_STD = (0.2023, 0.1994, 0.2010)


class Grayscale(nn.Module):
    """Replace colour by luminance (ITU-R BT.601), repeated over three channels; images (B, 3, H, W) in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor((0.299, 0.587, 0.114)).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images * cast(Tensor, self.weights)).sum(1, keepdim=True).expand_as(images)


class NormalizedConv(nn.Module):
    """Batch normalisation of the images and the first convolution in one: ``conv(norm((images - mean) / std))``.

    Both normalisations are one scale and one shift a channel, so they move into the kernel; the shift becomes the kernel of a
    fourth channel of ones, because the zeros that pad the border are not shifted. The values are the same up to rounding. The time
    is not: no normalised image is ever written, and the backward pass needs no gradient at the images to reach gamma and beta.

    Args:
        channels, features, kernel: of the convolution, which keeps height and width.
        mean, std: fixed normalisation before the batch normalisation, one value a channel.
    """

    def __init__(self, channels: int, features: int, kernel: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, features, kernel, padding=kernel // 2)
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def _statistics(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the images after the fixed normalisation: the batch's in training, else the running ones."""
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        if not self.training:
            return norm.running_mean, norm.running_var
        pixels = images.to(torch.promote_types(images.dtype, torch.float32))
        mean = pixels.mean(dim=(0, 2, 3))
        variance = (pixels - mean.view(1, -1, 1, 1)).square().mean(dim=(0, 2, 3))  # torch.var_mean is five times slower on a CPU
        mean, variance = (mean - cast(Tensor, self.mean)) / cast(Tensor, self.std), variance / cast(Tensor, self.std) ** 2
        count = images.numel() // images.shape[1]
        with torch.no_grad():
            momentum = cast(float, norm.momentum)
            norm.running_mean.mul_(1 - momentum).add_(mean, alpha=momentum)  # lerp_ would fall back to a loop under vmap
            norm.running_var.mul_(1 - momentum).add_(variance, alpha=momentum * count / (count - 1))
            cast(Tensor, norm.num_batches_tracked).add_(1)
        return mean, variance

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) in [0, 1] -> (B, features, H, W)."""
        mean, variance = self._statistics(images)
        gain = self.norm.weight * torch.rsqrt(variance + self.norm.eps)
        scale = gain / cast(Tensor, self.std)
        shift = self.norm.bias - gain * (mean + cast(Tensor, self.mean) / cast(Tensor, self.std))
        weight = self.conv.weight
        of_ones = (weight * shift.view(1, -1, 1, 1)).sum(1, keepdim=True)
        kernel = torch.cat([weight * scale.view(1, -1, 1, 1), of_ones], dim=1)
        ones = torch.ones_like(images[:, :1])
        result: Tensor = F.conv2d(torch.cat([images, ones], dim=1), kernel, self.conv.bias, padding=self.conv.padding)
        return result


class PixelBiasHead(nn.Module):
    """h for a bias that is painted on places: a small network per bias channel that predicts its level at every place.

    Per channel: 3x3 convolution, batch normalisation, ReLU, 3x3 convolution to K classes. The channels run side by side as
    groups of one convolution, which computes what separate networks would.

    Args:
        features: channels of the feature map f(x).
        classes: number of bias classes K.
        channels: number of bias channels, 3 for red, green and blue.
    """

    def __init__(self, features: int = 32, classes: int = 8, channels: int = 3) -> None:
        super().__init__()
        self.classes, self.channels = classes, channels
        self.layers = nn.Sequential(
            nn.Conv2d(features, channels * features, 3, padding=1),
            nn.BatchNorm2d(channels * features),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels * features, channels * classes, 3, padding=1, groups=channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, features, H, W) -> bias logits (B, K, channels, H, W); dimension 1 counts the classes."""
        logits: Tensor = self.layers(features)
        batch, _, height, width = logits.shape
        return logits.view(batch, self.channels, self.classes, height, width).transpose(1, 2)


class LNLNetwork(nn.Module):
    """f, g and h together.

    Args:
        extractor: f, images (B, C, H, W) float in [0, 1] to features of any shape (B, ...).
        label_head: g, features to label logits (B, classes).
        bias_head: h, features to bias logits (B, K, ...), where the trailing dimensions are those of the bias labels.

    Calling the network returns label logits; the bias head takes no part in prediction.
    """

    def __init__(self, extractor: nn.Module, label_head: nn.Module, bias_head: nn.Module) -> None:
        super().__init__()
        self.extractor = extractor
        self.label_head = label_head
        self.bias_head = bias_head

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) float in [0, 1] to label logits (B, classes)."""
        logits: Tensor = self.label_head(self.extractor(images))
        return logits

    def each(self, loss: Callable[..., Tensor], *arguments: Any) -> Tensor:
        """``loss(*arguments)``; a stack of networks (:mod:`lnl_core.stacked`) answers with the loss of each, (S,)."""
        return loss(*arguments)


def digit_network(*, bias_head: nn.Module | None = None, grayscale: bool = False, extractor_convs: int = 2) -> LNLNetwork:
    """The authors' plain network of four convolutions for Colored MNIST, cut in the middle (section 5.1 and their models.py).

    f: normalisation, batch normalisation, conv 3->32 5x5, max-pool to 14x14, ReLU, conv 32->32 3x3, ReLU.
    g: conv 32->64 3x3 stride 2, ReLU, conv 64->64 3x3, ReLU, average over the 7x7 places, linear 64->10.
    h: :class:`PixelBiasHead` with 3 channels of 8 levels.
    As in their code, no batch normalisation follows the convolutions of f and g, although the paper's text says so.

    Args:
        bias_head: another h for another bias; it takes features (B, 32, 14, 14).
        grayscale: let f begin by making every image grey, the paper's "Gray" model.
        extractor_convs: how many of the four convolutions belong to f, 2 as the authors have it, or 1; the features have 32
            channels of 14x14 places in either case.

    Returns:
        A network of 102,632 parameters: f 11,686, g 56,074, h 34,872 (with its default h).
    """
    extractor = nn.Sequential(
        *([Grayscale()] if grayscale else []),
        NormalizedConv(3, 32, 5, _MEAN, _STD),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.ReLU(inplace=True),  # the authors' comes before the pooling: same values and gradients, at four times the places
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(inplace=True),
    )
    label_head = nn.Sequential(
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    if extractor_convs == 1:  # the second convolution and its ReLU become the first layers of g
        extractor, label_head = extractor[:-2], nn.Sequential(*extractor[-2:], *label_head)
    for part in (extractor, label_head):
        part.apply(_init_as_the_authors)
    return LNLNetwork(extractor, label_head, PixelBiasHead() if bias_head is None else bias_head)


def _init_as_the_authors(module: nn.Module) -> None:
    """Convolution weights normal with variance 2 / fan-out, for f and g only; their h keeps PyTorch's default."""
    if isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))


def build_network(config: RunConfig) -> LNLNetwork:
    """The untrained network of a run, its weights drawn from the run's seed; the random state of the caller is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return digit_network(grayscale=config.method == "gray", extractor_convs=config.extractor_convs)


def parameter_count(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)

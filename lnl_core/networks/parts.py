"""f, g and h together, and the parts that the families of networks are made of (Kim et al., Figure 2)."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lnl_core.datasets.container import Batch

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class Grayscale(nn.Module):
    """Take the colour out of images (B, 3, H, W) in [0, 1]: three channels alike.

    Args:
        kind: "luminance" (0.299 R + 0.587 G + 0.114 B, ITU-R BT.601), "mean" of R, G and B, "lightness" (of HSL), the middle
            between the largest and the smallest of the three, or "deviation": each channel divided by its own standard deviation
            over the image, so that a colour that multiplies a channel cancels. A channel of one value stays as it is.
    """

    def __init__(self, kind: str = "luminance") -> None:
        super().__init__()
        self.kind = kind
        weights = (0.299, 0.587, 0.114) if kind == "luminance" else (1 / 3,) * 3
        self.register_buffer("weights", torch.tensor(weights).view(1, 3, 1, 1), persistent=False)

    def extra_repr(self) -> str:
        return self.kind

    def forward(self, images: Tensor) -> Tensor:
        if self.kind == "deviation":
            deviation = images.std(dim=(2, 3), correction=0, keepdim=True)
            return images / torch.where(deviation > 0, deviation, 1)
        if self.kind == "lightness":
            gray = (images.amax(1, keepdim=True) + images.amin(1, keepdim=True)) / 2
        else:
            gray = (images * cast(Tensor, self.weights)).sum(1, keepdim=True)
        return torch.zeros_like(images) + gray  # expanded it would have no memory layout, and a step take twice the time


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
            norm.running_mean.mul_(1 - momentum).add_(mean, alpha=momentum)
            norm.running_var.mul_(1 - momentum).add_(variance, alpha=momentum * count / (count - 1))
            cast(Tensor, norm.num_batches_tracked).add_(1)
        return mean, variance

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) in [0, 1] -> (B, features, H, W)."""
        return self.convolve(*self.prepare(images))

    def prepare(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What depends on no weight: the images with a channel of ones, (B, channels + 1, H, W), and (channels,) mean and variance.

        Both are those after the fixed normalisation: of the batch in training, when the running ones move, else the running ones.
        """
        mean, variance = self._statistics(images)
        return torch.cat([images, torch.ones_like(images[:, :1])], dim=1), mean, variance

    def convolve(self, with_ones: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """The rest of :meth:`forward`, from what :meth:`prepare` returned."""
        gain = self.norm.weight * torch.rsqrt(variance + self.norm.eps)
        scale = gain / cast(Tensor, self.std)
        shift = self.norm.bias - gain * (mean + cast(Tensor, self.mean) / cast(Tensor, self.std))
        weight = self.conv.weight
        of_ones = (weight * shift.view(1, -1, 1, 1)).sum(1, keepdim=True)
        kernel = torch.cat([weight * scale.view(1, -1, 1, 1), of_ones], dim=1)
        result: Tensor = F.conv2d(with_ones, kernel, self.conv.bias, padding=self.conv.padding)
        return result


class MaxPool(nn.MaxPool2d):
    """``nn.MaxPool2d(3, stride=2, padding=1)``, which can be had with the ReLU after it, in less time."""

    def __init__(self) -> None:
        super().__init__(3, stride=2, padding=1)

    def positive(self, features: Tensor) -> Tensor:
        """ReLU of :meth:`forward`, (B, C, H, W) -> (B, C, H / 2, W / 2), rounded up.

        On a CPU in bfloat16 and without gradient it takes half the time of the two, but may lose a NaN.
        Nobody needs to know which place won, so maxima of shifted copies do, rows before columns. Read as integers, the bits of
        numbers above zero are in the order of the numbers, and those of all others are below zero.
        """
        odd = features.shape[2] % 2 or features.shape[3] % 2
        if torch.is_grad_enabled() or features.device.type != "cpu" or features.dtype != torch.bfloat16 or odd:
            return F.relu(self(features))
        bits = features.view(torch.int16)
        rows = torch.maximum(bits[:, :, 0::2], bits[:, :, 1::2])
        torch.maximum(rows[:, :, 1:], bits[:, :, 1:-1:2], out=rows[:, :, 1:])
        pooled = torch.maximum(rows[..., 0::2], rows[..., 1::2])
        torch.maximum(pooled[..., 1:], rows[..., 1:-1:2], out=pooled[..., 1:])
        return pooled.clamp_min_(0).view(torch.bfloat16)


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


class BiasHeads(nn.Module):
    """h as several adversaries side by side, which may be told the label.

    What they say comes one head after another along the batch, so the mean of a loss over the batch is the mean over the heads.

    Args:
        heads: modules from features (B, C, ...) to bias logits (B, K, ...).
        labels: number of label classes; a learnt vector of ``features`` numbers for each is added to the features at every place.
            0 means that h is not told the label.
        features: C.
    """

    def __init__(self, heads: Sequence[nn.Module], *, labels: int = 0, features: int = 32) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self.told = nn.Embedding(labels, features) if labels else None

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """(B, C, ...) and (B,) int64 -> bias logits (heads x B, K, ...)."""
        if self.told is not None:
            hint = self.told(labels)
            features = features + hint.view(*hint.shape, *[1] * (features.ndim - 2))
        return torch.cat([head(features) for head in self.heads])


class VectorBiasHead(nn.Module):
    """h for a bias painted on places where f gives a vector: one linear layer, the same answer at every place.

    Args:
        features: length of the vector f(x).
        classes: number of bias classes K.
        channels: number of bias channels.
        places: places a side of the bias labels.
    """

    def __init__(self, features: int, classes: int = 8, channels: int = 3, places: int = 14) -> None:
        super().__init__()
        self.shape = (classes, channels, places, places)
        self.layer = nn.Linear(features, classes * channels)

    def forward(self, features: Tensor) -> Tensor:
        """(B, features) -> bias logits (B, K, channels, places, places)."""
        logits: Tensor = self.layer(features)
        classes, channels, *_ = self.shape
        return logits.view(-1, classes, channels, 1, 1).expand(-1, *self.shape)


class LNLNetwork(nn.Module):
    """f, g and h together.

    Args:
        extractor: f, images (B, C, H, W) float in [0, 1] to features of any shape (B, ...).
        label_head: g, features to label logits (B, classes).
        bias_head: h, features to bias logits (B, K, ...), where the trailing dimensions are those of the bias labels.

    Calling the network returns label logits; the bias head takes no part in prediction.

    Attributes:
        h_trained: whether h was ever trained, as far as that is known: ``None`` for a network of one's own.
    """

    def __init__(self, extractor: nn.Module, label_head: nn.Module, bias_head: nn.Module) -> None:
        super().__init__()
        self.h_trained: bool | None = None
        self.extractor = extractor
        self.label_head = label_head
        self.bias_head = bias_head

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) float in [0, 1] to label logits (B, classes)."""
        logits: Tensor = self.label_head(self.extractor(images))
        return logits

    @property
    def adversaries(self) -> int:
        """Number of heads in h."""
        return len(self.bias_head.heads) if isinstance(self.bias_head, BiasHeads) else 1

    def read_bias(self, features: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """What h says of ``features``, and the bias labels to hold it against, repeated for each head of :class:`BiasHeads`."""
        if not isinstance(self.bias_head, BiasHeads):
            return self.bias_head(features), batch.bias
        return self.bias_head(features, batch.labels), torch.cat([batch.bias] * self.adversaries)

    def clip_gradients(self, norm: float) -> None:
        """Shorten the joint gradient of f and g, in place, to at most ``norm``; h keeps its own."""
        nn.utils.clip_grad_norm_([*self.extractor.parameters(), *self.label_head.parameters()], norm)


def glorot(module: nn.Module) -> None:
    """Uniform weights of Glorot and Bengio and zero biases, for ``module.apply``."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def ending_in_a_vector(network: LNLNetwork, bias_head: Callable[[int], nn.Module]) -> LNLNetwork:
    """The same f and g cut before g's last linear layer, so that f gives a vector, whose length ``bias_head`` takes to make h."""
    if not isinstance(network.extractor, nn.Sequential) or not isinstance(network.label_head, nn.Sequential):
        return network
    *before, last = network.label_head
    return LNLNetwork(nn.Sequential(*network.extractor, *before), nn.Sequential(last), bias_head(cast(nn.Linear, last).in_features))


class Standardize(nn.Module):
    """``(images - mean) / std`` a channel; images (B, 3, H, W) in [0, 1]; by default ImageNet's, as its weights expect."""

    def __init__(self, mean: tuple[float, ...] = _IMAGENET_MEAN, std: tuple[float, ...] = _IMAGENET_STD) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - cast(Tensor, self.mean)) / cast(Tensor, self.std)


def parameter_count(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)

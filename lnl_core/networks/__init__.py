"""The three networks of the game: feature extractor f, label head g, bias head h (Kim et al., Figure 2)."""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lnl_core._files import user_path
from lnl_core._random import seeded
from lnl_core.config import RunConfig
from lnl_core.datasets.census import PROTECTED, feature_names
from lnl_core.datasets.colored_mnist import COLOR_LEVELS
from lnl_core.datasets.container import Batch
from lnl_core.datasets.faces import AGE_EDGES
from lnl_core.errors import ConfigError, DataError

# The authors normalise digits with the mean and deviation of CIFAR-10 (their data_loader.py).
_MEAN = (0.4914, 0.4822, 0.4465)
_STD = (0.2023, 0.1994, 0.2010)
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class Grayscale(nn.Module):
    """Replace colour by one grey value, repeated over three channels; images (B, 3, H, W) in [0, 1].

    Args:
        kind: "luminance" (0.299 R + 0.587 G + 0.114 B, ITU-R BT.601), "mean" of R, G and B, or "lightness" (of HSL), the middle
            between the largest and the smallest of the three.
    """

    def __init__(self, kind: str = "luminance") -> None:
        super().__init__()
        self.kind = kind
        weights = (0.299, 0.587, 0.114) if kind == "luminance" else (1 / 3,) * 3
        self.register_buffer("weights", torch.tensor(weights).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
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


def digit_network(*, bias_head: nn.Module | None = None, grayscale: str | None = None, extractor_convs: int = 2) -> LNLNetwork:
    """The authors' plain network of four convolutions for Colored MNIST, cut in the middle (section 5.1 and their models.py).

    f: normalisation, batch normalisation, conv 3->32 5x5, max-pool to 14x14, ReLU, conv 32->32 3x3, ReLU.
    g: conv 32->64 3x3 stride 2, ReLU, conv 64->64 3x3, ReLU, average over the 7x7 places, linear 64->10.
    h: :class:`PixelBiasHead` with 3 channels of 8 levels.
    As in their code, no batch normalisation follows the convolutions of f and g, although the paper's text says so.

    Args:
        bias_head: another h for another bias; it takes features (B, 32, 14, 14).
        grayscale: let f begin by making every image grey, the paper's "Gray" model; the kind of :class:`Grayscale`.
        extractor_convs: how many of the four convolutions belong to f, 2 as the authors have it, or 1; the features have 32
            channels of 14x14 places in either case.

    Returns:
        A network of 102,632 parameters: f 11,686, g 56,074, h 34,872 (with its default h).
    """
    extractor = nn.Sequential(
        *([Grayscale(grayscale)] if grayscale else []),
        NormalizedConv(3, 32, 5, _MEAN, _STD),
        MaxPool(),
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


def ragonesi_network(*, bias_head: nn.Module | None = None, grayscale: str | None = None) -> LNLNetwork:
    """The network for Colored MNIST of Ragonesi et al. (2021; their public code), whose f ends in a vector z of 64 numbers.

    f: twice (conv 5x5 without padding to 64 channels, ReLU, max-pool to half), linear to 512, ReLU, linear to 64, ReLU; images in
    [0, 1] are not normalised. g: linear 64->10. h, which is ours: :class:`VectorBiasHead`. Initial weights are Glorot's uniform
    ones and biases 0, the default of the library they use.

    Args:
        bias_head: another h; it takes features (B, 64).
        grayscale: let f begin by making every image grey; the kind of :class:`Grayscale`.

    Returns:
        A network of 667,170 parameters: f 664,960, g 650, h 1,560.
    """
    extractor = nn.Sequential(
        *([Grayscale(grayscale)] if grayscale else []),
        *(nn.Conv2d(3, 64, 5), nn.MaxPool2d(2), nn.ReLU(inplace=True)),
        *(nn.Conv2d(64, 64, 5), nn.MaxPool2d(2), nn.ReLU(inplace=True), nn.Flatten()),
        *(nn.Linear(64 * 4 * 4, 512), nn.ReLU(inplace=True), nn.Linear(512, 64), nn.ReLU(inplace=True)),
    )
    label_head = nn.Sequential(nn.Linear(64, 10))
    for part in (extractor, label_head):
        part.apply(glorot)
    return LNLNetwork(extractor, label_head, VectorBiasHead(64) if bias_head is None else bias_head)


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


def _init_as_the_authors(module: nn.Module) -> None:
    """Convolution weights normal with variance 2 / fan-out, for f and g only; their h keeps PyTorch's default."""
    if isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))


class Standardize(nn.Module):
    """``(images - mean) / std`` a channel; images (B, 3, H, W) in [0, 1]; by default ImageNet's, as its weights expect."""

    def __init__(self, mean: tuple[float, ...] = _IMAGENET_MEAN, std: tuple[float, ...] = _IMAGENET_STD) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - cast(Tensor, self.mean)) / cast(Tensor, self.std)


def resnet18_network(
    classes: int, bias_classes: int, *, bias: str = "color", weights: str | Path | None = None, grayscale: str | None = None
) -> LNLNetwork:
    """ResNet-18 for photographs, cut below its last two residual blocks (section 5.1).

    f: ImageNet's normalisation, the first convolution and pooling, the stages of 64, 128 and 256 channels (six residual blocks);
    features (B, 256, H/16, W/16), rounded up.
    g: the stage of 512 channels (the last two residual blocks), average over the places, linear.
    h: for colour :class:`PixelBiasHead`, two convolutions to a level of each channel at each place; for a label of the whole image,
    such as age or gender, the mean over the places and one fully connected layer.

    Args:
        classes: number of label classes.
        bias_classes: number of bias classes K, for colour the levels a channel.
        bias: "color" or "label".
        weights: "imagenet" for torchvision's weights, downloaded once or taken from torch's cache
            (``torch.hub.get_dir()/checkpoints``); the path of a file, ``.safetensors`` or torchvision's ``.pth``; or ``None`` for
            random ones. The last linear layer is random in any case, as in the paper.
        grayscale: let f begin by making every image grey, the paper's "Gray" model; the kind of :class:`Grayscale`.

    Returns:
        A network for images (B, 3, H, W) in [0, 1] of 64 to 224 pixels a side. With 2 classes: f 2,782,784 parameters,
        g 8,394,754, h 1,827,096 (colour, 8 levels) or 514 (a label of 2 classes).

    Raises:
        ConfigError: an unknown bias.
        DataError: weights that cannot be had, cannot be read, or belong to another network.
    """
    from torchvision.models import resnet18

    bias_head = _photograph_bias_head(bias, 256, bias_classes)
    body = resnet18(num_classes=classes)
    if weights is not None:
        load_body(body, imagenet_weights() if weights == "imagenet" else read_weights(Path(weights)), str(weights))
    first = OrderedDict[str, nn.Module](gray=Grayscale(grayscale)) if grayscale else OrderedDict[str, nn.Module]()
    first["standardize"] = Standardize()
    stem = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3")
    extractor = nn.Sequential(first | {name: getattr(body, name) for name in stem})
    top = OrderedDict[str, nn.Module](layer4=body.layer4, pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=body.fc)
    return LNLNetwork(extractor, nn.Sequential(top), bias_head)


def _photograph_bias_head(bias: str, features: int, classes: int) -> nn.Module:
    if bias not in ("color", "label"):
        raise ConfigError(f"unknown bias {bias!r}: choose 'color' or 'label'")
    if bias == "color":
        return PixelBiasHead(features=features, classes=classes)
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, classes))


def cartoon_network(classes: int, bias_classes: int, *, bias: str = "color", grayscale: str | None = None) -> LNLNetwork:
    """A small network for the drawn stand-ins, so that their effect is seen in a minute without any pretrained weights. Ours.

    f: ImageNet's normalisation, three times (conv 3x3 of stride 2, batch normalisation, ReLU) with 16, 32 and 64 channels; features
    (B, 64, H/8, W/8), rounded up. g: one more such layer, average over the places, linear. h: as of :func:`resnet18_network`.

    Args:
        classes, bias_classes, bias, grayscale: as of :func:`resnet18_network`.

    Returns:
        A network for images (B, 3, H, W) in [0, 1]. With 2 classes: f 23,728 parameters, g 37,122.

    Raises:
        ConfigError: an unknown bias.
    """

    def halved(inputs: int, outputs: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

    gray: list[nn.Module] = [Grayscale(grayscale)] if grayscale else []
    extractor = nn.Sequential(*gray, Standardize(), *halved(3, 16), *halved(16, 32), *halved(32, 64))
    label_head = nn.Sequential(*halved(64, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))
    return LNLNetwork(extractor, label_head, _photograph_bias_head(bias, 64, bias_classes))


def imagenet_weights() -> dict[str, Tensor]:
    """torchvision's ImageNet weights of ResNet-18, from its cache or downloaded and checked by it.

    Raises:
        DataError: if they are neither there nor reachable.
    """
    from torchvision.models import ResNet18_Weights

    try:
        state: dict[str, Tensor] = ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError, HTTPException) as error:
        raise DataError(
            f"torchvision's ImageNet weights cannot be downloaded ({error}): give the path of a file with them, or weights=None"
        ) from None
    return state


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file, or of a ``.pth`` file read without running any code in it.

    Raises:
        DataError: if the file is missing, damaged, or holds something else.
    """
    from safetensors.torch import load_file

    path = user_path(path)
    if not path.is_file():
        raise DataError(f"{path} does not exist: check the path of the weights file, or choose 'imagenet' or None")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a damaged file can raise anything
        raise DataError(f"{path} is no readable weights file: it must be .safetensors or a .pth of tensors alone") from None
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise DataError(f"{path} does not hold a table of named tensors: save the network's state_dict() and nothing else")
    return dict(state)


def load_body(body: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Load all but the last linear layer ``fc`` into a torchvision network, in place.

    Raises:
        DataError: naming the first tensor that is missing, superfluous or of another shape.
    """
    own = body.state_dict()
    state = {name: value for name, value in state.items() if not name.startswith("fc.")}
    for name in [*own, *state]:
        if name.startswith("fc.") or (name.endswith("num_batches_tracked") and name not in state):
            continue  # files of early torchvision have no such counters
        if name not in own or name not in state or own[name].shape != state[name].shape:
            raise DataError(f"{source} holds the weights of another network than ResNet-18 (see {name}): choose another file")
    body.load_state_dict(state, strict=False)


def face_network(
    classes: int = 14, bias_classes: int = 2, *, representation: int = 128, grayscale: str | None = None
) -> LNLNetwork:
    """The report's network for faces of 96x96 pixels: a representation of 128 numbers, an age head and a gender head.

    f: normalisation, four times (conv 3x3, batch normalisation, ReLU, max-pool to half) with 16, 32, 64 and 128 channels, 6x6
    places, linear to the representation, batch normalisation, ReLU. The report prints the sizes of input, representation and heads
    only; the layers between them are ours. The last normalisation keeps the representation alive: without it the confusion loss
    can be met by features that are all 0.
    g: linear to the bins of age. h: linear to gender.

    Args:
        classes: label classes, 14 bins of age.
        bias_classes: bias classes, 2 genders.
        representation: size of the features.
        grayscale: let f begin by making every image grey; the kind of :class:`Grayscale`.

    Returns:
        A network for images (B, 3, 96, 96) in [0, 1] of 689,824 parameters: f 687,760, g 1,806, h 258. Other sizes of at least 32
        pixels work too: the places are averaged, or repeated, to 6x6.
    """
    layers: list[nn.Module] = [*([Grayscale(grayscale)] if grayscale else []), Standardize()]
    for inputs, outputs in ((3, 16), (16, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)]
        layers += [nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    layers += [nn.AdaptiveAvgPool2d(6), nn.Flatten(), nn.Linear(128 * 36, representation, bias=False)]
    layers += [nn.BatchNorm1d(representation), nn.ReLU()]
    return LNLNetwork(nn.Sequential(*layers), nn.Linear(representation, classes), nn.Linear(representation, bias_classes))


def census_network(
    features: int, classes: int = 2, bias_classes: int = 2, *, hidden: int = 64, representation: int = 32
) -> LNLNetwork:
    """A small network for tables of features. Ours.

    f: linear to ``hidden``, ReLU, linear to the representation, batch normalisation (as in :func:`face_network`), ReLU.
    g: linear to the classes. h: linear to ``hidden``, ReLU, linear to the bias classes.

    Args:
        features: columns D of the table.
        classes, bias_classes: label classes and bias classes K.

    Returns:
        A network for tables (B, D) float.
    """
    first, second = nn.Linear(features, hidden), nn.Linear(hidden, representation, bias=False)
    extractor = nn.Sequential(first, nn.ReLU(), second, nn.BatchNorm1d(representation), nn.ReLU())
    bias_head = nn.Sequential(nn.Linear(representation, hidden), nn.ReLU(), nn.Linear(hidden, bias_classes))
    return LNLNetwork(extractor, nn.Linear(representation, classes), bias_head)


def build_network(config: RunConfig) -> LNLNetwork:
    """The untrained network of a run, its weights drawn from the run's seed; the random state of the caller is left alone."""
    with seeded(config.seed):
        network = _network(config)
    network.h_trained = False
    return network


def _network(config: RunConfig) -> LNLNetwork:
    gray = config.grayscale if config.method == "gray" else None
    if config.experiment == "jlu_faces":
        return face_network(grayscale=gray)
    if config.experiment == "census":
        name, protected = str(config.train_set), str(config.protected)
        return census_network(len(feature_names(name, protected)), 2, len(PROTECTED[name][protected].groups))
    if config.experiment in ("dogs_cats", "faces"):
        bias_classes, bias = (COLOR_LEVELS, "color") if config.experiment == "dogs_cats" else (2, "label")
        if config.learn == "gender":
            bias_classes = len(AGE_EDGES) - 1
        if config.network == "cartoon":
            network = cartoon_network(2, bias_classes, bias=bias, grayscale=gray)
        else:
            network = resnet18_network(2, bias_classes, bias=bias, weights=config.weights, grayscale=gray)
        if config.features == "vector":
            return ending_in_a_vector(network, lambda size: nn.Linear(size, bias_classes))
        return network
    if config.network == "ragonesi":
        return ragonesi_network(grayscale=gray)
    network = digit_network(grayscale=gray, extractor_convs=config.extractor_convs)
    if config.features == "vector":
        return ending_in_a_vector(network, VectorBiasHead)
    if config.adversaries > 1 or config.bias_given_label:  # f, g and the first head start as they would without the others
        heads = [network.bias_head, *(PixelBiasHead() for _ in range(config.adversaries - 1))]
        network.bias_head = BiasHeads(heads, labels=10 if config.bias_given_label else 0)
    return network


def parameter_count(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)

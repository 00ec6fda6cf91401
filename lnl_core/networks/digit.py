"""Networks for Colored MNIST: the authors' four convolutions, and that of Ragonesi et al."""

import math

from torch import nn

from lnl_core.networks.parts import Grayscale, LNLNetwork, MaxPool, NormalizedConv, PixelBiasHead, VectorBiasHead, glorot

# The authors normalise digits with the mean and deviation of CIFAR-10 (their data_loader.py).
_MEAN = (0.4914, 0.4822, 0.4465)
_STD = (0.2023, 0.1994, 0.2010)


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


def _init_as_the_authors(module: nn.Module) -> None:
    """Convolution weights normal with variance 2 / fan-out, for f and g only; their h keeps PyTorch's default."""
    if isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))

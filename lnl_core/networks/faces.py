"""The network for faces of the report on joint learning and unlearning."""

from torch import nn

from lnl_core.networks.parts import Grayscale, LNLNetwork, Standardize


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

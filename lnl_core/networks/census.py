"""A small network for tables of features."""

from torch import nn

from lnl_core.networks.parts import LNLNetwork


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

"""The three networks of the game: feature extractor f, label head g, bias head h (Kim et al., Figure 2), one file a family.

They import data sets for their sizes (levels, bins, columns), and nothing that trains. For one more network write one file here
with a function that returns an :class:`LNLNetwork` of ``parts``, let ``build`` call it for the configurations that name it, and
name it below.
"""

from typing import TYPE_CHECKING

from lnl_core._lazy import lazy

if TYPE_CHECKING:
    from lnl_core.networks.build import *
    from lnl_core.networks.census import *
    from lnl_core.networks.digit import *
    from lnl_core.networks.faces import *
    from lnl_core.networks.frozen import *
    from lnl_core.networks.parts import *
    from lnl_core.networks.photographs import *

_HOMES = {
    "parts": (
        "Grayscale",
        "NormalizedConv",
        "MaxPool",
        "PixelBiasHead",
        "BiasHeads",
        "VectorBiasHead",
        "LNLNetwork",
        "glorot",
        "ending_in_a_vector",
        "Standardize",
        "parameter_count",
    ),
    "digit": ("digit_network", "ragonesi_network"),
    "photographs": (
        "resnet18_network",
        "mobilenet_v2_network",
        "small_cnn_network",
        "imagenet_file",
        "imagenet_weights",
        "read_weights",
        "load_body",
    ),
    "frozen": ("Frozen", "frozen_part", "with_features"),
    "faces": ("face_network",),
    "census": ("census_network",),
    "build": ("build_network", "untrained_bias_head"),
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOMES)

"""Data sets, all ending in the same container: images x, labels y, bias labels b, and the group that planted the bias."""

from lnl_core.datasets.colored_mnist import COLOR_NAMES, MEAN_COLORS, color_table, colored_mnist
from lnl_core.datasets.container import IGNORE, Batch, BiasedImages
from lnl_core.datasets.synthetic import animals, synthetic_faces

__all__ = [
    "COLOR_NAMES",
    "IGNORE",
    "MEAN_COLORS",
    "Batch",
    "BiasedImages",
    "animals",
    "color_table",
    "colored_mnist",
    "synthetic_faces",
]

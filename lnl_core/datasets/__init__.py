"""Data sets, all ending in the same container: images x, labels y, bias labels b, and the group that planted the bias."""

from lnl_core.datasets.census import adult, german, synthetic_census
from lnl_core.datasets.colored_mnist import COLOR_NAMES, MEAN_COLORS, color_table, colored_mnist
from lnl_core.datasets.container import IGNORE, Batch, BiasedImages
from lnl_core.datasets.dogs_cats import dogs_cats
from lnl_core.datasets.faces import faces, jlu_faces
from lnl_core.datasets.readers.face_cleaning import AgeGenderEstimator, PackagedEstimator, clean
from lnl_core.datasets.readers.face_tables import FaceTable, read_faces
from lnl_core.datasets.readers.photographs import Photographs, load_photographs
from lnl_core.datasets.synthetic.animals import animals
from lnl_core.datasets.synthetic.faces import synthetic_faces

__all__ = [
    "COLOR_NAMES",
    "IGNORE",
    "MEAN_COLORS",
    "AgeGenderEstimator",
    "Batch",
    "BiasedImages",
    "FaceTable",
    "PackagedEstimator",
    "Photographs",
    "adult",
    "animals",
    "clean",
    "color_table",
    "colored_mnist",
    "dogs_cats",
    "faces",
    "german",
    "jlu_faces",
    "load_photographs",
    "read_faces",
    "synthetic_census",
    "synthetic_faces",
]

"""Data sets, all ending in the same container: images x, labels y, bias labels b, and the group that planted the bias.

For one more write one file here with a function that returns a :class:`BiasedImages`, and name it below. The experiment that uses
it calls it in its ``load``, see :mod:`lnl_core.experiments`.
"""

from typing import TYPE_CHECKING

from lnl_core._lazy import lazy

if TYPE_CHECKING:
    from lnl_core.datasets.census import *
    from lnl_core.datasets.colored_mnist import *
    from lnl_core.datasets.container import *
    from lnl_core.datasets.dogs_cats import dogs_cats as dogs_cats
    from lnl_core.datasets.faces import faces as faces, jlu_faces as jlu_faces
    from lnl_core.datasets.readers.face_cleaning import *
    from lnl_core.datasets.readers.face_tables import *
    from lnl_core.datasets.readers.photographs import *
    from lnl_core.datasets.synthetic.animals import animals as animals
    from lnl_core.datasets.synthetic.census import synthetic_census as synthetic_census
    from lnl_core.datasets.synthetic.faces import synthetic_faces as synthetic_faces

_HOMES = {
    "container": ("IGNORE", "Batch", "BiasedImages", "Features"),
    "colored_mnist": ("COLOR_NAMES", "MEAN_COLORS", "color_table", "colored_mnist"),
    "dogs_cats": ("dogs_cats",),
    "faces": ("faces", "jlu_faces"),
    "census": ("adult", "german"),
    "readers.photographs": ("Photographs", "load_photographs"),
    "readers.face_tables": ("FaceTable", "read_faces"),
    "readers.face_cleaning": ("AgeGenderEstimator", "PackagedEstimator", "clean"),
    "synthetic.animals": ("animals",),
    "synthetic.faces": ("synthetic_faces",),
    "synthetic.census": ("synthetic_census",),
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOMES)

"""Synthetic pictures and tables in place of photographs and of the census: every experiment runs without a download.

They mirror the splits of Dogs and Cats and IMDB (Kim et al., sections 4.2 and 4.3) and of the report on joint learning and
unlearning. Every number of a set follows from its seed, and the tables of what is drawn (:func:`animal_table`, :func:`face_table`)
can be had without drawing. What lives here imports the container and the other data sets. For one more set write one file with its
table and its function, and name it below.
"""

from typing import TYPE_CHECKING

from lnl_core._lazy import lazy

if TYPE_CHECKING:
    from lnl_core.datasets.synthetic.animals import *
    from lnl_core.datasets.synthetic.census import *
    from lnl_core.datasets.synthetic.drawing import *
    from lnl_core.datasets.synthetic.faces import *
    from lnl_core.datasets.synthetic.pictures import *

_HOMES = {
    "drawing": ("BLOCK", "SMALLEST", "Number", "Draws", "rgb", "mix", "Frame", "Canvas", "wall", "draw_blocks"),
    "pictures": ("animal_block", "face_block"),
    "animals": ("ANIMAL_SPLITS", "animal_table", "animals"),
    "census": ("synthetic_table", "synthetic_census"),
    "faces": ("FACE_SPLITS", "AGE_BINS", "face_table", "age_classes", "synthetic_faces"),
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOMES)

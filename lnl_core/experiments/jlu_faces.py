"""The report of Yadav and Ramakrishnan: fourteen ages told from faces, the gender forgotten."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lnl_core import datasets
from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.synthetic.faces import synthetic_faces
from lnl_core.experiments._photographs import JLU, MI_BACKPROP, PhotographExperiment, by_profile, train_sets
from lnl_core.experiments.base import TEST_SIZE, Setting, source
from lnl_core.networks.faces import face_network
from lnl_core.networks.parts import LNLNetwork

if TYPE_CHECKING:
    from lnl_core.config import RunConfig

_REPORT: dict[str, Any] = dict(image_size=96, augment=0.0, weights=None)  # the report's network takes 96 pixels


class JluFaces(PhotographExperiment):
    """Trained on BD or OD and tested on EBD, which holds equally many men and women of each age."""

    name = "jlu_faces"
    offers = frozenset({"images", "image_bias"})
    methods = ("baseline", "jlu")
    hyperparameters = (
        source("utkface", "imdb", "imdb_cleaned", "imdb_authors", "synthetic"),
        # A part of the published EBD would no longer hold equally many men and women of each age.
        *(replace(one, only={"source": ("auto", "synthetic")}) if one is TEST_SIZE else one for one in train_sets("bd", "od")),
    )
    presets = by_profile(
        "bd",
        {
            "smoke": _REPORT,
            # half the side, a quarter of the time
            "demo": dict(_REPORT, image_size=40, train_size=1200, epochs=5, lr=0.02, bias_lr=0.05),
            "short": dict(_REPORT, source="utkface", epochs=20),
            "full": _REPORT,
        },
    )
    method_presets = {"jlu": JLU, "mi_backprop": MI_BACKPROP}
    free_of_preset = {"jlu": ("confusion_weight",)}
    varied = {"train_set": ("bd", "od")}
    required = ("train_set",)
    folders = {"utkface": "utkface", "imdb": "imdb"}
    table_sources = ("utkface", "imdb", "imdb_cleaned", "imdb_authors")
    same_photographs = ("imdb", "imdb_cleaned", "imdb_authors")
    test_set, test_title = "ebd", "EBD"

    def setting(self, config: "RunConfig") -> Setting:
        alpha = float(config.get("confusion_weight", 0.0))
        return {"learn": "age", "unlearn": "gender", **super().setting(config), "alpha": alpha}

    def setting_name(self, config: "RunConfig") -> str:
        return f"{config.train_set}-{self.setting(config)['alpha']:g}"

    def network(self, config: "RunConfig") -> LNLNetwork:
        return face_network(grayscale=config.get("grayscale"))

    def photographs(self, config: "RunConfig", name: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
        return datasets.jlu_faces(name, source=config.source, data_dir=data_dir, **options)

    def synthetic(self, config: "RunConfig", name: str, **options: Any) -> BiasedImages:
        return synthetic_faces(name, learn="age", **options)


EXPERIMENT = JluFaces()

"""IMDB faces: gender or age told from faces in which the two go together (Kim et al., section 4.3)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lnl_core import datasets
from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.faces import AGE_EDGES, BETWEEN
from lnl_core.datasets.synthetic.faces import synthetic_faces
from lnl_core.errors import ConfigError
from lnl_core.experiments._photographs import (
    JLU,
    MI_BACKPROP,
    NETWORK,
    RESNET,
    SMALL_CNN,
    PhotographExperiment,
    by_profile,
    photograph_network,
    train_sets,
)
from lnl_core.experiments.base import Setting, one_of, source
from lnl_core.hyperparameters import choice
from lnl_core.networks.parts import LNLNetwork

if TYPE_CHECKING:
    from lnl_core.config import RunConfig

OTHER = {"gender": "age", "age": "gender"}
"""What is to be forgotten when the one or the other is learnt."""
_WEIGHTS: dict[str, Any] = dict(bias_lr=0.05, mi_weight=0.3, adv_weight=0.03, confusion_weight=0.3)


class Faces(PhotographExperiment):
    """Trained on EB1 or EB2, to learn the gender and forget the age or the other way round."""

    name = "faces"
    offers = frozenset({"images", "image_bias"})
    methods = ("baseline", "gray", "blind_eye", "grl", "blind_eye_grl", "lnl_adv", "lnl", "bias_balanced")
    hyperparameters = (
        source("utkface", "imdb", "imdb_cleaned", "imdb_authors", "synthetic"),
        choice("learn", None, tuple(OTHER), "what is learnt; the other one is to be forgotten", late=True),
        *train_sets("eb1", "eb2"),
        *NETWORK,
        choice("features", "map", ("map", "vector"), "where f ends: at a feature map, or at the vector behind it", late=True),
    )
    presets = by_profile(
        "eb1",
        {
            "smoke": SMALL_CNN,
            "demo": dict(SMALL_CNN, **_WEIGHTS, train_size=1000, batch_size=24, epochs=6),
            "short": dict(RESNET, **_WEIGHTS, source="utkface", epochs=4),
            "full": RESNET,
        },
        learn="gender",
    )
    method_presets = {"jlu": JLU, "mi_backprop": MI_BACKPROP}
    varied = {"learn": (), "train_set": ("eb1", "eb2")}
    required = ("train_set", "learn")
    folders = {"utkface": "utkface", "imdb": "imdb"}
    may_lack = (BETWEEN,)
    table_sources = ("utkface", "imdb", "imdb_cleaned", "imdb_authors")
    same_photographs = ("imdb", "imdb_cleaned", "imdb_authors")

    def check(self, config: "RunConfig") -> None:
        one_of(config, "learn", tuple(OTHER), self.name)
        super().check(config)

    def setting(self, config: "RunConfig") -> Setting:
        return {"learn": str(config.learn), "unlearn": OTHER[str(config.learn)], **super().setting(config)}

    def setting_name(self, config: "RunConfig") -> str:
        return f"{config.learn}-{config.train_set}"

    def network(self, config: "RunConfig") -> LNLNetwork:
        return photograph_network(config, {"gender": len(AGE_EDGES) - 1, "age": 2}[str(config.learn)], "label")

    def load(self, config: "RunConfig", split: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
        """Splits as of every experiment on photographs, and of learning gender also "other", the faces of 30 to 39."""
        if split != BETWEEN:
            return super().load(config, split, data_dir, **options)
        if config.source == "synthetic":
            raise ConfigError("synthetic faces are young or old, there is no split 'other': choose photographs")
        return self.photographs(config, split, data_dir, size=config.image_size or 64, seed=config.seed, **options)

    def measured_splits(self, config: "RunConfig") -> tuple[str, ...]:
        """On photographs, and where gender is learnt, also the faces of 30 to 39, on which hyper-parameters can be chosen."""
        found = super().measured_splits(config)
        return (BETWEEN, *found) if config.source != "synthetic" and config.learn == "gender" else found

    def photographs(self, config: "RunConfig", name: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
        return datasets.faces(name, learn=str(config.learn), source=config.source, data_dir=data_dir, **options)

    def synthetic(self, config: "RunConfig", name: str, **options: Any) -> BiasedImages:
        return synthetic_faces(name, learn=str(config.learn), **options)


EXPERIMENT = Faces()

"""Dogs and Cats: the species told from photographs in which it goes with how bright the coat is (Kim et al., section 4.2)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lnl_core import datasets
from lnl_core.datasets.colored_mnist import COLOR_LEVELS
from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.dogs_cats import unlabelled_test_images
from lnl_core.datasets.synthetic.animals import animals
from lnl_core.errors import ConfigError
from lnl_core.experiments._photographs import (
    JLU,
    NETWORK,
    RESNET,
    SMALL_CNN,
    PhotographExperiment,
    by_profile,
    photograph_network,
    train_sets,
)
from lnl_core.experiments.base import source
from lnl_core.hyperparameters import text
from lnl_core.networks.parts import LNLNetwork

if TYPE_CHECKING:
    from lnl_core.config import RunConfig

_WEIGHTS: dict[str, Any] = dict(bias_lr=0.05, mi_weight=0.003, adv_weight=0.03, confusion_weight=0.1)


class DogsCats(PhotographExperiment):
    """Trained on TB1 or TB2, or on all labelled images as the oracle is; the bias is a map of colour levels."""

    name = "dogs_cats"
    offers = frozenset({"images", "channels"})
    methods = ("baseline", "gray", "blind_eye", "grl", "blind_eye_grl", "lnl_adv", "lnl", "bias_balanced")
    hyperparameters = (
        source("kaggle", "synthetic"),
        *train_sets("tb1", "tb2", "train"),
        *NETWORK,
        text(
            "test_labels",
            None,
            "a file of labels of the test images; null means the authors' published ones",
            optional=True,
            late=True,
            only={"source": ("auto", "kaggle")},
        ),
    )
    presets = by_profile(
        "tb1",
        {
            "smoke": SMALL_CNN,
            "demo": dict(SMALL_CNN, **_WEIGHTS, train_size=1200, batch_size=24, epochs=9),
            "short": dict(RESNET, **_WEIGHTS, source="kaggle", epochs=24),
            "full": RESNET,
        },
    )
    method_presets = {"jlu": JLU}
    varied = {"train_set": ("tb1", "tb2")}
    required = ("train_set",)
    folders = {"kaggle": "dogs-vs-cats"}
    table_sources = ("kaggle", "kaggle-part")

    def free(self, method: str) -> tuple[str, ...]:
        return (*super().free(method), "test_labels")

    def network(self, config: "RunConfig") -> LNLNetwork:
        return photograph_network(config, COLOR_LEVELS, "color")

    def photographs(self, config: "RunConfig", name: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
        labels = config.get("test_labels") if name == "test" else None
        return datasets.dogs_cats(name, labels=labels, data_dir=data_dir, **{"places": _places(config), **options})

    def synthetic(self, config: "RunConfig", name: str, **options: Any) -> BiasedImages:
        return animals("unbiased" if name == "train" else name, **{"places": _places(config), **options})

    def unlabelled(self, config: "RunConfig", data_dir: Path | str | None = None) -> tuple[list[str], Tensor]:
        """Kaggle's test images, which an oracle labels as in the paper."""
        if config.train_set != "train":
            trained_on = f"{self.name} {config.train_set}"
            raise ConfigError(f"an oracle is trained on all labelled dogs and cats (train_set 'train'), this one on {trained_on}")
        if config.source == "synthetic":
            raise ConfigError("an oracle is trained on photographs, this one on synthetic pictures: train it with --source kaggle")
        names, images = unlabelled_test_images(size=config.image_size or 64, data_dir=data_dir)
        return list(names), images


def _places(config: "RunConfig") -> int:
    """Places a side of the network's feature map, where h looks for the colour."""
    return -(-(config.image_size or 64) // (8 if config.network == "small_cnn" else 16))


EXPERIMENT = DogsCats()

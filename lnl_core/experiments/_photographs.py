"""What the three experiments on photographs share: hyper-parameters, presets, the opposite set, random maps."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import ConfigError
from lnl_core.experiments._shared import MI_AUTHORS, MI_OURS
from lnl_core.experiments.base import TEST_SIZE, TRAIN_SIZE, Experiment, Setting, Values, one_of
from lnl_core.hyperparameters import HyperParameter, choice, count, text
from lnl_core.networks.parts import LNLNetwork, ending_in_a_vector
from lnl_core.networks.photographs import (
    MOBILENET_BLOCKS,
    imagenet_file,
    mobilenet_v2_network,
    resnet18_network,
    small_cnn_network,
)

if TYPE_CHECKING:
    from lnl_core.config import RunConfig

OPPOSITE = {"tb1": "tb2", "tb2": "tb1", "eb1": "eb2", "eb2": "eb1"}
"""The training set with the bias turned round: the hardest test there is."""

_SHARED: dict[str, dict[str, Any]] = {
    "smoke": dict(
        source="synthetic", image_size=32, train_size=64, test_size=96, epochs=1, batch_size=32, schedule="constant", probe_steps=60
    ),
    "demo": dict(source="synthetic", image_size=48, test_size=600, batch_size=32, schedule="one_cycle", lr=0.03),
    "short": dict(image_size=64, batch_size=64, schedule="one_cycle", lr=0.02, bias_lr=0.05, augment=0.5),
    "full": dict(image_size=224, weights="imagenet"),
}
SMALL_CNN: dict[str, Any] = dict(network="small_cnn")
RESNET: dict[str, Any] = dict(network="resnet18")
JLU: dict[str, dict[str, Any]] = {profile: dict(confusion_weight=1.0) for profile in _SHARED}  # alpha of the report's M2
MI_BACKPROP: dict[str, dict[str, Any]] = {
    "smoke": dict(MI_OURS, statistics_steps=2),
    "demo": dict(MI_OURS, warmup_epochs=2),
    "short": dict(MI_OURS, warmup_epochs=1, augment=0.0),
    "full": {
        **MI_AUTHORS,
        **dict(features="vector", lr=1e-5, mi_weight=0.9, batch_size=24, epochs=10),
        **dict(statistics_steps=20, statistics_width=512),
    },
}
PRETRAINED = ("resnet18", "mobilenet_v2")
NETWORKS = (*PRETRAINED, "small_cnn")
IMAGE_SIZE = count("image_size", None, "pixels a side", least=32, most=1024, optional=True, late=True)
NETWORK = (
    choice("network", None, NETWORKS, "ResNet-18, MobileNetV2 or, for the synthetic pictures, a small one", late=True),
    text(
        "weights",
        None,
        "of ResNet-18 or MobileNetV2 at the start: imagenet, the path of a file, or null for random ones",
        optional=True,
        late=True,
        only={"network": PRETRAINED},
    ),
    count(
        "frozen_blocks",
        0,
        "blocks of MobileNetV2, from the first on, that stay as they are; their features are computed once",
        most=MOBILENET_BLOCKS - 1,
        late=True,
        only={"network": ("mobilenet_v2",)},
    ),
)


def train_sets(*names: str) -> tuple[HyperParameter, ...]:
    """What is declared for every experiment on photographs: its training sets, the size of images and of splits."""
    which = choice("train_set", None, names, "which of the biased sets is trained on", late=True)
    return which, IMAGE_SIZE, TRAIN_SIZE, TEST_SIZE


def by_profile(first_set: str, own: Mapping[str, Values], **more: Any) -> dict[str, dict[str, Any]]:
    """By profile the shared values and an experiment's own."""
    return {profile: {"train_set": first_set, **shared, **own[profile], **more} for profile, shared in _SHARED.items()}


class PhotographExperiment(Experiment, ABC):
    """An experiment on photographs: sets biased one way and the other, a test set without bias, and synthetic pictures."""

    fallback = "synthetic"
    test_set = "test"
    """What the data set calls its test set."""
    same_photographs: tuple[str, ...] = ()
    """Sources that list the same photographs: what one holds out for the test another may train on."""
    test_title = "test"
    """What the results table calls it."""

    def check(self, config: "RunConfig") -> None:
        if config.image_size is None:
            raise ConfigError(f"image_size must be given for {self.name}: use preset(), which knows a good one")
        if self.declares("network"):
            one_of(config, "network", NETWORKS, self.name)

    def setting(self, config: "RunConfig") -> Setting:
        return {"train": str(config.train_set).upper()}

    def setting_name(self, config: "RunConfig") -> str:
        return str(config.train_set)

    def load(self, config: "RunConfig", split: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
        """Splits "train" (the training set), "opposite" (see :data:`OPPOSITE`) and "test"."""
        names = {"train": config.train_set, "opposite": OPPOSITE.get(str(config.train_set)), "test": self.test_set}
        name = names.get("train" if split == "trainval" else split)
        if name is None:
            raise ConfigError(f"{self.name} trained on {config.train_set} has no split {split!r}: choose train or test")
        if config.source != "synthetic":
            return self.photographs(config, name, data_dir, size=config.image_size or 64, seed=config.seed, **options)
        count = self.size(config, "train" if name == config.train_set else "test")
        return self.synthetic(config, name, size=config.image_size or 64, seed=config.seed, n=count, **options)

    @abstractmethod
    def photographs(self, config: "RunConfig", name: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
        """A set of the published photographs."""

    @abstractmethod
    def synthetic(self, config: "RunConfig", name: str, **options: Any) -> BiasedImages:
        """A set of synthetic pictures; nothing is read."""

    def measured_splits(self, config: "RunConfig") -> tuple[str, ...]:
        return ("opposite", "test") if config.train_set in OPPOSITE else ("test",)

    def check_unseen(self, trained_on: str, source: str) -> None:
        if trained_on != source and {trained_on, source} <= {*self.same_photographs}:
            raise ConfigError(
                f"{source} lists the photographs of {trained_on}, so this model may have seen its test images: leave --source out"
            )

    def with_files(self, config: "RunConfig", data_dir: Path | str | None = None) -> "RunConfig":
        there = imagenet_file(str(config.network), data_dir) if config.get("weights") == "imagenet" else None
        return config if there is None else config.with_options(weights=str(there))

    def without_files(self, config: "RunConfig") -> "RunConfig":
        return config if config.get("weights") is None else config.with_options(weights=None)

    def columns(self, setting: Setting, metrics: Mapping[str, float]) -> dict[str, Setting]:
        found: dict[str, Setting] = {"test_accuracy": {**setting, "test": self.test_title}}
        if "opposite_accuracy" in metrics:
            opposite = OPPOSITE[str(setting["train"]).lower()].upper()
            found = {"opposite_accuracy": {**setting, "test": opposite}, **found}
        return found


def photograph_network(config: "RunConfig", bias_classes: int, bias: str) -> LNLNetwork:
    """ResNet-18, MobileNetV2 or the small network for synthetic pictures, with two labels and one bias of so many classes."""
    own: dict[str, Any] = {"bias": bias, "grayscale": config.get("grayscale")}
    if config.network == "small_cnn":
        network = small_cnn_network(2, bias_classes, **own)
    elif config.network == "mobilenet_v2":
        frozen = config.get("frozen_blocks", 0)
        network = mobilenet_v2_network(2, bias_classes, weights=config.get("weights"), frozen_blocks=frozen, **own)
    else:
        network = resnet18_network(2, bias_classes, weights=config.get("weights"), **own)
    if config.get("features", "map") == "vector":
        return ending_in_a_vector(network, lambda size: nn.Linear(size, bias_classes))
    return network

"""Census tables: income or credit told from a person's columns, a protected attribute forgotten. No paper's setting is followed."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lnl_core.datasets.census import PROTECTED, adult, feature_names, german
from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.synthetic.census import FEWEST_DRAWN, synthetic_census
from lnl_core.errors import ConfigError, DataError
from lnl_core.experiments.base import TEST_SIZE, TRAIN_SIZE, Experiment, Setting, Values, one_of, source
from lnl_core.hyperparameters import choice
from lnl_core.networks.census import census_network
from lnl_core.networks.parts import LNLNetwork

if TYPE_CHECKING:
    from lnl_core.config import RunConfig

ATTRIBUTES = {name: tuple(attributes) for name, attributes in PROTECTED.items()}
_SHARED: dict[str, Any] = dict(
    train_split="train",
    batch_size=1024,
    epochs=10,
    schedule="one_cycle",
    lr=0.1,
    bias_lr=0.2,
    adversary_steps=3,
    mi_weight=1.0,
    adv_weight=1.0,
    confusion_weight=1.0,
    weight_decay=1e-4,
)
_PRESETS: dict[str, dict[str, Any]] = {
    "smoke": dict(_SHARED, source="synthetic", train_size=256, test_size=256, epochs=1, batch_size=64, probe_steps=60),
    "demo": dict(_SHARED, source="synthetic", batch_size=256, epochs=8),
    "short": dict(_SHARED, source="uci"),
    "full": dict(_SHARED, source="uci"),
}
_GERMAN: dict[str, Any] = dict(batch_size=64, epochs=15, lr=0.01, bias_lr=0.02)
_MI_BACKPROP: dict[str, Any] = dict(mi_weight=1.0, statistics_lr=1e-3, statistics_steps=10)
_OF_SETS: dict[str, dict[str, dict[str, Any]]] = {"german": dict.fromkeys(("demo", "short", "full"), _GERMAN)}
"""By training set and profile, what one set has otherwise than the other."""


class Census(Experiment):
    """Trained on the Adult or the German credit table; validation rows are held out, and groups are compared."""

    name = "census"
    items = "rows"
    offers = frozenset({"image_bias"})
    methods = ("baseline", "blind_eye", "grl", "blind_eye_grl", "lnl_adv", "lnl", "bias_balanced")
    hyperparameters = (
        source("uci", "synthetic"),
        choice("train_set", None, tuple(ATTRIBUTES), "which table", late=True),
        choice(
            "protected",
            None,
            tuple(dict.fromkeys(name for names in ATTRIBUTES.values() for name in names)),
            "the attribute to be forgotten",
            late=True,
        ),
        choice("train_split", "trainval", ("train", "trainval"), "trainval trains on all training rows, train holds some out"),
        TRAIN_SIZE,
        TEST_SIZE,
    )
    presets = _PRESETS
    method_presets: Mapping[str, Mapping[str, Values]] = {
        "bias_balanced": {profile: dict(balance_wean=0.0) for profile in _PRESETS},
        "mi_backprop": dict.fromkeys(_PRESETS, _MI_BACKPROP),
    }
    varied = {"protected": (), "train_set": tuple(ATTRIBUTES)}
    required = ("train_set",)
    folders = {"uci": "uci"}
    fallback = "synthetic"
    table_sources = ("uci",)
    sources_by_setting = ("uci",)
    compared = ("test", "validation")

    def preset(self, profile: str, method: str, given: Values) -> dict[str, Any]:
        name = given.get("train_set")
        if not isinstance(name, str) or name not in ATTRIBUTES:
            name = next(iter(ATTRIBUTES))  # another one is refused as a change
        own = self.method_presets.get(method, {}).get(profile, {})
        chosen = {"train_set": name, "protected": ATTRIBUTES[name][0]}
        return {**chosen, **self.presets[profile], **_OF_SETS.get(name, {}).get(profile, {}), **own}

    def check(self, config: "RunConfig") -> None:
        one_of(config, "protected", ATTRIBUTES[str(config.train_set)], str(config.train_set))

    def setting(self, config: "RunConfig") -> Setting:
        return {"train": str(config.train_set), "protected": str(config.protected)}

    def load(self, config: "RunConfig", split: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
        """Splits "train", "trainval", "validation" and "test"; of german and synthetic rows the run's seed also draws the split."""
        shared: dict[str, Any] = {"protected": config.protected, **options}
        if config.source == "synthetic" and config.train_size is not None and config.train_size < FEWEST_DRAWN:
            raise ConfigError(f"train_size must be at least {FEWEST_DRAWN} where rows are drawn, got {config.train_size}")
        if config.source == "synthetic":
            return synthetic_census(str(config.train_set), split, n=config.train_size, seed=config.seed, **shared)
        if config.train_set == "german":
            return german(split, seed=config.seed, data_dir=data_dir, **shared)
        return adult(split, data_dir=data_dir, **shared)

    def load_split(self, config: "RunConfig", split: str, data_dir: Path | str | None = None, **options: Any) -> BiasedImages:
        """A split as a run sees it; one that a size cuts to a single label or group is refused before anything is trained."""
        data, limit = super().load_split(config, split, data_dir, **options), self.size(config, split)
        for what, kinds in (("label", data.labels), ("group", data.bias)):
            if limit is not None and len(kinds.unique()) < 2:
                size = "test_size" if split == "test" else "train_size"
                raise DataError(f"with {size} {limit} the split {split!r} has rows of one {what} alone: take more")
        return data

    def network(self, config: "RunConfig") -> LNLNetwork:
        name, protected = str(config.train_set), str(config.protected)
        return census_network(len(feature_names(name, protected)), 2, len(PROTECTED[name][protected].groups))

    def training_split(self, config: "RunConfig") -> str:
        return str(config.train_split)

    def validation_split(self, config: "RunConfig") -> str | None:
        return "validation" if config.train_split == "train" else None

    def columns(self, setting: Setting, metrics: Mapping[str, float]) -> dict[str, Setting]:
        return {"test_accuracy": {**setting, "test": "test"}}


EXPERIMENT = Census()

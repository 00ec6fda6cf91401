"""Colored MNIST: digits whose colour tells the class in training and nothing in the test (Kim et al., section 4.1)."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lnl_core import datasets
from lnl_core.datasets.colored_mnist import BIAS_LABELS, BIAS_PLACES, COLOR_OUTSIDE, resolve_source
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import ConfigError
from lnl_core.experiments._shared import MI_AUTHORS, MI_OURS
from lnl_core.experiments.base import TEST_SIZE, TRAIN_SIZE, Experiment, Values, source
from lnl_core.hyperparameters import choice, count, number
from lnl_core.networks.digit import digit_network, ragonesi_network
from lnl_core.networks.parts import BiasHeads, LNLNetwork, PixelBiasHead, VectorBiasHead, ending_in_a_vector

if TYPE_CHECKING:
    from lnl_core.config import RunConfig

COLOR_VARS = (0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05)
"""The variances of the paper's Figure 4, section 4.1."""
_LOADER = "authors' data_loader.py"

_TUNED: dict[str, Any] = dict(
    bias_labels="image",
    bias_places="everywhere",
    schedule="one_cycle",
    lr=0.02,
    bias_lr=0.05,
    mi_weight=0.1,
    adv_weight=0.5,
    confusion_weight=0.1,
)
_PRESETS: dict[str, dict[str, Any]] = {
    "smoke": dict(
        source="mini",
        train_split="train",
        bias_labels="image",
        bias_places="everywhere",
        train_size=256,
        test_size=256,
        epochs=2,
        warmup_epochs=1,
        schedule="constant",
        probe_images=200,
        probe_steps=60,
    ),
    "demo": dict(
        _TUNED,
        source="mini",
        train_split="train",
        epochs=8,
        batch_size=32,
        lr=0.01,
        bias_lr=0.03,
        adv_weight=1.0,
        probe_images=800,
    ),
    "short": dict(
        _TUNED,
        source="mnist",
        epochs=10,
        bias_places="background",
        bias_lr=0.1,
        mi_weight=0.3,
        adv_weight=1.0,
        confusion_weight=0.3,
    ),
    "full": {},
}
_ALONE: dict[str, dict[str, Any]] = {
    "smoke": dict(warmup_epochs=0),
    "short": dict(_TUNED, epochs=20, lr=0.05),
}
"""Of the methods in which h learns nothing."""
_CLIPPED: dict[str, dict[str, Any]] = {
    "short": dict(clip_norm=10.0),  # a single long step against h can empty the features for good
}
_BIAS_BALANCED: dict[str, Any] = {
    **_TUNED,
    "bias_lr": 0.1,
    "mi_weight": 0.03,
    "adv_weight": 0.1,
    "augment": 1.0,
    "elastic": 0.08,
    "balance_power": 0.8,
    "balance_wean": 0.0,
    "warmup_epochs": 0,
}
_UNTUNED: dict[str, dict[str, Any]] = {
    "smoke": dict(_ALONE["smoke"], unbiased_images=50, repeats=2),
    "short": dict(_ALONE["short"], clip_norm=10.0),  # an image that counts a thousand times can make a step that ends all learning
}
"""Of methods of which nothing is tuned yet: training as the baseline's, and their own values those of their sources, where they
have one. The test set chose none of them."""
_MI_BACKPROP: dict[str, dict[str, Any]] = {
    "smoke": dict(MI_OURS, statistics_steps=2),
    "demo": dict(MI_OURS, train_size=1500, epochs=4, batch_size=16, warmup_epochs=1, statistics_steps=5, statistics_refresh=4),
    "short": dict(MI_OURS, epochs=8, warmup_epochs=2),
    "full": dict(MI_AUTHORS, network="ragonesi", mi_weight=1.0, epochs=501),
}
_OF_MAPS: dict[str, Any] = {"adversaries": 1, "conditional_adversary": False, "adversary_reset": 0, "extractor_convs": 2}
"""What is chosen of the feature maps of Kim et al.'s network, with the values that change nothing."""


class ColoredMnist(Experiment):
    """Digits in colours: the bias is the colour, in eight levels a channel."""

    name = "colored_mnist"
    offers = frozenset({"images", "channels", "maps", "image_bias"})
    methods = ("baseline", "gray", "blind_eye", "grl", "blind_eye_grl", "lnl_adv", "lnl", "bias_balanced")
    hyperparameters = (
        number("color_var", 0.03, "variance sigma^2 of each colour channel around its mean, colours in [0, 1]", most=1),
        source("mnist", "mini", "authors"),
        choice("train_split", "trainval", ("train", "trainval"), "trainval trains on all training images, train holds some out"),
        choice("bias_labels", "pixel", BIAS_LABELS, "the colour level of each place or of the whole image", source=_LOADER),
        choice("bias_places", "foreground", BIAS_PLACES, "where there is a label of the colour", source=_LOADER),
        choice(
            "color_outside",
            "redraw",
            COLOR_OUTSIDE,
            "a colour drawn outside (0, 1) is drawn again or clipped",
            source="a public copy of the authors' script",
            only={"source": ("auto", "mnist", "mini")},
        ),
        TRAIN_SIZE,
        TEST_SIZE,
        choice(
            "network",
            None,
            ("ragonesi",),
            "null is the network of Kim et al., ragonesi that of Ragonesi et al.",
            optional=True,
            late=True,
        ),
        choice(
            "features",
            "map",
            ("map", "vector"),
            "where f ends: at the authors' feature map, or at the vector that the last linear layer reads",
            late=True,
            only={"network": (None, "resnet18", "small_cnn")},
        ),
        count(
            "extractor_convs",
            2,
            "convolutions in f, 2 (the authors') or 1; g has the other ones",
            least=1,
            most=2,
            source="authors' models.py",
        ),
    )
    presets = _PRESETS
    method_presets: Mapping[str, Mapping[str, Values]] = {
        **dict.fromkeys(("baseline", "gray"), _ALONE),
        **dict.fromkeys(("blind_eye", "grl", "blind_eye_grl", "lnl_adv", "lnl"), _CLIPPED),
        "bias_balanced": dict.fromkeys(_PRESETS, _BIAS_BALANCED) | {"short": dict(_BIAS_BALANCED, epochs=12)},
        "mi_backprop": _MI_BACKPROP,
        **dict.fromkeys(
            ("reweighing", "subsampling", "group_dro", "last_layer", "jtt", "lff", "hsic", "conditional_hsic"), _UNTUNED
        ),
    }
    varied = {"color_var": COLOR_VARS}
    required = ("color_var",)
    varied_word = "colour variance"
    fallback = "mini"
    fallback_words = "the 5,000 embedded digits"
    published_words = "MNIST"
    table_sources = ("mnist",)
    sources_by_setting = ("authors",)

    def check(self, config: "RunConfig") -> None:
        if config.source == "authors" and config.train_split == "train":
            raise ConfigError("the authors' files hold no images out: set train_split to 'trainval'")
        moved = config.get("augment", 0.0) or config.get("elastic", 0.0)
        if moved and (config.bias_labels, config.bias_places) != ("image", "everywhere"):
            raise ConfigError(
                "augment moves the stroke and not its labels: use bias_labels 'image' and bias_places 'everywhere' with it"
            )
        changed = [name for name, usual in _OF_MAPS.items() if config.get(name, usual) != usual]
        if changed and (config.network or config.get("features", "map") == "vector"):
            raise ConfigError(f"{changed[0]} belongs to feature maps of colored_mnist in the network of Kim et al.: leave it out")

    def load(self, config: "RunConfig", split: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
        """Splits "train", "trainval", "validation" and "test", see :func:`lnl_core.datasets.colored_mnist`."""
        return datasets.colored_mnist(
            split,
            config.color_var,
            seed=config.seed,
            data_dir=data_dir,
            source=config.source,
            bias_labels=config.bias_labels,
            bias_places=config.bias_places,
            color_outside=config.get("color_outside", "redraw"),
            **options,
        )

    def network(self, config: "RunConfig") -> LNLNetwork:
        gray = config.get("grayscale")
        if config.network == "ragonesi":
            return ragonesi_network(grayscale=gray)
        network = digit_network(grayscale=gray, extractor_convs=config.extractor_convs)
        if config.features == "vector":
            return ending_in_a_vector(network, VectorBiasHead)
        adversaries, told = config.get("adversaries", 1), config.get("conditional_adversary", False)
        if adversaries > 1 or told:  # f, g and the first head start as they would without the others
            heads = [network.bias_head, *(PixelBiasHead() for _ in range(adversaries - 1))]
            network.bias_head = BiasHeads(heads, labels=10 if told else 0)
        return network

    def available(self, data_dir: Path | str | None) -> str:
        return resolve_source("auto", data_dir)

    def load_probe_data(self, config: "RunConfig", data_dir: Path | str | None = None) -> BiasedImages | None:
        """The training digits painted at random; the authors' files cannot be painted again."""
        if config.source == "authors":
            return None
        return self.load_split(config, config.train_split, data_dir, random_colors=True)

    def training_split(self, config: "RunConfig") -> str:
        return str(config.train_split)

    def validation_split(self, config: "RunConfig") -> str | None:
        return "validation" if config.train_split == "train" else None

    def on_source(self, config: "RunConfig", source: str) -> "RunConfig":
        """The authors' files have no validation split."""
        return config.with_options(source=source, **({"train_split": "trainval"} if source == "authors" else {}))

    def check_unseen(self, trained_on: str, source: str) -> None:
        if source == "mini" and trained_on in ("mnist", "authors"):
            raise ConfigError(
                f"the embedded digits are training digits of {trained_on}, which this model has seen: leave --source out"
            )


EXPERIMENT = ColoredMnist()

"""Every hyper-parameter once: the run configuration and the presets smoke, demo and full.

A run is described by one frozen :class:`RunConfig`. The notebooks and the command line build it with :func:`preset`, so both
train the same thing. Fields under "execution" change how fast a run is, not what it computes beyond rounding, and are left
out of :meth:`RunConfig.fingerprint`.
"""

import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from lnl_core.errors import ConfigError

PROFILES = ("smoke", "demo", "short", "full")
EXPERIMENTS = ("colored_mnist",)
METHODS = ("baseline", "gray", "blind_eye", "grl", "blind_eye_grl", "lnl_adv", "lnl", "bias_balanced")
BIAS_LABELS = ("pixel", "image")
BIAS_PLACES = ("foreground", "background", "everywhere")
COLOR_OUTSIDE = ("redraw", "clip")
SOURCES = ("auto", "mnist", "mini", "authors")
COLOR_VARS = (0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05)
"""The variances of the paper's Figure 4, section 4.1."""

_EXECUTION = ("precision", "channels_last")
_CHOICES = {
    "experiment": EXPERIMENTS,
    "method": (*METHODS, "jlu"),  # trained by lnl_core.unlearning, not by the loop of the others
    "profile": (*PROFILES, "custom"),
    "source": SOURCES,
    "bias_labels": BIAS_LABELS,
    "bias_places": BIAS_PLACES,
    "mi_places": ("all", "labelled"),
    "color_outside": COLOR_OUTSIDE,
    "train_split": ("train", "trainval"),
    "schedule": ("constant", "step", "one_cycle"),
    "updates": ("joint", "alternating"),
    "mi_reduction": ("mean", "sum"),
    "bias_reduction": ("mean", "sum"),
    "precision": ("float32", "bf16"),
}


@dataclass(frozen=True)
class RunConfig:
    """One run, complete. The defaults are the authors' values; the comment behind each says where it stands.

    Attributes:
        experiment: data set and task, one of :data:`EXPERIMENTS`.
        method: one of :data:`METHODS`.
        color_var: variance sigma^2 of each colour channel around its mean, colours in [0, 1].
        seed: seeds the colours, the initial weights and the order of the batches.
        profile: the preset this came from, or "custom" once a hyper-parameter was changed.
        source: where the digits come from, one of :data:`SOURCES`.
        train_split: "trainval" trains on all training images as the paper does; "train" holds the validation images out.
        bias_labels: the colour level of each place itself ("pixel", the authors') or of the whole image ("image").
        bias_places: where there is a label: "foreground" (the authors'), "background" or "everywhere".
        mi_places: the entropy and confusion terms average over "all" places, labelled or not (the authors'), or "labelled" ones.
        color_outside: a colour drawn outside (0, 1) is drawn again ("redraw") or clipped ("clip").
        train_size, test_size: use only the first so many images; ``None`` means all.
        mi_weight: lambda, the weight of the negative conditional entropy of h in the loss of f (Eq. 9).
        adv_weight: mu, the scale of the reversed gradient of the bias loss that reaches f (Eq. 9).
        confusion_weight: alpha, the weight of the confusion loss in the loss of f (Alvi et al.).
        augment: strength of random affine maps of the training images, 0 to 1; needs labels that are equal at all places.
        balance_power: tau; "bias_balanced" draws images with probability proportional to p(label|bias)^-tau.
        balance_wean: share of the uniform distribution in "bias_balanced"'s prior at the end of training.
        warmup_epochs: first train f and g on the label alone while h watches, so that f has learnt the bias.
        bias_steps: updates of h a step; the ones before the last move h alone, on the same features.
        extractor_convs: convolutions in f, 2 (the authors') or 1; g has the other ones.
        updates: "joint" makes one update from one pass through f; "alternating" makes the authors' two updates from two passes.
        mi_reduction, bias_reduction: how the bias channels (R, G, B) are joined into one loss.
    """

    experiment: str = "colored_mnist"
    method: str = "lnl"
    color_var: float = 0.03
    seed: int = 0
    profile: str = "full"
    source: str = "auto"
    train_split: str = "trainval"
    bias_labels: str = "pixel"  # authors' data_loader.py
    bias_places: str = "foreground"  # authors' data_loader.py
    color_outside: str = "redraw"  # public copies of the authors' script
    train_size: int | None = None
    test_size: int | None = None
    epochs: int = 100  # authors' option.py
    batch_size: int = 128  # authors' option.py
    lr: float = 0.01  # authors' option.py
    bias_lr: float = 0.01  # authors: the same rate for h
    momentum: float = 0.9  # authors' option.py
    weight_decay: float = 5e-4  # authors' option.py
    schedule: str = "step"
    lr_step: int = 40  # epochs; authors' option.py
    lr_gamma: float = 0.1  # authors' option.py
    warmup_epochs: int = 0
    mi_weight: float = 0.01  # authors' trainer.py
    adv_weight: float = 0.1  # authors' trainer.py
    confusion_weight: float = 0.01  # ours, equal to mi_weight; the paper names none for BlindEye
    bias_steps: int = 1  # authors' trainer.py
    extractor_convs: int = 2  # authors' models.py
    augment: float = 0.0
    balance_power: float = 0.5  # ours
    balance_wean: float = 1.0  # ours
    updates: str = "joint"
    mi_reduction: str = "mean"  # authors' trainer.py
    mi_places: str = "all"  # authors' trainer.py
    bias_reduction: str = "sum"  # authors' trainer.py
    # execution
    precision: str = "float32"
    channels_last: bool = True

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigError(f"unknown {name} {value!r}: choose one of {', '.join(allowed)}")
        for name in (
            "color_var",
            "lr",
            "bias_lr",
            "momentum",
            "weight_decay",
            "lr_gamma",
            "mi_weight",
            "adv_weight",
            "confusion_weight",
            "augment",
            "balance_power",
            "balance_wean",
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
                raise ConfigError(f"{name} must be a finite number that is not negative, got {value!r}")
            object.__setattr__(self, name, float(value))  # 0 and 0.0 are one configuration with one fingerprint
        for name in ("epochs", "batch_size", "lr_step", "bias_steps"):
            _require_count(name, getattr(self, name), least=1)
        for name in ("seed", "warmup_epochs"):
            _require_count(name, getattr(self, name), least=0)
        for name, least in (("train_size", 2), ("test_size", 1)):
            if getattr(self, name) is not None:
                _require_count(name, getattr(self, name), least=least)
        for name in ("augment", "balance_power", "balance_wean"):
            if getattr(self, name) > 1:
                raise ConfigError(f"{name} must lie between 0 and 1, got {getattr(self, name)!r}")
        if self.augment and (self.bias_labels, self.bias_places) != ("image", "everywhere"):
            raise ConfigError(
                "augment moves the stroke and not its labels: use bias_labels 'image' and bias_places 'everywhere' with it"
            )
        if self.extractor_convs not in (1, 2):
            raise ConfigError(f"extractor_convs must be 1 or 2, got {self.extractor_convs!r}")
        if self.batch_size < 2:
            raise ConfigError("batch_size must be at least 2, since batch normalisation needs two images")

    @property
    def setting(self) -> dict[str, float]:
        """What the experiment varies between the columns of its results table."""
        return {"color_var": self.color_var}

    def with_options(self, **changes: Any) -> "RunConfig":
        """A copy with other hyper-parameters. Its profile becomes "custom" if any of them differs from the preset."""
        known = {field.name for field in fields(self)}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise ConfigError(f"unknown hyper-parameter {unknown[0]!r}: choose one of {', '.join(sorted(known))}")
        changed = replace(self, **changes)
        if "profile" in changes or self.profile == "custom":
            return changed
        free = {"method", "color_var", "seed", "source", *_EXECUTION}
        if changed.method != self.method:
            raise ConfigError("the method decides other values too: call preset() with the method instead of changing it")
        moved = [name for name in changes if name not in free and getattr(changed, name) != getattr(self, name)]
        return replace(changed, profile="custom") if moved else changed

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunConfig":
        """The inverse of :meth:`to_dict`; an unknown name is a :class:`ConfigError`."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(
                f"unknown hyper-parameter {unknown[0]!r} in a configuration: it was written by another version of lnl_core"
            )
        return cls(**values)

    def fingerprint(self) -> str:
        """Twelve hex digits that name this run: equal for equal hyper-parameters, whatever the execution options."""
        what = {name: value for name, value in self.to_dict().items() if name not in _EXECUTION}
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]


def _require_count(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")


_SMOKE: dict[str, Any] = dict(
    source="mini",
    train_split="train",
    bias_labels="image",
    bias_places="everywhere",
    train_size=512,
    test_size=256,
    epochs=2,
    warmup_epochs=1,
    schedule="constant",
)
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
_DEMO: dict[str, Any] = dict(_TUNED, source="mini", train_split="train", epochs=40)
_SHORT: dict[str, Any] = dict(
    _TUNED,
    source="mnist",
    epochs=20,
    precision="bf16",
    bias_places="background",
    bias_lr=0.1,
    mi_weight=0.3,
    adv_weight=1.0,
    confusion_weight=0.3,
)
_FULL: dict[str, Any] = dict()
_BIAS_BALANCED: dict[str, Any] = {
    **_TUNED,
    "bias_lr": 0.1,
    "mi_weight": 0.3,
    "adv_weight": 1.0,
    "augment": 1.0,
    "balance_power": 0.8,
    "balance_wean": 0.0,
    "warmup_epochs": 0,
}


def preset(profile: str, method: str = "lnl", *, color_var: float = 0.03, seed: int = 0, **changes: Any) -> RunConfig:
    """The configuration of one profile and method; ``changes`` replace single hyper-parameters.

    "smoke" proves that things run (its numbers mean nothing), "demo" shows the effect in minutes on a laptop with the embedded
    digits, "short" is the paper's data and network with a fifth of its epochs, "full" is the paper's setting with the authors'
    hyper-parameters. The values of demo and short, and those of "bias_balanced" in every profile, were chosen on the validation
    split of seed 0.

    Raises:
        ConfigError: an unknown profile or method, or a value out of range.
    """
    values = {"smoke": _SMOKE, "demo": _DEMO, "short": _SHORT, "full": _FULL}.get(profile)
    if values is None:
        raise ConfigError(f"unknown profile {profile!r}: choose one of {', '.join(PROFILES)}")
    if method == "bias_balanced":
        values = {**values, **_BIAS_BALANCED}
    if profile == "short" and method in ("baseline", "gray"):
        values = {**values, **_TUNED, "lr": 0.05}
    config = RunConfig(profile=profile, method=method, color_var=color_var, seed=seed, **values)
    return config.with_options(**changes)


def resolve_profile(profile: str) -> str:
    """The profile to run: the environment variable ``LNL_PROFILE`` where it is set, else ``profile``.

    Raises:
        ConfigError: if the result is none of :data:`PROFILES`.
    """
    chosen = os.environ.get("LNL_PROFILE") or profile
    if chosen not in PROFILES:
        raise ConfigError(f"unknown profile {chosen!r}: choose one of {', '.join(PROFILES)}")
    return chosen

"""Every hyper-parameter once: the run configuration and the presets smoke, demo and full.

A run is described by one frozen :class:`RunConfig`. The notebooks and the command line build it with :func:`preset`, so both
train the same thing. Fields under "execution" change how fast a run is, not what it computes beyond rounding, and are left
out of :meth:`RunConfig.fingerprint`.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from lnl_core._files import variable
from lnl_core.errors import ConfigError

PROFILES = ("smoke", "demo", "short", "full")
EXPERIMENTS = ("colored_mnist", "dogs_cats", "faces", "jlu_faces", "census")
TRAINING_SETS = {
    "dogs_cats": ("tb1", "tb2", "train"),
    "faces": ("eb1", "eb2"),
    "jlu_faces": ("bd", "od"),
    "census": ("adult", "german"),
}
"""What each experiment but Colored MNIST can be trained on, see its module in :mod:`lnl_core.datasets`."""
PROTECTED = {"adult": ("sex", "race"), "german": ("age", "sex")}
"""The attributes to forget of each training set of "census"."""
METHODS = ("baseline", "gray", "blind_eye", "grl", "blind_eye_grl", "lnl_adv", "lnl", "bias_balanced")
OWN_LOOPS = ("mi_backprop", "jlu")
"""Methods with a training loop of their own, :mod:`lnl_core.training.mi_backprop` and :mod:`lnl_core.training.unlearning`."""
ALL_METHODS = (*METHODS, *OWN_LOOPS)
"""In the order of the tables."""
_NOT_OF_MI_BACKPROP: dict[str, Any] = {"updates": "joint", "bias_steps": 1, "clip_norm": 0.0, "augment": 0.0, "elastic": 0.0}
"""Fields that :mod:`lnl_core.training.mi_backprop` would not look at, with the values that change nothing."""
ESTIMATORS = ("donsker_varadhan", "mine", "nwj", "info_nce", "club")
"""What "mi_backprop" can descend, see :mod:`lnl_core.information.estimators`; "mine" is the first with the moving average in its
gradient."""
BIAS_LABELS = ("pixel", "image")
BIAS_PLACES = ("foreground", "background", "everywhere")
COLOR_OUTSIDE = ("redraw", "clip")
PRECISIONS = ("auto", "float32", "bf16")
"""Of the layers; "auto" is bf16 where the device has instructions for it, else float32, see :mod:`lnl_core.training.precision`."""
GRAYSCALES = ("luminance", "mean", "lightness")
"""How the method "gray" makes a colour grey, see :class:`lnl_core.networks.parts.Grayscale`."""
SOURCES = {
    "colored_mnist": ("auto", "mnist", "mini", "authors"),
    "dogs_cats": ("auto", "kaggle", "drawn"),
    "faces": ("auto", "utkface", "imdb", "imdb_cleaned", "imdb_authors", "drawn"),
    "jlu_faces": ("auto", "utkface", "imdb", "imdb_cleaned", "imdb_authors", "drawn"),
    "census": ("auto", "uci", "drawn"),
}
COLOR_VARS = (0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05)
"""The variances of the paper's Figure 4, section 4.1."""

_NO_COLOR_VAR = 0.03  # what the field holds where it means nothing
_EXECUTION = ("precision", "channels_last")
_FREE = ("method", "experiment", "color_var", "seed", "source", "train_set", "learn", "protected", "test_labels", *_EXECUTION)
"""What may be chosen without leaving a preset."""
_PHOTOGRAPHS = ("train_set", "learn", "image_size", "network", "weights", "test_labels")
_ADVERSARY: dict[str, Any] = {"adversaries": 1, "bias_given_label": False, "bias_restart": 0}
_MI_BACKPROP: dict[str, Any] = {
    "estimator": "donsker_varadhan",
    "statistics_steps": 40,
    "statistics_lr": 1e-4,
    "statistics_width": 64,
    "statistics_refresh": 1,
}
_LATER: dict[str, Any] = {
    **dict.fromkeys(_PHOTOGRAPHS),
    "protected": None,
    "elastic": 0.0,
    "clip_norm": 0.0,
    "grayscale": "luminance",
    "features": "map",
    "optimizer": "sgd",
    **_ADVERSARY,
    **_MI_BACKPROP,
}
"""Fields that came after the first records: at these values a run keeps the name it had before."""
_WATCHING = tuple(method for method in ALL_METHODS if method not in ("baseline", "gray"))
_JOINT = tuple(method for method in METHODS if method in _WATCHING)
_DESCENDS_MI = ("lnl_adv", "lnl", "bias_balanced")
_CONFUSES = ("blind_eye", "blind_eye_grl", "jlu")
_PAINTED = {"experiment": ("colored_mnist", "dogs_cats")}
_READERS: dict[str, dict[str, tuple[str | None, ...]]] = {
    "color_var": {"experiment": ("colored_mnist",)},
    "train_split": {"experiment": ("colored_mnist", "census")},
    "bias_labels": {"experiment": ("colored_mnist",)},
    "bias_places": {"experiment": ("colored_mnist",)},
    "color_outside": {"experiment": ("colored_mnist",), "source": ("auto", "mnist", "mini")},
    "test_labels": {"source": ("auto", "kaggle")},
    "features": {"experiment": ("colored_mnist", "faces"), "network": (None, "resnet18", "cartoon")},
    "bias_lr": {"method": _WATCHING},
    "bias_reduction": {"method": _WATCHING, **_PAINTED},
    "warmup_epochs": {"method": _WATCHING},
    "momentum": {"optimizer": ("sgd",)},
    "lr_step": {"schedule": ("step",)},
    "lr_gamma": {"schedule": ("step",)},
    "mi_weight": {"method": (*_DESCENDS_MI, "mi_backprop")},
    "mi_reduction": {"method": _DESCENDS_MI, **_PAINTED},
    "mi_places": {"method": (*_DESCENDS_MI, *_CONFUSES)},
    "adv_weight": {"method": ("grl", "blind_eye_grl", "lnl", "bias_balanced")},
    "confusion_weight": {"method": _CONFUSES},
    "updates": {"method": _JOINT},
    "bias_steps": {"method": _JOINT},
    "adversaries": {"method": _JOINT},
    "bias_given_label": {"method": _JOINT},
    "bias_restart": {"method": _JOINT},
    "clip_norm": {"method": (*METHODS, "jlu")},
    "augment": {"method": (*METHODS, "jlu")},
    "elastic": {"method": (*METHODS, "jlu")},
    "grayscale": {"method": ("gray",)},
    "balance_power": {"method": ("bias_balanced",)},
    "balance_wean": {"method": ("bias_balanced",)},
    **{name: {"method": ("mi_backprop",)} for name in _MI_BACKPROP},
}
"""Who reads a field: the values of other fields under which it has an effect. A field that is not named here has one always."""
_SHARES = ("color_var", "momentum", "lr_gamma", "augment", "elastic", "balance_power", "balance_wean")
_WEIGHTS = ("weight_decay", "mi_weight", "adv_weight", "confusion_weight", "clip_norm")
_RATES = ("lr", "bias_lr", "statistics_lr")
_NUMBERS: dict[str, float] = {**dict.fromkeys(_SHARES, 1.0), **dict.fromkeys(_WEIGHTS, 1e6), **dict.fromkeys(_RATES, 1e30)}
"""Fields that hold a number from 0 on, with the largest that torch or the data can be given."""
_COUNTS = {
    "seed": (0, 2**63 - 1),
    "epochs": (1, 10**6),
    "batch_size": (1, 10**6),
    "lr_step": (1, 10**6),
    "warmup_epochs": (0, 10**6),
    "bias_restart": (0, 10**6),
    "bias_steps": (1, 10**4),
    "adversaries": (1, 100),
    "train_size": (2, 10**6),
    "test_size": (1, 10**6),
    "image_size": (32, 1024),
    "statistics_steps": (0, 10**4),
    "statistics_width": (1, 10**4),
    "statistics_refresh": (1, 10**6),
}
"""Fields that hold a whole number, with the least and the largest."""
_OPTIONAL = ("train_size", "test_size", "image_size")
_CHOICES = {
    "experiment": EXPERIMENTS,
    "method": ALL_METHODS,
    "profile": (*PROFILES, "custom"),
    "bias_labels": BIAS_LABELS,
    "bias_places": BIAS_PLACES,
    "mi_places": ("all", "labelled"),
    "color_outside": COLOR_OUTSIDE,
    "grayscale": GRAYSCALES,
    "train_split": ("train", "trainval"),
    "schedule": ("constant", "step", "one_cycle"),
    "updates": ("joint", "alternating"),
    "mi_reduction": ("mean", "sum"),
    "bias_reduction": ("mean", "sum"),
    "precision": PRECISIONS,
    "features": ("map", "vector"),
    "optimizer": ("sgd", "adam"),
    "estimator": ESTIMATORS,
}


@dataclass(frozen=True)
class RunConfig:
    """One run, complete. The defaults are the authors' values; the comment behind each says where it stands.

    Attributes:
        experiment: data set and task, one of :data:`EXPERIMENTS`.
        method: one of :data:`ALL_METHODS`.
        color_var: variance sigma^2 of each colour channel around its mean, colours in [0, 1]. Elsewhere than on digits it means
            nothing and must be left at 0.03.
        seed: seeds the colours, the initial weights and the order of the batches; below 2^63.
        profile: the preset that all other values are those of; it becomes "custom" where one is not.
        source: where the images come from, one of its experiment's :data:`SOURCES`.
        train_split: "trainval" trains on all training images as the paper does; "train" holds the validation images out.
        bias_labels: the colour level of each place itself ("pixel", the authors') or of the whole image ("image").
        bias_places: where there is a label: "foreground" (the authors'), "background" or "everywhere".
        mi_places: the entropy and confusion terms average over "all" places, labelled or not (the authors'), or "labelled" ones.
        color_outside: a colour drawn outside (0, 1) is drawn again ("redraw") or clipped ("clip").
        train_size, test_size: use only the first so many images; ``None`` means all.
        train_set: of an experiment on photographs, one of its :data:`TRAINING_SETS`; ``None`` for Colored MNIST, as are the
            following five, but for "network".
        learn: "gender" or "age" for experiment "faces"; the other one is to be forgotten.
        image_size: pixels a side.
        network: "resnet18" or, for the stand-ins, "cartoon", see :mod:`lnl_core.networks`; ``None`` for "jlu_faces" too. On digits
            ``None`` is the network of Kim et al. and "ragonesi" that of Ragonesi et al.
        weights: of ResNet-18 at the start: "imagenet", the path of a file, or ``None`` for random ones.
        test_labels: a file of labels of the Dogs and Cats test images; ``None`` means the authors' published ones.
        protected: of experiment "census", the attribute to be forgotten, one of its training set's :data:`PROTECTED`.
        mi_weight: lambda, the weight of the negative conditional entropy of h in the loss of f (Eq. 9); for "mi_backprop" the
            factor of the learning rate of f's second step.
        adv_weight: mu, the scale of the reversed gradient of the bias loss that reaches f (Eq. 9).
        confusion_weight: alpha, the weight of the confusion loss in the loss of f (Alvi et al.).
        augment: strength of random affine maps of the training images, 0 to 1; on digits they and ``elastic`` need labels that are
            equal at all places.
        elastic: standard deviation of random elastic displacements of the training images, in half image widths.
        balance_power: tau; "bias_balanced" draws images with probability proportional to p(label|bias)^-tau.
        balance_wean: share of the uniform distribution in "bias_balanced"'s prior at the end of training.
        warmup_epochs: first train f and g on the label alone while h watches, so that f has learnt the bias.
        grayscale: of the method "gray", one of :data:`GRAYSCALES`.
        clip_norm: largest norm of the joint gradient of f and g; longer ones are shortened to it. 0 leaves them alone.
        bias_steps: updates of h a step; the ones before the last move h alone, on the same features.
        adversaries: heads in h, each with weights of its own; f feels the mean of their losses. This and the next two are for
            Colored MNIST only.
        bias_given_label: h is told the label, so that what f is to forget is what it knows of the bias beyond the label.
        bias_restart: h starts again from fresh weights after every so many epochs; 0 means never.
        extractor_convs: convolutions in f, 2 (the authors') or 1; g has the other ones.
        updates: "joint" makes one update from one pass through f; "alternating" makes the authors' two updates from two passes.
        mi_reduction, bias_reduction: how the bias channels (R, G, B) are joined into one loss.
        features: where f ends: at the authors' feature "map", or at the "vector" that the last linear layer reads.
        optimizer: "sgd" or "adam", for f, g and h.
        estimator: of "mi_backprop", one of :data:`ESTIMATORS`.
        statistics_steps: K, updates of the statistics network of "mi_backprop" a step of f and g.
        statistics_lr, statistics_width: its learning rate (Adam) and the width of its three hidden layers.
        statistics_refresh: steps of f and g after which the features that it learns from are computed anew.
        precision: one of :data:`PRECISIONS`. It and "channels_last" are left out of the fingerprint.
        channels_last: memory layout of images and weights.
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
    adversaries: int = 1
    bias_given_label: bool = False
    bias_restart: int = 0
    clip_norm: float = 0.0
    grayscale: str = "luminance"
    extractor_convs: int = 2  # authors' models.py
    augment: float = 0.0
    elastic: float = 0.0
    balance_power: float = 0.5  # ours
    balance_wean: float = 1.0  # ours
    updates: str = "joint"
    mi_reduction: str = "mean"  # authors' trainer.py
    mi_places: str = "all"  # authors' trainer.py
    bias_reduction: str = "sum"  # authors' trainer.py
    train_set: str | None = None
    learn: str | None = None
    image_size: int | None = None
    network: str | None = None
    weights: str | None = None
    test_labels: str | None = None
    protected: str | None = None
    features: str = "map"
    optimizer: str = "sgd"
    estimator: str = "donsker_varadhan"  # these and the next three: the code of Ragonesi et al. for digits
    statistics_steps: int = 40
    statistics_lr: float = 1e-4
    statistics_width: int = 64
    statistics_refresh: int = 1
    # execution
    precision: str = "auto"
    channels_last: bool = True

    def __post_init__(self) -> None:
        self._check()
        if not self.is_preset():
            object.__setattr__(self, "profile", "custom")

    def _check(self) -> None:
        """Refuse values that no configuration may have, and words and numbers that do not go together."""
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigError(f"unknown {name} {shown(value)}: choose one of {', '.join(allowed)}")
        for name, most in _NUMBERS.items():
            object.__setattr__(self, name, _require_number(name, getattr(self, name), most))
        for name, (least, most) in _COUNTS.items():
            if getattr(self, name) is not None or name not in _OPTIONAL:
                _require_count(name, getattr(self, name), least, most)
        self._check_experiment()
        on_digits = self.experiment == "colored_mnist"
        if on_digits and (self.augment or self.elastic) and (self.bias_labels, self.bias_places) != ("image", "everywhere"):
            raise ConfigError(
                "augment moves the stroke and not its labels: use bias_labels 'image' and bias_places 'everywhere' with it"
            )
        for name in ("bias_given_label", "channels_last"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} must be true or false, got {shown(getattr(self, name))}")
        own_h = self.method in OWN_LOOPS or self.features == "vector" or self.network
        if self.other_adversary and (not on_digits or own_h):
            raise ConfigError(
                f"{self.other_adversary} belongs to feature maps of colored_mnist and not to {' or '.join(OWN_LOOPS)}: leave it out"
            )
        unused = [name for name, usual in _NOT_OF_MI_BACKPROP.items() if getattr(self, name) != usual]
        if self.method == "mi_backprop" and unused:
            raise ConfigError(f"{unused[0]} has no effect on method 'mi_backprop': leave it out")
        if self.grayscale != "luminance" and self.method != "gray":
            raise ConfigError("grayscale belongs to method 'gray': leave it out elsewhere")
        if isinstance(self.extractor_convs, bool) or self.extractor_convs not in (1, 2):
            raise ConfigError(f"extractor_convs must be 1 or 2, got {shown(self.extractor_convs)}")
        if self.extractor_convs == 1 and (not on_digits or self.network or self.features == "vector"):
            raise ConfigError(
                "extractor_convs moves the cut in the feature maps of Kim et al.'s digit network: leave it out elsewhere"
            )
        if self.batch_size < 2:
            raise ConfigError("batch_size must be at least 2, since batch normalisation needs two images")

    def _check_experiment(self) -> None:
        """That source, training set and task are those of the experiment."""
        allowed = SOURCES[self.experiment]
        if self.source not in allowed:
            raise ConfigError(f"unknown source {shown(self.source)}: choose one of {', '.join(allowed)}, for {self.experiment}")
        if self.color_var != _NO_COLOR_VAR and (reason := self.unread("color_var")):
            raise ConfigError(reason)
        if self.experiment == "colored_mnist":
            if self.source == "authors" and self.train_split == "train":
                raise ConfigError("the authors' files hold no images out: set train_split to 'trainval'")
            if self.network not in (None, "ragonesi"):
                raise ConfigError(f"network must be None or 'ragonesi' for colored_mnist, got {shown(self.network)}")
            self._check_left_out("the experiments on photographs", *(name for name in _PHOTOGRAPHS if name != "network"))
            self._check_left_out("experiment census", "protected")
            return
        if self.experiment == "dogs_cats" and (self.method == "mi_backprop" or self.features == "vector"):
            raise ConfigError("on dogs_cats the bias is a map of levels: mi_backprop and features 'vector' need one bias an image")
        sets = TRAINING_SETS[self.experiment]
        if self.train_set not in sets:
            raise ConfigError(f"unknown train_set {shown(self.train_set)} of {self.experiment}: choose one of {', '.join(sets)}")
        if self.experiment == "census":
            self._check_census()
            return
        self._check_left_out("experiment census", "protected")
        if (self.experiment == "faces") != (self.learn in ("gender", "age")):
            raise ConfigError("learn must be 'gender' or 'age' for experiment 'faces', and is not given for the others")
        networks = (None,) if self.experiment == "jlu_faces" else ("resnet18", "cartoon")
        if self.network not in networks:
            wanted = " or ".join(map(repr, networks))
            raise ConfigError(f"network must be {wanted} for {self.experiment}, got {shown(self.network)}")
        if self.weights is not None and self.network != "resnet18":
            raise ConfigError("weights are those of network 'resnet18': leave them out")
        for name in ("weights", "test_labels"):
            if not isinstance(getattr(self, name), str | None):
                raise ConfigError(f"{name} must be the path of a file, got {shown(getattr(self, name))}")
        if self.test_labels is not None and self.experiment != "dogs_cats":
            raise ConfigError(f"test_labels are those of dogs_cats: leave them out of {self.experiment}")
        if self.image_size is None:
            raise ConfigError(f"image_size must be given for {self.experiment}: use preset(), which knows a good one")

    def _check_left_out(self, owner: str, *names: str) -> None:
        given = [name for name in names if getattr(self, name) is not None]
        if given:
            raise ConfigError(f"{given[0]} belongs to {owner}: leave it out of {self.experiment}")

    def _check_census(self) -> None:
        self._check_left_out("the experiments on photographs", *(name for name in _PHOTOGRAPHS if name != "train_set"))
        attributes = PROTECTED[str(self.train_set)]
        if self.protected not in attributes:
            allowed = " or ".join(map(repr, attributes))
            raise ConfigError(f"protected must be {allowed} for {self.train_set}, got {shown(self.protected)}")
        if self.augment or self.elastic or self.method in ("gray", "jlu"):
            what = f"method {shown(self.method)} is" if self.method in ("gray", "jlu") else "augment and elastic are"
            raise ConfigError(f"{what} for images: leave them out of census")

    @property
    def other_adversary(self) -> str | None:
        """The first option that makes h another adversary than the authors' single one, or ``None``."""
        return next((name for name, usual in _ADVERSARY.items() if getattr(self, name) != usual), None)

    @property
    def setting(self) -> dict[str, float | str]:
        """What the experiment varies between the columns of its results table, in the words of ``results/paper.json``."""
        if self.experiment == "colored_mnist":
            return {"color_var": self.color_var}
        found: dict[str, float | str] = {}
        if self.experiment == "census":
            return {"train": str(self.train_set), "protected": str(self.protected)}
        if self.experiment == "faces":
            found = {"learn": str(self.learn), "unlearn": "age" if self.learn == "gender" else "gender"}
        elif self.experiment == "jlu_faces":
            found = {"learn": "age", "unlearn": "gender"}
        found["train"] = str(self.train_set).upper()
        if self.experiment == "jlu_faces":
            found["alpha"] = self.confusion_weight if self.method in ("jlu", "blind_eye", "blind_eye_grl") else 0.0
        return found

    @property
    def setting_name(self) -> str:
        """The setting in a few letters, for names of files: "0.03", "tb1", "gender-eb1", "bd-0.4", "adult-sex"."""
        if self.experiment == "colored_mnist":
            return f"{self.color_var:g}"
        alpha = f"{self.setting['alpha']:g}" if self.experiment == "jlu_faces" else None
        return "-".join(part for part in (self.learn, self.train_set, self.protected, alpha) if part)

    def with_options(self, **changes: Any) -> "RunConfig":
        """A copy with other hyper-parameters. Its profile becomes "custom" if any of them differs from the preset.

        Raises:
            ConfigError: an unknown name, a value out of range, or a change that would change nothing: a field that this method,
                schedule, optimiser or experiment does not read.
        """
        known = {field.name for field in fields(self)}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise ConfigError(f"unknown hyper-parameter {shown(unknown[0])}: choose one of {', '.join(sorted(known))}")
        changed = replace(self, **changes)
        for name in changes:
            if getattr(changed, name) != getattr(self, name) and (reason := changed.unread(name)):
                raise ConfigError(reason)
        if changed.method != self.method and "profile" not in changes and self.profile != "custom":
            raise ConfigError("the method decides other values too: call preset() with the method instead of changing it")
        return changed

    def unread(self, name: str) -> str | None:
        """Why the field has no effect on this run, in a sentence that says whose it is; ``None`` where it has one."""
        for decider, allowed in _READERS.get(name, {}).items():
            value = getattr(self, decider)
            if value not in allowed:
                *others, last = (str(one) for one in allowed if one is not None)
                owners = f"{', '.join(others)} or {last}" if others else last
                return f"{name} belongs to {decider} {owners}: leave it out of {value}"
        if name == "test_size" and self.experiment == "jlu_faces" and self.source not in ("auto", "drawn"):
            return "test_size belongs to drawn faces, EBD is always used whole: leave it out"
        return None

    def check_read(self) -> None:
        """Refuse a value that nothing in the run would read, unless one of the presets or the default put it there.

        Every training loop asks this. :meth:`with_options` and :func:`preset` refuse such a change at once; what is built
        directly, or by :func:`dataclasses.replace`, can still hold one.

        Raises:
            ConfigError: naming the field and whose it is.
        """
        inherited = [self._preset(profile) for profile in PROFILES]
        for field in fields(self):
            value = getattr(self, field.name)
            known = [field.default, *(values[field.name] for values in inherited)]
            if value not in known and (reason := self.unread(field.name)):
                raise ConfigError(reason)

    def is_preset(self) -> bool:
        """Whether the profile is "custom", or every value is the one that the preset of this name has today.

        Free are the method, what the experiment varies, the source, and the options under "execution".
        """
        if self.profile == "custom":
            return True
        # alpha is what jlu_faces varies
        free = {*_FREE, *(["confusion_weight"] if (self.experiment, self.method) == ("jlu_faces", "jlu") else [])}
        return all(getattr(self, name) == value for name, value in self._preset(self.profile).items() if name not in free)

    def _preset(self, profile: str) -> dict[str, Any]:
        """Every value of the preset of this run's experiment, method and training set."""
        found = {field.name: field.default for field in fields(self)} | {"profile": profile}
        return found | _preset_values(profile, self.method, self.experiment, self.train_set)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunConfig":
        """The inverse of :meth:`to_dict`; an unknown name is a :class:`ConfigError`.

        What was stored keeps its name and its fingerprint, although its preset may have other values today.
        """
        if not isinstance(values, dict):
            raise ConfigError(f"a configuration is a table of names and values, got {shown(values)}")
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(
                f"unknown hyper-parameter {shown(unknown[0])} in a configuration: it was written by another version of lnl_core"
            )
        config = object.__new__(cls)  # a profile that was stored stays as it was stored, see is_preset
        for field in fields(cls):
            object.__setattr__(config, field.name, values.get(field.name, field.default))
        config._check()
        return config

    def fingerprint(self) -> str:
        """Twelve hex digits that name this run: equal for equal hyper-parameters, whatever the execution options."""
        what = {name: value for name, value in self.to_dict().items() if name not in _EXECUTION}
        for name, default in _LATER.items():
            if what[name] == default:
                del what[name]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]


def shown(value: object) -> str:
    """A value for a message, cut where it is long: a number may have more digits than Python is willing to print."""
    try:
        text = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"


def _require_count(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, got {shown(value)}")
    if value > most:
        raise ConfigError(f"{name} must be a whole number of at most {most}, got {shown(value)}")


def _require_number(name: str, value: object, most: float) -> float:
    """The value as a float: 0 and 0.0 are one configuration with one fingerprint."""
    large = isinstance(value, int) and value > most  # more digits than a float holds
    if isinstance(value, bool) or not isinstance(value, int | float) or not (large or math.isfinite(value)) or value < 0:
        raise ConfigError(f"{name} must be a finite number that is not negative, got {shown(value)}")
    if value > most:
        between = f"lie between 0 and {most:g}" if most == 1 else f"be at most {most:g}"
        raise ConfigError(f"{name} must {between}, got {shown(value)}")
    return float(value)


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
_DEMO: dict[str, Any] = dict(
    _TUNED, source="mini", train_split="train", epochs=8, batch_size=32, lr=0.01, bias_lr=0.03, adv_weight=1.0
)
_SHORT: dict[str, Any] = dict(
    _TUNED,
    source="mnist",
    epochs=10,
    bias_places="background",
    bias_lr=0.1,
    mi_weight=0.3,
    adv_weight=1.0,
    confusion_weight=0.3,
)
_FULL: dict[str, Any] = dict()
_PHOTOGRAPHS_SHARED: dict[str, dict[str, Any]] = {
    "smoke": dict(source="drawn", image_size=64, train_size=64, test_size=96, epochs=1, batch_size=32, schedule="constant"),
    "demo": dict(source="drawn", image_size=64, test_size=600, batch_size=32, schedule="one_cycle", lr=0.03),
    "short": dict(image_size=64, batch_size=64, schedule="one_cycle", lr=0.02, bias_lr=0.05, augment=0.5),
    "full": dict(image_size=224, weights="imagenet"),
}
_CARTOON: dict[str, Any] = dict(network="cartoon")
_RESNET: dict[str, Any] = dict(network="resnet18")
_DOGS_CATS: dict[str, Any] = dict(bias_lr=0.05, mi_weight=0.003, adv_weight=0.03, confusion_weight=0.1)
_FACES: dict[str, Any] = dict(bias_lr=0.05, mi_weight=0.3, adv_weight=0.03, confusion_weight=0.3)
_REPORT: dict[str, Any] = dict(image_size=96, augment=0.0, weights=None)  # the report's network takes 96 pixels
_PHOTOGRAPH_PROFILES: dict[str, dict[str, dict[str, Any]]] = {
    "dogs_cats": {
        "smoke": _CARTOON,
        "demo": dict(_CARTOON, **_DOGS_CATS, train_size=2000, epochs=9),
        "short": dict(_RESNET, **_DOGS_CATS, source="kaggle", epochs=24),
        "full": _RESNET,
    },
    "faces": {
        "smoke": _CARTOON,
        "demo": dict(_CARTOON, **_FACES, train_size=1500, epochs=6),
        "short": dict(_RESNET, **_FACES, source="utkface", epochs=4),
        "full": _RESNET,
    },
    "jlu_faces": {
        "smoke": _REPORT,
        "demo": dict(
            _REPORT, image_size=48, train_size=1500, epochs=6, lr=0.02, bias_lr=0.05
        ),  # half the side, a quarter of the time
        "short": dict(_REPORT, source="utkface", epochs=20),
        "full": _REPORT,
    },
}
_CENSUS: dict[str, Any] = dict(
    train_split="train",
    batch_size=1024,
    epochs=10,
    schedule="one_cycle",
    lr=0.1,
    bias_lr=0.2,
    bias_steps=3,
    mi_weight=1.0,
    adv_weight=1.0,
    confusion_weight=1.0,
    weight_decay=1e-4,
)
_GERMAN: dict[str, Any] = dict(batch_size=64, epochs=15, lr=0.01, bias_lr=0.02)
_CENSUS_PROFILES: dict[str, dict[str, Any]] = {
    "smoke": dict(source="drawn", train_size=256, test_size=256, epochs=1, batch_size=64),
    "demo": dict(source="drawn", batch_size=256, epochs=8),
    "short": dict(source="uci"),
    "full": dict(source="uci"),
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

_MI_SHARED: dict[str, Any] = dict(optimizer="adam", bias_lr=1e-3, weight_decay=0.0)
_MI_AUTHORS: dict[str, Any] = dict(_MI_SHARED, lr=1e-4, schedule="constant")
_MI_OURS: dict[str, Any] = dict(
    _MI_SHARED,
    features="vector",
    schedule="one_cycle",
    lr=1e-3,
    mi_weight=0.7,
    statistics_lr=5e-3,
    statistics_steps=10,
    statistics_refresh=2,
)
_MI_DIGITS: dict[str, dict[str, Any]] = {
    "smoke": dict(_MI_OURS, statistics_steps=2),
    "demo": dict(_MI_OURS, epochs=4, batch_size=32, warmup_epochs=1, statistics_steps=5, statistics_refresh=4),
    "short": dict(_MI_OURS, epochs=8, warmup_epochs=2),
    "full": dict(_MI_AUTHORS, network="ragonesi", mi_weight=1.0, epochs=501),
}
_MI_FACES: dict[str, dict[str, Any]] = {
    "smoke": dict(_MI_OURS, statistics_steps=2),
    "demo": dict(_MI_OURS, warmup_epochs=2),
    "short": dict(_MI_OURS, warmup_epochs=1, augment=0.0),
    "full": {
        **_MI_AUTHORS,
        **dict(features="vector", lr=1e-5, mi_weight=0.9, batch_size=24, epochs=10),
        **dict(statistics_steps=20, statistics_width=512),
    },
}


def preset(
    profile: str,
    method: str = "lnl",
    *,
    experiment: str = "colored_mnist",
    color_var: float = 0.03,
    seed: int = 0,
    **changes: Any,
) -> RunConfig:
    """The configuration of one profile and method; ``changes`` replace single hyper-parameters.

    "smoke" proves that things run (its numbers mean nothing), "demo" shows the effect in minutes on a laptop with the embedded
    digits or the drawn stand-ins, "short" is the paper's data with fewer epochs, "full" is the paper's setting with the authors'
    hyper-parameters as far as they are known. The values of demo and short were chosen on the validation split of seed 0, those of
    "bias_balanced" on the ones of seeds 0 and 2, short's ``clip_norm`` on those of seeds 0 to 2; on photographs, where there is
    none, on the drawn stand-ins. For "census" all four are ours: no paper's setting is followed.

    Raises:
        ConfigError: an unknown profile, experiment or method, a value out of range, or a change of a field that this run would not
            read.
    """
    if profile not in PROFILES:
        raise ConfigError(f"unknown profile {shown(profile)}: choose one of {', '.join(PROFILES)}")
    if experiment not in EXPERIMENTS:
        raise ConfigError(f"unknown experiment {shown(experiment)}: choose one of {', '.join(EXPERIMENTS)}")
    values = _preset_values(profile, method, experiment, changes.get("train_set"))
    values |= {"profile": profile, "method": method, "experiment": experiment, "color_var": color_var, "seed": seed}
    return RunConfig(**values).with_options(**changes)


def _preset_values(profile: str, method: str, experiment: str, train_set: str | None) -> dict[str, Any]:
    """What a preset has otherwise than :class:`RunConfig`'s defaults."""
    if experiment == "census":
        return _census_values(profile, method, train_set)
    if experiment == "colored_mnist":
        return _digit_values(profile, method)
    return _photograph_values(profile, method, experiment)


def _digit_values(profile: str, method: str) -> dict[str, Any]:
    values = {"smoke": _SMOKE, "demo": _DEMO, "short": _SHORT, "full": _FULL}[profile]
    if profile == "smoke" and method not in _WATCHING:
        values = {**values, "warmup_epochs": 0}
    if method == "bias_balanced":
        values = {**values, **_BIAS_BALANCED, **({"epochs": 12} if profile == "short" else {})}
    if method == "mi_backprop":
        values = {**values, **_MI_DIGITS[profile]}
    if profile == "short" and method in ("baseline", "gray"):
        values = {**values, **_TUNED, "epochs": 20, "lr": 0.05}
    if profile == "short" and method in ("lnl", "lnl_adv", "grl", "blind_eye", "blind_eye_grl"):
        values = {**values, "clip_norm": 10.0}  # a single long step against h can empty the features for good
    return dict(values)


def _photograph_values(profile: str, method: str, experiment: str) -> dict[str, Any]:
    values = {
        "train_set": TRAINING_SETS[experiment][0],
        **_PHOTOGRAPHS_SHARED[profile],
        **_PHOTOGRAPH_PROFILES[experiment][profile],
    }
    if experiment == "faces":
        values["learn"] = "gender"
    if method == "jlu":
        values["confusion_weight"] = 1.0  # alpha of the report's M2
    if method == "mi_backprop":
        values |= _MI_FACES[profile]
    return values


def _census_values(profile: str, method: str, train_set: str | None) -> dict[str, Any]:
    train_set = train_set if train_set in TRAINING_SETS["census"] else "adult"  # another one is refused as a change
    values = {"train_set": train_set, "protected": PROTECTED[train_set][0], **_CENSUS, **_CENSUS_PROFILES[profile]}
    if train_set == "german" and profile != "smoke":
        values |= _GERMAN
    if method == "bias_balanced":
        values["balance_wean"] = 0.0
    if method == "mi_backprop":
        values |= {"bias_steps": 1, "mi_weight": 1.0, "statistics_lr": 1e-3, "statistics_steps": 10}
    return values


def resolve_profile(profile: str) -> str:
    """The profile to run: the environment variable ``LNL_PROFILE`` where it is set, else ``profile``.

    Raises:
        ConfigError: if the result is none of :data:`PROFILES`.
    """
    chosen = (variable("LNL_PROFILE") or profile).strip()
    if chosen not in PROFILES:
        raise ConfigError(f"unknown profile {shown(chosen)}: choose one of {', '.join(PROFILES)}")
    return chosen

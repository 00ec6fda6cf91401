"""One run, complete: what its experiment, its method, the training and the execution declare, put together and checked.

A run is described by one frozen :class:`RunConfig`. The notebooks and the command line build it with :func:`preset`, so both
train the same thing. Nothing here knows an experiment or a method by name: each declares its hyper-parameters in its file. Those of
every training are below. A run has the hyper-parameters that it reads and no others.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lnl_core._files import variable
from lnl_core.errors import ConfigError
from lnl_core.hyperparameters import HyperParameter, choice, count, either, flag, number, shown

if TYPE_CHECKING:
    from lnl_core.experiments.base import Experiment
    from lnl_core.methods.base import Method

PROFILES = ("smoke", "demo", "short", "full")
PRECISIONS = ("auto", "float32", "bf16")
"""Of the layers; "auto" is bf16 where the device has instructions for it, else float32, see :mod:`lnl_core.training.precision`."""

_IN_STEPS = {"schedule": ("step",)}
TRAINING = (
    count("seed", 0, "seeds the data, the initial weights and the order of the batches", most=2**63 - 1),
    count("epochs", 100, "passes over the training data", least=1, source="authors' option.py"),
    count("batch_size", 128, "images a step", least=2, source="authors' option.py"),
    choice("optimizer", "sgd", ("sgd", "adam"), "of f, g and h"),
    number("lr", 0.01, "learning rate of f and g", most=1e30, source="authors' option.py"),
    number("momentum", 0.9, "of sgd", most=1, source="authors' option.py", only={"optimizer": ("sgd",)}),
    number("weight_decay", 5e-4, "L2 penalty of all weights, as torch.optim has it", source="authors' option.py"),
    choice("schedule", "step", ("constant", "step", "one_cycle"), "of the learning rates"),
    count("lr_step", 40, "epochs between two falls of the rate", least=1, source="authors' option.py", only=_IN_STEPS),
    number("lr_gamma", 0.1, "factor of each fall", most=1, source="authors' option.py", only=_IN_STEPS),
)
"""What every training reads."""
MEASURING = (
    count("probe_images", 4000, "images that the record's probes read, half to be trained on", least=2, late=True),
    count("probe_steps", 600, "steps that each of the record's probes may take at least", least=1, late=True),
)
"""What is read when a run is measured at its end."""
EXECUTION = (
    choice("precision", "auto", PRECISIONS, "of the layers: bf16 where the device computes it natively, or one by name"),
    flag("channels_last", True, "memory layout of images and weights"),
)
"""How fast a run is, not what it computes beyond rounding: left out of the fingerprint."""


def experiment_of(name: object) -> "Experiment":
    """The registered experiment of this name; :class:`ConfigError` for another one."""
    return import_module("lnl_core.experiments").find(name)  # type: ignore[no-any-return]


def method_of(name: object) -> "Method":
    """The registered method of this name; :class:`ConfigError` for another one."""
    return import_module("lnl_core.methods").find(name)  # type: ignore[no-any-return]


def declared(experiment: str, method: str) -> dict[str, HyperParameter]:
    """The hyper-parameters that a run of this experiment and method may have, by name, in the order of its JSON form.

    Raises:
        ConfigError: an unknown experiment or method, or a method that needs what the experiment does not offer.
    """
    task, way = experiment_of(experiment), method_of(method)
    for need in sorted(way.needs - task.offers):
        raise ConfigError(f"method {method!r} {_NEEDS.get(need, f'needs {need}')}: choose another for {experiment}")
    found: dict[str, HyperParameter] = {}
    for one in (*task.hyperparameters, *TRAINING, *way.hyperparameters, *MEASURING, *EXECUTION):
        if one.needs <= task.offers:
            found.setdefault(one.name, one)
    return found


_NEEDS = {
    "images": "is for images",
    "channels": "needs bias labels in three channels at every place",
    "maps": "needs feature maps of the digit network",
    "image_bias": "needs one bias an image",
}
"""What an experiment can offer, as a message says that it is missing."""


def _owners(name: str) -> str | None:
    """Whose hyper-parameter this is, for a message; ``None`` if nobody has one of this name."""
    if any(one.name == name for one in (*TRAINING, *MEASURING, *EXECUTION)):
        return "every run"
    for kind in ("experiment", "method"):
        every = import_module(f"lnl_core.{kind}s").registered()
        having = tuple(one.name for one in every.values() if any(own.name == name for own in one.hyperparameters))
        if having:
            return f"{kind} {either(having)}"
    return None


class RunConfig:
    """One run: an attribute for each hyper-parameter that it reads, and no others. Frozen.

    Args:
        experiment: data set and task, one of :data:`lnl_core.experiments.EXPERIMENTS`.
        method: one of :data:`lnl_core.methods.METHODS`.
        profile: the preset that all other values are those of; it becomes "custom" where one is not.
        values: hyper-parameters by name; the others have the defaults that their owners declare.

    Raises:
        ConfigError: an unknown experiment or method, a value out of range, values that do not go together, or a hyper-parameter
            that this run would not read: the message says whose it is.
    """

    experiment: str
    method: str
    profile: str
    # of every training
    seed: int
    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    weight_decay: float
    schedule: str
    # of every measuring
    probe_images: int
    probe_steps: int
    # of every execution
    precision: str
    channels_last: bool

    def __init__(self, experiment: str = "colored_mnist", method: str = "lnl", *, profile: str = "full", **values: Any) -> None:
        fields = declared(experiment, method)
        for name in values:
            if name not in fields:
                raise ConfigError(_not_of(name, experiment, method))
        together = {name: one.default for name, one in fields.items()} | values | {"experiment": experiment, "method": method}
        for name in values:
            if reason := fields[name].unread(together):
                raise ConfigError(reason)
        self._set(experiment, method, profile, together)
        if not self.is_preset():
            self.__dict__["profile"] = "custom"

    def _set(self, experiment: str, method: str, profile: str, values: Mapping[str, Any]) -> None:
        """Keep what is read, checked; the rest is passed over."""
        if profile not in (*PROFILES, "custom"):
            raise ConfigError(f"unknown profile {shown(profile)}: choose one of {', '.join((*PROFILES, 'custom'))}")
        self.__dict__.update(experiment=experiment, method=method, profile=profile)
        for name, one in declared(experiment, method).items():
            if one.unread(values) is None:
                self.__dict__[name] = one.checked(values[name])
        experiment_of(experiment).check(self)
        method_of(method).check(self)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a RunConfig is frozen: use with_options({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a RunConfig is frozen")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(_not_of(name, self.__dict__.get("experiment", ""), self.__dict__.get("method", "")))

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a hyper-parameter, or ``default`` where this run has none of that name."""
        return self.__dict__.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self.__dict__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunConfig) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.items()))

    def __repr__(self) -> str:
        return f"RunConfig({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_dict, (dict(self.__dict__),)

    @property
    def setting(self) -> dict[str, float | str]:
        """What the experiment varies between the columns of its results table, in the words of ``results/paper.json``."""
        return experiment_of(self.experiment).setting(self)

    @property
    def setting_name(self) -> str:
        """The setting in a few letters, for names of files: "0.03", "tb1", "gender-eb1", "bd-0.4", "adult-sex"."""
        return experiment_of(self.experiment).setting_name(self)

    def with_options(self, **changes: Any) -> "RunConfig":
        """A copy with other hyper-parameters. Its profile becomes "custom" if any of them differs from the preset.

        Raises:
            ConfigError: an unknown name, a value out of range, or a hyper-parameter that the new run would not read.
        """
        kept = dict(self.__dict__) | {name: value for name, value in changes.items() if name in _NAMES}
        experiment, method, profile = (kept.pop(name) for name in _NAMES)
        if (method, experiment) != (self.method, self.experiment) and "profile" not in changes and self.profile != "custom":
            raise ConfigError("method and experiment decide other values too: call preset() with them instead of changing them")
        fields = declared(experiment, method)
        options = {name: value for name, value in changes.items() if name not in _NAMES}
        together = {name: one.default for name, one in fields.items()} | kept | options
        still = {name: value for name, value in kept.items() if name in fields and fields[name].unread(together) is None}
        return RunConfig(experiment, method, profile=profile, **still | options)

    def unread(self, name: str, **changes: Any) -> str | None:
        """Why a run like this one, with these changes, would not read a hyper-parameter, in a sentence; ``None`` where it would."""
        one = declared(self.experiment, self.method).get(name)
        return _not_of(name, self.experiment, self.method) if one is None else one.unread(self.__dict__ | changes)

    def is_preset(self) -> bool:
        """Whether the profile is "custom", or every value is the one that the preset of this name has today.

        Free are what the experiment varies, the source, the seed, and the options of the execution.
        """
        if self.profile == "custom":
            return True
        free = {*_NAMES, "seed", "source", *(one.name for one in EXECUTION), *experiment_of(self.experiment).free(self.method)}
        values = _preset_values(self.profile, self.experiment, self.method, self.__dict__)
        return all(name in free or values[name] == value for name, value in self.__dict__.items())

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: one flat dictionary."""
        return dict(self.__dict__)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, former: bool = False) -> "RunConfig":
        """The inverse of :meth:`to_dict`. What was stored keeps its profile, although its preset may have other values today.

        Args:
            values: by name; what is missing has its default.
            former: also read the form of schema 2 and before, which listed the hyper-parameters of every experiment and method:
                those that this run never read are left out.

        Raises:
            ConfigError: a name that nobody knows or that this run does not have, or a value out of range.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"a configuration is a table of names and values, got {shown(values)}")
        values = {_RENAMED.get(name, name): value for name, value in values.items()}
        experiment, method = values.get("experiment", "colored_mnist"), values.get("method", "lnl")
        fields = declared(experiment, method)
        for name, (old, new) in _RENAMED_VALUES.items():
            if values.get(name) == old and name in fields and old not in fields[name].choices:
                values[name] = new
        for name in values:
            if name not in fields and name not in _NAMES and _owners(name) is None:
                raise ConfigError(
                    f"unknown hyper-parameter {shown(name)} in a configuration: it was written by another version of lnl_core"
                )
            if name not in fields and name not in _NAMES and not former:
                raise ConfigError(_not_of(name, experiment, method))
        config = object.__new__(cls)
        config._set(experiment, method, values.get("profile", "full"), {name: one.default for name, one in fields.items()} | values)
        return config

    def fingerprint(self) -> str:
        """Twelve hex digits that name this run: equal for equal hyper-parameters, whatever the execution options."""
        fields = declared(self.experiment, self.method)
        left_out = {one.name for one in EXECUTION}
        left_out |= {name for name, one in fields.items() if one.late and self.get(name) == one.default}
        what = {name: value for name, value in self.__dict__.items() if name not in left_out}
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]


_NAMES = ("experiment", "method", "profile")
_RENAMED = {
    "bias_steps": "adversary_steps",
    "bias_restart": "adversary_reset",
    "bias_given_label": "conditional_adversary",
}
"""Hyper-parameters whose names were others in records of schema 2 and before."""
_RENAMED_VALUES = {"source": ("drawn", "synthetic"), "network": ("cartoon", "small_cnn")}
"""Words that some hyper-parameters had in earlier records, and those of today."""


def _from_dict(values: dict[str, Any]) -> RunConfig:
    return RunConfig.from_dict(values)


def _not_of(name: str, experiment: str, method: str) -> str:
    """Whose a hyper-parameter is that this run does not have."""
    owners = _owners(name)
    if owners is None:
        return f"unknown hyper-parameter {shown(name)}: choose one of {', '.join(sorted(declared(experiment, method)))}"
    for one in method_of(method).hyperparameters:
        if one.name == name:
            (need, *_) = sorted(one.needs)
            return f"{name} {_NEEDS.get(need, f'needs {need}')}: leave it out of {experiment}"
    return f"{name} belongs to {owners}: leave it out of {experiment if owners.startswith('experiment') else method}"


def preset(
    profile: str,
    method: str = "lnl",
    *,
    experiment: str = "colored_mnist",
    seed: int = 0,
    **changes: Any,
) -> RunConfig:
    """The configuration of one profile and method; ``changes`` replace single hyper-parameters.

    "smoke" proves that things run (its numbers mean nothing), "demo" shows the effect in minutes on a laptop with the embedded
    digits or the synthetic pictures, "short" is the paper's data with fewer epochs, "full" is the paper's setting with the authors'
    hyper-parameters as far as they are known. What they hold and how it was chosen stands in the experiment's file, in
    :mod:`lnl_core.experiments`.

    Raises:
        ConfigError: an unknown profile, experiment or method, a value out of range, or a change of a hyper-parameter that this run
            would not read.
    """
    if profile not in PROFILES:
        raise ConfigError(f"unknown profile {shown(profile)}: choose one of {', '.join(PROFILES)}")
    values = _preset_values(profile, experiment, method, changes)
    fields = declared(experiment, method)
    read = {name: value for name, value in values.items() if fields[name].unread(values) is None}
    return RunConfig(experiment, method, profile=profile, **read | {"seed": seed}).with_options(**changes)


def _preset_values(profile: str, experiment: str, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every value of a preset, also of what is read only under other values: defaults, then what the experiment says.

    Args:
        given: what else is known of the run; the presets of some experiments depend on the training set.
    """
    fields = declared(experiment, method)
    own = experiment_of(experiment).preset(profile, method, given)
    return {name: own.get(name, one.default) for name, one in fields.items()}


def resolve_profile(profile: str) -> str:
    """The profile to run: the environment variable ``LNL_PROFILE`` where it is set, else ``profile``.

    Raises:
        ConfigError: if the result is none of :data:`PROFILES`.
    """
    chosen = (variable("LNL_PROFILE") or profile).strip()
    if chosen not in PROFILES:
        raise ConfigError(f"unknown profile {shown(chosen)}: choose one of {', '.join(PROFILES)}")
    return chosen

"""The kinds of probe by name: what each builds to read the bias from features.

For one more give a :class:`Probe` to :func:`register_probe`, in a file that ``LNL_PLUGINS`` names, or at the end of this one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from lnl_core._plugins import load_plugins
from lnl_core.errors import ConfigError, DataError
from lnl_core.hyperparameters import shown


@dataclass(frozen=True)
class Probe:
    """One kind of probe.

    Attributes:
        name: as in ``lnl probe DIR --kinds NAME``.
        build: the untrained network for one example's feature shape, (D,) or (C, H, W), and a number of classes. It gets rows
            (N, D), flattened, and gives logits (N, classes). Its weights come from torch's own generator, which is seeded.
        skips_constant: whether inputs that are alike in all examples may be left out of the training, which is faster; the first
            layer with weights has to be an ``nn.Linear`` of all D inputs for that.
    """

    name: str
    build: Callable[[torch.Size, int], nn.Module]
    skips_constant: bool = False


PROBES: dict[str, Probe] = {}
"""What :func:`register_probe` was given. Ours: linear, mlp with one hidden layer of 256, conv with two convolutions and the mean
over the places of a feature map.

:meta hide-value:
"""


def register_probe(probe: Probe) -> Probe:
    """Make a kind of probe known by its name; it is returned.

    Raises:
        ConfigError: another kind has the name, or a part is missing.
    """
    if not isinstance(probe, Probe):
        raise ConfigError(f"a probe is an object of lnl_core.evaluation.Probe, got {shown(probe)}")
    parts = {
        "a name of letters, digits and _": isinstance(probe.name, str) and probe.name.isidentifier(),
        "a function build": callable(probe.build),
        "skips_constant, true or false": isinstance(probe.skips_constant, bool),
    }
    for part, there in parts.items():
        if not there:
            raise ConfigError(f"the probe {shown(probe.name)} lacks {part}: see lnl_core.evaluation.Probe")
    if probe.name in PROBES:
        raise ConfigError(f"there is a probe {probe.name!r} already: choose another name")
    PROBES[probe.name] = probe
    return probe


def find_probe(name: str) -> Probe:
    """The kind of a name, ours or a plug-in's.

    Raises:
        DataError: there is none, with those that there are.
    """
    load_plugins()
    if not isinstance(name, str) or name not in PROBES:
        raise DataError(f"unknown probe {shown(name)}: choose one of {', '.join(PROBES)}")
    return PROBES[name]


def _mlp(shape: torch.Size, classes: int) -> nn.Module:
    return nn.Sequential(nn.Linear(shape.numel(), 256), nn.ReLU(), nn.Linear(256, classes))


def _conv(shape: torch.Size, classes: int) -> nn.Module:
    if len(shape) != 3:
        raise DataError(f"a conv probe reads feature maps (N, C, H, W), not features of shape (N, {', '.join(map(str, shape))})")
    first, second = nn.Conv2d(shape[0], 32, 3, padding=1), nn.Conv2d(32, 64, 3, stride=2, padding=1)
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))
    return nn.Sequential(nn.Unflatten(1, shape), first, nn.ReLU(), second, nn.ReLU(), *pooled)


register_probe(Probe("linear", lambda shape, classes: nn.Linear(shape.numel(), classes), skips_constant=True))
register_probe(Probe("mlp", _mlp, skips_constant=True))
register_probe(Probe("conv", _conv))

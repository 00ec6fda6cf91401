"""The optimisers of f and g and of h, their learning rates over a run, and what they remember."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lnl_core.config import RunConfig
from lnl_core.methods.base import value_of
from lnl_core.methods.hyperparameters import BIAS_LR
from lnl_core.networks.parts import LNLNetwork


def learning_rate(config: RunConfig, base: float, progress: float, epochs: int | None = None) -> float:
    """The learning rate at ``progress`` epochs (a fraction inside an epoch), a function of nothing else, so resuming is exact.

    Of a run of ``epochs``, or of as many as the configuration has.

    "step" multiplies by lr_gamma every lr_step epochs; "one_cycle" rises linearly over the first 15 % of the run from a tenth
    of ``base`` and falls along a cosine to a hundredth of it.
    """
    if config.schedule == "constant":
        return base
    if config.schedule == "step":
        return base * float(config.lr_gamma ** (int(progress) // config.lr_step))
    share = progress / (epochs or config.epochs)
    rise = 0.15
    if share < rise:
        return base * (0.1 + 0.9 * share / rise)
    return base * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (share - rise) / (1 - rise))))


_REMEMBERED = {"momentum_buffer": "momentum", "exp_avg": "mean", "exp_avg_sq": "square", "step": "step"}  # as checkpoints name it


def optimizer_state(optimizer: torch.optim.Optimizer, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """What an optimiser remembers, as KIND.PARAMETER; empty before its first step."""
    return {
        f"{_REMEMBERED[kind]}.{name}": value
        for name, parameter in parameters.items()
        for kind, value in optimizer.state.get(parameter, {}).items()
        if value is not None
    }


def load_optimizer_state(optimizer: torch.optim.Optimizer, parameters: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
    """The inverse of :func:`optimizer_state`; what belongs to no parameter of the optimiser is passed over."""
    own = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    for kind, key in _REMEMBERED.items():
        for name, parameter in parameters.items():
            if parameter in own and (value := tensors.get(f"{key}.{name}")) is not None:
                # Adam counts its steps on the CPU unless it is fused
                place = parameter.device if kind != "step" or optimizer.defaults.get("fused") else "cpu"
                optimizer.state[parameter][kind] = value.to(place).clone()


def make_optimizer(parameters: Any, config: RunConfig, lr: float, weight_decay: float, **options: Any) -> torch.optim.Optimizer:
    """SGD with momentum or Adam, as ``config.optimizer`` says."""
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay, **options)
    return torch.optim.SGD(parameters, lr=lr, momentum=config.momentum, weight_decay=weight_decay, **options)


@dataclass
class Optimizers:
    """One optimiser for f and g, and one of its own for h, so that either can stay while the other moves."""

    network: LNLNetwork
    config: RunConfig
    main: torch.optim.Optimizer = field(init=False)
    bias: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        heads = [*self.network.extractor.parameters(), *self.network.label_head.parameters()]
        self.main = make_optimizer(heads, self.config, self.config.lr, self.config.weight_decay)
        own = self.network.bias_head.parameters()
        self.bias = make_optimizer(own, self.config, value_of(self.config, BIAS_LR), self.config.weight_decay)

    def rate(self, base: float, progress: float) -> float:
        return learning_rate(self.config, base, progress)

    def set_rates(self, progress: float) -> None:
        for optimizer, base in ((self.main, self.config.lr), (self.bias, value_of(self.config, BIAS_LR))):
            for group in optimizer.param_groups:
                group["lr"] = self.rate(base, progress)

    def zero_grad(self, *, to_none: bool = True) -> None:
        self.main.zero_grad(set_to_none=to_none)
        self.bias.zero_grad(set_to_none=to_none)

    def state(self) -> dict[str, Tensor]:
        """What both remember, by kind and parameter name; empty before the first step."""
        parameters: dict[str, Tensor] = dict(self.network.named_parameters())
        return optimizer_state(self.main, parameters) | optimizer_state(self.bias, parameters)

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        for optimizer in (self.main, self.bias):
            load_optimizer_state(optimizer, dict(self.network.named_parameters()), tensors)

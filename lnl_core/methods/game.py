"""Methods in which f and h play against each other: one step of losses with weights, a warm start, and options of h."""

from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lnl_core._random import seeded
from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch, BiasedImages
from lnl_core.errors import ConfigError
from lnl_core.hyperparameters import HyperParameter
from lnl_core.losses import bias_loss
from lnl_core.methods.adversarial_step import adversarial_step, warmup_step
from lnl_core.methods.base import BIAS_LABELS, Course, Losses, Method, Moves, value_of
from lnl_core.methods.hyperparameters import (
    ADV_WEIGHT,
    ADVERSARIES,
    ADVERSARY_RESET,
    ADVERSARY_STEPS,
    BIAS_REDUCTION,
    CONDITIONAL_ADVERSARY,
    CONFUSION_WEIGHT,
    MI_PLACES,
    MI_REDUCTION,
    MI_WEIGHT,
    OF_H,
    OF_IMAGES,
    UPDATES,
    WARMUP_EPOCHS,
)
from lnl_core.methods.two_passes import first_pass, second_pass
from lnl_core.networks.build import untrained_bias_head
from lnl_core.networks.parts import BiasHeads, LNLNetwork

if TYPE_CHECKING:
    from lnl_core.training.loop import Training

_OPTIONS = (UPDATES, ADVERSARY_STEPS, ADVERSARIES, CONDITIONAL_ADVERSARY, ADVERSARY_RESET)
_TERMS = {"mi_weight": "[lambda] L_MI", "confusion_weight": "[alpha] L_conf"}
_AVERAGES = {"mi_weight": (MI_REDUCTION, MI_PLACES), "confusion_weight": (MI_PLACES,)}


class Game(Method):
    """A method whose f descends L_c and whatever terms it has a weight for, while g descends L_c and h descends L_B.

    Args:
        name: of the method.
        weights: of the terms that reach f: ``MI_WEIGHT``, ``CONFUSION_WEIGHT``, ``ADV_WEIGHT``.
        more: hyper-parameters beside these and those of every game.
        label: the name of the label loss in the table of who moves.
    """

    must_know: tuple[str, ...] = (BIAS_LABELS,)
    trains_h = True

    def __init__(
        self, name: str, *weights: HyperParameter, more: tuple[HyperParameter, ...] = (), label: str = "L_c"
    ) -> None:
        self.name, self.weights = name, weights
        terms = [_TERMS[weight.name] for weight in weights if weight.name in _TERMS]
        averages = {option.name: option for weight in weights for option in _AVERAGES.get(weight.name, ())}
        self.hyperparameters = (*weights, *averages.values(), *OF_H, *_OPTIONS, *OF_IMAGES, *more)
        descends = f"descends {' + '.join([label, *terms])}"
        ascends = ", ascends [mu] L_B" if ADV_WEIGHT in weights else ""
        self.moves = (Moves(descends + ascends, f"descends {label}", "descends L_B"),)

    def step(self, network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
        """One pass through f and h fills the gradients of all three, see :mod:`lnl_core.methods.adversarial_step`."""
        mi, confusion, reversal = (
            value_of(config, weight) if weight in self.weights else 0.0 for weight in (MI_WEIGHT, CONFUSION_WEIGHT, ADV_WEIGHT)
        )
        return adversarial_step(network, batch, config, mi=mi, confusion=confusion, reversal=reversal)

    def check_network(self, network: LNLNetwork, data: BiasedImages, config: RunConfig) -> None:
        """Refuse other adversaries than h has, or an h that cannot start again."""
        adversaries, given_label = value_of(config, ADVERSARIES), value_of(config, CONDITIONAL_ADVERSARY)
        told = isinstance(network.bias_head, BiasHeads) and network.bias_head.told is not None
        if adversaries not in (1, network.adversaries) or (given_label and not told):
            name = "conditional_adversary" if adversaries in (1, network.adversaries) else "adversaries"
            raise ConfigError(f"{name} is a matter of h, and the h of this network is another: make it lnl_core.networks.BiasHeads")
        if value_of(config, ADVERSARY_RESET):
            layers = [module for module in network.bias_head.modules() if [*module.parameters(recurse=False)]]
            fixed = [type(layer).__name__ for layer in layers if not hasattr(layer, "reset_parameters")]
            if fixed and _layout(untrained_bias_head(config)) != _layout(network.bias_head):
                raise ConfigError(
                    f"adversary_reset needs an h that can draw new weights: give {fixed[0]} a method reset_parameters()"
                )

    def course(self, training: "Training") -> "GameCourse":
        return GameCourse(self, training)


class GameCourse(Course):
    """One training of a game: h may watch first, make further steps, start again, or play the authors' two updates."""

    def begin_epoch(self, batches: list[Tensor]) -> None:
        every, epoch = value_of(self.training.config, ADVERSARY_RESET), self.training.epoch
        if every and epoch and epoch % every == 0:
            self.reset_adversary()

    def update(self, batch: Batch, index: Tensor, number: int) -> Losses:
        training, config = self.training, self.training.config
        warming = training.epoch < value_of(config, WARMUP_EPOCHS)
        if value_of(config, UPDATES) == "alternating" and not warming:
            losses = self.first_update(batch)
            training.optimizers.zero_grad(to_none=False)
            with training.autocast():
                losses |= second_pass(training.network, batch, config)
        else:
            training.optimizers.zero_grad()
            with training.autocast():
                losses = (warmup_step if warming else self.method.step)(training.network, batch, config)
        for _ in range(value_of(config, ADVERSARY_STEPS) - 1):
            self.extra_adversary_step(batch)
        self.move()
        return losses

    def first_update(self, batch: Batch) -> Losses:
        """The first of the authors' two updates. Their gradients are zeroed and not dropped, so the second one moves g by its
        momentum."""
        self.training.optimizers.zero_grad(to_none=False)
        with self.training.autocast():
            losses = first_pass(self.training.network, batch, self.training.config)
        self.clip()
        self.training.optimizers.main.step()
        return losses

    def extra_adversary_step(self, batch: Batch) -> None:
        """Apply the gradients that h has and give it new ones, on features that f has not yet left."""
        network, bias = self.training.network, self.training.optimizers.bias
        bias.step()
        bias.zero_grad()
        with self.training.autocast():
            with torch.no_grad():
                features = network.extractor(batch.images)
            loss = bias_loss(*network.read_bias(features, batch), value_of(self.training.config, BIAS_REDUCTION))
            (network.adversaries * loss).backward()

    def reset_adversary(self) -> None:
        """Give h fresh weights, drawn from seed and epoch alone so that resuming is exact, and take its momentum away.

        The h of :func:`lnl_core.networks.build.build_network` gets the weights of a new one; the layers of any other draw their own
        anew.
        """
        seed, own = self.training.seed(700_000 + self.training.epoch), self.training.network.bias_head
        fresh = untrained_bias_head(self.training.config.with_options(seed=seed))
        if _layout(fresh) == _layout(own):
            own.load_state_dict(fresh.state_dict())
        else:
            anew = deepcopy(own).cpu()  # its weights are drawn there, so that a seed is one on every device
            with seeded(seed):
                for module in anew.modules():
                    getattr(module, "reset_parameters", lambda: None)()
            own.load_state_dict(anew.state_dict())
        self.training.optimizers.bias.state.clear()


def _layout(module: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(name, value.shape) for name, value in module.state_dict().items()]

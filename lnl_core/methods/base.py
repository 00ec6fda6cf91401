"""What a method is: a step that fills gradients, the hyper-parameters it reads, and its row in the table of who moves."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch, BiasedImages
from lnl_core.hyperparameters import HyperParameter
from lnl_core.methods.hyperparameters import CLIP_NORM
from lnl_core.networks.parts import LNLNetwork

if TYPE_CHECKING:
    from lnl_core.training.loop import Training

Losses = dict[str, Tensor]

BIAS_LABELS, GROUP_LABELS = "bias labels", "group labels"
UNBIASED_VALIDATION, UNBIASED_TRAINING = "unbiased validation images", "unbiased training images"
KNOWLEDGE = (BIAS_LABELS, GROUP_LABELS, UNBIASED_VALIDATION, UNBIASED_TRAINING)
"""What a method may have to know beside images and labels; a group is a pair of label and bias, one an image."""


def value_of(config: RunConfig, declared: HyperParameter) -> Any:
    """A hyper-parameter of a run; its default where the run has none of this name."""
    return getattr(config, declared.name, declared.default)


@dataclass(frozen=True)
class Moves:
    """What f, g and h do in one update, as "descends L_c" or "stays"; ``turn`` names it where a method has several."""

    f: str
    g: str
    h: str
    turn: str = ""


class Method:
    """One method. A new one says its name, its hyper-parameters and who moves, and has a :meth:`step`.

    Attributes:
        name: as in ``lnl train --method NAME``.
        hyperparameters: what it reads beside those of the training.
        moves: its rows in the table of who moves.
        needs: what an experiment must offer for it, such as "images".
        must_know: words of :data:`KNOWLEDGE`, what it must be told beside images and labels.
        trains_h: whether h is trained at all, as an opponent of f or as a witness beside it.
        files: what it leaves in the folder of a run beside the checkpoint and ``metrics.jsonl``.
    """

    name: str
    hyperparameters: tuple[HyperParameter, ...] = ()
    moves: tuple[Moves, ...] = ()
    needs: frozenset[str] = frozenset()
    must_know: tuple[str, ...] = ()
    trains_h: bool = False
    files: tuple[str, ...] = ()

    def check(self, config: RunConfig) -> None:
        """Refuse values of a run that do not go together, with a :class:`lnl_core.errors.ConfigError`."""

    def check_network(self, network: LNLNetwork, data: BiasedImages, config: RunConfig) -> None:
        """Refuse a network of one's own that is not what the configuration says it is, with a ``ConfigError``."""

    @abstractmethod  # no metaclass refuses the object: `register` does, and names the part
    def step(self, network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
        """Fill the gradients of whoever moves.

        Returns:
            The value of each loss in nats, detached, by name.
        """

    def course(self, training: "Training") -> "Course":
        """What one training by this method does beside its step; a method with turns or networks of its own has its own."""
        return Course(self, training)


class Course:
    """One training by a method. The loop calls it at each place where methods differ; these are the plain answers.

    Attributes:
        modules: further networks, which checkpoints keep.
        optimizers: further optimisers, each with the module whose parameters it moves; checkpoints keep what they remember.
    """

    def __init__(self, method: Method, training: "Training") -> None:
        self.method, self.training = method, training
        self.modules: dict[str, nn.Module] = {}
        self.optimizers: dict[str, tuple[torch.optim.Optimizer, nn.Module]] = {}

    def draw(self, generator: torch.Generator) -> list[Tensor]:
        """The batches of one epoch as indices; drawn on the CPU, so they are the same on every device."""
        data = self.training.data
        order = torch.randperm(len(data), generator=generator).to(data.device)
        return list(order.split(self.training.config.batch_size))

    def begin_epoch(self, batches: list[Tensor]) -> None:
        """What comes before the first update of an epoch."""

    def update(self, batch: Batch, index: Tensor, number: int) -> Losses:
        """The update number ``number`` of an epoch, on the examples at ``index``: the gradients, then whoever has one moves."""
        self.training.optimizers.zero_grad()
        with self.training.autocast():
            losses = self.method.step(self.training.network, batch, self.training.config)
        self.move()
        return losses

    def move(self) -> None:
        """One step of both optimisers, with the joint gradient of f and g made no longer than ``clip_norm``."""
        self.clip()
        self.training.optimizers.main.step()
        self.training.optimizers.bias.step()

    def clip(self) -> None:
        norm = value_of(self.training.config, CLIP_NORM)
        if norm:
            self.training.network.clip_gradients(norm)

    def end_epoch(self, means: dict[str, float]) -> dict[str, float]:
        """The numbers of an epoch, from the mean of each loss."""
        return {f"{name}_loss": value for name, value in means.items()}

    def tensors(self) -> dict[str, Tensor]:
        """Further numbers that a checkpoint keeps; all are finite."""
        return {}

    def log(self) -> dict[str, Tensor]:
        """Further numbers that a checkpoint keeps and nobody computes with."""
        return {}

    def notes(self) -> dict[str, str]:
        """Texts that a checkpoint keeps."""
        return {}

    def resume(self, tensors: dict[str, Tensor], notes: dict[str, str], folder: Path) -> None:
        """Take up what :meth:`tensors`, :meth:`log` and :meth:`notes` gave; modules and optimisers are loaded already."""

    def write_copies(self, folder: Path) -> None:
        """Write what the checkpoint holds for readers, see ``files`` of :class:`Method`."""

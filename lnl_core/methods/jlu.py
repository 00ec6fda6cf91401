r"""Joint learning and unlearning (Alvi et al. 2018; Algorithm 1 of the report): two tasks that take turns.

In every round h first learns to read the bias from features that stay as they are, until its loss L_B is "optimised"; then f and g
descend :math:`L_c + \alpha L_{conf}` for a few steps while h stays. The report does not say when L_B is optimised nor how long the
second task lasts; the rules here are ours, see :class:`Turns`. :math:`\alpha` is ``confusion_weight``; the report's models
are M1 (0), M3 (0.4) and M2 (1).
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lnl_core._files import read_text, user_path, write_atomically
from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch
from lnl_core.errors import ConfigError, RecordError
from lnl_core.losses import bias_loss, confusion_loss, log_probabilities
from lnl_core.methods.adversarial_step import label_term, places
from lnl_core.methods.base import BIAS_LABELS, Course, Losses, Method, Moves, value_of
from lnl_core.methods.hyperparameters import BIAS_REDUCTION, CONFUSION_WEIGHT, MI_PLACES, OF_H, OF_IMAGES
from lnl_core.networks.parts import LNLNetwork

if TYPE_CHECKING:
    from lnl_core.training.loop import Training

UPDATES = "updates.jsonl"
"""One line an update: who moved, and the losses."""
_FORMER = "duel.jsonl"  # of runs of earlier versions, which are read as they are
OPTIONS = "turns.json"

Updates = list[dict[str, float | str]]


@dataclass(frozen=True)
class Turns:
    """When h has learnt enough, and how long f and g then go on.

    h's turn ends when its loss, averaged over the last ``window`` batches, is below ``goal``; or has not fallen by ``gain`` for
    ``patience`` batches; or after ``longest`` batches.

    Attributes:
        goal: nats of L_B that count as optimised; guessing costs the entropy of the bias, 0.69 of a balanced gender
            and 0.63 in the report's BD.
        gain: nats.
        window, patience, longest: batches.
        main: updates of f and g in their turn; the last turn of an epoch may be shorter.
    """

    goal: float = 0.3
    gain: float = 0.01
    window: int = 5
    patience: int = 15
    longest: int = 60
    main: int = 10

    def __post_init__(self) -> None:
        for name in ("window", "patience", "longest", "main"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name} must be a whole number of at least 1, got {value!r}")
        for name in ("goal", "gain"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise ConfigError(f"{name} must be a finite number of nats that is not negative, got {value!r}")

    def optimised(self, losses: list[float]) -> bool:
        """Whether h's turn is over, from the bias losses of its batches so far."""
        means = [sum(losses[i - self.window : i]) / self.window for i in range(self.window, len(losses) + 1)]
        if not means:
            return len(losses) >= self.longest
        if means[-1] < self.goal or len(losses) >= self.longest:
            return True
        before = means[: -self.patience]
        return bool(before) and min(means[-self.patience :]) > min(before) - self.gain


def jlu_bias_step(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """JLU's secondary task: h descends L_B on features that its gradient does not reach; f and g stay."""
    with torch.no_grad():
        features = network.extractor(batch.images)
    log_q = log_probabilities(network.bias_head(features))
    bias = bias_loss(log_q, batch.bias, value_of(config, BIAS_REDUCTION), normalized=True)
    bias.backward()
    return {"bias": bias.detach(), "confusion": confusion_loss(log_q.detach(), places(batch.bias, config), normalized=True)}


def jlu_main_step(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """JLU's primary task: f descends L_c + alpha L_conf and g descends L_c; h stays. L_B is reported and moves nobody."""
    features = network.extractor(batch.images)
    label = label_term(network.label_head(features), batch.labels, batch.log_prior)
    log_q = log_probabilities(network.bias_head(features))
    confused = confusion_loss(log_q, places(batch.bias, config), normalized=True)
    others = (*network.extractor.parameters(), *network.label_head.parameters())
    moved = [parameter for parameter in others if parameter.requires_grad]
    (label + config.confusion_weight * confused).backward(inputs=moved)
    bias = bias_loss(log_q.detach(), batch.bias, value_of(config, BIAS_REDUCTION), normalized=True)
    return {"label": label.detach(), "confusion": confused.detach(), "bias": bias}


class Jlu(Method):
    """Joint learning and unlearning: the step is that of f and g, and h has turns of its own between them.

    Args:
        turns: when h and when f and g move.
    """

    name = "jlu"
    hyperparameters = (CONFUSION_WEIGHT, MI_PLACES, *OF_H, *OF_IMAGES)
    needs = frozenset({"images"})
    must_know = (BIAS_LABELS,)
    moves = (
        Moves("descends L_c + [alpha] L_conf", "descends L_c", "stays", "unlearning"),
        Moves("stays", "stays", "descends L_B", "watching"),
    )
    trains_h = True
    files = (UPDATES, _FORMER, OPTIONS)

    def __init__(self, turns: Turns | None = None) -> None:
        self.turns = Turns() if turns is None else turns

    def step(self, network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
        return jlu_main_step(network, batch, config)

    def course(self, training: "Training") -> "JluCourse":
        return JluCourse(self, training)


class JluCourse(Course):
    """One training: an epoch is one pass of f and g over the data; h draws batches of its own, as many as it needs.

    Attributes:
        updates: one line an update, as :func:`read_updates` reads them.
        drawn: how many batches h has drawn.
    """

    def __init__(self, method: Jlu, training: "Training") -> None:
        super().__init__(method, training)
        self.turns, self.updates, self.drawn = method.turns, Updates(), 0
        self.warming = training.config.with_options(confusion_weight=0.0)
        self.order: tuple[int, list[Tensor]] = (-1, [])  # an epoch of h and its batches

    def begin_epoch(self, batches: list[Tensor]) -> None:
        self.epochs_first, self.batches = self.drawn, len(batches)

    def update(self, batch: Batch, index: Tensor, number: int) -> Losses:
        if number % self.turns.main == 0:
            self.bias_turn()
        training = self.training
        config = training.config if training.epoch >= training.config.warmup_epochs else self.warming
        training.optimizers.zero_grad()
        with training.autocast():
            losses = jlu_main_step(training.network, batch, config)
        self.clip()
        training.optimizers.main.step()
        self.note("main", losses)
        return losses

    def bias_turn(self) -> None:
        """h learns from fresh batches until its loss is optimised, as the turns have it; f and g stay."""
        losses: list[float] = []
        while not self.turns.optimised(losses):
            self.training.optimizers.zero_grad()
            batch = self.next_batch()
            with self.training.autocast():
                found = jlu_bias_step(self.training.network, batch, self.training.config)
            self.training.optimizers.bias.step()
            losses.append(self.note("bias", found)["bias"])

    def next_batch(self) -> Batch:
        """The next batch of h, whose epochs have an order of their own: how many were drawn is all there is to remember."""
        seed = (self.training.config.seed + 1_000_000) % 2**63
        epoch, number = divmod(self.drawn, self.batches)
        if epoch != self.order[0]:
            self.order = epoch, self.training.batches(epoch, seed)
        maps = self.training.generator(500_000 + self.drawn, seed)
        self.drawn += 1
        return self.training.batch(self.order[1][number], maps)

    def note(self, turn: str, losses: Losses) -> dict[str, float]:
        """Write down an update, and give back its losses as numbers."""
        values = dict(zip(losses, torch.stack([value.float() for value in losses.values()]).tolist(), strict=True))
        self.updates.append({"turn": turn, "epoch": self.training.epoch + 1, **values})
        return values

    def end_epoch(self, means: dict[str, float]) -> dict[str, float]:
        return {**super().end_epoch(means), "bias_steps": float(self.drawn - self.epochs_first)}

    def log(self) -> dict[str, Tensor]:
        return {UPDATES: _table(self.updates)}

    def notes(self) -> dict[str, str]:
        return {"turns": json.dumps(asdict(self.turns))}

    def resume(self, tensors: dict[str, Tensor], notes: dict[str, str], folder: Path) -> None:
        """The checkpoint holds all there is to know, and the files beside it are copies. One of an earlier version needs them."""
        try:
            theirs = json.loads(notes["turns"] if "turns" in notes else (folder / OPTIONS).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            raise RecordError(f"{folder / OPTIONS} is missing or damaged: choose another folder or delete this one") from None
        if theirs != asdict(self.turns):
            raise RecordError(f"{folder} holds a run with other turns ({theirs}): choose another folder or delete this one")
        table = tensors.get(UPDATES, tensors.get(_FORMER))
        updates = read_updates(folder) if table is None else _updates(table)
        history = self.training.history
        self.drawn = int(sum(line["bias_steps"] for line in history))
        made = self.drawn + len(self.training.batches(0)) * len(history)
        if len(updates) < made:  # an earlier version kept the updates beside its checkpoint alone
            raise RecordError(f"the list of updates in {folder} is missing or damaged: choose another folder or delete this one")
        self.updates = updates[:made]

    def write_copies(self, folder: Path) -> None:
        lines = "".join(json.dumps(line) + "\n" for line in self.updates)
        write_atomically(folder / UPDATES, lambda temporary: temporary.write_text(lines, encoding="utf-8"))
        options = json.dumps(asdict(self.turns))
        write_atomically(folder / OPTIONS, lambda temporary: temporary.write_text(options, encoding="utf-8"))


_LOSSES = ("label", "confusion", "bias")


def _table(updates: Updates) -> Tensor:
    """The updates as numbers, (updates, 5): whether f and g moved, the epoch, and the losses of :data:`_LOSSES`, NaN for none."""
    rows = [[line["turn"] == "main", line["epoch"], *(line.get(name, math.nan) for name in _LOSSES)] for line in updates]
    return torch.tensor(rows, dtype=torch.float64).view(-1, 2 + len(_LOSSES))


def _updates(table: Tensor) -> Updates:
    """The inverse of :func:`_table`."""
    updates: Updates = []
    for main, epoch, *losses in table.tolist():
        order = _LOSSES if main else _LOSSES[::-1]
        values = dict(zip(_LOSSES, losses, strict=True))
        found = {name: values[name] for name in order if not math.isnan(values[name])}
        updates.append({"turn": "main" if main else "bias", "epoch": int(epoch), **found})
    return updates


def read_updates(folder: Path | str) -> Updates:
    """The losses of every update in their order: "turn" ("bias" or "main"), "epoch", and bias, confusion and label loss in nats.

    Raises:
        RecordError: if the file is missing or damaged.
    """
    path, former = (user_path(folder) / name for name in (UPDATES, _FORMER))
    path = former if former.is_file() and not path.is_file() else path
    try:
        lines = [json.loads(line) for line in read_text(path).splitlines()]
        if not all(isinstance(line, dict) for line in lines):
            raise ValueError("a line is no table")
    except (OSError, ValueError, RecursionError):
        raise RecordError(f"{path} is missing or damaged: train the run again in another folder") from None
    return lines


JLU = Jlu()

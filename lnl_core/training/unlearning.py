r"""Joint learning and unlearning (Alvi et al. 2018; Algorithm 1 of the report): two tasks that take turns.

In every round h first learns to read the bias from features that stay as they are, until its loss L_B is "optimised"; then f and g
descend :math:`L_c + \alpha L_{conf}` for a few steps while h stays. The report does not say when L_B is optimised nor how long the
second task lasts; the rules here are ours, see :class:`Turns`. :math:`\alpha` is ``config.confusion_weight``; the report's models
are M1 (0), M3 (0.4) and M2 (1).
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from lnl_core._files import read_text, user_path, write_atomically
from lnl_core._memory import keep_freed_memory
from lnl_core.config import RunConfig
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import ConfigError, RecordError
from lnl_core.methods._steps import Losses, Step
from lnl_core.methods.jlu import jlu_unlearn, jlu_watch
from lnl_core.networks.parts import LNLNetwork
from lnl_core.training.augment import augment
from lnl_core.training.batches import _affine_generator, _batches, derived_seed
from lnl_core.training.checkpoints import (
    _FORMAT,
    CHECKPOINT,
    Metrics,
    _fingerprint,
    _resume,
    _save_checkpoint,
    read_safetensors,
    settled,
    write_history,
)
from lnl_core.training.checks import _check_finite, _check_sound
from lnl_core.training.devices import choose_device, moved
from lnl_core.training.optimisers import _Optimizers
from lnl_core.training.precision import autocast

DUEL = "duel.jsonl"
"""One line an update: who moved, and the losses."""
OPTIONS = "turns.json"

Duel = list[dict[str, float | str]]


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


class _Stream:
    """Batches for h, epoch after epoch in an order of its own; ``drawn`` is all there is to remember."""

    def __init__(self, data: BiasedImages, config: RunConfig, drawn: int) -> None:
        self.data, self.config, self.drawn = data, replace(config, seed=(config.seed + 1_000_000) % 2**63), drawn
        self.size = len(_batches(len(data), config, 0, data.device))
        self.epoch, self.order = -1, list[Tensor]()

    def next(self) -> tuple[Tensor, torch.Generator]:
        """The next indices, and what draws the maps of their images."""
        generator = torch.Generator().manual_seed(derived_seed(self.config.seed, 500_000 + self.drawn))
        epoch, number = divmod(self.drawn, self.size)
        if epoch != self.epoch:
            self.epoch, self.order = epoch, _batches(len(self.data), self.config, epoch, self.data.device)
        self.drawn += 1
        return self.order[number], generator


@dataclass
class Game:
    """What the two turns share."""

    network: LNLNetwork
    data: BiasedImages
    config: RunConfig
    optimizers: _Optimizers
    stream: _Stream
    duel: Duel
    epoch: int = 0

    def step(self, step: Step, index: Tensor, config: RunConfig, maps: torch.Generator) -> dict[str, float]:
        """One update of whoever has a gradient after ``step``; ``maps`` draws the random maps of the images."""
        self.optimizers.zero_grad()
        batch = self.data.batch(index, channels_last=config.channels_last)
        if config.augment or config.elastic:
            augment(batch, config, maps)
        with autocast(config, batch.images.device):
            losses: Losses = step(self.network, batch, config)
        if config.clip_norm and step is jlu_unlearn:
            self.network.clip_gradients(config.clip_norm)
        (self.optimizers.bias if step is jlu_watch else self.optimizers.main).step()
        values = dict(zip(losses, torch.stack([value.float() for value in losses.values()]).tolist(), strict=True))
        self.duel.append({"turn": "bias" if step is jlu_watch else "main", "epoch": self.epoch + 1, **values})
        return values

    def bias_turn(self, turns: Turns) -> None:
        """h learns from fresh batches until its loss is optimised, as ``turns`` has it; f and g stay."""
        losses: list[float] = []
        while not turns.optimised(losses):
            index, maps = self.stream.next()
            losses.append(self.step(jlu_watch, index, self.config, maps)["bias"])


def _train_epoch(game: Game, turns: Turns, bar: Any, folder: Path | None) -> Metrics:
    """One pass of f and g over the data, in turns with h."""
    config = game.config if game.epoch >= game.config.warmup_epochs else replace(game.config, confusion_weight=0.0)
    batches = _batches(len(game.data), config, game.epoch, game.data.device)
    maps, drawn, rows = _affine_generator(config, game.epoch), game.stream.drawn, []
    for number, index in enumerate(batches):
        game.optimizers.set_rates(game.epoch + number / len(batches))
        if number % turns.main == 0:
            game.bias_turn(turns)
        rows.append(game.step(jlu_unlearn, index, config, maps))
        bar.update()
    table = torch.tensor([list(row.values()) for row in rows])
    names = list(rows[0])
    _check_finite(table, names, config, game.epoch, folder)
    losses = dict(zip(names, table.T, strict=True))
    _check_sound(game.network, game.data, batches, losses, config, game.optimizers, game.epoch, folder)
    means = zip(names, table.mean(0).tolist(), strict=True)
    return {**{f"{name}_loss": value for name, value in means}, "bias_steps": float(game.stream.drawn - drawn)}


def _continue(
    folder: Path, network: LNLNetwork, optimizers: _Optimizers, config: RunConfig, turns: Turns, data: str
) -> tuple[list[Metrics], Duel]:
    """History and duel of a checkpoint in ``folder``, whose weights are loaded; empty without one.

    The checkpoint holds all there is to know, and the files beside it are copies. One of an earlier version needs them.
    """
    if not (folder / CHECKPOINT).exists():
        return [], []
    history = _resume(folder / CHECKPOINT, network, optimizers, config, data)
    tensors, notes = read_safetensors(folder / CHECKPOINT, _FORMAT)
    try:
        theirs = json.loads(notes["turns"] if "turns" in notes else (folder / OPTIONS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RecordError(f"{folder / OPTIONS} is missing or damaged: choose another folder or delete this one") from None
    if theirs != asdict(turns):
        raise RecordError(f"{folder} holds a run with other turns ({theirs}): choose another folder or delete this one")
    return history, _duel(tensors[DUEL]) if DUEL in tensors else read_duel(folder)


_LOSSES = ("label", "confusion", "bias")


def _table(duel: Duel) -> Tensor:
    """A duel as numbers, (updates, 5): whether f and g moved, the epoch, and the losses of :data:`_LOSSES`, NaN for none."""
    rows = [[line["turn"] == "main", line["epoch"], *(line.get(name, math.nan) for name in _LOSSES)] for line in duel]
    return torch.tensor(rows, dtype=torch.float64).view(-1, 2 + len(_LOSSES))


def _duel(table: Tensor) -> Duel:
    """The inverse of :func:`_table`."""
    duel: Duel = []
    for main, epoch, *losses in table.tolist():
        order = _LOSSES if main else _LOSSES[::-1]
        values = dict(zip(_LOSSES, losses, strict=True))
        found = {name: values[name] for name in order if not math.isnan(values[name])}
        duel.append({"turn": "main" if main else "bias", "epoch": int(epoch), **found})
    return duel


def read_duel(folder: Path | str) -> Duel:
    """The losses of every update in their order: "turn" ("bias" or "main"), "epoch", and bias, confusion and label loss in nats.

    Raises:
        RecordError: if the file is missing or damaged.
    """
    path = user_path(folder) / DUEL
    try:
        lines = [json.loads(line) for line in read_text(path).splitlines()]
        if not all(isinstance(line, dict) for line in lines):
            raise ValueError("a line is no table")
    except (OSError, ValueError, RecursionError):
        raise RecordError(f"{path} is missing or damaged: train the run again in another folder") from None
    return lines


@keep_freed_memory()
def fit_jlu(
    network: LNLNetwork,
    data: BiasedImages,
    config: RunConfig,
    *,
    turns: Turns | None = None,
    out_dir: Path | str | None = None,
    device: torch.device | str = "auto",
    validate: Callable[[LNLNetwork], Metrics] | None = None,
    progress: bool = True,
) -> tuple[list[Metrics], Duel]:
    """Train ``network`` in place by joint learning and unlearning.

    An epoch is one pass of f and g over the data; h draws batches of its own, as many as it needs. Both see images with random maps
    where ``config`` asks for them. What belongs to other methods is refused; in the first ``warmup_epochs`` alpha is 0. While h has
    its turn f moves in no parameter; batch normalisation in f still follows the mean and variance of the batches it sees.

    With ``out_dir`` a checkpoint, ``metrics.jsonl`` and ``duel.jsonl`` are written after every epoch; a call that finds them for
    the same configuration, turns and data goes on from there to the same weights as an uninterrupted run.

    Args:
        network: f, g and h; moved to the device.
        data: training data; moved to the device as uint8.
        config: hyper-parameters, of method "jlu".
        turns: when h and when f and g move; by default :class:`Turns`.
        device, validate, progress: as for :func:`lnl_core.training.loop.fit`.

    Returns:
        One dictionary an epoch (epoch, the mean losses of f's and g's updates in nats, bias_steps, what ``validate`` returned), and
        one an update, as :func:`read_duel` reads them.

    Raises:
        ConfigError: a configuration of another method, or with a value that this one would not read.
        NonFiniteLossError: a loss became infinite or NaN; the last good checkpoint is kept.
        RecordError: ``out_dir`` holds another run, or a run on other data.
    """
    if config.method != "jlu":
        raise ConfigError(f"fit_jlu trains the method 'jlu', not {config.method!r}: use lnl_core.training.fit")
    config.check_read()
    turns = Turns() if turns is None else turns
    folder = None if out_dir is None else user_path(out_dir)
    place = choose_device(str(device))
    config = settled(config, place, folder)
    data = moved(network, data, config, place)
    optimizers, fingerprint = _Optimizers(network, config), _fingerprint(data)
    history, duel = ([], []) if folder is None else _continue(folder, network, optimizers, config, turns, fingerprint)
    if folder is not None and history:
        write_history(folder, history)
    steps, drawn = len(_batches(len(data), config, 0, data.device)), int(sum(line["bias_steps"] for line in history))
    made = drawn + steps * len(history)
    if len(duel) < made:  # an earlier version kept the duel beside its checkpoint alone
        raise RecordError(f"{out_dir}/{DUEL} is missing or damaged: choose another folder or delete this one")
    duel = duel[:made]
    if folder is not None and history:
        _write_copies(folder, duel, turns)
    game = Game(network, data, config, optimizers, _Stream(data, config, drawn), duel)
    done = len(history) * steps
    with tqdm(total=config.epochs * steps, initial=done, unit="step", desc="jlu", disable=None if progress else True) as bar:
        for epoch in range(len(history), config.epochs):
            game.epoch = epoch
            network.train()
            metrics: Metrics = {"epoch": epoch + 1, **_train_epoch(game, turns, bar, folder)}
            network.eval()
            if validate is not None:
                with torch.no_grad():
                    metrics |= validate(network)
            history.append(metrics)
            if folder is not None:
                _save(folder, game, turns, history, fingerprint)
    network.eval()
    network.h_trained = True
    return history, game.duel


def _save(folder: Path, game: Game, turns: Turns, history: list[Metrics], data: str) -> None:
    """Write the checkpoint, and copies of what it holds."""
    _write_copies(folder, game.duel, turns)
    more, notes = {DUEL: _table(game.duel)}, {"turns": json.dumps(asdict(turns))}
    _save_checkpoint(folder / CHECKPOINT, game.network, game.optimizers, game.config, history, data, more, notes)
    write_history(folder, history)


def _write_copies(folder: Path, duel: Duel, turns: Turns) -> None:
    """What the checkpoint holds, for readers."""
    lines = "".join(json.dumps(line) + "\n" for line in duel)
    write_atomically(folder / DUEL, lambda temporary: temporary.write_text(lines, encoding="utf-8"))
    write_atomically(folder / OPTIONS, lambda temporary: temporary.write_text(json.dumps(asdict(turns)), encoding="utf-8"))

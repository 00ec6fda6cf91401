"""One plain loop that trains any method, keeps a checkpoint after every epoch, and resumes from it to the same result."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from tqdm import tqdm

from lnl_core._denormals import flushed_denormals
from lnl_core._files import user_path
from lnl_core._memory import keep_freed_memory
from lnl_core._tf32 import whole_float32
from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch, BiasedImages
from lnl_core.errors import ConfigError, DataError
from lnl_core.methods import find
from lnl_core.methods.base import Course, Method, value_of
from lnl_core.methods.hyperparameters import AUGMENT, ELASTIC
from lnl_core.methods.jlu import JLU, Jlu, JluCourse, Turns, Updates
from lnl_core.methods.mi_backprop import MI_BACKPROP
from lnl_core.networks.parts import LNLNetwork
from lnl_core.training import checkpoints
from lnl_core.training.augment import augment, labels_are_colors, on_black
from lnl_core.training.batches import derived_seed, generator_of
from lnl_core.training.checkpoints import Metrics
from lnl_core.training.checks import check_finite, check_sound
from lnl_core.training.devices import choose_device, moved
from lnl_core.training.optimisers import Optimizers, learning_rate, make_optimizer
from lnl_core.training.precision import autocast


@dataclass
class Training:
    """One training on its way, and what a method may ask of it.

    Attributes:
        method: by which is trained.
        network, data: on the device of the training.
        config: with its precision settled.
        folder: where checkpoints go.
        unbiased: unbiased images, for a method that must know some.
        optimizers: ``main`` of f and g, ``bias`` of h.
        course: what the method does with this training.
        history: one dictionary an epoch that is done.
        epoch: the one that is on its way, counted from 0.
        progress: in epochs, a fraction inside an epoch.
    """

    method: Method
    network: LNLNetwork
    data: BiasedImages
    config: RunConfig
    folder: Path | None = None
    unbiased: BiasedImages | None = None
    history: list[Metrics] = field(default_factory=list)
    epoch: int = 0
    progress: float = 0.0
    optimizers: Optimizers = field(init=False)
    course: Course = field(init=False)

    def __post_init__(self) -> None:
        self.optimizers = Optimizers(self.network, self.config)
        self.moves = bool(value_of(self.config, AUGMENT) or value_of(self.config, ELASTIC))
        self.black = on_black(self.data)
        self.colors = self.moves and not self.black and labels_are_colors(self.data)
        self.course = self.method.course(self)

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of the layers."""
        return autocast(self.config, self.data.device)

    def seed(self, number: int) -> int:
        """One of the run's many seeds."""
        return derived_seed(self.config.seed, number)

    def generator(self, number: int, seed: int | None = None) -> torch.Generator:
        """A generator of random numbers, from the run's seed or another one."""
        return generator_of(self.config.seed if seed is None else seed, number)

    def batches(self, epoch: int, seed: int | None = None) -> list[Tensor]:
        """The batches of one epoch as indices; they depend on seed and epoch alone. A last batch of one image is dropped."""
        found = self.course.draw(self.generator(epoch, seed))
        return found if len(found[-1]) > 1 else found[:-1]

    def batch(self, index: Tensor, maps: torch.Generator) -> Batch:
        """The examples at ``index``, moved by random maps where the run asks for them."""
        batch = self.data.batch(index, channels_last=self.config.channels_last)
        if self.moves:
            augment(batch, self.config, maps, black=self.black, colors=self.colors)
        return batch

    def make_optimizer(self, parameters: Any, *, weight_decay: float) -> torch.optim.Optimizer:
        """A further optimiser of the kind that the run names."""
        return make_optimizer(parameters, self.config, self.config.lr, weight_decay)

    def learning_rate(self, base: float) -> float:
        """What the schedule makes of a learning rate now."""
        return self.optimizers.rate(base, self.progress)

    def first_rate(self, progress: float, epochs: int) -> float:
        """The rate of f and g at ``progress`` epochs of a training before this one, whose schedule has ``epochs``."""
        return learning_rate(self.config, self.config.lr, progress, epochs)


def _train_epoch(training: Training, bar: Any) -> Metrics:
    """One pass over the data: the updates of the method, and a look at what they left."""
    training.network.train()
    batches = training.batches(training.epoch)
    maps = training.generator(500_000 + training.epoch)
    training.course.begin_epoch(batches)
    rows: list[Tensor] = []
    names: list[str] = []
    for number, index in enumerate(batches):
        training.progress = training.epoch + number / len(batches)
        training.optimizers.set_rates(training.progress)
        found = training.course.update(training.batch(index, maps), index, number)
        names = list(found)
        rows.append(torch.stack([value.float() for value in found.values()]))
        bar.update()
        if number % 50 == 0 and not bar.disable:  # reading a loss waits for the device
            bar.set_postfix({name: f"{value:.3f}" for name, value in zip(names, rows[-1].tolist(), strict=True)})
    table = torch.stack(rows).cpu()
    check_finite(training, table, names)
    check_sound(training, batches, dict(zip(names, table.T, strict=True)))
    return training.course.end_epoch(dict(zip(names, table.mean(0).tolist(), strict=True)))


@whole_float32()
@flushed_denormals()
def _train(
    method: Method,
    network: LNLNetwork,
    data: BiasedImages,
    config: RunConfig,
    out_dir: Path | str | None,
    device: torch.device | str,
    validate: Callable[[LNLNetwork], Metrics] | None,
    progress: bool,
    tensorboard: bool,
    unbiased: BiasedImages | None = None,
) -> Training:
    """Train by ``method``, see :func:`fit`."""
    folder = None if out_dir is None else user_path(out_dir)
    method.check(config)
    place = choose_device(str(device))
    config = checkpoints.settled(config, place, folder)
    data = moved(network, data, config, place)
    if len(data) < 2:
        raise DataError(f"training needs two images or more, got {len(data)}: give more data")
    method.check_network(network, data, config)
    training = Training(method, network, data, config, folder, unbiased)
    fingerprint = checkpoints.fingerprint(data)
    if folder is not None:
        checkpoints.resume(training, folder, fingerprint)
    writer = _tensorboard_writer(folder) if tensorboard else None
    board: Any = None
    steps, done = len(training.batches(0)), len(training.history)
    with tqdm(
        total=config.epochs * steps, initial=done * steps, unit="step", desc=config.method, disable=None if progress else True
    ) as bar:
        for epoch in range(done, config.epochs):
            training.epoch = epoch
            metrics: Metrics = {"epoch": epoch + 1, **_train_epoch(training, bar)}
            network.eval()
            if validate is not None:
                with torch.no_grad():
                    metrics |= validate(network)
            training.history.append(metrics)
            if folder is not None:
                checkpoints.save(training, folder, fingerprint)
            if writer is not None:
                board = board or writer()  # now: a training that fails in its first epoch leaves no folder
                for name, value in metrics.items():
                    board.add_scalar(name, value, epoch + 1)
    if board is not None:
        board.close()
    network.eval()
    network.h_trained = method.trains_h or network.h_trained
    return training


@keep_freed_memory()
def fit(
    network: LNLNetwork,
    data: BiasedImages,
    config: RunConfig,
    *,
    out_dir: Path | str | None = None,
    device: torch.device | str = "auto",
    validate: Callable[[LNLNetwork], Metrics] | None = None,
    progress: bool = True,
    tensorboard: bool = False,
    unbiased: BiasedImages | None = None,
) -> list[Metrics]:
    """Train ``network`` in place, by the method of ``config``.

    With ``out_dir`` a checkpoint and ``metrics.jsonl`` (one line an epoch) are written after every epoch; a call that finds a
    checkpoint of the same configuration goes on from there and ends with the same weights as an uninterrupted run.
    Until it returns, freed memory stays in the process, the smallest floats count as 0 and no card rounds float32 to TF32, see
    :func:`lnl_core._memory.keep_freed_memory`, :func:`lnl_core._denormals.flushed_denormals` and
    :func:`lnl_core._tf32.whole_float32`.

    Args:
        network: f, g and h; moved to the device.
        data: training data; moved to the device as uint8.
        config: hyper-parameters. Same seed, machine and thread count: bit-identical weights on a CPU. What it says of the data and
            of the network is what :func:`lnl_core.experiments.splits.load_data` and :func:`lnl_core.networks.build.build_network`
            read; a network of one's own must agree where that can be seen: grey for the method "gray", with as many heads in h as
            ``adversaries``. An interrupted run of precision "auto" goes on in the precision it was begun in.
        validate: called after every epoch on the network in evaluation mode; its numbers join the epoch's line.
        progress: show a progress bar with the current losses.
        tensorboard: also write scalars for TensorBoard under ``out_dir/tensorboard`` (needs the package tensorboard).
        unbiased: further images whose bias tells nothing of the label, for the methods that must know some ("last_layer").

    Returns:
        One dictionary an epoch: epoch, the mean of every loss in nats, what the method measures beside them, and what ``validate``
        returned.

    Raises:
        DataError: fewer ``unbiased`` images than the method needs, or no bias an image where it needs one.
        ConfigError: a value that this run would not read, or a network that is not what the configuration says.
        NonFiniteLossError: a loss became infinite or NaN, or the weights after an epoch are beyond repair; the last good checkpoint
            is kept, see :func:`restore`.
        RecordError: ``out_dir`` holds another run, or a run on other data.
    """
    method = find(config.method)
    return _train(method, network, data, config, out_dir, device, validate, progress, tensorboard, unbiased).history


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
    tensorboard: bool = False,
) -> tuple[list[Metrics], Updates]:
    """Train ``network`` in place by joint learning and unlearning.

    An epoch is one pass of f and g over the data; h draws batches of its own, as many as it needs. Both see images with random maps
    where ``config`` asks for them. What belongs to other methods is refused; in the first ``warmup_epochs`` alpha is 0. While h has
    its turn f moves in no parameter; batch normalisation in f still follows the mean and variance of the batches it sees.

    With ``out_dir`` a checkpoint, ``metrics.jsonl`` and ``updates.jsonl`` are written after every epoch; a call that finds them for
    the same configuration, turns and data goes on from there to the same weights as an uninterrupted run.

    Args:
        network: f, g and h; moved to the device.
        data: training data; moved to the device as uint8.
        config: hyper-parameters, of method "jlu".
        turns: when h and when f and g move; by default :class:`Turns`.
        device, validate, progress, tensorboard: as for :func:`fit`.

    Returns:
        One dictionary an epoch (epoch, the mean losses of f's and g's updates in nats, bias_steps, what ``validate`` returned), and
        one an update, as :func:`read_updates` reads them.

    Raises:
        ConfigError: a configuration of another method, or with a value that this one would not read.
        NonFiniteLossError: a loss became infinite or NaN; the last good checkpoint is kept.
        RecordError: ``out_dir`` holds another run, or a run on other data.
    """
    _only(JLU, config, "fit_jlu")
    training = _train(Jlu(turns), network, data, config, out_dir, device, validate, progress, tensorboard)
    return training.history, cast(JluCourse, training.course).updates


@keep_freed_memory()
def fit_mi_backprop(
    network: LNLNetwork,
    data: BiasedImages,
    config: RunConfig,
    *,
    out_dir: Path | str | None = None,
    device: torch.device | str = "auto",
    validate: Callable[[LNLNetwork], Metrics] | None = None,
    progress: bool = True,
    tensorboard: bool = False,
) -> list[Metrics]:
    """:func:`fit` for the method "mi_backprop" alone; see :class:`lnl_core.methods.mi_backprop.MiBackprop`.

    Args:
        network: f, g and h; moved to the device. Its features are flattened for T; a vector of them is meant
            (``config.features``), as T cannot read much from thousands.
        data: training data; moved to the device as uint8.
        config: hyper-parameters, of method "mi_backprop".
        out_dir, device, validate, progress, tensorboard: as for :func:`fit`.

    Raises:
        ConfigError: a configuration of another method.
        DataError: see :func:`lnl_core.methods.statistics_network.bias_codes`.
    """
    _only(MI_BACKPROP, config, "fit_mi_backprop")
    return _train(MI_BACKPROP, network, data, config, out_dir, device, validate, progress, tensorboard).history


def _only(method: Method, config: RunConfig, name: str) -> None:
    if find(config.method) is not method:
        raise ConfigError(f"{name} trains the method {method.name!r}, not {config.method!r}: use lnl_core.training.fit")


def _tensorboard_writer(folder: Path | None) -> Callable[[], Any]:
    """What opens a writer below ``folder``, which begins files at once."""
    if folder is None:
        raise ConfigError("TensorBoard needs a folder: give out_dir as well")
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError("TensorBoard is not installed: run 'pip install tensorboard'") from None
    return partial(SummaryWriter, str(folder / "tensorboard"))

r"""Mutual information backpropagation (Ragonesi et al. 2021): f descends an estimate of I(C; Z) that a fourth network makes.

C is the bias as a one-hot code, :math:`Z = f(X)`. The statistics network T scores pairs and ascends a lower bound of the
information, by default Donsker and Varadhan's :math:`E_{p(c,z)}[T] - \log E_{p(c)p(z)}[e^T]`, where the pairs of the second term
are a batch whose codes were shuffled. A step, in this order:

=====================================================  ==========  ==========  ==========  ==============
what moves                                             f           g           h           T
=====================================================  ==========  ==========  ==========  ==============
1. the label loss, with h watching                     L_c         L_c         L_B         stays
2. the bound on the same batch, learning rate lambda   the bound   stays       stays       stays
3. K steps on batches of features held still           stays       stays       stays       the bound, up
=====================================================  ==========  ==========  ==========  ==============

Before each epoch T makes a step on every batch. In 2 the gradient of each parameter tensor is made no longer than the gradient that
the label loss has there. The order, the two separate updates, the batches of 3 (the first K of the epoch, again and again) and the
clipping are those of the authors' public code for digits.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from tqdm import tqdm

from lnl_core._files import user_path
from lnl_core._memory import keep_freed_memory
from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch, BiasedImages
from lnl_core.errors import ConfigError
from lnl_core.losses import label_loss
from lnl_core.methods._steps import watch
from lnl_core.methods.statistics_network import (
    StatisticsNetwork,
    bias_codes,
    code_entropy,
    information_bound,
    information_gain,
    statistics_network,
)
from lnl_core.networks.parts import LNLNetwork, MaxPool, NormalizedConv
from lnl_core.training.batches import _batches, derived_seed
from lnl_core.training.checkpoints import (
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
from lnl_core.training.optimisers import _Optimizers, learning_rate, load_optimizer_state, make_optimizer, optimizer_state
from lnl_core.training.precision import autocast, settle

_log = logging.getLogger(__name__)
_SLACK = 0.25  # nats above the entropy of the codes that sampling alone explains in an epoch of small batches


def clipped(gradients: Sequence[Tensor], limits: Sequence[Tensor]) -> list[Tensor]:
    r"""Each gradient :math:`g` made no longer than its limit: :math:`\min(\|l\|, \|g\|)\, g / \|g\|`, and 0 where g is 0.

    Args:
        gradients, limits: of the same parameter tensors, here those of the bound and of the label loss.
    """
    lengths, longest = torch.stack(torch._foreach_norm(list(gradients))), torch.stack(torch._foreach_norm(list(limits)))
    factors = torch.where(lengths > longest, longest / lengths, 1.0)
    return list(torch._foreach_mul(list(gradients), list(factors.unbind())))


def bound_gradients(
    network: LNLNetwork, statistics: StatisticsNetwork, batch: Batch, codes: Tensor, shuffle: Tensor, config: RunConfig
) -> dict[str, Tensor]:
    """Fill the gradients of f with the clipped ones of the bound; g, h and T get none.

    Args:
        codes: (B, D) of the batch.
        shuffle: (B,), the order of the codes in pairs apart.

    Returns:
        "bound" in nats, and the lengths over all of f of three gradients: "label_gradient", "bound_gradient", "clipped_gradient".
    """
    with autocast(config, batch.images.device):
        z = network.extractor(batch.images)
        label = label_loss(network.label_head(z), batch.labels)
    seam = z.detach().flatten(1).float().requires_grad_()
    bound = information_bound(config.estimator, *statistics(codes, seam, shuffle))
    (at_seam,) = torch.autograd.grad(bound, seam)
    parameters = list(network.extractor.parameters())
    of_label = torch.autograd.grad(label, parameters, retain_graph=True)
    of_bound = torch.autograd.grad(z, parameters, at_seam.view_as(z).to(z.dtype))
    kept = clipped(of_bound, of_label)
    for parameter, gradient in zip(parameters, kept, strict=True):
        parameter.grad = gradient
    named = {"label_gradient": of_label, "bound_gradient": of_bound, "clipped_gradient": kept}
    lengths = {name: torch.stack(torch._foreach_norm(list(values))).norm() for name, values in named.items()}
    return {"bound": bound.detach(), **lengths}


def encode(network: LNLNetwork, data: BiasedImages, index: Tensor, config: RunConfig) -> Tensor:
    """Features (N, F) float32 of the images at ``index``, without gradient, in batches as f sees them in training.

    Batch normalisation uses the statistics of each batch and its running ones stay as they are.
    """
    parts = []
    with _held_still(network.extractor), autocast(config, data.device):
        for some in index.split(config.batch_size):
            images = data.batch(some, channels_last=config.channels_last).images
            parts.append(network.extractor(images).flatten(1).float())
    return torch.cat(parts)


@contextmanager
def _held_still(extractor: nn.Module) -> Iterator[None]:
    """No gradient, and running statistics that end as they began."""
    buffers = list(extractor.buffers())
    before = [value.clone() for value in buffers]
    with torch.no_grad():
        yield
        for value, old in zip(buffers, before, strict=True):
            value.copy_(old)


class Encoder:
    """:func:`encode` of the same batches again and again: what no weight enters is computed once.

    That is done where f begins with :class:`lnl_core.networks.parts.NormalizedConv`; elsewhere it is :func:`encode` and no more.

    Args:
        network: f, g and h, on the device of the data.
        data: where the batches come from.
        batches: indices, all of the same length.
    """

    def __init__(self, network: LNLNetwork, data: BiasedImages, batches: Sequence[Tensor], config: RunConfig) -> None:
        self.network, self.data, self.batches, self.config = network, data, batches, config
        first = network.extractor[0] if isinstance(network.extractor, nn.Sequential) else None
        self.first = first if isinstance(first, NormalizedConv) else None
        self.prepared: list[tuple[Tensor, Tensor, Tensor]] = []
        if self.first is not None:
            with _held_still(self.first):
                self.prepared = [self._prepare(index, self.first) for index in batches]

    def _prepare(self, index: Tensor, first: NormalizedConv) -> tuple[Tensor, Tensor, Tensor]:
        images, mean, variance = first.prepare(self.data.batch(index, channels_last=self.config.channels_last).images)
        halved = settle(self.config, images.device).precision == "bf16"
        return images.to(torch.bfloat16) if halved else images, mean, variance

    def __call__(self) -> Tensor:
        """Features (batches, B, F) float32, as f is now."""
        if self.first is None:
            together = encode(self.network, self.data, torch.cat(list(self.batches)), self.config)
            return together.view(len(self.batches), -1, together.shape[1])
        first, rest = self.first, _joined([*cast(nn.Sequential, self.network.extractor)[1:]])
        with _held_still(self.network.extractor), autocast(self.config, self.data.device):
            maps = (reduce(lambda x, layer: layer(x), rest, first.convolve(*prepared)) for prepared in self.prepared)
            return torch.stack([features.flatten(1).float() for features in maps])


def _joined(layers: list[nn.Module]) -> list[Callable[[Tensor], Tensor]]:
    """The same layers, with max-pooling and the ReLU after it in one. A NaN may be lost there; a step of f would meet it."""
    if len(layers) > 1 and isinstance(layers[0], MaxPool) and isinstance(layers[1], nn.ReLU):
        return [layers[0].positive, *layers[2:]]
    return [*layers]


@dataclass
class Game:
    """What the three kinds of step share; ``statistics`` is None where the bias takes one value only."""

    network: LNLNetwork
    data: BiasedImages
    config: RunConfig
    codes: Tensor
    statistics: StatisticsNetwork | None
    optimizers: _Optimizers = field(init=False)
    second: torch.optim.Optimizer = field(init=False)
    of_statistics: torch.optim.Optimizer | None = None
    log_average: Tensor | None = None

    def __post_init__(self) -> None:
        self.optimizers = _Optimizers(self.network, self.config)
        # without weight decay, which the first step has made already
        self.second = make_optimizer(self.network.extractor.parameters(), self.config, self.config.lr, 0.0)
        if self.statistics is not None:
            fused = self.data.device.type in ("cpu", "cuda")
            self.of_statistics = torch.optim.Adam(self.statistics.parameters(), lr=self.config.statistics_lr, fused=fused)

    def set_rates(self, progress: float) -> None:
        self.optimizers.set_rates(progress)
        for group in self.second.param_groups:
            group["lr"] = learning_rate(self.config, self.config.lr, progress) * self.config.mi_weight

    def statistics_step(self, codes: Tensor, z: Tensor, shuffle: Tensor) -> None:
        """One step of T on a batch of features."""
        assert self.statistics is not None
        assert self.of_statistics is not None
        scores, apart = self.statistics(codes, z, shuffle)
        gain, self.log_average = information_gain(self.config.estimator, scores, apart, self.log_average)
        self.of_statistics.zero_grad()
        (-gain).backward()
        self.of_statistics.step()

    def label_step(self, batch: Batch) -> dict[str, Tensor]:
        """f and g descend L_c, h descends L_B on features that its gradient does not reach."""
        self.optimizers.zero_grad()
        with autocast(self.config, batch.images.device):
            losses = watch(self.network, batch, self.config)
        self.optimizers.main.step()
        self.optimizers.bias.step()
        return losses

    def bound_step(self, batch: Batch, index: Tensor, shuffle: Tensor, *, warming: bool) -> dict[str, Tensor]:
        """f descends the bound, with its clipped gradient; while ``warming`` or with lambda = 0 the bound is only measured."""
        assert self.statistics is not None
        if not warming and self.config.mi_weight:
            self.second.zero_grad()
            found = bound_gradients(self.network, self.statistics, batch, self.codes[index], shuffle, self.config)
            self.second.step()
            return found
        z = encode(self.network, self.data, index, self.config)
        with torch.no_grad():
            return {"bound": information_bound(self.config.estimator, *self.statistics(self.codes[index], z, shuffle))}


def _shuffles(count: int, size: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """(count, size), each row a random order; drawn on the CPU: the same on every device."""
    return torch.rand(count, size, generator=generator).argsort(dim=1).to(device)


def _train_epoch(game: Game, epoch: int, bar: Any, folder: Path | None) -> Metrics:
    """T learns from every batch, then the three steps for each batch."""
    config, data, network = game.config, game.data, game.network
    batches = _batches(len(data), config, epoch, data.device)
    whole = [index for index in batches if len(index) == len(batches[0])]  # a smaller last one is not for T
    generator = torch.Generator().manual_seed(derived_seed(config.seed, 700_000 + epoch))

    codes = game.codes[torch.stack(whole)]

    def learn(steps: int, features: Tensor) -> None:
        shuffles = _shuffles(steps, len(batches[0]), generator, data.device)
        for step in range(steps):
            place = step % len(features)
            game.statistics_step(codes[place], features[place], shuffles[step])

    if game.statistics is not None:
        learn(len(whole), encode(network, data, torch.cat(whole), config).view(len(whole), len(batches[0]), -1))
        encoder = Encoder(network, data, whole[: config.statistics_steps], config)
    pool = torch.empty(0)
    rows: list[Tensor] = []
    names: list[str] = []
    for number, index in enumerate(batches):
        game.set_rates(epoch + number / len(batches))
        batch = data.batch(index, channels_last=config.channels_last)
        found = game.label_step(batch)
        if game.statistics is not None:
            (shuffle,) = _shuffles(1, len(index), generator, data.device)
            found |= game.bound_step(batch, index, shuffle, warming=epoch < config.warmup_epochs)
            if config.statistics_steps:
                if number % config.statistics_refresh == 0:
                    pool = encoder()
                learn(config.statistics_steps, pool)
        names = list(found)
        rows.append(torch.stack([value.float() for value in found.values()]))
        bar.update()
    table = torch.stack(rows).cpu()
    _check_finite(table, names, config, epoch, folder)
    losses = dict(zip(names, table.T, strict=True))
    _check_sound(network, data, batches, losses, config, game.optimizers, epoch, folder, _beside(game))
    means = dict(zip(names, table.mean(0).tolist(), strict=True))
    return {f"{name}_loss" if name in ("label", "bias") else name: value for name, value in means.items()}


def _judged(metrics: Metrics, ceiling: float, config: RunConfig) -> Metrics:
    """An epoch's metrics with its bound judged: one that no sample can show has diverged and is reported as nothing else."""
    if config.estimator == "club" or "bound" not in metrics or abs(metrics["bound"]) <= ceiling + _SLACK:
        return metrics
    value = metrics.pop("bound")
    _log.warning(
        "the estimate of %s diverged in epoch %d: %.3g nats, where the bias has %.3g; it is left out: lower statistics_lr or "
        "raise statistics_steps",
        config.estimator,
        metrics["epoch"],
        value,
        ceiling,
    )
    return {**metrics, "bound_diverged": 1.0}


def _continue(folder: Path, game: Game, data: str) -> list[Metrics]:
    """The history of a checkpoint in ``folder``, everything of which is loaded; empty without one."""
    path = folder / CHECKPOINT
    if not path.exists():
        return []
    history = _resume(path, game.network, game.optimizers, game.config, data)
    tensors, _ = read_safetensors(path, "lnl_core checkpoint 1")

    def part(name: str) -> dict[str, Tensor]:
        return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}

    load_optimizer_state(game.second, dict(game.network.named_parameters()), part("second"))
    if game.statistics is not None and game.of_statistics is not None:
        game.statistics.load_state_dict(part("statistics"))
        load_optimizer_state(game.of_statistics, dict(game.statistics.named_parameters()), part("of_statistics"))
    if "log_average" in tensors:
        game.log_average = tensors["log_average"].to(game.data.device)
    return history


def _beside(game: Game) -> dict[str, Tensor]:
    """What a checkpoint holds beside the network and its optimisers."""
    more = {f"second/{k}": v for k, v in optimizer_state(game.second, dict(game.network.named_parameters())).items()}
    if game.statistics is not None and game.of_statistics is not None:
        more |= {f"statistics/{k}": v for k, v in game.statistics.state_dict().items()}
        remembered = optimizer_state(game.of_statistics, dict(game.statistics.named_parameters()))
        more |= {f"of_statistics/{k}": v for k, v in remembered.items()}
    if game.log_average is not None:
        more["log_average"] = game.log_average
    return more


def _save(folder: Path, game: Game, history: list[Metrics], data: str) -> None:
    _save_checkpoint(folder / CHECKPOINT, game.network, game.optimizers, game.config, history, data, _beside(game))
    write_history(folder, history)


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
) -> list[Metrics]:
    """Train ``network`` in place by mutual information backpropagation.

    ``config.mi_weight`` is lambda: f's second step is made by an optimiser of its own, of the kind ``config.optimizer`` names,
    without weight decay, whose learning rate is lambda times the first one's. With Adam, as in the authors' code, the second step
    is about lambda times as long as the first, however short the gradient is; with SGD it is lambda times the clipped gradient.
    With lambda = 0 f and g are trained as the baseline's. In the first ``warmup_epochs`` lambda is 0. h learns beside f, by
    ``bias_lr``, and nothing of it reaches f. The statistics network has Adam. What belongs to other methods is refused.

    A bias that takes one value only has information 0: that is said once, and f and g are trained as the baseline's.

    With ``out_dir`` a checkpoint and ``metrics.jsonl`` are written after every epoch; a call that finds them for the same
    configuration and data goes on from there to the same weights as an uninterrupted run.

    Args:
        network: f, g and h; moved to the device. Its features are flattened for T; a vector of them is meant
            (``config.features``), as T cannot read much from thousands.
        data: training data; moved to the device as uint8.
        config: hyper-parameters, of method "mi_backprop".
        device, validate, progress: as for :func:`lnl_core.training.loop.fit`.

    Returns:
        One dictionary an epoch: epoch, the mean label_loss and bias_loss in nats, bound (the estimate on the batch of each step, in
        nats, mean over the epoch; training data, and no result), the mean lengths label_gradient, bound_gradient and
        clipped_gradient, and what ``validate`` returned. Where the estimate diverged, that is where it is further from 0 than the
        entropy of the codes, bound_diverged stands in the place of bound.

    Raises:
        ConfigError: a configuration of another method, or with a value that this one would not read.
        DataError: see :func:`lnl_core.methods.statistics_network.bias_codes`.
        NonFiniteLossError: a loss or the bound became infinite or NaN; the last good checkpoint is kept.
        RecordError: ``out_dir`` holds another run, or a run on other data.
    """
    if config.method != "mi_backprop":
        raise ConfigError(f"fit_mi_backprop trains the method 'mi_backprop', not {config.method!r}: use lnl_core.training.fit")
    config.check_read()
    folder = None if out_dir is None else user_path(out_dir)
    place = choose_device(str(device))
    config = settled(config, place, folder)
    data = moved(network, data, config, place)
    codes = bias_codes(data)
    ceiling = code_entropy(codes)
    statistics = None
    if ceiling == 0:
        _log.warning("the bias takes one value only: its information is 0, and mi_backprop trains as the baseline")
    else:
        features = encode(network, data, torch.arange(2, device=data.device), config).shape[1]
        statistics = statistics_network(codes, features, config)
    game = Game(network, data, config, codes, statistics)
    fingerprint = _fingerprint(data)
    history = [] if folder is None else _continue(folder, game, fingerprint)
    if folder is not None and history:
        write_history(folder, history)
    steps = len(_batches(len(data), config, 0, data.device))
    done = len(history) * steps
    with tqdm(
        total=config.epochs * steps, initial=done, unit="step", desc=config.method, disable=None if progress else True
    ) as bar:
        for epoch in range(len(history), config.epochs):
            network.train()
            metrics: Metrics = {"epoch": epoch + 1, **_train_epoch(game, epoch, bar, folder)}
            metrics = metrics | {"bound": 0.0} if statistics is None else _judged(metrics, ceiling, config)
            network.eval()
            if validate is not None:
                with torch.no_grad():
                    metrics |= validate(network)
            history.append(metrics)
            if folder is not None:
                _save(folder, game, history, fingerprint)
    network.eval()
    network.h_trained = True
    return history

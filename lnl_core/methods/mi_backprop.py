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
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch, BiasedImages
from lnl_core.losses import label_loss
from lnl_core.methods.adversarial_step import warmup_step
from lnl_core.methods.base import BIAS_LABELS, Course, Losses, Method, Moves
from lnl_core.methods.hyperparameters import (
    ESTIMATOR,
    MI_WEIGHT,
    OF_H,
    STATISTICS_LR,
    STATISTICS_REFRESH,
    STATISTICS_STEPS,
    STATISTICS_WIDTH,
)
from lnl_core.methods.statistics_network import (
    StatisticsNetwork,
    bias_codes,
    code_entropy,
    information_bound,
    information_gain,
    statistics_network,
)
from lnl_core.networks.parts import LNLNetwork, MaxPool, NormalizedConv

if TYPE_CHECKING:
    from lnl_core.training.loop import Training

_log = logging.getLogger(__name__)
_SLACK = 0.25  # nats above the entropy of the codes that sampling alone explains in an epoch of small batches


def _autocast(config: RunConfig, device: torch.device) -> torch.autocast:
    """Layers in bf16 where the run's precision, which is no longer "auto", says so."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.precision == "bf16")


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
    with _autocast(config, batch.images.device):
        z = network.extractor(batch.images)
        label = label_loss(network.label_head(z), batch.labels)
    detached_features = z.detach().flatten(1).float().requires_grad_()
    bound = information_bound(config.estimator, *statistics(codes, detached_features, shuffle))
    (feature_gradient,) = torch.autograd.grad(bound, detached_features)
    parameters = [parameter for parameter in network.extractor.parameters() if parameter.requires_grad]
    of_label = torch.autograd.grad(label, parameters, retain_graph=True)
    of_bound = torch.autograd.grad(z, parameters, feature_gradient.view_as(z).to(z.dtype))
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
    with _held_still(network.extractor), _autocast(config, data.device):
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
        halved = self.config.precision == "bf16"
        return images.to(torch.bfloat16) if halved else images, mean, variance

    def __call__(self) -> Tensor:
        """Features (batches, B, F) float32, as f is now."""
        if self.first is None:
            together = encode(self.network, self.data, torch.cat(list(self.batches)), self.config)
            return together.view(len(self.batches), -1, together.shape[1])
        first, rest = self.first, _joined([*cast(nn.Sequential, self.network.extractor)[1:]])
        with _held_still(self.network.extractor), _autocast(self.config, self.data.device):
            maps = (reduce(lambda x, layer: layer(x), rest, first.convolve(*prepared)) for prepared in self.prepared)
            return torch.stack([features.flatten(1).float() for features in maps])


def _joined(layers: list[nn.Module]) -> list[Callable[[Tensor], Tensor]]:
    """The same layers, with max-pooling and the ReLU after it in one. A NaN may be lost there; a step of f would meet it."""
    if len(layers) > 1 and isinstance(layers[0], MaxPool) and isinstance(layers[1], nn.ReLU):
        return [layers[0].positive, *layers[2:]]
    return [*layers]


def _shuffles(count: int, size: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """(count, size), each row a random order; drawn on the CPU: the same on every device."""
    return torch.rand(count, size, generator=generator).argsort(dim=1).to(device)


class MiBackprop(Method):
    """Mutual information backpropagation: the step is that of the labels, with h watching; two more follow it.

    f's second step is made by an optimiser of its own, of the kind ``optimizer`` names, without weight decay, whose learning rate
    is lambda times the first one's. With Adam, as in the authors' code, the second step is about lambda times as long as the first,
    however short the gradient is; with SGD it is lambda times the clipped gradient. With lambda = 0 f and g are trained as the
    baseline's, and so they are in the first ``warmup_epochs``. h learns beside f, by ``bias_lr``, and nothing of it reaches f. The
    statistics network has Adam. A bias that takes one value only has information 0: that is said once, and f and g are trained as
    the baseline's.

    An epoch's numbers are, beside the label and bias loss, bound (the estimate on the batch of each step, in nats, mean over the
    epoch; training data, and no result) and the mean lengths label_gradient, bound_gradient and clipped_gradient. Where the
    estimate diverged, that is where it is further from 0 than the entropy of the codes, bound_diverged stands in its place.
    """

    name = "mi_backprop"
    hyperparameters = (
        MI_WEIGHT.but(
            help="lambda, the factor of the learning rate of f's second step, which descends the estimated information; 1 in the "
            "code of Ragonesi et al.",
            source="",
        ),
        *OF_H,
        ESTIMATOR,
        STATISTICS_STEPS,
        STATISTICS_LR,
        STATISTICS_WIDTH,
        STATISTICS_REFRESH,
    )
    needs = frozenset({"image_bias"})
    must_know = (BIAS_LABELS,)
    moves = (
        Moves("descends L_c", "descends L_c", "descends L_B", "the labels"),
        Moves("descends [lambda] I(C; Z)", "stays", "stays", "the information"),
    )
    trains_h = True

    def step(self, network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
        return warmup_step(network, batch, config)

    def course(self, training: "Training") -> "MiCourse":
        return MiCourse(self, training)


class MiCourse(Course):
    """One training; ``statistics`` is None where the bias takes one value only."""

    def __init__(self, method: MiBackprop, training: "Training") -> None:
        super().__init__(method, training)
        network, data, config = training.network, training.data, training.config
        self.codes = bias_codes(data)
        self.ceiling = code_entropy(self.codes)
        self.log_average: Tensor | None = None
        self.statistics: StatisticsNetwork | None = None
        # without weight decay, which the first step has made already
        moved = [parameter for parameter in network.extractor.parameters() if parameter.requires_grad]
        self.second = training.make_optimizer(moved, weight_decay=0.0)
        self.optimizers["second"] = self.second, network
        if self.ceiling == 0:
            _log.warning("the bias takes one value only: its information is 0, and mi_backprop trains as the baseline")
            return
        features = encode(network, data, torch.arange(2, device=data.device), config).shape[1]
        self.statistics = statistics_network(self.codes, features, config)
        fused = data.device.type in ("cpu", "cuda")
        self.of_statistics = torch.optim.Adam(self.statistics.parameters(), lr=config.statistics_lr, fused=fused)
        self.modules["statistics"] = self.statistics
        self.optimizers["of_statistics"] = self.of_statistics, self.statistics

    def begin_epoch(self, batches: list[Tensor]) -> None:
        """T learns from every batch; a smaller last one is not for T."""
        training = self.training
        whole = [index for index in batches if len(index) == len(batches[0])]
        self.shuffling = training.generator(700_000 + training.epoch)
        if self.statistics is None:
            return
        self.pool_codes = self.codes[torch.stack(whole)]
        features = encode(training.network, training.data, torch.cat(whole), training.config)
        self.learn(len(whole), features.view(len(whole), len(batches[0]), -1))
        self.encoder = Encoder(training.network, training.data, whole[: training.config.statistics_steps], training.config)

    def update(self, batch: Batch, index: Tensor, number: int) -> Losses:
        """The three steps for one batch."""
        found, config = self.label_step(batch, index, number), self.training.config
        if self.statistics is not None:
            (shuffle,) = _shuffles(1, len(index), self.shuffling, index.device)
            found |= self.bound_step(batch, index, shuffle)
            if config.statistics_steps:
                if number % config.statistics_refresh == 0:
                    self.pool = self.encoder()
                self.learn(config.statistics_steps, self.pool)
        return found

    def label_step(self, batch: Batch, index: Tensor, number: int) -> Losses:
        """f and g descend L_c, h descends L_B on features that its gradient does not reach."""
        return super().update(batch, index, number)

    def bound_step(self, batch: Batch, index: Tensor, shuffle: Tensor) -> Losses:
        """f descends the bound, with its clipped gradient; in the warm start or with lambda = 0 the bound is only measured."""
        assert self.statistics is not None
        training, config = self.training, self.training.config
        if training.epoch >= config.warmup_epochs and config.mi_weight:
            for group in self.second.param_groups:
                group["lr"] = training.learning_rate(config.lr) * config.mi_weight
            self.second.zero_grad()
            found = bound_gradients(training.network, self.statistics, batch, self.codes[index], shuffle, config)
            self.second.step()
            return found
        z = encode(training.network, training.data, index, config)
        with torch.no_grad():
            return {"bound": information_bound(config.estimator, *self.statistics(self.codes[index], z, shuffle))}

    def learn(self, steps: int, features: Tensor) -> None:
        """Steps of T on batches of features (batches, B, F), one after another and again from the first."""
        shuffles = _shuffles(steps, features.shape[1], self.shuffling, features.device)
        for step in range(steps):
            place = step % len(features)
            self.statistics_step(self.pool_codes[place], features[place], shuffles[step])

    def statistics_step(self, codes: Tensor, z: Tensor, shuffle: Tensor) -> None:
        """One step of T on a batch of features."""
        assert self.statistics is not None
        scores, apart = self.statistics(codes, z, shuffle)
        gain, self.log_average = information_gain(self.training.config.estimator, scores, apart, self.log_average)
        self.of_statistics.zero_grad()
        (-gain).backward()
        self.of_statistics.step()

    def end_epoch(self, means: dict[str, float]) -> dict[str, float]:
        metrics = {f"{name}_loss" if name in ("label", "bias") else name: value for name, value in means.items()}
        if self.statistics is None:
            return {**metrics, "bound": 0.0}
        return _judged(metrics, self.ceiling, self.training.config, self.training.epoch + 1)

    def tensors(self) -> dict[str, Tensor]:
        return {} if self.log_average is None else {"log_average": self.log_average}

    def resume(self, tensors: dict[str, Tensor], notes: dict[str, str], folder: Path) -> None:
        if "log_average" in tensors:
            self.log_average = tensors["log_average"].to(self.training.data.device)


def _judged(metrics: dict[str, float], ceiling: float, config: RunConfig, epoch: int) -> dict[str, float]:
    """An epoch's metrics with its bound judged: one that no sample can show has diverged and is reported as nothing else."""
    if config.estimator == "club" or "bound" not in metrics or abs(metrics["bound"]) <= ceiling + _SLACK:
        return metrics
    value = metrics.pop("bound")
    _log.warning(
        "the estimate of %s diverged in epoch %d: %.3g nats, where the bias has %.3g; it is left out: lower statistics_lr or "
        "raise statistics_steps",
        config.estimator,
        epoch,
        value,
        ceiling,
    )
    return {**metrics, "bound_diverged": 1.0}


MI_BACKPROP = MiBackprop()

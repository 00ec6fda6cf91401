r"""Estimates and bounds of mutual information from samples, in nats: nearest neighbours, and bounds that a critic proves.

A critic scores pairs. On a batch of B pairs it gives a matrix ``scores[i, j]``, the score of a_i with b_j: the diagonal holds the
B pairs that were drawn together, the rest B (B - 1) pairs that were not. :func:`donsker_varadhan`, :func:`nwj`, :func:`info_nce`
and :func:`club` turn such a matrix into one number. Tables of probabilities are in :mod:`lnl_core.information`, and the bound of a
probe, H(B) minus its cross-entropy, is ``lnl_core.evaluation.probes.probe_leakage``.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from scipy.special import digamma
from torch import Tensor, nn

from lnl_core._arrays import numbers, tensor_of
from lnl_core._random import seeded
from lnl_core.errors import ConfigError, DataError

_SLACK = 0.1  # nats above the largest possible information that sampling alone explains
_CHECKS = 20  # how often a critic is measured while it trains
_EMBEDDING = 32


def _samples(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both samples as (N, D) without the coordinates that never change, each coordinate with mean 0 and variance 1."""
    scaled = []
    for name, values in (("a", a), ("b", b)):
        table = numbers(name, values, "numbers of shape (N,) or (N, ...), one row a pair")
        table = table.reshape(len(table), math.prod(table.shape[1:])) if table.ndim else table.reshape(1, 1)
        if not np.isfinite(table).all():
            raise DataError(f"{name} holds NaN or infinite values: its information cannot be estimated")
        table = table[:, np.ptp(table, axis=0) > 0] if len(table) else table
        scaled.append((table - table.mean(axis=0)) / table.std(axis=0) if table.size else table)
    first, second = scaled
    if len(first) != len(second):
        raise DataError(f"both samples must have the same length, got {len(first)} and {len(second)}")
    return first, second


def ksg(a: ArrayLike, b: ArrayLike, *, neighbors: int = 3) -> float:
    r"""Information in nats of two continuous samples from the distances to their k nearest neighbours.

    .. math:: \hat I = \psi(k) + \psi(N) - \frac1N \sum_i \big[\psi(n_a(i) + 1) + \psi(n_b(i) + 1)\big]

    where :math:`n_a(i)` counts the other points whose a is strictly nearer to a_i than the k-th neighbour of point i in the joint
    space. Estimator 1 of Kraskov, Stögbauer and Grassberger (2004), with the maximum norm, coordinates scaled to variance 1. No
    bound: it may be negative, and it is too small where the information is large or the variables have many dimensions. Of
    single numbers it is scikit-learn's ``mutual_info_regression``, which takes no vectors.

    Args:
        a, b: (N,) or (N, ...), continuous. A variable that takes one value only has information 0.
        neighbors: k; more lowers the variance and raises the bias.

    Raises:
        DataError: different lengths, NaN or infinite values, no more than k points, or points that repeat.
        ConfigError: k is below 1.
    """
    if neighbors < 1:
        raise ConfigError(f"neighbors must be at least 1, got {neighbors}")
    first, second = _samples(a, b)
    if len(first) <= neighbors:
        raise DataError(f"{len(first)} points are too few for {neighbors} neighbours: use at least {neighbors + 1}")
    if not (first.size and second.size):
        return 0.0
    joint = np.hstack([first, second])
    radius = cKDTree(joint).query(joint, k=neighbors + 1, p=math.inf)[0][:, -1]
    if (radius == 0).any():
        raise DataError("points repeat, so the variables are not continuous: use plug_in_mutual_information for labels")
    nearer = np.nextafter(radius, 0)  # "strictly nearer"; the count includes the point itself, which is the + 1 of the formula
    counts = [cKDTree(part).query_ball_point(part, nearer, p=math.inf, return_length=True) for part in (first, second)]
    return float(digamma(neighbors) + digamma(len(joint)) - np.mean(digamma(counts[0]) + digamma(counts[1])))


# Bounds from a matrix of scores


def _floats(scores: Tensor) -> Tensor:
    found = tensor_of("scores", scores)
    return found if found.is_floating_point() else found.float()


def _parts(scores: Tensor, apart: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The diagonal (B,) and the rest (B (B - 1),) of a matrix of scores; or two vectors that hold the scores together and apart."""
    scores = _floats(scores)
    if apart is not None:
        apart = _floats(apart)
        if scores.ndim != 1 or apart.ndim != 1 or not len(scores) or not len(apart):
            shapes = f"{tuple(scores.shape)} and {tuple(apart.shape)}"
            raise DataError(f"with scores of pairs apart given, both must be vectors with at least one entry, got shapes {shapes}")
        return scores, apart
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or len(scores) < 2:
        raise DataError(f"scores must be a square matrix of at least two rows, got shape {tuple(scores.shape)}")
    elsewhere = ~torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    return scores.diagonal(), scores[elsewhere]


def _log_mean_exp(values: Tensor) -> Tensor:
    return values.logsumexp(dim=0) - math.log(len(values))


def donsker_varadhan(scores: Tensor, apart: Tensor | None = None) -> Tensor:
    r"""Donsker and Varadhan's bound :math:`E_{p(a,b)}[T] - \log E_{p(a)p(b)}[e^T] \le I(A;B)` for the critic T; the value of MINE.

    Equal to I for :math:`T = \log\frac{p(a,b)}{p(a)p(b)} + c`. On average the logarithm of a mean over a batch is below the
    logarithm of the expectation, so the value on a small batch can lie above I.

    Args:
        scores: (B, B); or (B,), pairs together.
        apart: (M,), in the second case: pairs apart, such as a batch whose b were shuffled. It saves scoring B squared pairs.
    """
    together, apart = _parts(scores, apart)
    return together.mean() - _log_mean_exp(apart)


def nwj(scores: Tensor, apart: Tensor | None = None) -> Tensor:
    r"""Nguyen, Wainwright and Jordan's bound :math:`E_{p(a,b)}[T] - e^{-1} E_{p(a)p(b)}[e^T] \le I(A;B)`.

    Equal to I for :math:`T = 1 + \log\frac{p(a,b)}{p(a)p(b)}`. Never above :func:`donsker_varadhan` of the same critic, since
    :math:`\log x \le x / e`. Its expectation over batches is a true bound, its variance grows with :math:`e^I`.

    Args:
        scores, apart: as for :func:`donsker_varadhan`.
    """
    together, apart = _parts(scores, apart)
    return together.mean() - (_log_mean_exp(apart) - 1).exp()


def info_nce(scores: Tensor) -> Tensor:
    r"""InfoNCE, :math:`\log B + \frac1B\sum_i \log\frac{e^{T(a_i,b_i)}}{\sum_j e^{T(a_i,b_j)}}`: at most :math:`\log B`.

    Its expectation is at most I(A;B) (van den Oord, Li and Vinyals 2018). Low variance, at the price of the ceiling log B.

    Args:
        scores: (B, B).
    """
    scores = _floats(scores)
    together, _ = _parts(scores)
    return math.log(len(scores)) + (together - scores.logsumexp(dim=1)).mean()


def club(log_q: Tensor) -> Tensor:
    r"""CLUB, :math:`E_{p(a,b)}[\log q(b|a)] - E_{p(a)p(b)}[\log q(b|a)]`, at least I(A;B) **if** q is the true p(b|a).

    With the true conditional it exceeds I by :math:`D_{KL}(p(a)p(b) \| p(a,b))`. With another q it may lie on either side
    (Cheng et al. 2020). Here the second mean leaves the diagonal out, which makes it unbiased.

    Args:
        log_q: (B, B), ``log_q[i, j]`` is :math:`\log q(b_j|a_i)`.
    """
    together, apart = _parts(log_q)
    return together.mean() - apart.mean()


def moving_average_gain(
    scores: Tensor, log_average: Tensor | None = None, rate: float = 0.01, *, apart: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    r"""What a critic of the Donsker-Varadhan bound ascends so that batches do not bias its gradient (MINE, section 3.2).

    The gradient of :math:`\log E[e^T]` is :math:`E[e^T \nabla T] / E[e^T]`; with both means from the same small batch it is biased.
    Here the denominator is a moving average over batches and the numerator comes from the batch. Only the gradient of the first
    result means something; the value of the bound is :func:`donsker_varadhan`.

    Args:
        scores, apart: as for :func:`donsker_varadhan`.
        log_average: logarithm of the average so far; none for the first batch.
        rate: weight of this batch in the new average, in (0, 1]; 1 gives the plain, biased gradient.

    Returns:
        The scalar to ascend, and the logarithm of the new average, without gradient.
    """
    if not 0 < rate <= 1:
        raise ConfigError(f"the rate of a moving average must lie in (0, 1], got {rate}")
    together, apart = _parts(scores, apart)
    now = _log_mean_exp(apart)
    average = now.detach()
    if log_average is not None and rate < 1:
        average = torch.logaddexp(log_average + math.log1p(-rate), average + math.log(rate))
    return together.mean() - (now - average).exp(), average


# Training a critic

_VALUES: dict[str, Callable[[Tensor], Tensor]] = {
    "donsker_varadhan": donsker_varadhan,
    "mine": donsker_varadhan,
    "nwj": nwj,
    "info_nce": info_nce,
    "club": club,
}
BOUNDS = tuple(_VALUES)
"""What :func:`estimate_information` can train. "mine" is "donsker_varadhan" with the moving average in its gradient."""


@dataclass(frozen=True)
class Estimate:
    """What a trained critic says about held-out pairs.

    Attributes:
        bound: name of the bound.
        value: mean over the held-out batches, in nats; NaN if the estimate diverged, so that no mean can hide it.
        standard_error: of that mean, from the spread over batches, for this one critic: training again adds to it.
        ceiling: the logarithm of the number of different values in the sample; for InfoNCE of the batch size, if that is smaller.
            Information about labels cannot exceed it, and no bound from a sample can vouch for much more (McAllester and Stratos).
        diverged: a score or value was not finite, or the value of a lower bound was further from 0 than ``ceiling``.
        note: why the value is 0 or NaN, else empty.
        n_train, n_test, batch_size: pairs to train on (a fifth of them chose the step to keep), held-out pairs, pairs a batch.
    """

    bound: str
    value: float
    standard_error: float
    ceiling: float
    diverged: bool
    note: str
    n_train: int
    n_test: int
    batch_size: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _network(inputs: int, hidden: int, outputs: int) -> nn.Module:
    if hidden == 0:
        return nn.Linear(inputs, outputs)
    layers = (nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
    return nn.Sequential(*layers)


class _Critic(nn.Module):
    """T(a, b) as the inner product of an embedding of a and one of b, so a batch of B costs 2 B passes and not B squared."""

    def __init__(self, a_size: int, b_size: int, hidden: int) -> None:
        super().__init__()
        self.a, self.b = _network(a_size, hidden, _EMBEDDING), _network(b_size, hidden, _EMBEDDING)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        scores: Tensor = self.a(a) @ self.b(b).T
        return scores


class _Conditional(nn.Module):
    """log q(b_j|a_i) of a normal distribution whose mean and variances, one a coordinate, are functions of a."""

    def __init__(self, a_size: int, b_size: int, hidden: int) -> None:
        super().__init__()
        self.body = _network(a_size, hidden, 2 * b_size)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        mean, log_variance = self.body(a)[:, None].chunk(2, dim=-1)
        distances = (b[None] - mean) ** 2 / log_variance.exp()
        log_q: Tensor = -0.5 * (distances + log_variance + math.log(2 * math.pi)).sum(dim=-1)
        return log_q


def _merit(bound: str, scores: Tensor) -> Tensor:
    """What makes one critic better than another: its bound, or for CLUB the likelihood of q, as the bound is only read off."""
    return scores.diagonal().mean() if bound == "club" else _VALUES[bound](scores)


@torch.enable_grad()  # the caller may be measuring without gradients
def _train(
    bound: str, critic: nn.Module, data: tuple[Tensor, Tensor], batch_size: int, steps: int, lr: float, rate: float
) -> nn.Module | None:
    """The critic at the step that was best on the last fifth of ``data``; None if a value there or in training was not finite."""
    kept = len(data[0]) - max(2, len(data[0]) // 5)
    optimizer = torch.optim.Adam(critic.parameters(), lr=lr)
    best_merit, best = -math.inf, critic
    state: Tensor | None = None
    batches: list[Tensor] = []
    for step in range(1, steps + 1):
        batches = batches or list(torch.randperm(kept).split(batch_size))
        index = batches.pop()
        if len(index) < 2:
            continue
        scores = critic(data[0][index], data[1][index])
        if bound == "mine":
            gain, state = moving_average_gain(scores, state, rate)
        else:
            gain = _merit(bound, scores)
        if not torch.isfinite(gain):
            return None
        optimizer.zero_grad()
        (-gain).backward()
        nn.utils.clip_grad_norm_(critic.parameters(), 1.0)
        optimizer.step()
        if step % max(1, steps // _CHECKS) == 0 or step == steps:
            with torch.no_grad():
                judged = [_merit(bound, critic(*pair)) for pair in _batches(data[0][kept:], data[1][kept:], batch_size)]
            now = float(torch.stack(judged).mean())
            if not math.isfinite(now):
                return None
            if now > best_merit:
                best_merit, best = now, copy.deepcopy(critic)
    return best


def _batches(a: Tensor, b: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """Whole batches in order; the rest is dropped, unless there is nothing else."""
    pairs = list(zip(a.split(size), b.split(size), strict=True))
    return [pair for pair in pairs if len(pair[0]) == size] or pairs[:1]


def estimate_information(
    a: ArrayLike,
    b: ArrayLike,
    *,
    bound: str = "info_nce",
    hidden: int = 64,
    steps: int = 600,
    batch_size: int = 128,
    lr: float = 2e-3,
    test_share: float = 0.5,
    moving_average: float = 0.01,
    seed: int = 0,
) -> Estimate:
    """Train a small critic on one part of the pairs and read its bound off the other part.

    The critic is the inner product of two embeddings; for "club" it is a normal q(b|a) fitted by maximum likelihood. Labels go in
    as one-hot rows; for "club" only a continuous b fits.

    Args:
        a, b: (N,) or (N, ...) pairs that are independent of each other. A variable that takes one value only has information 0.
        bound: one of :data:`BOUNDS`.
        hidden: width of the two hidden layers of each network; 0 makes the critic bilinear.
        steps: steps of Adam. The step that is best on a fifth of the training part is kept.
        batch_size: pairs a batch, in training and on the held-out part.
        lr: learning rate.
        test_share: share of the pairs to measure on.
        moving_average: rate of "mine", see :func:`moving_average_gain`.
        seed: seeds split, weights and batches; the random state of the caller is left alone.

    Raises:
        ConfigError: an unknown bound or a setting out of range.
        DataError: different lengths, NaN or infinite values, or too few pairs for two held-out batches.
    """
    if bound not in BOUNDS:
        raise ConfigError(f"unknown bound {bound!r}: choose one of {', '.join(BOUNDS)}")
    if steps < 1 or batch_size < 2 or hidden < 0 or not lr > 0 or not 0 < test_share < 1 or not 0 < moving_average <= 1:
        raise ConfigError(
            "steps must be at least 1, batch_size 2, hidden 0, lr positive, test_share in (0, 1) and moving_average in (0, 1]"
        )
    first, second = _samples(a, b)
    order = np.random.default_rng(seed).permutation(len(first))
    n_test = round(test_share * len(order))
    n_train = len(order) - n_test
    if n_test < 2 * batch_size or n_train < 10:
        raise DataError(f"{len(order)} pairs are too few for two held-out batches of {batch_size}: use a smaller batch_size")

    distinct = min(len(np.unique(part, axis=0)) if part.size else 1 for part in (first, second))
    ceiling = math.log(min(distinct, batch_size) if bound == "info_nce" else distinct)

    def result(value: float, error: float, note: str) -> Estimate:
        return Estimate(bound, value, error, ceiling, math.isnan(value), note, n_train, n_test, batch_size)

    if distinct == 1:
        return result(0.0, 0.0, "a variable takes one value only: its information is 0")
    x, y = (torch.as_tensor(part[order], dtype=torch.float32) for part in (first, second))
    with seeded(seed):
        critic = (_Conditional if bound == "club" else _Critic)(x.shape[1], y.shape[1], hidden)
        trained = _train(bound, critic, (x[n_test:], y[n_test:]), batch_size, steps, lr, moving_average)
    if trained is None:
        return result(math.nan, math.nan, "diverged: the critic's scores became infinite or NaN in training")
    with torch.no_grad():
        values = torch.stack([_VALUES[bound](trained(*pair)) for pair in _batches(x[:n_test], y[:n_test], batch_size)]).double()
    value, error = float(values.mean()), float(values.std() / math.sqrt(len(values)))
    if not math.isfinite(value):
        return result(math.nan, math.nan, "diverged: a held-out value is infinite or NaN")
    if bound != "club" and abs(value) > ceiling + _SLACK:
        return result(
            math.nan,
            math.nan,
            f"diverged: {value:.3g} nats on held-out pairs, where a sample like this can show {ceiling:.3g} at most",
        )
    return result(value, error, "")

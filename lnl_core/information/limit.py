r"""How much of the label is left once the colour is forgotten: H(Y|B) of Colored MNIST, and what accuracy Fano's inequality allows.

For features Z with :math:`I(Z;B) = 0` on the training distribution, :math:`I(Z;Y) \le H(Y|B)` there. The chapter "The limit" proves
it and says what it does not mean for unbiased test data. All informations are in nats.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betaincinv, entr, ndtr, ndtri, softmax

from lnl_core._arrays import number, numbers
from lnl_core.datasets.colored_mnist import MEAN_COLORS, check_color_var
from lnl_core.errors import ConfigError, DataError


class Integral(NamedTuple):
    """A numerical integral and the standard error of its independent repetitions."""

    value: float
    standard_error: float


def label_posterior(color: ArrayLike, color_var: float, means: ArrayLike = MEAN_COLORS) -> NDArray[np.float64]:
    r"""The exact p(y|b) of training data for continuous colours b, classes equally frequent, each channel a truncated normal.

    .. math:: p(b|y) = \prod_c \frac{\mathcal N(b_c; m_{yc}, \sigma^2)}{\Phi((1-m_{yc})/\sigma) - \Phi(-m_{yc}/\sigma)},
        \qquad 0 < b_c < 1

    Args:
        color: (N, D) in [0, 1].
        color_var: variance of each channel, positive.
        means: (K, D) mean colours in [0, 1].

    Returns:
        (N, K), rows that sum to one.

    Raises:
        ConfigError: the variance is no positive number.
        DataError: colours or means are not in [0, 1], or their shapes do not fit.
    """
    color_var = check_color_var(color_var)
    if color_var == 0:
        raise ConfigError("color_var must be positive: without variance a colour other than the means does not occur")
    points, centers = _colors(color, "color"), _colors(means, "means")
    if points.shape[1] != centers.shape[1]:
        raise DataError(f"color and means must have the same channels, got {points.shape[1]} and {centers.shape[1]}")
    deviation = math.sqrt(color_var)
    inside = ndtr((1 - centers) / deviation) - ndtr(-centers / deviation)
    # -|b - m|^2 / 2 less the term |b|^2 that all classes share; the nearest mean gets 0, so no variance is too small.
    near = points @ centers.T - 0.5 * (centers**2).sum(axis=1)
    with np.errstate(over="ignore"):
        log_p = (near - near.max(axis=1, keepdims=True)) / color_var - np.log(inside).sum(axis=1)
    result: NDArray[np.float64] = softmax(log_p, axis=1)
    return result


def _colors(values: ArrayLike, name: str) -> NDArray[np.float64]:
    table = numbers(name, values, "a table of numbers in [0, 1], one colour a row")
    if table.ndim != 2 or table.size == 0 or not ((table >= 0) & (table <= 1)).all():
        raise DataError(f"{name} must be a table of numbers in [0, 1], one colour a row, got shape {table.shape}")
    return table


def label_entropy(
    color_var: float, *, means: ArrayLike = MEAN_COLORS, points: int = 2**13, repeats: int = 8, seed: int = 0
) -> Integral:
    r"""H(Y|B) in nats of Colored MNIST's training distribution: what the colour leaves open about the digit.

    .. math:: H(Y|B) = \frac1K \sum_y \int p(b|y) \, H\big(p(\cdot|b)\big) \, db

    By quasi Monte Carlo: scrambled Sobol points go through the quantile function of each truncated normal, and the entropy of the
    exact posterior is averaged. Colours are continuous; see the chapter for the 256 levels of an image.

    Args:
        color_var: variance sigma^2 of each channel. At 0 every colour is a mean colour and the result is exact.
        means: (K, D) mean colours in [0, 1].
        points: Sobol points a class and repetition, a power of two.
        repeats: independent scramblings, at least two, whose spread gives the standard error.
        seed: seeds the scramblings.

    Raises:
        ConfigError: the variance is no number of at least 0, or points or repeats are unfit.
        DataError: the means are not in [0, 1].
    """
    color_var, centers = check_color_var(color_var), _colors(means, "means")
    if points < 2 or points & (points - 1) or repeats < 2:
        raise ConfigError(f"points must be a power of two and repeats at least 2, got {points} and {repeats}")
    classes, channels = centers.shape
    if color_var == 0:
        alike = np.unique(centers, axis=0, return_counts=True)[1]
        return Integral(float((alike * np.log(alike)).sum() / classes), 0.0)
    deviation = math.sqrt(color_var)
    low, high = ndtr(-centers / deviation), ndtr((1 - centers) / deviation)
    from scipy.stats import qmc  # half a second, which the rest of this file does not need

    values = []
    for child in np.random.default_rng(seed).spawn(repeats):
        uniform = qmc.Sobol(channels, seed=child).random(points)
        total = 0.0
        for center, start, end in zip(centers, low, high, strict=True):
            color = np.clip(center + deviation * ndtri(start + uniform * (end - start)), 0, 1)
            total += entr(label_posterior(color, color_var, centers)).sum(axis=1).mean() / classes
        values.append(total)
    return Integral(float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(repeats)))


def _fano(error: float, classes: int) -> float:
    """The largest H(Y|guess) that goes with a share of errors: h(e) + e log(K - 1)."""
    return float(entr(error) + entr(1 - error) + error * math.log(classes - 1))


def fano_accuracy(information: float, classes: int = 10) -> float:
    r"""The largest accuracy of any guess of Y that is made from at most t nats about Y, for K equally frequent classes.

    Fano's inequality (Cover and Thomas, section 2.10) for a guess with error probability e,

    .. math:: \log K - t \le H(Y|\hat Y) \le h(e) + e \log(K-1), \qquad h(e) = -e \log e - (1-e) \log(1-e)

    solved for the smallest e in [0, 1 - 1/K]. It is 1/K at t = 0 and 1 from t = log K on.

    Args:
        information: t = I(Z;Y), or an upper bound of it, at least 0.
        classes: K, at least 2.

    Raises:
        DataError: the information is negative or not a number.
        ConfigError: there are fewer than two classes.
    """
    if classes < 2:
        raise ConfigError(f"classes must be at least 2, got {classes}")
    information = number("information", information, lambda value: value >= 0, "a number of at least 0")
    left = math.log(classes) - information
    if left <= 0:
        return 1.0
    guess = 1 - 1 / classes
    if left >= _fano(guess, classes):
        return 1 / classes
    return 1 - float(brentq(lambda error: _fano(error, classes) - left, 0.0, guess, xtol=1e-14))


def unbiased_accuracy(accuracy: float, classes: int = 10) -> float:
    r"""An upper limit of the accuracy on unbiased test digits, from one of a on the training distribution.

    .. math:: a_\text{test} \le 1 - \frac{1 - a}{K}

    An unbiased digit wears the colour of a class drawn uniformly from K, and one in K its own: that share of the test is as in
    training, so its errors are at least 1 - a of it. Derived in the chapter "The limit".

    Args:
        accuracy: a, or an upper bound of it such as :func:`fano_accuracy`.
        classes: K, at least 2.

    Raises:
        DataError: the accuracy is not in [0, 1].
        ConfigError: there are fewer than two classes.
    """
    accuracy = _check_accuracy(accuracy, classes)
    return 1 - (1 - accuracy) / classes


def _check_accuracy(accuracy: float, classes: int) -> float:
    if classes < 2:
        raise ConfigError(f"classes must be at least 2, got {classes}")
    return number("accuracy", accuracy, lambda value: 0 <= value <= 1, "a share in [0, 1]")


def accuracy_at_least(accuracy: float, examples: int, confidence: float = 0.95) -> float:
    r"""The lower confidence limit of an accuracy that was counted on independent examples (Clopper and Pearson 1934, one-sided).

    .. math:: \underline a = \max\{p : P(\mathrm{Bin}(n, p) \ge n a) \le 1 - c\}

    Whatever the true accuracy is, at most a share 1 - c of all samples gives a limit above it.

    Args:
        accuracy: a, the share of the examples that is named rightly, in [0, 1].
        examples: n, how many examples were asked, at least 1.
        confidence: c, in (0, 1).

    Raises:
        DataError: the accuracy is not in [0, 1].
        ConfigError: no positive number of examples, or a confidence that is not in (0, 1).
    """
    accuracy = _check_accuracy(accuracy, 2)
    if isinstance(examples, bool) or not isinstance(examples, int | np.integer) or examples < 1:
        raise ConfigError(f"examples must be a whole number of at least 1, got {examples!r}")
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must lie between 0 and 1, got {confidence!r}")
    right = accuracy * examples
    return float(betaincinv(right, examples - right + 1, 1 - confidence)) if right > 0 else 0.0


def proved_leak(accuracy: float, entropy: float, classes: int = 10, *, examples: int | None, confidence: float = 0.95) -> float:
    r"""Nats of the bias that features must hold, from nothing but an accuracy on the training distribution.

    A guess that is right with probability a is worth at least :math:`\log K - h(e) - e \log(K-1)` nats of the label, e = 1 - a
    (Fano's inequality, K equally frequent classes), and the bias leaves only H(Y|B) of them open:

    .. math:: I(Z;B) \ge I(Z;Y) - H(Y|B) \ge \log K - h(e) - e \log(K-1) - H(Y|B)

    An accuracy that was counted on a sample is known up to chance only. Its lower confidence limit (:func:`accuracy_at_least`)
    then takes the place of a, so that of samples of features without the bias at most 5 % "prove" a leak. A limit at or below
    1/K proves nothing.

    Args:
        accuracy: a, of fresh examples of the distribution that features and bias are drawn from.
        entropy: H(Y|B) in nats, such as :func:`label_entropy`, at least 0.
        classes: K, at least 2.
        examples: how many examples the accuracy was counted on; None for an accuracy that is known exactly, such as one computed
            from a table of probabilities.
        confidence: of the lower limit, in (0, 1); means nothing for an exact accuracy.

    Returns:
        A lower bound of I(Z;B) in nats, at this confidence; 0 where the accuracy proves nothing.

    Raises:
        DataError: the accuracy is not in [0, 1], or the entropy negative or not a number.
        ConfigError: there are fewer than two classes, no positive number of examples, or a confidence out of range.
    """
    accuracy = _check_accuracy(accuracy, classes)
    entropy = number("entropy", entropy, lambda value: value >= 0, "a number of at least 0")
    if examples is not None:
        accuracy = max(accuracy_at_least(accuracy, examples, confidence), 1 / classes)
    return max(0.0, math.log(classes) - _fano(1 - accuracy, classes) - entropy)

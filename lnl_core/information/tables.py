r"""Exact entropy and mutual information of discrete tables, in nats: the yardstick of every estimate in the book.

A table is an array of probabilities that sum to one. Where a quantity is estimated from a sample instead, the name says so
(``plug_in_...``) and the docstring says in which direction the estimate errs.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lnl_core._arrays import class_labels, number, numbers
from lnl_core.errors import DataError

_TOLERANCE = 1e-6


def _table(probabilities: ArrayLike, dimensions: int | None, name: str) -> NDArray[np.float64]:
    table = numbers(name, probabilities, "a table of probabilities")
    if dimensions is not None and table.ndim != dimensions:
        raise DataError(f"{name} must be a table with {dimensions} dimensions, got shape {table.shape}")
    if table.size == 0 or not np.isfinite(table).all() or (table < 0).any():
        raise DataError(f"{name} must hold finite probabilities that are not negative")
    if abs(table.sum() - 1) > _TOLERANCE:
        raise DataError(f"{name} must sum to 1, got {table.sum():.6g}: divide counts by their total first")
    return table


def entropy(probabilities: ArrayLike) -> float:
    r"""Entropy :math:`H(P) = -\sum_i p_i \log p_i` in nats of a table of any shape, with :math:`0 \log 0 = 0`.

    Raises:
        DataError: if the table is empty, has negative entries or does not sum to one.
    """
    table = _table(probabilities, None, "probabilities")
    positive = table[table > 0]
    return max(0.0, float(-(positive * np.log(positive)).sum()))


def conditional_entropy(joint: ArrayLike) -> float:
    r"""Conditional entropy :math:`H(A \mid B)` in nats of a joint table ``joint[a, b]``, shape (n_a, n_b)."""
    table = _table(joint, 2, "joint")
    return max(0.0, entropy(table) - entropy(table.sum(axis=0)))


def mutual_information(joint: ArrayLike) -> float:
    r"""Mutual information in nats of a joint table ``joint[a, b]``, shape (n_a, n_b).

    .. math:: I(A;B) = \sum_{a,b} p(a,b) \log\frac{p(a,b)}{p(a)\,p(b)} = H(A) - H(A \mid B)

    Kim et al., Eqs. 1, 2 and 4.

    Raises:
        DataError: if the table is not two-dimensional, has negative entries or does not sum to one.
    """
    table = _table(joint, 2, "joint")
    positive = table > 0
    # log p(a,b) - log p(a) - log p(b): the product of two tiny marginals would underflow.
    with np.errstate(divide="ignore"):
        log_rows = np.log(table.sum(axis=1, keepdims=True))
        log_columns = np.log(table.sum(axis=0, keepdims=True))
    ratio = np.log(table[positive]) - np.broadcast_to(log_rows, table.shape)[positive]
    ratio -= np.broadcast_to(log_columns, table.shape)[positive]
    return max(0.0, float((table[positive] * ratio).sum()))


def kl_divergence(p: ArrayLike, q: ArrayLike) -> float:
    r"""Kullback-Leibler divergence :math:`D(P\|Q)=\sum_i p_i\log(p_i/q_i)` in nats; infinite where q is 0 and p is not.

    Raises:
        DataError: if the tables have different shapes or are no probabilities.
    """
    p_table, q_table = _table(p, None, "p"), _table(q, None, "q")
    if p_table.shape != q_table.shape:
        raise DataError(f"p and q must have the same shape, got {p_table.shape} and {q_table.shape}")
    support = p_table > 0
    if (q_table[support] == 0).any():
        return float("inf")
    return max(0.0, float((p_table[support] * np.log(p_table[support] / q_table[support])).sum()))


def cross_entropy(p: ArrayLike, q: ArrayLike) -> float:
    r"""Cross-entropy :math:`H(P,Q)=-\sum_i p_i\log q_i=H(P)+D(P\|Q)` in nats."""
    return entropy(p) + kl_divergence(p, q)


def gaussian_information(correlation: float, dimensions: int = 1) -> float:
    r"""Information :math:`-\frac d2 \log(1-\rho^2)` in nats of two normal vectors of d independent pairs with correlation rho each.

    Infinite for a correlation of 1 or -1.

    Raises:
        DataError: the correlation is outside [-1, 1], or there is less than one dimension.
    """
    correlation = number("correlation", correlation, lambda value: -1 <= value <= 1, "a number in [-1, 1]")
    dimensions = int(number("dimensions", dimensions, lambda value: value >= 1 and value.is_integer(), "a whole number from 1"))
    return float("inf") if abs(correlation) == 1 else -0.5 * dimensions * float(np.log1p(-(correlation**2)))


def contingency_table(a: ArrayLike, b: ArrayLike, *, n_a: int | None = None, n_b: int | None = None) -> NDArray[np.int64]:
    """Counts ``table[i, j]`` of the pairs (a = i, b = j).

    Args:
        a, b: (N,) whole numbers from 0.
        n_a, n_b: number of rows and columns; by default the largest value plus one.

    Raises:
        DataError: if the arrays differ in length, are empty, hold a value out of range, or are no whole numbers of shape (N,).
    """
    first, second = (class_labels(name, values).cpu().numpy() for name, values in (("a", a), ("b", b)))
    if len(first) != len(second):
        raise DataError(f"both arrays must have the same length, got {len(first)} and {len(second)}")
    if len(first) == 0:
        raise DataError("the arrays are empty: there is nothing to count")
    rows, columns = (
        int(values.max()) + 1
        if size is None
        else int(number(name, size, lambda value: 1 <= value < 2**31 and value.is_integer(), "a whole number from 1"))
        for name, values, size in (("n_a", first, n_a), ("n_b", second, n_b))
    )
    if first.min() < 0 or second.min() < 0 or first.max() >= rows or second.max() >= columns:
        raise DataError(f"labels out of range: expected 0..{rows - 1} and 0..{columns - 1}")
    flat = first * columns + second
    return np.bincount(flat, minlength=rows * columns).reshape(rows, columns)


def plug_in_mutual_information(a: ArrayLike, b: ArrayLike, *, corrected: bool = True) -> float:
    r"""Mutual information in nats of two samples of discrete labels, from their counts.

    The plain plug-in value is too large, on independent labels by about :math:`(n_a-1)(n_b-1)/(2N)` nats. With ``corrected``
    the Miller-Madow terms :math:`(k-1)/(2N)` (k occupied cells) are added to each entropy, which removes that first-order
    term; the result is cut at zero.

    Args:
        a, b: (N,) whole numbers from 0.
    """
    counts = contingency_table(a, b)
    total = counts.sum()
    value = mutual_information(counts / total)
    if corrected:
        rows, columns = (counts.sum(axis=1) > 0).sum(), (counts.sum(axis=0) > 0).sum()
        value += (rows - 1 + columns - 1 - ((counts > 0).sum() - 1)) / (2 * total)
    return max(0.0, float(value))

"""Census tables of nobody in place of Adult and German credit: the same columns, and a planted bias."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnl_core.datasets.census import (
    PROTECTED,
    SCHEMAS,
    YOUNG_TO,
    check_split,
    kinds_of,
    one_split,
    protected_attribute,
    stratified_rows,
)
from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.readers.census_files import CensusTable
from lnl_core.errors import ConfigError

_SYNTHETIC_SIZES = {"adult": (4000, 1500, 3000), "german": (500, 200, 300)}
FEWEST_DRAWN = 20
"""Fewer rows than this are no table from which all splits can be drawn."""


def synthetic_table(name: str, protected: str, n: int, seed: int = 0) -> CensusTable:
    r"""Rows of nobody, with the columns of "adult" or "german" and a planted bias.

    Each row has a merit s, standard normal, and a group with the sign t, +1 in the last group and -1 elsewhere. Every column is
    drawn from s and t with fixed loadings, so that together they tell both; the label is 1 with probability
    :math:`\sigma(1.5 s + 0.8 t - 0.6)`, so t tells part of it beyond s. The loadings were drawn once and mean nothing.
    """
    attribute, schema = protected_attribute(name, protected), SCHEMAS[name]
    rng, fixed = np.random.default_rng([seed, 77]), np.random.default_rng(5)
    group = rng.choice(len(attribute.groups), n, p=_group_shares(len(attribute.groups)))
    sign = np.where(group == len(attribute.groups) - 1, 1.0, -1.0)
    merit = rng.standard_normal(n)
    columns: dict[str, NDArray[Any]] = {}
    for column in schema:
        width = len(column.categories) or 1
        of_merit, of_sign, base = fixed.normal(0, 0.7, width), fixed.normal(0, 0.35, width), fixed.normal(0, 0.7, width)
        scores = base + np.outer(merit, of_merit) + np.outer(sign, of_sign)
        if column.categories:
            columns[column.name] = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
        else:
            columns[column.name] = np.round(np.exp(0.4 * scores[:, 0] + 0.3 * rng.standard_normal(n)) * 30)
    columns[attribute.column] = _cells_of(name, protected, group, rng)
    labels = (rng.random(n) < 1 / (1 + np.exp(-(1.5 * merit + 0.8 * sign - 0.6)))).astype(np.int64)
    return CensusTable(schema, columns, labels, "synthetic")


def _group_shares(groups: int) -> NDArray[np.float64]:
    """Six tenths in the last group, the rest in equal shares."""
    return np.append(np.full(groups - 1, 0.4 / (groups - 1)), 0.6)


def _cells_of(name: str, protected: str, group: NDArray[np.int64], rng: np.random.Generator) -> NDArray[Any]:
    """Cells of the protected attribute's column that give these groups."""
    if name == "adult":
        return group
    if protected == "sex":
        return np.where(group == 1, rng.choice([0, 2, 3], len(group)), 1)
    return np.where(group == 1, rng.integers(YOUNG_TO + 1, 70, len(group)), rng.integers(19, YOUNG_TO + 1, len(group)))


def synthetic_census(
    name: str, split: str, *, protected: str | None = None, n: int | None = None, seed: int = 0, with_protected: bool = False
) -> BiasedImages:
    """Drawn rows (:func:`synthetic_table`) with the features of :func:`~lnl_core.datasets.adult` or of German credit.

    Args:
        name: "adult" or "german".
        split: one of :data:`lnl_core.datasets.census.CENSUS_SPLITS`.
        protected: by default the first attribute of the data set.
        n: rows of the training split; validation and test keep their proportion to it.
        seed: draws rows and split.
        with_protected: as for :func:`lnl_core.datasets.adult`.

    Raises:
        ConfigError: an unknown word, or a number out of range.
    """
    protected = next(iter(PROTECTED.get(name, {"": None}))) if protected is None else protected
    attribute = protected_attribute(name, protected)
    check_split(split)
    sizes = np.array(_SYNTHETIC_SIZES[name], dtype=float)
    if n is not None:
        if isinstance(n, bool) or not isinstance(n, int) or n < FEWEST_DRAWN:
            raise ConfigError(f"n must be a whole number of at least {FEWEST_DRAWN} rows, got {n!r}")
        sizes *= n / sizes[0]
    table = synthetic_table(name, protected, int(sizes.sum()), seed)
    train, validation, test = (sizes / sizes.sum()).tolist()
    rows = stratified_rows(kinds_of(table, attribute), (train, validation, test), seed)
    return one_split(name, split, table, rows, protected, with_protected)

"""Adult and German credit as a task with a protected attribute as its bias: tables of features instead of images.

The protected attribute is not among the features. That alone does not make a classifier fair ("fairness through unawareness"):
other columns give it away, such as Husband and Wife the sex. Where the files are not at hand, a synthetic one with the same
columns and a planted bias takes their place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.readers.census_files import ADULT, GERMAN, CensusTable, Column, read_census
from lnl_core.errors import ConfigError, DataError

CENSUS_SPLITS = ("train", "validation", "trainval", "test")
YOUNG_TO = 25
"""German credit's age in two kinds, "25 or younger" and "above 25", as in most of the literature on fairness."""
_SPLIT_SEED = 1812_10352  # which of Adult's rows are held out never depends on the seed of a run
_WEIGHT = "fnlwgt"
"""Adult's sampling weight: how many people of 1994 a row stands for. It describes the survey and not the person, so it is no
feature, and no row is weighted with it: all numbers are about the rows."""
_LOGARITHMIC = ("capital-gain", "capital-loss")
"""Zero for nine rows in ten and up to 99,999: features are log(1 + value)."""


@dataclass(frozen=True)
class Protected:
    """A protected attribute: the column it stands in, the names of its groups, and the rule from cells to groups."""

    column: str
    groups: tuple[str, ...]
    group_of: Callable[[NDArray[Any]], NDArray[np.int64]]


def _as_coded(cells: NDArray[Any]) -> NDArray[np.int64]:
    return cells.astype(np.int64)


def _german_sex(cells: NDArray[Any]) -> NDArray[np.int64]:
    return np.isin(cells, (0, 2, 3)).astype(np.int64)  # A91, A93 and A94 are men; A92 and A95 women


def _german_age(cells: NDArray[Any]) -> NDArray[np.int64]:
    return (cells.astype(np.float64) > YOUNG_TO).astype(np.int64)


def _groups(schema: tuple[Column, ...], name: str) -> tuple[str, ...]:
    return next(column.categories for column in schema if column.name == name)


PROTECTED = {
    "adult": {
        "sex": Protected("sex", _groups(ADULT, "sex"), _as_coded),
        "race": Protected("race", _groups(ADULT, "race"), _as_coded),
    },
    "german": {
        "age": Protected("age", ("25 or younger", "above 25"), _german_age),
        "sex": Protected("personal-status", ("female", "male"), _german_sex),
    },
}
"""The protected attributes of each data set."""
CLASS_NAMES = {"adult": ("<=50K", ">50K"), "german": ("bad credit", "good credit")}
_SCHEMAS = {"adult": ADULT, "german": GERMAN}
_SHARES = {"adult": (0.85, 0.15, 0.0), "german": (0.5, 0.2, 0.3)}
_SYNTHETIC_SIZES = {"adult": (4000, 1500, 3000), "german": (500, 200, 300)}


def protected_attribute(name: str, protected: str) -> Protected:
    """The rule of one protected attribute of "adult" or "german".

    Raises:
        ConfigError: an unknown data set or attribute.
    """
    if name not in PROTECTED:
        raise ConfigError(f"unknown census data set {name!r}: choose one of {', '.join(PROTECTED)}")
    if protected not in PROTECTED[name]:
        raise ConfigError(f"unknown protected attribute {protected!r} of {name}: choose one of {', '.join(PROTECTED[name])}")
    return PROTECTED[name][protected]


def _features_of(schema: tuple[Column, ...], without: str | None) -> list[Column]:
    return [column for column in schema if column.name not in (_WEIGHT, without)]


def feature_names(name: str, protected: str, *, with_protected: bool = False) -> list[str]:
    """What each feature is: a column's name, or "column=category"; their number is the width D of the table."""
    without = None if with_protected else protected_attribute(name, protected).column
    names: list[str] = []
    for column in _features_of(_SCHEMAS[name], without):
        names += [f"{column.name}={category}" for category in column.categories] or [column.name]
    return names


def _encoded(table: CensusTable, reference: NDArray[np.int64], without: str | None) -> NDArray[np.float32]:
    """(N, D): a category as ones and zeros, a number less its mean and divided by its deviation over the ``reference`` rows."""
    parts = []
    for column in _features_of(table.schema, without):
        cells = table.columns[column.name]
        if column.categories:
            parts.append(np.eye(len(column.categories))[cells.astype(np.int64)])
            continue
        values = cells.astype(np.float64)
        values = np.log1p(values) if column.name in _LOGARITHMIC else values
        mean, deviation = values[reference].mean(), values[reference].std()
        parts.append(((values - mean) / (deviation if deviation > 0 else 1.0))[:, None])
    return np.concatenate(parts, axis=1).astype(np.float32)


def _stratified(kinds: NDArray[np.int64], shares: tuple[float, float, float], seed: int) -> dict[str, NDArray[np.int64]]:
    """Sorted row numbers of "train", "validation" and "test", each kind of row in the same shares."""
    order = np.random.default_rng(seed).permutation(len(kinds))
    parts: dict[str, list[NDArray[np.int64]]] = {"train": [], "validation": [], "test": []}
    for kind in np.unique(kinds):
        members = order[kinds[order] == kind]
        ends = np.round(np.cumsum(shares) * len(members)).astype(int)
        for name, part in zip(parts, np.split(members, ends[:2]), strict=True):
            parts[name].append(part)
    return {name: np.sort(np.concatenate(part)) for name, part in parts.items()}


def _joined(first: CensusTable, second: CensusTable) -> CensusTable:
    columns = {name: np.concatenate([cells, second.columns[name]]) for name, cells in first.columns.items()}
    source = first.source if first.source == second.source else "user"
    return CensusTable(first.schema, columns, np.concatenate([first.labels, second.labels]), source)


def _split(
    name: str, split: str, table: CensusTable, rows: dict[str, NDArray[np.int64]], protected: str, with_protected: bool
) -> BiasedImages:
    """One split of a table whose ``rows`` are given, as the project's container."""
    attribute = protected_attribute(name, protected)
    group = attribute.group_of(table.columns[attribute.column])
    index = np.sort(np.concatenate([rows["train"], rows["validation"]])) if split == "trainval" else rows[split]
    for which, part in (("train", rows["train"]), (split, index)):
        _check_both_kinds(f"{name}, {which}", table.labels[part], group[part], attribute.groups)
    features = _encoded(table, rows["train"], None if with_protected else attribute.column)[index]
    bias = torch.from_numpy(group[index])
    labels = torch.from_numpy(table.labels[index])
    groups = len(attribute.groups)
    return BiasedImages(torch.from_numpy(features), labels, bias, bias.clone(), source=table.source, classes=2, bias_classes=groups)


def _check_both_kinds(where: str, labels: NDArray[np.int64], group: NDArray[np.int64], groups: tuple[str, ...]) -> None:
    if len(labels) == 0:
        raise DataError(f"{where}: there are no rows: use more of them")
    if len(np.unique(group)) < 2:
        raise DataError(
            f"{where}: everyone is {groups[int(group[0])]!r}: the protected attribute is constant, so its information is 0 and "
            "there is nothing to unlearn: use rows of several groups"
        )
    if len(np.unique(labels)) < 2:
        raise DataError(f"{where}: all labels are the same, so there is nothing to learn: use rows of both classes")


def adult(
    split: str,
    *,
    protected: str = "sex",
    data_dir: Path | str | None = None,
    with_protected: bool = False,
    check: bool = True,
) -> BiasedImages:
    """UCI Adult: does a person of the 1994 US census earn more than 50,000 dollars a year?

    "test" is adult.test; "train" and "validation" are 85 and 15 % of adult.data, always the same rows, equal shares of each label
    and group; "trainval" is all of it. Missing values ("?") are a category of their own, so no row is left out; the sampling weight
    fnlwgt is not used.

    Args:
        split: one of :data:`CENSUS_SPLITS`.
        protected: "sex" or "race".
        data_dir: the files lie in its folder ``uci``; see :func:`lnl_core.datasets.digits.data_folder`.
        with_protected: leave the protected attribute among the features.
        check: refuse files other than the published ones.

    Returns:
        BiasedImages: images (N, D) float32, categories as ones and zeros and numbers with mean 0 and deviation 1 over the rows of
        "train"; labels (N,) 1 for more than 50K; bias (N,) and group (N,) the protected attribute, as :data:`PROTECTED` counts it.

    Raises:
        ConfigError: an unknown split or attribute.
        DataError: see :func:`lnl_core.datasets.readers.census_files.read_census`; or the attribute is constant, or all labels are
            the same.
    """
    attribute = protected_attribute("adult", protected)
    _check_split(split)
    table = read_census("adult.data", data_dir, check=check)
    rows = _stratified(_kinds(table, attribute), _SHARES["adult"], _SPLIT_SEED)
    if split == "test":
        test = read_census("adult.test", data_dir, check=check)
        rows["test"] = np.arange(len(table), len(table) + len(test))
        table = _joined(table, test)
    return _split("adult", split, table, rows, protected, with_protected)


def german(
    split: str,
    *,
    protected: str = "age",
    seed: int = 0,
    data_dir: Path | str | None = None,
    with_protected: bool = False,
    check: bool = True,
) -> BiasedImages:
    """Statlog German credit: is a credit of the 1970s a good one?

    There is no published split. Ours holds 50 % "train", 20 % "validation" and 30 % "test", equal shares of each label and group;
    with 1,000 rows, which of them are tested on matters, so the split is drawn from ``seed``.

    Args:
        split: one of :data:`CENSUS_SPLITS`; "trainval" is the first two.
        protected: "age" (25 or younger, or above) or "sex" (read from the attribute "personal status and sex").
        seed: draws the split.
        data_dir, with_protected, check: as for :func:`adult`.

    Returns:
        BiasedImages as of :func:`adult`; labels (N,) 1 for a good credit.

    Raises:
        ConfigError, DataError: as :func:`adult`.
    """
    attribute = protected_attribute("german", protected)
    _check_split(split)
    table = read_census("german.data", data_dir, check=check)
    rows = _stratified(_kinds(table, attribute), _SHARES["german"], seed)
    return _split("german", split, table, rows, protected, with_protected)


def _check_split(split: str) -> None:
    if split not in CENSUS_SPLITS:
        raise ConfigError(f"unknown split {split!r}: choose one of {', '.join(CENSUS_SPLITS)}")


def _kinds(table: CensusTable, attribute: Protected) -> NDArray[np.int64]:
    """A number for each pair of label and group."""
    return table.labels * len(attribute.groups) + attribute.group_of(table.columns[attribute.column])


# Synthetic rows


def synthetic_table(name: str, protected: str, n: int, seed: int = 0) -> CensusTable:
    r"""Rows of nobody, with the columns of "adult" or "german" and a planted bias.

    Each row has a merit s, standard normal, and a group with the sign t, +1 in the last group and -1 elsewhere. Every column is
    drawn from s and t with fixed loadings, so that together they tell both; the label is 1 with probability
    :math:`\sigma(1.5 s + 0.8 t - 0.6)`, so t tells part of it beyond s. The loadings were drawn once and mean nothing.
    """
    attribute, schema = protected_attribute(name, protected), _SCHEMAS[name]
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
    """Synthetic data in place of :func:`adult` or :func:`german`: same features, drawn rows (:func:`synthetic_table`).

    Args:
        name: "adult" or "german".
        split: one of :data:`CENSUS_SPLITS`.
        protected: by default the first attribute of the data set.
        n: rows of the training split; validation and test keep their proportion to it.
        seed: draws rows and split.
        with_protected: as for :func:`adult`.

    Raises:
        ConfigError: an unknown word, or a number out of range.
    """
    protected = next(iter(PROTECTED.get(name, {"": None}))) if protected is None else protected
    attribute = protected_attribute(name, protected)
    _check_split(split)
    sizes = np.array(_SYNTHETIC_SIZES[name], dtype=float)
    if n is not None:
        if isinstance(n, bool) or not isinstance(n, int) or n < 20:
            raise ConfigError(f"n must be a whole number of at least 20 rows, got {n!r}")
        sizes *= n / sizes[0]
    table = synthetic_table(name, protected, int(sizes.sum()), seed)
    train, validation, test = (sizes / sizes.sum()).tolist()
    rows = _stratified(_kinds(table, attribute), (train, validation, test), seed)
    return _split(name, split, table, rows, protected, with_protected)

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
SCHEMAS = {"adult": ADULT, "german": GERMAN}
_SHARES = {"adult": (0.85, 0.15, 0.0), "german": (0.5, 0.2, 0.3)}


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
    for column in _features_of(SCHEMAS[name], without):
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


def stratified_rows(kinds: NDArray[np.int64], shares: tuple[float, float, float], seed: int) -> dict[str, NDArray[np.int64]]:
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


def one_split(
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
    check_split(split)
    table = read_census("adult.data", data_dir, check=check)
    rows = stratified_rows(kinds_of(table, attribute), _SHARES["adult"], _SPLIT_SEED)
    if split == "test":
        test = read_census("adult.test", data_dir, check=check)
        rows["test"] = np.arange(len(table), len(table) + len(test))
        table = _joined(table, test)
    return one_split("adult", split, table, rows, protected, with_protected)


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
    check_split(split)
    table = read_census("german.data", data_dir, check=check)
    rows = stratified_rows(kinds_of(table, attribute), _SHARES["german"], seed)
    return one_split("german", split, table, rows, protected, with_protected)


def check_split(split: str) -> None:
    """A :class:`ConfigError` for a word that names no split."""
    if split not in CENSUS_SPLITS:
        raise ConfigError(f"unknown split {split!r}: choose one of {', '.join(CENSUS_SPLITS)}")


def kinds_of(table: CensusTable, attribute: Protected) -> NDArray[np.int64]:
    """A number for each pair of label and group."""
    return table.labels * len(attribute.groups) + attribute.group_of(table.columns[attribute.column])

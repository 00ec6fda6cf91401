"""Faces with a planted bias: the paper's sets EB1, EB2 and test (Kim et al., section 4.3), where age and gender give each other
away, and the sets OD, BD and EBD of the Columbia report on joint learning and unlearning; from any table of faces.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.readers.face_tables import GENDER_NAMES, MAX_AGE, OLD_FROM, YOUNG_TO, FaceTable, read_faces
from lnl_core.datasets.readers.photographs import is_archive, load_photographs
from lnl_core.errors import ConfigError, DataError

FACE_SPLITS = ("eb1", "eb2", "test")
BETWEEN = "other"
"""The faces of 30 to 39, which are in none of the paper's sets: no face that a network was trained on, and none that tests it."""
JLU_SPLITS = ("od", "bd", "bd_complement", "ebd")
AGE_NAMES = ("0-29", "40+")
TEST_SHARE = 0.2
AGE_EDGES = (0, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, MAX_AGE + 1)
"""Lower edges of the twelve age bins that are the bias labels, and the end. The paper does not print its bins; these are what the
public code of a later paper on the same data (Ragonesi et al.) credits to Alvi et al."""
JLU_FIRST_AGE, JLU_BIN_YEARS, JLU_BINS = 16, 4, 14
"""Ages 16..71 in fourteen bins of four years (the report's section 3.2, "16-72"); 72 would be a fifteenth."""
JLU_SIZES = {"od": (4511, 500), "bd": (1017, 482), "bd_complement": (482, 1017), "ebd": (478, 478)}
"""Men and women in the report's sets (its section 3.1). It gives no sizes for BD's complement: those of BD, exchanged."""
_JLU_AGES = {"od": ((16, 71), (16, 71)), "bd": ((40, 70), (16, 35)), "bd_complement": ((16, 35), (40, 70))}
_SPLIT_SEED = 1812_10352  # which faces are held out never depends on the seed of a run


def extreme_bias(table: FaceTable, *, seed: int = _SPLIT_SEED) -> dict[str, NDArray[np.int64]]:
    """The paper's sets (section 4.3): EB1 women 0-29 and men 40+, EB2 women 40+ and men 0-29, test everyone 0-29 or 40+.

    First a fifth of the table is withheld at random (or what its publisher withheld), then EB1 and EB2 are taken from the rest
    and the test set from what was withheld. Faces are withheld singly, as the paper says; IMDB shows one person many times.

    Args:
        table: faces.
        seed: chooses the fifth.

    Returns:
        sorted, disjoint indices "eb1", "eb2" and "test".
    """
    if table.test is None:
        order = np.random.default_rng(seed).permutation(len(table))
        withheld = np.zeros(len(table), dtype=bool)
        withheld[order[: round(TEST_SHARE * len(table))]] = True
    else:
        withheld = table.test
    young, old, women = table.age <= YOUNG_TO, table.age >= OLD_FROM, table.gender == 1
    eb1 = (women & young) | (~women & old)
    eb2 = (women & old) | (~women & young)
    return {
        "eb1": np.flatnonzero(eb1 & ~withheld),
        "eb2": np.flatnonzero(eb2 & ~withheld),
        "test": np.flatnonzero((young | old) & withheld),
    }


def _between(table: FaceTable) -> NDArray[np.int64]:
    """Sorted indices of the faces that are neither young nor old."""
    return np.flatnonzero((table.age > YOUNG_TO) & (table.age < OLD_FROM))


def jlu_age_bins(age: NDArray[np.int64]) -> NDArray[np.int64]:
    """The report's age bins, 0..13 of four years each from 16 on; ages outside 16..71 fall outside 0..13."""
    return (age - JLU_FIRST_AGE) // JLU_BIN_YEARS


def jlu_sets(table: FaceTable, *, seed: int = _SPLIT_SEED) -> dict[str, NDArray[np.int64]]:
    """The Columbia report's sets (its section 3.1), drawn from any table.

    - "ebd": equally many men and women in each age bin, 478 each; first, so that no other set holds its faces. A bin's share is
      proportional to the smaller of its two genders, of which it takes half at most.
    - "od": 4,511 men and 500 women of 16 to 71.
    - "bd": 1,017 men of 40 to 70 and 482 women of 16 to 35.
    - "bd_complement": the reverse, for testing what was trained on "bd".

    Where a table has fewer faces than a set needs, both genders are cut by the same factor. "od" may share faces with "bd" and its
    complement, as in the report, where these are parts of it; hold out faces of "od" to test on.

    Args:
        table: faces.
        seed: chooses them.

    Returns:
        sorted indices by name of the set.

    Raises:
        DataError: if a set is left without men or without women.
    """
    rng = np.random.default_rng(seed)
    chosen = {"ebd": _balanced(table, rng)}
    free = np.ones(len(table), dtype=bool)
    free[chosen["ebd"]] = False
    for split, ages in _JLU_AGES.items():
        pools = [
            np.flatnonzero(free & (table.gender == gender) & (table.age >= low) & (table.age <= high))
            for gender, (low, high) in enumerate(ages)
        ]
        factor = min(1.0, *(len(pool) / wanted for pool, wanted in zip(pools, JLU_SIZES[split], strict=True)))
        counts = [int(factor * wanted + 1e-9) for wanted in JLU_SIZES[split]]
        if min(counts) == 0:
            raise DataError(
                f"{table.root} has too few faces for {split}: {len(pools[0])} men and {len(pools[1])} women of its ages"
            )
        drawn = [rng.choice(pool, count, replace=False) for pool, count in zip(pools, counts, strict=True)]
        chosen[split] = np.sort(np.concatenate(drawn))
    return chosen


def _balanced(table: FaceTable, rng: np.random.Generator) -> NDArray[np.int64]:
    bins = jlu_age_bins(table.age)
    pools = [[np.flatnonzero((bins == index) & (table.gender == gender)) for gender in (0, 1)] for index in range(JLU_BINS)]
    smaller = np.array([min(map(len, pair)) for pair in pools])
    most = smaller // 2
    total = min(JLU_SIZES["ebd"][0], int(most.sum()))
    if total == 0:
        raise DataError(f"{table.root} has too few faces for ebd: no age bin holds two men and two women")
    counts = _shares(smaller, total, most)
    drawn = [rng.choice(pool, count, replace=False) for pair, count in zip(pools, counts, strict=True) for pool in pair]
    return np.sort(np.concatenate(drawn))


def _shares(weights: NDArray[np.int64], total: int, most: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers in proportion to ``weights`` that sum to ``total``, none above ``most``: largest remainders first."""
    exact = total * weights / weights.sum()
    counts: NDArray[np.int64] = np.minimum(np.floor(exact).astype(np.int64), most)
    while counts.sum() < total:
        behind = np.where(counts < most, exact - counts, -np.inf)
        counts[behind.argmax()] += 1
    return counts


# The data sets


def _load(
    table: FaceTable, index: NDArray[np.int64], size: int, cache_dir: Path | str | None, seed: Sequence[int]
) -> tuple[Tensor, NDArray[np.int64]]:
    """Images of the faces at ``index`` in an order by ``seed``, and the indices of those that could be read."""
    # An archive is read through once for all sets; of a folder, which may be a hundred times larger, only what is asked for.
    names = table.name.tolist() if is_archive(table.root) else table.name[index].tolist()
    found = load_photographs(table.root, names, size=size, cache_dir=cache_dir)
    place = {name: row for row, name in enumerate(found.names)}
    shuffled = index[np.random.default_rng(seed).permutation(len(index))]
    read = np.array([entry for entry in shuffled if str(table.name[entry]) in place], dtype=np.int64)
    rows = torch.tensor([place[str(table.name[entry])] for entry in read], dtype=torch.int64)
    return found.images[rows], read


def _check_classes(split: str, labels: NDArray[np.int64], names: Sequence[str]) -> None:
    for value, name in enumerate(names):
        if not (labels == value).any():
            raise DataError(f"{split} is left without anyone {name}: check the table of faces it is drawn from")


def age_bin(age: NDArray[Any]) -> NDArray[np.int64]:
    """Which of the twelve bins of :data:`AGE_EDGES` each age in years falls into, (N,)."""
    return np.asarray(np.digitize(age, AGE_EDGES) - 1, dtype=np.int64)


def faces(
    split: str,
    *,
    learn: str = "gender",
    size: int = 64,
    source: str = "utkface",
    data_dir: Path | str | None = None,
    cache_dir: Path | str | None = None,
    seed: int = 0,
    table: FaceTable | None = None,
) -> BiasedImages:
    """Faces with age as the bias of gender, or gender as the bias of age (the paper's Table 2).

    Args:
        split: "eb1", "eb2" or "test", see :func:`extreme_bias`; or, to choose hyper-parameters of learning gender on, "other", the
            faces of 30 to 39, of which no training set has any.
        learn: "gender" (age is the bias) or "age" (gender is the bias).
        size: side S of the square images in pixels.
        source: which published set, see :func:`read_faces`.
        data_dir: folder of the data sets, see :func:`data_folder`.
        cache_dir: where the decoded images are kept, see :func:`cache_folder`.
        seed: orders the images; which faces a split holds never changes.
        table: faces to draw from instead of ``source``, such as cleaned ones (:func:`clean`).

    Returns:
        BiasedImages: images (N, 3, S, S) uint8. Learning gender: labels 0 male, 1 female, and bias (N,) the age in the twelve bins
        of :data:`AGE_EDGES`. Learning age: labels 0 for 0-29, 1 for 40+ (all that EB1 and EB2 hold), and bias (N,) the gender.
        group (N,): the bias in two kinds, whether the age is 40+ or the gender. ``.source`` names the source.

    Raises:
        ConfigError: an unknown split, source or thing to learn.
        DataError: files missing or damaged, or a class without faces.
    """
    if split not in (*FACE_SPLITS, BETWEEN):
        raise ConfigError(f"unknown split {split!r}: choose one of {', '.join((*FACE_SPLITS, BETWEEN))}")
    if learn not in ("gender", "age"):
        raise ConfigError(f"unknown thing to learn {learn!r}: choose gender or age")
    if split == BETWEEN and learn == "age":
        raise ConfigError("faces of 30 to 39 are neither young nor old: choose another split to learn the age")
    table = read_faces(source, data_dir) if table is None else table
    chosen = _between(table) if split == BETWEEN else extreme_bias(table)[split]
    images, index = _load(table, chosen, size, cache_dir, [seed, (*FACE_SPLITS, BETWEEN).index(split)])
    age, gender = table.age[index], table.gender[index]
    old = (age >= OLD_FROM).astype(np.int64)
    _check_classes(split, gender, GENDER_NAMES)
    if split != BETWEEN:
        _check_classes(split, old, AGE_NAMES)
    labels, bias, bias_classes = (gender, age_bin(age), len(AGE_EDGES) - 1) if learn == "gender" else (old, gender, 2)
    return BiasedImages(
        images,
        torch.from_numpy(labels),
        torch.from_numpy(bias),
        torch.from_numpy(old if learn == "gender" else gender),
        source=table.source,
        classes=2,
        bias_classes=bias_classes,
    )


def jlu_faces(
    split: str,
    *,
    size: int = 96,
    source: str = "utkface",
    data_dir: Path | str | None = None,
    cache_dir: Path | str | None = None,
    seed: int = 0,
    table: FaceTable | None = None,
) -> BiasedImages:
    """The Columbia report's sets: learn the age, unlearn the gender.

    Args:
        split: "od", "bd", "bd_complement" or "ebd", see :func:`jlu_sets`.
        size: side S of the square images in pixels; the report's network takes 96.
        source, data_dir, cache_dir, seed, table: as for :func:`faces`.

    Returns:
        BiasedImages: images (N, 3, S, S) uint8, labels (N,) the age bin in 0..13, bias (N,) and group (N,) the gender, 0 male and
        1 female.

    Raises:
        ConfigError: an unknown split or source.
        DataError: files missing or damaged, or a set without men or without women.
    """
    if split not in JLU_SPLITS:
        raise ConfigError(f"unknown split {split!r}: choose one of {', '.join(JLU_SPLITS)}")
    table = read_faces(source, data_dir) if table is None else table
    images, index = _load(table, jlu_sets(table)[split], size, cache_dir, [seed, JLU_SPLITS.index(split)])
    gender = torch.from_numpy(table.gender[index])
    _check_classes(split, table.gender[index], GENDER_NAMES)
    labels = torch.from_numpy(jlu_age_bins(table.age[index]))
    return BiasedImages(images, labels, gender, gender.clone(), source=table.source, classes=JLU_BINS, bias_classes=2)

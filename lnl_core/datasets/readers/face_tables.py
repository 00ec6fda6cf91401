"""Tables of faces with an age and a gender, read from what is published.

UTKFace holds the labels in its file names; IMDB (IMDB-WIKI) holds the days that ages follow from in ``imdb.mat``, and the paper's
authors published ages, genders and a split of the part of IMDB that they kept. What these labels are: a date or another person's
guess, and one of two words. What they are not: what somebody is.
"""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnl_core._files import read_text, user_path, write_atomically
from lnl_core.datasets.digits import data_folder
from lnl_core.datasets.readers.npy import read_names, read_records
from lnl_core.datasets.readers.photographs import content_hashes, file_state, inner_folder, is_archive, list_photographs
from lnl_core.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

FACE_SOURCES = ("utkface", "imdb", "imdb_cleaned", "imdb_authors")
GENDER_NAMES = ("male", "female")
MAX_AGE = 116
YOUNG_TO, OLD_FROM = 29, 40
"""EB1, EB2 and test hold ages 0..29 and from 40 on (section 4.3); those between are in none."""

_CLEANED = "cleaned.txt"
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

    name: NDArray[Any]
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
    _, first, count = np.unique(name[order], return_index=True, return_counts=True)
    for again in name[order[first[count > 1]]].tolist():
        skipped = [*skipped, (again, "listed more than once")]
    order = order[first[count == 1]]
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
    match = re.fullmatch(r"(-?\d{0,9})_(\d*)_(\d*)_\d+[ .]*jpg(?:\.chip\.jpg)?", name.rsplit("/", 1)[-1])
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

    Names without an age in 0..116 and a gender are left out, counted and logged, and so are copies: the set holds some pictures
    several times, which a split would put on both sides, and some with two different labels, of which none is kept.
    To find them every file is read; a process does this once, and again when a file's size or time has changed.

    Raises:
        DataError: nothing there, a damaged or hostile archive, or no name that holds labels.
    """
    path = user_path(path)
    files: tuple[tuple[str, tuple[int, int]], ...] = ()
    if not is_archive(path):
        files = tuple((name, file_state(path / name)) for name in list_photographs(path))
    found = _utkface(path, path.resolve(), file_state(path), files)
    return replace(found, name=found.name.copy(), age=found.age.copy(), gender=found.gender.copy(), skipped=[*found.skipped])


@lru_cache(maxsize=4)
def _utkface(path: Path, resolved: Path, state: tuple[int, int], files: tuple[tuple[str, tuple[int, int]], ...]) -> FaceTable:
    """The table of an archive of this size and time, or of a folder with these files; all but ``path`` only tells them apart."""
    names, ages, genders, skipped = [], [], [], []
    for name in [name for name, _ in files] or list_photographs(path):
        try:
            age, gender = parse_utkface(name)
        except DataError as error:
            skipped.append((name, str(error)))
            continue
        names.append(name)
        ages.append(age)
        genders.append(gender)
    copies = _copies(path, names, list(zip(ages, genders, strict=True)))
    skipped += copies.items()
    kept = [index for index, name in enumerate(names) if name not in copies]
    return _table([names[i] for i in kept], [ages[i] for i in kept], [genders[i] for i in kept], "utkface", path, skipped)


def _copies(path: Path, names: list[str], labels: list[tuple[int, int]]) -> dict[str, str]:
    """Why files with the same content are left out: all but the first, or all of them where their labels differ."""
    alike: dict[bytes, list[str]] = {}
    for name, content in content_hashes(path, names).items():
        alike.setdefault(content, []).append(name)
    label_of = dict(zip(names, labels, strict=True))
    reasons: dict[str, str] = {}
    for group in alike.values():
        if len({label_of[name] for name in group}) > 1:
            reasons |= dict.fromkeys(group, "with the same picture under other labels")
        else:
            reasons |= dict.fromkeys(sorted(group)[1:], "that are copies")
    return reasons


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


def _crops(folder: Path) -> Path:
    """The folder that holds IMDB's photographs."""
    return inner_folder(folder / "imdb_crop") if (folder / "imdb_crop").is_dir() else folder


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
    a year that cannot be, an age outside 0..116, no gender, a photograph listed more than once.

    Args:
        folder: holds ``imdb_crop/`` with or without ``imdb.mat`` in it, or ``imdb.mat`` beside it.

    Returns:
        FaceTable: gender turned to 0 male, 1 female (``imdb.mat`` has 1 for male).

    Raises:
        DataError: files missing or damaged, or no entry left.
    """
    folder = user_path(folder)
    path = _first(folder, ("imdb_crop/imdb.mat", "imdb_crop/imdb_crop/imdb.mat", "imdb.mat"), "imdb.mat of IMDB-WIKI")
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
    root = _crops(folder)
    return _table(names[kept].tolist(), age[kept], 1 - gender[kept], "imdb", root, skipped)


def read_imdb_authors(folder: Path | str) -> FaceTable:
    """The paper's authors' cleaned table of IMDB: ``imdb_age_gender.npy`` and ``imdb_split.npy``, read by the restricted reader.

    Their test list is kept as :attr:`FaceTable.test`. They do not say which gender their numbers mean. It is taken from
    ``eb1_img_list.npy``, a list of EB1 published by Ragonesi et al., where that is there too (its faces from 40 on are men); else
    from the paper's sizes: of what is not withheld, EB1 (women 0-29, men 40+) is the larger set, 36,004 against 16,800.

    Args:
        folder: holds the files, and ``imdb_crop/`` with the photographs.

    Raises:
        DataError: files missing, damaged or with anything else in them, no face left, or nothing that tells the genders apart.
    """
    folder = user_path(folder)
    records = read_records(_first(folder, ("imdb_age_gender.npy", "imdb_crop/imdb_age_gender.npy"), "the authors' age and gender"))
    lists = read_names(_first(folder, ("imdb_split.npy", "imdb_crop/imdb_split.npy"), "the authors' split"))
    if not {"train_list", "test_list"} <= lists.keys():
        raise DataError(f"imdb_split.npy in {folder} has no train_list and test_list: it is not the authors' file")
    held_out = set(lists["test_list"])
    male = _authors_code_of_men(folder, [records.get(name, {}) for name in lists["train_list"]], records)
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
    root = _crops(folder)
    return _table(names, ages, genders, "imdb_authors", root, skipped, np.array([name in held_out for name in names], dtype=bool))


_Records = dict[str, dict[str, int | float]]


def _authors_code_of_men(folder: Path, kept: list[dict[str, int | float]], records: _Records) -> int:
    for path in (folder / "eb1_img_list.npy", folder / "imdb_crop" / "eb1_img_list.npy"):
        if path.is_file():
            listed = (records.get(name, {}) for names in read_names(path).values() for name in names)
            codes = Counter(entry.get("gender") for entry in listed if entry.get("age", -1) >= 40)
            return 0 if codes[0] > codes[1] else 1
    entries = [(entry.get("age", -1), entry.get("gender")) for entry in kept]
    extreme = [(age, code) for age, code in entries if 0 <= age <= YOUNG_TO or OLD_FROM <= age <= MAX_AGE]
    codes_of_eb1 = Counter(code if age >= OLD_FROM else 1 - code for age, code in extreme if code in (0, 1))
    if codes_of_eb1[0] == codes_of_eb1[1]:
        raise DataError(f"nothing in {folder} tells which gender the authors' numbers mean: put eb1_img_list.npy there as well")
    male = int(codes_of_eb1[1] > codes_of_eb1[0])
    logger.info("%s: %d is taken as male, since EB1 is then the larger set", folder, male)
    return male


def imdb_folder(data_dir: Path | str | None = None) -> Path:
    """Where IMDB's table and faces are looked for, and what is made from them is kept."""
    return data_folder(data_dir) / "imdb"


def write_cleaned(table: FaceTable, data_dir: Path | str | None = None) -> Path:
    """Write the names of cleaned IMDB faces to ``imdb/cleaned.txt`` in the data folder, which is then source "imdb_cleaned"."""
    path = imdb_folder(data_dir) / _CLEANED
    return write_atomically(path, lambda temporary: temporary.write_text("\n".join(table.name) + "\n", encoding="utf-8"))


def _read_cleaned(folder: Path) -> FaceTable:
    path = folder / _CLEANED
    try:
        names = set(read_text(path).splitlines()) - {""}
    except FileNotFoundError:
        raise DataError(f"{path} does not exist: run lnl clean, which writes it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a list of names ({error}): run lnl clean again") from None
    table = read_imdb(folder)
    absent = names - set(table.name.tolist())
    if absent or not names:
        what = f"{len(absent):,} faces that IMDB's table does not hold" if absent else "no face"
        raise DataError(f"{path} names {what}: run lnl clean again")
    kept = np.isin(table.name, list(names))
    return replace(table.subset(kept), source="imdb_cleaned")


# By name


def read_faces(source: str = "utkface", data_dir: Path | str | None = None) -> FaceTable:
    """The table of a published source in the data folder.

    Args:
        source: "utkface" (``utkface/UTKFace.tar``, ``.tar.gz`` or the folder), "imdb" (``imdb/imdb.mat`` and ``imdb/imdb_crop/``),
            "imdb_cleaned" (the same and ``imdb/cleaned.txt``, which :func:`write_cleaned` writes),
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
    if source == "imdb_cleaned":
        return _read_cleaned(folder / "imdb")
    if source == "imdb_authors":
        return read_imdb_authors(folder / "imdb")
    raise ConfigError(f"unknown source {source!r}: choose one of {', '.join(FACE_SOURCES)}")

"""UCI's Adult (census income) and Statlog German credit as they are published: columns, checks, download, rows.

Adult's test file begins with the line ``|1x3 Cross validator`` and ends each label with a dot; values that were not given are "?".
German credit separates its columns with blanks and codes its categories as A11, A12 and so on.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnl_core._download import download
from lnl_core.datasets.digits import data_folder
from lnl_core.errors import DataError

PUBLISHED_MD5 = {
    "adult.data": "5d7c39d7b8804f071cdd1f2a7c460872",
    "adult.test": "35238206dfdf7f1fe215bbb874adecdc",
    "german.data": "6b94c2e35480e671545e52a808a8a549",
}
"""Of the files as published; of german.data, of the copy that the project's numbers come from."""
_SITE = "https://archive.ics.uci.edu/ml/machine-learning-databases/"
_FOLDERS = {"adult.data": "adult/", "adult.test": "adult/", "german.data": "statlog/german/"}
MISSING = "?"


@dataclass(frozen=True)
class Column:
    """One column of a file: a number where ``categories`` is empty, else one of them."""

    name: str
    categories: tuple[str, ...] = ()


def _column(name: str, categories: str = "") -> Column:
    return Column(name, tuple(categories.split()))


ADULT = (
    _column("age"),
    _column("workclass", "Private Self-emp-not-inc Self-emp-inc Federal-gov Local-gov State-gov Without-pay Never-worked ?"),
    _column("fnlwgt"),
    _column(
        "education",
        "Bachelors Some-college 11th HS-grad Prof-school Assoc-acdm Assoc-voc 9th 7th-8th 12th Masters 1st-4th 10th Doctorate "
        "5th-6th Preschool",
    ),
    _column("education-num"),
    _column(
        "marital-status", "Married-civ-spouse Divorced Never-married Separated Widowed Married-spouse-absent Married-AF-spouse"
    ),
    _column(
        "occupation",
        "Tech-support Craft-repair Other-service Sales Exec-managerial Prof-specialty Handlers-cleaners Machine-op-inspct "
        "Adm-clerical Farming-fishing Transport-moving Priv-house-serv Protective-serv Armed-Forces ?",
    ),
    _column("relationship", "Wife Own-child Husband Not-in-family Other-relative Unmarried"),
    _column("race", "White Asian-Pac-Islander Amer-Indian-Eskimo Other Black"),
    _column("sex", "Female Male"),
    _column("capital-gain"),
    _column("capital-loss"),
    _column("hours-per-week"),
    _column(
        "native-country",
        "United-States Cambodia England Puerto-Rico Canada Germany Outlying-US(Guam-USVI-etc) India Japan Greece South China Cuba "
        "Iran Honduras Philippines Italy Poland Jamaica Vietnam Mexico Portugal Ireland France Dominican-Republic Laos Ecuador "
        "Taiwan Haiti Columbia Hungary Guatemala Nicaragua Scotland Thailand Yugoslavia El-Salvador Trinadad&Tobago Peru Hong "
        "Holand-Netherlands ?",
    ),
)
"""The columns of adult.names, with "?" where the files hold it."""
ADULT_LABELS = ("<=50K", ">50K")

GERMAN = (
    _column("checking-account", "A11 A12 A13 A14"),
    _column("duration"),
    _column("credit-history", "A30 A31 A32 A33 A34"),
    _column("purpose", "A40 A41 A42 A43 A44 A45 A46 A47 A48 A49 A410"),
    _column("amount"),
    _column("savings", "A61 A62 A63 A64 A65"),
    _column("employment", "A71 A72 A73 A74 A75"),
    _column("instalment-rate"),
    _column("personal-status", "A91 A92 A93 A94 A95"),
    _column("other-debtors", "A101 A102 A103"),
    _column("residence-since"),
    _column("property", "A121 A122 A123 A124"),
    _column("age"),
    _column("other-instalments", "A141 A142 A143"),
    _column("housing", "A151 A152 A153"),
    _column("existing-credits"),
    _column("job", "A171 A172 A173 A174"),
    _column("dependants"),
    _column("telephone", "A191 A192"),
    _column("foreign-worker", "A201 A202"),
)
"""The columns of german.doc."""
GERMAN_LABELS = ("2", "1")
"""2 is a bad credit, our class 0; 1 is a good one, our class 1: as in Adult, class 1 is the better outcome."""


@dataclass(frozen=True)
class CensusTable:
    """Rows of one file.

    Attributes:
        schema: the columns.
        columns: by name (N,) float64 numbers, or int64 places in the column's categories.
        labels: (N,) int64, 1 for an income above 50K, or a good credit.
        source: "uci" for the published rows, "user" for others, "synthetic" for rows that nobody has.
    """

    schema: tuple[Column, ...]
    columns: Mapping[str, NDArray[Any]]
    labels: NDArray[np.int64]
    source: str

    def __len__(self) -> int:
        return len(self.labels)


def census_file(name: str, data_dir: Path | str | None = None, *, check: bool = True) -> tuple[Path, str]:
    """The file ``name`` below ``uci/`` in the data folder, downloaded from UCI if it is not there, and its source.

    Args:
        name: one of :data:`PUBLISHED_MD5`.
        data_dir: see :func:`lnl_core.datasets.digits.data_folder`.
        check: refuse a file that is not the published one; without it, its source is called "user".

    Raises:
        DataError: the file is missing and cannot be downloaded, or it is not the published one.
    """
    path = data_folder(data_dir) / "uci" / name
    if not path.is_file():
        try:
            download(_SITE + _FOLDERS[name] + name, f"md5:{PUBLISHED_MD5[name]}", path)
        except OSError:
            site = _SITE + _FOLDERS[name]
            why = f"{path} does not exist and could not be downloaded: put the file there from {site}"
            raise DataError(f"{why}, or use synthetic data, source 'synthetic'") from None
    digest = hashlib.md5(_read(path), usedforsecurity=False).hexdigest()
    if digest == PUBLISHED_MD5[name]:
        return path, "uci"
    if check:
        raise DataError(
            f"{path} is not the file that UCI published (md5 {digest}): fetch it again, or read rows of your own with check=False"
        )
    return path, "user"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror}): check its permissions") from None


def read_census(name: str, data_dir: Path | str | None = None, *, check: bool = True) -> CensusTable:
    """All rows of "adult.data" (32,561), "adult.test" (16,281) or "german.data" (1,000), in the file's order.

    No row is left out: "?" is a category of its own in the three columns that hold it. Lines that are blank or begin with ``|``
    are no rows, and a dot after a label is no part of it.

    Args:
        name, data_dir, check: as for :func:`census_file`.

    Raises:
        DataError: as there; or a row with the wrong number of columns, an unknown category, or a number that is none, each with
            its line in the file.
    """
    path, source = census_file(name, data_dir, check=check)
    schema, labels, mark = (GERMAN, GERMAN_LABELS, None) if name == "german.data" else (ADULT, ADULT_LABELS, ",")
    try:
        lines = _read(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{path} is no text file: fetch it again") from None
    rows, places = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.split(mark)]
        if len(cells) != len(schema) + 1:
            raise DataError(f"{name}, line {number}: expected {len(schema) + 1} columns, got {len(cells)}: correct this row")
        rows.append(cells)
        places.append(number)
    if not rows:
        raise DataError(f"{path} holds no rows: fetch it again")
    *columns, last = zip(*rows, strict=True)
    found = {
        column.name: _codes(name, column, cells, places) if column.categories else _numbers(name, column, cells, places)
        for column, cells in zip(schema, columns, strict=True)
    }
    label = _codes(name, Column("label", labels), [cell.removesuffix(".") for cell in last], places)
    return CensusTable(schema, found, label, source)


def _codes(file: str, column: Column, cells: Sequence[str], places: Sequence[int]) -> NDArray[np.int64]:
    code = {category: place for place, category in enumerate(column.categories)}
    codes = np.array([code.get(cell, -1) for cell in cells], dtype=np.int64)
    wrong = np.flatnonzero(codes < 0)
    if len(wrong):
        cell = cells[wrong[0]]
        known = ", ".join(column.categories[:6]) + (", ..." if len(column.categories) > 6 else "")
        raise DataError(f"{file}, line {places[wrong[0]]}: unknown category {cell!r} in column {column.name}: known are {known}")
    return codes


def _numbers(file: str, column: Column, cells: Sequence[str], places: Sequence[int]) -> NDArray[np.float64]:
    for cell, place in zip(cells, places, strict=True):
        if not (cell.isdecimal() and cell.isascii() and len(cell) < 16):
            raise DataError(f"{file}, line {place}: column {column.name} must be a whole number, got {cell!r}: correct this row")
    return np.array(cells, dtype=np.float64)

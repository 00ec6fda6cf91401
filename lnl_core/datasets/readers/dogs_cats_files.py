"""What the authors published of Dogs and Cats, and labels that others give: names, lists and tables; no image is opened.

Their three files are read from Kaggle's folder, or downloaded once and checked by hash.
"""

import csv
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from lnl_core._download import download
from lnl_core._files import read_text, user_path, write_atomically
from lnl_core.datasets.digits import data_folder
from lnl_core.datasets.readers.npy import read_numbers
from lnl_core.datasets.readers.photographs import cache_folder
from lnl_core.errors import DataError

CLASS_NAMES = ("cat", "dog")
_ADDRESS = "https://raw.githubusercontent.com/feidfoe/learning-not-to-learn/{commit}/dataset/dogs_and_cats/{name}"
_PUBLISHED = {
    "list_bright.txt": (
        "d7a0de6541a53ed5d9fcecee4d341bf6191e6cc1",
        "f7c4bf01ccab5bda3cd0631b453bbb9812bbe60b4428c1c13f95218ab32bd4d6",
    ),
    "list_dark.txt": (
        "d7a0de6541a53ed5d9fcecee4d341bf6191e6cc1",
        "c08c590ebb0e96513026ded2a8202667634ab9dc5fa4450296c5fcc83fd1b53c",
    ),
    "test_result.npy": (
        "308ee587e2a9344e042e508b54544738d2c9ed0f",
        "0c81728ebe4a898a7e8164242531bf9445bd5f5c4996bad314d64d8aa6c017fe",
    ),
}
"""The authors' files: the commit that published each, and its SHA-256."""

_AUTHORS_TABLE = "test_result.csv"

Labels = Mapping[str, int] | Mapping[int, int] | Path | str


def kaggle_folder(data_dir: Path | str | None) -> Path:
    """Where the photographs, the lists and the labels lie; nothing is looked for."""
    return data_folder(data_dir) / "dogs-vs-cats"


def _published(name: str, folder: Path, cache_dir: Path | str | None) -> Path:
    """The authors' file ``name`` in the data folder, or in the cache, where it is downloaded to once."""
    for path in (folder / name, cache_folder(cache_dir) / name):
        if path.is_file():
            return path
    commit, expected = _PUBLISHED[name]
    try:
        return download(_ADDRESS.format(commit=commit, name=name), f"sha256:{expected}", path)
    except OSError:
        raise DataError(
            f"{name} is not in {folder} and could not be downloaded: put the file there from "
            "https://github.com/feidfoe/learning-not-to-learn, folder dataset/dogs_and_cats"
        ) from None


def _read_list(path: Path) -> set[str]:
    try:
        names = set(read_text(path).split())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a list of names ({error}): get it again") from None
    wrong = sorted(name for name in names if label_in(name) is None)
    if not names or wrong:
        example = f" (as {wrong[0]!r} is not)" if wrong else ""
        raise DataError(f"{path} must list names such as cat.0.jpg, one a line{example}: get it again")
    return names


def label_in(name: str) -> int | None:
    """0 of "cat.12.jpg", 1 of "dog.12.jpg", ``None`` of any other name."""
    match = re.fullmatch(r"(cat|dog)\.\d+\.jpg", name)
    return CLASS_NAMES.index(match[1]) if match else None


def read_lists(data_dir: Path | str | None = None, *, cache_dir: Path | str | None = None) -> tuple[set[str], set[str]]:
    """The authors' lists of bright and of dark images: names such as "cat.0.jpg", 8,385 and 8,400 as published.

    Read from ``dogs-vs-cats/list_bright.txt`` and ``list_dark.txt`` in the data folder, else downloaded and checked by hash.

    Raises:
        DataError: lists missing and no network, not what was published, no lists of names, or one name in both.
    """
    folder = kaggle_folder(data_dir)
    bright, dark = (_read_list(_published(name, folder, cache_dir)) for name in ("list_bright.txt", "list_dark.txt"))
    both = sorted(bright & dark)
    if both:
        raise DataError(f"{both[0]} is listed both as bright and as dark in {folder}: correct the lists")
    return bright, dark


def number_in(name: str | float) -> int | None:
    """12 of "12.jpg", "test1/12.jpg", "12" and 12.0; ``None`` of any other name."""
    match = re.fullmatch(r"(?:.*/)?(\d+)(?:\.jpg)?", str(int(name) if isinstance(name, float) and name.is_integer() else name))
    return int(match[1]) if match else None


def _read_csv(path: Path) -> dict[str, str | int]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            rows = [(row["id"], row["label"]) for row in csv.DictReader(lines)]
        if not rows:
            raise ValueError("it holds no label")
        return {name: label if label in CLASS_NAMES else int(label) for name, label in rows}
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table with the columns id and label ({error}): get it again") from None


def read_test_labels(labels: Labels) -> dict[int, int]:
    """Labels of Kaggle's test images by number: 0 cat, 1 dog.

    The authors' ``test_result.npy`` has it the other way round, 0 dog and 1 cat, without saying so: its first four images are dogs
    with label 0, the seven after them cats with label 1. Their labels are turned here.

    Args:
        labels: a ``.npy`` with a dictionary of labels by name, read by the restricted reader; a ``.csv`` with the columns id and
            label; or a dictionary, such as the predictions of an oracle network of one's own. A name may be a number, "12.jpg" or
            a path that ends so. A label is 0 or "cat", 1 or "dog"; only the numbers in the authors' file, known by its content or
            by the name ``test_result``, are turned.

    Raises:
        DataError: a file that cannot be read, a name without a number, or any other label.
    """
    source, turned = "the labels given", False
    if isinstance(labels, Path | str):
        source = str(labels)
        found: Mapping[str | int | float, str | int | float]
        path = user_path(labels)
        found = _read_csv(path) if path.suffix == ".csv" else read_numbers(path)  # type: ignore[assignment]
        turned = _authors_coding(path)
    else:
        found = labels  # type: ignore[assignment]
    numbers: dict[int, int] = {}
    for name, label in found.items():
        number = number_in(name)
        if number is None or label not in (0, 1, *CLASS_NAMES):
            raise DataError(f"{source}: {name!r} with label {label!r} is not the number of an image and 0 (cat) or 1 (dog)")
        if isinstance(label, str):
            numbers[number] = CLASS_NAMES.index(label)
        else:
            numbers[number] = 1 - int(label) if turned else int(label)
    return numbers


def _authors_coding(path: Path) -> bool:
    return path.stem == "test_result" or hashlib.sha256(path.read_bytes()).hexdigest() == _PUBLISHED["test_result.npy"][1]


def authors_labels(folder: Path, cache_dir: Path | str | None) -> Path:
    """The file with the labels of the authors' oracle."""
    if not (folder / "test_result.npy").is_file() and (folder / _AUTHORS_TABLE).is_file():
        return folder / _AUTHORS_TABLE
    return _published("test_result.npy", folder, cache_dir)


def write_test_labels(path: Path | str, labels: Mapping[str, int]) -> Path:
    """Write labels of test images, 0 (cat) or 1 (dog), in words as a ``.csv`` that :func:`read_test_labels` reads."""
    text = "id,label\n" + "".join(f"{name},{CLASS_NAMES[label]}\n" for name, label in labels.items())
    return write_atomically(user_path(path), lambda temporary: temporary.write_text(text, encoding="utf-8"))

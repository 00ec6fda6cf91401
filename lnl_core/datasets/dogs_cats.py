"""Dogs and Cats, the paper's second benchmark (Kim et al., section 4.2): photographs whose brightness gives the animal away.

The images are Kaggle's Dogs vs. Cats as it unzips. The paper's authors sorted its 25,000 training images by the colour of the
animal into bright, dark and other, and published the first two as lists. Bright dogs and dark cats make the training set TB1, dark
dogs and bright cats TB2. Kaggle's test images have no labels; the authors published those of their oracle network (in
their file 0 is a dog and 1 a cat; here it is the other way round).
"""

import csv
import hashlib
import logging
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lnl_core._download import download
from lnl_core._files import read_text, user_path, write_atomically
from lnl_core.datasets.colored_mnist import COLOR_LEVELS
from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.digits import data_folder
from lnl_core.datasets.readers.npy import read_numbers
from lnl_core.datasets.readers.photographs import (
    cache_folder,
    centre_brightness,
    color_levels,
    inner_folder,
    list_photographs,
    load_photographs,
    reorder,
)
from lnl_core.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

DOGS_CATS_SPLITS = ("tb1", "tb2", "train", "test", "other")
CLASS_NAMES = ("cat", "dog")
GROUP_NAMES = ("dark", "bright", "other")
BRIGHT_FROM = 105.0
"""Median luminance of an image's middle half from which it counts as bright where no list says so.

Of the 1,403 listed images among 2,002 examined, this rule agrees with the list for 78 % (balanced over bright and dark; any
threshold from 100 to 115 gives 78 %; area under the curve 0.87). The mean of the whole image does much worse (0.64): the authors
sorted animals, not backgrounds.
"""
PUBLISHED_SIZES = {"tb1": 10_047, "tb2": 6_738, "train": 25_000, "test": 12_500, "other": 8_215}
"""Images of the complete sets (section 4.2)."""

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


def _folder(data_dir: Path | str | None) -> Path:
    return data_folder(data_dir) / "dogs-vs-cats"


def _images_folder(folder: Path, names: tuple[str, ...]) -> Path:
    for place in (folder / name for name in names):
        if place.is_dir():
            return inner_folder(place)
    where = " or ".join(str(folder / name) for name in names)
    raise DataError(f"the photographs are missing: unzip Kaggle's Dogs vs. Cats into {where}")


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
    wrong = sorted(name for name in names if _label(name) is None)
    if not names or wrong:
        example = f" (as {wrong[0]!r} is not)" if wrong else ""
        raise DataError(f"{path} must list names such as cat.0.jpg, one a line{example}: get it again")
    return names


def _label(name: str) -> int | None:
    match = re.fullmatch(r"(cat|dog)\.\d+\.jpg", name)
    return CLASS_NAMES.index(match[1]) if match else None


def read_lists(data_dir: Path | str | None = None, *, cache_dir: Path | str | None = None) -> tuple[set[str], set[str]]:
    """The authors' lists of bright and of dark images: names such as "cat.0.jpg", 8,385 and 8,400 as published.

    Read from ``dogs-vs-cats/list_bright.txt`` and ``list_dark.txt`` in the data folder, else downloaded and checked by hash.

    Raises:
        DataError: lists missing and no network, not what was published, no lists of names, or one name in both.
    """
    folder = _folder(data_dir)
    bright, dark = (_read_list(_published(name, folder, cache_dir)) for name in ("list_bright.txt", "list_dark.txt"))
    both = sorted(bright & dark)
    if both:
        raise DataError(f"{both[0]} is listed both as bright and as dark in {folder}: correct the lists")
    return bright, dark


def _number(name: str | float) -> int | None:
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
        number = _number(name)
        if number is None or label not in (0, 1, *CLASS_NAMES):
            raise DataError(f"{source}: {name!r} with label {label!r} is not the number of an image and 0 (cat) or 1 (dog)")
        if isinstance(label, str):
            numbers[number] = CLASS_NAMES.index(label)
        else:
            numbers[number] = 1 - int(label) if turned else int(label)
    return numbers


def _authors_coding(path: Path) -> bool:
    return path.stem == "test_result" or hashlib.sha256(path.read_bytes()).hexdigest() == _PUBLISHED["test_result.npy"][1]


def _authors_labels(folder: Path, cache_dir: Path | str | None) -> Path:
    if not (folder / "test_result.npy").is_file() and (folder / _AUTHORS_TABLE).is_file():
        return folder / _AUTHORS_TABLE
    return _published("test_result.npy", folder, cache_dir)


def _choose(split: str, names: list[str], bright: set[str], dark: set[str]) -> dict[str, int]:
    """Names of the split with their group, 0 dark, 1 bright, 2 neither."""
    if split == "train":
        return {name: 1 if name in bright else 0 if name in dark else 2 for name in names}
    if split == "other":
        found = {name: 2 for name in names if name not in bright | dark}
        if not found:
            raise DataError("every training image there is listed as bright or as dark: none is left for the split 'other'")
        return found
    dogs, cats = (bright, dark) if split == "tb1" else (dark, bright)
    wanted = {name for name in dogs if _label(name) == 1} | {name for name in cats if _label(name) == 0}
    present = {name: int(name in bright) for name in names if name in wanted}
    if not present:
        raise DataError(
            f"none of the {len(wanted):,} images of {split} is there: unzip Kaggle's training images, or check the lists"
        )
    if len(present) < len(wanted):
        absent = len(wanted) - len(present)
        logger.warning("%s: %s of %s listed images are absent, this is a part of the set", split, f"{absent:,}", f"{len(wanted):,}")
    return present


def _training_images(
    split: str, folder: Path, data_dir: Path | str | None, cache_dir: Path | str | None
) -> tuple[Path, dict[str, int], dict[str, int]]:
    source = _images_folder(folder, ("train",))
    listed = list_photographs(source)
    names = [name for name in listed if _label(name) is not None]
    if not names:
        raise DataError(
            f"none of the {len(listed):,} files in {source} is named as cat.0.jpg (the first is {listed[0]}): put Kaggle's "
            "training images into it, directly and with their own names"
        )
    if len(names) < len(listed):
        odd = next(name for name in listed if _label(name) is None)
        warnings.warn(f"{len(listed) - len(names):,} files in {source} are not named as cat.0.jpg: {odd}, ...", stacklevel=3)
    group = _choose(split, names, *read_lists(data_dir, cache_dir=cache_dir))
    return source, group, {name: _label(name) or 0 for name in group}


def _test_images(folder: Path, labels: Labels | None, cache_dir: Path | str | None) -> tuple[Path, dict[str, int]]:
    source = _images_folder(folder, ("test1", "test"))
    known = read_test_labels(_authors_labels(folder, cache_dir) if labels is None else labels)
    listed = list_photographs(source)
    numbers = {name: _number(name) for name in listed}
    found = {name: known[number] for name, number in numbers.items() if number is not None and number in known}
    if not found:
        raise DataError(f"none of the {len(listed):,} images in {source} has a label: give labels of these images")
    if len(found) < len(listed):
        odd = next(name for name in listed if name not in found)
        warnings.warn(f"{len(listed) - len(found):,} files in {source} have no label and were left out: {odd}, ...", stacklevel=3)
    return source, found


def unlabelled_test_images(
    *, size: int = 64, crop: bool = True, data_dir: Path | str | None = None, cache_dir: Path | str | None = None
) -> tuple[list[str], Tensor]:
    """All of Kaggle's test images, for an oracle network to label.

    Args:
        size, crop, data_dir, cache_dir: as for :func:`dogs_cats`.

    Returns:
        The files' names, and (N, 3, S, S) uint8 in their order. Files that are no images are left out, with a warning.

    Raises:
        DataError: if the photographs are missing.
    """
    source = _images_folder(_folder(data_dir), ("test1", "test"))
    found = load_photographs(source, list_photographs(source), size=size, crop=crop, cache_dir=cache_dir)
    return list(found.names), found.images


def write_test_labels(path: Path | str, labels: Mapping[str, int]) -> Path:
    """Write labels of test images, 0 (cat) or 1 (dog), in words as a ``.csv`` that :func:`read_test_labels` reads."""
    text = "id,label\n" + "".join(f"{name},{CLASS_NAMES[label]}\n" for name, label in labels.items())
    return write_atomically(user_path(path), lambda temporary: temporary.write_text(text, encoding="utf-8"))


def measured_groups(images: Tensor) -> Tensor:
    """Groups of images that no list names: 1 (bright) if :func:`centre_brightness` is at least :data:`BRIGHT_FROM`, else 0.

    Args:
        images: (N, 3, S, S) uint8.

    Returns:
        (N,) int64.
    """
    return (centre_brightness(images) >= BRIGHT_FROM).long()


def dogs_cats(
    split: str,
    *,
    size: int = 64,
    crop: bool = True,
    places: int | None = None,
    data_dir: Path | str | None = None,
    cache_dir: Path | str | None = None,
    seed: int = 0,
    labels: Labels | None = None,
) -> BiasedImages:
    """Dogs and Cats with its brightness bias, as the paper's authors sorted it.

    Args:
        split: "tb1" (bright dogs and dark cats), "tb2" (dark dogs and bright cats), "train" (all labelled images, on which the
            paper's oracle network was trained), "other" (those that the lists call neither bright nor dark), or "test" (Kaggle's
            test images).
        size: side S of the square images in pixels.
        crop: cut out the centre; otherwise squeeze the whole picture into the square.
        places: side P of the bias labels; by default S / 16, the size of the features that ResNet-18 hands to its last stage.
            The paper sub-samples "by factor of 4" without saying what its feature map measures: give S / 4 for that reading.
        data_dir: folder that holds ``dogs-vs-cats/`` with ``train/``, ``test1/`` and the lists, see :func:`data_folder`.
        cache_dir: where the decoded images are kept, see :func:`cache_folder`.
        seed: orders the images; which images a split holds never changes.
        labels: of the test images, see :func:`read_test_labels`; by default the authors' oracle labels.

    Returns:
        BiasedImages: images (N, 3, S, S) uint8; labels (N,), 0 cat and 1 dog; bias (N, 3, P, P), the level of each channel in
        0..7 at each place (the paper's colour bias is self-supervised: not "dark" and "bright", but the image's own colours); group
        (N,), 0 dark and 1 bright as listed, and 2 for what the authors called other. No list names the test images:
        their group is measured (:func:`measured_groups`). ``.source`` is "kaggle", or "kaggle-part" if images are absent.

    Raises:
        ConfigError: an unknown split, or places or a size out of range.
        DataError: photographs, lists or labels missing or damaged, no listed image there, or a class without images.
    """
    if split not in DOGS_CATS_SPLITS:
        raise ConfigError(f"unknown split {split!r}: choose one of {', '.join(DOGS_CATS_SPLITS)}")
    if labels is not None and split != "test":
        raise ConfigError(f"labels may be given for the test images only: the names of {split!r} say what they show")
    folder = _folder(data_dir)
    group: dict[str, int] = {}
    if split == "test":
        source, animal = _test_images(folder, labels, cache_dir)
    else:
        source, group, animal = _training_images(split, folder, data_dir, cache_dir)
    found = load_photographs(source, sorted(animal), size=size, crop=crop, cache_dir=cache_dir)
    order = np.random.default_rng([seed, DOGS_CATS_SPLITS.index(split)]).permutation(len(found))
    names = [found.names[index] for index in order]
    images = reorder(found.images, order)
    target = np.array([animal[name] for name in names], dtype=np.int64)
    _check_classes(target, split)
    return BiasedImages(
        images,
        torch.from_numpy(target),
        color_levels(images, -(-size // 16) if places is None else places, COLOR_LEVELS),
        torch.tensor([group[name] for name in names]) if group else measured_groups(images),
        source="kaggle" if len(images) == PUBLISHED_SIZES[split] else "kaggle-part",
        classes=2,
        bias_classes=COLOR_LEVELS,
    )


def _check_classes(labels: NDArray[np.int64], split: str) -> None:
    for value, name in enumerate(CLASS_NAMES):
        if not (labels == value).any():
            raise DataError(f"{split} is left without any {name}: check the photographs and the lists")

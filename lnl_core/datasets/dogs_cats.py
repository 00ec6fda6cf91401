"""Dogs and Cats, the paper's second benchmark (Kim et al., section 4.2): photographs whose brightness gives the animal away.

The images are Kaggle's Dogs vs. Cats as it unzips. The paper's authors sorted its 25,000 training images by the colour of the
animal into bright, dark and other, and published the first two as lists. Bright dogs and dark cats make the training set TB1, dark
dogs and bright cats TB2. Kaggle's test images have no labels; the authors published those of their oracle network (in
their file 0 is a dog and 1 a cat; here it is the other way round).
"""

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lnl_core.datasets.colored_mnist import COLOR_LEVELS
from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.readers.dogs_cats_files import (
    CLASS_NAMES,
    Labels,
    authors_labels,
    kaggle_folder,
    label_in,
    number_in,
    read_lists,
    read_test_labels,
)
from lnl_core.datasets.readers.photographs import (
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
GROUP_NAMES = ("dark", "bright", "other")
BRIGHT_FROM = 105.0
"""Median luminance of an image's middle half from which it counts as bright where no list says so.

Of the 1,403 listed images among 2,002 examined, this rule agrees with the list for 78 % (balanced over bright and dark; any
threshold from 100 to 115 gives 78 %; area under the curve 0.87). The mean of the whole image does much worse (0.64): the authors
sorted animals, not backgrounds.
"""
PUBLISHED_SIZES = {"tb1": 10_047, "tb2": 6_738, "train": 25_000, "test": 12_500, "other": 8_215}
"""Images of the complete sets (section 4.2)."""


def _images_folder(folder: Path, names: tuple[str, ...]) -> Path:
    for place in (folder / name for name in names):
        if place.is_dir():
            return inner_folder(place)
    where = " or ".join(str(folder / name) for name in names)
    raise DataError(f"the photographs are missing: unzip Kaggle's Dogs vs. Cats into {where}")


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
    wanted = {name for name in dogs if label_in(name) == 1} | {name for name in cats if label_in(name) == 0}
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
    names = [name for name in listed if label_in(name) is not None]
    if not names:
        raise DataError(
            f"none of the {len(listed):,} files in {source} is named as cat.0.jpg (the first is {listed[0]}): put Kaggle's "
            "training images into it, directly and with their own names"
        )
    if len(names) < len(listed):
        odd = next(name for name in listed if label_in(name) is None)
        warnings.warn(f"{len(listed) - len(names):,} files in {source} are not named as cat.0.jpg: {odd}, ...", stacklevel=3)
    group = _choose(split, names, *read_lists(data_dir, cache_dir=cache_dir))
    return source, group, {name: label_in(name) or 0 for name in group}


def _test_images(folder: Path, labels: Labels | None, cache_dir: Path | str | None) -> tuple[Path, dict[str, int]]:
    source = _images_folder(folder, ("test1", "test"))
    known = read_test_labels(authors_labels(folder, cache_dir) if labels is None else labels)
    listed = list_photographs(source)
    numbers = {name: number_in(name) for name in listed}
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
    source = _images_folder(kaggle_folder(data_dir), ("test1", "test"))
    found = load_photographs(source, list_photographs(source), size=size, crop=crop, cache_dir=cache_dir)
    return list(found.names), found.images


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
    folder = kaggle_folder(data_dir)
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

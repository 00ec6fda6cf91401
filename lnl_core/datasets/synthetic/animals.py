"""Cats and dogs with a bright or dark coat, synthetic: the splits of Dogs and Cats (Kim et al., section 4.2)."""

import numpy as np
import torch
from numpy.typing import NDArray

from lnl_core.datasets.colored_mnist import COLOR_LEVELS
from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.readers.photographs import color_levels
from lnl_core.datasets.synthetic._sizes import number_of_images
from lnl_core.datasets.synthetic.drawing import draw_blocks
from lnl_core.datasets.synthetic.pictures import animal_block
from lnl_core.errors import ConfigError

ANIMAL_SPLITS = ("tb1", "tb2", "unbiased", "test")


def animal_table(split: str, n: int | None = None, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What the animals of a split are: species (0 cat, 1 dog) and coat (0 dark, 1 bright), (N,) each.

    "tb1" has bright dogs and dark cats, "tb2" dark dogs and bright cats; in "unbiased" and "test" the coat is independent of the
    species. Both species are equally likely.

    Args:
        n: number of images; by default 3,000 (tb1), 2,000 (tb2), 3,000 (unbiased), 1,000 (test).

    Raises:
        ConfigError: an unknown split, or ``n`` or ``seed`` out of range.
    """
    n = number_of_images(split, ANIMAL_SPLITS, n, seed)
    rng = np.random.default_rng([seed, 10 + ANIMAL_SPLITS.index(split)])
    species, coat = rng.integers(0, 2, n), rng.integers(0, 2, n)
    if split in ("tb1", "tb2"):
        coat = species if split == "tb1" else 1 - species
    return species, coat


def animals(
    split: str,
    *,
    size: int = 64,
    n: int | None = None,
    seed: int = 0,
    contrast: float = 0.5,
    bias_labels: str = "place",
    places: int | None = None,
) -> BiasedImages:
    """Synthetic cats and dogs: the label is the species, told by shape, and the bias is a bright or dark coat.

    Ears, muzzle, proportions, tail and whiskers tell the species; each varies by itself, and some dogs have pricked ears and some
    cats hanging ones. Position, size, tilt, hue and pattern of the coat, eyes, nose and background tell nothing.

    Args:
        split: "tb1", "tb2", "unbiased" or "test", see :func:`animal_table`.
        size: pixels a side, at least 32. The same seed draws the same scenes at every size.
        n: number of images.
        seed: seeds the table and the drawings.
        contrast: how far bright and dark coats are apart, 0 (not at all) to 1. Single coats vary, and so does the light of the
            scene: below 0.55 some bright coats are darker than some dark ones.
        bias_labels: "place", the colour of each place of the image in eight levels a channel, as for photographs, of which only
            the pixels are known; or "image", whether the coat is bright.
        places: places a side of the bias labels; by default ``size / 16``, rounded up, the feature map of the ResNet-18.

    Returns:
        BiasedImages: images (N, 3, size, size), labels (N,) 0 cat or 1 dog, bias (N, 3, places, places) in 0..7 or (N,) in 0..1,
        group (N,) 0 dark or 1 bright. ``.source`` is "synthetic".

    Raises:
        ConfigError: an unknown split or word, or a number out of range.
    """
    if bias_labels not in ("place", "image"):
        raise ConfigError(f"unknown bias_labels {bias_labels!r}: choose 'place' or 'image'")
    if isinstance(contrast, bool) or not isinstance(contrast, int | float) or not 0 <= contrast <= 1:
        raise ConfigError(f"contrast must lie between 0 and 1, got {contrast!r}")
    species, coat = (torch.from_numpy(column) for column in animal_table(split, n, seed))
    shade = contrast * (2.0 * coat - 1)
    images = draw_blocks(animal_block, [species, shade], size, [seed, 20 + ANIMAL_SPLITS.index(split)])
    if bias_labels == "image":
        return BiasedImages(images, species, coat, coat, source="synthetic", classes=2, bias_classes=2)
    levels = color_levels(images, -(-size // 16) if places is None else places, COLOR_LEVELS)
    return BiasedImages(images, species, levels, coat, source="synthetic", classes=2, bias_classes=COLOR_LEVELS)

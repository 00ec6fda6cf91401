r"""Colored MNIST, the paper's first benchmark (Kim et al., section 4.1): digits painted with a colour that gives them away.

Each class has a mean colour. A training digit is painted with a colour drawn around the mean of its class, each channel from a
normal distribution with variance :math:`\sigma^2`, drawn again until it lies inside (0, 1). A test digit is painted around the
mean colour of a class picked at random. So colour tells the digit in training and says nothing in the test.
"""

import logging
import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lnl_core.datasets import digits
from lnl_core.datasets.container import IGNORE, BiasedImages
from lnl_core.datasets.readers.npy import read_arrays
from lnl_core.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test", "trainval")
SOURCES = ("auto", "mnist", "mini", "authors")
BIAS_LABELS = ("pixel", "image")
BIAS_PLACES = ("foreground", "background", "everywhere")
COLOR_OUTSIDE = ("redraw", "clip")
COLOR_NAMES = ("crimson", "teal", "lemon", "bondi blue", "carrot orange", "strong violet", "cyan", "your pink", "lime", "maroon")
"""Names of the ten mean colours, by digit; the paper names teal and bondi blue, the others are this book's."""
MEAN_COLORS = (
    np.array(
        [
            (220, 20, 60),
            (0, 128, 128),
            (253, 233, 16),
            (0, 149, 182),
            (237, 145, 33),
            (145, 30, 188),
            (70, 240, 240),
            (250, 197, 187),
            (210, 245, 60),
            (128, 0, 0),
        ],
        dtype=np.float64,
    )
    / 255
)
"""(10, 3) mean colours in [0, 1], by digit; from three public copies of the script, one of which credits the
paper's supplementary material."""
COLOR_LEVELS = 8
"""Levels a channel of the bias label: 0..255 in eight even steps of 32 (section 5.1)."""


def check_color_var(color_var: float) -> float:
    """``color_var`` as a float; a :class:`ConfigError` unless it is a finite number that is not negative."""
    if (
        isinstance(color_var, bool)
        or not isinstance(color_var, int | float | np.number)
        or not math.isfinite(color_var)
        or color_var < 0
    ):
        raise ConfigError(f"color_var must be a finite number that is not negative, got {color_var!r}")
    return float(color_var)


def sample_colors(
    group: NDArray[np.int64], color_var: float, rng: np.random.Generator, outside: str = "redraw"
) -> NDArray[np.float64]:
    """Draw one colour an image: each channel normal around its mean with variance ``color_var``, re-drawn until in (0, 1).

    Args:
        group: (N,) index of the mean colour in :data:`MEAN_COLORS`.
        color_var: variance of each channel, colours in [0, 1]. With 0 every colour is its mean.
        rng: source of randomness.
        outside: what happens to a channel outside (0, 1): "redraw" until it is inside, or "clip" to 0 or 1, as other benchmarks do.

    Returns:
        (N, 3) colours, inside (0, 1) for positive ``color_var``, or in [0, 1] if clipped.
    """
    if outside not in COLOR_OUTSIDE:
        raise ConfigError(f"unknown color_outside {outside!r}: choose one of {', '.join(COLOR_OUTSIDE)}")
    means = MEAN_COLORS[group]
    if color_var == 0:
        return means
    deviation = math.sqrt(color_var)
    colors = rng.normal(means, deviation)
    if outside == "clip":
        return colors.clip(0, 1)
    while True:
        again = np.flatnonzero((colors <= 0) | (colors >= 1))
        if len(again) == 0:
            return colors
        colors.flat[again] = rng.normal(means.flat[again], deviation)


def paint(grey: NDArray[np.uint8] | Tensor, color: NDArray[np.floating] | Tensor) -> Tensor:
    """Multiply grey digits with their colours.

    Args:
        grey: (N, 28, 28) uint8.
        color: (N, 3) in [0, 1]; cut to whole levels of 255 first, as the public copies of the authors' script do.

    Returns:
        (N, 3, 28, 28) uint8 images.
    """
    grey, color = torch.as_tensor(grey), torch.as_tensor(color)
    levels = (color * 255).floor().float()
    images = torch.empty(len(grey), 3, *grey.shape[1:], dtype=torch.uint8)
    for start in range(0, len(grey), 1024):  # chunks that stay in the cache
        part = slice(start, start + 1024)
        # floor(grey * level / 255): the half keeps float32 away from whole numbers, so the cut to uint8 is exact.
        images[part] = (grey[part, None].float() * levels[part, :, None, None] + 0.5) / 255
    return images


def color_labels(images: Tensor) -> Tensor:
    """The bias labels of section 5.1 as the authors' loader makes them: every second pixel, eight levels a channel.

    The nearest-neighbour 14x14 image takes every second pixel, starting at the second, as PIL does. A channel that is 0 at a
    place, which is how background looks, has no label there.

    Args:
        images: (N, 3, 28, 28) uint8.

    Returns:
        (N, 3, 14, 14) uint8 in 0..7, with 255 for background.
    """
    small = images[:, :, 1::2, 1::2]
    labels = small // (256 // COLOR_LEVELS)
    labels[small == 0] = IGNORE
    return labels


def image_color_labels(color: NDArray[np.floating] | Tensor, shape: tuple[int, int] = (14, 14)) -> Tensor:
    """Bias labels that name the image's colour at every place, background too.

    Args:
        color: (N, 3) in [0, 1].
        shape: places of the label map.

    Returns:
        ``(N, 3, *shape)`` uint8 in 0..7.
    """
    levels = (torch.as_tensor(color) * 255).floor().to(torch.uint8) // (256 // COLOR_LEVELS)
    return levels[:, :, None, None].expand(-1, -1, *shape).contiguous()


def bias_map(images: Tensor, color: NDArray[np.floating] | Tensor, labels: str = "pixel", places: str = "foreground") -> Tensor:
    """The bias labels of a data set: what is labelled (``labels``), and where (``places``). Two choices that can be made apart.

    Args:
        images: (N, 3, 28, 28) uint8.
        color: (N, 3) in [0, 1], the colour each image was painted with.
        labels: "pixel", the level of the place itself (in the background 0), or "image", the level of the image's colour.
        places: "foreground", "background" or "everywhere"; background is 0 in the channel (pixel labels, as the authors have
            it) or in all channels (image labels). Other places are labelled 255.

    Returns:
        (N, 3, 14, 14) uint8 in 0..7, or 255.

    Raises:
        ConfigError: an unknown word, or pixel labels of the background, which are all 0.
    """
    if labels not in BIAS_LABELS:
        raise ConfigError(f"unknown bias_labels {labels!r}: choose one of {', '.join(BIAS_LABELS)}")
    if places not in BIAS_PLACES:
        raise ConfigError(f"unknown bias_places {places!r}: choose one of {', '.join(BIAS_PLACES)}")
    if labels == "pixel":
        if places == "background":
            raise ConfigError("pixel labels of the background are all 0: choose bias_labels 'image', or other places")
        levels = color_labels(images)
        return levels.masked_fill_(levels == IGNORE, 0) if places == "everywhere" else levels
    levels = image_color_labels(color)
    if places != "everywhere":
        background = (images[:, :, 1::2, 1::2] == 0).all(dim=1, keepdim=True)
        levels.masked_fill_(background if places == "foreground" else ~background, IGNORE)
    return levels


def color_table(color_var: float, levels: int = COLOR_LEVELS) -> NDArray[np.float64]:
    r"""The exact joint table of digit and quantised colour in training data: p(y, b), for Eq. 1.

    A channel's level has the probability that the truncated normal gives to it; channels are independent given the digit, and
    digits are equally frequent.

    Args:
        color_var: variance of each channel.
        levels: levels a channel, cut at multiples of 1 / ``levels``; b counts the ``levels**3`` colours in the order (R, G, B). The
            bias labels cut at multiples of 32 / 255 instead, which is 0.4 % wider.

    Returns:
        (10, levels**3) table that sums to one. In the test data every row would be the mean of these rows.
    """
    from scipy.special import ndtr

    check_color_var(color_var)
    edges = np.linspace(0, 1, levels + 1)
    if color_var == 0:
        inside = np.minimum((MEAN_COLORS * levels).astype(int), levels - 1)
        channel = np.eye(levels)[inside]
    else:
        cumulative = ndtr((edges - MEAN_COLORS[..., None]) / math.sqrt(color_var))
        channel = np.diff(cumulative, axis=-1) / (cumulative[..., -1:] - cumulative[..., :1])
    joint = np.einsum("yi,yj,yk->yijk", *channel.transpose(1, 0, 2))
    table: NDArray[np.float64] = joint.reshape(10, -1) / 10
    return table


def nearest_mean_color(images: Tensor) -> tuple[Tensor, Tensor]:
    """Recover colour and group of painted digits: the brightest value of each channel, and the nearest mean colour.

    Args:
        images: (N, 3, H, W) uint8.

    Returns:
        color (N, 3) float32 in [0, 1], group (N,) int64.
    """
    color = images.amax(dim=(2, 3)).float() / 255
    return color, torch.cdist(color, torch.as_tensor(MEAN_COLORS, dtype=torch.float32)).argmin(dim=1)


def resolve_source(source: str, data_dir: Path | str | None = None) -> str:
    """What "auto" stands for: "mnist" if the full set is there, else "mini". Any other source is returned as it is.

    A ``data_dir`` that was named and does not hold MNIST also gives "mnist", whose loading then says what is missing: a mistake
    in a path is no reason to use fewer digits.
    """
    if source != "auto":
        return source
    return "mnist" if data_dir or digits.mnist_is_present(data_dir) else "mini"


def colored_mnist(
    split: str,
    color_var: float,
    *,
    seed: int = 0,
    data_dir: Path | str | None = None,
    source: str = "auto",
    mean_color: int | None = None,
    random_colors: bool | None = None,
    bias_labels: str = "pixel",
    bias_places: str = "foreground",
    color_outside: str = "redraw",
) -> BiasedImages:
    """Colored MNIST as the paper describes it, or the authors' own files.

    Args:
        split: "train", "validation" or "test"; or "trainval", which is all training images with training colours. The
            validation images are held out of "train" (5,000 of MNIST's 60,000, 500 of the mini digits) and painted like test
            images, so hyper-parameters can be chosen on unbiased data without touching the test set.
        color_var: variance sigma^2 of each channel, colours in [0, 1]; the paper uses 0.02 to 0.05.
        seed: seeds the colours; which images a split holds never changes.
        data_dir: folder that holds ``mnist/MNIST/raw/`` (or ``colored_mnist/`` for the authors' files); by default
            ``LNL_DATA_DIR``, else a cache in the home folder.
        source: "mnist" (full set, downloaded if needed), "mini" (5,000 embedded real digits), "authors" (their published
            ``.npy``, which fixes colours and has no validation split), or "auto": the full set if it is there, else mini.
        mean_color: paint every image around the mean colour of this one class (Figure 5).
        random_colors: whether each image is painted around the mean colour of a class picked at random; by default it is for
            "validation" and "test" and it is not for "train" and "trainval".
        bias_labels, bias_places: what is labelled and where, see :func:`bias_map`. "pixel" and "foreground" are the authors'.
        color_outside: what happens to colours drawn outside (0, 1), see :func:`sample_colors`.

    Returns:
        BiasedImages: images (N, 3, 28, 28) uint8, labels (N,), bias (N, 3, 14, 14) in 0..7 with 255 for background, group (N,)
        the index of the mean colour, color (N, 3) float32. ``.source`` says which source was used.

    Raises:
        ConfigError: unknown split or source, or a variance that is no number of at least 0.
        DataError: files missing, unreadable or altered.
    """
    color_var = check_color_var(color_var)
    if split not in SPLITS:
        raise ConfigError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")
    if source not in (allowed := SOURCES):
        raise ConfigError(f"unknown source {source!r}: choose one of {', '.join(allowed)}")
    bias_map(torch.zeros(1, 3, 28, 28, dtype=torch.uint8), torch.zeros(1, 3), bias_labels, bias_places)  # wrong words fail early
    if mean_color is not None and mean_color not in range(10):
        raise ConfigError(f"mean_color must be a digit from 0 to 9, got {mean_color!r}")
    if source == "auto":
        source = resolve_source(source, data_dir)
        logger.info("digits: %s", {"mnist": "the full MNIST", "mini": "the 5,000 embedded real digits"}[source])
    if source == "authors":
        if mean_color is not None:
            raise ConfigError("the authors' files fix every colour: use source 'mnist' to choose a mean colour")
        if random_colors is not None:
            raise ConfigError("the authors' files fix every colour: use source 'mnist' to paint a split otherwise")
        return _authors(split, color_var, data_dir, bias_labels, bias_places)

    grey, labels = _digits(split, source, data_dir)
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    if mean_color is not None:
        group = np.full(len(labels), mean_color)
    elif random_colors or (random_colors is None and split in ("validation", "test")):
        group = rng.integers(0, 10, len(labels))
    else:
        group = labels
    color = sample_colors(group, color_var, rng, color_outside)
    images = paint(grey, color)
    return BiasedImages(
        images,
        torch.as_tensor(labels),
        bias_map(images, color, bias_labels, bias_places),
        torch.as_tensor(group),
        torch.as_tensor(color, dtype=torch.float32),
        source=source,
        bias_classes=COLOR_LEVELS,
    )


def _digits(split: str, source: str, data_dir: Path | str | None) -> digits.Digits:
    if source == "mnist" and split == "test":
        return digits.load_mnist("test", data_dir)
    grey, labels = digits.load_mnist("train", data_dir) if source == "mnist" else digits.load_mini()
    parts = digits.split_indices(labels, source)
    index = np.sort(np.concatenate([parts["train"], parts["validation"]])) if split == "trainval" else parts[split]
    return grey[index], labels[index]


def _authors(split: str, color_var: float, data_dir: Path | str | None, bias_labels: str, bias_places: str) -> BiasedImages:
    if split == "validation":
        raise ConfigError("the authors' files have no validation split: use split 'train' or 'test'")
    if color_var != round(color_var, 3):
        raise ConfigError(f"the authors' files are of variances with three decimals, got {color_var}")
    path = digits.data_folder(data_dir) / "colored_mnist" / f"mnist_10color_jitter_var_{color_var:.03f}.npy"
    arrays = read_arrays(path)
    part = "test" if split == "test" else "train"
    try:
        pixels, digit = arrays[f"{part}_image"], arrays[f"{part}_label"]
    except KeyError as error:
        raise DataError(f"{path} has no entry {error}: it is not one of the authors' Colored MNIST files") from None
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (28, 28, 3):
        raise DataError(f"{path}: images must be uint8 of shape (N, 28, 28, 3), got {pixels.dtype} of shape {pixels.shape}")
    images = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    color, group = nearest_mean_color(images)
    labels = torch.from_numpy(digit.astype(np.int64).ravel())
    if part == "train":
        group = labels.clone()
    bias = bias_map(images, color, bias_labels, bias_places)
    return BiasedImages(images, labels, bias, group, color, source="authors", bias_classes=COLOR_LEVELS)

"""Synthetic faces whose age and gender can be planted apart: the splits of IMDB (section 4.3) and of the report."""

import numpy as np
import torch
from numpy.typing import NDArray

from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.faces import AGE_EDGES, JLU_BINS, age_bin
from lnl_core.datasets.synthetic._sizes import number_of_images
from lnl_core.datasets.synthetic.drawing import draw_blocks
from lnl_core.datasets.synthetic.pictures import face_block
from lnl_core.errors import ConfigError

FACE_SPLITS = ("eb1", "eb2", "unbiased", "test", "od", "bd", "ebd")
AGE_BINS = {"halves": 2, "edges": len(AGE_EDGES) - 1, "fours": JLU_BINS}
"""Ways to cut an age into classes, and how many: below 40 or not; at :data:`lnl_core.datasets.faces.AGE_EDGES`; 16-19 to 68-71, the
report's bins of four years."""


def face_table(split: str, n: int | None = None, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What the faces of a split are: age in years and gender (0 male, 1 female), (N,) each.

    A range such as "0-29" means the years of life: it ends below 30.

    - "eb1": women 0-29 and men 40-99. "eb2": women 40-99 and men 0-29. Half of each.
    - "unbiased", "test": 0-29 or 40-99, half of each, independent of gender.
    - "od": 16-71, nine men to one woman (4,511 to 500), women younger on average.
    - "bd": women 16-35 (482) and men 40-70 (1,017), in this proportion.
    - "ebd": 16-71, every bin of four years with as many women as men.

    Ages are evenly spread over each range; those of "od" are normal around 35 (men) and 28 (women), cut to the range. An odd ``n``
    drops the last woman of "ebd".

    Args:
        n: number of faces; by default the report's (od, bd, ebd), 4,000 (eb1), 2,000 (eb2), 3,000 (unbiased), 1,000 (test).

    Raises:
        ConfigError: an unknown split, or ``n`` or ``seed`` out of range.
    """
    n = number_of_images(split, FACE_SPLITS, n, seed)
    rng = np.random.default_rng([seed, 30 + FACE_SPLITS.index(split)])
    if split == "ebd":
        bins = np.repeat(rng.permutation(-(-n // 2)) % 14, 2)
        order = rng.permutation(n)
        return (16 + 4 * (bins + rng.random(len(bins))))[:n][order], np.tile([0, 1], len(bins) // 2)[:n][order]
    share = {"od": 4511 / 5011, "bd": 1017 / 1499}.get(split, 0.5)
    man = rng.permutation(np.arange(n) < round(share * n)).astype(np.int64)
    if split == "od":
        return _normal_ages(np.where(man, 35.0, 28.0), rng), 1 - man
    if split == "bd":
        low, high = np.where(man, 40.0, 16.0), np.where(man, 71.0, 36.0)
    else:
        old = {"eb1": man, "eb2": 1 - man}.get(split, rng.permutation(np.arange(n) % 2))
        low, high = np.where(old, 40.0, 0.0), np.where(old, 100.0, 30.0)
    return low + (high - low) * rng.random(n), 1 - man


def _normal_ages(mean: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Ages around ``mean`` with a deviation of 11 years, drawn again until they are at least 16 and below 72."""
    ages = rng.normal(mean, 11.0)
    while len(again := np.flatnonzero((ages < 16) | (ages >= 72))):
        ages[again] = rng.normal(mean[again], 11.0)
    return ages


def age_classes(ages: NDArray[np.floating], bins: str) -> NDArray[np.int64]:
    """The class of each age, (N,).

    Args:
        ages: (N,) years.
        bins: "halves" (below 40, or not), "edges" (0-19, then five years each, to 70 and more) or "fours" (16-19 to 68-71; ages
            outside are an error).

    Raises:
        ConfigError: an unknown word, or an age outside 16-71 for "fours".
    """
    if bins == "halves":
        return np.asarray(ages >= 40, dtype=np.int64)
    if bins == "edges":
        return age_bin(ages)
    if bins != "fours":
        raise ConfigError(f"unknown age_bins {bins!r}: choose one of {', '.join(AGE_BINS)}")
    if len(ages) and (ages.min() < 16 or ages.max() >= 72):
        raise ConfigError("bins of four years hold ages from 16 to 71: choose split 'od', 'bd' or 'ebd', or other age_bins")
    return np.asarray((ages - 16) // 4, dtype=np.int64)


def synthetic_faces(
    split: str, *, size: int = 64, n: int | None = None, seed: int = 0, learn: str = "gender", age_bins: str | None = None
) -> BiasedImages:
    """Synthetic faces of nobody, with cues of age and of gender that are planted independently.

    Age shows in wrinkles, grey hair, a rising hairline, the nose, and a child's large low eyes, round head and red cheeks; gender
    in the length of the hair, the jaw, brows, lashes and lips. Each cue has a spread of its own, so that none is certain. These are
    conventions of drawing, chosen so that a network has something to find; they say nothing about people. The colour of skin,
    hair in youth, eyes, clothes and background, the pose and glasses tell neither.

    Args:
        split: "eb1", "eb2", "unbiased", "test", "od", "bd" or "ebd", see :func:`face_table`.
        size: pixels a side, at least 32. The same seed draws the same faces at every size.
        n: number of images.
        seed: seeds the table and the drawings.
        learn: which of "gender" and "age" is the label; the other one is the bias.
        age_bins: how ages become classes, one of :data:`AGE_BINS`; by default as in the photographs' sets: "fours" for od, bd and
            ebd, else "halves" to be learnt and "edges" as the bias.

    Returns:
        BiasedImages: images (N, 3, size, size), labels (N,) and bias (N,) the two classes; group (N,) is the gender, or for
        ``learn="gender"`` whether the age is 40 or more. ``.source`` is "synthetic".

    Raises:
        ConfigError: an unknown split or word, or a number out of range.
    """
    if learn not in ("gender", "age"):
        raise ConfigError(f"unknown task {learn!r} to learn: choose 'gender' or 'age'")
    ages, gender = face_table(split, n, seed)
    report = split in ("od", "bd", "ebd")
    bins = age_bins or ("fours" if report else "edges" if learn == "gender" else "halves")
    years, genders = torch.from_numpy(age_classes(ages, bins)), torch.from_numpy(gender)
    columns = [torch.from_numpy(ages), 1 - genders]
    images = draw_blocks(face_block, columns, size, [seed, 40 + FACE_SPLITS.index(split)])
    if learn == "age":
        return BiasedImages(images, years, genders, genders, source="synthetic", classes=AGE_BINS[bins], bias_classes=2)
    old = torch.from_numpy(age_classes(ages, "halves"))
    return BiasedImages(images, genders, years, old, source="synthetic", classes=2, bias_classes=AGE_BINS[bins])

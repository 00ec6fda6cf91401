"""Four data sets that are called Colored MNIST or close to it, painted by the rules of their authors' code, side by side."""

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lnl_core.datasets.colored_mnist import MEAN_COLORS, paint, sample_colors
from lnl_core.datasets.digits import load_mini
from lnl_core.figures.style import _figure

Painter = Callable[[NDArray[np.uint8], NDArray[np.int64], bool, np.random.Generator], NDArray[np.uint8]]

_REBIAS_COLORS = np.array(
    [
        *([255, 0, 0], [0, 255, 0], [0, 0, 255], [225, 225, 0], [225, 0, 225]),
        *([0, 255, 255], [255, 128, 0], [255, 0, 128], [128, 0, 255], [128, 128, 128]),
    ],
    dtype=np.uint8,
)


def _aligned(labels: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """A colour for each digit: its own with probability ``share``, else one of the nine others."""
    others = (labels + rng.integers(1, 10, len(labels))) % 10
    return np.where(rng.random(len(labels)) < share, labels, others)


def _painted(grey: NDArray[np.uint8], colors: NDArray[np.float64]) -> NDArray[np.uint8]:
    images: NDArray[np.uint8] = paint(grey, colors).permute(0, 2, 3, 1).numpy()
    return images


def paint_kim(
    grey: NDArray[np.uint8], labels: NDArray[np.int64], training: bool, rng: np.random.Generator, color_var: float = 0.02
) -> NDArray[np.uint8]:
    """Kim et al.: a shade of the class's own mean colour in training, of a random one in the test.

    Args:
        grey: (N, 28, 28) digits; all painters here take and return the same.
        labels: (N,) their classes.
        training: whether to paint as in training or as in the test.

    Returns:
        (N, 28, 28, 3) uint8 images.
    """
    return _painted(grey, sample_colors(labels if training else rng.integers(0, 10, len(labels)), color_var, rng))


def noisy_sides(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """(N,) the labels of Arjovsky et al.: whether a digit is below 5, turned for a quarter of them."""
    return (labels < 5) ^ (rng.random(len(labels)) < 0.25)


def paint_irm(grey: NDArray[np.uint8], labels: NDArray[np.int64], training: bool, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Arjovsky et al.: two classes, a quarter of the labels wrong; red or green follows the label, in the test it does not."""
    noisy = noisy_sides(labels, rng)
    green = noisy ^ (rng.random(len(labels)) < (0.1 if training else 0.9))
    small = np.repeat(np.repeat(grey[:, ::2, ::2], 2, axis=1), 2, axis=2)
    return np.stack([small * ~green[:, None, None], small * green[:, None, None], np.zeros_like(small)], axis=-1)


def paint_rebias(
    grey: NDArray[np.uint8], labels: NDArray[np.int64], training: bool, rng: np.random.Generator, share: float = 0.99
) -> NDArray[np.uint8]:
    """Bahng et al.: white strokes on a coloured background, of the class's own colour with probability rho (0.1 in the test)."""
    colors = _REBIAS_COLORS[_aligned(labels, share if training else 0.1, rng)]
    return np.where((grey > 0)[..., None], np.uint8(255), colors[:, None, None, :])


def paint_lff(
    grey: NDArray[np.uint8], labels: NDArray[np.int64], training: bool, rng: np.random.Generator, share: float = 0.995
) -> NDArray[np.uint8]:
    """Nam et al.: the class's own colour but for a small share, with noise, clipped. The ten colours here are Kim et al.'s."""
    group = _aligned(labels, share if training else 0.1, rng)
    return _painted(grey, np.clip(MEAN_COLORS[group] + 0.05 * rng.standard_normal((len(group), 3)), 0, 1))


LOOK_ALIKES: dict[str, Painter] = {
    "Kim et al., variance 0.02": paint_kim,
    "Arjovsky et al. (IRM)": paint_irm,
    "Bahng et al. (ReBias)": paint_rebias,
    "Nam et al. (LfF)": paint_lff,
}
"""The four data sets that are called Colored MNIST, by their authors, and how each paints digits."""


def draw_look_alikes() -> Figure:
    """A row a data set: ten digits as in training on the left, the same ten as in the test on the right."""
    images, labels = load_mini()
    chosen = np.array([np.flatnonzero(labels == digit)[0] for digit in range(10)])
    figure, axes = _figure(9.6, 3.4, nrows=len(LOOK_ALIKES), ncols=2)
    for row, (name, painter) in zip(axes, LOOK_ALIKES.items(), strict=True):
        for panel, training in zip(row, (True, False), strict=True):
            painted = painter(images[chosen], labels[chosen], training, np.random.default_rng(4))
            panel.imshow(np.concatenate(list(painted), axis=1), interpolation="nearest")
            panel.set_title(f"{name}: {'training' if training else 'test'}", fontsize=9)
            panel.set(xticks=[], yticks=[], xlabel="", ylabel="")
            panel.grid(False)
    return figure

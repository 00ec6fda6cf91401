"""The four data sets called Colored MNIST are painted by their authors' rules, and the page's picture shows all of them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lnl_core import figures
from lnl_core.datasets.colored_mnist import MEAN_COLORS

LABELS = np.arange(4000) % 10
GREY = np.zeros((4000, 28, 28), dtype=np.uint8)
GREY[:, 8:20, 8:20] = 200
GREY[:, 8:20, 20] = 50


def painted(name: str, training: bool) -> NDArray[np.uint8]:
    (painter,) = (paint for title, paint in figures.LOOK_ALIKES.items() if name in title)
    images = painter(GREY, LABELS, training, np.random.default_rng(0))
    assert images.shape == (4000, 28, 28, 3)
    assert images.dtype == np.uint8
    return images


@pytest.mark.parametrize("name", ["Kim", "Nam"])
def test_coloured_strokes_on_black_follow_the_class_in_training_only(name: str) -> None:
    def names_the_class(training: bool) -> float:
        images = painted(name, training)
        assert not images[:, :8].any()
        color = images[:, 10, 10].astype(float) / 200
        nearest = np.square(color[:, None] - MEAN_COLORS).sum(axis=2).argmin(axis=1)
        return float((nearest == LABELS).mean())

    assert names_the_class(True) > 0.6
    assert names_the_class(False) == pytest.approx(0.1, abs=0.03)


def test_irm_has_two_colours_that_follow_the_noisy_label_and_turn_in_the_test() -> None:
    for training, share in ((True, 0.75 * 0.9 + 0.25 * 0.1), (False, 0.75 * 0.1 + 0.25 * 0.9)):
        images = painted("Arjovsky", training)
        assert not images[..., 2].any()
        green = images[:, 10, 10, 1] > 0
        assert ((images[:, 10, 10, 0] > 0) ^ green).all()
        assert float((green == (LABELS < 5)).mean()) == pytest.approx(share, abs=0.03)


def test_rebias_has_white_strokes_on_a_coloured_background() -> None:
    for training, share in ((True, 0.99), (False, 0.1)):
        images = painted("Bahng", training)
        assert (images[:, 8:20, 8:21] == 255).all()
        background = images[:, 0, 0]
        assert (images[:, :8] == background[:, None, None]).all()
        own = background[:10] if training else painted("Bahng", True)[:10, 0, 0]
        assert float((background == own[LABELS]).all(axis=1).mean()) == pytest.approx(share, abs=0.03)


def test_the_picture_has_a_row_for_each() -> None:
    figure = figures.draw_look_alikes()
    titles = [panel.get_title() for panel in figure.axes]
    assert titles == [f"{name}: {part}" for name in figures.LOOK_ALIKES for part in ("training", "test")]
    assert all(panel.images[0].get_array().shape == (28, 280, 3) for panel in figure.axes)  # type: ignore[union-attr]

"""What share of test digits each stored network names where all are painted in one colour: 36 hues, and the ten colours of training.

The explorable "Paint a digit" shows these shares, and lets its reader paint the first three test digits of each class, which are
stored with them. MNIST's test digits: the embedded ones are from its training file, and these networks were trained on that.
"""

import base64
import colorsys
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lnl_core.datasets.colored_mnist import COLOR_NAMES, MEAN_COLORS, paint
from lnl_core.datasets.digits import Digits, load_mnist
from lnl_core.errors import DataError
from lnl_core.runs.run import load_model
from tools import ROOT
from tools.studies.models import FOLDER, METHODS
from tools.studies.study import Found, Job, NotReady, Options, Study

FILE = ROOT / "results" / "hues.json"
COLOR_VAR = 0.02
HUES = tuple(range(0, 360, 10))
"""Degrees, at full saturation and brightness."""
DIGITS, EACH = 2000, 3
"""How many test digits are measured, and how many of each class can be painted, both from the beginning of the file."""


def colors() -> NDArray[np.int64]:
    """(46, 3) levels from 0 to 255: the hues, then the mean colours of the ten classes."""
    wheel = np.array([colorsys.hsv_to_rgb(hue / 360, 1, 1) for hue in HUES])
    return np.floor(np.concatenate([wheel, MEAN_COLORS]) * 255 + 1e-9).astype(np.int64)


def painted(grey: NDArray[np.uint8], level: NDArray[np.int64]) -> Tensor:
    """(N, 28, 28) digits in one colour of three levels -> (N, 3, 28, 28) in [0, 1]."""
    return paint(grey, np.tile((level + 0.5) / 255, (len(grey), 1))).float() / 255


@torch.inference_mode()
def share_right(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images whose label the largest logit names."""
    network.eval()
    right = [network(images[i : i + 500]).argmax(1) == labels[i : i + 500] for i in range(0, len(images), 500)]
    return float(torch.cat(right).float().mean())


def first_of_each(digits: Digits) -> dict[str, Any]:
    """The digits that can be painted: their places in the file, labels, and pixels as base64 of one byte each, row by row."""
    grey, labels = digits
    places = np.concatenate([np.flatnonzero(labels == digit)[:EACH] for digit in range(10)])
    pixels = base64.b64encode(grey[places].tobytes()).decode()
    return {"places": places.tolist(), "labels": labels[places].tolist(), "pixels": pixels}


class Hues(Study):
    name = "hues"
    about = "What share of test digits the stored networks name in each colour around the wheel, for the page that lets you paint."
    settings = {"color_var": COLOR_VAR, "hues": HUES, "digits": DIGITS, "each": EACH}  # noqa: RUF012

    def jobs(self, options: Options) -> list[Job]:
        return [Job("hues", FILE)]

    def do(self, job: Job, options: Options) -> Found:
        try:
            grey, labels = load_mnist("test", options.data_dir)
        except DataError as error:
            raise NotReady(str(error)) from None
        wanted = torch.as_tensor(labels[:DIGITS])
        networks = {method: load_model(FOLDER / f"{method}-{COLOR_VAR:g}.safetensors") for method in METHODS}
        shares: dict[str, list[float]] = {method: [] for method in METHODS}
        for level in colors():
            images = painted(grey[:DIGITS], level)
            for method, network in networks.items():
                shares[method].append(round(share_right(network, images, wanted), 4))
        return {
            "settings": self.settings,
            "levels": colors().tolist(),
            "names": list(COLOR_NAMES),
            "share_right": shares,
            "test_digits": first_of_each((grey, labels)),
        }

    def line(self, found: Found) -> str:
        return ", ".join(f"{method} {min(shares):.3f} to {max(shares):.3f}" for method, shares in found["share_right"].items())


STUDIES = (Hues(),)

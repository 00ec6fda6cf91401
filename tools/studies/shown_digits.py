"""The digits that a reader can choose: the first of every class in MNIST's test file, which no network has seen."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnl_core.datasets.digits import load_mnist
from tools import ROOT
from tools.studies.study import Found, Job, Options, Study

FILE = ROOT / "results" / "test_digits.json"


def first_of_each(images: NDArray[np.uint8], labels: NDArray[np.int64], each: int = 3) -> dict[str, Any]:
    """The first ``each`` images of every class.

    Args:
        images: (N, 28, 28).
        labels: (N,).

    Returns:
        Their places in the file, their labels, and their pixels as base64 of one byte each, row by row.
    """
    places = np.concatenate([np.flatnonzero(labels == digit)[:each] for digit in range(10)])
    pixels = base64.b64encode(images[places].tobytes()).decode()
    return {"places": places.tolist(), "labels": labels[places].tolist(), "pixels": pixels}


class ShownDigits(Study):
    name = "test_digits"
    about = "The digits that a reader of the first page can paint."

    def jobs(self, options: Options) -> list[Job]:
        return [Job(FILE.stem, FILE)]

    def do(self, job: Job, options: Options) -> Found:
        images, labels = load_mnist("test", options.data_dir)
        return {"source": "the first three of each class of MNIST's test file", **first_of_each(images, labels)}


STUDIES = (ShownDigits(),)

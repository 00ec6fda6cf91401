r"""How sure a network is of its answers, and whether it should be: calibration, and right answers told from wrong ones.

The confidence of an answer is the largest of the softmax probabilities. A network is calibrated if of the answers given with
confidence c the share c is right (Guo et al. 2017). Calibrated or not, confidence can rank: the AUROC of right against wrong is the
probability that a right answer is surer than a wrong one (Hendrycks and Gimpel 2017). Neither follows from the other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lnl_core._arrays import class_labels, described
from lnl_core.errors import ConfigError, DataError
from lnl_core.evaluation.features import refuse_infinite

SURE = 0.9
"""From this confidence on an answer counts as sure."""


@dataclass(frozen=True)
class Calibration:
    r"""The answers to N images, by confidence.

    Attributes:
        images: N.
        accuracy, confidence: shares of right answers and mean confidence over all images.
        error: expected calibration error :math:`\sum_b \frac{n_b}{N} |\text{accuracy}_b - \text{confidence}_b|` over the bins.
        auroc: of right against wrong answers by confidence, 0.5 for a confidence that tells nothing; ``None`` if all answers are
            right or all are wrong.
        wrong_confidence: mean confidence of the wrong answers; ``None`` if there are none.
        wrong_sure: share of the wrong answers with a confidence of :data:`SURE` or more; ``None`` if there are none.
        counts: of each bin of confidence, of equal width from 0 to 1, its number of images.
        bin_accuracy, bin_confidence: means of each bin; ``None`` for a bin without images.
    """

    images: int
    accuracy: float
    confidence: float
    error: float
    auroc: float | None
    wrong_confidence: float | None
    wrong_sure: float | None
    counts: list[int]
    bin_accuracy: list[float | None]
    bin_confidence: list[float | None]


def confidences(logits: Tensor) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The largest probability of each row of logits (N, classes), (N,), and the class that has it, (N,).

    Raises:
        DataError: anything but rows of finite numbers.
    """
    if logits.ndim != 2 or not len(logits) or logits.shape[1] < 2:
        raise DataError(f"logits must be of shape (N, classes) with two classes or more, got {described(logits)}")
    refuse_infinite(logits, "the logits hold")
    values, answers = logits.detach().cpu().double().softmax(1).max(1)
    return values.clamp(max=1).numpy(), answers.numpy()


def calibration(logits: Tensor, labels: Tensor, bins: int = 15) -> Calibration:
    """How well confidence and accuracy of answers agree.

    Args:
        logits: (N, classes).
        labels: (N,) true classes.
        bins: of confidence, of equal width; the error depends on their number, so it is compared at the same number only.

    Raises:
        DataError: logits and labels that do not go together, or are no numbers.
        ConfigError: fewer than one bin.
    """
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise ConfigError(f"bins must be a whole number of at least 1, got {bins!r}")
    sure, answers = confidences(logits)
    true = class_labels("labels", labels).cpu().numpy()
    if true.shape != answers.shape:
        raise DataError(f"labels must have one entry a row of logits: expected {len(answers)}, got {len(true)}")
    right = answers == true
    counts, edges = np.histogram(sure, bins, range=(0, 1))
    sums = [np.histogram(sure, edges, weights=weights)[0] for weights in (right.astype(np.float64), sure)]
    means = [np.divide(one, counts, out=np.full(bins, np.nan), where=counts > 0) for one in sums]
    wrong = sure[~right]
    return Calibration(
        images=len(sure),
        accuracy=float(right.mean()),
        confidence=float(sure.mean()),
        error=float(np.abs(sums[0] - sums[1]).sum() / len(sure)),
        auroc=right_from_wrong(sure, right),
        wrong_confidence=float(wrong.mean()) if len(wrong) else None,
        wrong_sure=float((wrong >= SURE).mean()) if len(wrong) else None,
        counts=[int(count) for count in counts],
        bin_accuracy=[None if np.isnan(value) else float(value) for value in means[0]],
        bin_confidence=[None if np.isnan(value) else float(value) for value in means[1]],
    )


def right_from_wrong(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> float | None:
    """The area under the ROC curve of right (N,) against wrong answers by confidence (N,); ``None`` if one kind is missing."""
    if right.all() or not right.any():
        return None
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(right, sure))

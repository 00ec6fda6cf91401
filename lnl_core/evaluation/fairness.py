r"""Fairness of predictions: accuracies, demographic parity and equalised odds (by Fairlearn's metrics), and informations in nats.

Beside them three kinds of comparison for the networks: linear erasure of a trained network's features with a new head
(:func:`erased_head`), and Fairlearn's reductions (:func:`reduction`, Agarwal et al. 2018) and threshold optimiser
(:func:`threshold_optimizer`, Hardt et al. 2016). Fairlearn is imported where it is used; the rest of lnl_core does without.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lnl_core._arrays import class_labels, feature_rows, group_codes, number
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import ConfigError, DataError
from lnl_core.evaluation.erasure import linear_eraser
from lnl_core.evaluation.features import embeddings
from lnl_core.evaluation.over_seeds import leakage
from lnl_core.information.tables import plug_in_mutual_information
from lnl_core.networks.parts import LNLNetwork

CONSTRAINTS = ("demographic_parity", "equalized_odds")
"""What the reductions and the threshold optimizer can ask of predictions, as fairlearn names it."""
UNLEARNING = ("lnl", "blind_eye", "bias_balanced", "mi_backprop")
"""The unlearning methods that are compared on tables, here and in the notebook."""
_WEIGHTS = {"blind_eye": ("confusion_weight",), "lnl": ("mi_weight", "adv_weight"), "bias_balanced": ("mi_weight", "adv_weight")}
Predict = Callable[[BiasedImages], NDArray[np.int64]]
"""Predicted labels (N,) of a data set."""
PredictAtRandom = Callable[[BiasedImages, int], NDArray[np.int64]]
"""The same where predictions are drawn: the number is their seed."""


def _fairlearn(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"fairlearn.{module}")
    except ImportError:
        raise ConfigError("the fairness measures need Fairlearn: run 'pip install fairlearn'") from None


def weighted(method: str, weight: float) -> dict[str, float]:
    """The hyper-parameters that give an unlearning method this weight; its two terms, where it has two, get the same one."""
    return dict.fromkeys(_WEIGHTS.get(method, ("mi_weight",)), float(weight))


def fairness(predicted: ArrayLike, labels: ArrayLike, bias: ArrayLike) -> dict[str, float]:
    r"""What a classifier of two classes does to the groups of the protected attribute.

    Args:
        predicted: (N,) predicted labels, 0 or 1.
        labels: (N,) labels, 0 or 1, both present.
        bias: (N,) group of each example, whole numbers or text such as "f" and "m".

    Returns:
        accuracy and balanced_accuracy in [0, 1]; demographic_parity_difference, the largest difference between groups of
        :math:`P(\hat Y=1 \mid B)`; equalized_odds_difference, the larger of those of :math:`P(\hat Y=1 \mid Y=y, B)` over y, left
        out where a group has nobody of a label; prediction_information :math:`I(\hat Y;B)` and odds_information
        :math:`I(\hat Y;B \mid Y)` in nats, from counts (see :func:`lnl_core.information.tables.plug_in_mutual_information`).

    Raises:
        DataError: another type or shape, lengths that differ, labels other than 0 and 1, labels all alike, or a constant
            protected attribute.
    """
    metrics = _fairlearn("metrics")
    from sklearn.metrics import accuracy_score, balanced_accuracy_score

    guess, truth = (class_labels(name, values).cpu().numpy() for name, values in (("predicted", predicted), ("labels", labels)))
    group = group_codes("bias", bias)
    if not len(guess) == len(truth) == len(group):
        lengths = f"{len(guess)}, {len(truth)} and {len(group)}"
        raise DataError(f"predictions, labels and groups must have the same length, got {lengths}")
    if set(np.unique(truth)) != {0, 1} or not set(np.unique(guess)) <= {0, 1}:
        raise DataError("demographic parity and equalised odds are measured on the labels 0 and 1, with both of them present")
    groups = np.unique(group)
    if len(groups) < 2:
        raise DataError("the protected attribute takes one value only: its information is 0 and there are no groups to compare")
    values = {
        "accuracy": accuracy_score(truth, guess),
        "balanced_accuracy": balanced_accuracy_score(truth, guess),
        "demographic_parity_difference": metrics.demographic_parity_difference(truth, guess, sensitive_features=group),
        "prediction_information": plug_in_mutual_information(group, guess),
        "odds_information": _given_label(guess, truth, group),
    }
    if all(((group == one) & (truth == label)).any() for one in groups for label in (0, 1)):
        values["equalized_odds_difference"] = metrics.equalized_odds_difference(truth, guess, sensitive_features=group)
    return {name: float(value) for name, value in values.items()}


def _given_label(guess: NDArray[Any], truth: NDArray[Any], group: NDArray[Any]) -> float:
    """I(prediction; group | label) in nats."""
    parts = [(truth == label) for label in (0, 1)]
    return float(sum(part.mean() * plug_in_mutual_information(group[part], guess[part]) for part in parts))


def parity_bound(information: float, share: float) -> float:
    r"""The largest demographic parity difference that an information of I nats about a two-valued B allows.

    .. math:: \Delta \le \sqrt{\frac{I}{2\,p\,(1-p)}}

    By Pinsker's inequality (see the chapter on fairness). With :math:`I = I(Z;B)` it holds for every classifier on the features Z.

    Args:
        information: I in nats, not negative.
        share: p, the share of one of the two groups, strictly between 0 and 1.

    Raises:
        DataError: a value out of range.
    """
    information = number("information", information, lambda value: value >= 0, "a number that is not negative")
    share = number("share", share, lambda value: not math.isnan(value), "a number")
    if not 0 < share < 1:
        raise DataError(f"the share of a group lies strictly between 0 and 1, got {share!r}: a constant bias has information 0")
    return min(1.0, float(np.sqrt(information / (2 * share * (1 - share)))))


# Comparisons


@dataclass(frozen=True)
class ErasedHead:
    """A linear head on features from which linear probes can no longer read the bias."""

    network: LNLNetwork
    erase: Callable[[Tensor], Tensor]
    head: Any

    def features(self, data: BiasedImages) -> Tensor:
        """(N, D) erased features."""
        return self.erase(embeddings(self.network, data))

    def __call__(self, data: BiasedImages) -> NDArray[np.int64]:
        """(N,) predicted labels."""
        predicted: NDArray[np.int64] = self.head.predict(self.features(data).numpy())
        return predicted


def erased_head(network: LNLNetwork, train: BiasedImages) -> ErasedHead:
    """LEACE on a trained network's features (:func:`lnl_core.evaluation.erasure.linear_eraser`), and a regression on what is left.

    The regression is logistic. Eraser and head are both fitted on ``train``; the eraser needs no protected attribute when it is
    used.

    Raises:
        DataError: features that are not finite, or a constant bias.
    """
    features = embeddings(network, train)
    erase = linear_eraser(features, train.bias.cpu())
    return ErasedHead(network, erase, _logistic().fit(erase(features).numpy(), train.labels.cpu().numpy()))


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


def _table(data: BiasedImages) -> NDArray[np.float64]:
    """(N, D) in double precision: Fairlearn 0.15's threshold optimiser fails on probabilities of single precision."""
    if data.images.ndim != 2:
        raise DataError("Fairlearn's methods take tables of features, not images")
    return data.images.cpu().numpy().astype(np.float64)


def logistic_regression(train: BiasedImages) -> Predict:
    """Logistic regression on the table's features: what the comparisons below start from."""
    model = _logistic().fit(_table(train), train.labels.numpy())
    return lambda data: np.asarray(model.predict(_table(data)), dtype=np.int64)


def reduction(train: BiasedImages, constraint: str, bound: float, *, rounds: int = 50) -> PredictAtRandom:
    """Fairlearn's exponentiated gradient on logistic regression (Agarwal et al. 2018).

    A sequence of reweighted regressions, mixed so that the training rows violate the constraint by about ``bound`` at most. Each
    prediction is that of one of them, drawn at random. The protected attribute is needed in training only.

    Args:
        train: a table; its bias is the protected attribute.
        constraint: one of :data:`CONSTRAINTS`.
        bound: how far a group's rate may be from the rate of all.
        rounds: of the algorithm, at most.

    Raises:
        ConfigError: an unknown constraint, or no Fairlearn.
    """
    _check_constraint(constraint)
    reductions = _fairlearn("reductions")
    moment = {"demographic_parity": reductions.DemographicParity, "equalized_odds": reductions.EqualizedOdds}[constraint]
    model = reductions.ExponentiatedGradient(_logistic(), moment(difference_bound=bound), eps=bound, max_iter=rounds)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # of pandas, about how Fairlearn writes its tables
        model.fit(_table(train), train.labels.numpy(), sensitive_features=train.bias.numpy())
    return lambda data, seed: np.asarray(model.predict(_table(data), random_state=seed), dtype=np.int64)


def threshold_optimizer(train: BiasedImages, constraint: str) -> PredictAtRandom:
    """Fairlearn's threshold optimiser on logistic regression (Hardt et al. 2016): a threshold for each group.

    It **looks at the protected attribute of everyone it predicts for**, which the other methods do not and which may be forbidden.
    Where thresholds alone cannot meet the constraint, predictions are drawn at random between two of them.

    Args:
        train: a table; its bias is the protected attribute.
        constraint: one of :data:`CONSTRAINTS`.

    Raises:
        ConfigError: an unknown constraint, or no Fairlearn.
    """
    _check_constraint(constraint)
    postprocessing = _fairlearn("postprocessing")
    model = postprocessing.ThresholdOptimizer(
        estimator=_logistic().fit(_table(train), train.labels.numpy()),
        constraints=constraint,
        prefit=True,
        predict_method="predict_proba",
    )
    model.fit(_table(train), train.labels.numpy(), sensitive_features=train.bias.numpy())
    return lambda data, seed: np.asarray(
        model.predict(_table(data), sensitive_features=data.bias.numpy(), random_state=seed), dtype=np.int64
    )


def _check_constraint(constraint: str) -> None:
    if constraint not in CONSTRAINTS:
        raise ConfigError(f"unknown constraint {constraint!r}: choose one of {', '.join(CONSTRAINTS)}")


# Records


def fairness_by_split(predict: Predict, splits: Mapping[str, BiasedImages]) -> dict[str, float]:
    """:func:`fairness` of each split, as the metrics of a record: "test_accuracy", "validation_accuracy" and so on."""
    return {
        f"{name}_{metric}": value
        for name, data in splits.items()
        for metric, value in fairness(predict(data), data.labels.cpu(), data.bias.cpu()).items()
    }


def probe_metrics(features: Tensor, bias: Tensor, *, limit: int = 4000, seeds: int = 1) -> dict[str, float]:
    """What fresh probes read, under the names that :func:`lnl_core.evaluation.accuracy.evaluate` gives them in a record.

    Args:
        features: (N, D).
        bias: (N,).
        limit: only the first so many rows.
        seeds: probes of each kind, see :func:`lnl_core.evaluation.over_seeds.leakage`.
    """
    metrics: dict[str, float] = {}
    features, bias = feature_rows("features", features), class_labels("bias", bias)
    for name, kind in (("bias_probe", "linear"), ("bias_mlp_probe", "mlp")):
        found = leakage(features[:limit], bias[:limit].cpu(), kind=kind, seeds=seeds)
        metrics |= {
            f"{name}_accuracy": found.accuracy.mean,
            f"{name}_control_accuracy": found.control.mean,
            f"{name}_information": found.information.mean,
        }
    return metrics


def chosen(
    records: Sequence[Any],
    criterion: str = "demographic_parity_difference",
    allowed: float = 0.02,
    beside: Sequence[Any] = (),
) -> Any:
    """Of one method's records of one seed, the one to report: no test row takes part in the choice.

    Among the settings that cost at most ``allowed`` in validation accuracy against the most accurate one, the one whose
    ``criterion`` is smallest on the validation rows.

    Args:
        records: :class:`lnl_core.runs.records.RunRecord` with the metrics of :func:`fairness_by_split`; the baseline, as the
            setting of weight 0, should be among them.
        criterion: "demographic_parity_difference" or "equalized_odds_difference".
        beside: further records that the cost is measured against and that are not chosen from, such as the baseline of a method
            that is another one at weight 0. Where all cost more than is allowed, the most accurate one is chosen.

    Raises:
        DataError: no records, or one without the criterion.
    """
    if not records:
        raise DataError("there are no records to choose from")
    best = max(record.metrics["validation_accuracy"] for record in (*records, *beside))
    kept = [record for record in records if record.metrics["validation_accuracy"] >= best - allowed]
    kept = kept or [max(records, key=lambda record: record.metrics["validation_accuracy"])]
    wanted = f"validation_{criterion}"
    for record in kept:
        if wanted not in record.metrics:
            raise DataError(f"the run of {record.method}, seed {record.seed}, holds no {wanted}: choose by another difference")
    return min(kept, key=lambda record: record.metrics[wanted])

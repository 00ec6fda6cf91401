"""How good the answers of a network are, by group of the bias, what they tell of it, and all numbers of a record."""

import logging
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import bdtrc
from torch import Tensor, nn

from lnl_core._arrays import class_labels, described, number
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import DataError
from lnl_core.evaluation.features import _over_batches, background_places, feature_maps, pool_places
from lnl_core.evaluation.probes import enough_to_probe, probe_leakage
from lnl_core.information.tables import contingency_table, mutual_information, plug_in_mutual_information
from lnl_core.networks.parts import LNLNetwork

_log = logging.getLogger(__name__)


def logits(network: nn.Module, data: BiasedImages) -> Tensor:
    """What the network answers to every image, (N, classes) on the CPU.

    Raises:
        DataError: a network that does not give one row of logits an image.
    """

    def answers(images: Tensor) -> Tensor:
        found: Tensor = network(images)
        if found.ndim != 2 or len(found) != len(images):
            raise DataError(f"the network must give logits of shape ({len(images)}, classes) here, got {described(found)}")
        return found

    return _over_batches(network, answers, data)


def predict(network: nn.Module, data: BiasedImages) -> NDArray[np.int64]:
    """The predicted label of every image, (N,).

    Raises:
        DataError: see :func:`logits`.
    """
    predicted: NDArray[np.int64] = logits(network, data).argmax(dim=1).numpy()
    return predicted


def _labels(data: BiasedImages) -> NDArray[np.int64]:
    """(N,) on the CPU, checked again: the attribute may have been set since, and NumPy broadcasts a column without a word."""
    labels: NDArray[np.int64] = class_labels("labels", data.labels).cpu().numpy()
    if len(labels) != len(data):
        raise DataError(f"labels must have one entry an image: expected {len(data)}, got {len(labels)}")
    return labels


def accuracy(network: nn.Module, data: BiasedImages) -> float:
    """Share of images whose label is predicted, in [0, 1]."""
    return float((predict(network, data) == _labels(data)).mean())


def _group_accuracy(correct: NDArray[np.bool_], group: NDArray[np.int64]) -> NDArray[np.float64]:
    counts = np.bincount(group)
    right = np.bincount(group, weights=correct, minlength=len(counts))
    shares: NDArray[np.float64] = np.divide(right, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return shares


def group_accuracy(network: nn.Module, data: BiasedImages) -> NDArray[np.float64]:
    """Accuracy on each kind of the bias (of Colored MNIST, on each mean colour), (groups,); NaN for a kind without images.

    All labels are mixed in it. See :func:`cell_accuracy` for the groups of the literature, a label with a kind of the bias.
    """
    correct = predict(network, data) == _labels(data)
    return _group_accuracy(correct, data.group.cpu().numpy())


def cell_accuracy(network: nn.Module, data: BiasedImages) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Accuracy on each label with each kind of the bias, the groups of group DRO (Sagawa et al. 2020).

    Returns:
        accuracies (classes, groups), NaN for a cell without images, and the number of images in each cell (classes, groups).
    """
    return _cells(predict(network, data), _labels(data), data.group.cpu().numpy())


def _cells(
    predicted: NDArray[np.int64], labels: NDArray[np.int64], group: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    counts = contingency_table(labels, group)
    right = np.zeros_like(counts)
    np.add.at(right, (labels, group), predicted == labels)
    return np.divide(right, counts, out=np.full(counts.shape, np.nan), where=counts > 0), counts


def bias_alignment(train: BiasedImages) -> NDArray[np.int64]:
    """Which labels and kinds of the bias go together in training data.

    A label and a kind of the bias are aligned if training images have both more often than if the two were independent, with the
    same shares of each: on Colored MNIST, each digit with its own mean colour; of bright dogs and dark cats, these two; of a table
    in which more men earn much, men who do and women who do not. So it holds for any number of labels and of kinds. It compares
    whole numbers and asks for no significance: in unbiased training data chance decides, and both accuracies should be alike.

    Args:
        train: the data that a network is trained on.

    Returns:
        (labels, groups) int64: 1 aligned, -1 conflicting, which is less often than if independent, 0 neither. Neither is also a
        label or a kind that the training data do not have.
    """
    counts = contingency_table(train.labels.cpu().numpy(), train.group.cpu().numpy())
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True)  # times the number of images, so nothing is rounded
    alignment: NDArray[np.int64] = np.sign(counts * counts.sum() - expected)
    return alignment


def group_metrics(
    predicted: NDArray[np.int64], labels: NDArray[np.int64], group: NDArray[np.int64], alignment: NDArray[np.int64] | None = None
) -> dict[str, float]:
    """Accuracies on the parts of a test set that bias and label make, as the metrics of a record; what has no images is left out.

    Args:
        predicted, labels, group: (N,) whole numbers from 0: answers, true labels, kinds of the bias.
        alignment: of :func:`bias_alignment`.

    Returns:
        worst_bias_accuracy
            The least accuracy on a kind of the bias, all labels mixed: half its images may be those that the bias helps.
        worst_group_accuracy
            The least accuracy on a label with a kind of the bias, over the cells that have images.
        smallest_group_size
            How many images the smallest of these cells has. With few, the least accuracy is low by chance alone, see
            :func:`least_by_chance`.
        bias_aligned_accuracy, bias_conflicting_accuracy
            With ``alignment``: the accuracies on the images whose label and bias are aligned, and on those where they conflict.
    """
    correct = predicted == labels
    shares, counts = _cells(predicted, labels, group)
    metrics = {
        "worst_bias_accuracy": float(np.nanmin(_group_accuracy(correct, group))),
        "worst_group_accuracy": float(np.nanmin(shares)),
        "smallest_group_size": float(counts[counts > 0].min()),
    }
    if alignment is None:
        return metrics
    rows, columns = (max(sizes) for sizes in zip(alignment.shape, counts.shape, strict=True))
    signs = np.zeros((rows, columns), dtype=np.int64)  # a label or a kind of the test images only is neither
    signs[: alignment.shape[0], : alignment.shape[1]] = alignment
    for name, sign in (("bias_aligned_accuracy", 1), ("bias_conflicting_accuracy", -1)):
        chosen = signs[labels, group] == sign
        if chosen.any():
            metrics[name] = float(correct[chosen].mean())
    return metrics


def least_by_chance(probability: float, images: int, groups: int) -> float:
    r"""What chance alone makes of the worst group: the mean of the least accuracy over groups that are all equally hard, in [0, 1].

    .. math:: \mathbb E \min_{j \le J} \frac{X_j}{n} = \frac1n \sum_{k=1}^{n} P(X \ge k)^J

    with independent :math:`X_j` of the binomial distribution of n and p: a mean of whole numbers from 0 is the sum over k of the
    probability of at least k, and the least is at least k if all are.

    Args:
        probability: p in [0, 1], that an image is answered rightly, in every group.
        images: n, of each group.
        groups: J.

    Raises:
        DataError: no probability, or a number of images or groups that is not whole or below 1.
    """
    probability = number("probability", probability, lambda value: 0 <= value <= 1, "a number in [0, 1]")
    images, groups = (
        int(number(name, found, lambda value: value >= 1 and value.is_integer(), "a whole number from 1 on"))
        for name, found in (("images", images), ("groups", groups))
    )
    return float((bdtrc(np.arange(float(images)), images, probability) ** groups).mean())


def confusion(network: nn.Module, data: BiasedImages) -> NDArray[np.int64]:
    """Counts (classes, classes) of true label (row) and predicted label (column)."""
    return contingency_table(_labels(data), predict(network, data), n_a=data.classes, n_b=data.classes)


def confusion_by_color(network: nn.Module, painted: Iterable[BiasedImages]) -> NDArray[np.int64]:
    """Figure 5: one :func:`confusion` for each data set, such as the test digits painted around each mean colour, (len, C, C)."""
    return np.array([confusion(network, data) for data in painted])


def data_information(data: BiasedImages, bias: str = "group") -> float:
    r"""Mutual information :math:`I(b(X); Y)` in nats of a data set's own table of bias and label (Eq. 1), computed exactly.

    It is exact for this sample. As an estimate of the distribution behind it, it is too large by about
    :math:`(n_b-1)(n_y-1)/(2N)` nats, see :func:`lnl_core.information.tables.plug_in_mutual_information`.

    Args:
        bias: "group", the index of the mean colour, or "color", the painted colour in eight levels a channel.

    Raises:
        DataError: if ``bias`` is "color" and the data set has no colours, or for another word.
    """
    if bias == "group":
        symbol = data.group.cpu().numpy()
    elif bias == "color" and data.color is not None:
        levels = (data.color.cpu() * 8).long().clamp(0, 7)
        symbol = (levels @ torch.tensor([64, 8, 1])).numpy()
    else:
        raise DataError(f"this data set has no bias {bias!r}: choose 'group'" + (" or 'color'" if data.color is not None else ""))
    counts = contingency_table(symbol, data.labels.cpu().numpy())
    return mutual_information(counts / counts.sum())


def prediction_information(network: nn.Module, data: BiasedImages) -> float:
    r"""Plug-in :math:`I(b(X); g(f(X)))` in nats between the group and the predicted label (Eq. 2), Miller-Madow corrected."""
    return plug_in_mutual_information(data.group.cpu().numpy(), predict(network, data))


def evaluate(
    network: LNLNetwork,
    test: BiasedImages,
    *,
    train: BiasedImages | None = None,
    probe_data: BiasedImages | None = None,
    probe_limit: int = 4000,
    probe_steps: int = 600,
    seed: int = 0,
) -> dict[str, float]:
    """All numbers of a run record.

    Args:
        network: trained f, g, h.
        test: unbiased test data.
        train: what the network was trained on; it says which labels and biases are aligned (:func:`bias_alignment`).
        probe_data: unbiased data for the probes, other images than ``test`` for choice; by default ``test``. Only the first
            ``probe_limit`` images are used, half to train the probes and half to measure.
        probe_steps: the least number of steps of a probe.

    Returns:
        test_accuracy, those of :func:`group_metrics` (the aligned and the conflicting only with ``train``), test_information
        (Eq. 1) and prediction_information (Eq. 2), both in nats, and for each probe ("bias_probe" linear, "bias_mlp_probe") its
        accuracy, control accuracy and information (nats). For painted images and feature maps also those of an MLP probe that sees
        only the mean feature of the foreground places ("foreground_probe") or of the background places ("background_probe"). The
        probes are left out, with a warning, where there are fewer than twice as many examples as bias classes, or one class only.
    """
    predicted, labels, group = predict(network, test), test.labels.cpu().numpy(), test.group.cpu().numpy()
    metrics = {
        "test_accuracy": float((predicted == labels).mean()),
        **group_metrics(predicted, labels, group, None if train is None else bias_alignment(train)),
        "test_information": data_information(test),
        "prediction_information": plug_in_mutual_information(group, predicted),
    }
    source = test if probe_data is None else probe_data
    features = feature_maps(network, source, probe_limit)
    readings = [("bias_probe", "linear", features.flatten(1)), ("bias_mlp_probe", "mlp", features.flatten(1))]
    if source.color is not None and features.ndim == 4:
        background = background_places(source.images[: len(features)].cpu(), (features.shape[2], features.shape[3]))
        readings.append(("foreground_probe", "mlp", pool_places(features, ~background)))
        readings.append(("background_probe", "mlp", pool_places(features, background)))
    asked = source.group[: len(features)].cpu()
    if not enough_to_probe(asked):
        kinds = len(asked.unique())
        why = "the bias takes one value only, its information is 0" if kinds < 2 else "these are too few for a probe"
        _log.warning("%d examples with %d kinds of bias: %s, and nothing is said of leakage", len(asked), kinds, why)
        return metrics
    for name, kind, inputs in readings:
        result = probe_leakage(inputs, asked, kind=kind, steps=probe_steps, seed=seed)
        metrics |= {
            f"{name}_accuracy": result.accuracy,
            f"{name}_control_accuracy": result.control_accuracy,
            f"{name}_information": result.information,
        }
    return metrics

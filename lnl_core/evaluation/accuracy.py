"""What a trained network does and what its features still hold: accuracy by group, confusion, embeddings, leakage probes."""

import copy
import logging
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from lnl_core._arrays import class_labels, described, feature_rows, tensor_of
from lnl_core._random import seed_cpu, seeded
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import DataError
from lnl_core.information.tables import contingency_table, entropy, mutual_information, plug_in_mutual_information
from lnl_core.losses import bias_loss
from lnl_core.networks import LNLNetwork

_log = logging.getLogger(__name__)
_BATCH = 500


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _evaluating(network: nn.Module) -> bool:
    """Switch to evaluation mode and return the mode it was in."""
    was_training = network.training
    network.eval()
    return was_training


@torch.no_grad()
def _over_batches(network: nn.Module, compute: Any, data: BiasedImages, limit: int | None = None) -> Tensor:
    device, was_training = _device(network), _evaluating(network)
    size = len(data) if limit is None else min(limit, len(data))
    parts = []
    for start in range(0, size, _BATCH):
        batch = data.batch(slice(start, min(start + _BATCH, size)))
        parts.append(compute(batch.images.to(device)).cpu())
    network.train(was_training)
    return torch.cat(parts)


def predict(network: nn.Module, data: BiasedImages) -> NDArray[np.int64]:
    """The predicted label of every image, (N,).

    Raises:
        DataError: a network that does not give one row of logits an image.
    """

    def answers(images: Tensor) -> Tensor:
        logits: Tensor = network(images)
        if logits.ndim != 2 or len(logits) != len(images):
            raise DataError(f"the network must give logits of shape ({len(images)}, classes) here, got {described(logits)}")
        return logits.argmax(dim=1)

    predicted: NDArray[np.int64] = _over_batches(network, answers, data).numpy()
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
            How many images the smallest of these cells has. With few, the least accuracy is low by chance alone.
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


def confusion(network: nn.Module, data: BiasedImages) -> NDArray[np.int64]:
    """Counts (classes, classes) of true label (row) and predicted label (column)."""
    return contingency_table(_labels(data), predict(network, data), n_a=data.classes, n_b=data.classes)


def confusion_by_color(network: nn.Module, painted: Iterable[BiasedImages]) -> NDArray[np.int64]:
    """Figure 5: one :func:`confusion` for each data set, such as the test digits painted around each mean colour, (len, C, C)."""
    return np.array([confusion(network, data) for data in painted])


def data_information(data: BiasedImages, bias: str = "group") -> float:
    r"""Mutual information :math:`I(b(X); Y)` in nats of a data set's own table of bias and label (Eq. 1), computed exactly.

    It is exact for this sample. As an estimate of the distribution behind it, it is too large by about
    :math:`(n_b-1)(n_y-1)/(2N)` nats, see :func:`lnl_core.information.plug_in_mutual_information`.

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


def embeddings(network: LNLNetwork, data: BiasedImages, limit: int | None = None) -> Tensor:
    """The features f(x), flattened: (N, D) float32 on the CPU.

    Args:
        limit: only the first so many images; 10,000 digits take 250 MB.
    """
    return feature_maps(network, data, limit).flatten(1)


def feature_maps(network: LNLNetwork, data: BiasedImages, limit: int | None = None) -> Tensor:
    """The features f(x) in their own shape: (N, C, H, W) float32 on the CPU for the digit network."""
    return _over_batches(network, lambda images: network.extractor(images).float(), data, limit)


def background_places(images: Tensor, shape: tuple[int, int]) -> Tensor:
    """Where the stroke is not: ``(N, *shape)`` bool, True where every channel is 0 at the pixel that stands for the place.

    Args:
        images: (N, C, H, W) uint8, H and W being multiples of ``shape``.
    """
    if images.ndim != 4:
        raise DataError(f"images must be of shape (N, C, H, W), got {described(images)}")
    step = images.shape[2] // shape[0]
    small = images[:, :, step // 2 :: step, step // 2 :: step]
    return (small == 0).all(dim=1)


@dataclass(frozen=True)
class ProbeResult:
    """What a fresh probe reads from frozen embeddings.

    Attributes:
        kind: one of :data:`PROBES`.
        accuracy: share of held-out examples whose bias the probe names.
        control_accuracy: the same for a probe trained and measured on shuffled labels; near ``chance`` if nothing is amiss.
        chance: share of the most frequent bias class among the held-out examples.
        information: H(B) minus the held-out cross-entropy, in nats: a lower bound of I(B; Z) up to sampling error. It can be
            negative, when the probe is worse than no probe.
        control_information: the same for the probe of shuffled labels.
        n_train, n_test: number of examples.
    """

    kind: str
    accuracy: float
    control_accuracy: float
    chance: float
    information: float
    control_information: float
    n_train: int
    n_test: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


PROBES = ("linear", "mlp", "conv")
"""Fresh probes: a linear one, one hidden layer of 256, or two convolutions and the mean over the places of a feature map."""


def _probe(kind: str, shape: torch.Size, classes: int) -> nn.Module:
    """An untrained probe of features of this ``shape``, which come flattened."""
    if kind == "linear":
        return nn.Linear(shape.numel(), classes)
    if kind == "mlp":
        return nn.Sequential(nn.Linear(shape.numel(), 256), nn.ReLU(), nn.Linear(256, classes))
    if kind != "conv":
        raise DataError(f"unknown probe {kind!r}: choose one of {', '.join(PROBES)}")
    if len(shape) != 3:
        raise DataError(f"a conv probe reads feature maps (N, C, H, W), not features of shape (N, {', '.join(map(str, shape))})")
    first, second = nn.Conv2d(shape[0], 32, 3, padding=1), nn.Conv2d(32, 64, 3, stride=2, padding=1)
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))
    return nn.Sequential(nn.Unflatten(1, shape), first, nn.ReLU(), second, nn.ReLU(), *pooled)


_PROBE_RATES = (1e-3, 1e-2)
_PROBE_STEPS = 600
_PROBE_PATIENCE = 10
_SMALLEST_DEVIATION = 1e-5  # of the largest standard deviation of a feature; below lies rounding
_FARTHEST = 5.0  # deviations


@torch.enable_grad()  # the caller may be measuring without gradients
def train_probe(kind: str, shape: torch.Size, x: Tensor, y: Tensor, classes: int, epochs: int, seed: int) -> nn.Module:
    """Adam on the first four fifths of the examples; the last fifth chooses the rate, the epoch and the temperature of the logits.

    Args:
        kind: one of :data:`PROBES`.
        shape: of one example, as a convolutional probe reads it.
        x: (N, ...) float32 on the CPU, scaled as the probe is to read them.
        y: (N,) int64, whole numbers below ``classes``.
        classes: logits of the probe.
        epochs: passes over the four fifths, at least so many, and more where they would be few steps.
        seed: seeds the weights and the order of the batches.

    Returns:
        The probe, which gives logits (N, classes).
    """
    kept = len(x) - max(1, len(x) // 5)
    epochs = max(epochs, math.ceil(_PROBE_STEPS / math.ceil(kept / 128)))
    best_loss = float("inf")
    with seeded(seed):
        best = _probe(kind, shape, classes)
        for rate in _PROBE_RATES:
            seed_cpu(seed)
            probe = _probe(kind, shape, classes)
            optimizer = torch.optim.Adam(probe.parameters(), lr=rate, fused=True)  # a third of an MLP probe's time
            least, stale = float("inf"), 0  # of this rate: a small one may be ahead for a while
            for _ in range(epochs):
                for index in torch.split(torch.randperm(kept), 128):
                    optimizer.zero_grad()
                    F.cross_entropy(probe(x[index]), y[index]).backward()
                    optimizer.step()
                with torch.no_grad():
                    loss = float(F.cross_entropy(probe(x[kept:]), y[kept:]))
                least, stale = (loss, 0) if loss < least else (least, stale + 1)
                if loss < best_loss:
                    best_loss, best = loss, copy.deepcopy(probe)
                if stale >= _PROBE_PATIENCE:
                    break
    with torch.no_grad():
        logits = best(x[kept:])
        # A probe with more inputs than examples is far too sure of itself: its bound on the information would fall below zero.
        scale = min(torch.logspace(-3, 1, 41), key=lambda factor: float(F.cross_entropy(factor * logits, y[kept:])))
    return nn.Sequential(best, _Scale(float(scale)))


class _Scale(nn.Module):
    """Multiply logits by a constant; which class is largest does not change."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, logits: Tensor) -> Tensor:
        return self.factor * logits


def enough_to_probe(bias: Tensor) -> bool:
    """Whether a bias (N,) takes more than one value and has at least twice as many examples as classes."""
    return len(bias.unique()) > 1 and len(bias) >= 2 * (int(bias.max()) + 1)


def probe_inputs(embeddings: Tensor | NDArray[np.floating], bias: Tensor | ArrayLike) -> tuple[Tensor, Tensor, int]:
    """Features (N, D) float32, bias (N,) int64 and the number of bias classes, checked.

    Raises:
        DataError: another type or shape, lengths that differ, an embedding that is not finite, one bias class only, or fewer
            examples than twice the number of classes.
    """
    x, y = feature_rows("embeddings", embeddings).flatten(1), class_labels("bias", bias).cpu()
    if len(x) != len(y):
        raise DataError(f"embeddings and bias labels must have the same length, got {len(x)} and {len(y)}")
    refuse_infinite(x)
    classes = int(y.max()) + 1 if len(y) else 0
    if len(y) and int(y.min()) < 0:
        raise DataError(f"bias labels must be whole numbers from 0, got {int(y.min())}")
    if classes < 2 or len(y.unique()) < 2:
        raise DataError("the bias takes one value only: there is nothing to read, its information is 0")
    if not enough_to_probe(y):
        raise DataError(f"{len(x)} examples are too few to probe {classes} bias classes: use at least {2 * classes}")
    return x, y, classes


def refuse_infinite(values: Tensor, subject: str = "the embeddings hold") -> None:
    """Raise a :class:`DataError` if a value is not finite: nothing that is read from it means anything.

    Args:
        values: of any shape.
        subject: how the sentence begins.
    """
    if not torch.isfinite(values).all():
        raise DataError(f"{subject} NaN or infinite values: the network that made them has diverged")


def standardized(x: Tensor, reference: Tensor, *, cut: bool = True) -> Tensor:
    """Features (N, D) with the mean and deviation that each has in ``reference`` taken out, and cut at five deviations.

    A bias hidden in a feature that hardly varies is then as large as any other. Without the cut, features that are zero but for a
    few examples would blind a probe with values of tens of deviations. With it, a linear probe is linear in the cut features only:
    a promise about linear readers, such as that of linear erasure, is tested with ``cut=False``.
    """
    mean, deviation = reference.mean(0), reference.std(0)
    floor = float(deviation.max()) * _SMALLEST_DEVIATION
    scaled = (x - mean) / (deviation.clamp(min=floor) if floor > 0 else 1.0)
    return scaled.clamp(-_FARTHEST, _FARTHEST) if cut else scaled


def probe_leakage(
    embeddings: Tensor | NDArray[np.floating],
    bias: Tensor | ArrayLike,
    *,
    kind: str = "linear",
    test_share: float = 0.5,
    epochs: int = 20,
    seed: int = 0,
    cut: bool = True,
) -> ProbeResult:
    """Train a fresh probe of the bias on frozen embeddings, and the same probe on shuffled labels as a control.

    The adversary h that f was trained against is no witness: f learnt to fool that very network. A fresh probe was never fooled.
    Use unbiased data, or the probe reads the bias from the digit.

    Args:
        embeddings: (N, D) features, of any device; (N, C, H, W) feature maps for a conv probe.
        bias: (N,) bias class of each example, whole numbers from 0.
        kind: one of :data:`PROBES`.
        test_share: share of the examples held out to measure on.
        epochs: passes of Adam over the training part, more if that makes fewer than 600 steps; a fifth of that part is kept back to
            choose the learning rate, the pass and the temperature.
        seed: seeds the split, the shuffle and the weights.
        cut: of :func:`standardized`.

    Raises:
        DataError: if the lengths differ, an embedding is not finite, there is one bias class only, or there are fewer examples
            than twice the number of classes.
    """
    x, y, classes = probe_inputs(embeddings, bias)
    shape = feature_rows("embeddings", embeddings).shape[1:]
    if not 0 < test_share < 1:
        raise DataError(f"test_share must lie between 0 and 1, got {test_share}")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(x)))
    held_out = max(1, round(len(x) * test_share))
    test, train = order[:held_out], order[held_out:]
    if len(train) < 2:
        raise DataError(f"test_share {test_share} leaves too few of {len(x)} examples to train a probe: hold fewer out")
    x = standardized(x, x[train], cut=cut)
    probe = train_probe(kind, shape, x[train], y[train], classes, epochs, seed)
    # Measured on shuffled labels too: against the true ones it would depend on which wrong label each cluster happened to get.
    shuffled = y[torch.from_numpy(np.random.default_rng(seed + 1).permutation(len(y)))]
    control = train_probe(kind, shape, x[train], shuffled[train], classes, epochs, seed)
    with torch.no_grad():
        logits, control_logits = probe(x[test]), control(x[test])
    shares, control_shares = (np.bincount(labels[test].numpy(), minlength=classes) / len(test) for labels in (y, shuffled))
    return ProbeResult(
        kind=kind,
        accuracy=float((logits.argmax(1) == y[test]).float().mean()),
        control_accuracy=float((control_logits.argmax(1) == shuffled[test]).float().mean()),
        chance=float(shares.max()),
        information=entropy(shares) - float(F.cross_entropy(logits, y[test])),
        control_information=entropy(control_shares) - float(F.cross_entropy(control_logits, shuffled[test])),
        n_train=len(train),
        n_test=len(test),
    )


def say_if_untrained(network: LNLNetwork) -> None:
    """Warn that h was never trained, as that of a baseline: what it answers is its first weights' and says nothing of f."""
    if network.h_trained is False:
        _log.warning(
            "the h of this network was never trained, so what it answers says nothing about f: train one with "
            "lnl_core.evaluation.leakage.fresh_adversary, or ask a network of a method that trains h"
        )


def adversary_loss(network: LNLNetwork, data: BiasedImages) -> float:
    """The bias loss of the network's own h on ``data`` in nats a labelled place, in evaluation mode: what the adversary says.

    Raises:
        DataError: if h answers with NaN or infinite values.
    """
    say_if_untrained(network)
    device, was_training = _device(network), _evaluating(network)
    total, labelled = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(data), _BATCH):
            batch = data.batch(slice(start, start + _BATCH))
            batch.images, batch.labels, batch.bias = (part.to(device) for part in (batch.images, batch.labels, batch.bias))
            logits, bias = network.read_bias(network.extractor(batch.images), batch)
            places = int((bias != 255).sum())
            total += float(bias_loss(logits, bias)) * places
            labelled += places
    network.train(was_training)
    refuse_infinite(torch.tensor(total), "h answers with")
    return total / max(1, labelled)


def evaluate(
    network: LNLNetwork,
    test: BiasedImages,
    *,
    train: BiasedImages | None = None,
    probe_data: BiasedImages | None = None,
    probe_limit: int = 4000,
    seed: int = 0,
) -> dict[str, float]:
    """All numbers of a run record.

    Args:
        network: trained f, g, h.
        test: unbiased test data.
        train: what the network was trained on; it says which labels and biases are aligned (:func:`bias_alignment`).
        probe_data: unbiased data for the probes, other images than ``test`` for choice; by default ``test``. Only the first
            ``probe_limit`` images are used, half to train the probes and half to measure.

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
        result = probe_leakage(inputs, asked, kind=kind, seed=seed)
        metrics |= {
            f"{name}_accuracy": result.accuracy,
            f"{name}_control_accuracy": result.control_accuracy,
            f"{name}_information": result.information,
        }
    return metrics


def pool_places(features: Tensor, where: Tensor) -> Tensor:
    """The mean of a feature map over some places of each image, such as its background.

    Args:
        features: (N, C, H, W).
        where: (N, H, W) bool; an image without such places gets zeros.

    Returns:
        (N, C) float32.
    """
    features, where = tensor_of("features", features), tensor_of("where", where)
    if features.ndim != 4 or where.shape != features.shape[:1] + features.shape[2:]:
        got = f"{described(features)} and {described(where)}"
        raise DataError(f"features must be of shape (N, C, H, W) and where of shape (N, H, W), got {got}")
    chosen = where.unsqueeze(1).to(features.dtype)
    pooled: Tensor = ((features * chosen).sum(dim=(2, 3)) / chosen.sum(dim=(2, 3)).clamp(min=1)).float()
    return pooled


def probe_map(
    features: Tensor | NDArray[np.floating], bias: Tensor | ArrayLike, *, seed: int = 0, ridge: float = 1e-3
) -> NDArray[np.float64]:
    """How well a linear probe names the bias at each place of a feature map by itself.

    The probe is least squares onto one-hot classes with a small ridge, solved exactly for all places at once: a coarse picture of
    *where* the bias is, not the strongest reader (see :func:`probe_leakage`).

    Args:
        features: (N, C, H, W) features f(x); half of the images fit the probe, the other half measure it.
        bias: (N,) bias class of each image, whole numbers from 0.
        seed: seeds the split.
        ridge: added to the normalised second moments.

    Returns:
        (H, W) accuracies on the held-out half.

    Raises:
        DataError: as :func:`probe_leakage`.
    """
    features = feature_rows("features", features, 4)
    _, y, classes = probe_inputs(features, bias)
    count, channels, height, width = features.shape
    x = features.permute(2, 3, 0, 1).reshape(height * width, count, channels)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    train, test = order[: count // 2], order[count // 2 :]
    mean, deviation = x[:, train].mean(1, keepdim=True), x[:, train].std(1, keepdim=True).clamp(min=1e-6)
    x = torch.cat([(x - mean) / deviation, torch.ones(height * width, count, 1)], dim=2)
    onehot = F.one_hot(y, classes).float()
    moments = x[:, train].mT @ x[:, train] / len(train) + ridge * torch.eye(channels + 1)
    weights = torch.linalg.solve(moments, x[:, train].mT @ onehot[train] / len(train))
    named = (x[:, test] @ weights).argmax(2) == y[test]
    result: NDArray[np.float64] = named.double().mean(1).reshape(height, width).numpy()
    return result

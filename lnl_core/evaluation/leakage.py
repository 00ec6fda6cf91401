r"""How much of the bias is left in features, with a spread, a control, and a price: probes over seeds, code length, linear erasure.

One fresh probe is :func:`lnl_core.evaluation.probe_leakage`. Here it is trained again over seeds for a confidence interval; its
information is the predictive V-information of the probe's family (Xu et al. 2020). :func:`code_length` says how many examples it
needs, as a code length (Voita and Titov 2020), and :func:`linear_eraser` removes what linear probes can read (LEACE, Belrose et
al. 2023). :func:`adversary_reading` is what the network's own h says, to be set beside all of these.
"""

import copy
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student
from torch import Tensor

from lnl_core._arrays import feature_rows, numbers
from lnl_core._random import seeded
from lnl_core.datasets.container import IGNORE, Batch, BiasedImages
from lnl_core.errors import ConfigError, DataError
from lnl_core.evaluation.accuracy import (
    _BATCH,
    ProbeResult,
    _device,
    _evaluating,
    feature_maps,
    probe_inputs,
    probe_leakage,
    refuse_infinite,
    say_if_untrained,
    standardized,
    train_probe,
)
from lnl_core.information.tables import entropy
from lnl_core.losses import bias_loss, log_probabilities
from lnl_core.networks import LNLNetwork, VectorBiasHead

_SMALLEST_SCALE = 0.01  # of the largest deviation of a feature: one that hardly varies is not blown up
_SVD_TOLERANCE = 1e-9  # of LEACE: directions of the cross-covariance below it are rounding
_PORTIONS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)


@dataclass(frozen=True)
class AdversaryReading:
    """What a network's own h says of the bias, over all labelled places; channels of a bias count alike.

    Attributes:
        accuracy: share of labelled places whose bias level h names.
        chance: share of the most frequent level, what a constant would name.
        cross_entropy: of h, in nats a labelled place.
        entropy: of the levels, in nats: the cross-entropy of whoever knows their shares and nothing else.
        images: number of images.
    """

    accuracy: float
    chance: float
    cross_entropy: float
    entropy: float
    images: int

    @property
    def information(self) -> float:
        """Entropy minus cross-entropy in nats: negative for an h that is worse than no h, as a fooled one may be."""
        return self.entropy - self.cross_entropy

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "information": self.information}


@torch.no_grad()
def adversary_reading(network: LNLNetwork, data: BiasedImages) -> AdversaryReading:
    """Ask h, in evaluation mode, at every place of ``data`` that has a bias label.

    On biased images h may name the bias from the label that f keeps; on unbiased ones only the bias itself helps it.

    Raises:
        DataError: if no place is labelled, or h answers with NaN or infinite values.
    """
    say_if_untrained(network)
    device, was_training = _device(network), _evaluating(network)
    sums: list[tuple[Tensor, Tensor, Tensor]] = []  # of each batch and channel: right answers, loss, and labels of each level
    for start in range(0, len(data), _BATCH):
        batch = data.batch(slice(start, start + _BATCH))
        batch.images, batch.labels, batch.bias = (part.to(device) for part in (batch.images, batch.labels, batch.bias))
        logits, bias = network.read_bias(network.extractor(batch.images), batch)
        log_q, channels = log_probabilities(logits).cpu(), bias.shape[1] if bias.ndim > 1 else 1
        labels = bias.cpu().reshape(len(bias), channels, -1)
        said = log_q.reshape(len(log_q), log_q.shape[1], channels, -1)
        labelled = labels != IGNORE
        right = ((said.argmax(1) == labels) & labelled).sum((0, 2))
        loss = F.nll_loss(said.double(), labels, ignore_index=IGNORE, reduction="none").sum((0, 2))
        levels = F.one_hot(labels.where(labelled, said.shape[1]), said.shape[1] + 1)[..., :-1].sum((0, 2))
        sums.append((right, loss, levels))
    network.train(was_training)
    right, loss, levels = (torch.stack(parts).sum(0).double() for parts in zip(*sums, strict=True))
    refuse_infinite(loss, "h answers with")
    places = levels.sum(1)
    if not bool((places > 0).all()):
        raise DataError("no place of these images has a bias label: there is nothing to ask h")
    shares = levels / places[:, None]
    return AdversaryReading(
        accuracy=float((right / places).mean()),
        chance=float(shares.amax(1).mean()),
        cross_entropy=float((loss / places).mean()),
        entropy=float(np.mean([entropy(row) for row in shares.numpy()])),
        images=len(data),
    )


def fresh_adversary(
    network: LNLNetwork, data: BiasedImages, *, epochs: int = 15, lr: float = 0.02, batch_size: int = 64, seed: int = 0
) -> LNLNetwork:
    """The same network with another h: the same layers with fresh weights, trained by SGD on frozen features of ``data``.

    Where the fresh one reads what the old one does not, the old one was fooled. Where it reads nothing, ask first whether it had
    enough images and steps: on features whose h does read something, a fresh one has to read as much. Only then does it say that
    readers of its kind are too weak.

    Args:
        network: f is shared with the result and stays as it is.
        data: unbiased images with the bias labels that h is trained on; ask it about others, with :func:`adversary_reading`.
        lr: rate of SGD. Where the last epoch's loss is more than twice that of a constant, the training has diverged and begins
            again with a tenth of the rate, at most twice. A linear h on a vector is trained on features scaled to mean 0 and
            deviation 1, which its weights then undo: their scale is f's choice, and SGD on them as they are gets nowhere.
        seed: seeds weights and order; the random state of the caller is left alone.

    Raises:
        DataError: features that are not finite.
    """
    features = feature_maps(network, data)
    refuse_infinite(features)
    mean, scale = torch.zeros(()), torch.ones(())
    if isinstance(network.bias_head, VectorBiasHead):
        mean, deviation = features.mean(0), features.std(0)
        scale = deviation.clamp(min=float(deviation.max()) * _SMALLEST_SCALE or 1.0)
    everything = Batch((features - mean) / scale, data.labels.cpu(), data.bias.cpu())
    for rate in (lr, lr / 10, lr / 100):
        head, loss, constant = _fresh_head(network, everything, epochs, rate, batch_size, seed)
        if loss <= 2 * constant:  # and not for NaN
            break
    if isinstance(head, VectorBiasHead):
        with torch.no_grad():
            head.layer.weight.div_(scale)
            head.layer.bias.sub_(head.layer.weight @ mean)
    head.to(_device(network)).eval()  # and not the whole: f and g are the caller's
    return LNLNetwork(network.extractor, network.label_head, head)


@torch.enable_grad()  # the caller may be measuring without gradients
def _fresh_head(
    network: LNLNetwork, data: Batch, epochs: int, lr: float, batch_size: int, seed: int
) -> tuple[torch.nn.Module, float, float]:
    """A trained h, the mean loss of its last epoch, and the loss of who knows the shares of the levels and nothing else."""
    with seeded(seed):
        head = copy.deepcopy(network.bias_head).cpu().train()
        for module in head.modules():
            reset: Any = getattr(module, "reset_parameters", lambda: None)
            reset()
        other = LNLNetwork(network.extractor, network.label_head, head)
        optimizer = torch.optim.SGD(head.parameters(), lr=lr, momentum=0.9)
        losses: list[float] = []
        for _ in range(epochs):
            losses = []
            for index in torch.randperm(len(data.images)).split(batch_size):
                optimizer.zero_grad()
                some = Batch(data.images[index], data.labels[index], data.bias[index])
                loss = bias_loss(*other.read_bias(some.images, some), "sum")
                loss.backward()
                optimizer.step()
                losses.append(float(loss.detach()))
    channels = data.bias.shape[1] if data.bias.ndim > 1 else 1
    levels = data.bias.reshape(len(data.bias), channels, -1)
    shares = [np.bincount(channel[channel != IGNORE].numpy()) for channel in levels.unbind(1)]
    return head, float(np.mean(losses)), sum(entropy(counts / max(1, counts.sum())) for counts in shares)


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
        half = float(student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) * math.sqrt(1 / len(values) + overlap))
        return cls(mean, mean - half, mean + half)


@dataclass(frozen=True)
class Leakage:
    """What fresh probes of one kind read, over seeds that draw the split, the weights and the shuffled control anew.

    The intervals cover the choice of split and weights, not the training of the network whose features are probed. The splits are
    of the same examples, for which they are corrected (:meth:`Interval.of`).

    Attributes:
        kind: "linear", "mlp" or "conv".
        accuracy: share of held-out examples whose bias is named.
        control: the same for probes trained and asked on shuffled labels, which leave nothing to read: clearly above chance, it
            would say that the measurement itself leaks. (Its labels do not recur from one example to the next, so it is no control
            task of Hewitt and Liang 2019, whose labels can be learnt by heart.)
        chance: share of the most frequent class, mean over the splits.
        information: H(B) minus the held-out cross-entropy in nats: the V-information of this kind of probe, and a lower bound of
            I(B; Z) up to sampling error.
        control_information: the same for probes of shuffled labels, at most 0 up to sampling error.
        seeds: number of probes.
    """

    kind: str
    accuracy: Interval
    control: Interval
    chance: float
    information: Interval
    control_information: Interval
    seeds: int

    @property
    def found(self) -> bool:
        """Whether the whole interval lies above both chance and the control's mean; one probe alone has no interval."""
        return self.seeds > 1 and self.accuracy.low > max(self.chance, self.control.mean)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "found": self.found}


def _require_seeds(seeds: int) -> None:
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise ConfigError(f"seeds must be a whole number of at least 1, got {seeds!r}")


def leakage(
    embeddings: Tensor | NDArray[np.floating], bias: Tensor | ArrayLike, *, kind: str = "mlp", seeds: int = 5, **options: Any
) -> Leakage:
    """Train ``seeds`` fresh probes and sum up what they read.

    Args:
        embeddings: (N, D) features, or (N, C, H, W) feature maps for the conv probe.
        bias: (N,) bias class of each example. Use unbiased data, or the probe reads the bias from the label.
        kind: "linear", "mlp" or "conv".
        seeds: number of probes, at least 1.
        options: for :func:`lnl_core.evaluation.probe_leakage`.

    Raises:
        ConfigError: no positive number of seeds.
        DataError: see :func:`lnl_core.evaluation.probe_leakage`.
    """
    _require_seeds(seeds)
    results: list[ProbeResult] = [probe_leakage(embeddings, bias, kind=kind, seed=seed, **options) for seed in range(seeds)]
    overlap = results[0].n_test / results[0].n_train
    return Leakage(
        kind=kind,
        accuracy=Interval.of([result.accuracy for result in results], overlap=overlap),
        control=Interval.of([result.control_accuracy for result in results], overlap=overlap),
        chance=float(np.mean([result.chance for result in results])),
        information=Interval.of([result.information for result in results], overlap=overlap),
        control_information=Interval.of([result.control_information for result in results], overlap=overlap),
        seeds=seeds,
    )


@dataclass(frozen=True)
class CodeLength:
    """What it costs to send the bias labels to someone who has the features, in nats.

    The intervals are over codes that send the same labels in other orders, with probes of other weights.

    Attributes:
        kind: kind of the probe.
        nats: online code length.
        control: code length of shuffled labels, about the uniform one.
        compression: uniform over online code length: 1 if the features help nothing, larger the earlier they do.
        uniform: what N labels of K equally likely classes cost, N log K.
        n: number of labels.
        seeds: number of codes.
    """

    kind: str
    nats: Interval
    control: Interval
    compression: Interval
    uniform: float
    n: int
    seeds: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def code_length(
    embeddings: Tensor | NDArray[np.floating], bias: Tensor | ArrayLike, *, kind: str = "mlp", epochs: int = 20, seeds: int = 5
) -> CodeLength:
    r"""Minimum description length by online coding (Voita and Titov 2020, section 2.2).

    .. math:: L = n_1 \log K - \sum_{i} \log p_{\theta_i}(b_{n_i + 1 : n_{i+1}} \mid z_{n_i + 1 : n_{i+1}})

    The first :math:`n_1` labels are sent as they are. Then a probe is trained on all labels sent so far, and codes the next part;
    the parts end at 1/32, 1/16, ..., 1/2 and all of the examples. Bias that is easy to read is cheap after few examples; two sets
    of features on which a probe ends equally accurate may differ in how much it took.

    Args:
        embeddings, bias, kind, epochs: as of :func:`lnl_core.evaluation.probe_leakage`.
        seeds: number of codes, at least 1; each has an order, weights and a shuffled control of its own.

    Raises:
        ConfigError: no positive number of seeds.
        DataError: as there, or if the first part holds fewer than twice as many examples as there are classes.
    """
    _require_seeds(seeds)
    x, y, classes = probe_inputs(embeddings, bias)
    shape = feature_rows("embeddings", embeddings).shape[1:]
    ends = [round(share * len(x)) for share in _PORTIONS]
    if ends[0] < 2 * classes:
        least = math.ceil(2 * classes / _PORTIONS[0])
        raise DataError(f"{len(x)} examples are too few for the code length of {classes} classes: use at least {least}")
    x, uniform = standardized(x, x), len(x) * math.log(classes)

    def cost(labels: Tensor, seed: int) -> float:
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(x)))
        total = ends[0] * math.log(classes)
        for start, end in pairwise(ends):
            known, new = order[:start], order[start:end]
            probe = train_probe(kind, shape, x[known], labels[known], classes, epochs, seed)
            with torch.no_grad():
                total += float(F.cross_entropy(probe(x[new]), labels[new], reduction="sum"))
        return total

    shuffled = [y[torch.from_numpy(np.random.default_rng(seed + 1).permutation(len(y)))] for seed in range(seeds)]
    nats = [cost(y, seed) for seed in range(seeds)]
    return CodeLength(
        kind=kind,
        nats=Interval.of(nats),
        control=Interval.of([cost(labels, seed) for seed, labels in enumerate(shuffled)]),
        compression=Interval.of([uniform / value for value in nats]),
        uniform=uniform,
        n=len(x),
        seeds=seeds,
    )


def linear_eraser(embeddings: Tensor | NDArray[np.floating], bias: Tensor | ArrayLike) -> Callable[[Tensor], Tensor]:
    r"""LEACE: of all affine maps after which no linear probe beats a constant, the one that changes features least in mean square.

    No linear classifier with a convex loss can read the bias from :math:`r(z)` exactly if the cross-covariance of r(z) with the
    one-hot bias is zero; the map that reaches that with the least change is

    .. math:: r(z) = z - W^+ P \, W (z - E[z]), \qquad W = \Sigma_{zz}^{-1/2}, \quad P \text{ the projection onto } W \Sigma_{zb}

    (Belrose et al. 2023, theorem 4.3), by the authors' package ``concept-erasure``. It holds on the examples that it was fitted to;
    what a probe with a hidden layer reads may stay.

    Args:
        embeddings: (N, D), N clearly larger than D, since with fewer examples than features everything is linear.
        bias: (N,) bias classes.

    Returns:
        A function (M, D) -> (M, D) float32.

    Raises:
        DataError: as :func:`lnl_core.evaluation.probe_leakage`, or no more examples than features.
    """
    x, y, classes = probe_inputs(embeddings, bias)
    if len(x) <= x.shape[1]:
        raise DataError(f"{len(x)} examples of {x.shape[1]} features: linear erasure needs more examples than features")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # at import it compiles other erasers with torch.jit.script
        from concept_erasure import LeaceEraser

    # Without the shrinkage and the bound on the trace, which would leave the closed form above.
    eraser = LeaceEraser.fit(
        x.double(), F.one_hot(y, classes).double(), shrinkage=False, constrain_cov_trace=False, svd_tol=_SVD_TOLERANCE
    )

    def erase(features: Tensor) -> Tensor:
        rows = feature_rows("features", features).flatten(1)
        if rows.shape[1] != x.shape[1]:
            raise DataError(f"features must have the {x.shape[1]} columns that the eraser was fitted to, got {rows.shape[1]}")
        erased: Tensor = eraser(features.cpu().flatten(1).double()).float().to(features.device)
        return erased

    return erase

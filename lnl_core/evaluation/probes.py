"""How much of the bias is left in features: a fresh probe, its training, and its control.

The information that a probe reads is the predictive V-information of its family (Xu et al. 2020). The kinds of probe are in
:mod:`lnl_core.evaluation.probe_kinds`. :mod:`lnl_core.evaluation.over_seeds` trains one again over seeds for a confidence interval,
and :mod:`lnl_core.evaluation.description_length` says how many examples it needs. What the network's own h says, to be set beside
these, is :mod:`lnl_core.evaluation.adversary`; what linear probes read can be taken out, :mod:`lnl_core.evaluation.erasure`.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from lnl_core._arrays import class_labels, described, feature_rows
from lnl_core._random import seed_cpu, seeded
from lnl_core.errors import ConfigError, DataError
from lnl_core.evaluation.features import refuse_infinite
from lnl_core.evaluation.probe_kinds import Probe, find_probe
from lnl_core.hyperparameters import shown
from lnl_core.information.tables import entropy

_PROBE_RATES = (1e-3, 1e-2)
_PROBE_PATIENCE = 10
_SMALLEST_DEVIATION = 1e-5  # of the largest standard deviation of a feature; below lies rounding
_FARTHEST = 5.0  # deviations
_LINE = 16  # float32 numbers in a cache line


@dataclass(frozen=True)
class ProbeResult:
    """What a fresh probe reads from frozen embeddings.

    Attributes:
        kind: one of :data:`lnl_core.evaluation.probe_kinds.PROBES`.
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


@torch.enable_grad()  # the caller may be measuring without gradients
def train_probe(
    kind: str, shape: torch.Size, x: Tensor, y: Tensor, classes: int, epochs: int, seed: int, steps: int = 600
) -> nn.Module:
    """Adam on the first four fifths of the examples; the last fifth chooses the rate, the epoch and the temperature of the logits.

    Args:
        kind: one of :data:`lnl_core.evaluation.probe_kinds.PROBES`.
        shape: of one example, as a convolutional probe reads it.
        x: (N, D) float32 on the CPU, flattened and scaled as the probe is to read them.
        y: (N,) int64, whole numbers below ``classes``.
        classes: logits of the probe.
        epochs: passes over the four fifths, at least so many, and more where they would be fewer than ``steps``; ten without a gain
            end the training sooner.
        seed: seeds the weights and the order of the batches.
        steps: of Adam, see ``epochs``.

    Returns:
        The probe in evaluation mode, which gives logits (N, classes).

    Raises:
        DataError: an unknown kind, or one that does not read features of this shape.
        ConfigError: a kind of a plug-in that builds something else than it has to.
    """
    reader = find_probe(kind)
    kept = len(x) - max(1, len(x) // 5)
    epochs = max(epochs, math.ceil(steps / math.ceil(kept / 128)))
    best_loss, columns = float("inf"), _columns(x) if reader.skips_constant else torch.arange(x.shape[1])
    narrow = len(columns) < x.shape[1]
    seen = x[:, columns] if narrow else x
    batch = seen.new_empty(min(128, kept), seen.shape[1])  # filled again and again: asking for new memory takes longer than copying
    with seeded(seed):
        best = _checked(reader.build(shape, classes), reader, x, classes)
        for rate in _PROBE_RATES:
            seed_cpu(seed)
            probe = reader.build(shape, classes)
            probe = _narrowed(probe, columns) if narrow else probe
            optimizer = torch.optim.Adam(probe.parameters(), lr=rate, fused=True)  # a third of an MLP probe's time
            least, stale = float("inf"), 0  # of this rate: a small one may be ahead for a while
            for _ in range(epochs):
                probe.train()
                for index in torch.split(torch.randperm(kept), 128):
                    optimizer.zero_grad()
                    some = torch.index_select(seen, 0, index, out=batch[: len(index)])
                    F.cross_entropy(probe(some), y[index]).backward()
                    optimizer.step()
                probe.eval()
                with torch.no_grad():
                    loss = float(F.cross_entropy(probe(seen[kept:]), y[kept:]))
                    if loss < best_loss:
                        best_loss = loss
                        _copy(probe, best, columns)
                least, stale = (loss, 0) if loss < least else (least, stale + 1)
                if stale >= _PROBE_PATIENCE:
                    break
    with torch.no_grad():
        logits = best(x[kept:])
        # A probe with more inputs than examples is far too sure of itself: its bound on the information would fall below zero.
        scale = min(torch.logspace(-3, 1, 41), key=lambda factor: float(F.cross_entropy(factor * logits, y[kept:])))
    return nn.Sequential(best, _Scale(float(scale)))


def _checked(network: nn.Module, kind: Probe, x: Tensor, classes: int) -> nn.Module:
    """What a kind has built, in evaluation mode, if it is a network that the training can use."""
    if not isinstance(network, nn.Module) or not any(part.requires_grad for part in network.parameters()):
        raise ConfigError(f"the probe {kind.name!r} must build a torch.nn.Module with weights to train, got {shown(network)}")
    first = next(layer for layer in network.modules() if any(True for _ in layer.parameters(recurse=False)))
    if kind.skips_constant and not (isinstance(first, nn.Linear) and first.in_features == x.shape[1]):
        raise ConfigError(f"the probe {kind.name!r} skips constant inputs, so its first layer must be an nn.Linear of all of them")
    with torch.no_grad():
        logits = network.eval()(x[:2])
    if not isinstance(logits, Tensor) or logits.shape != (len(x[:2]), classes):
        got = described(logits) if isinstance(logits, Tensor) else shown(logits)
        raise ConfigError(f"the probe {kind.name!r} must give logits of shape (N, {classes}), got {got} for two examples")
    return network


def _columns(x: Tensor) -> Tensor:
    """The inputs that differ between examples: of a trained f most may be 0 for every image.

    Weights of the others get no gradient and stay as they were drawn, so they are left out of the training and not of the probe. A
    few stay, for rows of whole cache lines: others are a third slower to multiply.
    """
    constant = x.amax(0) == x.amin(0)
    count = max(1, math.ceil(int((~constant).sum()) / _LINE)) * _LINE
    return constant.long().argsort(stable=True)[:count].sort().values


def _narrowed(probe: nn.Module, columns: Tensor) -> nn.Module:
    """A probe that begins with a linear layer as one of some of its inputs, with the same weights."""
    first = next(layer for layer in probe.modules() if isinstance(layer, nn.Linear))
    first.weight = nn.Parameter(first.weight.detach()[:, columns])
    return probe


def _copy(narrow: nn.Module, probe: nn.Module, columns: Tensor) -> None:
    """The state of a probe, perhaps one of :func:`_narrowed`, where it belongs in the whole probe."""
    for part, whole in zip(narrow.state_dict().values(), probe.state_dict().values(), strict=True):
        whole.copy_(part) if part.shape == whole.shape else whole.index_copy_(1, columns, part)


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


def standardized(x: Tensor, reference: Tensor, *, cut: bool = True) -> Tensor:
    """Features (N, D) with the mean and deviation that each has in ``reference`` taken out, and cut at five deviations.

    A bias hidden in a feature that hardly varies is then as large as any other. Without the cut, features that are zero but for a
    few examples would blind a probe with values of tens of deviations. With it, a linear probe is linear in the cut features only:
    a promise about linear readers, such as that of linear erasure, is tested with ``cut=False``.
    """
    mean, deviation = reference.mean(0), reference.std(0)
    floor = float(deviation.max()) * _SMALLEST_DEVIATION
    scaled = (x - mean).div_(deviation.clamp(min=floor) if floor > 0 else 1.0)
    return scaled.clamp_(-_FARTHEST, _FARTHEST) if cut else scaled


def probe_leakage(
    embeddings: Tensor | NDArray[np.floating],
    bias: Tensor | ArrayLike,
    *,
    kind: str = "linear",
    test_share: float = 0.5,
    epochs: int = 20,
    steps: int = 600,
    seed: int = 0,
    cut: bool = True,
) -> ProbeResult:
    """Train a fresh probe of the bias on frozen embeddings, and the same probe on shuffled labels as a control.

    The adversary h that f was trained against is no witness: f learnt to fool that very network. A fresh probe was never fooled.
    Use unbiased data, or the probe reads the bias from the digit.

    Args:
        embeddings: (N, D) features, of any device; (N, C, H, W) feature maps for a conv probe.
        bias: (N,) bias class of each example, whole numbers from 0.
        kind: one of :data:`lnl_core.evaluation.probe_kinds.PROBES`.
        test_share: share of the examples held out to measure on.
        epochs: passes of Adam over the training part, more if that makes fewer than ``steps``; a fifth of that part is kept back to
            choose the learning rate, the pass and the temperature.
        steps: the least number of steps; ten passes without a gain end a training sooner. Few, as in a smoke run, read too little.
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
    x, held_x = x[train], x[test]
    probe = train_probe(kind, shape, x, y[train], classes, epochs, seed, steps)
    # Measured on shuffled labels too: against the true ones it would depend on which wrong label each cluster happened to get.
    shuffled = y[torch.from_numpy(np.random.default_rng(seed + 1).permutation(len(y)))]
    control = train_probe(kind, shape, x, shuffled[train], classes, epochs, seed, steps)
    with torch.no_grad():
        logits, control_logits = probe(held_x), control(held_x)
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

"""How many examples a probe needs to read the bias, as a code length (Voita and Titov 2020)."""

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lnl_core._arrays import feature_rows
from lnl_core.errors import DataError
from lnl_core.evaluation.intervals import Interval
from lnl_core.evaluation.over_seeds import require_seeds
from lnl_core.evaluation.probes import probe_inputs, standardized, train_probe

_PORTIONS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)


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
    embeddings: Tensor | NDArray[np.floating],
    bias: Tensor | ArrayLike,
    *,
    kind: str = "mlp",
    epochs: int = 20,
    steps: int = 600,
    seeds: int = 5,
) -> CodeLength:
    r"""Minimum description length by online coding (Voita and Titov 2020, section 2.2).

    .. math:: L = n_1 \log K - \sum_{i} \log p_{\theta_i}(b_{n_i + 1 : n_{i+1}} \mid z_{n_i + 1 : n_{i+1}})

    The first :math:`n_1` labels are sent as they are. Then a probe is trained on all labels sent so far, and codes the next part;
    the parts end at 1/32, 1/16, ..., 1/2 and all of the examples. Bias that is easy to read is cheap after few examples; two sets
    of features on which a probe ends equally accurate may differ in how much it took.

    Args:
        embeddings, bias, kind, epochs, steps: as of :func:`lnl_core.evaluation.probes.probe_leakage`.
        seeds: number of codes, at least 1; each has an order, weights and a shuffled control of its own.

    Raises:
        ConfigError: no positive number of seeds.
        DataError: as there, or if the first part holds fewer than twice as many examples as there are classes.
    """
    require_seeds(seeds)
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
            probe = train_probe(kind, shape, x[known], labels[known], classes, epochs, seed, steps)
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

"""How well groups are mixed in an embedding: a number beside a t-SNE picture, which proves nothing by itself."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lnl_core._arrays import feature_rows, group_codes
from lnl_core.errors import DataError


@dataclass(frozen=True)
class MixingScore:
    """How often the neighbours of a point belong to another group, relative to chance.

    Attributes:
        score: 0 where every neighbour is of the point's own group, 1 where they are as mixed as chance has it; sampling can take it
            a little above 1.
        control: the same with the groups shuffled; near 1 if nothing is amiss.
        neighbours: how many nearest neighbours were counted.
        n: number of points.
    """

    score: float
    control: float
    neighbours: int
    n: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def mixing_score(
    embeddings: Tensor | NDArray[np.floating], group: Tensor | ArrayLike, *, neighbours: int = 10, seed: int = 0
) -> MixingScore:
    r"""Measure how mixed the groups are among the nearest neighbours (Euclidean) of each point.

    For a point of group a, the share of its neighbours of other groups is divided by :math:`(N - N_a) / (N - 1)`, what a random
    neighbour would give. The mean is taken within each group and then over groups, so that a large group does not hide a small one.
    It works on features and on their two-dimensional picture alike; only the first says something of the network.

    Args:
        embeddings: (N, D), one row a point.
        group: (N,) group of each point, any whole numbers or text.
        neighbours: nearest neighbours counted, 1 to N - 1; the point itself is none.
        seed: seeds the shuffled control.

    Raises:
        DataError: if the lengths differ, an embedding is not finite, there is one group only, or there are too few points.
    """
    from sklearn.neighbors import NearestNeighbors

    x, codes = feature_rows("embeddings", embeddings).flatten(1), torch.from_numpy(group_codes("group", group))
    if len(x) != len(codes):
        raise DataError(f"embeddings and groups must have the same length, got {len(x)} and {len(codes)}")
    if not torch.isfinite(x).all():
        raise DataError("the embeddings hold NaN or infinite values: the network that made them has diverged")
    if len(x) == 0 or int(codes.max()) == 0:
        raise DataError("there are not two groups: nothing can be mixed or separate")
    if isinstance(neighbours, bool) or not isinstance(neighbours, int | np.integer) or not 1 <= neighbours < len(x):
        raise DataError(f"neighbours must lie between 1 and {len(x) - 1}, one less than the points, got {neighbours}")
    found = NearestNeighbors(n_neighbors=neighbours).fit((x - x.mean(0)).numpy())
    near = torch.from_numpy(found.kneighbors(return_distance=False))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(x)))
    return MixingScore(_mixing(near, codes), _mixing(near, codes[order]), neighbours, len(x))


def _mixing(near: Tensor, codes: Tensor) -> float:
    other = (codes[near] != codes[:, None]).double().mean(dim=1)
    sizes = codes.bincount()
    within = torch.zeros(len(sizes), dtype=torch.float64).index_add_(0, codes, other) / sizes
    return float((within * (len(codes) - 1) / (len(codes) - sizes)).mean())

r"""The statistics network of mutual information backpropagation: bias codes C, a network T that scores pairs (c, z), and its bound.

The bounds are those of :mod:`lnl_core.information.estimators`. Here T is a network on the pair, as in the authors' code, so that a
batch gives B scores of pairs together and B of pairs apart instead of a matrix. The training is in
:mod:`lnl_core.methods.mi_backprop`.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lnl_core._random import seeded
from lnl_core.config import RunConfig
from lnl_core.datasets.container import BiasedImages, refuse_unlabelled
from lnl_core.errors import DataError
from lnl_core.information.estimators import club, donsker_varadhan, info_nce, moving_average_gain, nwj
from lnl_core.information.tables import entropy
from lnl_core.networks.parts import glorot

_LEVELS = 8
_LEAK = 0.2  # of the leaky ReLU, the default of the authors' library
_EMBEDDING = 32
_RATE = 0.01  # of the moving average, as in lnl_core.information.estimators


def bias_codes(data: BiasedImages) -> Tensor:
    """The bias of every image as a one-hot code, (N, D) float32, on the data's device.

    Where the bias is one label an image, D is the number of bias classes. Where it is painted, it is what the authors' code takes:
    the largest value of each colour channel over the pixels, in 8 levels, one-hot, D = 24.

    Raises:
        DataError: an image without a bias label, or painted images that do not have three channels.
    """
    if data._bias.ndim == 1:
        refuse_unlabelled(data)
        return F.one_hot(data.bias, data.bias_classes).float()
    if data.images.shape[1] != 3:
        raise DataError(f"painted images must have 3 channels, got {data.images.shape[1]}: give one bias label an image")
    levels = data.images.amax(dim=(2, 3)).long() // (256 // _LEVELS)
    return F.one_hot(levels, _LEVELS).flatten(1).float()


def code_entropy(codes: Tensor) -> float:
    """H(C) in nats of the codes of a data set, (N, D): no information about them can be larger."""
    counts = codes.unique(dim=0, return_counts=True)[1].cpu().numpy()
    return float(entropy(counts / counts.sum()))


def _layers(inputs: int, width: int, outputs: int) -> nn.Sequential:
    sizes = (inputs, width, width, width)
    hidden = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.LeakyReLU(_LEAK))]
    return nn.Sequential(*hidden, nn.Linear(width, outputs))


class StatisticsNetwork(nn.Module):
    """T: three hidden layers with leaky ReLU on [c, z], one score a pair.

    InfoNCE and CLUB need the scores of all B squared pairs of a batch. For InfoNCE T is the inner product of an embedding of c and
    one of z, for CLUB it is log q(c|z), a softmax in each block of the code.

    Args:
        code: length D of a code.
        blocks: ones in a code: 3 for colour levels, 1 for a label.
        features: length of z.
        estimator: one of :data:`lnl_core.information.estimators.BOUNDS`.
        width: of the hidden layers.
    """

    def __init__(self, code: int, blocks: int, features: int, estimator: str = "donsker_varadhan", width: int = 64) -> None:
        super().__init__()
        self.estimator, self.blocks = estimator, blocks
        if estimator == "info_nce":
            self.of_code, self.body = _layers(code, width, _EMBEDDING), _layers(features, width, _EMBEDDING)
        elif estimator == "club":
            self.body = _layers(features, width, code)
        else:
            self.body = _layers(code + features, width, 1)
        self.apply(glorot)

    def forward(self, codes: Tensor, z: Tensor, shuffle: Tensor) -> tuple[Tensor, Tensor | None]:
        """Codes (B, D), features (B, F) and an order (B,) -> what the bounds of :mod:`lnl_core.information.estimators` take.

        That is the scores (B,) of pairs together and of pairs apart, whose codes come in the order ``shuffle``; or for InfoNCE and
        CLUB a matrix (B, B), a row for each z, and nothing.
        """
        if self.estimator == "info_nce":
            return self.body(z) @ self.of_code(codes).T, None
        if self.estimator == "club":
            log_q = self.body(z).unflatten(1, (self.blocks, -1)).log_softmax(dim=2).flatten(1)
            return log_q @ codes.T, None
        together, apart = self.body(torch.cat([torch.cat([codes, codes[shuffle]]), torch.cat([z, z])], dim=1)).view(2, -1)
        return together, apart


def statistics_network(codes: Tensor, features: int, config: RunConfig) -> StatisticsNetwork:
    """The untrained T of a run, its weights drawn from the run's seed; the random state of the caller is left alone."""
    blocks = int(codes[0].sum())
    with seeded(config.seed):
        return StatisticsNetwork(codes.shape[1], blocks, features, config.estimator, config.statistics_width).to(codes.device)


_BOUNDS = {"donsker_varadhan": donsker_varadhan, "mine": donsker_varadhan, "nwj": nwj}


def information_bound(estimator: str, scores: Tensor, apart: Tensor | None) -> Tensor:
    """The estimate in nats, a scalar, from what :class:`StatisticsNetwork` returns: what f descends in its second step."""
    if apart is not None:
        return _BOUNDS[estimator](scores, apart)
    return club(scores) if estimator == "club" else info_nce(scores)


def information_gain(
    estimator: str, scores: Tensor, apart: Tensor | None, log_average: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """What T ascends: the bound; for CLUB the likelihood of q; for "mine" the one with the moving average, and the new average."""
    if estimator == "mine":
        return moving_average_gain(scores, log_average, _RATE, apart=apart)
    if estimator == "club":
        return scores.diagonal().mean(), None
    return information_bound(estimator, scores, apart), None

"""Last-layer retraining (Kirichenko et al. 2023, DFR): plain training, then the last layer of g alone on k unbiased images.

When the last epoch of plain training is over, f and all of g but its last layer stay, and the features before that layer are
computed once. The new layer is the logistic regression on them, with each feature scaled to deviation 1 and an L2 penalty that is
chosen on a half of the k images from a fit to the other half, then fitted to all. The authors fit an L1 penalty on several random
subsets and average. The k images are drawn by the seed from the unbiased ones that :func:`lnl_core.training.fit` is given.
"""

import logging
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor, nn

from lnl_core._arrays import exact
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import ConfigError, DataError
from lnl_core.methods.base import UNBIASED_TRAINING, Course, Method, Moves
from lnl_core.methods.hyperparameters import OF_IMAGES, UNBIASED_IMAGES
from lnl_core.methods.reweighing import Weighted
from lnl_core.networks.parts import LNLNetwork

if TYPE_CHECKING:
    from lnl_core.training.loop import Training

_log = logging.getLogger(__name__)
Array = npt.NDArray[np.float64]
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Of the squared weights, half of which is added to the mean cross-entropy; tried in this order, the first of the best is taken."""


def logistic_regression(x: Tensor, labels: Tensor, classes: int, penalty: float) -> tuple[Tensor, Tensor]:
    """Weights (classes, D) and intercepts (classes,) that minimise the mean cross-entropy plus penalty/2 times the squared weights.

    Args:
        x: (n, D) float64.
        labels: (n,) int64.
    """
    rows, targets = x.cpu().numpy(), F.one_hot(labels.cpu(), classes).double().numpy()

    def loss_and_gradient(flat: Array) -> tuple[float, Array]:
        table = flat.reshape(classes, -1)  # the intercept is the last column
        log_q = log_softmax(rows @ table[:, :-1].T + table[:, -1], axis=1)
        misses = (np.exp(log_q) - targets) / len(rows)
        slope = np.concatenate([misses.T @ rows + penalty * table[:, :-1], misses.sum(0)[:, None]], axis=1)
        return float(-(targets * log_q).sum() / len(rows) + penalty / 2 * (table[:, :-1] ** 2).sum()), slope.ravel()

    start = np.zeros(classes * (x.shape[1] + 1))
    found = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000, "ftol": 0.0, "gtol": 1e-6})
    table = torch.as_tensor(found.x).view(classes, -1).to(x.device)
    return table[:, :-1], table[:, -1]


def chosen_penalty(x: Tensor, labels: Tensor, classes: int) -> float:
    """The penalty whose fit to the first half of (n, D) names most of the second half."""
    half = len(x) // 2

    def right(penalty: float) -> float:
        weight, bias = logistic_regression(x[:half], labels[:half], classes, penalty)
        return float(((x[half:] @ weight.T + bias).argmax(1) == labels[half:]).double().mean())

    return max(PENALTIES, key=right)


def last_layer_of(network: LNLNetwork) -> nn.Linear:
    """The last linear layer of g.

    Raises:
        ConfigError: g does not end in one, or it has no intercepts.
    """
    *_, last = network.label_head.modules()
    if not isinstance(last, nn.Linear):
        raise ConfigError(f"last_layer retrains a linear layer, and g ends in {type(last).__name__}: let g end in nn.Linear")
    if last.bias is None:
        raise ConfigError("last_layer needs a last layer with intercepts: let g end in nn.Linear with bias=True")
    return last


@torch.no_grad()
def last_features(network: LNLNetwork, data: BiasedImages) -> Tensor:
    """What the last linear layer of g reads of each image, in evaluation mode; the network is left in the mode it was in.

    Returns:
        (N, D) float64 on the data's device, see :func:`lnl_core._arrays.exact`.

    Raises:
        ConfigError: see :func:`last_layer_of`.
    """
    layer, parts = last_layer_of(network), list[Tensor]()
    hook = layer.register_forward_pre_hook(lambda module, inputs: parts.append(exact(inputs[0])))
    was_training = network.training
    network.eval()
    for start in range(0, len(data), 512):
        network(data.batch(slice(start, start + 512)).images)
    hook.remove()
    network.train(was_training)
    return torch.cat(parts)


def solved_layer(features: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor, float]:
    """The layer that :func:`logistic_regression` finds on features scaled to deviation 1, written for the features as they are.

    Args:
        features: (n, D) float64.
        labels: (n,) int64.

    Returns:
        Weights (classes, D), intercepts (classes,), and the penalty, see :func:`chosen_penalty`.
    """
    mean, deviation, labels = features.mean(0), features.std(0).clamp(min=1e-6), labels.to(features.device)
    x = (features - mean) / deviation
    penalty = chosen_penalty(x, labels, classes)
    weight, bias = logistic_regression(x, labels, classes, penalty)
    return weight / deviation, bias - (weight / deviation) @ mean, penalty


@torch.no_grad()
def retrain_last_layer(network: LNLNetwork, data: BiasedImages) -> float:
    """Put the logistic regression on ``data`` in the place of the last layer of g, in place; the penalty that was chosen."""
    layer = last_layer_of(network)
    weight, bias, penalty = solved_layer(last_features(network, data), data.labels, layer.out_features)
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
    return penalty


class LastLayer(Weighted):
    """f and g descend L_c; then the last layer of g is solved for on unbiased images."""

    name = "last_layer"
    hyperparameters = (UNBIASED_IMAGES, *OF_IMAGES)
    must_know = (UNBIASED_TRAINING,)
    moves = (
        Moves("descends L_c", "descends L_c", "stays", "training"),
        Moves("stays", "its last layer descends L_c, unbiased", "stays", "retraining"),
    )

    def course(self, training: "Training") -> "LastLayerCourse":
        return LastLayerCourse(self, training)


class LastLayerCourse(Course):
    """``unbiased`` are the k images."""

    def __init__(self, method: Method, training: "Training") -> None:
        super().__init__(method, training)
        last_layer_of(training.network)
        k, given = training.config.unbiased_images, training.unbiased
        have = 0 if given is None else len(given)
        if given is None or have < k:
            raise DataError(f"last_layer needs {k} unbiased images and there are {have}: lower unbiased_images or give more")
        chosen = torch.randperm(have, generator=training.generator(840_000))[:k]
        self.unbiased = given.subset(chosen.to(given.device)).to(training.data.device)
        there = self.unbiased.labels.bincount(minlength=training.data.classes) > 0
        if int(there.sum()) < 2:
            raise DataError(f"last_layer drew {k} unbiased images of one label alone: raise unbiased_images or give images of more")
        if not bool(there.all()):
            absent = ", ".join(map(str, (~there).nonzero().flatten().tolist()))
            _log.warning("none of the %d unbiased images of last_layer has the label %s: it will hardly be answered", k, absent)

    def end_epoch(self, means: dict[str, float]) -> dict[str, float]:
        found = super().end_epoch(means)
        if self.training.epoch + 1 < self.training.config.epochs:
            return found
        return {**found, "penalty": retrain_last_layer(self.training.network, self.unbiased)}


LAST_LAYER = LastLayer()

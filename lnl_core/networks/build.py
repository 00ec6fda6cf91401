"""The network that a configuration names."""

from torch import nn

from lnl_core._random import seeded
from lnl_core.config import RunConfig
from lnl_core.datasets.census import PROTECTED, feature_names
from lnl_core.datasets.colored_mnist import COLOR_LEVELS
from lnl_core.datasets.faces import AGE_EDGES
from lnl_core.networks.census import census_network
from lnl_core.networks.digit import digit_network, ragonesi_network
from lnl_core.networks.faces import face_network
from lnl_core.networks.parts import BiasHeads, LNLNetwork, PixelBiasHead, VectorBiasHead, ending_in_a_vector
from lnl_core.networks.photographs import cartoon_network, resnet18_network


def build_network(config: RunConfig) -> LNLNetwork:
    """The untrained network of a run, its weights drawn from the run's seed; the random state of the caller is left alone."""
    with seeded(config.seed):
        network = _network(config)
    network.h_trained = False
    return network


def _network(config: RunConfig) -> LNLNetwork:
    gray = config.grayscale if config.method == "gray" else None
    if config.experiment == "jlu_faces":
        return face_network(grayscale=gray)
    if config.experiment == "census":
        name, protected = str(config.train_set), str(config.protected)
        return census_network(len(feature_names(name, protected)), 2, len(PROTECTED[name][protected].groups))
    if config.experiment in ("dogs_cats", "faces"):
        bias_classes, bias = (COLOR_LEVELS, "color") if config.experiment == "dogs_cats" else (2, "label")
        if config.learn == "gender":
            bias_classes = len(AGE_EDGES) - 1
        if config.network == "cartoon":
            network = cartoon_network(2, bias_classes, bias=bias, grayscale=gray)
        else:
            network = resnet18_network(2, bias_classes, bias=bias, weights=config.weights, grayscale=gray)
        if config.features == "vector":
            return ending_in_a_vector(network, lambda size: nn.Linear(size, bias_classes))
        return network
    if config.network == "ragonesi":
        return ragonesi_network(grayscale=gray)
    network = digit_network(grayscale=gray, extractor_convs=config.extractor_convs)
    if config.features == "vector":
        return ending_in_a_vector(network, VectorBiasHead)
    if config.adversaries > 1 or config.bias_given_label:  # f, g and the first head start as they would without the others
        heads = [network.bias_head, *(PixelBiasHead() for _ in range(config.adversaries - 1))]
        network.bias_head = BiasHeads(heads, labels=10 if config.bias_given_label else 0)
    return network

"""The baseline: f and g learn the label and know nothing of the bias; "gray" does so on grey images."""

import torch

from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch, BiasedImages, Features
from lnl_core.errors import ConfigError
from lnl_core.hyperparameters import HyperParameter
from lnl_core.losses import label_loss
from lnl_core.methods.base import Losses, Method, Moves
from lnl_core.methods.hyperparameters import GRAYSCALE, OF_IMAGES
from lnl_core.networks.parts import Grayscale, LNLNetwork


def baseline(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """f and g descend L_c; h stays."""
    label = label_loss(network(batch.images), batch.labels)
    label.backward()
    return {"label": label.detach()}


class Baseline(Method):
    """f and g descend L_c; h stays."""

    name = "baseline"
    hyperparameters: tuple[HyperParameter, ...] = OF_IMAGES
    moves = (Moves("descends L_c", "descends L_c", "stays"),)

    def step(self, network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
        return baseline(network, batch, config)


class Gray(Baseline):
    """The baseline with a network whose f begins by making the image grey."""

    name = "gray"
    hyperparameters = (GRAYSCALE, *OF_IMAGES)
    needs = frozenset({"images"})
    moves = (Moves("descends L_c, on grey images", "descends L_c", "stays"),)

    def check_network(self, network: LNLNetwork, data: BiasedImages, config: RunConfig) -> None:
        """Refuse an f that sees colour: it answers otherwise to an image than to the same one made grey.

        Of features that were computed earlier nobody can tell any more what they were computed from.
        """
        if isinstance(data, Features):
            return
        images = data.batch(slice(0, 16)).images
        was_training = network.training
        with torch.no_grad():
            seen = network.eval().extractor(torch.cat([images, Grayscale(config.grayscale).to(images.device)(images)]))
        network.train(was_training)
        as_they_are, grey = seen.chunk(2)
        if not torch.allclose(as_they_are, grey, rtol=1e-3, atol=1e-3 * float(grey.abs().max())):
            raise ConfigError(
                "the f of this network sees colours, so method 'gray' would train the baseline: let its extractor begin with "
                f"lnl_core.networks.Grayscale({config.grayscale!r}), as build_network does"
            )


BASELINE, GRAY = Baseline(), Gray()

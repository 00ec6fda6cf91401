"""The baseline: f and g learn the label and know nothing of the bias."""

from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch
from lnl_core.losses import (
    label_loss,
)
from lnl_core.methods._steps import Losses
from lnl_core.networks.parts import LNLNetwork


def baseline(network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
    """f and g descend L_c; h stays. Also the step of "gray", whose f begins by making the image grey."""
    label = label_loss(network(batch.images), batch.labels)
    label.backward()
    return {"label": label.detach()}

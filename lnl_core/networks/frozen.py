"""The first layers of a pretrained f that stay as they are, and their features: computed once and kept."""

import hashlib
import logging
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from lnl_core._files import write_atomically
from lnl_core.datasets.container import BiasedImages, Features
from lnl_core.datasets.readers.photographs import cache_folder
from lnl_core.errors import StorageError
from lnl_core.networks.parts import LNLNetwork

_log = logging.getLogger(__name__)
_BATCH = 64


class Frozen(nn.Module):
    """Layers whose weights no loss moves and whose batch normalisation always takes its stored mean and variance.

    So what they give for an image never changes, and need not be computed twice: :func:`with_features`.

    Args:
        layers: from images (B, 3, S, S) to feature maps (B, C, P, P).

    Attributes:
        channels: C.
    """

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers.requires_grad_(False).eval()
        with torch.no_grad():
            self.channels = int(layers(torch.zeros(1, 3, 64, 64)).shape[1])

    def train(self, mode: bool = True) -> "Frozen":
        """Stays in evaluation mode."""
        super().train(mode)
        self.layers.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S), or rows (B, C P P) of what this gave for them earlier, to feature maps (B, C, P, P)."""
        if images.ndim == 2:
            places = math.isqrt(images.shape[1] // self.channels)
            return images.view(len(images), self.channels, places, places)
        with torch.no_grad():
            features: Tensor = self.layers(images)
        return features

    def key(self, images: Tensor) -> str:
        """32 hex digits that name what these layers give for (N, 3, S, S) uint8 images: a hash of layers, weights and images."""
        digest = hashlib.sha256(f"{self.layers} {tuple(images.shape)}".encode())
        for value in [*self.layers.state_dict().values(), images]:
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:32]


def frozen_part(network: LNLNetwork) -> Frozen | None:
    """What f begins with, if that is :class:`Frozen`."""
    first = next(network.extractor.children(), None)
    return first if isinstance(first, Frozen) else None


def with_features(network: LNLNetwork, data: BiasedImages, cache_dir: Path | str | None = None) -> BiasedImages:
    """The data with the features of the frozen part of f in the place of the images, for the same network; else the data.

    The features are computed in float32, and kept in a file named by :meth:`Frozen.key`. Where none can be written, a warning says
    so.

    Args:
        network: on the device of the data.
        data: images (N, 3, S, S).
        cache_dir: see :func:`lnl_core.datasets.readers.photographs.cache_folder`.

    Returns:
        :class:`lnl_core.datasets.container.Features` of shape (N, C P P); ``data`` itself where f has no frozen part, or where they
        are features already.
    """
    frozen = frozen_part(network)
    if frozen is None or isinstance(data, Features):
        return data
    path = cache_folder(cache_dir) / f"features-{frozen.key(data.images)}.safetensors"
    found = _kept(path, len(data))
    if found is None:
        rows = [frozen(data.batch(slice(start, start + _BATCH)).images).flatten(1) for start in range(0, len(data), _BATCH)]
        found = torch.cat(rows)
        _keep(path, found)
    return Features(
        found.to(data.device),
        data.labels,
        data._bias,
        data.group,
        data.color,
        source=data.source,
        classes=data.classes,
        bias_classes=data.bias_classes,
    )


def _kept(path: Path, count: int) -> Tensor | None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        features = load_file(path)["features"]
    except (OSError, KeyError, SafetensorError):
        return None
    return features if len(features) == count else None


def _keep(path: Path, features: Tensor) -> None:
    from safetensors.torch import save_file

    try:
        write_atomically(path, lambda temporary: save_file({"features": features.cpu().contiguous()}, str(temporary)))
    except (OSError, StorageError) as error:
        _log.warning("the features of the frozen layers cannot be kept in %s (%s): set LNL_CACHE_DIR", path.parent, error)

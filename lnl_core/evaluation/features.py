"""A network's answers over a data set, batch by batch, and its features: what every other measure begins with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lnl_core._arrays import described, tensor_of
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import DataError
from lnl_core.networks.parts import LNLNetwork

_BATCH = 500


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """A block in evaluation mode; then each part is in the mode that it was in, for networks may share parts."""
    modes = [(part, part.training) for part in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


@torch.no_grad()
def _over_batches(network: nn.Module, compute: Any, data: BiasedImages, limit: int | None = None) -> Tensor:
    device = _device(network)
    size = len(data) if limit is None else min(limit, len(data))
    parts = []
    with _evaluating(network):
        for start in range(0, size, _BATCH):
            batch = data.batch(slice(start, min(start + _BATCH, size)))
            parts.append(compute(batch.images.to(device)).cpu())
    return torch.cat(parts)


def embeddings(network: LNLNetwork, data: BiasedImages, limit: int | None = None) -> Tensor:
    """The features f(x), flattened: (N, D) float32 on the CPU.

    Args:
        limit: only the first so many images; 10,000 digits take 250 MB.
    """
    return feature_maps(network, data, limit).flatten(1)


def feature_maps(network: LNLNetwork, data: BiasedImages, limit: int | None = None) -> Tensor:
    """The features f(x) in their own shape: (N, C, H, W) float32 on the CPU for the digit network."""
    return _over_batches(network, lambda images: network.extractor(images).float(), data, limit)


def background_places(images: Tensor, shape: tuple[int, int]) -> Tensor:
    """Where the stroke is not: ``(N, *shape)`` bool, True where every channel is 0 at the pixel that stands for the place.

    Args:
        images: (N, C, H, W) uint8, H and W being multiples of ``shape``.
    """
    if images.ndim != 4:
        raise DataError(f"images must be of shape (N, C, H, W), got {described(images)}")
    step = images.shape[2] // shape[0]
    small = images[:, :, step // 2 :: step, step // 2 :: step]
    return (small == 0).all(dim=1)


def refuse_infinite(values: Tensor, subject: str = "the embeddings hold") -> None:
    """Raise a :class:`DataError` if a value is not finite: nothing that is read from it means anything.

    Args:
        values: of any shape.
        subject: how the sentence begins.
    """
    if not values.sum().isfinite() and not values.isfinite().all():  # the sum takes a tenth of the time, and may overflow
        raise DataError(f"{subject} NaN or infinite values: the network that made them has diverged")


def pool_places(features: Tensor, where: Tensor) -> Tensor:
    """The mean of a feature map over some places of each image, such as its background.

    Args:
        features: (N, C, H, W).
        where: (N, H, W) bool; an image without such places gets zeros.

    Returns:
        (N, C) float32.
    """
    features, where = tensor_of("features", features), tensor_of("where", where)
    if features.ndim != 4 or where.shape != features.shape[:1] + features.shape[2:]:
        got = f"{described(features)} and {described(where)}"
        raise DataError(f"features must be of shape (N, C, H, W) and where of shape (N, H, W), got {got}")
    chosen = where.unsqueeze(1).to(features.dtype)
    pooled: Tensor = ((features * chosen).sum(dim=(2, 3)) / chosen.sum(dim=(2, 3)).clamp(min=1)).float()
    return pooled

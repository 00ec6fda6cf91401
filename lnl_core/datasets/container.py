"""The container that every data set ends in: images x, labels y, bias labels b, and the group that planted the bias."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lnl_core.errors import DataError

IGNORE = 255
"""The bias label of a place that has none, such as background; every bias loss leaves it out."""


@dataclass
class Batch:
    """What one training step sees: ``images`` (B, C, H, W) float in [0, 1], ``labels`` (B,), ``bias`` (B, ...) int64.

    Of a table ``images`` are its features (B, D) as they are.

    ``log_prior`` (B, classes), what the bias alone says of the label, is there for the method "bias_balanced" only.
    """

    images: Tensor
    labels: Tensor
    bias: Tensor
    log_prior: Tensor | None = None


class BiasedImages:
    """Images with a label to learn and a bias not to learn. All tensors live on one device.

    Args:
        images: (N, C, H, W) uint8; or a table of features (N, D) float32, all finite, in the place of images.
        labels: (N,) int64 class labels, counted from 0.
        bias: (N, ...) whole numbers in 0..bias_classes-1, one label an image (N,) or one a place, such as (N, 3, 14, 14);
            255 means "no label here".
        group: (N,) int64, which of a few kinds of bias the image was given; evaluation and probes use it, training never.
        color: (N, 3) float32 in [0, 1], the colour an image was painted with; ``None`` where the bias is not a colour.
        source: where the images come from, one word, for the record.
        bias_classes: number of bias classes K.

    Raises:
        DataError: if lengths differ, ``images`` is neither uint8 nor a finite table, or a label is out of range.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        bias: Tensor,
        group: Tensor,
        color: Tensor | None = None,
        *,
        source: str = "user",
        classes: int = 10,
        bias_classes: int = 8,
    ) -> None:
        table = images.ndim == 2 and images.dtype == torch.float32
        if table and not torch.isfinite(images).all():
            raise DataError("the table of features holds NaN or infinite values: mend or leave out these rows")
        if not table and (images.ndim != 4 or images.dtype != torch.uint8):
            raise DataError(f"images must be uint8 of shape (N, C, H, W), got {images.dtype} of shape {tuple(images.shape)}")
        for name, tensor in (("labels", labels), ("bias", bias), ("group", group), ("color", color)):
            if tensor is not None and len(tensor) != len(images):
                raise DataError(f"{name} must have one entry an image: expected {len(images)}, got {len(tensor)}")
        if not 1 <= bias_classes <= IGNORE:
            raise DataError(f"bias_classes must lie between 1 and {IGNORE}, got {bias_classes}")
        if len(images) == 0:
            raise DataError("the data set is empty: there is nothing to learn from")
        _check_range("labels", labels, classes)
        _check_range("group", group, None)
        _check_range("bias", bias, bias_classes, ignore=True)
        self.images = images
        self.labels = labels.long()
        # Bias maps are the largest integers here; kept in one byte a place, handed out as int64.
        self._bias = bias if bias.dtype == torch.uint8 else bias.to(torch.uint8)
        self.group = group.long()
        self.color = color
        self.source = source
        self.classes = classes
        self.bias_classes = bias_classes

    @property
    def bias(self) -> Tensor:
        """(N, ...) int64 bias labels in 0..K-1, with 255 where there is none."""
        return self._bias.long()

    @property
    def device(self) -> torch.device:
        return self.images.device

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"BiasedImages({len(self):,} images {tuple(self.images.shape[1:])}, source {self.source!r}, on {self.device})"

    def batch(self, index: Tensor | slice, *, channels_last: bool = False) -> Batch:
        """The examples at ``index`` with their images as float32 in [0, 1]; features of a table as they are."""
        images = self.images[index]
        if images.is_floating_point():
            return Batch(images, self.labels[index], self._bias[index].long())
        images = images.to(torch.float32, memory_format=torch.channels_last if channels_last else torch.preserve_format)
        return Batch(images.div_(255), self.labels[index], self._bias[index].long())

    def _with(self, images: Tensor, index: Tensor | slice | None = None) -> "BiasedImages":
        keep = slice(None) if index is None else index
        return BiasedImages(
            images,
            self.labels[keep],
            self._bias[keep],
            self.group[keep],
            None if self.color is None else self.color[keep],
            source=self.source,
            classes=self.classes,
            bias_classes=self.bias_classes,
        )

    def subset(self, index: Tensor | slice) -> "BiasedImages":
        """The examples at ``index`` as a data set of their own."""
        return self._with(self.images[index], index)

    def to(self, device: torch.device | str) -> "BiasedImages":
        """The same data on another device."""
        moved = self._with(self.images.to(device))
        moved.labels, moved._bias, moved.group = self.labels.to(device), self._bias.to(device), self.group.to(device)
        moved.color = None if self.color is None else self.color.to(device)
        return moved


def _check_range(name: str, values: Tensor, classes: int | None, *, ignore: bool = False) -> None:
    if values.is_floating_point() or values.dtype == torch.bool:
        raise DataError(f"{name} must be whole numbers, got {values.dtype}")
    low, high = int(values.min()), int(values.max())
    if ignore and high >= (classes or 0):
        kept = values[values != IGNORE]
        high = int(kept.max()) if len(kept) else 0
    if low < 0 or (classes is not None and high >= classes):
        limit = "" if classes is None else f"..{classes - 1}"
        raise DataError(f"{name} out of range: expected 0{limit}, got values from {low} to {high}")

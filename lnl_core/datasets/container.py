"""The container that every data set ends in: images x, labels y, bias labels b, and the group that planted the bias."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lnl_core._arrays import described, tensor_of, whole_numbers
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

    Arrays may be tensors, numpy arrays or lists; a column (N, 1) of labels is taken for (N,).

    Args:
        images: (N, C, H, W) uint8; or a table of features (N, D) of floats, all finite, in the place of images, kept as float32.
        labels: (N,) whole numbers, class labels counted from 0.
        bias: (N, ...) whole numbers in 0..bias_classes-1, one label an image (N,) or one a place, such as (N, 3, 14, 14);
            255 means "no label here".
        group: (N,) whole numbers from 0, which of a few kinds of bias the image was given; evaluation and probes use it, and
            of the methods "bias_balanced" alone, where there is no ``color``.
        color: (N, 3) floats in [0, 1], the colour an image was painted with; ``None`` where the bias is not a colour.
        source: where the images come from, one word, for the record.
        bias_classes: number of bias classes K.

    Raises:
        DataError: another type or shape than these, lengths that differ, a table that is not finite, or a label out of range.
    """

    def __init__(
        self,
        images: Tensor | NDArray[np.generic],
        labels: Tensor | ArrayLike,
        bias: Tensor | ArrayLike,
        group: Tensor | ArrayLike,
        color: Tensor | ArrayLike | None = None,
        *,
        source: str = "user",
        classes: int = 10,
        bias_classes: int = 8,
    ) -> None:
        images = _images(images)
        labels, group = (_one_each(name, values, len(images)) for name, values in (("labels", labels), ("group", group)))
        bias = _one_each("bias", bias, len(images), places=True)
        color = None if color is None else _colors(color, len(images))
        for name, count in (("classes", classes), ("bias_classes", bias_classes)):
            if isinstance(count, bool) or not isinstance(count, int | np.integer):
                raise DataError(f"{name} must be a whole number, got {count!r}")
        if not 1 <= bias_classes <= IGNORE:
            raise DataError(f"bias_classes must lie between 1 and {IGNORE}, got {bias_classes}")
        if len(images) == 0:
            raise DataError("the data set is empty: there is nothing to learn from")
        _check_range("labels", labels, classes)
        _check_range("group", group, None)
        _check_range("bias", bias, bias_classes, ignore=True)
        self.images = images
        self.labels = labels
        # Bias maps are the largest integers here; kept in one byte a place, handed out as int64.
        self._bias = bias if bias.dtype == torch.uint8 else bias.to(torch.uint8)
        self.group = group
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
        return type(self)(
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


class Features(BiasedImages):
    """A table (N, D) of what the frozen first layers of a network gave for images, see :mod:`lnl_core.networks.frozen`."""


def refuse_unlabelled(data: BiasedImages) -> None:
    """Raise a :class:`DataError` if an image has no bias label, for methods that need one for every image."""
    without = int((data._bias == IGNORE).flatten(1).any(1).sum()) if data._bias.ndim > 1 else int((data._bias == IGNORE).sum())
    if without:
        raise DataError(f"{without} of {len(data)} images have no bias label, and the method needs one for each: leave them out")


_CHANNELS = (1, 3, 4)


def _images(values: Tensor | NDArray[np.generic]) -> Tensor:
    """uint8 images (N, C, H, W), or a finite float32 table (N, D)."""
    wanted = "uint8 of shape (N, C, H, W), or a table of floats of shape (N, D)"
    images = tensor_of("images", values, wanted)
    if images.ndim == 2 and images.is_floating_point():
        table = images.float()
        if not torch.isfinite(table).all():
            raise DataError("the table of features holds NaN or infinite values: mend or leave out these rows")
        return table
    hint = ""
    if images.ndim == 4 and images.shape[3] in _CHANNELS and images.shape[1] not in _CHANNELS:
        hint = ": these are (N, H, W, C), use images.transpose(0, 3, 1, 2), or permute of a tensor"
    elif images.ndim == 4 and images.dtype == torch.uint8:
        return images
    elif images.ndim == 4:
        hint = ": convert levels of 0 to 255 to uint8, and multiply what lies between 0 and 1 by 255 first"
    elif images.ndim == 3:
        hint = ": give grey images one channel with images[:, None], and a single image images[None]"
    elif images.ndim == 2:
        hint = ": convert the features of a table to floats, and give images their height and width"
    raise DataError(f"images must be {wanted}, got {described(images)}{hint}")


def _one_each(name: str, values: Tensor | ArrayLike, count: int, *, places: bool = False) -> Tensor:
    """Whole numbers (count,), or of ``places`` (count, ...); bytes stay bytes there."""
    wanted = "whole numbers, one an image" + (" or one a place, of shape (N, ...)" if places else ", of shape (N,)")
    tensor = tensor_of(name, values, wanted)
    tensor = tensor if places and tensor.dtype == torch.uint8 else whole_numbers(name, tensor, wanted)
    tensor = tensor[:, 0] if tensor.ndim == 2 and tensor.shape[1] == 1 else tensor
    if tensor.ndim < 1 or (tensor.ndim > 1 and not places):
        raise DataError(f"{name} must be {wanted}, got {described(tensor)}")
    _check_length(name, tensor, count)
    return tensor


def _colors(values: Tensor | ArrayLike, count: int) -> Tensor:
    wanted = "numbers in [0, 1] of shape (N, 3), one colour an image"
    color = tensor_of("color", values, wanted)
    if color.ndim != 2 or color.shape[1] != 3:
        raise DataError(f"color must be {wanted}, got {described(color)}")
    _check_length("color", color, count)
    if not ((color >= 0) & (color <= 1)).all():
        raise DataError(f"color must be {wanted}, got values from {float(color.min()):g} to {float(color.max()):g}")
    return color.float()


def _check_length(name: str, values: Tensor, count: int) -> None:
    if len(values) != count:
        raise DataError(f"{name} must have one entry an image: expected {count}, got {len(values)}")


def _check_range(name: str, values: Tensor, classes: int | None, *, ignore: bool = False) -> None:
    low, high = int(values.min()), int(values.max())
    if ignore and high >= (classes or 0):
        kept = values[values != IGNORE]
        high = int(kept.max()) if len(kept) else 0
    if low < 0 or (classes is not None and high >= classes):
        limit = "" if classes is None else f"..{classes - 1}"
        raise DataError(f"{name} out of range: expected 0{limit}, got values from {low} to {high}")

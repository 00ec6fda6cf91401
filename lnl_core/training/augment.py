"""Random maps of the images, affine and elastic, on their device and as one operation a batch: more shapes, no new colour.

Digits stand on a background of 0 and are never mirrored; photographs are mirrored half of the time and continue beyond their edge.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lnl_core.config import RunConfig
from lnl_core.datasets.colored_mnist import COLOR_LEVELS
from lnl_core.datasets.container import Batch, BiasedImages
from lnl_core.datasets.readers.photographs import color_levels
from lnl_core.errors import ConfigError
from lnl_core.methods.base import value_of
from lnl_core.methods.hyperparameters import AUGMENT, ELASTIC

ROTATION, SCALE, SHEAR, SHIFT = math.radians(15), 0.12, 0.15, 2.0 / 14
"""The largest change at strength 1: radians, relative, tangent, and half image widths (2 pixels of 28)."""


_COARSE = 5
"""Elastic maps move the points of a grid of 5 x 5; between them the displacement is interpolated bicubically."""


def random_maps(images: Tensor, strength: float, generator: torch.Generator, elastic: float = 0.0) -> Tensor:
    """Move each image by its own random amounts; what comes in from outside is 0, as the background is.

    Args:
        images: (B, C, H, W) float.
        strength: 1 for the full ranges of :data:`ROTATION`, :data:`SCALE`, :data:`SHEAR` and :data:`SHIFT`, 0 for none.
        generator: a CPU generator, so the amounts are the same on every device.
        elastic: standard deviation of the elastic displacements, in half image widths; 0 for none.

    Returns:
        (B, C, H, W), bilinear between pixels.
    """
    return move(images, random_amounts(len(images), strength, generator, elastic))


def random_amounts(size: int, strength: float, generator: torch.Generator, elastic: float = 0.0) -> Tensor:
    """(B, 5) or, with elastic maps, (B, 55) on the CPU: how much to turn, scale, shear and shift (right, down) each of B images,
    and by how much each point of a coarse grid is displaced (25 to the right, 25 down)."""
    amounts = (torch.rand(size, 5, generator=generator) * 2 - 1) * strength
    amounts = amounts * torch.tensor([ROTATION, SCALE, SHEAR, SHIFT, SHIFT])
    if not elastic:
        return amounts
    return torch.cat([amounts, elastic * torch.randn(size, 2 * _COARSE**2, generator=generator)], dim=1)


def random_photographs(images: Tensor, strength: float, generator: torch.Generator, elastic: float = 0.0) -> Tensor:
    """:func:`random_maps` for photographs: half of them also mirrored, and beyond the edge their reflection."""
    amounts = random_amounts(len(images), strength, generator, elastic)
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    images = torch.where(mirrored.to(images.device).view(-1, 1, 1, 1), images.flip(3), images)
    return move(images, amounts, beyond="reflection")


def move(images: Tensor, amounts: Tensor, beyond: str = "zeros") -> Tensor:
    """Move images (B, C, H, W) by the given :func:`random_amounts`; ``beyond`` is grid_sample's padding_mode."""
    amounts = amounts.to(images)
    angle, scale, shear, right, down = amounts[:, :5].unbind(1)
    cosine, sine = torch.cos(angle) / (1 + scale), torch.sin(angle) / (1 + scale)
    rows = torch.stack([cosine, shear - sine, right, sine, cosine, down], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(rows, list(images.shape), align_corners=False)
    if amounts.shape[1] > 5:
        coarse = amounts[:, 5:].view(-1, 2, _COARSE, _COARSE)
        field = F.interpolate(coarse, size=images.shape[2:], mode="bicubic", align_corners=True)
        grid = grid + field.permute(0, 2, 3, 1)
    return F.grid_sample(images, grid, padding_mode=beyond, align_corners=False)


def on_black(data: BiasedImages) -> bool:
    """Whether the images stand on a background of 0 that reaches their border, as digits do and photographs do not.

    Decided by most of the first 256 images.
    """
    some = data.images[:256]
    if some.ndim < 4:
        return False
    border = torch.cat([some[:, :, 0], some[:, :, -1], some[..., 0], some[..., -1]], dim=2)
    return bool((border.flatten(1) == 0).all(dim=1).float().mean() > 0.5)


def labels_are_colors(data: BiasedImages) -> bool:
    """Whether the labels at each place are the colour levels of the images there, so that they can be read again from moved ones.

    Decided by the first 256 images.

    Raises:
        ConfigError: labels at each place that are something else and differ from place to place: nobody can say where they move to.
    """
    some, bias = data.images[:256], data._bias[:256]
    if some.ndim < 4 or bias.ndim < 4 or (bias == bias[..., :1, :1]).all():
        return False
    if torch.equal(color_levels(some, bias.shape[-1], COLOR_LEVELS).to(bias), bias):
        return True
    raise ConfigError(
        "augment and elastic move the images and not their bias labels at each place: leave them out, or label all places of an "
        "image alike"
    )


def augment(batch: Batch, config: RunConfig, generator: torch.Generator, *, black: bool, colors: bool) -> None:
    """Give a batch other shapes, in place.

    Args:
        black: see :func:`on_black`: these are neither mirrored nor continued beyond their edge, and their labels stay.
        colors: see :func:`labels_are_colors`: these labels are read again from the moved images, others stay.
    """
    strength, elastic = value_of(config, AUGMENT), value_of(config, ELASTIC)
    images = (random_maps if black else random_photographs)(batch.images, strength, generator, elastic)
    # grid_sample forgets the memory layout on a CPU, and all layers would follow it.
    batch.images = images.contiguous(memory_format=torch.channels_last) if config.channels_last else images
    if colors:
        batch.bias = color_levels(batch.images.mul(255).round().to(torch.uint8), batch.bias.shape[-1], COLOR_LEVELS).long()

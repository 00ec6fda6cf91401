"""Random affine maps of the images, on their device and as one operation a batch: more shapes, no new colour.

Digits stand on a background of 0 and are never mirrored; photographs are mirrored half of the time and continue beyond their edge.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

ROTATION, SCALE, SHEAR, SHIFT = math.radians(15), 0.12, 0.15, 2.0 / 14
"""The largest change at strength 1: radians, relative, tangent, and half image widths (2 pixels of 28)."""


def random_affine(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Turn, scale, shear and shift each image by its own random amounts; what comes in from outside is 0, as the background is.

    Args:
        images: (B, C, H, W) float.
        strength: 1 for the full ranges of :data:`ROTATION`, :data:`SCALE`, :data:`SHEAR` and :data:`SHIFT`, 0 for none.
        generator: a CPU generator, so the amounts are the same on every device.

    Returns:
        (B, C, H, W), bilinear between pixels.
    """
    return affine(images, random_amounts(len(images), strength, generator))


def random_amounts(size: int, strength: float, generator: torch.Generator) -> Tensor:
    """(B, 5) on the CPU: by how much :func:`random_affine` turns, scales, shears and shifts (right, down) each of B images."""
    amounts = (torch.rand(size, 5, generator=generator) * 2 - 1) * strength
    return amounts * torch.tensor([ROTATION, SCALE, SHEAR, SHIFT, SHIFT])


def random_photographs(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """:func:`random_affine` for photographs: half of them also mirrored, and beyond the edge their reflection."""
    amounts = random_amounts(len(images), strength, generator)
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    images = torch.where(mirrored.to(images.device).view(-1, 1, 1, 1), images.flip(3), images)
    return affine(images, amounts, beyond="reflection")


def affine(images: Tensor, amounts: Tensor, beyond: str = "zeros") -> Tensor:
    """Turn, scale, shear and shift images (B, C, H, W) by the given amounts (B, 5); ``beyond`` is grid_sample's padding_mode."""
    angle, scale, shear, right, down = amounts.to(images).unbind(1)
    cosine, sine = torch.cos(angle) / (1 + scale), torch.sin(angle) / (1 + scale)
    rows = torch.stack([cosine, shear - sine, right, sine, cosine, down], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(rows, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode=beyond, align_corners=False)

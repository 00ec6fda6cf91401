"""Drawing with signed distances on a grid: many images at once, any size, no image library.

Coordinates run from -1 to 1 over the image, x to the right and y down; a :class:`Frame` is such a system moved, scaled and turned
with the thing that is drawn. A shape is a signed distance (negative inside) or directly its coverage of each pixel, 0 to 1, from
which edges are smooth at any size. Everything random comes from one generator in blocks of :data:`BLOCK` images, so the same seed
draws the same scenes at every size, and a table cut short gives the same images, cut short.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lnl_core.errors import ConfigError

BLOCK = 32
"""Images drawn together; a block of 64-pixel fields stays in the processor's cache."""
SMALLEST = 32

Number = float | Tensor


class Draws:
    """Random numbers for one block, each (B, 1, 1) so that it meets a field (B, S, S)."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def uniform(self, low: Number, high: Number) -> Tensor:
        return low + (high - low) * torch.rand(BLOCK, 1, 1, generator=self.generator)

    def normal(self, mean: Number, deviation: float) -> Tensor:
        """Normal, cut at two and a half deviations so that no picture falls apart."""
        return mean + deviation * torch.randn(BLOCK, 1, 1, generator=self.generator).clamp(-2.5, 2.5)

    def chance(self, probability: Number) -> Tensor:
        """1.0 with ``probability``, else 0.0."""
        return (torch.rand(BLOCK, 1, 1, generator=self.generator) < probability).float()

    def field(self, size: int, cells: int) -> Tensor:
        """A smooth random field (B, S, S), about -1 to 1, of ``cells`` bumps a side."""
        coarse = torch.rand(BLOCK, 1, cells, cells, generator=self.generator) * 2 - 1
        return F.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=True)[:, 0]


def rgb(red: Number, green: Number, blue: Number) -> Tensor:
    """One colour an image, (B, 3, 1, 1)."""
    parts = [torch.as_tensor(part, dtype=torch.float32).expand(BLOCK, 1, 1) for part in (red, green, blue)]
    return torch.stack(parts, dim=1).clamp(0, 1)


def mix(first: Tensor, second: Tensor, share: Number) -> Tensor:
    """Colours (B, 3, 1, 1): ``share`` of the second."""
    return first + (second - first) * (share[:, None] if isinstance(share, Tensor) else share)


@dataclass
class Frame:
    """Coordinates u (right) and v (down) of every pixel, (B, S, S), in the units of the thing drawn; ``pixel`` is one's width."""

    u: Tensor
    v: Tensor
    pixel: Tensor

    def inner(self, x: Number, y: Number, angle: Tensor) -> "Frame":
        """The same scale around (x, y), turned by ``angle`` (radians)."""
        du, dv = self.u - x, self.v - y
        cos, sin = angle.cos(), angle.sin()
        return Frame(cos * du + sin * dv, cos * dv - sin * du, self.pixel)

    def mirrored(self) -> "Frame":
        """The right half twice: what is drawn at u > 0 appears on both sides."""
        return Frame(self.u.abs(), self.v, self.pixel)

    def cover(self, distance: Tensor) -> Tensor:
        """Coverage of each pixel by what lies at negative distance."""
        return (0.5 - distance / self.pixel).clamp(0, 1)

    def ellipse(self, x: Number, y: Number, width: Number, height: Number) -> Tensor:
        """Signed distance (to first order) to an ellipse of half axes ``width`` and ``height``."""
        du, dv = (self.u - x) / width, (self.v - y) / height
        level = du.square() + dv.square() - 1
        slope = ((du / width).square() + (dv / height).square()).sqrt()
        return level / slope.clamp_(min=1e-6).mul_(2)

    def spike(self, x: Number, base: Number, width: Number, height: Number, lean: Number) -> Tensor:
        """Signed distance, roughly, to a triangle that stands on (x, base) with half width ``width`` and leans by ``lean``."""
        up = (base - self.v) / height
        side = (self.u - x - lean * up).abs() - width * (1 - up)
        return torch.maximum(side * 0.9, self.v - base)

    def stroke(self, x: Number, y: Number, reach: Number, thickness: Number, curve: Number = 0.0, slope: Number = 0.0) -> Tensor:
        """Coverage of a line through (x, y), ``reach`` to both sides, that bends as ``curve`` (u - x)^2 and rises as ``slope``."""
        along = self.u - x
        across = (self.v - y - curve * along.square() - slope * along).abs()
        # A line thinner than a pixel covers only a share of it.
        thin = (2 * torch.as_tensor(thickness) / self.pixel).clamp(max=1)
        return self.cover(across - thickness).mul_(thin).mul_(self.cover(along.abs() - reach))


class Canvas:
    """B images (B, 3, S, S) in [0, 1] that are painted over, layer after layer."""

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self.size = images.shape[3]

    def frame(self, x: Tensor, y: Tensor, scale: Tensor, angle: Tensor) -> Frame:
        """A frame around (x, y), ``scale`` times as large as the image, turned by ``angle`` (radians)."""
        axis = (torch.arange(self.size) + 0.5) * (2 / self.size) - 1
        across, down = axis.view(1, 1, -1) / scale, axis.view(1, -1, 1) / scale
        return Frame(across, down, 2 / (self.size * scale)).inner(x / scale, y / scale, angle)

    def band(self, frame: Frame, top: float, bottom: float) -> tuple["Canvas", Frame]:
        """Only the rows of pixels that hold ``top`` < v < ``bottom`` in some image of the block: small things cost less there."""
        edge = self.size // 8
        middle = frame.v[:, :, edge : self.size - edge]
        rows = ((middle.amin(dim=(0, 2)) < bottom) & (middle.amax(dim=(0, 2)) > top)).nonzero()[:, 0]
        part = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)
        return Canvas(self.images[:, :, part]), Frame(frame.u[:, part], frame.v[:, part], frame.pixel)

    def paint(self, coverage: Tensor, color: Tensor) -> None:
        """Lay ``color`` (B, 3, 1, 1) or (B, 3, S, S) over the images where ``coverage`` (B, S, S) is."""
        self.images.lerp_(color, coverage[:, None])

    def outlined(self, frame: Frame, distance: Tensor, color: Tensor, line: Tensor, width: Number = 0.022) -> None:
        """Fill a shape and draw its outline, ``width`` to the outside."""
        self.paint(frame.cover(distance - width), line)
        self.paint(frame.cover(distance), color)

    def pixels(self) -> Tensor:
        """(B, 3, S, S) uint8."""
        return self.images.clamp(0, 1).mul_(255).round_().to(torch.uint8)


def wall(draw: Draws, size: int) -> Tensor:
    """Backgrounds (B, 3, S, S): a colour with a slope of light and soft blotches, whatever the label."""
    level = draw.uniform(0.38, 0.72)
    color = rgb(*(level + draw.uniform(-0.17, 0.17) for _ in range(3)))
    axis = torch.linspace(-1, 1, size)
    slope = draw.uniform(-0.1, 0.1) * axis.view(1, 1, size) + draw.uniform(-0.1, 0.1) * axis.view(1, size, 1)
    light = slope + draw.uniform(0.0, 0.12) * draw.field(size, 5)
    return color + light[:, None]


def draw_blocks(block: Callable[[Draws, int, list[Tensor]], Tensor], columns: list[Tensor], size: int, seed: list[int]) -> Tensor:
    """Draw as many images as the columns are long, block after block.

    Args:
        block: draws (B, 3, S, S) uint8 from the random numbers, the size, and a (B, 1, 1) float32 of each column.
        columns: what the images show, (N,) each.
        size: pixels a side.
        seed: whole numbers of at least 0 that name the set.

    Returns:
        (N, 3, S, S) uint8.

    Raises:
        ConfigError: if the size is no whole number of at least 32.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < SMALLEST:
        raise ConfigError(f"size must be a whole number of at least {SMALLEST} pixels, got {size!r}")
    count = len(columns[0])
    images = torch.empty(count, 3, size, size, dtype=torch.uint8)
    draw = Draws(torch.Generator().manual_seed(_joined(seed)))
    for start in range(0, count, BLOCK):
        number = min(BLOCK, count - start)
        # A last block is drawn in full as well and then cut, so that its random numbers are those of a longer set.
        padded = [F.pad(column[start : start + number].float(), (0, BLOCK - number)).view(-1, 1, 1) for column in columns]
        images[start : start + number] = block(draw, size, padded)[:number]
    return images


def _joined(seed: list[int]) -> int:
    """One seed from several whole numbers, as good as any for each of them."""
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> np.uint64(1))

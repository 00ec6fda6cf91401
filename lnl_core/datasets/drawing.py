"""Cartoon animals and faces drawn with signed distances on a grid: many images at once, any size, no image library.

Coordinates run from -1 to 1 over the image, x to the right and y down; a :class:`Frame` is such a system moved, scaled and turned
with the thing that is drawn. A shape is a signed distance (negative inside) or directly its coverage of each pixel, 0 to 1, from
which edges are smooth at any size. Everything random comes from one generator in blocks of :data:`BLOCK` images, so the same seed
draws the same scenes at every size, and the first images of a larger set are those of a smaller one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

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
    """Coordinates u (right) and v (down) of every pixel, (B, S, S), in the units of the thing drawn; ``pixel`` (B, 1, 1) is a pixel's
    width in these units."""

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
        root = (du.square() + dv.square()).sqrt()
        slope = ((du / width).square() + (dv / height).square()).sqrt()
        return root * (root - 1) / slope.clamp_(min=1e-6)

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

    def __init__(self, size: int, background: Tensor) -> None:
        self.size = size
        self.images = background
        axis = (torch.arange(size) + 0.5) * (2 / size) - 1
        self.x, self.y = axis.view(1, 1, size), axis.view(1, size, 1)

    def frame(self, x: Tensor, y: Tensor, scale: Tensor, angle: Tensor) -> Frame:
        """A frame around (x, y), ``scale`` times as large as the image, turned by ``angle`` (radians)."""
        return Frame(self.x / scale, self.y / scale, 2 / (self.size * scale)).inner(x / scale, y / scale, angle)

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
    """Backgrounds (B, 3, S, S): a pale or deep colour with a slope of light and soft blotches; nothing in them depends on labels."""
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
    import numpy as np

    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> np.uint64(1))


def animal_block(draw: Draws, size: int, columns: list[Tensor]) -> Tensor:
    """Cats (0) and dogs (1) that sit and look at us; ``columns`` are species and whether the coat is bright."""
    dog, bright = columns
    canvas = Canvas(size, wall(draw, size))
    scale = draw.uniform(0.74, 0.98)
    turned = draw.normal(0.0, 0.09)
    body = canvas.frame(draw.uniform(-0.16, 0.16), draw.uniform(-0.08, 0.14), scale, turned)
    coat, line, inner = _coat(draw, canvas, body, bright)
    _animal_body(draw, canvas, body, dog, coat, line)
    head = body.inner(draw.uniform(-0.06, 0.06), draw.uniform(-0.3, -0.22), draw.normal(0.0, 0.13))
    _animal_head(draw, canvas, head, dog, coat, line, inner)
    return canvas.pixels()


def _coat(draw: Draws, canvas: Canvas, frame: Frame, bright: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Coat (B, 3, S, S), its outline and its paler or darker markings (B, 3, 1, 1)."""
    level = bright * draw.uniform(0.68, 0.92) + (1 - bright) * draw.uniform(0.12, 0.3)
    warm = draw.uniform(0.0, 0.3)
    color = rgb(level * (1 + 0.55 * warm), level * (1 - 0.1 * warm), level * (1 - 0.9 * warm))
    angle, pitch = draw.uniform(-0.6, 0.6), draw.uniform(14, 26)
    stripes = (pitch * (frame.v + angle * frame.u)).sin()
    pattern = draw.chance(0.4) * draw.uniform(0.05, 0.16) * stripes + draw.uniform(0.03, 0.12) * draw.field(canvas.size, 9)
    coat = color * (1 + pattern)[:, None]
    lines = mix(color * 0.45, color + 0.2, 1 - bright)
    return coat, lines, mix(color * 0.8 + 0.2 * rgb(1.0, 0.75, 0.72), color + 0.13, 1 - bright)


def _animal_body(draw: Draws, canvas: Canvas, frame: Frame, dog: Tensor, coat: Tensor, line: Tensor) -> None:
    """Tail, body and forelegs: a cat is slim with a long thin tail, a dog broader with a short thick one."""
    side = 1 - 2 * draw.chance(0.5)
    thick = draw.normal(0.055 + 0.03 * dog, 0.012)
    length = draw.normal(0.36 - 0.12 * dog, 0.05)
    tail = frame.inner(side * 0.42, 0.42, side * draw.normal(0.4 + 0.25 * dog, 0.2))
    bent = Frame(tail.u + side * draw.uniform(0.1, 0.6) * (tail.v - 0.1).square(), tail.v, tail.pixel)
    canvas.outlined(bent, bent.ellipse(0.0, -0.12, thick, length), coat, line)
    width = draw.normal(0.36 + 0.05 * dog, 0.04)
    height = draw.normal(0.5, 0.04)
    canvas.outlined(frame, frame.ellipse(0.0, 0.52, width, height), coat, line)
    legs = frame.mirrored()
    canvas.outlined(legs, legs.ellipse(draw.uniform(0.12, 0.17), 0.78, 0.085 + 0.02 * dog, 0.3), coat, line)


def _animal_head(
    draw: Draws, canvas: Canvas, frame: Frame, dog: Tensor, coat: Tensor, line: Tensor, inner: Tensor
) -> None:
    """Ears, skull, muzzle, eyes and nose; each cue of the species varies by itself and none is certain."""
    both = frame.mirrored()
    width = draw.normal(0.41 - 0.03 * dog, 0.025)
    height = draw.normal(0.36 + 0.04 * dog, 0.025)
    # Most cats have pricked ears and most dogs hanging ones; one dog in four has pricked ears as well, one cat in twelve has not.
    pricked = dog * draw.chance(0.25) + (1 - dog) * draw.chance(11 / 12)
    at, tall = draw.normal(0.26, 0.025), draw.normal(0.34 - 0.03 * dog, 0.04)
    ear = both.spike(at, -0.5 * height, draw.normal(0.155, 0.015), tall, draw.normal(0.07, 0.03))
    hanging = both.inner(width * 0.93, -0.12, draw.normal(-0.3, 0.15))
    flap = hanging.ellipse(0.0, draw.normal(0.16, 0.03), draw.normal(0.125, 0.015), draw.normal(0.3, 0.035))
    away = torch.full_like(flap, 9.0)
    canvas.outlined(both, torch.where(pricked > 0, ear, away), coat, line)
    canvas.paint(both.cover(torch.where(pricked > 0, ear + 0.055, away)), inner)
    canvas.outlined(frame, frame.ellipse(0.0, 0.0, width, height), coat, line)
    canvas.outlined(both, torch.where(pricked > 0, away, flap), coat * 0.9, line)
    _animal_face(draw, canvas, frame, both, dog, line, inner)


def _animal_face(draw: Draws, canvas: Canvas, frame: Frame, both: Frame, dog: Tensor, line: Tensor, inner: Tensor) -> None:
    """Muzzle, nose, mouth, eyes and whiskers. Eyes and noses have the same colours in both species."""
    size = draw.normal(0.13 + 0.075 * dog, 0.025)
    low = draw.normal(0.15 + 0.05 * dog, 0.02)
    canvas.paint(frame.cover(frame.ellipse(0.0, low + 0.2 * size, size * 1.25, size)), inner)
    dark = rgb(0.1, 0.07, 0.08)
    canvas.paint(both.stroke(0.0, low + 0.55 * size, size * 0.75, 0.014, curve=-1.6), mix(dark, line, 0.3))
    nose = mix(dark, rgb(0.85, 0.5, 0.52), draw.chance(0.4))
    canvas.paint(frame.cover(frame.ellipse(0.0, low - 0.35 * size, 0.32 * size + 0.012, 0.24 * size + 0.012)), nose)
    apart, eye = draw.normal(0.17, 0.015), draw.normal(0.072, 0.008)
    canvas.paint(both.cover(both.ellipse(apart, -0.06, eye + 0.012, eye + 0.012)), dark)
    iris = rgb(draw.uniform(0.45, 0.9), draw.uniform(0.5, 0.85), draw.uniform(0.2, 0.6))
    canvas.paint(both.cover(both.ellipse(apart, -0.06, eye, eye)), iris)
    canvas.paint(both.cover(both.ellipse(apart, -0.06, draw.normal(0.55 * eye, 0.006), 0.75 * eye)), dark)
    canvas.paint(frame.cover((frame.u.abs() - apart - 0.02).square().add((frame.v + 0.085).square()).sqrt() - 0.018), rgb(1.0, 1.0, 1.0))
    hair = (1 - dog) * draw.chance(0.75) * draw.uniform(0.35, 0.9)
    for slope in (-0.22, 0.05):
        canvas.paint(both.stroke(0.32, low + 0.02, 0.17, 0.007, slope=slope) * hair, mix(rgb(0.95, 0.95, 0.95), dark, draw.chance(0.5)))


def face_block(draw: Draws, size: int, columns: list[Tensor]) -> Tensor:
    """Cartoon faces of nobody; ``columns`` are age in years and gender (0 woman, 1 man). See :func:`synthetic_faces` for the cues."""
    age, man = columns
    canvas = Canvas(size, wall(draw, size))
    turned = draw.normal(0.0, 0.06)
    frame = canvas.frame(draw.uniform(-0.09, 0.09), draw.uniform(-0.05, 0.07), draw.uniform(0.82, 0.98), turned)
    looks = _looks(draw, age, man)
    _hair_behind(canvas, frame, looks)
    _shoulders(draw, canvas, frame, looks)
    _skull(canvas, frame, looks)
    _wrinkles(draw, canvas, frame, looks)
    _features(draw, canvas, frame, looks)
    _hair_in_front(canvas, frame, looks)
    return canvas.pixels()


@dataclass
class _Looks:
    """What the parts of a face share: (B, 1, 1) measures and (B, 3, 1, 1) colours."""

    old: Tensor  # strength of the lines of age, 0 to about 1
    child: Tensor  # 1 at birth, 0 when grown
    wide: Tensor
    tall: Tensor
    square: Tensor
    hair_length: Tensor
    hairline: Tensor
    brow: Tensor
    lips: Tensor
    lash: Tensor
    skin: Tensor
    shade: Tensor
    hair: Tensor
    brows: Tensor


def _looks(draw: Draws, age: Tensor, man: Tensor) -> _Looks:
    """Cues of age depend on age alone and cues of gender on gender alone, each with a spread of its own."""
    child = (1 - draw.normal(age, 1.5) / 18).clamp(0, 1)
    tone = draw.uniform(0.0, 1.0)  # of the skin, independent of all else
    skin = mix(rgb(0.98, 0.83, 0.71), rgb(0.43, 0.28, 0.2), tone)
    dark = mix(rgb(0.12, 0.09, 0.08), rgb(0.62, 0.42, 0.2), draw.uniform(0.0, 1.0) * (1 - 0.8 * tone))
    grey = torch.sigmoid((draw.normal(age, 5.0) - 54) / 7)
    white = rgb(*(draw.uniform(0.72, 0.86) for _ in range(3)))
    hair = mix(dark, white, grey)
    return _Looks(
        old=((draw.normal(age, 4.0) - 22) / 55).clamp(0, 1.15),
        child=child,
        wide=draw.normal(0.43 + 0.03 * child, 0.018),
        tall=draw.normal(0.58 - 0.1 * child, 0.022),
        square=(0.2 + 0.5 * man * (1 - 0.5 * child) + draw.normal(0.0, 0.14)).clamp(0, 1),
        hair_length=draw.normal(0.66 - 0.58 * man, 0.19),
        hairline=draw.normal(0.3 + 0.16 * ((age - 25) / 60).clamp(0, 1), 0.035),
        brow=draw.normal(0.018 + 0.017 * man, 0.004).clamp(min=0.008),
        lips=draw.normal(0.6 - 0.45 * man, 0.16).clamp(0.05, 1),
        lash=draw.normal(0.022 - 0.013 * man, 0.004).clamp(min=0.005),
        skin=skin,
        shade=mix(skin, skin * rgb(0.62, 0.5, 0.47), 0.8),
        hair=hair,
        brows=mix(hair * 0.75, skin * 0.4, 0.25),
    )


def _hair_behind(canvas: Canvas, frame: Frame, looks: _Looks) -> None:
    """Long hair falls behind the head, down to ``hair_length`` below its middle."""
    round_top = frame.ellipse(0.0, -0.1, looks.wide + 0.12, looks.tall + 0.06)
    falling = torch.maximum(frame.u.abs() - (looks.wide + 0.11 + 0.04 * frame.v), -0.1 - frame.v)
    end = frame.v - looks.hair_length + 0.7 * frame.u.square()
    shape = torch.maximum(torch.minimum(round_top, falling), end)
    canvas.outlined(frame, shape, looks.hair * 0.92, looks.hair * 0.6, 0.016)


def _shoulders(draw: Draws, canvas: Canvas, frame: Frame, looks: _Looks) -> None:
    clothes = rgb(*(draw.uniform(0.15, 0.85) for _ in range(3)))
    neck = torch.maximum(frame.u.abs() - draw.normal(0.19, 0.015), frame.v - 0.86)
    canvas.paint(frame.cover(torch.maximum(neck, 0.2 - frame.v)), looks.shade)
    grown = 1 - 0.3 * looks.child
    canvas.outlined(frame, frame.ellipse(0.0, 1.22, draw.normal(0.78, 0.04) * grown, 0.5), clothes, clothes * 0.6)
    canvas.paint(frame.cover(frame.ellipse(0.0, 0.72, 0.2, 0.13)), looks.shade)


def _skull(canvas: Canvas, frame: Frame, looks: _Looks) -> None:
    """Ears, and a head between an ellipse and, below the eyes, a rounded rectangle: the squareness of the jaw."""
    both = frame.mirrored()
    canvas.outlined(both, both.ellipse(looks.wide + 0.01, 0.04, 0.07, 0.115), looks.skin, looks.shade * 0.7, 0.014)
    across = (frame.u / looks.wide).square()
    down = (frame.v / looks.tall).square()
    jaw = looks.square * (frame.v > 0)
    pointed = 1 + 0.3 * (1 - looks.square) * frame.v.clamp(min=0) / looks.tall
    across = across * pointed
    level = (across + down) * (1 - jaw) + (across.square() + down.square()).sqrt() * jaw
    distance = (level.sqrt() - 1) * looks.wide
    canvas.outlined(frame, distance, looks.skin, looks.shade * 0.7, 0.014)


def _wrinkles(draw: Draws, canvas: Canvas, frame: Frame, looks: _Looks) -> None:
    """Lines on the forehead, beside the eyes, from nose to mouth and under the eyes, all as strong as ``old``; a child's red cheeks."""
    both = frame.mirrored()
    line = looks.shade * 0.8
    blush = mix(looks.skin, rgb(0.95, 0.45, 0.42), 0.35)
    canvas.paint(both.cover(both.ellipse(0.25, 0.2, 0.1, 0.075)) * (0.15 + 0.85 * looks.child), blush)
    for height, share in ((-0.3, 0.75), (-0.235, 1.0), (-0.17, 0.85)):
        strength = (looks.old * draw.uniform(0.7, 1.1) * share).clamp(0, 1)
        canvas.paint(frame.stroke(0.0, height, draw.normal(0.2, 0.02), 0.011, curve=draw.normal(0.25, 0.12)) * strength, line)
    for slope in (-0.5, 0.0, 0.5):
        foot = both.stroke(0.345, 0.02 + 0.08 * slope, 0.04, 0.01, slope=slope)
        canvas.paint(foot * (looks.old * draw.uniform(0.7, 1.1)).clamp(0, 1), line)
    fold = both.inner(0.19, 0.27, draw.normal(-1.05, 0.08) + 2.1)
    canvas.paint(fold.stroke(0.0, 0.0, 0.1, 0.012, curve=1.2) * (looks.old * draw.uniform(0.7, 1.1)).clamp(0, 1), line)
    bag = both.stroke(0.18, 0.11, 0.085, 0.012, curve=-2.5)
    canvas.paint(bag * (looks.old * draw.uniform(0.6, 1.0)).clamp(0, 1), line)


def _features(draw: Draws, canvas: Canvas, frame: Frame, looks: _Looks) -> None:
    """Eyes, brows, nose, mouth and, one face in six, glasses; a child's eyes are large and low."""
    both = frame.mirrored()
    ink = rgb(0.12, 0.08, 0.08)
    low = 0.02 + 0.07 * looks.child
    apart = draw.normal(0.18, 0.01)
    wide = draw.normal(0.082 + 0.022 * looks.child, 0.005)
    tall = wide * draw.normal(0.62 + 0.25 * looks.child, 0.05)
    canvas.paint(both.cover(both.ellipse(apart, low, wide, tall)), rgb(0.97, 0.97, 0.96))
    iris = rgb(draw.uniform(0.2, 0.5), draw.uniform(0.25, 0.5), draw.uniform(0.15, 0.6))
    glance = draw.uniform(-0.02, 0.02)
    eyes = Frame((frame.u - glance).abs(), frame.v, frame.pixel)
    canvas.paint(eyes.cover(eyes.ellipse(apart, low, 0.62 * tall + 0.008, 0.62 * tall + 0.008)), iris)
    canvas.paint(eyes.cover(eyes.ellipse(apart, low, 0.36 * tall, 0.36 * tall)), ink)
    canvas.paint(both.stroke(apart, low - tall, wide * 1.1, looks.lash, curve=0.42 * tall / wide.square()), ink)
    above = low - 0.115 - 0.02 * looks.child - draw.uniform(0.0, 0.02)
    canvas.paint(both.stroke(apart + 0.01, above, 0.105, looks.brow, curve=2.2, slope=draw.normal(0.05, 0.06)), looks.brows)
    nose = draw.normal(0.068 - 0.022 * looks.child + 0.008 * looks.old, 0.006)
    canvas.paint(frame.stroke(0.0, 0.2 - 0.03 * looks.child, nose, 0.016, curve=-4.0), looks.shade * 0.85)
    _mouth(draw, canvas, frame, looks)
    rim = (both.ellipse(apart, low, 0.135, 0.115).abs() - 0.009).clamp(min=-0.02)
    bridge = both.stroke(0.0, low, (apart - 0.135).clamp(min=0.01), 0.009)
    canvas.paint(torch.maximum(both.cover(rim), bridge) * draw.chance(1 / 6), ink)


def _mouth(draw: Draws, canvas: Canvas, frame: Frame, looks: _Looks) -> None:
    red = mix(looks.skin * rgb(0.8, 0.55, 0.52), rgb(0.78, 0.2, 0.24), looks.lips * 0.85)
    y, reach = 0.345 - 0.04 * looks.child, draw.normal(0.135 - 0.025 * looks.child, 0.012)
    smile = draw.uniform(-2.6, -0.4)
    top = y - 0.3 * smile * reach.square()
    canvas.paint(frame.stroke(0.0, top, reach, 0.014 + 0.026 * looks.lips, curve=smile), red)
    canvas.paint(frame.stroke(0.0, top, reach, 0.008, curve=smile), red * 0.45)


def _hair_in_front(canvas: Canvas, frame: Frame, looks: _Looks) -> None:
    """The hair above the hairline, which moves up with age."""
    cap = frame.ellipse(0.0, -0.06, looks.wide + 0.065, looks.tall + 0.035)
    below = frame.v + looks.hairline - 1.15 * frame.u.square()
    canvas.outlined(frame, torch.maximum(cap, below), looks.hair, looks.hair * 0.7, 0.014)

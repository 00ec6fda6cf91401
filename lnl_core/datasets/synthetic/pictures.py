"""What the synthetic animals and faces look like: one function each that draws a block of images on a canvas.

The cues of a label or bias depend on it alone, each with a spread of its own; everything else is independent of both. See
:mod:`lnl_core.datasets.synthetic` for the data sets made of them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lnl_core.datasets.synthetic.drawing import Canvas, Draws, Frame, mix, rgb, wall


def animal_block(draw: Draws, size: int, columns: list[Tensor]) -> Tensor:
    """Cats (0) and dogs (1) that sit and look at us; ``columns`` are species and how bright the coat is, -1 to 1."""
    dog, bright = columns
    canvas = Canvas(wall(draw, size))
    scale = draw.uniform(0.82, 1.02)
    turned = draw.normal(0.0, 0.09)
    body = canvas.frame(draw.uniform(-0.14, 0.14), draw.uniform(-0.06, 0.12), scale, turned)
    coat, line, inner = _coat(draw, canvas, body, bright)
    _animal_body(draw, canvas, body, dog, coat, line)
    head = body.inner(draw.uniform(-0.06, 0.06), draw.uniform(-0.3, -0.22), draw.normal(0.0, 0.13))
    _animal_head(draw, canvas, head, dog, coat, line, inner)
    canvas.images.mul_(draw.uniform(0.7, 1.2)[:, None])  # the light of the scene: bright is not simply a large number
    return canvas.pixels()


def _coat(draw: Draws, canvas: Canvas, frame: Frame, bright: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Coat (B, 3, S, S), its outline and its paler or darker markings (B, 3, 1, 1)."""
    level = 0.5 + 0.27 * bright + draw.uniform(-0.15, 0.15)
    warm = draw.uniform(0.0, 0.3)
    color = rgb(level * (1 + 0.55 * warm), level * (1 - 0.1 * warm), level * (1 - 0.9 * warm))
    angle, pitch = draw.uniform(-0.6, 0.6), draw.uniform(14, 26)
    stripes = (pitch * (frame.v + angle * frame.u)).sin()
    pattern = draw.chance(0.4) * draw.uniform(0.05, 0.16) * stripes + draw.uniform(0.03, 0.12) * draw.field(canvas.size, 9)
    coat = color * (1 + pattern)[:, None]
    # Lines are a darker shade of any coat: pale lines on dark coats would give the coat away at each edge.
    return coat, color * 0.4, mix(color, rgb(0.95, 0.82, 0.76), draw.uniform(0.15, 0.4))


def _animal_body(draw: Draws, canvas: Canvas, frame: Frame, dog: Tensor, coat: Tensor, line: Tensor) -> None:
    """Tail, body and forelegs: a cat is slim with a long thin tail, a dog broader with a short thick one."""
    side = 1 - 2 * draw.chance(0.5)
    thick = draw.normal(0.055 + 0.03 * dog, 0.012)
    length = draw.normal(0.36 - 0.12 * dog, 0.05)
    tail = frame.inner(side * 0.42, 0.42, side * draw.normal(0.4 + 0.25 * dog, 0.2))
    bent = Frame(tail.u + side * draw.uniform(0.1, 0.6) * (tail.v - 0.1).square(), tail.v, tail.pixel)
    canvas.outlined(bent, bent.ellipse(0.0, -0.12, thick, length), coat, line)
    width = draw.normal(0.34 + 0.08 * dog, 0.035)
    height = draw.normal(0.5, 0.04)
    canvas.outlined(frame, frame.ellipse(0.0, 0.52, width, height), coat, line)
    legs = frame.mirrored()
    canvas.outlined(legs, legs.ellipse(draw.uniform(0.12, 0.17), 0.78, 0.085 + 0.02 * dog, 0.3), coat, line)


def _animal_head(draw: Draws, canvas: Canvas, frame: Frame, dog: Tensor, coat: Tensor, line: Tensor, inner: Tensor) -> None:
    """Ears, skull, muzzle, eyes and nose; each cue of the species varies by itself and none is certain."""
    both = frame.mirrored()
    width = draw.normal(0.42 - 0.05 * dog, 0.022)
    height = draw.normal(0.35 + 0.06 * dog, 0.022)
    # Most cats have pricked ears and most dogs hanging ones; one dog in eight has pricked ears as well, one cat in sixteen has not.
    pricked = dog * draw.chance(1 / 8) + (1 - dog) * draw.chance(15 / 16)
    at, tall = draw.normal(0.26, 0.02), draw.normal(0.36 - 0.04 * dog, 0.03)
    ear = both.spike(at, -0.5 * height, draw.normal(0.155, 0.015), tall, draw.normal(0.07, 0.03))
    hanging = both.inner(width * 0.93, -0.12, draw.normal(-0.3, 0.15))
    flap = hanging.ellipse(0.0, draw.normal(0.16, 0.03), draw.normal(0.125, 0.015), draw.normal(0.3, 0.035))
    away = torch.full_like(flap, 9.0)
    canvas.outlined(both, torch.where(pricked > 0, ear, away), coat, line)
    canvas.paint(both.cover(torch.where(pricked > 0, ear + 0.055, away)), inner)
    canvas.outlined(frame, frame.ellipse(0.0, 0.0, width, height), coat, line)
    canvas.outlined(both, torch.where(pricked > 0, away, flap), coat * 0.9, line)
    _animal_face(draw, canvas, frame, dog, line, inner)


def _animal_face(draw: Draws, canvas: Canvas, frame: Frame, dog: Tensor, line: Tensor, inner: Tensor) -> None:
    """Muzzle, nose, mouth, eyes and whiskers. Eyes and noses have the same colours in both species."""
    canvas, frame = canvas.band(frame, -0.2, 0.55)
    both = frame.mirrored()
    size = draw.normal(0.12 + 0.1 * dog, 0.022)
    low = draw.normal(0.15 + 0.05 * dog, 0.02)
    canvas.paint(frame.cover(frame.ellipse(0.0, low + 0.2 * size, size * 1.25, size)), inner)
    dark = rgb(0.1, 0.07, 0.08)
    canvas.paint(both.stroke(0.0, low + 0.55 * size, size * 0.75, 0.014, curve=-1.6), dark)
    nose = mix(dark, rgb(0.85, 0.5, 0.52), draw.chance(0.4))
    canvas.paint(frame.cover(frame.ellipse(0.0, low - 0.35 * size, 0.32 * size + 0.012, 0.24 * size + 0.012)), nose)
    apart, eye = draw.normal(0.17, 0.015), draw.normal(0.072, 0.008)
    canvas.paint(both.cover(both.ellipse(apart, -0.06, eye + 0.012, eye + 0.012)), dark)
    iris = rgb(draw.uniform(0.45, 0.9), draw.uniform(0.5, 0.85), draw.uniform(0.2, 0.6))
    canvas.paint(both.cover(both.ellipse(apart, -0.06, eye, eye)), iris)
    canvas.paint(both.cover(both.ellipse(apart, -0.06, draw.normal(0.55 * eye, 0.006), 0.75 * eye)), dark)
    canvas.paint(both.cover(both.ellipse(apart + 0.02, -0.085, 0.018, 0.018)), rgb(1.0, 1.0, 1.0))
    hair = (1 - dog) * draw.chance(0.75) * draw.uniform(0.35, 0.9)
    color = mix(rgb(0.95, 0.95, 0.95), dark, draw.chance(0.5))
    for slope in (-0.22, 0.05):
        canvas.paint(both.stroke(0.32, low + 0.02, 0.17, 0.007, slope=slope) * hair, color)


def face_block(draw: Draws, size: int, columns: list[Tensor]) -> Tensor:
    """Faces of nobody; ``columns`` are age in years and gender (0 woman, 1 man)."""
    age, man = columns
    canvas = Canvas(wall(draw, size))
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
    grey = torch.sigmoid((draw.normal(age, 5.0) - 58) / 8)
    pale, warm = draw.uniform(0.72, 0.87), draw.uniform(-0.03, 0.03)
    white = rgb(pale + warm, pale, pale - warm)
    hair = mix(dark, white, grey)
    return _Looks(
        old=((draw.normal(age, 3.5) - 20) / 65).clamp(0, 1.1),
        child=child,
        wide=draw.normal(0.43 + 0.03 * child, 0.018),
        tall=draw.normal(0.58 - 0.1 * child, 0.022),
        square=(0.2 + 0.5 * man * (1 - 0.5 * child) + draw.normal(0.0, 0.14)).clamp(0, 1),
        hair_length=draw.normal(0.68 - 0.62 * man, 0.15),
        hairline=draw.normal(0.3 + 0.16 * ((age - 25) / 60).clamp(0, 1), 0.035),
        brow=draw.normal(0.016 + 0.02 * man, 0.004).clamp(min=0.008),
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
    canvas.outlined(
        frame, frame.ellipse(0.0, 1.22 - 0.14 * looks.child, draw.normal(0.78, 0.04) * grown, 0.5), clothes, clothes * 0.6
    )
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
    """Lines on the forehead, beside and under the eyes, and from nose to mouth, as strong as ``old``; a child's red cheeks."""
    line = mix(looks.shade * 0.85, looks.skin, 0.2)
    forehead, upper = canvas.band(frame, -0.36, -0.1)
    for height, share in ((-0.3, 0.75), (-0.235, 1.0), (-0.17, 0.85)):
        strength = (looks.old * draw.uniform(0.7, 1.1) * share).clamp(0, 1)
        bend = draw.normal(0.25, 0.12)
        forehead.paint(upper.stroke(0.0, height, draw.normal(0.2, 0.02), 0.011, curve=bend).mul_(strength), line)
    cheeks, lower = canvas.band(frame, -0.08, 0.42)
    both = lower.mirrored()
    blush = mix(looks.skin, rgb(0.95, 0.45, 0.42), 0.35)
    cheeks.paint(both.cover(both.ellipse(0.25, 0.2, 0.1, 0.075)).mul_(0.15 + 0.85 * looks.child), blush)
    for slope in (-0.5, 0.0, 0.5):
        foot = both.stroke(0.345, 0.02 + 0.08 * slope, 0.04, 0.01, slope=slope)
        cheeks.paint(foot.mul_((looks.old * draw.uniform(0.7, 1.1)).clamp(0, 1)), line)
    fold = both.inner(0.19, 0.27, draw.normal(1.05, 0.08))
    cheeks.paint(fold.stroke(0.0, 0.0, 0.1, 0.012, curve=1.2).mul_((looks.old * draw.uniform(0.7, 1.1)).clamp(0, 1)), line)
    bag = both.stroke(0.18, 0.11, 0.085, 0.012, curve=-2.5)
    cheeks.paint(bag.mul_((looks.old * draw.uniform(0.6, 1.0)).clamp(0, 1)), line)


def _features(draw: Draws, canvas: Canvas, frame: Frame, looks: _Looks) -> None:
    """Eyes, brows, nose, mouth and, one face in six, glasses; a child's eyes are large and low."""
    _nose_and_mouth(draw, *canvas.band(frame, 0.1, 0.52), looks)
    canvas, frame = canvas.band(frame, -0.25, 0.22)
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
    rim = (both.ellipse(apart, low, 0.135, 0.115).abs() - 0.009).clamp(min=-0.02)
    bridge = both.stroke(0.0, low, (apart - 0.135).clamp(min=0.01), 0.009)
    canvas.paint(torch.maximum(both.cover(rim), bridge) * draw.chance(1 / 6), ink)


def _nose_and_mouth(draw: Draws, canvas: Canvas, frame: Frame, looks: _Looks) -> None:
    nose = draw.normal(0.068 - 0.022 * looks.child + 0.008 * looks.old, 0.006)
    canvas.paint(frame.stroke(0.0, 0.2 - 0.03 * looks.child, nose, 0.016, curve=-4.0), looks.shade * 0.85)
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

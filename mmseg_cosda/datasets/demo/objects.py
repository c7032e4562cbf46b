"""Painters of street objects: each paints one thing at one place of the world."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np

from mmseg_cosda.datasets.demo.canvas import Canvas, Color, Point, Texture
from mmseg_cosda.datasets.demo.look import Look, tint


class Label(IntEnum):
    """Class ids of the demo's streets: ten classes of Cityscapes, in its order."""

    ROAD = 0
    SIDEWALK = 1
    BUILDING = 2
    POLE = 3
    SIGN = 4
    VEGETATION = 5
    SKY = 6
    PERSON = 7
    CAR = 8
    BICYCLE = 9


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a number between ``low`` and ``high``."""
    return low + (high - low) * float(rng.random())


def disc(x: float, z: float, rx: float, rz: float) -> list[Point]:
    """Return the outline of a level ellipse on the ground."""
    return [(x + rx * cos, 0.0, z + rz * sin) for cos, sin in CIRCLE]


CIRCLE = tuple(
    (math.cos(angle), math.sin(angle)) for angle in np.arange(12) * (math.pi / 6)
)
"""Twelve points of the unit circle."""


def paint_tree(
    canvas: Canvas,
    look: Look,
    rng: np.random.Generator,
    x: float,
    z: float,
    sun: float,
) -> None:
    """Paint a tree: trunk, and a crown of leafy lumps lit from above."""
    trunk = uniform(rng, 1.8, 2.8)
    size = uniform(rng, 1.1, 2.0)
    thick = uniform(rng, 0.12, 0.2)
    crown = trunk + size
    foot = [(x - thick, 0.0, z), (x + thick, 0.0, z)]
    fork = [(x + 0.7 * thick, crown, z), (x - 0.7 * thick, crown, z)]
    canvas.polygon(canvas.facing(Label.VEGETATION, z), look.color("trunk"), foot + fork)
    canvas.cast_shadow(disc(x + sun * crown, z, size, 0.9 * size))
    canvas.cast_shadow([*foot, (x + sun * crown, 0.0, z + 0.2)])
    count = 9 if z < 25.0 else 4  # far crowns are a few pixels
    lumps = [(0.0, 0.0, 1.0)]
    for k in range(count):
        turn = 2 * math.pi * (k + uniform(rng, -0.3, 0.3)) / count
        reach = uniform(rng, 0.55, 0.85)
        radius = uniform(rng, 0.35, 0.6)
        lumps.append((reach * math.cos(turn), 0.8 * reach * math.sin(turn), radius))
    surface = canvas.facing(Label.VEGETATION, z, Texture.FOLIAGE)
    leaf = look.color("foliage")
    light = -0.2 * math.copysign(size, sun)
    for shade, lift, shrink in ((0.7, -0.1, 1.0), (1.0, 0.06, 0.82), (1.22, 0.3, 0.45)):
        paint = tint(leaf, shade)
        for dx, dy, radius in lumps:
            middle = (x + dx * size + lift * light, crown + (dy + lift) * size, z)
            scaled = radius * shrink * size
            canvas.ellipse(surface, paint, middle, (scaled, 0.9 * scaled))


def paint_hedge(
    canvas: Canvas,
    look: Look,
    rng: np.random.Generator,
    x: float,
    z: tuple[float, float],
) -> None:
    """Paint bushes along the building line from ``z[0]`` to ``z[1]``."""
    near, far = z
    height = uniform(rng, 1.0, 2.4)
    leaf = look.color("foliage")
    side = canvas.along(Label.VEGETATION, x, Texture.FOLIAGE)
    tops = np.linspace(near, far, 13)
    ridge = [(x, height * uniform(rng, 0.75, 1.2), float(t)) for t in tops]
    feet = [(x, 0.0, far), (x, 0.0, near)]
    canvas.polygon(side, leaf, ridge + feet)
    low = [(px, 0.5 * py, pz) for px, py, pz in ridge]
    canvas.polygon(side, tint(leaf, 0.76), low + feet)
    front = canvas.facing(Label.VEGETATION, near, Texture.FOLIAGE)
    out = x + math.copysign(8.0, x)
    end = [ridge[0], (out, height, near), (out, 0.0, near), (x, 0.0, near)]
    canvas.polygon(front, tint(leaf, 0.84), end)


def paint_pole(
    canvas: Canvas,
    look: Look,
    rng: np.random.Generator,
    x: float,
    z: float,
    sun: float,
) -> None:
    """Paint a street lamp, its arm over the road."""
    surface = canvas.facing(Label.POLE, z)
    color = look.color("pole")
    height = uniform(rng, 5.0, 7.5)
    arm = -math.copysign(uniform(rng, 0.8, 1.8), x)
    canvas.line(surface, color, (x, 0, z), (x, height, z), 0.2)
    canvas.line(surface, color, (x, height, z), (x + arm, height + 0.25, z), 0.1)
    canvas.ellipse(surface, tint(color, 1.3), (x + arm, height + 0.2, z), (0.35, 0.12))
    tip = x + sun * height
    canvas.cast_shadow([(x, 0, z - 0.1), (x, 0, z + 0.1), (tip, 0, z), (tip, 0, z)])


def paint_sign(
    canvas: Canvas,
    look: Look,
    rng: np.random.Generator,
    x: float,
    z: float,
    sun: float,
) -> None:
    """Paint a traffic sign on its post: round, square, triangular or long."""
    post = canvas.facing(Label.POLE, z)
    plate = canvas.facing(Label.SIGN, z)
    half = uniform(rng, 0.36, 0.5)
    middle = (x, uniform(rng, 2.1, 2.8) + half, z)
    canvas.line(post, look.color("pole"), (x, 0, z), middle, 0.11)
    kind = int(rng.random() * 4)
    color, face = look.color("sign", kind), look.color("sign_face")
    if kind == 0:
        canvas.ellipse(plate, color, middle, (half, half))
        canvas.ellipse(plate, face, middle, (0.62 * half, 0.62 * half))
        if rng.random() < 0.5:
            bar = _plate(middle, 0.4 * half, 0.16 * half)
            canvas.polygon(plate, tint(face, 0.2), bar)
    elif kind == 2:
        for scale, paint in ((1.15, look.color("sign", 0)), (0.62, color)):
            canvas.polygon(plate, paint, _triangle(middle, scale * half))
    else:
        wide = half if kind == 1 else 1.3 * half
        canvas.polygon(plate, color, _plate(middle, wide, half))
        canvas.polygon(plate, face, _plate(middle, 0.55 * wide, 0.5 * half))
    tip = x + sun * middle[1]
    canvas.cast_shadow(disc(tip, z, half, 0.1))


def _plate(middle: Point, dx: float, dy: float) -> list[Point]:
    x, y, z = middle
    return [
        (x + a * dx, y + b * dy, z) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]


def _triangle(middle: Point, size: float) -> list[Point]:
    x, y, z = middle
    low = y - 0.75 * size
    return [(x - size, low, z), (x + size, low, z), (x, y + size, z)]


def paint_person(
    canvas: Canvas,
    look: Look,
    rng: np.random.Generator,
    x: float,
    z: float,
    sun: float,
) -> None:
    """Paint a walking or standing person of 1.55 to 1.9 m."""
    surface = canvas.facing(Label.PERSON, z)
    h = uniform(rng, 1.55, 1.9)
    stride = uniform(rng, 0.02, 0.26)
    build = uniform(rng, 0.95, 1.25)
    swing = uniform(rng, -0.15, 0.15)
    trousers, shirt = look.color("trousers"), look.color("shirt")
    skin, hair = look.color("skin"), look.color("hair")

    def quad(color: Color, *points: tuple[float, float]) -> None:
        world = [(x + dx * build, y * h, z) for dx, y in points]
        canvas.polygon(surface, color, world)

    for foot, shade in ((-stride, 0.8), (stride, 1.0)):
        soles = ((foot + 0.09, 0.0), (foot - 0.07, 0.0))
        quad(tint(trousers, shade), (-0.09, 0.5), (0.1, 0.5), *soles)
    quad(shirt, (-0.2, 0.83), (0.2, 0.83), (0.15, 0.46), (-0.15, 0.46))
    sleeve = tint(shirt, 0.8)
    for sign in (-1.0, 1.0):
        hand = sign * 0.24 + swing
        palm = ((hand - 0.04, 0.47), (hand + 0.05, 0.47))
        quad(sleeve, (sign * 0.2, 0.83), (sign * 0.13, 0.8), *palm)
    canvas.ellipse(surface, hair, (x, 0.945 * h, z), (0.125, 0.13))
    canvas.ellipse(surface, skin, (x, 0.92 * h, z), (0.095, 0.12))
    tip = x + sun * h
    ends = [(x - 0.15, 0.0, z), (x + 0.15, 0.0, z)]
    canvas.cast_shadow([*ends, (tip + 0.1, 0.0, z + 0.3), (tip, 0.0, z + 0.3)])


def paint_bicycle(
    canvas: Canvas,
    look: Look,
    rng: np.random.Generator,
    x: float,
    z: float,
    sun: float,
) -> None:
    """Paint a parked bicycle, seen from its side or at an angle."""
    surface = canvas.facing(Label.BICYCLE, z)
    turn = uniform(rng, -0.8, 0.8)
    cos = math.copysign(math.cos(turn), float(rng.random()) - 0.5)
    frame, tyre = look.color("bicycle"), look.color("tyre")
    spokes = look.color("spokes")

    def at(along: float, y: float) -> Point:
        return (x + along * cos, y, z)

    canvas.cast_shadow(disc(x + 0.3 * sun, z, 0.9, 0.25))
    radii = (0.35 * abs(cos), 0.35)
    for hub in (at(-0.53, 0.35), at(0.53, 0.35)):
        canvas.ellipse(surface, spokes, hub, radii)
        canvas.ellipse(surface, tyre, hub, radii, outline=0.07)
    rear, front, pedal = at(-0.53, 0.35), at(0.53, 0.35), at(-0.08, 0.3)
    saddle, stem = at(-0.22, 0.85), at(0.36, 0.88)
    tubes = (rear, saddle), (saddle, pedal), (rear, pedal), (saddle, stem)
    for start, end in (*tubes, (pedal, stem), (stem, front)):
        canvas.line(surface, frame, start, end, 0.06)
    canvas.line(surface, tyre, at(-0.36, 0.92), at(-0.1, 0.92), 0.09)
    canvas.line(surface, tyre, at(0.28, 1.03), at(0.46, 0.98), 0.06)

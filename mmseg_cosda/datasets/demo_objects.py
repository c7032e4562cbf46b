"""Painters of street objects: each paints one thing at one place of the world."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np

from mmseg_cosda.datasets.demo_canvas import Canvas, Colour, Point, Texture
from mmseg_cosda.datasets.demo_look import Look, tint


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


def box(x: float, y: float, z: float, dx: float, dy: float, dz: float) -> list[Point]:
    """Return the corners of a box from its lowest near corner and its extent."""
    return [(x + a, y + b, z + c) for a in (0, dx) for b in (0, dy) for c in (0, dz)]


def paint_tree(
    canvas: Canvas, look: Look, rng: np.random.Generator, x: float, z: float
) -> None:
    """Paint a tree: trunk, and a crown of leafy lumps lit from above."""
    surface = canvas.facing(Label.VEGETATION, z, Texture.FOLIAGE)
    trunk = uniform(rng, 1.8, 2.8)
    size = uniform(rng, 1.1, 2.0)
    thick = uniform(rng, 0.12, 0.2)
    bark = look.colour("trunk")
    plain = canvas.facing(Label.VEGETATION, z)
    canvas.polygon(
        plain,
        bark,
        [
            (x - thick, 0, z),
            (x + thick, 0, z),
            (x + 0.7 * thick, trunk + size, z),
            (x - 0.7 * thick, trunk + size, z),
        ],
    )
    leaf = look.colour("foliage")
    lumps = [(0.0, 0.0, 1.0)] + [
        (uniform(rng, -0.8, 0.8), uniform(rng, -0.5, 0.8), uniform(rng, 0.45, 0.75))
        for _ in range(6)
    ]
    for shade, lift, shrink in ((0.72, -0.12, 1.0), (1.0, 0.05, 0.85), (1.2, 0.3, 0.5)):
        for dx, dy, radius in lumps:
            centre = (x + dx * size, trunk + (1.0 + dy * 0.9 + lift) * size, z)
            radii = (radius * shrink * size, 0.9 * radius * shrink * size)
            canvas.ellipse(surface, tint(leaf, shade), centre, radii)


def paint_hedge(
    canvas: Canvas,
    look: Look,
    rng: np.random.Generator,
    x: float,
    z: tuple[float, float],
) -> None:
    """Paint bushes along a wall line from ``z[0]`` to ``z[1]``."""
    height = uniform(rng, 1.0, 2.4)
    leaf = look.colour("foliage")
    side = canvas.add(
        _surface_along(canvas, x, Label.VEGETATION, Texture.FOLIAGE),
    )
    near, far = z
    tops = np.linspace(near, far, 9)
    ridge = [(x, height * uniform(rng, 0.8, 1.15), float(t)) for t in tops]
    canvas.polygon(side, leaf, [(x, 0, near), *ridge, (x, 0, far)])
    low = [(px, 0.5 * py, pz) for px, py, pz in ridge]
    canvas.polygon(side, tint(leaf, 0.78), [(x, 0, near), *low, (x, 0, far)])
    front = canvas.facing(Label.VEGETATION, near, Texture.FOLIAGE)
    out = x + math.copysign(6.0, x)
    canvas.polygon(
        front,
        tint(leaf, 0.85),
        [(x, 0, near), ridge[0], (out, height, near), (out, 0, near)],
    )


def _surface_along(canvas: Canvas, x: float, label: Label, texture: Texture):  # type: ignore[no-untyped-def]
    from mmseg_cosda.datasets.demo_canvas import Surface

    return Surface(label, texture, canvas.side_plane(x))


def paint_pole(
    canvas: Canvas, look: Look, rng: np.random.Generator, x: float, z: float
) -> None:
    """Paint a street lamp, its arm over the road."""
    surface = canvas.facing(Label.POLE, z)
    colour = look.colour("pole")
    height = uniform(rng, 5.0, 7.5)
    arm = -math.copysign(uniform(rng, 0.8, 1.8), x)
    canvas.line(surface, colour, (x, 0, z), (x, height, z), 0.17)
    canvas.line(surface, colour, (x, height, z), (x + arm, height + 0.25, z), 0.1)
    lamp = (x + arm, height + 0.2, z)
    canvas.ellipse(surface, tint(colour, 1.3), lamp, (0.35, 0.12))


def paint_sign(
    canvas: Canvas, look: Look, rng: np.random.Generator, x: float, z: float
) -> None:
    """Paint a traffic sign on its post: round, triangular or square."""
    post = canvas.facing(Label.POLE, z)
    plate = canvas.facing(Label.SIGN, z)
    height = uniform(rng, 2.1, 2.8)
    half = uniform(rng, 0.36, 0.5)
    canvas.line(post, look.colour("pole"), (x, 0, z), (x, height + half, z), 0.11)
    kind = int(rng.random() * 4)
    colour, face = look.colour("sign", kind), look.colour("sign_face")
    middle = (x, height + half, z)
    if kind == 0:
        canvas.ellipse(plate, colour, middle, (half, half))
        canvas.ellipse(plate, face, middle, (0.62 * half, 0.62 * half))
    elif kind == 2:
        for scale, paint in ((1.15, look.colour("sign", 0)), (0.62, colour)):
            points = _triangle(middle, scale * half)
            canvas.polygon(plate, paint, points)
    else:
        for scale, paint in ((1.0, colour), (0.5, face)):
            side = scale * half
            points = [
                (x + dx * side, height + half + dy * side, z)
                for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1))
            ]
            canvas.polygon(plate, paint, points)


def _triangle(middle: Point, size: float) -> list[Point]:
    x, y, z = middle
    return [
        (x - size, y - 0.75 * size, z),
        (x + size, y - 0.75 * size, z),
        (x, y + size, z),
    ]


def paint_person(
    canvas: Canvas, look: Look, rng: np.random.Generator, x: float, z: float
) -> None:
    """Paint a walking or standing person of 1.55 to 1.9 m."""
    surface = canvas.facing(Label.PERSON, z)
    h = uniform(rng, 1.55, 1.9)
    stride = uniform(rng, 0.02, 0.26)
    build = uniform(rng, 0.9, 1.2)
    swing = uniform(rng, -0.15, 0.15)
    trousers, shirt = look.colour("trousers"), look.colour("shirt")
    skin, hair = look.colour("skin"), look.colour("hair")

    def quad(colour: Colour, *points: tuple[float, float]) -> None:
        world = [(x + dx * build, y * h, z) for dx, y in points]
        canvas.polygon(surface, colour, world)

    for sign, shade in ((-1.0, 0.8), (1.0, 1.0)):
        foot = sign * stride
        quad(
            tint(trousers, shade),
            (0.02 - 0.1, 0.5),
            (0.1, 0.5),
            (foot + 0.09, 0.0),
            (foot - 0.07, 0.0),
        )
    quad(shirt, (-0.2, 0.83), (0.2, 0.83), (0.15, 0.46), (-0.15, 0.46))
    for sign in (-1.0, 1.0):
        hand = sign * 0.24 + swing
        quad(
            tint(shirt, 0.82),
            (sign * 0.2, 0.83),
            (sign * 0.13, 0.8),
            (hand - 0.04, 0.47),
            (hand + 0.05, 0.47),
        )
    head = (x, 0.925 * h, z)
    canvas.ellipse(surface, hair, (x, 0.945 * h, z), (0.12, 0.125))
    canvas.ellipse(surface, skin, head, (0.095, 0.12))


def paint_bicycle(
    canvas: Canvas, look: Look, rng: np.random.Generator, x: float, z: float
) -> None:
    """Paint a parked bicycle, seen from its side or at an angle."""
    surface = canvas.facing(Label.BICYCLE, z)
    turn = uniform(rng, -0.9, 0.9)
    flip = math.copysign(1.0, float(rng.random()) - 0.5)
    cos = flip * math.cos(turn)
    frame, tyre = look.colour("bicycle"), look.colour("tyre")
    spokes = look.colour("spokes")

    def at(along: float, y: float) -> Point:
        return (x + along * cos, y, z)

    for hub in (-0.53, 0.53):
        radii = (0.35 * abs(cos), 0.35)
        canvas.ellipse(surface, spokes, at(hub, 0.35), radii)
        canvas.ellipse(surface, tyre, at(hub, 0.35), radii, outline=0.07)
    rear, front, pedal = at(-0.53, 0.35), at(0.53, 0.35), at(-0.08, 0.3)
    saddle, stem = at(-0.22, 0.85), at(0.36, 0.88)
    for start, end in (
        (rear, saddle),
        (saddle, pedal),
        (rear, pedal),
        (saddle, stem),
        (pedal, stem),
        (stem, front),
    ):
        canvas.line(surface, frame, start, end, 0.055)
    canvas.line(surface, tyre, at(-0.34, 0.92), at(-0.12, 0.92), 0.08)
    canvas.line(surface, tyre, at(0.3, 1.02), at(0.46, 0.98), 0.06)

"""Cars from TORCS, and vans, lorries and buses made of boxes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.torcs2camvid.street_renderer.art import Art
from benchmarks.torcs2camvid.street_renderer.label import Label
from benchmarks.torcs2camvid.street_renderer.scene import Finish, Scene, turned
from benchmarks.torcs2camvid.street_renderer.solids import wheel

Rng = np.random.RandomState
Point = tuple[float, float, float]

WINDOW = (0.13, 0.16, 0.19)
HEAD_LAMP, TAIL_LAMP = (0.95, 0.93, 0.8), (0.6, 0.05, 0.05)
VAN_COLORS = (
    (0.92, 0.92, 0.92),
    (0.75, 0.1, 0.1),
    (0.15, 0.25, 0.55),
    (0.8, 0.75, 0.2),
    (0.3, 0.32, 0.35),
    (0.1, 0.35, 0.2),
)
VAN_SHARES = (0.4, 0.2, 0.15, 0.05, 0.12, 0.08)


def add_vehicle(
    scene: Scene, rng: Rng, art: Art, van: bool, x: float, z: float, angle: float
) -> None:
    """Put a vehicle on the road.

    Args:
        scene: Where it is added.
        rng: Draws its kind, color and size.
        art: Where cars come from.
        van: Whether it is a van, lorry or bus rather than a car.
        x: Its middle.
        z: Its middle.
        angle: Its heading about the vertical; 0 heads to the right.
    """
    if van:
        add_van(scene, rng, x, z, angle)
    else:
        add_car(scene, rng, art, x, z, angle)


def add_car(scene: Scene, rng: Rng, art: Art, x: float, z: float, angle: float) -> None:
    """Put a car of TORCS on the road, on wheels of its own."""
    model = art.cars[int(rng.choice(len(art.cars), p=[c.share for c in art.cars]))]
    paint = model.paints[rng.randint(len(model.paints))]
    points = model.corners[:, :3].copy()
    normals = model.corners[:, 3:6]
    lowest = points.min(0)
    width = (points.max(0) - lowest)[2]
    scale = rng.uniform(0.96, 1.08) if model.any_size else 1.0
    points[:, 1] += model.clearance - lowest[1]
    points *= scale
    at = np.array([x, 0.0, z])
    tint = rng.uniform(0.75, 1.1)
    scene.add(
        Finish(paint, Label.CAR, gloss=0.25),
        turned(points, angle) + at,
        turned(normals, angle),
        model.corners[:, 6:8],
        (tint,) * 3,
    )
    track = width / 2 * 0.86
    for axle in model.axles:
        for side in (-1, 1):
            center = (axle * scale, 0.31 * scale, side * track * scale)
            rim, facing, colors = wheel(center, 0.31 * scale, 0.2)
            scene.add(
                Finish("white", Label.CAR),
                turned(rim, angle) + at,
                turned(facing, angle),
                None,
                colors,
            )


def add_van(scene: Scene, rng: Rng, x: float, z: float, angle: float) -> None:
    """Put a van, a lorry or a bus on the road."""
    big = rng.rand() < 0.4
    if big:
        length, width = rng.uniform(7, 10.5), 2.45
        height = rng.uniform(2.8, 3.6)
    else:
        length, width = rng.uniform(4.6, 5.8), 1.95
        height = rng.uniform(2.1, 2.6)
    color = np.array(VAN_COLORS[rng.choice(len(VAN_COLORS), p=VAN_SHARES)])
    van = Scene()
    van.box(
        "white",
        Label.CAR,
        (-length / 2, length / 2),
        (0.35, height),
        (-width / 2, width / 2),
        color=color,
        gloss=0.15,
    )
    bus = big and rng.rand() < 0.6
    _add_side_windows(van, length, width, height, bus)
    _add_ends(van, length, width, height)
    for axle in (-length * 0.32, length * 0.33):
        for side in (-1, 1):
            rim, facing, colors = wheel((axle, 0.42, side * width * 0.46), 0.42, 0.26)
            van.add(Finish("white", Label.CAR), rim, facing, None, colors)
    scene.place(van, angle, (x, 0.0, z))


def _pane(
    van: Scene,
    start: tuple[float, float],
    end: tuple[float, float],
    y: tuple[float, float],
    color: Point,
    gloss: float,
) -> None:
    """Add an upright rectangle over the line from ``start`` to ``end`` (x, z)."""
    (xa, za), (xb, zb), (low, high) = start, end, y
    corners = ((xa, low, za), (xb, low, zb), (xb, high, zb), (xa, high, za))
    van.quad("white", Label.CAR, *corners, color=color, gloss=gloss)


def _add_side_windows(
    van: Scene, length: float, width: float, height: float, bus: bool
) -> None:
    """Add the windows of both sides: a row for a bus, else those of the cab."""
    y = (height * 0.5, height * 0.82)
    starts: npt.ArrayLike = [length / 2 - 1.7]
    if bus:
        starts = np.arange(-length / 2 + 0.5, length / 2 - 1.2, 1.35)
    for side in (-1, 1):
        z = side * (width / 2 + 0.012)
        for u in np.asarray(starts):
            near, far = (u, z), (u + 1.15, z)
            start, end = (near, far) if side > 0 else (far, near)
            _pane(van, start, end, y, WINDOW, 0.3)


def _add_ends(van: Scene, length: float, width: float, height: float) -> None:
    """Add the window and two lamps of the rear and of the front end."""
    for end in (-1, 1):
        x = end * (length / 2 + 0.012)
        half = (width / 2 - 0.15) * end
        y = (height * 0.48, height * 0.85)
        _pane(van, (x, half), (x, -half), y, WINDOW, 0.3)
        for side in (-1, 1):
            lamp = side * (width / 2 - 0.25)
            color = HEAD_LAMP if end > 0 else TAIL_LAMP
            start, stop = (x, lamp + 0.14 * end), (x, lamp - 0.14 * end)
            _pane(van, start, stop, (0.7, 0.95), color, 0.0)

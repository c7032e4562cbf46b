"""A straight street in numbers, and the ground it lies on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchmarks.torcs2camvid.street_renderer.label import Label
from benchmarks.torcs2camvid.street_renderer.scene import Scene

Rng = np.random.RandomState
Float = npt.NDArray[np.float64]

NEAR, FAR = 14.0, -230.0
"""Where the street begins, behind the camera, and where it ends, in metres."""
KERB = 0.13
SIDES = (-1, 1)
YELLOW = (0.85, 0.72, 0.2)


@dataclass
class Street:
    """Measures of a street in metres; the camera looks along -z.

    Args:
        half_width: Half the width of the road.
        pavement: Width of each pavement.
        eye: Position of the camera.
        bend: Quadratic terms of the street's course, to the right and up.
        setback: Distance of the houses from the pavement, by side (-1 left, 1 right).
        crossings: Streets that cross: position along z and half width.
    """

    half_width: float
    pavement: float
    eye: Float
    bend: tuple[float, float]
    setback: dict[int, float] = field(default_factory=dict)
    crossings: list[tuple[float, float]] = field(default_factory=list)

    def is_clear(self, z: float, margin: float = 0.0) -> bool:
        """Return whether no crossing street is nearer than ``margin``."""
        return all(abs(z - at) > half + margin for at, half in self.crossings)


def draw_street(rng: Rng) -> Street:
    """Draw the measures of a street, without its sides."""
    half_width = rng.uniform(3.0, 6.2)
    pavement = rng.uniform(1.6, 4.2)
    if rng.rand() < 0.85:
        lane = rng.uniform(-half_width * 0.65, -0.2)
    else:
        lane = rng.uniform(0.2, half_width * 0.6)
    eye = np.array([lane, rng.uniform(1.15, 1.75), 0.0])
    bend = (
        rng.uniform(-1, 1) * float(rng.choice([0, 0.0012, 0.004])),
        rng.uniform(-1, 1) * float(rng.choice([0, 0.0004, 0.0012])),
    )
    return Street(half_width, pavement, eye, bend)


def lay_ground(scene: Scene, rng: Rng, street: Street) -> None:
    """Lay road, pavements, what is beyond them, crossing streets and markings."""
    asphalt = f"asphalt {rng.randint(4)}"
    paving, grass = f"paving {rng.randint(4)}", f"grass {rng.randint(4)}"
    tone = rng.uniform(0.75, 1.35)
    pale = np.array([1, 1, 1]) * rng.uniform(0.8, 1.15)
    width = street.half_width
    _flat(
        scene,
        asphalt,
        Label.ROAD,
        (-width, width),
        0.0,
        (NEAR, FAR),
        (width * 2 / 4, -FAR / 4),
        (tone,) * 3,
    )
    for side in SIDES:
        setback = rng.choice([0, 0, rng.uniform(1, 7), rng.uniform(3, 12)])
        street.setback[side] = float(setback)
        _lay_pavement(scene, street, side, paving, pale)
        green = rng.rand() < 0.7 or street.setback[side] > 2.5
        _flat(
            scene,
            grass if green else paving,
            Label.TREE if green else Label.PAVEMENT,
            _span(side, width + street.pavement, 150.0),
            KERB - 0.01,
            (NEAR, FAR),
            (40, 60),
        )
    _lay_crossings(scene, rng, street, asphalt, tone)
    _paint_markings(scene, rng, street)


def _span(side: int, inner: float, outer: float) -> tuple[float, float]:
    """Return the range of x on a side, from left to right."""
    return (inner, outer) if side > 0 else (-outer, -inner)


def _flat(
    scene: Scene,
    texture: str,
    label: Label,
    x: tuple[float, float],
    y: float,
    z: tuple[float, float],
    tiles: tuple[float, float],
    color: npt.ArrayLike = (1.0, 1.0, 1.0),
) -> None:
    """Add a horizontal rectangle; z runs from near to far."""
    (x0, x1), (z0, z1) = x, z
    corners = ((x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1))
    scene.quad(texture, label, *corners, tiles=tiles, color=color)


def _lay_pavement(
    scene: Scene, street: Street, side: int, paving: str, pale: Float
) -> None:
    """Lay one pavement and its kerb."""
    inner = street.half_width
    _flat(
        scene,
        paving,
        Label.PAVEMENT,
        _span(side, inner, inner + street.pavement),
        KERB,
        (NEAR, FAR),
        (street.pavement / 2, -FAR / 2),
        pale,
    )
    x = side * inner
    start, end = (NEAR, FAR) if side < 0 else (FAR, NEAR)
    kerb = ((x, 0, start), (x, 0, end), (x, KERB, end), (x, KERB, start))
    scene.quad("white", Label.PAVEMENT, *kerb, color=(0.6, 0.6, 0.58))


def _lay_crossings(
    scene: Scene, rng: Rng, street: Street, asphalt: str, tone: float
) -> None:
    """Draw the streets that cross, and lay them on one or both sides."""
    z = -rng.uniform(15, 70)
    while z > -200 and rng.rand() < 0.75:
        street.crossings.append((z, rng.uniform(3, 5.5)))
        z -= rng.uniform(45, 110)
    for at, half in street.crossings:
        for side in SIDES:
            if rng.rand() < 0.25:
                continue
            _flat(
                scene,
                asphalt,
                Label.ROAD,
                _span(side, street.half_width - 0.02, 150.0),
                KERB + 0.012,
                (at + half, at - half),
                (36, half / 2),
                (tone * 0.97,) * 3,
            )


def _paint_markings(scene: Scene, rng: Rng, street: Street) -> None:
    """Paint a middle line, edge lines and a zebra crossing, or some of them."""
    width = street.half_width
    white = (rng.uniform(0.8, 1.0),) * 3

    def paint(
        x: tuple[float, float],
        y: float,
        z: tuple[float, float],
        color: tuple[float, ...] = white,
    ) -> None:
        _flat(scene, "white", Label.ROAD, x, y, z, (1, 1), color)

    dash, gap = rng.uniform(1.5, 4), rng.uniform(2, 6)
    if rng.rand() < 0.85:
        if rng.rand() < 0.15:
            dash, gap = 6.0, 0.0
        z = 8.0
        while z > -150:
            paint((-0.06, 0.06), 0.006, (z, z - dash))
            z = z - dash - gap
    if rng.rand() < 0.5:
        color = white if rng.rand() < 0.5 else YELLOW
        for side in SIDES:
            edge = side * (width - rng.uniform(0.2, 0.5))
            paint((edge - 0.05, edge + 0.05), 0.006, (NEAR, -150), color)
    if rng.rand() < 0.35:
        z = -rng.uniform(7, 40)
        for u in np.arange(-width + 0.2, width - 0.4, 1.0):
            paint((u, u + 0.5), 0.008, (z, z - 2.6))


def along(side: int) -> float:
    """Return the heading of a vehicle that drives on a side (British traffic)."""
    return math.pi / 2 if side < 0 else -math.pi / 2

"""Random streets: what stands where, the same ten classes in both domains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mmseg_cosda.datasets.demo_canvas import Camera, Canvas, Point, Surface, Texture
from mmseg_cosda.datasets.demo_car import paint_car
from mmseg_cosda.datasets.demo_look import Look, tint
from mmseg_cosda.datasets.demo_objects import (
    Label,
    paint_bicycle,
    paint_hedge,
    paint_person,
    paint_pole,
    paint_sign,
    paint_tree,
    uniform,
)

Range = tuple[float, float]
NEAR = 1.6
"""Depth in metres at which surfaces along the street begin."""
FAR = 110.0
"""Depth in metres at which the street ends."""


@dataclass(frozen=True)
class Layout:
    """Layout statistics of a domain; lengths in metres.

    Args:
        above_road: Height of the camera.
        horizon: Row of the horizon over the image height.
        focal: Focal length over the image width.
        storeys: Storeys per building.
        gap: Probability of a green gap instead of a building.
        trees: Mean number of trees per side on the sidewalk.
        people: Mean number of people.
        cars: Mean number of cars.
    """

    above_road: Range
    horizon: Range
    focal: Range
    storeys: Range
    gap: float
    trees: float
    people: float
    cars: float


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "source": Layout(
            (1.9, 2.4), (0.40, 0.47), (0.72, 0.85), (3, 8), 0.2, 1.5, 2.6, 3.0
        ),
        "target": Layout(
            (1.2, 1.5), (0.44, 0.54), (0.85, 1.05), (2, 6), 0.3, 2.2, 2.2, 3.6
        ),
    }
)
"""The game's high camera and tall town; the windscreen camera in a lower one."""


@dataclass(frozen=True)
class Street:
    """The cross-section of one street: edges of road and pavements (X, metres)."""

    left: float
    right: float
    walk: float
    sun: float  # metres of shadow along X per metre of height

    def edge(self, side: float) -> float:
        """Return the X of the road's edge on a side (-1 left, 1 right)."""
        return self.right if side > 0 else self.left

    def wall(self, side: float) -> float:
        """Return the X of the building line on a side."""
        return self.edge(side) + side * self.walk


def paint_street(
    domain: str, size: tuple[int, int], rng: np.random.Generator, look: Look
) -> Canvas:
    """Paint a random street of a domain.

    Args:
        domain: A key of :data:`LAYOUTS`.
        size: (width, height) in pixels.
        rng: Decides the layout, alone.
        look: Decides the colours, alone.

    Returns:
        The canvas: colours, shadows and surfaces.
    """
    layout = LAYOUTS[domain]
    width, height = size
    camera = Camera(
        width,
        height,
        focal=uniform(rng, *layout.focal) * width,
        vanish_x=uniform(rng, 0.42, 0.58) * width,
        horizon=uniform(rng, *layout.horizon) * height,
        above_road=uniform(rng, *layout.above_road),
    )
    street = Street(
        left=-uniform(rng, 4.2, 6.5),
        right=uniform(rng, 2.8, 4.6),
        walk=uniform(rng, 2.2, 3.8),
        sun=uniform(rng, 0.25, 0.8) * (1 if rng.random() < 0.5 else -1),
    )
    canvas = Canvas(camera)
    canvas.pixels[:] = (*look.colour("sky_low"), 0)
    canvas.add(Surface(Label.SKY, Texture.SKY, (1 / 400.0, 0.0, 0.0)))
    _ground(canvas, look, rng, street)
    _backdrop(canvas, look, rng, street)
    for side in (-1.0, 1.0):
        _row_of_houses(canvas, look, rng, street, layout, side)
    _furniture(canvas, look, rng, street, layout)
    return canvas


def _quad(x0: float, x1: float, y: float, z0: float, z1: float) -> list[Point]:
    return [(x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1)]


def _ground(
    canvas: Canvas, look: Look, rng: np.random.Generator, street: Street
) -> None:
    """Paint pavements, curbs, road and its markings."""
    level = canvas.ground_plane(0.0)
    road = canvas.add(Surface(Label.ROAD, Texture.ASPHALT, level))
    walk = canvas.add(Surface(Label.SIDEWALK, Texture.PAVING, level))
    curb = canvas.add(Surface(Label.SIDEWALK, Texture.PLAIN, level))
    canvas.polygon(walk, look.colour("sidewalk"), _quad(-90, 90, 0, NEAR, FAR * 4))
    colour = look.colour("road")
    canvas.polygon(road, colour, _quad(street.left, street.right, 0, NEAR, FAR * 4))
    edge = look.colour("curb")
    for side in (-1.0, 1.0):
        x = street.edge(side)
        canvas.polygon(curb, edge, _quad(x, x + side * 0.3, 0, NEAR, FAR))
        canvas.polygon(
            road, tint(colour, 0.72), _quad(x - side * 0.12, x, 0, NEAR, FAR)
        )
    white = look.colour("marking")
    middle = 0.5 * (street.left + street.right)
    start = uniform(rng, 0.0, 6.0)
    for k in range(9):
        z0 = NEAR + start + 6.0 * k
        canvas.polygon(road, white, _quad(middle - 0.08, middle + 0.08, 0, z0, z0 + 3))
    if rng.random() < 0.3:
        z0 = uniform(rng, 8.0, 22.0)
        stripes = np.arange(street.left + 0.5, street.right - 0.7, 1.0)
        for x in stripes:
            canvas.polygon(
                road, white, _quad(float(x), float(x) + 0.5, 0, z0, z0 + 3.0)
            )


def _backdrop(
    canvas: Canvas, look: Look, rng: np.random.Generator, street: Street
) -> None:
    """Close the street far away with trees and houses."""
    town = canvas.add(Surface(Label.BUILDING, Texture.WALL, (1 / FAR, 0.0, 0.0)))
    wood = canvas.facing(Label.VEGETATION, FAR, Texture.FOLIAGE)
    x = -FAR
    while x < FAR:
        wide = uniform(rng, 8.0, 20.0)
        high = uniform(rng, 5.0, 16.0)
        if rng.random() < 0.55:
            wall = [(x, 0, FAR), (x + wide, 0, FAR), (x + wide, high, FAR)]
            canvas.polygon(town, look.colour("wall"), [*wall, (x, high, FAR)])
        else:
            leaf = look.colour("foliage")
            for part in (0.0, 0.5, 1.0):
                middle = (x + part * wide, 0.3 * high, FAR)
                canvas.ellipse(wood, leaf, middle, (0.45 * wide, 0.4 * high))
        x += wide * 0.9


def _row_of_houses(
    canvas: Canvas,
    look: Look,
    rng: np.random.Generator,
    street: Street,
    layout: Layout,
    side: float,
) -> None:
    """Paint one side's houses and green gaps, far to near."""
    lots = []
    z = uniform(rng, NEAR - 8.0, NEAR)
    while z < FAR:
        length = uniform(rng, 9.0, 20.0)
        lots.append((max(z, NEAR), min(z + length, FAR), rng.random() < layout.gap))
        z += length
    for near, far, green in reversed(lots):
        x = street.wall(side)
        if green:
            paint_hedge(canvas, look, rng, x, (near, far))
            for part in (0.8, 0.3):
                spot = near + part * (far - near)
                paint_tree(canvas, look, rng, x + side * 1.6, max(spot, 4.0))
        else:
            _house(canvas, look, rng, street, layout, (side, near, far))


def _house(
    canvas: Canvas,
    look: Look,
    rng: np.random.Generator,
    street: Street,
    layout: Layout,
    lot: tuple[float, float, float],
) -> None:
    """Paint a house: wall along the street, wall towards the camera, roof."""
    side, near, far = lot
    x = street.wall(side)
    storey = uniform(rng, 2.8, 3.4)
    height = storey * int(uniform(rng, *layout.storeys)) + 0.9
    windows = (uniform(rng, 2.0, 3.6), storey, uniform(rng, 0.0, 4.0), height)
    paint, pane = look.colour("wall"), look.colour("window")
    lit = street.sun * side < 0
    along = Surface(Label.BUILDING, Texture.WALL, canvas.side_plane(x), windows, pane)
    towards = Surface(Label.BUILDING, Texture.WALL, (1 / near, 0.0, 0.0), windows, pane)
    out = x + side * 12.0
    if rng.random() < 0.4:
        ridge, rise = x + side * 4.0, height + 2.6
        tiles = canvas.add(Surface(Label.BUILDING, Texture.WALL, canvas.side_plane(x)))
        roof: list[Point] = [(x, height, near), (x, height, far)]
        roof += [(ridge, rise, far), (ridge, rise, near)]
        canvas.polygon(tiles, look.colour("roof"), roof)
    end = [(x, 0.0, near), (out, 0.0, near), (out, height, near), (x, height, near)]
    canvas.polygon(canvas.add(towards), tint(paint, 0.72 if lit else 0.9), end)
    wall: list[Point] = [(x, 0.0, near), (x, 0.0, far), (x, height, far)]
    wall.append((x, height, near))
    canvas.polygon(canvas.add(along), tint(paint, 1.0 if lit else 0.8), wall)
    if not lit:
        reach = x + street.sun * height
        canvas.cast_shadow(_quad(x, reach, 0.0, near, far))


def _furniture(
    canvas: Canvas,
    look: Look,
    rng: np.random.Generator,
    street: Street,
    layout: Layout,
) -> None:
    """Place everything that stands on road and pavement, and paint far to near."""
    things: list[tuple[float, Callable[[], None]]] = []
    Painter = Callable[..., None]

    def place(painter: Painter, x: float, z: float, *more: object) -> None:
        seed = int(rng.integers(2**32))
        things.append(
            (
                z,
                lambda: painter(canvas, look, np.random.default_rng(seed), x, z, *more),
            )
        )

    def depth(near: float, far: float) -> float:
        # even over the logarithm: near things are seldom, far ones small
        return near * (far / near) ** float(rng.random())

    for side in (-1.0, 1.0):
        edge = street.edge(side)
        kerb = edge + side * 0.6
        for _ in range(rng.poisson(layout.trees)):
            place(paint_tree, kerb + side * 0.3, depth(9.0, 60.0))
        for _ in range(rng.poisson(1.4)):
            place(paint_pole, kerb, depth(7.0, 50.0))
        for _ in range(rng.poisson(0.75)):
            place(paint_sign, kerb + side * uniform(rng, 0.0, 0.6), depth(6.0, 26.0))
        for _ in range(rng.poisson(0.6)):
            x = edge + side * uniform(rng, 0.9, street.walk - 0.3)
            place(paint_bicycle, x, depth(5.5, 16.0))
        for _ in range(rng.poisson(0.5 * layout.people)):
            x = edge + side * uniform(rng, 0.4, street.walk - 0.3)
            place(paint_person, x, depth(5.5, 30.0))
        z = uniform(rng, 5.0, 16.0)
        for _ in range(rng.poisson(0.3 * layout.cars)):
            place(paint_car, edge - side * 1.05, z, side < 0)
            z += uniform(rng, 5.2, 12.0)
    if rng.random() < 0.25:
        place(paint_person, uniform(rng, street.left, street.right), depth(8.0, 25.0))
    lane = 0.25 * (street.right - street.left)
    middle = 0.5 * (street.left + street.right)
    for lane_x, oncoming in ((middle + lane, False), (middle - lane, True)):
        if rng.random() < 0.2 * layout.cars:
            place(paint_car, lane_x * 0.8, depth(8.0, 45.0), oncoming)
    for _, paint in sorted(things, key=lambda thing: -thing[0]):
        paint()

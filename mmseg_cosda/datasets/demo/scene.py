"""Random streets: what stands where, the same ten classes in both domains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from mmseg_cosda.datasets.demo.canvas import Camera, Canvas, Surface, Texture
from mmseg_cosda.datasets.demo.car import paint_car
from mmseg_cosda.datasets.demo.houses import (
    FAR,
    NEAR,
    Street,
    ground_quad,
    paint_backdrop,
    paint_row,
)
from mmseg_cosda.datasets.demo.look import Look, tint
from mmseg_cosda.datasets.demo.objects import (
    Label,
    paint_bicycle,
    paint_person,
    paint_pole,
    paint_sign,
    paint_tree,
    uniform,
)

Range = tuple[float, float]
Painter = Callable[..., None]


@dataclass(frozen=True)
class Layout:
    """Layout statistics of a domain.

    Args:
        above_road: Height of the camera in metres.
        horizon: Row of the horizon over the image height.
        focal: Focal length over the image width.
        storeys: Storeys per house.
        green: Probability of a green gap in place of a house.
        trees: Mean number of trees per pavement.
        people: Mean number of people per pavement.
        cars: Mean number of parked cars per side.
    """

    above_road: Range
    horizon: Range
    focal: Range
    storeys: Range
    green: float
    trees: float
    people: float
    cars: float


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "source": Layout(
            above_road=(1.9, 2.4),
            horizon=(0.40, 0.47),
            focal=(0.72, 0.85),
            storeys=(2.5, 8.0),
            green=0.22,
            trees=1.2,
            people=1.0,
            cars=0.8,
        ),
        "target": Layout(
            above_road=(1.25, 1.6),
            horizon=(0.44, 0.53),
            focal=(0.82, 1.0),
            storeys=(2.0, 6.0),
            green=0.32,
            trees=1.7,
            people=1.0,
            cars=1.0,
        ),
    }
)
"""The game's high camera and tall town; the windscreen's in a lower, greener one."""


def paint_street(
    domain: str, size: tuple[int, int], rng: np.random.Generator, look: Look
) -> Canvas:
    """Paint a random street of a domain.

    Args:
        domain: A key of :data:`LAYOUTS`.
        size: (width, height) in pixels.
        rng: Decides the layout, alone.
        look: Decides the colors, alone.

    Returns:
        The canvas: colors, shadows and surfaces.
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
        walk=uniform(rng, 2.4, 4.0),
        sun=uniform(rng, 0.12, 0.55) * (1 if rng.random() < 0.5 else -1),
    )
    canvas = Canvas(camera)
    canvas.pixels[:] = (*tint(look.color("sky_low"), 1.0), 0)
    canvas.add(Surface(Label.SKY, Texture.SKY, (1 / 400.0, 0.0, 0.0)))
    _ground(canvas, look, rng, street)
    paint_backdrop(canvas, look, rng)
    for side in (-1.0, 1.0):
        paint_row(canvas, look, rng, street, side, layout.storeys, layout.green)
    crowd = _Crowd(canvas, look, rng, street)
    for side in (-1.0, 1.0):
        crowd.furnish(layout, side)
    crowd.drive(layout)
    crowd.paint()
    return canvas


def _ground(
    canvas: Canvas, look: Look, rng: np.random.Generator, street: Street
) -> None:
    """Paint pavements, curbs, road and its markings."""
    road = canvas.level(Label.ROAD, Texture.ASPHALT)
    walk = canvas.level(Label.SIDEWALK, Texture.PAVING)
    curb = canvas.level(Label.SIDEWALK, Texture.ASPHALT)
    horizon = 4 * FAR
    canvas.polygon(walk, look.color("sidewalk"), ground_quad(-90, 90, NEAR, horizon))
    color = look.color("road")
    lanes = ground_quad(street.left, street.right, NEAR, horizon)
    canvas.polygon(road, color, lanes)
    edge, gutter = look.color("curb"), tint(color, 0.72)
    for side in (-1.0, 1.0):
        x = street.edge(side)
        canvas.polygon(curb, edge, ground_quad(x, x + side * 0.3, NEAR, FAR))
        canvas.polygon(road, gutter, ground_quad(x - side * 0.12, x, NEAR, FAR))
    white = look.color("marking")
    middle = 0.5 * (street.left + street.right)
    start = uniform(rng, 0.0, 6.0)
    for k in range(9):
        z = NEAR + start + 6.0 * k
        dash = ground_quad(middle - 0.08, middle + 0.08, z, z + 3.0)
        canvas.polygon(road, white, dash)
    if rng.random() < 0.3:
        z = uniform(rng, 8.0, 22.0)
        for x in np.arange(street.left + 0.5, street.right - 0.7, 1.0).tolist():
            canvas.polygon(road, white, ground_quad(x, x + 0.5, z, z + 3.0))


@dataclass
class _Crowd:
    """Everything that stands on road and pavement, painted far to near."""

    canvas: Canvas
    look: Look
    rng: np.random.Generator
    street: Street
    things: list[tuple[float, Painter, float, tuple[object, ...]]] = field(
        default_factory=list
    )

    def place(self, painter: Painter, x: float, z: Range, *more: object) -> None:
        """Place a thing at ``x``, at a depth within ``z`` where the camera sees it.

        Depths are even over the logarithm: as many things near as far.
        """
        camera = self.canvas.camera
        half = camera.width - camera.vanish_x if x > 0 else camera.vanish_x
        near = max(z[0], abs(x) * camera.focal / (0.93 * half))
        far = max(z[1], near)
        depth = near * (far / near) ** float(self.rng.random())
        self.things.append((depth, painter, x, more))

    def furnish(self, layout: Layout, side: float) -> None:
        """Place what stands on a pavement and at its curb."""
        rng, edge = self.rng, self.street.edge(side)

        def aside(low: float, high: float) -> float:
            return edge + side * uniform(rng, low, high)

        inner = self.street.walk - 0.4
        for _ in range(rng.poisson(layout.trees)):
            self.place(paint_tree, aside(0.8, 1.1), (9.0, 60.0))
        for _ in range(rng.poisson(1.0)):
            self.place(paint_pole, aside(0.4, 0.7), (6.0, 30.0))
        for _ in range(rng.poisson(0.7)):
            self.place(paint_sign, aside(0.4, 1.2), (6.0, 26.0))
        for _ in range(rng.poisson(0.65)):
            self.place(paint_bicycle, aside(0.9, inner), (5.0, 18.0))
        for _ in range(rng.poisson(layout.people)):
            self.place(paint_person, aside(0.4, inner), (4.5, 18.0))
        z = uniform(rng, 5.5, 18.0)
        for _ in range(rng.poisson(layout.cars)):
            self.place(paint_car, edge - side * 1.05, (z, z), side < 0)
            z += uniform(rng, 5.6, 11.0)

    def drive(self, layout: Layout) -> None:
        """Place moving cars in both lanes, and now and then a person crossing."""
        rng, street = self.rng, self.street
        if rng.random() < 0.25:
            x = uniform(rng, street.left, street.right)
            self.place(paint_person, x, (7.0, 20.0))
        lane = 0.19 * (street.right - street.left)
        middle = 0.5 * (street.left + street.right)
        for x, oncoming in ((middle + lane, False), (middle - lane, True)):
            if rng.random() < 0.55 * layout.cars:
                self.place(paint_car, x, (9.0, 45.0), oncoming)

    def paint(self) -> None:
        """Paint all, far to near."""
        for depth, painter, x, more in sorted(self.things, key=lambda t: -t[0]):
            painter(self.canvas, self.look, self.rng, x, depth, self.street.sun, *more)

"""The painter of cars, in perspective."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmseg_cosda.datasets.demo.canvas import Canvas, Color, Point
from mmseg_cosda.datasets.demo.look import Look, tint
from mmseg_cosda.datasets.demo.objects import CIRCLE, Label, uniform


@dataclass(frozen=True)
class Car:
    """The shape of one car along the street; lengths in metres.

    Args:
        left: X of its left flank.
        right: X of its right flank.
        z: Its near end.
        length: Its length.
        belt: Height of the body, where the windows begin.
        roof: Height of the roof.
        oncoming: Whether its front is the near end.
    """

    left: float
    right: float
    z: float
    length: float
    belt: float
    roof: float
    oncoming: bool

    @property
    def flank(self) -> float:
        """X of the flank that the camera, at X = 0, sees."""
        return self.left if self.left + self.right > 0 else self.right

    @property
    def cabin(self) -> tuple[float, float]:
        """Where the cabin begins and ends: behind the bonnet, before the boot."""
        near, far = (1.1, 0.4) if self.oncoming else (0.3, 1.1)
        return self.z + near, self.z + self.length - far


def paint_car(
    canvas: Canvas,
    look: Look,
    rng: np.random.Generator,
    x: float,
    z: float,
    sun: float,
    oncoming: bool,
) -> None:
    """Paint a car of random shape along the street.

    Args:
        canvas: The canvas.
        look: Decides the colors.
        rng: Decides the shape.
        x: Middle of the car in metres.
        z: Its near end in metres.
        sun: Metres of shadow along X per metre of height.
        oncoming: Whether its front is the near end.
    """
    half = 0.5 * uniform(rng, 1.7, 1.9)
    length = uniform(rng, 3.7, 4.6)
    belt, roof = uniform(rng, 0.82, 0.95), uniform(rng, 1.4, 1.7)
    car = Car(x - half, x + half, z, length, belt, roof, oncoming)
    surface = canvas.facing(Label.CAR, z + 1.0)
    paint, tyre = look.color("car"), look.color("tyre")
    _shadow(canvas, car, sun)
    _box(canvas, surface, tint(tyre, 0.8), car, (0.12, 0.45), (z, z + length))
    _box(canvas, surface, tint(paint, 1.08), car, (0.28, belt), (z, z + length))
    _wheels(canvas, look, surface, car)
    _cabin(canvas, look, surface, car, paint)
    _near_end(canvas, look, surface, car, paint)


def _shadow(canvas: Canvas, car: Car, sun: float) -> None:
    shift = sun * car.belt
    left = min(car.left, car.left + shift) - 0.1
    right = max(car.right, car.right + shift) + 0.1
    near, far = car.z - 0.25, car.z + car.length + 0.3
    canvas.cast_shadow(
        [(left, 0, near), (right, 0, near), (right, 0, far), (left, 0, far)]
    )


def _box(
    canvas: Canvas,
    surface: int,
    color: Color,
    car: Car,
    heights: tuple[float, float],
    depths: tuple[float, float],
) -> None:
    canvas.hull(
        surface,
        color,
        [(x, y, z) for x in (car.left, car.right) for y in heights for z in depths],
    )


def _wheels(canvas: Canvas, look: Look, surface: int, car: Car) -> None:
    """Set the wheels of the visible flank."""
    tyre, rim = look.color("tyre"), look.color("rim")
    for hub in (car.z + 0.75, car.z + car.length - 0.8):
        for color, radius in ((tyre, 0.34), (rim, 0.17)):
            wheel = [
                (car.flank, 0.34 + radius * sin, hub + radius * cos)
                for cos, sin in CIRCLE
            ]
            canvas.hull(surface, color, wheel)


def _cabin(canvas: Canvas, look: Look, surface: int, car: Car, paint: Color) -> None:
    """Paint pillars, roof, the two windows of the flank and the near one."""
    near, far = car.cabin
    near_top, far_top = near + (0.6 if car.oncoming else 0.35), far - 0.5
    belt, roof = car.belt, car.roof
    left, right = car.left, car.right
    top: list[Point] = [
        (left + 0.2, roof, near_top),
        (right - 0.2, roof, near_top),
        (right - 0.2, roof, far_top),
        (left + 0.2, roof, far_top),
    ]
    base = [(x, belt, z) for x in (left + 0.05, right - 0.05) for z in (near, far)]
    canvas.hull(surface, tint(paint, 0.95), top + base)
    canvas.polygon(surface, tint(paint, 1.2), top)
    glass = look.color("glass")
    flank = car.flank
    inner = flank + (0.14 if flank == left else -0.14)
    middle = 0.5 * (near + far)
    for start, end, lead, trail in (
        (near + 0.12, middle - 0.06, 0.35, 0.0),
        (middle + 0.06, far - 0.12, 0.0, 0.45),
    ):
        low = [(flank, belt + 0.04, start), (flank, belt + 0.04, end)]
        high = [(inner, roof - 0.1, end - trail), (inner, roof - 0.1, start + lead)]
        canvas.polygon(surface, glass, low + high)
    screen = [(left + 0.16, belt + 0.04, near), (right - 0.16, belt + 0.04, near)]
    screen += [(right - 0.27, roof - 0.08, near_top)]
    screen += [(left + 0.27, roof - 0.08, near_top)]
    canvas.polygon(surface, tint(glass, 1.2), screen)


def _near_end(canvas: Canvas, look: Look, surface: int, car: Car, paint: Color) -> None:
    """Paint the near end: tyres, bumper, lights and number plate."""
    left, right, belt = car.left, car.right, car.belt
    wide = right - left
    tyre, plate = look.color("tyre"), look.color("plate")
    light = look.color("head_light" if car.oncoming else "tail_light")
    parts = [
        (tint(paint, 0.88), left + 0.02, 0.28, wide - 0.04, belt - 0.28),
        (tyre, left + 0.05, 0.0, 0.25, 0.35),
        (tyre, right - 0.3, 0.0, 0.25, 0.35),
        (tint(tyre, 1.6), left, 0.27, wide, 0.13),
        (light, left + 0.04, belt - 0.28, 0.3, 0.16),
        (light, right - 0.34, belt - 0.28, 0.3, 0.16),
        (plate, 0.5 * (left + right) - 0.25, 0.42, 0.5, 0.13),
    ]
    for color, x, y, dx, dy in parts:
        corners = [(x, y), (x + dx, y), (x + dx, y + dy), (x, y + dy)]
        canvas.polygon(surface, color, [(px, py, car.z) for px, py in corners])

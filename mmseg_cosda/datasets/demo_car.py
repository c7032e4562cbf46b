"""The painter of cars, in perspective."""

from __future__ import annotations

import numpy as np

from mmseg_cosda.datasets.demo_canvas import Canvas, Point
from mmseg_cosda.datasets.demo_look import Look, tint
from mmseg_cosda.datasets.demo_objects import Label, box, uniform


def paint_car(
    canvas: Canvas,
    look: Look,
    rng: np.random.Generator,
    x: float,
    z: float,
    oncoming: bool,
) -> None:
    """Paint a car along the street.

    Args:
        canvas: The canvas.
        look: Colours.
        rng: Shape and options.
        x: Middle of the car in metres.
        z: Its near end in metres.
        oncoming: Whether its front is the near end.
    """
    surface = canvas.facing(Label.CAR, z + 1.0)
    width, length = uniform(rng, 1.7, 1.9), uniform(rng, 3.7, 4.6)
    belt, roof = uniform(rng, 0.82, 0.95), uniform(rng, 1.4, 1.7)
    paint, glass, tyre = (look.colour(m) for m in ("car", "glass", "tyre"))
    left, right = x - width / 2, x + width / 2
    side = left if x > 0 else right  # the flank that the camera sees
    inner = side + (0.14 if x > 0 else -0.14)
    body = box(left, 0.28, z, width, belt - 0.28, length)
    canvas.hull(surface, tint(tyre, 0.8), box(left, 0.12, z, width, 0.3, length))
    canvas.hull(surface, tint(paint, 1.08), body)
    # The bonnet is in front of the cabin, the boot behind it.
    near, far = (
        (z + 1.1, z + length - 0.4) if oncoming else (z + 0.25, z + length - 1.1)
    )
    near_top, far_top = near + (0.6 if oncoming else 0.35), far - 0.5
    top = [
        (px, roof, pz) for px in (left + 0.2, right - 0.2) for pz in (near_top, far_top)
    ]
    base = [(px, belt, pz) for px in (left + 0.05, right - 0.05) for pz in (near, far)]
    canvas.hull(surface, tint(paint, 0.95), top + base)
    canvas.polygon(surface, tint(paint, 1.2), [top[0], top[1], top[3], top[2]])
    _flank(canvas, look, surface, side, z, length, belt)
    _side_windows(canvas, surface, glass, side, inner, (near, far), (belt, roof))
    canvas.polygon(  # the near face
        surface,
        tint(paint, 0.9),
        [
            (left, 0.28, z),
            (right, 0.28, z),
            (right - 0.03, belt, z),
            (left + 0.03, belt, z),
        ],
    )
    canvas.polygon(  # the near window
        surface,
        tint(glass, 1.15),
        [
            (left + 0.16, belt + 0.04, near),
            (right - 0.16, belt + 0.04, near),
            (right - 0.27, roof - 0.08, near_top),
            (left + 0.27, roof - 0.08, near_top),
        ],
    )
    _near_details(canvas, look, surface, (left, right), z, belt, oncoming)


def _flank(
    canvas: Canvas,
    look: Look,
    surface: int,
    side: float,
    z: float,
    length: float,
    belt: float,
) -> None:
    """Darken the visible flank and set its wheels."""
    tyre, rim = look.colour("tyre"), look.colour("rim")
    for hub in (z + 0.75, z + length - 0.8):
        wheel = [(side, 0.34 + 0.34 * sin, hub + 0.34 * cos) for cos, sin in _CIRCLE]
        canvas.hull(surface, tyre, wheel)
        inner = [(side, 0.34 + 0.17 * sin, hub + 0.17 * cos) for cos, sin in _CIRCLE]
        canvas.hull(surface, rim, inner)


_CIRCLE = [
    (float(np.cos(a)), float(np.sin(a))) for a in np.linspace(0, 2 * np.pi, 13)[:-1]
]


def _side_windows(
    canvas: Canvas,
    surface: int,
    glass: tuple[float, float, float],
    side: float,
    inner: float,
    cabin: tuple[float, float],
    heights: tuple[float, float],
) -> None:
    near, far = cabin
    belt, roof = heights
    middle = 0.5 * (near + far)
    for start, end, lead, trail in (
        (near + 0.12, middle - 0.06, 0.35, 0.0),
        (middle + 0.06, far - 0.12, 0.0, 0.45),
    ):
        points: list[Point] = [
            (side, belt + 0.04, start),
            (side, belt + 0.04, end),
            (inner, roof - 0.1, end - trail),
            (inner, roof - 0.1, start + lead),
        ]
        canvas.polygon(surface, glass, points)


def _near_details(
    canvas: Canvas,
    look: Look,
    surface: int,
    sides: tuple[float, float],
    z: float,
    belt: float,
    oncoming: bool,
) -> None:
    """Set tyres, bumper, lights and number plate on the near end."""
    left, right = sides
    tyre = look.colour("tyre")
    light = look.colour("head_light" if oncoming else "tail_light")
    plate = look.colour("plate")
    z -= 0.02
    for start in (left + 0.05, right - 0.3):
        _rectangle(canvas, surface, tyre, start, 0.0, z, 0.25, 0.35)
    _rectangle(canvas, surface, tint(tyre, 1.6), left, 0.27, z, right - left, 0.13)
    for start in (left + 0.04, right - 0.34):
        _rectangle(canvas, surface, light, start, belt - 0.28, z, 0.3, 0.16)
    middle = 0.5 * (left + right)
    _rectangle(canvas, surface, plate, middle - 0.25, 0.42, z, 0.5, 0.13)


def _rectangle(
    canvas: Canvas,
    surface: int,
    colour: tuple[float, float, float],
    x: float,
    y: float,
    z: float,
    dx: float,
    dy: float,
) -> None:
    corners = [(x, y, z), (x + dx, y, z), (x + dx, y + dy, z), (x, y + dy, z)]
    canvas.polygon(surface, colour, corners)

"""Painters of what lines a street: houses, green gaps and the far end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmseg_cosda.datasets.demo.canvas import Canvas, Color, Point, Texture, Windows
from mmseg_cosda.datasets.demo.look import Look, tint
from mmseg_cosda.datasets.demo.objects import (
    Label,
    paint_hedge,
    paint_tree,
    uniform,
)

NEAR = 1.6
"""Depth in metres at which surfaces along the street begin."""
FAR = 110.0
"""Depth in metres at which the street ends."""


@dataclass(frozen=True)
class Street:
    """The cross-section of a street; lengths in metres.

    Args:
        left: X of the road's left edge, negative.
        right: X of its right edge.
        walk: Width of the pavements.
        sun: Metres of shadow along X per metre of height.
    """

    left: float
    right: float
    walk: float
    sun: float

    def edge(self, side: float) -> float:
        """Return the X of the road's edge on a side (-1 left, 1 right)."""
        return self.right if side > 0 else self.left

    def wall(self, side: float) -> float:
        """Return the X of the building line on a side."""
        return self.edge(side) + side * self.walk


def ground_quad(x0: float, x1: float, z0: float, z1: float) -> list[Point]:
    """Return a rectangle on the ground."""
    return [(x0, 0.0, z0), (x1, 0.0, z0), (x1, 0.0, z1), (x0, 0.0, z1)]


def paint_backdrop(canvas: Canvas, look: Look, rng: np.random.Generator) -> None:
    """Close the street far away with trees and houses."""
    pane, frame = look.color("window"), look.color("frame")
    windows = Windows(3.4, 3.2, 0.0, 40.0, pane, frame)
    town = canvas.facing(Label.BUILDING, FAR, Texture.WALL, windows)
    wood = canvas.facing(Label.VEGETATION, FAR, Texture.FOLIAGE)
    x = -FAR
    while x < FAR:
        wide, high = uniform(rng, 8.0, 20.0), uniform(rng, 5.0, 16.0)
        if rng.random() < 0.55:
            wall = [(x, 0.0, FAR), (x + wide, 0.0, FAR), (x + wide, high, FAR)]
            canvas.polygon(town, look.color("wall"), [*wall, (x, high, FAR)])
        else:
            leaf = look.color("foliage")
            for part in (0.0, 0.5, 1.0):
                middle = (x + part * wide, 0.25 * high, FAR)
                canvas.ellipse(wood, leaf, middle, (0.42 * wide, 0.4 * high))
        x += wide * 0.9


def paint_row(
    canvas: Canvas,
    look: Look,
    rng: np.random.Generator,
    street: Street,
    side: float,
    storeys: tuple[float, float],
    green: float,
) -> None:
    """Paint one side's houses and green gaps, far to near.

    Args:
        canvas: The canvas.
        look: Decides the colors.
        rng: Decides the layout.
        street: The street.
        side: -1 for the left, 1 for the right.
        storeys: Least and greatest number of storeys.
        green: Probability of a green gap in place of a house.
    """
    lots = []
    z = uniform(rng, NEAR - 8.0, NEAR)
    while z < FAR:
        length = uniform(rng, 9.0, 20.0)
        lots.append((max(z, NEAR), min(z + length, FAR), rng.random() < green))
        z += length
    x = street.wall(side)
    for near, far, is_green in reversed(lots):
        if not is_green:
            _house(canvas, look, rng, street, (side, near, far), storeys)
            continue
        paint_hedge(canvas, look, rng, x, (near, far))
        for part in (0.8, 0.3):
            spot = max(near + part * (far - near), 4.0)
            paint_tree(canvas, look, rng, x + side * 1.6, spot, street.sun)


def _house(
    canvas: Canvas,
    look: Look,
    rng: np.random.Generator,
    street: Street,
    lot: tuple[float, float, float],
    storeys: tuple[float, float],
) -> None:
    """Paint a house: roof, wall towards the camera, wall along the street."""
    side, near, far = lot
    x = street.wall(side)
    out = x + side * 12.0
    storey = uniform(rng, 2.8, 3.4)
    height = storey * int(uniform(rng, *storeys)) + 0.9
    pitch, offset = uniform(rng, 2.0, 3.6), uniform(rng, 0.0, 4.0)
    paint, pane = look.color("wall"), look.color("window")
    windows = Windows(pitch, storey, offset, height, pane, look.color("frame"))
    lit = street.sun * side > 0
    if rng.random() < 0.4:
        _roof(canvas, look.color("roof"), lot, x, height)
    towards = canvas.facing(Label.BUILDING, near, Texture.WALL, windows)
    end = [(x, 0.0, near), (out, 0.0, near), (out, height, near), (x, height, near)]
    canvas.polygon(towards, tint(paint, 0.72 if lit else 0.9), end)
    along = canvas.along(Label.BUILDING, x, Texture.WALL, windows)
    wall = [(x, 0.0, near), (x, 0.0, far), (x, height, far), (x, height, near)]
    canvas.polygon(along, tint(paint, 1.0 if lit else 0.8), wall)
    if not lit:
        canvas.cast_shadow(ground_quad(x, x + street.sun * height, near, far))


def _roof(
    canvas: Canvas,
    color: Color,
    lot: tuple[float, float, float],
    x: float,
    height: float,
) -> None:
    side, near, far = lot
    ridge, top = x + side * 4.0, height + 2.6
    tiles = canvas.along(Label.BUILDING, x, Texture.WALL)
    eaves = [(x, height, near), (x, height, far)]
    canvas.polygon(tiles, color, [*eaves, (ridge, top, far), (ridge, top, near)])
    gable = [(x, height, near), (ridge, top, near)]
    end = canvas.facing(Label.BUILDING, near, Texture.WALL)
    canvas.polygon(end, tint(color, 0.8), [*gable, (x + side * 8.0, height, near)])

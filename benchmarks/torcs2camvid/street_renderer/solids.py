"""Round bodies: cylinders, capsules, wheels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from benchmarks.torcs2camvid.street_renderer.label import Label
from benchmarks.torcs2camvid.street_renderer.scene import Finish, Scene, Vector

Float = npt.NDArray[np.float64]


def sectors(count: int) -> list[tuple[float, float]]:
    """Return the angles of a circle's equal sectors, from and to."""
    edges = [2 * math.pi * i / count for i in range(count + 1)]
    return list(pairwise(edges))


def add_cylinder(
    scene: Scene,
    label: Label,
    foot: tuple[float, float],
    radius: float | tuple[float, float],
    y: tuple[float, float],
    color: Vector,
) -> None:
    """Add an upright cylinder or cone without ends, in eight faces.

    Args:
        scene: Where it is added.
        label: The class.
        foot: Its x and z.
        radius: One, or those of the lower and the upper end.
        y: Heights of the lower and the upper end.
        color: Its color.
    """
    x, z = foot
    low, high = radius if isinstance(radius, tuple) else (radius, radius)
    points: list[tuple[float, ...]] = []
    normals: list[tuple[float, ...]] = []
    for a, b in sectors(8):
        p = [
            (x + r * math.cos(t), height, z + r * math.sin(t))
            for r, t, height in (
                (low, a, y[0]),
                (low, b, y[0]),
                (high, b, y[1]),
                (high, a, y[1]),
            )
        ]
        at_a, at_b = (math.cos(a), 0, math.sin(a)), (math.cos(b), 0, math.sin(b))
        points += [p[0], p[2], p[1], p[0], p[3], p[2]]
        normals += [at_a, at_b, at_b, at_a, at_a, at_b]
    scene.add(Finish("white", label, gloss=0.05), points, normals, None, color)


def add_capsule(
    scene: Scene,
    label: Label,
    start: Vector,
    end: Vector,
    radius: float,
    color: Vector,
    faces: int = 7,
) -> None:
    """Add a cylinder between two points, with tapered ends."""
    a, b = np.array(start, float), np.array(end, float)
    axis = b - a
    axis = axis / np.linalg.norm(axis)
    u = np.cross(axis, [0, 0, 1] if abs(axis[2]) < 0.9 else [1, 0, 0])
    u /= np.linalg.norm(u)
    v = np.cross(axis, u)
    tip = axis * radius * 0.6
    rings = [(a - tip, 0.5 * radius), (a, radius), (b, radius), (b + tip, 0.5 * radius)]
    points: list[Float] = []
    normals: list[Float] = []
    for (c0, r0), (c1, r1) in pairwise(rings):
        for t0, t1 in sectors(faces):
            e0 = u * math.cos(t0) + v * math.sin(t0)
            e1 = u * math.cos(t1) + v * math.sin(t1)
            p = [c0 + e0 * r0, c0 + e1 * r0, c1 + e1 * r1, c1 + e0 * r1]
            points += [p[0], p[1], p[2], p[0], p[2], p[3]]
            normals += [e0, e1, e1, e0, e1, e0]
    scene.add(Finish("white", label), points, normals, None, color)


def add_disc(
    scene: Scene,
    label: Label,
    center: tuple[float, float, float],
    radius: float,
    corners: int,
    facing: int,
    color: Vector,
    turn: float = 0.0,
) -> None:
    """Add a regular polygon across the street, facing the camera (1) or not (-1)."""
    x, y, z = center
    points = []
    for i in range(corners):
        a, b = (2 * math.pi * k / corners + turn for k in (i, i + 1))
        points += [
            (x, y, z),
            (x + radius * math.cos(a), y + radius * math.sin(a), z),
            (x + radius * math.cos(b), y + radius * math.sin(b), z),
        ]
    scene.add(Finish("white", label), points, (0, 0, facing), None, color)


def wheel(
    center: Sequence[float], radius: float, width: float
) -> tuple[Float, Float, Float]:
    """Return a wheel whose axle lies along z.

    Returns:
        Corners, normals and colors, (N, 3) each: dark tyre, gray rim.
    """
    cx, cy, cz = center
    points: list[tuple[float, ...]] = []
    normals: list[tuple[float, ...]] = []
    colors: list[tuple[float, ...]] = []
    for side in (1, -1):
        for a, b in sectors(12):
            for r, gray in ((radius, 0.09), (radius * 0.62, 0.5)):
                out = 0.004 if r < radius else 0
                face = cz + side * (width / 2 + out)
                points += [
                    (cx, cy, face),
                    (cx + r * math.cos(a), cy + r * math.sin(a), face),
                    (cx + r * math.cos(b), cy + r * math.sin(b), face),
                ]
                normals += [(0, 0, side)] * 3
                colors += [(gray,) * 3] * 3
    for a, b in sectors(12):
        p = [
            (cx + radius * math.cos(t), cy + radius * math.sin(t), cz + width / 2 * q)
            for t, q in ((a, -1), (b, -1), (b, 1), (a, 1))
        ]
        points += [p[0], p[1], p[2], p[0], p[2], p[3]]
        normals += [(math.cos(a), math.sin(a), 0)] * 6
        colors += [(0.08,) * 3] * 6
    return np.array(points), np.array(normals), np.array(colors)

"""Surfaces of a scene, collected by what they are drawn with."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.torcs2camvid.street_renderer.label import Label

Float = npt.NDArray[np.float64]
Vector = npt.ArrayLike
WHITE = (1.0, 1.0, 1.0)
SEGMENT = 6.0
"""Longest piece of a quadrilateral along the street in metres: the street is bent."""


class Finish(NamedTuple):
    """What a group of triangles is drawn with.

    Args:
        texture: Name of the texture.
        label: The class.
        flat: Whether it is a picture on a plane, lit alike from all sides.
        gloss: Strength of the reflections.
    """

    texture: str
    label: Label
    flat: bool = False
    gloss: float = 0.0


def turned(points: npt.NDArray[np.floating[Any]], angle: float) -> Float:
    """Turn points, (N, 3), about the vertical axis; x turns towards -z."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return points @ np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])


class Scene:
    """Triangles in metres: x to the right, y up, -z along the street.

    ``groups`` holds float32 arrays of corners, (N, 11): position, normal, texture
    coordinates, color. Groups are drawn in the order in which they were begun.

    Examples:
        >>> scene = Scene()
        >>> a, b, c, d = (0, 0, 0), (1, 0, 0), (1, 0, -9), (0, 0, -9)
        >>> scene.quad("white", Label.ROAD, a, b, c, d)
        >>> {finish.label.name: len(scene.corners(finish)) for finish in scene.groups}
        {'ROAD': 6}
    """

    def __init__(self) -> None:
        self.groups: dict[Finish, list[npt.NDArray[np.float32]]] = {}

    def corners(self, finish: Finish) -> npt.NDArray[np.float32]:
        """Return all corners of a group, (N, 11)."""
        return np.concatenate(self.groups[finish])

    def add(
        self,
        finish: Finish,
        points: Vector,
        normals: Vector,
        uv: Vector | None = None,
        color: Vector = WHITE,
    ) -> None:
        """Add triangles.

        Args:
            finish: What they are drawn with.
            points: Corners, (N, 3).
            normals: (N, 3) or one for all.
            uv: Texture coordinates, (N, 2); zero by default.
            color: (N, 3) or one for all; multiplies the texture.
        """
        position = np.asarray(points, np.float32)
        count = len(position)
        coordinates = np.zeros((count, 2)) if uv is None else np.asarray(uv)
        columns = [
            position,
            np.broadcast_to(np.asarray(normals, np.float32), (count, 3)),
            coordinates.astype(np.float32),
            np.broadcast_to(np.asarray(color, np.float32), (count, 3)),
        ]
        self.groups.setdefault(finish, []).append(np.concatenate(columns, 1))

    def quad(
        self,
        texture: str,
        label: Label,
        *edge: Vector,
        tiles: tuple[float, float] = (1.0, 1.0),
        color: Vector = WHITE,
        flat: bool = False,
        gloss: float = 0.0,
    ) -> None:
        """Add a quadrilateral, in pieces along the street.

        Args:
            texture: Name of the texture.
            label: The class.
            *edge: Its four corners; u runs from the first to the second, v from the
                first to the fourth.
            tiles: How often the texture repeats along u and v.
            color: Multiplies the texture.
            flat: As in :class:`Finish`.
            gloss: As in :class:`Finish`.
        """
        a, b, c, d = (np.asarray(corner) for corner in edge)
        normal = np.cross(b - a, d - a)
        normal = normal / (np.linalg.norm(normal) + 1e-9)
        depths = [a[2], b[2], c[2], d[2]]
        pieces = max(1, int((max(depths) - min(depths)) / SEGMENT))
        along_u = abs(b[2] - a[2]) >= abs(d[2] - a[2])
        u, v = tiles
        points: list[Float] = []
        uv: list[tuple[float, float]] = []
        for i in range(pieces):
            f, g = i / pieces, (i + 1) / pieces
            if along_u:
                p = (a + (b - a) * f, a + (b - a) * g, d + (c - d) * g, d + (c - d) * f)
                t = ((u * f, 0.0), (u * g, 0.0), (u * g, v), (u * f, v))
            else:
                p = (a + (d - a) * f, b + (c - b) * f, b + (c - b) * g, a + (d - a) * g)
                t = ((0.0, v * f), (u, v * f), (u, v * g), (0.0, v * g))
            points += [p[0], p[1], p[2], p[0], p[2], p[3]]
            uv += [t[0], t[1], t[2], t[0], t[2], t[3]]
        self.add(Finish(texture, label, flat, gloss), points, normal, uv, color)

    def box(
        self,
        texture: str,
        label: Label,
        x: tuple[float, float],
        y: tuple[float, float],
        z: tuple[float, float],
        tile: tuple[float, float] = (1.0, 1.0),
        color: Vector = WHITE,
        top: str | None = None,
        gloss: float = 0.0,
    ) -> None:
        """Add an upright box without a bottom.

        Args:
            texture: Name of the sides' texture.
            label: The class.
            x: From, to.
            y: From, to.
            z: From, to (the end nearer to the camera).
            tile: Width and height of the texture in metres.
            color: Multiplies the texture.
            top: Name of the top's texture, by default the sides'.
            gloss: As in :class:`Finish`.
        """
        (x0, x1), (y0, y1), (z0, z1) = x, y, z
        high = (y1 - y0) / tile[1]
        across, along = ((x1 - x0) / tile[0], high), ((z1 - z0) / tile[0], high)
        sides = (
            ((x0, z1), (x1, z1), across),
            ((x1, z0), (x0, z0), across),
            ((x1, z1), (x1, z0), along),
            ((x0, z0), (x0, z1), along),
        )
        for (xa, za), (xb, zb), tiles in sides:
            face = ((xa, y0, za), (xb, y0, zb), (xb, y1, zb), (xa, y1, za))
            corners = [np.array(corner, float) for corner in face]
            self.quad(texture, label, *corners, tiles=tiles, color=color, gloss=gloss)
        lid = ((x0, y1, z1), (x1, y1, z1), (x1, y1, z0), (x0, y1, z0))
        self.quad(
            top or texture,
            label,
            *[np.array(corner, float) for corner in lid],
            tiles=((x1 - x0) / 4, (z1 - z0) / 4),
            color=color,
            gloss=gloss,
        )

    def billboard(
        self,
        texture: str,
        label: Label,
        foot: tuple[float, float, float],
        size: tuple[float, float],
        eye: Float,
        color: Vector = WHITE,
        mirrored: bool = False,
    ) -> None:
        """Add an upright picture that faces the camera.

        Args:
            texture: Name of the texture.
            label: The class.
            foot: Middle of its lower edge.
            size: Width and height in metres.
            eye: Position of the camera.
            color: Multiplies the texture.
            mirrored: Whether left and right are swapped.
        """
        x, y, z = foot
        width, height = size
        to_eye = np.array([eye[0] - x, eye[2] - z])
        to_eye = to_eye / np.linalg.norm(to_eye)
        dx, dz = to_eye[1] * width / 2, -to_eye[0] * width / 2
        a, b = np.array([x - dx, y, z - dz]), np.array([x + dx, y, z + dz])
        if mirrored:
            a, b = b, a
        up = np.array([0, height, 0])
        points = [a, b, b + up, a, b + up, a + up]
        normal = (to_eye[0] * 0.6, 0.6, to_eye[1] * 0.6)
        uv = [(0, 0), (1, 0), (1, 1), (0, 0), (1, 1), (0, 1)]
        self.add(Finish(texture, label, flat=True), points, normal, uv, color)

    def place(
        self, part: Scene, angle: float, at: Vector, scale: float | None = None
    ) -> None:
        """Add a copy of another scene, scaled, turned and moved (in this order)."""
        for finish in part.groups:
            corners = part.corners(finish)
            points = corners[:, :3] if scale is None else corners[:, :3] * scale
            self.add(
                finish,
                turned(points, angle) + np.asarray(at),
                turned(corners[:, 3:6], angle),
                corners[:, 6:8],
                corners[:, 8:11],
            )

"""Meshes in the AC3D format as TORCS extends it (``.acc``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]

STRIP = 4
"""Low bits of a surface's flags when its corners form a triangle strip."""


def triangles(corners: int, strip: bool) -> list[tuple[int, int, int]]:
    """Return the triangles of a surface, as positions in its list of corners.

    Args:
        corners: Number of corners.
        strip: Whether they form a strip (every second triangle is turned round, so
            that all face the same way) or a convex polygon (a fan).

    Examples:
        >>> triangles(4, strip=True)
        [(0, 1, 2), (2, 1, 3)]
        >>> triangles(4, strip=False)
        [(0, 1, 2), (0, 2, 3)]
    """
    if strip:
        return [
            (i, i + 1, i + 2) if i % 2 == 0 else (i + 1, i, i + 2)
            for i in range(corners - 2)
        ]
    return [(0, i, i + 1) for i in range(1, corners - 1)]


def _numbers(line: str, count: int) -> list[float]:
    """Return the first numbers of a line, filled up with zeros."""
    return [float(word) for word in (line.split() + ["0"] * count)[:count]]


def parse_ac3d(text: str) -> Float:
    """Read all triangles of a mesh, in the order of the file.

    Vertices may carry normals (TORCS' extension); without them normals are zero. An
    object's ``loc`` moves its own vertices; rotations and materials are not read.

    Args:
        text: Content of the file.

    Returns:
        Triangle corners, (3 * triangles, 8): position, normal, texture coordinates.

    Raises:
        ValueError: If the text ends early or holds no surface.
    """
    lines = text.split("\n")
    corners: list[Float] = []
    vertices = np.zeros((0, 6))
    location = np.zeros(3)
    flags = 0
    at = 0
    while at < len(lines):
        words = lines[at].split()
        at += 1
        keyword = words[0] if words else ""
        if keyword == "OBJECT":
            location = np.zeros(3)
        elif keyword == "loc":
            location = np.array([float(word) for word in words[1:4]])
        elif keyword == "SURF":
            flags = int(words[1], 16)
        elif keyword in ("numvert", "refs"):
            block = lines[at : at + int(words[1])]
            at += len(block)
            if len(block) < int(words[1]):
                raise ValueError(f"the mesh ends within its last '{keyword}'")
            if keyword == "numvert":
                vertices = np.array([_numbers(line, 6) for line in block])
                vertices = vertices.reshape(-1, 6)
                vertices[:, :3] += location
            else:
                corners += _surface(vertices, block, flags & 0xF == STRIP)
    if not corners:
        raise ValueError("the mesh has no surface")
    return np.array(corners)


def _surface(vertices: Float, refs: Sequence[str], strip: bool) -> list[Float]:
    """Return the triangle corners of one surface."""
    uses = [ref.split() for ref in refs]
    points = [
        np.r_[vertices[int(use[0])], float(use[1]), float(use[2])] for use in uses
    ]
    return [points[i] for face in triangles(len(points), strip) for i in face]

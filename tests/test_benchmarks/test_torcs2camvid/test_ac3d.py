"""Meshes in TORCS' dialect of AC3D."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.street_art import CAR_AC3D

from benchmarks.torcs2camvid.street_renderer.ac3d import parse_ac3d

STRIP = """OBJECT poly
numvert 4
0 0 0
1 0 0
0 1 0
1 1 0
SURF 0x4
refs 4
0 .1 .2
1 .3 .4
2 .5 .6
3 .7 .8
"""


def test_a_polygon_is_a_fan_moved_by_its_location() -> None:
    corners = parse_ac3d(CAR_AC3D)
    assert corners.shape == (9, 8)
    a, b, c, d = (-2, 0.5, -0.9), (2, 0.5, -0.9), (2, 0.5, 0.9), (-2, 1.3, 0.9)
    np.testing.assert_allclose(corners[:, :3], [a, b, c, a, c, d, a, b, d])
    np.testing.assert_array_equal(corners[:, 3:6], [(0, 1, 0)] * 9)
    np.testing.assert_array_equal(corners[5, 6:], (0, 1))


def test_a_strip_turns_every_second_triangle() -> None:
    corners = parse_ac3d(STRIP)
    p = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)])
    np.testing.assert_array_equal(corners[:, :3], p[[0, 1, 2, 2, 1, 3]])
    np.testing.assert_array_equal(corners[:, 6:], [
        (0.1, 0.2), (0.3, 0.4), (0.5, 0.6), (0.5, 0.6), (0.3, 0.4), (0.7, 0.8)
    ])  # fmt: skip
    # Without normals in the file they are zero.
    assert not corners[:, 3:6].any()
    # All triangles of the strip face the same way.
    one, two = corners[:3, :3], corners[3:, :3]
    for triangle in (one, two):
        edges = np.diff(triangle, axis=0)
        assert np.cross(edges[0], edges[1])[2] == 1


def test_the_next_object_starts_at_the_origin_again() -> None:
    moved = "OBJECT poly\nloc 5 0 0\n" + STRIP.removeprefix("OBJECT poly\n")
    first, second = parse_ac3d(moved + STRIP).reshape(2, 6, 8)
    np.testing.assert_array_equal(first[:, 0], second[:, 0] + 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n".join(STRIP.splitlines()[:-2]), "ends within its last 'refs'"),
        ("\n".join(STRIP.splitlines()[:4]), "ends within its last 'numvert'"),
        ("AC3Db\n", "no surface"),
    ],
    ids=["refs", "numvert", "empty"],
)
def test_a_damaged_mesh_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_ac3d(text)

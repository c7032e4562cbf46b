"""Surfaces and solids by value."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.torcs2camvid.street_renderer.label import Label
from benchmarks.torcs2camvid.street_renderer.scene import Finish, Scene, turned
from benchmarks.torcs2camvid.street_renderer.solids import (
    add_capsule,
    add_cylinder,
    add_disc,
    wheel,
)

Corners = npt.NDArray[np.float32]


def only(scene: Scene) -> Corners:
    (finish,) = scene.groups
    return scene.corners(finish)


def windings(corners: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Normals of triangles as their corners' order gives them."""
    a, b, c = corners[:, :3].reshape(-1, 3, 3).swapaxes(0, 1)
    return np.cross(b - a, c - a)


def test_turning_sends_x_to_minus_z() -> None:
    np.testing.assert_allclose(
        turned(np.eye(3), math.pi / 2), [(0, 0, -1), (0, 1, 0), (1, 0, 0)], atol=1e-15
    )


def test_a_quad_is_cut_along_the_street_and_keeps_its_texture() -> None:
    scene = Scene()
    a, b, c, d = (0, 0, 0), (2, 0, 0), (2, 0, -18), (0, 0, -18)
    scene.quad("t", Label.ROAD, a, b, c, d, tiles=(1, 9), color=(0.5, 0.5, 0.5))
    corners = only(scene)
    assert len(corners) == 3 * 6  # three pieces of 6 m
    np.testing.assert_array_equal(corners[:, 3:6], [(0, 1, 0)] * 18)
    np.testing.assert_allclose(corners[:, 6], corners[:, 0] / 2)
    np.testing.assert_allclose(corners[:, 7], -corners[:, 2] / 2)
    np.testing.assert_array_equal(corners[:, 8:], np.full((18, 3), 0.5))
    assert np.abs(windings(corners)).sum() == pytest.approx(2 * 2 * 18)


def test_a_quad_is_cut_along_its_first_edge_too() -> None:
    scene = Scene()
    scene.quad("t", Label.FENCE, (1, 0, 0), (1, 0, -12), (1, 2, -12), (1, 2, 0))
    corners = only(scene)
    assert len(corners) == 2 * 6
    np.testing.assert_allclose(corners[:, 6], -corners[:, 2] / 12)
    np.testing.assert_allclose(corners[:, 7], corners[:, 1] / 2)


def test_the_faces_of_a_box_look_outwards() -> None:
    scene = Scene()
    scene.box("t", Label.CAR, (-1, 3), (0, 2), (-5, 0), tile=(2, 1), top="roof")
    sides, top = (scene.corners(Finish(t, Label.CAR)) for t in ("t", "roof"))
    assert len(sides) == 4 * 6
    np.testing.assert_array_equal(top[:, 3:6], [(0, 1, 0)] * 6)
    middle = np.array([1, 1, -2.5])
    for corners in (sides, top):
        outwards = ((corners[:, :3] - middle) * corners[:, 3:6]).sum(1)
        assert (outwards > 0).all()
        assert ((windings(corners) * corners[::3, 3:6]).sum(1) > 0).all()
    assert sides[:, 6].max() == 2.5  # 5 m, a tile is 2 m wide
    assert sides[:, 7].max() == 2


def test_a_billboard_faces_the_eye() -> None:
    scene = Scene()
    eye = np.array([3.0, 1.5, 0.0])
    scene.billboard("t", Label.TREE, (0, 0.1, -4), (2, 5), eye)
    scene.billboard("m", Label.TREE, (0, 0.1, -4), (2, 5), eye, mirrored=True)
    corners = scene.corners(Finish("t", Label.TREE, flat=True))
    low_left, low_right, top_right = corners[:3, :3]
    across = low_right - low_left
    assert np.dot(across, (3, 0, 4)) == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(across) == pytest.approx(2)
    np.testing.assert_allclose(top_right - low_right, (0, 5, 0))
    assert across[0] > 0  # left in the texture is left in the image
    mirrored = scene.corners(Finish("m", Label.TREE, flat=True))
    np.testing.assert_array_equal(mirrored[0, :3], low_right)


def test_a_part_is_scaled_then_turned_then_moved() -> None:
    part, scene = Scene(), Scene()
    part.add(Finish("t", Label.CAR), [(1, 2, 0)] * 3, (1, 0, 0), None, (0.1, 0.2, 0.3))
    scene.place(part, math.pi / 2, (10, 0, 0), 3.0)
    np.testing.assert_allclose(
        only(scene)[0], (10, 6, -3, 0, 0, -1, 0, 0, 0.1, 0.2, 0.3), atol=1e-6
    )


def test_a_cone_has_its_radii() -> None:
    scene = Scene()
    add_cylinder(scene, Label.POLE, (1, -2), (0.3, 0.1), (0, 4), (0.5, 0.5, 0.5))
    corners = only(scene)
    radius = np.hypot(corners[:, 0] - 1, corners[:, 2] + 2)
    np.testing.assert_allclose(radius[corners[:, 1] == 0], 0.3, rtol=1e-5)
    np.testing.assert_allclose(radius[corners[:, 1] == 4], 0.1, rtol=1e-5)
    np.testing.assert_allclose(
        corners[:, [3, 5]] * radius[:, None], corners[:, [0, 2]] - (1, -2), atol=1e-6
    )


@pytest.mark.parametrize("end", [(0, 2, 0), (0, 0, 2), (1, 1, 1)])
def test_a_capsule_surrounds_its_axis(end: tuple[float, float, float]) -> None:
    scene = Scene()
    add_capsule(scene, Label.PEDESTRIAN, (0, 0, 0), end, 0.2, (1, 1, 1))
    corners = only(scene).astype(float)
    length = float(np.linalg.norm(end))
    axis = np.array(end) / length
    height = corners[:, :3] @ axis
    off = np.linalg.norm(corners[:, :3] - height[:, None] * axis, axis=1)
    assert sorted({round(h, 4) for h in height}) == pytest.approx(
        [-0.12, 0, length, length + 0.12], abs=1e-3
    )
    tips = (height < -0.01) | (height > length + 0.01)
    np.testing.assert_allclose(off[tips], 0.1, rtol=1e-4)
    np.testing.assert_allclose(off[~tips], 0.2, rtol=1e-4)
    np.testing.assert_allclose(corners[:, 3:6] @ axis, 0, atol=1e-6)


def test_a_disc_of_three_corners_stands_on_its_side() -> None:
    scene = Scene()
    add_disc(scene, Label.SIGNSYMBOL, (0, 2, -5), 1.0, 3, 1, (1, 0, 0), math.pi / 2)
    corners = only(scene)
    assert corners[:, 1].max() == pytest.approx(3)  # a tip above
    assert corners[:, 1].min() == pytest.approx(1.5)
    assert (windings(corners)[:, 2] > 0).all()


def test_a_wheel_has_a_dark_tyre_and_a_rim() -> None:
    points, normals, colors = wheel((1.0, 0.3, 0.5), 0.3, 0.2)
    radius = np.hypot(points[:, 0] - 1, points[:, 1] - 0.3)
    assert radius.max() == pytest.approx(0.3)
    rim = colors[:, 0] == 0.5
    assert radius[rim].max() == pytest.approx(0.3 * 0.62)
    # The rim stands out from the tyre, or it would be hidden in it.
    assert np.abs(points[rim, 2] - 0.5).min() > 0.1
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)

"""Cameras and lights as matrices, and what is drawn of them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.torcs2camvid.street_renderer.view import (
    LOW_SUN,
    WEATHERS,
    View,
    clip_to_direction,
    draw_view,
    rotation,
    world_to_clip,
    world_to_light,
)

Float = npt.NDArray[np.float64]
ASPECT = 4 / 3


@pytest.fixture
def level() -> View:
    view = draw_view(np.random.RandomState(0))
    return dataclasses.replace(
        view, field_of_view=math.pi / 2, yaw=0.0, pitch=0.0, roll=0.0
    )


def project(matrix: Float, point: tuple[float, float, float]) -> Float:
    x, y, z, w = matrix @ np.array([*point, 1.0])
    return np.array([x, y, z]) / w


def test_the_camera_looks_along_the_street(level: View) -> None:
    eye = np.array([1.0, 1.5, 0.0])
    matrix = world_to_clip(level, eye, ASPECT)
    assert project(matrix, (1, 1.5, -20))[:2] == pytest.approx((0, 0))
    # 90 degrees: what is as far to the right as ahead lies on the image's edge.
    assert project(matrix, (11, 1.5, -10))[0] == pytest.approx(1)
    assert project(matrix, (1, 1.5 + 7.5, -10))[1] == pytest.approx(1)
    near, far = project(matrix, (1, 1.5, -0.3))[2], project(matrix, (1, 1.5, -400))[2]
    assert (near, far) == pytest.approx((-1, 1))


@pytest.mark.parametrize(
    ("turn", "axis", "sign"), [("yaw", 0, 1), ("pitch", 1, -1), ("roll", 0, 0)]
)
def test_turning_the_camera_moves_the_image(
    level: View, turn: str, axis: int, sign: int
) -> None:
    change: dict[str, Any] = {turn: 0.1}
    view = dataclasses.replace(level, **change)
    at = project(world_to_clip(view, np.zeros(3), ASPECT), (0, 0, -10))
    assert np.sign(at[axis].round(9)) == sign


def test_a_rotation_keeps_lengths() -> None:
    matrix = rotation(0.3, -0.2, 0.1)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-15)
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_directions_are_those_of_the_camera(level: View) -> None:
    view = dataclasses.replace(level, yaw=0.2, pitch=0.1, roll=0.05)
    to_clip = world_to_clip(view, np.zeros(3), ASPECT)
    point = np.array([3.0, 2.0, -30.0])
    x, y, _ = project(to_clip, (3.0, 2.0, -30.0))
    direction = clip_to_direction(view, ASPECT) @ np.array([x, y, 1, 1])
    found = direction[:3] / direction[3]
    np.testing.assert_allclose(
        found / np.linalg.norm(found), point / np.linalg.norm(point), atol=1e-12
    )


@pytest.mark.parametrize("height", [0.2, 1.0, 1.5])
def test_the_sun_sees_the_street(height: float) -> None:
    sun = np.array([0.6 * math.cos(height), math.sin(height), 0.8 * math.cos(height)])
    matrix = world_to_light(sun)
    middle = project(matrix, (0, 0, -38))
    np.testing.assert_allclose(middle, 0, atol=1e-12)
    towards = project(matrix, tuple(np.array([0, 0, -38]) + sun * 10))
    np.testing.assert_allclose(towards[:2], 0, atol=1e-12)
    assert towards[2] < middle[2]  # nearer to the sun is nearer in the map


def test_weathers_come_with_their_shares() -> None:
    assert sum(weather.share for weather in WEATHERS) == pytest.approx(1)
    views = [draw_view(np.random.RandomState(seed)) for seed in range(400)]
    low = [v for v in views if tuple(v.horizon) == LOW_SUN.horizon]
    assert len(low) / 400 == pytest.approx(LOW_SUN.share, abs=0.04)
    heights = np.degrees([math.asin(v.sun[1]) for v in low])
    assert heights.min() >= 10
    assert heights.max() <= 22
    for view in views:
        assert np.linalg.norm(view.sun) == pytest.approx(1)
        assert 0.85 <= view.gamma <= 1.15
        assert 52 <= math.degrees(view.field_of_view) <= 72

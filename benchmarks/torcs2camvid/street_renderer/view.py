"""How a street is seen: camera, weather and light, drawn at random."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Rng = np.random.RandomState
Float = npt.NDArray[np.float64]
Range = tuple[float, float]
Color = tuple[float, float, float]

NEAREST, FARTHEST = 0.3, 400.0
"""What the camera sees, in metres."""


class Weather(NamedTuple):
    """What one weather looks like.

    Args:
        share: Probability.
        sun_height: Range of the sun's height in degrees.
        sun_color: RGB, linear.
        ambient: RGB, linear.
        horizon: Color of the sky at the horizon and of the fog.
        zenith: Color of the sky above.
        clouds: Range of their cover.
        fog: Extinction per metre.
    """

    share: float
    sun_height: Range
    sun_color: Color
    ambient: Color
    horizon: Color
    zenith: Color
    clouds: Range
    fog: float


SUNNY = Weather(
    share=0.4,
    sun_height=(25, 65),
    sun_color=(1.15, 1.08, 0.95),
    ambient=(0.42, 0.47, 0.56),
    horizon=(0.78, 0.86, 0.95),
    zenith=(0.25, 0.48, 0.82),
    clouds=(0.1, 0.6),
    fog=0.0006,
)
OVERCAST = Weather(
    share=0.35,
    sun_height=(25, 65),
    sun_color=(0.35, 0.35, 0.35),
    ambient=(0.78, 0.8, 0.83),
    horizon=(0.86, 0.87, 0.89),
    zenith=(0.72, 0.75, 0.8),
    clouds=(0.6, 0.9),
    fog=0.0016,
)
HAZY = Weather(
    share=0.15,
    sun_height=(25, 65),
    sun_color=(0.6, 0.57, 0.5),
    ambient=(0.65, 0.65, 0.66),
    horizon=(0.87, 0.86, 0.82),
    zenith=(0.65, 0.72, 0.8),
    clouds=(0.2, 0.7),
    fog=0.0045,
)
LOW_SUN = Weather(
    share=0.1,
    sun_height=(10, 22),
    sun_color=(1.1, 0.75, 0.45),
    ambient=(0.36, 0.38, 0.48),
    horizon=(0.95, 0.82, 0.66),
    zenith=(0.4, 0.5, 0.7),
    clouds=(0.1, 0.5),
    fog=0.0012,
)
WEATHERS = (SUNNY, OVERCAST, HAZY, LOW_SUN)


@dataclass(frozen=True)
class View:
    """Camera, weather and exposure of one image.

    Args:
        field_of_view: Horizontal, in radians.
        yaw: Turn to the left, in radians.
        pitch: Turn upwards, in radians.
        roll: In radians.
        sun: Unit vector towards the sun.
        sun_color: RGB, linear.
        ambient: RGB, linear.
        horizon: Color of the sky at the horizon and of the fog.
        zenith: Color of the sky above.
        clouds: Cover, 0 to 1.
        fog: Extinction per metre.
        cloud_seed: Which clouds.
        gamma: Exponent of the camera's response.
        gain: Factor of the exposure.
    """

    field_of_view: float
    yaw: float
    pitch: float
    roll: float
    sun: Float
    sun_color: Float
    ambient: Float
    horizon: Float
    zenith: Float
    clouds: float
    fog: float
    cloud_seed: float
    gamma: float
    gain: float


def draw_view(rng: Rng) -> View:
    """Draw a view."""
    field_of_view = math.radians(rng.uniform(52, 72))
    yaw = math.radians(rng.randn() * 5)
    pitch = math.radians(rng.uniform(-4, 2))
    roll = math.radians(rng.randn() * 0.6)
    weather = WEATHERS[int(rng.choice(4, p=[each.share for each in WEATHERS]))]
    azimuth = rng.uniform(0, 2 * math.pi)
    height = math.radians(rng.uniform(*weather.sun_height))
    sun_color = np.array(weather.sun_color) * rng.uniform(0.8, 1.1)
    ambient = np.array(weather.ambient) * rng.uniform(0.8, 1.1)
    covers = {each: rng.uniform(*each.clouds) for each in WEATHERS}
    return View(
        field_of_view=field_of_view,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        sun=np.array(
            [
                math.cos(height) * math.cos(azimuth),
                math.sin(height),
                math.cos(height) * math.sin(azimuth),
            ]
        ),
        sun_color=sun_color,
        ambient=ambient,
        horizon=np.array(weather.horizon),
        zenith=np.array(weather.zenith),
        clouds=covers[weather],
        fog=weather.fog * rng.uniform(0.6, 1.5),
        cloud_seed=float(rng.rand() * 10),
        gamma=rng.uniform(0.85, 1.15),
        gain=rng.uniform(0.85, 1.12),
    )


def rotation(yaw: float, pitch: float, roll: float) -> Float:
    """Return the (3, 3) matrix from the world to the camera."""
    cy, sy = math.cos(yaw), math.sin(yaw)
    cp, sp = math.cos(pitch), math.sin(pitch)
    cr, sr = math.cos(roll), math.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return (about_y @ about_x @ about_z).T


def affine(linear: Float, shift: npt.ArrayLike = (0.0, 0.0, 0.0)) -> Float:
    """Return the (4, 4) matrix of a linear map and a shift."""
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = shift
    return matrix


def perspective(
    view: View, aspect: float, near: float = 0.3, far: float = 400.0
) -> Float:
    """Return the (4, 4) projection of the camera; ``aspect`` is width over height."""
    t = math.tan(view.field_of_view / 2)
    return np.array(
        [
            [1 / t, 0, 0, 0],
            [0, aspect / t, 0, 0],
            [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, -1, 0],
        ]
    )


def world_to_clip(view: View, eye: Float, aspect: float) -> Float:
    """Return the (4, 4) matrix from the world to the image."""
    turn = rotation(view.yaw, view.pitch, view.roll)
    return perspective(view, aspect) @ affine(turn, -turn @ eye)


def clip_to_direction(view: View, aspect: float) -> Float:
    """Return the (4, 4) matrix from the image to directions in the world."""
    turn = rotation(view.yaw, view.pitch, view.roll)
    inverse = np.linalg.inv(perspective(view, aspect) @ affine(turn))
    return np.asarray(inverse, np.float64)


def world_to_light(sun: Float) -> Float:
    """Return the (4, 4) matrix of the shadow map: parallel light onto 116 x 116 m."""
    eye = np.array([0, 0, -38.0]) + sun * 120
    ahead = -sun
    up = np.array([0, 1, 0]) if abs(sun[1]) < 0.95 else np.array([1, 0, 0])
    right = np.cross(ahead, up)
    right /= np.linalg.norm(right)
    linear = np.stack([right, np.cross(right, ahead), -ahead])
    depth = 240.0
    box = np.diag([1 / 58.0, 1 / 58.0, -2 / depth, 1.0])
    box[2, 3] = -1.0
    return box @ affine(linear, -linear @ eye)

"""A pinhole camera and a canvas on which every pixel knows its surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import cv2
import numpy as np
import numpy.typing as npt

SUPERSAMPLE = 2
"""Canvas pixels per image pixel and axis: smooth edges at little cost."""

_SHIFT = 3  # fractional bits of OpenCV's fixed-point coordinates

Point = tuple[float, float, float]
Color = tuple[float, float, float]
UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]


class Texture(IntEnum):
    """What a surface is made of, which decides its texture."""

    PLAIN = 0
    SKY = 1
    ASPHALT = 2  # the ground: this one and the next
    PAVING = 3
    WALL = 4
    FOLIAGE = 5


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along +Z, without roll.

    World coordinates are metres: X to the right, Y up from the road, Z ahead.

    Args:
        width: Image width in pixels.
        height: Image height in pixels.
        focal: Focal length in pixels.
        vanish_x: Column of the vanishing point of the street, in pixels.
        horizon: Row of the horizon, in pixels.
        above_road: Height over the road in metres.

    Examples:
        >>> camera = Camera(256, 128, 200.0, 128.0, 60.0, 1.5)
        >>> camera.project((2.0, 0.0, 10.0))
        (168.0, 90.0)
    """

    width: int
    height: int
    focal: float
    vanish_x: float
    horizon: float
    above_road: float

    def project(self, point: Point) -> tuple[float, float]:
        """Return the (column, row) in pixels of a world point with Z > 0."""
        x, y, z = point
        scale = self.focal / z
        return (
            self.vanish_x + x * scale,
            self.horizon + (self.above_road - y) * scale,
        )


@dataclass(frozen=True)
class Windows:
    """A regular grid of windows on a wall; lengths in metres.

    Args:
        pitch: From one window to the next along the wall.
        storey: From one storey to the next.
        offset: Shift along the wall.
        total: Height of the wall.
        pane: RGB of the glass.
        frame: RGB of the frames.
    """

    pitch: float
    storey: float
    offset: float
    total: float
    pane: Color
    frame: Color


@dataclass(frozen=True)
class Surface:
    """What all pixels of one painted surface share.

    Inverse depth is affine in the image on any plane: 1/Z = a + b*column + c*row.

    Args:
        label: Class id.
        texture: Material.
        plane: (a, b, c).
        windows: The windows of a wall; None for a surface without.
    """

    label: int
    texture: Texture
    plane: Point
    windows: Windows | None = None


@dataclass
class Canvas:
    """A picture in the making: painted far to near, near wins.

    Args:
        camera: The camera.

    Attributes:
        pixels: (S*H, S*W, 4) uint8: RGB and the index of the surface.
        shadow: (S*H, S*W) uint8, 255 where the sun doesn't reach the ground.
        surfaces: The surfaces by index.
    """

    camera: Camera
    pixels: UInt8 = field(init=False)
    shadow: UInt8 = field(init=False)
    surfaces: list[Surface] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        rows = self.camera.height * SUPERSAMPLE
        columns = self.camera.width * SUPERSAMPLE
        self.pixels = np.zeros((rows, columns, 4), np.uint8)
        self.shadow = np.zeros((rows, columns), np.uint8)

    def add(self, surface: Surface) -> int:
        """Register a surface and return its index; a full table shares the last."""
        if len(self.surfaces) < 256:
            self.surfaces.append(surface)
        return len(self.surfaces) - 1

    def facing(
        self,
        label: int,
        z: float,
        texture: Texture = Texture.PLAIN,
        windows: Windows | None = None,
    ) -> int:
        """Return a new surface that faces the camera at depth ``z`` (metres)."""
        return self.add(Surface(label, texture, (1.0 / z, 0.0, 0.0), windows))

    def along(
        self, label: int, x: float, texture: Texture, windows: Windows | None = None
    ) -> int:
        """Return a new surface that runs along the street at ``x`` (metres)."""
        scale = 1.0 / (self.camera.focal * x)
        plane = (-self.camera.vanish_x * scale, scale, 0.0)
        return self.add(Surface(label, texture, plane, windows))

    def level(self, label: int, texture: Texture) -> int:
        """Return a new surface on the ground."""
        scale = 1.0 / (self.camera.focal * self.camera.above_road)
        plane = (-self.camera.horizon * scale, 0.0, scale)
        return self.add(Surface(label, texture, plane))

    def _fixed(self, points: Sequence[Point]) -> npt.NDArray[np.int32]:
        """Project points, many thousands a second: so without :meth:`project`."""
        camera, unit = self.camera, SUPERSAMPLE << _SHIFT
        focal, column, row = (
            unit * camera.focal,
            unit * camera.vanish_x,
            unit * camera.horizon,
        )
        top = camera.above_road
        return np.array(
            [
                (int(column + x * focal / z), int(row + (top - y) * focal / z))
                for x, y, z in points
            ],
            np.int32,
        )

    def polygon(self, surface: int, color: Color, points: Sequence[Point]) -> None:
        """Fill a polygon given by world points."""
        fixed = self._fixed(points)
        cv2.fillPoly(
            self.pixels, [fixed], (*color, surface), lineType=cv2.LINE_8, shift=_SHIFT
        )

    def hull(self, surface: int, color: Color, points: Sequence[Point]) -> None:
        """Fill the outline of world points, a convex body seen from the camera."""
        outline = cv2.convexHull(self._fixed(points))
        cv2.fillConvexPoly(
            self.pixels, outline, (*color, surface), lineType=cv2.LINE_8, shift=_SHIFT
        )

    def line(
        self, surface: int, color: Color, start: Point, end: Point, width: float
    ) -> None:
        """Draw a rod of ``width`` metres, at least about an image pixel thick."""
        a, b = self._fixed((start, end))
        depth = 0.5 * (start[2] + end[2])
        thick = SUPERSAMPLE * width * self.camera.focal / depth
        cv2.line(
            self.pixels,
            (int(a[0]), int(a[1])),
            (int(b[0]), int(b[1])),
            (*color, surface),
            max(SUPERSAMPLE, round(thick)),
            cv2.LINE_8,
            _SHIFT,
        )

    def ellipse(
        self,
        surface: int,
        color: Color,
        center: Point,
        radii: tuple[float, float],
        outline: float = 0.0,
    ) -> None:
        """Draw an upright ellipse; radii (and the outline's width) in metres."""
        scale = SUPERSAMPLE * self.camera.focal / center[2]
        fine = scale * (1 << _SHIFT)
        column, row = self.camera.project(center)
        unit = SUPERSAMPLE << _SHIFT
        thickness = max(SUPERSAMPLE, round(outline * scale)) if outline else -1
        cv2.ellipse(
            self.pixels,
            (int(column * unit), int(row * unit)),
            (max(8, int(radii[0] * fine)), max(8, int(radii[1] * fine))),
            0,
            0,
            360,
            (*color, surface),
            thickness,
            cv2.LINE_8,
            _SHIFT,
        )

    def cast_shadow(self, points: Sequence[Point]) -> None:
        """Darken the ground inside a polygon (only where ground stays visible)."""
        cv2.fillPoly(self.shadow, [self._fixed(points)], 255, cv2.LINE_8, _SHIFT)

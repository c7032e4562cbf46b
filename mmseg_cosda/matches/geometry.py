"""Where the pixels of a feature map lie in its image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]


class MapGeometry(NamedTuple):
    """A feature map over an image, as labels are resized to it.

    Args:
        map_size: (h, w).
        image_size: (H, W), pixels of the network's input.
        padding: Pixels of border that the map carries around the image.
    """

    map_size: tuple[int, int]
    image_size: tuple[int, int]
    padding: int = 0

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of a map's pixel, in pixels of the image."""
        (h, w), (height, width) = self.map_size, self.image_size
        border = 2 * self.padding
        return (width + border) / w, (height + border) / h

    def center(self, index: int) -> tuple[float, float]:
        """Return (x, y) of a map's pixel in the image, where a pixel's center is whole.

        Args:
            index: In raster order.

        Examples:
            >>> MapGeometry((2, 4), (4, 8)).center(5)
            (2.5, 2.5)
        """
        row, column = divmod(index, self.map_size[1])
        width, height = self.cell
        x = (column + 0.5) * width - self.padding - 0.5
        return x, (row + 0.5) * height - self.padding - 0.5

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of the map, for matplotlib's ``imshow``."""
        height, width = self.image_size
        border = self.padding + 0.5
        return -border, width + border - 1, height + border - 1, -border


class Patch(NamedTuple):
    """A crop of an image around a pixel of its map.

    Args:
        picture: (side, side, 3) RGB.
        center: (x, y) of the pixel in the crop.
        cell: Width and height of the pixel, in pixels of the image.
    """

    picture: UInt8
    center: tuple[float, float]
    cell: tuple[float, float]


def crop(picture: UInt8, geometry: MapGeometry, index: int, side: int) -> Patch:
    """Cut a square around a map's pixel, shifted where the image ends.

    Args:
        picture: (H, W, 3) RGB.
        geometry: Of the map.
        index: The map's pixel, in raster order.
        side: Pixels of the image; at most its height and width.

    Examples:
        >>> picture = np.arange(4 * 8, dtype=np.uint8).repeat(3).reshape(4, 8, 3)
        >>> patch = crop(picture, MapGeometry((2, 4), (4, 8)), 7, 2)
        >>> patch.picture[..., 0].tolist(), patch.center
        ([[22, 23], [30, 31]], (0.5, 0.5))
    """
    height, width = picture.shape[:2]
    side = min(side, height, width)
    x, y = geometry.center(index)
    left = int(np.clip(round(x - (side - 1) / 2), 0, width - side))
    top = int(np.clip(round(y - (side - 1) / 2), 0, height - side))
    window = picture[top : top + side, left : left + side]
    return Patch(window.copy(), (x - left, y - top), geometry.cell)

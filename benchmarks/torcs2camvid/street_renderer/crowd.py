"""Single people, cut out of pictures of groups."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

OPAQUE = 100
"""Alpha above which a pixel belongs to somebody."""
MIN_HEIGHT = 34
ASPECT = (1.75, 4.2)
"""Height over width of a figure that stands alone; wider ones are groups."""


def cut_out_people(sheet: Image.Image) -> list[Image.Image]:
    """Return the figures of a sheet that look like one person, enlarged twofold.

    Args:
        sheet: Picture in RGBA; what is not connected to a figure is transparent.

    Returns:
        Figures in RGBA, in the order in which the rows of the sheet meet them.
    """
    pixels = np.array(sheet)
    opaque = (pixels[..., 3] > OPAQUE).astype(np.uint8)
    count, regions = cv2.connectedComponents(opaque, connectivity=8)
    people = []
    for region in _by_first_pixel(regions, count):
        mask = regions == region
        rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        left, right = int(columns[0]), int(columns[-1]) + 1
        height, width = bottom - top, right - left
        if height < MIN_HEIGHT or not ASPECT[0] <= height / width <= ASPECT[1]:
            continue
        figure = pixels[top:bottom, left:right].copy()
        figure[~mask[top:bottom, left:right], 3] = 0
        enlarged = (width * 2, height * 2)
        people.append(
            Image.fromarray(figure).resize(enlarged, Image.Resampling.BICUBIC)
        )
    return people


def _by_first_pixel(regions: npt.NDArray[np.int32], count: int) -> list[int]:
    """Return the regions' ids (without the background, 0) in reading order."""
    ids, first = np.unique(regions, return_index=True)
    return [int(i) for i in ids[np.argsort(first)] if 0 < i < count]

"""A picture under the colors of its predicted classes, above their legend."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

UInt8 = npt.NDArray[np.uint8]
WHITE = np.iinfo(np.uint8).max
SMALLEST, LARGEST = 12, 40
"""Pixels: height of the legend's letters, 1/40 of the picture's width between them."""


def draw_overlay(
    image: UInt8,
    label: npt.NDArray[np.integer[Any]],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    opacity: float = 0.5,
) -> UInt8:
    """Paint a prediction over its picture and add a legend below.

    Args:
        image: (H, W, 3) RGB.
        label: Ids, (H, W).
        classes: A name for each id.
        palette: RGB of each id.
        opacity: Weight of the colors in (0, 1]; 1 hides the picture.

    Returns:
        (H + legend, at least W, 3) RGB; its first H rows and W columns are the
        painted picture. The legend names the classes that occur.

    Examples:
        >>> image = np.full((4, 6, 3), 100, np.uint8)
        >>> label = np.ones((4, 6), np.uint8)
        >>> drawn = draw_overlay(image, label, ["a", "b"], [(0, 0, 0), (200, 0, 50)])
        >>> drawn[0, 0].tolist()
        [150, 50, 75]
    """
    colors = np.asarray(palette, np.uint8)
    painted = np.asarray(
        cv2.addWeighted(colors[label], opacity, image, 1 - opacity, 0), np.uint8
    )
    present = [int(i) for i in np.unique(label)]
    entries = [(classes[i], tuple(palette[i])) for i in present]
    legend = draw_legend(entries, image.shape[1])
    height, width = image.shape[:2]
    drawn = np.full((height + len(legend), legend.shape[1], 3), WHITE, np.uint8)
    drawn[:height, :width] = painted
    drawn[height:] = legend
    return drawn


def draw_legend(entries: Sequence[tuple[str, tuple[int, ...]]], width: int) -> UInt8:
    """Draw a field of color and a name for each entry, in lines.

    Args:
        entries: Names and RGB colors.
        width: Of the picture above, pixels.

    Returns:
        (h, w, 3) RGB, w at least ``width`` and enough for the longest entry.
    """
    size = min(max(width // 40, SMALLEST), LARGEST)
    font, gap = _font(size), size // 2
    widths = [gap + size + gap + int(font.getlength(name) + 1) for name, _ in entries]
    width = max(width, *(w + gap for w in widths))
    lines: list[list[int]] = [[]]
    left = 0
    for i, entry in enumerate(widths):
        if lines[-1] and left + entry + gap > width:
            lines.append([])
            left = 0
        lines[-1].append(i)
        left += entry
    step = size + gap
    canvas = Image.new("RGB", (width, step * len(lines) + gap), "white")
    draw = ImageDraw.Draw(canvas)
    for row, line in enumerate(lines):
        x, y = 0, gap + row * step
        for i in line:
            name, color = entries[i]
            box = (x + gap, y, x + gap + size - 1, y + size - 1)
            draw.rectangle(box, fill=color, outline="gray")
            place = (x + gap + size + gap, y + size // 2)
            draw.text(place, name, fill="black", font=font, anchor="lm")
            x += widths[i]
    return np.asarray(canvas, np.uint8)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # The host's own dependency brings a font that knows more than Latin letters.
    path = Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(str(path), size)

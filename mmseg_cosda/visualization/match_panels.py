"""A page of matches: per target image its maps, and pixels beside what pulls them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mmseg_cosda.matches.closeup import MatchedImage
from mmseg_cosda.visualization.match_axes import MARGIN, WIDTH, text_at
from mmseg_cosda.visualization.match_maps import (
    EMPTY,
    Look,
    Scales,
    draw_maps,
    map_height,
    scales_of,
)
from mmseg_cosda.visualization.match_patches import (
    RIGHT,
    UNKNOWN,
    WRONG,
    draw_pixels,
    frame_color,
    pixels_height,
)

HEAD, HEADER, TITLE, BAR = 0.4, 0.24, 0.17, 0.31
"""Inches: the page's title, a headline, the panels' titles, the color bars."""


def draw_matches(images: Sequence[MatchedImage], look: Look) -> Figure:
    """Draw target images below each other, a legend under them.

    Args:
        images: At least one.
        look: What they share.
    """
    scales = scales_of(images, look.threshold)
    heights = [_block_height(image) for image in images]
    legend = _legend_entries(images, look)
    per_line = max(
        1, int(WIDTH / (0.4 + 0.065 * max(len(str(e.get_label())) for e in legend)))
    )
    below = 0.16 * math.ceil(len(legend) / per_line) + 0.1
    total = HEAD + sum(heights) + below
    figure = Figure(figsize=(WIDTH, total))
    text_at(figure, MARGIN, total - 0.08, look.title, fontsize=7.5, va="top")
    top = total - HEAD
    for image, height in zip(images, heights, strict=True):
        _draw_block(figure, image, look, scales, top)
        top -= height
    figure.legend(
        handles=legend,
        loc="lower center",
        borderaxespad=0.2,
        ncols=per_line,
        fontsize=6.5,
        frameon=False,
        handlelength=1.0,
        columnspacing=1.2,
    )
    return figure


def _block_height(image: MatchedImage) -> float:
    return HEADER + TITLE + map_height(image) + BAR + pixels_height(image.pixels, WIDTH)


def _draw_block(
    figure: Figure, image: MatchedImage, look: Look, scales: Scales, top: float
) -> None:
    base, right = top - 0.15, WIDTH - MARGIN
    text_at(figure, MARGIN, base, image.name, fontsize=7, fontweight="bold")
    text_at(figure, right, base, _headline(image), fontsize=7, ha="right")
    upper = top - HEADER - TITLE
    draw_maps(figure, image, look, scales, upper)
    draw_pixels(figure, image.pixels, look.classes, upper - map_height(image) - BAR)


def _headline(image: MatchedImage) -> str:
    parts = []
    for key, text in (
        ("selected", "{:.1f} % of the pairs selected"),
        ("pulled", "{:.1f} % of the pixels pulled"),
        ("match_precision", "match precision {:.1f} %"),
    ):
        value = image.figures[key]
        if value is not None:
            parts.append(text.format(100 * value))
    return "   ·   ".join(parts)


def _legend_entries(images: Sequence[MatchedImage], look: Look) -> list[Patch]:
    found = {int(c) for image in images for c in np.unique(image.labels)}
    entries = [
        Patch(facecolor="#" + bytes(color).hex(), label=name)
        for c, (name, color) in enumerate(zip(look.classes, look.palette, strict=True))
        if c in found
    ]
    if not all(0 <= c < len(look.classes) for c in found):
        entries.append(Patch(facecolor="black", label="no class"))
    entries.append(Patch(facecolor=EMPTY, label="nothing pulls"))
    colors = {frame_color(pixel) for image in images for pixel in image.pixels}
    meanings = {RIGHT: "right class", WRONG: "wrong class", UNKNOWN: "no ground truth"}
    entries += [
        Patch(facecolor="none", edgecolor=color, linewidth=1.5, label=text)
        for color, text in meanings.items()
        if color in colors
    ]
    return entries

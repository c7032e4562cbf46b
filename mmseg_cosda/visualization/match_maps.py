"""The four maps of a target image: itself, its split, the pull, the similarity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from mmseg_cosda.matches.closeup import Float, MatchedImage
from mmseg_cosda.visualization.match_axes import MARGIN, WIDTH, axes_at
from mmseg_cosda.visualization.match_patches import frame_color

GAP = 0.1
PANEL = (WIDTH - 2 * MARGIN - 3 * GAP) / 4
"""Inches between two panels, and of a panel."""
TITLES = (
    "target image",
    "split",
    "share of the queue that pulls",
    "highest similarity",
)
SHARE_COLORS, BEST_COLORS = "cividis", "viridis"
EMPTY = "0.8"
"""Color of pixels that nothing pulls, and of those without any source feature."""


@dataclass(frozen=True)
class Look:
    """What all panels share.

    Args:
        classes: Names of the classes.
        palette: RGB of each.
        threshold: T_cos.
        title: In the first two lines.
    """

    classes: Sequence[str]
    palette: Sequence[Sequence[int]]
    threshold: float
    title: str


class Scales(NamedTuple):
    """Color scales, the same for all images of a page.

    Args:
        share: Of the share of the queue that pulls.
        best: Of the highest similarity.
    """

    share: Normalize
    best: Normalize


def scales_of(images: Sequence[MatchedImage], threshold: float) -> Scales:
    """Return scales in steps of a tenth, of a hundredth for small shares.

    That of shares ends at their 99th percentile: a queue of few features, which some
    pixel is similar to as a whole, would hide the rest.

    Args:
        images: At least one.
        threshold: T_cos, which lies inside of the scale of similarities.
    """
    shares = np.concatenate([image.share.ravel() for image in images])
    shares = shares[shares > 0]
    largest = float(np.percentile(shares, 99)) if len(shares) else 0.0
    below = threshold - 0.1
    lowest = min(float(np.nanmin(image.best, initial=below)) for image in images)
    steps = 10 if largest > 0.1 else 100
    return Scales(
        Normalize(0, max(1 / steps, math.ceil(steps * largest - 1e-6) / steps)),
        Normalize(max(-1.0, math.floor(10 * lowest + 1e-6) / 10), 1),
    )


def map_height(image: MatchedImage) -> float:
    """Return the inches of a panel's height."""
    height, width = image.picture.shape[:2]
    return PANEL * height / width


def draw_maps(
    figure: Figure, image: MatchedImage, look: Look, scales: Scales, top: float
) -> None:
    """Draw the four panels side by side, their titles above, color bars below.

    Args:
        figure: The page.
        image: What is shown.
        look: What all panels share.
        scales: The colors of values.
        top: Upper end of the panels, inches from the page's lower end.
    """
    height, width = image.picture.shape[:2]
    panels = []
    for number, title in enumerate(TITLES):
        axis = axes_at(figure, _left(number), top, PANEL, map_height(image))
        axis.set_title(title, fontsize=7, pad=3)
        panels.append(axis)
    panels[0].imshow(image.picture, interpolation="antialiased")
    _draw_split(panels[1], image, look)
    share = np.where(image.share > 0, image.share, np.nan)
    _draw_values(panels[2], image, share, scales.share, SHARE_COLORS)
    _draw_values(panels[3], image, image.best, scales.best, BEST_COLORS)
    for axis in panels:
        axis.set_xlim(-0.5, width - 0.5)
        axis.set_ylim(height - 0.5, -0.5)
    _draw_markers(panels[0], image)
    lower = top - map_height(image)
    bar = _draw_bar(figure, 2, lower, scales.share, SHARE_COLORS)
    highest = scales.share.vmax or 1.0
    above = "≥ " if np.nanmax(image.share, initial=0) > highest else ""
    bar.set_ticks([0, highest], labels=["0", f"{above}{100 * highest:.0f} %"])
    bar = _draw_bar(figure, 3, lower, scales.best, BEST_COLORS)
    _mark_threshold(bar, scales.best, look.threshold)


def _left(number: int) -> float:
    return MARGIN + number * (PANEL + GAP)


def _draw_split(axis: Axes, image: MatchedImage, look: Look) -> None:
    colors = np.array([*look.palette, (0, 0, 0)], np.uint8)
    known = (image.labels >= 0) & (image.labels < len(look.palette))
    painted = colors[np.where(known, image.labels, len(look.palette))]
    axis.imshow(painted, extent=image.geometry.extent, interpolation="nearest")


def _draw_values(
    axis: Axes, image: MatchedImage, values: Float, norm: Normalize, cmap: str
) -> None:
    axis.set_facecolor(EMPTY)
    axis.imshow(
        np.ma.masked_invalid(values),
        extent=image.geometry.extent,
        interpolation="nearest",
        norm=norm,
        cmap=cmap,
    )


def _draw_bar(
    figure: Figure, panel: int, top: float, norm: Normalize, cmap: str
) -> Colorbar:
    axis = axes_at(figure, _left(panel) + 0.1 * PANEL, top - 0.06, 0.8 * PANEL, 0.07)
    bar = figure.colorbar(
        ScalarMappable(norm, cmap), cax=axis, orientation="horizontal"
    )
    bar.outline.set_linewidth(0.4)
    bar.ax.tick_params(labelsize=6, length=2, pad=1.5, width=0.4)
    return bar


def _mark_threshold(bar: Colorbar, norm: Normalize, threshold: float) -> None:
    """Write T_cos at its place, and the ends of the scale where there is room."""
    low, high = norm.vmin or 0.0, norm.vmax or 1.0
    bar.ax.axvline(threshold, color="red", linewidth=1.2)
    ends = [end for end in (low, high) if abs(end - threshold) > 0.25 * (high - low)]
    labels = [*(f"{end:.1f}" for end in ends), f"$T_{{cos}}$ = {threshold:g}"]
    bar.set_ticks([*ends, threshold], labels=labels)


def _draw_markers(axis: Axes, image: MatchedImage) -> None:
    height, width = image.picture.shape[:2]
    radius = 0.045 * width  # a marker stays inside of the image
    for number, pixel in enumerate(image.pixels, 1):
        axis.text(
            float(np.clip(pixel.point[0], radius, width - 1 - radius)),
            float(np.clip(pixel.point[1], radius, height - 1 - radius)),
            str(number),
            fontsize=5.5,
            color="white",
            ha="center",
            va="center_baseline",
            bbox={
                "boxstyle": "circle,pad=0.25",
                "facecolor": "black",
                "edgecolor": frame_color(pixel),
                "linewidth": 1.1,
            },
        )

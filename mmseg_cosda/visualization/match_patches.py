"""Target pixels beside the source patches that they are pulled towards."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mmseg_cosda.matches.closeup import TargetPixel
from mmseg_cosda.matches.geometry import Patch
from mmseg_cosda.visualization.match_axes import MARGIN, axes_at, text_at

RIGHT, WRONG, UNKNOWN = "#009e73", "#d62728", "0.5"
"""Frames of pixels whose class is their ground truth, is not, or is unknown."""
BETWEEN, GAP, ARROW = 0.26, 0.05, 0.2
"""Inches: of two groups, of two patches, of the arrow."""
ABOVE, BELOW, LINE = 0.15, 0.15, 0.07
"""Inches: of a group's title, of a patch's caption, of two lines."""
LARGEST, LETTER = 0.95, 0.04
"""Inches: of a patch at most, of a letter of a caption."""


def frame_color(pixel: TargetPixel) -> str:
    """Return the color that tells whether a pixel is pulled to its true class."""
    return {True: RIGHT, False: WRONG, None: UNKNOWN}[pixel.right]


def _layout(pixels: Sequence[TargetPixel], width: float) -> tuple[int, float]:
    """Return the groups of a line and the side of a patch, inches."""
    sources = max([1, *(len(pixel.matches) for pixel in pixels)])
    groups = 2 if sources <= 3 else 1
    room = (width - 2 * MARGIN - (groups - 1) * BETWEEN) / groups
    side = (room - ARROW - (sources - 1) * GAP) / (1 + sources)
    return groups, min(LARGEST, side)


def pixels_height(pixels: Sequence[TargetPixel], width: float) -> float:
    """Return the inches that pixels take on a page of a width."""
    groups, side = _layout(pixels, width)
    return math.ceil(len(pixels) / groups) * (ABOVE + side + BELOW + LINE)


def draw_pixels(
    figure: Figure,
    pixels: Sequence[TargetPixel],
    classes: Sequence[str],
    top: float,
) -> None:
    """Draw a group per pixel: its patch, then those of its source features.

    Args:
        figure: The page.
        pixels: Numbered from 1 on.
        classes: Names of the classes.
        top: Upper end, inches from the page's lower end.
    """
    width = figure.get_size_inches()[0]
    groups, side = _layout(pixels, width)
    step = (width - 2 * MARGIN + BETWEEN) / groups
    for position, pixel in enumerate(pixels):
        line, column = divmod(position, groups)
        left = MARGIN + column * step
        upper = top - line * (ABOVE + side + BELOW + LINE) - ABOVE
        color = frame_color(pixel)
        axis = axes_at(figure, left, upper, side, side)
        axis.set_title(
            f"{position + 1}  {_title(pixel, classes)}",
            fontsize=6.5,
            pad=2.5,
            loc="left",
        )
        _draw_patch(axis, pixel.patch, color, _verdict(pixel, classes, side))
        text_at(
            figure,
            left + side + ARROW / 2,
            upper - side / 2,
            "→",
            fontsize=9,
            ha="center",
            va="center",
        )
        for rank, match in enumerate(pixel.matches):
            start = left + side + ARROW + rank * (side + GAP)
            value = f", {match.similarity:.2f}"
            caption = _cut(classes[pixel.label], side, len(value)) + value
            axis = axes_at(figure, start, upper, side, side)
            _draw_patch(axis, match.patch, color, caption)


def _title(pixel: TargetPixel, classes: Sequence[str]) -> str:
    name = classes[pixel.label]
    if not any(match.selected for match in pixel.matches):
        return f"{name}: not pulled, nothing is above the threshold"
    return f"pulled towards {name} by {100 * pixel.share:.1f} % of its queue"


def _verdict(pixel: TargetPixel, classes: Sequence[str], side: float) -> str:
    if pixel.truth is None:
        return "no ground truth"
    sign = "✓ " if pixel.right else "✗ is "
    return sign + _cut(classes[pixel.truth], side, len(sign))


def _cut(name: str, width: float, taken: int) -> str:
    """Shorten a name to what fits beside some letters."""
    room = max(2, int(width / LETTER) - taken)
    return name if len(name) <= room else name[: room - 1] + "…"


def _draw_patch(axis: Axes, patch: Patch, color: str, caption: str) -> None:
    axis.imshow(patch.picture, interpolation="antialiased")
    (x, y), (width, height) = patch.center, patch.cell
    corner = (x - width / 2, y - height / 2)
    for line, tone in ((1.6, "black"), (0.8, "white")):
        axis.add_patch(
            Rectangle(corner, width, height, fill=False, edgecolor=tone, linewidth=line)
        )
    axis.spines[:].set(color=color, linewidth=1.6)
    axis.set_xlabel(caption, fontsize=6, labelpad=2)

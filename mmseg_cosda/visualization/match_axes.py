"""Axes and texts of a page at places in inches."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmseg_cosda.visualization.files import PAGE

WIDTH, MARGIN = PAGE, 0.08
"""Inches: both columns of a paper, and the margin of the page."""


def axes_at(
    figure: Figure, left: float, top: float, width: float, height: float
) -> Axes:
    """Add axes without ticks, inches from the figure's lower left."""
    wide, tall = figure.get_size_inches()
    axes = figure.add_axes(
        (left / wide, (top - height) / tall, width / wide, height / tall)
    )
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def text_at(figure: Figure, left: float, base: float, text: str, **style: Any) -> None:
    """Write a text, inches from the figure's lower left."""
    wide, tall = figure.get_size_inches()
    figure.text(left / wide, base / tall, text, **style)

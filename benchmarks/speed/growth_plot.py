"""Time against size, with the floor, as small multiples."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from benchmarks.speed.growth import COPY, LOSS, PRODUCTS, PUSH
from benchmarks.speed.report import Row
from mmseg_cosda.visualization.files import COLORS, PAGE

STYLES = {LOSS: ("o-", 0), PRODUCTS: ("s--", 0), PUSH: ("^-", 1), COPY: ("v--", 1)}
Curves = dict[str, dict[str, list[tuple[int, float]]]]


def curves(rows: Sequence[Row]) -> Curves:
    """Sort the rows of the section "growth" by what grows and by what was measured.

    Examples:
        >>> curves([Row("growth", f"{PUSH}, pixels=8", 0.5, "s")])
        {'pixels': {'push of an image per process': [(8, 0.5)]}}
    """
    found: Curves = defaultdict(lambda: defaultdict(list))
    for row in rows:
        match = re.fullmatch(r"(.*), ([a-z ]+)=(\d+)", row.what)
        if row.section == "growth" and match and row.value is not None:
            what, key, size = match.groups()
            found[key][what].append((int(size), row.value))
    return {key: dict(lines) for key, lines in found.items()}


def draw_growth(rows: Sequence[Row]) -> Figure:
    """Draw a panel for each size that grows, both axes logarithmic.

    Args:
        rows: Of the section "growth"; others are left out.

    Returns:
        The figure, as wide as a page.
    """
    panels = curves(rows)
    figure = Figure(figsize=(PAGE, 2.6), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, (key, lines) in zip(axes, panels.items(), strict=True):
        for what, points in lines.items():
            style, color = STYLES[what]
            floor = what in (PRODUCTS, COPY)
            sizes, milliseconds = zip(*[(x, 1000 * y) for x, y in points], strict=True)
            ax.loglog(
                sizes,
                milliseconds,
                style,
                color=COLORS[color],
                mfc="white" if floor else None,
                markersize=4,
                linewidth=1,
                label=what,
            )
        ax.set_xlabel(key, fontsize=8)
        ax.xaxis.set_major_locator(FixedLocator(sizes))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.tick_params(labelsize=7)
        ax.tick_params(axis="x", rotation=45)
        ax.grid(alpha=0.3, linewidth=0.5)
    axes[0].set_ylabel("time (ms)", fontsize=8)
    figure.align_xlabels()
    handles: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(),
        handles,
        loc="outside upper center",
        ncols=2,
        fontsize=7,
        frameon=False,
    )
    return figure
